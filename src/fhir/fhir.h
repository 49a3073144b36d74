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
#include "base/decimal.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/issues.h"
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

/* The data types, in the order of spec/types.txt: the first ids of the type
 * table, so that `switch (item.type->id)` may name them (FHIR_TYPE_HUMAN_NAME).
 * The generated tables assert that the list is right. */
#define FHIR_DATA_TYPES(X)                                                                         \
    X(BASE64_BINARY, base64Binary)                                                                 \
    X(BOOLEAN, boolean)                                                                            \
    X(CANONICAL, canonical)                                                                        \
    X(CODE, code)                                                                                  \
    X(DATE, date)                                                                                  \
    X(DATE_TIME, dateTime)                                                                         \
    X(DECIMAL, decimal)                                                                            \
    X(ID, id)                                                                                      \
    X(INSTANT, instant)                                                                            \
    X(INTEGER, integer)                                                                            \
    X(MARKDOWN, markdown)                                                                          \
    X(OID, oid)                                                                                    \
    X(POSITIVE_INT, positiveInt)                                                                   \
    X(STRING, string)                                                                              \
    X(TIME, time)                                                                                  \
    X(UNSIGNED_INT, unsignedInt)                                                                   \
    X(URI, uri)                                                                                    \
    X(URL, url)                                                                                    \
    X(UUID, uuid)                                                                                  \
    X(XHTML, xhtml)                                                                                \
    X(ADDRESS, Address)                                                                            \
    X(AGE, Age)                                                                                    \
    X(ANNOTATION, Annotation)                                                                      \
    X(ATTACHMENT, Attachment)                                                                      \
    X(BACKBONE_ELEMENT, BackboneElement)                                                           \
    X(CODEABLE_CONCEPT, CodeableConcept)                                                           \
    X(CODING, Coding)                                                                              \
    X(CONTACT_DETAIL, ContactDetail)                                                               \
    X(CONTACT_POINT, ContactPoint)                                                                 \
    X(CONTRIBUTOR, Contributor)                                                                    \
    X(COUNT, Count)                                                                                \
    X(DATA_REQUIREMENT, DataRequirement)                                                           \
    X(DISTANCE, Distance)                                                                          \
    X(DOSAGE, Dosage)                                                                              \
    X(DURATION, Duration)                                                                          \
    X(ELEMENT, Element)                                                                            \
    X(ELEMENT_DEFINITION, ElementDefinition)                                                       \
    X(EXPRESSION, Expression)                                                                      \
    X(EXTENSION, Extension)                                                                        \
    X(HUMAN_NAME, HumanName)                                                                       \
    X(IDENTIFIER, Identifier)                                                                      \
    X(MARKETING_STATUS, MarketingStatus)                                                           \
    X(META, Meta)                                                                                  \
    X(MONEY, Money)                                                                                \
    X(NARRATIVE, Narrative)                                                                        \
    X(PARAMETER_DEFINITION, ParameterDefinition)                                                   \
    X(PERIOD, Period)                                                                              \
    X(POPULATION, Population)                                                                      \
    X(PROD_CHARACTERISTIC, ProdCharacteristic)                                                     \
    X(PRODUCT_SHELF_LIFE, ProductShelfLife)                                                        \
    X(QUANTITY, Quantity)                                                                          \
    X(RANGE, Range)                                                                                \
    X(RATIO, Ratio)                                                                                \
    X(REFERENCE, Reference)                                                                        \
    X(RELATED_ARTIFACT, RelatedArtifact)                                                           \
    X(SAMPLED_DATA, SampledData)                                                                   \
    X(SIGNATURE, Signature)                                                                        \
    X(SUBSTANCE_AMOUNT, SubstanceAmount)                                                           \
    X(TIMING, Timing)                                                                              \
    X(TRIGGER_DEFINITION, TriggerDefinition)                                                       \
    X(USAGE_CONTEXT, UsageContext)
enum fhir_data_type {
#define X(constant, name) FHIR_TYPE_##constant,
    FHIR_DATA_TYPES(X)
#undef X
        FHIR_DATA_TYPE_COUNT
};

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
    uint16_t codes;         /* a required binding's codes, for the functions below;
                             * FHIR_NO_TYPE without one */
    uint16_t most;          /* the same of the set that no code may lie outside of, however
                             * weak the binding */
    struct slice value_set; /* canonical of the binding, version included */
};

