/* cli/check.c - `tarn check`: does everything in a stopped store agree? */
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/date.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "json/json.h"
#include "os/clock.h"
#include "server/server.h"

enum { TEXTS_BYTES = 16 << 20, LINE_BYTES = 64 * 1024, TELL_EVERY_US = 500 * 1000 };

static const char about[] =
    "Look through a stopped store: heads, versions, bodies, their hashes, and the index\n"
    "against the terms of every body. Repairs nothing. One line for each disagreement,\n"
    "`Type/id what`. Exits 0 only if all agrees.";

struct checking {
    bool is_json, is_terminal;
    uint64_t disagreements;
    int64_t told_us; /* when progress was last shown */
};

static void clear_progress(struct checking *c)
{
    if (c->is_terminal && c->told_us)
        fprintf(stderr, "\r\033[K");
    c->told_us = 0;
}

static void print_progress(void *context, const char *what, uint64_t done, uint64_t whole)
{
    struct checking *c = context;
    int64_t now_us = os_monotonic_us();
    if (!c->is_terminal || now_us - c->told_us < TELL_EVERY_US)
        return;
    c->told_us = now_us;
    fprintf(stderr, "\r\033[K%s %llu", what, (unsigned long long)done);
    if (whole)
        fprintf(stderr, " of %llu", (unsigned long long)whole);
    fflush(stderr);
}

static void print_json_text(struct slice text)
{
    struct buf out;
    buf_init(&out, LINE_BYTES);
    json_write_string(&out, text);
    printf("%.*s", SLICE_ARGS(buf_slice(&out)));
    buf_release(&out);
}

static void print_disagreement(void *context, const char *what, struct slice type, struct slice id)
{
    struct checking *c = context;
    clear_progress(c);
    c->disagreements++;
    if (!c->is_json) {
        printf("%.*s/%.*s %s\n", SLICE_ARGS(type.length ? type : SLICE("-")),
               SLICE_ARGS(id.length ? id : SLICE("-")), what);
        return;
    }
    printf("%s\n  {\"type\":", c->disagreements == 1 ? "" : ",");
    print_json_text(type);
    printf(",\"id\":");
    print_json_text(id);
    printf(",\"what\":");
    print_json_text(slice_cstr(what));
    putchar('}');
}

static void print_end(const struct checking *c, const struct server_check_result *result,
                      enum err err, struct slice error)
{
    unsigned long long resources = result->resources, documents = result->documents;
    if (!c->is_json) {
        if (!err)
            printf("data store %.*s: %llu resources, %llu documents, %llu disagreements\n",
                   SLICE_ARGS(result->datastore_id), resources, documents,
                   (unsigned long long)c->disagreements);
        return;
    }
    printf("],\n\"datastore\":");
    print_json_text(result->datastore_id);
    printf(",\"resources\":%llu,\"documents\":%llu,\"finished\":%s", resources, documents,
           err ? "false" : "true");
    if (err) {
        printf(",\"error\":");
        print_json_text(error);
    }
    printf("}\n");
}

static int check(const struct server_settings *settings, struct checking *c, struct arena *arena)
{
    struct server_check_result result;
    struct slice error;
    if (c->is_json)
        printf("{\"disagreements\":[");
    enum err err = server_check(settings, arena, print_disagreement, print_progress, c, &result,
                                &error);
    clear_progress(c);
    if (err && !error.length)
        error = slice_cstr(err_text(err));
    print_end(c, &result, err, error);
    if (err)
        fprintf(stderr, "tarn check: %.*s\n", SLICE_ARGS(error));
    if (err == ERR_CONFLICT || err == ERR_CORRUPT || (!err && c->disagreements))
        fprintf(stderr, "docs/serve.md, \"tarn check\", says what to do\n");
    return err || c->disagreements ? 1 : 0;
}

int cli_check(int argc, char **argv)
{
    const char *data = NULL, *datastore_id = NULL, *public_url = NULL, *time_zone = "Z";
    bool is_json = false, is_quiet = false;
    uint64_t cache = 0;
    const struct option_row rows[] = {
        { "data", OPTION_TEXT, "DIR", NULL, "folder of the store (required)", &data },
        { "datastore-id", OPTION_TEXT, "ID", NULL, "which data store (default: the folder's own)",
          &datastore_id },
        { "public-url", OPTION_TEXT, "URL", NULL, "as `tarn serve` had it: the index depends on it",
          &public_url },
        { "time-zone", OPTION_TEXT, "ZONE", NULL, "the same (default Z)", &time_zone },
        { "json", OPTION_SWITCH, NULL, NULL, "the result as one JSON object", &is_json },
        { "quiet", OPTION_SWITCH, NULL, NULL, "no progress on a terminal either", &is_quiet },
        { "cache", OPTION_BYTES, "BYTES", NULL, "memory for stored blocks", &cache },
        { 0 },
    };
    const struct option_usage usage = {
        .line = "tarn check --data DIR [options]", .about = about, .rows = rows
    };
    size_t argument_count;
    int status = options_parse(&usage, argc, argv, &argument_count);
    if (status >= 0)
        return status;
    if (!data || !*data)
        return options_refuse("check", "--data is missing: the folder of the store");
    struct server_settings settings = { .data = data,
                                        .datastore_id = slice_cstr(datastore_id),
                                        .public_url = slice_cstr(public_url),
                                        .cache_bytes = cache };
    if (!date_zone_parse(slice_cstr(time_zone), &settings.zone_us))
        return options_refuse("check", "--time-zone: '%s' is not Z, +hh:mm or -hh:mm", time_zone);
    struct checking c = { .is_json = is_json, .is_terminal = !is_quiet && isatty(STDERR_FILENO) };
    struct arena arena;
    arena_init(&arena, TEXTS_BYTES);
    status = check(&settings, &c, &arena);
    arena_release(&arena);
    return status;
}
