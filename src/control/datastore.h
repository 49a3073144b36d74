/* control/datastore.h - one data store as the control plane sees it; private.
 *
 *     CREATING --active_us is there--> ACTIVE --Delete--> DELETING --worker--> DELETED
 *                                      ACTIVE --Update of NLP or analytics--> UPDATING
 *                                      UPDATING --updated_us is there--> ACTIVE
 *
 * CREATING is left by the clock alone, so nothing needs to be written for it; one that
 * is to be filled first (PreloadDataConfig) stays until that is done, or becomes
 * CREATE_FAILED.
 * A DELETED one is described for DATASTORE_KEPT_US more, then forgotten.
 */
#ifndef CONTROL_DATASTORE_H
#define CONTROL_DATASTORE_H

#include "base/buf.h"
#include "control/control.h"
#include "control/shape.h"

enum { DATASTORE_ID_BYTES = 33, TOKEN_BYTES = 65, FINGERPRINT_BYTES = 65 };

static const int64_t DATASTORE_KEPT_US = INT64_C(24) * 3600 * 1000000;
/* How long a ClientToken is remembered. */
static const int64_t TOKEN_KEPT_US = INT64_C(24) * 3600 * 1000000;

enum datastore_status {
    DATASTORE_CREATING,
    DATASTORE_ACTIVE,
    DATASTORE_DELETING,
    DATASTORE_DELETED,
    DATASTORE_CREATE_FAILED,
    DATASTORE_UPDATING, /* never stored: ACTIVE until the clock says so */
};

enum datastore_host { HOST_CLOSED, HOST_OPENING, HOST_OPEN };

struct datastore {
    char id[DATASTORE_ID_BYTES];
    uint64_t number; /* in order of creation, never used again */
    int64_t created_us, active_us, deleted_us;
    struct buf config;       /* what Create said, defaults filled in: shape_create_datastore without
                              * ClientToken. Written under both locks, read under either */
    char token[TOKEN_BYTES]; /* Create's ClientToken; empty: none */
    char fingerprint[FINGERPRINT_BYTES]; /* of what Create said with it */
    bool is_default;
    bool needs_fill;           /* guarded by control.lock; and these: */
    bool is_filling, runs_job; /* a thread is at it */
    /* guarded by control.lock */
    enum datastore_status status;
    int64_t updated_us; /* until then UPDATING, if ACTIVE; not kept over a restart */
    enum datastore_host host;
    bool is_stuck;  /* its files could not be removed */
    unsigned users; /* requests and jobs that need it open */
    struct control_store store;
};

/* At this time; CREATING and UPDATING turn into ACTIVE by themselves. */
enum datastore_status datastore_status_at(const struct datastore *d, int64_t now_us);
const char *datastore_status_name(enum datastore_status status);

/* A deleted one that nobody needs to be told of any more. */
bool datastore_is_forgotten(const struct datastore *d, int64_t now_us);

/* Empty; NULL without memory. */
struct datastore *datastore_make(void);
void datastore_free(struct datastore *d); /* NULL is harmless */

/* The record in control.json. */
void datastore_render(const struct datastore *d, struct buf *out);
MUST_USE enum err datastore_parse(struct json value, struct arena *arena, struct datastore *ret);

/* The configuration as Create's shape has it: each member from `newer` if it is
 * there, else from `older` (absent: none), else its default. */
MUST_USE enum err config_render(struct json newer, struct json older, struct arena *arena,
                                struct buf *out);

#endif
