/* json/text.h - strings and numbers of a JSON text, byte by byte. Private.
 *
 * The scanners take the place of the first byte and the end of the text, never
 * read at or behind `end`, and return the place just past what they took. On
 * failure they return NULL and leave in *refusal where and why.
 */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include "json/json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

struct refusal {
    const uint8_t *at;
    const char *text; /* static */
};

/* `at` stands behind the opening quote; returns the place of the closing one.
 * Adds JSON_HAS_* to *flags. */
const uint8_t *text_scan_string(const uint8_t *at, const uint8_t *end, uint8_t *flags,
                                struct refusal *refusal);

/* The same; a string of plain ASCII that ends within 16 bytes, the most usual
 * one, costs no call. */
static inline const uint8_t *text_take_string(const uint8_t *at, const uint8_t *end,
                                              uint8_t *flags, struct refusal *refusal)
{
#if defined(__SSE2__)
    if (LIKELY(end - at >= 16)) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i special = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                                       _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        /* Signed: true for control characters and for bytes from 0x80. */
        special = _mm_or_si128(special, _mm_cmplt_epi8(v, _mm_set1_epi8(' ')));
        unsigned mask = (unsigned)_mm_movemask_epi8(special);
        unsigned place = mask ? (unsigned)__builtin_ctz(mask) : 0;
        if (mask && at[place] == '"')
            return at + place;
    }
#endif
    return text_scan_string(at, end, flags, refusal);
}

const uint8_t *text_scan_number(const uint8_t *at, const uint8_t *end, struct refusal *refusal);

/* Decode checked string content into `out`, which has room for raw.length
 * bytes (decoding never makes it longer). Returns the length. */
size_t text_decode(struct slice raw, char *out);

/* Decoded string content equals `plain`; no allocation. */
bool text_decoded_equal(struct slice raw, struct slice plain);

/* Two checked string contents, either possibly with escapes, decode the same. */
bool text_both_decoded_equal(struct slice a, struct slice b);

#endif
