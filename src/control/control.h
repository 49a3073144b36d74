/* control/control.h - HealthLake's control plane: the data stores of one folder.
 *
 * AWS JSON 1.0 on POST /, one operation per X-Amz-Target. Keeps the list of data
 * stores (<data>/control.json), opens their stores when they are first asked for,
 * and removes the files of those deleted. Opening itself is the server's, who
 * knows all that a store needs; control says when.
 *
 * Thread-safe. Two worker threads do what takes long (README.md).
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "aws/aws.h"
#include "http/http.h"
#include "rest/rest.h"
#include "store/store.h"

/* The credentials to ask an S3 endpoint with, as they are now: those of a role or a
 * process come to an end. Called once for each job, on its thread. On failure *ret_text
 * says why. Texts in the arena. */
typedef enum err s3_credentials_find(void *context, struct arena *arena,
                                     struct aws_credentials *ret, struct slice *ret_text);

/* Where s3://bucket/key is when it is no folder. */
struct s3_settings {
    struct slice endpoint; /* "https://s3.eu-west-1.amazonaws.com"; empty: none */
    struct slice region;
    s3_credentials_find *find_credentials; /* NULL: requests are not signed */
    void *context;                         /* of find_credentials */
    const char *ca_file;                   /* of an https endpoint; NULL: the system's */
};

/* A data store that is open. */
struct control_store {
    struct store *store;
    struct rest *rest;
    void *keep; /* the opener's */
};

struct control_opener {
    void *context;
    /* `folder` holds the store, made if absent. Any thread, never the same store
     * twice at once. *error: a sentence in the arena. */
    enum err (*open)(void *context, struct slice datastore_id, const char *folder,
                     struct arena *arena, struct control_store *ret_store, struct slice *error);
    /* No request uses it any more. Reports what flushing lost. */
    enum err (*close)(void *context, struct control_store *store);
};

/* Texts outlive the control. */
struct control_settings {
    const char *folder; /* the data folder; its lock is held */
    struct slice region, account_id;
    struct slice public_url; /* empty: http:// and the request's Host */
    struct slice default_id; /* the data store that is always there */
    struct control_opener opener;
    uint32_t create_delay_seconds; /* how long a new data store says CREATING */
    uint32_t datastores_max;       /* 0: 1,000 */
    const char *s3_root; /* folder that s3://bucket/key is below of; NULL: none is mapped */
    struct s3_settings s3;
};

struct control;

/* Reads the list, opens the default data store, starts the worker. On failure
 * *error is a sentence in the arena. */
MUST_USE enum err control_open(const struct control_settings *settings, struct arena *arena,
                               struct control **ret_control, struct slice *error);
/* No request may be left. NULL is harmless. Reports what flushing lost. */
MUST_USE enum err control_close(struct control *control);

/* Import and export jobs that have not ended. Any thread. */
size_t control_jobs_waiting(struct control *control);

/* ---- the data plane's way to a store ---- */

struct control_use; /* keeps a data store from being closed */

/* The default data store, which lives as long as the control. */
const struct control_store *control_default(const struct control *control);

/* Opens the data store if need be: may block. ERR_NOT_FOUND, with *error for the
 * client, when there is none of that id that is ACTIVE; ERR_NO_MEMORY, ERR_IO, ...
 * *ret_use may be NULL. */
MUST_USE enum err control_use_begin(struct control *control, struct slice datastore_id,
                                    struct arena *arena, struct control_store *ret_store,
                                    struct control_use **ret_use, struct slice *error);
void control_use_end(struct control *control, struct control_use *use); /* NULL is harmless */

/* The same question without opening, for where nothing may block. */
MUST_USE enum err control_look(struct control *control, struct slice datastore_id,
                               struct arena *arena, struct slice *error);

/* ---- tags, for who decides what a caller may ---- */

struct control_tag {
    struct slice key, value;
};
/* Of a data store, in the arena; none when there is no such data store. */
MUST_USE enum err control_tags(struct control *control, struct slice datastore_id,
                               struct arena *arena, struct control_tag **ret_tags,
                               size_t *ret_count);

/* ---- operations ---- */

/* What the request's X-Amz-Target asks to do: "healthlake:CreateFHIRDatastore";
 * "healthlake:*" when there is no such operation. Static. */
const char *control_action(const struct http_request *r);

/* From the head alone: true when *response refuses it. Does not block. */
bool control_begin(struct http_request *r, struct http_response *response);
/* Always fills *response. Who asks may do it: that was asked before. */
void control_handle(struct control *control, struct http_request *r,
                    struct http_response *response);

#endif
