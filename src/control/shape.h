/* control/shape.h - what requests may look like, as tables; private.
 *
 * A shape says what a JSON value must be: its kind, then its limits. Two passes,
 * as in the service: a value of the wrong kind cannot be read at all
 * (SerializationException), one past its limits breaks constraints, and all that
 * are broken are told in one ValidationException. Members that the table does
 * not have are ignored, null is as good as absent.
 */
#ifndef CONTROL_SHAPE_H
#define CONTROL_SHAPE_H

#include "json/json.h"

enum shape_kind {
    SHAPE_STRING,
    SHAPE_BOOLEAN,
    SHAPE_INTEGER,
    SHAPE_DOUBLE,    /* also "NaN", "Infinity", "-Infinity" */
    SHAPE_TIMESTAMP, /* seconds since 1970 with a fraction */
    SHAPE_LIST,
    SHAPE_STRUCTURE,
    SHAPE_UNION, /* a structure with exactly one member */
};

struct shape;

struct shape_member {
    const char *name; /* NULL ends the list */
    const struct shape *shape;
    bool is_required;
};

struct shape {
    enum shape_kind kind;
    bool has_min, has_max;              /* min and max hold */
    int64_t min, max;                   /* characters, elements or the value */
    const char *pattern;                /* of a string; NULL: none */
    const char *const *values;          /* of a string; ends with NULL; NULL: any */
    const struct shape *element;        /* of a list */
    const struct shape_member *members; /* of a structure or union */
};

/* ERR_SYNTAX: *ret_text is a SerializationException's message; ERR_INVALID: a
 * ValidationException's. ERR_NO_MEMORY. Texts in the arena. */
MUST_USE enum err shape_check(const struct shape *shape, struct json value, struct arena *arena,
                              struct slice *ret_text);

/* Append the value with the table's members in the table's order, strings in
 * one spelling: equal requests give equal bytes. The value was checked. */
MUST_USE enum err shape_write(const struct shape *shape, struct json value, struct arena *arena,
                              struct buf *out);

/* A member's value; absent when it is null. */
struct json shape_get(struct json value, const char *name);

/* Microseconds of a timestamp; false when it is none or out of all range. */
bool shape_timestamp(struct json value, int64_t *ret_us);
/* A whole number; false when it is none. */
bool shape_integer(struct json value, int64_t *ret);

#endif
