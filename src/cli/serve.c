/* cli/serve.c - `tarn serve`: a record store until a signal ends it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "base/log.h"
#include "base/url.h"
#include "cli/assume.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "os/heap.h"
#include "os/signal.h"
#include "server/server.h"

enum { TEXTS_BYTES = 16 << 20, GRACE_SECONDS = 30, ROWS = 64, LAG_MS_MAX = 3600 * 1000 };

/* As written on the command line. */
struct serve_options {
    const char *data, *listen, *datastore_id, *region, *account_id, *public_url, *behave, *s3_root,
        *s3_endpoint, *s3_region, *metrics_listen, *validation_level, *unknown_profiles;
    const char *rates, *access_log;
    struct option_list limits;
    bool no_auth, always_new_version, host_without_port, trust_bundles;
    struct option_list cors, history;
    struct server_history histories[OPTION_LIST_MAX];
    struct slice cors_origins[OPTION_LIST_MAX];
    uint64_t max_body, max_entries, max_bodies, cache, threads, create_delay;
    uint64_t search_lag, history_lag;
    const char *time_zone;
    uint64_t index_memory, merge_threads, disk_reserve;
};

static const char about[] =
    "Serve a FHIR R4 record store with the API of AWS HealthLake, until SIGTERM or\n"
    "SIGINT. Prints `listening on URL` and `data store ID URL` when it is ready.\n"
    "The root key is TARN_ROOT_ACCESS_KEY_ID and TARN_ROOT_SECRET_ACCESS_KEY, else the\n"
    "file root-key in the data folder, made at the first start.";

/* Those of validation, limits, lags and history, behind the others. */
static void add_more_rows(struct serve_options *o, struct option_row rows[ROWS])
{
    const struct option_row more[] = {
        { "validation-level", OPTION_TEXT, "LEVEL", NULL,
          "strict (default), structure-only, minimal or off: of\nwrites without the header "
          "x-amzn-healthlake-fhir-\nvalidation-level",
          &o->validation_level },
        { "unknown-profiles", OPTION_TEXT, "WHAT", NULL,
          "warn or error: what strict makes of a profile that no\npackage has (default by-use: "
          "an error once there is any\npackage, or when strict is asked for by name)",
          &o->unknown_profiles },
        { "max-body", OPTION_BYTES, "BYTES", NULL,
          "largest body of a request (default: the preset's,\nopen: 256M)", &o->max_body },
        { "max-entries", OPTION_NUMBER, "N", NULL,
          "most entries of a Bundle (default: the preset's,\nopen: no cap)", &o->max_entries },
        { "max-bodies-in-flight", OPTION_BYTES, "BYTES", NULL,
          "bodies of all clients together (default 512M)", &o->max_bodies },
        { "rates", OPTION_TEXT, "RATES", NULL,
          "none, healthlake, or NAME=N,... such as read=500\n(default: the preset's, open: none)",
          &o->rates },
        { "disk-reserve", OPTION_BYTES, "BYTES", NULL,
          "with less free on the disk writes are refused (507),\nso that what runs can end "
          "(default 64M)",
          &o->disk_reserve },
        { "history-horizon", OPTION_LIST, "TIME", NULL,
          "keep versions so long after they were superseded, as\n30d, 12h, 90m or none for ever "
          "(default); ID=30d is for\none data store",
          &o->history },
        { "limit", OPTION_LIST, "NAME=N", NULL, "set a limit of `tarn limits`", &o->limits },
        { "search-lag", OPTION_NUMBER, "MS", NULL,
          "searches see what is older than that, as of a server\nwhose index is behind; reads are "
          "current (default 0)",
          &o->search_lag },
        { "time-zone", OPTION_TEXT, "ZONE", NULL,
          "of dates without one, stored or asked: Z, +hh:mm or\n-hh:mm (default Z). A change makes "
          "the index anew",
          &o->time_zone },
        { "history-lag", OPTION_NUMBER, "MS", NULL, "the same of histories (default 0)",
          &o->history_lag },
    };
    size_t count = 0;
    while (rows[count].name)
        count++;
    CHECK(count + ARRAY_COUNT(more) < ROWS);
    memcpy(rows + count, more, sizeof more);
}

