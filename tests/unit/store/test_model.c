/* The store against a model in memory: random commits, reads, searches at random
 * times, checkpoints, merges, horizons, erasures, reopening, and recovery from a copy
 * taken while the store was open, as a crash would leave it. Fixed seeds, and one that
 * is new each time. */
#include "fixture.h"

#include "refuse.h"

#include "os/clock.h"
#include "os/random.h"
#include "store/embedded/engine.h"

enum {
    TYPES = 3,
    IDS = 9,
    VERSIONS_MAX = 4000,
    BATCH_MAX = 12,
    FIELDS = 3,
    TERMS_MAX = 6,
};

struct model_version {
    int type, id;
    uint64_t doc, version, killer; /* killer UINT64_MAX: alive */
    uint64_t superseded;           /* by this document; UINT64_MAX: it is the newest */
    bool is_erased;
    int64_t instant;
    int64_t born; /* when what was before it is forgotten; 0: look there */
    bool is_deleted;
    char body[200];
    size_t body_size;
    struct term terms[TERMS_MAX]; /* values point into body */
    size_t term_count;
};

/* How much of what: what is slow (reopening, crashes, erasures) is rarer in long runs,
 * or they would do little else. */
struct scale {
    int steps, readers, created; /* searches by when it was created, after each other one */
    uint64_t dear, cheap;        /* one of so many steps does one of them */
    size_t memtable_bytes;       /* 0: as usual */
    size_t versions;             /* then the horizon is raised and what is behind it forgotten */
};

struct model {
    const struct scale *scale;
    struct model_version *versions;
    size_t count;
    uint64_t times[VERSIONS_MAX]; /* of commits */
    uint64_t time_docs[VERSIONS_MAX];
    size_t time_count;
    uint64_t horizon; /* document; 0: none */
    uint64_t random;
};

static uint64_t roll(struct model *m, uint64_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (m->random >> 11) % below;
}

static const char *type_text(int type)
{
    static const char *const names[TYPES] = { "Alpha", "Beta", "Gamma" };
    return names[type];
}

static const char *id_text(struct arena *arena, int id)
{
    return arena_printf(arena, "id-%d", id).bytes;
}

static struct slice model_body(const struct model_version *v)
{
    return slice_of(v->body, v->body_size);
}

static struct model_version *model_head(struct model *m, int type, int id, uint64_t doc)
{
    for (size_t i = m->count; i-- > 0;) {
        struct model_version *v = &m->versions[i];
        if (v->type == type && v->id == id && v->doc <= doc && !v->is_erased)
            return v;
    }
    return NULL;
}

/* Beyond the horizon: its rows are deleted. */
static bool is_gone(const struct model *m, const struct model_version *v)
{
    return v->superseded <= m->horizon;
}

static struct model_version *model_numbered(struct model *m, int type, int id, uint64_t doc,
                                            uint64_t number)
{
    struct model_version *v = model_head(m, type, id, doc);
    while (v && v->version != number)
        v = v->version > number && v->doc ? model_head(m, type, id, v->doc - 1) : NULL;
    return v;
}

/* Values with NULs, prefixes of one another, empty ones, and 0xff bytes. */
static size_t random_value(struct model *m, char *out)
{
    static const char alphabet[] = { 'a', 'b', '\0', (char)0xff };
    size_t length = roll(m, 4);
    for (size_t i = 0; i < length; i++)
        out[i] = alphabet[roll(m, 4)];
    return length;
}

static void random_body(struct model *m, struct model_version *v, struct slice *ret)
{
    size_t at = 0;
    size_t terms = roll(m, TERMS_MAX + 1);
    for (size_t i = 0; i < terms; i++) {
        v->body[at++] = (char)('0' + roll(m, FIELDS));
        v->body[at++] = '=';
        at += random_value(m, v->body + at);
        v->body[at++] = ';';
    }
    for (size_t pad = roll(m, 80); pad > 0; pad--)
        v->body[at++] = 'x';
    *ret = slice_of(v->body, at);
}

/* ---- writing ---- */

struct planned {
    struct model_version *head; /* before */
    uint8_t outcome;
    uint64_t version;
};

static void predict(struct model *m, const struct store_write *w, int type, int id,
                    struct planned *p)
{
    p->head = model_head(m, type, id, UINT64_MAX);
    bool live = p->head && !p->head->is_deleted;
    p->version = p->head ? p->head->version : 0;
    bool holds = w->expect == STORE_ANY || (w->expect == STORE_NOT_THERE && !p->head) ||
                 (w->expect == STORE_VERSION && live && p->head->version == w->expect_version) ||
                 (w->expect == STORE_LIVE && live);
    if (!holds)
        p->outcome = STORE_REFUSED;
    else if (w->operation == STORE_DELETE)
        p->outcome = live ? STORE_DELETED : STORE_NOTHING;
    else if (live && w->skip_if_equal && slice_equal(w->body, model_body(p->head)))
        p->outcome = STORE_UNCHANGED;
    else
        p->outcome = live ? STORE_UPDATED : STORE_CREATED;
}

