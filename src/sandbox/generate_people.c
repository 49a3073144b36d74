/* Patients, their cover, and whom they meet. */
#include "sandbox/generate_parts.h"

#include <stdio.h>

#include "base/check.h"

#define US_CORE "http://hl7.org/fhir/us/core/StructureDefinition/"
#define CARIN "http://hl7.org/fhir/us/carin-bb/StructureDefinition/"
#define V2_0203 "http://terminology.hl7.org/CodeSystem/v2-0203"

/* The same person whatever the payer. */
struct person {
    const char *family, *given, *second;
    bool is_male;
    uint32_t race, ethnicity;
    int32_t born;
    const struct town *town;
    const char *street;
    uint64_t key;
};

static const char *name_of(const struct names *names, uint64_t key, const char *what, uint64_t n)
{
    return names->texts[draw_below(key, what, n, names->count)];
}

static struct person person_of(const struct generate_consent *c)
{
    uint64_t key = draw(c->settings.seed, "person", c->member);
    struct person p = { .key = key, .is_male = draw(key, "sex", 0) & 1 };
    p.family = name_of(&names_family, key, "family", 0);
    p.given = name_of(&names_given[p.is_male], key, "given", 0);
    p.second = name_of(&names_given[p.is_male], key, "given", 1);
    p.race = draw_below(key, "race", 0, codes_race.count);
    p.ethnicity = draw_below(key, "ethnicity", 0, codes_ethnicity.count);
    p.born = GENERATE_TODAY - 365 * 20 - (int32_t)draw_below(key, "born", 0, 365 * 60);
    p.town = &names_town[draw_below(key, "town", 0, names_town_count)];
    p.street = name_of(&names_street, key, "street", 0);
    return p;
}

static void emit_omb(struct buf *out, const char *what, const struct code_table *table,
                     uint32_t index)
{
    const struct code *code = &table->codes[index];
    emit(out,
         "{'url':'" US_CORE "us-core-%s','extension':[{'url':'ombCategory','valueCoding':"
         "{'system':'%s','code':'%s','display':'%s'}},{'url':'text','valueString':'%s'}]}",
         what, table->system, code->code, code->display, code->display);
}

static void emit_address(struct buf *out, const char *use, uint64_t key, const struct town *town,
                         const char *street)
{
    emit(out,
         "{'use':'%s','line':['%d %s'],'city':'%s','state':'%s','postalCode':'%s',"
         "'country':'US'}",
         use, (int)draw_below(key, "house", 0, 9000) + 10, street, town->city, town->state,
         town->zip);
}

static void emit_links(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    if (c->patient_count == 1)
        return;
    emit(out, ",'link':[");
    for (uint32_t i = 0, written = 0; i < c->patient_count; i++) {
        bool related = number == 0 ? i > 0 : i == 0; /* master to sources and back */
        if (related)
            emit(out, "%s{'other':{'reference':'Patient/%s'},'type':'seealso'}",
                 written++ ? "," : "", c->patients[i].text);
    }
    emit(out, "]");
}

void make_patient(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    struct person p = person_of(c);
    char member_id[24];
    uint32_t member = draw_below(c->key, "member id", number, 1u << 29);
    snprintf(member_id, sizeof member_id, "M%09u", member);
    begin_resource(out, c, "Patient", c->patients[number], 1, US_CORE "us-core-patient", NULL);
    emit(out,
         ",{'type':{'coding':[{'system':'http://hl7.org/fhir/us/carin-bb/CodeSystem/"
         "C4BBIdentifierType','code':'um','display':'Unique Member ID'}]},'system':'%s/member-id',"
         "'value':'%s'},{'type':{'coding':[{'system':'" V2_0203 "','code':'MB','display':"
         "'Member Number'}]},'system':'%s/subscriber','value':'%s-00'}],'extension':[",
         c->payer->base_url, member_id, c->payer->base_url, member_id);
    emit_omb(out, "race", &codes_race, p.race);
    emit(out, ",");
    emit_omb(out, "ethnicity", &codes_ethnicity, p.ethnicity);
    emit(out,
         ",{'url':'" US_CORE "us-core-birthsex','valueCode':'%s'}],'active':true,'name':[{'use':"
         "'official','family':'%s','given':['%s','%s'],'text':'%s %s'}],",
         p.is_male ? "M" : "F", p.family, p.given, p.second, p.given, p.family);
    emit(out, "'telecom':[{'system':'phone','value':'555-%03d-%04d','use':'home'}],",
         (int)draw_below(p.key, "phone", 0, 900) + 100, (int)draw_below(p.key, "phone", 1, 10000));
    emit(out, "'gender':'%s','birthDate':'%y','address':[", p.is_male ? "male" : "female", p.born);
    emit_address(out, "home", p.key, p.town, p.street);
    emit(out,
         "],'maritalStatus':{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/"
         "v3-MaritalStatus','code':'M','display':'Married'}]},'communication':[{'language':"
         "{'coding':[{'system':'urn:ietf:bcp:47','code':'en','display':'English'}]},"
         "'preferred':true}]");
    emit(out, ",'managingOrganization':{'reference':'Organization/%s','display':'%s'}",
         id_of(c, "Organization", 0).text, c->payer->name);
    emit_links(out, c, number);
    emit(out, "}");
}

