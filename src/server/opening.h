/* server/opening.h - a data store's folder opened with our extraction; private.
 *
 * The one place that knows what a store is opened with, for the server and for
 * `tarn check`.
 */
#ifndef SERVER_OPENING_H
#define SERVER_OPENING_H

#include "rest/rest.h"
#include "server/server.h"
#include "store/store.h"

struct opening {
    const struct server_settings *settings; /* public_url, cache_bytes */
    struct slice datastore_id;
    const char *folder;          /* <data>/datastores/<id> */
    bool keep_index;             /* store_settings.keep_index */
    struct rest_extract extract; /* filled; the open store points at it; owns its customs */
    char base_url[512];          /* filled */
};

/* `o` must stay where it is until the store is closed. As store_open(). */
MUST_USE enum err opening_store(struct opening *o, struct arena *arena, struct store **ret_store,
                                struct slice *error);

/* When the store is closed, or was not opened. */
void opening_end(struct opening *o);

#endif
