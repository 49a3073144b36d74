#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"
#include "os/clock.h"

enum { DEFAULT_CONNECT_MS = 10000, DEFAULT_STALL_MS = 60000, HEADERS_MAX = 1000 };
static const size_t DEFAULT_ANSWER_BYTES = (size_t)64 << 20;
static const long RECEIVE_BYTES = 256L << 10, UPLOAD_BYTES = 512L << 10;

struct http_client {
    CURL *easy; /* keeps its connections over curl_easy_reset() */
};

/* One call under way. */
struct transfer {
    struct http_exchange *x;
    struct arena *arena;
    struct slice host;     /* of the URL, for error texts */
    enum err failure;      /* of ours, from within a callback */
    const char *why;       /* static text for it, or NULL */
    uint64_t sent_bytes;   /* of the source */
    char *direct;          /* the body, when its length was stated */
    size_t direct_room, direct_length;
    struct buf gathered;   /* the body, when it was not */
    size_t answer_bytes;   /* ceiling of either */
    size_t header_room;
    bool has_body;         /* later header lines are trailers */
    int64_t progress_us;   /* when a byte last moved; monotonic */
    curl_off_t moved;      /* bytes both ways at that time */
    int64_t stall_us;
    bool is_stalled;
    char detail[CURL_ERROR_SIZE];
};

enum err http_client_open(struct http_client **ret_client)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ERR_NO_MEMORY;
    struct http_client *client = calloc(1, sizeof *client);
    if (client)
        client->easy = curl_easy_init();
    if (!client || !client->easy) {
        free(client);
        curl_global_cleanup();
        return ERR_NO_MEMORY;
    }
    *ret_client = client;
    return ERR_NONE;
}

void http_client_close(struct http_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->easy);
    free(client);
    curl_global_cleanup();
}

static bool fail(struct transfer *t, enum err err, const char *why)
{
    if (!t->failure) {
        t->failure = err;
        t->why = why;
    }
    return false;
}

/* ---- what curl calls ---- */

static size_t on_read(char *out, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    size_t room = (size_t)MIN((uint64_t)(size * count), t->x->source_bytes - t->sent_bytes);
    if (room == 0)
        return 0;
    size_t length = 0;
    enum err err = t->x->source(t->x->source_state, out, room, &length);
    t->progress_us = os_monotonic_us();
    if (!err && (length == 0 || length > room)) {
        err = ERR_INVALID;
        t->why = "the body to send is shorter than its stated length";
    }
    if (err) {
        fail(t, err, t->why);
        return CURL_READFUNC_ABORT;
    }
    t->sent_bytes += length;
    return length;
}

static bool gather(struct transfer *t, CURL *easy, struct slice piece)
{
    size_t most = t->answer_bytes;
    if (!t->has_body) {
        curl_off_t stated = -1;
        (void)curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &stated);
        if (stated > 0 && (uint64_t)stated > most)
            return fail(t, ERR_LIMIT, "the answer is larger than was allowed");
        if (stated > 0) {
            t->direct_room = (size_t)stated;
            t->direct = arena_raw(t->arena, t->direct_room);
            if (!t->direct)
                return fail(t, ERR_NO_MEMORY, NULL);
        }
    }
    if (t->direct && piece.length <= t->direct_room - t->direct_length) {
        memcpy(t->direct + t->direct_length, piece.bytes, piece.length);
        t->direct_length += piece.length;
        return true;
    }
    if (t->direct)
        return fail(t, ERR_NETWORK, "the answer is longer than it states");
    buf_append(&t->gathered, piece);
    if (buf_status(&t->gathered) == ERR_LIMIT)
        return fail(t, ERR_LIMIT, "the answer is larger than was allowed");
    return buf_status(&t->gathered) == ERR_NONE || fail(t, ERR_NO_MEMORY, NULL);
}

/* So that callbacks reach the handle too. */
struct context {
    struct transfer *transfer;
    CURL *easy;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
    struct context *context = user;
    struct transfer *t = context->transfer;
    struct slice piece = slice_of(bytes, size * count);
    bool goes_on;
    if (t->x->sink) {
        enum err err = t->x->sink(t->x->sink_state, piece);
        goes_on = !err || fail(t, err, NULL);
    } else {
        goes_on = gather(t, context->easy, piece);
    }
    t->has_body = true;
    t->progress_us = os_monotonic_us();
    return goes_on ? piece.length : CURL_WRITEFUNC_ERROR;
}

