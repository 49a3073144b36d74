/* rest/criteria.h - "the one resource that ...": the search of a conditional write.
 *
 * Parsed once, searched as often as it takes. `watch` is a term that every match
 * must have, for the store to watch while the write is under way: an equality of
 * the criteria where they have one (two wordings of one code give one watch),
 * else the type itself. Result parameters (_count, _sort, ...) are no criteria.
 */
#ifndef REST_CRITERIA_H
#define REST_CRITERIA_H

#include "rest/request.h"

enum { CRITERIA_TRIES = 5 }; /* searches of one conditional write, then 409 */

struct criteria {
    const struct rest *rest;
    struct issues *issues;
    const struct fhir_type *type;
    const struct search_pair *pairs;
    size_t pair_count;
    struct plan *plan;
    struct term watch;
    /* of the last search: */
    size_t count;               /* 0, 1, or 2 for more than one */
    struct store_version match; /* when there is one, in the arena given */
};

/* The four first members are set. ERR_INVALID with its issue. */
MUST_USE enum err criteria_parse(struct criteria *c, const struct search_pair *pairs, size_t count,
                                 struct arena *arena);
/* Those of the reader's time, but for what `is_gone` says (NULL: none), of which
 * there are at most `gone_count`. */
typedef bool criteria_is_gone(void *context, struct slice type, struct slice id);
MUST_USE enum err criteria_search_at(struct criteria *c, struct store_reader *reader,
                                     criteria_is_gone *is_gone, void *context,
                                     size_t gone_count, struct arena *arena);
/* As of now. */
MUST_USE enum err criteria_search(struct criteria *c, struct arena *arena);
/* Of "Type?a=b", met as criteria too, take the type off, which must be `type`.
 * HAPI's client writes the server's address before it: ours is taken off. */
MUST_USE enum err criteria_text(const struct fhir_type *type, struct slice base_url,
                                struct issues *issues, struct slice *text);
/* The search of the criteria text "a=b&c=d", or "Type?a=b" of the same type. */
MUST_USE enum err criteria_read(struct criteria *c, struct slice base_url, struct slice text,
                                struct arena *arena);
/* The parsed criteria's need of a resource with these terms, as far as it can be
 * told without the store: a join is never met. */
bool criteria_meets(const struct criteria *c, const struct store_write *write);
/* 404: nothing matches. */
MUST_USE enum err criteria_none(const struct criteria *c);
/* Nothing matches, and the body says which id it wants: 409 unless it is free. */
MUST_USE enum err criteria_id_free(const struct criteria *c, struct slice id);
/* Nothing matches what should be deleted. HealthLake's forms with _id: absent 404,
 * deleted ERR_NONE, and 409 when only the rest of the criteria does not fit. */
MUST_USE enum err criteria_delete_none(const struct criteria *c);
/* 412: several resources match. */
MUST_USE enum err criteria_many(const struct criteria *c);
/* The value of the only criterion of that name; empty when absent. */
struct slice criteria_value(const struct criteria *c, const char *name);

#endif
