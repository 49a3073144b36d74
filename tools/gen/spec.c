/* tools/gen/spec.c - read spec/ into structs. */
#include "gen.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "fhir/tables.h"

enum { TARGETS_MAX = 20000 };

void gen_fail(const char *file, size_t line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%zu: ", file, line);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

void *gen_alloc(struct spec *spec, size_t count, size_t size_bytes)
{
    void *piece = arena_array(&spec->arena, count, size_bytes);
    if (!piece)
        gen_fail("gen", 0, "out of memory");
    return piece;
}

struct slice gen_word(struct slice *rest)
{
    while (rest->length > 0 && rest->bytes[0] == ' ')
        *rest = slice_from(*rest, 1);
    ptrdiff_t blank = slice_find_byte(*rest, ' ');
    struct slice word = slice_head(*rest, blank < 0 ? rest->length : (size_t)blank);
    *rest = slice_from(*rest, word.length);
    return word;
}

/* ---- files ---- */

static struct slice read_file(struct spec *spec, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        gen_fail(path, 0, "cannot be opened");
    size_t room = (size_t)4 << 20;
    char *bytes = gen_alloc(spec, room, 1);
    size_t length = fread(bytes, 1, room, file);
    if (ferror(file) || length == room)
        gen_fail(path, 0, "cannot be read, or is larger than expected");
    fclose(file);
    return slice_of(bytes, length);
}

/* Comment and empty lines stay, as empty slices, so that numbers are right. */
struct lines spec_lines(struct spec *spec, const char *folder, const char *name)
{
    struct slice path = arena_printf(&spec->arena, "%s/%s", folder, name);
    if (!path.bytes)
        gen_fail(name, 0, "out of memory");
    struct slice rest = read_file(spec, path.bytes);
    struct lines lines = { .file = path.bytes };
    for (size_t i = 0; i < rest.length; i++)
        lines.count += rest.bytes[i] == '\n';
    lines.list = gen_alloc(spec, lines.count + 1, sizeof *lines.list);
    for (size_t i = 0; i < lines.count; i++) {
        struct slice line = slice_cut(&rest, '\n');
        lines.list[i] = slice_starts_with(line, SLICE("#")) ? SLICE_NONE : line;
    }
    return lines;
}

static bool is_detail(struct slice line)
{
    return slice_starts_with(line, SLICE("  "));
}

static uint16_t find_name(struct slice word, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(word, names[i]))
            return (uint16_t)i;
    return NO_ID;
}

/* ---- value sets ---- */

/* A code that several systems have counts for the first. */
static void add_code(struct value_set *set, struct slice code, struct slice system)
{
    for (size_t i = 0; i < set->code_count; i++)
        if (slice_equal(set->codes[i].code, code))
            return;
    set->codes[set->code_count++] = (struct code){ code, system };
}

static void read_value_sets(struct spec *spec, const char *folder)
{
    enum { CODES_MAX = 1000 };
    struct lines lines = spec_lines(spec, folder, "valuesets.txt");
    spec->value_sets = gen_alloc(spec, lines.count, sizeof *spec->value_sets);
    struct value_set *set = NULL;
    for (size_t i = 0; i < lines.count; i++) {
        struct slice rest = lines.list[i];
        if (rest.length == 0)
            continue;
        if (!is_detail(rest) || !set) {
            set = &spec->value_sets[spec->value_set_count++];
            set->codes = gen_alloc(spec, CODES_MAX, sizeof *set->codes);
            if (!slice_is(gen_word(&rest), "valueset"))
                gen_fail(lines.file, i + 1, "\"valueset\" expected");
            set->url = gen_word(&rest);
            continue;
        }
        struct slice system = gen_word(&rest);
        for (struct slice w = gen_word(&rest); w.length > 0; w = gen_word(&rest)) {
            if (slice_is(w, "*"))
                set->open_system = system;
            else if (set->code_count == CODES_MAX)
                gen_fail(lines.file, i + 1, "too many codes");
            else
                add_code(set, w, system);
        }
    }
}

/* ---- types ---- */

struct type *spec_type(const struct spec *spec, struct slice name)
{
    for (uint16_t i = 0; i < spec->type_count; i++)
        if (slice_equal(spec->types[i].name, name))
            return &spec->types[i];
    return NULL;
}

bool spec_derives(const struct spec *spec, uint16_t id, uint16_t ancestor)
{
    while (id != NO_ID && id != ancestor)
        id = spec->types[id].base;
    return id != NO_ID;
}

