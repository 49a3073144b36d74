/* Erasing: hidden at once at every time, gone from every file when it ends. */
#include "fixture.h"

#include <dirent.h>

#include "os/clock.h"
#include "os/random.h"
#include "store/embedded/erase.h"

enum { MARK_BYTES = 24 };

/* A string that stands nowhere by chance and that no compressor makes shorter. */
static const char *mark_new(struct fixture *f)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    char *text = arena_alloc(&f->arena, MARK_BYTES + 1);
    for (size_t i = 0; i < MARK_BYTES; i++)
        text[i] = letters[os_random_u64() % (sizeof letters - 1)];
    return text;
}

struct counting {
    struct fixture *f;
    const char *folder, *mark;
    int found, files;
};

static enum err count_one(void *context, const char *name)
{
    struct counting *c = context;
    char path[400];
    struct buf bytes;
    buf_init(&bytes, (size_t)1 << 30);
    snprintf(path, sizeof path, "%s/%s/%s", c->f->folder, c->folder, name);
    assert_int_equal(os_file_read(path, &bytes), ERR_NONE);
    if (slice_find(buf_slice(&bytes), slice_cstr(c->mark)) >= 0) {
        c->found++;
        if (getenv("SHOW"))
            print_message("%s holds %s\n", path, c->mark);
    }
    c->files++;
    buf_release(&bytes);
    return ERR_NONE;
}

/* Files of the store that hold the string. */
static int files_with(struct fixture *f, const char *mark)
{
    struct counting c = { f, "truth", mark, 0, 0 };
    assert_int_equal(
        os_folder_each(arena_printf(&f->arena, "%s/truth", f->folder).bytes, count_one, &c),
        ERR_NONE);
    c.folder = "index";
    assert_int_equal(
        os_folder_each(arena_printf(&f->arena, "%s/index", f->folder).bytes, count_one, &c),
        ERR_NONE);
    assert_true(c.files > 5);
    return c.found;
}

/* Rows and deletions that RocksDB's files hold, and rows that can be read. */
static void assert_no_row_is_shadowed(struct fixture *f)
{
    static const char *const names[] = { "entity", "version", "body", "place" };
    static const enum family families[] = { FAMILY_ENTITY, FAMILY_VERSION, FAMILY_BODY,
                                            FAMILY_PLACE };
    struct store *s = f->store;
    const rocksdb_livefiles_t *files = rocksdb_livefiles(s->db);
    for (size_t n = 0; n < ARRAY_COUNT(names); n++) {
        uint64_t stored = 0, read = 0;
        bool is_known = true; /* of files not used since the opening it is not */
        for (int i = 0; i < rocksdb_livefiles_count(files); i++)
            if (!strcmp(rocksdb_livefiles_column_family_name(files, i), names[n])) {
                stored += rocksdb_livefiles_entries(files, i);
                is_known = is_known && rocksdb_livefiles_entries(files, i);
                assert_int_equal(rocksdb_livefiles_deletions(files, i), 0);
            }
        rocksdb_iterator_t *it =
            rocksdb_create_iterator_cf(s->db, s->read_options, s->families[families[n]]);
        for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it))
            read++;
        rocksdb_iter_destroy(it);
        if (is_known)
            assert_int_equal(stored, read);
    }
    rocksdb_livefiles_destroy(files);
}

static void report_none(void *context, const char *what, struct slice type, struct slice id)
{
    print_error("%s: %.*s/%.*s\n", what, SLICE_ARGS(type), SLICE_ARGS(id));
    ++*(int *)context;
}

static void check_all(struct fixture *f)
{
    int bad = 0;
    uint64_t checked = 0;
    assert_int_equal(store_check(f->store, report_none, &bad, &checked), ERR_NONE);
    assert_int_equal(bad, 0);
}

static struct store_erasure erase(struct fixture *f, const char *id)
{
    struct store_target t = { .type = SLICE("T"), .id = slice_cstr(id) };
    struct store_erasure e;
    assert_int_equal(store_erase(f->store, &t, 1, &f->arena, &e), ERR_NONE);
    return e;
}

