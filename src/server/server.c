#include "server/server.h"

#include <stdlib.h>

#include "base/log.h"
#include "control/control.h"
#include "http/http.h"
#include "server/folder.h"
#include "server/handler.h"
#include "server/metrics.h"
#include "server/opener.h"
#include "server/refuse.h"
#include "server/scrape.h"

static const size_t MEGABYTE = (size_t)1 << 20;

enum {
    TEXTS_BYTES = 1 << 20,
    HEADER_BYTES = 64 * 1024,
};

struct server {
    struct arena arena; /* texts and settings */
    struct server_settings settings;
    struct folder folder;
    struct aws_credentials root;
    enum auth_root_origin root_origin;
    struct slice root_path;
    struct opener opener;
    struct handling handling;
    struct metrics metrics;
    struct scrape scrape;
    struct http_server *http, *metrics_http;
    struct rates *rates;
    struct slice url, metrics_url;
};

/* ---- settings ---- */

static enum err refuse(struct slice *error, enum err err, const char *text)
{
    *error = slice_cstr(text);
    return err;
}

static bool is_all_digits(struct slice s, size_t length)
{
    for (size_t i = 0; i < s.length; i++) {
        if (s.bytes[i] < '0' || s.bytes[i] > '9')
            return false;
    }
    return s.length == length;
}

/* It goes into ARNs as it stands. */
static bool is_region(struct slice s)
{
    for (size_t i = 0; i < s.length; i++) {
        char c = s.bytes[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '-')
            return false;
    }
    return s.length > 0 && s.length <= 64;
}

static enum err settings_check(const struct server_settings *s, struct slice *error)
{
    if (s->no_auth && !server_is_loopback(s->address))
        return refuse(error, ERR_INVALID,
                      "--no-auth would let everyone on the network read and write; it needs a "
                      "loopback address: --listen 127.0.0.1:8080");
    if (s->account_id.length && !is_all_digits(s->account_id, 12))
        return refuse(error, ERR_INVALID, "--account-id must be 12 digits");
    if (!is_region(s->region))
        return refuse(error, ERR_INVALID, "--region must be letters, digits and hyphens");
    for (size_t i = 0; i < s->cors_origin_count; i++) {
        if (!cors_is_origin(s->cors_origins[i]))
            return refuse(error, ERR_INVALID,
                          "--cors-origin must be * or scheme://host[:port], as browsers send it");
        if (s->no_auth && slice_is(s->cors_origins[i], "*"))
            return refuse(error, ERR_INVALID,
                          "--no-auth with --cors-origin '*' would let every web page that is "
                          "visited on this machine read and write; name the page's origin");
    }
    bool is_url = slice_starts_with(s->public_url, SLICE("http://")) ||
                  slice_starts_with(s->public_url, SLICE("https://"));
    if (s->public_url.length && !is_url)
        return refuse(error, ERR_INVALID, "--public-url must begin with http:// or https://");
    return ERR_NONE;
}

static bool origins_copy(struct arena *arena, struct cors *cors, const struct slice *origins,
                         size_t count)
{
    struct slice *copies = arena_array(arena, count, sizeof *copies);
    for (size_t i = 0; copies && i < count; i++) {
        char *copy = arena_copy(arena, origins[i]);
        if (!copy)
            return false;
        copies[i] = slice_of(copy, origins[i].length);
    }
    *cors = (struct cors){ .origins = copies, .count = count };
    return copies != NULL;
}

static bool copy_text(struct arena *arena, struct slice *text)
{
    text->bytes = arena_copy(arena, *text);
    return text->bytes != NULL;
}

/* The server outlives what its settings point into. */
static enum err settings_copy(struct server *server, const struct server_settings *settings)
{
    server->settings = *settings;
    struct server_settings *s = &server->settings;
    while (slice_ends_with(s->public_url, SLICE("/")))
        s->public_url.length--;
    struct arena *a = &server->arena;
    s->address = arena_copy(a, slice_cstr(s->address));
    s->data = arena_copy(a, slice_cstr(s->data));
    if (s->s3_root)
        s->s3_root = arena_copy(a, slice_cstr(s->s3_root));
    if (s->access_log)
        s->access_log = arena_copy(a, slice_cstr(s->access_log));
    if (s->metrics_address)
        s->metrics_address = arena_copy(a, slice_cstr(s->metrics_address));
    if (s->s3.ca_file)
        s->s3.ca_file = arena_copy(a, slice_cstr(s->s3.ca_file));
    bool copied = s->address && s->data && (s->metrics_address || !settings->metrics_address) &&
                  (s->s3_root || !settings->s3_root) && (s->access_log || !settings->access_log) &&
                  (s->s3.ca_file || !settings->s3.ca_file) &&
                  copy_text(a, &s->datastore_id) && copy_text(a, &s->region) &&
                  copy_text(a, &s->account_id) && copy_text(a, &s->public_url) &&
                  copy_text(a, &s->software_version) && copy_text(a, &s->s3.endpoint) &&
                  copy_text(a, &s->s3.region) &&
                  origins_copy(a, &server->handling.cors, settings->cors_origins,
                               settings->cors_origin_count);
    return copied ? ERR_NONE : ERR_NO_MEMORY;
}

