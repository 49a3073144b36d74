/* A check in the background: its thread, what it remembers, and what it has repaired.
 *
 *   'c'            -> struct check_row_bytes    the check that runs, or the last one
 *   'c' number(4)  -> struct finding_row_bytes  its findings, in the order they were made
 *
 * A finding is on disk before the position passes it, so a kill loses none, and what is
 * found twice is kept once. Findings hold no ids: a document number says which it is. */
#include "store/embedded/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/rocks.h"

enum { SAVE_EVERY_US = 2000000, RATE_EVERY_US = 2000000, NOTICE_BYTES = 200, TOLD_MAX = 100,
       ID_ROOM = 2 + ID_BYTES_MAX, REPAIR_FIELDS_MAX = 64, WAIT_US = 20000 };

struct check_row_bytes {
    uint8_t format[1], stage[1], phase[1], repair[1], err[1];
    uint8_t number[8], rate[8], begun[8], ended[8], documents[8], position[8], last_segment[8];
    uint8_t done[8], whole[8], checked[8], resources[8], findings[8], repaired[8];
};
_Static_assert(sizeof(struct check_row_bytes) == 109, "a check's row has 109 bytes");
enum { CHECK_ROW_FORMAT = 1 };

struct finding_row_bytes {
    uint8_t kind[1], state[1], has_field[1], doc[8], last[8], field[4], segment[8], instant[8];
};
_Static_assert(sizeof(struct finding_row_bytes) == 39, "a finding's row has 39 bytes");

/* ---- what is remembered ---- */

static void row_encode(const struct checker *k, struct check_row_bytes *row)
{
    const struct store_check_state *s = &k->state;
    *row = (struct check_row_bytes){ .format = { CHECK_ROW_FORMAT },
                                     .stage = { s->stage },
                                     .phase = { s->phase },
                                     .repair = { s->order.repair },
                                     .err = { (uint8_t)s->err } };
    put_be64(row->number, s->number);
    put_be64(row->rate, s->order.rate);
    put_instant(row->begun, s->begun);
    put_instant(row->ended, s->ended);
    put_be64(row->documents, s->documents);
    put_be64(row->position, k->position);
    put_be64(row->last_segment, k->last_segment);
    put_be64(row->done, s->done);
    put_be64(row->whole, s->whole);
    put_be64(row->checked, s->checked);
    put_be64(row->resources, s->resources);
    put_be64(row->findings, s->findings);
    put_be64(row->repaired, s->repaired);
}

static enum err row_decode(struct slice value, struct checker *k)
{
    const struct check_row_bytes *row = (const struct check_row_bytes *)value.bytes;
    if (value.length != sizeof *row || row->format[0] != CHECK_ROW_FORMAT ||
        row->phase[0] >= STORE_CHECK_PHASES)
        return ERR_CORRUPT;
    k->state = (struct store_check_state){
        .number = get_be64(row->number),
        .stage = row->stage[0],
        .phase = row->phase[0],
        .order = { .repair = row->repair[0] == 1, .rate = get_be64(row->rate) },
        .begun = get_instant(row->begun),
        .ended = get_instant(row->ended),
        .done = get_be64(row->done),
        .whole = get_be64(row->whole),
        .documents = get_be64(row->documents),
        .checked = get_be64(row->checked),
        .resources = get_be64(row->resources),
        .findings = get_be64(row->findings),
        .repaired = get_be64(row->repaired),
        .left_us = -1,
        .err = (enum err)row->err[0],
    };
    k->position = get_be64(row->position);
    k->last_segment = get_be64(row->last_segment);
    return ERR_NONE;
}

static void finding_encode(const struct store_finding *f, struct finding_row_bytes *row)
{
    *row = (struct finding_row_bytes){ .kind = { f->kind },
                                       .state = { f->state },
                                       .has_field = { f->has_field } };
    put_be64(row->doc, f->doc);
    put_be64(row->last, f->last);
    put_be32(row->field, f->field);
    put_be64(row->segment, f->segment);
    put_instant(row->instant, f->instant);
}

