/* server/opener.h - a data store's parts, opened and closed together; private.
 *
 * What control/ calls when a data store is first asked for, and when it goes.
 */
#ifndef SERVER_OPENER_H
#define SERVER_OPENER_H

#include "control/control.h"
#include "server/server.h"

/* The context of both: outlives every data store. */
struct opener {
    const struct server_settings *settings;
    struct profile_home *profiles;
};

enum err opener_open(void *context, struct slice datastore_id, const char *folder,
                     struct arena *arena, struct control_store *ret_store, struct slice *error);
enum err opener_close(void *context, struct control_store *store);

#endif
