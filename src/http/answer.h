/* http/answer.h - the head of an answer: struct to bytes. Private to http/. */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "http/http.h"

enum answer_framing {
    ANSWER_LENGTH,  /* Content-Length: length_bytes */
    ANSWER_CHUNKED,
    ANSWER_BARE     /* neither: 204, 304, or it ends with the connection */
};

struct answer {
    enum answer_framing framing;
    uint64_t length_bytes;
    const char *date;     /* "Tue, 24 Nov 2026 06:03:08 GMT" */
    const char *id;       /* of the request */
    const char *connection; /* value of the Connection header; NULL: none */
};

enum { DATE_TEXT_BYTES = 30 };

/* RFC 9110 IMF-fixdate of seconds since 1970. */
void answer_date(int64_t second, char out[DATE_TEXT_BYTES]);

/* Append status line, headers and the empty line. Framing, Connection and the
 * request's id are ours: headers of those names in the response are dropped.
 * Control bytes in values become blanks, so that no value can end its line. */
void answer_render(struct buf *out, const struct http_response *response,
                   const struct answer *answer);

#endif
