/* server/place.h - which part of the house a path belongs to; private.
 *
 * The one normalised path of routing: empty and `.` segments drop, `..` takes
 * the segment before it, as in the signature's canonical form; escapes of
 * unreserved characters and of '$' are decoded, all others stay as upper-case
 * escapes, so that an encoded slash is never a separator. `..` may not leave a
 * data store, and an encoded dot segment is refused: no client needs it.
 */
#ifndef SERVER_PLACE_H
#define SERVER_PLACE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

enum place_kind {
    PLACE_NOTHING, /* no such place */
    PLACE_HEALTH,  /* /healthz */
    PLACE_READY,   /* /readyz */
    PLACE_CONTROL, /* / */
    PLACE_FHIR,    /* /datastore/{id}/r4/..., or /datastore/{id}/patientaccess/v2/r4/... */
};

struct place {
    enum place_kind kind;
    struct slice datastore_id; /* FHIR */
    struct slice rest;         /* FHIR: what follows r4/, "Patient/1"; still encoded */
};

/* ERR_SYNTAX when the path is malformed or leaves its store; ERR_NO_MEMORY. */
MUST_USE enum err place_of_path(struct arena *arena, struct slice path, struct place *ret_place);

#endif