static bool add_header(struct transfer *t, struct slice name, struct slice value)
{
    struct http_exchange *x = t->x;
    if (x->answer_header_count >= HEADERS_MAX)
        return fail(t, ERR_LIMIT, "the answer has too many header fields");
    if (x->answer_header_count == t->header_room) {
        size_t room = t->header_room ? t->header_room * 2 : 16;
        struct http_header *headers = arena_array(t->arena, room, sizeof *headers);
        if (!headers)
            return fail(t, ERR_NO_MEMORY, NULL);
        if (x->answer_header_count)
            memcpy(headers, x->answer_headers, x->answer_header_count * sizeof *headers);
        x->answer_headers = headers;
        t->header_room = room;
    }
    char *name_copy = arena_copy(t->arena, name), *value_copy = arena_copy(t->arena, value);
    if (!name_copy || !value_copy)
        return fail(t, ERR_NO_MEMORY, NULL);
    x->answer_headers[x->answer_header_count++] = (struct http_header){
        slice_of(name_copy, name.length), slice_of(value_copy, value.length)
    };
    return true;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    size_t length = size * count;
    struct slice line = slice_trim(slice_of(bytes, length));
    if (slice_starts_with(line, SLICE("HTTP/"))) {
        t->x->answer_header_count = 0; /* what came before was a 1xx */
        return length;
    }
    ptrdiff_t colon = slice_find_byte(line, ':');
    if (colon <= 0 || t->has_body)
        return length;
    bool is_added = add_header(t, slice_head(line, (size_t)colon),
                               slice_trim(slice_from(line, (size_t)colon + 1)));
    return is_added ? length : 0;
}

/* Curl calls it at every event and about once a second without any. */
static int on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    (void)down_total;
    (void)up_total;
    struct transfer *t = context;
    int64_t now_us = os_monotonic_us();
    if (down + up != t->moved) {
        t->moved = down + up;
        t->progress_us = now_us;
    }
    t->is_stalled = now_us - t->progress_us > t->stall_us;
    return t->is_stalled;
}

/* ---- setting it up ---- */

/* "host:port" of the URL, without user and password. */
static struct slice host_of(struct slice url)
{
    ptrdiff_t scheme = slice_find(url, SLICE("://"));
    struct slice rest = scheme < 0 ? url : slice_from(url, (size_t)scheme + 3);
    size_t length = 0;
    while (length < rest.length && !memchr("/?#", rest.bytes[length], 3))
        length++;
    struct slice host = slice_head(rest, length);
    ptrdiff_t at = slice_find_last_byte(host, '@');
    return at < 0 ? host : slice_from(host, (size_t)at + 1);
}

static bool is_loopback(struct slice host)
{
    if (slice_starts_with(host, SLICE("[::1]")) || slice_starts_with(host, SLICE("127.")))
        return true;
    struct slice name = slice_cut(&host, ':');
    return slice_equal_nocase(name, SLICE("localhost"));
}

static bool add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = line ? curl_slist_append(*list, line) : NULL;
    if (longer)
        *list = longer;
    return longer != NULL;
}

static bool is_line(struct slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if (s.bytes[i] == '\r' || s.bytes[i] == '\n' || s.bytes[i] == '\0')
            return false;
    return true;
}

