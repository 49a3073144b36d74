/* control/job_calls.c - the operations on jobs. */
#include "base/codec.h"
#include "base/limits.h"
#include "control/jobs.h"
#include "control/shapes.h"
#include "os/random.h"

enum {
    JOBS_MAX = 2000,                        /* told of; the oldest that are done make room */
    UNFINISHED_MAX = LIMIT_QUEUED_JOBS + 1, /* per data store and kind: one runs, 25 wait */
};

static const char *const status_names[] = {
    [JOB_SUBMITTED] = "SUBMITTED", [JOB_IN_PROGRESS] = "IN_PROGRESS",
    [JOB_COMPLETED] = "COMPLETED", [JOB_COMPLETED_WITH_ERRORS] = "COMPLETED_WITH_ERRORS",
    [JOB_FAILED] = "FAILED",
};

static bool is_finished(const struct job *job)
{
    return job->status >= JOB_COMPLETED;
}

/* ---- start ---- */

static enum err start_answer(struct call *call, const struct job *job)
{
    mutex_lock(&call->control->lock);
    const char *status = status_names[job->status];
    mutex_unlock(&call->control->lock);
    buf_printf(&call->out, "{\"JobId\":\"%s\",\"JobStatus\":\"%s\",\"DatastoreId\":\"%s\"}",
               job->id, status, job->datastore_id);
    return buf_status(&call->out);
}

/* Under `changes`, so that none comes or goes; `lock` for what the worker moves. */
static enum err start_room(struct call *call, const char *datastore_id, bool is_import)
{
    struct control *control = call->control;
    size_t unfinished = 0;
    struct job *oldest = NULL;
    mutex_lock(&control->lock);
    for (size_t i = 0; i < control->job_count; i++) {
        struct job *job = control->jobs[i];
        unfinished += !is_finished(job) && job->is_import == is_import &&
                      strcmp(job->datastore_id, datastore_id) == 0;
        if (is_finished(job) && !oldest)
            oldest = job;
    }
    size_t count = control->job_count;
    mutex_unlock(&control->lock);
    if (unfinished >= UNFINISHED_MAX)
        return call_fail(call, ERR_THROTTLED,
                         "The data store has %zu jobs of this kind that wait or run, the most "
                         "there may be.",
                         unfinished);
    if (count >= JOBS_MAX && oldest)
        jobs_remove(control, oldest);
    return count >= JOBS_MAX && !oldest
               ? call_fail(call, ERR_THROTTLED, "Too many jobs wait; try again later.")
               : ERR_NONE;
}

static struct job *find_token(const struct call *call, const struct job *like)
{
    const struct control *control = call->control;
    for (size_t i = 0; i < control->job_count; i++) {
        struct job *job = control->jobs[i];
        if (job->is_import == like->is_import && strcmp(job->token, like->token) == 0 &&
            call->now_us - job->submitted_us < TOKEN_KEPT_US)
            return job;
    }
    return NULL;
}

/* Start's request without its ClientToken, in its one spelling. */
static enum err job_fill(struct call *call, const struct shape *shape, struct job *job)
{
    static const char *const without[] = { "ClientToken", NULL };
    struct control *control = call->control;
    uint8_t random[(DATASTORE_ID_BYTES - 1) / 2];
    os_random(random, sizeof random);
    hex_encode(random, sizeof random, job->id);
    job->number = control->last_job + 1;
    job->submitted_us = call->now_us;
    if (call_text(call, "ClientToken", job->token, sizeof job->token))
        TRY(call_fingerprint(call, shape, without, "", job->fingerprint));
    return shape_write(shape, call->input, call->arena, &job->request);
}

static enum err job_submit(struct call *call, struct job *job)
{
    struct control *control = call->control;
    TRY(jobs_add(control, job));
    control->last_job++;
    return jobs_save(control);
}

