/* sandbox/generate_codes.h - small tables of real codes and of made-up names. Private. */
#ifndef SANDBOX_GENERATE_CODES_H
#define SANDBOX_GENERATE_CODES_H

#include <stdint.h>

struct code {
    const char *code, *display;
    int32_t cents; /* a usual charge, or 0 */
};

struct code_table {
    const char *system; /* canonical URL */
    const struct code *codes;
    uint32_t count;
};

extern const struct code_table codes_visit;      /* CPT: evaluation and management */
extern const struct code_table codes_service;    /* CPT: what else is done at a visit */
extern const struct code_table codes_operation;  /* CPT: procedures */
extern const struct code_table codes_dental;     /* CDT */
extern const struct code_table codes_diagnosis;  /* ICD-10-CM */
extern const struct code_table codes_drug;       /* RxNorm */
extern const struct code_table codes_ndc;        /* NDC of the same drugs, in the same order */
extern const struct code_table codes_vaccine;    /* CVX */
extern const struct code_table codes_allergy;    /* SNOMED CT */
extern const struct code_table codes_drg;        /* MS-DRG */
extern const struct code_table codes_revenue;    /* NUBC */
extern const struct code_table codes_place;      /* CMS place of service */
extern const struct code_table codes_panel;      /* LOINC */
extern const struct code_table codes_race;       /* OMB categories */
extern const struct code_table codes_ethnicity;

/* A laboratory value or vital sign: LOINC, UCUM unit and the usual range in
 * thousandths of the unit. */
struct measure {
    const char *code, *display, *unit;
    int32_t low, high;
    int decimals;
};
extern const struct measure codes_lab[];
extern const uint32_t codes_lab_count;
extern const struct measure codes_vital[];
extern const uint32_t codes_vital_count;

struct payer {
    const char *name, *base_url, *plan, *group, *network;
    const char *kind, *kind_display; /* of Coverage.type, v3-ActCode */
    uint32_t claim_weights[4];       /* institutional, professional, pharmacy, oral */
};
extern const struct payer codes_payers[];
extern const uint32_t codes_payer_count;

struct names {
    const char *const *texts;
    uint32_t count;
};
extern const struct names names_family, names_given[2] /* female, male */, names_street;
extern const struct names names_hospital;

struct town {
    const char *city, *state, *zip;
};
extern const struct town names_town[];
extern const uint32_t names_town_count;

struct specialty {
    const char *taxonomy, *display; /* NUCC */
};
extern const struct specialty codes_specialty[];
extern const uint32_t codes_specialty_count;

#endif
