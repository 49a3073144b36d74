/* Writes that depend on a search: who watches which terms, and who is told.
 *
 * A condition is listed inside the ordered section, so every commit is either
 * written before it, and seen by its search, or ordered after it, and checked
 * against its watches. */
#include "store/embedded/commit.h"

#include <stdlib.h>

#include <xxhash.h>

#include "os/thread.h"

/* What of a value is watched: up to and including its first NUL byte. */
static struct slice watched_part(struct slice value)
{
    ptrdiff_t nul = slice_find_byte(value, '\0');
    return nul < 0 ? value : slice_head(value, (size_t)nul + 1);
}

static int watch_compare(const void *a, const void *b)
{
    const struct term *x = a, *y = b;
    if (x->field != y->field)
        return x->field < y->field ? -1 : 1;
    return slice_compare(x->value, y->value);
}

/* ---- locks ---- */

static void locks_take(struct store_condition *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct slice value = c->watches[i].value;
        uint64_t hash = XXH3_64bits_withSeed(value.bytes ? value.bytes : "", value.length,
                                             c->store->seed + c->watches[i].field);
        size_t at = hash % STORE_CONDITION_LOCKS;
        c->locks[at / 64] |= UINT64_C(1) << (at % 64);
    }
    for (size_t at = 0; at < STORE_CONDITION_LOCKS; at++)
        if (c->locks[at / 64] >> (at % 64) & 1)
            mutex_lock(&c->store->condition_locks[at]);
}

static void locks_give(struct store_condition *c)
{
    for (size_t at = 0; at < STORE_CONDITION_LOCKS; at++)
        if (c->locks[at / 64] >> (at % 64) & 1)
            mutex_unlock(&c->store->condition_locks[at]);
}

/* ---- the list ---- */

static void list_add(struct store_condition *c)
{
    c->older = c->store->conditions;
    if (c->older)
        c->older->newer = c;
    c->store->conditions = c;
}

static void list_remove(struct store_condition *c)
{
    if (c->older)
        c->older->newer = c->newer;
    if (c->newer)
        c->newer->older = c->older;
    else
        c->store->conditions = c->older;
}

/* What is written by now may not be visible yet: the search must see it. */
static enum err wait_for_written(struct store *store)
{
    return store_wait_visible(store, atomic_load_explicit(&store->written, memory_order_acquire));
}

enum err store_condition_begin(struct store *store, struct term *watches, size_t count,
                               struct store_condition *condition)
{
    *condition = (struct store_condition){ .store = store, .watches = watches, .count = count };
    for (size_t i = 0; i < count; i++)
        watches[i].value = watched_part(watches[i].value);
    if (count)
        qsort(watches, count, sizeof *watches, watch_compare);
    locks_take(condition);
    mutex_lock(&store->ordered);
    list_add(condition);
    mutex_unlock(&store->ordered);
    enum err err = wait_for_written(store);
    if (err)
        store_condition_end(condition);
    return err;
}

enum err store_condition_again(struct store_condition *condition)
{
    mutex_lock(&condition->store->ordered);
    condition->is_overtaken = false;
    mutex_unlock(&condition->store->ordered);
    return wait_for_written(condition->store);
}

void store_condition_end(struct store_condition *condition)
{
    mutex_lock(&condition->store->ordered);
    list_remove(condition);
    mutex_unlock(&condition->store->ordered);
    locks_give(condition);
}

/* ---- in the ordered section ---- */

static bool is_watched(const struct store_condition *c, const struct pending *p)
{
    for (size_t i = 0; i < p->term_count; i++) {
        struct term term = { p->terms[i].field, watched_part(p->terms[i].value) };
        if (bsearch(&term, c->watches, c->count, sizeof term, watch_compare))
            return true;
    }
    return false;
}

static bool brings_watched(const struct commit *c, const struct store_condition *condition)
{
    for (size_t i = 0; condition->count && i < c->count; i++) {
        const struct pending *p = &c->pendings[i];
        if (p->writes && p->outcome != STORE_DELETED && is_watched(condition, p))
            return true;
    }
    return false;
}

enum err commit_conditions(struct commit *c)
{
    if (c->condition && c->condition->is_overtaken)
        return ERR_PRECONDITION;
    for (struct store_condition *o = c->store->conditions; o; o = o->older)
        if (o != c->condition && !o->is_overtaken)
            o->is_overtaken = brings_watched(c, o);
    return ERR_NONE;
}
