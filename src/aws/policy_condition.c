/* aws/policy_condition.c - does a condition hold for a question? */
#include "aws/policy_form.h"

const struct policy_key *policy_question_key(const struct policy_question *q, struct slice name)
{
    for (size_t i = 0; i < q->key_count; i++) {
        if (q->keys[i].count && slice_equal_nocase(q->keys[i].name, name))
            return &q->keys[i];
    }
    return NULL;
}

static bool order_fits(enum relation relation, int order)
{
    switch (relation) {
    case RELATION_EQUAL:
    case RELATION_LIKE:
        return order == 0;
    case RELATION_LESS:
        return order < 0;
    case RELATION_LESS_EQUAL:
        return order <= 0;
    case RELATION_GREATER:
        return order > 0;
    case RELATION_GREATER_EQUAL:
        return order >= 0;
    }
    return false;
}

/* One request's value against one policy's; negation is the caller's. A value
 * that is not of the operator's kind does not match. */
static bool value_matches(const struct policy_operator *operator, const struct policy_pattern * p,
                          const struct condition_value *value, struct slice text)
{
    struct decimal number;
    struct ip_range ip;
    int64_t instant_us;
    switch (operator->operand) {
    case OPERAND_STRING:
        return policy_pattern_match(p->symbols, p->count, text, operator->fold);
    case OPERAND_ARN:
        return policy_pattern_match_arn(p->symbols, p->count, text);
    case OPERAND_NUMBER:
        return decimal_parse(text, &number) &&
               order_fits(operator->relation, decimal_compare(number, value->number));
    case OPERAND_DATE:
        return policy_instant_parse(text, &instant_us) &&
               order_fits(operator->relation,
                          (instant_us > value->instant_us) - (instant_us < value->instant_us));
    case OPERAND_IP:
        return policy_ip_parse(text, &ip) && policy_ip_contains(&value->ip, &ip);
    case OPERAND_BOOL:
        return slice_equal_nocase(text, value->text);
    case OPERAND_BINARY:
        return slice_equal(text, value->text);
    case OPERAND_NULL:
        break;
    }
    return false;
}

/* How many of the request's values fit one of the policy's. */
struct tally {
    size_t fitting;
    const struct policy_variable *missing;
};

static enum err tally_values(const struct condition *c, const struct policy_question *q,
                             const struct policy_key *key, struct arena *scratch, bool *fits,
                             struct tally *ret)
{
    bool has_pattern =
        c->operator->operand == OPERAND_STRING || c->operator->operand == OPERAND_ARN;
    for (size_t v = 0; v < c->count; v++) {
        struct policy_pattern pattern = { 0 };
        const struct policy_variable *missing = NULL;
        if (has_pattern)
            TRY(policy_pattern_resolve(&c->values[v].pattern, q, scratch, &pattern, &missing));
        if (missing) {
            ret->missing = missing;
            continue;
        }
        for (size_t i = 0; i < key->count; i++) {
            if (fits[i] || !value_matches(c->operator, & pattern, &c->values[v], key->values[i]))
                continue;
            fits[i] = true;
            ret->fitting++;
        }
    }
    return ERR_NONE;
}

/* A key of nothing but one empty text is the empty set of the quantifiers. */
static bool is_empty_set(const struct policy_key *key)
{
    return !key || (key->count == 1 && key->values[0].length == 0);
}

static enum holds absent_holds(const struct condition *c)
{
    if (c->if_exists || c->quantifier == QUANTIFIER_ALL)
        return HOLDS;
    if (c->quantifier == QUANTIFIER_ANY)
        return HOLDS_NOT;
    return c->operator->is_negated ? HOLDS : HOLDS_NOT;
}

static enum holds tally_holds(const struct condition *c, const struct tally *t, size_t total)
{
    /* A value whose variable is missing might have matched: only an answer that
     * it cannot change is given. */
    size_t fitting = t->fitting, other = total - fitting;
    bool negated = c->operator->is_negated;
    if (t->missing && negated)
        return HOLDS_UNKNOWN;
    bool holds = false;
    switch (c->quantifier) {
    case QUANTIFIER_NONE:
        holds = negated ? fitting == 0 : fitting > 0;
        break;
    case QUANTIFIER_ALL:
        holds = negated ? fitting == 0 : other == 0;
        break;
    case QUANTIFIER_ANY:
        holds = negated ? other > 0 : fitting > 0;
        break;
    }
    if (holds)
        return HOLDS;
    return t->missing ? HOLDS_UNKNOWN : HOLDS_NOT;
}

enum err policy_condition_holds(const struct condition *c, const struct policy_question *q,
                                struct arena *scratch, enum holds *ret,
                                const struct policy_variable **ret_missing)
{
    const struct policy_key *key = policy_question_key(q, c->key);
    if (c->operator->operand == OPERAND_NULL) {
        *ret = HOLDS_NOT;
        for (size_t i = 0; i < c->count; i++) {
            if (slice_equal_nocase(c->values[i].text, SLICE("true")) == !key)
                *ret = HOLDS;
        }
        return ERR_NONE;
    }
    if (!key || (c->quantifier != QUANTIFIER_NONE && is_empty_set(key))) {
        *ret = absent_holds(c);
        return ERR_NONE;
    }
    bool *fits = arena_array(scratch, key->count, sizeof *fits);
    if (!fits)
        return ERR_NO_MEMORY;
    struct tally tally = { 0 };
    TRY(tally_values(c, q, key, scratch, fits, &tally));
    *ret = tally_holds(c, &tally, key->count);
    *ret_missing = tally.missing;
    return ERR_NONE;
}
