/* http/http.h - HTTP/1.1, server and client; nothing above knows what is below.
 *
 * Server: a few loop threads own the connections, a bounded pool runs handlers.
 * A request is handed to `begin` when its head is there (so that size, route and
 * credentials can be refused before the body comes), then to `handle` with the
 * whole body. Its arena lives until the answer is sent. Bodies are hashed while
 * they arrive. Bytes of bodies in flight are bounded over all clients. Every
 * refusal that this layer makes goes through `refuse` and so has our JSON body
 * and a request id; the status is that of the error (base/err.h), set by this
 * layer, which also adds Retry-After to a 503.
 *
 * Date, Connection, Content-Length, Transfer-Encoding and x-amzn-RequestId of an
 * answer are written here; a handler's headers of these names are dropped. HEAD
 * is answered like GET, body included: it is measured and not sent.
 *
 * Client: blocking calls over libcurl with streamed bodies both ways.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct http_header {
    struct slice name; /* as received */
    struct slice value;
};

/* ---- server ---- */

enum { HTTP_REQUEST_ID_BYTES = 37, HTTP_SHA256_BYTES = 32 };

struct http_request {
    struct slice method;
    struct slice target; /* exactly as on the wire: "/datastore/x/r4/Patient?_id=1" */
    struct slice path;   /* target up to '?', still encoded */
    struct slice query;  /* behind '?', still encoded; empty if none */
    struct http_header *headers;
    size_t header_count;
    struct slice body;                       /* whole, only in handle() */
    uint8_t body_sha256[HTTP_SHA256_BYTES];  /* of the bytes received, only in handle() */
    int64_t content_length;                  /* -1: chunked or none stated */
    char id[HTTP_REQUEST_ID_BYTES];          /* UUID, also sent as x-amzn-RequestId */
    bool peer_is_loopback;
    struct slice peer_address; /* "203.0.113.7"; lives as long as the connection */
    struct arena *arena; /* of this request; bounded by arena_bytes */
    const struct connection *connection; /* ours; NULL of a request made by hand */
    void *user;          /* the handler's, from begin() to done() */
    uint8_t kind;        /* the handler's too: what is asked, as a small number for done() */
    bool is_short; /* begin() may set it when handle() takes some ten microseconds and
                      seldom waits: it then runs on the loop thread, which saves waking
                      another. When one proves long, the next ones go to the pool. */
    bool is_on_loop;  /* handle() runs there, and may give up by setting wants_pool: its answer */
    bool wants_pool;  /* is forgotten, and it is called again on a pool thread, */
    bool is_again;    /* which this says */
};

/* Has the client closed its side? Then nobody reads the answer, as a rule: whoever works
 * on it for long may give up. From any thread, while the request is handled. */
bool http_request_is_left(const struct http_request *r);

/* The first header of that name (any case); NULL when absent. */
const struct slice *http_header_find(const struct http_request *r, const char *name);

/* Called on a pool thread to produce more of a streamed body: append up to a
 * few hundred KB to `out`; appending nothing ends the body. An error cuts the
 * connection, so that the client sees a broken transfer, never a short whole. */
typedef enum err http_produce(void *state, struct buf *out);

struct http_response {
    int status;
    struct http_header *headers; /* in the request's arena */
    size_t header_count;
    size_t header_room;    /* http_response_header()'s; 0 for an array of your own */
    struct slice body;     /* in the request's arena, or longer-lived */
    http_produce *produce; /* instead of body: chunked */
    void (*produce_end)(void *state); /* called once when done or cut; may be NULL */
    void *produce_state;
};

/* Add a header; both texts must outlive the answer (arena or static). */
MUST_USE enum err http_response_header(struct http_request *r, struct http_response *w,
                                       const char *name, struct slice value);

/* To be called in handle() once the caller is known, before the body is read: one
 * that came as gzip becomes what it holds, within the server's limit of a body. On
 * failure *error is a sentence or empty. The hash stays that of the bytes received. */
MUST_USE enum err http_request_unpack(struct http_request *r, struct slice *error);

/* What a request came to. */
struct http_traffic {
    int status;          /* 0: cut before there was an answer */
    bool is_whole;       /* the answer was sent to its end */
    int64_t duration_us; /* from the last byte of its head to the last of the answer */
    uint64_t bytes_in, bytes_out; /* heads included */
};

