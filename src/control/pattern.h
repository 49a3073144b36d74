/* control/pattern.h - the regular expressions of the service's model; private.
 *
 * What the model's patterns use and no more: literals, escapes, `.`, classes,
 * \d, \p{L N Z M ASCII}, \P{M}, groups, `|`, `? * +` and counts. A pattern
 * becomes a small program that runs over the text with all its states at once,
 * so that no text takes longer than its length times the program's. Counts above
 * 64 are read as "any number": where the model has them, a length has the bound.
 */
#ifndef CONTROL_PATTERN_H
#define CONTROL_PATTERN_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

/* Does the whole text match? `text` is valid UTF-8. ERR_NO_MEMORY; ERR_UNSUPPORTED
 * for a pattern that is not of the kind above. */
MUST_USE enum err pattern_match(const char *pattern, struct slice text, struct arena *arena,
                                bool *ret_matches);

#endif
