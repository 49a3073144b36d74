/* check/document.c - documents and messages: the first entry, what it refers to, and
 * that all entries hang together. */
#include "check/bundle.h"

struct document {
    struct check_run *run;
    const struct fhir_subject *s;
    const struct bundle_entries *entries;
    bool is_message;
    size_t *leader; /* union-find: entries that a link joins */
    uint32_t *next; /* of the links of an entry; place + 1 in `links`, 0: the end */
    struct link *links;
    size_t link_count, link_room;
    bool *is_reached; /* by links forward from the first */
};

struct link {
    uint32_t to, next;
};

/* ---- what the first entry refers to ---- */

static enum err target_check(struct document *d, const struct fhir_spot *spot,
                             struct json reference)
{
    struct json literal = json_member(reference, "reference");
    struct slice text = json_string(literal, d->run->arena);
    int64_t place = 0;
    if (text.length > 0 && text.bytes[0] != '#')
        TRY(bundle_entries_find(d->entries, 0, text, &place));
    if (place == ENTRY_NONE)
        rule_report(d->run, d->s, spot, literal, ISSUE_ERROR, "not-found",
                    "Can't find '%.*s' in the bundle", SLICE_ARGS(slice_head(text, 200)));
    return ERR_NONE;
}

/* A member that is a Reference, or a list of them. */
static enum err targets_check(struct document *d, const struct fhir_spot *holder,
                              struct json object, const char *name)
{
    struct json value = json_get(object, slice_cstr(name));
    struct fhir_spot spot = spot_of(holder, slice_cstr(name));
    if (!json_is(value, JSON_ARRAY))
        return target_check(d, &spot, value);
    spot.has_index = true;
    for (struct json v = json_first(value); json_exists(v); v = json_next(value, v)) {
        TRY(target_check(d, &spot, v));
        spot.index++;
    }
    return ERR_NONE;
}

/* The same of each element of a list. */
static enum err parts_check(struct document *d, const struct fhir_spot *holder, struct json object,
                            const char *list_name, const char *name)
{
    struct json list = json_get(object, slice_cstr(list_name));
    struct fhir_spot spot = spot_at(holder, slice_cstr(list_name), 0);
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        TRY(targets_check(d, &spot, v, name));
        spot.index++;
    }
    return ERR_NONE;
}

static enum err sections_check(struct document *d, const struct fhir_spot *holder,
                               struct json object)
{
    static const char *const names[] = { "author", "focus", "entry" };
    struct json list = json_member(object, "section");
    struct fhir_spot spot = spot_at(holder, SLICE("section"), 0);
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        for (size_t i = 0; i < ARRAY_COUNT(names); i++)
            TRY(targets_check(d, &spot, v, names[i]));
        TRY(sections_check(d, &spot, v));
        spot.index++;
    }
    return ERR_NONE;
}

