/* The clinical records of a visit, in US Core shapes. */
#include "sandbox/generate_parts.h"

#include "base/check.h"

#define US_CORE "http://hl7.org/fhir/us/core/StructureDefinition/"
#define HL7 "http://terminology.hl7.org/CodeSystem/"

enum slot {
    SLOT_ENCOUNTER,
    SLOT_CONDITION,
    SLOT_PROCEDURE,
    SLOT_MEDICATION,
    SLOT_DISPENSE,
    SLOT_DOCUMENT,
    SLOT_IMMUNIZATION,
    SLOT_REPORT,
    SLOT_LAB, /* and on */
    SLOT_LAB_LAST = SLOT_LAB + 4,
    SLOT_VITAL,
    SLOT_VITAL_LAST = SLOT_VITAL + 4,
};
_Static_assert(SLOT_VITAL_LAST + 1 == CLINICAL_SLOTS, "the header says how many");

static uint32_t lab_count(const struct visit *v)
{
    return v->has_labs ? 2 + draw_below(v->key, "lab count", 0, 4) : 0;
}

static void emit_subject(struct buf *out, const struct visit *v, const char *member)
{
    emit(out, "'%s':{'reference':'Patient/%s'},", member, v->patient.text);
    if (v->has_encounter)
        emit(out, "'encounter':{'reference':'Encounter/%s'},", v->encounter.text);
}

static void make_encounter(struct buf *out, const struct visit *v)
{
    const struct generate_consent *c = v->consent;
    begin_resource(out, c, "Encounter", v->encounter, v->born, US_CORE "us-core-encounter", NULL);
    emit(out,
         ",{'system':'%s/claim-of-encounter','value':'%s'}],'status':'finished','class':{'system':"
         "'" HL7 "v3-ActCode','code':'%s','display':'%s'},'type':[",
         c->payer->base_url, v->claim.text + 24, v->is_inpatient ? "IMP" : "AMB",
         v->is_inpatient ? "inpatient encounter" : "ambulatory");
    emit_concept(out, &codes_visit, draw(v->key, "service", 0));
    emit(out,
         "],'subject':{'reference':'Patient/%s'},'participant':[{'individual':{'reference':"
         "'Practitioner/%s'}}],'period':{'start':'%yT09:00:00-05:00','end':'%yT09:45:00-05:00'},",
         v->patient.text, id_of(c, "Practitioner", v->practitioner).text, v->day, v->last_day);
    emit(out,
         "'location':[{'location':{'reference':'Location/%s'}}],'serviceProvider':{'reference':"
         "'Organization/%s'}}",
         id_of(c, "Location", v->location).text, id_of(c, "Organization", v->organization).text);
}

static void make_condition(struct buf *out, const struct visit *v)
{
    begin_resource(out, v->consent, "Condition", v->condition, v->born,
                   US_CORE "us-core-condition-encounter-diagnosis", NULL);
    emit(out, "],'clinicalStatus':");
    emit_code(out, HL7 "condition-clinical", "active", NULL);
    emit(out, ",'verificationStatus':");
    emit_code(out, HL7 "condition-ver-status", "confirmed", NULL);
    emit(out, ",'category':[");
    emit_code(out, HL7 "condition-category", "encounter-diagnosis", "Encounter Diagnosis");
    emit(out, "],'code':");
    emit_concept(out, &codes_diagnosis, v->diagnosis);
    emit(out, ",");
    emit_subject(out, v, "subject");
    emit(out, "'onsetDateTime':'%y','recordedDate':'%y'}", v->day, v->day);
}

static void make_procedure(struct buf *out, const struct visit *v, struct uuid_text id)
{
    begin_resource(out, v->consent, "Procedure", id, v->born, US_CORE "us-core-procedure", NULL);
    emit(out, "],'status':'completed','code':");
    emit_concept(out, &codes_operation, draw(v->key, "service", 0));
    emit(out, ",");
    emit_subject(out, v, "subject");
    emit(out,
         "'performedPeriod':{'start':'%yT10:15:00-05:00','end':'%yT11:00:00-05:00'},'performer':"
         "[{'actor':{'reference':'Practitioner/%s'}}]}",
         v->day, v->day, id_of(v->consent, "Practitioner", v->practitioner).text);
}

