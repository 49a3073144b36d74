#include "sandbox/generate.h"

#include "base/check.h"
#include "sandbox/generate_parts.h"

/* What a claim weighs, measured; what the clinical records of a visit add; and
 * the resources that come once. Only the promise "about" rests on it. */
enum { CLAIM_BYTES = 9800, CLINICAL_BYTES = 14000, CONSENT_BYTES = 42000, BASE_VISITS_MIN = 4 };

static uint64_t visit_bytes(const struct payer *payer)
{
    uint32_t seen = payer->claim_weights[0] + payer->claim_weights[1]; /* per cent */
    return CLAIM_BYTES + CLINICAL_BYTES * seen / 100;
}

struct generate_consent generate_consent(const struct generate_settings *settings,
                                         uint32_t member, uint32_t number)
{
    CHECK(settings->years > 0);
    struct generate_consent c = { .settings = *settings, .member = member, .number = number };
    uint64_t person = draw(settings->seed, "person", member);
    c.key = draw(person, "consent", number);
    /* Payers of one member differ while there are enough. */
    uint32_t first = draw_below(person, "payer", 0, codes_payer_count);
    c.payer = &codes_payers[(first + number) % codes_payer_count];
    c.consent = uuid_of(c.key, "ConsentId", 0);
    c.authorization = uuid_of(c.key, "PatientAuthorizationId", 0);
    c.endpoint = uuid_of(settings->seed, c.payer->name, 0);
    c.application = uuid_of(settings->seed, "ApplicationId", 0);
    c.project = uuid_of(settings->seed, "project", 0);
    c.patient_count = number % 3 == 1 ? GENERATE_PATIENTS_MAX : 1;
    for (uint32_t i = 0; i < c.patient_count; i++)
        c.patients[i] = id_of(&c, "Patient", i);
    uint64_t visits = settings->size_bytes > CONSENT_BYTES
                          ? (settings->size_bytes - CONSENT_BYTES) / visit_bytes(c.payer)
                          : 0;
    c.base_visits = (uint32_t)MIN(MAX(visits, (uint64_t)BASE_VISITS_MIN), (uint64_t)1 << 24);
    c.new_visits = MAX(c.base_visits / 10, 1);
    return c;
}

void generate_token(const struct generate_consent *c, char out[GENERATE_TOKEN_BYTES])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    memcpy(out, "flexpa_test_", 12);
    for (uint32_t i = 12; i < GENERATE_TOKEN_BYTES - 1; i++)
        out[i] = letters[draw_below(c->key, "token", i, sizeof letters - 1)];
    out[GENERATE_TOKEN_BYTES - 1] = '\0';
}

/* The groups in the order in which they are delivered. GROUP_VISIT stands for a
 * claim with its clinical records. */
enum group {
    GROUP_PATIENT,
    GROUP_COVERAGE,
    GROUP_ALLERGY,
    GROUP_CARE_TEAM,
    GROUP_GOAL,
    GROUP_CARE_PLAN,
    GROUP_DEVICE,
    GROUP_VISIT,
    GROUP_PROVENANCE,
    GROUP_ORGANIZATION, /* from here on: what the others refer to */
    GROUP_PRACTITIONER,
    GROUP_ROLE,
    GROUP_LOCATION,
    GROUP_MEDICATION,
    GROUP_END,
};

typedef void make(struct buf *out, const struct generate_consent *c, uint32_t number);

/* What is the same in all deliveries. */
static const struct {
    const char *type;
    make *make;
    uint32_t count; /* 0: depends on the consent */
} groups[GROUP_END] = {
    [GROUP_PATIENT] = { "Patient", make_patient, 0 },
    [GROUP_COVERAGE] = { "Coverage", NULL, 0 },
    [GROUP_ALLERGY] = { "AllergyIntolerance", make_allergy, 2 },
    [GROUP_CARE_TEAM] = { "CareTeam", make_care_team, 1 },
    [GROUP_GOAL] = { "Goal", make_goal, 2 },
    [GROUP_CARE_PLAN] = { "CarePlan", make_care_plan, 1 },
    [GROUP_DEVICE] = { "Device", make_device, 1 },
    [GROUP_PROVENANCE] = { "Provenance", make_provenance, 1 },
    [GROUP_ORGANIZATION] = { "Organization", make_organization, 1 + PARTS_ORGANIZATIONS },
    [GROUP_PRACTITIONER] = { "Practitioner", make_practitioner, PARTS_PRACTITIONERS },
    [GROUP_ROLE] = { "PractitionerRole", make_role, PARTS_PRACTITIONERS },
    [GROUP_LOCATION] = { "Location", make_location, PARTS_LOCATIONS },
    [GROUP_MEDICATION] = { "Medication", make_medication, 0 },
};

static uint32_t group_count(const struct generate_cursor *cursor)
{
    const struct generate_consent *c = cursor->consent;
    switch (cursor->group) {
    case GROUP_PATIENT:
        return c->patient_count;
    case GROUP_COVERAGE:
        return cursor->delivery;
    case GROUP_VISIT:
        return c->base_visits + c->new_visits * (cursor->delivery - 1);
    case GROUP_MEDICATION:
        return codes_drug.count;
    default:
        return groups[cursor->group].count;
    }
}

void generate_begin(struct generate_cursor *cursor, const struct generate_consent *consent,
                    uint32_t delivery)
{
    CHECK(delivery >= 1 && delivery <= GENERATE_DELIVERIES_MAX);
    *cursor = (struct generate_cursor){ .consent = consent, .delivery = delivery };
}

/* Slot 0 of a visit is its claim, then its clinical records. */
static bool make_of_visit(struct generate_cursor *cursor, struct buf *out)
{
    struct visit v = generate_visit(cursor->consent, cursor->number, cursor->delivery);
    while (cursor->slot <= CLINICAL_SLOTS) {
        uint32_t slot = cursor->slot++;
        if (slot == 0) {
            cursor->type = "ExplanationOfBenefit";
            cursor->id = v.claim;
            make_claim(out, &v);
            return true;
        }
        if (make_clinical(out, &v, slot - 1, &cursor->type, &cursor->id))
            return true;
    }
    return false;
}

static void make_single(struct generate_cursor *cursor, struct buf *out)
{
    const struct generate_consent *c = cursor->consent;
    uint32_t number = cursor->number++;
    cursor->type = groups[cursor->group].type;
    cursor->id = id_of(c, cursor->type, number);
    if (groups[cursor->group].make)
        groups[cursor->group].make(out, c, number);
    else
        make_coverage(out, c, number, cursor->delivery);
}

bool generate_next(struct generate_cursor *cursor, struct buf *out)
{
    while (cursor->group < GROUP_END) {
        if (cursor->number >= group_count(cursor)) {
            cursor->group++;
            cursor->number = cursor->slot = 0;
            continue;
        }
        cursor->is_included = cursor->group >= GROUP_ORGANIZATION;
        if (cursor->group != GROUP_VISIT) {
            make_single(cursor, out);
            return true;
        }
        if (make_of_visit(cursor, out))
            return true;
        cursor->number++;
        cursor->slot = 0;
    }
    return false;
}