enum fhir_binding {
    FHIR_BINDING_NONE,
    FHIR_BINDING_EXAMPLE,
    FHIR_BINDING_PREFERRED,
    FHIR_BINDING_EXTENSIBLE,
    FHIR_BINDING_REQUIRED,
};

struct fhir_type {
    struct slice name; /* "Patient", "HumanName", "Patient.contact", "dateTime" */
    uint16_t id;       /* its place in the table */
    uint16_t base;     /* id of the base type, FHIR_NO_TYPE for the roots */
    uint8_t kind;      /* enum fhir_kind */
    bool is_abstract;  /* Resource, DomainResource, Element, ... */
    uint16_t resource; /* resource types: 0.. in alphabetical order, concrete only;
                        * else FHIR_NO_TYPE. Part of stored index keys: never renumbered */
    uint16_t element_count;
    const struct fhir_element *elements; /* inherited ones included, definition order */
};

/* NULL when absent. Names are case-sensitive. */
const struct fhir_type *fhir_type_find(struct slice name);
const struct fhir_type *fhir_type_at(uint16_t id);
/* A concrete resource type; NULL for abstract ones and all else. */
const struct fhir_type *fhir_resource_find(struct slice name);
/* By fhir_type.resource; the count of concrete resource types (146 in R4: 148
 * resource types, of which Resource and DomainResource are abstract). */
const struct fhir_type *fhir_resource_at(uint16_t resource);
uint16_t fhir_resource_count(void);
/* By JSON member name (without the leading '_'); NULL when unknown. */
const struct fhir_element *fhir_element_find(const struct fhir_type *type, struct slice name);

/* The system that a value of type `code` implies: the one of its required value
 * set that has the code. Empty when there is none. */
struct slice fhir_code_system(const struct fhir_element *element, struct slice code);
/* Is it a code of the element's required value set? Media types and UCUM go by their
 * grammars. True as well when the element has no required binding, or the set's codes
 * are not published with R4 (one set of LOINC's). */
bool fhir_code_is_allowed(const struct fhir_element *element, struct slice code);
/* The same of its `most`; and that set's canonical, empty without one. */
bool fhir_code_is_possible(const struct fhir_element *element, struct slice code);
struct slice fhir_code_bound(const struct fhir_element *element);

/* BCP 47 by its grammar (the registry of subtags is not here), and a media type with
 * or without parameters (RFC 6838 and 2045). */
bool fhir_language_is_valid(struct slice tag);
bool fhir_media_type_is_valid(struct slice text);
/* Base64 of RFC 4648, padded; white space anywhere is passed over. */
bool fhir_base64_is_valid(struct slice text);
/* Systems whose codes are known by a grammar: false when it has none. */
bool fhir_grammar_judge(struct slice system, struct slice code, bool *ret_is_valid);

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

struct fhir_param;
struct fhir_component {
    uint16_t param;               /* id of the component's parameter */
    const struct fhir_path *path; /* relative to the composite's own path */
    const struct fhir_param *own; /* instead of `param` and `path`: of a parameter that is
                                   * none of R4's (src/custom) */
};

struct fhir_param {
    struct slice code; /* "birthdate" */
    struct slice url;  /* of the SearchParameter */
    uint16_t id;       /* place in the table; part of stored index keys */
    uint8_t type;      /* enum fhir_param_type */
    uint16_t target_count;
    const uint16_t *targets;      /* type ids a reference may point at */
    const struct fhir_path *path; /* NULL: no expression (special ones) */
    uint16_t component_count;
    const struct fhir_component *components;
    struct slice expression; /* FHIRPath as published */
    uint64_t rule_hash;      /* changes when the extraction rule changes */
};

const struct fhir_param *fhir_param_at(uint16_t id);
uint16_t fhir_param_count(void);
const struct fhir_param *fhir_component_param(const struct fhir_component *component);
/* The path of a parameter whose expression is none of the compiled ones: selects nothing. */
extern const struct fhir_path fhir_path_empty;
/* By code for a concrete resource type, Resource's and DomainResource's own
 * (_id, _tag, _text, ...) included; NULL when unknown. */
const struct fhir_param *fhir_param_find(const struct fhir_type *resource, struct slice code);
/* Ids of all parameters of a concrete resource type, sorted by code. */
const uint16_t *fhir_params_of(const struct fhir_type *resource, size_t *ret_count);

