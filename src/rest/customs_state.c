/* rest/customs_state.c - what is wrong with a definition, and how the stored ones stand. */
#include "index/index.h"
#include "rest/customs_parts.h"
#include "rest/request.h"

static const struct custom_entry *conflict_find(const struct customs *c,
                                                const struct custom_param *p, struct slice id)
{
    uint64_t types[ENTRY_TYPE_WORDS];
    custom_entry_bases(p, types);
    for (size_t i = 0; i < c->entries.count; i++) {
        const struct custom_entry *e = &c->entries.list[i];
        if (!e->is_used || slice_is(id, e->id) ||
            !slice_equal(e->param->param.code, p->param.code))
            continue;
        for (size_t w = 0; w < ENTRY_TYPE_WORDS; w++)
            if (e->types[w] & types[w])
                return e;
    }
    return NULL;
}

enum err customs_check(struct rest *rest, struct json definition, struct arena *arena,
                       bool *ret_is_wrong, struct custom_fault *ret_fault)
{
    struct custom_param *p = NULL;
    struct customs *c = rest->customs;
    *ret_is_wrong = false;
    if (!customs_are_used(rest) ||
        !json_string_is(json_member(definition, "resourceType"), SLICE("SearchParameter")) ||
        !custom_is_active(definition))
        return ERR_NONE;
    enum err err = custom_param_read(definition, arena, ret_fault, &p);
    *ret_is_wrong = err == ERR_INVALID;
    if (err)
        return err == ERR_INVALID ? ERR_NONE : err;
    struct slice id = json_string(json_member(definition, "id"), arena);
    if (search_is_result_param(p->param.code) && p->param.code.bytes[0] != '_') {
        *ret_fault = (struct custom_fault){
            .element = "code",
            .where = json_member(definition, "code"),
            .text = SLICE("Searches have a parameter of this name: choose another code")
        };
        *ret_is_wrong = true;
        custom_param_unref(p);
        return ERR_NONE;
    }
    mutex_lock(&c->settle_lock);
    const struct custom_entry *other = conflict_find(c, p, id);
    if (other)
        *ret_fault = (struct custom_fault){
            .element = "code",
            .where = json_member(definition, "code"),
            .text = arena_printf(arena,
                                 "SearchParameter/%s defines '%.*s' for one of these types: "
                                 "update or retire that one, or choose another code",
                                 other->id, SLICE_ARGS(p->param.code))
        };
    mutex_unlock(&c->settle_lock);
    *ret_is_wrong = other != NULL;
    custom_param_unref(p);
    return ERR_NONE;
}

static enum err state_fill(const struct custom_entry *e, struct arena *arena,
                           struct customs_state *s)
{
    char *id = arena_copy(arena, slice_cstr(e->id));
    s->fields = arena_array(arena, fhir_resource_count(), sizeof *s->fields);
    if (!id || !s->fields)
        return ERR_NO_MEMORY;
    s->id = slice_cstr(id);
    if (e->param) {
        char *url = arena_copy(arena, e->param->param.url);
        char *code = arena_copy(arena, e->param->param.code);
        if (!url || !code)
            return ERR_NO_MEMORY;
        s->url = slice_cstr(url);
        s->code = slice_cstr(code);
        s->failures = atomic_load_explicit(&e->param->failures, memory_order_relaxed);
    }
    s->text = e->is_used ? NULL : arena_copy(arena, slice_cstr(e->why));
    for (uint16_t r = 0; e->is_used && r < fhir_resource_count(); r++)
        if (custom_entry_has(e, r))
            s->fields[s->field_count++] = index_field(fhir_resource_at(r), e->number);
    return e->is_used || s->text ? ERR_NONE : ERR_NO_MEMORY;
}

enum err customs_states(struct rest *rest, struct arena *arena, struct customs_state **ret,
                        size_t *ret_count)
{
    struct customs *c = rest->customs;
    enum err err = ERR_NONE;
    *ret_count = 0;
    if (!customs_are_used(rest))
        return ERR_NONE;
    mutex_lock(&c->settle_lock);
    *ret = arena_array(arena, c->entries.count, sizeof **ret);
    if (!*ret)
        err = ERR_NO_MEMORY;
    for (size_t i = 0; i < c->entries.count && !err; i++)
        err = state_fill(&c->entries.list[i], arena, &(*ret)[(*ret_count)++]);
    mutex_unlock(&c->settle_lock);
    return err;
}
