/* control/jobs.c - the list of jobs, its file, and the thread that runs them. */
#include "control/jobs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "control/shapes.h"
#include "os/clock.h"
#include "os/file.h"

enum { PATH_BYTES = 4096, GROWTH = 64 };

static const size_t FILE_BYTES_MAX = (size_t)1 << 28;
static const size_t REQUEST_BYTES_MAX = (size_t)1 << 20;
static const size_t RUN_ARENA_BYTES = (size_t)1 << 28;

/* ---- the file ---- */

static void number_render(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void job_render(const struct job *job, struct buf *out)
{
    const struct job_report *r = &job->report;
    buf_printf(out, "{\"id\":\"%s\",\"datastore\":\"%s\",\"import\":%s", job->id, job->datastore_id,
               job->is_import ? "true" : "false");
    number_render(out, "number", job->number);
    number_render(out, "status", job->status == JOB_IN_PROGRESS ? JOB_SUBMITTED : job->status);
    number_render(out, "submitted", (uint64_t)job->submitted_us);
    number_render(out, "ended", (uint64_t)job->ended_us);
    number_render(out, "files", r->files);
    number_render(out, "bytes", r->bytes);
    number_render(out, "filesImported", r->files_imported);
    number_render(out, "filesWithErrors", r->files_with_errors);
    number_render(out, "resources", r->resources);
    number_render(out, "imported", r->imported);
    number_render(out, "withErrors", r->with_errors);
    buf_printf(out, ",\"token\":\"%s\",\"fingerprint\":\"%s\",\"message\":", job->token,
               job->fingerprint);
    json_write_string(out, slice_cstr(job->message));
    buf_append_cstr(out, ",\"request\":");
    buf_append(out, buf_slice(&job->request));
    buf_append_byte(out, '}');
}

static bool make_path(const struct control *control, char path[PATH_BYTES])
{
    int length = snprintf(path, PATH_BYTES, "%s/jobs.json", control->settings.folder);
    return length > 0 && length < PATH_BYTES;
}

enum err jobs_save(struct control *control)
{
    char path[PATH_BYTES];
    if (!make_path(control, path))
        return ERR_LIMIT;
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    buf_printf(&text, "{\"format\":1,\"lastNumber\":%llu,\"jobs\":[",
               (unsigned long long)control->last_job);
    mutex_lock(&control->lock);
    for (size_t i = 0; i < control->job_count; i++) {
        buf_append_cstr(&text, i ? ",\n" : "\n");
        job_render(control->jobs[i], &text);
    }
    mutex_unlock(&control->lock);
    buf_append_cstr(&text, "]}\n");
    enum err err = buf_status(&text);
    if (!err)
        err = os_file_replace(path, buf_slice(&text), 0600);
    buf_release(&text);
    return err;
}

static bool take_text(struct json value, struct arena *arena, char *out, size_t room)
{
    struct slice text = json_string(value, arena);
    if (!text.bytes || text.length >= room)
        return false;
    memcpy(out, text.bytes, text.length);
    out[text.length] = 0;
    return true;
}

static bool take_number(struct json value, uint64_t *ret)
{
    return json_is(value, JSON_NUMBER) && slice_parse_u64(json_raw(value), ret);
}

static bool report_parse(struct json v, struct job_report *r)
{
    return take_number(json_member(v, "files"), &r->files) &&
           take_number(json_member(v, "bytes"), &r->bytes) &&
           take_number(json_member(v, "filesImported"), &r->files_imported) &&
           take_number(json_member(v, "filesWithErrors"), &r->files_with_errors) &&
           take_number(json_member(v, "resources"), &r->resources) &&
           take_number(json_member(v, "imported"), &r->imported) &&
           take_number(json_member(v, "withErrors"), &r->with_errors);
}

static bool job_parse(struct json v, struct arena *arena, struct job *job)
{
    uint64_t status, submitted, ended;
    bool is_whole =
        take_text(json_member(v, "id"), arena, job->id, sizeof job->id) &&
        take_text(json_member(v, "datastore"), arena, job->datastore_id,
                  sizeof job->datastore_id) &&
        take_text(json_member(v, "token"), arena, job->token, sizeof job->token) &&
        take_text(json_member(v, "fingerprint"), arena, job->fingerprint,
                  sizeof job->fingerprint) &&
        take_text(json_member(v, "message"), arena, job->message, sizeof job->message) &&
        take_number(json_member(v, "number"), &job->number) &&
        take_number(json_member(v, "status"), &status) && status <= JOB_FAILED &&
        take_number(json_member(v, "submitted"), &submitted) && submitted <= INT64_MAX &&
        take_number(json_member(v, "ended"), &ended) && ended <= INT64_MAX &&
        report_parse(v, &job->report) && json_is(json_member(v, "request"), JSON_OBJECT);
    if (!is_whole)
        return false;
    job->is_import = json_is(json_member(v, "import"), JSON_TRUE);
    job->status = (enum job_status)status;
    job->submitted_us = (int64_t)submitted;
    job->ended_us = (int64_t)ended;
    json_minify(json_member(v, "request"), &job->request);
    return buf_status(&job->request) == ERR_NONE;
}

static enum err parse_jobs(struct control *control, struct slice text, struct arena *arena)
{
    struct json_doc doc;
    enum err err = json_parse(text, NULL, arena, &doc, NULL);
    if (err)
        return err == ERR_NO_MEMORY ? err : ERR_CORRUPT;
    struct json root = json_root(&doc), list = json_member(root, "jobs");
    if (!take_number(json_member(root, "lastNumber"), &control->last_job) ||
        !json_is(list, JSON_ARRAY))
        return ERR_CORRUPT;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct job *job = job_make();
        err = !job ? ERR_NO_MEMORY : job_parse(v, arena, job) ? ERR_NONE : ERR_CORRUPT;
        if (!err && job_shape_check(job, arena))
            err = ERR_CORRUPT;
        if (!err)
            err = jobs_add(control, job);
        if (err) {
            job_free(job);
            return err;
        }
    }
    return ERR_NONE;
}