struct http_handler {
    void *context;
    /* The head is complete. Return false to go on and receive the body; true when
     * *response is the answer already (the body is drained within bounds). Runs on
     * a loop thread: must not block. May be NULL. */
    bool (*begin)(void *context, struct http_request *r, struct http_response *response);
    /* Runs on a pool thread (but see is_short); must fill *response. */
    void (*handle)(void *context, struct http_request *r, struct http_response *response);
    /* Body of a refusal that the HTTP layer makes itself (bad syntax, too large,
     * timeout, overload): `err` says which, `text` why and what to change. */
    void (*refuse)(void *context, struct http_request *r, enum err err, struct slice text,
                   struct http_response *response);
    /* The answer is sent or cut and the request about to be forgotten; refused ones
     * come too, perhaps without begin() having seen them. Any of our threads, must
     * not block. May be NULL. */
    void (*done)(void *context, const struct http_request *r, const struct http_traffic *traffic);
};

struct http_server_settings {
    const char *address;   /* "127.0.0.1", "::1", "0.0.0.0" */
    uint16_t port;         /* 0: any free one */
    unsigned loop_threads; /* 0: default */
    unsigned pool_threads; /* 0: default; and as many for large bodies */
    size_t body_bytes;           /* largest body */
    size_t bodies_in_flight_bytes; /* over all clients; more get 503; at least body_bytes */
    size_t header_bytes;         /* 0: 64 KB */
    size_t arena_bytes;          /* ceiling of a request's arena; bodies do not count */
    unsigned connections;  /* 0: 1,024; a few more are told 503, the rest cut */
    unsigned idle_seconds; /* 0: 60; connection without a request, a head that is not
                              whole by then, a stall of body or answer; both must also
                              move at 1 KB a second on average */
    struct http_handler handler;
};

struct http_server;

/* ERR_IO with *error from the arena ("address in use") on failure. */
MUST_USE enum err http_server_start(const struct http_server_settings *settings,
                                    struct arena *arena, struct http_server **ret_server,
                                    struct slice *error);
uint16_t http_server_port(const struct http_server *server);

struct http_figures {
    unsigned connections;  /* open now */
    unsigned queue_length; /* connections that wait for a pool thread */
    size_t body_bytes;     /* of bodies in flight, reserved */
};
void http_server_figures(struct http_server *server, struct http_figures *ret);

/* Stop accepting, close idle connections, finish what is in flight; after
 * `grace_seconds` cut every connection. Waits for handlers that run even then,
 * since a thread cannot be taken away. Frees all. */
void http_server_stop(struct http_server *server, unsigned grace_seconds);

/* ---- client ---- */

struct http_client; /* one connection pool; use from one thread at a time */

MUST_USE enum err http_client_open(struct http_client **ret_client);
void http_client_close(struct http_client *client);

/* Next piece of a request body into `out` (at most `room` bytes); 0 at the end. */
typedef enum err http_source(void *state, char *out, size_t room, size_t *ret_length);
/* A piece of the response body. */
typedef enum err http_sink(void *state, struct slice piece);

struct http_exchange {
    /* in */
    struct slice method, url;
    const struct http_header *headers;
    size_t header_count;
    struct slice body;        /* or: */
    http_source *source;      /* with source_bytes known beforehand */
    void *source_state;
    uint64_t source_bytes;
    http_sink *sink;          /* NULL: the body is gathered in `answer` */
    void *sink_state;
    size_t answer_bytes;      /* ceiling of the gathered body, 0: 64 MB */
    unsigned connect_timeout_ms, stall_timeout_ms; /* 0: 10 s, 60 s without a byte */
    const char *ca_file;      /* NULL: the system's */
    /* out */
    int status;
    struct http_header *answer_headers; /* in the arena */
    size_t answer_header_count;
    struct slice answer;      /* in the arena */
    struct slice error;       /* a sentence when the call failed; in the arena */
};

/* Never follows redirects. ERR_NETWORK, ERR_TIMEOUT, ERR_LIMIT, the source's or
 * sink's error. An HTTP status, whatever it is, is ERR_NONE. */
MUST_USE enum err http_client_perform(struct http_client *client, struct http_exchange *x,
                                      struct arena *arena);
const struct slice *http_answer_header(const struct http_exchange *x, const char *name);

#endif
