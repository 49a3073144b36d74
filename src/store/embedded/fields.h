/* store/embedded/fields.h - what each field is called in the index.
 *
 * A field whose terms are made by new rules must be derived again from the
 * bodies, and its old postings must never be seen again. So it gets a new
 * *place*: the number that stands for it in runs and segments from then on. Its
 * terms of new documents go there with their commits; those of the documents
 * up to `until` are put there, in side segments, by a scan over the bodies; when
 * that is done it is ready. Searches ask by place; merges leave out what no field's
 * place is. Most fields never moved, and their place is the field itself.
 *
 * A table never changes: a change makes a new one, which is published with a
 * view, so that a reader's table fits the runs and segments it sees.
 */
#ifndef STORE_EMBEDDED_FIELDS_H
#define STORE_EMBEDDED_FIELDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/segment/manifest.h"
#include "store/store.h"

/* Places given out; no caller's field lies there. */
#define FIELD_PLACES_FIRST UINT32_C(0x80000000)
#define FIELD_PLACES_END UINT32_C(0xc0000000)
#define FIELD_NOWHERE MANIFEST_NOWHERE

struct field_row {
    uint32_t field, place; /* FIELD_NOWHERE: it has no rule any more */
    uint64_t hash;
    uint64_t until, done; /* 0 where the place is the field */
};

struct field_place {
    uint32_t field, place;
};

struct fields {
    _Atomic uint32_t references;
    uint64_t number;  /* the caller's, of the rules */
    uint64_t mapping; /* changes whenever a place or the number does */
    uint32_t next_place;
    uint32_t count;
    struct field_row *rows;     /* ascending by field; all three in one piece with the table */
    struct field_place *moved;  /* those whose place is not the field, ascending */
    uint32_t moved_count;
    uint32_t *places;           /* of these, ascending, without FIELD_NOWHERE */
    uint32_t place_count;
};

/* An empty table, or what a manifest says; `covers`: documents above are derived
 * with the new rules when the tail is. NULL: no memory. */
struct fields *fields_new(const struct manifest *m);
struct fields *fields_ref(struct fields *f);
void fields_unref(struct fields *f);

/* What these rules make of the table, for documents up to `last` that are there;
 * NULL: no memory. *ret_changed false: the rules are the same. */
MUST_USE enum err fields_change(const struct fields *f, const struct store_rule *rules,
                                size_t count, uint64_t number, uint64_t last,
                                struct fields **ret, bool *ret_changed);
/* Give these fields new places, so that they are derived again. Fields without a
 * rule are passed over. */
MUST_USE enum err fields_renew(const struct fields *f, const uint32_t *fields, size_t count,
                               uint64_t last, struct fields **ret);
/* The same table with all rows of (until, done) advanced to `to`. */
MUST_USE enum err fields_advance(const struct fields *f, uint64_t until, uint64_t done,
                                 uint64_t to, struct fields **ret);
/* The same with nothing done: side segments are lost. */
MUST_USE enum err fields_reset(const struct fields *f, struct fields **ret);
/* The same with documents above `covers` not to be scanned: their terms are in
 * runs that are about to be derived. */
MUST_USE enum err fields_cut(const struct fields *f, uint64_t covers, struct fields **ret);

const struct field_row *fields_find(const struct fields *f, uint32_t field);
/* FIELD_NOWHERE: its terms are wanted nowhere. */
static inline uint32_t fields_place(const struct fields *f, uint32_t field)
{
    uint32_t low = 0, high = f->moved_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (f->moved[middle].field < field)
            low = middle + 1;
        else
            high = middle;
    }
    return low < f->moved_count && f->moved[low].field == field ? f->moved[low].place : field;
}
/* run_build()'s: the place of a field. */
uint32_t fields_name(const void *fields, uint32_t field, uint32_t place);
/* Is it what a field is called, so that its postings are worth keeping? */
bool fields_has_place(const struct fields *f, uint32_t place);
/* The field's place; ERR_NOT_READY while it is being derived. */
MUST_USE enum err fields_ask(const struct fields *f, uint32_t field, uint32_t *ret_place);
/* The first row that is to be scanned; NULL: none. */
const struct field_row *fields_unready(const struct fields *f);

#endif
