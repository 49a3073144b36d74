#include "sync/answer.h"

#include "base/date.h"
#include "sync/scan.h"

#define ENTRY_ARENA_BYTES ((size_t)640 * 1024 * 1024)
#define REFUSAL_ARENA_BYTES ((size_t)8 * 1024 * 1024)

struct answer_rules answer_rules(const struct target *t, const struct http_exchange *x,
                                 int64_t took_us, const struct ledger *ledger)
{
    struct answer_rules rules = { .ledger = ledger };
    const struct slice *applied = http_answer_header(x, "preference-applied");
    const struct slice *date = http_answer_header(x, "date");
    int64_t date_us;
    rules.is_told = applied && slice_find(*applied, SLICE("return=OperationOutcome")) >= 0;
    if (t->kind == SYNC_TARGET_TARN && date && http_date_parse(*date, &date_us)) {
        /* The answer went out within the second that begins at date_us. */
        rules.has_clock = true;
        rules.began_us = date_us - took_us;
        rules.ended_us = date_us - took_us + SECOND_US;
    }
    return rules;
}

static bool says_unchanged(struct json response)
{
    struct json issues = json_member(json_member(response, "outcome"), "issue");
    struct json details = json_member(json_first(issues), "details");
    struct json coding = json_first(json_member(details, "coding"));
    return json_string_is(json_member(coding, "system"), SLICE(ANSWER_UNCHANGED_SYSTEM)) &&
           json_string_is(json_member(coding, "code"), SLICE("unchanged"));
}

/* What a 200 means for this row. */
static enum member_state judge_stored(const struct answer_rules *rules, const struct member *m,
                                      const struct member_row *row, struct json response)
{
    struct date_range modified;
    struct json when = json_member(response, "lastModified");
    if (row->differs)
        return MEMBER_UPDATED;
    if (rules->is_told)
        return says_unchanged(response) ? MEMBER_UNCHANGED : MEMBER_UPDATED;
    if (rules->has_clock && json_is(when, JSON_STRING) &&
        date_parse(json_string_raw(when), &modified)) {
        if (modified.low < rules->began_us)
            return MEMBER_UNCHANGED;
        if (modified.low >= rules->ended_us)
            return MEMBER_UPDATED;
    }
    enum ledger_verdict known = LEDGER_UNKNOWN;
    if (rules->ledger)
        known = ledger_ask(rules->ledger, m, row);
    if (known == LEDGER_UNKNOWN)
        return MEMBER_UPDATED_OR_UNCHANGED;
    return known == LEDGER_SAME ? MEMBER_UNCHANGED : MEMBER_UPDATED;
}

/* HealthLake's level "minimal" stores what it finds fault with and says so. */
static void note_issue(struct json response, struct result *r)
{
    struct json issues = json_member(json_member(response, "outcome"), "issue");
    bool is_fault = false;
    for (struct json at = json_first(issues); json_exists(at); at = json_next(issues, at))
        is_fault = is_fault || !json_string_is(json_member(at, "severity"), SLICE("information"));
    if (!is_fault || says_unchanged(response))
        return;
    struct reason reason;
    r->public->stored_with_issues++;
    if (r->public->issue.length)
        return;
    reason_of(json_member(response, "outcome"), r->arena, &reason);
    r->public->issue = reason.text;
}

/* "201" and "201 Created" alike; 0 when it is neither. */
static int status_of(struct json response)
{
    struct json status = json_member(response, "status");
    uint64_t number;
    if (!json_is(status, JSON_STRING) ||
        !slice_parse_u64(slice_head(json_string_raw(status), 3), &number))
        return 0;
    return (int)number;
}

static void account_entry(const struct answer_rules *rules, struct member *m,
                          struct member_row *row, struct json entry, struct arena *arena,
                          struct result *r)
{
    struct json response = json_member(entry, "response");
    int status = status_of(response);
    if (status >= 200 && status < 300)
        note_issue(response, r);
    if (status == 201) {
        row->state = MEMBER_CREATED;
    } else if (status >= 200 && status < 300) {
        row->state = (uint8_t)judge_stored(rules, m, row, response);
    } else if (!status_is_passing(status) || status == 500) {
        struct reason reason;
        reason_of(json_member(response, "outcome"), arena, &reason);
        result_fail_row(r, m, row,
                        arena_printf(arena, "status %d%s%.*s", status,
                                     reason.text.length ? ": " : "", SLICE_ARGS(reason.text)));
    }
}

enum err answer_account(const struct session *s, const struct answer_rules *rules,
                        struct member *m, const uint32_t *rows, uint32_t count, struct result *r)
{
    struct scan scan;
    struct arena arena;
    struct slice text;
    uint32_t at = 0;
    scan_init(&scan, s->answer.fd, s->answer.bytes);
    arena_init(&arena, ENTRY_ARENA_BYTES);
    enum err err;
    while (!(err = scan_next(&scan, &text)) && text.bytes && at < count) {
        struct json_doc doc;
        struct json_error error;
        if ((err = json_parse(text, NULL, &arena, &doc, &error)))
            break;
        account_entry(rules, m, member_row(m, rows[at++]), json_root(&doc), &arena, r);
        arena_release(&arena);
    }
    arena_release(&arena);
    if (!err && (at < count || text.bytes))
        err = ERR_INVALID;
    scan_release(&scan);
    return err;
}

/* Fail the rows that single issues name. */
static void fail_named(const struct reason *reason, int status, struct member *m,
                       const uint32_t *rows, uint32_t count, struct arena *arena,
                       struct result *r)
{
    struct json issues = json_member(reason->outcome, "issue");
    for (struct json at = json_first(issues); json_exists(at); at = json_next(issues, at)) {
        int64_t entry = reason_issue_entry(at);
        if (entry < 0 || entry >= (int64_t)count)
            continue;
        struct member_row *row = member_row(m, rows[entry]);
        struct slice text = reason_issue_text(at, arena);
        if (row->state == MEMBER_WAITING)
            result_fail_row(r, m, row, arena_printf(arena, "status %d: %.*s", status,
                                                    SLICE_ARGS(text)));
    }
}

void answer_refused(const struct session *s, int status, struct member *m, const uint32_t *rows,
                    uint32_t count, struct result *r)
{
    struct arena arena;
    arena_init(&arena, REFUSAL_ARENA_BYTES);
    struct reason reason;
    reason_read(&s->answer, &arena, &reason);
    fail_named(&reason, status, m, rows, count, &arena, r);
    struct slice why = arena_printf(&arena, "its bundle was refused, status %d%s%.*s", status,
                                    reason.text.length ? ": " : "", SLICE_ARGS(reason.text));
    if (!why.bytes)
        why = SLICE("its bundle was refused");
    for (uint32_t i = 0; i < count; i++) {
        struct member_row *row = member_row(m, rows[i]);
        if (row->state == MEMBER_WAITING)
            result_fail_row(r, m, row, why);
    }
    arena_release(&arena);
}

bool answer_is_limit(const struct session *s, int status)
{
    if (status == 413)
        return true;
    if (status != 400 && status != 422)
        return false;
    struct arena arena;
    arena_init(&arena, REFUSAL_ARENA_BYTES);
    struct reason reason;
    reason_read(&s->answer, &arena, &reason);
    bool is_limit = slice_is(reason.code, "too-costly") || slice_is(reason.code, "too-long") ||
                    slice_find(reason.text, SLICE("entries")) >= 0;
    arena_release(&arena);
    return is_limit;
}
