#include "store/embedded/postings.h"

#include <stdlib.h>

#include "os/clock.h"
#include "os/thread.h"

enum { SPARE_RUNS = 4 * POSTINGS_RUNS_MAX, RETRY_MS = 100, RETRY_STEP_MS = 10 };

/* Views outlive whoever made them: hence the heap. */
static struct postings_view *view_new(uint32_t count)
{
    struct postings_view *view =
        malloc(sizeof *view + (size_t)(count ? count : 1) * sizeof(struct run *));
    if (view)
        *view = (struct postings_view){ .references = 1, .count = count };
    return view;
}

struct postings_view *postings_view_take(struct postings *p)
{
    mutex_lock(&p->lock);
    struct postings_view *view = p->current;
    atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed);
    mutex_unlock(&p->lock);
    return view;
}

void postings_view_give(struct postings_view *view)
{
    if (!view || atomic_fetch_sub_explicit(&view->references, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < view->count; i++)
        run_unref(view->runs[i]);
    segment_set_unref(view->segments);
    fields_unref(view->fields);
    free(view);
}

/* Under the lock. Returns the view to give back once the lock is free. */
static struct postings_view *publish(struct postings *p, struct postings_view *view)
{
    struct postings_view *old = p->current;
    p->current = view;
    p->tail_docs = 0;
    p->tail_bytes = 0;
    for (uint32_t i = 0; i < view->count; i++) {
        p->tail_docs += view->runs[i]->span;
        p->tail_bytes += view->runs[i]->size_bytes;
    }
    return old;
}

enum err postings_open(struct postings *p, const struct postings_settings *settings)
{
    *p = (struct postings){ .settings = *settings };
    p->current = view_new(0);
    if (!p->current)
        return ERR_NO_MEMORY;
    p->current->segments = settings->set;
    p->current->fields = settings->fields;
    p->current->covers = settings->set->covers;
    mutex_init(&p->lock);
    mutex_init(&p->join_lock);
    mutex_init(&p->checkpoint_lock);
    mutex_init(&p->change_lock);
    cond_init(&p->work);
    cond_init(&p->merge_work);
    cond_init(&p->room);
    return ERR_NONE;
}

void postings_stop(struct postings *p)
{
    mutex_lock(&p->lock);
    p->stop = true;
    atomic_store(&p->give_up, true);
    cond_broadcast(&p->work);
    cond_broadcast(&p->merge_work);
    mutex_unlock(&p->lock);
    if (p->is_running)
        thread_join(p->thread);
    p->is_running = false;
    while (p->merge_thread_count)
        thread_join(p->merge_threads[--p->merge_thread_count]);
}

void postings_close(struct postings *p)
{
    if (!p->current)
        return;
    postings_stop(p);
    postings_view_give(p->current);
    p->current = NULL;
    free(p->spare);
    cond_destroy(&p->room);
    cond_destroy(&p->merge_work);
    cond_destroy(&p->work);
    mutex_destroy(&p->change_lock);
    mutex_destroy(&p->checkpoint_lock);
    mutex_destroy(&p->join_lock);
    mutex_destroy(&p->lock);
}

/* ---- adding ---- */

/* Only the ordered section adds, so the view can shrink but not grow before
 * postings_add() uses the spare. */
enum err postings_reserve(struct postings *p)
{
    mutex_lock(&p->lock);
    uint32_t count = p->current->count;
    mutex_unlock(&p->lock);
    if (p->spare && p->spare->count > count)
        return ERR_NONE;
    free(p->spare);
    p->spare = view_new(count + 1 + POSTINGS_RUNS_MAX);
    return p->spare ? ERR_NONE : ERR_NO_MEMORY;
}

static bool is_due(const struct postings *p)
{
    return p->tail_docs >= POSTINGS_TAIL_DOCS ||
           (p->tail_docs && p->tail_bytes >= p->settings.tail_bytes / 4);
}

void postings_add(struct postings *p, struct run *run)
{
    mutex_lock(&p->lock);
    struct postings_view *view = p->spare;
    CHECK(view && view->count > p->current->count);
    p->spare = NULL;
    view->covers = p->current->covers;
    view->segments = segment_set_ref(p->current->segments);
    view->fields = fields_ref(p->current->fields);
    view->count = p->current->count;
    for (uint32_t i = 0; i < view->count; i++)
        view->runs[i] = run_ref(p->current->runs[i]);
    view->runs[view->count++] = run;
    struct postings_view *old = publish(p, view);
    if (is_due(p))
        cond_signal(&p->work);
    mutex_unlock(&p->lock);
    postings_view_give(old);
}

/* ---- joining ---- */

/* Under the lock: the longest end of the view worth joining. Starts with the
 * newest half and takes in older runs while they weigh no more than all newer
 * ones together, so each posting is joined about log2 times. */
static uint32_t join_from(const struct postings *p)
{
    const struct postings_view *view = p->current;
    if (view->count - p->frozen <= POSTINGS_RUNS_MAX)
        return view->count;
    uint32_t from = view->count;
    uint64_t weight = 0;
    while (from > p->frozen) {
        uint64_t next = run_weight(view->runs[from - 1]);
        if (view->count - from >= POSTINGS_RUNS_MAX / 2 && next > weight)
            break;
        weight += next;
        from--;
    }
    return from;
}

/* Into `view`, which has room for as many runs; returns it. */
static struct postings_view *copy_view(const struct postings_view *from,
                                       struct postings_view *view)
{
    if (!view)
        return NULL;
    view->count = from->count;
    view->covers = from->covers;
    view->segments = segment_set_ref(from->segments);
    view->fields = fields_ref(from->fields);
    for (uint32_t i = 0; i < from->count; i++)
        view->runs[i] = run_ref(from->runs[i]);
    return view;
}

/* Under the lock: `run` takes the place of `count` runs starting at `first`.
 * Frozen runs may have gone meanwhile, so the place is looked up. */
static struct postings_view *replace(struct postings *p, const struct run *first,
                                     uint32_t count, struct run *run,
                                     struct postings_view *view)
{
    const struct postings_view *old = p->current;
    uint32_t at = 0;
    while (at < old->count && old->runs[at] != first)
        at++;
    CHECK(at + count <= old->count);
    if (!view)
        return NULL;
    view->count = old->count - count + (run ? 1 : 0);
    view->covers = old->covers;
    view->segments = segment_set_ref(old->segments);
    view->fields = fields_ref(old->fields);
    uint32_t made = 0;
    for (uint32_t i = 0; i < old->count; i++) {
        if (i == at && run)
            view->runs[made++] = run_ref(run);
        if (i < at || i >= at + count)
            view->runs[made++] = run_ref(old->runs[i]);
    }
    CHECK(made == view->count);
    return view;
}

static bool join_once(struct postings *p)
{
    mutex_lock(&p->lock);
    struct postings_view *view = p->current;
    atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed);
    uint32_t from = join_from(p);
    mutex_unlock(&p->lock);

    uint32_t count = view->count - from;
    struct run *run = NULL;
    struct postings_view *made = NULL, *old = NULL;
    if (count > 1 && run_join(view->runs + from, count, &run) == ERR_NONE) {
        mutex_lock(&p->lock);
        made = replace(p, view->runs[from], count, run, view_new(p->current->count));
        old = made ? publish(p, made) : NULL;
        mutex_unlock(&p->lock);
    }
    run_unref(run);
    postings_view_give(old);
    postings_view_give(view);
    return made != NULL;
}

