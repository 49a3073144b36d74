/* server/cors.h - which web pages may read answers (the Fetch standard's CORS
 * protocol); private to server/.
 *
 * Off unless origins are named. A preflight is answered without credentials, since
 * browsers send none; it says what may be asked, never whether it would be allowed.
 */
#ifndef SERVER_CORS_H
#define SERVER_CORS_H

#include "http/http.h"

struct cors {
    const struct slice *origins; /* "https://app.example"; "*": every page */
    size_t count;                /* 0: off */
};

/* "*", "null" or scheme://host[:port] without a path. */
bool cors_is_origin(struct slice text);

/* True: it was a preflight, and *response is its answer. */
bool cors_preflight(const struct cors *cors, struct http_request *r,
                    struct http_response *response);
/* The headers that let the page of the request's Origin read an answer. */
void cors_mark(const struct cors *cors, struct http_request *r, struct http_response *response);

#endif
