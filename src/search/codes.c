/* Codes by what a value set or a hierarchy says of them: :in, :not-in, :above and
 * :below become the list of codes they stand for. */
#include "search/compile.h"

#include "index/index.h"

enum {
    CODES_MAX = 20000, /* of one value set or hierarchy */
    WHOLE_MAX = 64,
};

struct codes {
    struct compiler *c;
    struct plan_list any;
    struct slice whole[WHOLE_MAX]; /* systems that are not here, searched for whole */
    size_t whole_count;
};

/* A system that is not here can still be searched for whole. */
static enum err add(void *context, const struct terminology_code *code,
                    const struct terminology_answer *about)
{
    struct codes *codes = context;
    struct compiler *c = codes->c;
    struct plan *plan;
    (void)about;
    char *system = arena_copy(c->arena, code->system);
    char *text = arena_copy(c->arena, code->code);
    if (!system || !text)
        return ERR_NO_MEMORY;
    struct slice system_text = slice_of(system, code->system.length);
    if (!code->code.length) {
        if (codes->whole_count == WHOLE_MAX)
            return ERR_LIMIT;
        codes->whole[codes->whole_count++] = system_text;
        TRY(plan_leaf(c, PLAN_TERM, index_encode_token_system(c->arena, system_text), &plan));
    } else {
        TRY(token_coded(c, system_text, slice_of(text, code->code.length), &plan));
    }
    return plan_list_add(c, &codes->any, plan);
}

static enum err finish(struct codes *codes, struct plan **ret_plan)
{
    if (!codes->any.count) /* an empty value set has no codes */
        return plan_bare(codes->c, PLAN_NONE, ret_plan);
    return plan_join(codes->c, PLAN_OR, &codes->any, ret_plan);
}

static enum err cannot(struct compiler *c, struct slice canonical, struct slice about)
{
    return issues_fail(c->issues, ERR_INVALID, "not-supported",
                       "The value set '%.*s' of the parameter '%.*s' cannot be expanded "
                       "here%s%.*s.",
                       SLICE_ARGS(slice_head(canonical, SEARCH_SHOWN_BYTES)),
                       SLICE_ARGS(slice_head(c->name, SEARCH_SHOWN_BYTES)),
                       about.length ? ": it needs " : "",
                       SLICE_ARGS(slice_head(about, SEARCH_SHOWN_BYTES)));
}

/* ValueSet/id of this store; bytes NULL when it is no such reference. */
static enum err stored(struct compiler *c, struct slice canonical, struct slice *ret_text)
{
    struct fhir_reference r = fhir_reference_parse(canonical);
    *ret_text = SLICE_NONE;
    bool is_local = index_reference_is_local(r, c->settings->base_url) && c->settings->read &&
                    slice_is(r.type->name, "ValueSet");
    if (!is_local)
        return ERR_NONE;
    return c->settings->read(c->settings->read_context, r.type->name, r.id, c->arena, ret_text);
}

static enum err need_terminology(struct compiler *c)
{
    if (c->settings->terminology)
        return ERR_NONE;
    return issues_fail(c->issues, ERR_UNSUPPORTED, "not-supported",
                       "The parameter '%.*s' needs code systems and value sets, of which there are "
                       "none here.",
                       SLICE_ARGS(slice_head(c->name, SEARCH_SHOWN_BYTES)));
}

