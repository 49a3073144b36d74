/* aws/canonical.c - a request's canonical form.
 *
 * Every part is written into one piece of the arena whose size is known
 * beforehand: encoding at most triples a byte, all else only shrinks.
 */
#include <stdlib.h>

#include "aws/sigv4.h"
#include "base/codec.h"

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.' || c == '~';
}

static char *put_encoded(char *at, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    if (is_unreserved(c)) {
        *at++ = c;
        return at;
    }
    *at++ = '%';
    *at++ = digits[(uint8_t)c >> 4];
    *at++ = digits[(uint8_t)c & 15];
    return at;
}

static char *put(char *at, struct slice s)
{
    if (s.length)
        memcpy(at, s.bytes, s.length);
    return at + s.length;
}

/* ---- path ---- */

static char *put_segment(char *at, struct slice segment, bool single_encode)
{
    for (size_t i = 0; i < segment.length; i++) {
        char c = segment.bytes[i];
        if (c == '%' && single_encode)
            *at++ = c;
        else
            at = put_encoded(at, c);
    }
    return at;
}

struct slice aws_canonical_path(struct arena *a, struct slice path,
                                const struct aws_canonical_options *options)
{
    if (path.length == 0)
        return SLICE("/");
    char *start = arena_raw(a, 3 * path.length + 2);
    if (!start)
        return SLICE_NONE;

    bool keep = options->keep_path_segments;
    bool ends_in_slash = path.bytes[path.length - 1] == '/';
    char *at = start;
    struct slice rest = path.bytes[0] == '/' ? slice_from(path, 1) : path;
    bool is_first = true;
    while (rest.bytes) {
        struct slice segment = slice_cut(&rest, '/');
        if (!keep && (segment.length == 0 || slice_is(segment, ".")))
            continue;
        if (!keep && slice_is(segment, "..")) {
            while (at > start && *--at != '/')
                ;
            continue;
        }
        /* Kept segments may be empty: then the slash alone is written. */
        if (!keep || !is_first || path.bytes[0] == '/')
            *at++ = '/';
        at = put_segment(at, segment, options->single_encode_path);
        is_first = false;
    }
    if (at == start || (!keep && ends_in_slash))
        *at++ = '/';
    return slice_of(start, (size_t)(at - start));
}

/* ---- query ---- */

struct pair {
    struct slice name, value; /* encoded */
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = slice_compare(x->name, y->name);
    return order ? order : slice_compare(x->value, y->value);
}

/* The byte at *index of a query, decoded; moves *index past it. */
static char decode_byte(struct slice text, size_t *index)
{
    char c = text.bytes[*index];
    uint8_t byte;
    if (c == '%' && text.length - *index >= 3 &&
        hex_decode(slice_of(text.bytes + *index + 1, 2), &byte, 1)) {
        *index += 3;
        return (char)byte;
    }
    *index += 1;
    return c == '+' ? ' ' : c;
}

static struct slice recode(char **at, struct slice text)
{
    char *start = *at;
    for (size_t i = 0; i < text.length;)
        *at = put_encoded(*at, decode_byte(text, &i));
    return slice_of(start, (size_t)(*at - start));
}

struct slice aws_query_decode(struct arena *a, struct slice text)
{
    char *start = arena_raw(a, text.length + 1);
    if (!start)
        return SLICE_NONE;
    size_t length = 0;
    for (size_t i = 0; i < text.length;)
        start[length++] = decode_byte(text, &i);
    return slice_of(start, length);
}

static size_t count_byte(struct slice s, char byte)
{
    size_t count = 0;
    for (size_t i = 0; i < s.length; i++)
        count += s.bytes[i] == byte;
    return count;
}

struct slice aws_canonical_query(struct arena *a, struct slice query, bool without_signature)
{
    if (query.length == 0)
        return SLICE("");
    size_t most = count_byte(query, '&') + 1;
    struct pair *pairs = arena_array(a, most, sizeof *pairs);
    char *recoded = arena_raw(a, 3 * query.length + 1);
    char *start = arena_raw(a, 3 * query.length + 2 * most + 1);
    if (!pairs || !recoded || !start)
        return SLICE_NONE;

