/* auth/directory.h - the newest iam.json, for many threads; private to auth/.
 *
 * A snapshot is one reading of the file. It is looked for anew at most once a
 * second; a file that cannot be read leaves the snapshot before in force and is
 * reported once. Readers hold a reference for as long as they look.
 */
#ifndef AUTH_DIRECTORY_H
#define AUTH_DIRECTORY_H

#include "auth/auth.h"

struct directory;
struct snapshot;

/* `folder` may be NULL: nobody is in it. Errors of iam_load(); *error in `arena`. */
MUST_USE enum err directory_open(const char *folder, auth_report *report, void *report_context,
                                 struct arena *arena, struct directory **ret, struct slice *error);
void directory_close(struct directory *d); /* NULL is harmless */

struct snapshot *directory_ref(struct directory *d);
void directory_unref(struct directory *d, struct snapshot *s);
const struct iam *snapshot_iam(const struct snapshot *s);

#endif
