/* terminology/system.c - a CodeSystem: codes by hash, hierarchy, displays. */
#include "terminology/library.h"

#include "os/random.h"

enum { FOLDED_BYTES_MAX = 256 };

/* ---- compiling ---- */

/* Concepts lie in document order, so what a concept contains follows it. An
 * explicit stack: files may nest as deep as JSON may. */
static uint32_t concepts_count(struct json list)
{
    uint32_t count = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v))
        count += 1 + concepts_count(json_member(v, "concept"));
    return count;
}

static bool property_is_true(struct json concept, const char *name)
{
    struct json list = json_member(concept, "property");
    for (struct json p = json_first(list); json_exists(p); p = json_next(list, p))
        if (json_string_is(json_member(p, "code"), slice_cstr(name)) &&
            json_is(json_member(p, "valueBoolean"), JSON_TRUE))
            return true;
    return false;
}

static bool status_is_gone(struct json concept)
{
    struct json list = json_member(concept, "property");
    for (struct json p = json_first(list); json_exists(p); p = json_next(list, p)) {
        struct json value = json_member(p, "valueCode");
        if (json_string_is(json_member(p, "code"), SLICE("status")) &&
            (json_string_is(value, SLICE("retired")) || json_string_is(value, SLICE("inactive"))))
            return true;
    }
    return false;
}

static struct slice fold(struct slice code, char *room)
{
    size_t length = MIN(code.length, (size_t)FOLDED_BYTES_MAX);
    for (size_t i = 0; i < length; i++)
        room[i] = (char)(code.bytes[i] >= 'A' && code.bytes[i] <= 'Z' ? code.bytes[i] | 0x20
                                                                      : code.bytes[i]);
    return slice_of(room, length);
}

static enum err concept_add(struct system *s, struct json value, uint32_t parent,
                            struct arena *arena)
{
    struct concept *c = &s->concepts[s->count];
    c->code = json_string(json_member(value, "code"), arena);
    c->json = value;
    c->parent = parent;
    if (!c->code.bytes)
        return json_is(json_member(value, "code"), JSON_STRING) ? ERR_NO_MEMORY : ERR_NONE;
    if (json_exists(json_member(value, "property"))) {
        c->is_abstract =
            property_is_true(value, "notSelectable") || property_is_true(value, "abstract");
        c->is_inactive = property_is_true(value, "inactive") || status_is_gone(value);
    }
    struct slice key = c->code;
    char room[FOLDED_BYTES_MAX];
    if (s->folds_case) {
        key = fold(key, room);
        char *copy = arena_copy(arena, key);
        if (!copy)
            return ERR_NO_MEMORY;
        key.bytes = copy;
    }
    uint64_t *place;
    bool is_new;
    TRY(map_put(&s->by_code, key, &place, &is_new));
    if (is_new)
        *place = s->count;
    return ERR_NONE;
}

static enum err concepts_add(struct system *s, struct json list, uint32_t parent,
                             struct arena *arena)
{
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        TRY(concept_add(s, v, parent, arena));
        uint32_t self = ++s->count;
        TRY(concepts_add(s, json_member(v, "concept"), self, arena));
    }
    return ERR_NONE;
}

/* What a property says of the hierarchy; `ret_is_child`: the other is below. */
static bool is_edge(struct json property, bool *ret_is_child)
{
    struct json code = json_member(property, "code");
    *ret_is_child = json_string_is(code, SLICE("child"));
    return *ret_is_child || json_string_is(code, SLICE("parent")) ||
           json_string_is(code, SLICE("subsumedBy"));
}

static uint32_t place_of(const struct system *s, struct json code, struct arena *arena)
{
    struct slice text = json_string(code, arena);
    const struct concept *found = text.length ? system_find(s, text) : NULL;
    return found ? (uint32_t)(found - s->concepts) : UINT32_MAX;
}

static enum err edges_add(struct system *s, struct arena *arena)
{
    uint32_t room = 0;
    bool is_child;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < s->count; i++) {
            struct json list = json_member(s->concepts[i].json, "property");
            for (struct json p = json_first(list); json_exists(p); p = json_next(list, p)) {
                if (!is_edge(p, &is_child))
                    continue;
                room += pass == 0;
                uint32_t other =
                    pass ? place_of(s, json_member(p, "valueCode"), arena) : UINT32_MAX;
                if (other == UINT32_MAX || other == i)
                    continue;
                struct concept *below = &s->concepts[is_child ? other : i];
                s->edges[s->edge_count] = (struct edge){ .parent = is_child ? i : other,
                                                         .next = below->edges };
                below->edges = ++s->edge_count;
            }
        }
        if (pass == 0 && room == 0)
            return ERR_NONE;
        if (pass == 0)
            s->edges = arena_array(arena, room, sizeof *s->edges);
        if (!s->edges)
            return ERR_NO_MEMORY;
    }
    return ERR_NONE;
}

