/* Whole runs against a source and a target in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/file.h"
#include "fake.h"
#include "support.h"

#define PAGE(entries) "{\"resourceType\":\"Bundle\",\"entry\":[" entries "]}"
#define ENTRY(type, id, rest) \
    "{\"resource\":{\"resourceType\":\"" type "\",\"id\":\"" id "\"" rest "}}"
#define REFERS(to) ",\"x\":{\"reference\":\"" to "\"}"
#define THREE                                                                            \
    PAGE(ENTRY("Coverage", "c", REFERS("Patient/p")) "," ENTRY("Patient", "p", "") "," \
         ENTRY("Basic", "b", ",\"a\":1"))
#define OUTCOME(code)                                                                \
    "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"code\":\"" \
    code "\"}]}"

static const struct sync_consent ONE = { SLICE_INIT("u"), SLICE_INIT("c1"), SLICE_INIT("TOKEN") };

static struct sync_report run_with(const struct sync_settings *settings)
{
    struct sync_report report;
    assert_int_equal(sync_run(settings, &ONE, 1, &report), ERR_NONE);
    assert_int_equal(report.count, 1);
    return report;
}

/* fetched created updated unchanged unknown skipped failed, and complete. */
static void expect_counts(struct sync_report *report, const char *wanted)
{
    const struct sync_result *r = &report->results[0];
    char got[120];
    snprintf(got, sizeof got, "%d %d %d %d %d %d %d %s", (int)r->fetched, (int)r->created,
             (int)r->updated, (int)r->unchanged, (int)r->updated_or_unchanged, (int)r->skipped,
             (int)r->failed, report->is_complete ? "yes" : "no");
    if (strcmp(got, wanted) != 0)
        fail_msg("counts are %s, expected %s; problem: %.*s", got, wanted,
                 SLICE_ARGS(r->problem));
    assert_int_equal(r->fetched, r->created + r->updated + r->unchanged +
                                     r->updated_or_unchanged + r->skipped + r->failed +
                                     r->planned);
    sync_report_release(report);
}

static void expect_run(struct fake *f, const char *wanted)
{
    struct sync_settings settings = fake_settings(f);
    struct sync_report report = run_with(&settings);
    expect_counts(&report, wanted);
}

static void expect_problem(struct fake *f, const char *words)
{
    struct sync_settings settings = fake_settings(f);
    struct sync_report report = run_with(&settings);
    struct slice problem = report.results[0].problem;
    assert_false(report.is_complete);
    if (slice_find(problem, slice_cstr(words)) < 0)
        fail_msg("the problem is '%.*s', not '%s'", SLICE_ARGS(problem), words);
    assert_true(slice_find(problem, SLICE("TOKEN")) < 0);
    sync_report_release(&report);
}

/* ---- the main thing ---- */

static void the_first_run_creates_the_second_changes_nothing(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", THREE);
    expect_run(f, "3 3 0 0 0 0 0 yes");
    assert_string_equal(f->posts[0], "Basic/b Patient/p Coverage/c");
    expect_run(f, "3 0 0 3 0 0 0 yes");
    fake_source(f, 200, "", PAGE(ENTRY("Basic", "b", ",\"a\":2") "," ENTRY("Basic", "n", "")));
    expect_run(f, "2 1 1 0 0 0 0 yes");
}

static void every_page_is_taken_before_anything_is_sent(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", "{\"resourceType\":\"Bundle\",\"link\":[{\"relation\":\"next\",\"url\":"
                            "\"/fhir/two?x=1\"}],\"entry\":[" ENTRY("Basic", "1", "") "]}");
    fake_source(f, 200, "", PAGE(ENTRY("Basic", "2", "")));
    expect_run(f, "2 2 0 0 0 0 0 yes");
    assert_int_equal(f->source_asked, 2);
    assert_int_equal(f->post_count, 1);
}

static void a_next_link_to_another_host_is_refused_and_nothing_sent(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", "{\"resourceType\":\"Bundle\",\"link\":[{\"relation\":\"next\",\"url\":"
                            "\"http://127.0.0.2:1/x\"}],\"entry\":[" ENTRY("Basic", "1", "") "]}");
    expect_problem(f, "leads to another host");
    assert_int_equal(f->post_count, 0);
}

