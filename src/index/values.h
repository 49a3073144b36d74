/* index/values.h - the bytes of every term value, written in place.
 *
 * Private to index/. Each function writes one value to `at`, which has room for
 * TERM_VALUE_BYTES_MAX bytes, and returns its length. README.md draws them.
 * Texts that are too long are cut in a way that keeps equality: all but the
 * last bytes, then a hash of the whole. Only folded text is cut plainly, since
 * there a prefix must stay a prefix.
 */
#ifndef INDEX_VALUES_H
#define INDEX_VALUES_H

#include <stdint.h>

#include "base/date.h"
#include "base/slice.h"
#include "store/term.h"

enum {
    VALUE_SIDE_UCUM = 1,        /* stands for the system of UCUM */
    VALUE_PART_BYTES_MAX = 480, /* of code, system, folded and exact text */
    VALUE_URI_BYTES_MAX = 1000,
    VALUE_WINDOW_STEP_BYTES = VALUE_PART_BYTES_MAX / 2,
    VALUE_WINDOWED_BYTES_MAX = 64 * 1024, /* of one folded text, the rest is not searched */
};

size_t value_token(uint8_t *at, struct slice system, struct slice code);
size_t value_token_prefix(uint8_t *at, struct slice code);
/* The code in lower case. */
size_t value_token_lower(uint8_t *at, struct slice system, struct slice code);
size_t value_identifier(uint8_t *at, struct slice system, struct slice code, struct slice value);
/* TERM_TOKEN_TEXT or TERM_WORD of folded text. */
size_t value_folded(uint8_t *at, char kind, struct slice folded);
size_t value_system(uint8_t *at, struct slice system);
/* `folded` is what utf8_fold() made of `exact`. */
size_t value_string(uint8_t *at, struct slice folded, struct slice exact);
/* A piece of a long folded text, for :contains behind the cut. */
size_t value_window(uint8_t *at, struct slice piece);
/* kind: TERM_URI, TERM_CANONICAL or TERM_REFERENCE_OUTSIDE. */
size_t value_uri(uint8_t *at, char kind, struct slice uri);
size_t value_reference(uint8_t *at, struct slice type, struct slice id);
size_t value_reference_prefix(uint8_t *at, struct slice id);
size_t value_date(uint8_t *at, struct date_range range);
/* At most INDEX_SIDE_BYTES_MAX bytes, no NUL. */
size_t value_side(uint8_t *at, struct slice text);
size_t value_compartment(uint8_t *at, struct slice owner_type, struct slice owner_id,
                         struct slice type);

#endif
