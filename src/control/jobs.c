/* control/jobs.c - the list of jobs, its file, and the thread that runs them. */
#include "control/jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "control/shapes.h"
#include "os/file.h"

enum { PATH_BYTES = 4096 };

static const size_t FILE_BYTES_MAX = (size_t)1 << 28;
static const size_t REQUEST_BYTES_MAX = (size_t)1 << 20;

/* ---- the file ---- */

static void number_render(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

void report_render(const struct job_report *r, struct buf *out)
{
    number_render(out, "files", r->files);
    number_render(out, "bytes", r->bytes);
    number_render(out, "filesImported", r->files_imported);
    number_render(out, "filesWithErrors", r->files_with_errors);
    number_render(out, "resources", r->resources);
    number_render(out, "imported", r->imported);
    number_render(out, "withErrors", r->with_errors);
    number_render(out, "bytesImported", r->bytes_imported);
}

static void job_render(const struct job *job, struct buf *out)
{
    buf_printf(out, "{\"id\":\"%s\",\"datastore\":\"%s\",\"import\":%s", job->id, job->datastore_id,
               job->is_import ? "true" : "false");
    number_render(out, "number", job->number);
    number_render(out, "status", job->status == JOB_IN_PROGRESS ? JOB_SUBMITTED : job->status);
    number_render(out, "submitted", (uint64_t)job->submitted_us);
    number_render(out, "ended", (uint64_t)job->ended_us);
    report_render(&job->report, out);
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

bool report_parse(struct json v, struct job_report *r)
{
    /* Not in the files of before. */
    if (!take_number(json_member(v, "bytesImported"), &r->bytes_imported))
        r->bytes_imported = 0;
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
    struct job **larger =
        array_room(control->jobs, control->job_count, &control->job_room, sizeof *control->jobs);
    if (larger) {
        control->jobs = larger;
        larger[control->job_count++] = job;
    }
    mutex_unlock(&control->lock);
    return larger ? ERR_NONE : ERR_NO_MEMORY;
}

size_t control_jobs_waiting(struct control *control)
{
    size_t count = 0;
    mutex_lock(&control->lock);
    for (size_t i = 0; i < control->job_count; i++)
        count += control->jobs[i]->ended_us == 0;
    mutex_unlock(&control->lock);
    return count;
}

void jobs_remove(struct control *control, struct job *job)
{
    mutex_lock(&control->lock);
    for (size_t i = 0; i < control->job_count; i++) {
        if (control->jobs[i] != job)
            continue;
        array_remove(control->jobs, &control->job_count, i, sizeof *control->jobs);
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
