/* sync/report.c - the account of a run, for people and for programs. */
#include <stdio.h>

#include "json/json.h"
#include "sync/sync.h"
#include "sync/target.h"

void sync_report_release(struct sync_report *report)
{
    arena_release(&report->arena);
}

/* ---- for people ---- */

static void human_bytes(struct buf *out, uint64_t bytes)
{
    if (bytes >= 1000 * 1000)
        buf_printf(out, "%.1f MB", (double)bytes / 1e6);
    else
        buf_printf(out, "%llu kB", (unsigned long long)(bytes + 999) / 1000);
}

static void human_count(struct buf *out, uint64_t count, const char *what, bool always)
{
    if (count || always)
        buf_printf(out, ", %llu %s", (unsigned long long)count, what);
}

static void human_counts(struct buf *out, const struct sync_result *r, bool is_dry_run)
{
    buf_printf(out, "%llu fetched", (unsigned long long)r->fetched);
    if (is_dry_run) {
        human_count(out, r->planned, "would be sent", true);
    } else {
        human_count(out, r->created, "created", true);
        human_count(out, r->updated, "updated", true);
        human_count(out, r->unchanged, "unchanged", true);
        human_count(out, r->updated_or_unchanged, "updated or unchanged", false);
    }
    human_count(out, r->skipped, "skipped", false);
    human_count(out, r->failed, "FAILED", false);
}

static void human_types(struct buf *out, const struct sync_result *r)
{
    buf_append_cstr(out, "   ");
    for (size_t i = 0; i < r->type_count; i++)
        buf_printf(out, " %.*s %llu%s", SLICE_ARGS(r->types[i].type),
                   (unsigned long long)r->types[i].count, i + 1 < r->type_count ? "," : "\n");
}

/* What is not as the user might expect. */
static void human_notes(struct buf *out, const struct sync_result *r, bool is_dry_run)
{
    if (r->skipped > r->repeats)
        buf_printf(out, "    note: %llu entries are no resources%s%.*s\n",
                   (unsigned long long)(r->skipped - r->repeats),
                   r->message.length ? "; the source says: " : "", SLICE_ARGS(r->message));
    if (r->differing_repeats)
        buf_printf(out, "    note: %llu resources were delivered again and said something else; "
                        "the newest counted\n",
                   (unsigned long long)r->differing_repeats);
    if (r->other_consent.length)
        buf_printf(out, "    note: the resources carry the tag of consent %.*s: is the token "
                        "another consent's?\n",
                   SLICE_ARGS(r->other_consent));
    if (r->bundles > 1 && !r->is_atomic)
        buf_printf(out, "    note: %s in %u bundles, so not atomic\n",
                   is_dry_run ? "would go" : "went", r->bundles);
    if (r->stored_with_issues)
        buf_printf(out, "    note: %llu were stored although the target found fault with them: "
                        "%.*s\n",
                   (unsigned long long)r->stored_with_issues, SLICE_ARGS(r->issue));
    if (r->cut_circles)
        buf_printf(out, "    note: %u circles of references fit in no bundle and were cut\n",
                   r->cut_circles);
    if (r->updated_or_unchanged)
        buf_append_cstr(out, "    note: this target does not tell updated from unchanged; "
                             "--state or --compare does\n");
}

static void human_failures(struct buf *out, const struct sync_result *r)
{
    enum { SHOWN = 20 };
    const struct sync_failure *f = r->failures;
    uint64_t shown = 0;
    for (; f && shown < SHOWN; f = f->next, shown++)
        buf_printf(out, "    failed %.*s: %.*s\n", SLICE_ARGS(f->resource), SLICE_ARGS(f->reason));
    if (r->failed > shown)
        buf_printf(out, "    failed: %llu more (--json lists up to %d)\n",
                   (unsigned long long)(r->failed - shown), SYNC_FAILURES_MAX);
}

static void human_result(struct buf *out, const struct sync_result *r, bool is_dry_run)
{
    struct slice consent = r->consent.length ? r->consent : SLICE("(consent not known)");
    buf_printf(out, "%.*s%sconsent %.*s\n", SLICE_ARGS(r->user), r->user.length ? "  " : "",
               SLICE_ARGS(consent));
    if (r->problem.length)
        buf_printf(out, "    FAILED: %.*s\n", SLICE_ARGS(r->problem));
    if (r->fetched || !r->problem.length) {
        buf_append_cstr(out, "    ");
        human_counts(out, r, is_dry_run);
        buf_append_cstr(out, "  (");
        human_bytes(out, r->received_bytes);
        buf_printf(out, " in, ");
        human_bytes(out, r->sent_bytes);
        buf_printf(out, " %s, %.1f s)\n", is_dry_run ? "to send" : "out",
                   (double)r->took_us / 1e6);
    }
    if (is_dry_run && r->type_count)
        human_types(out, r);
    human_notes(out, r, is_dry_run);
    human_failures(out, r);
}

