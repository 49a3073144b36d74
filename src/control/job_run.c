/* control/job_run.c - the threads that run jobs.
 *
 * JOB_THREADS of them; a data store has one job running at a time, so a long one keeps
 * the other jobs of its data store waiting and those of no other.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "control/jobs.h"
#include "os/clock.h"
#include "os/file.h"

static const size_t RUN_ARENA_BYTES = (size_t)1 << 28;

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
    s3_close(run->s3);
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
    struct datastore *d = registry_find(control, slice_cstr(job->datastore_id), INT64_MIN);
    if (d)
        d->runs_job = false;
    cond_broadcast(&control->moved);
    mutex_unlock(&control->lock);
    if (jobs_save(control))
        log_line(LOG_ERROR, "control", "jobs.json cannot be written");
    mutex_unlock(&control->changes);
    if (!is_cut && run->folder && os_folder_remove(run->folder))
        log_line(LOG_WARNING, "control", "%s cannot be removed", run->folder);
}

static void job_run_whole(struct control *control, struct job *job)
{
    struct job_run run = { .control = control, .job = job };
    arena_init(&run.arena, RUN_ARENA_BYTES);
    enum err err = run_steps(&run);
    log_line(err ? LOG_WARNING : LOG_INFO, "control", "%s job %s of data store %s: %s",
             job->is_import ? "import" : "export", job->id, job->datastore_id,
             err ? err_text(err) : "done");
    job_finish(&run, err); /* `job` may be gone from here on */
    arena_release(&run.arena);
}

/* The first in line whose data store has none running. Under `lock`. */
static struct job *find_submitted(const struct control *control)
{
    for (size_t i = 0; i < control->job_count; i++) {
        struct job *job = control->jobs[i];
        if (job->status != JOB_SUBMITTED)
            continue;
        struct datastore *d = registry_find(control, slice_cstr(job->datastore_id), INT64_MIN);
        if (!d || !d->runs_job)
            return job;
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
        struct datastore *d = registry_find(control, slice_cstr(job->datastore_id), INT64_MIN);
        job->status = JOB_IN_PROGRESS;
        job->report = (struct job_report){ 0 };
        if (d)
            d->runs_job = true;
    }
    mutex_unlock(&control->lock);
    mutex_unlock(&control->changes);
    return job;
}

/* False when the server stops. */
static bool wait_for_work(struct control *control)
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
    while (wait_for_work(control)) {
        preload(control);
        struct job *job = take_submitted(control);
        if (job)
            job_run_whole(control, job);
    }
    return NULL;
}

/* ---- what runs left behind ---- */

static bool is_unfinished(const struct control *control, const char *id)
{
    for (size_t i = 0; i < control->job_count; i++) {
        const struct job *job = control->jobs[i];
        if (strcmp(job->id, id) == 0)
            return job->status == JOB_SUBMITTED;
    }
    return false;
}

enum err jobs_sweep(struct control *control, struct arena *arena)
{
    struct slice folder = arena_printf(arena, "%s/jobs", control->settings.folder);
    struct dirent *entry;
    DIR *dir = folder.bytes ? opendir(folder.bytes) : NULL;
    if (!dir)
        return folder.bytes ? ERR_NONE : ERR_NO_MEMORY;
    enum err err = ERR_NONE;
    while (!err && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.' || is_unfinished(control, entry->d_name))
            continue;
        struct slice path = arena_printf(arena, "%s/%s", folder.bytes, entry->d_name);
        err = path.bytes ? os_folder_remove(path.bytes) : ERR_NO_MEMORY;
    }
    closedir(dir);
    return err;
}
