/* index/index.h - what a resource can be found by: resource to terms.
 *
 * A term is (field, value): field = resource type * 65536 + search parameter,
 * value = bytes whose order is the order searches need. One walk over the
 * resource makes all terms of all its parameters; index/README.md draws every
 * value byte by byte. The same encoders serve the search side, so that what is
 * asked and what is stored cannot drift apart.
 *
 * Value bytes begin with a kind byte (enum term_kind) so that several shapes of
 * one parameter keep apart:
 *   'p'                              present (for :missing)
 *   'c' code 0 system                token by code (system may be empty)
 *   's' system                       token by system alone
 *   't' folded 0 exact               string
 *   'w' folded piece                 string of more than 480 bytes, overlapping pieces
 *   'u' uri                          uri, canonical as written
 *   'v' uri                          canonical without its |version
 *   'r' id 0 type                    reference to a resource of this store
 *   'l' url                          reference elsewhere, urn; Type/id/_history/n
 *   'c', 's' of a reference          its logical identifier (for :identifier)
 *   'd' low(8) high(8)               date: microseconds, sign-flipped big-endian
 *   'D' low(8) high(8)               the same of more than INDEX_NARROW_DATE_US
 *   'n' number(10)                   number, see base/numeral.h
 *   'N' low(10) high(10)             Range, or a number known by a limit only
 *   'q' number(10) code 0 system 0 unit          quantity
 *   'Q' low(10) high(10) code 0 system 0 unit    Range, or a quantity with comparator
 *   'x' ...                          composite, see index/README.md
 *   'C' code in lower case 0 system  token whose code has capital letters
 *   'T' folded                       text beside a token, for :text
 *   'o' value 0 code 0 system        identifier by a coding of its type, for :of-type
 *   'm' number(10) dimension         quantity in UCUM's base units
 *   'M' low(10) high(10) dimension   the same of 'Q'
 *   'g' latitude(8) longitude(8)     position, nanodegrees
 *   'k' folded word                  of `_text`, `_content`
 * A code holding a NUL byte is not indexed (FHIR forbids it).
 */
#ifndef INDEX_INDEX_H
#define INDEX_INDEX_H

#include "base/arena.h"
#include "base/date.h"
#include "base/err.h"
#include "base/numeral.h"
#include "custom/custom.h"
#include "fhir/fhir.h"
#include "json/json.h"
#include "store/term.h"

enum term_kind {
    TERM_PRESENT = 'p',
    TERM_TOKEN_CODE = 'c',
    TERM_TOKEN_SYSTEM = 's',
    TERM_STRING = 't',
    TERM_STRING_WINDOW = 'w',
    TERM_URI = 'u',
    TERM_CANONICAL = 'v',
    TERM_REFERENCE = 'r',
    TERM_REFERENCE_OUTSIDE = 'l',
    TERM_DATE = 'd',
    TERM_DATE_WIDE = 'D',
    TERM_NUMBER = 'n',
    TERM_NUMBER_WIDE = 'N',
    TERM_QUANTITY = 'q',
    TERM_QUANTITY_WIDE = 'Q',
    TERM_COMPOSITE = 'x',
    TERM_TOKEN_LOWER = 'C',
    TERM_TOKEN_TEXT = 'T',
    TERM_IDENTIFIER = 'o',
    TERM_MEASURE = 'm',
    TERM_MEASURE_WIDE = 'M',
    TERM_POSITION = 'g',
    TERM_WORD = 'k',
    TERM_REFERENCE_CONTAINED = '#', /* of index_extract_contained() alone: node(4) */
};

/* Raise it when extraction or a value's bytes change: a store then derives its
 * index again at its next start. */
enum { INDEX_RULES = 7 };

/* Reserved parameters (above every generated id). */
enum {
    INDEX_PARAM_TYPE = 0xffff,        /* value: empty; every live document of the type */
    INDEX_PARAM_COMPARTMENT = 0xfffe, /* field of type 0xffff: value OwnerType/id 0 Type */
};

static inline uint32_t index_field(const struct fhir_type *resource, uint16_t param)
{
    return (uint32_t)resource->resource << 16 | param;
}
#define INDEX_FIELD_COMPARTMENT ((uint32_t)0xffff << 16 | INDEX_PARAM_COMPARTMENT)
/* With this bit a field is of resources contained in the document, and of those that a
 * reference parameter selects there (`Bundle.entry[0].resource`) with what they contain.
 * They have terms of the type and of R4's parameters, but none of presence and none of
 * words. */
#define INDEX_FIELD_CONTAINED ((uint32_t)0x4000 << 16)

struct extraction {
    struct term *terms; /* unsorted, may repeat; in the arena */
    size_t term_count;
    struct slice home_type; /* first Patient compartment owner by table order, */
    struct slice home_id;   /* the Patient itself for a Patient; empty without one */
    struct slice appendix;  /* "Type/id\n" lines: outgoing local references that
                             * $everything adds (see README) */
};

/* What extraction takes from the store's settings. */
struct index_basis {
    struct slice base_url; /* see index_reference_is_local() */
    int64_t zone_us;       /* of dates without a zone, ahead of UTC */
};

/* All terms of one resource (a JSON object whose resourceType is known).
 * `customs` are the store's own parameters, or NULL. Values
 * that break their format are skipped: validation
 * reports them, indexing must not. ERR_NO_MEMORY only. */
MUST_USE enum err index_extract(struct json resource, const struct fhir_type *type,
                                struct index_basis basis, const struct custom_set *customs,
                                struct arena *arena, struct extraction *ret);