static void a_next_link_to_itself_ends(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", "{\"resourceType\":\"Bundle\",\"link\":[{\"relation\":\"next\",\"url\":"
                            "\"/fhir/again\"}]}");
    expect_problem(f, "do not end");
    assert_int_equal(f->source_asked, 2);
}

/* ---- the source's trouble ---- */

static void a_record_still_gathered_is_waited_for_as_long_as_it_says(void **state)
{
    struct fake *f = *state;
    fake_source(f, 429, "Retry-After: 7", OUTCOME("transient"));
    fake_source(f, 429, "X-Retry-After: 3", OUTCOME("transient"));
    fake_source(f, 429, "Retry-After: 0", OUTCOME("transient"));
    fake_source(f, 200, "", THREE);
    expect_run(f, "3 3 0 0 0 0 0 yes");
    assert_int_equal(f->slept_us, 10500000);
}

static void waiting_has_an_end(void **state)
{
    struct fake *f = *state;
    fake_source(f, 429, "Retry-After: 60", OUTCOME("transient"));
    struct sync_settings settings = fake_settings(f);
    settings.wait_seconds = 100;
    struct sync_report report = run_with(&settings);
    expect_counts(&report, "0 0 0 0 0 0 0 no");
    assert_int_equal(f->source_asked, 3);
}

static void a_quota_is_not_hammered(void **state)
{
    struct fake *f = *state;
    fake_source(f, 429, "Retry-After: 1", OUTCOME("throttled"));
    expect_problem(f, "quota");
    assert_int_equal(f->source_asked, 3);
}

static void what_cannot_pass_is_not_asked_again(void **state)
{
    struct fake *f = *state;
    fake_source(f, 401, "", "{\"statusCode\":401,\"message\":\"Invalid access token\"}");
    expect_problem(f, "connect again; status 401: Invalid access token");
    fake_source(f, 422, "", OUTCOME("processing"));
    expect_problem(f, "payer's own sync failed");
    fake_source(f, 302, "Location: http://127.0.0.2/", "");
    expect_problem(f, "never followed");
    fake_source(f, 200, "", OUTCOME("x"));
    expect_problem(f, "no Bundle");
    assert_int_equal(f->source_asked, 4);
    assert_int_equal(f->sleeps, 0);
}

static void passing_trouble_is_tried_again(void **state)
{
    struct fake *f = *state;
    fake_source(f, 500, "", OUTCOME("exception"));
    fake_source(f, 503, "Retry-After: 2", "");
    fake_source(f, 200, "", "{\"resourceType\":\"Bundle\",\"entry\":[" ENTRY("Basic", "1", ""));
    fake_source(f, 200, "", THREE);
    expect_run(f, "3 3 0 0 0 0 0 yes");
    assert_int_equal(f->sleeps, 3);
}

static void a_body_that_always_ends_early_is_never_taken(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", "{\"resourceType\":\"Bundle\",\"entry\":[" ENTRY("Basic", "1", ""));
    expect_problem(f, "cut short");
    assert_int_equal(f->source_asked, 5);
    assert_int_equal(f->post_count, 0);
}

/* ---- entries ---- */

static void messages_are_skipped_but_a_resource_without_id_spoils_the_status(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", PAGE(ENTRY("Basic", "1", "") ",{\"resource\":" OUTCOME("x") "},{}"));
    expect_run(f, "3 1 0 0 0 2 0 yes");
    fake_source(f, 200, "", PAGE(ENTRY("Basic", "1", "") ",{\"resource\":{\"resourceType\":\"Bas"
                        "ic\"}}"));
    expect_run(f, "2 0 0 1 0 0 1 no");
}

static void an_entry_that_is_no_json_fails_alone(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", PAGE(ENTRY("Basic", "1", "") ",{\"resource\":{\"a\":tru}}"));
    expect_run(f, "2 1 0 0 0 0 1 no");
}