enum err jobs_load(struct control *control, struct arena *arena, struct slice *error)
{
    char path[PATH_BYTES];
    if (!make_path(control, path))
        return ERR_LIMIT;
    if (!os_file_exists(path))
        return ERR_NONE;
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    enum err err = os_file_read(path, &text);
    if (!err)
        err = parse_jobs(control, buf_slice(&text), arena);
    buf_release(&text);
    if (err)
        *error = arena_printf(arena, "%s: %s; it lists import and export jobs and may be removed",
                              path, err == ERR_IO ? strerror(errno) : err_text(err));
    return err;
}

/* ---- the array ---- */

struct job *job_make(void)
{
    /* Lives until newer ones push it out or the server stops. */
    struct job *job = calloc(1, sizeof *job);
    if (job)
        buf_init(&job->request, REQUEST_BYTES_MAX);
    return job;
}

void job_free(struct job *job)
{
    if (!job)
        return;
    buf_release(&job->request);
    free(job);
}

enum err job_shape_check(const struct job *job, struct arena *arena)
{
    struct json_doc doc;
    struct slice text;
    TRY(json_parse(buf_slice(&job->request), NULL, arena, &doc, NULL));
    return shape_check(job->is_import ? &shape_start_import : &shape_start_export, json_root(&doc),
                       arena, &text);
}

enum err jobs_add(struct control *control, struct job *job)
{
    mutex_lock(&control->lock);
    enum err err = ERR_NONE;
    if (control->job_count == control->job_room) {
        size_t room = control->job_room + GROWTH;
        struct job **larger = realloc(control->jobs, room * sizeof(struct job *));
        if (larger) {
            control->jobs = larger;
            control->job_room = room;
        } else {
            err = ERR_NO_MEMORY;
        }
    }
    if (!err)
        control->jobs[control->job_count++] = job;
    mutex_unlock(&control->lock);
    return err;
}

void jobs_remove(struct control *control, struct job *job)
{
    mutex_lock(&control->lock);
    for (size_t i = 0; i < control->job_count; i++) {
        if (control->jobs[i] != job)
            continue;
        control->job_count--;
        memmove(control->jobs + i, control->jobs + i + 1,
                (control->job_count - i) * sizeof(struct job *));
        break;
    }
    mutex_unlock(&control->lock);
    job_free(job);
}

void jobs_free(struct control *control)
{
    for (size_t i = 0; i < control->job_count; i++)
        job_free(control->jobs[i]);
    free(control->jobs);
    control->jobs = NULL;
    control->job_count = control->job_room = 0;
}

/* ---- running ---- */

enum err job_fail(struct job_run *run, enum err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(run->message, sizeof run->message, format, args);
    va_end(args);
    run->has_message = true;
    return err;
}

