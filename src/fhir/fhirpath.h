/* fhir/fhirpath.h - inside of the FHIRPath engine; private to fhir/.
 *
 *   text --fhirpath_lex.c--> tokens --fhirpath_parse.c--> tree of fp_node
 *   tree + item --fhirpath_eval.c and the functions--> list of fp_item
 *
 * The tree is const once made; all running state is in fp_run. Both live in
 * arenas. The depth of the tree is bounded, and so is recursion over it; data is
 * walked with work lists. Each step of an evaluation takes from steps_left.
 */
#ifndef FHIR_FHIRPATH_H
#define FHIR_FHIRPATH_H

#include "base/decimal.h"
#include "fhir/moment.h"
#include "fhir/tables.h"

/* ---- values ---- */

enum fp_kind {
    FP_NODE, /* an element of a resource */
    FP_BOOLEAN,
    FP_STRING,
    FP_INTEGER,
    FP_DECIMAL,
    FP_DATE,
    FP_DATE_TIME,
    FP_TIME,
    FP_QUANTITY,
    FP_TYPE, /* what type() gives */
};

struct fp_quantity {
    struct decimal value;
    struct slice unit;
    bool is_calendar; /* `4 days`, not `4 'd'` */
    bool is_fhir;     /* from an element: a UCUM year counts as a calendar year, too */
};

struct fp_place {
    struct json value;                  /* absent: only a sibling is there, or a stub */
    struct json sibling;                /* of a primitive: the object under "_name" */
    const struct fhir_type *type;       /* NULL: unknown, read as plain JSON */
    const struct fhir_element *element; /* it came through; NULL for a root */
    struct json resource;               /* nearest resource around it that is not contained */
};

struct fp_item {
    uint8_t kind; /* enum fp_kind */
    union {
        struct fp_place node;
        bool boolean;
        struct slice text; /* FP_STRING */
        int64_t integer;
        struct decimal decimal;
        struct moment moment; /* FP_DATE, FP_DATE_TIME, FP_TIME */
        struct fp_quantity quantity;
        struct {
            struct slice space, name;
        } type;
    };
};

struct fp_list {
    const struct fp_item *items;
    uint32_t count;
    uint32_t room; /* 0: the items are borrowed */
    bool is_unordered;
};

/* ---- expressions ---- */

enum fp_op {
    FP_OP_LITERAL,
    FP_OP_EMPTY,
    FP_OP_THIS,
    FP_OP_INDEX,
    FP_OP_TOTAL,
    FP_OP_VARIABLE, /* name */
    FP_OP_MEMBER,   /* name, of left or of $this */
    FP_OP_CALL,     /* function, of left or of $this */
    FP_OP_ITEM,     /* left[args[0]] */
    FP_OP_NEGATE,   /* args[0]; the others: args[0] and args[1] */
    FP_OP_PLUS_SIGN,
    FP_OP_MULTIPLY,
    FP_OP_DIVIDE,
    FP_OP_DIV,
    FP_OP_MOD,
    FP_OP_ADD,
    FP_OP_SUBTRACT,
    FP_OP_CONCATENATE,
    FP_OP_IS, /* args[0], type */
    FP_OP_AS,
    FP_OP_UNION,
    FP_OP_LESS,
    FP_OP_LESS_EQUAL,
    FP_OP_GREATER,
    FP_OP_GREATER_EQUAL,
    FP_OP_EQUAL,
    FP_OP_NOT_EQUAL,
    FP_OP_EQUIVALENT,
    FP_OP_NOT_EQUIVALENT,
    FP_OP_IN,
    FP_OP_CONTAINS,
    FP_OP_AND,
    FP_OP_OR,
    FP_OP_XOR,
    FP_OP_IMPLIES,
};

/* The type that `is`, `as` and `ofType` name. */
struct fp_type {
    const struct fhir_type *fhir; /* NULL: no FHIR type of that name */
    uint8_t system;               /* enum fp_kind; FP_NODE: no system type of that name */
    bool is_qualified;            /* with FHIR. or System. in front */
};

enum { FP_ARGS_MAX = 3, FP_NO_SLOT = 0xffff };

struct fp_function;

struct fp_node {
    uint8_t op; /* enum fp_op */
    uint8_t arg_count;
    uint8_t depth;      /* of the tree below */
    bool is_closed;     /* means the same wherever in the expression it stands */
    bool has_iteration; /* $index or $total somewhere below */
    uint16_t slot;      /* where a run keeps its value; FP_NO_SLOT */
    uint32_t at;        /* offset in the text */
    struct slice name;
    const struct fp_node *left;
    const struct fp_node **args;
    const struct fp_item *literal;
    const struct fp_function *function;
    struct fp_type type;
    const struct regex *regex; /* of a call with a literal pattern, compiled ahead */
};

