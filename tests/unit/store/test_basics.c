#include "fixture.h"

#include "os/clock.h"

static void what_was_put_is_read_back(void **state)
{
    struct fixture *f = *state;
    struct store_write w = put_write(&f->arena, "Patient", "a", "1=x;2=y;{\"name\":\"Ann\"}");
    w.splice = 7;
    w.appendix = SLICE("beside");
    struct store_result r = apply_one(f, w);
    assert_int_equal(r.outcome, STORE_CREATED);
    assert_int_equal(r.version, 1);
    for (int pass = 0; pass < 2; pass++) {
        struct store_reader *reader = reader_at(f, 0);
        struct store_version v;
        bool found = false;
        assert_int_equal(
            store_head(reader, SLICE("Patient"), SLICE("a"), &f->arena, &found, &v), ERR_NONE);
        assert_true(found);
        assert_true(slice_is(v.body, "1=x;2=y;{\"name\":\"Ann\"}"));
        assert_true(slice_is(v.appendix, "beside"));
        assert_true(slice_is(v.type, "Patient") && slice_is(v.id, "a"));
        assert_int_equal(v.splice, 7);
        assert_int_equal(v.instant, r.instant);
        assert_true(v.is_first);
        assert_int_equal(store_doc(reader, r.doc, &f->arena, &v), ERR_NONE);
        assert_true(slice_is(v.id, "a"));
        assert_int_equal(
            store_head(reader, SLICE("Patient"), SLICE("b"), &f->arena, &found, &v), ERR_NONE);
        assert_false(found);
        assert_int_equal(
            store_head(reader, SLICE("Nothing"), SLICE("a"), &f->arena, &found, &v), ERR_NONE);
        assert_false(found);
        store_read_end(reader);
        fixture_reopen(f);
    }
}

static void versions_count_on_through_deletions(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "T", "a", "1=x;one").version, 1);
    assert_int_equal(put(f, "T", "a", "1=x;two").version, 2);
    struct store_result deleted = delete_one(f, "T", "a");
    assert_int_equal(deleted.outcome, STORE_DELETED);
    assert_int_equal(deleted.version, 3);
    assert_string_equal(body_of(f, 0, "T", "a"), "(deleted)");
    assert_int_equal(delete_one(f, "T", "a").outcome, STORE_NOTHING);
    assert_int_equal(delete_one(f, "T", "never").outcome, STORE_NOTHING);
    struct store_result again = put(f, "T", "a", "1=x;four");
    assert_int_equal(again.outcome, STORE_CREATED);
    assert_true(again.was_deleted);
    assert_int_equal(again.version, 4);

    struct store_reader *reader = reader_at(f, 0);
    struct store_version *list = NULL, v;
    size_t count = 0;
    bool found = false;
    assert_int_equal(store_history(reader, SLICE("T"), SLICE("a"), 0, INT64_MIN, 10, &f->arena,
                                   &list, &count),
                     ERR_NONE);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list[i].version, 4 - i);
        assert_int_equal(list[i].is_deleted, i == 1);
        assert_true(i == 0 || list[i].instant < list[i - 1].instant);
    }
    assert_int_equal(store_history(reader, SLICE("T"), SLICE("a"), list[1].doc, list[2].instant,
                                   10, &f->arena, &list, &count),
                     ERR_NONE);
    assert_int_equal(count, 1);
    assert_int_equal(list[0].version, 2);
    assert_int_equal(
        store_version(reader, SLICE("T"), SLICE("a"), 2, &f->arena, &found, &v), ERR_NONE);
    assert_true(found && slice_is(v.body, "1=x;two"));
    assert_int_equal(
        store_version(reader, SLICE("T"), SLICE("a"), 5, &f->arena, &found, &v), ERR_NONE);
    assert_false(found);
    store_read_end(reader);
}

