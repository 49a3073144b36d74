/* fhir/format.h - is a primitive's text one of its type? Private to fhir/.
 *
 * By R4's regular expressions and value rules, done by hand; the texts are those of the
 * official validator, which clients know.
 */
#ifndef FHIR_FORMAT_H
#define FHIR_FORMAT_H

#include "fhir/fhir.h"

enum format_verdict {
    FORMAT_GOOD,
    FORMAT_DOUBTFUL, /* a warning */
    FORMAT_WRONG,
};

enum { FORMAT_TEXT_BYTES = 320 };

/* What is asked: a decoded JSON string, not empty, or a number's text. */
struct format_ask {
    const struct fhir_type *type; /* primitive */
    struct slice text;
    bool is_resource_id;
    bool has_escapes; /* in JSON: only then can there be control characters */
    int this_year;    /* for years that cannot be meant; 0: not looked at */
};

/* Unless FORMAT_GOOD, `room` gets a sentence. Linear in the text. */
enum format_verdict format_check(const struct format_ask *ask, char room[FORMAT_TEXT_BYTES]);

#endif