static struct store_erasure wait_erased(struct fixture *f, uint64_t number)
{
    struct store_erasure e = { 0 };
    for (int i = 0; i < 4000; i++) {
        assert_true(store_erasure_find(f->store, number, &e));
        if (e.stage == STORE_ERASED)
            return e;
        os_sleep_us(5000);
    }
    fail_msg("erasure %d does not end", (int)number);
    return e;
}

static struct store_result put_marked(struct fixture *f, const char *id, const char *mark)
{
    return put(f, "T", id, arena_printf(&f->arena, "1=all;2=%s;%s", mark, mark).bytes);
}

static void neighbours_put(struct fixture *f, int from, int to)
{
    for (int i = from; i < to; i++)
        put_marked(f, arena_printf(&f->arena, "neighbour-%04d", i).bytes,
                   arena_printf(&f->arena, "mark-of-%d", i).bytes);
}

/* What a reader finds of an id, by every way there is. */
static size_t ways_found(struct fixture *f, uint64_t time, const char *id, const char *mark)
{
    struct store_reader *reader = reader_at(f, time);
    struct store_version v, *list = NULL;
    struct plan plan = term_plan(2, mark), by_id = { .kind = PLAN_ID, .from = SLICE("T") };
    by_id.to = slice_cstr(id);
    uint64_t *docs;
    size_t ways = 0, count = 0;
    bool found = false;
    assert_int_equal(store_head(reader, SLICE("T"), slice_cstr(id), &f->arena, &found, &v),
                     ERR_NONE);
    ways += found;
    assert_int_equal(store_version(reader, SLICE("T"), slice_cstr(id), 1, &f->arena, &found, &v),
                     ERR_NONE);
    ways += found;
    assert_int_equal(store_history(reader, SLICE("T"), slice_cstr(id), 0, INT64_MIN, 10, &f->arena,
                                   &list, &count),
                     ERR_NONE);
    ways += count;
    store_read_end(reader);
    return ways + search_docs(f, time, &plan, &docs) + search_docs(f, time, &by_id, &docs);
}

static void what_is_erased_is_hidden_at_once_at_every_time(void **state)
{
    struct fixture *f = *state;
    const char *id = mark_new(f), *first = mark_new(f), *second = mark_new(f);
    neighbours_put(f, 0, 10);
    struct store_result one = put_marked(f, id, first);
    uint64_t then = store_time_of(one.doc);
    uint64_t last = put_marked(f, id, second).doc;
    assert_true(ways_found(f, then, id, first) > 3);
    struct store_reader *before = reader_at(f, 0); /* keeps the job from its end */
    struct store_erasure e = erase(f, id);
    assert_int_equal(e.resources, 1);
    assert_int_equal(e.versions, 2);
    for (uint64_t time = then; time <= store_time_of(last); time++) {
        assert_int_equal(ways_found(f, time, id, first), 0);
        assert_int_equal(ways_found(f, time, id, second), 0);
    }
    struct store_changes all = { .limit = 100 };
    struct store_version v;
    uint64_t *docs, next;
    size_t count;
    struct store_reader *now = reader_at(f, 0);
    assert_int_equal(store_changes(now, &all, &f->arena, &docs, &count, &next), ERR_NONE);
    assert_int_equal(count, 10);
    assert_int_equal(store_doc(now, one.doc, &f->arena, &v), ERR_NOT_FOUND);
    store_read_end(now);
    assert_int_equal(put_marked(f, id, first).version, 1); /* the id is free */
    store_read_end(before);
    wait_erased(f, e.number);
    assert_int_equal(ways_found(f, 0, id, first), 5);
    assert_int_equal(ways_found(f, 0, id, second), 4); /* by its new version */
    check_all(f);
}

