/* tools/gen/path.c - compile the FHIRPath of search parameters.
 *
 * The grammar is what R4's parameters use:
 *   path   := test { 'and' test }
 *   test   := union [ ('=' | '!=') literal ]      (or a union ending in exists())
 *   union  := cast { '|' cast }
 *   cast   := chain [ 'as' Type ]
 *   chain  := head { '.' step | '[' number ']' }
 *   head   := '(' union ')' | Type | name | '$this' | '%resource'
 *   step   := name | 'as(' Type ')' | 'ofType(' Type ')' | 'exists()'
 *           | 'extension(' string ')'
 *           | 'where(' ( 'resolve() is ' Type | name '=' string ) ')'
 *
 * Everything is typed while it is read: the state is a set of branches, each a
 * list of steps from a root type, so that at run time no name is looked up. A
 * choice ("value") stays open, all its rows in one step, until a cast or a
 * further step closes it.
 */
#include "gen.h"

#include <string.h>

#include "fhir/tables.h"

struct set {
    struct branch *list;
    uint16_t count;
    bool is_exists;
};

struct compiler {
    struct spec *spec;
    struct path_place place;
    struct slice text, rest;
    const uint16_t *context; /* types of the composite's result; NULL: no composite */
    size_t context_count;
    struct slice bases;
};

_Noreturn static void fail(const struct compiler *c, const char *why)
{
    gen_fail(c->place.file, 0, "%.*s: %s in \"%.*s\" at \"%.*s\"", SLICE_ARGS(c->place.what), why,
             SLICE_ARGS(c->text), SLICE_ARGS(c->rest));
}

/* ---- sets of branches ---- */

static struct set set_new(struct compiler *c)
{
    struct set set = { .list = gen_alloc(c->spec, 4, sizeof *set.list) };
    return set;
}

static struct branch *set_add(struct compiler *c, struct set *set, const struct branch *branch)
{
    if (set->count == BRANCHES_MAX)
        fail(c, "too many branches");
    if (set->count >= 4 && (set->count & (set->count - 1)) == 0) {
        struct branch *list = gen_alloc(c->spec, (size_t)set->count * 2, sizeof *list);
        memcpy(list, set->list, set->count * sizeof *list);
        set->list = list;
    }
    set->list[set->count] = *branch;
    return &set->list[set->count++];
}

static void set_root(struct compiler *c, struct set *set, uint16_t type)
{
    set_add(c, set, &(struct branch){ .root = type, .type = type });
}

static struct step *last_step(struct branch *branch)
{
    return branch->step_count ? &branch->steps[branch->step_count - 1] : NULL;
}

/* Every open choice becomes one branch per row. */
static struct set settle(struct compiler *c, const struct set *from)
{
    struct set to = set_new(c);
    for (uint16_t i = 0; i < from->count; i++) {
        struct branch branch = from->list[i];
        if (branch.type != NO_ID) {
            set_add(c, &to, &branch);
            continue;
        }
        struct step open = *last_step(&branch);
        for (uint16_t r = 0; r < open.row_count; r++) {
            struct step *step = last_step(&branch);
            step->first_row = (uint16_t)(open.first_row + r);
            step->row_count = 1;
            branch.type = c->spec->types[open.owner].rows[step->first_row].type;
            set_add(c, &to, &branch);
        }
    }
    return to;
}

static struct step *add_step(struct compiler *c, struct branch *branch, struct step step)
{
    if (branch->step_count == PATH_STEPS_MAX)
        fail(c, "too many steps");
    branch->steps[branch->step_count++] = step;
    return last_step(branch);
}

static struct set child(struct compiler *c, const struct set *from, struct slice name)
{
    struct set settled = settle(c, from), to = set_new(c);
    for (uint16_t i = 0; i < settled.count; i++) {
        struct branch branch = settled.list[i];
        const struct type *type = &c->spec->types[branch.type];
        struct step step = { .op = PATH_CHILD, .index = PATH_EVERY, .owner = branch.type };
        for (uint16_t r = 0; r < type->row_count; r++) {
            const struct row *row = &type->rows[r];
            if (!slice_equal(row->name, name) && !slice_equal(row->choice, name))
                continue;
            if (step.row_count == 0)
                step.first_row = r;
            step.row_count++;
            step.name = row->choice;
        }
        if (step.row_count == 0)
            continue;
        branch.type = step.row_count == 1 ? type->rows[step.first_row].type : NO_ID;
        add_step(c, &branch, step);
        set_add(c, &to, &branch);
    }
    if (to.count == 0)
        fail(c, "no such element");
    return to;
}

