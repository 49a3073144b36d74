/* Merging segments in the background, and knowing when. */
#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/postings.h"
#include "store/segment/tiers.h"

enum { TIERS_MAX = 1024, RETRY_MS = 1000, REWRITE_WAIT_US = 10000, REWRITE_WAITS_MAX = 3000 };
static const size_t GONE_ARENA_BYTES = (size_t)1 << 32; /* 2 bits a document */

/* What one merge is about. Its segments are busy, so that their places in the
 * set can move but they stay neighbours. */
struct job {
    struct segment_set *set; /* referenced: the segments were found in it */
    uint32_t first, count;   /* in its list */
    enum segment_kind kind;
    uint64_t dead_before;    /* known dead of its segments */
    uint64_t postings;
};

/* ---- what is due ---- */

static uint32_t tiers_of(const struct segment_set *set, enum segment_kind kind,
                         struct tier tiers[])
{
    struct segment *const *list = set->list + set->from[kind];
    uint32_t count = MIN(segment_set_count(set, kind), (uint32_t)TIERS_MAX);
    for (uint32_t i = 0; i < count; i++)
        tiers[i] = (struct tier){
            .weight = list[i]->footer.posting_count,
            .docs = list[i]->footer.docs,
            .dead = list[i]->footer.until ? 0 : atomic_load(&list[i]->dead),
            .is_busy = list[i]->is_busy || atomic_load(&list[i]->is_damaged),
        };
    return count;
}

/* Under the lock. */
static void job_take(struct segment_set *set, enum segment_kind kind, uint32_t first,
                     uint32_t count, struct job *ret)
{
    first += set->from[kind];
    *ret = (struct job){ .set = segment_set_ref(set), .first = first, .count = count };
    ret->kind = kind;
    for (uint32_t i = first; i < first + count; i++) {
        set->list[i]->is_busy = true;
        ret->dead_before += atomic_load(&set->list[i]->dead);
        ret->postings += set->list[i]->footer.posting_count;
    }
}

/* Under the lock. */
static bool job_pick(struct postings *p, uint64_t most, struct job *ret)
{
    struct segment_set *set = p->current->segments;
    struct tier tiers[TIERS_MAX];
    uint32_t first = 0, count = 0;
    for (uint32_t kind = 0; kind < SEGMENT_KINDS; kind++) {
        uint32_t n = tiers_of(set, (enum segment_kind)kind, tiers);
        if (tiers_pick(tiers, n, most, &first, &count)) {
            job_take(set, (enum segment_kind)kind, first, count, ret);
            return true;
        }
    }
    return false;
}

/* ---- doing it ---- */

static bool is_past(enum segment_kind kind)
{
    return kind == SEGMENT_PAST || kind == SEGMENT_SIDE_PAST || kind == SEGMENT_PENDING_PAST;
}

/* Only main and pending segments do not overlap; others need not be neighbours in
 * documents either. */
static struct merge job_merge(struct postings *p, const struct job *job,
                              const struct fields *fields)
{
    struct segment *const *list = job->set->list + job->first;
    struct merge m = {
        .folder = p->settings.segments->folder,
        .first = list[0]->footer.first,
        .last = list[0]->footer.last,
        .until = list[0]->footer.until,
        .number = segments_number(p->settings.segments),
        .past_number = segments_number(p->settings.segments),
        .is_past = is_past(job->kind),
        .gone = atomic_load(p->settings.gone),
        .deaths = p->settings.deaths,
        .keeps = postings_keeps,
        .fields = fields,
        .context = p->settings.context,
        .stop = &p->give_up,
        .segments = list,
        .count = job->count,
    };
    for (uint32_t i = 1; i < job->count; i++) {
        m.first = MIN(m.first, list[i]->footer.first);
        m.last = MAX(m.last, list[i]->footer.last);
        m.until = MAX(m.until, list[i]->footer.until);
    }
    if (!m.is_past)
        m.until = atomic_load_explicit(p->settings.visible, memory_order_acquire);
    return m;
}

/* A file that the set left out goes, and one that the manifest cannot name. */
static void made_release(struct segment *s, enum err err, enum segment_kind kind)
{
    bool is_left_out = s && !err && !s->footer.key_count && kind < SEGMENT_PENDING;
    if (is_left_out || err == ERR_FULL) /* full: the manifest is the old one */
        segment_doom(s);
    segment_unref(s);
}

/* One that was found damaged since is written again from the bodies, and whoever repairs
 * another does not count on what it holds: so nothing that was made of it is shown. */