static void no_file_holds_what_was_erased(void **state)
{
    struct fixture *f = *state;
    const char *id = mark_new(f), *marks[4];
    for (int round = 0; round < 4; round++) {
        neighbours_put(f, round * 20, round * 20 + 30);
        marks[round] = mark_new(f);
        put_marked(f, id, marks[round]);
        neighbours_put(f, round * 20 + 10, round * 20 + 40);
        if (round < 3)
            assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
    }
    assert_int_equal(postings_merge_window(&f->store->postings, false, 0, 2), ERR_NONE);
    put(f, "T", "witness", arena_printf(&f->arena, "2=of %s;", id).bytes); /* refers to it */
    fixture_reopen(f);
    /* One by itself may be cut: sorted keys leave out what they share with a neighbour. */
    int holding = files_with(f, id);
    for (int round = 0; round < 4; round++)
        holding += files_with(f, marks[round]);
    assert_true(holding > 0);
    struct store_erasure e = erase(f, id);
    e = wait_erased(f, e.number);
    assert_int_equal(e.versions, 4);
    assert_true(e.files > 5);
    for (int round = 0; round < 4; round++)
        assert_int_equal(files_with(f, marks[round]), 0);
    assert_no_row_is_shadowed(f);
    check_all(f);
    struct plan all = term_plan(1, "all");
    uint64_t *docs;
    assert_int_equal(search_docs(f, 0, &all, &docs), 100);
    struct store_erasure of_witness = erase(f, "witness");
    wait_erased(f, of_witness.number);
    assert_int_equal(files_with(f, id), 0);
    fixture_reopen(f);
    assert_int_equal(files_with(f, id), 0);
    check_all(f);
    assert_true(store_erasure_find(f->store, e.number, &e)); /* is remembered */
    assert_int_equal(e.stage, STORE_ERASED);
    assert_int_equal(e.versions, 4);
}

/* Those asked for while one is at work go together; each is told its own. */
static void erasures_asked_at_once_share_the_way_through_the_files(void **state)
{
    struct fixture *f = *state;
    enum { ERASURES = 70 }; /* more than a group */
    const char *ids[ERASURES], *marks[ERASURES];
    uint64_t numbers[ERASURES];
    for (int i = 0; i < ERASURES; i++) {
        ids[i] = mark_new(f);
        marks[i] = mark_new(f);
        neighbours_put(f, i, i + (i % 4 == 0));
        put_marked(f, ids[i], marks[i]);
    }
    put(f, "T", "witness", arena_printf(&f->arena, "2=of %s;", ids[7]).bytes);
    struct store_reader *before = reader_at(f, 0); /* keeps them from their end */
    for (int i = 0; i < ERASURES; i++)
        numbers[i] = erase(f, ids[i]).number;
    put_marked(f, ids[5], marks[5]);
    uint64_t again = erase(f, ids[5]).number;
    int64_t begin_us = os_monotonic_us();
    store_read_end(before);
    for (int i = 0; i < ERASURES; i++) {
        struct store_erasure e = wait_erased(f, numbers[i]);
        assert_int_equal(e.versions, 1);
        if (i != 5) /* which was used again */
            assert_int_equal(e.found > 0, i == 7); /* the witness */
    }
    wait_erased(f, again);
    print_message("%d erasures in %lld ms\n", (int)ERASURES,
                  (long long)((os_monotonic_us() - begin_us) / 1000));
    for (int i = 0; i < ERASURES; i++) {
        assert_int_equal(files_with(f, marks[i]), 0);
        assert_true(i == 7 || files_with(f, ids[i]) == 0);
    }
    assert_no_row_is_shadowed(f);
    check_all(f);
    fixture_reopen(f);
    assert_int_equal(store_erasures_open(f->store), 0);
}

static void an_erasure_goes_on_after_a_restart(void **state)
{
    struct fixture *f = *state;
    const char *id = mark_new(f), *mark = mark_new(f);
    for (int i = 0; i < 300; i++)
        put_marked(f, id, mark);
    neighbours_put(f, 0, 5);
    struct store_erasure e = erase(f, id);
    for (int i = 0; i < 5; i++)
        fixture_reopen(f);
    assert_int_equal(ways_found(f, 0, id, mark), 0);
    wait_erased(f, e.number);
    assert_int_equal(files_with(f, id), 0);
    assert_int_equal(files_with(f, mark), 0);
    assert_no_row_is_shadowed(f);
    check_all(f);
}