/* Not all say the drug in place: every third refers to the Medication. */
static void emit_drug(struct buf *out, const struct visit *v)
{
    /* NDC and RxNorm stand in the same order, so the claim names the same drug. */
    uint32_t drug = draw_below(v->key, "service", 0, codes_ndc.count);
    if (v->number % 3 == 0) {
        emit(out, "'medicationReference':{'reference':'Medication/%s'},",
             id_of(v->consent, "Medication", drug).text);
        return;
    }
    emit(out, "'medicationCodeableConcept':");
    emit_concept(out, &codes_drug, drug);
    emit(out, ",");
}

static void make_medication_request(struct buf *out, const struct visit *v, struct uuid_text id)
{
    begin_resource(out, v->consent, "MedicationRequest", id, v->born,
                   US_CORE "us-core-medicationrequest", NULL);
    emit(out, "],'status':'%s','intent':'order',",
         v->day < GENERATE_TODAY - 120 ? "completed" : "active");
    emit_drug(out, v);
    emit_subject(out, v, "subject");
    emit(out,
         "'authoredOn':'%y','requester':{'reference':'Practitioner/%s'},'dosageInstruction':["
         "{'text':'Take 1 by mouth %s','timing':{'repeat':{'frequency':%d,'period':1.0,"
         "'periodUnit':'d'}}}],'dispenseRequest':{'numberOfRepeatsAllowed':5,'quantity':"
         "{'value':30},'expectedSupplyDuration':{'value':30,'unit':'days','system':"
         "'http://unitsofmeasure.org','code':'d'}}}",
         v->day, id_of(v->consent, "Practitioner", v->practitioner).text,
         v->number % 2 ? "twice daily" : "daily", v->number % 2 ? 2 : 1);
}

static void make_dispense(struct buf *out, const struct visit *v, struct uuid_text id)
{
    begin_resource(out, v->consent, "MedicationDispense", id, v->born,
                   US_CORE "us-core-medicationdispense", NULL);
    emit(out, "],'status':'completed',");
    emit_drug(out, v);
    emit_subject(out, v, "subject");
    emit(out,
         "'performer':[{'actor':{'reference':'Organization/%s'}}],'authorizingPrescription':["
         "{'reference':'MedicationRequest/%s'}],'quantity':{'value':30.0},'daysSupply':{'value':"
         "30,'unit':'days','system':'http://unitsofmeasure.org','code':'d'},'whenHandedOver':"
         "'%yT17:%d:00-05:00'}",
         id_of(v->consent, "Organization", v->organization).text,
         id_of(v->consent, "MedicationRequest",
               (uint64_t)v->number * CLINICAL_SLOTS + SLOT_MEDICATION)
             .text,
         v->day, 10 + (int)draw_below(v->key, "handed", 0, 50));
}

/* A discharge note, inline. */
static void make_document(struct buf *out, const struct visit *v, struct uuid_text id)
{
    begin_resource(out, v->consent, "DocumentReference", id, v->born,
                   US_CORE "us-core-documentreference", NULL);
    emit(out, "],'status':'current','type':");
    emit_code(out, "http://loinc.org", "18842-5", "Discharge summary");
    emit(out, ",'category':[");
    emit_code(out, "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
              "clinical-note", "Clinical Note");
    emit(out, "],'subject':{'reference':'Patient/%s'},'date':'%yT18:00:00.000-05:00','author':[",
         v->patient.text, v->last_day);
    emit(out, "{'reference':'Practitioner/%s'}],'content':[{'attachment':{'contentType':",
         id_of(v->consent, "Practitioner", v->practitioner).text);
    struct buf note;
    buf_init(&note, 1 << 16);
    const struct code *why = &codes_diagnosis.codes[v->diagnosis];
    for (int i = 0; i < 8; i++)
        buf_printf(&note, "Day %d. %s (%s): improving, plan unchanged. \xC3\xA9tat bon.\n", i + 1,
                   why->display, why->code);
    emit(out, "'text/plain; charset=utf-8','data':'");
    base64_encode(out, buf_slice(&note));
    emit(out, "'}}],'context':{'encounter':[{'reference':'Encounter/%s'}]}}", v->encounter.text);
    buf_release(&note);
}

