/* search/compile.h - one parameter of a query on its way to a plan.
 *
 * Private to search/. parse.c walks the pairs; each compile_*() turns one value
 * (a piece between commas, escapes still in it) of the current parameter into a
 * plan. What is wrong with a value goes into the issues, by name.
 */
#ifndef SEARCH_COMPILE_H
#define SEARCH_COMPILE_H

#include "base/date.h"
#include "search/search.h"

enum {
    SEARCH_PAIRS_MAX = LIMIT_QUERY_PARAMETERS, /* parameters of one query */
    SEARCH_VALUES_MAX = LIMIT_QUERY_VALUES,    /* values between commas, all parameters together */
    SEARCH_SHOWN_BYTES = 100,                  /* of a name or value repeated in an issue */
};

enum modifier {
    MODIFIER_NONE,
    MODIFIER_MISSING,
    MODIFIER_EXACT,
    MODIFIER_CONTAINS,
    MODIFIER_NOT,
    MODIFIER_TEXT,
    MODIFIER_ABOVE,
    MODIFIER_BELOW,
    MODIFIER_IN,
    MODIFIER_NOT_IN,
    MODIFIER_OF_TYPE,
    MODIFIER_IDENTIFIER,
    MODIFIER_EQUAL,    /* of _filter: a string as a whole, folded */
    MODIFIER_OVERLAPS, /* of _filter: dates that meet */
    MODIFIER_COVERS,   /* of _filter: dates that hold all of the one asked */
    MODIFIER_ENDS,     /* of _filter: a string's end */
    MODIFIER_TYPE, /* of a reference: the name of a resource type */
};

enum prefix {
    PREFIX_EQ,
    PREFIX_NE,
    PREFIX_GT,
    PREFIX_LT,
    PREFIX_GE,
    PREFIX_LE,
    PREFIX_SA,
    PREFIX_EB,
    PREFIX_AP,
};

/* What surrounds an ordered value: nothing for a plain parameter. */
enum { KEY_PARTS_MAX = 8 };
struct key {
    struct slice prefix; /* before the kind byte */
    /* Behind the value: one of the choices, each `part_count` parts of which
     * those without bytes may be anything. */
    struct slice (*choices)[KEY_PARTS_MAX];
    size_t choice_count, part_count;
    bool is_quantity;
    bool is_measure;   /* a quantity in UCUM's base units */
    struct slice unit; /* of a quantity, if it is UCUM's: what converts to them */
    /* Of a composite with two numbers, the second's bounds. */
    bool has_second;
    struct slice second_from, second_to, first_number;
};

struct compiler {
    const struct search_settings *settings;
    const struct fhir_type *type; /* searched */
    struct arena *arena;
    struct issues *issues;
    size_t value_count; /* so far */
    size_t bracket_bytes; /* of _filter: read so far, again for each level and type */
    struct search_scores *scores; /* where texts are noted; NULL: nowhere */
    int unscored; /* above 0: within a NOT */

    /* The parameter at hand. */
    struct slice name; /* as asked, modifier included */
    const struct fhir_param *param;
    uint32_t field;
    enum modifier modifier;
    const struct fhir_type *target; /* of MODIFIER_TYPE */
    struct key key;
    int depth; /* of chains */
    bool is_too_deep; /* what failed is their depth: no other type makes it fit */
    bool is_passable; /* what failed is an unknown parameter: lenient passes it over */
    struct chain_memo *memo; /* of the condition's chains; NULL outside of one */
    struct filter_bracket *bracket; /* of _filter: a[...].b being compiled */
    const struct filter_op *op; /* of _filter: how to compare; NULL: as the modifier says */
};

typedef enum err compile_value(struct compiler *c, struct slice value, struct plan **ret_plan);

compile_value compile_token, compile_string, compile_reference, compile_uri, compile_date;
compile_value compile_number, compile_quantity, compile_composite;
compile_value compile_id, compile_last_updated, compile_created_at, compile_missing;
compile_value compile_token_text, compile_words, compile_near, compile_list, compile_filter;
compile_value compile_type;

