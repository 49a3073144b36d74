#include "sandbox/generate_parts.h"

#include <stdarg.h>
#include <xxhash.h>

#include "base/check.h"
#include "base/date.h"
#include "json/json.h"

static const int64_t DAY_US = 86400 * (int64_t)1000000;

/* ---- writing ---- */

/* A text's JSON escapes without the quotes around it. */
static void emit_text(struct buf *out, const char *text)
{
    size_t start = out->length;
    json_write_string(out, slice_cstr(text));
    if (buf_status(out) == ERR_NONE) {
        memmove(out->bytes + start, out->bytes + start + 1, out->length - start - 2);
        out->length -= 2;
    }
}

/* Payers' systems send whole numbers, cents, trailing zeros and what double
 * arithmetic leaves behind. Which of them follows from the amount itself. */
static void emit_amount(struct buf *out, int64_t cents)
{
    long long whole = cents / 100;
    int rest = (int)(cents % 100);
    if (cents % 17 == 5)
        buf_printf(out, "%lld.%02d25000000000001", whole, rest);
    else if (cents % 23 == 7)
        buf_printf(out, "%lld.%02d00000000000003", whole, rest);
    else if (rest == 0 && whole % 3)
        buf_printf(out, "%lld", whole);
    else if (rest % 10 == 0 && whole % 2)
        buf_printf(out, "%lld.%d", whole, rest / 10);
    else
        buf_printf(out, "%lld.%02d", whole, rest);
}

static void emit_day(struct buf *out, int32_t day)
{
    char text[INSTANT_TEXT_BYTES];
    instant_render(day * DAY_US, 0, text);
    buf_append(out, slice_of(text, 10));
}

void emit(struct buf *out, const char *template, ...)
{
    va_list args;
    va_start(args, template);
    const char *plain = template;
    for (const char *at = template;; at++) {
        if (*at != '\0' && *at != '\'' && *at != '%')
            continue;
        buf_append(out, slice_of(plain, (size_t)(at - plain)));
        if (*at == '\0')
            break;
        if (*at == '\'') {
            buf_append_byte(out, '"');
        } else {
            at++;
            switch (*at) {
            case 's':
                emit_text(out, va_arg(args, const char *));
                break;
            case 'd':
                buf_printf(out, "%d", va_arg(args, int));
                break;
            case '0': /* %03d: digits with leading zeros */
                buf_printf(out, "%0*d", at[1] - '0', va_arg(args, int));
                at += 2;
                break;
            case 'a':
                emit_amount(out, va_arg(args, int64_t));
                break;
            case 'y':
                emit_day(out, va_arg(args, int32_t));
                break;
            default:
                CHECK(*at == '%');
                buf_append_byte(out, '%');
            }
        }
        plain = at + 1;
    }
    va_end(args);
}

void emit_code(struct buf *out, const char *system, const char *code, const char *display)
{
    emit(out, "{'coding':[{'system':'%s','code':'%s'", system, code);
    if (display)
        emit(out, ",'display':'%s'}],'text':'%s'}", display, display);
    else
        emit(out, "}]}");
}

void emit_concept(struct buf *out, const struct code_table *table, uint64_t index)
{
    const struct code *code = &table->codes[index % table->count];
    emit_code(out, table->system, code->code, code->display);
}

/* ---- draws ---- */

uint64_t draw(uint64_t key, const char *what, uint64_t number)
{
    uint64_t of_what = XXH3_64bits_withSeed(what, strlen(what), key);
    return XXH3_64bits_withSeed(&number, sizeof number, of_what);
}

uint32_t draw_below(uint64_t key, const char *what, uint64_t number, uint32_t bound)
{
    CHECK(bound > 0);
    return (uint32_t)((draw(key, what, number) >> 32) * bound >> 32);
}

struct uuid_text uuid_of(uint64_t key, const char *what, uint64_t number)
{
    uint8_t bytes[16];
    put_be64(bytes, draw(key, what, number));
    put_be64(bytes + 8, draw(~key, what, number));
    struct uuid_text id;
    uuid_render(bytes, id.text);
    id.text[14] = '5'; /* name-based, as Flexpa's are */
    return id;
}

/* ---- the parts of a consent ---- */

struct uuid_text id_of(const struct generate_consent *c, const char *type, uint64_t number)
{
    return uuid_of(c->key, type, number);
}

/* Delivery 1 has Coverage 0; each later one ends the last and begins another. */
struct uuid_text coverage_of(const struct generate_consent *c, uint32_t delivery)
{
    return id_of(c, "Coverage", delivery - 1);
}

static enum visit_kind visit_kind_of(const struct payer *payer, uint64_t key)
{
    uint32_t at = draw_below(key, "kind", 0, 100);
    for (int kind = 0; kind < 4; kind++) {
        if (at < payer->claim_weights[kind])
            return (enum visit_kind)kind;
        at -= payer->claim_weights[kind];
    }
    return VISIT_PROFESSIONAL;
}

/* Base visits lie evenly, with some jitter, over the years before the first
 * delivery; those of a later delivery in the weeks before it. */
