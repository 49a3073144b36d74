/* The two ways to a page in the order of values, against each other and against a plain
 * sort of what they sort by: over random resources with updates and deletions, values
 * missing or repeated, runs and segments, now and as of earlier, forward and back. */
#include "rest/finding.h"

#include "os/random.h"
#include "rest/request.h"
#include "search/sort.h"
#include "store/embedded/engine.h"

enum { IDS = 60, COMMITS = 25, BATCH = 20, ROUNDS = 140, TIMES = 4 };

static uint64_t dice;

static uint64_t throw(uint64_t below)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (dice >> 11) % below;
}

/* ---- resources ---- */

static void date_append(struct buf *b)
{
    switch (throw(6)) {
    case 0:
        return;
    case 1:
        buf_printf(b, ",\"effectivePeriod\":{\"start\":\"2020-01-%02d\",\"end\":\"2020-12-31\"}",
                   1 + (int)throw(9));
        return;
    case 2:
        buf_printf(b, ",\"effectiveDateTime\":\"202%d\"", (int)throw(2));
        return;
    default:
        buf_printf(b, ",\"effectiveDateTime\":\"2020-01-%02d\"", 1 + (int)throw(9));
        return;
    }
}

static void codes_append(struct buf *b)
{
    buf_append_cstr(b, ",\"code\":{\"coding\":[");
    for (uint64_t i = throw(4); i > 0; i--)
        buf_printf(b, "{\"system\":\"http://s%d\",\"code\":\"c%d\"},", (int)throw(2),
                   (int)throw(8));
    buf_append_cstr(b, "{\"display\":\"without code\"}]}");
}

static void value_append(struct buf *b)
{
    if (throw(3))
        buf_printf(b, ",\"valueQuantity\":{\"value\":%d,\"unit\":\"%s\"%s}", (int)throw(7) - 3,
                   throw(2) ? "kg" : "g", throw(4) ? "" : ",\"comparator\":\"<\"");
    else if (throw(2))
        buf_append_cstr(b, ",\"valueSampledData\":{\"origin\":{\"value\":0},\"period\":1,"
                           "\"dimensions\":1}");
}

static void entry_append(struct buf *b, const char *type, int id)
{
    if (b->bytes[b->length - 1] != '[')
        buf_append_byte(b, ',');
    if (!throw(6)) {
        buf_printf(b, "{\"request\":{\"method\":\"DELETE\",\"url\":\"%s/x%d\"}}", type, id);
        return;
    }
    buf_printf(b, "{\"resource\":{\"resourceType\":\"%s\",\"id\":\"x%d\",\"note\":[{\"text\":"
                  "\"%d\"}],\"subject\":{\"reference\":\"Patient/p%d\"}",
               type, id, (int)throw(1000000), (int)throw(5));
    codes_append(b);
    if (slice_is(slice_cstr(type), "Observation")) {
        buf_printf(b, ",\"status\":\"%s\"", throw(4) ? "final" : "amended");
        date_append(b);
        value_append(b);
    }
    buf_printf(b, "},\"request\":{\"method\":\"PUT\",\"url\":\"%s/x%d\"}}", type, id);
}

static void commit_one(struct world *w)
{
    struct buf b;
    bool is_used[2][IDS] = { { false } };
    buf_init(&b, 1 << 20);
    buf_append_cstr(&b, "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[");
    for (int i = 0; i < BATCH; i++) {
        int type = !throw(3), id = (int)throw(IDS);
        if (!is_used[type][id])
            entry_append(&b, type ? "Condition" : "Observation", id);
        is_used[type][id] = true;
    }
    buf_append_cstr(&b, "]}");
    buf_append_byte(&b, '\0');
    expect_status(post(w, "", b.bytes), 200);
    buf_release(&b);
}

/* ---- queries ---- */

static const char *const SORTS[] = {
    "date",       "-date",      "code",           "-code",
    "status",     "-status",    "subject",        "-subject",
    "-code,date", "date,-code", "value-quantity", "-value-quantity",
    "date,_id",   "_id",        "-_id,date",      "date,-_lastUpdated",
    "status,code,-date", "status,-date", "code,_lastUpdated", "-value-quantity,-_lastUpdated",
};
static const char *const SHARED_SORTS[] = {
    "code", "-code", "subject,-code", "-code,-_lastUpdated", "_id", "code,_id",
};
static const char *const FILTERS[] = {
    "", "", "&status=final", "&code=c1", "&subject=Patient/p1,p2", "&code:not=c1",
    "&date=2020-01", "&code:missing=false", "&subject=Patient/none",
};

/* `type` NULL: over several. */
static void query_read(struct world *w, const char *type, struct slice text,
                       struct search_query *q)
{
    struct search_settings settings = request_search_settings(w->rest);
    struct search_pair *pairs = NULL;
    struct issues issues;
    size_t count = 0;
    issues_init(&issues, &w->arena);
    assert_int_equal(search_pairs_parse(text, &w->arena, &pairs, &count, &issues), ERR_NONE);
    if (search_parse(&settings, type ? fhir_resource_find(slice_cstr(type)) : NULL, pairs, count,
                     &w->arena, &issues, q))
        fail_msg("%s is refused", text.bytes);
}

