/* control/preload.c - filling a new data store with made-up records. */
#include "base/log.h"
#include "control/jobs.h"
#include "os/clock.h"
#include "sandbox/sandbox.h"

enum { LINES = 200, SEED = 1, MEMBERS = 20, YEARS = 3, MEMBER_BYTES = 100 * 1024 };

static const size_t FILL_ARENA_BYTES = (size_t)256 << 20;

struct fill {
    struct control *control;
    struct datastore *d;
    struct arena arena; /* of one batch */
    struct rest_line lines[LINES];
    size_t count;
};

static enum err fill_apply(struct fill *f)
{
    mutex_lock(&f->control->lock);
    bool is_to_end = f->control->stopping;
    mutex_unlock(&f->control->lock);
    if (is_to_end)
        return ERR_BUSY;
    if (f->count == 0)
        return ERR_NONE;
    struct rest *rest = f->d->store.rest;
    enum err err = rest_import(rest, rest_default_level(rest), f->lines, f->count, &f->arena);
    for (size_t i = 0; i < f->count && !err; i++)
        err = f->lines[i].status >= 300 ? ERR_INTERNAL : ERR_NONE;
    f->count = 0;
    arena_release(&f->arena);
    arena_init(&f->arena, FILL_ARENA_BYTES);
    return err;
}

static enum err fill_one(void *context, struct slice type, struct slice id, struct slice text)
{
    struct fill *f = context;
    (void)type;
    (void)id;
    const char *copy = arena_copy(&f->arena, text);
    if (!copy)
        return ERR_NO_MEMORY;
    f->lines[f->count++] = (struct rest_line){ .text = slice_of(copy, text.length) };
    return f->count == LINES ? fill_apply(f) : ERR_NONE;
}

static enum err fill_whole(struct fill *f)
{
    struct sandbox_settings settings = { .address = "127.0.0.1",
                                         .seed = SEED,
                                         .members = MEMBERS,
                                         .consents = 1,
                                         .years = YEARS,
                                         .size_bytes = MEMBER_BYTES,
                                         .is_plain = true };
    struct control_use *use;
    struct slice error = SLICE_NONE;
    TRY(host_use(f->control, f->d, &f->arena, &use, &error));
    enum err err = sandbox_generate(&settings, 1, fill_one, f);
    if (!err)
        err = fill_apply(f);
    control_use_end(f->control, use);
    return err;
}

struct datastore *preload_find(const struct control *control)
{
    for (size_t i = 0; i < control->count; i++) {
        struct datastore *d = control->datastores[i];
        if (d->status == DATASTORE_CREATING && d->needs_fill && !d->is_filling)
            return d;
    }
    return NULL;
}

/* Whoever makes one has it in control.json first, or takes it back: under `changes`. */
static struct datastore *preload_take(struct control *control)
{
    mutex_lock(&control->changes);
    mutex_lock(&control->lock);
    struct datastore *d = preload_find(control);
    if (d)
        d->is_filling = true;
    mutex_unlock(&control->lock);
    mutex_unlock(&control->changes);
    return d;
}

void preload(struct control *control)
{
    struct datastore *d = preload_take(control);
    struct fill f = { .control = control, .d = d };
    if (!d)
        return;
    arena_init(&f.arena, FILL_ARENA_BYTES);
    enum err err = fill_whole(&f);
    arena_release(&f.arena);
    mutex_lock(&control->changes);
    mutex_lock(&control->lock);
    bool is_cut = err == ERR_BUSY && control->stopping; /* again at the next start */
    if (!is_cut)
        d->needs_fill = false;
    if (err && !is_cut)
        d->status = DATASTORE_CREATE_FAILED;
    d->is_filling = is_cut;
    mutex_unlock(&control->lock);
    if (registry_save(control, os_now_us()))
        log_line(LOG_ERROR, "control", "control.json cannot be written");
    mutex_unlock(&control->changes);
    if (err && !is_cut)
        log_line(LOG_ERROR, "control", "a data store could not be filled: %s", err_text(err));
}
