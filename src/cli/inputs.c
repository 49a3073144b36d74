#include "cli/inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "os/mapping.h"
#include "os/unpack.h"

enum { FILE_BYTES = 1 << 30, NAMES_BYTES = 256 << 20, FOLDER_DEPTH_MAX = 32 };

struct walk {
    const char *verb;
    bool by_lines;
    input_visit *visit;
    void *context;
    int worst;
};

static void unreadable(struct walk *w, const char *path, enum err err)
{
    fprintf(stderr, "%s: %s cannot be read: %s\n", w->verb, path, err_text(err));
    w->worst = 2;
}

static void visit(struct walk *w, const struct input *input)
{
    int status = w->visit(w->context, input);
    w->worst = MAX(w->worst, status);
}

/* ---- files ---- */

/* "x.ndjson" of "x.ndjson.zst". */
static struct slice plain_name(const char *path)
{
    struct slice name = slice_cstr(path);
    return slice_ends_with(name, SLICE(".zst")) ? slice_head(name, name.length - 4) : name;
}

static void visit_lines(struct walk *w, const char *name, struct slice text)
{
    struct slice rest = text;
    for (uint32_t line = 1; rest.bytes; line++) {
        struct slice one = slice_cut(&rest, '\n');
        if (slice_trim(one).length > 0)
            visit(w, &(struct input){ .name = name, .text = one, .line = line });
    }
}

static void visit_file(struct walk *w, const char *path)
{
    struct buf bytes;
    bool is_standard = strcmp(path, "-") == 0;
    const char *name = is_standard ? "(standard input)" : path;
    buf_init(&bytes, FILE_BYTES);
    enum err err = is_standard ? os_standard_unpack(&bytes) : os_file_unpack(path, &bytes);
    struct slice text = buf_slice(&bytes);
    if (slice_starts_with(text, SLICE("\xef\xbb\xbf")))
        text = slice_from(text, 3);
    if (err)
        unreadable(w, name, err);
    else if (w->by_lines || slice_ends_with(plain_name(path), SLICE(".ndjson")))
        visit_lines(w, name, text);
    else
        visit(w, &(struct input){ .name = name, .text = text });
    buf_release(&bytes);
}

/* ---- folders ---- */

struct names {
    struct arena arena;
    const char *folder;
    struct name *first;
    size_t count;
};

struct name {
    struct name *next;
    const char *path;
};

static enum err name_add(void *context, const char *name)
{
    struct names *n = context;
    struct name *one = arena_alloc(&n->arena, sizeof *one);
    struct slice path = arena_printf(&n->arena, "%s/%s", n->folder, name);
    if (!one || !path.bytes)
        return ERR_NO_MEMORY;
    *one = (struct name){ .next = n->first, .path = path.bytes };
    n->first = one;
    n->count++;
    return ERR_NONE;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void visit_path(struct walk *w, const char *path, int depth, bool is_named);

static enum err visit_sorted(struct walk *w, struct names *n, int depth)
{
    const char **paths = arena_array(&n->arena, MAX(n->count, 1), sizeof *paths);
    size_t at = 0;
    if (!paths)
        return ERR_NO_MEMORY;
    for (const struct name *one = n->first; one; one = one->next)
        paths[at++] = one->path;
    qsort(paths, at, sizeof *paths, by_name);
    for (size_t i = 0; i < at; i++)
        visit_path(w, paths[i], depth + 1, false);
    return ERR_NONE;
}

/* False: it is no folder. */
static bool visit_folder(struct walk *w, const char *path, int depth)
{
    struct names n = { .folder = path };
    arena_init(&n.arena, NAMES_BYTES);
    enum err err = os_folder_each(path, name_add, &n);
    if (!err)
        err = depth < FOLDER_DEPTH_MAX ? visit_sorted(w, &n, depth) : ERR_LIMIT;
    arena_release(&n.arena);
    if (err && err != ERR_NOT_FOUND)
        unreadable(w, path, err);
    return err != ERR_NOT_FOUND;
}

static void visit_path(struct walk *w, const char *path, int depth, bool is_named)
{
    struct slice name = plain_name(path);
    bool is_ours = slice_ends_with(name, SLICE(".json")) || slice_ends_with(name, SLICE(".ndjson"));
    if (strcmp(path, "-") != 0 && visit_folder(w, path, depth))
        return;
    if (is_named || is_ours)
        visit_file(w, path);
}

int inputs_each(const char *verb, const char *argument, bool by_lines, input_visit *each,
                void *context)
{
    struct walk w = { .verb = verb, .by_lines = by_lines, .visit = each, .context = context };
    visit_path(&w, argument, 0, true);
    return w.worst;
}
