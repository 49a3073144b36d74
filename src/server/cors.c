#include "server/cors.h"

bool cors_is_origin(struct slice text)
{
    if (slice_is(text, "*") || slice_is(text, "null"))
        return true;
    size_t scheme = slice_starts_with(text, SLICE("https://"))  ? 8
                    : slice_starts_with(text, SLICE("http://")) ? 7
                                                                : 0;
    struct slice host = slice_from(text, scheme);
    for (size_t i = 0; i < host.length; i++) {
        char c = host.bytes[i];
        if (c <= ' ' || c >= 0x7f || c == '/' || c == '?' || c == '#' || c == '@' || c == ',')
            return false;
    }
    return scheme && host.length;
}

/* What Access-Control-Allow-Origin says; empty: nothing. */
static struct slice allowed(const struct cors *cors, const struct http_request *r)
{
    const struct slice *origin = cors->count ? http_header_find(r, "origin") : NULL;
    for (size_t i = 0; origin && i < cors->count; i++) {
        if (slice_is(cors->origins[i], "*"))
            return cors->origins[i];
        if (slice_equal(cors->origins[i], *origin))
            return cors->origins[i];
    }
    return SLICE_NONE;
}

/* Without memory for a header the page learns nothing, which is safe. */
static void add(struct http_request *r, struct http_response *response, const char *name,
                struct slice value)
{
    enum err ignored = http_response_header(r, response, name, value);
    (void)ignored;
}

void cors_mark(const struct cors *cors, struct http_request *r, struct http_response *response)
{
    if (!cors->count)
        return;
    struct slice origin = allowed(cors, r);
    if (!slice_is(origin, "*"))
        add(r, response, "Vary", SLICE("Origin"));
    if (!origin.length)
        return;
    add(r, response, "Access-Control-Allow-Origin", origin);
    add(r, response, "Access-Control-Expose-Headers",
        SLICE("ETag, Location, Content-Location, Last-Modified, Retry-After, Preference-Applied, "
              "WWW-Authenticate, Allow, x-amzn-RequestId, x-amzn-ErrorType, "
              "x-amzn-healthlake-validation-issues"));
}

bool cors_preflight(const struct cors *cors, struct http_request *r,
                    struct http_response *response)
{
    if (!cors->count || !slice_is(r->method, "OPTIONS") || !http_header_find(r, "origin") ||
        !http_header_find(r, "access-control-request-method"))
        return false;
    *response = (struct http_response){ .status = 204 };
    cors_mark(cors, r, response);
    if (!allowed(cors, r).length)
        return true;
    /* "*" would not cover Authorization, so what is asked for is what is allowed. */
    const struct slice *names = http_header_find(r, "access-control-request-headers");
    add(r, response, "Access-Control-Allow-Methods",
        SLICE("GET, HEAD, POST, PUT, PATCH, DELETE"));
    if (names)
        add(r, response, "Access-Control-Allow-Headers", *names);
    add(r, response, "Access-Control-Max-Age", SLICE("600"));
    return true;
}
