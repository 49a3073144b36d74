/* Plans of few documents, asked one by one, against a naive model: random resources
 * that refer to one another, with updates and deletions, at any time. */
#include "fixture.h"

#include "os/random.h"
#include "store/embedded/tree.h"

enum { IDS = 150, TYPES = 2, VERSIONS = 1500, BATCH = 50, TERMS = 6, ROUNDS = 150 };
enum { FIELD_KIND = 1, FIELD_NUMBER = 2, FIELD_REFERENCE = 3 };

struct made {
    int type, id;
    uint64_t killer; /* UINT64_MAX: alive */
    bool is_deleted;
    struct term terms[TERMS];
    size_t term_count;
};

struct model {
    struct made versions[VERSIONS + 1]; /* by document, from 1 on */
    uint64_t count;
    uint64_t dice;
};

static uint64_t throw(struct model *m, uint64_t below)
{
    m->dice ^= m->dice << 13;
    m->dice ^= m->dice >> 7;
    m->dice ^= m->dice << 17;
    return (m->dice >> 11) % below;
}

static const char *const TYPE_NAMES[TYPES] = { "Alpha", "Beta" };

static struct slice number_text(struct arena *a, uint64_t n)
{
    return arena_printf(a, "n%05d", (int)n);
}

static struct slice reference_text(struct arena *a, int type, int id)
{
    struct slice text = arena_printf(a, "rid-%d|%s", id, TYPE_NAMES[type]);
    char *bytes = arena_copy(a, text);
    *strchr(bytes, '|') = '\0';
    return slice_of(bytes, text.length);
}

static void body_add(struct buf *body, uint32_t field, struct slice value)
{
    buf_printf(body, "%u=", field);
    buf_append(body, value);
    buf_append_byte(body, ';');
}

static struct slice throw_body(struct model *m, struct arena *a)
{
    struct buf body;
    buf_init(&body, 4096);
    body_add(&body, FIELD_KIND, arena_printf(a, "k%d", (int)throw(m, 3)));
    for (uint64_t i = throw(m, 3); i > 0; i--)
        body_add(&body, FIELD_NUMBER, number_text(a, throw(m, 2000)));
    for (uint64_t i = throw(m, 3); i > 0; i--)
        body_add(&body, FIELD_REFERENCE,
                 reference_text(a, (int)throw(m, TYPES), (int)throw(m, IDS)));
    struct slice text = slice_of(arena_copy(a, buf_slice(&body)), body.length);
    buf_release(&body);
    return text;
}

static uint64_t head_of(const struct model *m, int type, int id, uint64_t time)
{
    for (uint64_t doc = MIN(m->count, time); doc > 0; doc--)
        if (m->versions[doc].type == type && m->versions[doc].id == id)
            return m->versions[doc].is_deleted ? 0 : doc;
    return 0;
}

static void apply(struct model *m, struct fixture *f, struct store_write *writes, size_t count)
{
    struct store_result *results = arena_array(&f->arena, count, sizeof *results);
    uint64_t time = 0;
    size_t refused = 0;
    assert_int_equal(
        store_apply(f->store, writes, count, true, &f->arena, results, &time, &refused), ERR_NONE);
    m->count += count;
    assert_int_equal(results[count - 1].doc, m->count);
}

/* One commit: each (type, id) at most once. */
static void fill(struct model *m, struct fixture *f)
{
    struct store_write writes[BATCH];
    bool is_used[TYPES][IDS] = { { false } };
    size_t count = 0;
    while (count < BATCH) {
        int type = (int)throw(m, TYPES), id = (int)throw(m, IDS);
        uint64_t head = head_of(m, type, id, m->count);
        if (is_used[type][id])
            continue;
        is_used[type][id] = true;
        struct made *v = &m->versions[m->count + count + 1];
        *v = (struct made){ .type = type, .id = id, .killer = UINT64_MAX };
        v->is_deleted = head && !throw(m, 5);
        if (head)
            m->versions[head].killer = m->count + count + 1;
        struct store_write *w = &writes[count++];
        *w = (struct store_write){ .operation = v->is_deleted ? STORE_DELETE : STORE_PUT };
        w->type = slice_cstr(TYPE_NAMES[type]);
        w->id = arena_printf(&f->arena, "id-%d", id);
        if (v->is_deleted)
            continue;
        w->body = throw_body(m, &f->arena);
        assert_int_equal(fixture_extract(NULL, w->type, w->id, w->body, &f->arena, &w->terms,
                                         &w->term_count),
                         ERR_NONE);
        v->term_count = w->term_count;
        memcpy(v->terms, w->terms, w->term_count * sizeof *w->terms);
    }
    apply(m, f, writes, count);
}