static void model_enter(struct model *m, struct fixture *f, const struct store_write *w,
                        const struct planned *p, const struct store_result *r, int type, int id,
                        struct slice body)
{
    assert_true(m->count < VERSIONS_MAX);
    struct model_version *v = &m->versions[m->count++];
    memset(v, 0, sizeof *v);
    v->type = type;
    v->id = id;
    v->doc = r->doc;
    v->version = p->version + 1;
    v->instant = r->instant;
    v->is_deleted = w->operation == STORE_DELETE;
    v->killer = v->is_deleted ? v->doc : UINT64_MAX;
    v->superseded = UINT64_MAX;
    if (p->head)
        p->head->superseded = r->doc;
    if (p->head && !p->head->is_deleted)
        p->head->killer = r->doc;
    if (v->is_deleted)
        return;
    memcpy(v->body, body.bytes, body.length);
    v->body_size = body.length;
    struct term *terms = NULL;
    assert_int_equal(fixture_extract(NULL, SLICE_NONE, SLICE_NONE, slice_of(v->body, body.length),
                                     &f->arena, &terms, &v->term_count),
                     ERR_NONE);
    memcpy(v->terms, terms, v->term_count * sizeof *terms);
}

static void random_write(struct model *m, struct fixture *f, struct store_write *w, int type,
                         int id)
{
    struct model_version made;
    struct slice body = SLICE_NONE;
    *w = (struct store_write){ .operation = roll(m, 4) ? STORE_PUT : STORE_DELETE };
    w->type = slice_cstr(type_text(type));
    w->id = slice_cstr(id_text(&f->arena, id));
    w->expect = roll(m, 6) ? STORE_ANY : (uint8_t)roll(m, 4);
    struct model_version *head = model_head(m, type, id, UINT64_MAX);
    w->expect_version = head ? head->version - roll(m, 2) : roll(m, 2);
    if (w->operation == STORE_DELETE)
        return;
    w->skip_if_equal = roll(m, 2);
    random_body(m, &made, &body);
    if (head && !head->is_deleted && roll(m, 3) == 0)
        body = model_body(head);
    char *copy = arena_raw(&f->arena, body.length + 1);
    memcpy(copy, body.bytes, body.length);
    w->body = slice_of(copy, body.length);
    if (roll(m, 3)) {
        w->home_type = slice_cstr(type_text((int)roll(m, TYPES)));
        w->home_id = slice_cstr(id_text(&f->arena, (int)roll(m, IDS)));
    }
    assert_int_equal(
        fixture_extract(NULL, w->type, w->id, w->body, &f->arena, &w->terms, &w->term_count),
        ERR_NONE);
}

static void step_apply(struct model *m, struct fixture *f)
{
    struct store_write writes[BATCH_MAX];
    struct store_result results[BATCH_MAX];
    struct planned planned[BATCH_MAX];
    int types[BATCH_MAX], ids[BATCH_MAX];
    size_t count = 0, wanted = 1 + roll(m, BATCH_MAX), refused = 0, first_refused = SIZE_MAX;
    bool all_or_nothing = roll(m, 3) == 0, used[TYPES][IDS] = { { false } };
    uint64_t time = 0;
    while (count < wanted) {
        int type = (int)roll(m, TYPES), id = (int)roll(m, IDS);
        if (used[type][id]) {
            wanted--;
            continue;
        }
        used[type][id] = true;
        types[count] = type;
        ids[count] = id;
        random_write(m, f, &writes[count], type, id);
        predict(m, &writes[count], type, id, &planned[count]);
        if (planned[count].outcome == STORE_REFUSED && first_refused == SIZE_MAX)
            first_refused = count;
        count++;
    }
    if (!count)
        return;
    assert_int_equal(PATIENT(store_apply(f->store, writes, count, all_or_nothing, &f->arena,
                                         results, &time, &refused)),
                     ERR_NONE);
    bool stopped = all_or_nothing && first_refused != SIZE_MAX;
    assert_int_equal(refused, stopped ? first_refused : count);
    for (size_t i = 0; i < count; i++) {
        uint8_t outcome = stopped && i != refused ? STORE_NOTHING : planned[i].outcome;
        assert_int_equal(results[i].outcome, outcome);
        bool wrote =
            outcome == STORE_CREATED || outcome == STORE_UPDATED || outcome == STORE_DELETED;
        assert_int_equal(results[i].version, planned[i].version + wrote);
        assert_int_equal(results[i].was_deleted, planned[i].head && planned[i].head->is_deleted);
        if (wrote)
            model_enter(m, f, &writes[i], &planned[i], &results[i], types[i], ids[i],
                        writes[i].body);
    }
    m->times[m->time_count] = time;
    m->time_docs[m->time_count++] = m->count ? m->versions[m->count - 1].doc : 0;
}

