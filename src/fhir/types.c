/* fhir/types.c - lookups in the generated tables of types and elements. */
#include "fhir/tables.h"

#include "base/check.h"
#include "fhir/name_hash.h"

const struct fhir_type *fhir_type_at(uint16_t id)
{
    return id < fhir_type_total ? &fhir_types[id] : NULL;
}

const struct fhir_type *fhir_type_find(struct slice name)
{
    const struct name_table *table = &fhir_type_names;
    uint32_t mask = (UINT32_C(1) << table->bits) - 1;
    uint32_t at = name_slot(name_hash(name), table->multiplier, table->bits);
    for (; table->slots[at]; at = (at + 1) & mask) {
        const struct fhir_type *type = &fhir_types[table->slots[at] - 1];
        if (slice_equal(type->name, name))
            return type;
    }
    return NULL;
}

const struct fhir_type *fhir_resource_find(struct slice name)
{
    const struct fhir_type *type = fhir_type_find(name);
    return type && type->resource != FHIR_NO_TYPE ? type : NULL;
}

const struct fhir_type *fhir_resource_at(uint16_t resource)
{
    return resource < fhir_resource_total ? &fhir_types[fhir_resources[resource]] : NULL;
}

uint16_t fhir_resource_count(void)
{
    return fhir_resource_total;
}

const struct fhir_element *fhir_element_find(const struct fhir_type *type, struct slice name)
{
    const struct name_table *table = &fhir_element_names[type->id];
    uint32_t mask = (UINT32_C(1) << table->bits) - 1;
    uint32_t at = name_slot(name_hash(name), table->multiplier, table->bits);
    for (; table->slots[at]; at = (at + 1) & mask) {
        const struct fhir_element *element = &type->elements[table->slots[at] - 1];
        if (slice_equal(element->name, name))
            return element;
    }
    return NULL;
}

static const struct code_row *find_code(const struct code_list *list, struct slice code)
{
    const struct name_table *table = &list->names;
    uint32_t mask = (UINT32_C(1) << table->bits) - 1;
    uint32_t at = name_slot(name_hash(code), table->multiplier, table->bits);
    for (; table->slots[at]; at = (at + 1) & mask) {
        const struct code_row *row = &list->codes[table->slots[at] - 1];
        if (slice_equal(row->code, code))
            return row;
    }
    return NULL;
}

struct slice fhir_code_system(const struct fhir_element *element, struct slice code)
{
    if (element->codes == FHIR_NO_TYPE)
        return SLICE_NONE;
    const struct code_list *list = &fhir_code_lists[element->codes];
    const struct code_row *row = find_code(list, code);
    return row ? row->system : list->open_system;
}

static bool list_has(const struct code_list *list, struct slice code)
{
    bool is_valid;
    if (find_code(list, code))
        return true;
    return list->is_open &&
           (!fhir_grammar_judge(list->open_system, code, &is_valid) || is_valid);
}

bool fhir_code_is_allowed(const struct fhir_element *element, struct slice code)
{
    if (element->codes == FHIR_NO_TYPE)
        return true;
    return list_has(&fhir_code_lists[element->codes], code);
}

bool fhir_code_is_possible(const struct fhir_element *element, struct slice code)
{
    return element->most == FHIR_NO_TYPE || list_has(&fhir_code_lists[element->most], code);
}

struct slice fhir_code_bound(const struct fhir_element *element)
{
    return element->most == FHIR_NO_TYPE ? SLICE_NONE : fhir_code_lists[element->most].url;
}

bool type_derives(uint16_t id, uint16_t ancestor)
{
    while (id != FHIR_NO_TYPE && id != ancestor)
        id = fhir_types[id].base;
    return id != FHIR_NO_TYPE;
}

/* ---- names as JSON has them ---- */

struct slice key_name(struct json key, char room[ELEMENT_NAME_MAX])
{
    struct slice raw = json_string_raw(key);
    if (!(json_node(key)->flags & JSON_HAS_ESCAPE))
        return raw;
    return text_unescape(raw, room, ELEMENT_NAME_MAX);
}

const struct fhir_type *resource_type_of(struct json resource)
{
    struct json name = json_member(resource, "resourceType");
    if (!json_is(name, JSON_STRING))
        return NULL;
    char room[ELEMENT_NAME_MAX];
    return fhir_resource_find(key_name(name, room));
}