/* ---- what a plan says, naively ---- */

static bool is_alive(const struct model *m, uint64_t doc, uint64_t time)
{
    const struct made *v = &m->versions[doc];
    return doc && doc <= time && !v->is_deleted && v->killer > time;
}

static bool says(const struct model *m, const struct plan *p, uint64_t doc, uint64_t time);

static bool refers(const struct model *m, const struct plan *p, uint64_t from, uint64_t to,
                   struct arena *a)
{
    const struct made *v = &m->versions[from], *target = &m->versions[to];
    struct slice name = reference_text(a, target->type, target->id);
    bool found = false;
    for (size_t i = 0; i < v->term_count; i++)
        found |= v->terms[i].field == p->field && slice_equal(v->terms[i].value, name);
    return found;
}

static bool join_says(const struct model *m, const struct plan *p, uint64_t doc, uint64_t time)
{
    bool found = false;
    struct arena a;
    arena_init(&a, (size_t)1 << 24);
    struct arena_mark mark = arena_mark(&a);
    bool is_type = p->kind == PLAN_REFERS ||
                   slice_is(p->to, TYPE_NAMES[m->versions[doc].type]);
    for (uint64_t other = 1; is_type && !found && other <= m->count; other++) {
        bool follows = is_alive(m, other, time) &&
                       (p->kind == PLAN_REFERS ? refers(m, p, doc, other, &a)
                                               : refers(m, p, other, doc, &a));
        found = follows && says(m, p->children[0], other, time);
        arena_rewind(&a, mark);
    }
    arena_release(&a);
    return found;
}

static bool says(const struct model *m, const struct plan *p, uint64_t doc, uint64_t time)
{
    const struct made *v = &m->versions[doc];
    bool found = false;
    switch (p->kind) {
    case PLAN_ALL:
        return true;
    case PLAN_SPAN:
        return doc >= p->doc_low && doc <= p->doc_high;
    case PLAN_ID:
        return slice_is(p->from, TYPE_NAMES[v->type]) &&
               slice_parse_u64(slice_from(p->to, 3), &(uint64_t){ 0 }) &&
               atoll(p->to.bytes + 3) == v->id;
    case PLAN_NOT:
        return !says(m, p->children[0], doc, time);
    case PLAN_AND:
    case PLAN_OR:
        for (size_t i = 0; i < p->child_count; i++)
            if (says(m, p->children[i], doc, time) != (p->kind == PLAN_AND))
                return p->kind == PLAN_OR;
        return p->kind == PLAN_AND;
    case PLAN_REFERS:
    case PLAN_REFERRED:
    case PLAN_TEST:
        return join_says(m, p, doc, time);
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
        for (size_t i = 0; i < v->term_count; i++)
            found |= v->terms[i].field == p->field && store_value_fits(p, v->terms[i].value);
        return found;
    case PLAN_NONE:
    case PLAN_INSTANT:
    case PLAN_CREATED:
    case PLAN_KNOWN:
        break;
    }
    return false;
}

/* ---- random plans ---- */

static struct plan *throw_leaf(struct model *m, struct arena *a)
{
    struct plan *p = arena_alloc(a, sizeof *p);
    uint64_t low = throw(m, 2000);
    switch (throw(m, 7)) {
    case 0:
        *p = (struct plan){ .kind = PLAN_TERM, .field = FIELD_KIND };
        p->from = arena_printf(a, "k%d", (int)throw(m, 3));
        break;
    case 1:
        *p = (struct plan){ .kind = PLAN_RANGE, .field = FIELD_NUMBER };
        p->from = number_text(a, low);
        p->to = number_text(a, low + throw(m, 2000));
        break;
    case 2:
        *p = (struct plan){ .kind = PLAN_PREFIX, .field = FIELD_NUMBER };
        p->from = slice_head(number_text(a, low), 1 + throw(m, 5));
        break;
    case 3:
        *p = (struct plan){ .kind = PLAN_CONTAINS, .field = FIELD_NUMBER, .from = SLICE("n") };
        p->needle = arena_printf(a, "%d", (int)throw(m, 100));
        break;
    case 4:
        *p = (struct plan){ .kind = PLAN_TERM, .field = FIELD_REFERENCE };
        p->from = reference_text(a, (int)throw(m, TYPES), (int)throw(m, IDS));
        break;
    case 5:
        *p = (struct plan){ .kind = PLAN_ID, .from = slice_cstr(TYPE_NAMES[throw(m, TYPES)]) };
        p->to = arena_printf(a, "id-%d", (int)throw(m, IDS));
        break;
    default:
        *p = (struct plan){ .kind = PLAN_SPAN, .doc_low = 1 + throw(m, VERSIONS) };
        p->doc_high = p->doc_low + throw(m, 40);
        break;
    }
    return p;
}