/* ---- reading ---- */

static void check_version_is(const struct model_version *v, const struct store_version *got,
                             bool with_body)
{
    assert_int_equal(got->doc, v->doc);
    assert_int_equal(got->version, v->version);
    assert_int_equal(got->instant, v->instant);
    assert_int_equal(got->is_deleted, v->is_deleted);
    assert_int_equal(got->is_first, v->version == 1);
    if (with_body && !v->is_deleted)
        assert_true(slice_equal(got->body, model_body(v)));
}

static void step_read(struct model *m, struct fixture *f, struct store_reader *reader, uint64_t doc)
{
    int type = (int)roll(m, TYPES), id = (int)roll(m, IDS);
    struct slice t = slice_cstr(type_text(type)), i = slice_cstr(id_text(&f->arena, id));
    struct model_version *head = model_head(m, type, id, doc);
    struct store_version v, *list = NULL;
    bool found = false;
    size_t count = 0;
    assert_int_equal(PATIENT(store_head(reader, t, i, &f->arena, &found, &v)), ERR_NONE);
    assert_int_equal(found, head != NULL);
    if (found)
        check_version_is(head, &v, true);
    assert_int_equal(PATIENT(store_head_meta(reader, t, i, &found, &v)), ERR_NONE);
    assert_int_equal(found, head != NULL);
    uint64_t number = 1 + roll(m, 6);
    struct model_version *numbered = model_numbered(m, type, id, doc, number);
    bool is_lost = head && number <= head->version && (!numbered || is_gone(m, numbered));
    assert_int_equal(PATIENT(store_version(reader, t, i, number, &f->arena, &found, &v)),
                     is_lost ? ERR_GONE : ERR_NONE);
    assert_int_equal(found, numbered && !is_lost);
    if (found)
        check_version_is(numbered, &v, true);
    assert_int_equal(
        PATIENT(store_history(reader, t, i, 0, INT64_MIN, 1000, &f->arena, &list, &count)),
        ERR_NONE);
    size_t kept = 0;
    uint64_t counted = 0;
    for (struct model_version *k = head; k && !is_gone(m, k);
         k = model_head(m, type, id, k->doc - 1))
        kept++;
    assert_int_equal(count, kept);
    assert_int_equal(PATIENT(store_history_count(reader, t, i, &counted)), ERR_NONE);
    assert_int_equal(counted, kept);
    uint64_t before = doc;
    for (size_t k = 0; k < count; k++) {
        struct model_version *expected = model_head(m, type, id, before);
        check_version_is(expected, &list[k], false);
        assert_int_equal(PATIENT(store_doc(reader, list[k].doc, &f->arena, &v)), ERR_NONE);
        check_version_is(expected, &v, true);
        assert_true(slice_equal(v.type, t) && slice_equal(v.id, i));
        before = expected->doc - 1;
    }
}

static bool starts_with(struct slice value, struct slice prefix)
{
    return value.length >= prefix.length && memcmp(value.bytes, prefix.bytes, prefix.length) == 0;
}

static bool value_is(const struct plan *p, struct slice value)
{
    if (p->kind == PLAN_TERM)
        return slice_equal(value, p->from);
    if (p->kind == PLAN_PREFIX)
        return starts_with(value, p->from);
    if (p->kind == PLAN_RANGE)
        return slice_compare(value, p->from) >= 0 &&
               (!p->to.length || slice_compare(value, p->to) < 0);
    if (!starts_with(value, p->from))
        return false;
    size_t end = p->from.length;
    while (end < value.length && value.bytes[end])
        end++;
    for (size_t at = p->from.length; at + p->needle.length <= end; at++)
        if (!p->needle.length || memcmp(value.bytes + at, p->needle.bytes, p->needle.length) == 0)
            return true;
    return false;
}

/* When what this version goes back to, without a deletion in between, was created. */
static int64_t born_of(const struct model *m, const struct model_version *v)
{
    const struct model_version *first = v;
    for (const struct model_version *u = v; !first->born && u-- > m->versions;) {
        if (u->type != v->type || u->id != v->id)
            continue;
        if (u->is_deleted || u->is_erased)
            break;
        first = u;
    }
    return first->born ? first->born : first->instant;
}