enum err system_compile(struct json resource, struct arena *arena, struct system *ret)
{
    struct system s = { .url = json_string(json_member(resource, "url"), arena),
                        .version = json_string(json_member(resource, "version"), arena),
                        .name = json_string(json_member(resource, "name"), arena) };
    struct json list = json_member(resource, "concept");
    s.is_complete = json_string_is(json_member(resource, "content"), SLICE("complete"));
    s.is_supplement = json_string_is(json_member(resource, "content"), SLICE("supplement")) ||
                      json_exists(json_member(resource, "supplements"));
    s.folds_case = json_is(json_member(resource, "caseSensitive"), JSON_FALSE);
    s.room = concepts_count(list);
    s.concepts = arena_array(arena, s.room, sizeof *s.concepts);
    if (!s.concepts)
        return ERR_NO_MEMORY;
    map_init(&s.by_code, UINT32_MAX, os_random_u64());
    enum err err = concepts_add(&s, list, 0, arena);
    if (!err)
        err = edges_add(&s, arena);
    if (err) {
        map_release(&s.by_code);
        return err;
    }
    *ret = s;
    return ERR_NONE;
}

void system_release(struct system *s)
{
    map_release(&s->by_code);
}

/* ---- asking ---- */

const struct concept *system_find(const struct system *s, struct slice code)
{
    char room[FOLDED_BYTES_MAX];
    const uint64_t *place = map_find(&s->by_code, s->folds_case ? fold(code, room) : code);
    return place ? &s->concepts[*place] : NULL;
}

/* Upwards over all parents, each place once. */
static bool reaches(const struct system *s, uint32_t from, uint32_t to, uint8_t *seen,
                    uint32_t *stack)
{
    uint32_t top = 0;
    stack[top++] = from;
    seen[from] = 1;
    while (top > 0) {
        const struct concept *c = &s->concepts[stack[--top]];
        uint32_t parent = c->parent;
        for (uint32_t edge = c->edges; parent || edge;) {
            uint32_t next = parent ? parent - 1 : s->edges[edge - 1].parent;
            if (!parent)
                edge = s->edges[edge - 1].next;
            parent = 0;
            if (next == to)
                return true;
            if (!seen[next])
                stack[top++] = next;
            seen[next] = 1;
        }
    }
    return false;
}

bool system_subsumes(const struct system *s, const struct concept *above,
                     const struct concept *below, struct arena *arena)
{
    uint32_t to = (uint32_t)(above - s->concepts), from = (uint32_t)(below - s->concepts);
    if (to == from)
        return true;
    if (s->edge_count == 0) {
        for (uint32_t at = below->parent; at; at = s->concepts[at - 1].parent)
            if (at - 1 == to)
                return true;
        return false;
    }
    struct arena_mark mark = arena_mark(arena);
    uint8_t *seen = arena_alloc(arena, s->count);
    uint32_t *stack = arena_array(arena, s->count, sizeof *stack);
    bool is_below = seen && stack && reaches(s, from, to, seen, stack);
    arena_rewind(arena, mark);
    return is_below;
}

struct slice system_display(const struct concept *c, struct arena *arena)
{
    return json_string(json_member(c->json, "display"), arena);
}

/* Equal but for case and runs of white space, as validators compare them. */
static bool display_is(struct slice a, struct slice b)
{
    size_t i = 0, k = 0;
    a = slice_trim(a);
    b = slice_trim(b);
    while (i < a.length && k < b.length) {
        char x = a.bytes[i], y = b.bytes[k];
        x = (char)(x >= 'A' && x <= 'Z' ? x | 0x20 : x);
        y = (char)(y >= 'A' && y <= 'Z' ? y | 0x20 : y);
        if (x != y)
            return false;
        i++;
        k++;
        while (x == ' ' && i < a.length && a.bytes[i] == ' ')
            i++;
        while (x == ' ' && k < b.length && b.bytes[k] == ' ')
            k++;
    }
    return i == a.length && k == b.length;
}

bool system_has_display(const struct concept *c, struct slice display, struct arena *arena)
{
    struct slice own = system_display(c, arena);
    if (own.bytes && display_is(own, display))
        return true;
    struct json list = json_member(c->json, "designation");
    bool has_any = own.length > 0;
    for (struct json d = json_first(list); json_exists(d); d = json_next(list, d)) {
        struct slice text = json_string(json_member(d, "value"), arena);
        has_any |= text.length > 0;
        if (text.bytes && display_is(text, display))
            return true;
    }
    return !has_any;
}