static enum err make_headers(struct transfer *t, struct curl_slist **list)
{
    /* Curl's own additions are switched off unless the caller wants them: what is
     * signed must be what is sent. */
    struct {
        const char *name, *line;
        bool is_given;
    } defaults[] = { { "Accept", "Accept:", false },
                     { "Content-Type", "Content-Type:", false },
                     { "Expect", "Expect:", false },
                     { "User-Agent", "User-Agent:", false },
                     { "Accept-Encoding", "Accept-Encoding: identity", false } };
    if (!is_line(t->x->method) || t->x->method.length == 0) {
        t->why = "the request's method is no word";
        return ERR_INVALID;
    }
    for (size_t i = 0; i < t->x->header_count; i++) {
        const struct http_header *h = &t->x->headers[i];
        if (!is_line(h->name) || !is_line(h->value) || h->name.length == 0) {
            t->why = "a header of the request holds a line break";
            return ERR_INVALID;
        }
        if (slice_equal_nocase(h->name, SLICE("Content-Length")) ||
            slice_equal_nocase(h->name, SLICE("Transfer-Encoding")))
            continue; /* follows from the body */
        for (size_t d = 0; d < ARRAY_COUNT(defaults); d++)
            if (slice_equal_nocase(h->name, slice_cstr(defaults[d].name)))
                defaults[d].is_given = true;
        struct slice line =
            h->value.length ? arena_printf(t->arena, "%.*s: %.*s", SLICE_ARGS(h->name),
                                           SLICE_ARGS(h->value))
                            : arena_printf(t->arena, "%.*s;", SLICE_ARGS(h->name));
        if (!add_line(list, line.bytes))
            return ERR_NO_MEMORY;
    }
    for (size_t d = 0; d < ARRAY_COUNT(defaults); d++)
        if (!defaults[d].is_given && !add_line(list, defaults[d].line))
            return ERR_NO_MEMORY;
    return ERR_NONE;
}

#define SET(option, value)                                               \
    do {                                                                 \
        if (curl_easy_setopt(easy, CURLOPT_##option, value) != CURLE_OK) \
            return ERR_NO_MEMORY;                                        \
    } while (0)

static enum err set_body(CURL *easy, struct transfer *t)
{
    struct http_exchange *x = t->x;
    struct slice method = x->method;
    const char *name = arena_copy(t->arena, method);
    if (!name)
        return ERR_NO_MEMORY;
    if (slice_is(method, "HEAD")) {
        SET(NOBODY, 1L);
        return ERR_NONE;
    }
    if (x->source && x->source_bytes) {
        SET(UPLOAD, 1L);
        SET(READFUNCTION, on_read);
        SET(READDATA, t);
        SET(INFILESIZE_LARGE, (curl_off_t)x->source_bytes);
    } else if (x->body.length || slice_is(method, "POST") || slice_is(method, "PUT") ||
               slice_is(method, "PATCH")) {
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)x->body.length);
        SET(POSTFIELDS, x->body.length ? x->body.bytes : "");
    }
    SET(CUSTOMREQUEST, name);
    return ERR_NONE;
}

static enum err set_options(CURL *easy, struct context *context, struct curl_slist *headers)
{
    struct transfer *t = context->transfer;
    struct http_exchange *x = t->x;
    const char *url = arena_copy(t->arena, x->url);
    if (!url)
        return ERR_NO_MEMORY;
    SET(URL, url);
    SET(PATH_AS_IS, 1L);
    SET(PROTOCOLS_STR, "http,https");
    SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(FOLLOWLOCATION, 0L);
    SET(NOSIGNAL, 1L);
    SET(HTTPHEADER, headers);
    SET(SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CONNECTTIMEOUT_MS,
        (long)(x->connect_timeout_ms ? x->connect_timeout_ms : DEFAULT_CONNECT_MS));
    /* Only for speed; after a failed call curl refuses to change them. */
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
    SET(HEADERFUNCTION, on_header);
    SET(HEADERDATA, t);
    SET(WRITEFUNCTION, on_body);
    SET(WRITEDATA, context);
    SET(XFERINFOFUNCTION, on_progress);
    SET(XFERINFODATA, t);
    SET(NOPROGRESS, 0L);
    SET(ERRORBUFFER, t->detail);
    if (x->ca_file)
        SET(CAINFO, x->ca_file);
    if (is_loopback(t->host))
        SET(PROXY, "");
    return set_body(easy, t);
}

/* ---- what went wrong, for a person ---- */

