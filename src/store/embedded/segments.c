#include "store/embedded/segments.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/file.h"
#include "os/mapping.h"
#include "store/segment/manifest.h"

static const size_t MANIFEST_BYTES_MAX = (size_t)4 << 20;

/* ---- sets ---- */

static struct segment_set *set_new(uint32_t room)
{
    struct segment_set *set =
        malloc(sizeof *set + (size_t)(room ? room : 1) * sizeof(struct segment *));
    if (set)
        *set = (struct segment_set){ .references = 1 };
    return set;
}

struct segment_set *segment_set_ref(struct segment_set *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void segment_set_unref(struct segment_set *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < set->count + set->past_count; i++)
        segment_unref(set->list[i]);
    free(set);
}

/* ---- the manifest ---- */

static void manifest_path(char out[SEGMENT_PATH_MAX], const char *folder)
{
    snprintf(out, SEGMENT_PATH_MAX, "%s/manifest", folder);
}

static enum err manifest_write(struct segments *segments, const struct segment_set *set)
{
    char path[SEGMENT_PATH_MAX];
    uint32_t count = set->count + set->past_count;
    struct manifest_segment *rows = calloc((size_t)count + 1, sizeof *rows);
    struct buf bytes;
    buf_init(&bytes, MANIFEST_BYTES_MAX);
    if (!rows)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        const struct segment *s = set->list[i];
        rows[i] = (struct manifest_segment){
            .number = s->footer.number,
            .size_bytes = s->size,
            .first = s->footer.first,
            .last = s->footer.last,
            .until = s->footer.until,
            .dead = atomic_load_explicit(&s->dead, memory_order_relaxed),
            .checksum = s->footer.checksum,
        };
    }
    const struct manifest m = { .covers = set->covers,
                                .next = atomic_load(&segments->next),
                                .rules_hash = segments->rules_hash,
                                .segments = rows,
                                .segment_count = count };
    manifest_render(&m, &bytes);
    enum err err = buf_status(&bytes);
    manifest_path(path, segments->folder);
    if (!err)
        err = os_file_replace(path, buf_slice(&bytes), 0600);
    buf_release(&bytes);
    free(rows);
    return err;
}

/* ---- changes ---- */

static void put(struct segment_set *set, uint32_t *count, struct segment *s)
{
    if (!s || !s->footer.key_count)
        return;
    set->list[set->count + set->past_count] = segment_ref(s);
    ++*count;
}

/* One of the two halves of the list, with what the change does to it. */
static void copy_half(struct segment_set *made, uint32_t *made_count,
                      struct segment *const *from, uint32_t count,
                      const struct segments_change *change, bool is_changed)
{
    for (uint32_t i = 0; i < count; i++) {
        bool is_gone = is_changed && i >= change->first && i < change->first + change->count;
        if (is_changed && i == change->first)
            put(made, made_count, change->segment);
        if (!is_gone)
            put(made, made_count, from[i]);
    }
    if (is_changed && change->first >= count)
        put(made, made_count, change->segment);
}

enum err segments_change(struct segments *segments, const struct segment_set *set,
                         const struct segments_change *change, struct segment_set **ret_set)
{
    struct segment_set *made = set_new(set->count + set->past_count + 2);
    if (!made)
        return ERR_NO_MEMORY;
    made->covers = change->covers;
    copy_half(made, &made->count, set->list, set->count, change, !change->is_past);
    copy_half(made, &made->past_count, set->list + set->count, set->past_count, change,
              change->is_past);
    put(made, &made->past_count, change->past);
    enum err err = os_folder_sync(segments->folder); /* the new files' names */
    if (!err)
        err = manifest_write(segments, made);
    if (err) {
        segment_set_unref(made);
        return err;
    }
    *ret_set = made;
    return ERR_NONE;
}

/* ---- damage found while open ---- */

static void mark_path(char out[SEGMENT_PATH_MAX], const char *folder)
{
    snprintf(out, SEGMENT_PATH_MAX, "%s/damaged", folder);
}

/* A mark that cannot be written leaves things as they are: refused again. */
void segments_report_damage(struct segments *segments, uint64_t number)
{
    uint64_t none = 0;
    char path[SEGMENT_PATH_MAX], text[32];
    if (!atomic_compare_exchange_strong(&segments->damaged, &none, number))
        return;
    int length = snprintf(text, sizeof text, "%llu\n", (unsigned long long)number);
    mark_path(path, segments->folder);
    (void)!os_file_replace(path, slice_of(text, (size_t)length), 0600);
}

static enum err check_mark(struct segments *segments, const char *folder)
{
    char path[SEGMENT_PATH_MAX];
    mark_path(path, folder);
    if (!os_file_exists(path))
        return ERR_NONE;
    snprintf(segments->damage, sizeof segments->damage,
             "a segment was found damaged when it was read");
    return ERR_CORRUPT;
}

/* ---- opening ---- */

