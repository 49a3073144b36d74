#include "sync/target.h"

#include <openssl/evp.h>

#include "base/codec.h"
#include "base/date.h"
#include "os/clock.h"
#include "sync/reason.h"

enum { HASH_PIECE_BYTES = 256 * 1024, METADATA_BYTES = 16 * 1024 * 1024 };
#define RENEW_EVERY_US (60 * SECOND_US)
#define CLOCK_WRONG_US (4 * 60 * SECOND_US)

/* ---- signing ---- */

static enum err hash_bundle(EVP_MD_CTX *hash, struct bundle_writer writer)
{
    struct buf window; /* on the heap: too large for a stack */
    buf_init(&window, HASH_PIECE_BYTES);
    char *piece = buf_extend(&window, HASH_PIECE_BYTES);
    enum err err = piece ? ERR_NONE : ERR_NO_MEMORY;
    size_t length = 1;
    while (!err && length) {
        err = bundle_writer_next(&writer, piece, HASH_PIECE_BYTES, &length);
        if (!err)
            EVP_DigestUpdate(hash, piece, length);
    }
    buf_release(&window);
    return err;
}

/* Lower-case hex of the body's SHA-256. A bundle is read through once for it. */
static enum err hash_body(const struct target_request *request, char out[65])
{
    uint8_t digest[32];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(hash);
        return ERR_NO_MEMORY;
    }
    enum err err = ERR_NONE;
    if (request->bundle)
        err = hash_bundle(hash, *request->bundle);
    else
        EVP_DigestUpdate(hash, request->body.bytes ? request->body.bytes : "",
                         request->body.length);
    EVP_DigestFinal_ex(hash, digest, NULL);
    EVP_MD_CTX_free(hash);
    hex_encode(digest, sizeof digest, out);
    out[64] = '\0';
    return err;
}

enum { HEADERS_MAX = 12 };

struct headers {
    struct http_header list[HEADERS_MAX];
    size_t count;
};

static void add_header(struct headers *h, struct slice name, struct slice value)
{
    CHECK(h->count < HEADERS_MAX);
    h->list[h->count++] = (struct http_header){ name, value };
}

/* Host is signed as the HTTP client will send it, but sent by the client. */
static enum err sign(const struct target *t, const struct url *url,
                     const struct target_request *request, struct arena *arena,
                     struct headers *h)
{
    const struct sync_settings *settings = t->session->settings;
    struct aws_header signed_headers[HEADERS_MAX];
    size_t count = 0;
    signed_headers[count++] = (struct aws_header){ SLICE("host"), url_host(url) };
    for (size_t i = 0; i < h->count; i++) {
        if (!slice_is(h->list[i].name, "Accept"))
            signed_headers[count++] = (struct aws_header){ h->list[i].name, h->list[i].value };
    }
    struct aws_request r = { .method = slice_cstr(request->method), .path = url->path,
                             .query = url->query, .headers = signed_headers,
                             .header_count = count };
    TRY(hash_body(request, r.payload_sha256));
    struct aws_scope scope = { .region = settings->region, .service = SLICE("healthlake"),
                               .now_us = os_now_us() + t->clock_offset_us };
    struct aws_canonical_options options = { .presigned = false };
    struct aws_header *added;
    size_t added_count;
    TRY(aws_sign(arena, &r, &t->credentials, &scope, &options, &added, &added_count));
    for (size_t i = 0; i < added_count; i++)
        add_header(h, added[i].name, added[i].value);
    return ERR_NONE;
}

/* ---- asking ---- */

static enum err perform_once(struct target *t, struct slice text,
                             const struct target_request *request, struct arena *arena,
                             struct http_exchange *ret)
{
    struct url url;
    struct headers h = { .count = 0 };
    struct bundle_writer writer;
    *ret = (struct http_exchange){ .method = slice_cstr(request->method), .url = text };
    if (!url_parse(text, &url))
        return ERR_INVALID;
    if (!url.path.length)
        url.path = SLICE("/");
    add_header(&h, SLICE("Accept"), SLICE("application/fhir+json"));
    if (request->body.length || request->bundle)
        add_header(&h, SLICE("Content-Type"), SLICE("application/fhir+json"));
    if (request->extra_name)
        add_header(&h, slice_cstr(request->extra_name), request->extra_value);
    if (request->wants_outcome)
        add_header(&h, SLICE("Prefer"), SLICE("return=OperationOutcome"));
    if (t->credentials.access_key_id.length)
        TRY(sign(t, &url, request, arena, &h));

    ret->headers = h.list;
    ret->header_count = h.count;
    ret->body = request->body;
    if (request->bundle) {
        writer = *request->bundle;
        ret->source = bundle_writer_next;
        ret->source_state = &writer;
        ret->source_bytes = bundle_writer_bytes(&writer);
    }
    enum err err = session_perform(t->session, ret, arena);
    ret->headers = NULL; /* they and the writer end with this call */
    ret->header_count = 0;
    ret->source_state = NULL;
    return err;
}

