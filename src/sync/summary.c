#include "sync/summary.h"

#include <stdlib.h>

#include "base/date.h"
#include "fhir/fhir.h"
#include "json/json.h"

enum { SHOWN = 3, LABEL_BYTES = 76, DATE_BYTES = 10 };
#define PARSE_ARENA_BYTES ((size_t)640 * 1024 * 1024)

/* One line to show, the newest first. */
struct line {
    int64_t when_us; /* INT64_MIN: no date */
    bool is_dated;   /* by the date that $everything goes by */
    char date[DATE_BYTES + 1];
    char label[LABEL_BYTES + 4];
};

struct group {
    uint64_t count, dated;
    struct line first_seen, last_seen; /* by date */
    struct line shown[SHOWN];
    size_t shown_count;
};

/* ---- one resource ---- */

struct dates {
    int64_t when_us;
    struct slice text;
};

/* The first date that the expression selects, of whatever shape. */
static enum err visit_date(void *context, struct fhir_item item)
{
    struct dates *d = context;
    struct json v = item.value;
    if (json_is(v, JSON_OBJECT)) {
        struct json start = json_member(v, "start");
        v = json_exists(start) ? start : json_member(v, "end");
    }
    struct date_range range;
    if (d->text.bytes || !json_is(v, JSON_STRING) || !date_parse(json_string_raw(v), &range))
        return ERR_NONE;
    d->when_us = range.low;
    d->text = json_string_raw(v);
    return ERR_NONE;
}

/* Without a date that $everything goes by: the first element of a date's type. */
static void find_any_date(struct json resource, const struct fhir_type *type, struct dates *d)
{
    static const char *const names[] = { "date", "dateTime", "instant", "Period" };
    for (uint16_t i = 0; type && i < type->element_count && !d->text.bytes; i++) {
        const struct fhir_element *element = &type->elements[i];
        struct slice name = fhir_type_at(element->type)->name;
        bool is_date = false;
        for (size_t n = 0; n < ARRAY_COUNT(names); n++)
            is_date = is_date || slice_is(name, names[n]);
        struct json value = is_date ? json_get(resource, element->name) : JSON_ABSENT;
        struct fhir_item item = { .value = value, .type = type, .resource = resource };
        if (json_exists(value) && visit_date(d, item))
            return;
    }
}

static void read_date(struct json resource, const struct fhir_type *type, struct line *l)
{
    struct dates d = { .when_us = INT64_MIN };
    const struct fhir_path *path = type ? fhir_everything_date(type) : NULL;
    struct fhir_item item = { .value = resource, .type = type, .resource = resource };
    if (path && fhir_path_visit(path, item, visit_date, &d))
        return;
    l->is_dated = d.text.bytes != NULL;
    find_any_date(resource, type, &d);
    l->when_us = d.when_us;
    struct slice day = slice_head(d.text, DATE_BYTES);
    if (day.length)
        memcpy(l->date, day.bytes, day.length);
    l->date[day.length] = '\0';
}

/* The words of a string, CodeableConcept, Coding, Reference or HumanName, or of
 * the first of several. */
static struct slice words_of(struct json v, struct arena *arena)
{
    static const char *const members[] = { "text", "display", "family", "coding", "code" };
    if (json_is(v, JSON_STRING))
        return json_string(v, arena);
    if (json_is(v, JSON_ARRAY))
        return words_of(json_first(v), arena);
    struct json given = json_first(json_member(v, "given"));
    struct json family = json_member(v, "family");
    if (json_is(given, JSON_STRING) && json_is(family, JSON_STRING)) {
        struct slice first = json_string(given, arena), last = json_string(family, arena);
        return arena_printf(arena, "%.*s %.*s", SLICE_ARGS(first), SLICE_ARGS(last));
    }
    for (size_t i = 0; json_is(v, JSON_OBJECT) && i < ARRAY_COUNT(members); i++) {
        struct json found = json_get(v, slice_cstr(members[i]));
        struct slice words = json_exists(found) ? words_of(found, arena) : SLICE_NONE;
        if (words.length)
            return words;
    }
    return SLICE_NONE;
}

static void add_words(struct buf *label, const char *before, struct slice words)
{
    if (!words.length)
        return;
    buf_append_cstr(label, label->length ? before : "");
    for (size_t i = 0; i < words.length; i++)
        buf_append_byte(label, (unsigned char)words.bytes[i] < ' ' ? ' ' : words.bytes[i]);
}

