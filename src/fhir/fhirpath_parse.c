/* fhir/fhirpath_parse.c - FHIRPath tokens to a tree.
 *
 * Operators by precedence climbing. A node is *closed* when it means the same
 * wherever it stands (%resource.descendants(), 'a' | 'b'): below a node that is
 * not, a run computes it once and keeps it in a slot. So conditions inside of
 * where() that look at the whole resource stay linear.
 */
#include "base/regex.h"
#include "base/utf8.h"
#include "fhir/fhirpath.h"

enum { NESTING_MAX = 64, TREE_DEPTH_MAX = 160 };

struct parser {
    struct slice text;
    size_t next; /* behind the token */
    struct fp_token token;
    struct arena *arena;
    int nesting;
    uint16_t slot_count;
    uint32_t error_at;
    const char *error;
};

static enum err parse_expression(struct parser *p, int level, struct fp_node **ret_node);

/* ---- tokens ---- */

static enum err wrong(struct parser *p, const char *text)
{
    if (!p->error) {
        p->error = p->token.error ? p->token.error : text;
        p->error_at = p->token.at;
    }
    return ERR_SYNTAX;
}

static enum err advance(struct parser *p)
{
    return fp_lex(p->text, &p->next, p->arena, &p->token);
}

static bool at_sign(const struct parser *p, const char *sign)
{
    return p->token.kind == FP_TOKEN_SIGN && slice_is(p->token.text, sign);
}

static bool at_name(const struct parser *p, const char *name)
{
    return p->token.kind == FP_TOKEN_NAME && slice_is(p->token.text, name);
}

static enum err expect(struct parser *p, const char *sign, const char *text)
{
    if (!at_sign(p, sign))
        return wrong(p, text);
    return advance(p);
}

/* ---- nodes ---- */

static enum err new_node(struct parser *p, enum fp_op op, struct fp_node **ret_node)
{
    struct fp_node *node = arena_alloc(p->arena, sizeof *node);
    if (!node)
        return ERR_NO_MEMORY;
    node->op = (uint8_t)op;
    node->at = p->token.at;
    node->slot = FP_NO_SLOT;
    *ret_node = node;
    return ERR_NONE;
}

static bool is_worth_a_slot(const struct fp_node *node)
{
    return node->is_closed && node->op != FP_OP_LITERAL && node->op != FP_OP_EMPTY &&
           node->op != FP_OP_VARIABLE && node->slot == FP_NO_SLOT;
}

static bool is_closed(const struct fp_node *node, struct fp_node *const parts[], int count)
{
    bool has_left = node->op == FP_OP_MEMBER || node->op == FP_OP_CALL;
    if (node->op == FP_OP_THIS || node->op == FP_OP_INDEX || node->op == FP_OP_TOTAL)
        return false;
    if (has_left && (!node->left || !node->left->is_closed))
        return false;
    bool has_expressions = node->function && node->function->arguments == FP_EXPRESSIONS;
    if (has_expressions)
        return count <= 2 && !(count == 2 && parts[1]->has_iteration);
    for (int i = 0; i < count; i++)
        if (!parts[i]->is_closed)
            return false;
    return true;
}

/* The node's parts are known: left first, if there is one, then arguments. */
static enum err finish(struct parser *p, struct fp_node *node, struct fp_node *const parts[],
                       int count)
{
    uint8_t depth = 0;
    node->has_iteration = node->op == FP_OP_INDEX || node->op == FP_OP_TOTAL;
    for (int i = 0; i < count; i++) {
        depth = MAX(depth, parts[i]->depth);
        node->has_iteration |= parts[i]->has_iteration;
    }
    if (depth >= TREE_DEPTH_MAX)
        return wrong(p, "an expression that is nested too deeply");
    node->depth = (uint8_t)(depth + 1);
    node->is_closed = is_closed(node, parts, count);
    for (int i = 0; i < count && !node->is_closed; i++)
        if (is_worth_a_slot(parts[i]) && p->slot_count < FP_NO_SLOT)
            parts[i]->slot = p->slot_count++;
    return ERR_NONE;
}

static enum err set_args(struct parser *p, struct fp_node *node, struct fp_node *const args[],
                         int count)
{
    node->arg_count = (uint8_t)count;
    node->args = arena_array(p->arena, (size_t)count, sizeof *node->args);
    if (!node->args)
        return ERR_NO_MEMORY;
    for (int i = 0; i < count; i++)
        node->args[i] = args[i];
    return ERR_NONE;
}

static enum err new_literal(struct parser *p, const struct fp_item *item, struct fp_node **ret_node)
{
    TRY(new_node(p, FP_OP_LITERAL, ret_node));
    struct fp_item *copy = arena_alloc(p->arena, sizeof *copy);
    if (!copy)
        return ERR_NO_MEMORY;
    *copy = *item;
    (*ret_node)->literal = copy;
    return finish(p, *ret_node, NULL, 0);
}

