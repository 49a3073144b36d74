/* fhir/fhirpatch.h - inside of FHIRPath Patch; private to fhir/.
 *
 *   fhirpatch.c        the operations of a Parameters resource, one after the other
 *   fhirpatch_value.c  a value part to the JSON text of an element
 *   fhirpatch_edit.c   one change of the resource's text
 *
 * FHIRPath runs on a tape, so each operation parses the text that the one before
 * it left. An operation changes one member of one object: what stands around that
 * object is copied byte for byte. A primitive is two members, "name" and "_name",
 * in arrays side by side; here they are one list of slots.
 */
#ifndef FHIR_FHIRPATCH_H
#define FHIR_FHIRPATCH_H

#include "fhir/fhirpath.h"

/* One element as it stands in JSON: texts, empty where there is none. */
struct slot {
    struct slice value, sibling; /* sibling: the object under "_name" */
};

/* All of one member of an object. */
struct member {
    struct slice name; /* without '_' */
    bool is_array;
    struct slot *slots; /* room for one more than `count` */
    uint32_t count;
};

/* From an object to what lies in one of its members. */
struct step {
    struct json object;
    struct slice name; /* without '_'; in the arena of the trail */
    uint32_t index;    /* which slot */
    bool is_sibling;   /* on through the slot's sibling */
};

struct trail {
    struct json root, target;
    struct step steps[JSON_DEFAULT_DEPTH];
    uint32_t depth; /* 0: the root itself */
};

/* ---- fhirpatch_edit.c ---- */

/* The way from the root to a value of the same tape. False: it is not in it. */
MUST_USE enum err trail_find(struct json root, struct json target, struct arena *arena,
                             struct trail *trail, bool *ret_found);

/* The member of an object as slots. A name that is not there has none. */
MUST_USE enum err member_read(struct json object, struct slice name, struct arena *arena,
                              struct member *ret);
void member_insert(struct member *m, uint32_t at, struct slot slot);
void member_remove(struct member *m, uint32_t at);

/* The root's text with `m` in the place of the member `was` (equal to m->name but for
 * a choice that changes its type) of the object that the trail's first `depth` steps
 * lead to. An object that is left without members goes as well, with the element that
 * it was. `out` is overwritten. */
MUST_USE enum err member_write(const struct trail *trail, uint32_t depth, struct slice was,
                               const struct member *m, struct arena *arena, struct buf *out);

/* The same with the slot that the last step leads to in place of what it is; an empty
 * one takes it away. `name`: what the member is called then; empty: as before. */
MUST_USE enum err slot_write(const struct trail *trail, struct slice name, struct slot slot,
                             struct arena *arena, struct buf *out);

/* An object of these members alone; empty when they are. */
MUST_USE enum err members_object(const struct member *members, uint32_t count, struct arena *arena,
                                 struct slice *ret);

/* ---- fhirpatch_value.c ---- */

/* Why an operation cannot be done: the first refusal stays. */
struct refusal_text {
    struct arena *arena;
    struct slice text;
};
MUST_USE enum err patch_refuse(struct refusal_text *why, enum err err, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* The element of `holder` that `name` means, which may be the stem of a choice, for
 * the value of a `value` part, and the value itself as JSON. ERR_INVALID: the part
 * has no value or several; ERR_UNPROCESSABLE: there is no such element, or the
 * value's type is not right for it. */
MUST_USE enum err patch_value(struct refusal_text *why, const struct fhir_type *holder,
                              struct slice name, struct json part, struct arena *arena,
                              const struct fhir_element **ret_element, struct slot *ret);

#endif