static bool matches(const struct model *m, const struct plan *p, const struct model_version *v)
{
    bool result = p->kind == PLAN_AND || p->kind == PLAN_ALL;
    switch (p->kind) {
    case PLAN_ALL:
    case PLAN_NONE:
        return result;
    case PLAN_ID:
        return slice_is(p->from, type_text(v->type)) && p->to.bytes[3] == '0' + v->id;
    case PLAN_INSTANT:
        return v->instant >= p->instant_low && v->instant < p->instant_high;
    case PLAN_CREATED:
        return born_of(m, v) >= p->instant_low && born_of(m, v) < p->instant_high;
    case PLAN_AND:
        for (size_t i = 0; i < p->child_count; i++)
            result = result && matches(m, p->children[i], v);
        return result;
    case PLAN_OR:
        for (size_t i = 0; i < p->child_count; i++)
            result = result || matches(m, p->children[i], v);
        return result;
    case PLAN_NOT:
        return !matches(m, p->children[0], v);
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
        for (size_t i = 0; i < v->term_count; i++)
            result = result || (v->terms[i].field == p->field && value_is(p, v->terms[i].value));
        return result;
    case PLAN_SPAN:
    case PLAN_REFERS:
    case PLAN_REFERRED:
    case PLAN_TEST:
    case PLAN_KNOWN:
        break; /* asked by the search oracle */
    }
    return false;
}

static struct slice plan_value(struct model *m, struct arena *arena)
{
    char *text = arena_raw(arena, 8);
    size_t length = random_value(m, text);
    return slice_of(text, length);
}

static struct plan *random_plan(struct model *m, struct arena *arena, int depth)
{
    static const enum plan_kind leaves[] = { PLAN_TERM,  PLAN_TERM,     PLAN_TERM,   PLAN_PREFIX,
                                             PLAN_RANGE, PLAN_CONTAINS, PLAN_ID,     PLAN_INSTANT,
                                             PLAN_ALL,   PLAN_NONE,     PLAN_CREATED };
    static const enum plan_kind inner[] = { PLAN_AND, PLAN_OR, PLAN_NOT };
    struct plan *p = arena_alloc(arena, sizeof *p);
    if (depth < 3 && roll(m, 2)) {
        p->kind = inner[roll(m, 3)];
        p->child_count = p->kind == PLAN_NOT ? 1 : roll(m, 7);
        p->children = arena_array(arena, p->child_count, sizeof *p->children);
        for (size_t i = 0; i < p->child_count; i++)
            p->children[i] = random_plan(m, arena, depth + 1);
        return p;
    }
    p->kind = leaves[roll(m, ARRAY_COUNT(leaves))];
    p->field = (uint32_t)roll(m, FIELDS);
    p->from = plan_value(m, arena);
    p->to = p->kind == PLAN_RANGE ? plan_value(m, arena) : SLICE_NONE;
    p->needle = plan_value(m, arena);
    if (p->kind == PLAN_ID) {
        p->from = slice_cstr(type_text((int)roll(m, TYPES)));
        p->to = slice_cstr(id_text(arena, (int)roll(m, IDS)));
    }
    if ((p->kind == PLAN_INSTANT || p->kind == PLAN_CREATED) && m->count) {
        p->instant_low = m->versions[roll(m, m->count)].instant;
        p->instant_high = m->versions[roll(m, m->count)].instant + (int64_t)roll(m, 2);
    }
    return p;
}

static void plan_print(const struct plan *p, int depth)
{
    static const char *const kinds[] = {
        [PLAN_ALL] = "ALL",       [PLAN_NONE] = "NONE",       [PLAN_TERM] = "TERM",
        [PLAN_PREFIX] = "PREFIX", [PLAN_RANGE] = "RANGE",     [PLAN_CONTAINS] = "CONTAINS",
        [PLAN_ID] = "ID",         [PLAN_INSTANT] = "INSTANT", [PLAN_CREATED] = "CREATED",
        [PLAN_AND] = "AND",       [PLAN_OR] = "OR",           [PLAN_NOT] = "NOT",
    };
    print_error("%*s%s field %u", 2 * depth, "", kinds[p->kind], p->field);
    const struct slice values[] = { p->from, p->to, p->needle };
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        print_error(" ");
        for (size_t k = 0; k < values[i].length; k++)
            print_error("%02x", (unsigned)(unsigned char)values[i].bytes[k]);
        print_error(",");
    }
    print_error("\n");
    for (size_t i = 0; i < p->child_count; i++)
        plan_print(p->children[i], depth + 1);
}

