/* Read, search and $everything of the caller's consent. */
#include "base/check.h"
#include "fhir/fhir.h"
#include "sandbox/answer.h"
#include "sandbox/page.h"
#include "sandbox/routes.h"

enum { SEARCH_COUNT = 20, COUNT_MAX = 1000 };

static const struct slice wildcard = SLICE_INIT("$PATIENT_ID");

/* ---- parameters ---- */

static const struct {
    const char *name;
    enum criterion_kind kind;
} searchable[] = {
    { "_id", CRITERION_ID },           { "_lastUpdated", CRITERION_LAST_UPDATED },
    { "_tag", CRITERION_TAG },         { "_profile", CRITERION_PROFILE },
    { "patient", CRITERION_PATIENT },  { "_type", CRITERION_TYPE },
};

static void refuse_parameter(struct call *call, const struct parameter *p)
{
    answer_outcome(call->request, call->response, 422, "processing",
                   "the sandbox cannot read %.*s=%.*s; it knows _id, _lastUpdated, _tag, _profile, "
                   "patient, _count, _offset and _total, for $everything also _type and _since",
                   SLICE_ARGS(p->name), SLICE_ARGS(p->value));
}

/* A parameter that selects resources. */
static bool take_criterion(struct call *call, struct page *page, const struct parameter *p,
                           bool is_everything)
{
    if (is_everything && slice_is(p->name, "_since")) {
        struct slice value =
            arena_printf(call->request->arena, "ge%.*s", SLICE_ARGS(p->value));
        return filter_add(&page->filter, CRITERION_LAST_UPDATED, value) == ERR_NONE;
    }
    for (size_t i = 0; i < ARRAY_COUNT(searchable); i++) {
        bool fits = searchable[i].kind != CRITERION_TYPE || is_everything;
        if (fits && slice_is(p->name, searchable[i].name))
            return filter_add(&page->filter, searchable[i].kind, p->value) == ERR_NONE;
    }
    return false;
}

/* Fill the page from the query; false when it was refused. */
static bool take_parameters(struct call *call, struct page *page, bool is_everything)
{
    struct buf query;
    buf_init(&query, 1 << 20);
    bool good = true;
    for (uint32_t i = 0; i < call->parameter_count && good; i++) {
        const struct parameter *p = &call->parameters[i];
        uint64_t number = 0;
        bool is_number = slice_parse_u64(p->value, &number);
        if (slice_is(p->name, "_count")) {
            good = is_number;
            page->count = (int64_t)MIN(number, (uint64_t)COUNT_MAX);
            continue;
        }
        if (slice_is(p->name, "_offset")) {
            good = is_number && number < UINT32_MAX;
            page->offset = number;
            continue;
        }
        if (slice_is(p->name, "_total"))
            page->with_total = !slice_is(p->value, "none");
        else
            good = take_criterion(call, page, p, is_everything);
        if (query.length)
            buf_append_byte(&query, '&');
        buf_append(&query, p->raw);
        if (!good)
            refuse_parameter(call, p);
    }
    char *copy = good ? arena_copy(call->request->arena, buf_slice(&query)) : NULL;
    page->query = slice_of(copy, copy ? query.length : 0);
    buf_release(&query);
    if (good && !copy)
        answer_outcome(call->request, call->response, 503, "transient", "out of memory");
    else if (!good && call->response->status == 0)
        answer_outcome(call->request, call->response, 422, "processing",
                       "_count and _offset are numbers");
    return copy != NULL;
}

static struct page page_of(const struct call *call)
{
    return (struct page){ .members = call->members,
                          .consent = call->consent,
                          .delivery = call->delivery,
                          .faults = call->faults,
                          .count = PAGE_ALL,
                          .base = call->base,
                          .path = call->request->path };
}

/* ---- read ---- */

/* Copies the resource into the request's arena. */
static enum err find_record(const struct call *call, uint32_t delivery, struct slice type,
                            struct slice id, struct slice *ret_text)
{
    struct records records;
    struct record record;
    enum err err = records_begin(&records, call->members, call->consent, delivery);
    if (err)
        return err;
    err = ERR_NOT_FOUND;
    while (err == ERR_NOT_FOUND && records_next(&records, &record)) {
        if (!slice_equal(record.id, id) || !slice_equal(record.type, type))
            continue;
        char *copy = arena_copy(call->request->arena, record.text);
        *ret_text = slice_of(copy, record.text.length);
        err = copy ? ERR_NONE : ERR_NO_MEMORY;
    }
    records_end(&records);
    return err;
}