static void query_make(struct world *w, struct search_query *q)
{
    bool is_shared = !throw(4);
    const char *sort = is_shared ? SHARED_SORTS[throw(ARRAY_COUNT(SHARED_SORTS))]
                                 : SORTS[throw(ARRAY_COUNT(SORTS))];
    struct slice text =
        is_shared ? arena_printf(&w->arena, "_type=Observation,Condition&_sort=%s", sort)
                  : arena_printf(&w->arena, "_sort=%s%s", sort,
                                 FILTERS[throw(ARRAY_COUNT(FILTERS))]);
    query_read(w, is_shared ? NULL : "Observation", text, q);
}

/* ---- the two ways ---- */

static void page_find(const struct search_query *q, struct store_reader *reader, struct arena *a,
                      struct sort *s, bool walks)
{
    struct store_matches *matches;
    s->query = q;
    s->reader = reader;
    s->arena = a;
    assert_int_equal(store_matches_open(reader, q->plan, a, &matches), ERR_NONE);
    if (walks) {
        assert_int_equal(sort_order(s, 0, &s->order), ERR_NONE);
        assert_int_equal(sort_walk(s, matches, UINT64_MAX), ERR_NONE);
        return;
    }
    assert_int_equal(store_matches_gather(matches, SIZE_MAX, a, &s->docs, &s->count), ERR_NONE);
    assert_int_equal(s->count ? sort_keys(s) : ERR_NONE, ERR_NONE);
    assert_int_equal(s->count ? sort_select(s) : ERR_NONE, ERR_NONE);
}

static void assert_page(const struct sort *s, const uint64_t *docs, size_t count)
{
    assert_int_equal(s->count, count);
    assert_memory_equal(s->docs, docs, count * sizeof *docs);
}

/* A naive order of all matches, from keys that come out of one pass over the fields. */
static size_t all_in_order(const struct search_query *q, struct store_reader *reader,
                           struct arena *a, uint64_t **ret_docs)
{
    struct sort s = { .query = q, .reader = reader, .arena = a };
    size_t n = 0, width = q->sort_count;
    assert_int_equal(store_search(reader, q->plan, 0, SIZE_MAX, a, &s.docs, &s.count), ERR_NONE);
    n = s.count;
    assert_int_equal(n ? sort_keys(&s) : ERR_NONE, ERR_NONE);
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0; k--) {
            int order = 0;
            for (size_t j = 0; !order && j < width; j++) {
                struct slice x = s.keys[(k - 1) * width + j], y = s.keys[k * width + j];
                order = !x.bytes || !y.bytes ? (x.bytes == NULL) - (y.bytes == NULL)
                                             : slice_compare(x, y);
                if (x.bytes && y.bytes && q->sorts[j].is_descending)
                    order = -order;
            }
            if (order <= 0)
                break;
            uint64_t doc = s.docs[k];
            s.docs[k] = s.docs[k - 1];
            s.docs[k - 1] = doc;
            for (size_t j = 0; j < width; j++) {
                struct slice key = s.keys[k * width + j];
                s.keys[k * width + j] = s.keys[(k - 1) * width + j];
                s.keys[(k - 1) * width + j] = key;
            }
        }
    *ret_docs = s.docs;
    return n;
}

static void check_query(const struct search_query *q, struct store_reader *reader)
{
    struct arena a;
    uint64_t *all = NULL;
    arena_init(&a, (size_t)1 << 28);
    size_t count = all_in_order(q, reader, &a, &all);
    bool can_walk = !param_is_of_store(q->sorts[0].param);
    for (int i = 0; i < 12; i++) {
        size_t limit = 1 + throw(throw(2) ? 7 : 70);
        size_t at = i && count ? throw(count) : SIZE_MAX; /* the pivot; none at first */
        bool is_before = at != SIZE_MAX && throw(2);
        size_t from = at == SIZE_MAX ? 0 : at + 1, to = MIN(count, from + limit);
        if (is_before) {
            to = at;
            from = at > limit ? at - limit : 0;
        }
        for (int walks = 0; walks < 1 + 2 * can_walk; walks++) {
            struct sort s = { .limit = limit, .is_before = is_before };
            s.always_nests = walks == 2;
            s.pivot = at == SIZE_MAX ? 0 : all[at];
            page_find(q, reader, &a, &s, walks);
            assert_page(&s, all + from, to - from);
        }
    }
    arena_release(&a);
}

