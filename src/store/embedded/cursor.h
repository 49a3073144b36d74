/* store/embedded/cursor.h - reading postings: one value, or a run of values.
 *
 * A term cursor walks the documents of one (field, value), block by block, over
 * the segments and runs of the view that have it. A scan hands out the
 * documents of every value in a range. Both cut nothing at the reader's time
 * and know nothing of deaths: the search does. Past segments are opened only
 * for a time at which one of their documents may have lived.
 */
#ifndef STORE_EMBEDDED_CURSOR_H
#define STORE_EMBEDDED_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/embedded/postings.h"
#include "store/segment/posting.h"
#include "store/store.h"

#define DOC_END UINT64_MAX

struct postings_reader {
    struct segments *segments; /* hears of damage */
    const struct postings_view *view;
    uint64_t time; /* documents that were dead then are not wanted; 0: all are */
    uint64_t low, high; /* nor are those outside, of whose blocks some may come; high 0: all are */
    uint64_t faults; /* os_faults() before any of it was read */
    struct store_work *work; /* may be NULL */
};

/* What a reader's searches read, once the index is whole; ERR_BUSY when that
 * takes too long. */
struct store_reader;
MUST_USE enum err reader_postings(struct store_reader *reader, struct postings_reader *ret);

static inline bool reader_skips(const struct postings_reader *reader, const struct segment *s)
{
    const struct segment_footer *f = &s->footer;
    bool is_outside = reader->high && (f->first > reader->high || f->last < reader->low);
    return is_outside || (reader->time && f->until && f->until <= reader->time);
}
static inline bool reader_skips_run(const struct postings_reader *reader, const struct run *run)
{
    return reader->high && (run->base > reader->high || run_last(run) < reader->low);
}

/* What reading a segment came to. Bytes that are wrong are noted, so that it is written
 * again: ERR_NOT_READY until that is done; ERR_CORRUPT where nothing is repaired. NULL:
 * one of them, which is found by reading all. */
enum err reader_damage(struct segments *segments, struct segment *segment, enum err err);

/* What reading came to, asked before anything of it is used: unless a page of a segment
 * could not be read since, which is noted, and is as reader_damage(). A reader that this
 * befell stays so: what it has read is not to be told from zeros. */
enum err reader_settle(const struct postings_reader *reader, enum err err);

struct term_cursor {
    struct segments *segments;  /* borrowed, */
    const struct postings_view *view; /* as is this */
    struct posting_union lists; /* cut from the arena */
};

/* ERR_NO_MEMORY, ERR_CORRUPT, ERR_NOT_READY: the field is being derived. */
MUST_USE enum err term_cursor_open(struct term_cursor *c, const struct postings_reader *reader,
                                   uint32_t field, struct slice value, struct arena *arena);
/* The documents of all values that a PLAN_PREFIX, PLAN_RANGE or PLAN_CONTAINS asks for,
 * when these are few; else *ret_few is false, and nothing opened. */
MUST_USE enum err term_cursor_open_few(struct term_cursor *c, const struct postings_reader *reader,
                                       const struct plan *plan, struct arena *arena,
                                       bool *ret_few);
/* The next block at or above `number`; *ret_any false at the end. */
MUST_USE enum err term_cursor_block(struct term_cursor *c, uint64_t number, bool *ret_any,
                                    struct block *ret);
/* A block of it is wrong; as reader_damage(). */
enum err term_cursor_damage(const struct term_cursor *c);
/* How many documents it has, dead ones included. */
static inline uint64_t term_cursor_estimate(const struct term_cursor *c)
{
    return c->lists.docs;
}

/* Which values of a field: a PLAN_PREFIX, PLAN_RANGE or PLAN_CONTAINS. ERR_NOT_READY as
 * above. */
typedef enum err scan_visit(void *context, struct slice value, const uint64_t *docs,
                            size_t count);
MUST_USE enum err postings_scan(const struct postings_reader *reader, const struct plan *plan,
                                scan_visit *visit, void *context);

/* The same, of which only the documents are wanted. */
struct docset;
MUST_USE enum err postings_gather(const struct postings_reader *reader, const struct plan *plan,
                                  struct docset *set);

/* About how many keys and postings such a scan visits; it stops counting at `enough`
 * postings. */
MUST_USE enum err postings_estimate(const struct postings_reader *reader, const struct plan *plan,
                                    uint64_t enough, uint64_t *ret_keys, uint64_t *ret_postings);
/* Is it a value of such a plan? It lies at or above plan->from. `*ret_past`: all behind
 * it are none either. */
bool plan_value_matches(const struct plan *plan, struct slice value, bool *ret_past);

/* Every posting there is, in no order to rely on, without those of segments that are
 * damaged, some of which may have been visited. Fields are called as in the
 * segments, see fields.h. */
typedef enum err scan_all_visit(void *context, uint32_t field, struct slice value,
                                const uint64_t *docs, size_t count);
MUST_USE enum err postings_scan_all(const struct postings_reader *reader, scan_all_visit *visit,
                                    void *context);

#endif
