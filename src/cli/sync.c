/* cli/sync.c - `tarn sync`: members' records from Flexpa into a store. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/errand.h"
#include "sync/sync.h"

enum { TEXTS_BYTES = 256 << 20, OUTPUT_BYTES = 1 << 30 };

/* Of a number whose 0 would be a mistake. */
#define UNSET UINT64_MAX

struct sync_options {
    struct errand errand;
    const char *flexpa_base, *token, *user, *target, *bundle, *validation_level, *state;
    bool compare, dry_run, check, json;
    uint64_t max_entries, max_bytes, tries, wait;
};

static const char about[] =
    "Bring each consent's record from Flexpa into the store: ask for $everything, wait\n"
    "while it is gathered, take every page, strip what is not R4, send it as PUTs with\n"
    "Flexpa's ids, and account for every entry of every answer. Running it again makes\n"
    "no duplicates. Exit status 0 only if every entry is stored.\n"
    "Settings also come from the environment and from .env, under the guide's names:\n"
    "HEALTHLAKE_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,\n"
    "AWS_SESSION_TOKEN, FLEXPA_API_BASE, FLEXPA_ACCESS_TOKEN.";

static int parse(struct sync_options *o, int argc, char **argv)
{
    const struct option_row rows[] = {
        ERRAND_ROWS(&o->errand),
        { "flexpa-base", OPTION_TEXT, "URL", NULL,
          "the source (FLEXPA_API_BASE, https://api.flexpa.com)", &o->flexpa_base },
        { "token", OPTION_TEXT, "TOKEN", NULL,
          "one access token instead of --consents (others on this\nmachine can see it; "
          "FLEXPA_ACCESS_TOKEN is better)",
          &o->token },
        { "user", OPTION_TEXT, "USER", NULL, "of the consents only this user's", &o->user },
        { "target", OPTION_TEXT, "KIND", NULL,
          "healthlake, tarn or fhir: limits and meaning of answers\n(default: found out)",
          &o->target },
        { "bundle", OPTION_TEXT, "KIND", NULL, "transaction (default) or batch", &o->bundle },
        { "validation-level", OPTION_TEXT, "LEVEL", NULL,
          "strict, structure-only or minimal, for HealthLake", &o->validation_level },
        { "max-entries", OPTION_NUMBER, "N", NULL, "most entries of a bundle (the target's)",
          &o->max_entries },
        { "max-bytes", OPTION_BYTES, "BYTES", NULL, "most bytes of a bundle (the target's)",
          &o->max_bytes },
        { "state", OPTION_TEXT, "DIR", NULL,
          "remember what was stored, to tell unchanged from updated\nwhere the target does not",
          &o->state },
        { "compare", OPTION_SWITCH, NULL, NULL,
          "read each resource first and send only what differs", &o->compare },
        { "tries", OPTION_NUMBER, "N", NULL, "of a request that fails (default 5)", &o->tries },
        { "wait", OPTION_NUMBER, "SECONDS", NULL,
          "longest wait for a record still being gathered (900)", &o->wait },
        { "dry-run", OPTION_SWITCH, NULL, NULL, "fetch and plan, send nothing", &o->dry_run },
        { "check", OPTION_SWITCH, NULL, NULL,
          "only tell whether source, token, target, signature, clock\nand permissions are right",
          &o->check },
        { "json", OPTION_SWITCH, NULL, NULL, "the report as JSON", &o->json },
        { 0 },
    };
    const struct option_usage usage = { .line = "tarn sync [--consents FILE] [options]",
                                        .about = about,
                                        .rows = rows };
    size_t argument_count;
    return options_parse(&usage, argc, argv, &argument_count);
}

static bool is_one_of(const char *text, const char *const *words, size_t count, size_t *ret_at)
{
    for (*ret_at = 0; *ret_at < count; ++*ret_at) {
        if (strcmp(text, words[*ret_at]) == 0)
            return true;
    }
    return false;
}