static void search_check(struct model *m, struct fixture *f, struct store_reader *reader,
                         uint64_t doc, const struct plan *plan)
{
    uint64_t after = roll(m, 2) ? 0 : roll(m, doc + 2), *docs = NULL, counted = 0;
    size_t limit = roll(m, 2) ? SIZE_MAX : 1 + roll(m, 5), count = 0, expected = 0, all = 0;
    assert_int_equal(PATIENT(store_search(reader, plan, after, limit, &f->arena, &docs, &count)),
                     ERR_NONE);
    for (size_t i = 0; i < m->count; i++) {
        const struct model_version *v = &m->versions[i];
        if (v->doc > doc || v->killer <= doc || v->is_erased || !matches(m, plan, v))
            continue;
        all++;
        if (v->doc <= after || expected == limit)
            continue;
        if (expected >= count || docs[expected] != v->doc)
            plan_print(plan, 0);
        assert_true(expected < count);
        assert_int_equal(docs[expected], v->doc);
        expected++;
    }
    assert_int_equal(count, expected);
    assert_int_equal(PATIENT(store_count(reader, plan, &counted)), ERR_NONE);
    assert_int_equal(counted, all);
}

static void step_search(struct model *m, struct fixture *f, struct store_reader *reader,
                        uint64_t doc)
{
    search_check(m, f, reader, doc, random_plan(m, &f->arena, 0));
    for (int i = 0; i < m->scale->created && m->count; i++) {
        int64_t a = m->versions[roll(m, m->count)].instant;
        int64_t b = m->versions[roll(m, m->count)].instant;
        const struct plan created = { .kind = PLAN_CREATED,
                                      .instant_low = MIN(a, b),
                                      .instant_high = MAX(a, b) + 1 };
        search_check(m, f, reader, doc, &created);
    }
}

struct visited {
    const struct model *m;
    const uint64_t *docs;
    size_t at;
};

static enum err visit_check(void *context, const struct store_version *version)
{
    struct visited *v = context;
    assert_int_equal(version->doc, v->docs[v->at]);
    for (size_t i = 0; i < v->m->count; i++)
        if (v->m->versions[i].doc == version->doc)
            check_version_is(&v->m->versions[i], version, true);
    v->at++;
    return ERR_NONE;
}

static void step_values(struct model *m, struct fixture *f, struct store_reader *reader,
                        uint64_t doc)
{
    struct plan p = { .kind = PLAN_PREFIX, .field = (uint32_t)roll(m, FIELDS) };
    p.from = plan_value(m, &f->arena);
    struct store_value *values = NULL;
    size_t count = 0, total = 0, expected = 0;
    assert_int_equal(PATIENT(store_values(reader, p.field, p.from, &f->arena, &values, &count)),
                     ERR_NONE);
    for (size_t i = 0; i < count; i++) {
        assert_true(!i || slice_compare(values[i - 1].value, values[i].value) < 0);
        struct plan one = { .kind = PLAN_TERM, .field = p.field, .from = values[i].value };
        uint64_t *docs = NULL;
        size_t n = 0;
        assert_int_equal(PATIENT(store_search(reader, &one, 0, SIZE_MAX, &f->arena, &docs, &n)),
                         ERR_NONE);
        assert_int_equal(n, values[i].doc_count);
        assert_memory_equal(docs, values[i].docs, n * sizeof *docs);
        struct visited v = { m, docs, 0 };
        assert_int_equal(
            PATIENT((v.at = 0, store_docs(reader, docs, n, &f->arena, visit_check, &v))), ERR_NONE);
        assert_int_equal(v.at, n);
        total += n;
    }
    for (size_t i = 0; i < m->count; i++) {
        const struct model_version *v = &m->versions[i];
        bool lives = v->doc <= doc && v->killer > doc && !v->is_erased;
        for (size_t t = 0; lives && t < v->term_count; t++) {
            bool first = v->terms[t].field == p.field && value_is(&p, v->terms[t].value);
            for (size_t k = 0; k < t; k++)
                first = first && !(v->terms[k].field == p.field &&
                                   slice_equal(v->terms[k].value, v->terms[t].value));
            expected += first;
        }
    }
    assert_int_equal(total, expected);
}

/* ---- the whole ---- */

static void opens(struct fixture *f)
{
    assert_int_equal(PATIENT(fixture_try_open(f)), ERR_NONE);
}

/* Whatever could not be written out at the end is derived again at the next opening. */
static void closes(struct fixture *f)
{
    refuse_depth++;
    enum err err = store_close(f->store);
    refuse_depth--;
    f->store = NULL;
    assert_true(!err || refuse_is_want(err));
}

static void no_report(void *context, const char *what, struct slice type, struct slice id)
{
    print_error("%s: %.*s/%.*s\n", what, SLICE_ARGS(type), SLICE_ARGS(id));
    ++*(int *)context;
}