static enum err start_job(struct call *call, const struct shape *shape, bool is_import)
{
    struct datastore *d;
    TRY(call_datastore(call, &d));
    struct job *job = job_make();
    if (!job)
        return ERR_NO_MEMORY;
    job->is_import = is_import;
    memcpy(job->datastore_id, d->id, sizeof d->id);
    enum err err = job_fill(call, shape, job);
    struct job *earlier = err || !job->token[0] ? NULL : find_token(call, job);
    enum datastore_status status = datastore_status_at(d, call->now_us);
    if (!err && earlier) {
        err = strcmp(earlier->fingerprint, job->fingerprint) == 0
                  ? start_answer(call, earlier)
                  : call_fail(call, ERR_INVALID,
                              "The ClientToken '%s' was used with other parameters.", job->token);
        job_free(job);
        return err;
    }
    if (!err && status == DATASTORE_DELETED)
        err = call_fail(call, ERR_NOT_FOUND, "The data store '%s' is deleted.", d->id);
    if (!err && status != DATASTORE_ACTIVE && status != DATASTORE_DELETED)
        err = call_fail(call, ERR_INVALID, "The data store '%s' is %s; it must be ACTIVE.", d->id,
                        datastore_status_name(status));
    if (!err)
        err = start_room(call, d->id, is_import);
    if (!err)
        err = job_submit(call, job);
    if (err) {
        jobs_remove(call->control, job);
        return err;
    }
    err = start_answer(call, job);
    mutex_lock(&call->control->lock);
    cond_broadcast(&call->control->moved);
    mutex_unlock(&call->control->lock);
    return err;
}

enum err start_import_job(struct call *call)
{
    return start_job(call, &shape_start_import, true);
}

enum err start_export_job(struct call *call)
{
    return start_job(call, &shape_start_export, false);
}

/* ---- describe ---- */

