/* _filter (R4, "Filter Parameter"): given eq "peter" and (birthdate ge 2014 or not
 * (active eq false)). A comparison becomes a condition of the parameter it names, by
 * its operator instead of a modifier. "and" and "or" are taken from left to right,
 * without precedence, as the specification has it. In a path `a[filter].b` a is a
 * reference: one and the same resource meets the filter and has b. */
#include "search/compile.h"

#include "base/buf.h"

enum {
    FILTER_DEPTH_MAX = LIMIT_CHAIN_DEPTH,
    FILTER_TURNS_MAX = LIMIT_CHAIN_DEPTH,
    BRACKET_BYTES_MAX = 16 << 20,
};

enum filter_kind {
    FILTER_PLAIN,    /* the modifier that its type has for it */
    FILTER_PREFIXED, /* the operator is the prefix of an ordered value */
    FILTER_UNEQUAL,
    FILTER_NONE_OF,  /* not what its modifier says, values missing included */
    FILTER_PRESENT,
};

struct filter_op {
    struct slice name;
    enum filter_kind kind;
    enum modifier string, token, reference, uri, date; /* MODIFIER_TYPE: not for that type */
};

#define NOT_FOR MODIFIER_TYPE
static const struct filter_op ops[] = {
    { SLICE_INIT("eq"), FILTER_PLAIN, MODIFIER_EQUAL, MODIFIER_NONE, MODIFIER_NONE, MODIFIER_NONE,
      MODIFIER_NONE },
    { SLICE_INIT("ne"), FILTER_UNEQUAL, MODIFIER_EQUAL, MODIFIER_NONE, MODIFIER_NONE,
      MODIFIER_NONE, MODIFIER_NONE },
    { SLICE_INIT("co"), FILTER_PLAIN, MODIFIER_CONTAINS, NOT_FOR, NOT_FOR, NOT_FOR,
      MODIFIER_COVERS },
    { SLICE_INIT("ew"), FILTER_PLAIN, MODIFIER_ENDS, NOT_FOR, NOT_FOR, NOT_FOR, NOT_FOR },
    { SLICE_INIT("ni"), FILTER_NONE_OF, NOT_FOR, MODIFIER_IN, NOT_FOR, NOT_FOR, NOT_FOR },
    { SLICE_INIT("sw"), FILTER_PLAIN, MODIFIER_NONE, NOT_FOR, NOT_FOR, MODIFIER_BELOW, NOT_FOR },
    { SLICE_INIT("po"), FILTER_PLAIN, NOT_FOR, NOT_FOR, NOT_FOR, NOT_FOR, MODIFIER_OVERLAPS },
    { SLICE_INIT("ss"), FILTER_PLAIN, NOT_FOR, MODIFIER_BELOW, NOT_FOR, NOT_FOR, NOT_FOR },
    { SLICE_INIT("sb"), FILTER_PLAIN, NOT_FOR, MODIFIER_ABOVE, NOT_FOR, NOT_FOR, NOT_FOR },
    { SLICE_INIT("in"), FILTER_PLAIN, NOT_FOR, MODIFIER_IN, NOT_FOR, NOT_FOR, NOT_FOR },
    { SLICE_INIT("re"), FILTER_PLAIN, NOT_FOR, NOT_FOR, MODIFIER_NONE, MODIFIER_NONE, NOT_FOR },
    { SLICE_INIT("pr"), FILTER_PRESENT, NOT_FOR, NOT_FOR, NOT_FOR, NOT_FOR, NOT_FOR },
#define PREFIXED(name) { SLICE_INIT(name), FILTER_PREFIXED, NOT_FOR, NOT_FOR, NOT_FOR, NOT_FOR, \
                         MODIFIER_NONE }
    PREFIXED("gt"), PREFIXED("lt"), PREFIXED("ge"), PREFIXED("le"),
    PREFIXED("ap"), PREFIXED("sa"), PREFIXED("eb"),
#undef PREFIXED
};

struct filter {
    struct compiler *c;
    const struct fhir_type *type;
    struct slice rest;
    int depth;
};

static enum err refuse(struct compiler *c, struct slice rest, const char *what)
{
    return issues_fail(c->issues, ERR_INVALID, "value", "_filter %s at '%.*s'.", what,
                       SLICE_ARGS(slice_head(rest, SEARCH_SHOWN_BYTES)));
}

/* ---- one comparison, within condition_plain() ---- */

