/* control/s3.c - signed requests for objects. */
#include "control/s3.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/url.h"
#include "base/xml.h"
#include "http/http.h"
#include "os/clock.h"

enum {
    TRIES = 4,
    WAIT_US = 200 * 1000, /* before the second try; doubled for each more */
    PART_BYTES = 16 << 20,
    PARTS_MAX = 10000, /* S3's own limit */
    ANSWER_BYTES = 8 << 20,
    LIST_PAGES_MAX = 10000,
    ARENA_BYTES = 64 << 20,
    ERROR_BYTES = 512,
    HEADERS_MAX = 6,
};

struct s3 {
    const struct s3_settings *settings;
    struct aws_credentials credentials; /* without a key id: none */
    struct slice base;                  /* the endpoint without a slash at its end */
    struct http_client *client;
    s3_go_on *go_on;
    void *context;
    struct arena arena; /* of one operation */
    char error[ERROR_BYTES];
};

/* One request, tried until it is answered for good. */
struct ask {
    const char *method;
    struct slice bucket, key, query; /* the query encoded, without '?' */
    struct slice body;
    FILE *file; /* the answer's body goes there; NULL: it is gathered */
    struct slice answer;
    const struct http_exchange *exchange;
};

static enum err fail(struct s3 *s3, enum err err, const char *format, ...) PRINTF_LIKE(3, 4);

static enum err fail(struct s3 *s3, enum err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s3->error, sizeof s3->error, format, args);
    va_end(args);
    return err;
}

const char *s3_error(const struct s3 *s3)
{
    return s3->error;
}

enum err s3_open(const struct s3_settings *settings, s3_go_on *go_on, void *context,
                 struct arena *arena, struct s3 **ret_s3)
{
    struct s3 *s3 = arena_alloc(arena, sizeof *s3);
    if (!s3)
        return ERR_NO_MEMORY;
    *s3 = (struct s3){ .settings = settings,
                       .base = url_trim_slash(settings->endpoint),
                       .go_on = go_on,
                       .context = context };
    arena_init(&s3->arena, ARENA_BYTES);
    *ret_s3 = s3;
    struct slice why = SLICE_NONE;
    if (settings->find_credentials &&
        settings->find_credentials(settings->context, arena, &s3->credentials, &why))
        return fail(s3, ERR_FORBIDDEN, "No credentials for the S3 endpoint: %.*s",
                    SLICE_ARGS(slice_head(why, 300)));
    return http_client_open(&s3->client);
}

void s3_close(struct s3 *s3)
{
    if (!s3)
        return;
    if (s3->client)
        http_client_close(s3->client);
    s3->client = NULL;
    arena_release(&s3->arena);
}

/* ---- one request ---- */

static enum err url_make(struct s3 *s3, const struct ask *ask, struct slice *ret)
{
    struct buf text;
    buf_init(&text, 16 * 1024);
    buf_append(&text, s3->base);
    buf_append_byte(&text, '/');
    percent_encode(&text, ask->bucket, false);
    if (ask->key.length)
        buf_append_byte(&text, '/');
    percent_encode(&text, ask->key, true);
    if (ask->query.length)
        buf_append_byte(&text, '?');
    buf_append(&text, ask->query);
    enum err err = buf_status(&text);
    char *copy = err ? NULL : arena_copy(&s3->arena, buf_slice(&text));
    *ret = slice_of(copy, copy ? text.length : 0);
    buf_release(&text);
    return err || copy ? err : ERR_NO_MEMORY;
}

static enum err sign(struct s3 *s3, const struct ask *ask, struct slice text,
                     struct http_header headers[HEADERS_MAX], size_t *ret_count)
{
    struct url url;
    struct aws_header *added;
    if (!url_parse(text, &url))
        return fail(s3, ERR_INVALID, "The S3 endpoint is no URL");
    *ret_count = 0;
    if (!s3->credentials.access_key_id.length)
        return ERR_NONE;
    struct aws_header host = { SLICE("host"), url_host(&url) };
    struct aws_request r = { .method = slice_cstr(ask->method),
                             .path = url.path,
                             .query = url.query,
                             .headers = &host,
                             .header_count = 1 };
    struct aws_scope scope = { .region = s3->settings->region,
                               .service = SLICE("s3"),
                               .now_us = os_now_us() };
    struct aws_canonical_options options = { .keep_path_segments = true,
                                             .single_encode_path = true };
    aws_sha256_hex(ask->body, r.payload_sha256);
    TRY(aws_sign(&s3->arena, &r, &s3->credentials, &scope, &options, &added, ret_count));
    CHECK(*ret_count <= HEADERS_MAX);
    for (size_t i = 0; i < *ret_count; i++)
        headers[i] = (struct http_header){ added[i].name, added[i].value };
    return ERR_NONE;
}