static enum err finding_decode(struct slice value, struct store_finding *ret)
{
    const struct finding_row_bytes *row = (const struct finding_row_bytes *)value.bytes;
    if (value.length != sizeof *row)
        return ERR_CORRUPT;
    *ret = (struct store_finding){ .kind = row->kind[0],
                                   .state = row->state[0],
                                   .has_field = row->has_field[0] == 1,
                                   .doc = get_be64(row->doc),
                                   .last = get_be64(row->last),
                                   .field = get_be32(row->field),
                                   .segment = get_be64(row->segment),
                                   .instant = get_instant(row->instant) };
    return ERR_NONE;
}

/* Under the lock, or while nobody else is there. */
static enum err finding_keep(struct checker *k, const struct store_finding *f)
{
    if (k->count == k->room) {
        size_t room = k->room ? MIN(2 * k->room, (size_t)STORE_FINDINGS_MAX) : 64;
        struct store_finding *more = realloc(k->findings, room * sizeof *more); /* as long as
                                                                                 * the store */
        if (!more)
            return ERR_NO_MEMORY;
        k->findings = more;
        k->room = room;
    }
    k->findings[k->count++] = *f;
    return ERR_NONE;
}

enum err checker_restore(struct store *store, struct slice name, struct slice value)
{
    struct checker *k = &store->checker;
    struct store_finding f;
    if (!name.length)
        return row_decode(value, k);
    TRY(finding_decode(value, &f)); /* rows come in order of their numbers */
    return k->count < STORE_FINDINGS_MAX ? finding_keep(k, &f) : ERR_NONE;
}

void checker_free(struct store *store)
{
    free(store->checker.findings);
    store->checker.findings = NULL;
}

static enum err save(struct store *store)
{
    struct checker *k = &store->checker;
    struct check_row_bytes row;
    if (atomic_load(&store->is_read_only))
        return ERR_READ_ONLY;
    mutex_lock(&k->lock);
    row_encode(k, &row);
    k->saved_us = os_monotonic_us();
    mutex_unlock(&k->lock);
    return meta_put(store, META_CHECK, SLICE_NONE, slice_of((char *)&row, sizeof row));
}

/* Without a sync of its own: the log keeps the order, and the position comes after it. */
static enum err finding_save(struct store *store, size_t at, const struct store_finding *f)
{
    struct finding_row_bytes row;
    char key[5] = { (char)META_CHECK }, *error = NULL;
    put_be32((uint8_t *)key + 1, (uint32_t)at);
    finding_encode(f, &row);
    if (atomic_load(&store->is_read_only))
        return ERR_READ_ONLY;
    rocksdb_put_cf(store->db, store->write_options, store->families[FAMILY_META], key, sizeof key,
                   (const char *)&row, sizeof row, &error);
    enum err err = rocks_err(error);
    if (err == ERR_BUSY) /* a stall, which waits */
        return meta_put(store, META_CHECK, slice_of(key + 1, 4),
                        slice_of((char *)&row, sizeof row));
    if (err)
        store_latch(store);
    return err;
}

/* Those of the check before. */
static enum err findings_forget(struct store *store)
{
    struct checker *k = &store->checker;
    char *error = NULL;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (size_t i = 0; i < k->count; i++) {
        char key[5] = { (char)META_CHECK };
        put_be32((uint8_t *)key + 1, (uint32_t)i);
        rocksdb_writebatch_delete_cf(batch, store->families[FAMILY_META], key, sizeof key);
    }
    rocksdb_write(store->db, store->sync_options, batch, &error);
    rocksdb_writebatch_destroy(batch);
    enum err err = rocks_err(error);
    if (err)
        store_latch(store);
    else
        k->count = 0;
    return err;
}

/* ---- what is asked of it ---- */