struct fhirpath {
    const struct fp_node *root;
    struct slice text;
    uint16_t slot_count;
};

/* ---- running ---- */

struct fp_slot {
    struct fp_list list;
    bool is_known;
    uint32_t *table; /* of strings, for `in`; NULL: not made yet */
    uint32_t mask;
};

struct fp_run {
    const struct fhirpath *path;
    const struct fhirpath_host *host;
    struct arena *arena;
    struct fp_slot *slots;
    struct fp_item context; /* %context */
    uint64_t steps_left;
    uint32_t error_at;
    struct slice error_text;
};

/* What $this, $index and $total are. */
struct fp_scope {
    const struct fp_list *focus; /* $this; of one item inside of where() and such */
    int64_t index;
    const struct fp_list *total;
    const struct fp_scope *outer;
};

/* One call of a function: arguments that are values are computed already. */
struct fp_call {
    struct fp_run *run;
    const struct fp_node *node;
    const struct fp_scope *scope;
    struct fp_list input;
    struct fp_list args[FP_ARGS_MAX];
};

typedef enum err fp_implementation(struct fp_call *call, struct fp_list *out);

enum fp_arguments {
    FP_VALUES,      /* evaluated before the call, with the caller's $this */
    FP_EXPRESSIONS, /* evaluated by the function, per item */
    FP_TYPE_NAME,   /* one, the name of a type */
};

struct fp_function {
    const char *name;
    fp_implementation *run;
    uint8_t least, most; /* arguments */
    uint8_t arguments;   /* enum fp_arguments */
};

/* NULL when there is none of that name. */
const struct fp_function *fp_function_find(struct slice name);

MUST_USE enum err fp_eval(struct fp_run *run, const struct fp_node *node,
                          const struct fp_scope *scope, struct fp_list *out);
/* Evaluate with one item as $this. */
MUST_USE enum err fp_eval_item(struct fp_call *call, const struct fp_node *node,
                               const struct fp_item *item, int64_t index,
                               const struct fp_list *total, struct fp_list *out);

