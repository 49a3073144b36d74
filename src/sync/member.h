/* sync/member.h - what is remembered of one consent's record.
 *
 * The texts lie in a spool; memory holds a row per resource (type, id, place,
 * hash, outcome) and four bytes per reference: at most 128 bytes a resource for
 * up to eight references each, `bench/` and the tests measure it.
 *
 *   rows    48 bytes each, in order of arrival
 *   ids     the id texts, end to end (a UUID: 36 bytes)
 *   edges   uint32_t each: first a name hash, after member_resolve() a row number
 *   table   uint32_t row number + 1 per slot, open addressing over type and id
 *   types   the few type names
 *
 * A resource delivered twice keeps one row: the newer meta.lastUpdated wins, the
 * earlier delivery if they are equal or unknown.
 */
#ifndef SYNC_MEMBER_H
#define SYNC_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "sync/spool.h"
#include "sync/transform.h"

enum { MEMBER_TYPES_MAX = 1024 };
#define MEMBER_ROWS_MAX ((size_t)50 * 1000 * 1000)

enum member_state {
    MEMBER_WAITING, /* not sent, or no answer yet */
    MEMBER_CREATED,
    MEMBER_UPDATED,
    MEMBER_UNCHANGED,
    MEMBER_UPDATED_OR_UNCHANGED, /* stored; the target does not tell which */
    MEMBER_FAILED,
};

struct member_row {
    uint64_t offset;    /* of its text in the spool */
    uint64_t hash;      /* transform's */
    int64_t updated_us; /* transform's */
    uint32_t length;    /* of the text */
    uint32_t id_at;     /* in ids */
    uint32_t edges_at;  /* index of its first edge */
    uint32_t edge_count;
    uint16_t type;     /* index in types */
    uint8_t id_length; /* 1 to 64 */
    uint8_t state;     /* enum member_state */
    bool differs;       /* --compare read something else from the target */
    uint8_t spare[3];
};
_Static_assert(sizeof(struct member_row) == 48, "a row is 48 bytes");

struct member {
    struct spool spool; /* owned; the texts as sent */
    struct buf rows, ids, edges, table;
    struct buf types; /* struct slice each, texts in the arena */
    struct arena arena;
    uint64_t table_mask; /* slots - 1 */
    uint64_t seed;       /* of the name hashes, the transform's */
};

enum member_added { MEMBER_NEW, MEMBER_SAME, MEMBER_REPLACED, MEMBER_OLDER };

void member_init(struct member *m, uint64_t seed);
MUST_USE enum err member_open(struct member *m);
void member_close(struct member *m);

/* Take over what transform_entry() found (a TRANSFORM_RESOURCE). *ret_added says
 * what became of it: new, a repetition that says the same, or a differing one
 * that replaced the row or was dropped. */
MUST_USE enum err member_add(struct member *m, const struct transform *t,
                             enum member_added *ret_added);
/* After the last one: turn edges into row numbers, dropping dangling ones and
 * those to the row itself; flush the spool. */
MUST_USE enum err member_resolve(struct member *m);

size_t member_count(const struct member *m);
struct member_row *member_row(const struct member *m, size_t at);
struct slice member_type(const struct member *m, const struct member_row *row);
struct slice member_id(const struct member *m, const struct member_row *row);
/* "Type/id" and NUL written into `out`. */
enum { MEMBER_NAME_BYTES = 64 + 1 + 64 + 1 };
struct slice member_name(const struct member *m, const struct member_row *row,
                         char out[MEMBER_NAME_BYTES]);
/* Row numbers it refers to, after member_resolve(). */
const uint32_t *member_edges(const struct member *m, const struct member_row *row);
/* NULL when absent. */
struct member_row *member_find(const struct member *m, struct slice type, struct slice id);

/* Bytes of memory in use for the rows and all that hangs off them. */
size_t member_memory_bytes(const struct member *m);

#endif