static enum err begin_locked(struct store *store, const struct store_check_order *order)
{
    struct checker *k = &store->checker;
    if (k->state.stage == STORE_CHECK_RUNNING)
        return ERR_CONFLICT;
    TRY(findings_forget(store));
    k->state = (struct store_check_state){
        .number = k->state.number + 1,
        .stage = STORE_CHECK_RUNNING,
        .order = *order,
        .begun = os_now_us(),
        .documents = atomic_load_explicit(&store->visible, memory_order_acquire),
        .left_us = -1,
    };
    k->position = k->rate_done = 0;
    k->rate_us = 0;
    k->last_segment = segments_number(&store->segments);
    k->is_cancelled = false;
    return ERR_NONE;
}

enum err store_check_start(struct store *store, const struct store_check_order *order,
                           uint64_t *ret_number)
{
    struct checker *k = &store->checker;
    if (atomic_load(&store->is_read_only))
        return ERR_READ_ONLY;
    if (order->rate > STORE_CHECK_RATE_MAX)
        return ERR_INVALID;
    mutex_lock(&k->lock);
    enum err err = begin_locked(store, order);
    if (!err)
        *ret_number = k->state.number;
    mutex_unlock(&k->lock);
    TRY(err);
    TRY(save(store)); /* before the thread can end it */
    mutex_lock(&k->lock);
    cond_broadcast(&k->work);
    mutex_unlock(&k->lock);
    return ERR_NONE;
}

enum err store_check_cancel(struct store *store)
{
    struct checker *k = &store->checker;
    mutex_lock(&k->lock);
    bool runs = k->state.stage == STORE_CHECK_RUNNING;
    k->is_cancelled = k->is_cancelled || runs;
    mutex_unlock(&k->lock);
    return runs ? ERR_NONE : ERR_NOT_FOUND;
}

void store_check_look(struct store *store, struct store_check_state *ret)
{
    struct checker *k = &store->checker;
    mutex_lock(&k->lock);
    *ret = k->state;
    mutex_unlock(&k->lock);
    if (ret->stage == STORE_CHECK_RUNNING && ret->per_second && ret->whole > ret->done)
        ret->left_us = (int64_t)((ret->whole - ret->done) * 1000000 / ret->per_second);
}

enum err store_check_findings(struct store *store, size_t from, size_t limit, struct arena *arena,
                              struct store_finding **ret, size_t *ret_count)
{
    struct checker *k = &store->checker;
    mutex_lock(&k->lock);
    size_t count = from < k->count ? MIN(limit, k->count - from) : 0;
    struct store_finding *list = arena_array(arena, count, sizeof *list);
    if (list && count)
        memcpy(list, k->findings + from, count * sizeof *list);
    mutex_unlock(&k->lock);
    if (!list)
        return ERR_NO_MEMORY;
    uint64_t place = gate_enter(&store->gate);
    enum err err = ERR_NONE;
    for (size_t i = 0; !err && i < count; i++)
        err = check_name(store, &list[i], arena);
    gate_leave(&store->gate, place);
    *ret = list;
    *ret_count = count;
    return err;
}

/* ---- what is found ---- */

static bool is_same(const struct store_finding *a, const struct store_finding *b)
{
    return a->kind == b->kind && a->doc == b->doc && a->has_field == b->has_field &&
           a->field == b->field && a->segment == b->segment;
}

static void notice(const struct store *store, const struct store_finding *f)
{
    char text[NOTICE_BYTES];
    if (!store->notice)
        return;
    if (f->segment)
        snprintf(text, sizeof text, "check: %s: " SEGMENT_NAME_FORMAT, store_finding_text(f->kind),
                 (unsigned long long)f->segment);
    else
        snprintf(text, sizeof text, "check: %s: document %llu", store_finding_text(f->kind),
                 (unsigned long long)f->doc);
    store->notice(store->notice_context, text);
}