static struct plan *throw_plan(struct model *m, struct arena *a, int depth)
{
    static const enum plan_kind INNER[] = { PLAN_AND,    PLAN_AND,     PLAN_OR, PLAN_NOT,
                                            PLAN_REFERS, PLAN_REFERRED };
    if (depth > 3 || !throw(m, 4))
        return throw_leaf(m, a);
    struct plan *p = arena_alloc(a, sizeof *p);
    p->kind = INNER[throw(m, ARRAY_COUNT(INNER))];
    bool is_join = p->kind == PLAN_REFERS || p->kind == PLAN_REFERRED;
    p->child_count = is_join || p->kind == PLAN_NOT ? 1 : 1 + throw(m, 4);
    p->children = arena_array(a, p->child_count, sizeof *p->children);
    for (size_t i = 0; i < p->child_count; i++)
        p->children[i] = throw_plan(m, a, depth + 1);
    if (is_join) {
        p->field = FIELD_REFERENCE;
        p->from = SLICE("r");
        p->to = slice_cstr(TYPE_NAMES[throw(m, TYPES)]);
    }
    return p;
}

/* ---- the comparison ---- */

static size_t live_docs(const struct model *m, const struct plan *p, uint64_t time, uint64_t *docs)
{
    size_t count = 0;
    for (uint64_t doc = 1; doc <= m->count; doc++)
        if (is_alive(m, doc, time) && (!p || says(m, p, doc, time)))
            docs[count++] = doc;
    return count;
}

/* A page forward and one back, behind what anything may lead: the search's own choice. */
static void check_page(struct model *m, struct store_reader *reader, const struct plan *plan,
                       const uint64_t *expected, size_t count, struct arena *a)
{
    struct plan kind = term_plan(FIELD_KIND, "k1"), inner = *plan;
    struct plan *both[] = { &kind, &inner };
    const struct plan led = { .kind = PLAN_AND, .children = both, .child_count = 2 };
    uint64_t at = throw(m, VERSIONS + 10), kept[VERSIONS], *found = NULL;
    size_t limit = 1 + throw(m, 6), all = 0, from, to, n = 0;
    for (size_t i = 0; i < count; i++)
        if (says(m, &kind, expected[i], 0))
            kept[all++] = expected[i];
    for (to = 0; to < all && kept[to] < at; to++)
        ;
    from = to > limit ? to - limit : 0;
    assert_int_equal(store_search_back(reader, &led, at, limit, a, &found, &n), ERR_NONE);
    assert_int_equal(n, to - from);
    assert_memory_equal(found, kept + from, n * sizeof *found);
    for (from = 0; from < all && kept[from] <= at; from++)
        ;
    to = MIN(all, from + limit);
    assert_int_equal(store_search(reader, &led, at, limit, a, &found, &n), ERR_NONE);
    assert_int_equal(n, to - from);
    assert_memory_equal(found, kept + from, n * sizeof *found);
}

static void check(struct model *m, struct fixture *f, const struct plan *plan, uint64_t time)
{
    static uint64_t expected[VERSIONS];
    uint64_t *docs = arena_array(&f->arena, VERSIONS, sizeof *docs), *found = NULL;
    size_t all = live_docs(m, NULL, time, docs), count = live_docs(m, plan, time, expected);
    struct store_reader *reader = reader_at(f, time + 1);
    struct tree tree;
    assert_int_equal(tree_begin(reader, &f->arena, &tree), ERR_NONE);
    const struct plan_dear asked = { .plan = plan };
    assert_int_equal(tree_probe(&tree, &asked, 1, 0, docs, &all), ERR_NONE);
    assert_int_equal(all, count);
    assert_memory_equal(docs, expected, count * sizeof *docs);
    assert_int_equal(store_search(reader, plan, 0, SIZE_MAX, &f->arena, &found, &all), ERR_NONE);
    assert_int_equal(all, count);
    assert_memory_equal(found, expected, count * sizeof *docs);
    for (int i = 0; i < 3; i++)
        check_page(m, reader, plan, expected, count, &f->arena);
    store_read_end(reader);
}

