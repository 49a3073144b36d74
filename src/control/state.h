/* control/state.h - what the operations share; private.
 *
 * Two locks, taken in this order:
 *   changes  held over a whole operation and over writing control.json: what
 *            operations read and write among themselves
 *   lock     held for moments: the array of data stores and what datastore.h
 *            marks with it. Requests of the data plane take only this one.
 */
#ifndef CONTROL_STATE_H
#define CONTROL_STATE_H

#include "control/datastore.h"
#include "os/thread.h"

enum { SECRET_BYTES = 65, JOB_THREADS = 8 };

struct control {
    struct control_settings settings;
    pthread_mutex_t changes;
    pthread_mutex_t lock;
    pthread_cond_t moved; /* a data store's users, host or status changed; or `stopping` */
    bool stopping;        /* guarded by lock */
    bool is_running;      /* the workers were started */
    pthread_t worker;     /* removes data stores */
    pthread_t job_workers[JOB_THREADS];
    unsigned job_worker_count;     /* of them were started */
    struct datastore **datastores; /* by number; owned */
    size_t count, room;
    uint64_t last_number;
    char secret[SECRET_BYTES]; /* of page tokens; hexadecimal */
    struct datastore *by_default;
    struct job **jobs; /* by number; owned; guarded as the data stores are */
    size_t job_count, job_room;
    uint64_t last_job;
};

/* One operation on its way. */
struct call {
    struct control *control;
    struct http_request *http;
    struct arena *arena; /* http's */
    struct json input;   /* checked against the operation's shape */
    int64_t now_us;
    struct buf out;          /* the answer's JSON */
    struct slice error_text; /* when it fails */
};

/* Say why, in the words for the client, and return `err`. */
MUST_USE enum err call_fail(struct call *call, enum err err, const char *format, ...)
    PRINTF_LIKE(3, 4);

typedef enum err operation_run(struct call *call);
operation_run create_datastore, describe_datastore, list_datastores, update_datastore,
    delete_datastore;
operation_run tag_resource, untag_resource, list_tags;
operation_run start_import_job, start_export_job, describe_import_job, describe_export_job,
    list_import_jobs, list_export_jobs;

/* Beyond the tables: no key twice, none that is reserved. `tags` may be absent. */
MUST_USE enum err tags_check(struct call *call, struct json tags);
/* Put what `newer` says in place of the data store's configuration and save it; on
 * failure all is as it was. */
MUST_USE enum err config_replace(struct call *call, struct datastore *d, struct json newer);

/* ---- the list (registry.c) ---- */

/* From control.json, made if absent; the default data store is in it afterwards. */
MUST_USE enum err registry_load(struct control *control, struct arena *arena, struct slice *error);
/* Write control.json. Forgets what is forgotten. Under `changes`. */
MUST_USE enum err registry_save(struct control *control, int64_t now_us);
/* Takes `d` over. Under `changes`. */
MUST_USE enum err registry_add(struct control *control, struct datastore *d);
void registry_remove(struct control *control, struct datastore *d); /* and free it */
void registry_free(struct control *control);

/* Forgotten ones are not found. Under one of the locks. */
struct datastore *registry_find(const struct control *control, struct slice id, int64_t now_us);
/* The one that the request means; else ERR_NOT_FOUND with its text. */
MUST_USE enum err call_datastore(struct call *call, struct datastore **ret);
/* The configuration, parsed into the call's arena. */
MUST_USE enum err call_config(struct call *call, const struct datastore *d, struct json *ret);

/* ---- opening and removing (host.c) ---- */

MUST_USE enum err host_open(struct control *control, struct datastore *d, struct arena *arena,
                            struct slice *error);
/* Like control_use_begin(), for one that may still be CREATING. */
MUST_USE enum err host_use(struct control *control, struct datastore *d, struct arena *arena,
                           struct control_use **ret_use, struct slice *error);
/* Close all that is open. */
MUST_USE enum err host_close_all(struct control *control);
void *worker_run(void *context); /* context: the control */

/* ---- pieces of answers (view.c) ---- */

void view_time(struct buf *out, const char *name, int64_t us); /* ,"name":1606272542.161 */
void view_arn(struct call *call, const char *id);
void view_endpoint(struct call *call, const char *id);
/* The four members of Create's and Delete's answers, in braces. */
void view_summary(struct call *call, const struct datastore *d);
/* DatastoreProperties. */
MUST_USE enum err view_properties(struct call *call, const struct datastore *d);

/* ---- pages (page.c) ---- */

/* A list's answer in pages. A token says where the next one begins and is bound to
 * the request's other members. */
struct page {
    uint64_t after; /* number of the last one told */
    size_t room;    /* how many more fit */
    char binding[FINGERPRINT_BYTES];
};
MUST_USE enum err page_begin(struct call *call, const struct shape *shape, const char *operation,
                             struct page *ret);
/* Is there still room? To be asked before each one. */
bool page_has_room(const struct call *call, const struct page *page);
void page_add(struct page *page, uint64_t number);
/* ,"NextToken":"..." */
void page_token(struct call *call, const struct page *page);

/* "sha256" of the request in its one spelling, without the members named. */
MUST_USE enum err call_fingerprint(struct call *call, const struct shape *shape,
                                   const char *const *without, const char *prefix,
                                   char out[FINGERPRINT_BYTES]);

/* Copy a checked text member; false when it is absent or longer. */
bool call_text(const struct call *call, const char *name, char *out, size_t room);

#endif
