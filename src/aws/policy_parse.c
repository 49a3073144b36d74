/* aws/policy_parse.c - a policy document to its compiled form. */
#include <stdarg.h>
#include <stdio.h>

#include "aws/policy_form.h"
#include "json/json.h"

enum { DEPTH_MAX = 16 };

/* On the way through a document. */
struct reader {
    struct slice text;
    struct arena *arena;
    struct slice *error;
    struct policy *policy;
    size_t statement; /* the one being read */
};

/* "line 3, column 7: Statement[0].Effect ..." */
static enum err fail(struct reader *r, struct json at, const char *format, ...) PRINTF_LIKE(3, 4);
static enum err fail(struct reader *r, struct json at, const char *format, ...)
{
    char what[400];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    uint32_t line = 1, column = 1;
    if (json_exists(at))
        json_position(r->text, json_node(at)->offset, &line, &column);
    *r->error = arena_printf(r->arena, "line %u, column %u: %s", line, column, what);
    return ERR_INVALID;
}

/* The text of a string, number or boolean; .bytes NULL on anything else. */
static struct slice scalar_text(struct json v, struct arena *arena)
{
    switch (json_type(v)) {
    case JSON_STRING: {
        struct slice text = json_string(v, arena);
        return text.bytes ? text : SLICE("");
    }
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE:
        return json_raw(v);
    case JSON_NONE:
    case JSON_OBJECT:
    case JSON_ARRAY:
    case JSON_NULL:
    case JSON_KEY:
        break;
    }
    return SLICE_NONE;
}

/* One value, or a list of them: how many, and the i-th in turn. */
static size_t list_count(struct json v)
{
    return json_is(v, JSON_ARRAY) ? json_count(v) : 1;
}

static struct json list_first(struct json v)
{
    return json_is(v, JSON_ARRAY) ? json_first(v) : v;
}

static struct json list_next(struct json list, struct json v)
{
    return json_is(list, JSON_ARRAY) ? json_next(list, v) : JSON_ABSENT;
}

/* ---- actions and resources ---- */

static bool is_action(struct slice text)
{
    ptrdiff_t colon = slice_find_byte(text, ':');
    if (slice_is(text, "*"))
        return true;
    if (colon <= 0 || (size_t)colon + 1 == text.length)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_wild =
            (c == '*' || c == '?') && (i > (size_t)colon || slice_starts_with(text, SLICE("*:")));
        if (!is_word && !is_wild && c != '-' && i != (size_t)colon)
            return false;
    }
    return true;
}

/* "*", or an ARN whose service is no wildcard. */
static bool is_resource(struct slice text)
{
    if (slice_is(text, "*"))
        return true;
    if (!slice_starts_with(text, SLICE("arn:")))
        return false;
    size_t parts = 0;
    for (struct slice rest = text; rest.bytes && parts < 6; parts++) {
        struct slice part = slice_cut(&rest, ':');
        bool has_wildcard = slice_find_byte(part, '*') >= 0 || slice_find_byte(part, '?') >= 0;
        if (parts == 2 && has_wildcard)
            return false;
    }
    return parts == 6 || slice_ends_with(text, SLICE("*"));
}

static enum err patterns_read(struct reader *r, struct json list, const char *element,
                              bool is_actions, const struct policy_pattern **ret, size_t *ret_count)
{
    size_t count = list_count(list), i = 0;
    if (count == 0)
        return fail(r, list, "Statement[%zu].%s must not be empty", r->statement, element);
    struct policy_pattern *patterns = arena_array(r->arena, count, sizeof *patterns);
    if (!patterns)
        return ERR_NO_MEMORY;
    for (struct json v = list_first(list); json_exists(v); v = list_next(list, v)) {
        struct slice text = json_is(v, JSON_STRING) ? json_string(v, r->arena) : SLICE_NONE;
        if (!text.bytes)
            return fail(r, v, "Statement[%zu].%s must be a text or a list of texts", r->statement,
                        element);
        if (!(is_actions ? is_action(text) : is_resource(text)))
            return fail(r, v, "Statement[%zu].%s '%.*s' must be %s", r->statement, element,
                        SLICE_ARGS(slice_head(text, 100)),
                        is_actions ? "service:Action or \"*\""
                                   : "an ARN (arn:partition:service:region:account:resource) or "
                                     "\"*\"");
        const char *reason;
        enum err err = policy_pattern_compile(text, true, r->policy->has_variables && !is_actions,
                                              r->arena, &patterns[i++], &reason);
        if (err == ERR_INVALID)
            return fail(r, v, "Statement[%zu].%s: %s", r->statement, element, reason);
        TRY(err);
    }
    *ret = patterns;
    *ret_count = count;
    return ERR_NONE;
}