void make_coverage(struct buf *out, const struct generate_consent *c, uint32_t number,
                   uint32_t delivery)
{
    bool ended = number + 1 < delivery; /* the next delivery put another in its place */
    uint32_t changed = ended ? number + 2 : number + 1;
    /* Its patient does not move when it ends. */
    const char *patient = c->patients[c->patient_count > 1 ? 1 : 0].text;
    int32_t start = number == 0 ? GENERATE_TODAY - (int32_t)c->settings.years * 365 - 90
                                : GENERATE_TODAY + (int32_t)number * 7;
    begin_resource(out, c, "Coverage", id_of(c, "Coverage", number), changed,
                   CARIN "C4BB-Coverage", NULL);
    emit(out, "],'status':'%s','type':", ended ? "cancelled" : "active");
    emit_code(out, "http://terminology.hl7.org/CodeSystem/v3-ActCode", c->payer->kind,
              c->payer->kind_display);
    emit(out,
         ",'subscriber':{'reference':'Patient/%s'},'subscriberId':'S%d','beneficiary':"
         "{'reference':'Patient/%s'},'dependent':'00','relationship':{'coding':[{'system':"
         "'http://terminology.hl7.org/CodeSystem/subscriber-relationship','code':'self',"
         "'display':'Self'}]},'period':{'start':'%y'",
         patient, (int)draw_below(c->key, "subscriber", 0, 1u << 29), patient, start);
    if (ended)
        emit(out, ",'end':'%y'", GENERATE_TODAY + (int32_t)(number + 1) * 7 - 1);
    emit(out, "},'payor':[{'reference':'Organization/%s','display':'%s'}],'class':[",
         id_of(c, "Organization", 0).text, c->payer->name);
    const char *const classes[][3] = { { "group", c->payer->group, "G-100" },
                                       { "plan", c->payer->plan, "P-2026" } };
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++)
        emit(out,
             "%s{'type':{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/"
             "coverage-class','code':'%s'}]},'value':'%s','name':'%s'}",
             i ? "," : "", classes[i][0], classes[i][2], classes[i][1]);
    emit(out, "],'network':'%s','order':1}", c->payer->network);
}

/* A national provider identifier with its check digit (Luhn over "80840" and
 * the nine digits). */
static void npi_of(uint64_t key, const char *what, uint32_t number, char out[11])
{
    uint32_t nine = 100000000u + draw_below(key, what, number, 99999999u);
    snprintf(out, 10, "%09u", nine);
    uint32_t sum = 24; /* what the prefix adds */
    for (int i = 0; i < 9; i++) {
        uint32_t digit = (uint32_t)(out[i] - '0') * (i % 2 == 0 ? 2 : 1);
        sum += digit > 9 ? digit - 9 : digit;
    }
    out[9] = (char)('0' + (10 - sum % 10) % 10);
    out[10] = '\0';
}

static void emit_npi(struct buf *out, const char *npi)
{
    emit(out,
         ",{'type':{'coding':[{'system':'http://hl7.org/fhir/us/carin-bb/CodeSystem/"
         "C4BBIdentifierType','code':'npi','display':'National Provider Identifier'}]},"
         "'system':'http://hl7.org/fhir/sid/us-npi','value':'%s'}],",
         npi);
}

void make_organization(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    bool is_payer = number == 0;
    char npi[11];
    npi_of(c->key, "organization npi", number, npi);
    begin_resource(out, c, "Organization", id_of(c, "Organization", number), 1,
                   CARIN "C4BB-Organization", NULL);
    emit_npi(out, npi);
    const struct town *town = &names_town[draw_below(c->key, "town", number, names_town_count)];
    emit(out, "'active':true,'type':[");
    emit_code(out, "http://terminology.hl7.org/CodeSystem/organization-type",
              is_payer ? "pay" : "prov", is_payer ? "Payer" : "Healthcare Provider");
    emit(out, "],'name':'%s','telecom':[{'system':'phone','value':'800-555-%04d'}],'address':[",
         is_payer ? c->payer->name : name_of(&names_hospital, c->key, "hospital", number),
         (int)draw_below(c->key, "organization phone", number, 10000));
    emit_address(out, "work", draw(c->key, "organization house", number), town, "Commerce Blvd");
    emit(out, "]}");
}

void make_practitioner(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    char npi[11];
    npi_of(c->key, "practitioner npi", number, npi);
    const struct specialty *s =
        &codes_specialty[draw_below(c->key, "specialty", number, codes_specialty_count)];
    bool male = draw(c->key, "practitioner sex", number) & 1;
    begin_resource(out, c, "Practitioner", id_of(c, "Practitioner", number), 1,
                   US_CORE "us-core-practitioner", NULL);
    emit_npi(out, npi);
    emit(out,
         "'active':true,'name':[{'use':'official','family':'%s','given':['%s'],'prefix':['Dr.']}],"
         "'gender':'%s','qualification':[{'code':",
         name_of(&names_family, c->key, "practitioner family", number),
         name_of(&names_given[male], c->key, "practitioner given", number),
         male ? "male" : "female");
    emit_code(out, "http://nucc.org/provider-taxonomy", s->taxonomy, s->display);
    emit(out, "}]}");
}

void make_location(struct buf *out, const struct generate_consent *c, uint32_t number)
{
    const struct town *town =
        &names_town[draw_below(c->key, "location town", number, names_town_count)];
    begin_resource(out, c, "Location", id_of(c, "Location", number), 1, US_CORE "us-core-location",
                   NULL);
    emit(out, "],'status':'active','name':'%s, %s','address':",
         name_of(&names_hospital, c->key, "location", number), town->city);
    emit_address(out, "work", draw(c->key, "location house", number), town, "Hospital Drive");
    emit(out,
         ",'managingOrganization':{'reference':'Organization/%s'},'position':{'longitude':"
         "-%d.%04d0,'latitude':%d.%04d}}",
         id_of(c, "Organization", 1 + number % PARTS_ORGANIZATIONS).text,
         70 + (int)draw_below(c->key, "longitude", number, 50),
         (int)draw_below(c->key, "longitude", number + 100, 10000),
         30 + (int)draw_below(c->key, "latitude", number, 17),
         (int)draw_below(c->key, "latitude", number + 100, 10000));
}
