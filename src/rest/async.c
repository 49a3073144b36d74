#include "rest/async.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/codec.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/random.h"
#include "rest/customs.h"
#include "rest/outcome.h"
#include "rest/page.h"
#include "rest/reply.h"

enum { PATH_BYTES = 4096, NAME_BYTES = 16 + 1 + UUID_TEXT_BYTES, HEAD_BYTES_MAX = 4096 };
static const int64_t KEPT_US = INT64_C(90) * 24 * 3600 * 1000 * 1000;
static const int64_t SWEEP_US = INT64_C(24) * 3600 * 1000 * 1000;

struct job {
    struct job *next;
    char name[NAME_BYTES]; /* instant-id */
    bool is_running;
};

struct async {
    struct rest *rest;
    char folder[PATH_BYTES - 128];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first; /* oldest */
    size_t count;
    bool is_stopping;
    int64_t swept_us;
};

static const char *id_of(const struct job *job)
{
    return job->name + 17;
}

static void path_make(const struct async *a, const char *name, const char *suffix,
                      char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s.%s", a->folder, name, suffix);
}

/* ---- the list ---- */

/* Names rise with time, so the list is sorted by them. */
static struct job *job_add(struct async *a, const char *name)
{
    struct job *job = calloc(1, sizeof *job); /* outlives the request that brings it */
    if (!job)
        return NULL;
    snprintf(job->name, sizeof job->name, "%s", name);
    struct job **at = &a->first;
    while (*at && strcmp((*at)->name, name) < 0)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
    a->count++;
    return job;
}

static void job_drop(struct async *a, struct job *job)
{
    struct job **at = &a->first;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    a->count--;
    free(job);
}

static const struct job *job_find(const struct async *a, struct slice id)
{
    for (const struct job *job = a->first; job; job = job->next)
        if (slice_is(id, id_of(job)))
            return job;
    return NULL;
}

/* ---- one transaction ---- */

static struct slice mark_key(struct arena *arena, const char *id)
{
    return arena_printf(arena, "transaction/%s", id);
}

/* The saved request: its first line, then the body. */
static enum err request_load(struct async *a, const struct job *job, struct buf *file,
                             struct request *r)
{
    char path[PATH_BYTES];
    path_make(a, job->name, "request", path);
    TRY(os_file_read(path, file));
    struct slice rest = buf_slice(file);
    struct slice head = slice_cut(&rest, '\n');
    uint64_t prefer, level;
    if (!slice_parse_u64(slice_cut(&head, ' '), &prefer) ||
        !slice_parse_u64(slice_cut(&head, ' '), &level) || !head.length)
        return ERR_CORRUPT;
    r->prefer = (enum prefer_return)prefer;
    r->level = (enum rest_level)level;
    r->base_url = head;
    r->http->body = rest;
    return ERR_NONE;
}

/* Was it committed before a crash? Then r->resume says when and what. */
static enum err mark_look(struct request *r)
{
    struct slice value;
    bool is_found;
    TRY(store_meta_get(r->rest->settings.store, r->mark.key, r->arena, &is_found, &value));
    if (!is_found)
        return ERR_NONE;
    if (value.length < 8)
        return ERR_CORRUPT;
    for (int i = 0; i < 8; i++)
        r->resume_time = r->resume_time << 8 | (uint8_t)value.bytes[i];
    r->resume_text = slice_from(value, 8);
    return ERR_NONE;
}

static enum err run_bundle(struct request *r)
{
    enum err err = mark_look(r);
    for (int i = 0; !err && i < 100; i++) {
        err = rest_bundle(r);
        if (err != ERR_BUSY)
            return err;
        struct timespec pause = { 0, 100 * 1000 * 1000 };
        nanosleep(&pause, NULL);
        err = i < 99 ? ERR_NONE : err;
        issues_init(&r->issues, r->arena);
    }
    return err;
}

