#include "server/opener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fhir/fhir.h"
#include "index/index.h"
#include "os/file.h"
#include "server/dictionary.h"

enum { TEXTS_BYTES = 64 * 1024 };

/* What a data store's parts point into. */
struct kept {
    struct arena arena;
    struct rest_extract extract;
    struct slice id;
};

/* Changes when what is found by changes: every parameter's rule, the code that
 * follows them, and the base that tells our absolute references from others. */
static uint64_t rules_hash(struct slice base_url)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ INDEX_RULES;
    for (uint16_t i = 0; i < fhir_param_count(); i++)
        hash = (hash ^ fhir_param_at(i)->rule_hash) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < base_url.length; i++)
        hash = (hash ^ (uint8_t)base_url.bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static enum err open_store(const struct server_settings *s, struct kept *kept, const char *folder,
                           struct arena *arena, struct store **ret_store, struct slice *error)
{
    struct slice dictionary = s->dictionary;
    if (!dictionary.bytes)
        dictionary = slice_of((const char *)server_dictionary_bytes, server_dictionary_length);
    struct store_settings settings = {
        .folder = folder,
        .extract = rest_extract,
        .extract_context = &kept->extract,
        .rules_hash = rules_hash(kept->extract.base_url),
        .dictionary = dictionary,
        .cache_bytes = s->cache_bytes,
    };
    return store_open(&settings, arena, ret_store, error);
}

static enum err open_rest(const struct server_settings *s, const struct kept *kept,
                          struct store *store, struct rest **ret_rest)
{
    struct rest_settings settings = {
        .store = store,
        .behaviour = s->behaviour,
        .public_url = s->public_url,
        .datastore_id = kept->id,
        .software_version = s->software_version,
    };
    return rest_open(&settings, ret_rest);
}

/* Fills what it opened, also on failure. */
static enum err open_parts(const struct server_settings *s, struct kept *kept,
                           struct slice datastore_id, const char *folder, struct arena *arena,
                           struct control_store *store, struct slice *error)
{
    char *id = arena_copy(&kept->arena, datastore_id);
    kept->id = slice_of(id, datastore_id.length);
    kept->extract.base_url = arena_printf(&kept->arena, "%.*s/datastore/%.*s/r4",
                                          SLICE_ARGS(s->public_url), SLICE_ARGS(datastore_id));
    if (!id || !kept->extract.base_url.bytes)
        return ERR_NO_MEMORY;
    enum err err = os_folder_make(folder, 0700);
    if (err) {
        *error =
            arena_printf(arena, "%s: %s", folder, err == ERR_IO ? strerror(errno) : err_text(err));
        return err;
    }
    TRY(open_store(s, kept, folder, arena, &store->store, error));
    return open_rest(s, kept, store->store, &store->rest);
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
    arena_release(&kept->arena);
    free(kept);
    return err;
}
