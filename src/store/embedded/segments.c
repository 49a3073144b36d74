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
    for (uint32_t i = 0; i < segment_set_all(set); i++)
        segment_unref(set->list[i]);
    free(set);
}

enum segment_kind segment_set_kind(const struct segment_set *set, uint32_t at)
{
    uint32_t kind = 0;
    while (at >= set->from[kind + 1])
        kind++;
    return (enum segment_kind)kind;
}

/* ---- the manifest ---- */

static void manifest_path(char out[SEGMENT_PATH_MAX], const char *folder)
{
    snprintf(out, SEGMENT_PATH_MAX, "%s/manifest", folder);
}

static struct manifest_segment segment_row(const struct segment_set *set, uint32_t at)
{
    const struct segment *s = set->list[at];
    return (struct manifest_segment){
        .number = s->footer.number,
        .size_bytes = s->size,
        .first = s->footer.first,
        .last = s->footer.last,
        .until = s->footer.until,
        .dead = atomic_load_explicit(&s->dead, memory_order_relaxed),
        .checksum = s->footer.checksum,
        .kind = segment_set_kind(set, at),
    };
}

static void field_rows(const struct fields *fields, struct manifest *m)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field_row *row = &fields->rows[i];
        m->rules[m->rule_count++] = (struct manifest_rule){ row->field, row->place, row->hash };
        if (row->until)
            m->moved[m->moved_count++] = (struct manifest_moved){
                .field = row->field, .until = row->until, .done = row->done
            };
    }
}

static enum err manifest_write(struct segments *segments, const struct segment_set *set,
                               const struct fields *fields)
{
    char path[SEGMENT_PATH_MAX];
    struct manifest m = { .covers = set->covers,
                          .next = atomic_load(&segments->next),
                          .rules_hash = segments->rules_hash,
                          .next_place = fields->next_place };
    m.segments = calloc((size_t)segment_set_all(set) + 1, sizeof *m.segments);
    m.rules = calloc((size_t)fields->count + 1, sizeof *m.rules);
    m.moved = calloc((size_t)fields->count + 1, sizeof *m.moved);
    struct buf bytes;
    buf_init(&bytes, MANIFEST_BYTES_MAX);
    enum err err = m.segments && m.rules && m.moved ? ERR_NONE : ERR_NO_MEMORY;
    if (!err) {
        for (uint32_t i = 0; i < segment_set_all(set); i++)
            m.segments[m.segment_count++] = segment_row(set, i);
        field_rows(fields, &m);
        manifest_render(&m, &bytes);
        err = buf_status(&bytes);
    }
    manifest_path(path, segments->folder);
    if (!err)
        err = os_file_replace(path, buf_slice(&bytes), 0600);
    buf_release(&bytes);
    free(m.segments);
    free(m.rules);
    free(m.moved);
    return err;
}

/* ---- changes ---- */

static bool is_gone(const struct segments_change *c, const struct segment *s)
{
    for (uint32_t i = 0; i < c->gone_count; i++)
        if (c->gone[i] == s)
            return true;
    return false;
}

/* Put in by its first document, among those of its kind, which end the list. */
static void put(struct segment_set *set, enum segment_kind kind, struct segment *s)
{
    uint32_t at = set->from[kind + 1]++;
    for (; at > set->from[kind] && set->list[at - 1]->footer.first > s->footer.first; at--)
        set->list[at] = set->list[at - 1];
    set->list[at] = segment_ref(s);
}

static void copy_kind(struct segment_set *made, const struct segment_set *set, uint32_t kind,
                      const struct segments_change *c)
{
    bool is_pending = kind == SEGMENT_PENDING || kind == SEGMENT_PENDING_PAST;
    made->from[kind + 1] = made->from[kind];
    for (uint32_t i = set->from[kind]; i < set->from[kind + 1]; i++)
        if (!is_gone(c, set->list[i]))
            put(made, (enum segment_kind)kind, set->list[i]);
    for (uint32_t i = 0; i < SEGMENTS_ADD_MAX; i++)
        if (c->add[i] && c->kinds[i] == kind && (is_pending || c->add[i]->footer.key_count))
            put(made, (enum segment_kind)kind, c->add[i]);
}

enum err segments_change(struct segments *segments, const struct segment_set *set,
                         const struct segments_change *change, const struct fields *fields,
                         struct segment_set **ret_set)
{
    struct segment_set *made = set_new(segment_set_all(set) + SEGMENTS_ADD_MAX);
    if (!made)
        return ERR_NO_MEMORY;
    made->covers = change->covers;
    for (uint32_t kind = 0; kind < SEGMENT_KINDS; kind++)
        copy_kind(made, set, kind, change);
    enum err err = os_folder_sync(segments->folder); /* the new files' names */
    if (!err)
        err = manifest_write(segments, made, fields);
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
    set->list[set->from[SEGMENT_KINDS]] = s;
    for (uint32_t kind = row->kind; kind < SEGMENT_KINDS; kind++)
        set->from[kind + 1]++;
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
    if (m->rules_hash != settings->rules_hash)
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
                         struct segment_set **ret_set, struct fields **ret_fields)
{
    char path[SEGMENT_PATH_MAX];
    struct buf bytes;
    struct manifest m;
    buf_init(&bytes, MANIFEST_BYTES_MAX);
    manifest_path(path, settings->folder);
    enum err err = os_file_read(path, &bytes);
    if (err == ERR_NOT_FOUND) {
        *ret_set = set_new(0);
        *ret_fields = fields_new(NULL);
        return *ret_set && *ret_fields ? ERR_NONE : ERR_NO_MEMORY;
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
    if (!err && !(*ret_fields = fields_new(&m)))
        err = ERR_NO_MEMORY;
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
    for (uint32_t i = 0; !is_named && i < segment_set_all(o->set); i++) {
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
static enum err throw_away(struct segments *segments, struct segment_set **ret_set,
                           struct fields **ret_fields)
{
    *ret_set = set_new(0);
    *ret_fields = fields_new(NULL);
    return *ret_set && *ret_fields ? manifest_write(segments, *ret_set, *ret_fields)
                                   : ERR_NO_MEMORY;
}

enum err segments_open(struct segments *segments, const struct segments_settings *settings,
                       struct segment_set **ret_set, struct fields **ret_fields)
{
    *segments = (struct segments){ .folder = settings->folder,
                                   .rules_hash = settings->rules_hash };
    atomic_init(&segments->next, 1);
    TRY(os_folder_make(settings->folder, 0700));
    struct segment_set *set = NULL;
    struct fields *fields = NULL;
    enum err err = try_open(segments, settings, &set, &fields);
    bool is_lost = err == ERR_CORRUPT || err == ERR_CONFLICT;
    if (is_lost && !settings->keep)
        err = throw_away(segments, &set, &fields);
    const struct orphans orphans = { set, settings->folder };
    if (!err && !settings->keep)
        err = os_folder_each(settings->folder, remove_orphan, (void *)(uintptr_t)&orphans);
    if (err) {
        segment_set_unref(set);
        fields_unref(fields);
        return err;
    }
    *ret_set = set;
    *ret_fields = fields;
    return ERR_NONE;
}