enum err job_progress(struct job_run *run)
{
    struct control *control = run->control;
    mutex_lock(&control->lock);
    run->job->report = run->report;
    struct datastore *d = registry_find(control, slice_cstr(run->job->datastore_id), INT64_MIN);
    bool is_deleted = !d || d->status != DATASTORE_ACTIVE;
    bool is_to_end = control->stopping;
    /* CREATING and due is as good as ACTIVE. */
    if (d && d->status == DATASTORE_CREATING)
        is_deleted = false;
    mutex_unlock(&control->lock);
    if (is_deleted)
        return job_fail(run, ERR_CONFLICT, "The data store is being deleted");
    return is_to_end ? ERR_BUSY : ERR_NONE;
}

static enum err run_steps(struct job_run *run)
{
    struct json_doc *doc = arena_alloc(&run->arena, sizeof *doc);
    if (!doc)
        return ERR_NO_MEMORY;
    TRY(json_parse(buf_slice(&run->job->request), NULL, &run->arena, doc, NULL));
    run->request = json_root(doc);
    struct control_use *use;
    struct slice error = SLICE_NONE;
    enum err err = control_use_begin(run->control, slice_cstr(run->job->datastore_id), &run->arena,
                                     &run->store, &use, &error);
    if (err)
        return job_fail(run, err, "The data store cannot be opened: %s", err_text(err));
    err = run->job->is_import ? import_run(run) : export_run(run);
    control_use_end(run->control, use);
    return err;
}

/* The model's pattern for messages knows letters, digits, blanks and _.:/=+-%@ */
static void message_tidy(char *message)
{
    for (char *c = message; *c; c++) {
        bool is_plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                        (*c >= '0' && *c <= '9') || strchr(" _.:/=+-%@", *c) ||
                        (unsigned char)*c >= 0x80;
        *c = is_plain ? *c : ' ';
    }
}

static void job_finish(struct job_run *run, enum err err)
{
    struct control *control = run->control;
    struct job *job = run->job;
    mutex_lock(&control->changes);
    mutex_lock(&control->lock);
    job->report = run->report;
    /* Cut off by the end of the server: again at the next start. */
    bool is_cut = err == ERR_BUSY && control->stopping;
    if (!is_cut) {
        job->status = err                       ? JOB_FAILED
                      : run->report.with_errors ? JOB_COMPLETED_WITH_ERRORS
                                                : JOB_COMPLETED;
        job->ended_us = os_now_us();
        if (err)
            snprintf(job->message, sizeof job->message, "%s",
                     run->has_message ? run->message : err_text(err));
        message_tidy(job->message);
    }
    mutex_unlock(&control->lock);
    if (jobs_save(control))
        log_line(LOG_ERROR, "control", "jobs.json cannot be written");
    mutex_unlock(&control->changes);
}

static void job_run_whole(struct control *control, struct job *job)
{
    struct job_run run = { .control = control, .job = job };
    arena_init(&run.arena, RUN_ARENA_BYTES);
    enum err err = run_steps(&run);
    arena_release(&run.arena);
    job_finish(&run, err);
    log_line(err ? LOG_WARNING : LOG_INFO, "control", "%s job %s of data store %s: %s",
             job->is_import ? "import" : "export", job->id, job->datastore_id,
             err ? err_text(err) : "done");
}

static struct job *find_submitted(const struct control *control)
{
    for (size_t i = 0; i < control->job_count; i++) {
        if (control->jobs[i]->status == JOB_SUBMITTED)
            return control->jobs[i];
    }
    return NULL;
}

/* The next one, taken; NULL when it is gone again. Under `changes` a job that is
 * still being written to the list's file is out of reach. */
static struct job *take_submitted(struct control *control)
{
    mutex_lock(&control->changes);
    mutex_lock(&control->lock);
    struct job *job = find_submitted(control);
    if (job) {
        job->status = JOB_IN_PROGRESS;
        job->report = (struct job_report){ 0 };
    }
    mutex_unlock(&control->lock);
    mutex_unlock(&control->changes);
    return job;
}

/* False when the server stops. */
static bool wait_submitted(struct control *control)
{
    mutex_lock(&control->lock);
    while (!control->stopping && !find_submitted(control) && !preload_find(control))
        cond_wait(&control->moved, &control->lock);
    bool is_there = !control->stopping;
    mutex_unlock(&control->lock);
    return is_there;
}

void *jobs_run(void *context)
{
    struct control *control = context;
    while (wait_submitted(control)) {
        mutex_lock(&control->lock);
        struct datastore *empty = preload_find(control);
        mutex_unlock(&control->lock);
        if (empty)
            preload(control, empty);
        struct job *job = take_submitted(control);
        if (job)
            job_run_whole(control, job);
    }
    return NULL;
}