static bool is_spoilt(const struct job *job, const struct merged *made)
{
    bool is_damaged = false;
    for (uint32_t i = job->first; i < job->first + job->count; i++)
        is_damaged = is_damaged || atomic_load(&job->set->list[i]->is_damaged);
    return is_damaged && (made->segment || made->past);
}

/* `gone`: what was dead then is not in what was made. ERR_BUSY: nothing has changed. */
static enum err job_show(struct postings *p, const struct job *job, uint64_t gone,
                         struct merged *made)
{
    struct segment *const *list = job->set->list + job->first;
    mutex_lock(&p->change_lock);
    if (is_spoilt(job, made)) {
        mutex_unlock(&p->change_lock);
        segment_doom(made->segment);
        segment_doom(made->past);
        segment_unref(made->segment);
        segment_unref(made->past);
        return ERR_BUSY;
    }
    uint64_t dead = 0;
    for (uint32_t i = 0; i < job->count; i++)
        dead += atomic_load(&list[i]->dead);
    if (made->segment)
        atomic_store(&made->segment->dead, dead - MIN(dead, job->dead_before));
    if (made->past)
        atomic_store(&made->past->dead, gone);
    struct postings_view *view = postings_view_take(p);
    const struct segment_addition add[] = {
        { made->segment, job->kind },
        { made->past, (enum segment_kind)(job->kind + !is_past(job->kind)) },
    };
    const struct segments_change c = { .gone = list,
                                       .gone_count = job->count,
                                       .add = add,
                                       .add_count = ARRAY_COUNT(add),
                                       .covers = view->covers };
    for (size_t i = 0; i < ARRAY_COUNT(add); i++)
        if (add[i].segment)
            add[i].segment->of = list[0]->of;
    postings_view_give(view);
    enum err err = postings_change(p, &c, NULL, NULL, 0);
    mutex_unlock(&p->change_lock);
    for (uint32_t i = 0; !err && i < job->count; i++)
        atomic_store(&list[i]->is_doomed, true);
    made_release(made->segment, err, job->kind);
    made_release(made->past, err, job->kind);
    return err;
}

static enum err go_on(void *context, uint64_t keys)
{
    const struct postings *p = context;
    (void)keys;
    return atomic_load(&p->give_up) ? ERR_BUSY : ERR_NONE;
}

/* Which of them it was that could not be read: it is not tried again, but repaired. */
static void find_damage(struct postings *p, const struct job *job)
{
    for (uint32_t i = job->first; i < job->first + job->count; i++)
        if (segment_verify(job->set->list[i], go_on, p) == ERR_CORRUPT)
            segments_report_damage(p->settings.segments, job->set->list[i]);
}

static void job_end(struct postings *p, const struct job *job, enum err err)
{
    if (err == ERR_CORRUPT)
        find_damage(p, job);
    mutex_lock(&p->lock);
    for (uint32_t i = job->first; i < job->first + job->count; i++)
        job->set->list[i]->is_busy = false;
    if (!err) {
        p->merges++;
        p->merged_postings += job->postings;
    } else if (err != ERR_BUSY) {
        p->merge_failures++;
    }
    mutex_unlock(&p->lock);
    segment_set_unref(job->set);
}

static enum err job_run(struct postings *p, const struct job *job)
{
    struct merged made = { NULL, NULL };
    struct fields *fields = postings_fields(p);
    const struct merge m = job_merge(p, job, fields);
    enum err err = merge_write(&m, &made);
    fields_unref(fields);
    if (!err && (err = job_show(p, job, m.gone, &made)) && err != ERR_BUSY)
        p->settings.failed(p->settings.context, err);
    job_end(p, job, err);
    return err;
}

/* Take past segments away that hold nothing any more: no file is written. */
static enum err job_drop(struct postings *p, const struct job *job)
{
    struct merged made = { NULL, NULL };
    enum err err = job_show(p, job, 0, &made);
    if (err)
        p->settings.failed(p->settings.context, err);
    job_end(p, job, err);
    return err;
}

/* ---- leaving the past ---- */

