/* A check's pace, the index's files one by one, and store_check(), which does all of it
 * at once. */
#include "store/embedded/check.h"

#include <stdlib.h>

#include "os/clock.h"
#include "os/file.h"
#include "os/thread.h"
#include "store/embedded/cursor.h"

enum { REST_AFTER_US = 2000, STEP_US = 20000, ID_ROOM = 2 + ID_BYTES_MAX };

/* ---- pace ---- */

void check_init(struct check *c, struct store *store)
{
    *c = (struct check){ .store = store, .rested_us = os_monotonic_us() };
}

void check_release(struct check *c)
{
    free(c->sums);
    free(c->skipped);
    fields_unref(c->fields);
    *c = (struct check){ 0 };
}

void check_gate_in(struct check *c)
{
    CHECK(!c->is_inside);
    c->gate_place = gate_enter(&c->store->gate);
    c->is_inside = true;
}

void check_gate_out(struct check *c)
{
    CHECK(c->is_inside);
    gate_leave(&c->store->gate, c->gate_place);
    c->is_inside = false;
}

static bool is_stopped(const struct check *c)
{
    return store_is_stopping(c->store) || (c->stops && c->stops(c->context));
}

enum err check_sleep(struct check *c, int64_t us)
{
    while (us > 0 && !is_stopped(c)) {
        int64_t step_us = MIN(us, (int64_t)STEP_US);
        os_sleep_us(step_us);
        us -= step_us;
    }
    c->rested_us = os_monotonic_us();
    c->rested_units = c->units;
    return is_stopped(c) ? ERR_BUSY : ERR_NONE;
}

enum err check_pace(struct check *c, uint64_t units)
{
    const struct store *store = c->store;
    c->units += units;
    if (!c->rate && !c->stops)
        return store_is_stopping(store) ? ERR_BUSY : ERR_NONE; /* somebody waits for it */
    int64_t worked_us = os_monotonic_us() - c->rested_us;
    uint64_t fresh = c->units - c->rested_units;
    int64_t due_us = c->rate ? (int64_t)(fresh * 1000000 / c->rate) : 0;
    if (worked_us < REST_AFTER_US && due_us < REST_AFTER_US)
        return is_stopped(c) ? ERR_BUSY : ERR_NONE;
    bool is_used = gate_count(&store->gate) > c->is_inside ||
                   atomic_load_explicit(&store->writers, memory_order_relaxed);
    int64_t pause_us = is_used ? worked_us : worked_us / 16;
    return check_sleep(c, MAX(pause_us, due_us - worked_us));
}

/* ---- the index's files ---- */

struct reading {
    struct check *c;
    const struct segment *s;
    check_step *step;
    uint64_t keys;
};

static enum err read_step(void *context, uint64_t keys)
{
    struct reading *r = context;
    const struct segment_footer *f = &r->s->footer;
    uint64_t bytes = r->s->size / MAX(f->key_count, UINT64_C(1)) * (keys - r->keys);
    r->keys = keys;
    if (r->step)
        r->step(r->c->context, bytes);
    return check_pace(r->c, bytes / CHECK_BYTES_A_UNIT);
}

static struct segment *segment_above(const struct segment_set *set, uint64_t number, uint64_t end)
{
    struct segment *best = NULL;
    for (uint32_t i = 0; i < segment_set_seen(set); i++) {
        struct segment *s = set->list[i];
        uint64_t own = s->footer.number;
        if (own > number && own < end && (!best || own < best->footer.number))
            best = s;
    }
    return best;
}

/* What is mapped may be whole while the next opening would find nothing, or another file. */
static enum err look_for_file(const struct segment *s)
{
    struct os_file_stamp stamp;
    enum err err = os_file_stamp(s->path, &stamp);
    bool is_lost = err == ERR_NOT_FOUND || (!err && stamp.size_bytes != s->size);
    return is_lost && !atomic_load(&s->is_doomed) ? ERR_CORRUPT : ERR_NONE;
}

static enum err segment_read(struct check *c, struct segment *s, check_step *step)
{
    struct reading r = { .c = c, .s = s, .step = step };
    const struct store_finding f = { .kind = STORE_FINDING_SEGMENT,
                                     .segment = s->footer.number,
                                     .doc = s->footer.first,
                                     .last = s->footer.last };
    bool was_damaged = atomic_load(&s->is_damaged);
    enum err err = was_damaged ? ERR_CORRUPT : segment_verify(s, read_step, &r);
    err = err ? err : look_for_file(s);
    if (err != ERR_CORRUPT)
        return err;
    segments_report_damage(&c->store->segments, s);
    if (!c->waits && c->has_told_damage)
        return ERR_NONE;
    c->has_told_damage = true;
    return c->found(c->context, &f);
}

/* One that has gone meanwhile was read by the merge that wrote its successor. */
enum err check_segment(struct check *c, uint64_t end, uint64_t *number, check_step *step,
                       uint64_t *ret_bytes)
{
    enum err err = ERR_NONE;
    check_gate_in(c);
    struct postings_view *view = postings_view_take(&c->store->postings);
    struct segment *s = segment_above(view->segments, *number, end);
    *ret_bytes = s ? MAX(s->size, 1u) : 0;
    if (s)
        err = segment_read(c, s, step);
    if (s && !err)
        *number = s->footer.number;
    postings_view_give(view);
    check_gate_out(c);
    return err;
}

/* ---- all at once ---- */

struct at_once {
    struct check *c;
    store_report *report;
    void *context;
};

static enum err report(void *context, const struct store_finding *f)
{
    const struct at_once *a = context;
    struct store_finding named = *f;
    struct arena arena;
    arena_init(&arena, (size_t)64 << 10);
    enum err err = check_name(a->c->store, &named, &arena);
    if (!err && a->report)
        a->report(a->context, store_finding_text(f->kind), named.type, named.id);
    arena_release(&arena);
    return err;
}

static enum err windows_at_once(struct check *c, uint64_t last, uint64_t *ret_checked)
{
    uint64_t doc = 1;
    while (doc <= last) {
        uint64_t end = MIN(last, doc + CHECK_WINDOW_DOCS - 1);
        enum err err = check_window_begin(c, doc, end);
        while (!err && doc <= end) {
            uint64_t to = MIN(end, doc + CHECK_PIECE_DOCS - 1);
            err = check_documents(c, doc, to);
            doc = err ? doc : to + 1;
        }
        if (!err)
            err = check_window_end(c);
        if (err == ERR_CONFLICT && c->suspect_count)
            doc = MIN(doc, c->suspects[0]);
        if (err && err != ERR_CONFLICT)
            return err;
    }
    *ret_checked = last;
    return ERR_NONE;
}

static enum err all_at_once(struct check *c, uint64_t *ret_checked)
{
    uint64_t last = atomic_load_explicit(&c->store->visible, memory_order_acquire);
    uint64_t number = 0, bytes = 1, count = 0;
    struct buf after;
    bool any = true;
    while (bytes)
        TRY(check_segment(c, UINT64_MAX, &number, NULL, &bytes));
    TRY(windows_at_once(c, last, ret_checked));
    buf_init(&after, ID_ROOM);
    enum err err = ERR_NONE;
    while (!err && any)
        err = check_heads(c, &after, &count, &any);
    buf_release(&after);
    return err;
}

enum err store_check(struct store *store, store_report *told, void *context,
                     uint64_t *ret_checked)
{
    struct check c;
    check_init(&c, store);
    struct at_once a = { &c, told, context };
    c.found = report;
    c.context = &a;
    enum err err = all_at_once(&c, ret_checked);
    check_release(&c);
    return err;
}
