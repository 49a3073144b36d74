/* tools/gen/emit.c - write the tables as C. */
#include "gen.h"

#include <stdlib.h>
#include <string.h>

#include "fhir/tables.h"

void put_slice(FILE *out, struct slice s)
{
    if (s.length == 0) {
        fprintf(out, "{ NULL, 0 }");
        return;
    }
    fprintf(out, "{ \"");
    for (size_t i = 0; i < s.length; i++) {
        if (s.bytes[i] == '"' || s.bytes[i] == '\\')
            fputc('\\', out);
        fputc(s.bytes[i], out);
    }
    fprintf(out, "\", %zu }", s.length);
}

void put_ids(FILE *out, const char *name, const uint16_t *ids, size_t count)
{
    fprintf(out, "%s[] = {", name);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%u,", i % 20 ? "" : "\n", ids[i]);
    fprintf(out, "%s};\n\n", count ? "\n" : " 0 ");
}

/* ---- name tables ---- */

static void emit_names(struct spec *spec, FILE *out)
{
    struct slots slots;
    slots_init(&slots, spec, spec->type_count + 1U);
    struct slice *names = gen_alloc(spec, 4096, sizeof *names);
    for (uint16_t t = 0; t < spec->type_count; t++) {
        const struct type *type = &spec->types[t];
        for (uint16_t i = 0; i < type->row_count; i++)
            names[i] = type->rows[i].name;
        slots_add(&slots, names, type->row_count);
    }
    for (uint16_t t = 0; t < spec->type_count; t++)
        names[t] = spec->types[t].name;
    slots_add(&slots, names, spec->type_count);

    put_ids(out, "static const uint16_t name_slots", slots.list, slots.count);
    fprintf(out, "const struct name_table fhir_element_names[] = {\n");
    for (uint16_t t = 0; t < spec->type_count; t++) {
        slots_put(out, &slots, "name_slots", t);
        fprintf(out, ",\n");
    }
    fprintf(out, "};\nconst struct name_table fhir_type_names = ");
    slots_put(out, &slots, "name_slots", spec->type_count);
    fprintf(out, ";\n\n");
}

/* ---- types ---- */

static void emit_row(FILE *out, const struct row *row)
{
    fprintf(out, "{ ");
    put_slice(out, row->name);
    fprintf(out, ", ");
    put_slice(out, row->choice);
    fprintf(out, ", %u, %u, %u, %u, ", row->type, row->min, row->max, row->target_count);
    if (row->target_count)
        fprintf(out, "targets + %u, ", row->target_first);
    else
        fprintf(out, "NULL, ");
    fprintf(out, "%u, %d, %d, %d, %u, %u, ", row->binding, row->is_array, row->is_summary,
            row->is_modifier, row->codes, row->most);
    put_slice(out, row->value_set);
    fprintf(out, " },\n");
}

static void emit_types(struct spec *spec, FILE *out)
{
    uint32_t rows = 0;
    fprintf(out, "static const struct fhir_element elements[] = {\n");
    for (uint16_t t = 0; t < spec->type_count; t++) {
        struct type *type = &spec->types[t];
        type->first_row = rows;
        rows += type->row_count;
        for (uint16_t i = 0; i < type->row_count; i++)
            emit_row(out, &type->rows[i]);
    }
    fprintf(out, "};\n\nconst struct fhir_type fhir_types[] = {\n");
    for (uint16_t t = 0; t < spec->type_count; t++) {
        const struct type *type = &spec->types[t];
        fprintf(out, "{ ");
        put_slice(out, type->name);
        fprintf(out, ", %u, %u, %u, %d, %u, %u, elements + %u },\n", t, type->base, type->kind,
                type->is_abstract, type->resource, type->row_count, type->first_row);
    }
    fprintf(out, "};\nconst uint16_t fhir_type_total = %u;\n\n", spec->type_count);

    uint16_t *resources = gen_alloc(spec, spec->type_count, sizeof *resources);
    for (uint16_t t = 0; t < spec->type_count; t++)
        if (spec->types[t].resource != NO_ID)
            resources[spec->types[t].resource] = t;
    put_ids(out, "const uint16_t fhir_resources", resources, spec->resource_count);
    fprintf(out, "const uint16_t fhir_resource_total = %u;\n\n", spec->resource_count);
}