static int32_t visit_day(const struct generate_consent *c, uint32_t number, uint32_t born,
                         uint64_t key)
{
    if (born > 1) {
        uint32_t weeks = born - 1;
        return GENERATE_TODAY + (int32_t)weeks * 7 - (int32_t)draw_below(key, "day", 0, 7);
    }
    uint64_t span = c->settings.years * (uint64_t)365;
    uint64_t at = span * number / c->base_visits;
    return GENERATE_TODAY - (int32_t)span + (int32_t)at - (int32_t)draw_below(key, "day", 0, 5);
}

struct visit generate_visit(const struct generate_consent *c, uint32_t number, uint32_t delivery)
{
    uint32_t later = number < c->base_visits ? 0 : (number - c->base_visits) / c->new_visits + 1;
    uint64_t key = draw(c->key, "visit", number);
    struct visit v = { .consent = c, .number = number, .delivery = delivery, .born = later + 1 };
    v.key = key;
    v.kind = visit_kind_of(c->payer, key);
    v.is_inpatient = v.kind == VISIT_INSTITUTIONAL && draw_below(key, "inpatient", 0, 3) == 0;
    v.day = visit_day(c, number, v.born, key);
    v.last_day = v.day + (v.is_inpatient ? 1 + (int32_t)draw_below(key, "stay", 0, 6) : 0);
    /* A master has no records of its own. */
    uint32_t sources = c->patient_count - 1;
    v.patient = c->patients[sources ? 1 + number % sources : 0];
    v.claim = id_of(c, "ExplanationOfBenefit", number);
    v.encounter = id_of(c, "Encounter", number);
    v.condition = id_of(c, "Condition", number);
    v.organization = 1 + draw_below(key, "organization", 0, PARTS_ORGANIZATIONS);
    v.practitioner = draw_below(key, "practitioner", 0, PARTS_PRACTITIONERS);
    v.location = draw_below(key, "location", 0, PARTS_LOCATIONS);
    v.diagnosis = draw_below(key, "diagnosis", 0, codes_diagnosis.count);
    v.has_encounter = v.kind == VISIT_INSTITUTIONAL || v.kind == VISIT_PROFESSIONAL;
    /* Delivery d cancels the claim of visit d - 1 and drops the Condition of
     * the visit before it. */
    v.has_condition = v.has_encounter && number + 2 > delivery;
    v.has_labs = v.has_encounter && draw_below(key, "labs", 0, 2) == 0;
    v.is_cancelled = delivery > 1 && number > 0 && number < delivery;
    return v;
}

/* ---- the beginning of every resource ---- */

/* The last member of a meta: Flexpa's own, which is not R4. */
void emit_project(struct buf *out, const struct generate_consent *c)
{
    if (!c->settings.is_plain)
        emit(out, ",'project':'%s'", c->project.text);
}

static const char *const TAGS = "https://fhir.flexpa.com/identifiers/";

static void emit_meta(struct buf *out, const struct generate_consent *c, const char *type,
                      struct uuid_text id, uint32_t changed, const char *profile,
                      const char *second_profile)
{
    /* Within an hour behind nine on the day of the delivery. */
    uint64_t within = XXH3_64bits_withSeed(id.text, sizeof id.text, changed);
    int64_t at = (GENERATE_TODAY + (int64_t)(changed - 1) * 7) * DAY_US +
                 9 * 3600 * (int64_t)1000000 + (int64_t)(within % 3600000) * 1000;
    char text[INSTANT_TEXT_BYTES];
    instant_render(at, 3, text);
    struct uuid_text version = uuid_of(within, "version", changed);
    version.text[14] = '4';
    emit(out, "'meta':{'versionId':'%s','lastUpdated':'%s','source':'%s/%s/%s'", version.text,
         text, c->payer->base_url, type, id.text + 24);
    if (profile)
        emit(out, ",'profile':['%s'", profile);
    if (profile && second_profile)
        emit(out, ",'%s'", second_profile);
    const char *const tags[][2] = { { "ConsentId", c->consent.text },
                                    { "PatientAuthorizationId", c->authorization.text },
                                    { "EndpointId", c->endpoint.text },
                                    { "ApplicationId", c->application.text },
                                    { "PatientAuthorizationMode", "TEST" } };
    emit(out, "%s'tag':[", profile ? "]," : ",");
    for (size_t i = 0; i < ARRAY_COUNT(tags); i++)
        emit(out, "%s{'system':'%s%s','code':'%s'}", i ? "," : "", TAGS, tags[i][0], tags[i][1]);
    emit(out, "]");
    emit_project(out, c);
    emit(out, "},");
}

void begin_resource_plain(struct buf *out, const struct generate_consent *c, const char *type,
                          struct uuid_text id, uint32_t changed, const char *profile)
{
    emit(out, "{'resourceType':'%s','id':'%s',", type, id.text);
    emit_meta(out, c, type, id, changed, profile, NULL);
}

void begin_resource(struct buf *out, const struct generate_consent *c, const char *type,
                    struct uuid_text id, uint32_t changed, const char *profile,
                    const char *second_profile)
{
    emit(out, "{'resourceType':'%s','id':'%s',", type, id.text);
    emit_meta(out, c, type, id, changed, profile, second_profile);
    emit(out, "'identifier':[{'system':'%s/%s/SourceResourceId','value':'%s'}",
         c->payer->base_url, type, id.text + 24);
}