static enum err found(void *context, const struct store_finding *finding)
{
    struct store *store = context;
    struct checker *k = &store->checker;
    struct store_finding f = *finding;
    bool is_known = false, is_kept = false;
    enum err err = ERR_NONE;
    f.instant = os_now_us();
    mutex_lock(&k->lock);
    for (size_t i = 0; !is_known && i < k->count; i++)
        is_known = is_same(&k->findings[i], &f);
    size_t at = k->count;
    if (!is_known) {
        k->state.findings++;
        is_kept = at < STORE_FINDINGS_MAX;
        if (is_kept)
            err = finding_keep(k, &f);
    }
    mutex_unlock(&k->lock);
    if (!err && is_kept)
        err = finding_save(store, at, &f);
    if (is_kept && at < TOLD_MAX)
        notice(store, &f);
    return err;
}

static bool stops(void *context)
{
    struct checker *k = &((struct store *)context)->checker;
    mutex_lock(&k->lock);
    bool is_cancelled = k->is_cancelled;
    mutex_unlock(&k->lock);
    return is_cancelled;
}

/* ---- how far it is ---- */

static void rate_look(struct checker *k)
{
    int64_t now_us = os_monotonic_us(), took_us = now_us - k->rate_us;
    if (k->rate_us && took_us < RATE_EVERY_US)
        return;
    if (k->rate_us && k->state.done >= k->rate_done)
        k->state.per_second = (k->state.done - k->rate_done) * 1000000 / (uint64_t)took_us;
    k->rate_us = now_us;
    k->rate_done = k->state.done;
}

static enum err advance(struct store *store, uint64_t position, uint64_t done, uint64_t whole)
{
    struct checker *k = &store->checker;
    mutex_lock(&k->lock);
    k->position = position;
    k->state.done = done;
    k->state.whole = whole;
    if (k->state.phase == STORE_CHECK_DOCUMENTS)
        k->state.checked = done;
    if (k->state.phase == STORE_CHECK_RESOURCES)
        k->state.resources = done;
    rate_look(k);
    bool is_due = os_monotonic_us() - k->saved_us >= SAVE_EVERY_US;
    mutex_unlock(&k->lock);
    return is_due ? save(store) : ERR_NONE;
}

static enum err phase_begin(struct store *store, enum store_check_phase phase)
{
    struct checker *k = &store->checker;
    mutex_lock(&k->lock);
    k->state.phase = (uint8_t)phase;
    k->position = k->state.done = k->state.whole = k->state.per_second = 0;
    k->rate_us = 0;
    mutex_unlock(&k->lock);
    return save(store);
}

/* ---- repairing ---- */

/* Findings that are to be repaired: their documents and fields. */
struct wanting {
    uint64_t *docs;
    size_t doc_count;
    uint32_t fields[REPAIR_FIELDS_MAX];
    size_t field_count;
    bool is_whole; /* some concern no field that can be derived by itself */
};

static bool is_repairable(const struct store_finding *f)
{
    return f->kind == STORE_FINDING_TERM_MISSING || f->kind == STORE_FINDING_TERM_FALSE ||
           f->kind == STORE_FINDING_TERMS;
}

static void field_want(struct wanting *w, const struct fields *fields,
                       const struct store_finding *f)
{
    const struct field_row *row = f->has_field ? fields_find(fields, f->field) : NULL;
    if (!row || row->place == FIELD_NOWHERE) {
        w->is_whole = true;
        return;
    }
    for (size_t i = 0; i < w->field_count; i++)
        if (w->fields[i] == f->field)
            return;
    w->is_whole = w->is_whole || w->field_count == REPAIR_FIELDS_MAX;
    if (!w->is_whole)
        w->fields[w->field_count++] = f->field;
}

