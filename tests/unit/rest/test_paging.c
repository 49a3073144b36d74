/* Readers that page, forward and back, while others write: whatever the order of
 * their steps, each reader sees one snapshot, that of its first page. */
#include "rest/world.h"

#include <string.h>
#include <time.h>

enum { IDS = 40, READERS = 6, STEPS = 400 };

struct patient {
    char id[8];
    int birth;  /* a year; 0: none */
    int gender; /* 1 or 2; 0: none */
    uint64_t order; /* of its last change */
    bool is_live;
};

struct model {
    struct patient patients[IDS];
    uint64_t changes;
    uint64_t random;
};

static uint64_t draw(struct model *m, uint64_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random % below;
}

static void write_one(struct world *w, struct model *m)
{
    struct patient *p = &m->patients[draw(m, IDS)];
    struct slice target = arena_printf(&w->arena, "Patient/%s", p->id);
    m->changes++;
    if (draw(m, 4) == 0) {
        expect_status(ask(w, "DELETE", target.bytes, NULL, NULL), 204);
        p->is_live = false;
        return;
    }
    p->birth = (int)draw(m, 5) ? 1950 + (int)draw(m, 6) : 0;
    p->gender = (int)draw(m, 3);
    p->is_live = true;
    p->order = m->changes;
    struct slice birth = arena_printf(&w->arena, p->birth ? ",\"birthDate\":\"%d\"" : "", p->birth);
    const char *gender = p->gender == 0   ? ""
                         : p->gender == 1 ? ",\"gender\":\"female\""
                                          : ",\"gender\":\"male\"";
    struct slice body = arena_printf(&w->arena,
                                     "{\"resourceType\":\"Patient\",\"id\":\"%s\"%.*s%s,"
                                     "\"multipleBirthInteger\":%llu}",
                                     p->id, SLICE_ARGS(birth), gender,
                                     (unsigned long long)m->changes);
    struct answer a = put(w, target.bytes, body.bytes);
    assert_true(a.status == 200 || a.status == 201);
}

/* ---- orders ---- */

