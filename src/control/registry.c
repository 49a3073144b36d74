/* control/registry.c - the list of data stores and its file.
 *
 *     <data>/control.json
 *     {"format":1,"secret":"<64 hex digits>","lastNumber":2,"datastores":[
 *     {"id":...,"number":1,"status":"ACTIVE","created":us,"active":us,"deleted":us,
 *      "token":...,"fingerprint":...,"config":{...}},
 *     ...]}
 *
 * Written whole at every change, beside the old one and renamed over it. Times
 * are microseconds since 1970.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/codec.h"
#include "control/state.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/random.h"

enum { FORMAT = 1, PATH_BYTES = 4096 };

static const size_t FILE_BYTES_MAX = (size_t)1 << 30;

static bool make_path(const struct control *control, char path[PATH_BYTES])
{
    struct slice folder = slice_cstr(control->settings.folder);
    static const char name[] = "/control.json";
    if (folder.length + sizeof name > PATH_BYTES)
        return false;
    memcpy(path, folder.bytes, folder.length);
    memcpy(path + folder.length, name, sizeof name);
    return true;
}

/* ---- the array ---- */

struct datastore *registry_find(const struct control *control, struct slice id, int64_t now_us)
{
    for (size_t i = 0; i < control->count; i++) {
        struct datastore *d = control->datastores[i];
        if (slice_is(id, d->id))
            return datastore_is_forgotten(d, now_us) ? NULL : d;
    }
    return NULL;
}

enum err registry_add(struct control *control, struct datastore *d)
{
    mutex_lock(&control->lock);
    struct datastore **larger = array_room(control->datastores, control->count, &control->room,
                                           sizeof *control->datastores);
    if (larger) {
        control->datastores = larger;
        larger[control->count++] = d;
    }
    mutex_unlock(&control->lock);
    return larger ? ERR_NONE : ERR_NO_MEMORY;
}

void registry_remove(struct control *control, struct datastore *d)
{
    mutex_lock(&control->lock);
    for (size_t i = 0; i < control->count; i++) {
        if (control->datastores[i] != d)
            continue;
        array_remove(control->datastores, &control->count, i, sizeof *control->datastores);
        break;
    }
    mutex_unlock(&control->lock);
    datastore_free(d);
}

void registry_free(struct control *control)
{
    for (size_t i = 0; i < control->count; i++)
        datastore_free(control->datastores[i]);
    free(control->datastores);
    control->datastores = NULL;
    control->count = control->room = 0;
}

/* ---- writing ---- */

enum err registry_save(struct control *control, int64_t now_us)
{
    char path[PATH_BYTES];
    if (!make_path(control, path))
        return ERR_LIMIT;
    for (size_t i = control->count; i-- > 0;) {
        if (datastore_is_forgotten(control->datastores[i], now_us))
            registry_remove(control, control->datastores[i]);
    }
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    buf_printf(&text, "{\"format\":%d,\"secret\":\"%s\",\"lastNumber\":%llu,\"datastores\":[",
               FORMAT, control->secret, (unsigned long long)control->last_number);
    for (size_t i = 0; i < control->count; i++) {
        buf_append_cstr(&text, i ? ",\n" : "\n");
        datastore_render(control->datastores[i], &text);
    }
    buf_append_cstr(&text, "]}\n");
    enum err err = buf_status(&text);
    if (!err)
        err = os_file_replace(path, buf_slice(&text), 0600);
    buf_release(&text);
    return err;
}

/* ---- reading ---- */

static enum err parse_datastores(struct control *control, struct json list, struct arena *arena)
{
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct arena_mark mark = arena_mark(arena);
        struct datastore *d = datastore_make();
        enum err err = d ? datastore_parse(v, arena, d) : ERR_NO_MEMORY;
        arena_rewind(arena, mark);
        if (!err && registry_find(control, slice_cstr(d->id), INT64_MIN))
            err = ERR_CORRUPT;
        if (!err)
            err = registry_add(control, d);
        if (err) {
            datastore_free(d);
            return err;
        }
    }
    return ERR_NONE;
}

