#include "sync/sink.h"

#include "os/clock.h"
#include "sync/transform.h"

#define BUNDLE_ARENA_BYTES ((size_t)16 * 1024 * 1024)
#define READ_BYTES ((size_t)64 * 1024 * 1024)

enum { BATCH_ROUNDS = 4 };

struct sink {
    struct target *target;
    struct member *member;
    const struct ledger *ledger;
    struct result *result;
    struct split split;
};

/* ---- one bundle ---- */

static enum err post(struct sink *k, const uint32_t *rows, uint32_t count, struct arena *arena,
                     struct http_exchange *ret_x, int64_t *ret_took_us)
{
    struct target *t = k->target;
    const struct sync_settings *settings = t->session->settings;
    struct bundle_writer writer;
    bundle_writer_init(&writer, k->member, rows, count, settings->batch);
    struct target_request request = { .method = "POST", .bundle = &writer };
    if (settings->validation_level.length) {
        request.extra_name = "x-amzn-healthlake-fhir-validation-level";
        request.extra_value = settings->validation_level;
    }
    request.wants_outcome = t->kind == SYNC_TARGET_TARN;
    int64_t begin_us = os_monotonic_us();
    enum err err = target_ask(t, &request, arena, ret_x);
    *ret_took_us = os_monotonic_us() - begin_us;
    k->result->public->sent_bytes += bundle_writer_bytes(&writer);
    return err;
}

/* Everything stops: what waits has failed for this reason. */
static enum err give_up(struct sink *k, enum err err, const char *meaning, struct slice why)
{
    k->target->is_hopeless = true;
    return result_problem(k->result, err, "target: %s%.*s", meaning, SLICE_ARGS(why));
}

static enum err refused(struct sink *k, const struct http_exchange *x, const uint32_t *rows,
                        uint32_t count, struct arena *arena)
{
    struct session *s = k->target->session;
    if (x->status == 401 || x->status == 403)
        return give_up(k, ERR_FORBIDDEN,
                       "the credentials, their region or their permissions are not accepted "
                       "(`tarn sync --check` tells which); ",
                       session_problem(s, x, ERR_NONE, arena));
    if (status_is_passing(x->status))
        return give_up(k, ERR_NETWORK, "still in trouble after all tries; ",
                       session_problem(s, x, ERR_NONE, arena));
    answer_refused(s, x->status, k->member, rows, count, k->result);
    return ERR_NONE;
}

static enum err accepted(struct sink *k, const struct http_exchange *x, int64_t took_us,
                         const uint32_t *rows, uint32_t count)
{
    struct session *s = k->target->session;
    struct answer_rules rules = answer_rules(k->target, x, took_us, k->ledger);
    enum err err = answer_account(s, &rules, k->member, rows, count, k->result);
    if (err == ERR_NO_MEMORY || err == ERR_IO)
        return give_up(k, err, "its answer cannot be read: ", slice_cstr(err_text(err)));
    if (err) {
        for (uint32_t i = 0; i < count; i++) {
            struct member_row *row = member_row(k->member, rows[i]);
            if (row->state == MEMBER_WAITING)
                result_fail_row(k->result, k->member, row,
                                SLICE("the target's answer has no entry for it"));
        }
    }
    return ERR_NONE;
}

static enum err send_rows(struct sink *k, const uint32_t *rows, uint32_t count);

/* The target takes less than was thought: from now on smaller bundles. */
static enum err halve(struct sink *k, const uint32_t *rows, uint32_t count)
{
    struct split_limits *limits = &k->target->limits;
    uint32_t half = count / 2;
    if (limits->entries == 0 || limits->entries > half)
        limits->entries = MAX(half, 1);
    session_say(k->target->session, "target: a bundle of %u entries is too large; going on with %u",
                count, half);
    TRY(send_rows(k, rows, half));
    return send_rows(k, rows + half, count - half);
}

/* Recursion only halves: its depth is the logarithm of the bundle's entries. */
static enum err send_rows(struct sink *k, const uint32_t *rows, uint32_t count)
{
    struct arena arena;
    arena_init(&arena, BUNDLE_ARENA_BYTES);
    struct http_exchange x;
    int64_t took_us;
    bool is_too_large = false;
    enum err err = post(k, rows, count, &arena, &x, &took_us);
    if (err) {
        err = give_up(k, err, "", session_problem(k->target->session, &x, err, &arena));
    } else if (x.status >= 200 && x.status < 300) {
        err = accepted(k, &x, took_us, rows, count);
    } else {
        is_too_large = count > 1 && answer_is_limit(k->target->session, x.status);
        if (!is_too_large)
            err = refused(k, &x, rows, count, &arena);
    }
    arena_release(&arena);
    k->result->public->bundles += !is_too_large;
    return is_too_large ? halve(k, rows, count) : err;
}

/* ---- all bundles ---- */

/* Rows that can be sent in no way fail here; the others stay, closed up. */
static uint32_t sendable(struct sink *k, uint32_t *rows, uint32_t count)
{
    const struct split_limits *limits = &k->target->limits;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct member_row *row = member_row(k->member, rows[i]);
        uint64_t bytes = bundle_frame_bytes() + bundle_entry_bytes(k->member, row);
        if (row->state != MEMBER_WAITING)
            continue;
        if (limits->bytes && bytes > limits->bytes)
            result_fail_row(k->result, k->member, row,
                            SLICE("larger than the target takes in one request"));
        else
            rows[kept++] = rows[i];
    }
    return kept;
}

static void say_progress(const struct sink *k)
{
    session_say(k->target->session, "target: %u of %zu resources sent", k->split.at,
                member_count(k->member));
}

