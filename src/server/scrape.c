#include "server/scrape.h"

#include <unistd.h>

#include "os/file.h"

enum { TEXT_BYTES = 512 * 1024, STATM_BYTES = 4096 };

static void line(struct buf *out, const char *name, const char *type, uint64_t value)
{
    buf_printf(out, "# TYPE %s %s\n%s %llu\n", name, type, name, (unsigned long long)value);
}

/* Nanoseconds as seconds, exactly. */
static void line_ns(struct buf *out, const char *name, uint64_t ns)
{
    buf_printf(out, "# TYPE %s counter\n%s %llu.%09llu\n", name, name,
               (unsigned long long)(ns / 1000000000), (unsigned long long)(ns % 1000000000));
}

static void render_store(struct store *store, struct buf *out)
{
    struct store_figures f;
    store_figures(store, &f);
    line(out, "tarn_store_documents", "gauge", f.documents);
    line(out, "tarn_store_commits_total", "counter", f.commits);
    line(out, "tarn_store_syncs_total", "counter", f.syncs);
    line_ns(out, "tarn_store_ordered_seconds_total", f.ordered_ns);
    line(out, "tarn_store_ordered_documents_total", "counter", f.ordered_docs);
    line(out, "tarn_store_writable", "gauge", !f.is_read_only);
}

static void render_index(struct store *store, struct buf *out)
{
    struct store_index_figures f;
    store_index_figures(store, &f);
    line(out, "tarn_index_runs", "gauge", f.runs);
    line(out, "tarn_index_segments", "gauge", f.segments);
    line(out, "tarn_index_past_segments", "gauge", f.past_segments);
    line(out, "tarn_index_segment_bytes", "gauge", f.segment_bytes);
    line(out, "tarn_index_past_segment_bytes", "gauge", f.past_bytes);
    line(out, "tarn_index_tail_documents", "gauge", f.tail_docs);
    line(out, "tarn_index_tail_bytes", "gauge", f.tail_bytes);
    line(out, "tarn_index_merge_debt_postings", "gauge", f.merge_debt);
    line(out, "tarn_index_merges_total", "counter", f.merges);
    line(out, "tarn_index_merged_postings_total", "counter", f.merged_postings);
    line(out, "tarn_index_merge_failures_total", "counter", f.merge_failures);
    line(out, "tarn_index_damaged", "gauge", f.damaged_segment != 0);
}

static void render_http(struct http_server *http, struct buf *out)
{
    struct http_figures f;
    http_server_figures(http, &f);
    line(out, "tarn_connections", "gauge", f.connections);
    line(out, "tarn_pool_queue_length", "gauge", f.queue_length);
    line(out, "tarn_bodies_in_flight_bytes", "gauge", f.body_bytes);
}

/* The second number of statm: pages in memory. Left out when it cannot be read. */
static void render_process(const struct metrics *m, struct buf *out)
{
    struct buf text;
    buf_init(&text, STATM_BYTES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t pages;
    if (!os_file_read("/proc/self/statm", &text) && page_bytes > 0) {
        struct slice rest = buf_slice(&text);
        (void)slice_cut(&rest, ' ');
        if (slice_parse_u64(slice_cut(&rest, ' '), &pages))
            line(out, "process_resident_memory_bytes", "gauge", pages * (uint64_t)page_bytes);
    }
    buf_release(&text);
    line(out, "process_start_time_seconds", "gauge", (uint64_t)(m->started_us / 1000000));
}

static void answer_metrics(const struct scrape *s, struct http_request *r,
                           struct http_response *response)
{
    struct buf out;
    buf_init(&out, TEXT_BYTES);
    metrics_render(s->metrics, &out);
    render_store(s->store, &out);
    render_index(s->store, &out);
    render_http(s->http, &out);
    render_process(s->metrics, &out);
    char *text = buf_status(&out) ? NULL : arena_copy(r->arena, buf_slice(&out));
    size_t length = out.length;
    buf_release(&out);
    *response = (struct http_response){ .status = text ? 200 : 503 };
    response->body = text ? slice_of(text, length) : SLICE("out of memory\n");
    if (http_response_header(r, response, "Content-Type",
                             SLICE("text/plain; version=0.0.4; charset=utf-8")) ||
        http_response_header(r, response, "Cache-Control", SLICE("no-store")))
        response->status = 503;
}

void scrape_handle(void *context, struct http_request *r, struct http_response *response)
{
    if (slice_is(r->path, "/metrics") &&
        (slice_is(r->method, "GET") || slice_is(r->method, "HEAD"))) {
        answer_metrics(context, r, response);
        return;
    }
    *response = (struct http_response){ .status = 404, .body = SLICE("GET /metrics\n") };
}
