/* rest/customs_entry.c - which stored SearchParameters count. */
#include "rest/customs_entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/search.h"

enum { DEFINITION_BYTES_MAX = 1 << 20 };
static const size_t ENTRIES_BYTES_MAX = (size_t)256 << 20;
static const size_t READ_BYTES = (size_t)256 << 20; /* more than one of that length takes */

void custom_entries_release(struct custom_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        custom_param_unref(entries->list[i].param);
    free(entries->list);
    *entries = (struct custom_entries){ NULL, 0 };
}

enum err custom_entry_read(struct custom_entry *e, struct slice text)
{
    struct arena arena;
    struct json_doc doc;
    struct custom_fault fault;
    e->why[0] = '\0';
    if (text.length > DEFINITION_BYTES_MAX) {
        snprintf(e->why, sizeof e->why, "it is longer than 1 MB");
        return ERR_NONE;
    }
    arena_init(&arena, READ_BYTES);
    enum err err = json_parse(text, NULL, &arena, &doc, NULL);
    if (!err && !custom_is_active(json_root(&doc))) {
        snprintf(e->why, sizeof e->why, "its status is not active");
    } else if (!err) {
        err = custom_param_read(json_root(&doc), &arena, &fault, &e->param);
        if (err == ERR_INVALID)
            snprintf(e->why, sizeof e->why, "its %s: %.*s", fault.element,
                     SLICE_ARGS(slice_head(fault.text, sizeof e->why / 2)));
    } else if (err != ERR_NO_MEMORY) {
        snprintf(e->why, sizeof e->why, "it cannot be read");
    }
    arena_release(&arena);
    return err == ERR_NO_MEMORY ? err : ERR_NONE;
}

/* Compiled expressions are many times their text. */
void custom_entries_bound(struct custom_entries *entries)
{
    size_t bytes = 0;
    for (size_t i = 0; i < entries->count; i++) {
        struct custom_entry *e = &entries->list[i];
        bytes += e->param ? e->param->arena.total_bytes : 0;
        if (!e->param || bytes <= ENTRIES_BYTES_MAX)
            continue;
        custom_param_unref(e->param);
        e->param = NULL;
        e->is_settled = false;
        snprintf(e->why, sizeof e->why, "all definitions together take more than 256 MB");
    }
}

/* ---- parts of composites ---- */

static struct slice without_version(struct slice canonical)
{
    struct slice rest = canonical;
    return slice_cut(&rest, '|');
}

static const struct fhir_param *builtin_by_url(struct slice url)
{
    for (uint16_t i = 0; i < fhir_param_count(); i++)
        if (slice_equal(fhir_param_at(i)->url, url))
            return fhir_param_at(i);
    return NULL;
}

static const struct fhir_param *find_by_url(const struct custom_entries *entries,
                                            struct slice canonical)
{
    struct slice url = without_version(canonical);
    for (size_t i = 0; i < entries->count; i++) {
        const struct custom_entry *e = &entries->list[i];
        if (e->param && slice_equal(e->param->param.url, url))
            return &e->param->param;
    }
    return builtin_by_url(url);
}

bool custom_entry_parts(const struct custom_entries *entries, const struct custom_entry *e,
                        uint8_t ret_types[CUSTOM_COMPONENTS_MAX], struct slice *ret_missing)
{
    const struct custom_param *p = e->param;
    for (size_t i = 0; i < p->param.component_count; i++) {
        const struct fhir_param *part = find_by_url(entries, p->part_urls[i]);
        if (!part) {
            *ret_missing = p->part_urls[i];
            return false;
        }
        ret_types[i] = part->type;
    }
    return true;
}

/* ---- types ---- */

static bool derives(const struct fhir_type *type, uint16_t from)
{
    while (type->id != from && type->base != FHIR_NO_TYPE)
        type = fhir_type_at(type->base);
    return type->id == from;
}

void custom_entry_bases(const struct custom_param *p, uint64_t ret_types[ENTRY_TYPE_WORDS])
{
    memset(ret_types, 0, ENTRY_TYPE_WORDS * sizeof *ret_types);
    CHECK(fhir_resource_count() <= 64 * ENTRY_TYPE_WORDS);
    for (uint16_t r = 0; r < fhir_resource_count(); r++)
        for (uint16_t i = 0; i < p->base_count; i++)
            if (derives(fhir_resource_at(r), p->bases[i]))
                ret_types[r / 64] |= UINT64_C(1) << r % 64;
}

/* ---- deciding ---- */