/* A batch passes entry by entry: those that met passing trouble go again. */
static enum err send_again(struct sink *k, uint32_t *rows, uint32_t count)
{
    struct patience patience = session_patience(k->target->session);
    for (int round = 0; round < BATCH_ROUNDS; round++) {
        count = sendable(k, rows, count);
        if (count == 0)
            return ERR_NONE;
        if (!patience_retry(&patience, -1))
            break;
        TRY(send_rows(k, rows, count));
    }
    for (uint32_t i = 0; i < count; i++) {
        struct member_row *row = member_row(k->member, rows[i]);
        if (row->state == MEMBER_WAITING)
            result_fail_row(k->result, k->member, row,
                            SLICE("the target is throttled or in trouble; run again later"));
    }
    return ERR_NONE;
}

static enum err send_all(struct sink *k)
{
    for (;;) {
        struct split_bundle bundle = split_next(&k->split, k->member, &k->target->limits);
        if (bundle.count == 0)
            return ERR_NONE;
        uint32_t *rows = split_rows(&k->split) + bundle.first;
        uint32_t count = sendable(k, rows, bundle.count);
        if (count)
            TRY(send_rows(k, rows, count));
        TRY(send_again(k, rows, count));
        say_progress(k);
    }
}

static enum err sink_open(struct sink *k, struct target *t, struct member *m, struct result *r)
{
    *k = (struct sink){ .target = t, .member = m, .result = r };
    split_init(&k->split);
    enum err err = split_order(&k->split, m);
    return err ? result_problem(r, err, "the record cannot be put in order: %s", err_text(err))
               : ERR_NONE;
}

enum err sink_send(struct target *t, struct member *m, const struct ledger *ledger,
                   struct result *r)
{
    struct sink k;
    enum err err = sink_open(&k, t, m, r);
    k.ledger = ledger;
    if (!err)
        err = send_all(&k);
    if (err)
        result_fail_rest(r, m, SLICE("not sent: the sync of this consent stopped before"));
    r->public->cut_circles = k.split.cut_circles;
    r->public->is_atomic = !t->session->settings->batch && r->public->bundles <= 1;
    split_release(&k.split);
    return err;
}

enum err sink_plan(struct target *t, struct member *m, struct result *r)
{
    struct sink k;
    TRY(sink_open(&k, t, m, r));
    struct split_bundle bundle;
    while ((bundle = split_next(&k.split, m, &t->limits)).count) {
        uint32_t *rows = split_rows(&k.split) + bundle.first;
        struct bundle_writer writer;
        bundle_writer_init(&writer, m, rows, sendable(&k, rows, bundle.count),
                           t->session->settings->batch);
        r->public->bundles++;
        r->public->sent_bytes += bundle_writer_bytes(&writer);
    }
    r->public->cut_circles = k.split.cut_circles;
    r->public->is_atomic = !t->session->settings->batch && r->public->bundles <= 1;
    split_release(&k.split);
    return ERR_NONE;
}

/* ---- reading first ---- */

/* What the target's copy says, as a hash; false when it cannot be told. */
static enum err hash_answer(const struct spool *answer, struct transform *t, uint64_t *ret_hash)
{
    struct buf body;
    buf_init(&body, READ_BYTES);
    char *bytes = answer->bytes ? buf_extend(&body, (size_t)answer->bytes) : NULL;
    enum err err = bytes ? spool_read(answer, 0, bytes, (size_t)answer->bytes) : ERR_INVALID;
    if (!err)
        err = transform_resource(t, buf_slice(&body));
    if (!err && t->verdict != TRANSFORM_RESOURCE)
        err = ERR_INVALID;
    *ret_hash = t->hash;
    buf_release(&body);
    return err;
}

static enum err compare_row(struct target *t, struct member *m, struct member_row *row,
                            struct transform *transform, struct arena *arena, struct result *r)
{
    char name[MEMBER_NAME_BYTES + 1] = "/";
    struct slice path = member_name(m, row, name + 1);
    struct target_request request = { .method = "GET",
                                      .path = slice_of(name, path.length + 1) };
    struct http_exchange x;
    enum err err = target_ask(t, &request, arena, &x);
    if (!err && (x.status == 404 || x.status == 410))
        return ERR_NONE;
    if (err || x.status != 200)
        return result_problem(r, err ? err : ERR_NETWORK, "target: reading %.*s: %.*s",
                              SLICE_ARGS(path),
                              SLICE_ARGS(session_problem(t->session, &x, err, arena)));
    uint64_t hash;
    err = hash_answer(&t->session->answer, transform, &hash);
    if (err == ERR_NO_MEMORY)
        return err;
    row->differs = err || hash != row->hash;
    if (!row->differs)
        row->state = MEMBER_UNCHANGED;
    return ERR_NONE;
}

enum err sink_compare(struct target *t, struct member *m, struct result *r)
{
    struct transform transform;
    struct arena arena;
    transform_init(&transform, m->seed);
    arena_init(&arena, BUNDLE_ARENA_BYTES);
    enum err err = ERR_NONE;
    for (size_t i = 0; i < member_count(m) && !err; i++) {
        err = compare_row(t, m, member_row(m, i), &transform, &arena, r);
        arena_release(&arena);
        if (i % 100 == 99)
            session_say(t->session, "target: %zu of %zu resources compared", i + 1,
                        member_count(m));
    }
    arena_release(&arena);
    transform_release(&transform);
    if (err)
        result_fail_rest(r, m, SLICE("not sent: the comparison with the target failed"));
    return err;
}