static void add_amount(struct buf *label, struct json resource, struct arena *arena)
{
    struct json amount = json_member(json_member(resource, "payment"), "amount");
    if (!json_exists(amount))
        amount = json_member(json_first(json_member(resource, "total")), "amount");
    if (!json_exists(amount))
        amount = json_member(resource, "valueQuantity");
    struct json value = json_member(amount, "value");
    if (!json_is(value, JSON_NUMBER))
        return;
    add_words(label, "  ", json_raw(value));
    struct json unit = json_member(amount, "currency");
    if (!json_exists(unit))
        unit = json_member(amount, "unit");
    add_words(label, " ", words_of(unit, arena));
}

static void read_label(struct json resource, struct arena *arena, struct line *l)
{
    static const char *const heads[] = { "name", "code", "type", "vaccineCode",
                                         "medicationCodeableConcept", "description", "category",
                                         "class" };
    struct buf label;
    buf_init(&label, 4096);
    for (size_t i = 0; i < ARRAY_COUNT(heads) && !label.length; i++)
        add_words(&label, "", words_of(json_get(resource, slice_cstr(heads[i])), arena));
    add_words(&label, "  ", words_of(json_member(resource, "gender"), arena));
    add_amount(&label, resource, arena);
    struct json status = json_member(resource, "status");
    if (json_is(status, JSON_STRING))
        add_words(&label, "  ", json_string(status, arena));
    size_t length = MIN(label.length, (size_t)LABEL_BYTES);
    /* Not in the middle of a character. */
    while (length && length < label.length && (label.bytes[length] & 0xc0) == 0x80)
        length--;
    if (length)
        memcpy(l->label, label.bytes, length);
    l->label[length] = '\0';
    buf_release(&label);
}

/* ---- all of them ---- */

static void group_add(struct group *g, const struct line *l)
{
    g->count++;
    if (l->is_dated) {
        if (!g->dated || l->when_us < g->first_seen.when_us)
            g->first_seen = *l;
        if (!g->dated || l->when_us > g->last_seen.when_us)
            g->last_seen = *l;
        g->dated++;
    }
    size_t at = g->shown_count;
    while (at > 0 && g->shown[at - 1].when_us < l->when_us)
        at--;
    if (at == SHOWN)
        return;
    size_t moved = MIN(g->shown_count, (size_t)SHOWN - 1) - at;
    memmove(&g->shown[at + 1], &g->shown[at], moved * sizeof *l);
    g->shown[at] = *l;
    g->shown_count = MIN(g->shown_count + 1, (size_t)SHOWN);
}

static enum err read_row(const struct member *m, const struct member_row *row,
                         struct arena *arena, struct group *g)
{
    char *text = arena_raw(arena, row->length);
    struct json_doc doc;
    struct json_error error;
    struct line l = { .when_us = INT64_MIN };
    if (!text)
        return ERR_NO_MEMORY;
    TRY(spool_read(&m->spool, row->offset, text, row->length));
    TRY(json_parse(slice_of(text, row->length), NULL, arena, &doc, &error));
    read_date(json_root(&doc), fhir_resource_find(member_type(m, row)), &l);
    read_label(json_root(&doc), arena, &l);
    group_add(g, &l);
    return ERR_NONE;
}

static void write_group(struct slice type, const struct group *g, struct buf *out)
{
    buf_printf(out, "%-24.*s %6llu", SLICE_ARGS(type), (unsigned long long)g->count);
    if (g->dated)
        buf_printf(out, "   %s to %s", g->first_seen.date, g->last_seen.date);
    buf_append_byte(out, '\n');
    for (size_t i = 0; i < g->shown_count; i++)
        buf_printf(out, "    %-10s  %s\n", g->shown[i].date, g->shown[i].label);
    if (g->count > g->shown_count)
        buf_printf(out, "    and %llu more\n", (unsigned long long)(g->count - g->shown_count));
}

enum err summary_write(const struct member *m, struct buf *out)
{
    struct arena arena, groups_arena;
    size_t type_count = m->types.length / sizeof(struct slice);
    const struct slice *types = (const struct slice *)(const void *)m->types.bytes;
    arena_init(&groups_arena, type_count * sizeof(struct group) + 65536);
    struct group *groups = arena_array(&groups_arena, type_count, sizeof *groups);
    enum err err = groups ? ERR_NONE : ERR_NO_MEMORY;
    arena_init(&arena, PARSE_ARENA_BYTES);
    for (size_t i = 0; i < member_count(m) && !err; i++) {
        const struct member_row *row = member_row(m, i);
        err = read_row(m, row, &arena, &groups[row->type]);
        arena_release(&arena);
    }
    buf_printf(out, "%zu resources\n\n", member_count(m));
    for (size_t i = 0; i < type_count && !err; i++)
        write_group(types[i], &groups[i], out);
    arena_release(&groups_arena);
    return err ? err : buf_status(out);
}