/* Whoever finds another at it leaves it to that one. Memory too short to join
 * leaves more runs, which is slower and still right. */
void postings_settle(struct postings *p)
{
    if (pthread_mutex_trylock(&p->join_lock) != 0)
        return;
    while (join_once(p))
        ;
    mutex_unlock(&p->join_lock);
}

enum err postings_wait(struct postings *p)
{
    for (int waited_ms = 0; waited_ms < POSTINGS_WAIT_MS; waited_ms++) {
        mutex_lock(&p->lock);
        bool full =
            p->tail_docs > POSTINGS_TAIL_DOCS_MAX || p->tail_bytes > p->settings.tail_bytes;
        if (full)
            cond_signal(&p->work);
        mutex_unlock(&p->lock);
        if (!full)
            return ERR_NONE;
        os_sleep_us(1000);
    }
    return ERR_BUSY;
}

/* ---- checkpoints ---- */

/* The runs that a segment may hold: all of their documents are visible. */
static struct postings_view *freeze(struct postings *p)
{
    mutex_lock(&p->join_lock);
    mutex_lock(&p->lock);
    uint64_t visible = atomic_load_explicit(p->settings.visible, memory_order_acquire);
    struct postings_view *view = p->current;
    uint32_t count = 0;
    while (count < view->count && run_last(view->runs[count]) <= visible)
        count++;
    p->frozen = count;
    if (count)
        atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed);
    mutex_unlock(&p->lock);
    mutex_unlock(&p->join_lock);
    return count ? view : NULL;
}

