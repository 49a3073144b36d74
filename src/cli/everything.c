/* cli/everything.c - `tarn everything`: a user's whole record out of the store. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/errand.h"
#include "os/file.h"
#include "sync/sync.h"

enum { TEXTS_BYTES = 256 << 20 };

struct everything_options {
    struct errand errand;
    const char *user, *types, *format, *out;
    struct option_list consents, patients;
};

static const char about[] =
    "Fetch the whole record of a user, of consents or of Patients: for each consent the\n"
    "Patients that carry its tag, for each Patient $everything, every page followed, each\n"
    "resource once, as one Bundle. Settings come as for `tarn sync`.";

static int parse(struct everything_options *o, int argc, char **argv)
{
    const struct option_row rows[] = {
        { "user", OPTION_TEXT, "USER", NULL, "all consents of this user in --consents",
          &o->user },
        { "consent", OPTION_LIST, "ID", NULL, "a consent; may be given again", &o->consents },
        { "patient", OPTION_LIST, "ID", NULL, "a Patient; may be given again", &o->patients },
        { "type", OPTION_TEXT, "TYPES", NULL, "only these, as Coverage,Claim", &o->types },
        { "format", OPTION_TEXT, "FORMAT", NULL,
          "bundle (default), ndjson, or summary: a page to read", &o->format },
        { "out", OPTION_TEXT, "FILE", NULL, "mode 0600, replaced whole (default: stdout)",
          &o->out },
        ERRAND_ROWS(&o->errand),
        { 0 },
    };
    const struct option_usage usage = {
        .line = "tarn everything --user U --consents FILE | --consent ID | --patient ID",
        .about = about,
        .rows = rows,
    };
    size_t argument_count;
    return options_parse(&usage, argc, argv, &argument_count);
}

/* Ids as they may stand in a file of consents: of the user's lines. */
static int read_wanted(const struct everything_options *o, struct arena *arena,
                       struct sync_wanted *w)
{
    static const char *const formats[] = { "bundle", "ndjson", "summary" };
    struct sync_consent *lines = NULL;
    size_t line_count = 0;
    while (o->format && w->format <= SYNC_SUMMARY && strcmp(o->format, formats[w->format]) != 0)
        w->format++;
    if (w->format > SYNC_SUMMARY)
        return options_refuse("everything", "--format is bundle, ndjson or summary");
    if (o->user && !o->errand.consents)
        return options_refuse("everything", "--user needs --consents FILE");
    if (o->user) {
        int status = errand_consents("everything", &o->errand, arena, &lines, &line_count);
        if (status >= 0)
            return status;
    }
    struct slice *consents = arena_array(arena, o->consents.count + line_count, sizeof *consents);
    struct slice *patients = arena_array(arena, o->patients.count, sizeof *patients);
    if (!consents || !patients)
        return options_refuse("everything", "out of memory");
    for (size_t i = 0; i < o->consents.count; i++)
        consents[w->consent_count++] = slice_cstr(o->consents.items[i]);
    for (size_t i = 0; i < line_count; i++) {
        if (slice_is(lines[i].user, o->user) && lines[i].consent.length)
            consents[w->consent_count++] = lines[i].consent;
    }
    for (size_t i = 0; i < o->patients.count; i++)
        patients[w->patient_count++] = slice_cstr(o->patients.items[i]);
    w->consents = consents;
    w->patients = patients;
    w->types = slice_cstr(o->types ? o->types : "");
    if (w->consent_count + w->patient_count == 0)
        return options_refuse("everything", "whose? --user with --consents, --consent or "
                                            "--patient");
    return -1;
}

/* The finished file takes the old one's place only when all of it is there. */
static int run(const struct everything_options *o, const struct sync_settings *settings,
               struct sync_wanted *w, struct arena *arena)
{
    char beside[PATH_MAX];
    struct slice why;
    uint64_t count = 0;
    w->fd = STDOUT_FILENO;
    if (o->out) {
        int length = snprintf(beside, sizeof beside, "%s.new", o->out);
        if (length < 0 || (size_t)length >= sizeof beside)
            return options_refuse("everything", "--out is too long");
        w->fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (w->fd < 0)
            return options_refuse("everything", "%s: %s", beside, strerror(errno));
    }
    enum err err = sync_everything(settings, w, arena, &count, &why);
    if (o->out) {
        bool whole = !err && fsync(w->fd) == 0;
        whole = close(w->fd) == 0 && whole && rename(beside, o->out) == 0;
        if (!whole)
            unlink(beside);
        if (!whole && !err) {
            err = ERR_IO;
            why = slice_cstr(strerror(errno));
        }
    }
    if (err)
        fprintf(stderr, "tarn everything: %.*s\n", SLICE_ARGS(why));
    else if (o->out)
        printf("%llu resources in %s\n", (unsigned long long)count, o->out);
    return err ? 1 : 0;
}

int cli_everything(int argc, char **argv)
{
    struct everything_options o = { .user = NULL };
    struct sync_settings settings = { .batch = false };
    struct sync_wanted wanted = { .format = SYNC_BUNDLE };
    struct dotenv d;
    int status = parse(&o, argc, argv);
    if (status >= 0)
        return status;
    struct arena arena;
    arena_init(&arena, TEXTS_BYTES);
    status = errand_find("everything", &o.errand, &arena, &d, &settings);
    if (status < 0)
        status = read_wanted(&o, &arena, &wanted);
    if (status < 0)
        status = run(&o, &settings, &wanted, &arena);
    arena_release(&arena);
    return status;
}
