/* http/connection.h - one client's connection and the request it carries.
 * Private to http/.
 *
 * At any time either the connection's loop thread or one pool thread owns it;
 * only the owner touches its fields, `events` apart. The owner steps it from
 * phase to phase:
 *
 *              +------------------------ next request -----------------------+
 *              v                                                             |
 *   HEAD -> BODY -> HANDLE -> SEND -> FINISH -> SKIP (rest of a small upload)-+
 *     |      |                ^  |       |
 *     |      |                |  v       +----> LINGER -> CLOSE
 *     +------+-- refused ---->+ PRODUCE             (FIN sent, upload discarded)
 *
 * HEAD, BODY, SKIP, LINGER and CLOSE run on the loop, PRODUCE on the pool, and
 * so does HANDLE unless the request is short. SEND runs on either: the pool sends
 * at once, and only what the socket does not take waits for the loop. FINISH runs
 * on either unless a producer must end.
 * Anything that breaks in between goes to FINISH with is_broken, so that a
 * producer ends exactly once and every byte of budget is given back.
 */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include <openssl/evp.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "http/chunk.h"
#include "http/head.h"
#include "http/http.h"

struct loop;
struct http_server;

enum phase {
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_HANDLE,
    PHASE_SEND,
    PHASE_PRODUCE,
    PHASE_FINISH,
    PHASE_SKIP,
    PHASE_LINGER,
    PHASE_CLOSE
};

/* What the thread does after a step. */
enum step {
    STEP_GO,    /* step again */
    STEP_WAIT,  /* until the socket has something or the deadline passes */
    STEP_YIELD, /* others' turn; step again after them */
    STEP_POOL,  /* the pool must go on */
    STEP_LOOP   /* the loop must go on */
};

/* Bits of connection.events: what epoll said while the pool owned it. */
enum {
    EVENT_IN = 1,
    EVENT_OUT = 2,
    EVENT_PEER_DONE = 4, /* no more bytes will come */
    EVENT_GONE = 8,      /* nobody reads any more */
    EVENT_POOL = 16      /* the pool owns it, or it is on its way back */
};

/* What a thread brings along. */
struct worker {
    struct http_server *server;
    EVP_MD_CTX *sha;     /* for bodies that came whole */
    bool is_pool;
    int64_t now_us;      /* of the loop's turn or the job's start; monotonic */
    uint64_t id_state[2]; /* of request ids */
    unsigned shorts_to_pool; /* this many short requests more go to the pool; loop only */
    unsigned penalty;        /* their number when the next one proves long */
    int64_t date_second; /* that `date` says */
    char date[32];
    char *scratch;       /* SCRATCH_BYTES, loop only */
};

enum {
    CONNECTION_HEADERS = 24,      /* more take the arena */
    SCRATCH_BYTES = 64 * 1024,
    READ_BYTES = 8 * 1024,        /* room for a head */
    TURN_BYTES = 1024 * 1024,     /* read from one connection before others' turn */
    PIECE_BYTES_MAX = 16 * 1024 * 1024, /* ceiling of what one produce() appends */
    KEEP_UPLOAD_BYTES = 256 * 1024, /* rest of a refused upload read to keep the connection */
    SHORT_US = 300, /* a short request that takes longer has waited for something */
    PENALTY_MIN = 32,
    PENALTY_MAX = 4096,
    SLOWEST_BYTES_PER_SECOND = 1024 /* uploads and answers below it, on average, are cut */
};

struct connection {
    struct connection *next;           /* in the pool's queue or on the way back */
    struct connection *newer, *older;  /* the loop's list; loop only */
    struct loop *loop;
    struct http_server *server;
    int fd;
    atomic_uint events;

    enum phase phase;
    int64_t deadline_us;   /* for the phase; 0: none */
    bool is_listed;        /* known to its loop */
    bool is_readable;      /* the socket may have bytes */
    bool is_peer_done;     /* sent FIN */
    bool is_over_limit;    /* one too many: its first request is refused */
    bool is_loopback;
    char peer_address[48]; /* text; empty when the kernel names none */
    bool is_broken;        /* close without ceremony when the request is finished */
    bool is_silent_end;    /* the answer ends with the connection (HTTP/1.0 stream) */
    bool keeps_alive;      /* after this answer */