/* "Reference(Patient|Group)": the targets go to the pool. */
static void read_targets(struct spec *spec, size_t line, struct slice list, struct row *row)
{
    row->target_first = (uint16_t)spec->target_count;
    while (list.bytes) {
        struct slice name = slice_cut(&list, '|');
        const struct type *type = spec_type(spec, name);
        if (!type || spec->target_count >= TARGETS_MAX)
            gen_fail(spec->type_lines.file, line, "target %.*s", SLICE_ARGS(name));
        spec->targets[spec->target_count++] = type->id;
        row->target_count++;
    }
}

static struct slice choice_name(struct spec *spec, struct slice stem, struct slice type)
{
    char *name = gen_alloc(spec, stem.length + type.length, 1);
    memcpy(name, stem.bytes, stem.length);
    memcpy(name + stem.length, type.bytes, type.length);
    if (name[stem.length] >= 'a' && name[stem.length] <= 'z')
        name[stem.length] = (char)(name[stem.length] - 'a' + 'A');
    return slice_of(name, stem.length + type.length);
}

static void add_row(struct spec *spec, struct type *type, struct row row)
{
    for (uint16_t i = 0; i < type->row_count; i++)
        if (slice_equal(type->rows[i].name, row.name)) {
            type->rows[i] = row; /* a specialisation narrows what it inherits */
            return;
        }
    if (type->row_count == type->row_room) {
        struct row *rows = gen_alloc(spec, (size_t)type->row_room * 2 + 16, sizeof *rows);
        if (type->row_count > 0)
            memcpy(rows, type->rows, type->row_count * sizeof *rows);
        type->rows = rows;
        type->row_room = (uint16_t)(type->row_room * 2 + 16);
    }
    type->rows[type->row_count++] = row;
}

static void read_cardinality(const struct spec *spec, size_t line, struct slice word,
                             struct row *row)
{
    ptrdiff_t dots = slice_find(word, SLICE(".."));
    uint64_t min = 0, max = MANY;
    struct slice upper = slice_from(word, (size_t)(dots + 2));
    bool ok = dots > 0 && slice_parse_u64(slice_head(word, (size_t)dots), &min) &&
              (slice_is(upper, "*") || slice_parse_u64(upper, &max)) && max <= MANY;
    if (!ok)
        gen_fail(spec->type_lines.file, line, "cardinality %.*s", SLICE_ARGS(word));
    row->min = (uint16_t)min;
    row->max = (uint16_t)max;
    row->is_array = max > 1;
}

static uint16_t value_set_number(const struct spec *spec, size_t line, struct slice url)
{
    for (uint16_t i = 0; i < spec->value_set_count; i++)
        if (slice_equal(spec->value_sets[i].url, url))
            return i;
    gen_fail(spec->type_lines.file, line, "value set %.*s is not listed", SLICE_ARGS(url));
}

static void read_flags(const struct spec *spec, size_t line, struct slice rest, struct row *row)
{
    static const char *const strengths[] = { "-", "example", "preferred", "extensible",
                                             "required" };
    for (struct slice word = gen_word(&rest); word.length > 0; word = gen_word(&rest)) {
        ptrdiff_t equals = slice_find_byte(word, '=');
        if (slice_is(word, "modifier"))
            row->is_modifier = true;
        else if (slice_is(word, "summary"))
            row->is_summary = true;
        else if (slice_is(word, "repeats"))
            row->is_array = true;
        else if (slice_starts_with(word, SLICE("max=")))
            row->most = value_set_number(spec, line, slice_from(word, 4));
        else if (equals > 0)
            row->binding = (uint8_t)find_name(slice_head(word, (size_t)equals), strengths, 5);
        else
            gen_fail(spec->type_lines.file, line, "word %.*s", SLICE_ARGS(word));
        if (equals > 0 && row->most == NO_ID)
            row->value_set = slice_from(word, (size_t)equals + 1);
        if (row->binding == FHIR_BINDING_REQUIRED)
            row->codes = value_set_number(spec, line, row->value_set);
    }
}

static void read_element(struct spec *spec, struct type *type, size_t line)
{
    struct slice rest = spec->type_lines.list[line - 1];
    struct slice name = gen_word(&rest);
    struct row row = { .type = NO_ID, .codes = NO_ID, .most = NO_ID };
    read_cardinality(spec, line, gen_word(&rest), &row);
    struct slice types = gen_word(&rest);
    read_flags(spec, line, rest, &row);

    bool is_choice = slice_ends_with(name, SLICE("[x]"));
    if (is_choice)
        row.choice = slice_head(name, name.length - 3);
    while (types.bytes) {
        struct slice targets = slice_cut(&types, ',');
        struct slice code = slice_cut(&targets, '(');
        const struct type *target = spec_type(spec, code);
        if (!target || (!is_choice && types.bytes))
            gen_fail(spec->type_lines.file, line, "type %.*s", SLICE_ARGS(code));
        struct row one = row;
        one.name = is_choice ? choice_name(spec, row.choice, code) : name;
        one.type = target->id;
        if (targets.bytes)
            read_targets(spec, line, slice_head(targets, targets.length - 1), &one);
        add_row(spec, type, one);
    }
}