static struct slice describe(struct transfer *t, CURLcode code)
{
    struct slice host = t->host;
    const char *detail = t->detail[0] ? t->detail : curl_easy_strerror(code);
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return arena_printf(t->arena,
                            "cannot find the address of %.*s; check the name and the network",
                            SLICE_ARGS(host));
    case CURLE_COULDNT_RESOLVE_PROXY:
        return arena_printf(t->arena,
                            "cannot find the proxy on the way to %.*s; check https_proxy and "
                            "no_proxy in the environment",
                            SLICE_ARGS(host));
    case CURLE_COULDNT_CONNECT:
        return arena_printf(t->arena,
                            "cannot connect to %.*s (%s); is the server running, and is this "
                            "its address?",
                            SLICE_ARGS(host), detail);
    case CURLE_OPERATION_TIMEDOUT:
        return arena_printf(t->arena,
                            "no connection to %.*s in time (%s); check the address, the network "
                            "and firewalls",
                            SLICE_ARGS(host), detail);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return arena_printf(t->arena,
                            "the TLS certificate of %.*s is not trusted (%s); check the host's "
                            "name, this machine's clock and its CA certificates",
                            SLICE_ARGS(host), detail);
    case CURLE_SSL_CONNECT_ERROR:
        return arena_printf(t->arena,
                            "TLS with %.*s failed (%s); does it speak https on this port?",
                            SLICE_ARGS(host), detail);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return arena_printf(t->arena, "not a URL of http or https: \"%.*s\" (%s)",
                            SLICE_ARGS(host), detail);
    default:
        return arena_printf(t->arena,
                            "the exchange with %.*s broke off (%s); try again",
                            SLICE_ARGS(host), detail);
    }
}

static enum err explain(struct transfer *t, CURLcode code)
{
    struct http_exchange *x = t->x;
    enum err err = t->failure;
    if (err) {
        x->error = arena_printf(t->arena, "the exchange with %.*s was stopped: %s",
                                SLICE_ARGS(t->host), t->why ? t->why : err_text(err));
    } else if (t->is_stalled) {
        err = ERR_TIMEOUT;
        x->error = arena_printf(t->arena,
                                "%.*s sent or took no byte for %lld seconds; try again later",
                                SLICE_ARGS(t->host), (long long)(t->stall_us / 1000000));
    } else {
        bool is_ours = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
        err = ERR_NETWORK;
        if (code == CURLE_OPERATION_TIMEDOUT)
            err = ERR_TIMEOUT;
        else if (code == CURLE_OUT_OF_MEMORY)
            err = ERR_NO_MEMORY;
        else if (is_ours)
            err = ERR_INVALID;
        x->error = describe(t, code);
    }
    if (!x->error.bytes)
        x->error = slice_cstr(err_text(err));
    return err;
}

static enum err keep_answer(struct transfer *t)
{
    struct http_exchange *x = t->x;
    if (t->direct) {
        x->answer = slice_of(t->direct, t->direct_length);
    } else if (t->gathered.length) {
        char *copy = arena_raw(t->arena, t->gathered.length);
        if (!copy)
            return ERR_NO_MEMORY;
        memcpy(copy, t->gathered.bytes, t->gathered.length);
        x->answer = slice_of(copy, t->gathered.length);
    }
    return ERR_NONE;
}

enum err http_client_perform(struct http_client *client, struct http_exchange *x,
                             struct arena *arena)
{
    CURL *easy = client->easy;
    unsigned stall_ms = x->stall_timeout_ms ? x->stall_timeout_ms : DEFAULT_STALL_MS;
    struct transfer t = { .x = x, .arena = arena, .host = host_of(x->url) };
    struct context context = { &t, easy };
    struct curl_slist *headers = NULL;
    t.stall_us = (int64_t)stall_ms * 1000;
    t.progress_us = os_monotonic_us();
    t.answer_bytes = x->answer_bytes ? x->answer_bytes : DEFAULT_ANSWER_BYTES;
    buf_init(&t.gathered, t.answer_bytes);
    x->status = 0;
    x->answer_headers = NULL;
    x->answer_header_count = 0;
    x->answer = x->error = SLICE_NONE;

    curl_easy_reset(easy);
    enum err err = make_headers(&t, &headers);
    if (!err)
        err = set_options(easy, &context, headers);
    if (err) {
        fail(&t, err, t.why);
        err = explain(&t, CURLE_OK);
        goto done;
    }
    CURLcode code = curl_easy_perform(easy);
    if (code != CURLE_OK) {
        err = explain(&t, code);
        goto done;
    }
    long status = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    x->status = (int)status;
    err = keep_answer(&t);
    if (err) {
        fail(&t, err, NULL);
        err = explain(&t, CURLE_OK);
    }
done:
    buf_release(&t.gathered);
    curl_easy_reset(easy); /* forget what points into our stack */
    curl_slist_free_all(headers);
    return err;
}
