/* index/extract.h - the walk that turns one resource into terms.
 *
 * Private to index/. A struct extractor lives for one index_extract(). Values
 * are written into chunks cut from the arena, so a resource costs a handful of
 * allocations however many terms it has.
 */
#ifndef INDEX_EXTRACT_H
#define INDEX_EXTRACT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/numeral.h"
#include "custom/custom.h"
#include "fhir/fhir.h"
#include "index/index.h"
#include "index/values.h"

struct extractor {
    struct arena *arena; /* borrowed */
    struct term *terms;  /* in the arena, term_room of them */
    size_t term_count;
    size_t term_room;
    uint8_t *chunk;      /* free bytes of the newest value chunk */
    size_t chunk_bytes;

    struct json resource;
    const struct fhir_type *type;
    struct json container; /* in which "#id" lies; absent: such references are passed over */
    bool is_contained;     /* `resource` is one that the document contains */
    /* Resources in it that reference parameters select; in the arena. */
    struct extractor_part {
        struct json resource;
        const struct fhir_type *type;
    } *parts;
    size_t part_count, part_room;
    struct slice base_url;
    int64_t zone_us;
    struct slice id; /* of the resource; empty without one */
    struct buf folded;

    /* Four parameters may select one quantity; its unit is parsed once. */
    struct {
        struct slice number, unit; /* as asked; bytes NULL: nothing yet */
        struct index_measure found;
        bool is_found;
    } last_measure;

    const uint32_t *wanted; /* fields; NULL: all */
    size_t wanted_count;
    const struct fhir_param *param; /* of the item being extracted */
    uint32_t field;                 /* of it */
    uint64_t *present;              /* a bit for each parameter id that has selected a value */

    /* The store's own parameters, after R4's. */
    const struct custom_set *customs;
    struct custom_budget budget;
    struct arena scratch; /* of one parameter's evaluation */
    bool has_failed;      /* the expression, on this resource */

    size_t home_rank; /* place in the compartment's table of home_id's parameter */
    struct slice home_id;
};

/* Room for one value, TERM_VALUE_BYTES_MAX bytes; NULL when memory is short. */
uint8_t *extractor_room(struct extractor *x);
/* Make a term of the first `length` bytes of what extractor_room() gave. */
MUST_USE enum err extractor_add(struct extractor *x, uint32_t field, size_t length);

/* The terms of one item for the current parameter, as its type says. */
MUST_USE enum err extract_item(struct extractor *x, struct fhir_item item);
MUST_USE enum err extract_present(struct extractor *x);
/* False for an element that holds nothing but an id and extensions. */
bool extract_has_value(struct json value);
/* Those of all custom parameters of the type. */
MUST_USE enum err extract_customs(struct extractor *x);
/* What a component of the current parameter selects of its item; the number from 0. */
MUST_USE enum err extract_component(struct extractor *x, size_t component, struct fhir_item item,
                                    fhir_visit *visit, void *context);
/* A code with the system that its element's binding implies, if there is one. */
MUST_USE enum err extract_implied(struct extractor *x, struct fhir_item item);

/* All of R4's parameters of x->resource. */
MUST_USE enum err extract_params(struct extractor *x);
/* What the resource contains, and x->parts with what they contain. */
MUST_USE enum err extract_contained(struct extractor *x);
/* "#id". */
MUST_USE enum err extract_contained_reference(struct extractor *x, struct slice id);

/* A resource that the current parameter, a reference, selects. */
MUST_USE enum err extract_selected(struct extractor *x, struct fhir_item item);
/* Can it be meant by that? */
bool extract_is_target(const struct fhir_param *param, struct fhir_item item);
/* Reference.reference, or what stands for it. */
MUST_USE enum err extract_reference_text(struct extractor *x, struct slice text);

/* The visits of one parameter type each: add the terms of one item. */
MUST_USE enum err extract_token(struct extractor *x, struct fhir_item item);
MUST_USE enum err extract_string(struct extractor *x, struct fhir_item item);
MUST_USE enum err extract_reference(struct extractor *x, struct fhir_item item);
MUST_USE enum err extract_uri(struct extractor *x, struct fhir_item item);
MUST_USE enum err extract_date(struct extractor *x, struct fhir_item item);
MUST_USE enum err extract_number(struct extractor *x, struct fhir_item item);
MUST_USE enum err extract_quantity(struct extractor *x, struct fhir_item item);
MUST_USE enum err extract_composite(struct extractor *x, struct fhir_item item);

/* The instants that a date element stands for; false when it has none. */
bool extract_date_range(struct extractor *x, struct fhir_item item, struct date_range *ret);

/* A number or quantity as what orders it and what tells its unit. */
struct measure {
    uint8_t low[NUMERAL_BYTES], high[NUMERAL_BYTES];
    bool is_wide; /* low and high differ */
    struct slice code, system, unit; /* of a quantity; may be empty */
    struct slice low_text, high_text; /* as written; no bytes: an open end */
    bool is_low_past, is_high_before; /* ">5", "<5": the limit itself does not belong */
};
/* The same in UCUM's base units, `ret->code` the dimension; its texts live in the
 * arena. False when the unit is none of UCUM's. */
MUST_USE enum err extract_normal(struct extractor *x, const struct measure *m, bool *ret_found,
                                 struct measure *ret);
/* Its kind and number, or both ends: `kind` is TERM_NUMBER or TERM_QUANTITY,
 * whose capital letter says that there are two. Returns the length. */
size_t value_number(uint8_t *at, enum term_kind kind, const struct measure *m);
/* False when the element has no value. */
bool extract_measure(struct extractor *x, struct fhir_item item, struct measure *ret);

/* A uri or canonical in all forms it is found by. */
MUST_USE enum err extract_uri_text(struct extractor *x, struct slice uri, bool is_canonical);
/* Token terms of an element with `system` and a code under the name given. */
MUST_USE enum err extract_coded(struct extractor *x, struct json element, struct slice code_name);

/* An Identifier as a token: its value, and by the codings of its type. */
MUST_USE enum err extract_identifier(struct extractor *x, struct json identifier);
/* The position of an element with latitude and longitude. */
MUST_USE enum err extract_position(struct extractor *x, struct fhir_item item);
/* The words of `_text` and `_content`. */
MUST_USE enum err extract_words(struct extractor *x);

/* The resource's own memberships: it belongs to the compartments it owns. */
MUST_USE enum err membership_of_owner(struct extractor *x);
/* The current parameter refers to owner_type/owner_id: memberships and home. */
MUST_USE enum err membership_of_reference(struct extractor *x, const struct fhir_type *owner_type,
                                          struct slice owner_id);

/* See struct extraction.appendix. */
MUST_USE enum err appendix_collect(struct json resource, struct slice base_url,
                                   struct arena *arena, struct slice *ret_appendix);

/* The text of a primitive: strings decoded, numbers and booleans as written.
 * bytes == NULL when it has none, holds a NUL or memory is short. */
struct slice extract_text(struct json value, struct arena *arena);

#endif
