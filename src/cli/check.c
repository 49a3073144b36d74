/* cli/check.c - `tarn check`: does everything in a store agree? */
#include "cli/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/date.h"
#include "cli/cli.h"
#include "json/json.h"
#include "os/clock.h"
#include "server/server.h"

enum { TEXTS_BYTES = 16 << 20, LINE_BYTES = 64 * 1024, TELL_EVERY_US = 500 * 1000,
       TELL_LINE_EVERY_US = 10 * 1000 * 1000 };

static const char about[] =
    "Look through a store: heads, versions, deaths, bodies, their hashes, every block of the\n"
    "index's files, and the index against the terms of every body, both ways. Of a stopped\n"
    "one with --data, in a served one with --url, which asks the server and waits. One line\n"
    "for each disagreement, `Type/id what`. A check that was interrupted goes on where it was.\n"
    "With --repair what is wrong of the index is derived again from the bodies; what is wrong\n"
    "of the truth is only named. Exits 0 only if all agrees, or was repaired.";

struct checking {
    const struct check_options *options;
    uint64_t disagreements, standing;
    int64_t told_us; /* when progress was last shown; 0: never */
    bool is_begun;
};

/* ---- progress ---- */

static void clear_progress(struct checking *c)
{
    if (c->options->is_terminal && c->told_us)
        fprintf(stderr, "\r\033[K");
    c->told_us = 0;
}

void check_progress_print(const struct check_options *o, const struct check_progress *p,
                          int64_t *told_us)
{
    int64_t now_us = os_monotonic_us();
    int64_t every_us = o->is_terminal ? TELL_EVERY_US : TELL_LINE_EVERY_US;
    if (o->is_quiet || (*told_us && now_us - *told_us < every_us))
        return;
    *told_us = now_us;
    fprintf(stderr, "%s%.*s %" PRIu64, o->is_terminal ? "\r\033[K" : "", SLICE_ARGS(p->phase),
            p->done);
    if (p->whole)
        fprintf(stderr, " of %" PRIu64, p->whole);
    fprintf(stderr, ", %" PRIu64 " findings", p->findings);
    if (p->per_second)
        fprintf(stderr, ", %" PRIu64 " a second", p->per_second);
    if (p->left_seconds >= 0)
        fprintf(stderr, ", %" PRId64 " s left", p->left_seconds);
    if (!o->is_terminal)
        fputc('\n', stderr);
    fflush(stderr);
}

static void look(void *context, const struct store_check_state *s, bool has_gone_on)
{
    struct checking *c = context;
    const struct check_progress p = {
        .phase = slice_cstr(store_check_phase_name(s->phase)),
        .done = s->done,
        .whole = s->whole,
        .findings = s->findings,
        .per_second = s->per_second,
        .left_seconds = s->left_us < 0 ? -1 : s->left_us / 1000000,
    };
    if (has_gone_on && !c->is_begun && !c->options->is_quiet)
        fprintf(stderr, "going on with check %" PRIu64 ", document %" PRIu64 " of %" PRIu64 "\n",
                s->number, s->checked, s->documents);
    c->is_begun = true;
    check_progress_print(c->options, &p, &c->told_us);
}

/* ---- findings ---- */

static void print_json_text(struct slice text)
{
    struct buf out;
    buf_init(&out, LINE_BYTES);
    json_write_string(&out, text);
    printf("%.*s", SLICE_ARGS(buf_slice(&out)));
    buf_release(&out);
}

static const char *state_name(uint8_t state)
{
    return state == STORE_FINDING_REPAIRED    ? "repaired"
           : state == STORE_FINDING_REPAIRING ? "repairing"
                                              : "stands";
}

static void print_finding_json(const struct checking *c, const struct store_finding *f,
                               struct slice field)
{
    printf("%s\n  {\"type\":", c->disagreements == 1 ? "" : ",");
    print_json_text(f->type);
    printf(",\"id\":");
    print_json_text(f->id);
    printf(",\"what\":");
    print_json_text(slice_cstr(store_finding_text(f->kind)));
    if (field.length) {
        printf(",\"parameter\":");
        print_json_text(field);
    }
    if (f->segment)
        printf(",\"segment\":%" PRIu64 ",\"documents\":[%" PRIu64 ",%" PRIu64 "]", f->segment,
               f->doc, f->last);
    else if (f->doc)
        printf(",\"version\":%" PRIu64 ",\"document\":%" PRIu64, f->version, f->doc);
    printf(",\"state\":\"%s\",\"remedy\":", state_name(f->state));
    print_json_text(slice_cstr(store_finding_remedy(f->kind)));
    putchar('}');
}

static void print_finding(void *context, const struct store_finding *f, struct slice field)
{
    struct checking *c = context;
    bool is_repaired = f->state == STORE_FINDING_REPAIRED;
    clear_progress(c);
    c->disagreements++;
    c->standing += !is_repaired;
    if (c->options->is_json) {
        print_finding_json(c, f, field);
        return;
    }
    printf("%.*s/%.*s %s", SLICE_ARGS(f->type.length ? f->type : SLICE("-")),
           SLICE_ARGS(f->id.length ? f->id : SLICE("-")), store_finding_text(f->kind));
    if (field.length)
        printf(": %.*s", SLICE_ARGS(field));
    if (f->segment)
        printf(": %012" PRIu64 ".seg, documents %" PRIu64 " to %" PRIu64, f->segment, f->doc,
               f->last);
    else if (f->doc)
        printf(" (version %" PRIu64 ", document %" PRIu64 ")", f->version, f->doc);
    if (is_repaired)
        printf(", repaired\n");
    else
        printf("; %s\n", store_finding_remedy(f->kind));
}

/* ---- a stopped store ---- */

