/* custom/custom.h - search parameters that a data store defines itself.
 *
 * A SearchParameter resource becomes a struct custom_param: what R4's generated
 * tables hold of their own parameters, and the expression compiled for the general
 * FHIRPath engine. A struct custom_set is all of a store's that count, found by type
 * and code, or by number. README.md says which definitions count, and in which order.
 *
 * Neither changes once it is made, but for the count of failures: any threads share
 * them. Parameters are counted; a set holds its own.
 */
#ifndef CUSTOM_CUSTOM_H
#define CUSTOM_CUSTOM_H

#include <stdatomic.h>

#include "base/limits.h"
#include "fhir/fhir.h"

/* Raise it when the same definition gives other values than before. */
enum { CUSTOM_RULES = 2 };

enum {
    /* Above R4's numbers, below those that the index reserves. */
    CUSTOM_FIRST = 0x4000,
    CUSTOM_LAST = 0xefff,
    CUSTOM_PARAMS_MAX = LIMIT_SEARCH_PARAMETERS,
    CUSTOM_COMPONENTS_MAX = 4, /* as index/ and search/ take */
    CUSTOM_CODE_BYTES_MAX = 64,
};

/* Bits of custom_param.modifiers: by the order of CUSTOM_MODIFIERS. */
extern const char *const CUSTOM_MODIFIERS[];
/* Bits of custom_param.comparators: eq ne gt lt ge le sa eb ap. */
extern const char *const CUSTOM_COMPARATORS[];

struct custom_param {
    struct fhir_param param; /* first, so that a search sees nothing special */
    struct fhir_component components[CUSTOM_COMPONENTS_MAX];
    struct fhir_param parts[CUSTOM_COMPONENTS_MAX]; /* what these are: their types */
    struct slice part_urls[CUSTOM_COMPONENTS_MAX];  /* canonicals of their definitions */
    const struct fhirpath *expression;
    const struct fhirpath *part_expressions[CUSTOM_COMPONENTS_MAX];
    const uint16_t *bases; /* type ids as stated, abstract ones among them */
    uint16_t base_count;
    /* What may be asked of it; 0: whatever its type takes. */
    uint32_t modifiers, comparators;
    bool is_single_or, is_single_and; /* multipleOr, multipleAnd: false */
    const struct slice *chains;
    size_t chain_count;
    uint64_t rule_hash; /* of all that decides which values a resource has */
    atomic_uint_fast64_t references;
    /* Resources whose values could not be told: errors of the expression, and those
     * that took too many steps; since the parameter was read. */
    atomic_uint_fast64_t failures;
    struct arena arena; /* of this struct, too */
};

/* What is wrong with a definition. */
struct custom_fault {
    const char *element; /* "expression"; static */
    struct json where;   /* the value, or what should have held it */
    struct slice text;   /* in the arena, or static */
};

/* Does the definition count at all: has it the status `active`? */
bool custom_is_active(struct json definition);

/* A definition read and compiled; counted once. ERR_INVALID with *fault set (its text
 * cut from `arena`), ERR_NO_MEMORY. */
MUST_USE enum err custom_param_read(struct json definition, struct arena *arena,
                                    struct custom_fault *fault, struct custom_param **ret);
/* Before it is shared: its number, and of a composite the types of its parts. */
void custom_param_settle(struct custom_param *p, uint16_t number, const uint8_t *part_types);
struct custom_param *custom_param_ref(struct custom_param *p);
void custom_param_unref(struct custom_param *p); /* may be NULL */

/* Is it the parameter that R4 has of this code on this type, with the same rule? */
bool custom_is_builtin(const struct custom_param *p, const struct fhir_type *type);

static inline bool custom_is(const struct fhir_param *param)
{
    return param->id >= CUSTOM_FIRST && param->id <= CUSTOM_LAST;
}
/* The custom one that a search holds as a struct fhir_param. */
static inline const struct custom_param *custom_of(const struct fhir_param *param)
{
    CHECK(custom_is(param));
    return (const struct custom_param *)param;
}

/* ---- sets ---- */

struct custom_set;

/* One parameter on its way into a set. */
struct custom_row {
    struct custom_param *param; /* settled; the set takes a reference */
    const uint16_t *types;      /* resource numbers (fhir_type.resource) it answers for */
    size_t type_count;
};

/* `number` is the set's own. NULL when memory is short. */
struct custom_set *custom_set_make(const struct custom_row *rows, size_t count, uint64_t number);
void custom_set_free(struct custom_set *set); /* may be NULL */
/* Tells sets apart: a write says under which its terms were made. 0: of no set. */
uint64_t custom_set_number(const struct custom_set *set);

/* `set` may be NULL in all of these: no custom parameters. */

/* By code, on a concrete resource type; NULL when the set has none. */
const struct fhir_param *custom_find(const struct custom_set *set, const struct fhir_type *type,
                                     struct slice code);
/* The store's own one, else R4's; NULL when neither knows the code. */
const struct fhir_param *custom_param_find(const struct custom_set *set,
                                           const struct fhir_type *type, struct slice code);
/* By number; also R4's. NULL when there is none. */
const struct fhir_param *custom_param_at(const struct custom_set *set, uint16_t number);
/* All of a type, by code. */
const struct custom_param *const *custom_params_of(const struct custom_set *set,
                                                   const struct fhir_type *type,
                                                   size_t *ret_count);
/* All, in no order to rely on: from 0 up, NULL at the end. */
const struct custom_param *custom_set_at(const struct custom_set *set, size_t place);

/* ---- values ---- */

/* What the expressions of one resource may take together. */
struct custom_budget {
    uint64_t each, left; /* steps: of one expression, of all that are still to run */
};
void custom_budget_init(struct custom_budget *budget, struct json resource);

/* Visit what the parameter selects, in order: elements of the resource, and computed
 * values as if they were such. `item` is the resource; with `part` > 0 it is an item
 * of the parameter and the part's expression is run. All lives in `scratch`. What
 * cannot be told (an error, too many steps) selects nothing: *ret_failed then. Errors
 * are those of `visit`, and ERR_NO_MEMORY. */
MUST_USE enum err custom_visit(const struct custom_param *p, size_t part, struct fhir_item item,
                               struct custom_budget *budget, struct arena *scratch,
                               fhir_visit *visit, void *context, bool *ret_failed);
/* Count a resource of which the parameter's values could not be told. */
void custom_failed(const struct custom_param *p);

#endif
