/* same - are two sets of FHIR resources equal, token for token?
 *
 *     same [--ignore-meta NAME]... [--show N] A B
 *
 * A and B are files or folders (all *.json, *.ndjson, also .zst, below them):
 * one JSON value a file or one a line. Bundles are unpacked into their entries.
 * Resources are matched by resourceType/id and compared with number text,
 * member order and string escapes as they stand; only white space does not
 * count. Not compared: meta.versionId and meta.lastUpdated of the resource, and
 * the members of any `meta` (also of contained resources) that --ignore-meta
 * names. A `meta` with nothing left equals an absent one.
 *
 * Prints the first N differences (20) and the counts. Exit status 0 if equal, 1
 * if not, 2 if something could not be read.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/map.h"
#include "json/json.h"
#include "os/unpack.h"

enum { IGNORED_MAX = 16, SHOW_DEFAULT = 20, EXCERPT_BYTES = 200 };
static const size_t SIDE_BYTES_MAX = (size_t)8 << 30;

struct options {
    struct slice ignored[IGNORED_MAX];
    size_t ignored_count;
    uint64_t show;
    const char *paths[2];
};

/* One set: "Type/id" to the place of the normalised text in `texts`. */
struct side {
    const struct options *options;
    struct arena arena; /* keys and texts */
    struct map places;
    uint64_t without_id, duplicates, shown;
    bool differs, unreadable;
};

/* ---- normalising ---- */

static bool is_ignored(const struct options *options, struct json key, bool top)
{
    if (top && (json_string_is(key, SLICE("versionId")) ||
                json_string_is(key, SLICE("lastUpdated"))))
        return true;
    for (size_t i = 0; i < options->ignored_count; i++)
        if (json_string_is(key, options->ignored[i]))
            return true;
    return false;
}

static void write_member(struct buf *out, struct json key)
{
    json_minify(key, out);
    buf_append_byte(out, ':');
    json_minify(json_value(key), out);
}

/* "meta":{...} without what is ignored; nothing when nothing is left. */
static void write_meta(const struct options *options, struct json key, bool top, struct buf *out)
{
    struct json meta = json_value(key);
    size_t start = out->length;
    bool any = !json_is(meta, JSON_OBJECT);
    json_minify(key, out);
    buf_append_byte(out, ':');
    if (any)
        json_minify(meta, out);
    for (struct json k = json_first(meta); json_is(k, JSON_KEY);
         k = json_next(meta, json_value(k))) {
        if (is_ignored(options, k, top))
            continue;
        buf_append_byte(out, any ? ',' : '{');
        any = true;
        write_member(out, k);
    }
    if (!any)
        out->length = start;
    else if (json_is(meta, JSON_OBJECT))
        buf_append_byte(out, '}');
}

static void write_resource(const struct options *options, struct json resource, bool top,
                           struct buf *out);

static void write_contained(const struct options *options, struct json key, struct buf *out)
{
    struct json list = json_value(key);
    json_minify(key, out);
    buf_append_cstr(out, ":[");
    struct json first = json_first(list);
    for (struct json v = first; json_exists(v); v = json_next(list, v)) {
        if (v.at != first.at)
            buf_append_byte(out, ',');
        write_resource(options, v, false, out);
    }
    buf_append_byte(out, ']');
}

/* Depth is two: a contained resource contains nothing that is looked at. */
static void write_resource(const struct options *options, struct json resource, bool top,
                           struct buf *out)
{
    if (!json_is(resource, JSON_OBJECT)) {
        json_minify(resource, out);
        return;
    }
    buf_append_byte(out, '{');
    size_t start = out->length;
    for (struct json key = json_first(resource); json_exists(key);
         key = json_next(resource, json_value(key))) {
        size_t before = out->length;
        if (before > start)
            buf_append_byte(out, ',');
        size_t content = out->length;
        if (json_string_is(key, SLICE("meta")))
            write_meta(options, key, top, out);
        else if (top && json_string_is(key, SLICE("contained")) &&
                 json_is(json_value(key), JSON_ARRAY))
            write_contained(options, key, out);
        else
            write_member(out, key);
        if (out->length == content)
            out->length = before;
    }
    buf_append_byte(out, '}');
}

/* ---- differences ---- */

static bool may_show(struct side *side)
{
    return side->shown++ < side->options->show;
}

