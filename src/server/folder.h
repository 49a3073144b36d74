/* server/folder.h - the data folder: its lock, its settings; private. */
#ifndef SERVER_FOLDER_H
#define SERVER_FOLDER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct folder {
    const char *path; /* in the arena */
    int lock;         /* descriptor; -1: not held */
    struct slice datastore_id; /* the default data store; in the arena */
    const char *stores_path;   /* <data>/datastores; in the arena */
    const char *store_path;    /* <data>/datastores/<id>; in the arena */
};

/* Make what is absent and take the lock. `wanted_id` may be empty. *error names
 * what stands against it: another server, another id, a newer format. */
MUST_USE enum err folder_open(struct folder *folder, const char *path, struct slice wanted_id,
                              struct arena *arena, struct slice *error);
void folder_close(struct folder *folder);

/* 32 letters or digits. */
bool folder_id_is_valid(struct slice id);

#endif