static void view_count(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void view_report(struct buf *out, const struct job *job)
{
    const struct job_report *r = &job->report;
    buf_printf(out, ",\"JobProgressReport\":{\"TotalNumberOfScannedFiles\":%llu",
               (unsigned long long)r->files);
    buf_printf(out, ",\"TotalSizeOfScannedFilesInMB\":%.6f", (double)r->bytes / 1e6);
    view_count(out, "TotalNumberOfImportedFiles", r->files_imported);
    view_count(out, "TotalNumberOfResourcesScanned", r->resources);
    view_count(out, "TotalNumberOfResourcesImported", r->imported);
    view_count(out, "TotalNumberOfResourcesWithCustomerError", r->with_errors);
    view_count(out, "TotalNumberOfFilesReadWithCustomerError", r->files_with_errors);
    if (job->ended_us > job->submitted_us)
        buf_printf(out, ",\"Throughput\":%.3f",
                   (double)r->bytes / (double)(job->ended_us - job->submitted_us));
    buf_append_byte(out, '}');
}

/* An export's location, which Describe extends by the job's folder. */
static enum err view_output(struct call *call, const struct job *job, struct json config)
{
    struct json s3 = json_member(config, "S3Configuration");
    struct slice uri = json_string(json_member(s3, "S3Uri"), call->arena);
    struct slice key = json_string(json_member(s3, "KmsKeyId"), call->arena);
    struct slice whole =
        arena_printf(call->arena, "%.*s%s%s-FHIR_%s-%s/", SLICE_ARGS(uri),
                     slice_ends_with(uri, SLICE("/")) ? "" : "/", job->datastore_id,
                     job->is_import ? "IMPORT" : "EXPORT", job->id);
    if (!uri.bytes || !key.bytes || !whole.bytes)
        return ERR_NO_MEMORY;
    buf_append_cstr(&call->out, "{\"S3Configuration\":{\"S3Uri\":");
    json_write_string(&call->out, whole);
    buf_append_cstr(&call->out, ",\"KmsKeyId\":");
    json_write_string(&call->out, key);
    buf_append_cstr(&call->out, "}}");
    return ERR_NONE;
}

static enum err view_request(struct call *call, const struct job *job)
{
    static const char *const told[] = {
        "JobName",          "InputDataConfig",   "JobOutputDataConfig",
        "OutputDataConfig", "DataAccessRoleArn", "ValidationLevel"
    };
    struct json_doc doc;
    char *text = arena_copy(call->arena, buf_slice(&job->request));
    if (!text)
        return ERR_NO_MEMORY;
    TRY(json_parse(slice_of(text, job->request.length), NULL, call->arena, &doc, NULL));
    for (size_t i = 0; i < ARRAY_COUNT(told); i++) {
        struct json value = shape_get(json_root(&doc), told[i]);
        if (!json_exists(value))
            continue;
        buf_printf(&call->out, ",\"%s\":", told[i]);
        if (strcmp(told[i], "OutputDataConfig") == 0)
            TRY(view_output(call, job, value));
        else
            buf_append(&call->out, json_raw(value));
    }
    return ERR_NONE;
}

static enum err view_job(struct call *call, const struct job *job)
{
    struct buf *out = &call->out;
    mutex_lock(&call->control->lock);
    buf_printf(out, "{\"JobId\":\"%s\",\"DatastoreId\":\"%s\",\"JobStatus\":\"%s\"", job->id,
               job->datastore_id, status_names[job->status]);
    view_time(out, "SubmitTime", job->submitted_us);
    if (job->ended_us)
        view_time(out, "EndTime", job->ended_us);
    if (job->message[0]) {
        buf_append_cstr(out, ",\"Message\":");
        json_write_string(out, slice_cstr(job->message));
    }
    if (job->is_import)
        view_report(out, job);
    mutex_unlock(&call->control->lock);
    TRY(view_request(call, job));
    buf_append_byte(out, '}');
    return buf_status(out);
}

static enum err describe_job(struct call *call, bool is_import, const char *head)
{
    struct datastore *d;
    TRY(call_datastore(call, &d));
    struct slice id = json_string(shape_get(call->input, "JobId"), call->arena);
    if (!id.bytes)
        return ERR_NO_MEMORY;
    const struct control *control = call->control;
    for (size_t i = 0; i < control->job_count; i++) {
        const struct job *job = control->jobs[i];
        if (job->is_import != is_import || !slice_is(id, job->id) ||
            strcmp(job->datastore_id, d->id) != 0)
            continue;
        buf_append_cstr(&call->out, head);
        TRY(view_job(call, job));
        buf_append_byte(&call->out, '}');
        return buf_status(&call->out);
    }
    return call_fail(call, ERR_NOT_FOUND, "The job '%.*s' does not exist.", SLICE_ARGS(id));
}

enum err describe_import_job(struct call *call)
{
    return describe_job(call, true, "{\"ImportJobProperties\":");
}

enum err describe_export_job(struct call *call)
{
    return describe_job(call, false, "{\"ExportJobProperties\":");
}

/* ---- list ---- */

static enum err job_holds(struct call *call, const struct job *job, bool *ret)
{
    int64_t us;
    mutex_lock(&call->control->lock);
    const char *status = status_names[job->status];
    mutex_unlock(&call->control->lock);
    struct json wanted_status = shape_get(call->input, "JobStatus");
    struct json wanted_name = shape_get(call->input, "JobName");
    *ret = true;
    if (json_exists(wanted_status) && !json_string_is(wanted_status, slice_cstr(status)))
        *ret = false;
    if (shape_timestamp(shape_get(call->input, "SubmittedBefore"), &us) && job->submitted_us >= us)
        *ret = false;
    if (shape_timestamp(shape_get(call->input, "SubmittedAfter"), &us) && job->submitted_us <= us)
        *ret = false;
    if (!*ret || !json_exists(wanted_name))
        return ERR_NONE;
    struct json_doc doc;
    struct slice name = json_string(wanted_name, call->arena);
    if (!name.bytes)
        return ERR_NO_MEMORY;
    TRY(json_parse(buf_slice(&job->request), NULL, call->arena, &doc, NULL));
    *ret = json_string_is(shape_get(json_root(&doc), "JobName"), name);
    return ERR_NONE;
}

static enum err list_one(struct call *call, const struct job *job, struct page *page,
                         bool *ret_is_full)
{
    bool holds;
    TRY(job_holds(call, job, &holds));
    if (!holds)
        return ERR_NONE;
    *ret_is_full = !page_has_room(call, page);
    if (*ret_is_full)
        return ERR_NONE;
    if (call->out.bytes[call->out.length - 1] == '}')
        buf_append_byte(&call->out, ',');
    TRY(view_job(call, job));
    page_add(page, job->number);
    return ERR_NONE;
}

static enum err list_jobs(struct call *call, bool is_import)
{
    struct datastore *d;
    struct page page;
    TRY(call_datastore(call, &d));
    TRY(page_begin(call, &shape_list_jobs, is_import ? "ListFHIRImportJobs" : "ListFHIRExportJobs",
                   &page));
    const struct control *control = call->control;
    bool is_full = false;
    buf_printf(&call->out, "{\"%sJobPropertiesList\":[", is_import ? "Import" : "Export");
    TRY(buf_status(&call->out));
    for (size_t i = 0; i < control->job_count && !is_full; i++) {
        const struct job *job = control->jobs[i];
        struct arena_mark mark = arena_mark(call->arena);
        if (job->number > page.after && job->is_import == is_import &&
            strcmp(job->datastore_id, d->id) == 0)
            TRY(list_one(call, job, &page, &is_full));
        arena_rewind(call->arena, mark);
    }
    buf_append_byte(&call->out, ']');
    if (is_full)
        page_token(call, &page);
    buf_append_byte(&call->out, '}');
    return buf_status(&call->out);
}

enum err list_import_jobs(struct call *call)
{
    return list_jobs(call, true);
}

enum err list_export_jobs(struct call *call)
{
    return list_jobs(call, false);
}