static void await_repair(struct fixture *f)
{
    struct store_index_figures figures = { .damaged_segments = 1 };
    for (int ms = 0; ms < 20000 && figures.damaged_segments; ms++) {
        store_index_figures(f->store, &figures);
        os_sleep_us(1000);
    }
    assert_int_equal(figures.damaged_segments, 0);
}

static void check_all(struct fixture *f)
{
    int bad = 0;
    uint64_t checked = 0;
    await_repair(f);
    assert_int_equal(PATIENT((bad = 0, store_check(f->store, no_report, &bad, &checked))),
                     ERR_NONE);
    assert_int_equal(bad, 0);
}

/* A copy of the open store's files is what a crash leaves behind. A crash sees one
 * instant, a copy several: it counts only when compaction and merging, which go on
 * meanwhile, changed no file while it was made. */
static void crash(struct fixture *f)
{
    char command[700], copy[80];
    snprintf(copy, sizeof copy, "%s.copy", f->folder);
    snprintf(command, sizeof command,
             "list() { ls -lRA --time-style=full-iso '%s'; }; for i in $(seq 200); do "
             "before=$(list 2>&1); rm -rf '%s'; cp -r '%s' '%s' 2>/dev/null && "
             "[ \"$before\" = \"$(list 2>&1)\" ] && exit 0; sleep 0.02; done; exit 1",
             f->folder, copy, f->folder, copy);
    assert_int_equal(system(command), 0);
    closes(f);
    assert_int_equal(os_folder_remove(f->folder), ERR_NONE);
    assert_int_equal(rename(copy, f->folder), 0);
    opens(f);
}

/* Every field has a rule, the last one too, which nothing is found by. */
static void await_rules(struct fixture *f)
{
    struct store_rule_state state = { .is_ready = false };
    for (uint32_t field = 0; field < FIELDS; field++)
        for (int ms = 0; ms < 20000; ms++) {
            store_rule_state(f->store, field, &state);
            assert_true(state.is_known);
            if (state.is_ready)
                break;
            os_sleep_us(1000);
        }
    assert_true(state.is_ready);
}

/* Fields that lie in side segments are derived again: these first, then the fields. */
static void await_sides(struct fixture *f)
{
    await_repair(f);
    await_rules(f);
}

static void rebuild(struct model *m, struct fixture *f)
{
    uint32_t fields[FIELDS];
    size_t count = 0;
    for (uint32_t field = 0; field < FIELDS; field++)
        if (roll(m, 2))
            fields[count++] = field;
    assert_int_equal(PATIENT(store_rebuild(f->store, fields, count)), ERR_NONE);
    for (uint64_t commits = roll(m, 4); commits > 0; commits--)
        step_apply(m, f);
    if (roll(m, 3) == 0)
        crash(f);
    await_rules(f);
}

static void raise_horizon(struct model *m, struct fixture *f, size_t at)
{
    if (!m->time_count || !m->time_docs[at])
        return;
    assert_int_equal(PATIENT(store_horizon_raise(f->store, store_time_of(m->time_docs[at]), 1)),
                     ERR_NONE);
    assert_int_equal(PATIENT(store_purge(f->store)), ERR_NONE);
    m->horizon = MAX(m->horizon, m->time_docs[at]);
}

static void await_erasure(struct fixture *f, uint64_t number)
{
    struct store_erasure e = { 0 };
    for (int ms = 0; ms < 60000 && e.stage != STORE_ERASED; ms++) {
        assert_true(store_erasure_find(f->store, number, &e));
        os_sleep_us(1000);
    }
    assert_int_equal(e.stage, STORE_ERASED);
}

/* A resource, or one version of it that is not its newest. */
static void erase(struct model *m, struct fixture *f)
{
    int type = (int)roll(m, TYPES), id = (int)roll(m, IDS);
    struct model_version *head = model_head(m, type, id, UINT64_MAX), *one = NULL;
    struct store_target t = { .type = slice_cstr(type_text(type)) };
    struct store_erasure e;
    uint64_t erased = 0;
    t.id = slice_cstr(id_text(&f->arena, id));
    if (head && roll(m, 3) == 0) {
        for (one = model_head(m, type, id, head->doc - 1); one && roll(m, 2);)
            one = model_head(m, type, id, one->doc - 1);
        if (!one || is_gone(m, one))
            return;
        t.docs = &one->doc;
        t.doc_count = 1;
        struct model_version *before = model_head(m, type, id, one->doc - 1);
        if (before && !is_gone(m, before))
            before->superseded = one->superseded;
        one->is_erased = true;
        erased = 1;
    }
    for (struct model_version *v = one ? NULL : head; v;) {
        struct model_version *before = model_head(m, type, id, v->doc - 1);
        erased += !is_gone(m, v);
        v->is_erased = true;
        v = before;
    }
    assert_int_equal(PATIENT(store_erase(f->store, &t, 1, &f->arena, &e)), ERR_NONE);
    assert_int_equal(e.versions, erased);
    assert_true(head ? e.resources == !one : e.resources <= 1); /* others have it as their home */
    if (erased && roll(m, 2))
        await_erasure(f, e.number);
}

