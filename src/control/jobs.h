/* control/jobs.h - import and export jobs; private.
 *
 *     SUBMITTED --its turn--> IN_PROGRESS --> COMPLETED, COMPLETED_WITH_ERRORS, FAILED
 *
 * A few threads run them: those of one data store one after the other in the order of
 * submission. A job cut off by the end of the server is SUBMITTED again at the next
 * start: an import goes on behind the last batch that it noted, an export begins anew.
 */
#ifndef CONTROL_JOBS_H
#define CONTROL_JOBS_H

#include <stdio.h>

#include "control/s3.h"
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
void *jobs_run(void *context); /* a thread; context: the control */
/* Remove the folders of jobs that are done or gone. Before the threads run. */
MUST_USE enum err jobs_sweep(struct control *control, struct arena *arena);

/* ,"files":1,... and back; members of one object with others. */
void report_render(const struct job_report *r, struct buf *out);
bool report_parse(struct json v, struct job_report *r);

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
    const char *folder; /* "<data>/jobs/<job>", there; NULL: not needed so far */
    struct s3 *s3;      /* NULL: not needed so far */
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

/* Fill the next data store that is to be filled with made-up records, as
 * PreloadDataConfig asks, if there is one (preload.c). */
void preload(struct control *control);
/* The next that is to be filled; NULL when there is none. Under `lock`. */
struct datastore *preload_find(const struct control *control);

/* ---- s3://bucket/key (bucket.c) ---- */

struct bucket {
    const char *root;       /* "<s3-root>/<bucket>"; NULL: at the endpoint, run->s3 is open */
    struct slice name, key; /* the key without slashes at its start; may be empty */
};
MUST_USE enum err bucket_find(struct job_run *run, struct slice uri, struct bucket *ret);
/* What the endpoint said is what the job's Message says. Returns `err`. */
MUST_USE enum err bucket_fail(struct job_run *run, enum err err);
/* An object for reading; a remote one is a copy without a name. */
MUST_USE enum err bucket_open(struct job_run *run, const struct bucket *bucket, const char *key,
                              FILE **ret_file);
/* The .ndjson objects whose key begins with the bucket's key, sorted. */
MUST_USE enum err bucket_list(struct job_run *run, const struct bucket *bucket,
                              const char ***ret_keys, size_t *ret_count);

/* ---- what a job leaves (output.c) ---- */

/* "{datastore}-FHIR_{IMPORT|EXPORT}-{job}" */
struct slice job_folder_name(struct job_run *run);
MUST_USE enum err run_folder_make(struct job_run *run);

struct output {
    struct bucket bucket;
    const char *folder;       /* where files are written, there; one level of folders below it */
    struct slice prefix, key; /* of the location, with a slash if any; of the job's folder */
};
/* `is_again`: go on with what a run cut off has left; else it goes. */
MUST_USE enum err output_open(struct job_run *run, struct slice uri, bool is_again,
                              struct output *ret);
/* An empty object at the location: may we write there at all? */
MUST_USE enum err output_probe(struct job_run *run, const struct output *output, const char *name);
/* All files are whole: upload them if the bucket is elsewhere. */
MUST_USE enum err output_finish(struct job_run *run, const struct output *output);

#endif