/* Whether it was committed the store itself may not know, or may later. */
static bool is_undecided(enum err err)
{
    return err == ERR_IO || err == ERR_READ_ONLY || err == ERR_BUSY || err == ERR_FULL;
}

static enum err answer_write(struct async *a, const struct job *job, struct request *r,
                             enum err outcome)
{
    struct buf out;
    char path[PATH_BYTES];
    buf_init(&out, (size_t)1 << 30);
    buf_printf(&out, "%d\n", outcome ? err_http_status(outcome) : r->response->status);
    enum err err = ERR_NONE;
    if (outcome)
        outcome_render(&out, slice_cstr(r->http->id), outcome, &r->issues);
    else
        err = page_drain(r->response, &out);
    if (!err)
        err = buf_status(&out);
    path_make(a, id_of(job), "answer", path);
    if (!err)
        err = os_file_replace(path, buf_slice(&out), 0600);
    buf_release(&out);
    return err;
}

/* With the answer on disk the request and its mark are done with. What a crash
 * leaves of them the next run removes. */
static void job_clear(struct async *a, const struct job *job, struct arena *arena)
{
    struct store *store = a->rest->settings.store;
    char path[PATH_BYTES];
    struct slice key = mark_key(arena, id_of(job)), value;
    bool is_found;
    enum err err = store_meta_get(store, key, arena, &is_found, &value);
    if (!err && is_found)
        err = store_meta_set(store, key, value, SLICE_NONE);
    path_make(a, job->name, "request", path);
    if (!err)
        unlink(path);
}

static enum err job_run_in(struct async *a, const struct job *job, struct arena *arena)
{
    static const struct slice JSON = SLICE_INIT("application/fhir+json");
    struct http_header headers[] = { { SLICE("Content-Type"), JSON } };
    struct http_request http = { .method = SLICE("POST"),
                                 .headers = headers,
                                 .header_count = ARRAY_COUNT(headers),
                                 .content_length = -1,
                                 .arena = arena };
    struct http_response response = { 0 };
    struct request r = { .rest = a->rest,
                         .http = &http,
                         .response = &response,
                         .arena = arena,
                         .route = { .interaction = INTERACTION_BUNDLE },
                         .media = "application/fhir+json",
                         .mark = { .key = mark_key(arena, id_of(job)) } };
    struct buf file;
    snprintf(http.id, sizeof http.id, "%s", id_of(job));
    issues_init(&r.issues, arena);
    buf_init(&file, (size_t)4 << 30);
    enum err err = request_load(a, job, &file, &r);
    struct customs_generation *held = customs_enter(a->rest->customs);
    if (!err)
        err = customs_settle(a->rest);
    if (!err)
        err = run_bundle(&r);
    customs_leave(a->rest->customs, held);
    if (!is_undecided(err))
        err = answer_write(a, job, &r, err);
    buf_release(&file);
    return err;
}

/* Again what must be tried again: nothing was answered. */
static enum err job_run(struct async *a, const struct job *job)
{
    char path[PATH_BYTES];
    struct arena arena;
    arena_init(&arena, (size_t)4 << 30);
    path_make(a, id_of(job), "answer", path);
    enum err err = os_file_exists(path) ? ERR_NONE : job_run_in(a, job, &arena);
    if (!err)
        job_clear(a, job, &arena);
    arena_release(&arena);
    return err;
}

/* ---- the folder ---- */

static bool name_parts(const char *name, const char *suffix, size_t length)
{
    const char *dot = strrchr(name, '.');
    return dot && (size_t)(dot - name) == length && strcmp(dot + 1, suffix) == 0;
}

static void answer_sweep(struct async *a, const char *name)
{
    char path[PATH_BYTES];
    struct os_file_stamp stamp;
    snprintf(path, sizeof path, "%s/%s", a->folder, name);
    if (!os_file_stamp(path, &stamp) && os_now_us() - stamp.changed_ns / 1000 > KEPT_US)
        unlink(path);
}

