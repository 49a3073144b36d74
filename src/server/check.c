/* server/check.c - a stopped store looked through: `tarn check`. */
#include "os/clock.h"
#include "os/file.h"
#include "server/folder.h"
#include "server/opening.h"
#include "server/server.h"

enum { LOOK_US = 20000, FINDINGS_AT_ONCE = 256 };
static const size_t FINDINGS_BYTES = (size_t)4 << 20;

static enum err refuse(struct arena *arena, struct slice *error, enum err err, const char *path,
                       const char *text)
{
    *error = arena_printf(arena, "%s: %s", path, text);
    return err;
}

/* A check makes nothing: what opening a folder would make must be there. */
static enum err find_data(const char *data, struct arena *arena, struct slice *error)
{
    struct slice path = arena_printf(arena, "%s/tarn.json", data);
    if (!path.bytes)
        return ERR_NO_MEMORY;
    if (os_file_exists(path.bytes))
        return ERR_NONE;
    return refuse(arena, error, ERR_NOT_FOUND, data, "there is no store of tarn's in this folder");
}

static enum err find_store(const struct folder *folder, struct slice id, struct arena *arena,
                           const char **ret_path, struct slice *error)
{
    struct slice path =
        arena_printf(arena, "%s/datastores/%.*s", folder->path, SLICE_ARGS(id));
    struct slice truth = arena_printf(arena, "%s/truth", path.bytes ? path.bytes : "");
    if (!path.bytes || !truth.bytes)
        return ERR_NO_MEMORY;
    if (!os_file_exists(truth.bytes))
        return refuse(arena, error, ERR_NOT_FOUND, path.bytes, "there is no data store here");
    *ret_path = path.bytes;
    return ERR_NONE;
}

/* Begun, or gone on with. */
static enum err begin(struct store *store, const struct server_check *check, bool *ret_gone_on)
{
    struct store_check_state state;
    uint64_t number = 0;
    store_check_look(store, &state);
    bool runs = state.stage == STORE_CHECK_RUNNING;
    *ret_gone_on = runs && check->goes_on && state.order.repair == check->order.repair;
    if (*ret_gone_on)
        return ERR_NONE;
    while (runs) {
        (void)!store_check_cancel(store);
        os_sleep_us(LOOK_US);
        store_check_look(store, &state);
        runs = state.stage == STORE_CHECK_RUNNING;
    }
    return store_check_start(store, &check->order, &number);
}

static enum err await(struct store *store, const struct server_check *check, bool has_gone_on,
                      struct store_check_state *state)
{
    store_check_look(store, state);
    while (state->stage == STORE_CHECK_RUNNING) {
        check->progress(check->context, state, has_gone_on);
        os_sleep_us(LOOK_US);
        store_check_look(store, state);
    }
    return state->stage == STORE_CHECK_FAILED ? state->err : ERR_NONE;
}

static enum err tell(struct opening *opening, struct store *store,
                     const struct server_check *check)
{
    struct arena arena;
    enum err err = ERR_NONE;
    size_t count = 1;
    arena_init(&arena, FINDINGS_BYTES);
    for (size_t from = 0; !err && count; from += count) {
        struct store_finding *list = NULL;
        err = store_check_findings(store, from, FINDINGS_AT_ONCE, &arena, &list, &count);
        for (size_t i = 0; !err && i < count; i++) {
            struct slice field =
                list[i].has_field ? rest_field_name(&opening->extract, list[i].field, &arena)
                                  : SLICE_NONE;
            check->found(check->context, &list[i], field);
        }
        arena_release(&arena);
    }
    arena_release(&arena);
    return err;
}

static enum err check_store(struct opening *opening, const struct server_check *check,
                            struct arena *arena, struct server_check_result *ret,
                            struct slice *error)
{
    struct store *store;
    struct store_index_figures figures;
    bool has_gone_on = false;
    TRY(opening_store(opening, arena, &store, error));
    store_index_figures(store, &figures);
    ret->damage = arena_printf(arena, "%s", figures.damage);
    enum err err = begin(store, check, &has_gone_on);
    if (!err)
        err = await(store, check, has_gone_on, &ret->state);
    if (err)
        *error = arena_printf(arena, "the check could not be finished: %s", err_text(err));
    else
        err = tell(opening, store, check);
    enum err closing = store_close(store);
    if (closing && !err)
        *error = arena_printf(arena, "the store did not close: %s", err_text(closing));
    return err ? err : closing;
}

enum err server_check(const struct server_settings *settings, const struct server_check *check,
                      struct arena *arena, struct server_check_result *ret, struct slice *error)
{
    struct folder folder;
    struct opening opening = { .settings = settings, .keep_index = !check->order.repair };
    *error = SLICE_NONE;
    *ret = (struct server_check_result){ .datastore_id = settings->datastore_id };
    if (settings->datastore_id.length && !folder_id_is_valid(settings->datastore_id)) {
        *error = SLICE("--datastore-id must be 32 letters or digits");
        return ERR_INVALID;
    }
    TRY(find_data(settings->data, arena, error));
    TRY(folder_open(&folder, settings->data, SLICE_NONE, arena, error));
    if (!ret->datastore_id.length)
        ret->datastore_id = folder.datastore_id;
    opening.datastore_id = ret->datastore_id;
    enum err err = find_store(&folder, ret->datastore_id, arena, &opening.folder, error);
    if (!err)
        err = check_store(&opening, check, arena, ret, error);
    opening_end(&opening);
    folder_close(&folder);
    return err;
}