/* ---- principals ---- */

static bool is_account(struct slice text)
{
    uint64_t number;
    return text.length == 12 && slice_parse_u64(text, &number);
}

/* A principal of type AWS: an account, an ARN without wildcards, or "*". */
static bool aws_principal_parse(struct slice text, struct principal *ret)
{
    *ret = (struct principal){ .type = PRINCIPAL_AWS, .value = text };
    if (slice_is(text, "*")) {
        ret->type = PRINCIPAL_EVERYONE;
        return true;
    }
    if (is_account(text)) {
        ret->is_account = true;
        return true;
    }
    struct slice rest = text, parts[6];
    for (size_t i = 0; i < 5; i++)
        parts[i] = slice_cut(&rest, ':');
    parts[5] = rest;
    if (!slice_is(parts[0], "arn") || !is_account(parts[4]) || !rest.length ||
        slice_find_byte(text, '*') >= 0 || slice_find_byte(text, '?') >= 0)
        return false;
    if (slice_is(rest, "root")) {
        ret->is_account = true;
        ret->value = parts[4];
        return true;
    }
    return slice_is(parts[2], "iam") || slice_is(parts[2], "sts");
}

static enum err principal_add(struct reader *r, struct slice type, struct json v,
                              struct principal *ret)
{
    static const struct {
        const char *name;
        enum principal_type type;
    } types[] = { { "Service", PRINCIPAL_SERVICE },
                  { "Federated", PRINCIPAL_FEDERATED },
                  { "CanonicalUser", PRINCIPAL_CANONICAL } };
    struct slice text = json_is(v, JSON_STRING) ? json_string(v, r->arena) : SLICE_NONE;
    if (!text.length)
        return fail(r, v, "Statement[%zu]: a principal must be a text", r->statement);
    if (slice_is(type, "AWS"))
        return aws_principal_parse(text, ret)
                   ? ERR_NONE
                   : fail(r, v,
                          "Statement[%zu]: principal '%.*s' must be an account of 12 digits, the "
                          "ARN of a user, role or session without wildcards, or \"*\"",
                          r->statement, SLICE_ARGS(slice_head(text, 100)));
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (!slice_is(type, types[i].name))
            continue;
        *ret = (struct principal){ .type = types[i].type, .value = text };
        return ERR_NONE;
    }
    return fail(r, v, "Statement[%zu]: '%.*s' is no type of principal", r->statement,
                SLICE_ARGS(slice_head(type, 100)));
}

static enum err principals_read(struct reader *r, struct json value, struct statement *s)
{
    struct json absent = JSON_ABSENT;
    size_t count = 0;
    bool is_everyone = json_string_is(value, SLICE("*"));
    if (!is_everyone && !json_is(value, JSON_OBJECT))
        return fail(r, value,
                    "Statement[%zu].Principal must be \"*\" or an object such as "
                    "{\"AWS\": \"arn:...\"}",
                    r->statement);
    for (struct json k = is_everyone ? absent : json_first(value); json_exists(k);
         k = json_next(value, json_value(k)))
        count += list_count(json_value(k));
    struct principal *principals = arena_array(r->arena, count + 1, sizeof *principals);
    if (!principals)
        return ERR_NO_MEMORY;
    s->principals = principals;
    if (is_everyone)
        principals[s->principal_count++].type = PRINCIPAL_EVERYONE;
    for (struct json k = is_everyone ? absent : json_first(value); json_exists(k);
         k = json_next(value, json_value(k))) {
        struct json list = json_value(k);
        struct slice type = json_string(k, r->arena);
        for (struct json v = list_first(list); json_exists(v); v = list_next(list, v))
            TRY(principal_add(r, type, v, &principals[s->principal_count++]));
    }
    return s->principal_count
               ? ERR_NONE
               : fail(r, value, "Statement[%zu]: no principal is named", r->statement);
}