/* ---- types ---- */

static uint8_t system_kind(struct slice name)
{
    static const char *const names[] = {
        [FP_BOOLEAN] = "Boolean", [FP_STRING] = "String",     [FP_INTEGER] = "Integer",
        [FP_DECIMAL] = "Decimal", [FP_DATE] = "Date",         [FP_DATE_TIME] = "DateTime",
        [FP_TIME] = "Time",       [FP_QUANTITY] = "Quantity",
    };
    for (uint8_t kind = FP_BOOLEAN; kind <= FP_QUANTITY; kind++)
        if (slice_is(name, names[kind]))
            return kind;
    return FP_NODE;
}

static enum err take_type_word(struct parser *p, struct slice *ret_name)
{
    if (p->token.kind != FP_TOKEN_NAME && p->token.kind != FP_TOKEN_QUOTED_NAME)
        return wrong(p, "expected the name of a type");
    *ret_name = p->token.text;
    return advance(p);
}

static enum err parse_type(struct parser *p, struct fp_type *ret_type)
{
    struct slice first, second = SLICE_NONE;
    struct fp_token start = p->token;
    TRY(take_type_word(p, &first));
    if (at_sign(p, ".")) {
        TRY(advance(p));
        TRY(take_type_word(p, &second));
    }
    struct slice name = second.bytes ? second : first;
    bool is_fhir = slice_is(first, "FHIR"), is_system = slice_is(first, "System");
    *ret_type = (struct fp_type){ .is_qualified = second.bytes != NULL };
    if (!second.bytes || is_fhir)
        ret_type->fhir = fhir_type_find(name);
    if (!second.bytes || is_system)
        ret_type->system = system_kind(name);
    if (!second.bytes && !ret_type->fhir && !ret_type->system) {
        p->token = start;
        return wrong(p, "an unknown type");
    }
    return ERR_NONE;
}

/* ---- terms ---- */

/* The arguments of a call, behind '(': up to and with ')'. */
static enum err parse_args(struct parser *p, struct fp_node *node, struct fp_node *parts[],
                           int *part_count)
{
    struct fp_node **args = parts + *part_count;
    int count = 0;
    if (node->function->arguments == FP_TYPE_NAME) {
        TRY(parse_type(p, &node->type));
        return expect(p, ")", "expected ')'");
    }
    while (!at_sign(p, ")")) {
        if (count == node->function->most)
            return wrong(p, "too many arguments");
        if (count > 0)
            TRY(expect(p, ",", "expected ',' or ')'"));
        TRY(parse_expression(p, 0, &args[count]));
        count++;
    }
    if (count < node->function->least)
        return wrong(p, "too few arguments");
    TRY(set_args(p, node, args, count));
    *part_count += count;
    return advance(p);
}

/* matches('...'): a pattern that is known is compiled once, here. */
static enum err compile_pattern(struct parser *p, struct fp_node *node)
{
    bool has_pattern = strstr(node->function->name, "atches") && node->arg_count > 0 &&
                       node->args[0]->op == FP_OP_LITERAL &&
                       node->args[0]->literal->kind == FP_STRING;
    if (!has_pattern)
        return ERR_NONE;
    enum err err = regex_compile(node->args[0]->literal->text, p->arena, &node->regex);
    return err == ERR_NO_MEMORY ? err : ERR_NONE; /* else the run says what is wrong */
}

static enum err parse_call(struct parser *p, struct slice name, struct fp_node *left,
                           struct fp_node *node)
{
    struct fp_node *parts[1 + FP_ARGS_MAX];
    int count = 0;
    node->op = FP_OP_CALL;
    node->left = left;
    node->function = fp_function_find(name);
    if (!node->function)
        return wrong(p, "an unknown function");
    if (left)
        parts[count++] = left;
    TRY(advance(p));
    TRY(parse_args(p, node, parts, &count));
    TRY(compile_pattern(p, node));
    return finish(p, node, parts, count);
}