/* A code in a system, or without one; case as the system says. In token.c. */
MUST_USE enum err token_coded(struct compiler *c, struct slice system, struct slice code,
                              struct plan **ret_plan);
/* Of another token parameter: codes that differ from it in case alone, where that does not
 * count; *ret_plan NULL: there can be none. `system` without bytes: any. */
MUST_USE enum err token_other_case(struct compiler *c, const struct fhir_param *param,
                                   struct slice system, struct slice code,
                                   struct plan **ret_plan);
/* :in, :not-in, :above and :below of tokens. In codes.c. */
compile_value compile_in, compile_relatives;
/* :above and :below of references: what the plan finds, and all that it is part of or
 * that is part of it, each way at most 8 levels. In hierarchy.c. */
compile_value compile_hierarchy;

/* ---- canonicals; in canonical.c ---- */

/* May a canonical that the parameter selects in `source` be the url of a `target`? */
bool canonical_is_followed(const struct fhir_param *param, const struct fhir_type *source,
                           const struct fhir_type *target);
/* What the parameter `url` finds by "url|version"; *plan is what has it as written. */
MUST_USE enum err canonical_of_version(struct compiler *c, struct slice canonical,
                                       struct plan **plan);
/* :below of a reference: any version, or those that begin with the one given. */
MUST_USE enum err canonical_below(struct compiler *c, struct slice canonical,
                                  struct plan **ret_plan);
/* What a chain of the current type matches by the canonicals of the reference; *ret_plan
 * NULL: it has none, or the chain is 8 levels deep. `inner` is typed. `target` NULL: all
 * the parameter's. */
MUST_USE enum err canonical_chain(struct compiler *c, const struct fhir_param *param,
                                  const struct fhir_type *target, const struct plan *inner,
                                  struct plan **ret_plan);
/* The same of _has: resources of the current type. */
MUST_USE enum err canonical_has(struct compiler *c, const struct fhir_param *param,
                                const struct fhir_type *source, const struct plan *inner,
                                struct plan **ret_plan);
/* Is a PLAN_TEST one of these? */
bool canonical_is_test(const struct plan *plan);

/* Texts that matches are ranked by: how a value was found, at the start, as a whole (NULL
 * and the same plan twice are allowed); a folded word, `is_open` with all that it begins. */
MUST_USE enum err score_string(struct compiler *c, struct plan *found, struct plan *starting,
                               struct plan *equal);
MUST_USE enum err score_word(struct compiler *c, struct slice word, bool is_open,
                             struct plan *found);

/* What may stand for a parameter's compiler in _filter. In filter.c. */
MUST_USE enum err filter_compile(struct compiler *c, struct slice value, struct plan **ret_plan);
/* What of the text stays the same however often the brackets are compiled; and what lies
 * behind the last thing compiled. */
struct slice filter_bracket_text(const struct filter_bracket *b);
struct slice *filter_bracket_behind(struct filter_bracket *b);
/* The condition "[" of a chain: what stands in and behind the brackets of c->bracket, of
 * the type at hand. */
MUST_USE enum err filter_bracket_compile(struct compiler *c, struct plan **ret_plan);
/* Strings above or below a text, or equal to it: "gt", "ge", "lt", "le". In text.c. */
MUST_USE enum err compile_string_order(struct compiler *c, struct slice op, struct slice value,
                                       struct plan **ret_plan);
/* By the parameter's type and c->modifier; NULL: not supported. In parse.c. */
compile_value *compiler_of(const struct compiler *c);

/* number$number at the end of a composite. */
MUST_USE enum err compile_two_numbers(struct compiler *c, struct slice first,
                                      struct slice second, struct plan **ret_plan);
/* Put what a quantity says of its unit into the key; *ret_number is the rest. */
MUST_USE enum err quantity_parts(struct compiler *c, struct slice value,
                                 struct slice *ret_number);
