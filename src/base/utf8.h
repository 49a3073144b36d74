/* base/utf8.h - UTF-8 checking and the folding of strings for search.
 *
 * Folding removes what FHIR string search must not see: case, accents and
 * width (R4 search, "string": "case and accent insensitive"). ASCII takes a
 * fast path, the rest goes through utf8proc (NFKD, case fold, accents dropped;
 * vowel signs of other scripts stay) and a small table for letters that do not
 * decompose (l-stroke, o-slash, d-stroke, ...) and typesetters' apostrophes and
 * dashes. Runs of white space become one blank; ends are trimmed.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF. */
bool utf8_is_valid(struct slice s);

/* Append one code point (not a surrogate, <= 0x10FFFF). */
void utf8_append(struct buf *out, uint32_t code_point);

/* Append the folded form of valid UTF-8; folding it again changes nothing.
 * ERR_INVALID on bytes that are not UTF-8; else the buffer's status. */
MUST_USE enum err utf8_fold(struct buf *out, struct slice s);

/* How many bytes the letter, digit or mark takes that the text begins with; 0: it
 * begins with something else, or not with UTF-8. */
unsigned utf8_letter_bytes(struct slice s);

#endif