/* name or name(...), $this and its like; of `left` or of the focus. */
static enum err parse_invocation(struct parser *p, struct fp_node *left, struct fp_node **ret_node)
{
    TRY(new_node(p, FP_OP_MEMBER, ret_node));
    struct fp_node *node = *ret_node;
    node->left = left;
    struct fp_node *parts[1] = { left };
    if (p->token.kind == FP_TOKEN_DOLLAR && !left) {
        bool is_this = slice_is(p->token.text, "this"), is_index = slice_is(p->token.text, "index");
        if (!is_this && !is_index && !slice_is(p->token.text, "total"))
            return wrong(p, "expected $this, $index or $total");
        node->op = is_this ? FP_OP_THIS : is_index ? FP_OP_INDEX : FP_OP_TOTAL;
        TRY(advance(p));
        return finish(p, node, NULL, 0);
    }
    if (p->token.kind != FP_TOKEN_NAME && p->token.kind != FP_TOKEN_QUOTED_NAME)
        return wrong(p, "expected a name");
    node->name = p->token.text;
    bool is_plain = p->token.kind == FP_TOKEN_NAME;
    TRY(advance(p));
    if (is_plain && at_sign(p, "("))
        return parse_call(p, node->name, left, node);
    return finish(p, node, parts, left ? 1 : 0);
}

/* A number; with a unit behind it, a quantity. */
static enum err parse_number(struct parser *p, struct fp_node **ret_node)
{
    struct fp_item item = p->token.literal;
    TRY(advance(p));
    bool is_unit = p->token.kind == FP_TOKEN_STRING;
    const char *calendar = p->token.kind == FP_TOKEN_NAME ? fp_calendar_unit(p->token.text) : NULL;
    if (is_unit || calendar) {
        struct decimal value = item.kind == FP_INTEGER ? decimal_of(item.integer) : item.decimal;
        const char *quoted = is_unit ? fp_calendar_unit(p->token.text) : NULL;
        item = (struct fp_item){ .kind = FP_QUANTITY };
        item.quantity.value = value;
        item.quantity.unit = p->token.text;
        item.quantity.is_calendar = calendar || quoted;
        TRY(advance(p));
    }
    return new_literal(p, &item, ret_node);
}

static enum err parse_variable(struct parser *p, struct fp_node **ret_node)
{
    TRY(advance(p));
    TRY(new_node(p, FP_OP_VARIABLE, ret_node));
    uint8_t kind = p->token.kind;
    if (kind != FP_TOKEN_NAME && kind != FP_TOKEN_QUOTED_NAME && kind != FP_TOKEN_STRING)
        return wrong(p, "expected the name of a variable");
    (*ret_node)->name = p->token.text;
    TRY(advance(p));
    return finish(p, *ret_node, NULL, 0);
}

static enum err parse_parens(struct parser *p, struct fp_node **ret_node)
{
    TRY(advance(p));
    TRY(parse_expression(p, 0, ret_node));
    return expect(p, ")", "expected ')'");
}

static enum err parse_term(struct parser *p, struct fp_node **ret_node)
{
    struct fp_item item = p->token.literal;
    bool is_boolean = at_name(p, "true") || at_name(p, "false");
    if (is_boolean) {
        item = (struct fp_item){ .kind = FP_BOOLEAN };
        item.boolean = at_name(p, "true");
    } else if (p->token.kind == FP_TOKEN_STRING) {
        item = (struct fp_item){ .kind = FP_STRING };
        item.text = p->token.text;
    } else if (p->token.kind == FP_TOKEN_NUMBER) {
        return parse_number(p, ret_node);
    } else if (at_sign(p, "(")) {
        return parse_parens(p, ret_node);
    } else if (at_sign(p, "%")) {
        return parse_variable(p, ret_node);
    } else if (at_sign(p, "{")) {
        TRY(new_node(p, FP_OP_EMPTY, ret_node));
        TRY(advance(p));
        TRY(expect(p, "}", "expected '}'"));
        return finish(p, *ret_node, NULL, 0);
    } else if (p->token.kind != FP_TOKEN_MOMENT) {
        return parse_invocation(p, NULL, ret_node);
    }
    TRY(new_literal(p, &item, ret_node));
    return advance(p);
}

static enum err parse_postfix(struct parser *p, struct fp_node **ret_node)
{
    TRY(parse_term(p, ret_node));
    while (at_sign(p, ".") || at_sign(p, "[")) {
        bool is_index = at_sign(p, "[");
        struct fp_node *left = *ret_node, *node, *parts[2] = { left };
        TRY(advance(p));
        if (!is_index) {
            TRY(parse_invocation(p, left, ret_node));
            continue;
        }
        TRY(new_node(p, FP_OP_ITEM, &node));
        node->left = left;
        TRY(parse_expression(p, 0, &parts[1]));
        TRY(set_args(p, node, parts + 1, 1));
        TRY(expect(p, "]", "expected ']'"));
        TRY(finish(p, node, parts, 2));
        *ret_node = node;
    }
    return ERR_NONE;
}

/* ---- operators ---- */