static void the_newest_of_repeats_is_sent_and_differing_ones_are_told(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "",
                PAGE(ENTRY("Basic", "1", ",\"meta\":{\"lastUpdated\":\"2020-01-01T00:00:00Z\"},"
                           "\"a\":1") ","
                     ENTRY("Basic", "1", ",\"meta\":{\"lastUpdated\":\"2021-01-01T00:00:00Z\"},"
                           "\"a\":2") ","
                     ENTRY("Basic", "1", ",\"meta\":{\"lastUpdated\":\"2021-01-01T00:00:00Z\"},"
                           "\"a\":2")));
    struct sync_settings settings = fake_settings(f);
    struct sync_report report = run_with(&settings);
    assert_int_equal(report.results[0].repeats, 2);
    assert_int_equal(report.results[0].differing_repeats, 1);
    expect_counts(&report, "3 1 0 0 0 2 0 yes");
    assert_non_null(strstr(f->stored[0].text, "\"a\"2"));
}

/* ---- the target's trouble ---- */

static void a_split_member_is_sent_in_order_and_told_to_be_not_atomic(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", THREE);
    struct sync_settings settings = fake_settings(f);
    settings.bundle_entries = 2;
    struct sync_report report = run_with(&settings);
    assert_false(report.results[0].is_atomic);
    assert_int_equal(report.results[0].bundles, 2);
    expect_counts(&report, "3 3 0 0 0 0 0 yes");
    assert_string_equal(f->posts[0], "Basic/b Patient/p");
    assert_string_equal(f->posts[1], "Coverage/c");
}

static void a_bundle_that_is_too_large_for_the_target_is_halved(void **state)
{
    struct fake *f = *state;
    f->most_entries = 1;
    fake_source(f, 200, "", THREE);
    expect_run(f, "3 3 0 0 0 0 0 yes");
    assert_int_equal(f->post_count, 3);
    assert_string_equal(f->posts[2], "Coverage/c");
}

static void a_resource_too_large_alone_fails_alone(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", PAGE(ENTRY("Basic", "1", "") "," ENTRY("Basic", "2", ",\"text\":\""
                                 "01234567890123456789012345678901234567890123456789012345678901"
                                 "23456789"
                                 "01234567890123456789012345678901234567890123456789012345678901"
                                 "23456789\"")));
    struct sync_settings settings = fake_settings(f);
    settings.bundle_bytes = 200;
    struct sync_report report = run_with(&settings);
    expect_counts(&report, "2 1 0 0 0 0 1 no");
}

static void a_busy_target_is_asked_again(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", THREE);
    fake_target(f, 429, "Retry-After: 4", OUTCOME("throttled"));
    fake_target(f, 500, "", "");
    fake_target(f, 0, NULL, NULL);
    expect_run(f, "3 3 0 0 0 0 0 yes");
    assert_true(f->slept_us >= 4500000);
}

static void a_refused_transaction_fails_all_its_entries_and_names_the_guilty(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", THREE);
    fake_target(f, 400, "",
                "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"cod"
                "e\":"
                "\"structure\",\"diagnostics\":\"no such member\",\"expression\":[\"Bundle.entry[1]"
                ".resource\"]}]}");
    struct sync_settings settings = fake_settings(f);
    struct sync_report report = run_with(&settings);
    const struct sync_failure *failure = report.results[0].failures;
    assert_slice(failure->resource, "Patient/p");
    assert_slice(failure->reason, "status 400: no such member");
    assert_slice(failure->next->reason, "its bundle was refused, status 400: no such member");
    expect_counts(&report, "3 0 0 0 0 0 3 no");
}

static void entries_of_a_batch_that_were_throttled_go_again_alone(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", THREE);
    f->refused_id = "Patient/p";
    struct sync_settings settings = fake_settings(f);
    settings.batch = true;
    struct sync_report report = run_with(&settings);
    assert_false(report.results[0].is_atomic);
    expect_counts(&report, "3 3 0 0 0 0 0 yes");
    assert_string_equal(f->posts[1], "Patient/p");
}

static void an_entry_without_an_answer_is_not_taken_for_stored(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", THREE);
    fake_target(f, 200, "", PAGE("{\"response\":{\"status\":\"201\"}},{\"response\":{}}"));
    expect_run(f, "3 1 0 0 0 0 2 no");
}