static enum err open_one(const char *folder, const struct manifest_segment *row,
                         struct segment_set *set)
{
    struct segment *s = NULL;
    enum err err = segment_open(folder, row->number, &s);
    if (err == ERR_NOT_FOUND)
        return ERR_CORRUPT;
    TRY(err);
    atomic_store(&s->dead, row->dead);
    set->list[set->count + set->past_count] = s;
    if (row->until)
        set->past_count++;
    else
        set->count++;
    return s->size == row->size_bytes && s->footer.checksum == row->checksum &&
                   s->footer.first == row->first && s->footer.last == row->last &&
                   s->footer.until == row->until
               ? ERR_NONE
               : ERR_CORRUPT;
}

static enum err open_named(struct segments *segments, const struct segments_settings *settings,
                           const struct manifest *m, struct segment_set **ret_set)
{
    atomic_store(&segments->next, m->next);
    if (m->rules_hash != settings->rules_hash || m->rule_count)
        return ERR_CONFLICT;
    if (m->covers > settings->last) {
        snprintf(segments->damage, sizeof segments->damage,
                 "the index was ahead of the stored documents");
        return ERR_CORRUPT;
    }
    struct segment_set *set = set_new(m->segment_count);
    if (!set)
        return ERR_NO_MEMORY;
    set->covers = m->covers;
    enum err err = ERR_NONE;
    for (uint32_t i = 0; !err && i < m->segment_count; i++) {
        err = open_one(settings->folder, &m->segments[i], set);
        if (err)
            snprintf(segments->damage, sizeof segments->damage,
                     "segment " SEGMENT_NAME_FORMAT " is missing or damaged",
                     (unsigned long long)m->segments[i].number);
    }
    if (err) {
        segment_set_unref(set);
        return err;
    }
    *ret_set = set;
    return ERR_NONE;
}

/* No manifest: an empty set. */
static enum err try_open(struct segments *segments, const struct segments_settings *settings,
                         struct segment_set **ret_set)
{
    char path[SEGMENT_PATH_MAX];
    struct buf bytes;
    struct manifest m;
    buf_init(&bytes, MANIFEST_BYTES_MAX);
    manifest_path(path, settings->folder);
    enum err err = os_file_read(path, &bytes);
    if (err == ERR_NOT_FOUND) {
        *ret_set = set_new(0);
        return *ret_set ? ERR_NONE : ERR_NO_MEMORY;
    }
    if (!err)
        err = manifest_parse(buf_slice(&bytes), &m);
    if (err == ERR_LIMIT || err == ERR_UNSUPPORTED)
        err = ERR_CORRUPT;
    if (err == ERR_CORRUPT)
        snprintf(segments->damage, sizeof segments->damage,
                 "the index's manifest is damaged or of another version");
    if (!err)
        err = open_named(segments, settings, &m, ret_set);
    if (!err && (err = check_mark(segments, settings->folder))) {
        segment_set_unref(*ret_set);
        *ret_set = NULL;
    }
    buf_release(&bytes);
    return err;
}

struct orphans {
    const struct segment_set *set;
    const char *folder;
};

static enum err remove_orphan(void *context, const char *name)
{
    const struct orphans *o = context;
    char known[32], path[SEGMENT_PATH_MAX];
    bool is_named = strcmp(name, "manifest") == 0;
    for (uint32_t i = 0; !is_named && i < o->set->count + o->set->past_count; i++) {
        snprintf(known, sizeof known, SEGMENT_NAME_FORMAT,
                 (unsigned long long)o->set->list[i]->footer.number);
        is_named = strcmp(name, known) == 0;
    }
    if (is_named)
        return ERR_NONE;
    snprintf(path, sizeof path, "%s/%s", o->folder, name);
    return os_folder_remove(path);
}

/* Whatever the folder holds (an index of an older version too) gives way to an
 * empty manifest. The manifest goes first: it must not name what is gone. */
static enum err throw_away(struct segments *segments, struct segment_set **ret_set)
{
    *ret_set = set_new(0);
    if (!*ret_set)
        return ERR_NO_MEMORY;
    return manifest_write(segments, *ret_set);
}

enum err segments_open(struct segments *segments, const struct segments_settings *settings,
                       struct segment_set **ret_set)
{
    *segments = (struct segments){ .folder = settings->folder,
                                   .rules_hash = settings->rules_hash };
    atomic_init(&segments->next, 1);
    TRY(os_folder_make(settings->folder, 0700));
    struct segment_set *set = NULL;
    enum err err = try_open(segments, settings, &set);
    if (settings->keep || (err && err != ERR_CORRUPT && err != ERR_CONFLICT)) {
        *ret_set = set;
        return err;
    }
    if (err)
        err = throw_away(segments, &set);
    const struct orphans orphans = { set, settings->folder };
    if (!err)
        err = os_folder_each(settings->folder, remove_orphan, (void *)(uintptr_t)&orphans);
    if (err) {
        segment_set_unref(set);
        return err;
    }
    *ret_set = set;
    return ERR_NONE;
}