static enum err parse_unary(struct parser *p, struct fp_node **ret_node)
{
    bool is_minus = at_sign(p, "-");
    if (!is_minus && !at_sign(p, "+"))
        return parse_postfix(p, ret_node);
    if (++p->nesting > NESTING_MAX)
        return wrong(p, "an expression that is nested too deeply");
    struct fp_node *node, *arg;
    TRY(new_node(p, is_minus ? FP_OP_NEGATE : FP_OP_PLUS_SIGN, &node));
    TRY(advance(p));
    TRY(parse_unary(p, &arg));
    TRY(set_args(p, node, &arg, 1));
    *ret_node = node;
    p->nesting--;
    return finish(p, node, &arg, 1);
}

struct binary {
    const char *text;
    uint8_t op, level;
};

enum { LEVEL_TYPE = 8 };

static const struct binary binaries[] = {
    { "implies", FP_OP_IMPLIES, 1 }, { "or", FP_OP_OR, 2 },
    { "xor", FP_OP_XOR, 2 },         { "and", FP_OP_AND, 3 },
    { "in", FP_OP_IN, 4 },           { "contains", FP_OP_CONTAINS, 4 },
    { "=", FP_OP_EQUAL, 5 },         { "~", FP_OP_EQUIVALENT, 5 },
    { "!=", FP_OP_NOT_EQUAL, 5 },    { "!~", FP_OP_NOT_EQUIVALENT, 5 },
    { "<", FP_OP_LESS, 6 },          { "<=", FP_OP_LESS_EQUAL, 6 },
    { ">", FP_OP_GREATER, 6 },       { ">=", FP_OP_GREATER_EQUAL, 6 },
    { "|", FP_OP_UNION, 7 },         { "is", FP_OP_IS, LEVEL_TYPE },
    { "as", FP_OP_AS, LEVEL_TYPE },  { "+", FP_OP_ADD, 9 },
    { "-", FP_OP_SUBTRACT, 9 },      { "&", FP_OP_CONCATENATE, 9 },
    { "*", FP_OP_MULTIPLY, 10 },     { "/", FP_OP_DIVIDE, 10 },
    { "div", FP_OP_DIV, 10 },        { "mod", FP_OP_MOD, 10 },
};

static const struct binary *find_binary(const struct fp_token *token)
{
    if (token->kind != FP_TOKEN_SIGN && token->kind != FP_TOKEN_NAME)
        return NULL;
    for (size_t i = 0; i < ARRAY_COUNT(binaries); i++)
        if (slice_is(token->text, binaries[i].text))
            return &binaries[i];
    return NULL;
}

static enum err parse_operand(struct parser *p, const struct binary *binary, struct fp_node **left)
{
    struct fp_node *node, *parts[2] = { *left };
    TRY(new_node(p, (enum fp_op)binary->op, &node));
    TRY(advance(p));
    int count = 1;
    if (binary->level == LEVEL_TYPE)
        TRY(parse_type(p, &node->type));
    else
        TRY(parse_expression(p, binary->level + 1, &parts[count++]));
    TRY(set_args(p, node, parts, count));
    *left = node;
    return finish(p, node, parts, count);
}

static enum err parse_expression(struct parser *p, int level, struct fp_node **ret_node)
{
    if (++p->nesting > NESTING_MAX)
        return wrong(p, "an expression that is nested too deeply");
    TRY(parse_unary(p, ret_node));
    for (;;) {
        const struct binary *binary = find_binary(&p->token);
        if (!binary || binary->level < level)
            break;
        TRY(parse_operand(p, binary, ret_node));
    }
    p->nesting--;
    return ERR_NONE;
}

static enum err parse_all(struct parser *p, struct fp_node **ret_root)
{
    TRY(advance(p));
    TRY(parse_expression(p, 0, ret_root));
    return p->token.kind == FP_TOKEN_END ? ERR_NONE : wrong(p, "expected an operator or the end");
}

enum err fhirpath_compile(struct slice text, struct arena *arena, const struct fhirpath **ret_path,
                          struct fhirpath_error *error)
{
    struct parser p = { .text = text, .arena = arena };
    struct fp_node *root;
    if (text.length > FHIRPATH_LENGTH_MAX)
        return ERR_LIMIT;
    if (!utf8_is_valid(text)) {
        if (error)
            *error = (struct fhirpath_error){ 0, SLICE("a text that is no UTF-8") };
        return ERR_SYNTAX;
    }
    struct fhirpath *path = arena_alloc(arena, sizeof *path);
    if (!path)
        return ERR_NO_MEMORY;
    enum err err = parse_all(&p, &root);
    if (err == ERR_SYNTAX && error)
        *error = (struct fhirpath_error){ p.error_at, slice_cstr(p.error) };
    TRY(err);
    *path = (struct fhirpath){ root, text, p.slot_count };
    *ret_path = path;
    return ERR_NONE;
}