static void what_moved_since_it_was_seen_stays(void **state)
{
    struct fixture *f = *state;
    uint64_t seen = put_marked(f, "a", mark_new(f)).doc;
    uint64_t now = put_marked(f, "a", mark_new(f)).doc;
    put_marked(f, "b", mark_new(f));
    struct store_target t[2] = { { .type = SLICE("T"), .id = SLICE("a"), .newest = seen },
                                 { .type = SLICE("T"), .id = SLICE("b") } };
    struct store_erasure e;
    struct store_version *list;
    size_t count;
    assert_int_equal(store_erase(f->store, t, 2, &f->arena, &e), ERR_NONE);
    assert_int_equal(e.resources, 1);
    assert_int_equal(e.moved, 1);
    wait_erased(f, e.number);
    struct store_reader *reader = reader_at(f, 0);
    assert_int_equal(
        store_history(reader, SLICE("T"), SLICE("a"), 0, INT64_MIN, 10, &f->arena, &list, &count),
        ERR_NONE);
    store_read_end(reader);
    assert_int_equal(count, 2);
    assert_int_equal(list[0].doc, now);
    t[0].newest = now;
    assert_int_equal(store_erase(f->store, t, 2, &f->arena, &e), ERR_NONE);
    assert_int_equal(e.resources, 1);
    assert_int_equal(e.moved, 0);
    wait_erased(f, e.number);
    check_all(f);
}

static void versions_alone_can_be_erased_but_not_the_newest(void **state)
{
    struct fixture *f = *state;
    const char *marks[5];
    uint64_t docs[5];
    struct store_version *list;
    size_t count;
    for (int i = 0; i < 5; i++) {
        marks[i] = mark_new(f);
        docs[i] = put_marked(f, "a", marks[i]).doc;
    }
    struct store_target t = { .type = SLICE("T"), .id = SLICE("a"), .docs = docs + 4 };
    struct store_erasure e;
    t.doc_count = 1;
    assert_int_equal(store_erase(f->store, &t, 1, &f->arena, &e), ERR_INVALID);
    t.docs = docs + 1;
    t.doc_count = 2;
    assert_int_equal(store_erase(f->store, &t, 1, &f->arena, &e), ERR_NONE);
    assert_int_equal(e.resources, 0);
    assert_int_equal(e.versions, 2);
    wait_erased(f, e.number);
    struct store_reader *reader = reader_at(f, 0);
    assert_int_equal(
        store_history(reader, SLICE("T"), SLICE("a"), 0, INT64_MIN, 10, &f->arena, &list, &count),
        ERR_NONE);
    store_read_end(reader);
    assert_int_equal(count, 3);
    assert_int_equal(list[2].doc, docs[0]);
    assert_int_equal(files_with(f, marks[1]), 0);
    assert_int_equal(files_with(f, marks[2]), 0);
    assert_int_equal(ways_found(f, 0, "a", marks[1]), 6); /* of the others */
    check_all(f);
    /* The horizon still finds what the missing ones superseded. */
    assert_int_equal(store_horizon_raise(f->store, store_time_of(docs[4]), 1), ERR_NONE);
    assert_int_equal(store_purge(f->store), ERR_NONE);
    reader = reader_at(f, 0);
    assert_int_equal(
        store_history(reader, SLICE("T"), SLICE("a"), 0, INT64_MIN, 10, &f->arena, &list, &count),
        ERR_NONE);
    store_read_end(reader);
    assert_int_equal(count, 1);
    check_all(f);
}

static void what_is_not_there_is_passed_over(void **state)
{
    struct fixture *f = *state;
    put(f, "T", "a", "1=x;");
    assert_int_equal(erase(f, "never").number, 1);
    struct store_erasure e;
    assert_false(store_erasure_find(f->store, 1, &e));
    delete_one(f, "T", "a");
    e = erase(f, "a"); /* a deletion is a version, too */
    assert_int_equal(e.versions, 2);
    wait_erased(f, e.number);
    assert_null(body_of(f, 0, "T", "a"));
    assert_int_equal(put(f, "T", "a", "1=x;").version, 1);
    check_all(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(what_is_erased_is_hidden_at_once_at_every_time),
        TEST(no_file_holds_what_was_erased),
        TEST(erasures_asked_at_once_share_the_way_through_the_files),
        TEST(an_erasure_goes_on_after_a_restart),
        TEST(what_moved_since_it_was_seen_stays),
        TEST(versions_alone_can_be_erased_but_not_the_newest),
        TEST(what_is_not_there_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
