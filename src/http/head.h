/* http/head.h - the head of a request: bytes to struct. Private to http/.
 *
 * Strict on purpose: whatever two parsers could read differently is refused,
 * so that no proxy in front of us can be made to see other requests than we do
 * (RFC 9112, section 11.2). Refused are: bare LF and CR, folded lines, a blank
 * before a header's colon, control bytes, more than one Content-Length or Host,
 * Content-Length beside Transfer-Encoding, any coding but `chunked`.
 *
 * Pure functions; nothing is copied, all slices point into the given bytes.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "base/limits.h"
#include "http/http.h"

/* A refusal that the HTTP layer makes itself. */
struct refusal {
    enum err err;      /* gives the status, too */
    struct slice text; /* why, and what to change; static or in the request's arena */
};

enum {
    HEAD_LINES_MAX = 1 + LIMIT_HEADER_FIELDS, /* request line and headers */
    HEAD_METHOD_BYTES_MAX = 32,
    HEAD_BLANK_LINES_MAX = 4 /* before the request line */
};

enum head_state { HEAD_INCOMPLETE, HEAD_COMPLETE, HEAD_REFUSED };

/* Looks for the end of a head in bytes that grow; each byte is seen once. All
 * zero to start. */
struct head_scan {
    size_t at;    /* bytes seen */
    size_t start; /* of the request line, behind blank lines */
    size_t line;  /* start of the line that is not yet whole */
    size_t lines; /* whole lines since `start` */
};

/* On HEAD_COMPLETE scan->line is the length of all, blank lines included. */
enum head_state head_scan(struct head_scan *scan, struct slice bytes, struct refusal *ret_refusal);

struct head {
    struct slice method;
    struct slice target, path, query;
    unsigned minor; /* HTTP/1.minor: 0 or 1 */
    size_t header_count;
    int64_t content_length; /* -1: none stated */
    bool is_chunked;
    bool keeps_alive;      /* what the client asks for */
    bool expects_continue; /* waits for 100 before the body */
};

/* `bytes` from scan.start to the head's end; `headers` has room for scan.lines.
 * On a refusal *ret_head holds method and target if the request line was good. */
MUST_USE bool head_parse(struct slice bytes, struct http_header *headers, struct head *ret_head,
                         struct refusal *ret_refusal);

/* True when `list` ("a, B ;q=1") names `token`, in any case. */
bool head_list_has(struct slice list, const char *token);

#endif