/* Is half or more of the past segment gone since it was written? */
static enum err is_mostly_gone(struct postings *p, const struct segment *s, uint64_t gone,
                               bool *ret)
{
    uint64_t docs = s->footer.last - s->footer.first + 1, before = atomic_load(&s->dead);
    size_t words = (size_t)(docs / 64 + 1);
    struct arena arena;
    arena_init(&arena, GONE_ARENA_BYTES);
    uint64_t *bits = arena_array(&arena, 2 * words, sizeof *bits);
    if (!bits)
        return ERR_NO_MEMORY;
    struct merge_dead now = { .first = s->footer.first, .last = s->footer.last };
    now.until = s->footer.until;
    now.gone = gone;
    now.dead_bits = bits;
    now.gone_bits = bits + words;
    struct merge_dead then = now;
    then.gone = before;
    enum err err = p->settings.deaths(p->settings.context, &now);
    if (!err)
        err = p->settings.deaths(p->settings.context, &then);
    arena_release(&arena);
    *ret = now.gone_count > then.gone_count &&
           (now.gone_count - then.gone_count) * 2 >= then.dead_count;
    return err;
}

/* The first past segment from *at on, with that place in *at: dropped or written
 * again if that is due. *ret_any false: there is none. */
static enum err forget_one(struct postings *p, enum segment_kind kind, uint32_t *at,
                           bool *ret_any)
{
    uint64_t gone = atomic_load(p->settings.gone);
    struct postings_view *view = postings_view_take(p);
    const struct segment_set *set = view->segments;
    bool is_due = false;
    *ret_any = *at < segment_set_count(set, kind);
    struct segment *s = *ret_any ? set->list[set->from[kind] + *at] : NULL;
    bool is_empty = s && s->footer.until <= gone;
    enum err err = ERR_NONE;
    if (s && !is_empty && atomic_load(&s->dead) < gone)
        err = is_mostly_gone(p, s, gone, &is_due);
    struct job job;
    bool is_taken = false;
    mutex_lock(&p->lock);
    if (!err && (is_empty || is_due) && !s->is_busy && p->current->segments == set) {
        job_take(p->current->segments, kind, *at, 1, &job);
        is_taken = true;
    }
    mutex_unlock(&p->lock);
    postings_view_give(view);
    if (is_taken)
        err = is_empty ? job_drop(p, &job) : job_run(p, &job);
    else
        ++*at;
    return err;
}

enum err postings_forget(struct postings *p, const _Atomic bool *give_up)
{
    for (uint32_t kind = SEGMENT_PAST; kind < SEGMENT_PENDING; kind += 2) {
        bool any = true;
        for (uint32_t at = 0; any && !atomic_load(give_up);)
            TRY(forget_one(p, (enum segment_kind)kind, &at, &any));
    }
    return ERR_NONE;
}

static bool may_hold(const struct segment *s, const uint64_t *docs, size_t count)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (docs[middle] < s->footer.first)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && docs[low] <= s->footer.last;
}

/* Under the lock: the first that has to be written again; the set's count: none. */
static uint32_t suspect_find(const struct segment_set *set, const uint64_t *docs, size_t count,
                             uint64_t begun_before)
{
    uint32_t at = 0, all = segment_set_all(set);
    while (at < all && !(set->list[at]->footer.number < begun_before &&
                         may_hold(set->list[at], docs, count)))
        at++;
    return at;
}

enum err postings_rewrite(struct postings *p, const uint64_t *docs, size_t count,
                          uint64_t begun_before, const _Atomic bool *give_up)
{
    for (int waits = 0; waits < REWRITE_WAITS_MAX && !atomic_load(give_up); waits++) {
        struct job job;
        bool is_taken = false;
        mutex_lock(&p->lock);
        struct segment_set *set = p->current->segments;
        uint32_t at = suspect_find(set, docs, count, begun_before);
        bool is_any = at < segment_set_all(set);
        if (is_any && !set->list[at]->is_busy && !atomic_load(&set->list[at]->is_damaged)) {
            enum segment_kind kind = segment_set_kind(set, at);
            job_take(set, kind, at - set->from[kind], 1, &job);
            is_taken = true;
        }
        mutex_unlock(&p->lock);
        if (!is_any)
            return ERR_NONE;
        if (!is_taken) { /* a merge has it, or it is damaged and derived again */
            os_sleep_us(REWRITE_WAIT_US);
            continue;
        }
        enum err err = job_run(p, &job);
        if (err && err != ERR_BUSY) /* busy: it was found damaged, or we are to stop */
            return err;
        waits = err ? waits : -1;
    }
    return ERR_BUSY;
}

enum err postings_merge(struct postings *p, uint64_t most, bool *ret_any)
{
    struct job job;
    mutex_lock(&p->lock);
    *ret_any = job_pick(p, most, &job);
    mutex_unlock(&p->lock);
    return *ret_any ? job_run(p, &job) : ERR_NONE;
}

