/* fhir/xhtml.h - is a narrative XHTML of the kind that FHIR allows? Private to fhir/.
 *
 * The vocabulary is that of the official validator (chapters 7 to 11 and 15 of HTML 4.0
 * as R4's narrative page names them, without what marks changes): elements, attributes
 * by element, no blocks inside of paragraphs, links that are URLs and no scripts. XML's
 * five entities and numbers are all there is: a narrative stands in XML, too.
 */
#ifndef FHIR_XHTML_H
#define FHIR_XHTML_H

#include "base/slice.h"

/* What is wrong. `key` is the rule's, "txt-1" or "txt-2"; empty: the text is no XML. */
typedef void xhtml_found(void *context, struct slice key, struct slice text);

/* Look through the text, in one pass and without memory; `found` may be NULL. What is
 * no XML ends it. True when nothing but the outer div's namespace was found. */
bool xhtml_check(struct slice text, xhtml_found *found, void *context);

#endif
