#include "http/head.h"

/* RFC 9110, section 5.6.2. */
static const bool IS_TOKEN[256] = {
    ['!'] = true,         ['#'] = true,         ['$'] = true,  ['%'] = true, ['&'] = true,
    ['\''] = true,        ['*'] = true,         ['+'] = true,  ['-'] = true, ['.'] = true,
    ['^'] = true,         ['_'] = true,         ['`'] = true,  ['|'] = true, ['~'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

static bool refuse(struct refusal *r, enum err err, struct slice text)
{
    *r = (struct refusal){ .err = err, .text = text };
    return false;
}

static bool bad(struct refusal *r, struct slice text)
{
    return refuse(r, ERR_HTTP_SYNTAX, text);
}

enum head_state head_scan(struct head_scan *s, struct slice bytes, struct refusal *r)
{
    CHECK(s->at <= bytes.length && s->line <= s->at);
    while (s->at < bytes.length) {
        /* A TLS greeting or other noise has no line end to wait for. */
        if (s->at == s->line && s->lines == 0) {
            unsigned char first = (unsigned char)bytes.bytes[s->line];
            if (!IS_TOKEN[first] && first != '\r' && first != '\n') {
                bad(r, SLICE("the first byte begins no HTTP request; this port speaks plain "
                             "HTTP/1.1, not TLS"));
                return HEAD_REFUSED;
            }
        }
        const char *end = memchr(bytes.bytes + s->at, '\n', bytes.length - s->at);
        if (!end) {
            s->at = bytes.length;
            return HEAD_INCOMPLETE;
        }
        size_t next = (size_t)(end - bytes.bytes) + 1;
        size_t length = next - s->line;
        if (length < 2 || end[-1] != '\r') {
            bad(r, SLICE("a line of the head ends in a bare line feed; end lines with CR LF"));
            return HEAD_REFUSED;
        }
        s->at = s->line = next;
        if (length > 2) {
            if (++s->lines > HEAD_LINES_MAX) {
                refuse(r, ERR_HEADERS_TOO_LARGE,
                       SLICE("the request has more than 200 header fields; send fewer"));
                return HEAD_REFUSED;
            }
        } else if (s->lines > 0) {
            return HEAD_COMPLETE;
        } else {
            s->start = next;
            if (next > 2 * HEAD_BLANK_LINES_MAX) {
                bad(r, SLICE("too many empty lines before the request line"));
                return HEAD_REFUSED;
            }
        }
    }
    return HEAD_INCOMPLETE;
}

/* The line at *at without its CR LF; head_scan() has seen that each has one. */
static struct slice next_line(struct slice bytes, size_t *at)
{
    const char *start = bytes.bytes + *at;
    const char *end = memchr(start, '\n', bytes.length - *at);
    CHECK(end && end > start);
    *at += (size_t)(end - start) + 1;
    return slice_of(start, (size_t)(end - start) - 1);
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if (!IS_TOKEN[(unsigned char)s.bytes[i]])
            return false;
    return s.length > 0;
}

static bool parse_version(struct slice version, struct head *head, struct refusal *r)
{
    if (slice_is(version, "HTTP/1.1"))
        head->minor = 1;
    else if (slice_is(version, "HTTP/1.0"))
        head->minor = 0;
    else if (slice_starts_with(version, SLICE("HTTP/")))
        return refuse(r, ERR_HTTP_VERSION, SLICE("only HTTP/1.1 and HTTP/1.0 are spoken here"));
    else
        return bad(r, SLICE("the request line must be: method, target, HTTP/1.1, one blank apart"));
    return true;
}

/* Split the target; *ret_authority is empty unless it is an absolute URL. */
static bool parse_target(struct head *head, struct slice *ret_authority, struct refusal *r)
{
    struct slice target = head->target;
    *ret_authority = SLICE_NONE;
    for (size_t i = 0; i < target.length; i++) {
        unsigned char c = (unsigned char)target.bytes[i];
        if (c <= 0x20 || c >= 0x7f || c == '#')
            return bad(r, SLICE("the request target holds a byte that must be percent-encoded"));
    }
    if (slice_is(target, "*") && slice_is(head->method, "OPTIONS")) {
        head->path = target;
        return true;
    }
    size_t scheme_bytes = 0;
    if (slice_equal_nocase(slice_head(target, 7), SLICE("http://")))
        scheme_bytes = 7;
    else if (slice_equal_nocase(slice_head(target, 8), SLICE("https://")))
        scheme_bytes = 8;
    if (scheme_bytes) {
        target = slice_from(target, scheme_bytes);
        size_t length = 0;
        while (length < target.length && target.bytes[length] != '/' &&
               target.bytes[length] != '?')
            length++;
        *ret_authority = slice_head(target, length);
        target = slice_from(target, length);
        if (ret_authority->length == 0)
            return bad(r, SLICE("the absolute URL in the request line names no host"));
    } else if (target.length == 0 || target.bytes[0] != '/') {
        return bad(r, SLICE("the request target must begin with '/'"));
    }
    ptrdiff_t mark = slice_find_byte(target, '?');
    head->path = mark < 0 ? target : slice_head(target, (size_t)mark);
    head->query = mark < 0 ? SLICE_NONE : slice_from(target, (size_t)mark + 1);
    if (head->path.length == 0)
        head->path = SLICE("/");
    return true;
}

static bool parse_request_line(struct slice line, struct head *head, struct slice *ret_authority,
                               struct refusal *r)
{
    ptrdiff_t first = slice_find_byte(line, ' ');
    ptrdiff_t last = slice_find_last_byte(line, ' ');
    if (first <= 0 || last <= first)
        return bad(r, SLICE("the request line must be: method, target, HTTP/1.1, one blank apart"));
    struct slice method = slice_head(line, (size_t)first);
    if (!is_token(method) || method.length > HEAD_METHOD_BYTES_MAX)
        return bad(r, SLICE("the request's method is not a token"));
    if (!parse_version(slice_from(line, (size_t)last + 1), head, r))
        return false;
    head->method = method;
    head->target = slice_of(line.bytes + first + 1, (size_t)(last - first) - 1);
    if (slice_is(method, "CONNECT"))
        return refuse(r, ERR_NOT_IMPLEMENTED, SLICE("CONNECT is not supported here"));
    return parse_target(head, ret_authority, r);
}

static bool parse_field(struct slice line, struct http_header *field, struct refusal *r)
{
    if (line.bytes[0] == ' ' || line.bytes[0] == '\t')
        return bad(r, SLICE("a header field is folded over several lines; send it on one"));
    size_t colon = 0;
    while (colon < line.length && IS_TOKEN[(unsigned char)line.bytes[colon]])
        colon++;
    if (colon == 0 || colon == line.length || line.bytes[colon] != ':')
        return bad(r, SLICE("a header field must be a name, a colon at once, and a value"));
    field->name = slice_head(line, colon);
    for (size_t i = colon + 1; i < line.length; i++) {
        unsigned char c = (unsigned char)line.bytes[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return bad(r, SLICE("a header field's value holds a control byte"));
    }
    field->value = slice_trim(slice_from(line, colon + 1));
    return true;
}

bool head_list_has(struct slice list, const char *token)
{
    while (list.bytes) {
        struct slice item = slice_cut(&list, ',');
        item = slice_trim(slice_cut(&item, ';'));
        if (slice_equal_nocase(item, slice_cstr(token)))
            return true;
    }
    return false;
}

/* What the head says about its own framing, gathered while fields are parsed. */
struct framing {
    unsigned hosts, lengths, codings;
    bool is_close, is_keep_alive;
    struct slice host;
};

static bool note_content_length(struct slice value, struct head *head, struct refusal *r)
{
    uint64_t length;
    if (!slice_parse_u64(value, &length)) {
        bool digits = value.length > 0;
        for (size_t i = 0; i < value.length; i++)
            digits = digits && value.bytes[i] >= '0' && value.bytes[i] <= '9';
        if (!digits)
            return bad(r, SLICE("Content-Length must be one decimal number"));
        length = INT64_MAX;
    }
    head->content_length = (int64_t)MIN(length, (uint64_t)INT64_MAX);
    return true;
}

static bool note_field(const struct http_header *field, struct head *head, struct framing *f,
                       struct refusal *r)
{
    struct slice name = field->name, value = field->value;
    switch (name.length) {
    case 4:
        if (slice_equal_nocase(name, SLICE("host"))) {
            f->hosts++;
            f->host = value;
        }
        break;
    case 6:
        if (slice_equal_nocase(name, SLICE("expect"))) {
            if (!slice_equal_nocase(value, SLICE("100-continue")))
                return refuse(r, ERR_EXPECTATION,
                              SLICE("the only expectation understood is 100-continue"));
            head->expects_continue = true;
        }
        break;
    case 10:
        if (slice_equal_nocase(name, SLICE("connection"))) {
            f->is_close = f->is_close || head_list_has(value, "close");
            f->is_keep_alive = f->is_keep_alive || head_list_has(value, "keep-alive");
        }
        break;
    case 14:
        if (slice_equal_nocase(name, SLICE("content-length"))) {
            f->lengths++;
            return note_content_length(value, head, r);
        }
        break;
    case 17:
        if (slice_equal_nocase(name, SLICE("transfer-encoding"))) {
            f->codings++;
            if (!slice_equal_nocase(value, SLICE("chunked")))
                return refuse(r, ERR_NOT_IMPLEMENTED,
                              SLICE("the only Transfer-Encoding supported is chunked"));
            head->is_chunked = true;
        }
        break;
    default:
        break;
    }
    return true;
}

static bool is_host(struct slice host)
{
    for (size_t i = 0; i < host.length; i++) {
        unsigned char c = (unsigned char)host.bytes[i];
        if (c <= 0x20 || c >= 0x7f || memchr("/?#@\\,", c, 6))
            return false;
    }
    return true;
}

static bool settle_framing(struct head *head, const struct framing *f, struct slice authority,
                           struct refusal *r)
{
    if (f->lengths > 1 || f->codings > 1)
        return bad(r, SLICE("Content-Length or Transfer-Encoding is sent more than once"));
    if (f->lengths && f->codings)
        return bad(r, SLICE("send Content-Length or Transfer-Encoding, not both"));
    if (f->codings && head->minor == 0)
        return bad(r, SLICE("Transfer-Encoding needs HTTP/1.1"));
    if (f->hosts > 1 || (f->hosts == 0 && head->minor == 1))
        return bad(r, SLICE("the request must have exactly one Host header"));
    if (!is_host(f->host))
        return bad(r, SLICE("the Host header is malformed"));
    if (authority.length && f->hosts && !slice_equal_nocase(authority, f->host))
        return bad(r, SLICE("the URL in the request line and the Host header name two hosts"));
    head->keeps_alive = !f->is_close && (head->minor == 1 || f->is_keep_alive);
    head->expects_continue = head->expects_continue && head->minor == 1 &&
                             (head->is_chunked || head->content_length > 0);
    return true;
}

bool head_parse(struct slice bytes, struct http_header *headers, struct head *head,
                struct refusal *r)
{
    *head = (struct head){ .content_length = -1 };
    struct framing framing = { 0 };
    struct slice authority;
    size_t at = 0;
    if (!parse_request_line(next_line(bytes, &at), head, &authority, r))
        return false;
    for (;;) {
        struct slice line = next_line(bytes, &at);
        if (line.length == 0)
            break;
        struct http_header *field = &headers[head->header_count];
        if (!parse_field(line, field, r) || !note_field(field, head, &framing, r))
            return false;
        head->header_count++;
    }
    return settle_framing(head, &framing, authority, r);
}