struct sink {
    struct s3 *s3;
    FILE *file;
    enum err err;
};

static enum err sink_take(void *state, struct slice piece)
{
    struct sink *sink = state;
    sink->err = sink->s3->go_on(sink->s3->context);
    if (!sink->err && fwrite(piece.bytes, 1, piece.length, sink->file) != piece.length)
        sink->err = ERR_IO;
    return sink->err;
}

/* What the endpoint said: <Error><Code>..</Code><Message>..</Message></Error>. */
static enum err fail_status(struct s3 *s3, const struct ask *ask, int status, struct slice answer)
{
    struct slice rest = answer;
    struct slice code = xml_next(&rest, "Code", &s3->arena);
    rest = answer;
    struct slice message = xml_next(&rest, "Message", &s3->arena);
    enum err err = status == 404                    ? ERR_NOT_FOUND
                   : status == 401 || status == 403 ? ERR_FORBIDDEN
                                                    : ERR_NETWORK;
    return fail(s3, err, "%s s3://%.*s/%.*s: status %d %.*s%s%.*s", ask->method,
                SLICE_ARGS(ask->bucket), SLICE_ARGS(slice_head(ask->key, 100)), status,
                SLICE_ARGS(slice_head(code, 60)), message.length ? ": " : "",
                SLICE_ARGS(slice_head(message, 200)));
}

/* An error's body, when the object's place is a file: read back from it. */
static struct slice file_answer(struct s3 *s3, FILE *file)
{
    char *room = arena_raw(&s3->arena, 4096);
    rewind(file);
    size_t length = room ? fread(room, 1, 4096, file) : 0;
    return slice_of(room, length);
}

static enum err perform_once(struct s3 *s3, struct ask *ask, struct http_exchange *x)
{
    struct http_header headers[HEADERS_MAX];
    struct sink sink = { .s3 = s3, .file = ask->file };
    *x = (struct http_exchange){ .method = slice_cstr(ask->method),
                                 .headers = headers,
                                 .body = ask->body,
                                 .ca_file = s3->settings->ca_file,
                                 .answer_bytes = ANSWER_BYTES };
    TRY(url_make(s3, ask, &x->url));
    TRY(sign(s3, ask, x->url, headers, &x->header_count));
    if (ask->file) {
        rewind(ask->file);
        if (ftruncate(fileno(ask->file), 0) != 0)
            return fail(s3, ERR_IO, "A temporary file cannot be emptied");
        x->sink = sink_take;
        x->sink_state = &sink;
    }
    enum err err = http_client_perform(s3->client, x, &s3->arena);
    x->headers = NULL;
    x->sink_state = NULL;
    if (err && sink.err)
        return sink.err == ERR_IO ? fail(s3, ERR_IO, "A temporary file cannot be written")
                                  : sink.err;
    if (err)
        return fail(s3, err, "%s s3://%.*s: %.*s", ask->method, SLICE_ARGS(ask->bucket),
                    SLICE_ARGS(slice_head(x->error, 200)));
    ask->answer = x->answer;
    if (x->status >= 300)
        return fail_status(s3, ask, x->status, ask->file ? file_answer(s3, ask->file) : x->answer);
    return ERR_NONE;
}

/* ERR_BUSY from go_on() ends it; *x is the last answer. */
static enum err perform(struct s3 *s3, struct ask *ask, struct http_exchange *x)
{
    int64_t wait_us = WAIT_US;
    s3->error[0] = 0;
    for (int i = 1;; i++) {
        TRY(s3->go_on(s3->context));
        enum err err = perform_once(s3, ask, x);
        bool is_passing = err == ERR_NETWORK || err == ERR_TIMEOUT;
        if (x->status >= 400 && x->status < 500 && x->status != 429 && x->status != 408)
            is_passing = false;
        if (!is_passing || i == TRIES)
            return err;
        os_sleep_us(wait_us);
        wait_us *= 2;
    }
}

/* ---- objects ---- */

enum err s3_get(struct s3 *s3, struct slice bucket, struct slice key, FILE *file)
{
    struct http_exchange x;
    struct ask ask = { .method = "GET", .bucket = bucket, .key = key, .file = file };
    struct arena_mark mark = arena_mark(&s3->arena);
    enum err err = perform(s3, &ask, &x);
    arena_rewind(&s3->arena, mark);
    if (!err && (fflush(file) != 0 || ferror(file)))
        err = fail(s3, ERR_IO, "A temporary file cannot be written");
    rewind(file);
    return err;
}

