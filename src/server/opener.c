#include "server/opener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "server/opening.h"

enum { TEXTS_BYTES = 64 * 1024, PATH_BYTES = 4096 };

/* What a data store's parts point into. */
struct kept {
    struct arena arena;
    char async_folder[PATH_BYTES];
    struct opening opening;
    struct slice id;
};

static enum err open_rest(const struct opener *o, const struct kept *kept, struct store *store,
                          struct rest **ret_rest)
{
    const struct server_settings *s = o->settings;
    struct rest_settings settings = {
        .store = store,
        .customs = kept->opening.extract.customs,
        .behaviour = s->behaviour,
        .level = s->level,
        .unknown_profiles = s->unknown_profiles,
        .profiles = o->profiles,
        .public_url = s->public_url,
        .datastore_id = kept->id,
        .async_folder = kept->async_folder,
        .software_version = s->software_version,
        .zone_us = s->zone_us,
        .has_cors = s->cors_origin_count > 0,
    };
    return rest_open(&settings, ret_rest);
}

/* Fills what it opened, also on failure. */
static enum err open_parts(const struct opener *o, struct kept *kept, struct slice datastore_id,
                           const char *folder, struct arena *arena, struct control_store *store,
                           struct slice *error)
{
    char *id = arena_copy(&kept->arena, datastore_id);
    kept->id = slice_of(id, datastore_id.length);
    kept->opening =
        (struct opening){ .settings = o->settings, .datastore_id = kept->id, .folder = folder };
    if (!id)
        return ERR_NO_MEMORY;
    if (snprintf(kept->async_folder, sizeof kept->async_folder, "%s/transactions", folder) >=
        (int)sizeof kept->async_folder) {
        *error = SLICE("the path of the data folder is too long");
        return ERR_INVALID;
    }
    enum err err = os_folder_make(folder, 0700);
    if (err) {
        *error =
            arena_printf(arena, "%s: %s", folder, err == ERR_IO ? strerror(errno) : err_text(err));
        return err;
    }
    TRY(opening_store(&kept->opening, arena, &store->store, error));
    return open_rest(o, kept, store->store, &store->rest);
}

enum err opener_open(void *context, struct slice datastore_id, const char *folder,
                     struct arena *arena, struct control_store *ret_store, struct slice *error)
{
    /* Lives as long as the data store is open. */
    struct kept *kept = calloc(1, sizeof *kept);
    if (!kept)
        return ERR_NO_MEMORY;
    arena_init(&kept->arena, TEXTS_BYTES);
    struct control_store store = { .keep = kept };
    enum err err = open_parts(context, kept, datastore_id, folder, arena, &store, error);
    if (err) {
        enum err ignored = opener_close(context, &store);
        (void)ignored; /* the first error is the one to tell */
        return err;
    }
    *ret_store = store;
    return ERR_NONE;
}

enum err opener_close(void *context, struct control_store *store)
{
    (void)context;
    struct kept *kept = store->keep;
    rest_close(store->rest);
    enum err err = store->store ? store_close(store->store) : ERR_NONE;
    opening_end(&kept->opening);
    arena_release(&kept->arena);
    free(kept);
    return err;
}