/* The first resource contained in `container`, or the one behind `before`, and its type;
 * absent at the end. What is of no type that R4 has is passed over. */
struct json index_contained_next(struct json container, struct json before,
                                 const struct fhir_type **ret_type);
/* The terms of a container, or of what it contains, as index_extract() makes them, and for
 * references to what `container` contains, and for resources that are selected as a
 * reference, TERM_REFERENCE_CONTAINED and the node. */
MUST_USE enum err index_extract_contained(struct json resource, const struct fhir_type *type,
                                          struct json container, struct index_basis basis,
                                          const struct custom_set *customs, struct arena *arena,
                                          struct extraction *ret);
/* What such a term of the resource in `container` names, and its type; *ret_container is
 * what "#id" means there. Absent when the value is of another kind. */
struct json index_contained_named(struct json container, struct slice value,
                                  const struct fhir_type **ret_type, struct json *ret_container);
/* Of the terms of these fields those, and maybe others: what a search wants of one
 * resource. Home and appendix are empty. */
MUST_USE enum err index_extract_some(struct json resource, const struct fhir_type *type,
                                     struct index_basis basis, const struct custom_set *customs,
                                     const uint32_t *fields, size_t field_count,
                                     struct arena *arena, struct extraction *ret);

/* Is it a Type/id of this store: relative, or absolute under `base_url`
 * ("http://host/datastore/ID/r4"). A base that begins with '/' stands for that
 * path on every host: a store that was not told its own name knows its own id.
 * Empty: no absolute reference is ours. */
bool index_reference_is_local(struct fhir_reference reference, struct slice base_url);

/* Does index_extract() make terms of the parameter, a presence term at least?
 * Not for what has no expression, nor for _id and _lastUpdated, which the store answers itself. */
bool index_param_has_terms(const struct fhir_param *param);

/* Dates are kept by their low end. Most are a day long or less: whatever of those
 * reaches past an instant begins at most a day before it, so that a search needs
 * not look at all that came before. The few wider ones stand apart. */
#define INDEX_NARROW_DATE_US INT64_C(86400000000)

/* Limits of what a search for text can ask, in folded bytes: values are stored
 * as heads of 480 bytes and, for :contains, overlapping pieces. */
enum {
    INDEX_STARTS_WITH_BYTES_MAX = 480,
    INDEX_CONTAINS_BYTES_MAX = 240,
    INDEX_TEXT_BYTES_MAX = 1 << 30, /* of one folded text */
    INDEX_SIDE_BYTES_MAX = 160, /* of a part of a quantity or composite */
};

/* Encoders shared with search/. Each cuts the value from the arena; .bytes ==
 * NULL when memory is short. */
struct slice index_encode_token(struct arena *a, struct slice system, struct slice code);
struct slice index_encode_token_code_prefix(struct arena *a, struct slice code);
/* The code in lower case, for systems in which case does not count. Only codes with
 * capital letters (of ASCII) have such a term; the others' own ones are equal to it
 * but for the kind byte. */
struct slice index_encode_token_lower(struct arena *a, enum term_kind kind, struct slice system,
                                      struct slice code);
/* An identifier of a type. */
struct slice index_encode_identifier(struct arena *a, struct slice system, struct slice code,
                                     struct slice value);
struct slice index_encode_token_system(struct arena *a, struct slice system);
/* NULL also when the text is not UTF-8. */
struct slice index_encode_string(struct arena *a, struct slice text);
/* kind TERM_STRING, TERM_STRING_WINDOW, TERM_TOKEN_TEXT or TERM_WORD and folded text,
 * to be used as a prefix; at most INDEX_STARTS_WITH_BYTES_MAX bytes. */
struct slice index_encode_folded(struct arena *a, enum term_kind kind, struct slice folded);
/* kind TERM_URI, TERM_CANONICAL or TERM_REFERENCE_OUTSIDE. */
struct slice index_encode_uri(struct arena *a, enum term_kind kind, struct slice uri);
struct slice index_encode_reference(struct arena *a, struct slice type, struct slice id);
/* The id in any type. */
struct slice index_encode_reference_id_prefix(struct arena *a, struct slice id);
/* TERM_DATE or TERM_DATE_WIDE, as the range is. */
struct slice index_encode_date(struct arena *a, struct date_range range);
/* One end of a date: 8 bytes; behind a kind byte unless that is 0. */
struct slice index_encode_instant(struct arena *a, char kind, int64_t instant);
/* A code, system, unit, id or text inside of a quantity or composite: cut to
 * INDEX_SIDE_BYTES_MAX with a hash at its end. */
struct slice index_encode_side(struct arena *a, struct slice text);
/* One coordinate as bytes in its order. */
enum { INDEX_DEGREE_BYTES = 8 };
void index_encode_degrees(double degrees, uint8_t out[INDEX_DEGREE_BYTES]);

/* A number in UCUM's base units: its bytes and what it is a measure of. */
struct index_measure {
    uint8_t number[NUMERAL_BYTES];
    char dimension[FHIR_DIMENSION_BYTES];
    size_t dimension_length;
};
#define INDEX_UCUM "http://unitsofmeasure.org"
/* False when the unit is none of UCUM's or the number runs out of digits. */
bool index_measure_find(struct slice number, struct slice unit, struct index_measure *ret);

/* The next word of folded text: letters, marks and digits of any script, 64 bytes of
 * them at most. Bytes NULL at the end. */
struct slice index_word_cut(struct slice *rest);
/* An empty type makes the prefix of all members of the owner's compartment. */
struct slice index_encode_compartment(struct arena *a, struct slice owner_type,
                                      struct slice owner_id, struct slice type);

#endif
