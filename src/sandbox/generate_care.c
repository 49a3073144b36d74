/* What a consent has once: plans, teams, devices, who said so; and the drugs and
 * roles that others refer to. */
#include "sandbox/generate_parts.h"

#include "base/check.h"

#define US_CORE "http://hl7.org/fhir/us/core/StructureDefinition/"
#define HL7 "http://terminology.hl7.org/CodeSystem/"

/* Of the Patient that the visits are about. */
static const char *patient_of(const struct generate_consent *c)
{
    return c->patients[c->patient_count > 1 ? 1 : 0].text;
}

void make_allergy(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    begin_resource(out, c, "AllergyIntolerance", id_of(c, "AllergyIntolerance", number), 1,
                   US_CORE "us-core-allergyintolerance", NULL);
    emit(out, "],'clinicalStatus':");
    emit_code(out, HL7 "allergyintolerance-clinical", "active", NULL);
    emit(out, ",'verificationStatus':");
    emit_code(out, HL7 "allergyintolerance-verification", "confirmed", NULL);
    emit(out, ",'criticality':'%s','code':", number ? "low" : "high");
    emit_concept(out, &codes_allergy, draw(c->key, "allergy", 0) % 2 + number * 2);
    emit(out, ",'patient':{'reference':'Patient/%s'},'recordedDate':'%y'}", patient_of(c),
         GENERATE_TODAY - 700);
}

void make_goal(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    static const char *const goals[] = { "Hemoglobin A1c below 7.0 %", "Walk 30 minutes a day",
                                         "Blood pressure below 130/80 mmHg" };
    begin_resource(out, c, "Goal", id_of(c, "Goal", number), 1, US_CORE "us-core-goal", NULL);
    emit(out,
         "],'lifecycleStatus':'active','description':{'text':'%s'},'subject':{'reference':"
         "'Patient/%s'},'startDate':'%y','target':[{'dueDate':'%y'}]}",
         goals[draw_below(c->key, "goal", number, ARRAY_COUNT(goals))], patient_of(c),
         GENERATE_TODAY - 200, GENERATE_TODAY + 165);
}

void make_care_team(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    begin_resource(out, c, "CareTeam", id_of(c, "CareTeam", number), 1, US_CORE "us-core-careteam",
                   NULL);
    emit(out, "],'status':'active','subject':{'reference':'Patient/%s'},'participant':[",
         patient_of(c));
    for (uint32_t i = 0; i < 2; i++) {
        emit(out, "%s{'role':[", i ? "," : "");
        emit_code(out, "http://nucc.org/provider-taxonomy", codes_specialty[i].taxonomy,
                  codes_specialty[i].display);
        emit(out, "],'member':{'reference':'Practitioner/%s'}}", id_of(c, "Practitioner", i).text);
    }
    emit(out, "]}");
}

void make_care_plan(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    begin_resource(out, c, "CarePlan", id_of(c, "CarePlan", number), 1, US_CORE "us-core-careplan",
                   NULL);
    emit(out,
         "],'text':{'status':'generated','div':'<div xmlns=\\'http://www.w3.org/1999/xhtml\\'>"
         "Diet, exercise &amp; regular follow-up.</div>'},'status':'active','intent':'plan',"
         "'category':[");
    emit_code(out, "http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "assess-plan",
              "Assessment and Plan of Treatment");
    emit(out,
         "],'subject':{'reference':'Patient/%s'},'period':{'start':'%y'},'careTeam':["
         "{'reference':'CareTeam/%s'}],'goal':[{'reference':'Goal/%s'}]}",
         patient_of(c), GENERATE_TODAY - 200, id_of(c, "CareTeam", 0).text,
         id_of(c, "Goal", 0).text);
}

void make_device(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    begin_resource(out, c, "Device", id_of(c, "Device", number), 1,
                   US_CORE "us-core-implantable-device", NULL);
    emit(out,
         "],'udiCarrier':[{'deviceIdentifier':'00844588003288','carrierHRF':"
         "'(01)00844588003288(17)301231(10)L%05d'}],'status':'active','lotNumber':'L%05d','type':",
         (int)draw_below(c->key, "device", number, 100000),
         (int)draw_below(c->key, "device", number, 100000));
    emit_code(out, "http://snomed.info/sct", "14106009", "Cardiac pacemaker");
    emit(out, ",'patient':{'reference':'Patient/%s'}}", patient_of(c));
}

/* Who says so of the claim of visit 0: its target is there in every delivery. */
void make_provenance(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    struct uuid_text id = id_of(c, "Provenance", number);
    /* Provenance has no identifier, so it begins like no other. */
    begin_resource_plain(out, c, "Provenance", id, 1, US_CORE "us-core-provenance");
    emit(out,
         "'target':[{'reference':'ExplanationOfBenefit/%s'},{'reference':'Coverage/%s'}],"
         "'recorded':'%yT09:30:00.000Z','agent':[{'type':",
         id_of(c, "ExplanationOfBenefit", 0).text, id_of(c, "Coverage", 0).text, GENERATE_TODAY);
    emit_code(out, HL7 "provenance-participant-type", "author", "Author");
    emit(out, ",'who':{'reference':'Organization/%s'}}]}", id_of(c, "Organization", 0).text);
}

void make_medication(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    begin_resource(out, c, "Medication", id_of(c, "Medication", number), 1,
                   US_CORE "us-core-medication", NULL);
    emit(out, "],'code':");
    emit_concept(out, &codes_drug, number);
    emit(out, ",'status':'active'}");
}

void make_role(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    const struct specialty *s = &codes_specialty[number % codes_specialty_count];
    begin_resource(out, c, "PractitionerRole", id_of(c, "PractitionerRole", number), 1,
                   US_CORE "us-core-practitionerrole", NULL);
    emit(out,
         "],'active':true,'practitioner':{'reference':'Practitioner/%s'},'organization':"
         "{'reference':'Organization/%s'},'specialty':[",
         id_of(c, "Practitioner", number).text,
         id_of(c, "Organization", 1 + number % PARTS_ORGANIZATIONS).text);
    emit_code(out, "http://nucc.org/provider-taxonomy", s->taxonomy, s->display);
    emit(out, "],'location':[{'reference':'Location/%s'}],'telecom':[{'system':'phone','value':",
         id_of(c, "Location", number % PARTS_LOCATIONS).text);
    emit(out, "'555-%03d-0100'}]}", (int)draw_below(c->key, "role phone", number, 900) + 100);
}
