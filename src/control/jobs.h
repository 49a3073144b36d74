/* control/jobs.h - import and export jobs; private.
 *
 *     SUBMITTED --its turn--> IN_PROGRESS --> COMPLETED, COMPLETED_WITH_ERRORS, FAILED
 *
 * One thread runs them, one after the other in the order of submission. A job cut
 * off by the end of the server is SUBMITTED again at the next start: both kinds
 * may be done twice.
 */
#ifndef CONTROL_JOBS_H
#define CONTROL_JOBS_H

#include "control/state.h"

enum { MESSAGE_BYTES = 512 };

enum job_status {
    JOB_SUBMITTED,
    JOB_IN_PROGRESS,
    JOB_COMPLETED,
    JOB_COMPLETED_WITH_ERRORS,
    JOB_FAILED,
};

struct job_report {
    uint64_t files, bytes;   /* scanned */
    uint64_t files_imported; /* without an error */
    uint64_t files_with_errors;
    uint64_t resources, imported, with_errors;
    uint64_t bytes_imported;
};

struct job {
    char id[DATASTORE_ID_BYTES];
    char datastore_id[DATASTORE_ID_BYTES];
    uint64_t number;
    bool is_import;
    struct buf request; /* Start's, in its one spelling, without ClientToken; never changes */
    char token[TOKEN_BYTES];
    char fingerprint[FINGERPRINT_BYTES];
    int64_t submitted_us;
    /* guarded by control.lock */
    enum job_status status;
    int64_t ended_us; /* 0: not yet */
    char message[MESSAGE_BYTES];
    struct job_report report;
};

/* <data>/jobs.json */
MUST_USE enum err jobs_load(struct control *control, struct arena *arena, struct slice *error);
MUST_USE enum err jobs_save(struct control *control);
void jobs_free(struct control *control);

struct job *job_make(void); /* NULL without memory */
void job_free(struct job *job);
/* Is the request of a job that was read one that Start would take? */
MUST_USE enum err job_shape_check(const struct job *job, struct arena *arena);
MUST_USE enum err jobs_add(struct control *control, struct job *job); /* takes it over */
void jobs_remove(struct control *control, struct job *job);           /* and frees it */
void *jobs_run(void *context); /* the thread; context: the control */

/* ---- running one (import.c, export.c) ---- */

struct job_run {
    struct control *control;
    struct job *job;
    struct control_store store;
    struct json request; /* parsed */
    struct arena arena;  /* of the whole run */
    struct job_report report;
    bool has_message;
    char message[MESSAGE_BYTES];
};

/* ERR_NONE, also when lines failed (the report says so); else the message, or
 * the error's text, is what Describe tells. */
MUST_USE enum err import_run(struct job_run *run);
MUST_USE enum err export_run(struct job_run *run);

MUST_USE enum err job_fail(struct job_run *run, enum err err, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* The report so far is what Describe tells; ERR_BUSY when the job is to end: the
 * server stops or the data store is being deleted. */
MUST_USE enum err job_progress(struct job_run *run);

/* Fill a data store with made-up records, as PreloadDataConfig asks (preload.c). */
void preload(struct control *control, struct datastore *d);
/* The next that is to be filled; NULL when there is none. Under `lock`. */
struct datastore *preload_find(const struct control *control);

/* ---- s3://bucket/key as a path (bucket.c) ---- */

struct bucket {
    const char *root; /* "<s3-root>/<bucket>"; there */
    struct slice key; /* behind it, without slashes at its start; may be empty */
};
MUST_USE enum err bucket_find(struct job_run *run, struct slice uri, struct bucket *ret);
/* "{datastore}-FHIR_{IMPORT|EXPORT}-{job}" */
struct slice job_folder_name(struct job_run *run);
/* Paths of the objects whose key begins with the bucket's key, sorted; relative to
 * the bucket's root. */
MUST_USE enum err bucket_list(struct job_run *run, const struct bucket *bucket,
                              const char ***ret_keys, size_t *ret_count);

#endif
