/* fhir/rewrite.h - references of one resource changed while it is copied;
 * private to fhir/.
 */
#ifndef FHIR_REWRITE_H
#define FHIR_REWRITE_H

#include "fhir/tables.h"

/* Longer URLs are left as they are. */
enum { URL_LENGTH_MAX = 2048 };

/* Bytes of the source that wait to be copied as one run. */
struct copy {
    struct buf *out;
    const char *text;
    size_t from, to; /* equal: nothing waits */
};

/* The next token stands at text[offset, +length). */
void copy_token(struct copy *copy, size_t offset, size_t length);
/* The next token is this byte: a comma, colon or bracket. */
void copy_byte(struct copy *copy, char byte);
/* Write what waits: before anything is appended to `out` by other means. */
void copy_flush(struct copy *copy);

/* Scratch: a URL decoded, a URL put together. */
struct rewrite_room {
    char decoded[URL_LENGTH_MAX];
    char joined[URL_LENGTH_MAX * 2];
};

/* What stands in the place of a URL (`raw`: as JSON has it), fragment carried
 * over; the empty slice: leave it. `is_relative`: it may be relative to the
 * entry's fullUrl. The result lies in `room` or belongs to the options. */
struct slice rewrite_url(const struct fhir_prepare *options, struct slice raw, bool is_relative,
                         struct rewrite_room *room);

/* Append the member's value: the subtree with its references rewritten. `key` is
 * a member of `object`, whose type is `type`. ERR_LIMIT when too deep. */
MUST_USE enum err rewrite_member(const struct fhir_prepare *options, const struct fhir_type *type,
                                 struct json key, struct buf *out);

/* Append an XHTML narrative (the bytes between the quotes) with the values of
 * its href and src attributes rewritten. */
void narrative_rewrite(const struct fhir_prepare *options, struct slice raw,
                       struct rewrite_room *room, struct buf *out);

/* The bytes of a JSON string without its quotes. */
void append_escaped(struct buf *out, struct slice text);

#endif