static int doc_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Ascending, each once. The list is the caller's. */
static enum err want(struct store *store, uint8_t state, struct wanting *w)
{
    struct checker *k = &store->checker;
    struct fields *fields = postings_fields(&store->postings);
    *w = (struct wanting){ .docs = malloc((STORE_FINDINGS_MAX + 1) * sizeof *w->docs) };
    mutex_lock(&k->lock);
    for (size_t i = 0; w->docs && i < k->count; i++) {
        const struct store_finding *f = &k->findings[i];
        if (!is_repairable(f) || f->state != state)
            continue;
        w->docs[w->doc_count++] = f->doc;
        field_want(w, fields, f);
    }
    mutex_unlock(&k->lock);
    fields_unref(fields);
    if (!w->docs)
        return ERR_NO_MEMORY;
    if (w->doc_count)
        qsort(w->docs, w->doc_count, sizeof *w->docs, doc_compare);
    size_t kept = 0;
    for (size_t i = 0; i < w->doc_count; i++)
        if (!i || w->docs[kept - 1] != w->docs[i])
            w->docs[kept++] = w->docs[i];
    w->doc_count = kept;
    return ERR_NONE;
}

static enum err cover(struct check *c, uint64_t doc)
{
    struct store *store = c->store;
    for (;;) {
        struct postings_view *view = postings_view_take(&store->postings);
        bool is_covered = view->covers >= doc;
        postings_view_give(view);
        if (is_covered)
            return ERR_NONE;
        TRY(postings_checkpoint(&store->postings));
        TRY(check_sleep(c, WAIT_US));
    }
}

static enum err derive(struct check *c, const struct wanting *w)
{
    for (;;) {
        enum err err;
        if (w->is_whole) {
            TRY(cover(c, w->docs[w->doc_count - 1]));
            err = store_repair_lose(c->store, w->docs, w->doc_count);
        } else {
            err = store_rebuild(c->store, w->fields, w->field_count);
        }
        if (err != ERR_BUSY) /* a merge has a segment in hand, or the tail is not there yet */
            return err;
        TRY(check_sleep(c, WAIT_US));
    }
}

static enum err states_set(struct store *store, uint8_t before, uint8_t after,
                           bool (*is_meant)(const struct store_finding *))
{
    struct checker *k = &store->checker;
    for (size_t i = 0;; i++) {
        mutex_lock(&k->lock);
        bool is_end = i >= k->count;
        struct store_finding f = is_end ? (struct store_finding){ 0 } : k->findings[i];
        bool is_set = !is_end && f.state == before && is_meant(&f);
        f.state = is_set ? after : f.state;
        if (is_set) {
            k->findings[i].state = after;
            k->state.repaired += after == STORE_FINDING_REPAIRED;
        }
        mutex_unlock(&k->lock);
        if (is_end)
            return ERR_NONE;
        if (is_set)
            TRY(finding_save(store, i, &f));
    }
}

/* What was found so far; also before a kill. */
static enum err repair(struct check *c)
{
    struct store *store = c->store;
    struct wanting w;
    if (!c->waits || !store->checker.state.order.repair)
        return ERR_NONE;
    enum err err = want(store, STORE_FINDING_STANDS, &w);
    if (!err && w.doc_count) {
        err = derive(c, &w);
        if (!err)
            err = states_set(store, STORE_FINDING_STANDS, STORE_FINDING_REPAIRING, is_repairable);
    }
    free(w.docs);
    return err;
}

/* ---- the phases ---- */

static void step_told(void *context, uint64_t bytes)
{
    struct checker *k = &((struct store *)context)->checker;
    mutex_lock(&k->lock);
    k->state.done += bytes;
    rate_look(k);
    mutex_unlock(&k->lock);
}

static uint64_t bytes_above(struct store *store, uint64_t number, uint64_t end)
{
    uint64_t bytes = 0;
    struct postings_view *view = postings_view_take(&store->postings);
    for (uint32_t i = 0; i < segment_set_seen(view->segments); i++) {
        const struct segment *s = view->segments->list[i];
        if (s->footer.number > number && s->footer.number < end)
            bytes += s->size;
    }
    postings_view_give(view);
    return bytes;
}