static void asking_each_document_agrees_with_gathering_and_with_a_naive_model(void **state)
{
    struct fixture *f = *state;
    struct model *m = calloc(1, sizeof *m);
    m->dice = os_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)m->dice);
    while (m->count < VERSIONS) {
        fill(m, f);
        if (!throw(m, 8))
            assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
    }
    for (int i = 0; i < ROUNDS; i++) {
        struct arena_mark mark = arena_mark(&f->arena);
        uint64_t commits = VERSIONS / BATCH;
        uint64_t time = throw(m, 2) ? m->count : BATCH * (1 + throw(m, commits));
        check(m, f, throw_plan(m, &f->arena, 0), time);
        arena_rewind(&f->arena, mark);
    }
    free(m);
}

/* ---- which way is taken ---- */

enum { MANY = 6000 };

static void fill_numbers(struct fixture *f)
{
    struct store_write *writes = arena_array(&f->arena, MANY, sizeof *writes);
    struct store_result *results = arena_array(&f->arena, MANY, sizeof *results);
    for (int i = 0; i < MANY; i++) {
        const char *body = arena_printf(&f->arena, "1=k%d;2=n%05d;", i % 2000, i).bytes;
        writes[i] = put_write(&f->arena, "Alpha", arena_printf(&f->arena, "id-%d", i).bytes, body);
    }
    uint64_t time = 0;
    size_t refused = 0;
    assert_int_equal(
        store_apply(f->store, writes, MANY, true, &f->arena, results, &time, &refused), ERR_NONE);
}

static void a_large_range_is_asked_of_the_few_documents_that_the_rest_leaves(void **state)
{
    struct fixture *f = *state;
    fill_numbers(f);
    struct plan kind = term_plan(FIELD_KIND, "k7");
    struct plan large = {
        .kind = PLAN_RANGE, .field = FIELD_NUMBER, .from = SLICE("n01000"), .to = SLICE("n05000")
    };
    struct plan small = {
        .kind = PLAN_RANGE, .field = FIELD_NUMBER, .from = SLICE("n02000"), .to = SLICE("n02010")
    };
    struct plan *with_large[] = { &large, &kind }, *with_small[] = { &small, &kind };
    const struct plan a = { .kind = PLAN_AND, .children = with_large, .child_count = 2 };
    const struct plan b = { .kind = PLAN_AND, .children = with_small, .child_count = 2 };
    struct store_reader *reader = reader_at(f, 0);
    struct store_measure measure;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_measure(reader, &a, &measure), ERR_NONE);
        assert_int_equal(measure.documents, 2); /* 2007 and 4007 */
        assert_int_equal(measure.asked_count, 1);
        assert_ptr_equal(measure.asked[0].plan, &large);
        assert_int_equal(measure.asked[0].documents, 3);
        assert_int_equal(store_measure(reader, &b, &measure), ERR_NONE);
        assert_int_equal(measure.documents, 1);
        assert_int_equal(measure.asked_count, 0);
        store_read_end(reader);
        assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
        reader = reader_at(f, 0);
    }
    store_read_end(reader);
}

/* Nearly all of a large store match: a page asks as many as it holds. */
static void a_page_of_what_most_match_asks_few_documents(void **state)
{
    struct fixture *f = *state;
    fill_numbers(f);
    struct plan all = { .kind = PLAN_SPAN, .doc_low = 1, .doc_high = UINT64_MAX };
    struct plan most = {
        .kind = PLAN_RANGE, .field = FIELD_NUMBER, .from = SLICE("n00010"), .to = SLICE("n05990")
    };
    struct plan *both[] = { &most, &all };
    const struct plan led = { .kind = PLAN_AND, .children = both, .child_count = 2 };
    struct store_reader *reader = reader_at(f, 0);
    struct store_work work = { 0 };
    uint64_t *docs = NULL;
    size_t count = 0;
    store_reader_work(reader, &work);
    assert_int_equal(store_search(reader, &led, 100, 5, &f->arena, &docs, &count), ERR_NONE);
    assert_int_equal(count, 5);
    assert_true(docs[0] == 101 && docs[4] == 105);
    assert_true(work.asked >= 5 && work.asked <= 10);
    work = (struct store_work){ 0 };
    assert_int_equal(store_search_back(reader, &led, MANY + 1, 5, &f->arena, &docs, &count),
                     ERR_NONE);
    assert_int_equal(count, 5);
    assert_true(docs[0] == 5986 && docs[4] == 5990);
    assert_true(work.asked >= 5 && work.asked <= 40);
    store_read_end(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            asking_each_document_agrees_with_gathering_and_with_a_naive_model, fixture_setup,
            fixture_teardown),
        cmocka_unit_test_setup_teardown(a_page_of_what_most_match_asks_few_documents,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            a_large_range_is_asked_of_the_few_documents_that_the_rest_leaves, fixture_setup,
            fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