static void what_was_stored_with_faults_is_told(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", PAGE(ENTRY("Basic", "1", "")));
    fake_target(f, 200, "", PAGE("{\"response\":{\"status\":\"201\",\"outcome\":{\"issue\":[{"
                                 "\"severity\":\"error\",\"diagnostics\":\"code is missing\"}]}}"
                                 "}"));
    struct sync_settings settings = fake_settings(f);
    struct sync_report report = run_with(&settings);
    assert_int_equal(report.results[0].stored_with_issues, 1);
    assert_slice(report.results[0].issue, "code is missing");
    expect_counts(&report, "1 1 0 0 0 0 0 yes");
}

static void refused_credentials_end_the_run(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", THREE);
    fake_target(f, 403, "", "{\"message\":\"The request signature does not match\"}");
    const struct sync_consent two[] = { ONE, ONE };
    struct sync_settings settings = fake_settings(f);
    struct sync_report report;
    assert_int_equal(sync_run(&settings, two, 2, &report), ERR_NONE);
    assert_int_equal(report.count, 2);
    assert_true(slice_find(report.results[0].problem, SLICE("signature does not match")) > 0);
    assert_slice(report.results[1].problem, "not begun: the target failed before");
    assert_int_equal(report.results[0].failed, 3);
    assert_int_equal(f->source_asked, 1);
    sync_report_release(&report);
}

/* ---- what the target does not tell ---- */

static void a_target_that_does_not_tell_is_never_guessed_at(void **state)
{
    struct fake *f = *state;
    f->is_tarn = false;
    fake_source(f, 200, "", THREE);
    expect_run(f, "3 3 0 0 0 0 0 yes");
    expect_run(f, "3 0 0 0 3 0 0 yes");
}

static void a_ledger_tells_what_the_target_does_not(void **state)
{
    struct fake *f = *state;
    char folder[] = "/tmp/tarn-sync-XXXXXX";
    assert_non_null(mkdtemp(folder));
    f->is_tarn = false;
    struct sync_settings settings = fake_settings(f);
    settings.state_folder = folder;
    fake_source(f, 200, "", THREE);
    struct sync_report report = run_with(&settings);
    expect_counts(&report, "3 3 0 0 0 0 0 yes");
    report = run_with(&settings);
    expect_counts(&report, "3 0 0 3 0 0 0 yes");
    fake_source(f, 200, "", PAGE(ENTRY("Basic", "b", ",\"a\":2") "," ENTRY("Patient", "p", "")));
    report = run_with(&settings);
    expect_counts(&report, "2 0 1 1 0 0 0 yes");
    assert_int_equal(os_folder_remove(folder), ERR_NONE);
}

static void nothing_is_sent_when_the_ledgers_folder_cannot_be_written(void **state)
{
    struct fake *f = *state;
    char folder[] = "/tmp/tarn-sync-XXXXXX", inside[64];
    assert_non_null(mkdtemp(folder));
    snprintf(inside, sizeof inside, "%s/file", folder);
    assert_int_equal(os_file_replace(inside, SLICE("no folder"), 0600), ERR_NONE);
    struct sync_settings settings = fake_settings(f);
    settings.state_folder = inside;
    fake_source(f, 200, "", THREE);
    struct sync_report report;
    assert_int_equal(sync_run(&settings, &ONE, 1, &report), ERR_IO);
    assert_true(slice_find(report.problem, slice_cstr(inside)) >= 0);
    assert_int_equal(f->post_count, 0);
    sync_report_release(&report);
    assert_int_equal(os_folder_remove(folder), ERR_NONE);
}

static void a_comparison_sends_only_what_differs(void **state)
{
    struct fake *f = *state;
    f->is_tarn = false;
    struct sync_settings settings = fake_settings(f);
    settings.compare = true;
    fake_source(f, 200, "", PAGE(ENTRY("Basic", "1", ",\"a\":1") "," ENTRY("Basic", "2", ",\"a"
                        "\":1")));
    struct sync_report report = run_with(&settings);
    expect_counts(&report, "2 2 0 0 0 0 0 yes");
    fake_source(f, 200, "", PAGE(ENTRY("Basic", "1", ",\"a\":1") "," ENTRY("Basic", "2", ",\"a"
                        "\":3")));
    report = run_with(&settings);
    expect_counts(&report, "2 0 1 1 0 0 0 yes");
    assert_string_equal(f->posts[1], "Basic/2");
}