static enum err run_segments(struct check *c)
{
    struct store *store = c->store;
    struct checker *k = &store->checker;
    uint64_t number = k->position, done = k->state.done, bytes = 1;
    while (bytes) {
        TRY(check_segment(c, k->last_segment, &number, step_told, &bytes));
        done += bytes;
        TRY(advance(store, number, done, done + bytes_above(store, number, k->last_segment)));
    }
    return phase_begin(store, STORE_CHECK_DOCUMENTS);
}

/* Before the first whose finding is not on disk yet. */
static uint64_t safe_position(const struct check *c, uint64_t done)
{
    return c->suspect_count ? MIN(done, c->suspects[0] - 1) : done;
}

static enum err window_run(struct check *c, uint64_t end, uint64_t *done)
{
    struct store *store = c->store;
    struct checker *k = &store->checker;
    enum err err = check_window_begin(c, *done + 1, end);
    while (!err && *done < end) {
        uint64_t to = MIN(end, *done + CHECK_PIECE_DOCS);
        err = check_documents(c, *done + 1, to);
        if (err)
            break;
        *done = to;
        err = advance(store, safe_position(c, to), to, k->state.documents);
    }
    if (!err)
        err = check_window_end(c);
    if (err == ERR_CONFLICT) {
        *done = safe_position(c, *done);
        c->suspect_count = 0;
        err = ERR_NONE;
    }
    if (!err)
        err = repair(c);
    return err ? err : advance(store, *done, *done, k->state.documents);
}

static enum err run_documents(struct check *c)
{
    struct checker *k = &c->store->checker;
    uint64_t done = k->position;
    while (done < k->state.documents)
        TRY(window_run(c, MIN(k->state.documents, done + CHECK_WINDOW_DOCS), &done));
    return phase_begin(c->store, STORE_CHECK_RESOURCES);
}

/* The position is a type's number: an id would be one more copy that an erasure has to
 * find. */
static enum err run_resources(struct check *c)
{
    struct checker *k = &c->store->checker;
    uint8_t from[2];
    struct buf after;
    bool any = true;
    uint64_t count = 0, done = k->state.done;
    buf_init(&after, ID_ROOM);
    put_be16(from, (uint16_t)k->position);
    buf_append(&after, slice_of((char *)from, k->position ? sizeof from : 0));
    enum err err = buf_status(&after);
    while (!err && any) {
        err = check_heads(c, &after, &count, &any);
        done += count;
        uint64_t type = after.length >= 2 ? get_be16((const uint8_t *)after.bytes) : 0;
        if (!err)
            err = advance(c->store, type, done, 0);
        if (!err)
            err = check_pace(c, count);
    }
    buf_release(&after);
    return err ? err : phase_begin(c->store, STORE_CHECK_REPAIRS);
}

/* ---- are they repaired? ---- */

static bool is_segment(const struct store_finding *f)
{
    return f->kind == STORE_FINDING_SEGMENT;
}

/* Is anything found that is repaired now? */
static bool has_repairs(struct checker *k)
{
    bool any = false;
    mutex_lock(&k->lock);
    for (size_t i = 0; !any && i < k->count; i++)
        any = k->findings[i].state == STORE_FINDING_REPAIRING ||
              (is_segment(&k->findings[i]) && k->findings[i].state == STORE_FINDING_STANDS);
    mutex_unlock(&k->lock);
    return any;
}

static enum err await_repairs(struct check *c)
{
    while (has_repairs(&c->store->checker)) {
        struct store_index_figures f;
        store_index_figures(c->store, &f);
        TRY(advance(c->store, 0, f.repair_done + f.fields_done, f.repair_whole + f.fields_whole));
        if (!f.damaged_segments && !f.fields_not_ready)
            return ERR_NONE;
        TRY(check_sleep(c, WAIT_US));
    }
    return ERR_NONE;
}