/* ---- conditions ---- */

static enum err values_read(struct reader *r, struct json list, struct condition *c)
{
    size_t count = list_count(list), i = 0;
    struct condition_value *values = arena_array(r->arena, count, sizeof *values);
    if (!values)
        return ERR_NO_MEMORY;
    for (struct json v = list_first(list); json_exists(v); v = list_next(list, v)) {
        struct slice text = scalar_text(v, r->arena);
        if (!text.bytes)
            return fail(r, v,
                        "Statement[%zu].Condition: the value of %.*s must be a text or a "
                        "list of texts",
                        r->statement, SLICE_ARGS(c->label));
        const char *reason = "";
        enum err err = policy_value_compile(c->operator, text, r->policy->has_variables, r->arena,
                                            &values[i++], &reason);
        if (err == ERR_INVALID)
            return fail(r, v, "Statement[%zu].Condition: %.*s: %s", r->statement,
                        SLICE_ARGS(c->label), reason);
        TRY(err);
    }
    c->values = values;
    c->count = count;
    return ERR_NONE;
}

static enum err operator_read(struct reader *r, struct json name_key, struct condition *conditions,
                              size_t *count)
{
    struct slice name = json_string(name_key, r->arena);
    struct json keys = json_value(name_key);
    struct condition model;
    if (!policy_operator_find(name, &model))
        return fail(r, name_key, "Statement[%zu].Condition: '%.*s' is no condition operator",
                    r->statement, SLICE_ARGS(slice_head(name, 100)));
    if (!json_is(keys, JSON_OBJECT))
        return fail(r, keys, "Statement[%zu].Condition.%.*s must be an object of keys and values",
                    r->statement, SLICE_ARGS(slice_head(name, 100)));
    for (struct json k = json_first(keys); json_exists(k); k = json_next(keys, json_value(k))) {
        struct condition *c = &conditions[(*count)++];
        *c = model;
        c->key = json_string(k, r->arena);
        if (!c->key.length)
            return fail(r, k, "Statement[%zu].Condition: a key is empty", r->statement);
        c->label = arena_printf(r->arena, "%.*s %.*s", SLICE_ARGS(name), SLICE_ARGS(c->key));
        if (!c->label.bytes)
            return ERR_NO_MEMORY;
        TRY(values_read(r, json_value(k), c));
    }
    return ERR_NONE;
}

static enum err conditions_read(struct reader *r, struct json value, struct statement *s)
{
    if (!json_is(value, JSON_OBJECT))
        return fail(r, value, "Statement[%zu].Condition must be an object of operators",
                    r->statement);
    size_t count = 0;
    for (struct json k = json_first(value); json_exists(k); k = json_next(value, json_value(k)))
        count += json_count(json_value(k));
    struct condition *conditions = arena_array(r->arena, count, sizeof *conditions);
    if (!conditions)
        return ERR_NO_MEMORY;
    s->conditions = conditions;
    for (struct json k = json_first(value); json_exists(k); k = json_next(value, json_value(k)))
        TRY(operator_read(r, k, conditions, &s->condition_count));
    return ERR_NONE;
}

/* ---- statements ---- */

enum element {
    SID,
    EFFECT,
    ACTION,
    NOT_ACTION,
    RESOURCE,
    NOT_RESOURCE,
    PRINCIPAL,
    NOT_PRINCIPAL,
    CONDITION,
    ELEMENT_COUNT
};

static const char *const ELEMENTS[ELEMENT_COUNT] = {
    "Sid",         "Effect",    "Action",       "NotAction", "Resource",
    "NotResource", "Principal", "NotPrincipal", "Condition",
};