/* The value as written and, where its unit is UCUM's, in base units too. */
MUST_USE enum err either_measure(struct compiler *c, compile_value *compile, struct slice value,
                                 struct plan **ret_plan);
bool composite_is_supported(const struct fhir_param *param);

/* The store's own parameter of that code, else R4's; NULL when there is none. */
static inline const struct fhir_param *param_find(const struct compiler *c,
                                                  const struct fhir_type *type,
                                                  struct slice code)
{
    return custom_param_find(c->settings->customs, type, code);
}

/* What a parameter's own definition states of what may be asked of it; in stated.c. The
 * modifier's text may be empty. */
MUST_USE enum err stated_check(struct compiler *c, struct slice modifier, struct slice values);
MUST_USE enum err stated_chain_check(struct compiler *c, const struct fhir_param *param,
                                     struct slice name);
MUST_USE enum err stated_repeats_check(struct compiler *c, const struct search_pair *pairs,
                                       size_t count);

/* "Patient.name": what a plan's field is. In step.c. */
void field_append(struct buf *out, const struct custom_set *customs, uint32_t field);

/* One condition on resources of the type, whose name may be a chain
 * ("subject:Patient.name") or reverse chain ("_has:Observation:patient:code").
 * c->type is as before on return. */
MUST_USE enum err condition_compile(struct compiler *c, const struct fhir_type *type,
                                    struct slice name, struct slice values,
                                    struct plan **ret_plan);
/* A parameter of every type that is none of R4's SearchParameters: _list, createdAt. */
bool condition_is_common(struct slice code);
/* The same without chains; in parse.c. */
MUST_USE enum err condition_plain(struct compiler *c, struct slice name, struct slice values,
                                  struct plan **ret_plan);
/* What a chain of the current type matches by the contained resources that the reference
 * leads to; `inner` is typed. In contained.c. */
MUST_USE enum err contained_chain(struct compiler *c, uint32_t field, const struct plan *inner,
                                  struct plan **ret_plan);
/* Containers of a resource of the current type that meets the conditions. */
MUST_USE enum err contained_search(struct compiler *c, const struct plan *conditions,
                                   struct plan **ret_plan);
/* The plan, with the type's posting if it does not imply the type. */
MUST_USE enum err plan_typed(struct compiler *c, struct plan *plan, struct plan **ret_plan);

/* Of one search, while it runs. */
static inline size_t search_memory(const struct search_query *q)
{
    return q->memory_bytes ? q->memory_bytes : (size_t)STORE_MEMORY_BYTES;
}
/* The documents into the answer's arena. */
MUST_USE enum err sort_keep(struct arena *arena, const uint64_t *docs, size_t count,
                            struct search_found *ret);

/* `limit` matches behind or before the page's position, in the order of the query's keys.
 * ERR_INVALID without an issue: the position is no match. */
MUST_USE enum err sort_run(const struct search_query *q, struct store_reader *reader,
                           size_t limit, struct arena *work, struct arena *arena,
                           struct issues *issues, struct search_found *ret);
/* Once the types are known: the parameter of each key in every type. */
MUST_USE enum err sort_bind(struct compiler *c, struct search_query *q);
/* The value of _sort, of _include and _revinclude, into the query. */
MUST_USE enum err sort_parse(struct compiler *c, struct slice value, struct search_query *q);
MUST_USE enum err include_parse(struct compiler *c, struct slice modifier, struct slice value,
                                struct search_query *q);

/* ---- dialects ---- */

/* A parameter that the dialect does not have. `dialect` may be NULL, here and below;
 * `type` too: of no one type. */
bool dialect_lacks(const struct search_dialect *dialect, const struct fhir_type *type,
                   struct slice code);
bool dialect_sorts_by(const struct search_dialect *dialect, const struct fhir_type *type,
                      const struct fhir_param *param);
/* A PREFIX or CONTAINS of folded strings: only those in which the text stands as written,
 * anywhere or at the start. */
