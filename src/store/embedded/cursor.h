/* store/embedded/cursor.h - reading postings: one value, or a run of values.
 *
 * A term cursor walks the documents of one (field, value): first the blocks of
 * the segments, then the runs of the view, which follow in document order. A
 * scan hands out the documents of every value in a range. Both cut nothing at
 * the reader's time and know nothing of deaths: the search does.
 */
#ifndef STORE_EMBEDDED_CURSOR_H
#define STORE_EMBEDDED_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/embedded/postings.h"
#include "store/store.h"

#define DOC_END UINT64_MAX

struct postings_reader {
    const struct segments *segments;
    const struct postings_view *view;
};

/* What a reader's searches read. */
struct store_reader;
struct postings_reader reader_postings(struct store_reader *reader);

struct term_cursor {
    const struct postings_reader *reader; /* borrowed */
    uint32_t field;
    struct slice value; /* borrowed */
    enum err err;       /* why it ended early */

    rocksdb_iterator_t *it; /* owned; NULL once the segments are done */
    uint8_t *key;           /* in the arena: the block's key, document last */
    size_t key_size;        /* without the document */
    struct segment_block *block;
    uint32_t block_at;
    bool positioned, loaded;

    uint32_t run; /* the view's run the next fields speak of */
    bool run_loaded;
    const uint32_t *docs;
    uint32_t docs_count, docs_at;
};

/* ERR_NO_MEMORY. Must be closed. */
MUST_USE enum err term_cursor_open(struct term_cursor *c, const struct postings_reader *reader,
                                   uint32_t field, struct slice value, struct arena *arena);
void term_cursor_close(struct term_cursor *c);
/* The first document at or above `doc`, which never goes back; DOC_END. */
uint64_t term_cursor_seek(struct term_cursor *c, uint64_t doc);
/* About how many documents it has. */
uint64_t term_cursor_estimate(struct term_cursor *c);

/* Which values of a field: a PLAN_PREFIX, PLAN_RANGE or PLAN_CONTAINS. */
typedef enum err scan_visit(void *context, struct slice value, const uint64_t *docs,
                            size_t count);
MUST_USE enum err postings_scan(const struct postings_reader *reader, const struct plan *plan,
                                scan_visit *visit, void *context);

/* Every posting there is, in no order to rely on. */
typedef enum err scan_all_visit(void *context, uint32_t field, struct slice value,
                                const uint64_t *docs, size_t count);
MUST_USE enum err postings_scan_all(const struct postings_reader *reader, scan_all_visit *visit,
                                    void *context);

#endif
