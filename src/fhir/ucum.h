/* fhir/ucum.h - units of measure (UCUM, case-sensitive codes), exactly.
 *
 * A unit is a product of powers of the seven base units times an exact fraction,
 * so 4 g and 4000 mg are equal and not nearly so. Units of a scale with a zero
 * of its own (Cel, [degF]) convert to K alone; arbitrary units ([iU], ...) agree
 * with themselves only. Private to fhir/; pure functions.
 */
#ifndef FHIR_UCUM_H
#define FHIR_UCUM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/slice.h"

enum { UCUM_BASES = 7 }; /* m s g rad K C cd */

struct ucum {
    int64_t over, under; /* the factor is over / under * 10^tens */
    int32_t tens;
    int8_t powers[UCUM_BASES];
    uint32_t arbitrary; /* of all arbitrary units in it; 0 for none */
    uint8_t scale;      /* 0, or which special scale */
};

/* False when it is no unit, or one whose factor does not fit. */
bool ucum_parse(struct slice code, struct ucum *ret_unit);
bool ucum_comparable(const struct ucum *a, const struct ucum *b);
/* The value in `to`; false when the two do not compare or digits run out. */
bool ucum_convert(struct decimal value, const struct ucum *from, const struct ucum *to,
                  struct decimal *ret_value);

#endif