static enum err elements_find(struct reader *r, struct json value, struct json *elements)
{
    if (!json_is(value, JSON_OBJECT))
        return fail(r, value, "Statement[%zu] must be an object", r->statement);
    for (struct json k = json_first(value); json_exists(k); k = json_next(value, json_value(k))) {
        size_t i = 0;
        while (i < ELEMENT_COUNT && !json_string_is(k, slice_cstr(ELEMENTS[i])))
            i++;
        if (i == ELEMENT_COUNT)
            return fail(r, k, "Statement[%zu] has the unknown element '%.*s'", r->statement,
                        SLICE_ARGS(slice_head(json_string_raw(k), 100)));
        elements[i] = json_value(k);
    }
    static const enum element pairs[][2] = { { ACTION, NOT_ACTION },
                                             { RESOURCE, NOT_RESOURCE },
                                             { PRINCIPAL, NOT_PRINCIPAL } };
    for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
        if (json_exists(elements[pairs[i][0]]) && json_exists(elements[pairs[i][1]]))
            return fail(r, value, "Statement[%zu] must not have both %s and %s", r->statement,
                        ELEMENTS[pairs[i][0]], ELEMENTS[pairs[i][1]]);
    }
    return ERR_NONE;
}

static enum err sid_read(struct reader *r, struct json value, struct statement *s)
{
    s->sid = json_is(value, JSON_STRING) ? json_string(value, r->arena) : SLICE_NONE;
    bool is_word = s->sid.bytes != NULL;
    for (size_t i = 0; i < s->sid.length; i++) {
        char c = s->sid.bytes[i];
        is_word = is_word &&
                  ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                   (c == ' ' && r->policy->kind == POLICY_OF_RESOURCE));
    }
    if (!is_word)
        return fail(r, value, "Statement[%zu].Sid must be of letters and digits", r->statement);
    for (size_t i = 0; i < r->statement; i++) {
        if (s->sid.length && slice_equal(r->policy->statements[i].sid, s->sid))
            return fail(r, value, "Statement[%zu].Sid '%.*s' is Statement[%zu]'s too", r->statement,
                        SLICE_ARGS(s->sid), i);
    }
    return ERR_NONE;
}

static enum err principal_element_read(struct reader *r, struct json value,
                                       const struct json *elements, struct statement *s)
{
    bool has_not = json_exists(elements[NOT_PRINCIPAL]);
    struct json principal = elements[has_not ? NOT_PRINCIPAL : PRINCIPAL];
    s->not_principal = has_not;
    if (r->policy->kind == POLICY_OF_IDENTITY)
        return json_exists(principal)
                   ? fail(r, principal,
                          "Statement[%zu]: a policy of a user or group must not name "
                          "a %s",
                          r->statement, ELEMENTS[has_not ? NOT_PRINCIPAL : PRINCIPAL])
                   : ERR_NONE;
    if (!json_exists(principal))
        return fail(r, value, "Statement[%zu]: a resource's policy must name a Principal",
                    r->statement);
    if (has_not && s->is_allow)
        return fail(r, principal, "Statement[%zu]: NotPrincipal goes with Effect Deny alone",
                    r->statement);
    return principals_read(r, principal, s);
}

static enum err resource_element_read(struct reader *r, struct json value,
                                      const struct json *elements, struct statement *s)
{
    s->not_resource = json_exists(elements[NOT_RESOURCE]);
    enum element which = s->not_resource ? NOT_RESOURCE : RESOURCE;
    if (json_exists(elements[which]))
        return patterns_read(r, elements[which], ELEMENTS[which], false, &s->resources,
                             &s->resource_count);
    /* A resource's own policy may leave out that it speaks of it. */
    if (r->policy->kind == POLICY_OF_RESOURCE)
        return ERR_NONE;
    return fail(r, value, "Statement[%zu] must have a Resource or a NotResource", r->statement);
}

