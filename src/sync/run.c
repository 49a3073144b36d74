/* sync/run.c - the spine: one consent after another, source to report. */
#include "os/clock.h"
#include "os/random.h"
#include "sync/ledger.h"
#include "sync/result.h"
#include "sync/sink.h"
#include "sync/source.h"
#include "sync/sync.h"
#include "sync/target.h"

#define REPORT_ARENA_BYTES ((size_t)256 * 1024 * 1024)

/* Send what was fetched, with the ledger around it when there is one. */
static enum err store_member(struct session *s, struct target *t, struct member *m,
                             struct result *r)
{
    const struct sync_settings *settings = s->settings;
    struct ledger ledger;
    struct slice consent = r->public->consent;
    bool has_ledger = settings->state_folder && consent.length;
    ledger_init(&ledger);
    enum err err = ERR_NONE;
    if (has_ledger) {
        err = ledger_load(&ledger, settings->state_folder, t->base, consent);
        if (err)
            err = result_problem(r, err, "the ledger in %s cannot be read: %s",
                                 settings->state_folder, err_text(err));
    }
    if (!err && settings->compare)
        err = sink_compare(t, m, r);
    if (!err)
        err = sink_send(t, m, has_ledger ? &ledger : NULL, r);
    /* Also after a failure: what was stored is stored. */
    if (has_ledger && ledger_store(&ledger, m, settings->state_folder, t->base, consent) && !err)
        err = result_problem(r, ERR_IO, "the ledger in %s cannot be written",
                             settings->state_folder);
    ledger_release(&ledger);
    return err;
}

static void run_consent(struct session *s, struct target *t, const struct sync_consent *consent,
                        struct sync_result *public, struct arena *arena)
{
    int64_t begin_us = os_monotonic_us();
    struct member m;
    struct result r;
    result_init(&r, public, arena);
    public->user = consent->user;
    public->consent = consent->consent;
    member_init(&m, os_random_u64());
    enum err err = member_open(&m);
    if (err)
        err = result_problem(&r, err, "no place for a temporary file (TMPDIR): %s",
                             err_text(err));
    if (!err)
        err = source_fetch(s, consent, &m, &r);
    if (!err && s->settings->dry_run)
        err = sink_plan(t, &m, &r);
    else if (!err)
        err = store_member(s, t, &m, &r);
    if (err && !public->problem.length)
        err = result_problem(&r, err, "%s", err_text(err));
    if (err)
        result_fail_rest(&r, &m, SLICE("not sent: its record was not fetched whole"));
    result_close(&r, &m);
    member_close(&m);
    public->is_complete = !err && public->failed == 0;
    public->took_us = os_monotonic_us() - begin_us;
}

static enum err run_all(struct session *s, const struct sync_consent *consents, size_t count,
                        struct sync_report *report)
{
    struct target target;
    const char *state = s->settings->dry_run ? NULL : s->settings->state_folder;
    if (state && ledger_check(state)) {
        report->problem = arena_printf(&report->arena, "the folder of --state, %s, cannot be made "
                                                       "or written: nothing was sent", state);
        return ERR_IO;
    }
    enum err err = target_open(&target, s, &report->arena, &report->problem);
    if (err)
        return err;
    report->target = target.kind;
    report->is_complete = count > 0;
    for (size_t i = 0; i < count; i++) {
        struct sync_result *result = &report->results[i];
        report->count = i + 1;
        session_say(s, "consent %zu of %zu: %.*s", i + 1, count,
                    SLICE_ARGS(consents[i].consent));
        if (target.is_hopeless)
            *result = (struct sync_result){
                .user = consents[i].user,
                .consent = consents[i].consent,
                .problem = SLICE("not begun: the target failed before"),
            };
        else
            run_consent(s, &target, &consents[i], result, &report->arena);
        report->is_complete = report->is_complete && report->results[i].is_complete;
    }
    return ERR_NONE;
}

enum err sync_run(const struct sync_settings *settings, const struct sync_consent *consents,
                  size_t count, struct sync_report *report)
{
    *report = (struct sync_report){ .is_dry_run = settings->dry_run };
    arena_init(&report->arena, REPORT_ARENA_BYTES);
    report->results = arena_array(&report->arena, count, sizeof *report->results);
    struct session session = { .client = NULL };
    enum err err = report->results ? session_open(&session, settings) : ERR_NO_MEMORY;
    if (err == ERR_IO || err == ERR_NOT_FOUND)
        report->problem = SLICE("no place for a temporary file (TMPDIR, else /tmp)");
    if (!err) {
        err = run_all(&session, consents, count, report);
        session_close(&session);
    }
    if (err && !report->problem.length)
        report->problem = slice_cstr(err_text(err));
    return err;
}