static int parse(struct serve_options *o, int argc, char **argv)
{
    struct option_row rows[ROWS] = {
        { "data", OPTION_TEXT, "DIR", NULL, "folder of the store; made if absent (required)",
          &o->data },
        { "listen", OPTION_TEXT, "ADDR:PORT", NULL,
          "address to listen on; port 0: any free one\n(default 127.0.0.1:8080)", &o->listen },
        { "no-auth", OPTION_SWITCH, NULL, NULL,
          "ask for no credentials; on loopback addresses only", &o->no_auth },
        { "datastore-id", OPTION_TEXT, "ID", NULL,
          "name of the data store, 32 letters or digits\n(default: the folder's, else made up)",
          &o->datastore_id },
        { "region", OPTION_TEXT, "NAME", "AWS_REGION",
          "what credential scopes and ARNs say\n(default us-east-1)", &o->region },
        { "account-id", OPTION_TEXT, "DIGITS", NULL,
          "the account that ARNs name (default 000000000000)", &o->account_id },
        { "public-url", OPTION_TEXT, "URL", NULL,
          "what links and fullUrls begin with\n(default: the request's Host)", &o->public_url },
        { "behave", OPTION_TEXT, "PRESET", NULL,
          "open (default), guide (15 MB bodies) or healthlake\n(its limits and its ways)",
          &o->behave },
        { "always-new-version", OPTION_SWITCH, NULL, NULL,
          "an update equal to the current version makes a\nversion too", &o->always_new_version },
        { "host-without-port", OPTION_SWITCH, NULL, NULL,
          "accept signatures over the Host without its port\nfrom everywhere (from loopback it is "
          "always so)",
          &o->host_without_port },
        { "create-delay", OPTION_NUMBER, "SECONDS", NULL,
          "how long a data store made by CreateFHIRDatastore\nsays CREATING, and UPDATING after a "
          "change of NLP or\nanalytics (default 0)",
          &o->create_delay },
        { "s3-root", OPTION_TEXT, "DIR", NULL,
          "import and export jobs find s3://bucket/key below it\n(default: no location is mapped)",
          &o->s3_root },
        { "s3-endpoint", OPTION_TEXT, "URL", NULL,
          "where other buckets of jobs are: an S3 endpoint, asked\nwith the credentials of the "
          "usual AWS variables or\nprofile (AWS_CA_BUNDLE: who is believed there)",
          &o->s3_endpoint },
        { "s3-region", OPTION_TEXT, "NAME", NULL, "the endpoint's region (default: --region)",
          &o->s3_region },
        { "trust-bundles", OPTION_SWITCH, NULL, NULL,
          "healthlake:ProcessBundle is enough for all entries of\na Bundle; else each takes its "
          "own action too",
          &o->trust_bundles },
        { "cors-origin", OPTION_LIST, "ORIGIN", NULL,
          "web pages of this origin may read answers; again for\nmore, * for all (default: none)",
          &o->cors },
        { "access-log", OPTION_TEXT, "FILE", NULL,
          "a line of JSON for each request; - is standard output\n(default: none)",
          &o->access_log },
        { "metrics-listen", OPTION_TEXT, "ADDR:PORT", NULL,
          "where GET /metrics is answered, without credentials\n(default: nowhere)",
          &o->metrics_listen },
        { "cache", OPTION_BYTES, "BYTES", NULL, "memory for stored blocks", &o->cache },
        { "index-memory", OPTION_BYTES, "BYTES", NULL,
          "memory for terms not yet in a segment (default 128M)", &o->index_memory },
        { "merge-threads", OPTION_NUMBER, "N", NULL,
          "threads that merge the index's segments (default 2)", &o->merge_threads },
        { "threads", OPTION_NUMBER, "N", NULL, "threads that answer requests", &o->threads },
    };
    add_more_rows(o, rows);
    const struct option_usage usage = { .line = "tarn serve --data DIR [options]",
                                        .about = about,
                                        .rows = rows };
    size_t argument_count;
    return options_parse(&usage, argc, argv, &argument_count);
}

static bool preset_find(const char *name, struct rest_behaviour *ret)
{
    const struct rest_behaviour presets[] = { rest_behaviour_open(), rest_behaviour_guide(),
                                              rest_behaviour_healthlake() };
    for (size_t i = 0; i < ARRAY_COUNT(presets); i++) {
        if (strcmp(presets[i].name, name) == 0) {
            *ret = presets[i];
            return true;
        }
    }
    return false;
}

static int metrics_make(const struct serve_options *o, struct arena *arena,
                        struct server_settings *s)
{
    struct server_settings metrics = { .port = 0 };
    if (!o->metrics_listen)
        return -1;
    if (!server_listen_parse(arena, slice_cstr(o->metrics_listen), &metrics) || !metrics.address)
        return options_refuse("serve",
                              "--metrics-listen: '%s' is not ADDRESS:PORT such as 127.0.0.1:9090",
                              o->metrics_listen);
    s->metrics_address = metrics.address;
    s->metrics_port = metrics.port;
    return -1;
}

