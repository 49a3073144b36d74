/* base/xml.h - the little XML that AWS's older protocols answer with.
 *
 * Finds elements by name, in the order of the text; an element may not lie inside of
 * one of its own name, and comments, CDATA and entities beyond XML's own five are not
 * read. Each call reads on from where the one before it stopped.
 */
#ifndef BASE_XML_H
#define BASE_XML_H

#include "base/arena.h"

/* The text of the next element of that name in *rest, which moves behind it; decoded
 * into the arena. .bytes NULL: there is none (or it is broken, or memory is short).
 * Elements inside of it are part of the text. */
struct slice xml_next(struct slice *rest, const char *name, struct arena *arena);
/* The same, not decoded and borrowed. */
struct slice xml_raw(struct slice *rest, const char *name);

#endif