/* ERR_INVALID, remembering where and why (the first time). */
MUST_USE enum err fp_fail(struct fp_run *run, const struct fp_node *node, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Take from the budget; ERR_LIMIT when it is gone. */
MUST_USE static inline enum err fp_spend(struct fp_run *run, uint64_t steps)
{
    if (run->steps_left < steps) {
        run->steps_left = 0;
        return ERR_LIMIT;
    }
    run->steps_left -= steps;
    return ERR_NONE;
}

/* As the caller sees it (fhirpath.c). */
MUST_USE enum err fp_result(struct fp_run *run, const struct fp_list *list,
                            struct fhirpath_result *ret_result);

/* ---- lists (fhirpath_list.c) ---- */

MUST_USE enum err fp_push(struct fp_run *run, struct fp_list *list, const struct fp_item *item);
MUST_USE enum err fp_push_all(struct fp_run *run, struct fp_list *list,
                              const struct fp_list *other);
MUST_USE enum err fp_push_boolean(struct fp_run *run, struct fp_list *list, bool value);
MUST_USE enum err fp_push_integer(struct fp_run *run, struct fp_list *list, int64_t value);
MUST_USE enum err fp_push_decimal(struct fp_run *run, struct fp_list *list, struct decimal value);
MUST_USE enum err fp_push_text(struct fp_run *run, struct fp_list *list, struct slice value);

/* A set of items under `=`, for distinct(), union and the like: linear for what
 * can be hashed. */
struct fp_set {
    struct fp_run *run;
    const struct fp_node *node;
    struct fp_list list;
    uint32_t *table; /* index + 1 */
    uint32_t mask;
    uint64_t *hashes;
    uint32_t hash_room;
};
MUST_USE enum err fp_set_init(struct fp_set *set, struct fp_run *run, const struct fp_node *node);
MUST_USE enum err fp_set_add(struct fp_set *set, const struct fp_item *item, bool *ret_is_new);
MUST_USE enum err fp_set_has(struct fp_set *set, const struct fp_item *item, bool *ret_has);
MUST_USE enum err fp_union(struct fp_run *run, const struct fp_node *node, const struct fp_list *a,
                           const struct fp_list *b, struct fp_list *out);

/* ---- items (fhirpath_item.c) ---- */

/* Children of the name; "" for all. */
MUST_USE enum err fp_children(struct fp_run *run, const struct fp_node *at,
                              const struct fp_item *item, struct slice name, struct fp_list *out);
/* The item as a system value; false when it has none (objects but Quantity,
 * primitives without a value). Memory shortage counts as none. */
bool fp_system(struct fp_run *run, const struct fp_item *item, struct fp_item *out);
bool fp_item_has_value(const struct fp_item *item);
bool fp_item_is(const struct fp_item *item, const struct fp_type *type);
/* `as` and ofType(): primitives of exactly the type, others derived, too. */
bool fp_item_of_type(const struct fp_item *item, const struct fp_type *type);
MUST_USE enum err fp_item_root(struct json value, struct json resource, struct fp_item *out);
/* As toString() gives it; false when it has no such form. */
bool fp_render(struct fp_run *run, const struct fp_item *item, struct slice *ret_text);
struct slice fp_copy_text(struct fp_run *run, const char *bytes, size_t length);

/* ---- singletons: ERR_INVALID when there are several items or the wrong kind;
 * *ret_any false for none ---- */

MUST_USE enum err fp_one(struct fp_run *run, const struct fp_node *node, const struct fp_list *list,
                         struct fp_item *ret_item, bool *ret_any);
MUST_USE enum err fp_one_text(struct fp_run *run, const struct fp_node *node,
                              const struct fp_list *list, struct slice *ret_text, bool *ret_any);
MUST_USE enum err fp_one_integer(struct fp_run *run, const struct fp_node *node,
                                 const struct fp_list *list, int64_t *ret_value, bool *ret_any);
enum fp_truth { FP_FALSE, FP_TRUE, FP_NOTHING };
MUST_USE enum err fp_one_truth(struct fp_run *run, const struct fp_node *node,
                               const struct fp_list *list, enum fp_truth *ret_truth);

/* ---- comparison (fhirpath_compare.c) ---- */

MUST_USE enum err fp_equal(struct fp_run *run, const struct fp_item *a, const struct fp_item *b,
                           enum fp_truth *ret_truth);
MUST_USE enum err fp_equivalent(struct fp_run *run, const struct fp_item *a,
                                const struct fp_item *b, bool *ret_same);
MUST_USE enum err fp_lists_equal(struct fp_run *run, const struct fp_list *a,
                                 const struct fp_list *b, enum fp_truth *ret_truth);
MUST_USE enum err fp_lists_equivalent(struct fp_run *run, const struct fp_list *a,
                                      const struct fp_list *b, bool *ret_same);
/* -1, 0, 1; *ret_known false: nothing can be said. */
MUST_USE enum err fp_order(struct fp_run *run, const struct fp_node *node, const struct fp_item *a,
                           const struct fp_item *b, int *ret_order, bool *ret_known);
/* A hash that is equal for equal items; 0 for what cannot be hashed. */
uint64_t fp_hash(struct fp_run *run, const struct fp_item *item);

/* ---- quantities (fhirpath_quantity.c) ---- */

/* Both in one unit; false when that cannot be. `is_loose`: calendar years and
 * months count as UCUM's. */
bool fp_quantities_meet(const struct fp_quantity *a, const struct fp_quantity *b, bool is_loose,
                        struct decimal *ret_a, struct decimal *ret_b);
bool fp_quantity_parse(struct slice text, struct fp_quantity *ret_quantity);
bool fp_quantity_convert(const struct fp_quantity *q, struct slice unit,
                         struct fp_quantity *ret_quantity);
/* A word for a calendar duration ("days"); the singular, NULL for none. */
const char *fp_calendar_unit(struct slice word);
MUST_USE enum err fp_date_add(struct fp_run *run, const struct fp_node *node,
                              const struct fp_item *date, const struct fp_quantity *q, int sign,
                              struct fp_list *out);
MUST_USE enum err fp_arithmetic(struct fp_run *run, const struct fp_node *node,
                                const struct fp_list *a, const struct fp_list *b,
                                struct fp_list *out);

/* ---- tokens (fhirpath_lex.c) ---- */

enum fp_token_kind {
    FP_TOKEN_END,
    FP_TOKEN_NAME,
    FP_TOKEN_QUOTED_NAME, /* `...` */
    FP_TOKEN_STRING,
    FP_TOKEN_NUMBER,
    FP_TOKEN_MOMENT, /* @... */
    FP_TOKEN_SIGN,   /* an operator or punctuation: text */
    FP_TOKEN_DOLLAR, /* $this: text without the $ */
    FP_TOKEN_WRONG,
};

struct fp_token {
    uint8_t kind; /* enum fp_token_kind */
    uint32_t at;
    struct slice text; /* names, strings: decoded */
    struct fp_item literal;
    const char *error;
};

/* The token at *at; moves behind it. ERR_NO_MEMORY only. */
MUST_USE enum err fp_lex(struct slice text, size_t *at, struct arena *arena,
                         struct fp_token *ret_token);

#endif