/* What is too old goes; at the start, what was left is taken up. */
static enum err folder_walk(struct async *a, bool takes_up)
{
    DIR *dir = opendir(a->folder);
    struct dirent *entry;
    enum err err = dir ? ERR_NONE : ERR_IO;
    while (!err && (entry = readdir(dir))) {
        char name[NAME_BYTES];
        if (name_parts(entry->d_name, "answer", UUID_TEXT_BYTES - 1)) {
            answer_sweep(a, entry->d_name);
        } else if (takes_up && name_parts(entry->d_name, "request", NAME_BYTES - 1)) {
            memcpy(name, entry->d_name, NAME_BYTES - 1);
            name[NAME_BYTES - 1] = '\0';
            err = job_add(a, name) ? ERR_NONE : ERR_NO_MEMORY;
        }
    }
    if (dir)
        closedir(dir);
    a->swept_us = os_monotonic_us();
    return err;
}

/* ---- the thread ---- */

/* A second, or until the store is closed. */
static void pause_locked(struct async *a)
{
    for (int i = 0; i < 20 && !a->is_stopping; i++) {
        struct timespec part = { 0, 50 * 1000 * 1000 };
        mutex_unlock(&a->lock);
        nanosleep(&part, NULL);
        mutex_lock(&a->lock);
    }
}

static void *work(void *context)
{
    struct async *a = context;
    mutex_lock(&a->lock);
    while (!a->is_stopping) {
        struct job *job = a->first;
        if (!job) {
            cond_wait(&a->wake, &a->lock);
            continue;
        }
        job->is_running = true;
        mutex_unlock(&a->lock);
        enum err err = job_run(a, job);
        if (os_monotonic_us() - a->swept_us > SWEEP_US)
            err = folder_walk(a, false) ? err : err;
        mutex_lock(&a->lock);
        if (err) { /* a full disk may have room again; a latched store waits for the next run */
            job->is_running = false;
            pause_locked(a);
        } else {
            job_drop(a, job);
        }
    }
    mutex_unlock(&a->lock);
    return NULL;
}

enum err async_open(struct rest *rest, const char *folder, struct async **ret_async)
{
    struct async *a = calloc(1, sizeof *a); /* as long as the store is open */
    if (!a)
        return ERR_NO_MEMORY;
    a->rest = rest;
    bool fits = snprintf(a->folder, sizeof a->folder, "%s", folder) < (int)sizeof a->folder;
    mutex_init(&a->lock);
    cond_init(&a->wake);
    enum err err = fits ? os_folder_make(a->folder, 0700) : ERR_IO;
    if (!err)
        err = folder_walk(a, true);
    if (!err)
        err = thread_start(&a->thread, work, a);
    if (!err) {
        *ret_async = a;
        return ERR_NONE;
    }
    a->is_stopping = true;
    while (a->first)
        job_drop(a, a->first);
    free(a);
    return err;
}

void async_close(struct async *a)
{
    if (!a)
        return;
    mutex_lock(&a->lock);
    a->is_stopping = true;
    cond_signal(&a->wake);
    mutex_unlock(&a->lock);
    thread_join(a->thread);
    while (a->first)
        job_drop(a, a->first);
    cond_destroy(&a->wake);
    mutex_destroy(&a->lock);
    free(a);
}

size_t async_waiting(struct async *a)
{
    mutex_lock(&a->lock);
    size_t count = a->count;
    mutex_unlock(&a->lock);
    return count;
}

/* ---- requests ---- */

/* The name is taken under the lock, so that names rise in the order of arrival. */
static enum err job_save(struct async *a, struct slice content, char name[NAME_BYTES])
{
    uint8_t random[16];
    char id[UUID_TEXT_BYTES], path[PATH_BYTES];
    os_random(random, sizeof random);
    uuid_render(random, id);
    snprintf(name, NAME_BYTES, "%016llx-%s", (unsigned long long)os_now_us(), id);
    path_make(a, name, "request", path);
    return os_file_replace(path, content, 0600);
}