/* ---- the parts, in the order in which they need each other ---- */

static struct slice account_of(const struct server_settings *s)
{
    return s->account_id.length ? s->account_id : SLICE("000000000000");
}

static void report(void *context, struct slice text)
{
    (void)context;
    log_line(LOG_ERROR, "auth", "%.*s; what was read before stays in force", SLICE_ARGS(text));
}

static enum err open_auth(struct server *server, struct slice *error)
{
    const struct server_settings *s = &server->settings;
    if (!s->no_auth)
        TRY(auth_root_find(server->folder.path, true, &server->arena, &server->root,
                           &server->root_origin, &server->root_path, error));
    struct auth_settings settings = {
        .region = s->region,
        .service = SLICE("healthlake"),
        .account_id = account_of(s),
        .root = server->root,
        .folder = server->folder.path,
        .report = report,
        .refuse = refuse_credentials,
        .no_auth = s->no_auth,
        .origins = server->handling.cors.origins,
        .origin_count = server->handling.cors.count,
        .host_without_port = s->host_without_port,
    };
    server->handling.access = (struct access_settings){ .region = s->region,
                                                        .account_id = account_of(s),
                                                        .trusts_bundles = s->trusts_bundles,
                                                        .rates = server->rates };
    return auth_open_with(&settings, &server->arena, &server->handling.auth, error);
}

static enum err open_control(struct server *server, struct arena *arena, struct slice *error)
{
    const struct server_settings *s = &server->settings;
    struct control_settings settings = {
        .folder = server->folder.path,
        .region = s->region,
        .account_id = account_of(s),
        .public_url = s->public_url,
        .default_id = server->folder.datastore_id,
        .opener = { .context = &server->opener, .open = opener_open, .close = opener_close },
        .create_delay_seconds = s->create_delay_seconds,
        .s3_root = s->s3_root,
        .datastores_max = (uint32_t)s->behaviour.limits.datastores,
        .s3 = s->s3,
    };
    if (!settings.s3.region.length)
        settings.s3.region = s->region;
    TRY(control_open(&settings, arena, &server->handling.control, error));
    server->handling.access.control = server->handling.control;
    return ERR_NONE;
}

/* The packages of the folder, for all data stores, and the codes that they know. */
static enum err open_profiles(struct server *server, struct arena *arena, struct slice *error)
{
    struct opener *o = &server->opener;
    struct slice folder = arena_printf(arena, "%s/packages", server->folder.path);
    uint32_t damaged = 0;
    o->settings = &server->settings;
    if (!folder.bytes)
        return ERR_NO_MEMORY;
    enum err err = profile_home_open(folder.bytes, &o->profiles, &damaged);
    if (err) {
        *error = arena_printf(arena, "%s: %s", folder.bytes, err_text(err));
        return err;
    }
    if (damaged > 0)
        log_line(LOG_ERROR, "profile",
                 "%u packages in %s are damaged or of another Tarn and left out: `tarn package "
                 "add` them again",
                 damaged, folder.bytes);
    return ERR_NONE;
}