/* One element that an expression selects. */
struct fhir_item {
    struct json value;                  /* of a primitive: its JSON value (may be absent when only
                                         * an extension is there: then it is not visited) */
    const struct fhir_type *type;       /* its declared type: "HumanName", "dateTime", ...; of a
                                         * contained or bundled resource: its own, if known */
    struct json resource;               /* the resource it lies in: what "#id" and %resource mean.
                                         * Set in every item visited; may be absent in a root that
                                         * is itself a resource */
    const struct fhir_element *element; /* the row it came through: binding, targets; NULL for
                                         * a root and for a computed value */
};
typedef enum err fhir_visit(void *context, struct fhir_item item);
typedef enum err fhir_param_visit(void *context, const struct fhir_param *param,
                                  struct fhir_item item);

/* Run a compiled expression on a resource (or, for components, on the item of
 * the composite's own path): visit each selected element, the branches of a
 * union one after the other, each in document order. A computed boolean
 * (Patient.deceased) is visited as a static JSON true or false. What does not
 * have the JSON shape that its type asks for is passed over. `path` may be NULL.
 * Stops at the first error and returns it; has no errors of its own. */
MUST_USE enum err fhir_path_visit(const struct fhir_path *path, struct fhir_item root,
                                  fhir_visit *visit, void *context);

/* All parameters of the resource at once: for each element that the path of a
 * parameter selects, one call per parameter, all in one walk over the resource.
 * Each parameter's items come in document order (branches of a union included),
 * those of different parameters mixed. Finds just what fhir_path_visit() finds
 * for each of fhir_params_of(), several times faster. */
MUST_USE enum err fhir_params_visit(const struct fhir_type *type, struct json resource,
                                    fhir_param_visit *visit, void *context);

/* May a `code` element that the parameter selects in this resource type mean the
 * code in this system, which stands in its binding and not in the resource? */
bool fhir_param_implies_system(const struct fhir_param *param, const struct fhir_type *resource,
                               struct slice system, struct slice code);

/* Does the parameter select elements of this type (a type id) in the resource type? By the
 * definitions; never of a parameter of a store's own. */
bool fhir_param_selects(const struct fhir_param *param, const struct fhir_type *resource,
                        uint16_t type);
/* The same of resources that stand in the resource (`Bundle.entry[0].resource`). */
bool fhir_param_selects_resources(const struct fhir_param *param, const struct fhir_type *resource);
/* May a reference parameter name the type? One without targets names any. */
bool fhir_param_has_target(const struct fhir_param *param, const struct fhir_type *type);

/* ---- FHIRPath (N1, as R4 uses it) ---- */

/* A compiled expression: const, shared by any threads. */
struct fhirpath;

struct fhirpath_error {
    size_t offset;     /* in the expression, in bytes */
    struct slice text; /* what is wrong; static or in the arena of the call */
};

enum fhirpath_kind {
    FHIRPATH_ELEMENT, /* of a resource: item (and sibling) */
    FHIRPATH_BOOLEAN,
    FHIRPATH_STRING,
    FHIRPATH_INTEGER,
    FHIRPATH_DECIMAL,
    FHIRPATH_DATE,
    FHIRPATH_DATE_TIME,
    FHIRPATH_TIME,
    FHIRPATH_QUANTITY,
    FHIRPATH_TYPE_NAME, /* what type() gives: "FHIR.Patient" */
};

struct fhirpath_value {
    enum fhirpath_kind kind;
    struct fhir_item item; /* FHIRPATH_ELEMENT; the value of a primitive may be absent */
    struct json sibling;   /* its id and extensions, when it is a primitive */
    bool boolean;          /* FHIRPATH_BOOLEAN */
    struct slice text;     /* all but elements: as toString() writes it */
};

struct fhirpath_result {
    const struct fhirpath_value *values; /* in the arena */
    size_t count;
};

/* What the engine cannot know by itself. Functions may be NULL: what they would
 * tell is then unknown. */
