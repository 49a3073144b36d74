/* fhir/fhirpatch_edit.c - one change of one member, everything else as it stands. */
#include "fhir/fhirpatch.h"

/* ---- the way to a value ---- */

static bool holds(struct json outer, uint32_t at)
{
    return outer.at <= at && at < json_node(outer)->next;
}

/* The step from `object` towards `at`, and the value it leads to. */
static enum err step_find(struct json object, uint32_t at, struct arena *arena, struct step *step,
                          struct json *ret_value)
{
    struct json key = json_first(object), value = JSON_ABSENT;
    for (; json_exists(key); key = json_next(object, value)) {
        value = json_value(key);
        if (holds(value, at))
            break;
    }
    CHECK(json_exists(key));
    *step = (struct step){ .object = object, .name = json_string(key, arena) };
    if (!step->name.bytes)
        return ERR_NO_MEMORY;
    step->is_sibling = step->name.length > 0 && step->name.bytes[0] == '_';
    if (step->is_sibling)
        step->name = slice_from(step->name, 1);
    *ret_value = value;
    if (!json_is(value, JSON_ARRAY) || value.at == at)
        return ERR_NONE;
    struct json v = json_first(value);
    for (; !holds(v, at); v = json_next(value, v))
        step->index++;
    *ret_value = v;
    return ERR_NONE;
}

enum err trail_find(struct json root, struct json target, struct arena *arena, struct trail *trail,
                    bool *ret_found)
{
    trail->root = root;
    trail->target = target;
    trail->depth = 0;
    *ret_found = false;
    if (target.doc != root.doc || !holds(root, target.at))
        return ERR_NONE;
    struct json value = root;
    while (value.at != target.at) {
        if (!json_is(value, JSON_OBJECT) || trail->depth == ARRAY_COUNT(trail->steps))
            return ERR_NONE;
        TRY(step_find(value, target.at, arena, &trail->steps[trail->depth], &value));
        trail->depth++;
    }
    *ret_found = true;
    return ERR_NONE;
}

/* ---- members ---- */

static struct slice sibling_name(struct slice name, struct arena *arena)
{
    return arena_printf(arena, "_%.*s", SLICE_ARGS(name));
}

static struct slice text_of(struct json value)
{
    return json_is(value, JSON_NULL) ? SLICE_NONE : json_raw(value);
}

enum err member_read(struct json object, struct slice name, struct arena *arena, struct member *ret)
{
    struct slice other = sibling_name(name, arena);
    if (!other.bytes)
        return ERR_NO_MEMORY;
    struct json value = json_get(object, name), sibling = json_get(object, other);
    bool is_list = json_is(value, JSON_ARRAY), is_other_list = json_is(sibling, JSON_ARRAY);
    uint32_t count = is_list ? json_count(value) : json_exists(value);
    uint32_t other_count = is_other_list ? json_count(sibling) : json_exists(sibling);
    *ret = (struct member){ .name = name,
                            .is_array = is_list || is_other_list,
                            .count = MAX(count, other_count) };
    ret->slots = arena_array(arena, (size_t)ret->count + 1, sizeof *ret->slots);
    if (!ret->slots)
        return ERR_NO_MEMORY;
    struct json v = is_list ? json_first(value) : value;
    struct json s = is_other_list ? json_first(sibling) : sibling;
    for (uint32_t i = 0; i < ret->count; i++) {
        ret->slots[i] = (struct slot){ text_of(v), text_of(s) };
        v = is_list && json_exists(v) ? json_next(value, v) : JSON_ABSENT;
        s = is_other_list && json_exists(s) ? json_next(sibling, s) : JSON_ABSENT;
    }
    return ERR_NONE;
}

void member_insert(struct member *m, uint32_t at, struct slot slot)
{
    CHECK(at <= m->count);
    memmove(m->slots + at + 1, m->slots + at, (m->count - at) * sizeof *m->slots);
    m->slots[at] = slot;
    m->count++;
}

void member_remove(struct member *m, uint32_t at)
{
    CHECK(at < m->count);
    m->count--;
    memmove(m->slots + at, m->slots + at + 1, (m->count - at) * sizeof *m->slots);
}

/* ---- writing ---- */

/* Members of an object, with the commas between them. */
struct writing {
    struct buf *out;
    bool is_begun;
};

/* The name has no quotes and such in it: it is an element's. */
static void name_write(struct writing *w, bool is_sibling, struct slice name)
{
    buf_append_byte(w->out, w->is_begun ? ',' : '{');
    w->is_begun = true;
    buf_append_cstr(w->out, is_sibling ? "\"_" : "\"");
    buf_append(w->out, name);
    buf_append_cstr(w->out, "\":");
}