static enum err statement_read(struct reader *r, struct json value, struct statement *s)
{
    struct json elements[ELEMENT_COUNT] = { 0 };
    TRY(elements_find(r, value, elements));
    if (json_exists(elements[SID]))
        TRY(sid_read(r, elements[SID], s));
    s->is_allow = json_string_is(elements[EFFECT], SLICE("Allow"));
    if (!s->is_allow && !json_string_is(elements[EFFECT], SLICE("Deny")))
        return fail(r, json_exists(elements[EFFECT]) ? elements[EFFECT] : value,
                    "Statement[%zu].Effect must be \"Allow\" or \"Deny\"", r->statement);
    TRY(principal_element_read(r, value, elements, s));
    s->not_action = json_exists(elements[NOT_ACTION]);
    enum element which = s->not_action ? NOT_ACTION : ACTION;
    if (!json_exists(elements[which]))
        return fail(r, value, "Statement[%zu] must have an Action or a NotAction", r->statement);
    TRY(patterns_read(r, elements[which], ELEMENTS[which], true, &s->actions, &s->action_count));
    TRY(resource_element_read(r, value, elements, s));
    return json_exists(elements[CONDITION]) ? conditions_read(r, elements[CONDITION], s) : ERR_NONE;
}

/* ---- the document ---- */

static enum err root_check(struct reader *r, struct json root)
{
    if (!json_is(root, JSON_OBJECT))
        return fail(r, root, "a policy must be an object with Version and Statement");
    for (struct json k = json_first(root); json_exists(k); k = json_next(root, json_value(k))) {
        if (!json_string_is(k, SLICE("Version")) && !json_string_is(k, SLICE("Id")) &&
            !json_string_is(k, SLICE("Statement")))
            return fail(r, k, "the policy has the unknown element '%.*s'",
                        SLICE_ARGS(slice_head(json_string_raw(k), 100)));
    }
    struct json version = json_member(root, "Version");
    r->policy->has_variables = json_string_is(version, SLICE("2012-10-17"));
    if (json_exists(version) && !r->policy->has_variables &&
        !json_string_is(version, SLICE("2008-10-17")))
        return fail(r, version, "Version must be \"2012-10-17\" or \"2008-10-17\"");
    struct json id = json_member(root, "Id");
    if (json_exists(id) && !json_is(id, JSON_STRING))
        return fail(r, id, "Id must be a text");
    return ERR_NONE;
}

static enum err root_read(struct reader *r, struct json root)
{
    TRY(root_check(r, root));
    struct json list = json_member(root, "Statement");
    if (!json_is(list, JSON_ARRAY) && !json_is(list, JSON_OBJECT))
        return fail(r, json_exists(list) ? list : root,
                    "the policy must have a Statement: an object or a list of them");
    size_t count = list_count(list);
    if (count == 0)
        return fail(r, list, "Statement must not be empty");
    struct statement *statements = arena_array(r->arena, count, sizeof *statements);
    if (!statements)
        return ERR_NO_MEMORY;
    r->policy->statements = statements;
    for (struct json v = list_first(list); json_exists(v); v = list_next(list, v)) {
        TRY(statement_read(r, v, &statements[r->statement]));
        r->policy->count = ++r->statement;
    }
    return ERR_NONE;
}

enum err policy_parse(struct slice text, enum policy_kind kind, struct slice name,
                      struct arena *arena, const struct policy **ret_policy,
                      struct slice *ret_error)
{
    *ret_error = SLICE_NONE;
    if (text.length > POLICY_BYTES_MAX) {
        *ret_error = arena_printf(arena, "the policy has %zu bytes; the limit is %d", text.length,
                                  POLICY_BYTES_MAX);
        return ERR_LIMIT;
    }
    struct policy *policy = arena_alloc(arena, sizeof *policy);
    char *text_copy = arena_copy(arena, text), *name_copy = arena_copy(arena, name);
    struct json_doc *doc = arena_alloc(arena, sizeof *doc);
    if (!policy || !text_copy || !name_copy || !doc)
        return ERR_NO_MEMORY;
    *policy = (struct policy){ .name = slice_of(name_copy, name.length),
                               .text = slice_of(text_copy, text.length),
                               .kind = kind };
    struct json_limits limits = { .depth = DEPTH_MAX };
    struct json_error where;
    enum err err = json_parse(policy->text, &limits, arena, doc, &where);
    if (err == ERR_SYNTAX || err == ERR_LIMIT)
        *ret_error = arena_printf(arena, "line %u, column %u: no valid JSON: %s", where.line,
                                  where.column, where.text);
    TRY(err);
    struct reader r = { policy->text, arena, ret_error, policy, 0 };
    TRY(root_read(&r, json_root(doc)));
    *ret_policy = policy;
    return ERR_NONE;
}