bool postings_keeps(const void *fields, uint32_t field)
{
    return fields_has_place(fields, field);
}

struct fields *postings_fields(struct postings *p)
{
    mutex_lock(&p->lock);
    struct fields *fields = fields_ref(p->current->fields);
    mutex_unlock(&p->lock);
    return fields;
}

uint64_t postings_mapping(struct postings *p)
{
    mutex_lock(&p->lock);
    uint64_t mapping = p->current->fields->mapping;
    mutex_unlock(&p->lock);
    return mapping;
}

enum err postings_fields_set(struct postings *p, struct fields *fields)
{
    mutex_lock(&p->lock);
    struct postings_view *old = NULL;
    struct postings_view *made = copy_view(p->current, view_new(p->current->count));
    if (made) {
        fields_unref(made->fields);
        made->fields = fields;
        old = publish(p, made);
    }
    mutex_unlock(&p->lock);
    postings_view_give(old);
    return made ? ERR_NONE : ERR_NO_MEMORY;
}

/* The table that is written is at least as new as every run that the set's segments
 * hold: it only changes under change_lock, or takes a new name for a field before a
 * commit uses it. */
enum err postings_change(struct postings *p, const struct segments_change *c,
                         struct fields *fields, const struct run *first, uint32_t runs)
{
    struct segment_set *set = NULL;
    struct postings_view *made = NULL, *old = NULL, *now = postings_view_take(p);
    /* A manifest that is there is shown: so the memory for that comes before it. */
    uint32_t room = now->count + SPARE_RUNS;
    struct postings_view *spare = view_new(room);
    enum err err = !spare ? ERR_NO_MEMORY
                          : segments_change(p->settings.segments, now->segments, c,
                                            fields ? fields : now->fields, &set);
    mutex_lock(&p->lock);
    p->is_stuck = p->is_stuck || (err && !segments_is_short(err));
    if (!err && p->current->count > room) {
        free(spare);
        spare = view_new(p->current->count);
    }
    if (!err) {
        made = runs ? replace(p, first, runs, NULL, spare) : copy_view(p->current, spare);
        err = made ? ERR_NONE : ERR_NO_MEMORY;
    }
    if (made) {
        segment_set_unref(made->segments);
        made->segments = set;
        made->covers = set->covers;
        if (fields) {
            fields_unref(made->fields);
            made->fields = fields_ref(fields);
        }
        old = publish(p, made);
        p->changes++;
        cond_broadcast(&p->merge_work);
    } else {
        segment_set_unref(set);
        free(spare);
    }
    mutex_unlock(&p->lock);
    postings_view_give(now);
    postings_view_give(old);
    return err;
}

/* What a merge or a checkpoint has made, once the set has it or not. A file that
 * the set left out goes; what failed stays if the manifest may name it. */
static void merged_release(struct merged *made, enum err err)
{
    bool is_full = err == ERR_FULL; /* the manifest is the old one */
    if (is_full || (!err && made->segment && !made->segment->footer.key_count))
        segment_doom(made->segment);
    if (is_full)
        segment_doom(made->past);
    segment_unref(made->segment);
    segment_unref(made->past);
}