static enum err submit(struct request *r, struct async *a, char name[NAME_BYTES])
{
    struct buf content;
    buf_init(&content, r->http->body.length + r->base_url.length + HEAD_BYTES_MAX);
    buf_printf(&content, "%d %d %.*s\n", (int)r->prefer, (int)r->level, SLICE_ARGS(r->base_url));
    buf_append(&content, r->http->body);
    enum err err = buf_status(&content);
    mutex_lock(&a->lock);
    if (a->count >= ASYNC_PENDING_MAX)
        err = issues_fail(&r->issues, ERR_THROTTLED, "throttled",
                          "%d transactions are pending; try again when some are done",
                          ASYNC_PENDING_MAX);
    if (!err)
        err = job_save(a, buf_slice(&content), name);
    if (!err && !job_add(a, name))
        err = ERR_NO_MEMORY; /* the file is taken up at the next start */
    cond_signal(&a->wake);
    mutex_unlock(&a->lock);
    buf_release(&content);
    return err;
}

static enum err state_reply(struct request *r, struct slice text)
{
    struct buf body;
    buf_init(&body, HEAD_BYTES_MAX);
    outcome_render_ok(&body, slice_cstr(r->http->id), text);
    enum err err = reply_copy(r, 202, &body);
    buf_release(&body);
    return err;
}

enum err async_submit(struct request *r)
{
    char name[NAME_BYTES];
    if (!r->rest->async)
        return issues_fail(&r->issues, ERR_NOT_IMPLEMENTED, "not-supported",
                           "This store takes no asynchronous transactions: it has no folder");
    TRY(submit(r, r->rest->async, name));
    TRY(reply_header(r, "Content-Location",
                     arena_printf(r->arena, "%.*s/Transaction/%s", SLICE_ARGS(r->base_url),
                                  name + 17)));
    TRY(reply_header(r, "Preference-Applied", SLICE("respond-async")));
    return state_reply(r, SLICE("Submitted Asynchronous Bundle Transaction"));
}

static enum err answer_reply(struct request *r, const char *path)
{
    struct buf file, body;
    buf_init(&file, (size_t)1 << 30);
    buf_init(&body, (size_t)1 << 30);
    enum err err = os_file_read(path, &file);
    struct slice rest = buf_slice(&file);
    uint64_t status;
    if (!err && !slice_parse_u64(slice_cut(&rest, '\n'), &status))
        err = ERR_CORRUPT;
    if (!err) {
        buf_append(&body, rest);
        err = buf_status(&body);
    }
    if (!err)
        err = page_send_buf(r, (int)status, &body);
    buf_release(&body);
    buf_release(&file);
    return err;
}

enum err async_poll(struct request *r)
{
    static const char *const KNOWN[] = { NULL };
    struct async *a = r->rest->async;
    char path[PATH_BYTES];
    TRY(request_only(r, KNOWN));
    if (a && uuid_is_valid(r->route.id)) {
        mutex_lock(&a->lock);
        const struct job *job = job_find(a, r->route.id);
        bool is_pending = job != NULL, is_running = job && job->is_running;
        mutex_unlock(&a->lock);
        if (is_pending) {
            TRY(reply_header(r, "Retry-After", SLICE("1")));
            return state_reply(r, is_running ? SLICE("IN_PROGRESS") : SLICE("SUBMITTED"));
        }
        snprintf(path, sizeof path, "%s/%.*s.answer", a->folder, SLICE_ARGS(r->route.id));
        if (os_file_exists(path))
            return answer_reply(r, path);
    }
    return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found",
                       "There is no asynchronous transaction %.*s; answers are kept 90 days",
                       SLICE_ARGS(slice_head(r->route.id, 100)));
}
