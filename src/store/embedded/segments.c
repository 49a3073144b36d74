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
        .flags = atomic_load(&s->is_damaged) ? MANIFEST_DAMAGED : 0,
        .of = s->of,
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
    for (uint32_t i = 0; i < c->add_count; i++) {
        struct segment *s = c->add[i].segment;
        if (s && c->add[i].kind == kind &&
            (is_pending || s->footer.key_count || atomic_load(&s->is_damaged)))
            put(made, (enum segment_kind)kind, s);
    }
}

enum err segments_change(struct segments *segments, const struct segment_set *set,
                         const struct segments_change *change, const struct fields *fields,
                         struct segment_set **ret_set)
{
    struct segment_set *made = set_new(segment_set_all(set) + change->add_count);
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

/* ---- damage ---- */

void segments_report_damage(struct segments *segments, struct segment *segment)
{
    atomic_store(&segments->damaged, segment->footer.number);
    if (!atomic_exchange(&segment->is_damaged, true) && segments->notice)
        segments->notice(segments->context);
}

void segments_suspect(struct segments *segments)
{
    if (!atomic_exchange(&segments->is_suspect, true) && segments->notice)
        segments->notice(segments->context);
}

/* ---- opening ---- */

static bool is_as_named(const struct segment *s, const struct manifest_segment *row)
{
    return s->size == row->size_bytes && s->footer.checksum == row->checksum &&
           s->footer.first == row->first && s->footer.last == row->last &&
           s->footer.until == row->until;
}

static enum err open_row(const char *folder, const struct manifest_segment *row,
                         struct segment **ret)
{
    struct segment *s = NULL;
    enum err err = segment_open(folder, row->number, &s);
    if (!err && !is_as_named(s, row)) {
        segment_unref(s);
        err = ERR_CORRUPT;
    }
    if (err == ERR_NOT_FOUND)
        err = ERR_CORRUPT;
    *ret = s;
    return err;
}

static enum err ghost_of(struct segments *segments, const struct manifest_segment *row,
                         struct segment **ret)
{
    const struct segment_footer about = { .number = row->number,
                                          .first = row->first,
                                          .last = row->last,
                                          .until = row->until,
                                          .docs = row->last - row->first + 1,
                                          .checksum = row->checksum };
    if (row->size_bytes) /* else it is one that was a ghost before */
        snprintf(segments->damage, sizeof segments->damage,
                 "segment " SEGMENT_NAME_FORMAT " is missing or damaged",
                 (unsigned long long)row->number);
    return segment_ghost(segments->folder, &about, (size_t)row->size_bytes, ret);
}

static bool is_of_damaged(const struct manifest *m, uint64_t number)
{
    for (uint32_t i = 0; i < m->segment_count; i++)
        if (m->segments[i].number == number)
            return m->segments[i].flags & MANIFEST_DAMAGED;
    return false;
}

/* Pending ones are a saving of work, no more: one that is damaged, or whose segment
 * is found to be sound, is an orphan. */
static enum err open_one(struct segments *segments, const struct segments_settings *settings,
                         const struct manifest *m, const struct manifest_segment *row,
                         struct segment_set *set)
{
    struct segment *s = NULL;
    bool is_pending = row->kind >= SEGMENT_PENDING;
    if (is_pending && !is_of_damaged(m, row->of))
        return ERR_NONE;
    enum err err = open_row(settings->folder, row, &s);
    if (err == ERR_CORRUPT && is_pending)
        return ERR_NONE;
    if (err == ERR_CORRUPT) {
        err = ghost_of(segments, row, &s);
        if (!err && settings->keep) {
            segment_unref(s);
            err = ERR_CORRUPT;
        }
    }
    TRY(err);
    atomic_store(&s->dead, row->dead);
    if (row->flags & MANIFEST_DAMAGED)
        atomic_store(&s->is_damaged, true);
    s->of = row->of;
    set->list[set->from[SEGMENT_KINDS]] = s;
    for (uint32_t kind = row->kind; kind < SEGMENT_KINDS; kind++)
        set->from[kind + 1]++;
    return ERR_NONE;
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
    for (uint32_t i = 0; !err && i < m->segment_count; i++)
        err = open_one(segments, settings, m, &m->segments[i], set);
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

/* Whatever the folder holds (an index of an older version too) gives way to one
 * ghost of all documents; the caller writes the manifest once more, with the rules. The
 * manifest goes first: it must not name what is gone. */
static enum err throw_away(struct segments *segments, uint64_t last, struct segment_set **ret_set,
                           struct fields **ret_fields)
{
    struct segment *ghost = NULL;
    segments->is_lost = true;
    *ret_set = set_new(1);
    *ret_fields = fields_new(NULL);
    if (!*ret_set || !*ret_fields)
        return ERR_NO_MEMORY;
    if (last) {
        const struct segment_footer about = {
            .number = segments_number(segments), .first = 1, .last = last, .docs = last
        };
        TRY(segment_ghost(segments->folder, &about, 0, &ghost));
        put(*ret_set, SEGMENT_MAIN, ghost);
        for (uint32_t kind = SEGMENT_MAIN + 1; kind < SEGMENT_KINDS; kind++)
            (*ret_set)->from[kind + 1] = 1;
        (*ret_set)->covers = last;
        segment_unref(ghost);
    }
    /* Until the rules are known it is of no rules at all, so that a kill before that comes
     * here again. */
    segments->rules_hash = ~segments->rules_hash;
    enum err err = manifest_write(segments, *ret_set, *ret_fields);
    segments->rules_hash = ~segments->rules_hash;
    return err;
}

enum err segments_open(struct segments *segments, const struct segments_settings *settings,
                       struct segment_set **ret_set, struct fields **ret_fields)
{
    *segments = (struct segments){ .folder = settings->folder,
                                   .rules_hash = settings->rules_hash,
                                   .repairs = !settings->keep };
    atomic_init(&segments->next, 1);
    TRY(os_folder_make(settings->folder, 0700));
    struct segment_set *set = NULL;
    struct fields *fields = NULL;
    enum err err = try_open(segments, settings, &set, &fields);
    bool is_lost = err == ERR_CORRUPT || err == ERR_CONFLICT ||
                   (!err && !set->covers && settings->last > settings->derive_most);
    if (is_lost && !settings->keep) {
        segment_set_unref(set);
        fields_unref(fields);
        set = NULL;
        fields = NULL;
        err = throw_away(segments, settings->last, &set, &fields);
    }
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
