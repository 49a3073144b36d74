/* profile/package.c - packages from archives and folders. */
#include "profile/package.h"

#include <stdio.h>

#include "os/file.h"
#include "os/mapping.h"
#include "os/unpack.h"
#include "profile/archive.h"

/* While it is read. */
struct reading {
    struct arena *arena;
    struct issues *issues;
    const char *folder; /* of a folder */
    struct slice manifest;
    struct slice *texts;
    size_t count, room, bytes;
};

bool package_name_is_valid(struct slice name)
{
    if (name.length == 0 || name.length > 200 || name.bytes[0] == '.')
        return false;
    for (size_t i = 0; i < name.length; i++) {
        char c = name.bytes[i], low = (char)(c | 0x20);
        bool is_good = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_';
        if (!is_good)
            return false;
    }
    return true;
}

static enum err add_text(struct reading *r, struct slice text)
{
    if (r->count == r->room) {
        size_t room = r->room ? 2 * r->room : 256;
        struct slice *texts = arena_array(r->arena, room, sizeof *texts);
        if (!texts)
            return ERR_NO_MEMORY;
        if (r->count > 0)
            memcpy(texts, r->texts, r->count * sizeof *texts);
        r->texts = texts;
        r->room = room;
    }
    r->bytes += text.length;
    if (r->count >= PACKAGE_FILES_MAX || r->bytes > PACKAGE_BYTES_MAX)
        return ERR_LIMIT;
    r->texts[r->count++] = text;
    return ERR_NONE;
}

/* A byte order mark is no part of the text. */
static struct slice plain_text(struct slice text)
{
    return slice_starts_with(text, SLICE("\xef\xbb\xbf")) ? slice_from(text, 3) : text;
}

/* Resources lie beside package.json; examples and others in folders below. */
static enum err add_file(struct reading *r, struct slice name, struct slice content)
{
    if (!slice_ends_with(name, SLICE(".json")) || name.bytes[0] == '.')
        return ERR_NONE;
    if (slice_is(name, "package.json")) {
        r->manifest = plain_text(content);
        return ERR_NONE;
    }
    return add_text(r, plain_text(content));
}

static enum err on_member(void *context, struct slice name, struct slice content)
{
    struct slice head = SLICE("package/");
    if (!slice_starts_with(name, head))
        return ERR_NONE;
    name = slice_from(name, head.length);
    return slice_find_byte(name, '/') >= 0 ? ERR_NONE : add_file(context, name, content);
}

static enum err read_file(struct reading *r, const char *path, struct slice *ret)
{
    struct buf text;
    buf_init(&text, PACKAGE_BYTES_MAX);
    enum err err = os_file_unpack(path, &text);
    if (!err) {
        char *copy = arena_raw(r->arena, text.length + 1);
        if (copy && text.length > 0)
            memcpy(copy, text.bytes, text.length);
        err = copy ? ERR_NONE : ERR_NO_MEMORY;
        *ret = slice_of(copy, text.length);
    }
    buf_release(&text);
    return err;
}

static enum err on_name(void *context, const char *name)
{
    struct reading *r = context;
    char path[2048];
    struct slice text;
    int n = snprintf(path, sizeof path, "%s/%s", r->folder, name);
    if (n < 0 || (size_t)n >= sizeof path || !slice_ends_with(slice_cstr(name), SLICE(".json")))
        return ERR_NONE;
    TRY(read_file(r, path, &text));
    return add_file(r, slice_cstr(name), text);
}

/* ---- package.json ---- */

static enum err read_dependencies(struct reading *r, struct json list,
                                  struct profile_source *source)
{
    uint32_t count = json_count(list);
    struct slice *names = arena_array(r->arena, count, sizeof *names);
    if (!names)
        return ERR_NO_MEMORY;
    size_t at = 0;
    for (struct json key = json_first(list); json_exists(key);
         key = json_next(list, json_value(key))) {
        struct slice name = json_string(key, r->arena);
        struct slice version = json_string(json_value(key), r->arena);
        if (name.bytes && version.bytes)
            names[at++] =
                arena_printf(r->arena, "%.*s@%.*s", SLICE_ARGS(name), SLICE_ARGS(version));
    }
    source->dependencies = names;
    source->dependency_count = at;
    return ERR_NONE;
}