/* Inherited rows first, as the snapshots have them. */
static void complete_type(struct spec *spec, struct type *type)
{
    if (type->is_complete)
        return;
    type->is_complete = true;
    if (type->base != NO_ID) {
        const struct type *base = &spec->types[type->base];
        complete_type(spec, &spec->types[type->base]);
        for (uint16_t i = 0; i < base->row_count; i++)
            add_row(spec, type, base->rows[i]);
    }
    for (size_t i = 0; i < type->line_count; i++)
        read_element(spec, type, type->first_line + i);
}

/* Data types first, then resources, then backbone elements: ids of data types
 * are small and fixed, and a resource's are not mixed with its parts'. */
static void read_type_headers(struct spec *spec, const char *kind, uint8_t kind_id)
{
    const struct lines *lines = &spec->type_lines;
    for (size_t i = 0; i < lines->count; i++) {
        struct slice rest = lines->list[i];
        if (is_detail(rest) || !slice_is(gen_word(&rest), kind))
            continue;
        struct type *type = &spec->types[spec->type_count];
        *type = (struct type){ .id = spec->type_count, .base = NO_ID, .resource = NO_ID };
        type->kind = kind_id;
        type->name = gen_word(&rest);
        type->base_name = gen_word(&rest);
        type->is_abstract = slice_is(gen_word(&rest), "abstract");
        type->first_line = i + 2;
        while (i + 1 + type->line_count < lines->count &&
               is_detail(lines->list[i + 1 + type->line_count]))
            type->line_count++;
        if (kind_id == FHIR_RESOURCE && !type->is_abstract)
            type->resource = spec->resource_count++;
        spec->type_count++;
    }
}

static void read_types(struct spec *spec, const char *folder)
{
    spec->type_lines = spec_lines(spec, folder, "types.txt");
    spec->types = gen_alloc(spec, spec->type_lines.count, sizeof *spec->types);
    spec->targets = gen_alloc(spec, TARGETS_MAX, sizeof *spec->targets);
    read_type_headers(spec, "primitive", FHIR_PRIMITIVE);
    read_type_headers(spec, "complex", FHIR_COMPLEX);
    read_type_headers(spec, "resource", FHIR_RESOURCE);
    read_type_headers(spec, "backbone", FHIR_BACKBONE);
    for (uint16_t i = 0; i < spec->type_count; i++) {
        struct type *type = &spec->types[i];
        const struct type *base = spec_type(spec, type->base_name);
        if (!base && !slice_is(type->base_name, "-"))
            gen_fail(spec->type_lines.file, type->first_line - 1, "unknown base");
        type->base = base ? base->id : NO_ID;
    }
    for (uint16_t i = 0; i < spec->type_count; i++)
        complete_type(spec, &spec->types[i]);
}

/* ---- search parameters ---- */

static uint16_t param_number(const struct spec *spec, struct slice name)
{
    for (uint16_t i = 0; i < spec->param_count; i++)
        if (slice_equal(spec->params[i].name, name))
            return i;
    return NO_ID;
}

static void read_param_targets(struct spec *spec, const char *file, size_t line,
                               struct param *param)
{
    param->target_first = (uint16_t)spec->target_count;
    struct slice rest = param->targets;
    for (struct slice word = gen_word(&rest); word.length > 0; word = gen_word(&rest)) {
        const struct type *type = spec_type(spec, word);
        if (!type || spec->target_count >= TARGETS_MAX)
            gen_fail(file, line, "target %.*s", SLICE_ARGS(word));
        spec->targets[spec->target_count++] = type->id;
        param->target_count++;
    }
}

static void read_param_detail(struct spec *spec, const char *file, size_t line, struct slice rest,
                              struct param *param)
{
    struct slice what = gen_word(&rest);
    struct slice value = slice_trim(rest);
    if (slice_is(what, "base")) {
        param->bases = value;
    } else if (slice_is(what, "target")) {
        param->targets = value;
        read_param_targets(spec, file, line, param);
    } else if (slice_is(what, "expression")) {
        param->expression = value;
    } else if (slice_is(what, "component") && param->component_count < 4) {
        if (!param->components)
            param->components = gen_alloc(spec, 4, sizeof *param->components);
        struct component *component = &param->components[param->component_count++];
        component->param_name = gen_word(&value);
        component->expression = slice_trim(value);
    } else {
        gen_fail(file, line, "word %.*s", SLICE_ARGS(what));
    }
}