    struct buf in;         /* received and not yet used from in_at on; does not
                              move while a request points into it */
    size_t in_at;
    struct buf in_later;   /* what came behind a chunked body */
    struct head_scan scan; /* relative to in_at */
    struct head head;

    struct http_request request;
    struct http_header headers[CONNECTION_HEADERS];
    struct arena arena;
    int64_t started_us;    /* first byte of the head, then of the body */
    int64_t asked_us;      /* when its head was whole */
    int64_t queued_us;     /* when it was given to the pool */

    struct buf body;
    struct buf inflated;   /* the body, when it came as gzip */
    size_t reserved_bytes; /* of the server's budget */
    uint64_t upload_left;  /* of a body with Content-Length, not yet received */
    struct chunk chunk;
    bool is_upload_open;   /* bytes of the body are still to come */
    EVP_MD_CTX *sha;       /* running hash of a body in pieces; kept */
    bool is_hashing, is_hashed;
    uint64_t received_bytes; /* of the body, with framing */

    struct http_response response;
    struct http_header plain_headers[2]; /* of a refusal that finds no memory */
    struct buf out;        /* the answer's head */
    struct buf piece;      /* what produce() gave */
    char chunk_head[20];
    struct iovec iov[4];   /* still to send: from iov_at to iov_count */
    unsigned iov_at, iov_count;
    int64_t blocked_us;    /* when the socket first took no more; 0: not yet */
    uint64_t sent_bytes;   /* since then */
    bool is_streaming;     /* produce() has more */
    bool owes_end;         /* produce_end() is to be called */
    void (*produce_end)(void *state);
    void *produce_state;   /* of the response that is being produced */
    unsigned pieces;       /* produced in this turn */
};

/* NULL without memory. Counts it in the server; owns fd from then on. */
struct connection *connection_new(struct http_server *server, int fd, bool is_loopback,
                                  bool is_over_limit);

/* Close the socket and free all; the request is finished. */
void connection_free(struct connection *c);

/* One step; the phase must be one that this thread may run, else it answers
 * STEP_POOL or STEP_LOOP. Never called in PHASE_CLOSE. */
enum step connection_step(struct connection *c, struct worker *w);

/* The deadline passed: change to the phase that says so. Loop only. */
void connection_expire(struct connection *c, struct worker *w);

/* ---- parts of it, in request.c and reply.c ---- */

enum step request_read_head(struct connection *c, struct worker *w);
enum step request_read_body(struct connection *c, struct worker *w);
enum step request_skip(struct connection *c, struct worker *w);
enum step request_linger(struct connection *c, struct worker *w);
enum step request_handle(struct connection *c, struct worker *w);

/* Fill c->request from c->head and give it an id. */
void request_identify(struct connection *c, struct worker *w, struct http_header *headers);

/* ERR_MEDIA_TYPE when the body has a coding that is not ours. */
enum err coding_check(const struct http_request *r, bool *ret_is_gzip);

/* Give back memory and budget, make room for the next request. */
void request_reset(struct connection *c);

/* Answer with c->response: render its head and go to PHASE_SEND. */
void reply_start(struct connection *c, struct worker *w);

/* Answer with a refusal of our own; the connection closes after it unless the
 * request's framing is known and little of it is missing. */
void reply_refuse(struct connection *c, struct worker *w, struct refusal refusal);

enum step reply_send(struct connection *c, struct worker *w);
enum step reply_produce(struct connection *c, struct worker *w);
enum step reply_finish(struct connection *c, struct worker *w);

/* Nothing more can be sent: finish and close. */
enum step reply_cut(struct connection *c);

/* Bytes read; 0 when there are none now, -1 at the end or on an error. */
ssize_t connection_read(struct connection *c, void *to, size_t room);

/* The same, of at most `most` bytes that nobody wants. Loop only. */
ssize_t connection_discard(struct connection *c, struct worker *w, size_t most);

#endif
