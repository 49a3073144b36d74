#include "server/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/codec.h"
#include "json/json.h"
#include "os/file.h"
#include "os/random.h"
#include "server/server.h"

enum { SETTINGS_BYTES_MAX = 64 * 1024, FORMAT = 1 };

static enum err fail(struct arena *arena, struct slice *error, enum err err, const char *path,
                     const char *what)
{
    *error = arena_printf(arena, "%s: %s", path, what);
    return err;
}

static enum err fail_io(struct arena *arena, struct slice *error, enum err err, const char *path)
{
    return fail(arena, error, err, path, err == ERR_IO ? strerror(errno) : err_text(err));
}

bool folder_id_is_valid(struct slice id)
{
    for (size_t i = 0; i < id.length; i++) {
        char c = id.bytes[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
            return false;
    }
    return id.length == DATASTORE_ID_LENGTH;
}

/* ---- tarn.json ---- */

static enum err settings_parse(struct folder *f, struct slice text, const char *path,
                               struct arena *arena, struct slice *error)
{
    struct json_doc doc;
    struct json_error where;
    enum err err = json_parse(text, NULL, arena, &doc, &where);
    if (err == ERR_NO_MEMORY)
        return fail_io(arena, error, err, path);
    struct json root = err ? JSON_ABSENT : json_root(&doc);
    struct json format = json_member(root, "format");
    uint64_t number = 0;
    bool has_format = json_is(format, JSON_NUMBER) && slice_parse_u64(json_raw(format), &number);
    struct slice id = json_string(json_member(root, "defaultDatastore"), arena);
    if (has_format && number > FORMAT)
        return fail(arena, error, ERR_UNSUPPORTED, path, "written by a newer tarn; use that one");
    if (!has_format || !folder_id_is_valid(id))
        return fail(arena, error, ERR_CORRUPT, path,
                    "damaged: it needs \"format\":1 and \"defaultDatastore\" with the name of "
                    "the folder below datastores/");
    f->datastore_id = id;
    return ERR_NONE;
}

static enum err settings_read(struct folder *f, const char *path, struct arena *arena,
                              struct slice *error)
{
    struct buf bytes;
    buf_init(&bytes, SETTINGS_BYTES_MAX);
    enum err err = os_file_read(path, &bytes);
    char *copy = err ? NULL : arena_copy(arena, buf_slice(&bytes));
    struct slice text = slice_of(copy, bytes.length);
    buf_release(&bytes);
    if (!copy)
        return fail_io(arena, error, err ? err : ERR_NO_MEMORY, path);
    return settings_parse(f, text, path, arena, error);
}

static enum err settings_make(struct folder *f, const char *path, struct slice wanted_id,
                              struct arena *arena, struct slice *error)
{
    uint8_t random[DATASTORE_ID_LENGTH / 2];
    char made[DATASTORE_ID_LENGTH];
    os_random(random, sizeof random);
    hex_encode(random, sizeof random, made);
    struct slice id = wanted_id.length ? wanted_id : slice_of(made, sizeof made);
    char *copy = arena_copy(arena, id);
    struct slice text = arena_printf(arena, "{\"format\":%d,\"defaultDatastore\":\"%.*s\"}\n",
                                     FORMAT, SLICE_ARGS(id));
    if (!copy || !text.bytes)
        return ERR_NO_MEMORY;
    f->datastore_id = slice_of(copy, id.length);
    enum err err = os_file_replace(path, text, 0600);
    return err ? fail_io(arena, error, err, path) : ERR_NONE;
}

/* ---- opening ---- */

static enum err folder_lock(struct folder *f, struct arena *arena, struct slice *error)
{
    struct slice path = arena_printf(arena, "%s/lock", f->path);
    if (!path.bytes)
        return ERR_NO_MEMORY;
    enum err err = os_file_lock(path.bytes, &f->lock);
    if (err == ERR_BUSY)
        return fail(arena, error, err, f->path,
                    "another tarn server is using this data folder; stop it or choose another "
                    "--data");
    return err ? fail_io(arena, error, err, path.bytes) : ERR_NONE;
}

static enum err folder_settings(struct folder *f, struct slice wanted_id, struct arena *arena,
                                struct slice *error)
{
    struct slice path = arena_printf(arena, "%s/tarn.json", f->path);
    if (!path.bytes)
        return ERR_NO_MEMORY;
    if (os_file_exists(path.bytes))
        TRY(settings_read(f, path.bytes, arena, error));
    else
        TRY(settings_make(f, path.bytes, wanted_id, arena, error));
    if (wanted_id.length && !slice_equal(wanted_id, f->datastore_id)) {
        *error = arena_printf(arena,
                              "%s holds the data store %.*s, not %.*s; leave --datastore-id out "
                              "or choose another --data",
                              f->path, SLICE_ARGS(f->datastore_id), SLICE_ARGS(wanted_id));
        return ERR_CONFLICT;
    }
    return ERR_NONE;
}

static enum err folder_steps(struct folder *f, struct slice wanted_id, struct arena *arena,
                             struct slice *error)
{
    enum err err = os_folder_make(f->path, 0700);
    if (err)
        return fail_io(arena, error, err, f->path);
    TRY(folder_lock(f, arena, error));
    TRY(folder_settings(f, wanted_id, arena, error));
    struct slice store = arena_printf(arena, "%s/datastores/%.*s", f->path,
                                      SLICE_ARGS(f->datastore_id));
    struct slice stores = arena_printf(arena, "%s/datastores", f->path);
    if (!store.bytes || !stores.bytes)
        return ERR_NO_MEMORY;
    f->stores_path = stores.bytes;
    f->store_path = store.bytes;
    err = os_folder_make(f->store_path, 0700);
    return err ? fail_io(arena, error, err, f->store_path) : ERR_NONE;
}

enum err folder_open(struct folder *folder, const char *path, struct slice wanted_id,
                     struct arena *arena, struct slice *error)
{
    *folder = (struct folder){ .path = arena_copy(arena, slice_cstr(path)), .lock = -1 };
    if (!folder->path)
        return ERR_NO_MEMORY;
    if (wanted_id.length && !folder_id_is_valid(wanted_id)) {
        *error = SLICE("--datastore-id must be 32 letters or digits");
        return ERR_INVALID;
    }
    enum err err = folder_steps(folder, wanted_id, arena, error);
    if (err)
        folder_close(folder);
    return err;
}

void folder_close(struct folder *folder)
{
    if (folder->lock >= 0)
        close(folder->lock);
    folder->lock = -1;
}