static void expectations_refuse_with_the_version_that_is_there(void **state)
{
    struct fixture *f = *state;
    put(f, "T", "a", "1=x;");
    struct store_write w = put_write(&f->arena, "T", "a", "1=y;");
    w.expect = STORE_NOT_THERE;
    struct store_result r = apply_one(f, w);
    assert_int_equal(r.outcome, STORE_REFUSED);
    assert_int_equal(r.version, 1);
    w.expect = STORE_VERSION;
    w.expect_version = 2;
    assert_int_equal(apply_one(f, w).outcome, STORE_REFUSED);
    w.expect_version = 1;
    assert_int_equal(apply_one(f, w).outcome, STORE_UPDATED);
    w.id = SLICE("b");
    w.expect = STORE_LIVE;
    r = apply_one(f, w);
    assert_int_equal(r.outcome, STORE_REFUSED);
    assert_int_equal(r.version, 0);
    delete_one(f, "T", "a");
    w.id = SLICE("a");
    assert_int_equal(apply_one(f, w).outcome, STORE_REFUSED);
    w.expect = STORE_NOT_THERE;
    assert_int_equal(apply_one(f, w).outcome, STORE_REFUSED);
}

static void equal_content_makes_no_version(void **state)
{
    struct fixture *f = *state;
    struct store_result first = put(f, "T", "a", "1=x;text");
    struct store_write w = put_write(&f->arena, "T", "a", "1=x;text");
    w.skip_if_equal = true;
    struct store_result r = apply_one(f, w);
    assert_int_equal(r.outcome, STORE_UNCHANGED);
    assert_int_equal(r.version, 1);
    assert_int_equal(r.doc, first.doc);
    assert_int_equal(r.instant, first.instant);
    w.splice = 1;
    assert_int_equal(apply_one(f, w).outcome, STORE_UPDATED);
    w.skip_if_equal = false;
    assert_int_equal(apply_one(f, w).version, 3);
    delete_one(f, "T", "a");
    w.skip_if_equal = true;
    assert_int_equal(apply_one(f, w).outcome, STORE_CREATED);
}

static void a_refusal_leaves_the_whole_transaction_unwritten(void **state)
{
    struct fixture *f = *state;
    put(f, "T", "b", "1=old;");
    struct store_write writes[3] = { put_write(&f->arena, "T", "a", "1=new;"),
                                     put_write(&f->arena, "T", "b", "1=new;"),
                                     put_write(&f->arena, "T", "c", "1=new;") };
    writes[1].expect = STORE_NOT_THERE;
    struct store_result results[3];
    uint64_t time = 0;
    size_t refused = 9;
    assert_int_equal(
        store_apply(f->store, writes, 3, true, &f->arena, results, &time, &refused), ERR_NONE);
    assert_int_equal(refused, 1);
    assert_int_equal(results[0].outcome, STORE_NOTHING);
    assert_int_equal(results[1].outcome, STORE_REFUSED);
    assert_null(body_of(f, 0, "T", "a"));
    assert_string_equal(body_of(f, 0, "T", "b"), "1=old;");
    assert_int_equal(
        store_apply(f->store, writes, 3, false, &f->arena, results, &time, &refused), ERR_NONE);
    assert_int_equal(results[0].outcome, STORE_CREATED);
    assert_int_equal(results[1].outcome, STORE_REFUSED);
    assert_int_equal(results[2].outcome, STORE_CREATED);
    assert_int_equal(results[0].instant, results[2].instant);
    writes[2] = writes[0];
    assert_int_equal(
        store_apply(f->store, writes, 3, false, &f->arena, results, &time, &refused),
        ERR_INVALID);
}