struct fhirpath_host {
    void *context;
    int64_t now_us;         /* for now(), today(), timeOfDay() */
    uint64_t steps;         /* budget; 0: FHIRPATH_STEPS */
    uint64_t *ret_steps;    /* what of it was used; may be NULL */
    struct json resource;   /* %resource; absent: the root's own */
    struct json root;       /* %rootResource, where contained resources are sought;
                             * absent: as %resource */
    bool is_strict;         /* unknown elements are errors, and so is the order of
                             * what has none (children()) */
    bool as_filters;        /* `as` of several items keeps those of the type: R4's own
                             * invariants rely on it; else it is an error */
    bool takes_json_names;  /* valueDateTime for value as dateTime: published search
                             * parameters write so; else it is an error */
    /* The resource that a reference, not found in the root, means. */
    bool (*resolve)(void *context, struct slice reference, struct fhir_item *ret_item);
    /* Does the code, Coding or CodeableConcept belong to the value set? -1: unknown. */
    int (*member_of)(void *context, struct fhir_item item, struct slice value_set);
    /* Is it valid against the profile? -1: unknown. Base types are known anyway. */
    int (*conforms_to)(void *context, struct fhir_item item, struct slice profile);
    void (*trace)(void *context, struct slice name, const struct fhirpath_result *values);
    /* %name beyond the standard ones; false: undefined. */
    bool (*variable)(void *context, struct slice name, struct fhir_item *ret_item);
};
enum { FHIRPATH_STEPS = 2000000, FHIRPATH_LENGTH_MAX = 100000 };

/* The result lives in the arena and borrows the text. ERR_SYNTAX with *error
 * set (which may be NULL); ERR_LIMIT when it is too long or too deep. */
MUST_USE enum err fhirpath_compile(struct slice text, struct arena *arena,
                                   const struct fhirpath **ret_path, struct fhirpath_error *error);

/* Evaluate on an element or resource; a root without a type is read as plain
 * JSON. ERR_INVALID with *error set for what the specification makes an error;
 * ERR_LIMIT past the budget, ERR_NO_MEMORY. Bounded in depth, in steps and by
 * the arena, which also holds all that the result points to. */
MUST_USE enum err fhirpath_evaluate(const struct fhirpath *path, struct fhir_item root,
                                    const struct fhirpath_host *host, struct arena *arena,
                                    struct fhirpath_result *ret_result,
                                    struct fhirpath_error *error);

/* Does it call the function anywhere? */
bool fhirpath_calls(const struct fhirpath *path, struct slice function);

/* The same for a condition: empty is false; one item that is no boolean is true. */
MUST_USE enum err fhirpath_holds(const struct fhirpath *path, struct fhir_item root,
                                 const struct fhirpath_host *host, struct arena *arena,
                                 bool *ret_holds, struct fhirpath_error *error);

/* ---- validation (base R4) ---- */

/* The invariants of all types, compiled: made once, then shared by any threads. */
struct fhir_rules;
MUST_USE enum err fhir_rules_compile(struct arena *arena, const struct fhir_rules **ret_rules);

/* Is it the key of a rule of base R4? */
bool fhir_invariant_is_known(struct slice key);

/* One thing that is wrong. */
struct fhir_finding {
    enum issue_severity severity;
    const char *code;        /* issue-type; static */
    struct slice key;        /* of the invariant, "per-1"; empty for other rules */
    struct slice expression; /* "Patient.name[0].given[1]" */
    struct slice text;       /* as close to the official validator's as may be */
    struct json where;       /* the value, or what should have held it */
    struct slice profile;    /* canonical|version that demands it; empty: base R4 */
};

/* Where a check is: frames on the callers' stacks, rendered only for a finding. */
struct fhir_spot {
    const struct fhir_spot *parent;
    struct slice name;
    const struct fhir_type *type; /* declared; a contained or bundled resource's is abstract */
    uint32_t index;
    bool has_index;
};

struct fhir_check; /* a validation that is running */

/* Add a finding of one's own to it. `profile` and `finding->text` are copied or
 * passed on, never kept; `finding->expression` is ignored: the spot gives it. */
void fhir_check_report(struct fhir_check *check, const struct fhir_spot *spot,
                       const struct fhir_finding *finding);

/* What a hook is called for. */
struct fhir_subject {
    struct fhir_check *check;
    const struct fhir_spot *spot;
    struct fhir_item item;   /* .resource: the nearest resource that is not contained */
    struct fhir_item holder; /* the object around it; absent for the walk's root */
    struct json resource;    /* the nearest one, be it contained; of a resource: itself */
    struct json outermost;   /* where the walk began: perhaps a Bundle */
};

/* What lies beyond the tables (src/profile). Each may be NULL; an error ends the
 * validation. */
