/* rest/codes.h - the code systems and value sets that a data store knows; private.
 *
 * Those stored in it come first, then those of packages, then R4's.
 */
#ifndef REST_CODES_H
#define REST_CODES_H

#include "rest/request.h"

/* rest->terminology. */
MUST_USE enum err codes_open(struct rest *rest);

/* It, as the packages are now. */
struct terminology *codes_terminology(const struct rest *rest);

/* check_options.questionnaire over the store; context: the struct rest. */
enum err codes_questionnaire(void *context, struct slice canonical, struct arena *arena,
                             struct slice *ret_text);

/* To be called when writes are done: what they changed is read anew. */
void codes_note(struct rest *rest, const struct store_write *writes, size_t count);

#endif