static void half_write(struct writing *w, const struct member *m, bool is_sibling)
{
    uint32_t filled = 0;
    for (uint32_t i = 0; i < m->count; i++)
        filled += (is_sibling ? m->slots[i].sibling : m->slots[i].value).length > 0;
    if (!filled)
        return;
    name_write(w, is_sibling, m->name);
    if (m->is_array)
        buf_append_byte(w->out, '[');
    for (uint32_t i = 0; i < m->count; i++) {
        struct slice text = is_sibling ? m->slots[i].sibling : m->slots[i].value;
        if (i)
            buf_append_byte(w->out, ',');
        buf_append(w->out, text.length ? text : SLICE("null"));
    }
    if (m->is_array)
        buf_append_byte(w->out, ']');
}

static void both_write(struct writing *w, const struct member *m)
{
    half_write(w, m, false);
    half_write(w, m, true);
}

/* The object's text, `m` in the place of `was`; empty when nothing is left in it. */
static enum err object_write(struct json object, struct slice was, const struct member *m,
                             struct arena *arena, struct buf *out)
{
    struct slice other = sibling_name(was, arena);
    if (!other.bytes)
        return ERR_NO_MEMORY;
    struct writing w = { .out = out };
    bool is_written = false;
    for (struct json k = json_first(object); json_exists(k); k = json_next(object, json_value(k))) {
        if (!json_string_is(k, was) && !json_string_is(k, other)) {
            buf_append_byte(out, w.is_begun ? ',' : '{');
            w.is_begun = true;
            buf_append(out, json_raw(k));
            buf_append_byte(out, ':');
            buf_append(out, json_raw(json_value(k)));
        } else if (!is_written) {
            both_write(&w, m);
            is_written = true;
        }
    }
    if (!is_written)
        both_write(&w, m);
    if (w.is_begun)
        buf_append_byte(out, '}');
    return buf_status(out);
}

static enum err kept(struct buf *text, struct arena *arena, struct slice *ret)
{
    TRY(buf_status(text));
    char *copy = arena_copy(arena, buf_slice(text));
    *ret = slice_of(copy, text->length);
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

enum err members_object(const struct member *members, uint32_t count, struct arena *arena,
                        struct slice *ret)
{
    struct buf text;
    buf_init(&text, UINT32_MAX);
    struct writing w = { .out = &text };
    for (uint32_t i = 0; i < count; i++)
        both_write(&w, &members[i]);
    if (w.is_begun)
        buf_append_byte(&text, '}');
    enum err err = kept(&text, arena, ret);
    buf_release(&text);
    return err;
}

/* The object that `step` leads to has gone: take it out of the member. */
static enum err hole_make(const struct step *step, struct arena *arena, struct member *ret)
{
    TRY(member_read(step->object, step->name, arena, ret));
    struct slot *slot = &ret->slots[step->index];
    *(step->is_sibling ? &slot->sibling : &slot->value) = SLICE_NONE;
    if (!slot->value.length && !slot->sibling.length)
        member_remove(ret, step->index);
    return ERR_NONE;
}

enum err member_write(const struct trail *trail, uint32_t depth, struct slice was,
                      const struct member *m, struct arena *arena, struct buf *out)
{
    struct slice whole = json_raw(trail->root);
    struct member hole;
    for (;;) {
        struct json object = depth < trail->depth ? trail->steps[depth].object : trail->target;
        struct slice old = json_raw(object);
        size_t at = (size_t)(old.bytes - whole.bytes);
        buf_clear(out);
        buf_append(out, slice_head(whole, at));
        TRY(object_write(object, was, m, arena, out));
        if (out->length == at && depth == 0)
            buf_append_cstr(out, "{}");
        buf_append(out, slice_from(whole, at + old.length));
        if (depth == 0 || out->length > whole.length - old.length)
            return buf_status(out);
        /* Nothing is left of it: its own element goes from the object around it. */
        const struct step *step = &trail->steps[--depth];
        TRY(hole_make(step, arena, &hole));
        m = &hole;
        was = step->name;
    }
}

enum err slot_write(const struct trail *trail, struct slice name, struct slot slot,
                    struct arena *arena, struct buf *out)
{
    CHECK(trail->depth > 0);
    struct member m;
    const struct step *step = &trail->steps[trail->depth - 1];
    TRY(member_read(step->object, step->name, arena, &m));
    if (slot.value.length || slot.sibling.length)
        m.slots[step->index] = slot;
    else
        member_remove(&m, step->index);
    m.name = name.length ? name : step->name;
    return member_write(trail, trail->depth - 1, step->name, &m, arena, out);
}
