#include "rest/media.h"

/* In the order we prefer them. */
static const char *const JSON_TYPES[] = { "application/fhir+json", "application/json",
                                          "application/json+fhir" };
static const char HAVE[] = "application/fhir+json, application/json or application/json+fhir";

const char *media_type(size_t number)
{
    return number < ARRAY_COUNT(JSON_TYPES) ? JSON_TYPES[number] : NULL;
}

static bool is_json_type(struct slice type)
{
    for (size_t i = 0; i < ARRAY_COUNT(JSON_TYPES); i++) {
        if (slice_equal_nocase(type, slice_cstr(JSON_TYPES[i])))
            return true;
    }
    return false;
}

/* "0.85" in thousandths; 1000 when malformed, since a client that sends
 * nonsense here still wants an answer. */
static int quality_parse(struct slice text)
{
    uint64_t whole, part = 0;
    struct slice rest = text;
    struct slice head = slice_cut(&rest, '.');
    if (!slice_parse_u64(head, &whole) || whole > 1)
        return 1000;
    struct slice digits = slice_head(rest, 3);
    if (digits.length && !slice_parse_u64(digits, &part))
        return 1000;
    for (size_t i = digits.length; i < 3; i++)
        part *= 10;
    return whole ? 1000 : (int)part;
}

static int range_quality(struct slice parameters)
{
    while (parameters.bytes) {
        struct slice parameter = slice_trim(slice_cut(&parameters, ';'));
        if (parameter.length > 2 && (parameter.bytes[0] == 'q' || parameter.bytes[0] == 'Q') &&
            parameter.bytes[1] == '=')
            return quality_parse(slice_trim(slice_from(parameter, 2)));
    }
    return 1000;
}

/* What one media range says about one type: its specificity, 0 for nothing. */
static int range_fits(struct slice range, const char *type)
{
    if (slice_equal_nocase(range, slice_cstr(type)))
        return 3;
    if (slice_equal_nocase(range, SLICE("application/*")))
        return 2;
    return slice_is(range, "*/*") ? 1 : 0;
}

/* The q-value that all Accept headers together give a type: the most specific
 * range decides, as RFC 7231 5.3.2 says. -1: none is there. */
static int accept_quality(const struct http_request *http, const char *type)
{
    int quality = 0, specificity = 0;
    bool is_stated = false;
    for (size_t i = 0; i < http->header_count; i++) {
        if (!slice_equal_nocase(http->headers[i].name, SLICE("Accept")))
            continue;
        struct slice list = http->headers[i].value;
        while (list.bytes) {
            struct slice parameters = slice_trim(slice_cut(&list, ','));
            struct slice range = slice_trim(slice_cut(&parameters, ';'));
            is_stated = is_stated || range.length;
            int fit = range_fits(range, type);
            if (fit > specificity) {
                specificity = fit;
                quality = range_quality(parameters);
            }
        }
    }
    return is_stated ? quality : -1;
}

/* `_format` is decoded, so a raw '+' has become a blank: both are taken. */
static bool format_is_json(struct slice format)
{
    struct slice type = slice_trim(slice_cut(&format, ';'));
    return slice_equal_nocase(type, SLICE("json")) || is_json_type(type) ||
           slice_equal_nocase(type, SLICE("application/fhir json")) ||
           slice_equal_nocase(type, SLICE("application/json fhir"));
}

enum err media_answer(struct request *r, struct slice format)
{
    r->media = JSON_TYPES[0];
    if (format.length) {
        if (format_is_json(format))
            return ERR_NONE;
        return issues_fail(&r->issues, ERR_NOT_ACCEPTABLE, "not-supported",
                           "_format=%.*s cannot be had; this server speaks %s",
                           SLICE_ARGS(slice_head(format, 100)), HAVE);
    }
    int best = 0;
    for (size_t i = 0; i < ARRAY_COUNT(JSON_TYPES); i++) {
        int quality = accept_quality(r->http, JSON_TYPES[i]);
        if (quality < 0)
            return ERR_NONE; /* no Accept: anything goes */
        if (quality > best) {
            best = quality;
            r->media = JSON_TYPES[i];
        }
    }
    if (best > 0)
        return ERR_NONE;
    return issues_fail(&r->issues, ERR_NOT_ACCEPTABLE, "not-supported",
                       "Accept names nothing that can be had; this server speaks %s", HAVE);
}