static enum err checkpoint_write(struct postings *p, const struct postings_view *view,
                                 uint32_t count)
{
    struct segments *segments = p->settings.segments;
    struct merged made = { NULL, NULL };
    const struct merge m = {
        .folder = segments->folder,
        .first = view->runs[0]->base,
        .last = run_last(view->runs[count - 1]),
        .until = atomic_load_explicit(p->settings.visible, memory_order_acquire),
        .number = segments_number(segments),
        .past_number = segments_number(segments),
        .gone = atomic_load(p->settings.gone),
        .deaths = p->settings.deaths,
        .context = p->settings.context,
        .runs = view->runs,
        .count = count,
    };
    enum err err = merge_write(&m, &made);
    if (err) { /* nothing has changed: a disk that is full for a while stops no store */
        mutex_lock(&p->lock);
        p->merge_failures++;
        mutex_unlock(&p->lock);
        return err;
    }
    mutex_lock(&p->change_lock);
    if (made.past)
        atomic_store(&made.past->dead, m.gone);
    const struct segment_addition add[] = { { made.segment, SEGMENT_MAIN },
                                            { made.past, SEGMENT_PAST } };
    const struct segments_change c = { .add = add, .add_count = 2, .covers = m.last };
    err = postings_change(p, &c, NULL, view->runs[0], count);
    mutex_unlock(&p->change_lock);
    if (err)
        p->settings.failed(p->settings.context, err);
    merged_release(&made, err);
    return err;
}

static enum err checkpoint(struct postings *p)
{
    struct postings_view *view = freeze(p);
    if (!view)
        return ERR_NONE;
    /* p->frozen is changed under the lock that we hold only. */
    enum err err = checkpoint_write(p, view, p->frozen);
    mutex_lock(&p->lock);
    p->frozen = 0;
    mutex_unlock(&p->lock);
    postings_view_give(view);
    return err;
}

enum err postings_checkpoint(struct postings *p)
{
    mutex_lock(&p->checkpoint_lock);
    enum err err = checkpoint(p);
    mutex_unlock(&p->checkpoint_lock);
    return err;
}

static bool is_behind(struct postings *p)
{
    mutex_lock(&p->lock);
    bool behind =
        segment_set_count(p->current->segments, SEGMENT_MAIN) >= POSTINGS_SEGMENTS_MAX;
    mutex_unlock(&p->lock);
    return behind;
}

static void *thread_run(void *context)
{
    struct postings *p = context;
    os_thread_be_nice();
    mutex_lock(&p->lock);
    while (!p->stop) {
        if (!is_due(p)) {
            cond_wait(&p->work, &p->lock);
            continue;
        }
        uint64_t before = p->current->covers;
        mutex_unlock(&p->lock);
        bool behind = is_behind(p);
        enum err err = behind ? ERR_NONE : postings_checkpoint(p);
        for (int ms = 0; err && ms < RETRY_MS && !atomic_load(&p->give_up); ms += RETRY_STEP_MS)
            os_sleep_us(RETRY_STEP_MS * 1000);
        mutex_lock(&p->lock);
        if (p->is_stuck)
            break;
        if (p->current->covers == before && !p->stop) { /* nothing visible, behind, or short */
            mutex_unlock(&p->lock);
            os_sleep_us(1000);
            mutex_lock(&p->lock);
        }
    }
    mutex_unlock(&p->lock);
    return NULL;
}

enum err postings_start(struct postings *p)
{
    TRY(thread_start(&p->thread, thread_run, p));
    p->is_running = true;
    uint32_t wanted = MIN(MAX(p->settings.merge_threads, 1u), POSTINGS_MERGE_THREADS_MAX);
    while (p->merge_thread_count < wanted) {
        TRY(thread_start(&p->merge_threads[p->merge_thread_count], postings_merge_thread, p));
        p->merge_thread_count++;
    }
    return ERR_NONE;
}