/* `Observation-code-value-date` says DateTime for dateTime: case is forgiven. */
static uint16_t type_named(struct compiler *c, struct slice name)
{
    const struct type *type = spec_type(c->spec, name);
    for (uint16_t i = 0; !type && i < c->spec->type_count; i++)
        if (slice_equal_nocase(c->spec->types[i].name, name))
            type = &c->spec->types[i];
    if (!type)
        fail(c, "unknown type");
    return type->id;
}

static struct set cast(struct compiler *c, const struct set *from, struct slice name)
{
    uint16_t type = type_named(c, name);
    struct set settled = settle(c, from), to = set_new(c);
    for (uint16_t i = 0; i < settled.count; i++)
        if (spec_derives(c->spec, settled.list[i].type, type))
            set_add(c, &to, &settled.list[i]);
    if (to.count == 0)
        fail(c, "nothing is of this type");
    return to;
}

/* ---- reading the text ---- */

static bool is_name_char(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_';
}

/* The text is ASCII from our own spec/: blanks separate. */
static bool take(struct compiler *c, const char *token)
{
    struct slice rest = slice_trim(c->rest), want = slice_cstr(token);
    bool is_word = is_name_char(token[strlen(token) - 1]);
    if (!slice_starts_with(rest, want) ||
        (is_word && rest.length > want.length && is_name_char(rest.bytes[want.length])))
        return false;
    c->rest = slice_from(rest, want.length);
    return true;
}

static void need(struct compiler *c, const char *token)
{
    if (!take(c, token))
        fail(c, token);
}

static struct slice take_name(struct compiler *c)
{
    c->rest = slice_trim(c->rest);
    size_t length = 0;
    while (length < c->rest.length && is_name_char(c->rest.bytes[length]))
        length++;
    if (length == 0)
        fail(c, "name expected");
    struct slice name = slice_head(c->rest, length);
    c->rest = slice_from(c->rest, length);
    return name;
}

static struct slice take_string(struct compiler *c)
{
    need(c, "'");
    ptrdiff_t end = slice_find_byte(c->rest, '\'');
    if (end < 0)
        fail(c, "unfinished string");
    struct slice text = slice_head(c->rest, (size_t)end);
    c->rest = slice_from(c->rest, (size_t)end + 1);
    return text;
}

/* ---- the grammar ---- */

static struct set parse_union(struct compiler *c);

static struct set parse_where(struct compiler *c, const struct set *from)
{
    struct step step = { .op = PATH_WHERE_EQUAL };
    if (take(c, "resolve()")) {
        need(c, "is");
        step.op = PATH_WHERE_IS;
        step.type = type_named(c, take_name(c));
    } else {
        step.name = take_name(c);
        need(c, "=");
        step.literal = take_string(c);
    }
    need(c, ")");
    struct set to = settle(c, from);
    for (uint16_t i = 0; i < to.count; i++)
        add_step(c, &to.list[i], step);
    return to;
}

static struct set parse_step(struct compiler *c, const struct set *from)
{
    if (take(c, "where("))
        return parse_where(c, from);
    if (take(c, "exists()")) {
        struct set to = *from;
        to.is_exists = true;
        return to;
    }
    if (take(c, "extension(")) {
        struct step step = { .op = PATH_WHERE_EQUAL, .name = SLICE("url") };
        step.literal = take_string(c);
        need(c, ")");
        struct set to = child(c, from, SLICE("extension"));
        for (uint16_t i = 0; i < to.count; i++)
            add_step(c, &to.list[i], step);
        return to;
    }
    if (take(c, "as(") || take(c, "ofType(")) {
        struct set to = cast(c, from, take_name(c));
        need(c, ")");
        return to;
    }
    return child(c, from, take_name(c));
}

static struct set base_set(struct compiler *c, bool from_resource)
{
    struct set set = set_new(c);
    struct slice rest = c->bases;
    for (struct slice base = gen_word(&rest); base.length > 0; base = gen_word(&rest)) {
        uint16_t type = type_named(c, base);
        if (!from_resource)
            set_root(c, &set, type);
        for (size_t i = 0; from_resource && i < c->context_count; i++)
            set_add(c, &set,
                    &(struct branch){ .root = c->context[i], .type = type, .from_resource = true });
    }
    return set;
}

/* What $this is: the composite's element, or the resource itself. */
static struct set this_set(struct compiler *c)
{
    if (!c->context)
        return base_set(c, false);
    struct set set = set_new(c);
    for (size_t i = 0; i < c->context_count; i++)
        set_root(c, &set, c->context[i]);
    return set;
}

