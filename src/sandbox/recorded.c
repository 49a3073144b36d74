#include "sandbox/recorded.h"

#include <dirent.h>
#include <stdlib.h>

#include "base/check.h"
#include "json/json.h"
#include "os/file.h"
#include "os/unpack.h"

static const size_t FILE_BYTES_MAX = (size_t)1 << 30;
enum { USERS_MAX = 1000, DELIVERIES_MAX = 1000 };

/* ---- one delivery ---- */

static enum err take_entries(struct recorded *r, struct json root)
{
    struct json entries = json_member(root, "entry");
    if (!json_string_is(json_member(root, "resourceType"), SLICE("Bundle")))
        return ERR_SYNTAX;
    uint32_t count = json_count(entries);
    r->records = arena_array(&r->arena, MAX(count, 1), sizeof *r->records);
    if (!r->records)
        return ERR_NO_MEMORY;
    for (struct json e = json_first(entries); json_exists(e); e = json_next(entries, e)) {
        struct json resource = json_member(e, "resource");
        if (!json_exists(resource))
            continue;
        struct json mode = json_member(json_member(e, "search"), "mode");
        r->records[r->count++] =
            (struct record){ .type = json_string_raw(json_member(resource, "resourceType")),
                             .id = json_string_raw(json_member(resource, "id")),
                             .text = json_raw(resource),
                             .is_included = json_string_is(mode, SLICE("include")) };
    }
    return ERR_NONE;
}

void recorded_init(struct recorded *r)
{
    *r = (struct recorded){ 0 };
    buf_init(&r->content, FILE_BYTES_MAX);
    arena_init(&r->arena, FILE_BYTES_MAX);
}

void recorded_release(struct recorded *r)
{
    buf_release(&r->content);
    arena_release(&r->arena);
    recorded_init(r);
}

enum err recorded_load(struct recorded *r, const char *path)
{
    struct arena scratch; /* the nodes are not needed afterwards */
    arena_init(&scratch, 16 * FILE_BYTES_MAX);
    struct json_doc doc;
    enum err err = os_file_unpack(path, &r->content);
    if (!err)
        err = json_parse(buf_slice(&r->content), NULL, &scratch, &doc, NULL);
    if (!err)
        err = take_entries(r, json_root(&doc));
    arena_release(&scratch);
    if (err)
        recorded_release(r);
    else
        r->is_loaded = true;
    return err;
}

const char *recorded_path(const char *folder, uint32_t delivery, struct arena *arena)
{
    static const char *const endings[] = { ".json", ".json.zst" };
    for (size_t i = 0; i < ARRAY_COUNT(endings); i++) {
        struct slice path = arena_printf(arena, "%s/everything-%u%s", folder, delivery, endings[i]);
        if (path.bytes && os_file_exists(path.bytes))
            return path.bytes;
    }
    return NULL;
}

/* ---- the folder ---- */

static int by_name(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

/* Names of the folders in `folder`, sorted. */
static enum err list_names(const char *folder, struct arena *arena, const char ***ret_names,
                           size_t *ret_count)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return ERR_NOT_FOUND;
    const char **names = arena_array(arena, USERS_MAX, sizeof *names);
    size_t count = 0;
    struct dirent *entry;
    while (names && (entry = readdir(dir)) && count < USERS_MAX) {
        if (entry->d_name[0] == '.')
            continue;
        names[count] = arena_copy(arena, slice_cstr(entry->d_name));
        if (!names[count++])
            names = NULL;
    }
    closedir(dir);
    if (!names)
        return ERR_NO_MEMORY;
    qsort(names, count, sizeof *names, by_name);
    *ret_names = names;
    *ret_count = count;
    return ERR_NONE;
}

/* "Patient/x" without its type. */
static struct slice bare_id(struct slice reference)
{
    ptrdiff_t slash = slice_find_last_byte(reference, '/');
    return slash < 0 ? reference : slice_from(reference, (size_t)slash + 1);
}

static bool take_consent(struct json facts, struct json c, const char *user_folder,
                         struct arena *arena, struct recorded_consent **ret_consent)
{
    struct recorded_consent *r = arena_alloc(arena, sizeof *r);
    if (!r)
        return false;
    struct json user = json_member(json_member(facts, "user"), "externalId");
    struct json patients = json_member(c, "patients");
    r->user = json_string(user, arena);
    r->consent = json_string(json_member(c, "consentId"), arena);
    r->patient = bare_id(json_string(json_first(patients), arena));
    struct slice plan = json_string(json_member(c, "folder"), arena);
    /* A folder's name, never a way out of it. */
    if (!r->user.length || !r->consent.length || !r->patient.length || !plan.length ||
        slice_find_byte(plan, '/') >= 0 || plan.bytes[0] == '.')
        return false;
    r->folder = arena_printf(arena, "%s/%.*s", user_folder, SLICE_ARGS(plan)).bytes;
    if (!r->folder)
        return false;
    while (r->deliveries < DELIVERIES_MAX && recorded_path(r->folder, r->deliveries + 1, arena))
        r->deliveries++;
    *ret_consent = r;
    return r->deliveries > 0;
}

static enum err read_facts(const char *user_folder, struct arena *arena,
                           struct recorded_consent ***tail, struct slice *error)
{
    struct slice path = arena_printf(arena, "%s/facts.json", user_folder);
    struct buf content;
    buf_init(&content, (size_t)16 << 20);
    if (!path.bytes || !os_file_exists(path.bytes) || os_file_read(path.bytes, &content)) {
        buf_release(&content);
        return ERR_NONE; /* no user's folder */
    }
    struct slice text = slice_of(arena_copy(arena, buf_slice(&content)), content.length);
    buf_release(&content);
    struct json_doc *doc = arena_alloc(arena, sizeof *doc);
    struct json_error where = { .text = "out of memory" };
    if (!doc || !text.bytes || json_parse(text, NULL, arena, doc, &where)) {
        *error = arena_printf(arena, "%s: line %u: %s", path.bytes, where.line, where.text);
        return ERR_INVALID;
    }
    struct json facts = json_root(doc), list = json_member(facts, "consents");
    for (struct json c = json_first(list); json_exists(c); c = json_next(list, c)) {
        struct recorded_consent *r;
        if (!take_consent(facts, c, user_folder, arena, &r)) {
            *error = arena_printf(arena,
                                  "%s: each consent needs consentId, patients, and a folder with "
                                  "everything-1.json or .json.zst",
                                  path.bytes);
            return ERR_INVALID;
        }
        **tail = r;
        *tail = &r->next;
    }
    return ERR_NONE;
}

enum err recorded_find(const char *folder, struct arena *arena, struct recorded_consent **ret_first,
                       struct slice *error)
{
    const char **names;
    size_t count;
    enum err err = list_names(folder, arena, &names, &count);
    if (err) {
        *error = arena_printf(arena, "%s: cannot read the folder", folder);
        return err;
    }
    struct recorded_consent *first = NULL, **tail = &first;
    for (size_t i = 0; i < count; i++) {
        struct slice path = arena_printf(arena, "%s/%s", folder, names[i]);
        if (!path.bytes)
            return ERR_NO_MEMORY;
        TRY(read_facts(path.bytes, arena, &tail, error));
    }
    if (!first) {
        *error = arena_printf(arena, "%s: no USER/facts.json with consents in it", folder);
        return ERR_INVALID;
    }
    *ret_first = first;
    return ERR_NONE;
}
