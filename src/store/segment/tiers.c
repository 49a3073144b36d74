#include "store/segment/tiers.h"

#include "base/check.h"

struct window {
    uint32_t first, count;
    uint64_t sum;
};

static bool is_cheaper(const struct window *a, const struct window *b)
{
    return !b->count ||
           (double)a->sum / (double)(a->count - 1) < (double)b->sum / (double)(b->count - 1);
}

/* The cheapest window; `any_shape`: neither size nor growth matter. */
static struct window cheapest(const struct tier *tiers, uint32_t count, uint64_t most,
                              bool any_shape)
{
    struct window best = { 0, 0, 0 };
    for (uint32_t first = 0; first < count; first++) {
        struct window w = { first, 0, 0 };
        uint64_t largest = 0;
        for (uint32_t i = first; i < count && w.count < TIER_WINDOW_MAX; i++) {
            if (tiers[i].is_busy)
                break;
            w.sum += tiers[i].weight + 1;
            w.count++;
            largest = MAX(largest, tiers[i].weight + 1);
            bool fits = any_shape ? w.count > 1
                                  : w.count >= TIER_MEMBERS && largest <= w.sum / TIER_GROWTH;
            if (fits && w.sum <= most && is_cheaper(&w, &best))
                best = w;
        }
    }
    return best;
}

static bool is_dying(const struct tier *t)
{
    return !t->is_busy && t->dead >= TIER_DEAD_MIN && t->dead * TIER_DEAD_PART >= t->docs;
}

static uint64_t alive_weight(const struct tier *t)
{
    uint64_t dead = MIN(t->dead, t->docs);
    return t->docs ? (uint64_t)((double)t->weight * (double)(t->docs - dead) / (double)t->docs)
                   : t->weight;
}

static struct window dying(const struct tier *tiers, uint32_t count, uint64_t most)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t left = alive_weight(&tiers[i]);
        if (!is_dying(&tiers[i]) || left > most)
            continue;
        uint32_t first = i, end = i + 1;
        uint64_t sum = left;
        while (end < count && end - first < TIER_WINDOW_MAX && !tiers[end].is_busy &&
               alive_weight(&tiers[end]) <= left)
            sum += alive_weight(&tiers[end++]);
        while (first > 0 && end - first < TIER_WINDOW_MAX && !tiers[first - 1].is_busy &&
               alive_weight(&tiers[first - 1]) <= left)
            sum += alive_weight(&tiers[--first]);
        return (struct window){ first, end - first, sum };
    }
    return (struct window){ 0, 0, 0 };
}

static struct window pick(const struct tier *tiers, uint32_t count, uint64_t most)
{
    struct window w = cheapest(tiers, count, most, false);
    if (!w.count)
        w = dying(tiers, count, most);
    if (!w.count && count > TIER_SEGMENTS_MAX)
        w = cheapest(tiers, count, most, true);
    return w;
}

bool tiers_pick(const struct tier *tiers, uint32_t count, uint64_t most, uint32_t *ret_first,
                uint32_t *ret_count)
{
    struct window w = pick(tiers, count, most);
    *ret_first = w.first;
    *ret_count = w.count;
    return w.count > 0;
}

uint64_t tiers_debt(const struct tier *tiers, uint32_t count)
{
    return pick(tiers, count, UINT64_MAX).sum;
}