/* ---- how it is asked ---- */

static void a_dry_run_sends_nothing(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", THREE);
    struct sync_settings settings = fake_settings(f);
    settings.dry_run = true;
    struct sync_report report = run_with(&settings);
    assert_int_equal(report.results[0].planned, 3);
    assert_int_equal(report.results[0].bundles, 1);
    expect_counts(&report, "3 0 0 0 0 0 0 yes");
    assert_int_equal(f->target_asked, 0);
}

static void requests_are_signed_over_what_is_sent_and_carry_the_level(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", THREE);
    struct sync_settings settings = fake_settings(f);
    settings.credentials = (struct aws_credentials){ SLICE("KEY"), SLICE("secret"), SLICE_NONE };
    settings.validation_level = SLICE("minimal");
    struct sync_report report = run_with(&settings);
    expect_counts(&report, "3 3 0 0 0 0 0 yes");
    assert_true(f->is_signed_right);
    assert_false(f->token_leaked);
    assert_string_equal(f->level, "minimal");
}

static enum err others(void *context, struct aws_credentials *ret, struct slice *ret_text)
{
    unsigned *count = context;
    *ret_text = SLICE("no more");
    *ret = (struct aws_credentials){ SLICE("KEY"), SLICE("secret"), SLICE_NONE };
    return ++*count > 1 ? ERR_NOT_FOUND : ERR_NONE;
}

static void expired_credentials_are_renewed_once(void **state)
{
    struct fake *f = *state;
    unsigned count = 0;
    fake_source(f, 200, "", THREE);
    fake_target(f, 403, "x-amzn-ErrorType: ExpiredTokenException", "{\"message\":\"expired\"}");
    fake_target(f, 0, "", "");
    struct sync_settings settings = fake_settings(f);
    settings.credentials = (struct aws_credentials){ SLICE("OLD"), SLICE("old"), SLICE("t") };
    settings.renew = others;
    settings.renew_context = &count;
    struct sync_report report = run_with(&settings);
    expect_counts(&report, "3 3 0 0 0 0 0 yes");
    assert_true(f->is_signed_right);
    assert_int_equal(count, 1);
}

static void credentials_that_expire_at_once_end_the_run(void **state)
{
    static const char *const expired =
        "{\"__type\":\"ExpiredTokenException\",\"message\":\"is expired\"}";
    struct fake *f = *state;
    unsigned count = 0;
    fake_source(f, 200, "", THREE);
    for (int i = 0; i < 3; i++)
        fake_target(f, 403, "", expired);
    struct sync_settings settings = fake_settings(f);
    settings.credentials = (struct aws_credentials){ SLICE("OLD"), SLICE("old"), SLICE("t") };
    settings.renew = others;
    settings.renew_context = &count;
    struct sync_report report = run_with(&settings);
    assert_int_equal(report.results[0].failed, 3);
    assert_true(slice_find(report.results[0].problem, SLICE("is expired")) > 0);
    assert_int_equal(count, 1);
    sync_report_release(&report);
}

static void without_credentials_nothing_is_signed(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", THREE);
    expect_run(f, "3 3 0 0 0 0 0 yes");
    assert_false(f->saw_signature);
}

static void a_token_that_could_add_headers_is_refused(void **state)
{
    struct fake *f = *state;
    const struct sync_consent bad = { SLICE_INIT("u"), SLICE_INIT("c"),
                                      SLICE_INIT("x\r\nHost: other") };
    struct sync_settings settings = fake_settings(f);
    struct sync_report report;
    assert_int_equal(sync_run(&settings, &bad, 1, &report), ERR_NONE);
    assert_slice(report.results[0].problem, "the token is empty or has blanks in it");
    assert_int_equal(f->source_asked, 0);
    sync_report_release(&report);
}