enum err postings_merge_window(struct postings *p, enum segment_kind kind, uint32_t first,
                               uint32_t count)
{
    struct job job;
    mutex_lock(&p->lock);
    struct segment_set *set = p->current->segments;
    uint32_t all = segment_set_count(set, kind);
    bool is_there = count && first < all && count <= all - first;
    for (uint32_t i = first; is_there && i < first + count; i++)
        is_there = !set->list[set->from[kind] + i]->is_busy;
    if (is_there)
        job_take(set, kind, first, count, &job);
    mutex_unlock(&p->lock);
    return is_there ? job_run(p, &job) : ERR_NONE;
}

/* ---- the threads ---- */

static void wait_a_while(struct postings *p)
{
    for (int ms = 0; ms < RETRY_MS && !atomic_load(&p->give_up); ms += 10)
        os_sleep_us(10000);
}

/* A disk that is full for a while stops merges, not the store. */
void *postings_merge_thread(void *postings)
{
    struct postings *p = postings;
    os_thread_be_nice();
    mutex_lock(&p->lock);
    bool is_first = !p->merge_thread_serial++;
    uint64_t most = is_first && p->settings.merge_threads > 1 ? POSTINGS_SMALL_MERGE : UINT64_MAX;
    while (!p->stop) {
        uint64_t changes = p->changes;
        mutex_unlock(&p->lock);
        bool any = false;
        enum err err = postings_merge(p, most, &any);
        if (err && err != ERR_BUSY)
            wait_a_while(p);
        mutex_lock(&p->lock);
        while (!any && !p->stop && p->changes == changes)
            cond_wait(&p->merge_work, &p->lock);
    }
    mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the dead ---- */

static bool died_in(struct segment *s)
{
    uint64_t dead = 1 + atomic_fetch_add_explicit(&s->dead, 1, memory_order_relaxed);
    return dead >= TIER_DEAD_MIN && dead % TIER_DEAD_MIN == 0;
}

static struct segment *segment_of(const struct segment_set *set, uint64_t doc)
{
    uint32_t low = 0, high = set->from[SEGMENT_MAIN + 1];
    uint32_t count = high;
    while (low < high) { /* segments below low end before doc, those from high on do not */
        uint32_t middle = low + (high - low) / 2;
        if (set->list[middle]->footer.last < doc)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && set->list[low]->footer.first <= doc ? set->list[low] : NULL;
}

void postings_died(struct postings *p, const uint64_t *docs, size_t count)
{
    struct postings_view *view = count ? postings_view_take(p) : NULL;
    bool is_due = false;
    for (size_t i = 0; i < count; i++) {
        const struct segment_set *set = view->segments;
        struct segment *s = segment_of(set, docs[i]);
        if (s && died_in(s))
            is_due = true;
        for (uint32_t k = set->from[SEGMENT_SIDE]; k < set->from[SEGMENT_SIDE + 1]; k++)
            if (set->list[k]->footer.first <= docs[i] && set->list[k]->footer.last >= docs[i] &&
                died_in(set->list[k]))
                is_due = true;
    }
    if (is_due) {
        mutex_lock(&p->lock);
        p->changes++;
        cond_broadcast(&p->merge_work);
        mutex_unlock(&p->lock);
    }
    postings_view_give(view);
}

void postings_figures(struct postings *p, struct postings_figures *ret)
{
    struct tier tiers[TIERS_MAX];
    mutex_lock(&p->lock);
    const struct segment_set *set = p->current->segments;
    *ret = (struct postings_figures){ .runs = p->current->count,
                                      .segments = segment_set_count(set, SEGMENT_MAIN),
                                      .side_segments = segment_set_count(set, SEGMENT_SIDE),
                                      .tail_docs = p->tail_docs,
                                      .tail_bytes = p->tail_bytes,
                                      .merges = p->merges,
                                      .merged_postings = p->merged_postings,
                                      .merge_failures = p->merge_failures };
    ret->past_segments = segment_set_count(set, SEGMENT_PAST) +
                         segment_set_count(set, SEGMENT_SIDE_PAST);
    ret->damaged = atomic_load(&p->settings.segments->damaged);
    for (uint32_t i = 0; i < segment_set_all(set); i++)
        *(set->list[i]->footer.until ? &ret->past_bytes : &ret->segment_bytes) +=
            set->list[i]->size;
    for (uint32_t kind = 0; kind < SEGMENT_KINDS; kind++) {
        uint32_t n = tiers_of(set, (enum segment_kind)kind, tiers);
        ret->debt += tiers_debt(tiers, n);
    }
    mutex_unlock(&p->lock);
}
