/* Reading a user's record back, and the questions before a first run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "fake.h"
#include "support.h"

#define PAGE(entries) "{\"resourceType\":\"Bundle\",\"entry\":[" entries "]}"
#define PAGE_NEXT(next, entries)                                                          \
    "{\"resourceType\":\"Bundle\",\"link\":[{\"relation\":\"next\",\"url\":\"" next "\"}]," \
    "\"entry\":[" entries "]}"
#define ENTRY(type, id) "{\"resource\":{\"resourceType\":\"" type "\",\"id\":\"" id "\"}}"
#define TAG_QUERY "/r4/Patient?_tag=https%3A%2F%2Ffhir.flexpa.com%2Fidentifiers%2FConsentId%7C"

struct got {
    struct buf text;
    enum err err;
    uint64_t count;
    struct slice error;
    struct arena arena;
};

static void got_release(struct got *g)
{
    buf_release(&g->text);
    arena_release(&g->arena);
}

/* Everything of consents c1 and c2 and of Patient p9 as far as `kinds` says. */
static struct got ask(struct fake *f, size_t consents, size_t patients, const char *types,
                      enum sync_format format)
{
    static const struct slice consent_ids[] = { SLICE_INIT("c1"), SLICE_INIT("c 2") };
    static const struct slice patient_ids[] = { SLICE_INIT("p9") };
    struct sync_settings settings = fake_settings(f);
    settings.tries = 1;
    FILE *file = tmpfile();
    struct sync_wanted wanted = { .consents = consent_ids, .consent_count = consents,
                                  .patients = patient_ids, .patient_count = patients,
                                  .types = slice_cstr(types), .format = format,
                                  .fd = fileno(file) };
    struct got g = { .count = 0 };
    arena_init(&g.arena, 1 << 20);
    buf_init(&g.text, 1 << 20);
    g.err = sync_everything(&settings, &wanted, &g.arena, &g.count, &g.error);
    lseek(fileno(file), 0, SEEK_SET);
    char piece[4096];
    ssize_t n;
    while ((n = read(fileno(file), piece, sizeof piece)) > 0)
        buf_append(&g.text, slice_of(piece, (size_t)n));
    fclose(file);
    return g;
}

static void every_page_of_every_patient_of_every_consent_comes_once(void **state)
{
    struct fake *f = *state;
    fake_page(f, TAG_QUERY "c1", 200, PAGE_NEXT("/r4/Patient?page=2", ENTRY("Patient", "p1")));
    fake_page(f, "/r4/Patient?page=2", 200, PAGE(ENTRY("Patient", "p2")));
    fake_page(f, TAG_QUERY "c%202", 200, PAGE(ENTRY("Patient", "p2")));
    fake_page(f, "/r4/Patient/p1/$everything", 200,
              PAGE_NEXT("?page=x", ENTRY("Patient", "p1") "," ENTRY("Basic", "1")));
    fake_page(f, "/r4/Patient/p1/$everything?page=x", 200, PAGE(ENTRY("Basic", "2")));
    fake_page(f, "/r4/Patient/p2/$everything", 200, PAGE(ENTRY("Patient", "p2") "," ENTRY("Basic"
                 "", "1")));
    struct got g = ask(f, 2, 0, "", SYNC_NDJSON);
    assert_int_equal(g.err, ERR_NONE);
    assert_int_equal(g.count, 4);
    assert_slice(buf_slice(&g.text), "{\"resourceType\":\"Patient\",\"id\":\"p1\"}\n"
                                     "{\"resourceType\":\"Basic\",\"id\":\"1\"}\n"
                                     "{\"resourceType\":\"Basic\",\"id\":\"2\"}\n"
                                     "{\"resourceType\":\"Patient\",\"id\":\"p2\"}\n");
    got_release(&g);
}

static void a_bundle_has_full_urls_and_types_are_asked_for(void **state)
{
    struct fake *f = *state;
    fake_page(f, "/r4/Patient/p9/$everything?_type=Basic%2CCoverage", 200, PAGE(ENTRY("Basic"
                 "", "1")));
    struct got g = ask(f, 0, 1, "Basic,Coverage", SYNC_BUNDLE);
    char wanted[300];
    snprintf(wanted, sizeof wanted,
             "{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{\"fullUrl\":"
             "\"%s/r4/Basic/1\",\"resource\":{\"resourceType\":\"Basic\",\"id\":\"1\"}}]}\n",
             f->base);
    assert_slice(buf_slice(&g.text), wanted);
    got_release(&g);
}

static void nothing_is_written_when_a_page_fails(void **state)
{
    struct fake *f = *state;
    fake_page(f, "/r4/Patient/p9/$everything", 200, PAGE_NEXT("?page=x", ENTRY("Basic", "1")));
    fake_page(f, "/r4/Patient/p9/$everything?page=x", 400,
              "{\"issue\":[{\"severity\":\"error\",\"diagnostics\":\"Invalid pagination token."
              "\"}]}");
    struct got g = ask(f, 0, 1, "", SYNC_NDJSON);
    assert_int_not_equal(g.err, ERR_NONE);
    assert_slice(g.error, "target: status 400: Invalid pagination token.");
    assert_int_equal(g.text.length, 0);
    got_release(&g);
}

