/* fhir/moment.h - a date, dateTime or time as far as it was stated.
 *
 * FHIRPath compares "2018-03" with "2018-03-01" and answers "nothing is known":
 * so what was not written stays unknown here, where base/date.h makes a range of
 * it. Seconds and their fraction are one number: 30 and 30.0 are equal. Private
 * to fhir/; pure functions.
 */
#ifndef FHIR_MOMENT_H
#define FHIR_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/slice.h"

enum moment_precision {
    MOMENT_YEAR,
    MOMENT_MONTH,
    MOMENT_DAY,
    MOMENT_HOUR,
    MOMENT_MINUTE,
    MOMENT_SECOND,
    MOMENT_FRACTION, /* digits > 0 */
};

struct moment {
    int32_t nanos; /* of the second */
    int16_t year;  /* 0 in a time */
    int16_t zone;  /* minutes east of UTC */
    uint8_t month, day, hour, minute, second;
    uint8_t precision; /* enum moment_precision: the last part that was written */
    uint8_t digits;    /* of the fraction, as written; at most 9 are kept */
    bool has_zone;
    bool is_time; /* of no day */
};

enum { MOMENT_TEXT_BYTES = 48 };

/* YYYY[-MM[-DD]]. All parsers check the calendar and want all of the text. */
bool moment_parse_date(struct slice text, struct moment *ret_moment);
/* A date, alone or with "T", hh[:mm[:ss[.fff]]], zone. The zone only behind a time. */
bool moment_parse_date_time(struct slice text, struct moment *ret_moment);
/* [T]hh[:mm[:ss[.fff]]] */
bool moment_parse_time(struct slice text, struct moment *ret_moment);
/* A date-time at the start of the text: the bytes it takes, 0 for none. */
size_t moment_take(struct slice text, bool is_time, struct moment *ret_moment);

/* As FHIR writes it; returns the length. */
size_t moment_render(struct moment m, char out[MOMENT_TEXT_BYTES]);

enum moment_order { MOMENT_LESS, MOMENT_EQUAL, MOMENT_GREATER, MOMENT_UNKNOWN };
enum moment_order moment_compare(struct moment a, struct moment b);
/* Equal parts and equally precise. */
bool moment_equivalent(struct moment a, struct moment b);

/* Add whole months or nanoseconds (either may be negative); in a time the clock
 * goes round. False past the years 1 to 9999. */
bool moment_add_months(struct moment *m, int64_t months);
bool moment_add_seconds(struct moment *m, int64_t seconds, int64_t nanos);

/* The first or last moment that it may mean, `digits` of precision (4 year, 6
 * month, 8 day, 10 hour, 12 minute, 14 second, 17 millisecond; times: 2, 4, 6,
 * 9). False for other numbers. */
bool moment_boundary(struct moment *m, int64_t digits, bool is_high);
/* Its own precision in such digits. */
int moment_digits(struct moment m);
/* The instant in microseconds; unknown parts are their first, no zone is UTC. */
int64_t moment_instant(struct moment m);
struct moment moment_of_instant(int64_t instant_us);

#endif
