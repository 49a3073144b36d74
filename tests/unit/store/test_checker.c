/* A check in the background: what is planted is found by name and repaired, what is wrong
 * of the truth is named and stays, it goes on after a stop or a kill, and who writes
 * meanwhile is never taken for damage. */
#include "fixture.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/engine.h"
#include "store/embedded/rocks.h"

enum { DOCS = 600, FIELDS = 4 };

static struct store_rule RULES[FIELDS] = { { 1, 11 }, { 2, 12 }, { 3, 13 }, { 4, 14 } };

static void set_rules(struct fixture *f)
{
    fixture_close(f);
    f->rules = (struct store_rules){ RULES, FIELDS, 1 };
    fixture_open(f);
}

static struct store_write write_of(struct fixture *f, int i)
{
    const char *id = arena_printf(&f->arena, "n%d", i).bytes;
    struct store_write w = put_write(&f->arena, i % 3 ? "N" : "M", id,
                                     arena_printf(&f->arena, "1=all;2=%s;3=m%d;", id, i % 9).bytes);
    w.rules = f->rules.number;
    return w;
}

static void fill(struct fixture *f, int from, int to)
{
    enum { EACH = 250 };
    for (int i = from; i < to;) {
        struct store_write writes[EACH];
        struct store_result results[EACH];
        uint64_t time = 0;
        size_t count = 0, refused = 0;
        while (count < EACH && i < to)
            writes[count++] = write_of(f, i++);
        assert_int_equal(store_apply(f->store, writes, count, true, &f->arena, results, &time,
                                     &refused),
                         ERR_NONE);
    }
}

static void settle(struct fixture *f)
{
    assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
}

static uint64_t start(struct fixture *f, bool repair, uint64_t rate)
{
    const struct store_check_order order = { .repair = repair, .rate = rate };
    uint64_t number = 0;
    assert_int_equal(store_check_start(f->store, &order, &number), ERR_NONE);
    return number;
}

static struct store_check_state await(struct fixture *f)
{
    struct store_check_state s;
    for (int ms = 0; ms < 30000; ms++) {
        store_check_look(f->store, &s);
        if (s.stage != STORE_CHECK_RUNNING)
            return s;
        os_sleep_us(1000);
    }
    fail_msg("it does not end: phase %s, %llu of %llu", store_check_phase_name(s.phase),
             (unsigned long long)s.done, (unsigned long long)s.whole);
    return s;
}

static struct store_finding *findings(struct fixture *f, size_t *count)
{
    struct store_finding *list = NULL;
    assert_int_equal(store_check_findings(f->store, 0, SIZE_MAX, &f->arena, &list, count),
                     ERR_NONE);
    for (size_t i = 0; i < *count; i++)
        print_message("%s %.*s/%.*s doc %llu field %u state %d\n", store_finding_text(list[i].kind),
                      SLICE_ARGS(list[i].type), SLICE_ARGS(list[i].id),
                      (unsigned long long)list[i].doc, list[i].field, list[i].state);
    return list;
}

/* The one finding there is. */
static struct store_finding only(struct fixture *f)
{
    size_t count = 0;
    struct store_finding *list = findings(f, &count);
    assert_int_equal(count, 1);
    return list[0];
}

static uint64_t count_of(struct fixture *f, uint32_t field, const char *value)
{
    uint64_t *docs = NULL;
    struct plan plan = term_plan(field, value);
    return search_docs(f, 0, &plan, &docs);
}

static void a_sound_store_passes_and_a_second_check_waits_its_turn(void **state)
{
    struct fixture *f = *state;
    fill(f, 0, 300);
    struct store_check_state s;
    store_check_look(f->store, &s);
    assert_int_equal(s.stage, STORE_CHECK_NONE);
    assert_int_equal(start(f, false, 2000), 1);
    const struct store_check_order order = { 0 };
    uint64_t number = 0;
    assert_int_equal(store_check_start(f->store, &order, &number), ERR_CONFLICT);
    s = await(f);
    assert_int_equal(s.stage, STORE_CHECK_DONE);
    assert_true(s.findings == 0 && s.checked == 300 && s.documents == 300 && s.resources == 300);
    assert_int_equal(start(f, false, 0), 2);
    assert_int_equal(await(f).stage, STORE_CHECK_DONE);
}

