/* fhir/fhir.h - FHIR R4 as const tables, and what is computed from them alone.
 *
 * Everything the specification lists is generated from spec/ by tools/gen at
 * build time (build/gen): types, elements, search parameters with their compiled
 * expressions, compartments. No resource type is named in hand-written code.
 * All tables are const and shared by every thread.
 */
#ifndef FHIR_FHIR_H
#define FHIR_FHIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "json/json.h"

/* ---- types and elements (StructureDefinition) ---- */

enum fhir_kind {
    FHIR_PRIMITIVE, /* boolean, string, dateTime, ... */
    FHIR_COMPLEX,   /* HumanName, Period, Extension, ... */
    FHIR_BACKBONE,  /* Patient.contact, Timing.repeat, ... */
    FHIR_RESOURCE,
};

enum { FHIR_MANY = 0xffff, FHIR_NO_TYPE = 0xffff };

struct fhir_element {
    struct slice name;       /* JSON name; each type of a choice is a row: "valueQuantity" */
    struct slice choice;     /* the choice's stem ("value"), empty if no choice */
    uint16_t type;           /* id of its type; content references resolved */
    uint16_t min;            /* cardinality; of a choice: of the whole choice */
    uint16_t max;            /* 1, n or FHIR_MANY; > 1 means a JSON array */
    uint16_t target_count;   /* of Reference and canonical: allowed targets */
    const uint16_t *targets; /* type ids; "Resource" means any */
    uint8_t binding;         /* enum fhir_binding */
    bool is_array;           /* base cardinality repeats: JSON array */
    bool is_summary;
    bool is_modifier;
    struct slice value_set;  /* canonical of the binding, version included */
};

enum fhir_binding {
    FHIR_BINDING_NONE,
    FHIR_BINDING_EXAMPLE,
    FHIR_BINDING_PREFERRED,
    FHIR_BINDING_EXTENSIBLE,
    FHIR_BINDING_REQUIRED,
};

struct fhir_type {
    struct slice name;  /* "Patient", "HumanName", "Patient.contact", "dateTime" */
    uint16_t id;        /* its place in the table */
    uint16_t base;      /* id of the base type, FHIR_NO_TYPE for the roots */
    uint8_t kind;       /* enum fhir_kind */
    bool is_abstract;   /* Resource, DomainResource, Element, ... */
    uint16_t resource;  /* resource types: 0.. in alphabetical order, concrete only;
                         * else FHIR_NO_TYPE. Part of stored index keys: never renumbered */
    uint16_t element_count;
    const struct fhir_element *elements; /* inherited ones included, definition order */
};

/* NULL when absent. Names are case-sensitive. */
const struct fhir_type *fhir_type_find(struct slice name);
const struct fhir_type *fhir_type_at(uint16_t id);
/* A concrete resource type; NULL for abstract ones and all else. */
const struct fhir_type *fhir_resource_find(struct slice name);
/* By fhir_type.resource; the count of concrete resource types (148 in R4). */
const struct fhir_type *fhir_resource_at(uint16_t resource);
uint16_t fhir_resource_count(void);
/* By JSON member name (without the leading '_'); NULL when unknown. */
const struct fhir_element *fhir_element_find(const struct fhir_type *type, struct slice name);

/* ---- search parameters ---- */

enum fhir_param_type {
    FHIR_PARAM_NUMBER,
    FHIR_PARAM_DATE,
    FHIR_PARAM_STRING,
    FHIR_PARAM_TOKEN,
    FHIR_PARAM_REFERENCE,
    FHIR_PARAM_COMPOSITE,
    FHIR_PARAM_QUANTITY,
    FHIR_PARAM_URI,
    FHIR_PARAM_SPECIAL,
};

struct fhir_path; /* a compiled expression; private to fhir/ */

struct fhir_component {
    uint16_t param;               /* id of the component's parameter */
    const struct fhir_path *path; /* relative to the composite's own path */
};

struct fhir_param {
    struct slice code; /* "birthdate" */
    struct slice url;  /* of the SearchParameter */
    uint16_t id;       /* place in the table; part of stored index keys */
    uint8_t type;      /* enum fhir_param_type */
    uint16_t target_count;
    const uint16_t *targets;        /* type ids a reference may point at */
    const struct fhir_path *path;   /* NULL: no expression (special ones) */
    uint16_t component_count;
    const struct fhir_component *components;
    struct slice expression; /* FHIRPath as published */
    uint64_t rule_hash;      /* changes when the extraction rule changes */
};

const struct fhir_param *fhir_param_at(uint16_t id);
uint16_t fhir_param_count(void);
/* By code for a concrete resource type, Resource's and DomainResource's own
 * (_id, _tag, _text, ...) included; NULL when unknown. */
const struct fhir_param *fhir_param_find(const struct fhir_type *resource, struct slice code);
/* Ids of all parameters of a concrete resource type, sorted by code. */
const uint16_t *fhir_params_of(const struct fhir_type *resource, size_t *ret_count);

/* One element that an expression selects. */
struct fhir_item {
    struct json value;            /* of a primitive: its JSON value (may be absent when only
                                   * an extension is there: then it is not visited) */
    const struct fhir_type *type; /* its declared type: "HumanName", "dateTime", ... */
};
typedef enum err fhir_visit(void *context, struct fhir_item item);

/* Run a compiled expression on a resource (or, for components, on an element):
 * visit each selected element in document order. Stops at the first error. */
MUST_USE enum err fhir_path_visit(const struct fhir_path *path, struct fhir_item root,
                                  fhir_visit *visit, void *context);

/* ---- compartments ---- */

enum fhir_compartment {
    FHIR_COMPARTMENT_PATIENT,
    FHIR_COMPARTMENT_ENCOUNTER,
    FHIR_COMPARTMENT_RELATED_PERSON,
    FHIR_COMPARTMENT_PRACTITIONER,
    FHIR_COMPARTMENT_DEVICE,
    FHIR_COMPARTMENT_COUNT,
};

/* The owner's resource type, e.g. Patient's. */
const struct fhir_type *fhir_compartment_owner(enum fhir_compartment c);
/* The parameter ids by which resources of the type belong to it, table order;
 * NULL when they never do. A parameter code of "{def}" (the owner itself) is
 * not in the list: the owner always belongs to its own compartment. */
const uint16_t *fhir_compartment_params(enum fhir_compartment c, const struct fhir_type *resource,
                                        size_t *ret_count);

/* The element whose date decides `start` and `end` of Patient/$everything
 * (reference/healthlake.md 6.1), compiled; NULL for types without one. */
const struct fhir_path *fhir_everything_date(const struct fhir_type *resource);

/* ---- references ---- */

/* A literal reference taken apart. Slices point into the text given. */
struct fhir_reference {
    struct slice base;     /* "https://host/path" without last slash; empty if relative */
    const struct fhir_type *type; /* NULL: no Type/id form (urn:, #id, canonical) */
    struct slice id;
    struct slice version;  /* of Type/id/_history/version; may be empty */
    struct slice fragment; /* behind '#'; may be empty */
};
/* Always succeeds; an unparsable text leaves type NULL. */
struct fhir_reference fhir_reference_parse(struct slice text);

/* [A-Za-z0-9\-\.]{1,64} */
bool fhir_id_is_valid(struct slice id);

#endif
