/* ExplanationOfBenefit in the four shapes of CARIN Blue Button. */
#include "sandbox/generate_parts.h"

#include <stdio.h>

#include "base/check.h"

#define CARIN "http://hl7.org/fhir/us/carin-bb/StructureDefinition/C4BB-ExplanationOfBenefit"
#define C4BB "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BB"
#define HL7 "http://terminology.hl7.org/CodeSystem/"

struct shape {
    const char *profile, *type, *subtype_system, *subtype;
};

static const struct shape shapes[] = {
    [VISIT_INSTITUTIONAL] = { CARIN "-Outpatient-Institutional", "institutional",
                              C4BB "InstitutionalClaimSubType", "outpatient" },
    [VISIT_PROFESSIONAL] = { CARIN "-Professional-NonClinician", "professional", NULL, NULL },
    [VISIT_PHARMACY] = { CARIN "-Pharmacy", "pharmacy", NULL, NULL },
    [VISIT_ORAL] = { CARIN "-Oral", "oral", NULL, NULL },
};
static const struct shape inpatient = { CARIN "-Inpatient-Institutional", "institutional",
                                        C4BB "InstitutionalClaimSubType", "inpatient" };

/* What was charged and who bears it, in cents. */
struct money {
    int64_t submitted, eligible, deductible, copay, coinsurance, benefit, discount;
};

static struct money money_of(int64_t submitted, uint64_t key, uint64_t number)
{
    struct money m = { .submitted = submitted };
    m.discount = submitted * draw_below(key, "discount", number, 45) / 100;
    m.eligible = submitted - m.discount;
    m.deductible = draw_below(key, "deductible", number, 4) == 0 ? m.eligible / 10 : 0;
    m.copay = draw_below(key, "copay", number, 3) ? 0 : MIN(m.eligible / 4, 3000);
    m.coinsurance = (m.eligible - m.deductible - m.copay) *
                    draw_below(key, "coinsurance", number, 25) / 100;
    m.benefit = m.eligible - m.deductible - m.copay - m.coinsurance;
    return m;
}

static void money_add(struct money *sum, const struct money *m)
{
    sum->submitted += m->submitted;
    sum->eligible += m->eligible;
    sum->deductible += m->deductible;
    sum->copay += m->copay;
    sum->coinsurance += m->coinsurance;
    sum->benefit += m->benefit;
    sum->discount += m->discount;
}

