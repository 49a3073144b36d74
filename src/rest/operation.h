/* rest/operation.h - the parameters of an operation, by URL or as Parameters; private. */
#ifndef REST_OPERATION_H
#define REST_OPERATION_H

#include "rest/request.h"

struct operation_parameter {
    struct slice name;
    struct slice text;     /* of a primitive; the raw bytes of a number or boolean */
    struct json value;     /* of a Coding, CodeableConcept, ...; else absent */
    struct json resource;  /* absent: none */
};

struct operation_input {
    struct operation_parameter *list;
    size_t count;
    struct json_doc doc;  /* of the body */
    struct arena scratch; /* its tape; released by operation_end() */
};

/* What GET's query or POST's Parameters say, and the query beside them. ERR_INVALID
 * naming a parameter that is not in `known` (NULL-terminated). Whatever comes back,
 * operation_end() is called. */
MUST_USE enum err operation_begin(struct request *r, const char *const *known,
                                  struct operation_input *ret);
void operation_end(struct operation_input *input);

/* The first of that name; NULL when there is none. */
const struct operation_parameter *operation_value(const struct operation_input *input,
                                                 const char *name);
/* Its text; empty when there is none. */
struct slice operation_text(const struct operation_input *input, const char *name);

/* Operations on codes (operation_codes.c, operation_expand.c). */
MUST_USE enum err rest_validate_code(struct request *r);
MUST_USE enum err rest_lookup(struct request *r);
MUST_USE enum err rest_expand(struct request *r);

/* The store's own search parameters (operation_reindex.c). */
MUST_USE enum err rest_reindex(struct request *r);

/* What vanishes (operation_erase.c): $purge of a record, $expunge of a resource, and
 * $erasure, how far that is. */
MUST_USE enum err rest_purge(struct request *r);
MUST_USE enum err rest_expunge(struct request *r);
MUST_USE enum err rest_erasure(struct request *r);

/* Does everything in the data store agree (operation_check.c)? */
MUST_USE enum err rest_check(struct request *r);

/* The stored resource that the route names, as JSON in the arena. */
MUST_USE enum err operation_stored(struct request *r, struct slice *ret_text);

#endif