enum err compile_in(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct codes codes = { .c = c };
    enum terminology_reason reason = TERMINOLOGY_FOUND;
    struct slice about = SLICE_NONE, text;
    struct slice canonical = value_unescape(value, c->arena);
    if (!canonical.bytes)
        return ERR_NO_MEMORY;
    TRY(need_terminology(c));
    TRY(stored(c, canonical, &text));
    enum err err =
        text.bytes ? terminology_expand_text(c->settings->terminology, text, CODES_MAX, c->arena,
                                             add, &codes, &reason, &about)
                   : terminology_expand(c->settings->terminology, canonical, CODES_MAX, c->arena,
                                        add, &codes, &reason, &about);
    if (err == ERR_NOT_FOUND)
        return issues_fail(c->issues, ERR_INVALID, "not-found",
                           "The value set '%.*s' of the parameter '%.*s' is not known here.",
                           SLICE_ARGS(slice_head(canonical, SEARCH_SHOWN_BYTES)),
                           SLICE_ARGS(slice_head(c->name, SEARCH_SHOWN_BYTES)));
    if (err == ERR_LIMIT)
        return issues_fail(c->issues, ERR_INVALID, "too-costly",
                           "The value set '%.*s' has more than %d codes.",
                           SLICE_ARGS(slice_head(canonical, SEARCH_SHOWN_BYTES)), (int)CODES_MAX);
    TRY(err);
    /* All of a system that is not here cannot be listed, and yet is searched for;
     * anything else that cannot be listed is told first. */
    bool is_partial = reason != TERMINOLOGY_FOUND;
    for (size_t i = 0; i < codes.whole_count; i++)
        is_partial &= reason != TERMINOLOGY_NO_SYSTEM || !slice_equal(about, codes.whole[i]);
    return is_partial ? cannot(c, canonical, about) : finish(&codes, ret_plan);
}

/* text/xml and, with parameters, text/xml; charset=UTF-8. A type alone ("text") is all of its
 * subtypes. */
static enum err media_types(struct compiler *c, struct slice code, struct plan **ret_plan)
{
    bool is_whole = slice_find_byte(code, '/') >= 0;
    struct slice longer = arena_printf(c->arena, "%c%.*s%c", TERM_TOKEN_CODE, SLICE_ARGS(code),
                                       is_whole ? ';' : '/');
    struct plan *more;
    if (!longer.bytes)
        return ERR_NO_MEMORY;
    TRY(plan_leaf(c, PLAN_PREFIX, index_encode_token_code_prefix(c->arena, code), ret_plan));
    TRY(plan_leaf(c, PLAN_PREFIX, longer, &more));
    return plan_either(c, *ret_plan, more, ret_plan);
}

enum err compile_relatives(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct codes codes = { .c = c };
    struct slice text = value_unescape(value, c->arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    if (c->modifier == MODIFIER_BELOW && slice_find_byte(value, '|') < 0 &&
        fhir_param_implies_system(c->param, c->type, SLICE("urn:ietf:bcp:13"), text))
        return media_types(c, text, ret_plan);
    struct slice rest = value;
    struct slice system = value_cut(&rest, '|');
    struct terminology_code code = { .system = value_unescape(system, c->arena),
                                     .code = value_unescape(rest, c->arena) };
    if (!code.system.bytes || !code.code.bytes)
        return ERR_NO_MEMORY;
    if (!rest.bytes || !code.system.length || !code.code.length)
        return value_refuse(c, value, "is not of the form system|code, which :above and :below "
                                      "need to find the hierarchy");
    TRY(need_terminology(c));
    TRY(terminology_relatives(c->settings->terminology, &code, c->modifier == MODIFIER_ABOVE,
                              c->arena, add, &codes));
    if (!codes.any.count)
        return issues_fail(c->issues, ERR_INVALID, "not-supported",
                           "The hierarchy of '%.*s' of the parameter '%.*s' is not known here: the "
                           "code system, or the code in it, is missing.",
                           SLICE_ARGS(slice_head(value, SEARCH_SHOWN_BYTES)),
                           SLICE_ARGS(slice_head(c->name, SEARCH_SHOWN_BYTES)));
    if (codes.any.count > CODES_MAX)
        return issues_fail(c->issues, ERR_INVALID, "too-costly",
                           "'%.*s' stands for more than %d codes.",
                           SLICE_ARGS(slice_head(value, SEARCH_SHOWN_BYTES)), (int)CODES_MAX);
    return finish(&codes, ret_plan);
}