static enum err parse_file(struct control *control, struct slice text, struct arena *arena)
{
    struct json_doc doc;
    enum err err = json_parse(text, NULL, arena, &doc, NULL);
    if (err)
        return err == ERR_NO_MEMORY ? err : ERR_CORRUPT;
    struct json root = json_root(&doc);
    int64_t format, last;
    if (!shape_integer(json_member(root, "format"), &format))
        return ERR_CORRUPT;
    if (format > FORMAT)
        return ERR_UNSUPPORTED;
    struct slice secret = json_string_raw(json_member(root, "secret"));
    uint8_t bytes[SECRET_BYTES / 2];
    if (!json_is(json_member(root, "secret"), JSON_STRING) ||
        !hex_decode(secret, bytes, sizeof bytes) ||
        !shape_integer(json_member(root, "lastNumber"), &last) || last < 0)
        return ERR_CORRUPT;
    memcpy(control->secret, secret.bytes, sizeof control->secret - 1);
    control->last_number = (uint64_t)last;
    return parse_datastores(control, json_member(root, "datastores"), arena);
}

static enum err read_file(struct control *control, const char *path, struct arena *arena)
{
    if (!os_file_exists(path)) {
        uint8_t bytes[SECRET_BYTES / 2];
        os_random(bytes, sizeof bytes);
        hex_encode(bytes, sizeof bytes, control->secret);
        return ERR_NONE;
    }
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    enum err err = os_file_read(path, &text);
    if (!err)
        err = parse_file(control, buf_slice(&text), arena);
    buf_release(&text);
    return err;
}

static enum err add_default(struct control *control, struct arena *arena)
{
    struct slice id = control->settings.default_id;
    int64_t now_us = os_now_us();
    struct datastore *d = datastore_make();
    if (!d)
        return ERR_NO_MEMORY;
    CHECK(id.length < sizeof d->id);
    memcpy(d->id, id.bytes, id.length);
    d->number = ++control->last_number;
    d->status = DATASTORE_ACTIVE;
    d->created_us = d->active_us = now_us;
    struct json_doc doc;
    enum err err = json_parse(SLICE("{\"DatastoreName\":\"default\",\"DatastoreTypeVersion\":"
                                    "\"R4\"}"),
                              NULL, arena, &doc, NULL);
    if (!err)
        err = config_render(json_root(&doc), JSON_ABSENT, arena, &d->config);
    if (!err)
        err = registry_add(control, d);
    if (err) {
        datastore_free(d);
        return err;
    }
    return registry_save(control, now_us);
}

enum err registry_load(struct control *control, struct arena *arena, struct slice *error)
{
    char path[PATH_BYTES];
    enum err err = make_path(control, path) ? read_file(control, path, arena) : ERR_LIMIT;
    struct slice id = control->settings.default_id;
    if (!err && !registry_find(control, id, INT64_MIN))
        err = add_default(control, arena);
    if (err == ERR_CORRUPT)
        *error = arena_printf(arena,
                              "%s is damaged: it lists the data stores of this folder; "
                              "put a backup in its place",
                              path);
    else if (err == ERR_UNSUPPORTED)
        *error = arena_printf(arena, "%s was written by a newer tarn; use that one", path);
    else if (err)
        *error =
            arena_printf(arena, "%s: %s", path, err == ERR_IO ? strerror(errno) : err_text(err));
    if (err)
        return err;
    control->by_default = registry_find(control, id, INT64_MIN);
    control->by_default->is_default = true;
    return ERR_NONE;
}

/* ---- for operations ---- */

enum err call_datastore(struct call *call, struct datastore **ret)
{
    struct slice id = json_string(shape_get(call->input, "DatastoreId"), call->arena);
    if (!id.bytes)
        return ERR_NO_MEMORY;
    *ret = registry_find(call->control, id, call->now_us);
    if (*ret)
        return ERR_NONE;
    return call_fail(call, ERR_NOT_FOUND, "The data store '%.*s' does not exist.",
                     SLICE_ARGS(slice_head(id, 128)));
}

enum err call_config(struct call *call, const struct datastore *d, struct json *ret)
{
    char *text = arena_copy(call->arena, buf_slice(&d->config));
    struct json_doc *doc = arena_alloc(call->arena, sizeof *doc);
    if (!text || !doc)
        return ERR_NO_MEMORY;
    TRY(json_parse(slice_of(text, d->config.length), NULL, call->arena, doc, NULL));
    *ret = json_root(doc);
    return ERR_NONE;
}

bool call_text(const struct call *call, const char *name, char *out, size_t room)
{
    struct slice text = json_string_raw(shape_get(call->input, name));
    if (!text.bytes || text.length >= room)
        return false;
    memcpy(out, text.bytes, text.length);
    out[text.length] = 0;
    return true;
}
