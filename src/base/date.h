/* base/date.h - FHIR date, dateTime, instant and time as ranges of instants.
 *
 * A partial date stands for every instant in it: "2020-02" is the half-open
 * range [2020-02-01T00:00Z, 2020-03-01T00:00Z). Instants are microseconds since
 * 1970-01-01T00:00:00Z, proleptic Gregorian, years 0001 to 9999. A value
 * without a zone is read as UTC unless another is given. Leap seconds (:60) fold into
 * the next minute.
 */
#ifndef BASE_DATE_H
#define BASE_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct date_range {
    int64_t low;  /* first instant, microseconds */
    int64_t high; /* first instant past the end, microseconds */
};

/* YYYY, YYYY-MM, YYYY-MM-DD, or a dateTime with seconds (and, as searches may,
 * without seconds), any number of fraction digits, zone Z or +-hh:mm or none.
 * Checks the calendar. False on anything else. */
bool date_parse(struct slice text, struct date_range *ret_range);
/* The same; what has no zone is of one so many microseconds ahead of UTC. */
bool date_parse_in(struct slice text, int64_t zone_us, struct date_range *ret_range);
/* "Z" or "+hh:mm", "-hh:mm". */
bool date_zone_parse(struct slice text, int64_t *ret_zone_us);

/* "2026-11-24T05:47:45.123456Z" with `digits` (0 to 9; padded) of fraction.
 * Returns the length; no NUL is counted but one is written. */
enum { INSTANT_TEXT_BYTES = 40 };
size_t instant_render(int64_t instant_us, int digits, char out[INSTANT_TEXT_BYTES]);

/* RFC 7231 IMF-fixdate: "Tue, 24 Nov 2026 05:47:45 GMT". */
size_t http_date_render(int64_t instant_us, char out[INSTANT_TEXT_BYTES]);
/* The three forms of RFC 7231 7.1.1.1; false on anything else. */
bool http_date_parse(struct slice text, int64_t *ret_instant_us);

/* AWS basic form "20261124T054745Z", strictly. */
size_t amz_date_render(int64_t instant_us, char out[INSTANT_TEXT_BYTES]);
bool amz_date_parse(struct slice text, int64_t *ret_instant_us);

#endif
