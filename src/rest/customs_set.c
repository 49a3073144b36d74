/* rest/customs_set.c - the sets that are in use. */
#include <stdlib.h>

#include "rest/customs_parts.h"

struct customs *rest_customs_open(void)
{
    struct customs *c = calloc(1, sizeof *c);
    struct customs_generation *first = calloc(1, sizeof *first);
    if (!c || !first) {
        free(c);
        free(first);
        return NULL;
    }
    c->oldest = c->newest = first;
    c->next_number = CUSTOM_FIRST;
    atomic_init(&c->set, NULL);
    atomic_init(&c->is_stale, true);
    mutex_init(&c->lock);
    mutex_init(&c->settle_lock);
    buf_init(&c->record, (size_t)4 << 20);
    return c;
}

void rest_customs_close(struct customs *c)
{
    if (!c)
        return;
    while (c->oldest) {
        struct customs_generation *g = c->oldest;
        c->oldest = g->newer;
        custom_set_free(g->set);
        free(g);
    }
    custom_entries_release(&c->entries);
    buf_release(&c->record);
    free(c->rules);
    mutex_destroy(&c->settle_lock);
    mutex_destroy(&c->lock);
    free(c);
}

/* ---- generations ---- */

struct customs_generation *customs_enter(struct customs *c)
{
    if (!c)
        return NULL;
    mutex_lock(&c->lock);
    struct customs_generation *g = c->newest;
    g->holders++;
    mutex_unlock(&c->lock);
    return g;
}

static void sweep_locked(struct customs *c)
{
    while (c->oldest != c->newest && c->oldest->holders == 0) {
        struct customs_generation *g = c->oldest;
        c->oldest = g->newer;
        custom_set_free(g->set);
        free(g);
    }
}

void customs_leave(struct customs *c, struct customs_generation *held)
{
    if (!c)
        return;
    mutex_lock(&c->lock);
    CHECK(held->holders > 0);
    held->holders--;
    sweep_locked(c);
    mutex_unlock(&c->lock);
}

const struct custom_set *customs_set(const struct customs *c)
{
    return c ? atomic_load_explicit(&c->set, memory_order_acquire) : NULL;
}

enum err customs_publish(struct customs *c, struct custom_set *set)
{
    struct customs_generation *g = calloc(1, sizeof *g);
    if (!g) {
        custom_set_free(set);
        return ERR_NO_MEMORY;
    }
    g->set = set;
    mutex_lock(&c->lock);
    c->newest->newer = g;
    c->newest = g;
    atomic_store_explicit(&c->set, set, memory_order_release);
    sweep_locked(c);
    mutex_unlock(&c->lock);
    return ERR_NONE;
}

uint64_t customs_failures(struct customs *c)
{
    uint64_t failures = 0;
    struct customs_generation *held = customs_enter(c);
    const struct custom_set *set = customs_set(c);
    const struct custom_param *p;
    for (size_t i = 0; (p = custom_set_at(set, i)) != NULL; i++)
        failures += atomic_load_explicit(&p->failures, memory_order_relaxed);
    customs_leave(c, held);
    return failures;
}
