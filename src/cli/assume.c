#include "cli/assume.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/url.h"
#include "base/xml.h"
#include "http/http.h"
#include "os/clock.h"

enum { FORM_BYTES_MAX = 16 * 1024, ANSWER_BYTES_MAX = 256 * 1024, HEADERS_MAX = 6 };

static void field_put(struct buf *out, const char *name, struct slice value)
{
    if (!value.length)
        return;
    buf_printf(out, "&%s=", name);
    percent_encode(out, value, false);
}

static enum err form_make(const struct aws_assumption *what, struct arena *arena, struct slice *ret)
{
    struct buf out;
    buf_init(&out, FORM_BYTES_MAX);
    struct slice session = what->session_name;
    if (!session.length)
        session = arena_printf(arena, "tarn-%lld", (long long)(os_now_us() / 1000000));
    buf_append_cstr(&out, "Action=AssumeRole&Version=2011-06-15");
    field_put(&out, "RoleArn", what->role_arn);
    field_put(&out, "RoleSessionName", session);
    field_put(&out, "ExternalId", what->external_id);
    if (what->seconds)
        buf_printf(&out, "&DurationSeconds=%llu", (unsigned long long)what->seconds);
    enum err err = buf_status(&out);
    char *copy = err ? NULL : arena_copy(arena, buf_slice(&out));
    *ret = slice_of(copy, copy ? out.length : 0);
    buf_release(&out);
    return err || copy ? err : ERR_NO_MEMORY;
}

static enum err url_find(struct slice region, struct arena *arena, struct slice *ret_text,
                         struct url *ret_url)
{
    const char *named = getenv("AWS_ENDPOINT_URL_STS");
    *ret_text = named && *named
                    ? arena_printf(arena, "%s", named)
                    : arena_printf(arena, "https://sts.%.*s.amazonaws.com%s/", SLICE_ARGS(region),
                                   slice_starts_with(region, SLICE("cn-")) ? ".cn" : "");
    if (!ret_text->bytes)
        return ERR_NO_MEMORY;
    if (!url_parse(*ret_text, ret_url))
        return ERR_INVALID;
    if (!ret_url->path.length) { /* signed as it is sent */
        *ret_text = arena_printf(arena, "%.*s/", SLICE_ARGS(*ret_text));
        if (!ret_text->bytes || !url_parse(*ret_text, ret_url))
            return ERR_NO_MEMORY;
    }
    return ERR_NONE;
}

static enum err sign(const struct aws_assumption *what, struct slice region, const struct url *url,
                     struct slice form, struct arena *arena,
                     struct http_header headers[HEADERS_MAX], size_t *ret_count)
{
    struct aws_header own[] = {
        { SLICE("host"), url_host(url) },
        { SLICE("content-type"), SLICE("application/x-www-form-urlencoded") },
    };
    struct aws_request r = { .method = SLICE("POST"),
                             .path = url->path,
                             .query = url->query,
                             .headers = own,
                             .header_count = ARRAY_COUNT(own) };
    struct aws_scope scope = { region, SLICE("sts"), os_now_us() };
    struct aws_header *added;
    size_t count;
    aws_sha256_hex(form, r.payload_sha256);
    TRY(aws_sign(arena, &r, &what->source, &scope, NULL, &added, &count));
    CHECK(count < HEADERS_MAX);
    headers[0] = (struct http_header){ own[1].name, own[1].value };
    for (size_t i = 0; i < count; i++)
        headers[i + 1] = (struct http_header){ added[i].name, added[i].value };
    *ret_count = count + 1;
    return ERR_NONE;
}

static enum err answer_read(const struct http_exchange *x, struct arena *arena,
                            const struct aws_assumption *what, struct aws_credentials *ret,
                            struct slice *ret_text)
{
    struct slice rest = x->answer;
    if (x->status == 200) {
        ret->access_key_id = xml_next(&rest, "AccessKeyId", arena);
        rest = x->answer;
        ret->secret_access_key = xml_next(&rest, "SecretAccessKey", arena);
        rest = x->answer;
        ret->session_token = xml_next(&rest, "SessionToken", arena);
        if (ret->access_key_id.length && ret->secret_access_key.length && ret->session_token.length)
            return ERR_NONE;
    }
    rest = x->answer;
    struct slice code = xml_next(&rest, "Code", arena);
    rest = x->answer;
    struct slice message = xml_next(&rest, "Message", arena);
    *ret_text = arena_printf(arena, "the role %.*s cannot be assumed: status %d %.*s %.*s",
                             SLICE_ARGS(what->role_arn), x->status, SLICE_ARGS(code),
                             SLICE_ARGS(slice_head(message, 500)));
    return ERR_FORBIDDEN;
}

enum err cli_assume(void *context, struct arena *arena, const struct aws_assumption *what,
                    struct aws_credentials *ret_credentials, struct slice *ret_text)
{
    struct slice region = what->region.length ? what->region : SLICE("us-east-1"), text, form;
    struct http_header headers[HEADERS_MAX];
    struct http_client *client;
    struct url url;
    const char *ca_file = getenv("AWS_CA_BUNDLE");
    (void)context;
    *ret_text = SLICE("AWS_ENDPOINT_URL_STS is no http or https URL");
    TRY(url_find(region, arena, &text, &url));
    *ret_text = SLICE("out of memory");
    TRY(form_make(what, arena, &form));
    struct http_exchange x = { .method = SLICE("POST"),
                               .url = text,
                               .headers = headers,
                               .body = form,
                               .ca_file = ca_file && *ca_file ? ca_file : NULL,
                               .answer_bytes = ANSWER_BYTES_MAX };
    TRY(sign(what, region, &url, form, arena, headers, &x.header_count));
    TRY(http_client_open(&client));
    enum err err = http_client_perform(client, &x, arena);
    http_client_close(client);
    if (!err)
        return answer_read(&x, arena, what, ret_credentials, ret_text);
    *ret_text = arena_printf(arena, "STS cannot be asked for the role %.*s: %.*s",
                             SLICE_ARGS(what->role_arn), SLICE_ARGS(x.error));
    return err;
}
