/* sandbox/recorded.h - deliveries recorded in a folder. Private.
 *
 *     FOLDER/USER/facts.json                   consents, their ids and Patients
 *     FOLDER/USER/PLAN/everything-N.json[.zst] the N-th delivery, a Bundle
 *
 * Resources are served as the bytes that stand in the file.
 */
#ifndef SANDBOX_RECORDED_H
#define SANDBOX_RECORDED_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct record {
    struct slice type, id; /* empty for an entry that has none */
    struct slice text;     /* the resource */
    bool is_included;      /* outside the Patient's compartment */
};

/* One delivery, in memory. */
struct recorded {
    bool is_loaded;
    struct buf content; /* of the file */
    struct arena arena;
    struct record *records;
    uint32_t count;
};

/* Nothing loaded; takes no memory. */
void recorded_init(struct recorded *r);
void recorded_release(struct recorded *r);
/* ERR_SYNTAX when the file is no Bundle; errors of os_file_unpack(). `r` is then
 * as recorded_init() left it. */
MUST_USE enum err recorded_load(struct recorded *r, const char *path);

/* A consent of a facts.json. */
struct recorded_consent {
    struct recorded_consent *next;
    struct slice user, consent, patient; /* the first Patient's id */
    const char *folder;                  /* path of its deliveries */
    uint32_t deliveries;
};

/* All consents below the folder, in the order of their users' names. Texts from
 * the arena; *error says what is wrong with which file. */
MUST_USE enum err recorded_find(const char *folder, struct arena *arena,
                                struct recorded_consent **ret_first, struct slice *error);

/* Path of a delivery, plain or .zst, in the arena; NULL when there is none. */
const char *recorded_path(const char *folder, uint32_t delivery, struct arena *arena);

#endif