/* It is wrong still. */
static enum err found_again(void *context, const struct store_finding *f)
{
    struct store *store = context;
    struct checker *k = &store->checker;
    for (size_t i = 0;; i++) {
        mutex_lock(&k->lock);
        bool is_end = i >= k->count;
        struct store_finding own = is_end ? (struct store_finding){ 0 } : k->findings[i];
        bool is_it = !is_end && own.state == STORE_FINDING_REPAIRING && own.doc == f->doc &&
                     (!own.has_field || own.field == f->field);
        own.state = STORE_FINDING_STANDS;
        if (is_it)
            k->findings[i].state = own.state;
        mutex_unlock(&k->lock);
        if (is_end)
            return ERR_NONE;
        if (is_it)
            TRY(finding_save(store, i, &own)); /* else it is said to be repaired for ever */
    }
}

static enum err run_repairs(struct check *c)
{
    struct store *store = c->store;
    struct wanting w;
    if (!c->waits)
        return ERR_NONE;
    TRY(repair(c));
    TRY(await_repairs(c));
    TRY(states_set(store, STORE_FINDING_STANDS, STORE_FINDING_REPAIRED, is_segment));
    enum err err = want(store, STORE_FINDING_REPAIRING, &w);
    c->found = found_again;
    for (size_t at = 0; !err && at < w.doc_count; at += CHECK_SUSPECTS_MAX)
        err = check_exactly(c, w.docs + at,
                            (uint32_t)MIN(w.doc_count - at, (size_t)CHECK_SUSPECTS_MAX));
    c->found = found;
    free(w.docs);
    TRY(err);
    return states_set(store, STORE_FINDING_REPAIRING, STORE_FINDING_REPAIRED, is_repairable);
}

/* ---- the thread ---- */

static enum err phases_run(struct check *c)
{
    struct checker *k = &c->store->checker;
    if (k->state.phase == STORE_CHECK_SEGMENTS)
        TRY(run_segments(c));
    if (k->state.phase == STORE_CHECK_DOCUMENTS)
        TRY(run_documents(c));
    if (k->state.phase == STORE_CHECK_RESOURCES)
        TRY(run_resources(c));
    return run_repairs(c);
}

/* A store that closes leaves it to the next opening, as does one that was latched. */
static void end(struct store *store, enum err err)
{
    struct checker *k = &store->checker;
    if (err == ERR_BUSY && atomic_load(&store->closes)) {
        (void)!save(store);
        return;
    }
    mutex_lock(&k->lock);
    k->state.stage = k->is_cancelled ? STORE_CHECK_CANCELLED
                     : err           ? STORE_CHECK_FAILED
                                     : STORE_CHECK_DONE;
    k->state.err = k->is_cancelled                        ? ERR_NONE
                   : atomic_load(&store->is_read_only) ? ERR_READ_ONLY
                                                          : err;
    k->state.ended = os_now_us();
    mutex_unlock(&k->lock);
    (void)!save(store);
}

static void run(struct store *store)
{
    struct check c;
    check_init(&c, store);
    c.found = found;
    c.context = store;
    c.stops = stops;
    c.waits = store->rebuilder_runs;
    c.rate = store->checker.state.order.rate;
    enum err err = phases_run(&c);
    check_release(&c);
    end(store, err);
}

static void *checker_run(void *context)
{
    struct store *store = context;
    struct checker *k = &store->checker;
    os_thread_be_nice();
    for (;;) {
        mutex_lock(&k->lock);
        while (k->state.stage != STORE_CHECK_RUNNING && !atomic_load(&store->closes))
            cond_wait(&k->work, &k->lock);
        mutex_unlock(&k->lock);
        if (atomic_load(&store->closes))
            return NULL;
        run(store);
    }
}

enum err checker_start(struct store *store)
{
    TRY(thread_start(&store->checker.thread, checker_run, store));
    store->checker.is_running = true;
    return ERR_NONE;
}

void checker_stop(struct store *store)
{
    struct checker *k = &store->checker;
    mutex_lock(&k->lock);
    atomic_store(&store->closes, true);
    cond_broadcast(&k->work);
    mutex_unlock(&k->lock);
    if (k->is_running)
        thread_join(k->thread);
    k->is_running = false;
}