static void searches_see_live_documents_only(void **state)
{
    struct fixture *f = *state;
    for (int pass = 0; pass < 2; pass++) {
        uint64_t *docs = NULL;
        uint64_t a = put(f, "T", "a", "1=red;2=apple;").doc;
        uint64_t b = put(f, "T", "b", "1=red;2=brick;1=red;").doc;
        uint64_t c = put(f, "T", "c", "1=green;2=apricot;").doc;
        struct plan red = term_plan(1, "red"), green = term_plan(1, "green");
        struct plan ap = { .kind = PLAN_PREFIX, .field = 2, .from = SLICE("ap") };
        struct plan *pair[2] = { &red, &ap };
        struct plan both = { .kind = PLAN_AND, .children = pair, .child_count = 2 };
        struct plan either = { .kind = PLAN_OR, .children = pair, .child_count = 2 };
        struct plan *one[1] = { &ap };
        struct plan none = { .kind = PLAN_NOT, .children = one, .child_count = 1 };
        struct plan all = { .kind = PLAN_ALL };
        assert_int_equal(search_docs(f, 0, &red, &docs), 2);
        assert_true(docs[0] == a && docs[1] == b);
        assert_int_equal(search_docs(f, 0, &both, &docs), 1);
        assert_int_equal(docs[0], a);
        assert_int_equal(search_docs(f, 0, &either, &docs), 3);
        assert_int_equal(search_docs(f, 0, &none, &docs), 1);
        assert_int_equal(docs[0], b);
        assert_int_equal(search_docs(f, 0, &all, &docs), 3);
        assert_int_equal(docs[2], c);
        struct store_reader *before = reader_at(f, 0);
        put(f, "T", "a", "1=green;");
        delete_one(f, "T", "c");
        assert_int_equal(search_docs(f, 0, &red, &docs), 1);
        assert_int_equal(search_docs(f, 0, &green, &docs), 1);
        assert_int_equal(search_docs(f, 0, &all, &docs), 2);
        assert_int_equal(search_docs(f, store_reader_time(before), &red, &docs), 2);
        assert_int_equal(search_docs(f, store_reader_time(before), &green, &docs), 1);
        store_read_end(before);
        delete_one(f, "T", "a");
        delete_one(f, "T", "b");
        fixture_reopen(f);
        assert_int_equal(search_docs(f, 0, &all, &docs), 0);
    }
}

static void small_records_are_compared_and_set(void **state)
{
    struct fixture *f = *state;
    struct slice value;
    bool found = true;
    assert_int_equal(store_meta_get(f->store, SLICE("k"), &f->arena, &found, &value), ERR_NONE);
    assert_false(found);
    assert_int_equal(store_meta_set(f->store, SLICE("k"), SLICE("x"), SLICE("y")), ERR_CONFLICT);
    assert_int_equal(store_meta_set(f->store, SLICE("k"), SLICE_NONE, SLICE("1")), ERR_NONE);
    assert_int_equal(store_meta_set(f->store, SLICE("k"), SLICE_NONE, SLICE("2")), ERR_CONFLICT);
    assert_int_equal(store_meta_set(f->store, SLICE("k"), SLICE("1"), SLICE("2")), ERR_NONE);
    fixture_reopen(f);
    assert_int_equal(store_meta_get(f->store, SLICE("k"), &f->arena, &found, &value), ERR_NONE);
    assert_true(found && slice_is(value, "2"));
}

static void a_store_is_open_once(void **state)
{
    struct fixture *f = *state;
    struct store *first = f->store;
    assert_int_equal(fixture_try_open(f), ERR_BUSY);
    f->store = first;
}

static void a_clock_far_behind_is_refused_until_accepted(void **state)
{
    struct fixture *f = *state;
    int64_t instant = put(f, "T", "a", "1=x;").instant;
    fixture_close(f);
    os_clock_offset_us(-(int64_t)2 * 3600 * 1000000);
    struct slice error;
    struct store_settings settings = { .folder = f->folder, .extract = fixture_extract };
    settings.rules_hash = f->rules_hash;
    assert_int_equal(store_open(&settings, &f->arena, &f->store, &error), ERR_CONFLICT);
    assert_true(error.length > 0);
    settings.accept_clock_ahead = true;
    assert_int_equal(store_open(&settings, &f->arena, &f->store, &error), ERR_NONE);
    assert_true(put(f, "T", "a", "1=y;").instant > instant);
    os_clock_offset_us(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(what_was_put_is_read_back),
        TEST(versions_count_on_through_deletions),
        TEST(expectations_refuse_with_the_version_that_is_there),
        TEST(equal_content_makes_no_version),
        TEST(a_refusal_leaves_the_whole_transaction_unwritten),
        TEST(searches_see_live_documents_only),
        TEST(small_records_are_compared_and_set),
        TEST(a_store_is_open_once),
        TEST(a_clock_far_behind_is_refused_until_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