static struct sync_result sum_up(const struct sync_report *report)
{
    struct sync_result sum = { .fetched = 0 };
    for (size_t i = 0; i < report->count; i++) {
        const struct sync_result *r = &report->results[i];
        sum.fetched += r->fetched;
        sum.created += r->created;
        sum.updated += r->updated;
        sum.unchanged += r->unchanged;
        sum.updated_or_unchanged += r->updated_or_unchanged;
        sum.skipped += r->skipped;
        sum.failed += r->failed;
        sum.planned += r->planned;
        sum.received_bytes += r->received_bytes;
        sum.sent_bytes += r->sent_bytes;
        sum.took_us += r->took_us;
        sum.bundles += r->bundles;
    }
    return sum;
}

static size_t count_incomplete(const struct sync_report *report)
{
    size_t count = 0;
    for (size_t i = 0; i < report->count; i++)
        count += !report->results[i].is_complete;
    return count;
}

void sync_report_human(const struct sync_report *report, struct buf *out)
{
    for (size_t i = 0; i < report->count; i++)
        human_result(out, &report->results[i], report->is_dry_run);
    if (report->problem.length)
        buf_printf(out, "FAILED: %.*s\n", SLICE_ARGS(report->problem));
    if (report->count == 0)
        return;
    struct sync_result sum = sum_up(report);
    size_t incomplete = count_incomplete(report);
    buf_printf(out, "%zu consent%s: ", report->count, report->count == 1 ? "" : "s");
    human_counts(out, &sum, report->is_dry_run);
    if (incomplete)
        buf_printf(out, "; %zu NOT complete\n", incomplete);
    else
        buf_printf(out, "; %s\n", report->is_dry_run ? "nothing was sent" : "all is stored");
}

/* ---- for programs ---- */

static void json_text(struct buf *out, const char *name, struct slice value)
{
    buf_printf(out, "\"%s\":", name);
    json_write_string(out, value);
}

static void json_number(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void json_counts(struct buf *out, const struct sync_result *r, bool is_dry_run)
{
    json_number(out, "fetched", r->fetched);
    if (is_dry_run)
        json_number(out, "wouldBeSent", r->planned);
    json_number(out, "created", r->created);
    json_number(out, "updated", r->updated);
    json_number(out, "unchanged", r->unchanged);
    json_number(out, "updatedOrUnchanged", r->updated_or_unchanged);
    json_number(out, "skipped", r->skipped);
    json_number(out, "repeats", r->repeats);
    json_number(out, "differingRepeats", r->differing_repeats);
    json_number(out, "failed", r->failed);
    json_number(out, "storedWithIssues", r->stored_with_issues);
    json_number(out, "receivedBytes", r->received_bytes);
    json_number(out, "sentBytes", r->sent_bytes);
    json_number(out, "pages", r->pages);
    json_number(out, "bundles", r->bundles);
    json_number(out, "cutCircles", r->cut_circles);
    buf_printf(out, ",\"seconds\":%.3f", (double)r->took_us / 1e6);
}

static void json_result(struct buf *out, const struct sync_result *r, bool is_dry_run)
{
    buf_append_byte(out, '{');
    json_text(out, "user", r->user);
    buf_append_byte(out, ',');
    json_text(out, "consent", r->consent);
    buf_printf(out, ",\"complete\":%s,\"atomic\":%s", r->is_complete ? "true" : "false",
               r->is_atomic ? "true" : "false");
    json_counts(out, r, is_dry_run);
    if (r->problem.length) {
        buf_append_byte(out, ',');
        json_text(out, "problem", r->problem);
    }
    if (r->message.length) {
        buf_append_byte(out, ',');
        json_text(out, "message", r->message);
    }
    if (r->other_consent.length) {
        buf_append_byte(out, ',');
        json_text(out, "otherConsent", r->other_consent);
    }
    buf_append_cstr(out, ",\"types\":{");
    for (size_t i = 0; i < r->type_count; i++) {
        buf_append_cstr(out, i ? "," : "");
        json_write_string(out, r->types[i].type);
        buf_printf(out, ":%llu", (unsigned long long)r->types[i].count);
    }
    buf_append_cstr(out, "},\"failures\":[");
    for (const struct sync_failure *f = r->failures; f; f = f->next) {
        buf_append_cstr(out, f == r->failures ? "{" : ",{");
        json_text(out, "resource", f->resource);
        buf_append_byte(out, ',');
        json_text(out, "reason", f->reason);
        buf_append_byte(out, '}');
    }
    buf_append_cstr(out, "]}");
}

void sync_report_json(const struct sync_report *report, struct buf *out)
{
    buf_printf(out, "{\"complete\":%s,\"dryRun\":%s,\"target\":\"%s\"",
               report->is_complete ? "true" : "false", report->is_dry_run ? "true" : "false",
               sync_target_name(report->target));
    if (report->problem.length) {
        buf_append_byte(out, ',');
        json_text(out, "problem", report->problem);
    }
    buf_append_cstr(out, ",\"consents\":[");
    for (size_t i = 0; i < report->count; i++) {
        buf_append_cstr(out, i ? "," : "");
        json_result(out, &report->results[i], report->is_dry_run);
    }
    buf_append_cstr(out, "]}\n");
}