static bool level_find(const char *name, enum rest_level *ret)
{
    if (!name)
        return true;
    if (strcmp(name, "off") != 0)
        return rest_level_find(slice_cstr(name), ret);
    *ret = REST_UNCHECKED;
    return true;
}

/* The preset's, then what the flags say, --limit last. */
static int limits_make(const struct serve_options *o, struct limits *limits)
{
    if (o->max_entries > INT32_MAX)
        return options_refuse("serve", "--max-entries is too large");
    if (o->max_body > SIZE_MAX / 64 || o->max_bodies > SIZE_MAX / 64)
        return options_refuse("serve", "--max-body or --max-bodies-in-flight is too large");
    if (o->max_body) { /* what the preset says about parts no longer holds */
        limits->body_bytes = o->max_body;
        limits->resource_bytes = limits->bundle_bytes = 0;
    }
    if (o->max_entries)
        limits->transaction_entries = limits->batch_entries = limits->async_entries =
            o->max_entries;
    if (o->max_bodies)
        limits->bodies_bytes = o->max_bodies;
    if (o->rates && !limits_set_rates(limits, slice_cstr(o->rates)))
        return options_refuse("serve",
                              "--rates: '%s' is neither none nor healthlake nor NAME=N,... with "
                              "names of `tarn limits`",
                              o->rates);
    for (size_t i = 0; i < o->limits.count; i++)
        if (!limits_set(limits, slice_cstr(o->limits.items[i])))
            return options_refuse(
                "serve",
                "--limit: '%s' is not NAME=N with a name that `tarn limits` lists "
                "as one to set",
                o->limits.items[i]);
    return -1;
}

static int lags_make(const struct serve_options *o, struct rest_behaviour *b)
{
    if (o->search_lag > LAG_MS_MAX || o->history_lag > LAG_MS_MAX)
        return options_refuse("serve",
                              "--search-lag and --history-lag are at most an hour, 3600000");
    b->search_lag_ms = (uint32_t)o->search_lag;
    b->history_lag_ms = (uint32_t)o->history_lag;
    return -1;
}

static int histories_make(struct serve_options *o, struct server_settings *s)
{
    for (size_t i = 0; i < o->history.count; i++)
        if (!server_history_parse(slice_cstr(o->history.items[i]), &o->histories[i]))
            return options_refuse("serve",
                                  "--history-horizon: '%s' is neither none nor a number with s, "
                                  "m, h or d, nor one of them behind a data store's id and =",
                                  o->history.items[i]);
    s->histories = o->histories;
    s->history_count = o->history.count;
    return -1;
}

/* -1, or the exit status of wrong use. */
static int settings_make(struct serve_options *o, struct arena *arena, struct server_settings *s)
{
    if (!o->data || !*o->data)
        return options_refuse("serve", "--data is missing: the folder of the store");
    if (!server_listen_parse(arena, slice_cstr(o->listen), s))
        return options_refuse("serve", "--listen: '%s' is not ADDRESS:PORT such as 127.0.0.1:8080",
                              o->listen);
    if (!preset_find(o->behave, &s->behaviour))
        return options_refuse("serve", "--behave: '%s' is none of open, guide, healthlake",
                              o->behave);
    if (!level_find(o->validation_level, &s->level))
        return options_refuse("serve",
                              "--validation-level: '%s' is none of strict, structure-only, "
                              "minimal, off",
                              o->validation_level);
    if (o->unknown_profiles &&
        !rest_unknown_find(slice_cstr(o->unknown_profiles), &s->unknown_profiles))
        return options_refuse("serve", "--unknown-profiles: '%s' is none of by-use, warn, error",
                              o->unknown_profiles);
    if (o->threads > 1024)
        return options_refuse("serve", "--threads is at most 1024");
    if (o->merge_threads > 8)
        return options_refuse("serve", "--merge-threads is at most 8");
    if (o->index_memory && o->index_memory < (uint64_t)1 << 20)
        return options_refuse("serve", "--index-memory is at least 1M");
    if (o->create_delay > 24 * 3600)
        return options_refuse("serve", "--create-delay is at most a day, 86400");
    int status = histories_make(o, s);
    if (status < 0)
        status = limits_make(o, &s->behaviour.limits);
    if (status < 0)
        status = lags_make(o, &s->behaviour);
    if (status >= 0)
        return status;
    s->behaviour.always_new_version = s->behaviour.always_new_version || o->always_new_version;
    if (!date_zone_parse(slice_cstr(o->time_zone), &s->zone_us))
        return options_refuse("serve", "--time-zone: '%s' is not Z, +hh:mm or -hh:mm",
                              o->time_zone);
    s->data = o->data;
    s->no_auth = o->no_auth;
    s->host_without_port = o->host_without_port;
    s->trusts_bundles = o->trust_bundles;
    s->datastore_id = slice_cstr(o->datastore_id);
    s->region = slice_cstr(o->region);
    s->account_id = slice_cstr(o->account_id);
    s->public_url = slice_cstr(o->public_url);
    s->software_version = SLICE(TARN_VERSION);
    s->cache_bytes = o->cache;
    s->index_bytes = o->index_memory;
    s->disk_reserve_bytes = o->disk_reserve;
    s->merge_threads = (uint32_t)o->merge_threads;
    s->threads = (unsigned)o->threads;
    s->s3_root = o->s3_root;
    s->access_log = o->access_log;
    for (size_t i = 0; i < o->cors.count; i++)
        o->cors_origins[i] = slice_cstr(o->cors.items[i]);
    s->cors_origins = o->cors_origins;
    s->cors_origin_count = o->cors.count;
    s->create_delay_seconds = (uint32_t)o->create_delay;
    return -1;
}