static void make_immunization(struct buf *out, const struct visit *v, struct uuid_text id)
{
    begin_resource(out, v->consent, "Immunization", id, v->born, US_CORE "us-core-immunization",
                   NULL);
    emit(out, "],'status':'completed','vaccineCode':");
    emit_concept(out, &codes_vaccine, draw(v->key, "vaccine", 0));
    emit(out, ",");
    emit_subject(out, v, "patient");
    emit(out, "'occurrenceDateTime':'%y','primarySource':true,'lotNumber':'L%d'}", v->day,
         (int)draw_below(v->key, "lot", 0, 100000));
}

static void make_report(struct buf *out, const struct visit *v, struct uuid_text id)
{
    begin_resource(out, v->consent, "DiagnosticReport", id, v->born,
                   US_CORE "us-core-diagnosticreport-lab", NULL);
    emit(out, "],'status':'final','category':[");
    emit_code(out, HL7 "v2-0074", "LAB", "Laboratory");
    emit(out, "],'code':");
    emit_concept(out, &codes_panel, draw(v->key, "panel", 0));
    emit(out, ",");
    emit_subject(out, v, "subject");
    emit(out,
         "'effectiveDateTime':'%yT09:20:00-05:00','issued':'%yT16:05:00.000-05:00','performer':"
         "[{'reference':'Organization/%s'}],'result':[",
         v->day, v->day + 1, id_of(v->consent, "Organization", v->organization).text);
    for (uint32_t i = 0; i < lab_count(v); i++)
        emit(out, "%s{'reference':'Observation/%s'}", i ? "," : "",
             id_of(v->consent, "Observation", (uint64_t)v->number * CLINICAL_SLOTS + SLOT_LAB + i)
                 .text);
    emit(out, "]}");
}

/* thousandths as a decimal of `decimals` places, trailing zeros kept. */
static void emit_thousandths(struct buf *out, uint32_t value, int decimals)
{
    static const uint32_t unit[] = { 1000, 100, 10, 1 };
    uint32_t rounded = value / unit[decimals] * unit[decimals];
    buf_printf(out, "%u", rounded / 1000);
    if (decimals > 0)
        buf_printf(out, ".%0*u", decimals, rounded % 1000 / unit[decimals]);
}

static void make_observation(struct buf *out, const struct visit *v, struct uuid_text id,
                             const struct measure *m, bool is_lab, uint32_t number)
{
    uint32_t span = (uint32_t)(m->high - m->low);
    uint32_t value = (uint32_t)m->low + draw_below(v->key, is_lab ? "lab" : "vital", number, span);
    begin_resource(out, v->consent, "Observation", id, v->born,
                   is_lab ? US_CORE "us-core-observation-lab" : US_CORE "us-core-vital-signs",
                   NULL);
    emit(out, "],'status':'final','category':[");
    emit_code(out, HL7 "observation-category", is_lab ? "laboratory" : "vital-signs",
              is_lab ? "Laboratory" : "Vital Signs");
    emit(out, "],'code':");
    emit_code(out, "http://loinc.org", m->code, m->display);
    emit(out, ",");
    emit_subject(out, v, "subject");
    emit(out, "'effectiveDateTime':'%yT09:%d:00-05:00','valueQuantity':{'value':", v->day,
         10 + (int)number);
    emit_thousandths(out, value, m->decimals);
    emit(out, ",'unit':'%s','system':'http://unitsofmeasure.org','code':'%s'}", m->unit, m->unit);
    if (is_lab) {
        emit(out, ",'referenceRange':[{'low':{'value':");
        emit_thousandths(out, (uint32_t)m->low + span / 8, m->decimals);
        emit(out, ",'unit':'%s'},'high':{'value':", m->unit);
        emit_thousandths(out, (uint32_t)m->high - span / 3, m->decimals);
        emit(out, ",'unit':'%s'}}]", m->unit);
    }
    emit(out, "}");
}

