/* rest/customs.h - the search parameters that a data store defines itself; private.
 *
 * Which stored SearchParameters count, under which numbers, for which types; and the
 * set that they make, which extraction and searches use. README.md says the rules.
 *
 * The list is read again when a SearchParameter was written, before the writer is
 * answered, and at the first request of a run. Its numbers lie in the small record
 * "search-parameters", so that the index means the same after a restart:
 *
 *   1, next number(2), then for each: number(2) document(8) length(1) id
 *
 * A set that was taken between customs_enter() and customs_leave() stays valid in
 * between, however many come after it. Thread-safe. `customs` may be NULL: there are none.
 */
#ifndef REST_CUSTOMS_H
#define REST_CUSTOMS_H

#include "custom/custom.h"
#include "rest/rest.h"

struct customs_generation;

/* While it is held ... */
struct customs_generation *customs_enter(struct customs *customs);
void customs_leave(struct customs *customs, struct customs_generation *held);
/* ... this is valid. NULL when no definition counts. */
const struct custom_set *customs_set(const struct customs *customs);

/* Are stored SearchParameters taken up and searched by? Else those that were taken up
 * before keep their values in the index, and nothing more. */
bool customs_are_used(const struct rest *rest);

/* Take up what was written since the last time. ERR_BUSY: the index is not ready. */
MUST_USE enum err customs_settle(struct rest *rest);
/* To be called when writes are done. */
void customs_note(struct rest *rest, const struct store_write *writes, size_t count);

/* What is wrong with a definition that is about to be stored; false: nothing, or it is no
 * SearchParameter that counts. Texts in the arena. ERR_NO_MEMORY. */
MUST_USE enum err customs_check(struct rest *rest, struct json definition, struct arena *arena,
                                bool *ret_is_wrong, struct custom_fault *ret_fault);

/* How a definition stands. */
struct customs_state {
    struct slice id, url, code; /* in the arena; the last two empty when it cannot be read */
    const char *text;           /* why it does not count; NULL when it does; in the arena */
    uint32_t *fields;           /* of the index, one for each type */
    size_t field_count;
    uint64_t failures;          /* evaluations that told nothing since the definition was read */
};
/* Of all SearchParameters stored, in the order of their last change. */
MUST_USE enum err customs_states(struct rest *rest, struct arena *arena,
                                 struct customs_state **ret, size_t *ret_count);

/* Evaluations that told nothing since the server started. */
uint64_t customs_failures(struct customs *customs);

#endif
