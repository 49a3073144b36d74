/* cli/sandbox.c - `tarn sandbox`: plays Flexpa until a signal ends it. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "os/file.h"
#include "os/signal.h"
#include "sandbox/sandbox.h"
#include "server/server.h"

static const size_t TEXTS_BYTES = (size_t)1 << 30; /* a million consents */

static const char about[] =
    "Play Flexpa over plain HTTP on loopback: made-up members, or recorded deliveries\n"
    "(--replay), one bearer token a consent. Prints `listening on URL` when it is\n"
    "ready. POST /sandbox/advance sends every consent's next update; src/sandbox/README.md\n"
    "has the rest, the faults among it.";

struct sandbox_options {
    const char *listen, *consents_file, *replay;
    bool ndjson;
    uint64_t seed, members, consents, years, size, syncing, retry_after;
    struct option_list faults;
};

static int parse(struct sandbox_options *o, int argc, char **argv)
{
    const struct option_row rows[] = {
        { "listen", OPTION_TEXT, "ADDR:PORT", NULL,
          "loopback address to listen on; port 0: any free one\n(default 127.0.0.1:8081)",
          &o->listen },
        { "consents-file", OPTION_TEXT, "FILE", NULL,
          "write `user, consent, token` lines, as `tarn sync\n--consents` reads them",
          &o->consents_file },
        { "seed", OPTION_NUMBER, "N", NULL, "of the made-up members (default 1)", &o->seed },
        { "members", OPTION_NUMBER, "N", NULL, "how many (default 2)", &o->members },
        { "consents", OPTION_NUMBER, "N", NULL, "of each member (default 3)", &o->consents },
        { "years", OPTION_NUMBER, "N", NULL, "of records (default 3)", &o->years },
        { "size", OPTION_BYTES, "BYTES", NULL,
          "about, of one consent's records, such as 16M\n(default 400K)", &o->size },
        { "replay", OPTION_TEXT, "DIR", NULL,
          "serve USER/PLAN/everything-N.json[.zst] with\nUSER/facts.json instead", &o->replay },
        { "syncing", OPTION_NUMBER, "N", NULL,
          "answer each consent's first N requests with 429\ntransient (default 0)", &o->syncing },
        { "retry-after", OPTION_NUMBER, "SECONDS", NULL, "what a 429 says (default 1)",
          &o->retry_after },
        { "fault", OPTION_LIST, "FAULT", NULL,
          "CONSENT:kind[=value]: spoil a consent's answers;\nCONSENT is an id, a number from 1 or "
          "'all'; may be\ngiven again",
          &o->faults },
        { "ndjson", OPTION_SWITCH, NULL, NULL,
          "serve nothing; write all resources to standard\noutput, one a line", &o->ndjson },
        { 0 },
    };
    const struct option_usage usage = {
        .line = "tarn sandbox [options]", .about = about, .rows = rows
    };
    size_t argument_count;
    return options_parse(&usage, argc, argv, &argument_count);
}

/* -1, or the exit status of wrong use. */
static int settings_make(const struct sandbox_options *o, struct arena *arena,
                         struct sandbox_settings *s)
{
    struct server_settings place = { 0 };
    if (!server_listen_parse(arena, slice_cstr(o->listen), &place))
        return options_refuse("sandbox", "--listen: '%s' is not ADDRESS:PORT such as "
                                         "127.0.0.1:8081",
                              o->listen);
    if (o->members > UINT32_MAX || o->consents > UINT32_MAX || o->years > UINT32_MAX ||
        o->syncing > UINT32_MAX || o->retry_after > UINT32_MAX)
        return options_refuse("sandbox", "a number is too large");
    *s = (struct sandbox_settings){ .address = place.address,
                                    .port = place.port,
                                    .seed = o->seed,
                                    .members = (uint32_t)o->members,
                                    .consents = (uint32_t)o->consents,
                                    .years = (uint32_t)o->years,
                                    .size_bytes = o->size,
                                    .replay = o->replay,
                                    .syncing = (uint32_t)o->syncing,
                                    .retry_seconds = (uint32_t)o->retry_after };
    return -1;
}