static void no_patient_and_foreign_links_are_told(void **state)
{
    struct fake *f = *state;
    fake_page(f, TAG_QUERY "c1", 200, PAGE(""));
    struct got g = ask(f, 1, 0, "", SYNC_BUNDLE);
    assert_int_equal(g.err, ERR_NOT_FOUND);
    assert_slice(g.error, "no Patient carries that consent's tag in the store");
    got_release(&g);
    fake_page(f, "/r4/Patient/p9/$everything", 200, PAGE_NEXT("http://127.0.0.2/x", ""));
    g = ask(f, 0, 1, "", SYNC_BUNDLE);
    assert_int_equal(g.err, ERR_FORBIDDEN);
    got_release(&g);
}

static void a_summary_counts_by_type_and_shows_the_newest(void **state)
{
    struct fake *f = *state;
    fake_page(f, "/r4/Patient/p9/$everything", 200,
              PAGE("{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"p9\",\"name\":[{\"famil"
                   "y\":"
                   "\"Roe\"}],\"gender\":\"female\",\"birthDate\":\"1980-02-03\"}},"
                   "{\"resource\":{\"resourceType\":\"Condition\",\"id\":\"1\",\"recordedDate\":"
                   "\"2019-05-06\",\"code\":{\"text\":\"Asthma\"}}},"
                   "{\"resource\":{\"resourceType\":\"Condition\",\"id\":\"2\",\"recordedDate\":"
                   "\"2020-05-06T10:00:00Z\",\"code\":{\"coding\":[{\"display\":\"Flu\"}]}}}"));
    struct got g = ask(f, 0, 1, "", SYNC_SUMMARY);
    struct slice text = buf_slice(&g.text);
    assert_int_equal(g.err, ERR_NONE);
    assert_true(slice_find(text, SLICE("1980-02-03  Roe  female")) > 0);
    assert_true(slice_find(text, SLICE("2019-05-06 to 2020-05-06")) > 0);
    assert_true(slice_find(text, SLICE("Flu")) < slice_find(text, SLICE("Asthma")));
    got_release(&g);
}

/* ---- sync_check ---- */

static const struct sync_consent ONE = { SLICE_INIT("u"), SLICE_INIT("c1"), SLICE_INIT("TOKEN") };

static void expect_line(struct fake *f, bool ok, const char *line)
{
    struct sync_settings settings = fake_settings(f);
    struct buf out;
    bool got;
    buf_init(&out, 1 << 20);
    assert_int_equal(sync_check(&settings, &ONE, 1, &out, &got), ERR_NONE);
    if (got != ok || slice_find(buf_slice(&out), slice_cstr(line)) < 0)
        fail_msg("expected %s in\n%.*s", line, SLICE_ARGS(buf_slice(&out)));
    assert_true(slice_find(buf_slice(&out), SLICE("TOKEN")) < 0);
    buf_release(&out);
}

static void all_is_well_before_the_first_run(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", "{}");
    fake_target(f, 400, "", "{}");
    expect_line(f, true, "ok      permission ProcessBundle");
    assert_int_equal(f->stored_count, 0);
}

static void a_record_still_gathered_is_no_failure_a_revoked_token_is(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", "{}");
    fake_source(f, 429, "", "{}");
    fake_target(f, 400, "", "{}");
    expect_line(f, true, "ok      token: c1 (its record is still being gathered)");
    f->source[1].status = 401;
    f->source_asked = f->target_asked = 0;
    expect_line(f, false, "FAILED  token: c1: status 401");
}

static void a_refused_signature_and_a_denied_action_have_their_own_remedies(void **state)
{
    struct fake *f = *state;
    fake_source(f, 200, "", "{}");
    fake_target(f, 403, "", "{\"message\":\"not authorized to perform: healthlake:UpdateResource"
                        "\"}");
    fake_target(f, 0, NULL, NULL);
    expect_line(f, false, "FAILED  permission UpdateResource: status 403: not authorized");
    fake_page(f, "/r4/metadata", 403, "{\"message\":\"signature\"}");
    expect_line(f, false, "FAILED  signature: status 403: signature");
}

#define RUN(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(every_page_of_every_patient_of_every_consent_comes_once),
        RUN(a_bundle_has_full_urls_and_types_are_asked_for),
        RUN(nothing_is_written_when_a_page_fails),
        RUN(no_patient_and_foreign_links_are_told),
        RUN(a_summary_counts_by_type_and_shows_the_newest),
        RUN(all_is_well_before_the_first_run),
        RUN(a_record_still_gathered_is_no_failure_a_revoked_token_is),
        RUN(a_refused_signature_and_a_denied_action_have_their_own_remedies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