/* The same list in each item's adjudication and in total. */
static void emit_money(struct buf *out, const struct money *m)
{
    const struct {
        const char *system, *code, *display;
        int64_t cents;
    } rows[] = {
        { HL7 "adjudication", "submitted", "Submitted Amount", m->submitted },
        { HL7 "adjudication", "eligible", "Eligible Amount", m->eligible },
        { HL7 "adjudication", "deductible", "Deductible", m->deductible },
        { HL7 "adjudication", "copay", "CoPay", m->copay },
        { C4BB "Adjudication", "coinsurance", "Co-insurance", m->coinsurance },
        { HL7 "adjudication", "benefit", "Benefit Amount", m->benefit },
        { C4BB "Adjudication", "discount", "Discount", m->discount },
        { C4BB "Adjudication", "memberliability", "Member liability",
          m->deductible + m->copay + m->coinsurance },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        emit(out,
             "%s{'category':{'coding':[{'system':'%s','code':'%s','display':'%s'}]},'amount':"
             "{'value':%a,'currency':'USD'}}",
             i ? "," : "", rows[i].system, rows[i].code, rows[i].display, rows[i].cents);
}

/* ---- supportingInfo: numbered as they come ---- */

struct info {
    struct buf *out;
    int count;
};

static void info_begin(struct info *info, const char *category)
{
    emit(info->out,
         "%s{'sequence':%d,'category':{'coding':[{'system':'" C4BB
         "SupportingInfoType','code':'%s'}]},",
         info->count ? "," : "", info->count + 1, category);
    info->count++;
}

static void info_code(struct info *info, const char *category, const char *system,
                      const char *code, const char *display)
{
    info_begin(info, category);
    emit(info->out, "'code':");
    emit_code(info->out, system, code, display);
    emit(info->out, "}");
}

static void info_institutional(struct info *info, const struct visit *v)
{
    if (v->is_inpatient) {
        info_begin(info, "admissionperiod");
        emit(info->out, "'timingPeriod':{'start':'%y','end':'%y'}}", v->day, v->last_day);
        info_code(info, "drg", codes_drg.system,
                  codes_drg.codes[draw_below(v->key, "drg", 0, codes_drg.count)].code, NULL);
    }
    info_code(info, "typeofbill", "https://www.nubc.org/CodeSystem/TypeOfBill",
              v->is_inpatient ? "111" : "131", NULL);
    info_code(info, "pointoforigin", "https://www.nubc.org/CodeSystem/PointOfOrigin", "1",
              "Non-Health Care Facility Point of Origin");
    info_code(info, "admtype", "https://www.nubc.org/CodeSystem/PriorityTypeOfAdmitOrVisit",
              v->is_inpatient ? "1" : "3", v->is_inpatient ? "Emergency" : "Elective");
    info_code(info, "discharge-status", "https://www.nubc.org/CodeSystem/PatDischargeStatus", "01",
              "Discharged to home or self care (routine discharge)");
}

static void info_pharmacy(struct info *info, const struct visit *v)
{
    info_begin(info, "dayssupply");
    emit(info->out, "'valueQuantity':{'value':%d,'unit':'days'}}",
         30 * (1 + (int)draw_below(v->key, "supply", 0, 3)));
    info_begin(info, "refillnum");
    emit(info->out, "'valueQuantity':{'value':%d}}", (int)draw_below(v->key, "refill", 0, 6));
    info_begin(info, "refillsauthorized");
    emit(info->out, "'valueQuantity':{'value':5}}");
    info_code(info, "dawcode", "http://terminology.hl7.org/CodeSystem/NCPDPDispensedAsWrittenOr"
                               "ProductSelectionCode",
              "0", NULL);
    info_code(info, "brandgenericindicator",
              "http://terminology.hl7.org/CodeSystem/NCPDPBrandGenericIndicator", "2", "Generic");
    info_code(info, "rxorigincode",
              "http://terminology.hl7.org/CodeSystem/NCPDPPrescriptionOriginCode", "3",
              "Electronic");
    info_code(info, "compoundcode", "http://terminology.hl7.org/CodeSystem/NCPDPCompoundCode", "1",
              "Not a compound");
}

static void emit_supporting_info(struct buf *out, const struct visit *v)
{
    struct info info = { .out = out };
    emit(out, "'supportingInfo':[");
    info_begin(&info, "clmrecvddate");
    emit(out, "'timingDate':'%y'}", v->last_day + 3);
    info_code(&info, "billingnetworkcontractingstatus", C4BB "PayerAdjudicationStatus",
              "innetwork", "In Network");
    info_begin(&info, "patientaccountnumber");
    emit(out, "'valueString':'PAN-%d'}", (int)draw_below(v->key, "account", 0, 1 << 30));
    if (v->kind == VISIT_INSTITUTIONAL)
        info_institutional(&info, v);
    else if (v->kind == VISIT_PHARMACY)
        info_pharmacy(&info, v);
    emit(out, "],");
}

/* ---- items ---- */

static const struct code_table *item_table(const struct visit *v, uint32_t item)
{
    switch (v->kind) {
    case VISIT_PHARMACY:
        return &codes_ndc;
    case VISIT_ORAL:
        return &codes_dental;
    case VISIT_INSTITUTIONAL:
        return item == 0 ? &codes_operation : &codes_service;
    case VISIT_PROFESSIONAL:
        break;
    }
    return item == 0 ? &codes_visit : &codes_service;
}

static uint32_t item_count(const struct visit *v)
{
    if (v->kind == VISIT_PHARMACY)
        return 1;
    uint32_t more = v->is_inpatient ? 10 : v->kind == VISIT_INSTITUTIONAL ? 5 : 3;
    return 1 + draw_below(v->key, "items", 0, more);
}

/* A charge about the usual one; some have odd cents. */
static int64_t charge_of(const struct visit *v, uint32_t item, const struct code *code)
{
    int64_t per_cent = 80 + draw_below(v->key, "charge", item, 60);
    return code->cents * per_cent / 100;
}

static struct money emit_item(struct buf *out, const struct visit *v, uint32_t item)
{
    const struct code_table *table = item_table(v, item);
    uint32_t index = draw_below(v->key, "service", item, table->count);
    struct money m = money_of(charge_of(v, item, &table->codes[index]), v->key, item);
    emit(out, "%s{'sequence':%d,'careTeamSequence':[1],'diagnosisSequence':[1],", item ? "," : "",
         (int)item + 1);
    if (v->kind == VISIT_INSTITUTIONAL) {
        emit(out, "'revenue':");
        emit_concept(out, &codes_revenue, draw(v->key, "revenue", item));
        emit(out, ",");
    }
    emit(out, "'productOrService':");
    emit_concept(out, table, index);
    if (v->is_inpatient)
        emit(out, ",'servicedPeriod':{'start':'%y','end':'%y'}", v->day, v->last_day);
    else
        emit(out, ",'servicedDate':'%y'", v->day);
    if (v->kind == VISIT_PROFESSIONAL || v->kind == VISIT_INSTITUTIONAL) {
        emit(out, ",'locationCodeableConcept':");
        uint32_t place = v->kind == VISIT_PROFESSIONAL ? 0 : v->is_inpatient ? 1 : 2;
        emit_concept(out, &codes_place, place);
    }
    if (v->kind == VISIT_ORAL)
        emit(out,
             ",'bodySite':{'coding':[{'system':'http://hl7.org/fhir/us/carin-bb/CodeSystem/"
             "C4BBOralBodySite','code':'%d'}]}",
             1 + (int)draw_below(v->key, "tooth", item, 32));
    emit(out, ",'quantity':{'value':%d},'net':{'value':%a,'currency':'USD'},'adjudication':[",
         v->kind == VISIT_PHARMACY ? 30 : 1 + (int)draw_below(v->key, "quantity", item, 2),
         m.submitted);
    emit_money(out, &m);
    emit(out, "]}");
    return m;
}

/* ---- the whole ---- */

static void emit_diagnoses(struct buf *out, const struct visit *v)
{
    uint32_t count = v->kind == VISIT_PHARMACY ? 0 : 1 + draw_below(v->key, "diagnoses", 0, 3);
    emit(out, "'diagnosis':[");
    for (uint32_t i = 0; i < MAX(count, 1); i++) {
        emit(out, "%s{'sequence':%d,'diagnosisCodeableConcept':", i ? "," : "", (int)i + 1);
        emit_concept(out, &codes_diagnosis, v->diagnosis + i * 5);
        emit(out, ",'type':[");
        emit_code(out, i ? C4BB "ClaimDiagnosisType" : HL7 "ex-diagnosistype",
                  i ? "secondary" : "principal", i ? "Secondary" : "Principal Diagnosis");
        emit(out, "]}");
    }
    emit(out, "],");
}

/* What payers really send: a provider that is only "Unknown", a code without
 * its system, an identifier with a type and no value. Valid R4, no valid CARIN. */
static void emit_provider(struct buf *out, const struct visit *v)
{
    if (v->number % 7 == 5)
        emit(out, "{'display':'Unknown'}");
    else
        emit(out, "{'reference':'Practitioner/%s'}",
             id_of(v->consent, "Practitioner", v->practitioner).text);
}

static void emit_network_status(struct buf *out, const struct visit *v)
{
    emit(out, "'adjudication':[{'category':");
    emit_code(out, C4BB "AdjudicationDiscriminator", "benefitpaymentstatus", NULL);
    emit(out, ",'reason':");
    if (v->number % 5 == 2)
        emit(out, "{'coding':[{'code':'innetwork','display':'In Network'}]}");
    else
        emit_code(out, C4BB "PayerAdjudicationStatus", "innetwork", "In Network");
    emit(out, "}],");
}

static void emit_claim_id(struct buf *out, const struct visit *v)
{
    emit(out, ",{'type':{'coding':[{'system':'" C4BB "IdentifierType','code':'uc','display':"
              "'Unique Claim ID'}]}");
    if (v->number % 13 != 6)
        emit(out, ",'system':'%s/claim','value':'CLM%d'", v->consent->payer->base_url,
             (int)draw_below(v->key, "claim", 0, 1u << 30));
    emit(out, "}],");
}

static void emit_parties(struct buf *out, const struct visit *v, bool has_contained)
{
    const struct generate_consent *c = v->consent;
    emit(out, "'insurer':{'reference':'Organization/%s','display':'%s'},",
         id_of(c, "Organization", 0).text, c->payer->name);
    if (has_contained)
        emit(out, "'provider':{'reference':'#billing'},");
    else
        emit(out, "'provider':{'reference':'Organization/%s'},",
             id_of(c, "Organization", v->organization).text);
    emit(out, "'facility':{'reference':'Location/%s'},", id_of(c, "Location", v->location).text);
    emit(out, "'payee':{'type':");
    emit_code(out, HL7 "payeetype", "provider", "Provider");
    emit(out,
         ",'party':{'reference':'Organization/%s'}},'careTeam':[{'sequence':1,'provider':",
         id_of(c, "Organization", v->organization).text);
    emit_provider(out, v);
    emit(out, ",'responsible':true,'role':");
    emit_code(out, C4BB "ClaimCareTeamRole",
              v->kind == VISIT_PHARMACY ? "prescribing" : "performing", NULL);
    emit(out, "}],'insurance':[{'focal':true,'coverage':{'reference':'Coverage/%s'}}],",
         coverage_of(c, v->born).text);
}

/* Some payers send the billing provider inside, with a meta of its own. */
static void emit_contained(struct buf *out, const struct visit *v)
{
    emit(out,
         "'contained':[{'resourceType':'Organization','id':'billing','meta':{'profile':["
         "'http://hl7.org/fhir/us/carin-bb/StructureDefinition/C4BB-Organization']");
    emit_project(out, v->consent);
    emit(out, "},'active':true,'name':'%s (billing)'}],", names_hospital.texts[v->organization]);
}

static void emit_head(struct buf *out, const struct visit *v, const struct shape *shape)
{
    emit(out, "'status':'%s','type':", v->is_cancelled ? "cancelled" : "active");
    emit_code(out, HL7 "claim-type", shape->type, NULL);
    if (shape->subtype) {
        emit(out, ",'subType':");
        emit_code(out, shape->subtype_system, shape->subtype, NULL);
    }
    emit(out,
         ",'use':'claim','patient':{'reference':'Patient/%s'},'billablePeriod':{'start':'%y',"
         "'end':'%y'},'created':'%yT08:%d:00-05:00',",
         v->patient.text, v->day, v->last_day, v->last_day + 5,
         10 + (int)draw_below(v->key, "minute", 0, 50));
    emit(out, "'outcome':'complete','disposition':'%s',",
         v->is_cancelled ? "Reversed by the payer" : "Approved");
}

void make_claim(struct buf *out, const struct visit *v)
{
    const struct shape *shape = v->is_inpatient ? &inpatient : &shapes[v->kind];
    uint32_t changed = v->is_cancelled ? MAX(v->born, v->number + 1) : v->born;
    bool has_contained = v->number % 9 == 4;
    begin_resource(out, v->consent, "ExplanationOfBenefit", v->claim, changed, CARIN,
                   shape->profile);
    emit_claim_id(out, v);
    if (has_contained)
        emit_contained(out, v);
    emit_head(out, v, shape);
    emit_parties(out, v, has_contained);
    emit_supporting_info(out, v);
    emit_diagnoses(out, v);
    struct money total = { 0 };
    emit(out, "'item':[");
    for (uint32_t i = 0; i < item_count(v); i++) {
        struct money m = emit_item(out, v, i);
        money_add(&total, &m);
    }
    emit(out, "],");
    emit_network_status(out, v);
    emit(out, "'total':[");
    emit_money(out, &total);
    emit(out, "],'payment':{'type':");
    emit_code(out, C4BB "PayerAdjudicationStatus", v->is_cancelled ? "denied" : "paid", NULL);
    emit(out, ",'date':'%y','amount':{'value':%a,'currency':'USD'}}}", v->last_day + 14,
         v->is_cancelled ? (int64_t)0 : total.benefit);
}
