/* profile/element.h - a StructureDefinition as a tree of elements; private.
 *
 *   JSON --definition.c--> base tree --(its snapshot, or its differential)--> tree
 *   tree --compile.c--> image
 *
 * A published snapshot is read as it stands; without one the differential is put
 * on a copy of the base: elements are looked up by path and slice name, children
 * of types come in when the differential walks into them. All of it lives in one
 * arena and borrows the JSON.
 *
 *   Patient
 *     identifier ---- slices: identifier:mrn, identifier:mrn/old under it
 *       system          system
 *     value[x] ------ slices: value[x]:valueQuantity
 */
#ifndef PROFILE_ELEMENT_H
#define PROFILE_ELEMENT_H

#include "fhir/fhir.h"

enum { ELEMENT_MANY = 0xffffffff, ELEMENTS_MAX = 50000, DEFINITION_DEPTH_MAX = 12 };

struct kept;

struct type_ref {
    struct slice code; /* "Quantity" */
    const struct slice *profiles, *targets;
    uint32_t profile_count, target_count;
};

struct constraint {
    const struct constraint *next;
    struct slice key, human, expression;
    struct slice source; /* canonical of what states it; may be empty */
    bool is_error;
};

enum discriminator_type {
    DISCRIMINATE_VALUE,
    DISCRIMINATE_EXISTS,
    DISCRIMINATE_PATTERN,
    DISCRIMINATE_TYPE,
    DISCRIMINATE_PROFILE,
    DISCRIMINATE_POSITION, /* R5 */
};

enum slicing_rules { SLICING_NONE, SLICING_OPEN, SLICING_CLOSED, SLICING_OPEN_AT_END };

struct discriminator {
    uint8_t type; /* enum discriminator_type */
    struct slice path;
};

struct element {
    struct element *parent;       /* NULL: the root; of a slice: the parent of what it slices */
    struct element *next;         /* sibling, or next slice */
    struct element *sliced;       /* of a slice: what it slices; a slice, too, when resliced */
    struct slice name;            /* last part of the path: "Patient", "value[x]" */
    struct slice slice_name;      /* "mrn", "mrn/old" */
    struct element *first, *last; /* children */
    struct element *first_slice, *last_slice; /* in order */
    uint32_t min, max;
    const struct type_ref *types;
    uint32_t type_count;
    const struct type_ref *all_types; /* before a differential's "valueQuantity" left one */
    uint32_t all_type_count;
    struct json fixed, pattern; /* the values; absent: none */
    struct json overridden;     /* what was fixed before; absent: nothing */
    struct json min_value, max_value;
    uint32_t max_length; /* 0: none */
    uint8_t strength;    /* enum fhir_binding */
    struct slice value_set, max_value_set;
    const struct constraint *first_constraint;
    uint8_t rules; /* enum slicing_rules; SLICING_NONE: not sliced */
    bool is_ordered;
    const struct discriminator *discriminators;
    uint32_t discriminator_count;
    struct slice content;         /* path that a content reference names, without '#' */
    const struct fhir_type *base; /* whose elements its children are, when known */
    bool is_expanded;             /* its children are there */
    struct kept *kept;            /* while it is compiled: what is kept of it */
};

/* What is known of one StructureDefinition. */
struct definition {
    struct slice url, version, type, base; /* base: canonical of what it constrains */
    struct json json;
    struct element *root;
    uint32_t depth; /* of derivation, while it is generated */
    /* Of the elements of the differential which one each became, when the caller gives
     * room for all of them; and at which one it ended. */
    struct element **stated;
    uint32_t reached;
};

/* Where other definitions are found, for bases and profiles of types. */
struct definitions {
    struct arena *arena;
    void *context;
    /* The StructureDefinition's JSON; absent: unknown (core types need none). */
    struct json (*find)(void *context, struct slice canonical);
    uint32_t element_count; /* made so far for this definition, against ELEMENTS_MAX */
};

/* Read a StructureDefinition with a snapshot, or make it from the differential
 * (`generate`: always). ERR_INVALID with *ret_reason when it cannot be used,
 * ERR_NOT_FOUND when its base is unknown, ERR_LIMIT, ERR_NO_MEMORY. */
MUST_USE enum err definition_read(struct definitions *world, struct json json, bool generate,
                                  struct definition *ret_definition, const char **ret_reason);

/* ---- inside (element.c, element_read.c) ---- */

MUST_USE enum err element_new(struct definitions *world, struct element *parent, struct slice name,
                              struct element **ret);
struct element *element_child(const struct element *parent, struct slice name);
struct element *element_slice(const struct element *sliced, struct slice name);
/* The tables' own elements as a tree: backbones opened, types not. */
MUST_USE enum err element_of_type(struct definitions *world, const struct fhir_type *type,
                                  struct element **ret);
/* Give it the children of its type, when it has none yet. */
MUST_USE enum err element_expand(struct definitions *world, struct element *e, uint32_t depth);
/* A new slice with all that the sliced element says. */
MUST_USE enum err element_new_slice(struct definitions *world, struct element *sliced,
                                    struct slice name, struct element **ret);
/* Copies of the children of `from`, under `to`. */
MUST_USE enum err element_copy_children(struct definitions *world, const struct element *from,
                                        struct element *to);
/* What an ElementDefinition states, over what was there. */
MUST_USE enum err element_state(struct definitions *world, struct element *e, struct json json);
/* The choice's stem: "value" of "value[x]"; empty when it is none. */
struct slice element_stem(struct slice name);

#endif
