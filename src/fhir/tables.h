/* fhir/tables.h - what tools/gen writes and src/fhir reads; private to fhir/.
 *
 * All of it is const and lives in build/gen/fhir_tables.c.
 */
#ifndef FHIR_TABLES_H
#define FHIR_TABLES_H

#include "fhir/fhir.h"

/* Changes when the meaning of compiled expressions does: part of every rule hash. */
enum { PATH_COMPILER_VERSION = 1 };

/* An open-addressed table of positions + 1 (0: free), linear probing. */
struct name_table {
    const uint16_t *slots; /* 1 << bits of them */
    uint64_t multiplier;
    uint32_t bits; /* 1 or more */
};

/* ---- compiled expressions ---- */

enum path_op {
    PATH_CHILD,       /* the members named by rows (several: a choice) */
    PATH_WHERE_IS,    /* keep references to resources of `type` */
    PATH_WHERE_EQUAL, /* keep objects whose member `name` is the string `literal` */
};

enum { PATH_EVERY = 0xffff, PATH_STEPS_MAX = 8 };

struct path_step {
    uint8_t op;                      /* enum path_op */
    uint16_t index;                  /* PATH_CHILD: only the n-th of all; PATH_EVERY: all */
    uint16_t type;                   /* PATH_WHERE_IS */
    uint16_t row_count;              /* PATH_CHILD */
    const struct fhir_element *rows; /* PATH_CHILD */
    struct slice name;               /* PATH_WHERE_EQUAL; PATH_CHILD: the choice's stem */
    struct slice literal;            /* PATH_WHERE_EQUAL */
};

struct path_branch {
    const struct path_step *steps;
    uint16_t step_count;
    uint16_t root;      /* runs when the root's type is this or derives from it */
    bool from_resource; /* begins with %resource instead of the root */
};

enum path_test { PATH_EXISTS, PATH_EQUAL, PATH_NOT_EQUAL };

/* One operand of `and`, over a range of the path's branches. */
struct path_condition {
    uint8_t test; /* enum path_test */
    uint16_t first_branch, branch_count;
    struct slice literal; /* JSON text to compare with */
};

struct fhir_path {
    const struct path_branch *branches;
    uint16_t branch_count;
    uint16_t condition_count;
    const struct path_condition *conditions; /* not NULL: the path is a boolean */
};

/* ---- all expressions of a resource type in one tree ---- */

/* An element that an expression goes through, or a filter on its parent. */
struct trie_node {
    const struct fhir_element *element; /* NULL: a root or a filter */
    const struct path_step *filter;     /* NULL: an element */
    struct name_table names;            /* of the children that are elements */
    const uint16_t *accepts;            /* parameters that select this */
    uint16_t first_child;               /* number of the first one; filters come last */
    uint16_t child_count, filter_count, accept_count;
};

/* ---- required value sets ---- */

struct code_row {
    struct slice code, system;
};

struct code_list {
    struct slice url;        /* the value set's canonical */
    struct name_table names; /* of the codes */
    const struct code_row *codes;
    struct slice open_system; /* all its codes belong, and they are not listed */
    bool is_open;             /* codes beyond the listed ones belong */
};

/* ---- invariants ---- */

struct invariant {
    struct slice key, human, expression;
    struct slice element; /* of which element of the type; empty: of the type itself */
    struct slice profile; /* of the element's type, which asks for it; empty: base R4 */
    bool is_error;        /* else a warning */
};

/* Those of a type are neighbours: */
struct invariant_list {
    uint16_t first, count;
};

/* ---- the tables ---- */

struct param_list {
    const uint16_t *ids;
    uint16_t count;
};

struct compartment_row {
    const struct param_list *lists; /* by fhir_type.resource; NULL ids: never a member */
    uint16_t owner;                 /* type id */
};

extern const struct fhir_type fhir_types[];
extern const uint16_t fhir_type_total;
extern const struct name_table fhir_type_names;
extern const struct name_table fhir_element_names[]; /* by type id */
extern const uint16_t fhir_resources[];              /* type ids by fhir_type.resource */
extern const uint16_t fhir_resource_total;
extern const struct fhir_param fhir_params[];
extern const uint16_t fhir_param_total;
extern const struct param_list fhir_resource_params[]; /* by fhir_type.resource, by code */
extern const struct compartment_row fhir_compartments[FHIR_COMPARTMENT_COUNT];
extern const struct fhir_path *const fhir_everything_dates[]; /* by fhir_type.resource */
extern const struct trie_node fhir_trie[];                    /* roots by fhir_type.resource */
extern const struct code_list fhir_code_lists[];              /* by fhir_element.codes */
extern const struct invariant fhir_invariants[];
extern const uint16_t fhir_invariant_total;
extern const struct invariant_list fhir_type_invariants[]; /* by type id */
extern const struct param_list fhir_other_params[];           /* by resource: run by themselves */

/* ---- helpers inside fhir/ ---- */

/* Is `id` the type `ancestor` or derived from it? */
bool type_derives(uint16_t id, uint16_t ancestor);

/* The resource's own type by its resourceType; NULL when unknown. */
const struct fhir_type *resource_type_of(struct json resource);

/* The item that a value of the element is; false when it has not the JSON shape
 * that the element's type asks for (or is null: a primitive's placeholder). */
bool item_of(struct json value, const struct fhir_element *element, struct json resource,
             struct fhir_item *ret_item);

/* Does the filter (PATH_WHERE_*) keep the item? *steps_left bounds the looks for
 * contained resources over a whole run: many references times many contained
 * resources would take quadratic time. At 0 they are of no type. */
enum { CONTAINED_STEPS_MAX = 1000000 };
bool filter_keeps(const struct path_step *filter, struct fhir_item item, uint32_t *steps_left);

/* A resource stands here whose type only its content tells (contained, entry.resource). */
static inline bool type_is_open_resource(const struct fhir_type *type)
{
    return type->kind == FHIR_RESOURCE && type->is_abstract;
}

/* Decode the escapes of a JSON string's bytes into `room`, the empty slice when
 * it has no room; without escapes the bytes themselves. For texts that are short whenever they
 * matter (names, URLs), where json_string() would want an arena. */
struct slice text_unescape(struct slice raw, char *room, size_t room_bytes);

/* The decoded name of a key, or text of a string: borrowed from the document, or
 * decoded into `room`; the empty slice if it is longer than any element's name. */
enum { ELEMENT_NAME_MAX = 96 };
struct slice key_name(struct json key, char room[ELEMENT_NAME_MAX]);

#endif