/* The member names on the way to the node, as FHIRPath would have it. */
static void print_path(struct json_doc *doc, uint32_t target)
{
    uint32_t at = 0;
    while (at < target) {
        struct json here = { doc, at };
        bool object = json_is(here, JSON_OBJECT);
        uint32_t i = 0;
        struct json child = json_first(here);
        while (json_exists(child)) {
            struct json value = object ? json_value(child) : child;
            if (target < json_node(value)->next)
                break;
            child = json_next(here, value);
            i++;
        }
        if (!json_exists(child))
            return;
        if (object)
            printf(".%.*s", SLICE_ARGS(json_string_raw(child)));
        else
            printf("[%u]", i);
        if (target == child.at)
            return;
        at = object ? child.at + 1 : child.at;
    }
}

static void print_difference(struct slice key, struct slice a, struct slice b)
{
    struct arena arena;
    arena_init(&arena, SIDE_BYTES_MAX);
    struct json_doc left, right;
    if (json_parse(a, NULL, &arena, &left, NULL) == ERR_NONE &&
        json_parse(b, NULL, &arena, &right, NULL) == ERR_NONE) {
        struct json x = json_root(&left), y = json_root(&right);
        (void)json_same(x, y, &x, &y);
        printf("differs   %.*s ", SLICE_ARGS(key));
        print_path(&left, x.at);
        printf("\n  A: %.*s\n  B: %.*s\n", SLICE_ARGS(slice_head(json_raw(x), EXCERPT_BYTES)),
               SLICE_ARGS(slice_head(json_raw(y), EXCERPT_BYTES)));
    }
    arena_release(&arena);
}

/* ---- reading ---- */

static void side_add(struct side *side, struct json resource)
{
    struct slice type = json_string_raw(json_member(resource, "resourceType"));
    struct slice id = json_string_raw(json_member(resource, "id"));
    if (!type.length || !id.length) {
        side->without_id++;
        return;
    }
    struct slice key = arena_printf(&side->arena, "%.*s/%.*s", SLICE_ARGS(type), SLICE_ARGS(id));
    struct slice *text = arena_alloc(&side->arena, sizeof *text);
    struct buf out;
    buf_init(&out, (size_t)1 << 30);
    write_resource(side->options, resource, true, &out);
    uint64_t *place;
    bool is_new;
    char *copy = arena_copy(&side->arena, buf_slice(&out));
    if (!key.bytes || !text || !copy || buf_status(&out) ||
        map_put(&side->places, key, &place, &is_new)) {
        fprintf(stderr, "same: out of memory\n");
        exit(2);
    }
    *text = slice_of(copy, out.length);
    buf_release(&out);
    if (is_new) {
        *place = (uint64_t)(uintptr_t)text;
        return;
    }
    side->duplicates++;
    struct slice *first = (struct slice *)(uintptr_t)*place;
    if (slice_equal(*first, *text))
        return;
    side->differs = true;
    if (may_show(side)) {
        printf("twice, and different, in one set:\n");
        print_difference(key, *first, *text);
    }
}

static void side_add_value(struct side *side, struct json value)
{
    struct json entries = json_member(value, "entry");
    bool bundle = json_string_is(json_member(value, "resourceType"), SLICE("Bundle"));
    if (json_is(value, JSON_ARRAY))
        entries = value;
    else if (!bundle) {
        side_add(side, value);
        return;
    }
    for (struct json e = json_first(entries); json_exists(e); e = json_next(entries, e)) {
        struct json resource = bundle ? json_member(e, "resource") : e;
        side_add(side, resource);
    }
}

static bool add_text(struct side *side, struct slice text, struct json_error *error)
{
    struct arena arena;
    arena_init(&arena, SIDE_BYTES_MAX);
    struct json_doc doc;
    bool read = json_parse(text, NULL, &arena, &doc, error) == ERR_NONE;
    if (read)
        side_add_value(side, json_root(&doc));
    arena_release(&arena);
    return read;
}

static void add_file(struct side *side, const char *path)
{
    struct buf content;
    buf_init(&content, (size_t)2 << 30);
    struct json_error error = { 0 };
    enum err err = os_file_unpack(path, &content);
    struct slice rest = buf_slice(&content);
    uint64_t line_number = 0;
    if (!err && !add_text(side, rest, &error)) {
        /* Not one value: one a line? */
        while (rest.bytes && !err) {
            struct slice line = slice_trim(slice_cut(&rest, '\n'));
            line_number++;
            if (line.length && !add_text(side, line, &error))
                err = ERR_SYNTAX;
        }
    }
    if (err) {
        fprintf(stderr, "same: %s: %s", path, err_text(err));
        if (err == ERR_SYNTAX)
            fprintf(stderr, " at line %llu, column %u: %s", (unsigned long long)line_number,
                    error.column, error.text);
        fprintf(stderr, "\n");
        side->unreadable = true;
    }
    buf_release(&content);
}

