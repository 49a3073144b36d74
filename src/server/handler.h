/* server/handler.h - one request from head to answer; private to server/. */
#ifndef SERVER_HANDLER_H
#define SERVER_HANDLER_H

#include "auth/auth.h"
#include "control/control.h"
#include "http/http.h"
#include "server/access.h"
#include "server/access_log.h"
#include "server/cors.h"
#include "server/metrics.h"

/* What requests need; outlives them all. */
struct handling {
    struct auth *auth;
    struct access_settings access;
    struct control *control;
    size_t arena_bytes; /* ceiling of any request's arena */
    struct metrics *metrics;
    struct access_log *log; /* NULL: none */
    struct cors cors;
};

/* The four calls of struct http_handler; context: a struct handling. */
bool handler_begin(void *context, struct http_request *r, struct http_response *response);
void handler_handle(void *context, struct http_request *r, struct http_response *response);
void handler_refuse(void *context, struct http_request *r, enum err err, struct slice text,
                    struct http_response *response);
void handler_done(void *context, const struct http_request *r, const struct http_traffic *traffic);

#endif