/* ExpiredTokenException, in the header or as the body's type. */
static bool is_expired(struct target *t, const struct http_exchange *x, struct arena *arena)
{
    const struct slice *type = http_answer_header(x, "x-amzn-errortype");
    struct reason reason;
    if (x->status != 403)
        return false;
    if (type)
        return slice_find(*type, SLICE("ExpiredToken")) >= 0;
    reason_read(&t->session->answer, arena, &reason);
    struct slice named = json_string_raw(json_member(reason.outcome, "__type"));
    return slice_find(named, SLICE("ExpiredToken")) >= 0;
}

/* Temporary credentials have come to an end, and others can be had. */
static bool renew(struct target *t, const struct http_exchange *x, struct arena *arena)
{
    const struct sync_settings *settings = t->session->settings;
    struct slice why = SLICE_NONE;
    int64_t now_us = os_monotonic_us();
    if (!settings->renew || !is_expired(t, x, arena) ||
        (t->renewed_us && now_us - t->renewed_us < RENEW_EVERY_US))
        return false;
    t->renewed_us = now_us;
    struct aws_credentials fresh = { .session_token = SLICE_NONE };
    if (settings->renew(settings->renew_context, &fresh, &why)) {
        session_say(t->session,
                    "target: the credentials have expired, and there are no others: %.*s",
                    SLICE_ARGS(why));
        return false;
    }
    session_say(t->session, "target: the credentials have expired; going on with new ones");
    t->credentials = fresh;
    return true;
}

static enum err perform_url(struct target *t, struct slice text,
                            const struct target_request *request, struct arena *arena,
                            struct http_exchange *ret)
{
    enum err err = perform_once(t, text, request, arena, ret);
    return !err && renew(t, ret, arena) ? perform_once(t, text, request, arena, ret) : err;
}

enum err target_perform(struct target *t, const struct target_request *request,
                        struct arena *arena, struct http_exchange *ret)
{
    struct slice url = arena_printf(arena, "%.*s%.*s%s%.*s", SLICE_ARGS(t->base),
                                    SLICE_ARGS(request->path), request->query.length ? "?" : "",
                                    SLICE_ARGS(request->query));
    if (!url.bytes)
        return ERR_NO_MEMORY;
    return perform_url(t, url, request, arena, ret);
}

bool target_clock(const struct http_exchange *x, int64_t *ret_offset_us)
{
    const struct slice *date = http_answer_header(x, "date");
    int64_t server_us;
    if (!date || !http_date_parse(*date, &server_us))
        return false;
    *ret_offset_us = server_us - os_now_us();
    return true;
}

/* A refusal that a wrong clock of ours explains: sign by the target's clock. */
static bool correct_clock(struct target *t, const struct http_exchange *x)
{
    int64_t offset_us;
    if (x->status != 403 || t->clock_offset_us != 0 || !target_clock(x, &offset_us))
        return false;
    if (offset_us < CLOCK_WRONG_US && offset_us > -CLOCK_WRONG_US)
        return false;
    session_say(t->session, "target: this machine's clock is wrong by %lld s; signing by the "
                            "target's",
                (long long)(offset_us / SECOND_US));
    t->clock_offset_us = offset_us;
    return true;
}

static enum err ask_url(struct target *t, struct slice url, const struct target_request *request,
                        struct arena *arena, struct http_exchange *ret)
{
    struct patience patience = session_patience(t->session);
    for (;;) {
        enum err err = perform_url(t, url, request, arena, ret);
        if (!err && correct_clock(t, ret))
            continue;
        bool is_passing = err ? err == ERR_NETWORK || err == ERR_TIMEOUT
                              : status_is_passing(ret->status);
        if (!is_passing)
            return err;
        int64_t named_us = err ? -1 : wait_named_us(ret, os_now_us());
        session_say(t->session, "target: %s; %u tries left",
                    err ? err_text(err) : "busy or in trouble", patience.tries_left - 1);
        if (!patience_retry(&patience, named_us))
            return err;
    }
}

enum err target_ask(struct target *t, const struct target_request *request, struct arena *arena,
                    struct http_exchange *ret)
{
    struct slice url = arena_printf(arena, "%.*s%.*s%s%.*s", SLICE_ARGS(t->base),
                                    SLICE_ARGS(request->path), request->query.length ? "?" : "",
                                    SLICE_ARGS(request->query));
    if (!url.bytes)
        return ERR_NO_MEMORY;
    return ask_url(t, url, request, arena, ret);
}