    size_t count = 0;
    for (struct slice rest = query; rest.bytes;) {
        struct slice value = slice_cut(&rest, '&');
        if (value.length == 0)
            continue;
        struct slice name = slice_cut(&value, '=');
        struct pair *pair = &pairs[count];
        pair->name = recode(&recoded, name);
        pair->value = recode(&recoded, value);
        if (!without_signature || !slice_is(pair->name, "X-Amz-Signature"))
            count++;
    }
    qsort(pairs, count, sizeof *pairs, compare_pairs);

    char *at = start;
    for (size_t i = 0; i < count; i++) {
        if (i)
            *at++ = '&';
        at = put(at, pairs[i].name);
        *at++ = '=';
        at = put(at, pairs[i].value);
    }
    return slice_of(start, (size_t)(at - start));
}

/* ---- headers ---- */

const struct slice *aws_header_find(const struct aws_request *r, struct slice name, size_t n)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (slice_equal_nocase(r->headers[i].name, name) && n-- == 0)
            return &r->headers[i].value;
    }
    return NULL;
}

/* The value trimmed, runs of blanks inside as one blank. */
static char *put_value(char *at, struct slice value)
{
    value = slice_trim(value);
    bool after_blank = false;
    for (size_t i = 0; i < value.length; i++) {
        char c = value.bytes[i] == '\t' ? ' ' : value.bytes[i];
        if (c != ' ' || !after_blank)
            *at++ = c;
        after_blank = c == ' ';
    }
    return at;
}

/* "name:value[,value]\n"; NULL when there is no such header. */
static char *put_header(char *at, const struct aws_request *r, struct slice name)
{
    at = put(at, name);
    char separator = ':';
    for (size_t i = 0; i < r->header_count; i++) {
        if (!slice_equal_nocase(r->headers[i].name, name))
            continue;
        *at++ = separator;
        at = put_value(at, r->headers[i].value);
        separator = ',';
    }
    if (separator == ':')
        return NULL;
    *at++ = '\n';
    return at;
}

/* A bound of the canonical headers. A name may be listed more than once, so
 * each listed name pays for its own headers. */
static size_t headers_bound(const struct aws_request *r, struct slice signed_headers)
{
    size_t bound = 0;
    for (struct slice rest = signed_headers; rest.bytes;) {
        struct slice name = slice_cut(&rest, ';');
        bound += name.length + 2;
        for (size_t i = 0; i < r->header_count; i++) {
            if (slice_equal_nocase(r->headers[i].name, name))
                bound += r->headers[i].value.length + 1;
        }
    }
    return bound;
}

struct slice aws_canonical_request(struct arena *a, const struct aws_request *r,
                                   struct slice signed_headers,
                                   const struct aws_canonical_options *options)
{
    struct slice path = aws_canonical_path(a, r->path, options);
    struct slice query = aws_canonical_query(a, r->query, options->presigned);
    struct slice hash = slice_cstr(r->payload_sha256);
    size_t bound = r->method.length + path.length + query.length +
                   headers_bound(r, signed_headers) + signed_headers.length + hash.length + 8;
    char *start = path.bytes && query.bytes ? arena_raw(a, bound) : NULL;
    if (!start)
        return SLICE_NONE;

    char *at = put(start, r->method);
    *at++ = '\n';
    at = put(at, path);
    *at++ = '\n';
    at = put(at, query);
    *at++ = '\n';
    for (struct slice rest = signed_headers; rest.bytes;) {
        at = put_header(at, r, slice_cut(&rest, ';'));
        if (!at)
            return SLICE_NONE;
    }
    *at++ = '\n';
    at = put(at, signed_headers);
    *at++ = '\n';
    at = put(at, hash);
    CHECK((size_t)(at - start) <= bound);
    return slice_of(start, (size_t)(at - start));
}