static enum err s3_credentials(void *context, struct arena *arena, struct aws_credentials *ret,
                               struct slice *ret_text)
{
    struct slice region;
    (void)context;
    return aws_credentials_resolve(arena, NULL, cli_assume, NULL, ret, &region, ret_text);
}

/* -1, or the exit status: what the S3 endpoint is and who asks there. */
static int s3_make(const struct serve_options *o, struct arena *arena, struct server_settings *s)
{
    struct url url;
    struct aws_credentials now;
    struct slice why = SLICE_NONE;
    if (!o->s3_endpoint)
        return o->s3_region ? options_refuse("serve", "--s3-region needs --s3-endpoint") : -1;
    s->s3.endpoint = slice_cstr(o->s3_endpoint);
    s->s3.region = slice_cstr(o->s3_region);
    const char *ca_file = getenv("AWS_CA_BUNDLE");
    s->s3.ca_file = ca_file && *ca_file ? ca_file : NULL;
    if (!url_parse(s->s3.endpoint, &url) || url.query.bytes)
        return options_refuse("serve", "--s3-endpoint: '%s' is no http or https URL",
                              o->s3_endpoint);
    s->s3.find_credentials = s3_credentials;
    if (s3_credentials(NULL, arena, &now, &why) == ERR_NONE)
        return -1;
    return options_refuse("serve", "--s3-endpoint: %.*s", SLICE_ARGS(why));
}

static void announce(const struct server *server)
{
    struct slice url = server_url(server), id = server_datastore_id(server);
    struct slice path = server_root_path(server);
    if (path.length && server_root_origin(server) == AUTH_ROOT_MADE)
        printf("made a root key: %.*s\n", SLICE_ARGS(path));
    printf("listening on %.*s\n", SLICE_ARGS(url));
    if (server_metrics_url(server).length)
        printf("metrics on %.*s\n", SLICE_ARGS(server_metrics_url(server)));
    printf("data store %.*s %.*s/datastore/%.*s/r4/\n", SLICE_ARGS(id), SLICE_ARGS(url),
           SLICE_ARGS(id));
    fflush(stdout);
}

static int serve(const struct server_settings *settings, struct arena *arena)
{
    sigset_t signals;
    os_signals_block(&signals);
    struct server *server;
    struct slice error;
    if (server_start(settings, arena, &server, &error)) {
        fprintf(stderr, "tarn serve: %.*s\n", SLICE_ARGS(error));
        return 1;
    }
    announce(server);
    os_signals_wait(&signals);
    enum err err = server_stop(server, GRACE_SECONDS);
    if (err)
        fprintf(stderr, "tarn serve: the store did not close cleanly: %s\n", err_text(err));
    return err ? 1 : 0;
}

int cli_serve(int argc, char **argv)
{
    struct serve_options o = { .disk_reserve = 64 << 20,
                               .listen = "127.0.0.1:8080",
                               .region = "us-east-1",
                               .account_id = "000000000000",
                               .behave = "open",
                               .time_zone = "Z" };
    int status = parse(&o, argc, argv);
    if (status >= 0)
        return status;
    os_heap_settle();
    struct arena arena;
    arena_init(&arena, TEXTS_BYTES);
    struct server_settings settings = { 0 };
    status = settings_make(&o, &arena, &settings);
    if (status < 0)
        status = metrics_make(&o, &arena, &settings);
    if (status < 0)
        status = s3_make(&o, &arena, &settings);
    if (status < 0)
        status = serve(&settings, &arena);
    arena_release(&arena);
    return status;
}