static enum err read_manifest(struct reading *r, struct profile_source *source)
{
    struct json_doc *doc = arena_alloc(r->arena, sizeof *doc);
    if (!doc)
        return ERR_NO_MEMORY;
    if (!r->manifest.bytes)
        return issues_fail(r->issues, ERR_INVALID, "invalid", "the package has no package.json");
    if (json_parse(r->manifest, NULL, r->arena, doc, NULL) != ERR_NONE)
        return issues_fail(r->issues, ERR_INVALID, "invalid", "package.json is no JSON");
    struct json root = json_root(doc);
    source->name = json_string(json_member(root, "name"), r->arena);
    source->version = json_string(json_member(root, "version"), r->arena);
    if (!package_name_is_valid(source->name) || !package_name_is_valid(source->version))
        return issues_fail(r->issues, ERR_INVALID, "invalid",
                           "package.json has no name and version of letters, digits and -._");
    return read_dependencies(r, json_member(root, "dependencies"), source);
}

static void give(const struct reading *r, struct profile_source *source)
{
    source->resources = r->texts;
    source->resource_count = r->count;
}

static enum err read_tar(struct reading *r, struct slice tar, struct profile_source *source)
{
    enum err err = archive_each(tar, on_member, r);
    if (err)
        return issues_fail(r->issues, err, "invalid", "the archive cannot be read: %s",
                           err_text(err));
    give(r, source);
    return read_manifest(r, source);
}

enum err profile_package_read(struct slice bytes, struct arena *arena, struct issues *issues,
                              struct profile_source *ret_source)
{
    struct reading r = { .arena = arena, .issues = issues };
    struct buf tar;
    buf_init(&tar, PACKAGE_BYTES_MAX);
    enum err err = gzip_unpack(bytes, &tar);
    char *copy = err ? NULL : arena_raw(arena, tar.length + 1);
    if (!err && !copy)
        err = ERR_NO_MEMORY;
    if (!err && tar.length > 0)
        memcpy(copy, tar.bytes, tar.length);
    struct slice text = slice_of(copy, tar.length);
    buf_release(&tar);
    if (err)
        return issues_fail(issues, err, "invalid", "the archive cannot be unpacked: %s",
                           err_text(err));
    return read_tar(&r, text, ret_source);
}

/* ---- from disk ---- */

static enum err read_folder(struct reading *r, const char *path, struct profile_source *source)
{
    char inner[2048];
    int n = snprintf(inner, sizeof inner, "%s/package", path);
    bool has_inner = n > 0 && (size_t)n < sizeof inner && os_file_exists(inner);
    r->folder = has_inner ? inner : path;
    TRY(os_folder_each(r->folder, on_name, r));
    give(r, source);
    return read_manifest(r, source);
}

/* One resource, or several in a Bundle: a package without a manifest. */
static enum err read_resource(struct reading *r, struct slice text, struct profile_source *source)
{
    struct json_doc *doc = arena_alloc(r->arena, sizeof *doc);
    if (!doc)
        return ERR_NO_MEMORY;
    if (json_parse(plain_text(text), NULL, r->arena, doc, NULL) != ERR_NONE)
        return issues_fail(r->issues, ERR_INVALID, "invalid",
                           "it is neither a .tgz nor a folder nor JSON");
    struct json root = json_root(doc), list = json_member(root, "entry");
    if (!json_exists(list))
        TRY(add_text(r, plain_text(text)));
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v))
        if (json_exists(json_member(v, "resource")))
            TRY(add_text(r, json_raw(json_member(v, "resource"))));
    give(r, source);
    source->name = SLICE("local");
    source->version = SLICE("0");
    return ERR_NONE;
}

enum err profile_package_open(const char *path, struct arena *arena, struct issues *issues,
                              struct profile_source *ret_source)
{
    struct reading r = { .arena = arena, .issues = issues };
    struct slice bytes;
    *ret_source = (struct profile_source){ .name = SLICE_NONE };
    enum err err = read_folder(&r, path, ret_source);
    if (err != ERR_NOT_FOUND)
        return err;
    err = read_file(&r, path, &bytes);
    if (err == ERR_NOT_FOUND)
        return err;
    if (err)
        return issues_fail(issues, err, "not-found", "%s cannot be read: %s", path, err_text(err));
    bool is_tar = bytes.length > 512 && memcmp(bytes.bytes + 257, "ustar", 5) == 0;
    if (is_tar)
        return read_tar(&r, bytes, ret_source);
    bool is_gzip = bytes.length > 2 && memcmp(bytes.bytes, "\x1f\x8b", 2) == 0;
    return is_gzip ? profile_package_read(bytes, arena, issues, ret_source)
                   : read_resource(&r, bytes, ret_source);
}