struct fhir_validate_hooks {
    void *context;
    /* A resource, contained and bundled ones included, after its base checks. */
    enum err (*resource)(void *context, const struct fhir_subject *subject);
    /* An element of type Extension, after its base checks. */
    enum err (*extension)(void *context, const struct fhir_subject *subject);
    /* One of type Coding, Quantity or what derives from it: a system and a code. */
    enum err (*coding)(void *context, const struct fhir_subject *subject);
    /* One that base R4 binds extensibly: only warnings come of it, so not asked for
     * under is_errors_only. */
    enum err (*binding)(void *context, const struct fhir_subject *subject);
};

struct fhir_validate_options {
    const struct fhir_rules *rules; /* NULL: no invariants */
    bool is_shape_only;  /* members, cardinality, JSON types and formats alone: no value
                          * sets, references, narratives, ids of contained resources */
    bool is_errors_only; /* nothing that is a warning is looked for */
    bool refuses_markup; /* strings that look like HTML are errors */
    int64_t now_us;
    /* Called for each finding, without a limit; may be NULL. The texts live as
     * long as the call. */
    void (*found)(void *context, const struct fhir_finding *finding);
    void *context;
    const struct fhir_validate_hooks *hooks; /* NULL: base R4 alone */
    /* Is there something around the resource, a Bundle's entry, that the reference
     * means, and of which type (NULL: unknown)? Asked when its text does not say:
     * "urn:uuid:...". May be NULL. */
    bool (*target)(void *context, struct slice reference, const struct fhir_type **ret_type);
    void *target_context;
};

/* Check a resource against the definition of its type: members, cardinality,
 * shapes, formats, codes of required bindings, references, narratives, contained
 * and bundled resources, invariants. Findings go into `issues`, which may be NULL;
 * the result tells
 * only whether the check could be done: ERR_NO_MEMORY, ERR_LIMIT for what lies
 * deeper than JSON_DEFAULT_DEPTH. Time is linear in the resource: invariants have
 * a budget by its size, and those beyond it are reported as not checked. */
MUST_USE enum err fhir_validate(struct json resource, const struct fhir_type *type,
                                const struct fhir_validate_options *options,
                                struct issues *issues);

/* ---- part of a resource ---- */

enum fhir_subset_kind {
    FHIR_SUBSET_NONE,     /* the whole */
    FHIR_SUBSET_SUMMARY,  /* what the definitions mark, in data types and backbones too */
    FHIR_SUBSET_TEXT,     /* text, id, meta and mandatory elements */
    FHIR_SUBSET_DATA,     /* all but text */
    FHIR_SUBSET_ELEMENTS, /* those named, id, meta and mandatory elements */
};
struct fhir_subset {
    enum fhir_subset_kind kind;
    const struct slice *elements; /* names of the type's elements; a choice's stem does */
    size_t element_count;
};

/* Append the part of the resource, tagged SUBSETTED. Mandatory elements of what
 * stays are kept. ERR_INVALID when it is no object; else the buffer's status. */
MUST_USE enum err fhir_subset_write(struct json resource, const struct fhir_type *type,
                                    const struct fhir_subset *subset, struct buf *out);

/* ---- FHIRPath Patch ---- */

struct fhir_patch_error {
    uint32_t operation; /* which one, from 0 */
    struct slice text;  /* static or in the arena */
};

/* Append the resource as the operations of a Parameters resource change it: all of
 * them, or nothing. What they do not touch keeps its bytes. ERR_INVALID: the
 * Parameters are no patch, or a path no FHIRPath; ERR_UNPROCESSABLE: a path does not
 * select one element (delete: at most one), or the value does not fit there;
 * ERR_LIMIT: more work, or a longer text, than may be; ERR_NO_MEMORY. The result is
 * not validated. `resource` and `parameters` may be of different tapes. */
MUST_USE enum err fhir_patch(struct json resource, const struct fhir_type *type,
                             struct json parameters, size_t bytes_max, struct arena *arena,
                             struct buf *out, struct fhir_patch_error *error);

/* Is it a unit by UCUM's grammar and tables (case-sensitive codes)? */
bool fhir_unit_is_valid(struct slice code);
/* Two amounts, each a number's text and a UCUM unit: <0, 0, >0 in *ret_order. False
 * when they cannot be compared. */
bool fhir_quantity_compare(struct slice value, struct slice unit, struct slice other_value,
                           struct slice other_unit, int *ret_order);

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
    struct slice base;            /* "https://host/path" without last slash; empty if relative */
    const struct fhir_type *type; /* NULL: no Type/id form (urn:, #id, canonical) */
    struct slice id;
    struct slice version;  /* of Type/id/_history/version; may be empty */
    struct slice fragment; /* behind '#'; may be empty */
};
/* Always succeeds; an unparsable text leaves type NULL. */
struct fhir_reference fhir_reference_parse(struct slice text);

