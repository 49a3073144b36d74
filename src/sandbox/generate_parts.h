/* sandbox/generate_parts.h - what the makers of resources share. Private.
 *
 * `emit` writes JSON from a template in which a single quote stands for a double
 * one, so that templates can be read:
 *
 *     emit(out, "'status':'active','period':{'start':'%y'}", day);
 *
 * %s  text, its JSON escapes added; %d int, %03d with zeros; %a int64_t cents as a decimal number
 * (some with the odd tails that payers' floating point leaves); %y int32_t day as
 * a date; %% a per cent sign. Only in the template are quotes replaced.
 */
#ifndef SANDBOX_GENERATE_PARTS_H
#define SANDBOX_GENERATE_PARTS_H

#include "sandbox/generate.h"
#include "sandbox/generate_codes.h"

void emit(struct buf *out, const char *template, ...);

/* {"coding":[{...}],"text":...} of row `index` (modulo the count). */
void emit_concept(struct buf *out, const struct code_table *table, uint64_t index);
/* The same of a single code of a system; display NULL: none and no text. */
void emit_code(struct buf *out, const char *system, const char *code, const char *display);

/* ---- draws ---- */

/* What a draw is for; with the consent's key and a number it decides the value. */
uint64_t draw(uint64_t key, const char *what, uint64_t number);
/* 0 <= result < bound. */
uint32_t draw_below(uint64_t key, const char *what, uint64_t number, uint32_t bound);

struct uuid_text uuid_of(uint64_t key, const char *what, uint64_t number);

/* ---- the parts of a consent ---- */

enum {
    PARTS_ORGANIZATIONS = 4, /* of providers; the payer is number 0 before them */
    PARTS_PRACTITIONERS = 5,
    PARTS_LOCATIONS = 4,
    GENERATE_TODAY = 20465, /* 2026-01-12, the day of the first delivery */
};

enum visit_kind { VISIT_INSTITUTIONAL, VISIT_PROFESSIONAL, VISIT_PHARMACY, VISIT_ORAL };

/* What a visit's resources have in common. */
struct visit {
    const struct generate_consent *consent;
    uint32_t number;
    uint32_t delivery; /* the one that is being made */
    uint32_t born;     /* the delivery that has it first */
    enum visit_kind kind;
    int32_t day, last_day;
    uint64_t key; /* its draws */
    struct uuid_text patient, claim, encounter, condition;
    uint32_t organization, practitioner, location;
    uint32_t diagnosis;
    bool has_encounter, has_condition, has_labs, is_inpatient, is_cancelled;
};

struct visit generate_visit(const struct generate_consent *c, uint32_t number, uint32_t delivery);

struct uuid_text id_of(const struct generate_consent *c, const char *type, uint64_t number);

/* The Coverage in force when something of that delivery was made. */
struct uuid_text coverage_of(const struct generate_consent *c, uint32_t delivery);

/* Open a resource: up to and into its identifier list, which the caller may
 * continue and must close ("],"). `changed` is the delivery of its last change.
 * profile may be NULL; `second_profile` too. */
void begin_resource(struct buf *out, const struct generate_consent *c, const char *type,
                    struct uuid_text id, uint32_t changed, const char *profile,
                    const char *second_profile);

/* The same of a type that has no identifier: up to and behind meta. */
void emit_project(struct buf *out, const struct generate_consent *c);
void begin_resource_plain(struct buf *out, const struct generate_consent *c, const char *type,
                          struct uuid_text id, uint32_t changed, const char *profile);

/* ---- makers; each appends one resource ---- */

void make_patient(struct buf *out, const struct generate_consent *c, uint32_t number);
void make_coverage(struct buf *out, const struct generate_consent *c, uint32_t number,
                   uint32_t delivery);
void make_organization(struct buf *out, const struct generate_consent *c, uint32_t number);
void make_practitioner(struct buf *out, const struct generate_consent *c, uint32_t number);
void make_location(struct buf *out, const struct generate_consent *c, uint32_t number);
void make_medication(struct buf *out, const struct generate_consent *c, uint32_t number);
void make_role(struct buf *out, const struct generate_consent *c, uint32_t number);
void make_allergy(struct buf *out, const struct generate_consent *c, uint32_t number);
void make_goal(struct buf *out, const struct generate_consent *c, uint32_t number);
void make_care_team(struct buf *out, const struct generate_consent *c, uint32_t number);
void make_care_plan(struct buf *out, const struct generate_consent *c, uint32_t number);
void make_device(struct buf *out, const struct generate_consent *c, uint32_t number);
void make_provenance(struct buf *out, const struct generate_consent *c, uint32_t number);

void make_claim(struct buf *out, const struct visit *v);

/* The clinical resources of a visit have slots; false when the slot is empty. */
enum { CLINICAL_SLOTS = 18 };
bool make_clinical(struct buf *out, const struct visit *v, uint32_t slot, const char **ret_type,
                   struct uuid_text *ret_id);

#endif