static void make_measured(struct buf *out, const struct visit *v, struct uuid_text id,
                          uint32_t slot)
{
    bool is_lab = slot <= SLOT_LAB_LAST;
    uint32_t first = draw_below(v->key, "first lab", 0, codes_lab_count);
    uint32_t number = slot - (is_lab ? SLOT_LAB : SLOT_VITAL);
    make_observation(out, v, id,
                     is_lab ? &codes_lab[(first + number) % codes_lab_count]
                            : &codes_vital[number % codes_vital_count],
                     is_lab, number);
}

static bool has_slot(const struct visit *v, uint32_t slot)
{
    switch (slot) {
    case SLOT_ENCOUNTER:
        return v->has_encounter;
    case SLOT_CONDITION:
        return v->has_condition;
    case SLOT_PROCEDURE:
        return v->kind == VISIT_INSTITUTIONAL;
    case SLOT_MEDICATION:
    case SLOT_DISPENSE:
        return v->kind == VISIT_PHARMACY;
    case SLOT_DOCUMENT:
        return v->is_inpatient;
    case SLOT_IMMUNIZATION:
        return v->kind == VISIT_PROFESSIONAL && draw_below(v->key, "immunization", 0, 6) == 0;
    case SLOT_REPORT:
        return v->has_labs;
    default:
        if (slot <= SLOT_LAB_LAST)
            return slot - SLOT_LAB < lab_count(v);
        return v->kind == VISIT_PROFESSIONAL &&
               slot - SLOT_VITAL < draw_below(v->key, "vital count", 0, 6);
    }
}

static const char *slot_type(uint32_t slot)
{
    static const char *const types[] = {
        [SLOT_ENCOUNTER] = "Encounter",           [SLOT_CONDITION] = "Condition",
        [SLOT_PROCEDURE] = "Procedure",           [SLOT_MEDICATION] = "MedicationRequest",
        [SLOT_DISPENSE] = "MedicationDispense",   [SLOT_DOCUMENT] = "DocumentReference",
        [SLOT_IMMUNIZATION] = "Immunization",     [SLOT_REPORT] = "DiagnosticReport",
    };
    return slot < ARRAY_COUNT(types) ? types[slot] : "Observation";
}

static struct uuid_text slot_id(const struct visit *v, uint32_t slot)
{
    if (slot == SLOT_ENCOUNTER)
        return v->encounter;
    if (slot == SLOT_CONDITION)
        return v->condition;
    return id_of(v->consent, slot_type(slot), (uint64_t)v->number * CLINICAL_SLOTS + slot);
}

bool make_clinical(struct buf *out, const struct visit *v, uint32_t slot, const char **ret_type,
                   struct uuid_text *ret_id)
{
    CHECK(slot < CLINICAL_SLOTS);
    if (!has_slot(v, slot))
        return false;
    struct uuid_text id = slot_id(v, slot);
    *ret_type = slot_type(slot);
    *ret_id = id;
    switch (slot) {
    case SLOT_ENCOUNTER:
        make_encounter(out, v);
        break;
    case SLOT_CONDITION:
        make_condition(out, v);
        break;
    case SLOT_PROCEDURE:
        make_procedure(out, v, id);
        break;
    case SLOT_MEDICATION:
        make_medication_request(out, v, id);
        break;
    case SLOT_DISPENSE:
        make_dispense(out, v, id);
        break;
    case SLOT_DOCUMENT:
        make_document(out, v, id);
        break;
    case SLOT_IMMUNIZATION:
        make_immunization(out, v, id);
        break;
    case SLOT_REPORT:
        make_report(out, v, id);
        break;
    default:
        make_measured(out, v, id, slot);
    }
    return true;
}