/* [A-Za-z0-9\-\.]{1,64} */
bool fhir_id_is_valid(struct slice id);

/* ---- units ---- */

/* The value in UCUM's base units, and a text without NULs that all units which
 * convert into each other share. False when it is no unit of UCUM, or its factor or
 * the value has too many digits. */
enum { FHIR_DIMENSION_BYTES = 16 };
bool fhir_unit_normalise(struct slice unit, struct decimal value, struct decimal *ret_value,
                         char ret_dimension[FHIR_DIMENSION_BYTES], size_t *ret_length);

/* ---- walking a resource ---- */

/* One value met on the way; arrays are taken apart. */
struct fhir_node {
    struct json value;
    struct json key;                    /* of the member; absent for the root */
    const struct fhir_element *element; /* NULL for the root and for unknown members */
    const struct fhir_type *type;       /* the value's type, a resource's own one included;
                                         * NULL when unknown */
    const struct fhir_type *parent;     /* of the object that holds it; NULL for the root */
    uint32_t index;                     /* place in the JSON array; 0 outside of one */
    uint16_t depth;                     /* of the root: 0 */
    bool is_array;                      /* the member's value is a JSON array */
    bool is_sibling;                    /* under "_name": id and extensions of a primitive */
};

/* Any of the functions may be NULL. The first error stops the walk. */
struct fhir_walker {
    /* An object whose type is known; *skip = true passes over what is inside
     * (leave() is then not called). */
    enum err (*enter)(void *context, const struct fhir_node *node, bool *skip);
    enum err (*leave)(void *context, const struct fhir_node *node);
    /* A string, number, boolean or null; also an object or array that stands
     * where a primitive belongs, or a primitive where an object belongs. */
    enum err (*leaf)(void *context, const struct fhir_node *node);
    /* A member that the type does not have, or a resource of unknown type: not
     * walked into. `resourceType` itself is not reported. */
    enum err (*unknown)(void *context, const struct fhir_node *node);
    void *context;
};

/* Walk a resource (or any element of `type`) in document order, contained and
 * bundled resources included. Needs no memory but a fixed stack; what lies
 * deeper than JSON_DEFAULT_DEPTH is ERR_LIMIT. */
MUST_USE enum err fhir_walk(struct json value, const struct fhir_type *type,
                            const struct fhir_walker *walker);

/* ---- stored form ---- */

/* What a reference or URL in the resource becomes. `url` is the decoded text
 * without its #fragment; true: put *ret_target in its place (plain text, it is
 * escaped as needed; must stay valid until the next call). */
typedef bool fhir_rewrite(void *context, struct slice url, struct slice *ret_target);

struct fhir_prepare {
    struct slice id;       /* set or replace `id`; empty: leave as it is */
    fhir_rewrite *rewrite; /* NULL: rewrite nothing */
    void *context;
    struct slice full_url; /* of the bundle entry, may be empty: relative references
                            * are looked up as they stand, then against its base */
};

/* Append the stored body: the resource's tokens without white space, `id` set,
 * meta.versionId and meta.lastUpdated taken out, and with them a meta that has
 * nothing else. With `rewrite`, texts in Reference.reference, in elements of
 * type uri, url, oid, uuid and in href and src attributes of narratives are
 * offered to it; canonical never (R4 transaction rules). Member order stays.
 * `id` goes behind resourceType when there was none.
 *
 * *ret_splice tells fhir_splice_meta() where the two members go back: the upper
 * two bits say how, the others where, so a body is at most 1 GB.
 * ERR_INVALID: no object, or its meta is none. Else the buffer's status. */
MUST_USE enum err fhir_prepare_body(struct json resource, const struct fhir_type *type,
                                    const struct fhir_prepare *options, struct buf *out,
                                    uint32_t *ret_splice);

/* Append the body with the two members at the start of its meta, or with a meta
 * of these two behind its id. Both texts need no escaping. ERR_CORRUPT when the
 * offset lies outside of the body. Else the buffer's status. */
MUST_USE enum err fhir_splice_meta(struct slice body, uint32_t splice, struct slice version_id,
                                   struct slice last_updated, struct buf *out);

#endif
