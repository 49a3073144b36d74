#include "server/metrics.h"

#include "os/clock.h"

static const struct {
    int64_t us;
    const char *seconds;
} BOUNDS[METRICS_BUCKETS - 1] = {
    { 50, "0.00005" }, { 100, "0.0001" }, { 250, "0.00025" }, { 500, "0.0005" },
    { 1000, "0.001" }, { 2500, "0.0025" }, { 5000, "0.005" },  { 10000, "0.01" },
    { 25000, "0.025" }, { 50000, "0.05" }, { 100000, "0.1" },  { 250000, "0.25" },
    { 500000, "0.5" },  { 1000000, "1" },  { 5000000, "5" },   { 30000000, "30" },
};

void metrics_init(struct metrics *m)
{
    m->started_us = os_now_us();
}

static void add(atomic_ullong *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void metrics_count(struct metrics *m, const struct http_request *r,
                   const struct http_traffic *traffic)
{
    /* A connection is one thread's at a time and keeps its address. */
    uint64_t mixed = (uint64_t)(uintptr_t)r * UINT64_C(0x9e3779b97f4a7c15);
    struct metrics_shard *shard = &m->shards[mixed >> 61 & (METRICS_SHARDS - 1)];
    struct metrics_kind *kind = &shard->kinds[r->kind < KIND_COUNT ? r->kind : 0];
    int class = traffic->status / 100;
    size_t bucket = 0;
    while (bucket < ARRAY_COUNT(BOUNDS) && traffic->duration_us > BOUNDS[bucket].us)
        bucket++;
    add(&kind->requests[class >= 0 && class < METRICS_CLASSES ? class : 0], 1);
    add(&kind->buckets[bucket], 1);
    add(&kind->duration_us, (uint64_t)MAX(traffic->duration_us, (int64_t)0));
    add(&shard->bytes_in, traffic->bytes_in);
    add(&shard->bytes_out, traffic->bytes_out);
    if (!traffic->is_whole)
        add(&shard->cut, 1);
}

/* ---- rendering ---- */

const char *metrics_kind_name(unsigned kind)
{
    if (kind == KIND_CONTROL)
        return "control";
    return kind == KIND_HEALTH ? "health" : rest_kind_name(kind);
}

static uint64_t get(const atomic_ullong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void render_requests(const struct metrics *m, unsigned kind, struct buf *out)
{
    for (unsigned class = 0; class < METRICS_CLASSES; class ++) {
        uint64_t n = 0;
        for (size_t s = 0; s < METRICS_SHARDS; s++)
            n += get(&m->shards[s].kinds[kind].requests[class]);
        if (n)
            buf_printf(out, "tarn_requests_total{interaction=\"%s\",status=\"%u%s\"} %llu\n",
                       metrics_kind_name(kind), class, class ? "xx" : "", (unsigned long long)n);
    }
}

static void render_durations(const struct metrics *m, unsigned kind, struct buf *out)
{
    const char *name = metrics_kind_name(kind);
    uint64_t buckets[METRICS_BUCKETS] = { 0 }, us = 0, whole = 0, below = 0;
    for (size_t s = 0; s < METRICS_SHARDS; s++) {
        const struct metrics_kind *k = &m->shards[s].kinds[kind];
        us += get(&k->duration_us);
        for (size_t b = 0; b < METRICS_BUCKETS; b++)
            buckets[b] += get(&k->buckets[b]);
    }
    for (size_t b = 0; b < METRICS_BUCKETS; b++)
        whole += buckets[b];
    if (!whole)
        return;
    for (size_t b = 0; b < METRICS_BUCKETS; b++) {
        below += buckets[b];
        buf_printf(out,
                   "tarn_request_duration_seconds_bucket{interaction=\"%s\",le=\"%s\"} %llu\n",
                   name, b < ARRAY_COUNT(BOUNDS) ? BOUNDS[b].seconds : "+Inf",
                   (unsigned long long)below);
    }
    buf_printf(out, "tarn_request_duration_seconds_sum{interaction=\"%s\"} %llu.%06llu\n", name,
               (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000));
    buf_printf(out, "tarn_request_duration_seconds_count{interaction=\"%s\"} %llu\n", name,
               (unsigned long long)whole);
}

static void render_sums(const struct metrics *m, struct buf *out)
{
    uint64_t in = 0, sent = 0, cut = 0;
    for (size_t s = 0; s < METRICS_SHARDS; s++) {
        in += get(&m->shards[s].bytes_in);
        sent += get(&m->shards[s].bytes_out);
        cut += get(&m->shards[s].cut);
    }
    buf_printf(out,
               "# TYPE tarn_received_bytes_total counter\ntarn_received_bytes_total %llu\n"
               "# TYPE tarn_sent_bytes_total counter\ntarn_sent_bytes_total %llu\n"
               "# TYPE tarn_answers_cut_total counter\ntarn_answers_cut_total %llu\n",
               (unsigned long long)in, (unsigned long long)sent, (unsigned long long)cut);
}

void metrics_render(const struct metrics *m, struct buf *out)
{
    buf_append_cstr(out, "# HELP tarn_requests_total Requests that ended, by interaction and "
                         "class of status.\n# TYPE tarn_requests_total counter\n");
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        if (metrics_kind_name(kind))
            render_requests(m, kind, out);
    buf_append_cstr(out, "# HELP tarn_request_duration_seconds From the last byte of a request's "
                         "head to the last of its answer.\n"
                         "# TYPE tarn_request_duration_seconds histogram\n");
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        if (metrics_kind_name(kind))
            render_durations(m, kind, out);
    render_sums(m, out);
}
