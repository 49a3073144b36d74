/* Threads do what they like with one resource, or by criteria with a few; what they
 * were answered must be explained by some order of their calls (linear.h). */
#include "rest/world.h"

#include <stdatomic.h>

#include "os/random.h"
#include "os/thread.h"
#include "rest/linear.h"

enum { THREADS = 4, CALLS = 12, ROUNDS = 20, KEYS = 2, MATCHES_MAX = 6 };

/* ---- one client's call ---- */

struct client {
    struct world *w;
    struct arena arena;
    uint64_t random;
    int status;
    uint64_t version; /* of the answer's ETag; 0: none */
    struct slice body;
};

static uint64_t next_random(struct client *c)
{
    c->random = c->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return c->random >> 33;
}

static uint64_t number_behind(struct slice text, const char *mark)
{
    ptrdiff_t at = slice_find(text, slice_cstr(mark));
    uint64_t number = 0;
    if (at < 0)
        return 0;
    for (size_t i = (size_t)at + strlen(mark); i < text.length; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            break;
        number = number * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    return number;
}

static void call(struct client *c, const char *method, struct slice target, const char *media,
                 const char *condition, struct slice value, struct slice body)
{
    struct http_header headers[] = {
        { SLICE("Host"), SLICE("127.0.0.1:8080") },
        { SLICE("Content-Type"), slice_cstr(media) },
        { slice_cstr(condition), value },
    };
    struct slice whole = arena_printf(&c->arena, "/datastore/ds1/r4/%.*s", SLICE_ARGS(target));
    struct slice query = whole;
    struct http_request r = { .method = slice_cstr(method),
                              .path = slice_cut(&query, '?'),
                              .body = body,
                              .headers = headers,
                              .header_count = condition ? 3 : 2,
                              .arena = &c->arena };
    struct http_response response = { 0 };
    r.query = query;
    rest_handle(c->w->rest, &r, slice_from(r.path, strlen("/datastore/ds1/r4/")), &response);
    c->status = response.status;
    c->body = response.body;
    c->version = 0;
    for (size_t i = 0; i < response.header_count; i++)
        if (slice_equal_nocase(response.headers[i].name, SLICE("ETag")))
            c->version = number_behind(response.headers[i].value, "W/\"");
    if (response.produce) /* pages of a few resources are whole */
        abort();
}

#define FHIR "application/fhir+json"

/* ---- a single resource ---- */

enum what { READ, SEARCH, PUT, PUT_MATCH, PUT_NEW, PATCH, DELETE, BUNDLE_PUT, WHATS };

struct act {
    enum what what;
    uint64_t value, match; /* written; asked of If-Match */
    int status;
    uint64_t version, found; /* answered: version and value */
};

struct one {
    uint64_t version, value, is_live;
};

static bool put_fits(struct one *s, const struct act *a)
{
    bool is_new = !s->is_live, is_equal = s->is_live && s->value == a->value;
    if (!is_equal)
        s->version++;
    s->is_live = 1;
    s->value = a->value;
    return a->status == (is_new ? 201 : 200) && a->version == s->version;
}

static bool one_fits(void *state, const void *what)
{
    struct one *s = state;
    const struct act *a = what;
    switch (a->what) {
    case READ:
        if (!s->is_live)
            return a->status == (s->version ? 410 : 404);
        return a->status == 200 && a->version == s->version && a->found == s->value;
    case SEARCH:
        return a->status == 200 && a->version == (s->is_live ? s->version : 0) &&
               a->found == (s->is_live ? s->value : 0);
    case PUT_MATCH:
        if (!s->is_live || s->version != a->match)
            return a->status == 412;
        return put_fits(s, a);
    case PUT_NEW:
        return s->version ? a->status == 412 : put_fits(s, a);
    case PATCH:
        if (!s->is_live)
            return a->status == (s->version ? 410 : 404);
        return put_fits(s, a);
    case PUT:
    case BUNDLE_PUT:
        return put_fits(s, a);
    case DELETE:
        if (!s->is_live)
            return a->status == 204 && !a->version;
        s->version++;
        s->is_live = 0;
        s->value = 0;
        return a->status == 204 && a->version == s->version;
    case WHATS:
        break;
    }
    return false;
}

static void one_write(struct client *c, struct act *a, struct slice id)
{
    struct slice target = arena_printf(&c->arena, "Patient/%.*s", SLICE_ARGS(id));
    struct slice body = arena_printf(
        &c->arena, "{\"resourceType\":\"Patient\",\"id\":\"%.*s\",\"multipleBirthInteger\":%llu}",
        SLICE_ARGS(id), (unsigned long long)a->value);
    if (a->what == BUNDLE_PUT) {
        body =
            arena_printf(&c->arena,
                         "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{"
                         "\"resource\":%.*s,\"request\":{\"method\":\"PUT\",\"url\":\"%.*s\"}}]}",
                         SLICE_ARGS(body), SLICE_ARGS(target));
        call(c, "POST", SLICE(""), FHIR, NULL, SLICE_NONE, body);
        a->status = c->status == 200 ? (int)number_behind(c->body, "\"status\":\"") : c->status;
        a->version = number_behind(c->body, "\"etag\":\"W/\\\"");
        return;
    }
    if (a->what == PATCH)
        call(c, "PATCH", target, "application/merge-patch+json", NULL, SLICE_NONE,
             arena_printf(&c->arena, "{\"multipleBirthInteger\":%llu}",
                          (unsigned long long)a->value));
    else if (a->what == PUT_MATCH)
        call(c, "PUT", target, FHIR, "If-Match",
             arena_printf(&c->arena, "W/\"%llu\"", (unsigned long long)a->match), body);
    else
        call(c, "PUT", target, FHIR, a->what == PUT_NEW ? "If-None-Match" : NULL, SLICE("*"), body);
    a->status = c->status;
    a->version = c->version;
}

static void one_call(struct client *c, struct act *a, struct slice id)
{
    if (a->what == READ || a->what == DELETE) {
        call(c, a->what == READ ? "GET" : "DELETE",
             arena_printf(&c->arena, "Patient/%.*s", SLICE_ARGS(id)), FHIR, NULL, SLICE_NONE,
             SLICE_NONE);
        a->version = c->version;
    } else if (a->what == SEARCH) {
        call(c, "GET", arena_printf(&c->arena, "Patient?_id=%.*s", SLICE_ARGS(id)), FHIR, NULL,
             SLICE_NONE, SLICE_NONE);
        a->version = number_behind(c->body, "\"versionId\":\"");
    } else {
        one_write(c, a, id);
        return;
    }
    a->status = c->status;
    a->found = number_behind(c->body, "\"multipleBirthInteger\":");
}

/* ---- resources by criteria ---- */

enum by {
    IF_NONE,
    IF_NONE_ELSE,
    PLAIN,
    BY_PUT,
    BY_DELETE,
    BY_SEARCH,
    BATCH_ONE,
    PAIR,
    PAIR_TURNED,
    BYS
};

struct deed {
    enum by by;
    int key;
    uint64_t value;    /* written: never the same twice */
    int status[KEYS];  /* of PAIR of each key's entry, else of the first place */
    uint64_t id[KEYS]; /* answered, as a hash */
    uint64_t version[KEYS];
    uint64_t found; /* of BY_SEARCH */
};

/* What has each key's identifier. */
struct few {
    struct {
        uint64_t id[MATCHES_MAX], version[MATCHES_MAX], count;
    } keys[KEYS];
};

static bool add_fits(struct few *s, const struct deed *d, int at, int key)
{
    uint64_t n = s->keys[key].count;
    if (d->status[at] != 201 || d->version[at] != 1 || !d->id[at] || n == MATCHES_MAX)
        return false;
    for (int k = 0; k < KEYS; k++)
        for (uint64_t i = 0; i < s->keys[k].count; i++)
            if (s->keys[k].id[i] == d->id[at])
                return false;
    s->keys[key].id[n] = d->id[at];
    s->keys[key].version[n] = 1;
    s->keys[key].count++;
    return true;
}

static bool if_none_fits(struct few *s, const struct deed *d, int at, int key)
{
    if (s->keys[key].count == 0)
        return add_fits(s, d, at, key);
    if (s->keys[key].count > 1)
        return d->status[at] == 412;
    return d->status[at] == 200 && d->id[at] == s->keys[key].id[0] &&
           d->version[at] == s->keys[key].version[0];
}

static bool few_fits(void *state, const void *what)
{
    struct few *s = state;
    const struct deed *d = what;
    uint64_t count = s->keys[d->key].count;
    if (d->status[0] == 409)
        return true; /* overtaken five times: nothing was done */
    switch (d->by) {
    case IF_NONE:
    case IF_NONE_ELSE:
    case BATCH_ONE:
        return if_none_fits(s, d, 0, d->key);
    case PLAIN:
        return add_fits(s, d, 0, d->key);
    case BY_PUT:
        if (count == 0)
            return add_fits(s, d, 0, d->key);
        if (count > 1)
            return d->status[0] == 412;
        return d->status[0] == 200 && d->id[0] == s->keys[d->key].id[0] &&
               d->version[0] == ++s->keys[d->key].version[0];
    case BY_DELETE:
        if (count != 1)
            return d->status[0] == (count ? 412 : 404);
        memset(&s->keys[d->key], 0, sizeof s->keys[d->key]);
        return d->status[0] == 204;
    case BY_SEARCH:
        return d->status[0] == 200 && d->found == count;
    case PAIR:
    case PAIR_TURNED:
        if (s->keys[0].count > 1 || s->keys[1].count > 1)
            return d->status[0] == 412;
        return if_none_fits(s, d, 0, 0) && if_none_fits(s, d, 1, 1);
    case BYS:
        break;
    }
    return false;
}

static uint64_t id_hash(struct slice id)
{
    return id.length ? XXH3_64bits(id.bytes, id.length) : 0;
}

/* A single write's answer: the resource, its version in the header. */
static void deed_answered(struct client *c, struct deed *d)
{
    struct json_doc doc;
    struct json_error where;
    d->status[0] = c->status;
    d->version[0] = c->version;
    if (c->status != 200 && c->status != 201)
        return;
    if (json_parse(c->body, NULL, &c->arena, &doc, &where))
        abort();
    struct json root = json_root(&doc);
    d->found = json_count(json_member(root, "entry"));
    d->id[0] = id_hash(json_string(json_member(root, "id"), &c->arena));
}

/* A Bundle's: its entries' responses, of which the first goes to place `from`. */
static void bundle_answered(struct client *c, struct deed *d, int from, int step)
{
    struct json_doc doc;
    struct json_error where;
    d->status[0] = d->status[1] = c->status;
    if (c->status != 200)
        return;
    if (json_parse(c->body, NULL, &c->arena, &doc, &where))
        abort();
    struct json list = json_member(json_root(&doc), "entry");
    for (struct json e = json_first(list); json_exists(e); e = json_next(list, e), from += step) {
        struct json response = json_member(e, "response");
        struct slice path = json_string(json_member(response, "location"), &c->arena);
        d->status[from] = (int)number_behind(json_raw(json_member(response, "status")), "\"");
        d->version[from] = number_behind(path, "_history/");
        (void)slice_cut(&path, '/');
        d->id[from] = id_hash(slice_cut(&path, '/'));
    }
}

static struct slice few_entry(struct client *c, int round, int key)
{
    return arena_printf(&c->arena,
                        "{\"resource\":{\"resourceType\":\"Patient\",\"identifier\":[{\"system\":"
                        "\"urn:s\",\"value\":\"r%dk%d\"}],\"name\":[{\"family\":\"r%dk%d\"}]},"
                        "\"request\":{\"method\":\"POST\",\"url\":\"Patient\","
                        "\"ifNoneExist\":\"identifier=urn:s|r%dk%d\"}}",
                        round, key, round, key, round, key);
}

static void few_bundle(struct client *c, struct deed *d, int round)
{
    bool is_batch = d->by == BATCH_ONE, is_turned = d->by == PAIR_TURNED;
    int first = is_batch ? d->key : is_turned;
    struct slice other = is_batch ? SLICE_NONE : few_entry(c, round, !first);
    struct slice body = arena_printf(
        &c->arena, "{\"resourceType\":\"Bundle\",\"type\":\"%s\",\"entry\":[%.*s%s%.*s]}",
        is_batch ? "batch" : "transaction", SLICE_ARGS(few_entry(c, round, first)),
        is_batch ? "" : ",", SLICE_ARGS(other));
    call(c, "POST", SLICE(""), FHIR, NULL, SLICE_NONE, body);
    bundle_answered(c, d, is_turned, is_turned ? -1 : 1);
}

static void few_call(struct client *c, struct deed *d, int round)
{
    /* Other words for the same resources: the first wording takes the same lock of the
     * store, the second another, so that its condition alone keeps them apart. */
    const char *words = d->by != IF_NONE_ELSE ? "identifier=urn:s|"
                        : d->value & 1        ? "identifier="
                                              : "family=";
    struct slice worded = arena_printf(&c->arena, "%sr%dk%d", words, round, d->key);
    struct slice target = arena_printf(&c->arena, "Patient?%.*s", SLICE_ARGS(worded));
    struct slice body =
        arena_printf(&c->arena,
                     "{\"resourceType\":\"Patient\",\"identifier\":[{\"system\":\"urn:s\","
                     "\"value\":\"r%dk%d\"}],\"name\":[{\"family\":\"r%dk%d\"}],"
                     "\"multipleBirthInteger\":%llu}",
                     round, d->key, round, d->key, (unsigned long long)d->value);
    if (d->by >= BATCH_ONE) {
        few_bundle(c, d, round);
        return;
    }
    if (d->by == BY_PUT)
        call(c, "PUT", target, FHIR, NULL, SLICE_NONE, body);
    else if (d->by == BY_DELETE || d->by == BY_SEARCH)
        call(c, d->by == BY_DELETE ? "DELETE" : "GET", target, FHIR, NULL, SLICE_NONE, SLICE_NONE);
    else
        call(c, "POST", SLICE("Patient"), FHIR, d->by == PLAIN ? NULL : "If-None-Exist", worded,
             body);
    deed_answered(c, d);
}

/* ---- rounds ---- */

struct game {
    struct world *w;
    int round;
    uint64_t seed;
    bool is_by_criteria;
    atomic_ullong clock;
};

struct player {
    struct game *game;
    int number;
    struct linear_call calls[CALLS];
    struct act acts[CALLS];
    struct deed deeds[CALLS];
};

static void call_make(struct player *p, struct client *c, int i, uint64_t *last_seen)
{
    struct game *g = p->game;
    struct act *a = &p->acts[i];
    struct deed *d = &p->deeds[i];
    *a = (struct act){ .what = (enum what)(next_random(c) % WHATS),
                       .value = next_random(c) % 3 + 1,
                       .match = *last_seen };
    *d = (struct deed){ .by = (enum by)(next_random(c) % BYS),
                        .key = (int)(next_random(c) % KEYS),
                        .value = (uint64_t)(p->number * CALLS + i) };
    if (d->by == PLAIN && i % CALLS != 7)
        d->by = BY_DELETE; /* seldom, so that the model has room */
    p->calls[i].begin = atomic_fetch_add(&g->clock, 1);
    if (g->is_by_criteria)
        few_call(c, d, g->round);
    else
        one_call(c, a, arena_printf(&c->arena, "x%d", g->round));
    p->calls[i].end = atomic_fetch_add(&g->clock, 1);
    p->calls[i].what = g->is_by_criteria ? (void *)d : (void *)a;
    *last_seen = a->version ? a->version : *last_seen;
}

static void *play(void *context)
{
    struct player *p = context;
    struct client c = { .w = p->game->w,
                        .random = p->game->seed * 1000003 + (uint64_t)p->game->round * 97 +
                                  (uint64_t)p->number };
    uint64_t last_seen = 1;
    for (int i = 0; i < CALLS; i++) {
        arena_init(&c.arena, (size_t)64 << 20);
        call_make(p, &c, i, &last_seen);
        arena_release(&c.arena);
    }
    return NULL;
}

static void history_tell(const struct player *players)
{
    for (int t = 0; t < THREADS; t++)
        for (int i = 0; i < CALLS; i++) {
            const struct linear_call *l = &players[t].calls[i];
            const struct act *a = &players[t].acts[i];
            const struct deed *d = &players[t].deeds[i];
            if (players[t].game->is_by_criteria)
                print_error("%d: %llu-%llu by %d key %d: %d/%d id %llx/%llx version %llu/%llu "
                            "found %llu\n",
                            t, (unsigned long long)l->begin, (unsigned long long)l->end, d->by,
                            d->key, d->status[0], d->status[1], (unsigned long long)d->id[0],
                            (unsigned long long)d->id[1], (unsigned long long)d->version[0],
                            (unsigned long long)d->version[1], (unsigned long long)d->found);
            else
                print_error("%d: %llu-%llu what %d value %llu match %llu: %d version %llu found "
                            "%llu\n",
                            t, (unsigned long long)l->begin, (unsigned long long)l->end, a->what,
                            (unsigned long long)a->value, (unsigned long long)a->match, a->status,
                            (unsigned long long)a->version, (unsigned long long)a->found);
        }
}

static void round_play(struct game *g)
{
    static struct player players[THREADS];
    struct linear_call calls[THREADS * CALLS];
    pthread_t threads[THREADS];
    union {
        struct one one;
        struct few few;
    } state;
    memset(&state, 0, sizeof state);
    for (int t = 0; t < THREADS; t++) {
        players[t] = (struct player){ .game = g, .number = t };
        assert_int_equal(thread_start(&threads[t], play, &players[t]), ERR_NONE);
    }
    for (int t = 0; t < THREADS; t++)
        thread_join(threads[t]);
    for (int t = 0; t < THREADS; t++)
        memcpy(&calls[t * CALLS], players[t].calls, sizeof players[t].calls);
    bool is_linear =
        g->is_by_criteria
            ? linear_check(calls, ARRAY_COUNT(calls), &state, sizeof state.few, few_fits)
            : linear_check(calls, ARRAY_COUNT(calls), &state, sizeof state.one, one_fits);
    if (!is_linear)
        history_tell(players);
    assert_true(is_linear);
}

static void games_play(struct world *w, bool is_by_criteria)
{
    const char *given = getenv("TARN_SEED");
    struct game g = { .w = w,
                      .seed = given ? strtoull(given, NULL, 10) : os_random_u64() % 1000000,
                      .is_by_criteria = is_by_criteria };
    print_message("TARN_SEED=%llu\n", (unsigned long long)g.seed);
    atomic_init(&g.clock, 1);
    for (g.round = 0; g.round < ROUNDS; g.round++)
        round_play(&g);
}

static void what_threads_do_with_one_resource_is_linearizable(void **state)
{
    games_play(*state, false);
}

static void what_threads_do_by_criteria_agrees_with_a_model(void **state)
{
    games_play(*state, true);
}

/* ---- the checker itself ---- */

static bool one_check(struct act *acts, const uint64_t (*times)[2], size_t count)
{
    struct linear_call calls[8];
    struct one none = { 0 };
    for (size_t i = 0; i < count; i++)
        calls[i] = (struct linear_call){ times[i][0], times[i][1], &acts[i] };
    return linear_check(calls, count, &none, sizeof none, one_fits);
}

static void the_checker_refuses_what_no_order_explains(void **state)
{
    (void)state;
    static const uint64_t AFTER[][2] = { { 1, 2 }, { 3, 4 }, { 5, 6 } };
    static const uint64_t BESIDE[][2] = { { 1, 2 }, { 3, 6 }, { 4, 5 } };
    struct act stale[] = { { PUT, 1, 0, 201, 1, 0 },
                           { PUT, 2, 0, 200, 2, 0 },
                           { READ, 0, 0, 200, 1, 1 } };
    assert_false(one_check(stale, AFTER, 3));
    assert_true(one_check(stale, BESIDE, 3)); /* the write was not over */
    stale[2] = (struct act){ READ, 0, 0, 200, 2, 2 };
    assert_true(one_check(stale, AFTER, 3));
    stale[2] = (struct act){ READ, 0, 0, 200, 2, 1 };
    assert_false(one_check(stale, BESIDE, 3)); /* one version, another's value */
    struct act lost[] = { { PUT, 1, 0, 201, 1, 0 },
                          { PUT_MATCH, 2, 1, 200, 2, 0 },
                          { PUT_MATCH, 3, 1, 200, 2, 0 } };
    assert_false(one_check(lost, BESIDE, 3));
    lost[2].status = 412;
    assert_true(one_check(lost, BESIDE, 3));
    struct act back[] = { { PUT, 1, 0, 201, 1, 0 },
                          { DELETE, 0, 0, 204, 2, 0 },
                          { READ, 0, 0, 410, 0, 0 },
                          { READ, 0, 0, 200, 1, 1 } };
    static const uint64_t TIMES[][2] = { { 1, 2 }, { 3, 8 }, { 4, 5 }, { 6, 7 } };
    assert_false(one_check(back, TIMES, 4)); /* seen deleted, then not */
}

static void the_checker_refuses_a_second_create_of_the_same_criteria(void **state)
{
    (void)state;
    struct few none = { 0 };
    struct deed twice[] = {
        { .by = IF_NONE, .status = { 201 }, .id = { 7 }, .version = { 1 } },
        { .by = PAIR, .status = { 201, 201 }, .id = { 8, 9 }, .version = { 1, 1 } }
    };
    struct linear_call calls[] = { { 1, 4, &twice[0] }, { 2, 3, &twice[1] } };
    assert_false(linear_check(calls, 2, &none, sizeof none, few_fits));
    twice[1].status[0] = 200;
    twice[1].id[0] = 7;
    assert_true(linear_check(calls, 2, &none, sizeof none, few_fits));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checker_refuses_what_no_order_explains),
        cmocka_unit_test(the_checker_refuses_a_second_create_of_the_same_criteria),
        WORLD_TEST(what_threads_do_with_one_resource_is_linearizable),
        WORLD_TEST(what_threads_do_by_criteria_agrees_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
