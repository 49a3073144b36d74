/* fhir/validate.h - inside of validation; private to fhir/.
 *
 * validate.c walks, validate_value.c looks at single values, validate_rules.c
 * runs invariants. Recursion is over the resource, whose depth is bounded.
 */
#ifndef FHIR_VALIDATE_H
#define FHIR_VALIDATE_H

#include "base/map.h"
#include "fhir/tables.h"

struct fhir_check {
    const struct fhir_validate_options *options;
    struct issues *issues;
    struct arena *scratch; /* rewound after each invariant */
    struct json resource;  /* nearest resource */
    struct json root;      /* nearest one that is not contained */
    struct json outermost; /* where the walk began */
    struct map contained;  /* ids of the root's contained resources: validate_contained.c */
    struct map element_ids; /* of the nearest resource */
    struct map told;        /* rules and places that were told: once is enough */
    struct arena told_keys; /* of `told` */
    uint64_t steps_left; /* for invariants */
    bool is_tired;       /* the budget's end is reported */
    int depth;
    int this_year;    /* 0: nobody said when it is */
    enum err failure; /* ERR_NO_MEMORY, ERR_LIMIT */
};

void check_report(struct fhir_check *c, const struct fhir_spot *spot, struct json where,
                  enum issue_severity severity, const char *code, struct slice key,
                  const char *format, ...) PRINTF_LIKE(7, 8);
#define check_error(c, spot, where, code, ...)                                                     \
    check_report((c), (spot), (where), ISSUE_ERROR, (code), SLICE_NONE, __VA_ARGS__)

/* A primitive's value: JSON type, format, code. */
void check_primitive(struct fhir_check *c, const struct fhir_spot *spot,
                     const struct fhir_element *element, struct json value);
/* Coding and CodeableConcept under a required binding; a Reference's text. */
void check_coded(struct fhir_check *c, const struct fhir_spot *spot,
                 const struct fhir_element *element, struct json value);
void check_reference(struct fhir_check *c, const struct fhir_spot *spot,
                     const struct fhir_element *element, struct json value);

/* Ids to types, and what is wrong with ids; then, behind the walk, those that nobody has
 * named (dom-3). Linear, for a resource that is not contained itself. */
void contained_gather(struct fhir_check *c, const struct fhir_spot *spot, struct json resource);
void contained_check(struct fhir_check *c, const struct fhir_spot *spot, struct json resource);
/* "#id" names it, and "#" its holder from within. True when it is there; its type may be
 * unknown. */
bool contained_name(struct fhir_check *c, struct slice id, const struct fhir_type **ret_type);
/* All that a narrative links to. */
void contained_name_links(struct fhir_check *c, struct slice xhtml);

/* Extensions are named by absolute URLs; only parts of extensions by short names. */
void check_extension_url(struct fhir_check *c, const struct fhir_spot *spot, struct json value);

/* Attachment.size against its data. */
void check_attachment(struct fhir_check *c, const struct fhir_spot *spot, struct json value);

/* All invariants of the type and its bases, and of the element in its holder. */
void check_invariants(struct fhir_check *c, const struct fhir_spot *spot, struct fhir_item item,
                      const struct fhir_type *holder);

#endif