/* The words among the options. -1 to go on. */
static int read_words(const struct sync_options *o, struct sync_settings *s)
{
    static const char *const targets[] = { "auto", "healthlake", "tarn", "fhir" };
    static const char *const bundles[] = { "transaction", "batch" };
    static const char *const levels[] = { "strict", "structure-only", "minimal" };
    size_t at;
    if (o->target) {
        if (!is_one_of(o->target, targets, ARRAY_COUNT(targets), &at))
            return options_refuse("sync", "--target is healthlake, tarn or fhir");
        s->target = (enum sync_target)at;
    }
    if (o->bundle) {
        if (!is_one_of(o->bundle, bundles, ARRAY_COUNT(bundles), &at))
            return options_refuse("sync", "--bundle is transaction or batch");
        s->batch = at == 1;
    }
    if (o->validation_level) {
        if (!is_one_of(o->validation_level, levels, ARRAY_COUNT(levels), &at))
            return options_refuse("sync", "--validation-level is strict, structure-only or "
                                          "minimal");
        s->validation_level = slice_cstr(o->validation_level);
    }
    if (o->max_entries == 0 || o->max_bytes == 0 || o->tries == 0)
        return options_refuse("sync", "--max-entries, --max-bytes and --tries are at least 1");
    if ((o->max_entries != UNSET && o->max_entries > UINT32_MAX) ||
        (o->tries != UNSET && o->tries > 1000) || o->wait > 1000000)
        return options_refuse("sync", "a number is too large");
    return -1;
}

/* Everything but the consents. -1 to go on. */
static int read_settings(const struct sync_options *o, struct arena *arena, struct dotenv *d,
                         struct sync_settings *s)
{
    int status = read_words(o, s);
    if (status < 0)
        status = errand_find("sync", &o->errand, arena, d, s);
    if (status >= 0)
        return status;
    const char *base = errand_text(o->flexpa_base, "FLEXPA_API_BASE", d);
    s->flexpa_base = slice_cstr(base ? base : "https://api.flexpa.com");
    s->bundle_entries = o->max_entries == UNSET ? 0 : (uint32_t)o->max_entries;
    s->bundle_bytes = o->max_bytes == UNSET ? 0 : o->max_bytes;
    s->state_folder = o->state;
    s->compare = o->compare;
    s->dry_run = o->dry_run;
    s->tries = o->tries == UNSET ? 0 : (unsigned)o->tries;
    s->wait_seconds = (unsigned)o->wait;
    return -1;
}

/* The lines of the file, or the one token; then only the user's. -1 to go on. */
static int read_consents(const struct sync_options *o, struct arena *arena,
                         const struct dotenv *d, struct sync_consent **ret, size_t *ret_count)
{
    *ret_count = 0;
    if (o->errand.consents) {
        int status = errand_consents("sync", &o->errand, arena, ret, ret_count);
        if (status >= 0)
            return status;
    } else {
        const char *token = errand_text(o->token, "FLEXPA_ACCESS_TOKEN", d);
        *ret = arena_alloc(arena, sizeof **ret);
        if (!*ret || !token)
            return options_refuse("sync", "no consent: --consents FILE, or FLEXPA_ACCESS_TOKEN in "
                                          "the environment or in .env");
        (*ret)[0].token = slice_cstr(token);
        (*ret)[0].user = slice_cstr(o->user ? o->user : "");
        *ret_count = 1;
    }
    size_t kept = 0;
    for (size_t i = 0; i < *ret_count; i++) {
        if (!o->user || slice_is((*ret)[i].user, o->user))
            (*ret)[kept++] = (*ret)[i];
    }
    *ret_count = kept;
    return kept ? -1 : options_refuse("sync", "there is no consent to sync");
}

static int run(const struct sync_options *o, const struct sync_settings *settings,
               const struct sync_consent *consents, size_t count)
{
    struct buf out;
    buf_init(&out, OUTPUT_BYTES);
    bool ok = false;
    if (o->check) {
        if (sync_check(settings, consents, count, &out, &ok))
            ok = false;
    } else {
        struct sync_report report;
        enum err err = sync_run(settings, consents, count, &report);
        ok = !err && report.is_complete;
        if (o->json)
            sync_report_json(&report, &out);
        else
            sync_report_human(&report, &out);
        sync_report_release(&report);
    }
    if (fwrite(out.bytes ? out.bytes : "", 1, out.length, stdout) != out.length ||
        fflush(stdout) != 0)
        ok = false;
    buf_release(&out);
    return ok ? 0 : 1;
}

int cli_sync(int argc, char **argv)
{
    struct sync_options o = { .max_entries = UNSET, .max_bytes = UNSET, .tries = UNSET };
    struct sync_settings settings = { .batch = false };
    struct sync_consent *consents = NULL;
    size_t count = 0;
    struct dotenv d;
    int status = parse(&o, argc, argv);
    if (status >= 0)
        return status;
    struct arena arena;
    arena_init(&arena, TEXTS_BYTES);
    status = read_settings(&o, &arena, &d, &settings);
    if (status < 0)
        status = read_consents(&o, &arena, &d, &consents, &count);
    if (status < 0)
        status = run(&o, &settings, consents, count);
    arena_release(&arena);
    return status;
}