enum err target_follow(struct target *t, struct slice url, struct arena *arena,
                       struct http_exchange *ret)
{
    struct url there;
    if (!url_parse(url, &there) || !url_same_origin(&there, &t->url))
        return ERR_FORBIDDEN;
    struct target_request request = { .method = "GET" };
    return ask_url(t, url, &request, arena, ret);
}

/* ---- which kind ---- */

struct profile {
    const char *name;
    struct split_limits transaction, batch;
};

#define MB ((uint64_t)1024 * 1024)

/* By enum sync_target. Tarn takes 256 MB by default; the rest is left for it. */
static const struct profile profiles[] = {
    [SYNC_TARGET_AUTO] = { "auto", { 500, 15 * MB }, { 500, 15 * MB } },
    [SYNC_TARGET_HEALTHLAKE] = { "healthlake", { 100, 15 * MB }, { 500, 15 * MB } },
    [SYNC_TARGET_TARN] = { "tarn", { 0, 200 * MB }, { 0, 200 * MB } },
    [SYNC_TARGET_FHIR] = { "fhir", { 500, 15 * MB }, { 500, 15 * MB } },
};

const char *sync_target_name(enum sync_target kind)
{
    return profiles[kind].name;
}

static bool is_aws_host(const struct url *url)
{
    struct slice name = url_host_name(url);
    return slice_starts_with(name, SLICE("healthlake.")) &&
           slice_ends_with(name, SLICE(".amazonaws.com"));
}

static enum sync_target kind_of_metadata(const struct spool *answer, struct arena *arena)
{
    size_t length = (size_t)answer->bytes;
    struct json_doc doc;
    struct json_error error;
    char *body = length && length <= METADATA_BYTES ? arena_raw(arena, length) : NULL;
    if (!body || spool_read(answer, 0, body, length) ||
        json_parse(slice_of(body, length), NULL, arena, &doc, &error))
        return SYNC_TARGET_FHIR;
    struct json software = json_member(json_root(&doc), "software");
    bool is_tarn = json_string_is(json_member(software, "name"), SLICE("Tarn"));
    return is_tarn ? SYNC_TARGET_TARN : SYNC_TARGET_FHIR;
}

bool target_is_refusal(const struct http_exchange *x)
{
    const struct slice *type = http_answer_header(x, "x-amzn-errortype");
    bool is_denied = type && slice_starts_with(*type, SLICE("AccessDenied"));
    return x->status == 401 || (x->status == 403 && !is_denied);
}

/* Asked before anything is fetched: pulls from the source may cost money, so a
 * signature that is refused should be known first. */
static enum err find_kind(struct target *t, struct arena *texts, struct slice *ret_problem)
{
    t->kind = SYNC_TARGET_FHIR;
    struct arena arena;
    arena_init(&arena, (size_t)METADATA_BYTES * 10);
    struct target_request request = { .method = "GET", .path = SLICE("/metadata") };
    struct http_exchange x;
    enum err err = target_ask(t, &request, &arena, &x);
    if (!err && x.status == 200)
        t->kind = kind_of_metadata(&t->session->answer, &arena);
    else if (!err && target_is_refusal(&x))
        err = ERR_FORBIDDEN;
    if (err)
        *ret_problem = arena_printf(
            texts, "the target at %.*s %s: %.*s", SLICE_ARGS(t->url.authority),
            err == ERR_FORBIDDEN ? "does not accept the credentials (`tarn sync --check` says more)"
                                 : "does not answer",
            SLICE_ARGS(session_problem(t->session, &x, err == ERR_FORBIDDEN ? ERR_NONE : err,
                                       &arena)));
    arena_release(&arena);
    return err;
}

enum err target_open(struct target *t, struct session *s, struct arena *arena,
                     struct slice *ret_problem)
{
    const struct sync_settings *settings = s->settings;
    *t = (struct target){ .session = s, .base = url_trim_slash(settings->endpoint),
                          .kind = settings->target,
                          .credentials = settings->credentials };
    if (!url_parse(t->base, &t->url) || t->url.query.length) {
        *ret_problem = SLICE("the target's endpoint is no http or https URL; it looks like "
                             "https://HOST/datastore/ID/r4 (HEALTHLAKE_ENDPOINT)");
        return ERR_INVALID;
    }
    if (t->kind == SYNC_TARGET_AUTO && is_aws_host(&t->url))
        t->kind = SYNC_TARGET_HEALTHLAKE;
    if (t->kind == SYNC_TARGET_AUTO)
        TRY(find_kind(t, arena, ret_problem));
    t->limits = settings->batch ? profiles[t->kind].batch : profiles[t->kind].transaction;
    if (settings->bundle_entries)
        t->limits.entries = settings->bundle_entries;
    if (settings->bundle_bytes)
        t->limits.bytes = settings->bundle_bytes;
    return ERR_NONE;
}