static void read_params(struct spec *spec, const char *folder)
{
    static const char *const types[] = { "number",    "date",     "string", "token",  "reference",
                                         "composite", "quantity", "uri",    "special" };
    struct lines lines = spec_lines(spec, folder, "params.txt");
    spec->params = gen_alloc(spec, lines.count, sizeof *spec->params);
    struct param *param = NULL;
    for (size_t i = 0; i < lines.count; i++) {
        struct slice rest = lines.list[i];
        if (rest.length == 0)
            continue;
        if (is_detail(rest) && param) {
            read_param_detail(spec, lines.file, i + 1, rest, param);
            continue;
        }
        param = &spec->params[spec->param_count++];
        if (!slice_is(gen_word(&rest), "param"))
            gen_fail(lines.file, i + 1, "\"param\" expected");
        param->name = gen_word(&rest);
        param->type = (uint8_t)find_name(gen_word(&rest), types, 9);
        param->code = gen_word(&rest);
    }
}

/* FNV-1a: stable over machines and builds, which is all that is asked of it. */
static uint64_t hash_more(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ (uint8_t)text.bytes[i]) * UINT64_C(0x100000001b3);
    return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

static void compile_params(struct spec *spec)
{
    for (uint16_t i = 0; i < spec->param_count; i++) {
        struct param *param = &spec->params[i];
        struct path_place place = { "params.txt", param->name };
        if (param->expression.length > 0)
            param->path = path_compile(spec, place, param->expression, NULL, param->bases);
        uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ PATH_COMPILER_VERSION;
        hash = hash_more(hash, param->expression);
        hash = (hash ^ param->type) * UINT64_C(0x100000001b3);
        for (uint16_t c = 0; c < param->component_count; c++) {
            struct component *component = &param->components[c];
            component->param = param_number(spec, component->param_name);
            if (component->param == NO_ID)
                gen_fail("params.txt", 0, "component of %.*s", SLICE_ARGS(param->name));
            component->path =
                path_compile(spec, place, component->expression, param->path, param->bases);
            hash = hash_more(hash, component->param_name);
            hash = hash_more(hash, component->expression);
        }
        param->rule_hash = hash;
    }
}

/* ---- compartments and dates ---- */

static size_t read_members(const struct lines *lines, size_t first, struct member *members)
{
    size_t count = 0;
    for (size_t i = first; i < lines->count && is_detail(lines->list[i]); i++) {
        struct slice rest = lines->list[i];
        members[count].type = gen_word(&rest);
        members[count++].words = slice_trim(rest);
    }
    return count;
}

static void read_compartments(struct spec *spec, const char *folder)
{
    struct lines lines = spec_lines(spec, folder, "compartments.txt");
    for (size_t i = 0; i < lines.count; i++) {
        struct slice rest = lines.list[i];
        if (rest.length == 0 || is_detail(rest))
            continue;
        if (!slice_is(gen_word(&rest), "compartment") || spec->compartment_count == 8)
            gen_fail(lines.file, i + 1, "\"compartment\" expected");
        struct compartment *one = &spec->compartments[spec->compartment_count++];
        one->owner = gen_word(&rest);
        one->members = gen_alloc(spec, lines.count, sizeof *one->members);
        one->member_count = read_members(&lines, i + 1, one->members);
    }
}

static void read_dates(struct spec *spec, const char *folder)
{
    struct lines lines = spec_lines(spec, folder, "everything-dates.txt");
    spec->dates = gen_alloc(spec, lines.count, sizeof *spec->dates);
    spec->date_paths = gen_alloc(spec, lines.count, sizeof *spec->date_paths);
    for (size_t i = 0; i < lines.count; i++) {
        struct slice rest = lines.list[i];
        if (rest.length == 0)
            continue;
        struct member *date = &spec->dates[spec->date_count];
        date->type = gen_word(&rest);
        date->words = slice_trim(rest);
        struct path_place place = { lines.file, date->type };
        spec->date_paths[spec->date_count++] =
            path_compile(spec, place, date->words, NULL, date->type);
    }
}

void spec_read(struct spec *spec, const char *folder)
{
    *spec = (struct spec){ .type_count = 0 };
    arena_init(&spec->arena, (size_t)512 << 20);
    read_value_sets(spec, folder);
    read_types(spec, folder);
    read_params(spec, folder);
    compile_params(spec);
    read_compartments(spec, folder);
    read_dates(spec, folder);
}