MUST_USE enum err plan_cased(struct compiler *c, struct slice text, bool is_anywhere,
                             struct plan *plan);
/* "<what> in the parameter 'name' is not supported (--behave ...)." */
MUST_USE enum err dialect_refuse(struct compiler *c, const char *what);
static inline bool dialect_is_narrow(const struct compiler *c)
{
    return c->settings->dialect && c->settings->dialect->is_narrow;
}

/* What stands behind the ':' of a name, for the type of the current parameter.
 * ERR_INVALID or ERR_UNSUPPORTED with an issue. */
MUST_USE enum err modifier_parse(struct compiler *c, struct slice text);

/* ---- values ---- */

/* Cut at the first `separator` that no backslash escapes; as slice_cut(). */
struct slice value_cut(struct slice *rest, char separator);
/* Without the escapes `\,` `\|` `\$` `\\`; other backslashes stay. Borrowed when
 * there are none. bytes == NULL when memory is short. */
struct slice value_unescape(struct slice value, struct arena *arena);
/* "The value 'x' of the parameter 'name' <what>." */
MUST_USE enum err value_refuse(struct compiler *c, struct slice value, const char *what);

/* Take a prefix off; EQ without one. False if it begins with other letters, or with
 * a prefix that the dialect does not have. */
bool prefix_cut(const struct compiler *c, struct slice *text, enum prefix *ret_prefix);

/* ---- plans ---- */

struct plan_list {
    struct plan **items; /* in the arena */
    size_t count, room;
};

/* Values of one kind between the key's prefix and its parts: the low end in
 * [low_from, low_to), the high end, or a second value, in [high_from, high_to).
 * Empty: no bound. */
struct ordered {
    char kind;
    struct slice low_from, low_to, high_from, high_to;
    size_t tail_skip_bytes; /* from behind the kind byte to the high end */
    size_t bytes;           /* behind the kind byte until the parts begin */
};
/* A leaf for each choice of the key. */
MUST_USE enum err ordered_add(struct compiler *c, const struct ordered *o,
                              struct plan_list *list);
/* Every choice so far with each of these. */
MUST_USE enum err key_add_parts(struct compiler *c, struct slice choices[][KEY_PARTS_MAX],
                                size_t count, size_t part_count);

/* A leaf on the current field; ERR_NO_MEMORY when `from.bytes` is NULL. */
MUST_USE enum err plan_leaf(struct compiler *c, enum plan_kind kind, struct slice from,
                            struct plan **ret_plan);
/* Without children and bytes: PLAN_ALL, PLAN_NONE, PLAN_INSTANT. */
MUST_USE enum err plan_bare(struct compiler *c, enum plan_kind kind, struct plan **ret_plan);
/* Of the documents of `child` those that pass the test. `context` lives as long as the plan. */
MUST_USE enum err plan_tested(struct compiler *c, struct plan *child, store_test *test,
                              void *context, struct plan **ret_plan);
MUST_USE enum err plan_not(struct compiler *c, struct plan *child, struct plan **ret_plan);

MUST_USE enum err plan_list_add(struct compiler *c, struct plan_list *list, struct plan *plan);
/* PLAN_AND or PLAN_OR of the list (not empty); one item stands for itself. */
MUST_USE enum err plan_join(struct compiler *c, enum plan_kind kind,
                            const struct plan_list *list, struct plan **ret_plan);
/* PLAN_OR of two. */
MUST_USE enum err plan_either(struct compiler *c, struct plan *a, struct plan *b,
                              struct plan **ret_plan);
/* True if nothing but resources of the searched type can match. */
bool plan_is_typed(const struct plan *plan);

/* ---- suggestions ---- */

/* The name nearest to a misspelt one among `type`'s parameters, the store's own and
 * `others`; empty when none is near. */
struct slice suggest_param(const struct custom_set *customs, const struct fhir_type *type,
                           const struct slice *others, size_t other_count, struct slice name);

#endif