static int by_precedence(const void *a, const void *b)
{
    const struct custom_entry *x = *(struct custom_entry *const *)a;
    const struct custom_entry *y = *(struct custom_entry *const *)b;
    uint16_t n = x->number ? x->number : UINT16_MAX, m = y->number ? y->number : UINT16_MAX;
    if (n != m)
        return n < m ? -1 : 1;
    return (x->doc > y->doc) - (x->doc < y->doc);
}

static void number_take(struct custom_entries *entries, struct custom_entry *e, uint16_t *next)
{
    bool is_free = false;
    while (!e->number && !is_free) {
        uint16_t number = *next >= CUSTOM_FIRST && *next <= CUSTOM_LAST ? *next : CUSTOM_FIRST;
        is_free = true;
        for (size_t i = 0; i < entries->count; i++)
            is_free &= entries->list[i].number != number;
        *next = (uint16_t)(number + 1);
        if (is_free)
            e->number = number;
    }
}

/* Without the types for which R4's own says the same, and those where an earlier one has
 * the name; *ret_other is such a one. */
static void types_take(struct custom_entry *const *order, size_t at,
                       const struct custom_entry **ret_other)
{
    struct custom_entry *e = order[at];
    custom_entry_bases(e->param, e->types);
    *ret_other = NULL;
    for (size_t i = 0; i < at; i++) {
        const struct custom_entry *other = order[i];
        if (!other->is_used || !slice_equal(other->param->param.code, e->param->param.code))
            continue;
        for (size_t w = 0; w < ENTRY_TYPE_WORDS; w++) {
            *ret_other = e->types[w] & other->types[w] ? other : *ret_other;
            e->types[w] &= ~other->types[w];
        }
    }
    for (uint16_t r = 0; r < fhir_resource_count(); r++)
        if (custom_entry_has(e, r) && custom_is_builtin(e->param, fhir_resource_at(r)))
            e->types[r / 64] &= ~(UINT64_C(1) << r % 64);
}

static bool has_types(const struct custom_entry *e)
{
    uint64_t any = 0;
    for (size_t w = 0; w < ENTRY_TYPE_WORDS; w++)
        any |= e->types[w];
    return any != 0;
}

static void decide_one(struct custom_entries *entries, struct custom_entry *const *order,
                       size_t at, size_t *used, uint16_t *next_number)
{
    struct custom_entry *e = order[at];
    const struct custom_entry *other;
    struct slice missing;
    uint8_t types[CUSTOM_COMPONENTS_MAX] = { 0 };
    if (!custom_entry_parts(entries, e, types, &missing)) {
        snprintf(e->why, sizeof e->why, "its component: no SearchParameter here is %.*s",
                 SLICE_ARGS(slice_head(missing, 200)));
        return;
    }
    types_take(order, at, &other);
    if (search_is_result_param(e->param->param.code))
        snprintf(e->why, sizeof e->why, "its code: searches have a parameter of this name");
    else if (!has_types(e) && other)
        snprintf(e->why, sizeof e->why, "SearchParameter/%s has the code for its types", other->id);
    else if (!has_types(e))
        snprintf(e->why, sizeof e->why, "FHIR R4 defines the same: its own parameter answers");
    else if (*used == CUSTOM_PARAMS_MAX)
        snprintf(e->why, sizeof e->why, "%d others count already, which is all that may",
                 (int)CUSTOM_PARAMS_MAX);
    if (e->why[0])
        return;
    number_take(entries, e, next_number);
    if (!e->is_settled)
        custom_param_settle(e->param, e->number, types);
    memcpy(e->part_types, types, sizeof types);
    e->is_settled = true;
    e->is_used = search_param_is_supported(NULL, NULL, &e->param->param);
    if (e->is_used)
        ++*used;
    else
        snprintf(e->why, sizeof e->why,
                 "its component: parts of these types in this order cannot be joined");
}

void custom_entries_decide(struct custom_entries *entries, uint16_t *next_number)
{
    struct custom_entry *order[ENTRIES_MAX];
    size_t count = 0, used = 0;
    CHECK(entries->count <= ENTRIES_MAX);
    for (size_t i = 0; i < entries->count; i++) {
        struct custom_entry *e = &entries->list[i];
        e->is_used = false;
        memset(e->types, 0, sizeof e->types);
        if (!e->param)
            continue;
        e->why[0] = '\0';
        order[count++] = e;
    }
    qsort(order, count, sizeof(struct custom_entry *), by_precedence);
    for (size_t i = 0; i < count; i++)
        decide_one(entries, order, i, &used, next_number);
}
