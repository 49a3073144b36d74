/* server/server.h - the parts joined: stores, rest, control, auth and http on one port.
 *
 * One process serves one data folder:
 *
 *     <data>/lock             locked while a server runs
 *     <data>/tarn.json        {"format":1,"defaultDatastore":"<id>"}
 *     <data>/root-key         the root key, unless the environment sets it
 *     <data>/iam.json         users and policies, with iam-key (auth/iam.h)
 *     <data>/control.json     the list of data stores (src/control)
 *     <data>/datastores/<id>  a store each
 *
 * A request: its place is found (place.h) and its credentials are read from the
 * head, before the body; with the body come the rest of the signature, then what
 * was asked. GET /healthz and /readyz alone need no credentials.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "control/control.h"
#include "rest/rest.h"
#include "store/store.h"

enum { DATASTORE_ID_LENGTH = 32 };

/* How long versions are kept once they are superseded. */
static const uint64_t SERVER_HISTORY_SECONDS_MAX = UINT64_C(1000) * 366 * 24 * 3600;
struct server_history {
    struct slice datastore_id; /* empty: of all that are not named */
    int64_t keep_us;           /* 0: for ever */
};

struct server_settings {
    const char *data;    /* folder, made if absent */
    const char *address; /* "127.0.0.1"; "localhost" is that */
    uint16_t port;       /* 0: any free one */
    bool no_auth;        /* refused unless the address is loopback */
    bool host_without_port;
    bool trusts_bundles;       /* who may send a Bundle may do what its entries do */
    struct slice datastore_id; /* 32 letters or digits; empty: the folder's, else made */
    struct slice region;       /* what scopes and ARNs say */
    struct slice account_id;   /* 12 digits; what ARNs say */
    struct slice public_url;   /* what links and fullUrls say; empty: the request's Host */
    int64_t zone_us;           /* of dates without a zone, ahead of UTC */
    struct slice software_version;
    const struct slice *cors_origins; /* whose pages may read answers; "*": all */
    size_t cors_origin_count;
    struct rest_behaviour behaviour;
    enum rest_level level; /* of validation, for requests that name none */
    enum rest_unknown_profiles unknown_profiles;
    size_t cache_bytes;            /* of the store; 0: default */
    size_t index_bytes;            /* of its index's tail; 0: default */
    uint32_t merge_threads;        /* of its index; 0: default */
    uint64_t disk_reserve_bytes;   /* less free: writes are refused; 0: none */
    const struct server_history *histories;
    size_t history_count;
    unsigned threads;              /* that answer requests; 0: default */
    uint32_t create_delay_seconds; /* how long a new data store says CREATING */
    const char *s3_root;           /* what s3://bucket/key of jobs is below of; NULL: nothing */
    struct s3_settings s3;         /* where other buckets are; without a region: `region` */
    const char *access_log; /* a line a request into this file, "-": standard output; NULL: none */
    const char *metrics_address;   /* a listener of its own for /metrics; NULL: none */
    uint16_t metrics_port;
};

struct server;

/* "ADDRESS:PORT", "[::1]:PORT", "PORT" or "ADDRESS" into the settings; texts in
 * the arena. False on anything else. */
bool server_listen_parse(struct arena *arena, struct slice text, struct server_settings *settings);
/* "none", or a number and s, m, h or d; behind "ID=" of that data store alone. The
 * id points into the text. */
bool server_history_parse(struct slice text, struct server_history *ret);
int64_t server_history_of(const struct server_settings *settings, struct slice datastore_id);
/* 127.0.0.0/8 or ::1, as a number. */
bool server_is_loopback(const char *address);

/* Answers requests when it returns. On failure *error is a sentence in the arena
 * that names the remedy. */
MUST_USE enum err server_start(const struct server_settings *settings, struct arena *arena,
                               struct server **ret_server, struct slice *error);
/* Stop accepting, finish what is in flight, flush, free all. */
MUST_USE enum err server_stop(struct server *server, unsigned grace_seconds);

/* A check of a stopped store, told to whoever asked for it. */
struct server_check {
    struct store_check_order order;
    /* Is a check that was interrupted to go on, if it was begun with the same `repair`? Else
     * one begins anew. */
    bool goes_on;
    /* Now and then. */
    void (*progress)(void *context, const struct store_check_state *state, bool has_gone_on);
    /* When it has ended, each of what was found; `field` is "Patient.name", or empty. */
    void (*found)(void *context, const struct store_finding *finding, struct slice field);
    void *context;
};
struct server_check_result {
    struct slice datastore_id; /* in the arena */
    struct store_check_state state;
    struct slice damage; /* what opening found wrong of the index; empty: nothing */
};

/* Look whether everything in the folder of a stopped store agrees (store_check_start()),
 * with the data, public_url, zone_us, datastore_id and cache_bytes of *settings. Without
 * order.repair nothing is made or repaired; only the tail after a crash is derived, as
 * every start does, and where the check is is remembered. ERR_BUSY while a server has the
 * folder, ERR_NOT_FOUND without a store there, ERR_CORRUPT or
 * ERR_CONFLICT when the index cannot be opened or is of other rules. */
MUST_USE enum err server_check(const struct server_settings *settings,
                               const struct server_check *check, struct arena *arena,
                               struct server_check_result *ret, struct slice *error);

/* Texts live as long as the server. */
struct slice server_url(const struct server *server);          /* "http://127.0.0.1:8080" */
struct slice server_metrics_url(const struct server *server);  /* empty: no such listener */
struct slice server_datastore_id(const struct server *server); /* the default one */
struct slice server_root_path(const struct server *server);    /* the root key's file */
enum auth_root_origin server_root_origin(const struct server *server);

#endif