static enum modifier modifier_of(const struct compiler *c)
{
    const struct filter_op *op = c->op;
    switch ((enum fhir_param_type)c->param->type) {
    case FHIR_PARAM_STRING:
        return op->string;
    case FHIR_PARAM_TOKEN:
        return op->token;
    case FHIR_PARAM_REFERENCE:
        return op->reference;
    case FHIR_PARAM_URI:
        return op->uri;
    case FHIR_PARAM_DATE:
        return op->date;
    case FHIR_PARAM_NUMBER:
    case FHIR_PARAM_QUANTITY:
        return op->date == MODIFIER_NONE ? MODIFIER_NONE : NOT_FOR;
    case FHIR_PARAM_COMPOSITE:
    case FHIR_PARAM_SPECIAL:
        break;
    }
    return slice_is(op->name, "eq") ? MODIFIER_NONE : NOT_FOR;
}

static bool is_ordered(const struct fhir_param *param)
{
    return param->type == FHIR_PARAM_DATE || param->type == FHIR_PARAM_NUMBER ||
           param->type == FHIR_PARAM_QUANTITY;
}

/* What is there and not equal. */
static enum err unequal(struct compiler *c, struct plan *equal, struct plan **ret_plan)
{
    struct plan_list both = { 0 };
    struct plan *other, *present;
    TRY(plan_not(c, equal, &other));
    TRY(compile_missing(c, SLICE("false"), &present));
    TRY(plan_list_add(c, &both, present));
    TRY(plan_list_add(c, &both, other));
    return plan_join(c, PLAN_AND, &both, ret_plan);
}

/* Of strings. */
static bool has_order(struct slice op)
{
    return slice_is(op, "gt") || slice_is(op, "ge") || slice_is(op, "lt") || slice_is(op, "le");
}

/* "loinc|1234-5": four systems have short names here. */
static struct slice system_spell(struct compiler *c, struct slice value)
{
    static const struct {
        struct slice name, system;
    } SHORT[] = {
        { SLICE_INIT("loinc|"), SLICE_INIT("http://loinc.org|") },
        { SLICE_INIT("snomed|"), SLICE_INIT("http://snomed.info/sct|") },
        { SLICE_INIT("rxnorm|"), SLICE_INIT("http://www.nlm.nih.gov/research/umls/rxnorm|") },
        { SLICE_INIT("ucum|"), SLICE_INIT("http://unitsofmeasure.org|") },
    };
    for (size_t i = 0; i < ARRAY_COUNT(SHORT); i++)
        if (slice_starts_with(value, SHORT[i].name))
            return arena_printf(c->arena, "%.*s%.*s", SLICE_ARGS(SHORT[i].system),
                                SLICE_ARGS(slice_from(value, SHORT[i].name.length)));
    return value;
}

enum err filter_compile(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    const struct filter_op *op = c->op;
    if (op->kind == FILTER_PRESENT) {
        bool is_present = slice_is(value, "true");
        if (!is_present && !slice_is(value, "false"))
            return value_refuse(c, value, "is neither true nor false");
        return compile_missing(c, is_present ? SLICE("false") : SLICE("true"), ret_plan);
    }
    c->modifier = modifier_of(c);
    if (c->param->type == FHIR_PARAM_STRING && has_order(op->name))
        return compile_string_order(c, op->name, value, ret_plan);
    if (c->modifier == NOT_FOR)
        return issues_fail(c->issues, ERR_INVALID, "not-supported",
                           "_filter: '%.*s' does not compare the parameter '%.*s'.",
                           SLICE_ARGS(op->name), SLICE_ARGS(c->param->code));
    bool has_prefix = is_ordered(c->param) && c->modifier == MODIFIER_NONE;
    struct slice text =
        has_prefix ? arena_printf(c->arena, "%.*s%.*s", SLICE_ARGS(op->name), SLICE_ARGS(value))
                   : value;
    compile_value *compile = compiler_of(c);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    if (!compile)
        return issues_fail(c->issues, ERR_UNSUPPORTED, "not-supported",
                           "_filter: the parameter '%.*s' is not supported.",
                           SLICE_ARGS(c->param->code));
    if (c->param->type == FHIR_PARAM_TOKEN)
        text = system_spell(c, text);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    TRY(compile(c, text, ret_plan));
    if (op->kind == FILTER_NONE_OF)
        return plan_not(c, *ret_plan, ret_plan);
    return op->kind == FILTER_UNEQUAL && !has_prefix ? unequal(c, *ret_plan, ret_plan) : ERR_NONE;
}

/* ---- the grammar ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A word of letters, whole. */
static bool word_take(struct filter *f, const char *word)
{
    f->rest = slice_trim(f->rest);
    size_t length = slice_cstr(word).length;
    bool is_it = slice_starts_with(f->rest, slice_cstr(word)) &&
                 (f->rest.length == length || is_space(f->rest.bytes[length]) ||
                  f->rest.bytes[length] == '(' || f->rest.bytes[length] == ')');
    if (is_it)
        f->rest = slice_trim(slice_from(f->rest, length));
    return is_it;
}

