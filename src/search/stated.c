/* What a stored SearchParameter states of itself: the modifiers, comparators and
 * chains it takes, whether several values or repeats mean anything. What it does not
 * state is as with R4's own. */
#include "search/compile.h"

#include <string.h>

/* The names of the bits, as a list for a person. */
static struct slice names_text(struct compiler *c, uint32_t bits, const char *const *names)
{
    struct buf out;
    buf_init(&out, 400);
    for (size_t i = 0; names[i]; i++)
        if (bits & UINT32_C(1) << i)
            buf_printf(&out, "%s%s", out.length ? ", " : "", names[i]);
    char *copy = arena_copy(c->arena, buf_slice(&out));
    struct slice text = slice_of(copy, copy ? out.length : 0);
    buf_release(&out);
    return text;
}

static bool has_name(uint32_t bits, const char *const *names, struct slice name)
{
    for (size_t i = 0; names[i]; i++)
        if (slice_is(name, names[i]))
            return (bits & UINT32_C(1) << i) != 0;
    return false;
}

static enum err modifier_check(struct compiler *c, const struct custom_param *p,
                               struct slice modifier)
{
    struct slice name = c->modifier == MODIFIER_TYPE      ? SLICE("type")
                        : c->modifier == MODIFIER_OF_TYPE ? SLICE("ofType")
                                                          : modifier;
    if (!modifier.length || !p->modifiers || has_name(p->modifiers, CUSTOM_MODIFIERS, name))
        return ERR_NONE;
    return issues_fail(c->issues, ERR_INVALID, "invalid",
                       "The parameter '%.*s' takes no modifier ':%.*s': its SearchParameter "
                       "states %.*s.",
                       SLICE_ARGS(p->param.code),
                       SLICE_ARGS(slice_head(modifier, SEARCH_SHOWN_BYTES)),
                       SLICE_ARGS(names_text(c, p->modifiers, CUSTOM_MODIFIERS)));
}

static bool has_prefix(const struct custom_param *p)
{
    return p->param.type == FHIR_PARAM_DATE || p->param.type == FHIR_PARAM_NUMBER ||
           p->param.type == FHIR_PARAM_QUANTITY;
}

static enum err comparator_check(struct compiler *c, const struct custom_param *p,
                                 struct slice value)
{
    enum prefix prefix;
    if (!p->comparators || !has_prefix(p) || !prefix_cut(c, &value, &prefix) ||
        prefix == PREFIX_EQ || p->comparators & UINT32_C(1) << prefix)
        return ERR_NONE;
    return issues_fail(c->issues, ERR_INVALID, "invalid",
                       "The parameter '%.*s' does not compare by '%s': its SearchParameter "
                       "states %.*s.",
                       SLICE_ARGS(p->param.code), CUSTOM_COMPARATORS[prefix],
                       SLICE_ARGS(names_text(c, p->comparators, CUSTOM_COMPARATORS)));
}

enum err stated_check(struct compiler *c, struct slice modifier, struct slice values)
{
    const struct custom_param *p = custom_of(c->param);
    struct slice rest = values;
    size_t count = 0;
    TRY(modifier_check(c, p, modifier));
    while (rest.bytes && c->modifier != MODIFIER_MISSING) {
        TRY(comparator_check(c, p, value_cut(&rest, ',')));
        count++;
    }
    if (p->is_single_or && count > 1)
        return issues_fail(c->issues, ERR_INVALID, "invalid",
                           "The parameter '%.*s' takes one value: its SearchParameter states "
                           "multipleOr false.",
                           SLICE_ARGS(p->param.code));
    return ERR_NONE;
}

enum err stated_chain_check(struct compiler *c, const struct fhir_param *param,
                            struct slice name)
{
    if (!custom_is(param) || !custom_of(param)->chain_count)
        return ERR_NONE;
    const struct custom_param *p = custom_of(param);
    struct slice rest = name, code = slice_cut(&rest, '.');
    rest = code;
    code = slice_cut(&rest, ':');
    for (size_t i = 0; i < p->chain_count; i++)
        if (slice_equal(p->chains[i], code))
            return ERR_NONE;
    return issues_fail(c->issues, ERR_INVALID, "invalid",
                       "The parameter '%.*s' is not chained to '%.*s': its SearchParameter states "
                       "other names.",
                       SLICE_ARGS(param->code), SLICE_ARGS(slice_head(code, SEARCH_SHOWN_BYTES)));
}

static struct slice code_of(struct slice name)
{
    struct slice rest = name;
    return slice_cut(&rest, ':');
}

enum err stated_repeats_check(struct compiler *c, const struct search_pair *pairs, size_t count)
{
    size_t own = 0;
    const struct custom_param *const *params =
        custom_params_of(c->settings->customs, c->type, &own);
    for (size_t i = 0; i < own; i++) {
        size_t times = 0;
        for (size_t k = 0; params[i]->is_single_and && k < count; k++)
            times += slice_equal(code_of(pairs[k].name), params[i]->param.code);
        if (times > 1)
            return issues_fail(c->issues, ERR_INVALID, "invalid",
                               "The parameter '%.*s' may be given once: its SearchParameter "
                               "states multipleAnd false.",
                               SLICE_ARGS(params[i]->param.code));
    }
    return ERR_NONE;
}
