/* check/bundle.h - the entries of a Bundle, and what a reference in one of them means.
 *
 * R4, "Resolving references in Bundles": an absolute one means the entry with that
 * fullUrl; a relative one is joined to the base of its own entry's fullUrl first.
 */
#ifndef CHECK_BUNDLE_H
#define CHECK_BUNDLE_H

#include "check/rules.h"

enum { ENTRY_NONE = -1 };

struct bundle_entry {
    struct json json, resource;   /* the latter may be absent */
    const struct fhir_type *type; /* of the resource; NULL: none, or unknown */
    struct slice full_url;
};

struct bundle_entries {
    struct arena *arena;
    struct bundle_entry *list;
    size_t count;
    struct map urls; /* fullUrl to place; the first of several */
};

/* `arena` keeps the texts; bundle_entries_release() frees the map alone. */
MUST_USE enum err bundle_entries_read(struct json bundle, struct arena *arena,
                                      struct bundle_entries *ret);
void bundle_entries_release(struct bundle_entries *e);

/* The place of the entry that a reference in entry `from` means; ENTRY_NONE without one.
 * "#id" means none. */
MUST_USE enum err bundle_entries_find(const struct bundle_entries *e, size_t from,
                                      struct slice reference, int64_t *ret_place);

/* Documents and messages: document.c. */
MUST_USE enum err rule_document(struct check_run *run, const struct fhir_subject *s,
                                const struct bundle_entries *entries, bool is_message);

#endif