static bool byte_take(struct filter *f, char byte)
{
    f->rest = slice_trim(f->rest);
    bool is_it = f->rest.length && f->rest.bytes[0] == byte;
    if (is_it)
        f->rest = slice_trim(slice_from(f->rest, 1));
    return is_it;
}

/* Up to a blank or one of `ends`. */
static struct slice run_take(struct filter *f, const char *ends)
{
    f->rest = slice_trim(f->rest);
    size_t length = 0;
    while (length < f->rest.length && !is_space(f->rest.bytes[length]) &&
           slice_find_byte(slice_cstr(ends), f->rest.bytes[length]) < 0)
        length++;
    struct slice run = slice_head(f->rest, length);
    f->rest = slice_from(f->rest, length);
    return run;
}

/* A JSON string or a run; as a value of a search, in which a backslash is written
 * twice. */
static enum err value_take(struct filter *f, struct slice *ret)
{
    struct compiler *c = f->c;
    f->rest = slice_trim(f->rest);
    struct buf out;
    if (!f->rest.length || f->rest.bytes[0] != '"') {
        *ret = run_take(f, ")]");
        return ret->length ? ERR_NONE : refuse(c, f->rest, "lacks a value");
    }
    size_t end = 1;
    while (end < f->rest.length && f->rest.bytes[end] != '"')
        end += f->rest.bytes[end] == '\\' ? 2 : 1;
    if (end >= f->rest.length)
        return refuse(c, f->rest, "has a string without end");
    struct json_doc doc;
    if (json_parse(slice_head(f->rest, end + 1), NULL, c->arena, &doc, NULL))
        return refuse(c, f->rest, "has a string that JSON does not know");
    struct slice text = json_string(json_root(&doc), c->arena);
    f->rest = slice_from(f->rest, end + 1);
    buf_init(&out, 2 * text.length + 1);
    for (size_t i = 0; i < text.length; i++) {
        if (text.bytes[i] == '\\')
            buf_append_byte(&out, '\\');
        buf_append_byte(&out, text.bytes[i]);
    }
    char *copy = buf_status(&out) ? NULL : arena_copy(c->arena, buf_slice(&out));
    *ret = slice_of(copy, copy ? out.length : 0);
    buf_release(&out);
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err any(struct filter *f, struct plan **ret_plan);
static enum err comparison(struct filter *f, struct plan **ret_plan);

/* ---- a[filter].b ---- */

/* Texts of it; for each type that the reference may name they are compiled again. */
struct filter_bracket {
    struct slice filter, rest; /* in the brackets; behind "]." */
    struct slice behind;       /* what the last compilation left of `rest` */
    int depth;
};

struct slice filter_bracket_text(const struct filter_bracket *b)
{
    return b->filter;
}

struct slice *filter_bracket_behind(struct filter_bracket *b)
{
    return &b->behind;
}

/* What stands in brackets is looked through at each level for its end, and compiled for
 * each type that the reference may have: long texts in many brackets would take minutes. */
static enum err bracket_spend(struct compiler *c, struct slice text)
{
    c->bracket_bytes += text.length;
    if (c->bracket_bytes <= BRACKET_BYTES_MAX)
        return ERR_NONE;
    return refuse(c, text, "has too much text in brackets");
}

enum err filter_bracket_compile(struct compiler *c, struct plan **ret_plan)
{
    struct filter_bracket *b = c->bracket;
    struct filter inner = { .c = c, .type = c->type, .rest = b->filter, .depth = b->depth };
    struct filter behind = { .c = c, .type = c->type, .rest = b->rest, .depth = b->depth };
    struct plan_list both = { 0 };
    struct plan *plan;
    TRY(bracket_spend(c, b->filter));
    c->bracket = NULL;
    enum err err = any(&inner, &plan);
    inner.rest = slice_trim(inner.rest);
    if (!err && inner.rest.length)
        err = refuse(c, inner.rest, "has in brackets more than a filter");
    if (!err)
        err = plan_list_add(c, &both, plan);
    if (!err)
        err = comparison(&behind, &plan);
    c->bracket = b;
    TRY(err);
    b->behind = behind.rest;
    TRY(plan_list_add(c, &both, plan));
    return plan_join(c, PLAN_AND, &both, ret_plan);
}

/* Up to the ']' that closes; false when there is none. */
static bool bracket_cut(struct slice *rest, struct slice *ret_inner)
{
    int depth = 0;
    bool is_quoted = false;
    for (size_t i = 0; i < rest->length; i++) {
        char byte = rest->bytes[i];
        if (byte == '\\' && is_quoted)
            i++;
        else if (byte == '"')
            is_quoted = !is_quoted;
        else if (byte == '[' && !is_quoted)
            depth++;
        else if (byte == ']' && !is_quoted && --depth == 0) {
            *ret_inner = slice_of(rest->bytes + 1, i - 1);
            *rest = slice_from(*rest, i + 1);
            return true;
        }
    }
    return false;
}

/* f->rest begins with '['. */
static enum err bracketed(struct filter *f, struct slice path, struct plan **ret_plan)
{
    struct compiler *c = f->c;
    struct filter_bracket b = { .rest = f->rest, .depth = f->depth + 1 };
    struct filter_bracket *outer = c->bracket;
    if (b.depth > FILTER_DEPTH_MAX)
        return refuse(c, f->rest, "nests too deep");
    TRY(bracket_spend(c, b.rest));
    if (!bracket_cut(&b.rest, &b.filter))
        return refuse(c, f->rest, "lacks ']'");
    if (!b.rest.length || b.rest.bytes[0] != '.')
        return refuse(c, b.rest, "needs '.' and a parameter behind ']'");
    b.rest = slice_from(b.rest, 1);
    struct slice name = arena_printf(c->arena, "%.*s.[", SLICE_ARGS(path));
    if (!name.bytes)
        return ERR_NO_MEMORY;
    c->bracket = &b;
    enum err err = condition_compile(c, f->type, name, SLICE(""), ret_plan);
    c->bracket = outer;
    f->rest = b.behind;
    return err;
}

static enum err comparison(struct filter *f, struct plan **ret_plan)
{
    struct compiler *c = f->c;
    struct slice path = run_take(f, "()[]");
    struct slice value;
    const struct filter_op *op = NULL;
    if (!path.length)
        return refuse(c, f->rest, "lacks a parameter");
    if (f->rest.length && f->rest.bytes[0] == '[')
        return bracketed(f, path, ret_plan);
    struct slice before = f->rest;
    struct slice name = run_take(f, "()[]");
    for (size_t i = 0; i < ARRAY_COUNT(ops); i++)
        if (slice_equal(ops[i].name, name))
            op = &ops[i];
    if (!op)
        return refuse(c, before, "expects one of eq ne co sw ew gt lt ge le ap sa eb pr po ss sb "
                                 "in ni re");
    TRY(value_take(f, &value));
    c->op = op;
    enum err err = condition_compile(c, f->type, path, value, ret_plan);
    c->op = NULL;
    return err;
}

static enum err term(struct filter *f, struct plan **ret_plan)
{
    if (++f->depth > FILTER_DEPTH_MAX)
        return refuse(f->c, f->rest, "nests too deep");
    struct slice before = f->rest;
    bool is_not = word_take(f, "not");
    if (is_not && (!f->rest.length || f->rest.bytes[0] != '('))
        return refuse(f->c, before, "needs '(' behind 'not'");
    if (byte_take(f, '(')) {
        TRY(any(f, ret_plan));
        if (!byte_take(f, ')'))
            return refuse(f->c, f->rest, "lacks ')'");
    } else {
        TRY(comparison(f, ret_plan));
    }
    f->depth--;
    return is_not ? plan_not(f->c, *ret_plan, ret_plan) : ERR_NONE;
}

/* From left to right: a run of one operator is one node. */
static enum err any(struct filter *f, struct plan **ret_plan)
{
    struct plan_list list = { 0 };
    enum plan_kind kind = PLAN_AND;
    int turns = 0;
    for (;;) {
        struct plan *plan;
        if (++f->c->value_count > SEARCH_VALUES_MAX)
            return refuse(f->c, f->rest, "has too many comparisons");
        TRY(term(f, &plan));
        TRY(plan_list_add(f->c, &list, plan));
        bool is_and = word_take(f, "and");
        if (!is_and && !word_take(f, "or"))
            return plan_join(f->c, kind, &list, ret_plan);
        enum plan_kind next = is_and ? PLAN_AND : PLAN_OR;
        if (list.count > 1 && next != kind) {
            if (++turns > FILTER_TURNS_MAX)
                return refuse(f->c, f->rest, "goes from 'and' to 'or' and back too often");
            TRY(plan_join(f->c, kind, &list, &plan));
            list = (struct plan_list){ 0 };
            TRY(plan_list_add(f->c, &list, plan));
        }
        kind = next;
    }
}

enum err compile_filter(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct filter f = { .c = c, .type = c->type, .rest = value };
    const struct filter_op *outer = c->op;
    struct filter_bracket *bracket = c->bracket;
    c->op = NULL;
    c->bracket = NULL;
    enum err err = any(&f, ret_plan);
    c->op = outer;
    c->bracket = bracket;
    TRY(err);
    f.rest = slice_trim(f.rest);
    return f.rest.length ? refuse(c, f.rest, "ends before the text does,") : ERR_NONE;
}
