/* aws/policy_form.h - a compiled policy; private to aws/.
 *
 *   policy_pattern.c    text with wildcards and variables
 *   policy_value.c      the values of condition operators
 *   policy_parse.c      document to this form
 *   policy_condition.c  a statement's conditions against a question
 *   policy_decide.c     statements, and all policies together
 */
#ifndef AWS_POLICY_FORM_H
#define AWS_POLICY_FORM_H

#include <stdint.h>

#include "aws/policy.h"
#include "base/decimal.h"

/* A pattern is a row of symbols: a byte, or one of these. */
enum { SYMBOL_ANY = 256, SYMBOL_ONE = 257, SYMBOL_VARIABLE = 258 };

struct policy_variable {
    struct slice key;
    struct slice fallback; /* bytes NULL: none */
};

struct policy_pattern {
    struct slice text; /* as written */
    const uint16_t *symbols;
    size_t count;
    const struct policy_variable *variables; /* SYMBOL_VARIABLE + index */
    size_t variable_count;
};

/* ERR_INVALID when a variable is malformed; *ret_reason (static) says how. */
MUST_USE enum err policy_pattern_compile(struct slice text, bool has_wildcards, bool has_variables,
                                         struct arena *arena, struct policy_pattern *ret,
                                         const char **ret_reason);

/* Variables replaced. *ret_missing: the first variable without value (then *ret
 * is not written), else NULL. */
MUST_USE enum err policy_pattern_resolve(const struct policy_pattern *p,
                                         const struct policy_question *q, struct arena *scratch,
                                         struct policy_pattern *ret,
                                         const struct policy_variable **ret_missing);

/* The resolved pattern against the whole text. */
bool policy_pattern_match(const uint16_t *symbols, size_t count, struct slice text, bool fold);
/* As an ARN: six parts, each by itself. */
bool policy_pattern_match_arn(const uint16_t *symbols, size_t count, struct slice text);

/* ---- conditions ---- */

enum operand {
    OPERAND_STRING,
    OPERAND_NUMBER,
    OPERAND_DATE,
    OPERAND_BOOL,
    OPERAND_BINARY,
    OPERAND_IP,
    OPERAND_ARN,
    OPERAND_NULL
};

enum relation {
    RELATION_EQUAL,
    RELATION_LIKE,
    RELATION_LESS,
    RELATION_LESS_EQUAL,
    RELATION_GREATER,
    RELATION_GREATER_EQUAL
};

struct policy_operator {
    const char *name;
    enum operand operand;
    enum relation relation;
    bool is_negated;
    bool fold; /* ignore case */
};

enum quantifier { QUANTIFIER_NONE, QUANTIFIER_ALL, QUANTIFIER_ANY };

struct ip_range {
    uint8_t address[16]; /* an IPv4 address as ::ffff:a.b.c.d */
    unsigned prefix_bits;
};

struct condition_value {
    struct policy_pattern pattern; /* string, ARN */
    struct slice text;             /* boolean, binary (decoded) */
    struct decimal number;
    int64_t instant_us;
    struct ip_range ip;
};

struct condition {
    const struct policy_operator *operator;
    enum quantifier quantifier;
    bool if_exists;
    struct slice key;
    struct slice label; /* "ForAnyValue:StringLike aws:TagKeys" */
    const struct condition_value *values;
    size_t count;
};

/* "ForAllValues:StringLikeIfExists" to its parts; false when there is no such. */
bool policy_operator_find(struct slice name, struct condition *ret);
/* A value of a policy. ERR_INVALID with a static reason. */
MUST_USE enum err policy_value_compile(const struct policy_operator *operator, struct slice text,
                                       bool has_variables, struct arena *arena,
                                       struct condition_value *ret, const char **ret_reason);
bool policy_ip_parse(struct slice text, struct ip_range *ret);
bool policy_ip_contains(const struct ip_range *range, const struct ip_range *address);
/* A date of ISO 8601, or seconds since 1970. */
bool policy_instant_parse(struct slice text, int64_t *ret_us);

enum holds { HOLDS_NOT, HOLDS, HOLDS_UNKNOWN /* a variable without value */ };
MUST_USE enum err policy_condition_holds(const struct condition *c, const struct policy_question *q,
                                         struct arena *scratch, enum holds *ret,
                                         const struct policy_variable **ret_missing);

/* NULL when the question does not have that key. */
const struct policy_key *policy_question_key(const struct policy_question *q, struct slice name);

/* ---- the document ---- */

enum principal_type {
    PRINCIPAL_EVERYONE,
    PRINCIPAL_AWS,
    PRINCIPAL_SERVICE,
    PRINCIPAL_FEDERATED,
    PRINCIPAL_CANONICAL
};

struct principal {
    enum principal_type type;
    struct slice value; /* ARN, service, ...; of an account: its digits */
    bool is_account;
};

struct statement {
    struct slice sid;
    bool is_allow;
    bool has_principal, not_principal, not_action, not_resource;
    const struct principal *principals;
    size_t principal_count;
    const struct policy_pattern *actions, *resources;
    size_t action_count, resource_count;
    const struct condition *conditions;
    size_t condition_count;
};

struct policy {
    struct slice name, text;
    enum policy_kind kind;
    bool has_variables; /* 2012-10-17 */
    const struct statement *statements;
    size_t count;
};

#endif
