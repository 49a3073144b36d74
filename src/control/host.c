/* control/host.c - opening the stores of data stores, and removing them. */
#include "base/log.h"
#include "control/state.h"
#include "os/clock.h"
#include "os/file.h"

enum { PATH_BYTES = 4096, ERROR_ARENA_BYTES = 1 << 20 };

static struct slice folder_of(const struct control *control, const char *id, struct arena *arena)
{
    return arena_printf(arena, "%s/datastores/%s", control->settings.folder, id);
}

/* ---- opening ---- */

enum err host_open(struct control *control, struct datastore *d, struct arena *arena,
                   struct slice *error)
{
    struct slice folder = folder_of(control, d->id, arena);
    if (!folder.bytes)
        return ERR_NO_MEMORY;
    const struct control_opener *opener = &control->settings.opener;
    return opener->open(opener->context, slice_cstr(d->id), folder.bytes, arena, &d->store, error);
}

static enum err look(const struct control *control, struct slice id, struct arena *arena,
                     struct datastore **ret, struct slice *error)
{
    int64_t now_us = os_now_us();
    struct datastore *d = registry_find(control, id, now_us);
    enum datastore_status status = d ? datastore_status_at(d, now_us) : DATASTORE_DELETED;
    if (d && (status == DATASTORE_ACTIVE || status == DATASTORE_UPDATING)) {
        *ret = d;
        return ERR_NONE;
    }
    if (!d)
        *error = arena_printf(arena, "there is no data store '%.*s' here",
                              SLICE_ARGS(slice_head(id, 100)));
    else
        *error = arena_printf(arena, "the data store '%s' is not ACTIVE: it is %s", d->id,
                              datastore_status_name(status));
    return ERR_NOT_FOUND;
}

enum err control_look(struct control *control, struct slice datastore_id, struct arena *arena,
                      struct slice *error)
{
    struct datastore *d;
    if (slice_equal(datastore_id, control->settings.default_id))
        return ERR_NONE;
    mutex_lock(&control->lock);
    enum err err = look(control, datastore_id, arena, &d, error);
    mutex_unlock(&control->lock);
    return err;
}

/* Under the lock, which is let go while the store opens: a large one takes a
 * while, and others have work. `d` stays: it has a user. */
static enum err open_locked(struct control *control, struct datastore *d, struct arena *arena,
                            struct slice *error)
{
    while (d->host == HOST_OPENING)
        cond_wait(&control->moved, &control->lock);
    if (d->host == HOST_OPEN)
        return ERR_NONE;
    d->host = HOST_OPENING;
    mutex_unlock(&control->lock);
    enum err err = host_open(control, d, arena, error);
    mutex_lock(&control->lock);
    d->host = err ? HOST_CLOSED : HOST_OPEN;
    cond_broadcast(&control->moved);
    return err;
}

enum err control_use_begin(struct control *control, struct slice datastore_id, struct arena *arena,
                           struct control_store *ret_store, struct control_use **ret_use,
                           struct slice *error)
{
    *ret_use = NULL;
    if (slice_equal(datastore_id, control->settings.default_id)) {
        *ret_store = control->by_default->store;
        return ERR_NONE;
    }
    struct datastore *d;
    mutex_lock(&control->lock);
    enum err err = look(control, datastore_id, arena, &d, error);
    if (!err) {
        d->users++;
        err = open_locked(control, d, arena, error);
        if (err)
            d->users--;
    }
    if (!err) {
        *ret_store = d->store;
        *ret_use = (struct control_use *)d;
    }
    cond_broadcast(&control->moved);
    mutex_unlock(&control->lock);
    return err;
}

enum err host_use(struct control *control, struct datastore *d, struct arena *arena,
                  struct control_use **ret_use, struct slice *error)
{
    mutex_lock(&control->lock);
    d->users++;
    enum err err = open_locked(control, d, arena, error);
    if (err)
        d->users--;
    else
        *ret_use = (struct control_use *)d;
    cond_broadcast(&control->moved);
    mutex_unlock(&control->lock);
    return err;
}

void control_use_end(struct control *control, struct control_use *use)
{
    if (!use)
        return;
    struct datastore *d = (struct datastore *)use;
    mutex_lock(&control->lock);
    CHECK(d->users > 0);
    d->users--;
    if (d->users == 0 && d->status == DATASTORE_DELETING)
        cond_broadcast(&control->moved);
    mutex_unlock(&control->lock);
}

const struct control_store *control_default(const struct control *control)
{
    return &control->by_default->store;
}

static enum err host_close(struct control *control, struct datastore *d)
{
    if (d->host != HOST_OPEN)
        return ERR_NONE;
    const struct control_opener *opener = &control->settings.opener;
    enum err err = opener->close(opener->context, &d->store);
    d->host = HOST_CLOSED;
    d->store = (struct control_store){ 0 };
    return err;
}

enum err host_close_all(struct control *control)
{
    enum err first = ERR_NONE;
    for (size_t i = 0; i < control->count; i++) {
        enum err err = host_close(control, control->datastores[i]);
        first = first ? first : err;
    }
    return first;
}

/* ---- removing ---- */

/* The files are gone when this returns ERR_NONE: looked at, not assumed. */
static enum err remove_files(struct control *control, const struct datastore *d)
{
    struct arena arena;
    arena_init(&arena, ERROR_ARENA_BYTES);
    struct slice folder = folder_of(control, d->id, &arena);
    struct slice parent = arena_printf(&arena, "%s/datastores", control->settings.folder);
    enum err err = folder.bytes && parent.bytes ? os_folder_remove(folder.bytes) : ERR_NO_MEMORY;
    if (!err && os_file_exists(folder.bytes))
        err = ERR_IO;
    if (!err)
        err = os_folder_sync(parent.bytes);
    if (err)
        log_line(LOG_ERROR, "control", "data store %s: its files could not be removed: %s", d->id,
                 err_text(err));
    else
        log_line(LOG_INFO, "control", "data store %s is deleted; %s is gone", d->id, folder.bytes);
    arena_release(&arena);
    return err;
}

/* Nobody uses `d` and nobody can begin to. */
static void reap(struct control *control, struct datastore *d)
{
    enum err err = host_close(control, d);
    if (err) /* what flushing lost is of no account now */
        log_line(LOG_WARNING, "control", "data store %s: closing it: %s", d->id, err_text(err));
    err = remove_files(control, d);
    mutex_lock(&control->changes);
    int64_t now_us = os_now_us();
    mutex_lock(&control->lock);
    d->is_stuck = err != ERR_NONE;
    if (!err) {
        d->status = DATASTORE_DELETED;
        d->deleted_us = now_us;
    }
    mutex_unlock(&control->lock);
    /* Unsaved it is DELETING at the next start, and done again. */
    if (!err && registry_save(control, now_us))
        log_line(LOG_ERROR, "control", "control.json cannot be written");
    mutex_unlock(&control->changes);
}

static struct datastore *find_deleting(const struct control *control)
{
    for (size_t i = 0; i < control->count; i++) {
        struct datastore *d = control->datastores[i];
        if (d->status == DATASTORE_DELETING && d->users == 0 && !d->is_stuck)
            return d;
    }
    return NULL;
}

void *worker_run(void *context)
{
    struct control *control = context;
    mutex_lock(&control->lock);
    while (!control->stopping) {
        struct datastore *d = find_deleting(control);
        if (!d) {
            cond_wait(&control->moved, &control->lock);
            continue;
        }
        mutex_unlock(&control->lock);
        reap(control, d);
        mutex_lock(&control->lock);
    }
    mutex_unlock(&control->lock);
    return NULL;
}
