/* server/check.c - a stopped store looked through: `tarn check`. */
#include "os/file.h"
#include "server/folder.h"
#include "server/opening.h"
#include "server/server.h"

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

static enum err check_store(struct opening *opening, struct arena *arena, store_report *report,
                            store_progress *progress, void *context,
                            struct server_check_result *ret, struct slice *error)
{
    struct store *store;
    struct store_figures figures;
    TRY(opening_store(opening, arena, &store, error));
    store_figures(store, &figures);
    ret->documents = figures.documents;
    enum err err = store_check_watched(store, report, progress, context, &ret->resources);
    if (err)
        *error = arena_printf(arena, "the check could not be finished: %s", err_text(err));
    enum err closing = store_close(store);
    if (closing && !err)
        *error = arena_printf(arena, "the store did not close: %s", err_text(closing));
    return err ? err : closing;
}

enum err server_check(const struct server_settings *settings, struct arena *arena,
                      store_report *report, store_progress *progress, void *context,
                      struct server_check_result *ret, struct slice *error)
{
    struct folder folder;
    struct opening opening = { .settings = settings, .keep_index = true };
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
        err = check_store(&opening, arena, report, progress, context, ret, error);
    opening_end(&opening);
    folder_close(&folder);
    return err;
}
