/* control/s3.h - objects of an S3-compatible endpoint, as far as jobs need them; private.
 *
 * Path-style requests ("<endpoint>/<bucket>/<key>") signed with our own signer for the
 * service s3. What may pass (5xx, 429, a broken connection) is tried again, four times
 * in all. Objects are not held in memory: they go to a file and come from one, in
 * parts of PART_BYTES when they are larger. Answers that are read, which are XML, are
 * bounded. One thread at a time.
 */
#ifndef CONTROL_S3_H
#define CONTROL_S3_H

#include <stdio.h>

#include "control/control.h"

struct s3;

/* Is asked between requests and while bytes come; an error ends what is under way. */
typedef enum err s3_go_on(void *context);

/* In the arena; the settings outlive it. *ret_s3 is there on failure, too, but for want
 * of memory, so that s3_error() tells. */
MUST_USE enum err s3_open(const struct s3_settings *settings, s3_go_on *go_on, void *context,
                          struct arena *arena, struct s3 **ret_s3);
void s3_close(struct s3 *s3); /* NULL is harmless */

/* The object's bytes to the file, which is empty before. */
MUST_USE enum err s3_get(struct s3 *s3, struct slice bucket, struct slice key, FILE *file);
MUST_USE enum err s3_put(struct s3 *s3, struct slice bucket, struct slice key,
                         struct slice content);
/* From the file's start to its end; in parts when it is larger than one. */
MUST_USE enum err s3_put_file(struct s3 *s3, struct slice bucket, struct slice key, FILE *file);

/* Each key with the prefix, in the endpoint's order; slices live as long as the call. */
typedef enum err s3_visit(void *context, struct slice key);
MUST_USE enum err s3_list(struct s3 *s3, struct slice bucket, struct slice prefix, s3_visit *visit,
                          void *context);

/* Of the last failure: a sentence with what the endpoint said; until the next call. */
const char *s3_error(const struct s3 *s3);

#endif