static enum err composition_check(struct document *d, const struct fhir_spot *spot,
                                  struct json composition)
{
    static const char *const names[] = { "subject", "author", "encounter", "custodian" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        TRY(targets_check(d, spot, composition, names[i]));
    TRY(parts_check(d, spot, composition, "attester", "party"));
    TRY(parts_check(d, spot, composition, "event", "detail"));
    return sections_check(d, spot, composition);
}

/* ---- links between entries ---- */

static size_t leader_of(struct document *d, size_t at)
{
    while (d->leader[at] != at)
        at = d->leader[at] = d->leader[d->leader[at]];
    return at;
}

static enum err link_add(struct document *d, size_t from, size_t to)
{
    size_t a = leader_of(d, from), b = leader_of(d, to);
    d->leader[MAX(a, b)] = MIN(a, b);
    if (d->link_count == d->link_room)
        return ERR_LIMIT; /* there is room for every string of the Bundle */
    d->links[d->link_count] = (struct link){ .to = (uint32_t)to, .next = d->next[from] };
    d->next[from] = (uint32_t)++d->link_count;
    return ERR_NONE;
}

/* References, and texts that are another entry's fullUrl. */
static enum err links_of_entry(struct document *d, size_t from)
{
    struct json resource = d->entries->list[from].resource;
    uint32_t end = json_exists(resource) ? json_node(resource)->next : 0;
    for (uint32_t at = resource.at; at < end; at++) {
        struct json key = { resource.doc, at };
        if (!json_is(key, JSON_KEY) || !json_is(json_value(key), JSON_STRING))
            continue;
        struct slice raw = json_string_raw(json_value(key));
        bool is_reference = slice_is(json_string_raw(key), "reference");
        if (!is_reference && !(url_is_absolute(slice_head(raw, 10)) && raw.length < 2000))
            continue;
        struct arena_mark mark = arena_mark(d->run->arena);
        struct slice text = json_string(json_value(key), d->run->arena);
        int64_t to = ENTRY_NONE;
        TRY(bundle_entries_find(d->entries, from, text, &to));
        arena_rewind(d->run->arena, mark);
        if (to != ENTRY_NONE && (size_t)to != from)
            TRY(link_add(d, from, (size_t)to));
    }
    return ERR_NONE;
}

/* Breadth first from the first entry. */
static void reach(struct document *d, size_t *queue)
{
    size_t first = 0, last = 0;
    queue[last++] = 0;
    d->is_reached[0] = true;
    while (first < last) {
        size_t at = queue[first++];
        for (uint32_t l = d->next[at]; l; l = d->links[l - 1].next) {
            size_t to = d->links[l - 1].to;
            if (!d->is_reached[to])
                queue[last++] = to;
            d->is_reached[to] = true;
        }
    }
}

static void report_unreached(struct document *d, size_t at)
{
    const struct bundle_entry *e = &d->entries->list[at];
    const char *first = d->is_message ? "MessageHeader" : "Composition";
    struct fhir_spot spot = spot_at(d->s->spot, SLICE("entry"), (uint32_t)at);
    struct slice url = slice_head(e->full_url, 200);
    if (leader_of(d, at) != leader_of(d, 0))
        rule_report(d->run, d->s, &spot, e->json, d->is_message ? ISSUE_WARNING : ISSUE_ERROR,
                    "informational",
                    "Entry '%.*s' isn't reachable by traversing links (forward or backward) from "
                    "the %s",
                    SLICE_ARGS(url), first);
    else if (!d->is_message && e->type && !slice_is(e->type->name, "Provenance"))
        rule_report(
            d->run, d->s, &spot, e->json, ISSUE_WARNING, "invalid",
            "Entry '%.*s' isn't reachable by traversing forwards from the Composition. Only "
            "Provenance is approved to be used this way (R4 section 3.3.1)",
            SLICE_ARGS(url));
}

static enum err links_check(struct document *d)
{
    size_t count = d->entries->count;
    uint32_t nodes = json_node(d->s->item.value)->next - d->s->item.value.at;
    struct arena *arena = d->run->arena;
    size_t *queue = arena_array(arena, count, sizeof *queue);
    d->leader = arena_array(arena, count, sizeof *d->leader);
    d->next = arena_array(arena, count, sizeof *d->next);
    d->is_reached = arena_array(arena, count, sizeof *d->is_reached);
    d->link_room = nodes / 2 + 1;
    d->links = arena_array(arena, d->link_room, sizeof *d->links);
    if (!queue || !d->leader || !d->next || !d->is_reached || !d->links)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        d->leader[i] = i;
    for (size_t i = 0; i < count; i++)
        TRY(links_of_entry(d, i));
    reach(d, queue);
    for (size_t i = 0; i < count; i++)
        if (!d->is_reached[i] && json_exists(d->entries->list[i].resource))
            report_unreached(d, i);
    return ERR_NONE;
}

enum err rule_document(struct check_run *run, const struct fhir_subject *s,
                       const struct bundle_entries *entries, bool is_message)
{
    struct document d = { .run = run, .s = s, .entries = entries, .is_message = is_message };
    struct fhir_spot entry = spot_at(s->spot, SLICE("entry"), 0);
    struct fhir_spot spot = spot_of(&entry, SLICE("resource"));
    if (entries->count == 0) {
        rule_error(run, s, s->spot, s->item.value,
                   "Documents or Messages must contain at least one entry");
        return ERR_NONE;
    }
    const struct bundle_entry *first = &entries->list[0];
    const char *wanted = is_message ? "MessageHeader" : "Composition";
    if (!json_exists(first->resource)) {
        rule_error(run, s, &entry, first->json, "No resource on first entry");
        return ERR_NONE;
    }
    if (!first->type || !slice_is(first->type->name, wanted)) {
        rule_error(run, s, &spot, first->resource, "The first entry in a %s must be a %s",
                   is_message ? "message" : "document",
                   is_message ? "MessageHeader" : "composition");
        return ERR_NONE;
    }
    TRY(is_message ? targets_check(&d, &spot, first->resource, "focus")
                   : composition_check(&d, &spot, first->resource));
    uint32_t nodes = json_node(s->item.value)->next - s->item.value.at;
    return rule_spend(run, s, nodes) ? links_check(&d) : ERR_NONE;
}
