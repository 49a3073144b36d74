/* server/scrape.h - the listener of /metrics; private.
 *
 * Apart from the data port: it asks for no credentials, so whoever runs the
 * server says where it listens. It tells numbers only.
 */
#ifndef SERVER_SCRAPE_H
#define SERVER_SCRAPE_H

#include "control/control.h"
#include "http/http.h"
#include "server/metrics.h"
#include "store/store.h"

enum { SCRAPE_BODY_BYTES = 1024, SCRAPE_CONNECTIONS = 16 };

struct scrape {
    const struct metrics *metrics;
    struct control *control;
    const char *stores_path;  /* the folder of all data stores' folders */
    struct http_server *http; /* of the data port */
};

/* http_handler.handle; context: a struct scrape. */
void scrape_handle(void *context, struct http_request *r, struct http_response *response);

#endif