static struct set parse_head(struct compiler *c)
{
    if (take(c, "(")) {
        struct set set = parse_union(c);
        need(c, ")");
        return set;
    }
    if (take(c, "$this"))
        return this_set(c);
    if (take(c, "%resource"))
        return base_set(c, true);
    struct slice name = take_name(c);
    if (spec_type(c->spec, name) && name.bytes[0] >= 'A' && name.bytes[0] <= 'Z') {
        struct set set = set_new(c);
        set_root(c, &set, type_named(c, name));
        return set;
    }
    struct set self = this_set(c);
    return child(c, &self, name);
}

static void parse_index(struct compiler *c, struct set *set)
{
    struct slice digits = take_name(c);
    uint64_t index;
    if (!slice_parse_u64(digits, &index) || index >= PATH_EVERY)
        fail(c, "index expected");
    need(c, "]");
    for (uint16_t i = 0; i < set->count; i++) {
        struct step *step = last_step(&set->list[i]);
        if (!step || step->op != PATH_CHILD)
            fail(c, "an index needs an element before it");
        step->index = (uint16_t)index;
    }
}

static struct set parse_cast(struct compiler *c)
{
    struct set set = parse_head(c);
    for (;;) {
        if (take(c, "."))
            set = parse_step(c, &set);
        else if (take(c, "["))
            parse_index(c, &set);
        else
            break;
    }
    return take(c, "as") ? cast(c, &set, take_name(c)) : set;
}

static struct set parse_union(struct compiler *c)
{
    struct set set = parse_cast(c);
    while (take(c, "|")) {
        struct set more = parse_cast(c);
        for (uint16_t i = 0; i < more.count; i++)
            set_add(c, &set, &more.list[i]);
    }
    return set;
}

/* True when a test stands here; else the path is a plain one. */
static bool parse_test(struct compiler *c, const struct set *set, struct condition *condition)
{
    if (set->is_exists) {
        condition->test = PATH_EXISTS;
        return true;
    }
    if (take(c, "!="))
        condition->test = PATH_NOT_EQUAL;
    else if (take(c, "="))
        condition->test = PATH_EQUAL;
    else
        return false;
    condition->literal = take_name(c);
    return true;
}

static void parse_path(struct compiler *c, struct path *path)
{
    struct set all = set_new(c);
    do {
        struct set set = parse_union(c);
        struct condition condition = { .first_branch = all.count, .branch_count = set.count };
        for (uint16_t i = 0; i < set.count; i++)
            set_add(c, &all, &set.list[i]);
        if (!parse_test(c, &set, &condition))
            break;
        if (path->condition_count == 4)
            fail(c, "too many conditions");
        path->conditions[path->condition_count++] = condition;
    } while (take(c, "and"));
    if (slice_trim(c->rest).length > 0)
        fail(c, "trailing text");
    path->branches = all.list;
    path->branch_count = all.count;
}

/* The distinct result types of the composite's own path. */
static void set_context(struct compiler *c, const struct path *context)
{
    struct set set = { .list = context->branches, .count = context->branch_count };
    set = settle(c, &set);
    uint16_t *types = gen_alloc(c->spec, set.count, sizeof *types);
    for (uint16_t i = 0; i < set.count; i++) {
        size_t at = 0;
        while (at < c->context_count && types[at] != set.list[i].type)
            at++;
        types[at] = set.list[i].type;
        c->context_count = MAX(c->context_count, at + 1);
    }
    c->context = types;
}

/* A base that no branch begins from would make a parameter silently empty. */
static void check_bases(struct compiler *c, const struct path *path)
{
    struct slice rest = c->bases;
    for (struct slice base = gen_word(&rest); base.length > 0; base = gen_word(&rest)) {
        uint16_t type = type_named(c, base), i = 0;
        while (i < path->branch_count && !spec_derives(c->spec, type, path->branches[i].root))
            i++;
        if (i == path->branch_count)
            fail(c, "a base without a branch");
    }
}

struct path *path_compile(struct spec *spec, struct path_place place, struct slice expression,
                          const struct path *context, struct slice bases)
{
    struct compiler c = {
        .spec = spec, .place = place, .text = expression, .rest = expression, .bases = bases
    };
    struct path *path = gen_alloc(spec, 1, sizeof *path);
    if (context)
        set_context(&c, context);
    parse_path(&c, path);
    if (!context)
        check_bases(&c, path);
    return path;
}