static void a_token_never_leaves_over_plain_http(void **state)
{
    struct fake *f = *state;
    struct sync_settings settings = fake_settings(f);
    settings.flexpa_base = SLICE("http://127.0.0.1.example.org");
    struct sync_report report = run_with(&settings);
    assert_true(slice_find(report.results[0].problem, SLICE("plain http")) > 0);
    expect_counts(&report, "0 0 0 0 0 0 0 no");
}

static void another_consents_tag_is_told(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "",
                PAGE(ENTRY("Basic", "1",
                           ",\"meta\":{\"tag\":[{\"system\":\"https://fhir.flexpa.com/identifiers/"
                           "ConsentId\",\"code\":\"c2\"}]}")));
    struct sync_settings settings = fake_settings(f);
    struct sync_report report = run_with(&settings);
    assert_slice(report.results[0].other_consent, "c2");
    expect_counts(&report, "1 1 0 0 0 0 0 yes");
}

static void reports_are_valid_json_whatever_happened(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", THREE);
    fake_target(f, 400, "", "{\"message\":\"say \\\"no\\\"\\n\\u0001\"}");
    struct sync_settings settings = fake_settings(f);
    struct sync_report report = run_with(&settings);
    struct buf out;
    struct json_doc doc;
    buf_init(&out, 1 << 20);
    sync_report_json(&report, &out);
    assert_int_equal(json_parse(buf_slice(&out), NULL, &f->arena, &doc, NULL), ERR_NONE);
    struct json consent = json_first(json_member(json_root(&doc), "consents"));
    assert_slice(json_raw(json_member(consent, "failed")), "3");
    buf_clear(&out);
    sync_report_human(&report, &out);
    assert_true(slice_find(buf_slice(&out), SLICE("1 NOT complete")) > 0);
    assert_true(slice_find(buf_slice(&out), SLICE("TOKEN")) < 0);
    buf_release(&out);
    sync_report_release(&report);
}

#define RUN(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_first_run_creates_the_second_changes_nothing),
        RUN(every_page_is_taken_before_anything_is_sent),
        RUN(a_next_link_to_another_host_is_refused_and_nothing_sent),
        RUN(a_next_link_to_itself_ends),
        RUN(a_record_still_gathered_is_waited_for_as_long_as_it_says),
        RUN(waiting_has_an_end),
        RUN(a_quota_is_not_hammered),
        RUN(what_cannot_pass_is_not_asked_again),
        RUN(passing_trouble_is_tried_again),
        RUN(a_body_that_always_ends_early_is_never_taken),
        RUN(messages_are_skipped_but_a_resource_without_id_spoils_the_status),
        RUN(an_entry_that_is_no_json_fails_alone),
        RUN(the_newest_of_repeats_is_sent_and_differing_ones_are_told),
        RUN(a_split_member_is_sent_in_order_and_told_to_be_not_atomic),
        RUN(a_bundle_that_is_too_large_for_the_target_is_halved),
        RUN(a_resource_too_large_alone_fails_alone),
        RUN(a_busy_target_is_asked_again),
        RUN(a_refused_transaction_fails_all_its_entries_and_names_the_guilty),
        RUN(entries_of_a_batch_that_were_throttled_go_again_alone),
        RUN(an_entry_without_an_answer_is_not_taken_for_stored),
        RUN(what_was_stored_with_faults_is_told),
        RUN(refused_credentials_end_the_run),
        RUN(a_target_that_does_not_tell_is_never_guessed_at),
        RUN(a_ledger_tells_what_the_target_does_not),
        RUN(nothing_is_sent_when_the_ledgers_folder_cannot_be_written),
        RUN(a_comparison_sends_only_what_differs),
        RUN(a_dry_run_sends_nothing),
        RUN(requests_are_signed_over_what_is_sent_and_carry_the_level),
        RUN(expired_credentials_are_renewed_once),
        RUN(credentials_that_expire_at_once_end_the_run),
        RUN(without_credentials_nothing_is_signed),
        RUN(a_token_that_could_add_headers_is_refused),
        RUN(a_token_never_leaves_over_plain_http),
        RUN(another_consents_tag_is_told),
        RUN(reports_are_valid_json_whatever_happened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
