/* sandbox/members.h - the consents that the sandbox serves. Private.
 *
 * Made up or recorded, a consent is a list of deliveries; `struct records` walks
 * one of them. What changes while serving (the delivery in force, faults) is
 * copied out under the lock by consent_enter(), so a request sees one state from
 * its first byte to its last.
 */
#ifndef SANDBOX_MEMBERS_H
#define SANDBOX_MEMBERS_H

#include <pthread.h>

#include "base/map.h"
#include "sandbox/fault.h"
#include "sandbox/generate.h"
#include "sandbox/recorded.h"
#include "sandbox/sandbox.h"

enum { DELIVERIES_KEPT = 16 }; /* of a recorded consent */

struct consent {
    struct slice user, id, token, patient;
    bool is_generated;
    struct generate_consent generated;
    const char *folder; /* of recorded deliveries */
    uint32_t deliveries;
    /* under the lock: */
    uint32_t delivery; /* in force, from 1 */
    struct faults faults;
    struct recorded *loaded; /* of recorded ones, each delivery's; NULL else */
};

struct members {
    struct arena arena; /* consents and their texts */
    pthread_mutex_t lock;
    struct consent *consents;
    uint32_t count;
    struct map by_name; /* ids and tokens to the consent's place */
};

MUST_USE enum err members_open(struct members *m, const struct sandbox_settings *settings,
                               struct arena *arena, struct slice *error);
void members_close(struct members *m);

/* By id, token or number from 1; NULL when there is none. */
struct consent *members_find(struct members *m, struct slice name);
struct consent *members_by_token(struct members *m, struct slice token);

/* Go on to the next delivery; false when this is the last. */
bool members_advance(struct members *m, struct consent *c);

/* A copy of the faults in force; counted ones that strike are used up by one:
 * the first of them that is on, *ret_struck (FAULT_KINDS: none). */
struct faults members_enter(struct members *m, struct consent *c, uint32_t *ret_delivery,
                            enum fault_kind *ret_struck);

/* ---- the resources of a delivery ---- */

struct records {
    struct consent *consent;
    struct generate_cursor cursor;
    struct buf buffer; /* of the made-up one */
    const struct recorded *recorded;
    uint32_t at;
};

/* `r` must be ended. */
MUST_USE enum err records_begin(struct records *r, struct members *m, struct consent *c,
                                uint32_t delivery);
void records_end(struct records *r);

/* False at the end. The record lives until the next call. */
bool records_next(struct records *r, struct record *ret_record);

#endif
