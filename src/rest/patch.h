/* rest/patch.h - a resource as a patch changes it.
 *
 * The head is read, spliced to what a client would read, patched, and must still
 * be that resource. The write then expects exactly that version, so a commit in
 * between refuses it and the caller patches anew, at most PATCH_TRIES times.
 */
#ifndef REST_PATCH_H
#define REST_PATCH_H

#include "rest/request.h"

enum { PATCH_TRIES = 20 };

enum patch_kind { PATCH_NONE, PATCH_JSON, PATCH_MERGE, PATCH_FHIRPATH };

struct patch {
    const struct rest *rest;
    struct issues *issues;
    const struct fhir_type *type;
    struct slice id;
    enum patch_kind kind;
    struct slice text;            /* the patch document */
    const struct slice *if_match; /* may be NULL */
    struct arena *keep;           /* the result's text is cut here: the write refers to it */
};

/* Those that are taken, from 0; NULL behind the last. Static. */
const char *patch_media_type(size_t number);

/* By media type, its parameters cut off; PATCH_NONE when it is no patch. */
enum patch_kind patch_kind_find(struct slice media_type);

/* The patched resource, parsed into `arena` (its text into p->keep), and the version
 * it came from. ERR_NOT_FOUND, ERR_GONE, ERR_PRECONDITION (If-Match), ERR_SYNTAX or ERR_INVALID
 * (the patch), ERR_UNPROCESSABLE (what it says cannot be done), ERR_LIMIT, each
 * with its issue. */
MUST_USE enum err patch_apply(const struct patch *p, struct arena *arena, struct json_doc *ret_doc,
                              uint64_t *ret_version);

/* After PATCH_TRIES refusals: 409 with its issue. */
MUST_USE enum err patch_gave_up(const struct patch *p);

#endif