static void print_end(const struct checking *c, const struct server_check_result *result,
                      enum err err, struct slice error)
{
    const struct store_check_state *s = &result->state;
    if (!c->options->is_json) {
        if (!err)
            printf("data store %.*s: %" PRIu64 " resources, %" PRIu64 " documents, %" PRIu64
                   " disagreements, %" PRIu64 " repaired\n",
                   SLICE_ARGS(result->datastore_id), s->resources, s->documents, s->findings,
                   s->repaired);
        return;
    }
    printf("],\n\"datastore\":");
    print_json_text(result->datastore_id);
    printf(",\"resources\":%" PRIu64 ",\"documents\":%" PRIu64 ",\"findings\":%" PRIu64
           ",\"repaired\":%" PRIu64 ",\"finished\":%s",
           s->resources, s->documents, s->findings, s->repaired, err ? "false" : "true");
    if (err) {
        printf(",\"error\":");
        print_json_text(error);
    }
    printf("}\n");
}

static int check_folder(const struct server_settings *settings, const struct check_options *o,
                        struct arena *arena)
{
    struct server_check_result result;
    struct slice error;
    struct checking c = { .options = o };
    const struct server_check check = { .order = { .repair = o->repair, .rate = o->rate },
                                        .goes_on = !o->is_fresh,
                                        .progress = look,
                                        .found = print_finding,
                                        .context = &c };
    if (o->is_json)
        printf("{\"disagreements\":[");
    enum err err = server_check(settings, &check, arena, &result, &error);
    clear_progress(&c);
    if (err && !error.length)
        error = slice_cstr(err_text(err));
    print_end(&c, &result, err, error);
    if (result.damage.length)
        fprintf(stderr, "tarn check: at opening: %.*s: written again from the bodies\n",
                SLICE_ARGS(result.damage));
    if (err)
        fprintf(stderr, "tarn check: %.*s\n", SLICE_ARGS(error));
    uint64_t standing = err ? 0 : result.state.findings - result.state.repaired;
    if (err == ERR_CONFLICT || err == ERR_CORRUPT || standing)
        fprintf(stderr, "docs/serve.md, \"tarn check\", says what to do\n");
    return err || standing ? 1 : 0;
}

/* ---- the verb ---- */

static int check_data(const struct check_options *o, const char *data, const char *public_url,
                      const char *time_zone, uint64_t cache)
{
    struct arena arena;
    struct server_settings settings = { .data = data,
                                        .datastore_id = slice_cstr(o->datastore_id),
                                        .public_url = slice_cstr(public_url),
                                        .cache_bytes = cache };
    if (!date_zone_parse(slice_cstr(time_zone), &settings.zone_us))
        return options_refuse("check", "--time-zone: '%s' is not Z, +hh:mm or -hh:mm", time_zone);
    arena_init(&arena, TEXTS_BYTES);
    int status = check_folder(&settings, o, &arena);
    arena_release(&arena);
    return status;
}

int cli_check(int argc, char **argv)
{
    const char *data = NULL, *public_url = NULL, *time_zone = "Z";
    uint64_t cache = 0;
    struct check_options o = { 0 };
    struct errand errand = { 0 };
    const struct option_row rows[] = {
        { "data", OPTION_TEXT, "DIR", NULL, "folder of a stopped store", &data },
        { "url", OPTION_TEXT, "URL", NULL, "a served one: https://HOST/datastore/ID/r4",
          &errand.endpoint },
        { "region", OPTION_TEXT, "NAME", NULL, "with --url, as is what follows: of the store",
          &errand.region },
        { "profile", OPTION_TEXT, "NAME", NULL,
          "an AWS profile; else AWS_ACCESS_KEY_ID and its like", &errand.profile },
        { "env-file", OPTION_TEXT, "FILE", NULL, "instead of .env", &errand.env_file },
        { "ca-file", OPTION_TEXT, "FILE", NULL, "certificates to trust instead of the system's",
          &errand.ca_file },
        { "repair", OPTION_SWITCH, NULL, NULL, "derive again what is wrong of the index",
          &o.repair },
        { "rate", OPTION_NUMBER, "N", NULL, "documents a second at most (default: no limit)",
          &o.rate },
        { "restart", OPTION_SWITCH, NULL, NULL, "begin anew where a check was interrupted",
          &o.is_fresh },
        { "datastore-id", OPTION_TEXT, "ID", NULL, "which data store (default: the folder's own)",
          &o.datastore_id },
        { "public-url", OPTION_TEXT, "URL", NULL, "as `tarn serve` had it: the index depends on it",
          &public_url },
        { "time-zone", OPTION_TEXT, "ZONE", NULL, "the same (default Z)", &time_zone },
        { "json", OPTION_SWITCH, NULL, NULL, "the result as one JSON object", &o.is_json },
        { "quiet", OPTION_SWITCH, NULL, NULL, "no progress", &o.is_quiet },
        { "cache", OPTION_BYTES, "BYTES", NULL, "memory for stored blocks", &cache },
        { 0 },
    };
    const struct option_usage usage = {
        .line = "tarn check --data DIR | --url URL [options]", .about = about, .rows = rows
    };
    size_t argument_count;
    int status = options_parse(&usage, argc, argv, &argument_count);
    if (status >= 0)
        return status;
    o.is_terminal = isatty(STDERR_FILENO);
    bool has_data = data && *data, has_url = errand.endpoint && *errand.endpoint;
    if (has_data == has_url)
        return options_refuse("check", has_url ? "--data or --url, not both"
                                               : "--data is missing: the folder of the store; or "
                                                 "--url of a served one");
    if (has_url)
        return check_url(&o, &errand);
    return check_data(&o, data, public_url, time_zone, cache);
}