/* Tokens are secrets, if only of made-up records: mode 0600. */
static enum err write_consents(const struct sandbox *sandbox, const char *path)
{
    struct buf out;
    buf_init(&out, TEXTS_BYTES);
    buf_append_cstr(&out, "# user, consent, token\n");
    for (uint32_t i = 0; i < sandbox_consent_count(sandbox); i++) {
        struct sandbox_consent c = sandbox_consent_at(sandbox, i);
        buf_printf(&out, "%.*s, %.*s, %.*s\n", SLICE_ARGS(c.user), SLICE_ARGS(c.consent),
                   SLICE_ARGS(c.token));
    }
    enum err err = buf_status(&out);
    if (!err)
        err = os_file_replace(path, buf_slice(&out), 0600);
    buf_release(&out);
    return err;
}

enum { CONSENTS_SHOWN = 20 };

static void announce(const struct sandbox *sandbox, const struct sandbox_settings *settings)
{
    uint32_t count = sandbox_consent_count(sandbox);
    printf("%-12s %-36s  %s\n", "user", "consent", "token");
    for (uint32_t i = 0; i < count && i < CONSENTS_SHOWN; i++) {
        struct sandbox_consent c = sandbox_consent_at(sandbox, i);
        printf("%-12.*s %-36.*s  %.*s\n", SLICE_ARGS(c.user), SLICE_ARGS(c.consent),
               SLICE_ARGS(c.token));
    }
    if (count > CONSENTS_SHOWN)
        printf("... and %u more; --consents-file writes all\n", count - CONSENTS_SHOWN);
    bool six = slice_find_byte(slice_cstr(settings->address), ':') >= 0;
    printf("listening on http://%s%s%s:%u\n", six ? "[" : "", settings->address, six ? "]" : "",
           sandbox_port(sandbox));
    fflush(stdout);
}

static int fail(struct slice error)
{
    fprintf(stderr, "tarn sandbox: %.*s\n", SLICE_ARGS(error));
    return 1;
}

static int serve(const struct sandbox_options *o, const struct sandbox_settings *settings,
                 struct arena *arena)
{
    sigset_t signals;
    os_signals_block(&signals);
    struct sandbox *sandbox;
    struct slice error = SLICE("out of memory");
    if (sandbox_start(settings, arena, &sandbox, &error))
        return fail(error);
    int status = 0;
    for (size_t i = 0; i < o->faults.count && status == 0; i++)
        if (sandbox_fault(sandbox, slice_cstr(o->faults.items[i]), arena, &error))
            status = fail(error) + 1;
    if (status == 0 && o->consents_file && write_consents(sandbox, o->consents_file))
        status = fail(arena_printf(arena, "cannot write %s", o->consents_file));
    if (status == 0) {
        announce(sandbox, settings);
        os_signals_wait(&signals);
    }
    sandbox_stop(sandbox);
    return status;
}

static enum err write_line(void *context, struct slice type, struct slice id, struct slice text)
{
    (void)context, (void)type, (void)id;
    bool written = fwrite(text.bytes, 1, text.length, stdout) == text.length;
    return written && putchar('\n') == '\n' ? ERR_NONE : ERR_IO;
}

static int write_all(const struct sandbox_settings *settings)
{
    enum err err = sandbox_generate(settings, 1, write_line, NULL);
    if (!err && fflush(stdout))
        err = ERR_IO;
    return err ? fail(slice_cstr(err_text(err))) : 0;
}

int cli_sandbox(int argc, char **argv)
{
    struct sandbox_options o = { .listen = "127.0.0.1:8081",
                                 .seed = 1,
                                 .members = 2,
                                 .consents = 3,
                                 .years = 3,
                                 .size = 400 * 1024,
                                 .retry_after = 1 };
    int status = parse(&o, argc, argv);
    if (status >= 0)
        return status;
    struct arena arena;
    arena_init(&arena, TEXTS_BYTES);
    struct sandbox_settings settings;
    status = settings_make(&o, &arena, &settings);
    if (status < 0)
        status = o.ndjson ? write_all(&settings) : serve(&o, &settings, &arena);
    arena_release(&arena);
    return status;
}