static void step_cheap(struct model *m, struct fixture *f)
{
    if (roll(m, 2))
        assert_int_equal(PATIENT(postings_checkpoint(&f->store->postings)), ERR_NONE);
    else
        assert_int_equal(PATIENT(postings_merge_window(
                             &f->store->postings, (enum segment_kind)roll(m, SEGMENT_KINDS),
                             (uint32_t)roll(m, 4), 1 + (uint32_t)roll(m, 5))),
                         ERR_NONE);
}

static void step_dear(struct model *m, struct fixture *f, struct store_rule *rules)
{
    switch (roll(m, 11)) {
    case 0:
        crash(f);
        break;
    case 1:
        closes(f);
        opens(f);
        break;
    case 2:
        closes(f);
        f->rules_hash++;
        opens(f);
        break;
    case 3:
        check_all(f);
        break;
    case 4:
    case 5:
        rebuild(m, f);
        break;
    case 6:
        assert_int_equal(PATIENT(store_rebuild(f->store, NULL, 0)), ERR_NONE);
        if (roll(m, 2))
            step_apply(m, f);
        if (roll(m, 2))
            crash(f);
        await_sides(f);
        break;
    case 7:
        closes(f);
        rules[roll(m, FIELDS)].hash++;
        opens(f);
        await_rules(f);
        break;
    case 8:
        raise_horizon(m, f, m->time_count ? roll(m, m->time_count) : 0);
        break;
    default:
        erase(m, f);
        break;
    }
}

/* Long runs: what is beyond the horizon has no need to be remembered. */
static void forget(struct model *m)
{
    size_t kept = 0, times = 0;
    bool is_dropped[TYPES][IDS] = { { false } }; /* the version before */
    int64_t born[TYPES][IDS] = { { 0 } };
    for (size_t i = 0; i < m->count; i++) {
        struct model_version *v = &m->versions[i];
        int64_t since = born_of(m, v);
        bool *dropped = &is_dropped[v->type][v->id];
        if (v->is_erased || is_gone(m, v)) {
            *dropped = true;
            born[v->type][v->id] = v->is_erased || v->is_deleted ? 0 : since;
            continue;
        }
        if (*dropped)
            v->born = born[v->type][v->id] ? born[v->type][v->id] : v->instant;
        *dropped = false;
    }
    for (size_t i = 0; i < m->count; i++) {
        struct model_version *v = &m->versions[i], *to = &m->versions[kept];
        if (v->is_erased || is_gone(m, v))
            continue;
        kept++;
        if (to == v)
            continue;
        *to = *v;
        for (size_t t = 0; t < to->term_count; t++)
            to->terms[t].value.bytes += to->body - v->body;
    }
    for (size_t i = 0; i < m->time_count; i++) {
        if (m->time_docs[i] < m->horizon)
            continue;
        m->times[times] = m->times[i];
        m->time_docs[times++] = m->time_docs[i];
    }
    m->count = kept;
    m->time_count = times;
}

static void step_other(struct model *m, struct fixture *f, struct store_rule *rules)
{
    if (roll(m, m->scale->cheap) == 0)
        step_cheap(m, f);
    if (roll(m, m->scale->dear) == 0) {
        step_dear(m, f, rules);
        await_sides(f); /* searches do not wait for a large index */
    }
    if (m->count < m->scale->versions)
        return;
    raise_horizon(m, f, m->time_count / 2 + roll(m, m->time_count / 2));
    forget(m);
}

