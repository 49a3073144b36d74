/* sandbox/generate.h - made-up members with believable payer records. Private.
 *
 * Everything follows from the seed: the same settings give the same bytes on
 * every machine, and any resource can be made without making those before it,
 * since each draws from a hash of (seed, member, consent, what it is, its
 * number) and never from a running state. Nothing is stored: a cursor makes one
 * resource after the other, so a member of any size costs the memory of one.
 *
 * A *consent* is one payer's records of one member: one Patient, or a master
 * Patient linked (`seealso`) to two source Patients; Coverage; and *visits*, each
 * an ExplanationOfBenefit with the clinical resources that belong to it. Ids are
 * UUIDs (version 5 by their digits) of the consent, the type and a number.
 *
 * Records evolve: delivery 1 has the base visits. Each later delivery d adds
 * new visits (a tenth of the base ones, at least 1), cancels the claim of visit
 * d - 1, ends the Coverage in force and puts another in its place, and no longer
 * has the Condition of visit d - 2, if that had one (claims-derived records come
 * and go). Nothing else changes.
 */
#ifndef SANDBOX_GENERATE_H
#define SANDBOX_GENERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/codec.h"

enum { GENERATE_PATIENTS_MAX = 3, GENERATE_DELIVERIES_MAX = 9 };

struct generate_settings {
    uint64_t seed;
    uint32_t years;      /* over which the base visits lie; at least 1 */
    uint64_t size_bytes; /* about, of one delivery of one consent */
    bool is_plain;       /* R4 alone: without Flexpa's meta.project */
};

struct uuid_text {
    char text[UUID_TEXT_BYTES];
};

struct payer; /* generate_codes.h */

/* One payer's records of one member. Plain values; copied freely. */
struct generate_consent {
    struct generate_settings settings;
    uint32_t member, number; /* from 0 */
    const struct payer *payer;
    struct uuid_text consent, authorization, endpoint, application, project;
    struct uuid_text patients[GENERATE_PATIENTS_MAX]; /* the first is the master */
    uint32_t patient_count;
    uint32_t base_visits, new_visits; /* of delivery 1; of each later one */
    uint64_t key;                     /* all of the consent's draws begin here */
};

struct generate_consent generate_consent(const struct generate_settings *settings,
                                         uint32_t member, uint32_t number);

/* A token for the consent, opaque and always the same: 43 characters. */
enum { GENERATE_TOKEN_BYTES = 44 };
void generate_token(const struct generate_consent *c, char out[GENERATE_TOKEN_BYTES]);

/* Walks a delivery's resources, compartment first, then what it refers to. */
struct generate_cursor {
    const struct generate_consent *consent; /* borrowed */
    uint32_t delivery;                      /* from 1 */
    uint32_t group, number, slot;           /* the next resource */
    /* of the resource made last */
    const char *type; /* static */
    struct uuid_text id;
    bool is_included; /* outside the Patient's compartment */
};

void generate_begin(struct generate_cursor *cursor, const struct generate_consent *consent,
                    uint32_t delivery);

/* Append the next resource's JSON text; false at the end. */
bool generate_next(struct generate_cursor *cursor, struct buf *out);

#endif