struct slice media_body_type(const struct request *r)
{
    const struct slice *header = http_header_find(r->http, "Content-Type");
    struct slice value = header ? *header : SLICE_NONE;
    return slice_trim(slice_cut(&value, ';'));
}

enum err media_body_is_json(struct request *r)
{
    struct slice type = media_body_type(r);
    if (type.length == 0 || is_json_type(type))
        return ERR_NONE;
    return issues_fail(&r->issues, ERR_MEDIA_TYPE, "value",
                       "Content-Type %.*s is not taken here; send %s",
                       SLICE_ARGS(slice_head(type, 100)), HAVE);
}

enum err media_body_is_form(struct request *r)
{
    struct slice type = media_body_type(r);
    if ((type.length == 0 && r->http->body.length == 0) ||
        slice_equal_nocase(type, SLICE("application/x-www-form-urlencoded")))
        return ERR_NONE;
    return issues_fail(&r->issues, ERR_MEDIA_TYPE, "value",
                       "_search takes application/x-www-form-urlencoded, not '%.*s'",
                       SLICE_ARGS(slice_head(type, 100)));
}

/* A preference "name=value"; the value may be quoted (RFC 7240, 2). */
static bool preference_is(struct slice preference, const char *name, const char *value)
{
    struct slice rest = preference;
    struct slice token = slice_trim(slice_cut(&rest, '='));
    rest = slice_trim(rest);
    if (rest.length >= 2 && rest.bytes[0] == '"' && rest.bytes[rest.length - 1] == '"')
        rest = slice_of(rest.bytes + 1, rest.length - 2);
    return slice_equal_nocase(token, slice_cstr(name)) &&
           slice_equal_nocase(rest, slice_cstr(value));
}

void media_prefer(struct request *r)
{
    static const struct {
        const char *text;
        enum prefer_return prefer;
    } RETURNS[] = { { "minimal", PREFER_MINIMAL },
                    { "representation", PREFER_REPRESENTATION },
                    { "OperationOutcome", PREFER_OUTCOME } };
    for (size_t i = 0; i < r->http->header_count; i++) {
        if (!slice_equal_nocase(r->http->headers[i].name, SLICE("Prefer")))
            continue;
        struct slice list = r->http->headers[i].value;
        while (list.bytes) {
            struct slice item = slice_cut(&list, ',');
            struct slice preference = slice_trim(slice_cut(&item, ';'));
            if (slice_equal_nocase(preference, SLICE("respond-async")))
                r->is_async = true;
            if (preference_is(preference, "handling", "lenient"))
                r->is_lenient = true;
            for (size_t k = 0; k < ARRAY_COUNT(RETURNS); k++) {
                /* Of a preference stated twice the first counts. */
                if (r->prefer == PREFER_DEFAULT &&
                    preference_is(preference, "return", RETURNS[k].text))
                    r->prefer = RETURNS[k].prefer;
            }
        }
    }
}

/* Several lines of a header that is a list are one list (RFC 9110, 5.3). */
static enum err header_join(struct request *r, const char *name)
{
    struct http_header *first = NULL;
    for (size_t i = 0; i < r->http->header_count; i++) {
        struct http_header *h = &r->http->headers[i];
        if (!slice_equal_nocase(h->name, slice_cstr(name)))
            continue;
        if (first) {
            first->value = arena_printf(r->arena, "%.*s, %.*s", SLICE_ARGS(first->value),
                                        SLICE_ARGS(h->value));
            if (!first->value.bytes)
                return ERR_NO_MEMORY;
        } else {
            first = h;
        }
    }
    return ERR_NONE;
}

enum err media_headers_join(struct request *r)
{
    static const char *const ONCE[] = { "If-None-Exist", "Content-Type",
                                        "x-amz-fhir-idempotency-key",
                                        "x-amzn-healthlake-fhir-validation-level" };
    for (size_t k = 0; k < ARRAY_COUNT(ONCE); k++) {
        size_t count = 0;
        for (size_t i = 0; i < r->http->header_count; i++)
            count += slice_equal_nocase(r->http->headers[i].name, slice_cstr(ONCE[k]));
        if (count > 1)
            return issues_fail(&r->issues, ERR_INVALID, "structure",
                               "The header %s is sent %zu times; send it once", ONCE[k], count);
    }
    TRY(header_join(r, "If-Match"));
    return header_join(r, "If-None-Match");
}