static void the_rate_is_kept(void **state)
{
    struct fixture *f = *state;
    fill(f, 0, 200);
    int64_t began_us = os_monotonic_us();
    start(f, false, 400);
    await(f);
    int64_t took_us = os_monotonic_us() - began_us;
    assert_true(took_us > 700 * 1000); /* 200 documents, 200 resources */
}

static void a_check_is_cancelled(void **state)
{
    struct fixture *f = *state;
    fill(f, 0, 300);
    assert_int_equal(store_check_cancel(f->store), ERR_NOT_FOUND);
    start(f, false, 10);
    assert_int_equal(store_check_cancel(f->store), ERR_NONE);
    struct store_check_state s = await(f);
    assert_int_equal(s.stage, STORE_CHECK_CANCELLED);
    fixture_reopen(f);
    store_check_look(f->store, &s);
    assert_int_equal(s.stage, STORE_CHECK_CANCELLED);
}

/* ---- the index ---- */

/* A write whose terms are not those of its body. */
static uint64_t plant(struct fixture *f, struct term *terms, size_t count)
{
    struct store_write w = put_write(&f->arena, "N", "odd", "1=all;2=odd;3=m1;");
    w.rules = f->rules.number;
    w.terms = terms;
    w.term_count = count;
    return apply_one(f, w).doc;
}

static void expect_repaired(struct fixture *f, uint64_t doc, uint8_t kind, uint32_t field)
{
    start(f, false, 0);
    struct store_check_state s = await(f);
    struct store_finding found = only(f);
    assert_true(found.kind == kind && found.doc == doc && found.has_field && found.field == field);
    assert_int_equal(found.state, STORE_FINDING_STANDS);
    assert_true(slice_is(found.type, "N") && slice_is(found.id, "odd") && found.version == 1);
    start(f, true, 0);
    s = await(f);
    assert_int_equal(s.stage, STORE_CHECK_DONE);
    assert_true(s.findings == 1 && s.repaired == 1);
    assert_int_equal(only(f).state, STORE_FINDING_REPAIRED);
    assert_true(count_of(f, 1, "all") == DOCS + 1 && count_of(f, 2, "odd") == 1 &&
                count_of(f, 3, "false") == 0);
    start(f, false, 0);
    assert_int_equal(await(f).findings, 0);
}

static void false_and_missing_terms(struct fixture *f, bool in_segment)
{
    struct term lacking[] = { { 1, SLICE_INIT("all") }, { 3, SLICE_INIT("m1") } };
    fill(f, 0, DOCS);
    uint64_t doc = plant(f, lacking, 2);
    if (in_segment)
        settle(f);
    assert_int_equal(count_of(f, 2, "odd"), 0);
    expect_repaired(f, doc, STORE_FINDING_TERM_MISSING, 2);
    delete_one(f, "N", "odd");
    struct store_target target = { .type = SLICE("N"), .id = SLICE("odd") };
    struct store_erasure e;
    assert_int_equal(store_erase(f->store, &target, 1, &f->arena, &e), ERR_NONE);
    struct term wrong[] = { { 1, SLICE_INIT("all") },
                            { 2, SLICE_INIT("odd") },
                            { 3, SLICE_INIT("m1") },
                            { 3, SLICE_INIT("false") } };
    doc = plant(f, wrong, 4);
    if (in_segment)
        settle(f);
    assert_int_equal(count_of(f, 3, "false"), 1);
    expect_repaired(f, doc, STORE_FINDING_TERM_FALSE, 3);
}

static void a_field_with_a_rule_is_derived_again_by_itself(void **state)
{
    struct fixture *f = *state;
    set_rules(f);
    false_and_missing_terms(f, true);
}

static void what_has_no_rule_is_repaired_by_segments(void **state)
{
    struct fixture *f = *state;
    false_and_missing_terms(f, true);
}

static void what_is_in_memory_only_is_repaired_too(void **state)
{
    struct fixture *f = *state;
    false_and_missing_terms(f, false);
}

static void flip(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    int old = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    fputc(old ^ 4, file);
    fclose(file);
}