static void run_model(struct fixture *f, uint64_t seed, const struct scale *scale)
{
    struct model *m = calloc(1, sizeof *m);
    m->versions = calloc(VERSIONS_MAX, sizeof *m->versions);
    m->random = seed;
    m->scale = scale;
    struct store_rule rules[FIELDS];
    for (uint32_t field = 0; field < FIELDS; field++)
        rules[field] = (struct store_rule){ field, field };
    closes(f);
    f->rules = (struct store_rules){ .list = rules, .count = FIELDS };
    f->memtable_bytes = scale->memtable_bytes;
    opens(f);
    for (int step = 0; step < scale->steps; step++) {
        struct arena_mark mark = arena_mark(&f->arena);
        step_apply(m, f);
        step_other(m, f, rules);
        if (atomic_load(&refuse.is_on)) /* a rebuild, or the tail, may have to try again */
            await_sides(f);
        for (int reads = 0; m->time_count && reads < scale->readers; reads++) {
            size_t at = roll(m, 2) ? m->time_count - 1 : roll(m, m->time_count);
            struct store_reader *reader = NULL;
            if (m->time_docs[at] < m->horizon) {
                assert_int_equal(PATIENT(store_read_begin(f->store, m->times[at], &reader)),
                                 ERR_GONE);
                continue;
            }
            assert_int_equal(PATIENT(store_read_begin(f->store, m->times[at], &reader)), ERR_NONE);
            step_read(m, f, reader, m->time_docs[at]);
            step_search(m, f, reader, m->time_docs[at]);
            step_search(m, f, reader, m->time_docs[at]);
            step_values(m, f, reader, m->time_docs[at]);
            store_read_end(reader);
        }
        arena_rewind(&f->arena, mark);
        if (step % 10000 == 9999)
            print_message("  %d steps\n", step + 1);
    }
    check_all(f);
    free(m->versions);
    free(m);
}

static const struct scale SHORT = { .steps = 260,
                                    .readers = 4,
                                    .created = 4,
                                    .dear = 4,
                                    .cheap = 7,
                                    .versions = VERSIONS_MAX - 8 * BATCH_MAX };
static const struct scale REFUSED = { .steps = 60,
                                      .readers = 2,
                                      .created = 1,
                                      .dear = 2,
                                      .cheap = 4,
                                      .versions = VERSIONS_MAX - 8 * BATCH_MAX };
static const struct scale LONG = { .steps = 20000,
                                   .readers = 1,
                                   .created = 0,
                                   .dear = 1000,
                                   .cheap = 30,
                                   .versions = 400,
                                   .memtable_bytes = 256 << 10 };

static void the_store_agrees_with_a_model(void **state)
{
    run_model(*state, 88172645463325252u, &SHORT);
}

static void the_store_agrees_with_a_model_on_another_seed(void **state)
{
    run_model(*state, 1234567u, &SHORT);
}

/* Every way in which memory, a thread or a mapping is asked for fails once: whoever asked
 * is told so, asks again, and all is as if nothing had happened. */
static void the_store_agrees_with_a_model_while_memory_is_refused(void **state)
{
#ifdef __SANITIZE_THREAD__
    skip(); /* each refusal in a thread of the store is tried again a second later: minutes */
#endif
    const char *again = getenv("MODEL_SEED");
    uint64_t seed = again ? strtoull(again, NULL, 10) : 20261124;
    refuse_begin(seed, 1, 4);
    run_model(*state, seed, &REFUSED);
    refuse_end();
    print_message("%llu of %llu refused\n", (unsigned long long)atomic_load(&refuse.refused),
                  (unsigned long long)atomic_load(&refuse.known));
    assert_true(atomic_load(&refuse.refused) > 100);
}

static void the_store_agrees_with_a_model_on_a_seed_never_tried(void **state)
{
    const char *again = getenv("MODEL_SEED"); /* what a run that failed has printed */
    uint64_t seed = again ? strtoull(again, NULL, 10) : os_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    run_model(*state, seed, &SHORT);
}

/* Again and again for MODEL_SECONDS (make long-model); each seed is printed.
 * MODEL_LONG_SEED=N does one round again. */
static void the_store_agrees_with_a_model_for_long(void **state)
{
    const char *text = getenv("MODEL_SECONDS"), *again = getenv("MODEL_LONG_SEED");
    int64_t end_us = os_monotonic_us() + (text ? strtoll(text, NULL, 10) : 0) * 1000000;
    uint64_t rounds = 0;
    if (!text && !again)
        skip();
    do {
        void *inner = NULL;
        uint64_t seed = again ? strtoull(again, NULL, 10) : os_random_u64() | 1;
        print_message("long seed %llu\n", (unsigned long long)seed);
        assert_int_equal(fixture_setup(&inner), 0);
        run_model(inner, seed, &LONG);
        assert_int_equal(fixture_teardown(&inner), 0);
        rounds++;
        print_message("%llu rounds, %llu steps\n", (unsigned long long)rounds,
                      (unsigned long long)rounds * (unsigned long long)LONG.steps);
    } while (!again && os_monotonic_us() < end_us);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(the_store_agrees_with_a_model),
        TEST(the_store_agrees_with_a_model_on_another_seed),
        TEST(the_store_agrees_with_a_model_while_memory_is_refused),
        TEST(the_store_agrees_with_a_model_on_a_seed_never_tried),
        cmocka_unit_test(the_store_agrees_with_a_model_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