static void read_resource(struct call *call, struct slice type, struct slice id)
{
    struct http_request *r = call->request;
    struct http_response *w = call->response;
    if (slice_equal(id, wildcard))
        id = call->consent->patient;
    struct slice text;
    enum err err = find_record(call, call->delivery, type, id, &text);
    if (!err) {
        answer_body(r, w, 200, ANSWER_FHIR, text);
        return;
    }
    if (err != ERR_NOT_FOUND) {
        answer_outcome(r, w, err_http_status(err), "exception", "%s", err_text(err));
        return;
    }
    /* Delivered once and no longer: deleted. */
    for (uint32_t earlier = 1; earlier < call->delivery; earlier++) {
        if (find_record(call, earlier, type, id, &text) == ERR_NONE) {
            answer_outcome(r, w, 410, "deleted", "Deleted");
            return;
        }
    }
    answer_outcome(r, w, 404, "not-found", "Not found");
}

/* ---- search and $everything ---- */

static void search(struct call *call, struct slice type)
{
    struct page page = page_of(call);
    page.count = SEARCH_COUNT;
    CHECK(filter_add(&page.filter, CRITERION_TYPE, type) == ERR_NONE);
    if (take_parameters(call, &page, false))
        page_answer(call->request, call->response, &page);
}

static void everything(struct call *call, struct slice id)
{
    struct page page = page_of(call);
    uint64_t paged = call->faults.values[FAULT_PAGED];
    if (paged)
        page.count = (int64_t)MIN(paged, (uint64_t)COUNT_MAX);
    if (!slice_equal(id, wildcard)) {
        struct slice text;
        enum err err = find_record(call, call->delivery, SLICE("Patient"), id, &text);
        if (err) {
            answer_outcome(call->request, call->response, 404, "not-found", "Not found");
            return;
        }
        CHECK(filter_add(&page.filter, CRITERION_RECORD_OF, id) == ERR_NONE);
    }
    if (take_parameters(call, &page, true))
        page_answer(call->request, call->response, &page);
}

void route_fhir(struct call *call)
{
    struct slice type = call->segment_count > 1 ? call->segments[1] : SLICE("");
    struct slice id = call->segment_count > 2 ? call->segments[2] : SLICE("");
    if (call->segment_count == 2 && fhir_resource_find(type))
        search(call, type);
    else if (call->segment_count == 3 && fhir_resource_find(type) && id.bytes[0] != '_' &&
             (id.bytes[0] != '$' || slice_equal(id, wildcard)))
        read_resource(call, type, id);
    else if (call->segment_count == 4 && slice_is(type, "Patient") &&
             slice_is(call->segments[3], "$everything"))
        everything(call, id);
    else
        answer_outcome(call->request, call->response, 404, "not-supported",
                       "This type or operation is not supported");
}

/* ---- metadata ---- */

void route_metadata(struct call *call)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_append_cstr(&out, "{\"resourceType\":\"CapabilityStatement\",\"status\":\"active\","
                          "\"date\":\"2026-01-12\",\"kind\":\"instance\",\"software\":{\"name\":"
                          "\"tarn sandbox\"},\"implementation\":{\"description\":\"plays Flexpa\","
                          "\"url\":\"");
    buf_append(&out, call->base);
    buf_append_cstr(&out, "\"},\"fhirVersion\":\"4.0.1\",\"format\":[\"json\"],\"rest\":[{\"mode\":"
                          "\"server\",\"security\":{\"description\":\"bearer tokens, one a "
                          "consent\"},\"resource\":[");
    const struct fhir_type *type;
    for (uint16_t i = 0; (type = fhir_resource_at(i)); i++) {
        buf_printf(&out,
                   "%s{\"type\":\"%.*s\",\"interaction\":[{\"code\":\"read\"},{\"code\":"
                   "\"search-type\"}],\"searchParam\":[",
                   i ? "," : "", SLICE_ARGS(type->name));
        buf_append_cstr(&out, "{\"name\":\"_id\",\"type\":\"token\"},{\"name\":\"_lastUpdated\","
                              "\"type\":\"date\"},{\"name\":\"_tag\",\"type\":\"token\"},{\"name\":"
                              "\"_profile\",\"type\":\"uri\"}");
        if (fhir_param_find(type, SLICE("patient")))
            buf_append_cstr(&out, ",{\"name\":\"patient\",\"type\":\"reference\"}");
        buf_append_cstr(&out, "]}");
    }
    buf_append_cstr(&out, "],\"operation\":[{\"name\":\"everything\",\"definition\":"
                          "\"http://hl7.org/fhir/OperationDefinition/Patient-everything\"}]}]}");
    answer_body(call->request, call->response, 200, ANSWER_FHIR, buf_slice(&out));
    buf_release(&out);
}