/* fhir.h names the data types by hand, so that code may switch over them. */
static void emit_assertions(const struct spec *spec, FILE *out)
{
#define X(constant, name)                                                                          \
    {                                                                                              \
        const struct type *type = spec_type(spec, SLICE(#name));                                   \
        fprintf(out, "_Static_assert(FHIR_TYPE_" #constant " == %u, \"" #name "\");\n",            \
                type ? type->id : NO_ID);                                                          \
    }
    FHIR_DATA_TYPES(X)
#undef X
    uint16_t count = 0;
    while (spec->types[count].kind == FHIR_PRIMITIVE || spec->types[count].kind == FHIR_COMPLEX)
        count++;
    fprintf(out, "_Static_assert(FHIR_DATA_TYPE_COUNT == %u, \"count\");\n\n", count);
}

/* ---- paths ---- */

static void emit_steps(const struct spec *spec, FILE *out, const struct branch *branch)
{
    for (uint16_t i = 0; i < branch->step_count; i++) {
        const struct step *step = &branch->steps[i];
        fprintf(out, "{ %u, %u, %u, %u, ", step->op, step->index, step->type, step->row_count);
        if (step->row_count)
            fprintf(out, "elements + %u, ", spec->types[step->owner].first_row + step->first_row);
        else
            fprintf(out, "NULL, ");
        put_slice(out, step->name);
        fprintf(out, ", ");
        put_slice(out, step->literal);
        fprintf(out, " },\n");
    }
}

/* Every path of the spec, in one order, for the passes below. */
static struct path **all_paths(struct spec *spec, uint32_t *ret_count)
{
    uint32_t count = 0;
    struct path **paths = gen_alloc(spec, spec->param_count * 5U + spec->date_count, sizeof *paths);
    for (uint16_t i = 0; i < spec->param_count; i++) {
        const struct param *param = &spec->params[i];
        if (param->path)
            paths[count++] = param->path;
        for (uint16_t c = 0; c < param->component_count; c++)
            paths[count++] = param->components[c].path;
    }
    for (size_t i = 0; i < spec->date_count; i++)
        paths[count++] = spec->date_paths[i];
    *ret_count = count;
    return paths;
}

static void emit_branches(const struct spec *spec, FILE *out, struct path **paths, uint32_t count)
{
    fprintf(out, "static const struct path_step steps[] = {\n");
    for (uint32_t p = 0; p < count; p++)
        for (uint16_t b = 0; b < paths[p]->branch_count; b++)
            emit_steps(spec, out, &paths[p]->branches[b]);
    fprintf(out, "};\n\nstatic const struct path_branch branches[] = {\n");
    uint32_t step = 0;
    for (uint32_t p = 0; p < count; p++)
        for (uint16_t b = 0; b < paths[p]->branch_count; b++) {
            const struct branch *branch = &paths[p]->branches[b];
            fprintf(out, "{ steps + %u, %u, %u, %d },\n", step, branch->step_count, branch->root,
                    branch->from_resource);
            step += branch->step_count;
        }
    fprintf(out, "};\n\n");
}

static void emit_paths(struct spec *spec, FILE *out)
{
    uint32_t count, branch = 0, condition = 0;
    struct path **paths = all_paths(spec, &count);
    emit_branches(spec, out, paths, count);
    fprintf(out, "static const struct path_condition conditions[] = {\n");
    for (uint32_t p = 0; p < count; p++)
        for (uint16_t i = 0; i < paths[p]->condition_count; i++) {
            const struct condition *one = &paths[p]->conditions[i];
            fprintf(out, "{ %u, %u, %u, ", one->test, one->first_branch, one->branch_count);
            put_slice(out, one->literal);
            fprintf(out, " },\n");
        }
    fprintf(out, "};\n\nstatic const struct fhir_path paths[] = {\n");
    for (uint32_t p = 0; p < count; p++) {
        paths[p]->number = p;
        fprintf(out, "{ branches + %u, %u, %u, ", branch, paths[p]->branch_count,
                paths[p]->condition_count);
        if (paths[p]->condition_count)
            fprintf(out, "conditions + %u },\n", condition);
        else
            fprintf(out, "NULL },\n");
        branch += paths[p]->branch_count;
        condition += paths[p]->condition_count;
    }
    fprintf(out, "};\n\n");
}

/* ---- search parameters ---- */

static void put_path(FILE *out, const struct path *path)
{
    if (path)
        fprintf(out, "paths + %u", path->number);
    else
        fprintf(out, "NULL");
}

static void emit_param(struct spec *spec, FILE *out, uint16_t id, uint32_t component)
{
    const struct param *param = &spec->params[id];
    struct slice url = arena_printf(&spec->arena, "http://hl7.org/fhir/SearchParameter/%.*s",
                                    SLICE_ARGS(param->name));
    fprintf(out, "{ ");
    put_slice(out, param->code);
    fprintf(out, ", ");
    put_slice(out, url);
    fprintf(out, ", %u, %u, %u, ", id, param->type, param->target_count);
    fprintf(out, "targets + %u, ", param->target_first);
    put_path(out, param->path);
    fprintf(out, ", %u, ", param->component_count);
    if (param->component_count)
        fprintf(out, "components + %u, ", component);
    else
        fprintf(out, "NULL, ");
    put_slice(out, param->expression);
    fprintf(out, ", UINT64_C(%llu) },\n", (unsigned long long)param->rule_hash);
}

static void emit_params(struct spec *spec, FILE *out)
{
    uint32_t component = 0;
    fprintf(out, "static const struct fhir_component components[] = {\n");
    for (uint16_t i = 0; i < spec->param_count; i++)
        for (uint16_t c = 0; c < spec->params[i].component_count; c++) {
            fprintf(out, "{ %u, ", spec->params[i].components[c].param);
            put_path(out, spec->params[i].components[c].path);
            fprintf(out, ", NULL },\n");
        }
    fprintf(out, "};\n\nconst struct fhir_param fhir_params[] = {\n");
    for (uint16_t i = 0; i < spec->param_count; i++) {
        emit_param(spec, out, i, component);
        component += spec->params[i].component_count;
    }
    fprintf(out, "};\nconst uint16_t fhir_param_total = %u;\n\n", spec->param_count);
}

static bool applies(const struct spec *spec, const struct param *param, uint16_t type)
{
    struct slice rest = param->bases;
    for (struct slice base = gen_word(&rest); base.length > 0; base = gen_word(&rest)) {
        const struct type *one = spec_type(spec, base);
        if (!one)
            gen_fail("params.txt", 0, "base %.*s", SLICE_ARGS(base));
        if (spec_derives(spec, type, one->id))
            return true;
    }
    return false;
}

/* The parameters of each resource type, by code. */
size_t params_of(const struct spec *spec, uint16_t type, uint16_t *ids)
{
    size_t count = 0;
    for (uint16_t i = 0; i < spec->param_count; i++) {
        if (!applies(spec, &spec->params[i], type))
            continue;
        size_t at = count++;
        for (; at > 0; at--) {
            int order = slice_compare(spec->params[ids[at - 1]].code, spec->params[i].code);
            if (order == 0)
                gen_fail("params.txt", 0, "two parameters %.*s", SLICE_ARGS(spec->params[i].code));
            if (order < 0)
                break;
            ids[at] = ids[at - 1];
        }
        ids[at] = i;
    }
    return count;
}

static void put_list(FILE *out, size_t first, size_t count)
{
    if (count)
        fprintf(out, "{ param_ids + %zu, %zu },\n", first, count);
    else
        fprintf(out, "{ NULL, 0 },\n");
}

struct param_pool {
    uint16_t *ids;
    size_t count;
    size_t *first, *counts; /* of each list, in the order they were added */
    size_t list_count;
};

static void pool_end_list(struct param_pool *pool, size_t first)
{
    pool->first[pool->list_count] = first;
    pool->counts[pool->list_count++] = pool->count - first;
}

/* ---- compartments ---- */

static uint16_t code_of(const struct spec *spec, const struct param_pool *pool, uint16_t resource,
                        struct slice code)
{
    for (size_t i = 0; i < pool->counts[resource]; i++) {
        uint16_t id = pool->ids[pool->first[resource] + i];
        if (slice_equal(spec->params[id].code, code))
            return id;
    }
    return NO_ID;
}

static void pool_compartment(const struct spec *spec, const struct compartment *compartment,
                             uint16_t type, struct param_pool *pool)
{
    size_t first = pool->count;
    for (size_t m = 0; m < compartment->member_count; m++) {
        const struct member *member = &compartment->members[m];
        if (!slice_equal(member->type, spec->types[type].name))
            continue;
        struct slice rest = member->words;
        for (struct slice code = gen_word(&rest); code.length > 0; code = gen_word(&rest)) {
            if (slice_is(code, "{def}"))
                continue;
            uint16_t id = code_of(spec, pool, spec->types[type].resource, code);
            if (id == NO_ID)
                gen_fail("compartments.txt", 0, "%.*s has no parameter %.*s",
                         SLICE_ARGS(member->type), SLICE_ARGS(code));
            pool->ids[pool->count++] = id;
        }
    }
    pool_end_list(pool, first);
}

static void emit_compartment_rows(struct spec *spec, FILE *out)
{
    static const char *const order[FHIR_COMPARTMENT_COUNT] = {
        [FHIR_COMPARTMENT_PATIENT] = "Patient",
        [FHIR_COMPARTMENT_ENCOUNTER] = "Encounter",
        [FHIR_COMPARTMENT_RELATED_PERSON] = "RelatedPerson",
        [FHIR_COMPARTMENT_PRACTITIONER] = "Practitioner",
        [FHIR_COMPARTMENT_DEVICE] = "Device",
    };
    fprintf(out, "const struct compartment_row fhir_compartments[] = {\n");
    for (size_t i = 0; i < spec->compartment_count; i++) {
        const struct type *owner = spec_type(spec, spec->compartments[i].owner);
        if (i >= FHIR_COMPARTMENT_COUNT || !owner || !slice_is(owner->name, order[i]))
            gen_fail("compartments.txt", 0, "compartments differ from enum fhir_compartment");
        fprintf(out, "{ compartment_lists + %zu, %u },\n", i * spec->resource_count, owner->id);
    }
    fprintf(out, "};\n\n");
}

/* Lists by resource type: first all parameters, then each compartment's. */
static void emit_lists(struct spec *spec, FILE *out)
{
    size_t lists = spec->resource_count * (1 + spec->compartment_count);
    struct param_pool pool = { .ids = gen_alloc(spec, 40000, sizeof *pool.ids) };
    pool.first = gen_alloc(spec, lists, sizeof *pool.first);
    pool.counts = gen_alloc(spec, lists, sizeof *pool.counts);
    for (uint16_t t = 0; t < spec->type_count; t++) {
        if (spec->types[t].resource == NO_ID)
            continue;
        size_t first = pool.count;
        pool.count += params_of(spec, t, pool.ids + pool.count);
        pool_end_list(&pool, first);
    }
    for (size_t c = 0; c < spec->compartment_count; c++)
        for (uint16_t t = 0; t < spec->type_count; t++)
            if (spec->types[t].resource != NO_ID)
                pool_compartment(spec, &spec->compartments[c], t, &pool);

    put_ids(out, "static const uint16_t param_ids", pool.ids, pool.count);
    fprintf(out, "const struct param_list fhir_resource_params[] = {\n");
    for (size_t i = 0; i < spec->resource_count; i++)
        put_list(out, pool.first[i], pool.counts[i]);
    fprintf(out, "};\n\nstatic const struct param_list compartment_lists[] = {\n");
    for (size_t i = spec->resource_count; i < lists; i++)
        put_list(out, pool.first[i], pool.counts[i]);
    fprintf(out, "};\n\n");
    emit_compartment_rows(spec, out);
}

static void emit_dates(struct spec *spec, FILE *out)
{
    fprintf(out, "const struct fhir_path *const fhir_everything_dates[] = {\n");
    for (uint16_t t = 0; t < spec->type_count; t++) {
        if (spec->types[t].resource == NO_ID)
            continue;
        const struct path *path = NULL;
        for (size_t i = 0; i < spec->date_count; i++)
            if (slice_equal(spec->dates[i].type, spec->types[t].name))
                path = spec->date_paths[i];
        put_path(out, path);
        fprintf(out, ",\n");
    }
    fprintf(out, "};\n");
}

void emit_tables(struct spec *spec, FILE *out)
{
    fprintf(out, "/* Made by tools/gen from spec/. Do not edit. */\n"
                 "#include \"fhir/tables.h\"\n\n");
    emit_assertions(spec, out);
    put_ids(out, "static const uint16_t targets", spec->targets, spec->target_count);
    emit_types(spec, out);
    emit_names(spec, out);
    emit_codes(spec, out);
    emit_paths(spec, out);
    emit_params(spec, out);
    emit_lists(spec, out);
    emit_dates(spec, out);
    emit_trie(spec, out);
}