static int by_number(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_value(int a, int b)
{
    if (!a || !b)
        return !a - !b;
    return (a > b) - (a < b);
}

/* The kind of order a qsort() is at. */
static enum order { COMMIT, NEWEST, BIRTH, BIRTH_DOWN, ID, GENDER_BIRTH, BIRTH_ID, ORDERS } at;
static const char *const sorts[ORDERS] = {
    "",       "&_sort=-_lastUpdated",     "&_sort=birthdate",     "&_sort=-birthdate",
    "&_sort=_id", "&_sort=gender,-birthdate", "&_sort=-birthdate,-_id",
};

static int by_birth_down(const struct patient *x, const struct patient *y)
{
    return !x->birth || !y->birth ? by_value(x->birth, y->birth) : by_value(y->birth, x->birth);
}

static int compare(const void *a, const void *b)
{
    const struct patient *x = a, *y = b;
    int order = 0;
    switch (at) {
    case COMMIT:
    case ORDERS:
        break;
    case NEWEST:
        return by_number(y->order, x->order);
    case BIRTH:
        order = by_value(x->birth, y->birth);
        break;
    case BIRTH_DOWN:
        order = by_birth_down(x, y);
        break;
    case ID:
        return strcmp(x->id, y->id);
    case GENDER_BIRTH: /* by code: female, male */
        order = by_value(x->gender, y->gender);
        order = order ? order : by_birth_down(x, y);
        break;
    case BIRTH_ID:
        order = by_birth_down(x, y);
        order = order ? order : strcmp(y->id, x->id);
        break;
    }
    return order ? order : by_number(x->order, y->order);
}

/* ---- readers ---- */

struct reader {
    enum order order;
    int count;
    struct patient expected[IDS];
    int expected_count;
    int at; /* the place of the page's first entry */
    int shown;
    const char *next, *previous;
};

static void page_check(struct world *w, struct reader *r, struct answer a, int from, int to)
{
    assert_int_equal(count_at(&a, "entry"), to - from);
    for (int i = from; i < to; i++) {
        struct slice path = arena_printf(&w->arena, "entry.%d.resource.id", i - from);
        assert_string_equal(text_at(w, &a, path.bytes), r->expected[i].id);
        path = arena_printf(&w->arena, "entry.%d.resource.multipleBirthInteger", i - from);
        struct slice number =
            arena_printf(&w->arena, "%llu", (unsigned long long)r->expected[i].order);
        assert_true(slice_equal(json_raw(answer_find(&a, path.bytes)), number));
    }
    r->at = from;
    r->shown = to - from;
    r->next = link_of(w, &a, "next");
    r->previous = link_of(w, &a, "previous");
    assert_true((r->next != NULL) == (to < r->expected_count));
    assert_true((r->previous != NULL) == (from > 0));
}

static void reader_begin(struct world *w, struct model *m, struct reader *r)
{
    *r = (struct reader){ .order = (enum order)draw(m, ORDERS), .count = 1 + (int)draw(m, 9) };
    for (size_t i = 0; i < IDS; i++)
        if (m->patients[i].is_live)
            r->expected[r->expected_count++] = m->patients[i];
    at = r->order;
    qsort(r->expected, (size_t)r->expected_count, sizeof *r->expected, compare);
    struct slice target =
        arena_printf(&w->arena, "Patient?_count=%d%s", r->count, sorts[r->order]);
    page_check(w, r, expect_status(get(w, target.bytes), 200), 0,
               MIN(r->count, r->expected_count));
}

static void reader_step(struct world *w, struct model *m, struct reader *r)
{
    bool goes_back = r->previous && (draw(m, 3) == 0 || !r->next);
    if (!goes_back && !r->next) {
        reader_begin(w, m, r);
        return;
    }
    struct answer a = expect_status(get(w, goes_back ? r->previous : r->next), 200);
    int from = goes_back ? MAX(r->at - r->count, 0) : r->at + r->shown;
    int to = goes_back ? r->at : MIN(from + r->count, r->expected_count);
    page_check(w, r, a, from, to);
}

static void every_reader_sees_one_snapshot_whatever_is_written_meanwhile(void **state)
{
    struct world *w = *state;
    struct model m = { .random = (uint64_t)time(NULL) | 1 };
    print_message("seed %llu\n", (unsigned long long)m.random);
    for (size_t i = 0; i < IDS; i++)
        snprintf(m.patients[i].id, sizeof m.patients[i].id, "p%02zu", i);
    for (size_t i = 0; i < IDS; i++)
        write_one(w, &m);
    static struct reader readers[READERS];
    for (size_t i = 0; i < READERS; i++)
        reader_begin(w, &m, &readers[i]);
    for (size_t i = 0; i < STEPS; i++) {
        if (draw(&m, 2))
            write_one(w, &m);
        else
            reader_step(w, &m, &readers[draw(&m, READERS)]);
        if (i == STEPS / 2) {
            world_close(w);
            world_open(w);
        }
    }
}

static void a_page_before_the_first_is_empty_and_leads_back(void **state)
{
    struct world *w = *state;
    put(w, "Patient/a", "{\"resourceType\":\"Patient\",\"id\":\"a\"}");
    put(w, "Patient/b", "{\"resourceType\":\"Patient\",\"id\":\"b\"}");
    struct answer a = expect_status(get(w, "Patient?_count=1"), 200);
    assert_null(link_of(w, &a, "previous"));
    a = expect_status(get(w, link_of(w, &a, "next")), 200);
    assert_at(w, &a, "entry.0.resource.id", "b");
    a = expect_status(get(w, link_of(w, &a, "previous")), 200);
    assert_at(w, &a, "entry.0.resource.id", "a");
    assert_null(link_of(w, &a, "previous"));
    a = expect_status(get(w, link_of(w, &a, "next")), 200);
    assert_at(w, &a, "entry.0.resource.id", "b");
}

/* More values in a field than three bodies are worth: what the field would tell is
 * read from the matches. */
static void few_matches_in_a_large_store_are_sorted_and_joined_by_their_bodies(void **state)
{
    enum { OBSERVATIONS = 13000 };
    struct world *w = *state;
    struct buf bundle;
    buf_init(&bundle, (size_t)16 << 20);
    buf_append_cstr(&bundle, "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[");
    for (int i = 0; i < OBSERVATIONS; i++)
        buf_printf(&bundle,
                   "%s{\"resource\":{\"resourceType\":\"Observation\",\"id\":\"o%d\","
                   "\"status\":\"final\",\"code\":{\"coding\":[{\"code\":\"%s\"}]},"
                   "\"effectiveDateTime\":\"%d-01-01\","
                   "\"subject\":{\"reference\":\"Patient/p%d\"}},"
                   "\"request\":{\"method\":\"PUT\",\"url\":\"Observation/o%d\"}}",
                   i ? "," : "", i, i % 5000 == 7 ? "rare" : "usual", 2020 - i / 5000, i, i);
    for (int i = 0; i < OBSERVATIONS; i += 1000)
        buf_printf(&bundle,
                   ",{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"p%d\"},"
                   "\"request\":{\"method\":\"PUT\",\"url\":\"Patient/p%d\"}}",
                   i + 7, i + 7);
    buf_append_cstr(&bundle, "]}");
    buf_append_byte(&bundle, '\0');
    expect_status(post(w, "", bundle.bytes), 200);
    buf_release(&bundle);
    struct answer a = expect_status(get(w, "Observation?code=rare&_sort=date"), 200);
    assert_int_equal(count_at(&a, "entry"), 3);
    assert_at(w, &a, "entry.0.resource.id", "o10007");
    assert_at(w, &a, "entry.1.resource.id", "o5007");
    a = expect_status(get(w, "Patient?_has:Observation:subject:code=rare"), 200);
    assert_int_equal(count_at(&a, "entry"), 3);
    a = expect_status(get(w, "Patient?_has:Observation:subject:code=usual&_summary=count"), 200);
    assert_at(w, &a, "total", "10");
    /* All of them, by the field. */
    a = expect_status(get(w, "Observation?_sort=date&_count=1"), 200);
    assert_at(w, &a, "entry.0.resource.id", "o10000");
    a = expect_status(get(w, "Observation?_sort=-_lastUpdated&_count=1"), 200);
    assert_at(w, &a, "entry.0.resource.id", "o12999");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(every_reader_sees_one_snapshot_whatever_is_written_meanwhile),
        WORLD_TEST(few_matches_in_a_large_store_are_sorted_and_joined_by_their_bodies),
        WORLD_TEST(a_page_before_the_first_is_empty_and_leads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