static enum err start_http(struct server *server, const struct http_server_settings *settings,
                           struct arena *arena, struct http_server **ret_http,
                           struct slice *ret_url, struct slice *error)
{
    enum err err = http_server_start(settings, arena, ret_http, error);
    if (err) {
        *error = arena_printf(arena, "cannot listen on %s port %u: %.*s", settings->address,
                              settings->port,
                              SLICE_ARGS(error->length ? *error : slice_cstr(err_text(err))));
        return err;
    }
    bool is_six = slice_find_byte(slice_cstr(settings->address), ':') >= 0;
    *ret_url = arena_printf(&server->arena, is_six ? "http://[%s]:%u" : "http://%s:%u",
                            settings->address, http_server_port(*ret_http));
    return ret_url->bytes ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err open_http(struct server *server, struct arena *arena, struct slice *error)
{
    const struct server_settings *s = &server->settings;
    const struct limits *limits = &s->behaviour.limits;
    server->handling.arena_bytes = 256 * MEGABYTE + 12 * s->behaviour.limits.body_bytes;
    struct http_server_settings settings = {
        .address = s->address,
        .port = s->port,
        .pool_threads = s->threads,
        .body_bytes = limits->body_bytes,
        .bodies_in_flight_bytes = MAX(limits->bodies_bytes, limits->body_bytes),
        .header_bytes = limits->head_bytes,
        .arena_bytes = server->handling.arena_bytes,
        .connections = (unsigned)limits->connections,
        .idle_seconds = (unsigned)limits->idle_seconds,
        .handler = { .context = &server->handling,
                     .begin = handler_begin,
                     .handle = handler_handle,
                     .refuse = handler_refuse,
                     .done = handler_done },
    };
    return start_http(server, &settings, arena, &server->http, &server->url, error);
}

/* Nobody gets at it over the data port, whatever their credentials. */
static enum err open_metrics(struct server *server, struct arena *arena, struct slice *error)
{
    const struct server_settings *s = &server->settings;
    if (!s->metrics_address)
        return ERR_NONE;
    server->scrape = (struct scrape){
        .metrics = &server->metrics,
        .control = server->handling.control,
        .stores_path = server->folder.stores_path,
        .http = server->http,
    };
    struct http_server_settings settings = {
        .address = s->metrics_address,
        .port = s->metrics_port,
        .loop_threads = 1,
        .pool_threads = 1,
        .body_bytes = SCRAPE_BODY_BYTES,
        .header_bytes = HEADER_BYTES,
        .arena_bytes = MEGABYTE,
        .connections = SCRAPE_CONNECTIONS,
        .handler = { .context = &server->scrape, .handle = scrape_handle },
    };
    TRY(start_http(server, &settings, arena, &server->metrics_http, &server->metrics_url, error));
    server->metrics_url =
        arena_printf(&server->arena, "%.*s/metrics", SLICE_ARGS(server->metrics_url));
    return server->metrics_url.bytes ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err server_steps(struct server *server, struct arena *arena, struct slice *error)
{
    struct slice wanted_id = server->settings.datastore_id;
    TRY(folder_open(&server->folder, server->settings.data, wanted_id, &server->arena, error));
    TRY(rates_open(&server->settings.behaviour.limits, &server->rates));
    TRY(open_auth(server, error));
    TRY(open_profiles(server, arena, error));
    TRY(open_control(server, arena, error));
    if (server->settings.access_log)
        TRY(access_log_open(server->settings.access_log, arena, &server->handling.log, error));
    TRY(open_http(server, arena, error));
    return open_metrics(server, arena, error);
}

/* ---- birth and death ---- */

/* Frees whatever is there; the store reports what flushing lost. */
static enum err server_free(struct server *server)
{
    enum err err = control_close(server->handling.control);
    auth_close(server->handling.auth);
    profile_home_close(server->opener.profiles);
    rates_close(server->rates);
    access_log_close(server->handling.log);
    folder_close(&server->folder);
    arena_release(&server->arena);
    free(server);
    return err;
}

enum err server_start(const struct server_settings *settings, struct arena *arena,
                      struct server **ret_server, struct slice *error)
{
    *error = SLICE_NONE;
    TRY(settings_check(settings, error));
    /* Lives until server_stop(), longer than any arena of its caller need. */
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        return refuse(error, ERR_NO_MEMORY, "out of memory");
    server->folder.lock = -1;
    arena_init(&server->arena, TEXTS_BYTES);
    metrics_init(&server->metrics);
    server->handling.metrics = &server->metrics;
    enum err err = settings_copy(server, settings);
    if (!err)
        err = server_steps(server, arena, error);
    if (!err) {
        *ret_server = server;
        return ERR_NONE;
    }
    /* Texts of the steps may lie in the server's own arena. */
    *error =
        arena_printf(arena, "%.*s", SLICE_ARGS(error->length ? *error : slice_cstr(err_text(err))));
    if (server->metrics_http)
        http_server_stop(server->metrics_http, 0);
    if (server->http)
        http_server_stop(server->http, 0);
    enum err ignored = server_free(server);
    (void)ignored; /* the first error is the one to tell */
    return err;
}

enum err server_stop(struct server *server, unsigned grace_seconds)
{
    if (server->metrics_http)
        http_server_stop(server->metrics_http, 0);
    http_server_stop(server->http, grace_seconds);
    return server_free(server);
}

struct slice server_url(const struct server *server)
{
    return server->url;
}

struct slice server_metrics_url(const struct server *server)
{
    return server->metrics_url;
}

struct slice server_datastore_id(const struct server *server)
{
    return server->folder.datastore_id;
}

struct slice server_root_path(const struct server *server)
{
    return server->root_path;
}

enum auth_root_origin server_root_origin(const struct server *server)
{
    return server->root_origin;
}