enum err s3_put(struct s3 *s3, struct slice bucket, struct slice key, struct slice content)
{
    struct http_exchange x;
    struct ask ask = { .method = "PUT", .bucket = bucket, .key = key, .body = content };
    struct arena_mark mark = arena_mark(&s3->arena);
    enum err err = perform(s3, &ask, &x);
    arena_rewind(&s3->arena, mark);
    return err;
}

/* ---- large objects: parts ---- */

struct upload {
    struct s3 *s3;
    struct slice bucket, key;
    FILE *file;
    size_t part_bytes;
    char *part;        /* of part_bytes */
    struct slice id;   /* of the upload, percent-encoded */
    struct buf finish; /* the document that completes it */
};

static enum err part_read(struct upload *u, struct slice *ret)
{
    size_t length = fread(u->part, 1, u->part_bytes, u->file);
    *ret = slice_of(u->part, length);
    return ferror(u->file) ? fail(u->s3, ERR_IO, "A temporary file cannot be read") : ERR_NONE;
}

static enum err upload_begin(struct upload *u)
{
    struct http_exchange x;
    struct ask ask = {
        .method = "POST", .bucket = u->bucket, .key = u->key, .query = SLICE("uploads=")
    };
    TRY(perform(u->s3, &ask, &x));
    struct slice rest = ask.answer;
    struct slice id = xml_next(&rest, "UploadId", &u->s3->arena);
    if (!id.length || id.length > 2048)
        return fail(u->s3, ERR_NETWORK, "The S3 endpoint gave no upload id");
    struct buf text;
    buf_init(&text, 8192);
    percent_encode(&text, id, false);
    char *copy = buf_status(&text) ? NULL : arena_copy(&u->s3->arena, buf_slice(&text));
    u->id = slice_of(copy, copy ? text.length : 0);
    buf_release(&text);
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err upload_part(struct upload *u, unsigned number, struct slice content)
{
    struct http_exchange x;
    struct arena *arena = &u->s3->arena;
    struct arena_mark mark = arena_mark(arena);
    struct ask ask = { .method = "PUT", .bucket = u->bucket, .key = u->key, .body = content };
    ask.query = arena_printf(arena, "partNumber=%u&uploadId=%.*s", number, SLICE_ARGS(u->id));
    TRY(ask.query.bytes ? perform(u->s3, &ask, &x) : ERR_NO_MEMORY);
    const struct slice *tag = http_answer_header(&x, "ETag");
    if (!tag || slice_find_byte(*tag, '<') >= 0 || slice_find_byte(*tag, '&') >= 0)
        return fail(u->s3, ERR_NETWORK, "The S3 endpoint gave no ETag for a part");
    buf_printf(&u->finish, "<Part><PartNumber>%u</PartNumber><ETag>%.*s</ETag></Part>", number,
               SLICE_ARGS(*tag));
    arena_rewind(arena, mark);
    return buf_status(&u->finish);
}

/* The answer may be a 200 that says in its body that it failed. */
static enum err upload_end(struct upload *u)
{
    struct http_exchange x;
    struct ask ask = { .method = "POST", .bucket = u->bucket, .key = u->key };
    buf_append_cstr(&u->finish, "</CompleteMultipartUpload>");
    TRY(buf_status(&u->finish));
    ask.body = buf_slice(&u->finish);
    ask.query = arena_printf(&u->s3->arena, "uploadId=%.*s", SLICE_ARGS(u->id));
    TRY(ask.query.bytes ? perform(u->s3, &ask, &x) : ERR_NO_MEMORY);
    struct slice rest = ask.answer;
    return xml_raw(&rest, "Error").bytes ? fail_status(u->s3, &ask, x.status, ask.answer)
                                         : ERR_NONE;
}

/* So that no parts are left that cost money; what comes of it is of no account. */
static void upload_abort(struct upload *u)
{
    char said[ERROR_BYTES];
    struct http_exchange x;
    struct ask ask = { .method = "DELETE", .bucket = u->bucket, .key = u->key };
    memcpy(said, u->s3->error, sizeof said);
    ask.query = arena_printf(&u->s3->arena, "uploadId=%.*s", SLICE_ARGS(u->id));
    enum err ignored = ask.query.bytes ? perform_once(u->s3, &ask, &x) : ERR_NONE;
    (void)ignored;
    memcpy(u->s3->error, said, sizeof said);
}

static enum err upload_parts(struct upload *u, struct slice first)
{
    buf_append_cstr(&u->finish, "<CompleteMultipartUpload>");
    struct slice content = first;
    for (unsigned number = 1; content.length; number++) {
        TRY(upload_part(u, number, content));
        TRY(part_read(u, &content));
    }
    return upload_end(u);
}

static enum err upload_run(struct upload *u)
{
    struct slice first;
    TRY(part_read(u, &first));
    if (first.length < u->part_bytes)
        return s3_put(u->s3, u->bucket, u->key, first);
    TRY(upload_begin(u));
    enum err err = upload_parts(u, first);
    if (err)
        upload_abort(u);
    return err;
}

enum err s3_put_file(struct s3 *s3, struct slice bucket, struct slice key, FILE *file)
{
    struct upload u = { .s3 = s3, .bucket = bucket, .key = key, .file = file };
    struct buf part;
    if (fseeko(file, 0, SEEK_END) != 0)
        return fail(s3, ERR_IO, "A temporary file cannot be read");
    size_t size = (size_t)ftello(file);
    rewind(file);
    u.part_bytes = MAX(PART_BYTES, size / (PARTS_MAX - 1) + 1);
    buf_init(&part, u.part_bytes);
    buf_init(&u.finish, (size_t)4 << 20);
    u.part = buf_extend(&part, MIN(size + 1, u.part_bytes));
    u.part_bytes = part.length;
    struct arena_mark mark = arena_mark(&s3->arena);
    enum err err = u.part ? upload_run(&u) : ERR_NO_MEMORY;
    arena_rewind(&s3->arena, mark);
    buf_release(&part);
    buf_release(&u.finish);
    return err;
}

/* ---- listing ---- */

struct listing {
    struct s3 *s3;
    struct slice bucket, prefix;
    s3_visit *visit;
    void *context;
    struct buf after; /* the token of the next page */
};

static enum err page_ask(struct listing *l, struct slice *ret_answer)
{
    struct http_exchange x;
    struct ask ask = { .method = "GET", .bucket = l->bucket };
    struct buf query;
    buf_init(&query, 64 * 1024);
    if (l->after.length) {
        buf_append_cstr(&query, "continuation-token=");
        percent_encode(&query, buf_slice(&l->after), false);
        buf_append_byte(&query, '&');
    }
    buf_append_cstr(&query, "list-type=2&prefix=");
    percent_encode(&query, l->prefix, false);
    ask.query = buf_slice(&query);
    enum err err = buf_status(&query);
    if (!err)
        err = perform(l->s3, &ask, &x);
    buf_release(&query);
    *ret_answer = ask.answer;
    return err;
}

static enum err page_visit(struct listing *l, struct slice answer, bool *ret_more)
{
    struct slice rest = answer, contents;
    struct arena *arena = &l->s3->arena;
    while ((contents = xml_raw(&rest, "Contents")).bytes) {
        struct arena_mark mark = arena_mark(arena);
        struct slice key = xml_next(&contents, "Key", arena);
        if (!key.bytes)
            return fail(l->s3, ERR_NETWORK, "The S3 endpoint listed an object without a key");
        TRY(l->visit(l->context, key));
        arena_rewind(arena, mark);
    }
    rest = answer;
    *ret_more = slice_is(xml_next(&rest, "IsTruncated", arena), "true");
    if (!*ret_more)
        return ERR_NONE;
    rest = answer;
    struct slice token = xml_next(&rest, "NextContinuationToken", arena);
    if (!token.length || slice_equal(token, buf_slice(&l->after)))
        return fail(l->s3, ERR_NETWORK, "The S3 endpoint's list does not go on");
    buf_clear(&l->after);
    buf_append(&l->after, token);
    return buf_status(&l->after);
}

enum err s3_list(struct s3 *s3, struct slice bucket, struct slice prefix, s3_visit *visit,
                 void *context)
{
    struct listing l = {
        .s3 = s3, .bucket = bucket, .prefix = prefix, .visit = visit, .context = context
    };
    bool more = true;
    enum err err = ERR_NONE;
    buf_init(&l.after, 16 * 1024);
    for (int i = 0; !err && more; i++) {
        struct slice answer = SLICE_NONE;
        struct arena_mark mark = arena_mark(&s3->arena);
        err = i == LIST_PAGES_MAX ? fail(s3, ERR_LIMIT, "The bucket has too many objects")
                                  : page_ask(&l, &answer);
        if (!err)
            err = page_visit(&l, answer, &more);
        arena_rewind(&s3->arena, mark);
    }
    buf_release(&l.after);
    return err;
}