static void pages_are_the_same_walked_and_gathered(void **state)
{
    struct world *w = *state;
    uint64_t times[TIMES] = { 0 };
    dice = os_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)dice);
    for (int i = 0; i < COMMITS; i++) {
        commit_one(w);
        if (!throw(6))
            assert_int_equal(postings_checkpoint(&w->store->postings), ERR_NONE);
        struct store_reader *reader;
        assert_int_equal(store_read_begin(w->store, 0, &reader), ERR_NONE);
        if (i < COMMITS - 1)
            times[1 + throw(TIMES - 1)] = store_reader_time(reader);
        store_read_end(reader);
    }
    for (int i = 0; i < ROUNDS; i++) {
        struct arena_mark mark = arena_mark(&w->arena);
        struct search_query q;
        struct store_reader *reader;
        query_make(w, &q);
        assert_int_equal(store_read_begin(w->store, times[throw(TIMES)], &reader), ERR_NONE);
        check_query(&q, reader);
        store_read_end(reader);
        arena_rewind(&w->arena, mark);
    }
}

/* ---- what the server does of its own accord ---- */

static const char *strategy_of(struct world *w, const char *target)
{
    struct answer a = expect_status(get(w, target), 200);
    size_t last = count_at(&a, "entry") - 1;
    return text_at(w, &a, arena_printf(&w->arena, "entry.%d.resource.issue.0.diagnostics",
                                       (int)last).bytes);
}

enum { MANY = 6000 };

static void many_store(struct world *w)
{
    struct buf b;
    buf_init(&b, (size_t)4 << 20);
    buf_append_cstr(&b, "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[");
    for (int i = 0; i < MANY; i++)
        buf_printf(&b, "%s{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"p%d\","
                       "\"gender\":\"%s\",\"active\":%s,\"birthDate\":\"%d-%02d-01\"},"
                       "\"request\":{\"method\":\"PUT\",\"url\":\"Patient/p%d\"}}",
                   i ? "," : "", i, i % 1500 ? "male" : "female",
                   i % 3 ? "true" : "false", 1900 + i % 97, 1 + i % 12, i);
    buf_append_cstr(&b, "]}");
    buf_append_byte(&b, '\0');
    expect_status(post(w, "", b.bytes), 200);
    buf_release(&b);
}

static void a_first_page_of_many_is_walked_and_of_few_is_gathered(void **state)
{
    struct world *w = *state;
    many_store(w);
    assert_contains(strategy_of(w, "Patient?_sort=birthdate&_count=5&_explain=true"), "walked");
    assert_contains(strategy_of(w, "Patient?_sort=-birthdate&gender=male&_count=5&_explain=true"),
                    "walked");
    assert_contains(strategy_of(w, "Patient?_sort=birthdate&gender=female&_count=5&_explain=true"),
                    "sorted");
    assert_found(w, "Patient?_sort=birthdate&gender=female", "p0 p4500 p1500 p3000");
    assert_found(w, "Patient?_sort=-birthdate,-_lastUpdated&_count=2", "p5819 p4655");
    assert_found(w, "Patient?_sort=birthdate&_count=3", "p0 p1164 p2328");
}

/* More of one value than are looked at one by one, in runs and in segments. */
static void pages_within_one_frequent_value_are_the_same(void **state)
{
    static const char *const ASKED[] = { "_sort=gender", "_sort=-gender,-_lastUpdated",
                                         "_sort=gender&active=true", "_sort=gender,birthdate",
                                         "_sort=-gender,-active,birthdate" };
    struct world *w = *state;
    dice = os_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)dice);
    many_store(w);
    for (int i = 0; i < 50; i++) {
        struct slice target = arena_printf(&w->arena, "Patient/p%d", (int)throw(MANY));
        ask(w, "DELETE", target.bytes, NULL, NULL);
    }
    for (int round = 0; round < 2; round++) {
        struct store_reader *reader;
        assert_int_equal(store_read_begin(w->store, 0, &reader), ERR_NONE);
        for (size_t i = 0; i < ARRAY_COUNT(ASKED); i++) {
            struct search_query q;
            query_read(w, "Patient", slice_cstr(ASKED[i]), &q);
            check_query(&q, reader);
        }
        store_read_end(reader);
        assert_int_equal(postings_checkpoint(&w->store->postings), ERR_NONE);
    }
}

static void a_token_of_another_order_is_refused(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++)
        store(w, "Patient", arena_printf(&w->arena, "p%d", i).bytes, "\"gender\":\"male\"");
    struct answer a = expect_status(get(w, "Patient?_sort=gender&_count=1"), 200);
    const char *next = link_of(w, &a, "next");
    const char *token = strstr(next, "page=");
    assert_refused(w, arena_printf(&w->arena, "Patient?_count=1&%s", token).bytes, "another order");
    assert_found(w, next, "p1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(pages_are_the_same_walked_and_gathered),
        WORLD_TEST(a_first_page_of_many_is_walked_and_of_few_is_gathered),
        WORLD_TEST(pages_within_one_frequent_value_are_the_same),
        WORLD_TEST(a_token_of_another_order_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