static bool is_wanted(const char *name)
{
    struct slice s = slice_cstr(name);
    if (slice_ends_with(s, SLICE(".zst")))
        s.length -= 4;
    return slice_ends_with(s, SLICE(".json")) || slice_ends_with(s, SLICE(".ndjson"));
}

static void add_path(struct side *side, const char *path, bool named)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        fprintf(stderr, "same: cannot read %s\n", path);
        side->unreadable = true;
        return;
    }
    if (!S_ISDIR(status.st_mode)) {
        if (named || is_wanted(path))
            add_file(side, path);
        return;
    }
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        char inner[4096];
        int length = snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && length < (int)sizeof inner)
            add_path(side, inner, false);
    }
    if (folder)
        closedir(folder);
}

/* ---- comparing ---- */

static int compare(struct side *a, struct side *b)
{
    uint64_t equal = 0, differ = 0, only_a = 0, only_b = 0;
    size_t cursor = 0;
    struct map_entry *entry;
    while ((entry = map_next(&a->places, &cursor))) {
        const struct slice *left = (const struct slice *)(uintptr_t)entry->value;
        uint64_t *place = map_find(&b->places, entry->key);
        const struct slice *right = place ? (const struct slice *)(uintptr_t)*place : NULL;
        if (right && slice_equal(*left, *right)) {
            equal++;
            continue;
        }
        if (right)
            differ++;
        else
            only_a++;
        if (!may_show(a))
            continue;
        if (right)
            print_difference(entry->key, *left, *right);
        else
            printf("only in A %.*s\n", SLICE_ARGS(entry->key));
    }
    for (cursor = 0; (entry = map_next(&b->places, &cursor));) {
        if (map_find(&a->places, entry->key))
            continue;
        only_b++;
        if (may_show(a))
            printf("only in B %.*s\n", SLICE_ARGS(entry->key));
    }
    printf("same: A %zu resources, B %zu: %llu equal, %llu differ, %llu only in A, "
           "%llu only in B\n",
           a->places.count, b->places.count, (unsigned long long)equal,
           (unsigned long long)differ, (unsigned long long)only_a, (unsigned long long)only_b);
    if (a->without_id + b->without_id + a->duplicates + b->duplicates > 0)
        printf("same: not compared, being without type or id: A %llu, B %llu; repeated: A %llu, "
               "B %llu\n",
               (unsigned long long)a->without_id, (unsigned long long)b->without_id,
               (unsigned long long)a->duplicates, (unsigned long long)b->duplicates);
    if (a->unreadable || b->unreadable)
        return 2;
    return differ + only_a + only_b > 0 || a->differs || b->differs;
}

static bool parse_options(int count, char **words, struct options *options)
{
    size_t paths = 0;
    for (int i = 1; i < count; i++) {
        struct slice word = slice_cstr(words[i]);
        if (slice_is(word, "--ignore-meta") && i + 1 < count &&
            options->ignored_count < IGNORED_MAX)
            options->ignored[options->ignored_count++] = slice_cstr(words[++i]);
        else if (slice_is(word, "--show") && i + 1 < count &&
                 slice_parse_u64(slice_cstr(words[i + 1]), &options->show))
            i++;
        else if (!slice_starts_with(word, SLICE("--")) && paths < 2)
            options->paths[paths++] = words[i];
        else
            return false;
    }
    return paths == 2;
}

int main(int count, char **words)
{
    struct options options = { .show = SHOW_DEFAULT };
    if (!parse_options(count, words, &options)) {
        fprintf(stderr, "usage: same [--ignore-meta NAME]... [--show N] A B\n");
        return 2;
    }
    struct side sides[2];
    for (int i = 0; i < 2; i++) {
        sides[i] = (struct side){ .options = &options };
        arena_init(&sides[i].arena, SIDE_BYTES_MAX);
        map_init(&sides[i].places, (size_t)1 << 30, 0);
        add_path(&sides[i], options.paths[i], true);
    }
    int status = compare(&sides[0], &sides[1]);
    for (int i = 0; i < 2; i++) {
        map_release(&sides[i].places);
        arena_release(&sides[i].arena);
    }
    return status;
}