static void remove_file(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void flip_one(const char *path)
{
    flip(path, 2000);
}

static void lengthen(const char *path)
{
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    fputc('x', file);
    fclose(file);
}

static void damage_is_found_and_repaired(struct fixture *f, void (*damage)(const char *path))
{
    char path[SEGMENT_PATH_MAX];
    fill(f, 0, DOCS);
    settle(f);
    struct postings_view *view = postings_view_take(&f->store->postings);
    uint64_t number = view->segments->list[0]->footer.number;
    snprintf(path, sizeof path, "%s", view->segments->list[0]->path);
    postings_view_give(view);
    damage(path);
    start(f, false, 0);
    struct store_check_state s = await(f);
    struct store_finding found = only(f);
    assert_true(found.kind == STORE_FINDING_SEGMENT && found.segment == number);
    assert_int_equal(found.state, STORE_FINDING_REPAIRED);
    assert_int_equal(s.repaired, 1);
    assert_int_equal(count_of(f, 1, "all"), DOCS);
    start(f, false, 0);
    assert_int_equal(await(f).findings, 0);
}

static void a_byte_changed_while_the_store_is_open_is_found_and_repaired(void **state)
{
    damage_is_found_and_repaired(*state, flip_one);
}

static void a_file_removed_while_the_store_is_open_is_found_and_repaired(void **state)
{
    damage_is_found_and_repaired(*state, remove_file);
}

static void a_file_lengthened_while_the_store_is_open_is_found_and_repaired(void **state)
{
    damage_is_found_and_repaired(*state, lengthen);
}

/* ---- the truth ---- */

static void row_change(struct fixture *f, enum family family, struct slice key, size_t at)
{
    struct store *store = f->store;
    rocksdb_pinnableslice_t *pin = NULL;
    struct slice value;
    char *error = NULL, bytes[4096];
    assert_int_equal(rocks_get(store->db, store->read_options, store->families[family], key, &pin,
                               &value),
                     ERR_NONE);
    assert_true(pin && value.length < sizeof bytes);
    memcpy(bytes, value.bytes, value.length);
    size_t length = value.length;
    rocksdb_pinnableslice_destroy(pin);
    if (at == SIZE_MAX) {
        rocksdb_delete_cf(store->db, store->write_options, store->families[family], key.bytes,
                          key.length, &error);
    } else {
        bytes[at] ^= 1;
        rocksdb_put_cf(store->db, store->write_options, store->families[family], key.bytes,
                       key.length, bytes, length, &error);
    }
    assert_null(error);
}

struct fault {
    enum family family;
    size_t at; /* byte that is changed; SIZE_MAX: the row goes */
    bool is_old; /* of the version before */
    enum store_finding_kind kind;
};

/* Of Home/odd, which has two versions. */
static void fault_plant(struct fixture *f, const struct fault *fault, uint64_t first,
                        uint64_t second)
{
    struct store *store = f->store;
    struct place_row place;
    struct body_key_bytes body;
    struct version_key_bytes version;
    bool found = false;
    uint64_t doc = fault->is_old ? first : second;
    uint8_t key[8];
    put_be64(key, doc);
    assert_int_equal(store_place_find(store, doc, &found, &place), ERR_NONE);
    assert_true(found);
    body_key_encode(place.home, place.type, doc, &body);
    put_be64(version.entity, place.entity);
    put_be64(version.doc, doc);
    struct slice of_doc = slice_of((char *)key, sizeof key);
    struct slice name = entity_key(&f->arena, place.type, SLICE("odd"));
    row_change(f, fault->family,
               fault->family == FAMILY_ENTITY    ? name
               : fault->family == FAMILY_BODY    ? slice_of((char *)&body, sizeof body)
               : fault->family == FAMILY_VERSION ? slice_of((char *)&version, sizeof version)
                                                 : of_doc,
               fault->at);
}

static void faults_of_the_truth_are_named_and_stay(void **state)
{
    struct fixture *f = *state;
    static const struct fault faults[] = {
        { FAMILY_DEATH, SIZE_MAX, true, STORE_FINDING_DEATH },
        { FAMILY_DEATH, 7, true, STORE_FINDING_DEATH },
        { FAMILY_ENTITY, SIZE_MAX, false, STORE_FINDING_HEAD_MISSING },
        { FAMILY_ENTITY, offsetof(struct entity_row_bytes, version) + 7, false,
          STORE_FINDING_HEAD },
        { FAMILY_ENTITY, offsetof(struct entity_row_bytes, home) + 7, false, STORE_FINDING_HEAD },
        { FAMILY_ENTITY, offsetof(struct entity_row_bytes, hash), false, STORE_FINDING_HEAD },
        { FAMILY_ENTITY, offsetof(struct entity_row_bytes, head) + 2, false,
          STORE_FINDING_HEAD_LOST },
        { FAMILY_VERSION, SIZE_MAX, true, STORE_FINDING_VERSION_MISSING },
        { FAMILY_VERSION, offsetof(struct version_row_bytes, previous) + 7, false,
          STORE_FINDING_CHAIN },
        { FAMILY_VERSION, offsetof(struct version_row_bytes, version) + 7, true,
          STORE_FINDING_PLACE },
        { FAMILY_PLACE, SIZE_MAX, false, STORE_FINDING_PLACE_MISSING },
        { FAMILY_PLACE, offsetof(struct place_row_bytes, version) + 7, false,
          STORE_FINDING_PLACE },
        { FAMILY_BODY, SIZE_MAX, false, STORE_FINDING_BODY_MISSING },
        { FAMILY_BODY, offsetof(struct body_head_bytes, version) + 7, false,
          STORE_FINDING_BODY_HEAD },
        { FAMILY_BODY, sizeof(struct body_head_bytes) + 4, false, STORE_FINDING_BODY_HASH },
    };
    for (size_t i = 0; i < ARRAY_COUNT(faults); i++) {
        size_t count = 0;
        bool is_named = false;
        fill(f, 0, 10);
        uint64_t first = put(f, "N", "odd", "1=all;2=odd;3=m1;").doc;
        uint64_t second = put(f, "N", "odd", "1=all;2=odd;3=m2;").doc;
        fault_plant(f, &faults[i], first, second);
        start(f, true, 0);
        struct store_check_state s = await(f);
        struct store_finding *list = findings(f, &count);
        assert_int_equal(s.stage, STORE_CHECK_DONE);
        assert_int_equal(s.repaired, 0);
        for (size_t k = 0; k < count; k++)
            is_named = is_named || list[k].kind == faults[i].kind;
        if (!is_named)
            fail_msg("fault %zu is not named", i);
        fixture_close(f);
        assert_int_equal(os_folder_remove(f->folder), ERR_NONE);
        assert_int_equal(os_folder_make(f->folder, 0700), ERR_NONE);
        fixture_open(f);
    }
}

/* Something else each time. */
static enum err extract_by_chance(void *context, struct slice type, struct slice id,
                                  struct slice body, struct arena *arena, struct term **ret,
                                  size_t *ret_count)
{
    _Atomic int *calls = context;
    TRY(fixture_extract(NULL, type, id, body, arena, ret, ret_count));
    for (size_t i = 0; slice_is(id, "odd") && i < *ret_count; i++)
        if ((*ret)[i].field == 2)
            (*ret)[i].value = arena_printf(arena, "odd%d", atomic_fetch_add(calls, 1));
    return ERR_NONE;
}

static void what_is_wrong_still_after_its_repair_stands_also_when_opened_again(void **state)
{
    struct fixture *f = *state;
    _Atomic int calls = 0;
    f->extract = extract_by_chance;
    f->extract_context = &calls;
    set_rules(f);
    fill(f, 0, 20);
    struct term terms[] = { { 1, SLICE_INIT("all") }, { 2, SLICE_INIT("odd") },
                            { 3, SLICE_INIT("m1") } };
    plant(f, terms, 3);
    settle(f);
    start(f, true, 0);
    struct store_check_state s = await(f);
    assert_true(s.stage == STORE_CHECK_DONE && s.findings == 2 && s.repaired == 0);
    for (int round = 0; round < 2; round++) {
        size_t count = 0;
        struct store_finding *list = findings(f, &count);
        assert_int_equal(count, 2);
        assert_int_equal(list[0].state, STORE_FINDING_STANDS);
        assert_int_equal(list[1].state, STORE_FINDING_STANDS);
        fixture_reopen(f);
    }
    f->extract = NULL;
    fixture_reopen(f);
}

/* ---- going on ---- */

static void a_check_goes_on_where_it_was_when_the_store_is_opened_again(void **state)
{
    struct fixture *f = *state;
    struct store_check_state s;
    struct term wrong[] = { { 1, SLICE_INIT("all") }, { 9, SLICE_INIT("false") } };
    uint64_t checked = 0;
    plant(f, wrong, 2); /* the first document */
    fill(f, 0, 400);
    assert_int_equal(start(f, false, 500), 1);
    for (int round = 0; round < 3; round++) {
        do {
            os_sleep_us(1000);
            store_check_look(f->store, &s);
        } while (s.stage == STORE_CHECK_RUNNING && s.checked < checked + 64);
        fixture_reopen(f);
        store_check_look(f->store, &s);
        assert_true(s.number == 1 && s.checked >= checked);
        checked = s.checked;
    }
    assert_true(checked >= 128);
    s = await(f);
    assert_int_equal(s.stage, STORE_CHECK_DONE);
    size_t count = 0;
    findings(f, &count); /* of the document: two terms lack, one is false */
    assert_true(s.number == 1 && s.checked == 401 && s.findings == count && count == 3);
}

/* A process of its own that is killed while it checks. */
static void child(struct fixture *f, int out)
{
    struct store_check_state s;
    if (fixture_try_open(f))
        _exit(2);
    store_check_look(f->store, &s);
    const struct store_check_order order = { .repair = true, .rate = 300 };
    uint64_t number = 0;
    if (s.stage != STORE_CHECK_RUNNING && store_check_start(f->store, &order, &number))
        _exit(3);
    uint64_t from = s.checked;
    do {
        os_sleep_us(1000);
        store_check_look(f->store, &s);
    } while (s.checked < from + 64);
    if (write(out, "!", 1) != 1)
        _exit(4);
    for (;;)
        os_sleep_us(100000);
}

static void a_check_goes_on_after_a_kill(void **state)
{
    struct fixture *f = *state;
#ifdef __SANITIZE_THREAD__
    skip(); /* ThreadSanitizer knows no threads in a process that was forked */
#endif
    struct term wrong[] = { { 1, SLICE_INIT("all") }, { 3, SLICE_INIT("false") } };
    fill(f, 0, 300);
    plant(f, wrong, 2);
    fixture_close(f);
    for (int round = 0; round < 2; round++) {
        int ends[2], status = 0;
        char byte = 0;
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (!pid)
            child(f, ends[1]);
        close(ends[1]);
        assert_int_equal(read(ends[0], &byte, 1), 1);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        close(ends[0]);
    }
    fixture_open(f);
    struct store_check_state s = await(f);
    assert_true(s.number == 1 && s.stage == STORE_CHECK_DONE);
    assert_true(s.findings == 3 && s.repaired == 3);
    assert_int_equal(count_of(f, 3, "false"), 0);
    assert_int_equal(count_of(f, 2, "odd"), 1);
}

/* ---- while others write ---- */

struct busy {
    struct fixture *f;
    _Atomic bool stop;
    unsigned seed;
    int self;
};

static void busy_step(struct busy *b, struct arena *arena)
{
    struct store *store = b->f->store;
    struct store_result result;
    uint64_t time = 0;
    size_t refused = 0;
    int what = rand_r(&b->seed) % 40, i = rand_r(&b->seed) % 120;
    const char *id = arena_printf(arena, "w%d", i).bytes;
    struct store_write w = { .operation = STORE_DELETE, .type = SLICE("W") };
    w.id = slice_cstr(id);
    if (what == 0 && i < 6 && store_erasures_open(store) < 2) { /* each takes its time */
        struct store_target target = { .type = SLICE("W"), .id = slice_cstr(id) };
        struct store_erasure e;
        enum err err = store_erase(store, &target, 1, arena, &e);
        assert_true(!err);
        return;
    }
    if (what == 1 && b->self == 0 && i < 6) {
        struct store_reader *reader = NULL;
        if (store_read_begin(store, 0, &reader))
            return;
        uint64_t now = store_reader_time(reader);
        store_read_end(reader);
        if (now > 200)
            assert_int_equal(store_horizon_raise(store, store_time_of(now - 200), 1), ERR_NONE);
        return;
    }
    if (what == 2 && b->self == 1 && i < 12) {
        (void)!postings_checkpoint(&store->postings);
        (void)!postings_merge_window(&store->postings, SEGMENT_MAIN, 0, 3);
        return;
    }
    if (what == 3 && b->self == 2 && i == 3) {
        uint32_t field = 1 + (uint32_t)rand_r(&b->seed) % FIELDS;
        (void)!store_rebuild(store, &field, 1);
        return;
    }
    if (what == 4 && b->self == 2 && i == 4 && rand_r(&b->seed) % 16 == 0) {
        (void)!store_rebuild(store, NULL, 0);
        return;
    }
    if (what > 8)
        w = put_write(arena, "W", id,
                      arena_printf(arena, "1=all;2=%s;3=m%d;4=v%d;", id, i % 9,
                                   rand_r(&b->seed) % 50)
                          .bytes);
    w.rules = b->f->rules.number;
    w.home_type = SLICE("W");
    w.home_id = SLICE("w1");
    (void)!store_apply(store, &w, 1, true, arena, &result, &time, &refused);
}

static void *busy_run(void *context)
{
    struct busy *b = context;
    struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    while (!atomic_load(&b->stop)) {
        struct arena_mark mark = arena_mark(&arena);
        busy_step(b, &arena);
        arena_rewind(&arena, mark);
    }
    arena_release(&arena);
    return NULL;
}

static void who_writes_meanwhile_is_never_taken_for_damage(void **state)
{
    struct fixture *f = *state;
    enum { THREADS = 3 };
    struct busy busy[THREADS];
    pthread_t threads[THREADS];
    const char *seconds = getenv("TARN_CHECK_SECONDS"), *seed = getenv("TARN_SEED");
    uint64_t so_long = 2, begun = (uint64_t)os_monotonic_us();
    assert_true(!seconds || slice_parse_u64(slice_cstr(seconds), &so_long));
    assert_true(!seed || slice_parse_u64(slice_cstr(seed), &begun));
    int64_t until_us = os_monotonic_us() + 1000000 * (int64_t)so_long;
    unsigned first = (unsigned)begun;
    uint64_t checks = 0, documents = 0;
    print_message("TARN_SEED=%u\n", first);
    set_rules(f);
    for (int i = 0; i < THREADS; i++) {
        busy[i] = (struct busy){ .f = f, .seed = first + (unsigned)i, .self = i };
        assert_int_equal(thread_start(&threads[i], busy_run, &busy[i]), ERR_NONE);
    }
    do {
        start(f, checks % 2, 0);
        struct store_check_state s = await(f);
        size_t count = 0;
        if (s.findings)
            findings(f, &count);
        assert_int_equal(s.stage, STORE_CHECK_DONE);
        assert_int_equal(s.findings, 0);
        documents += s.documents;
        checks++;
    } while (os_monotonic_us() < until_us);
    for (int i = 0; i < THREADS; i++) {
        atomic_store(&busy[i].stop, true);
        thread_join(threads[i]);
    }
    print_message("%llu checks, %llu documents\n", (unsigned long long)checks,
                  (unsigned long long)documents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_sound_store_passes_and_a_second_check_waits_its_turn),
        TEST(the_rate_is_kept),
        TEST(a_check_is_cancelled),
        TEST(a_field_with_a_rule_is_derived_again_by_itself),
        TEST(what_has_no_rule_is_repaired_by_segments),
        TEST(what_is_wrong_still_after_its_repair_stands_also_when_opened_again),
        TEST(what_is_in_memory_only_is_repaired_too),
        TEST(a_byte_changed_while_the_store_is_open_is_found_and_repaired),
        TEST(a_file_removed_while_the_store_is_open_is_found_and_repaired),
        TEST(a_file_lengthened_while_the_store_is_open_is_found_and_repaired),
        TEST(faults_of_the_truth_are_named_and_stay),
        TEST(a_check_goes_on_where_it_was_when_the_store_is_opened_again),
        TEST(a_check_goes_on_after_a_kill),
        TEST(who_writes_meanwhile_is_never_taken_for_damage),
    };
    cmocka_set_test_filter(getenv("TARN_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
