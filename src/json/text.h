/* json/text.h - strings and numbers of a JSON text, byte by byte. Private.
 *
 * The scanners take the place of the first byte and the end of the text, never
 * read at or behind `end`, and return the place just past what they took. On
 * failure they return NULL and leave in *refusal where and why.
 */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include "json/json.h"

struct refusal {
    const uint8_t *at;
    const char *text; /* static */
};

/* `at` stands behind the opening quote; returns the place of the closing one.
 * Adds JSON_HAS_* to *flags. */
const uint8_t *text_scan_string(const uint8_t *at, const uint8_t *end, uint8_t *flags,
                                struct refusal *refusal);

const uint8_t *text_scan_number(const uint8_t *at, const uint8_t *end, struct refusal *refusal);

/* Decode checked string content into `out`, which has room for raw.length
 * bytes (decoding never makes it longer). Returns the length. */
size_t text_decode(struct slice raw, char *out);

/* Decoded string content equals `plain`; no allocation. */
bool text_decoded_equal(struct slice raw, struct slice plain);

/* Two checked string contents, either possibly with escapes, decode the same. */
bool text_both_decoded_equal(struct slice a, struct slice b);

#endif
