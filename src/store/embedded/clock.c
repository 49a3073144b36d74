#include "store/embedded/engine.h"

const uint32_t STORE_TIME_BOUNDS_US[STORE_TIME_BUCKETS - 1] = { 100,   250,    500,    1000,
                                                                2500,  5000,   10000,  25000,
                                                                50000, 100000, 1000000 };

void store_clock_add(struct store_clock *clock, int64_t took_us)
{
    size_t bucket = 0;
    while (bucket < STORE_TIME_BUCKETS - 1 && took_us > STORE_TIME_BOUNDS_US[bucket])
        bucket++;
    atomic_fetch_add_explicit(&clock->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&clock->sum_us, (uint64_t)MAX(took_us, (int64_t)0),
                              memory_order_relaxed);
}

void store_clock_read(struct store_clock *clock, struct store_times *ret)
{
    for (size_t i = 0; i < STORE_TIME_BUCKETS; i++)
        ret->buckets[i] = atomic_load_explicit(&clock->buckets[i], memory_order_relaxed);
    ret->sum_us = atomic_load_explicit(&clock->sum_us, memory_order_relaxed);
}
