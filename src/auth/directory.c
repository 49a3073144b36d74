#include "auth/directory.h"

#include <stdlib.h>

#include "os/clock.h"
#include "os/file.h"
#include "os/thread.h"

enum { LOOK_EVERY_US = 1000000, PATH_BYTES = 4096 };

struct snapshot {
    struct arena arena;
    struct iam iam;
    unsigned refs; /* under the directory's lock; one is the directory's own */
};

struct directory {
    pthread_mutex_t lock;  /* of all below */
    char path[PATH_BYTES]; /* of iam.json; empty: none */
    char folder[PATH_BYTES];
    struct snapshot *current;
    struct os_file_stamp stamp; /* of what was read or tried last; zeros: no file */
    int64_t looked_us;
    bool is_loading;
    auth_report *report;
    void *report_context;
};

static struct os_file_stamp stamp_of(const char *path)
{
    struct os_file_stamp stamp = { 0 };
    enum err ignored = os_file_stamp(path, &stamp);
    (void)ignored; /* no file: zeros */
    return stamp;
}

static bool stamp_equal(const struct os_file_stamp *a, const struct os_file_stamp *b)
{
    return a->inode == b->inode && a->size_bytes == b->size_bytes && a->changed_ns == b->changed_ns;
}

static void snapshot_free(struct snapshot *s)
{
    arena_release(&s->arena);
    free(s);
}

/* *error is in the snapshot's arena on failure, which *ret then still is. */
static enum err snapshot_load(const char *folder, struct snapshot **ret, struct slice *error)
{
    /* Outlives any request: no arena to put it in. */
    struct snapshot *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    arena_init(&s->arena, IAM_ARENA_BYTES);
    s->iam.arena = &s->arena;
    s->refs = 1;
    *ret = s;
    return *folder ? iam_load(folder, &s->arena, &s->iam, error) : ERR_NONE;
}

static bool path_set(struct directory *d, const char *folder)
{
    size_t length = folder ? strlen(folder) : 0;
    static const char name[] = "/iam.json";
    if (length + sizeof name > PATH_BYTES)
        return false;
    if (!length)
        return true;
    memcpy(d->folder, folder, length);
    memcpy(d->path, folder, length);
    memcpy(d->path + length, name, sizeof name);
    return true;
}

enum err directory_open(const char *folder, auth_report *report, void *report_context,
                        struct arena *arena, struct directory **ret, struct slice *error)
{
    struct directory *d = calloc(1, sizeof *d);
    if (!d)
        return ERR_NO_MEMORY;
    mutex_init(&d->lock);
    d->report = report;
    d->report_context = report_context;
    enum err err = path_set(d, folder) ? ERR_NONE : ERR_INVALID;
    struct slice why = SLICE_NONE;
    if (!err) {
        d->stamp = stamp_of(d->path);
        d->looked_us = os_monotonic_us();
        err = snapshot_load(d->folder, &d->current, &why);
    }
    if (err) {
        *error =
            arena_printf(arena, "%.*s", SLICE_ARGS(why.length ? why : slice_cstr(err_text(err))));
        directory_close(d);
        return err;
    }
    *ret = d;
    return ERR_NONE;
}

void directory_close(struct directory *d)
{
    if (!d)
        return;
    if (d->current)
        snapshot_free(d->current);
    mutex_destroy(&d->lock);
    free(d);
}

/* Read the file outside the lock, so that others go on with what there is. */
static void directory_reload(struct directory *d)
{
    struct snapshot *fresh = NULL, *old = NULL;
    struct slice error = SLICE_NONE;
    struct os_file_stamp stamp = stamp_of(d->path);
    if (!stamp_equal(&stamp, &d->stamp)) {
        enum err err = snapshot_load(d->folder, &fresh, &error);
        if (err && d->report)
            d->report(d->report_context, error.length ? error : slice_cstr(err_text(err)));
        if (err && fresh) {
            snapshot_free(fresh);
            fresh = NULL;
        }
        /* Short memory may pass: tried again at the next look. */
        if (err == ERR_NO_MEMORY)
            stamp = d->stamp;
    }
    mutex_lock(&d->lock);
    d->stamp = stamp;
    d->looked_us = os_monotonic_us();
    d->is_loading = false;
    if (fresh) {
        old = d->current;
        d->current = fresh;
    }
    mutex_unlock(&d->lock);
    if (old)
        directory_unref(d, old);
}

struct snapshot *directory_ref(struct directory *d)
{
    mutex_lock(&d->lock);
    bool is_due = d->path[0] && !d->is_loading && os_monotonic_us() - d->looked_us >= LOOK_EVERY_US;
    if (is_due) {
        d->is_loading = true;
        mutex_unlock(&d->lock);
        directory_reload(d);
        mutex_lock(&d->lock);
    }
    struct snapshot *s = d->current;
    s->refs++;
    mutex_unlock(&d->lock);
    return s;
}

void directory_unref(struct directory *d, struct snapshot *s)
{
    mutex_lock(&d->lock);
    bool is_last = --s->refs == 0;
    mutex_unlock(&d->lock);
    if (is_last)
        snapshot_free(s);
}

const struct iam *snapshot_iam(const struct snapshot *s)
{
    return &s->iam;
}
