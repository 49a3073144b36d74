#include "server/scrape.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"

static const char ID_LETTERS[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

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

/* As Prometheus wants a histogram: each bucket with all below it. */
static void render_times(struct buf *out, const char *name, const struct store_times *times)
{
    uint64_t below = 0;
    buf_printf(out, "# TYPE %s histogram\n", name);
    for (size_t i = 0; i < STORE_TIME_BUCKETS - 1; i++) {
        below += times->buckets[i];
        buf_printf(out, "%s_bucket{le=\"%u.%06u\"} %llu\n", name, STORE_TIME_BOUNDS_US[i] / 1000000,
                   STORE_TIME_BOUNDS_US[i] % 1000000, (unsigned long long)below);
    }
    below += times->buckets[STORE_TIME_BUCKETS - 1];
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %llu.%06llu\n%s_count %llu\n", name,
               (unsigned long long)below, name, (unsigned long long)(times->sum_us / 1000000),
               (unsigned long long)(times->sum_us % 1000000), name, (unsigned long long)below);
}

/* Bytes of the files in a folder; what goes away meanwhile is passed over. */
static uint64_t folder_bytes(const char *path)
{
    uint64_t bytes = 0;
    DIR *folder = opendir(path);
    for (struct dirent *e = folder ? readdir(folder) : NULL; e; e = readdir(folder)) {
        struct stat info;
        if (fstatat(dirfd(folder), e->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode))
            bytes += (uint64_t)info.st_size;
    }
    if (folder)
        closedir(folder);
    return bytes;
}

static void render_size(const struct scrape *s, const char *datastore, struct arena *arena,
                        struct buf *out)
{
    static const char *const parts[] = { "truth", "index" };
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        struct slice path = arena_printf(arena, "%s/%s/%s", s->stores_path, datastore, parts[i]);
        if (path.bytes)
            buf_printf(out, "tarn_store_file_bytes{datastore=\"%s\",part=\"%s\"} %llu\n",
                       datastore, parts[i], (unsigned long long)folder_bytes(path.bytes));
    }
}

/* Of every data store, open or not: ids are 32 letters and digits. */
static void render_sizes(const struct scrape *s, struct arena *arena, struct buf *out)
{
    buf_append_cstr(out, "# TYPE tarn_store_file_bytes gauge\n");
    DIR *folder = opendir(s->stores_path);
    for (struct dirent *e = folder ? readdir(folder) : NULL; e; e = readdir(folder))
        if (strlen(e->d_name) == 32 && strspn(e->d_name, ID_LETTERS) == 32)
            render_size(s, e->d_name, arena, out);
    if (folder)
        closedir(folder);
}

static void render_queues(const struct scrape *s, struct buf *out)
{
    line(out, "tarn_transactions_waiting", "gauge",
         rest_transactions_waiting(control_default(s->control)->rest));
    line(out, "tarn_search_parameter_failures_total", "counter",
         rest_search_parameter_failures(control_default(s->control)->rest));
    line(out, "tarn_jobs_waiting", "gauge", control_jobs_waiting(s->control));
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
    line(out, "tarn_erasures_unfinished", "gauge", store_erasures_open(store));
    line(out, "tarn_history_horizon_documents", "gauge", f.horizon_doc);
    line(out, "tarn_history_horizon_timestamp_seconds", "gauge",
         (uint64_t)MAX(f.horizon_instant, 0) / 1000000);
    line(out, "tarn_history_purged_to_documents", "gauge", f.purged_doc);
    line(out, "tarn_history_deleted_documents_total", "counter", f.deleted_docs);
    line(out, "tarn_disk_free_bytes", "gauge", f.disk_free_bytes);
    line(out, "tarn_store_writable", "gauge", !f.is_read_only && !f.is_full);
    render_times(out, "tarn_store_commit_duration_seconds", &f.commit_times);
    render_times(out, "tarn_store_sync_duration_seconds", &f.sync_times);
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
    line(out, "tarn_index_side_segments", "gauge", f.side_segments);
    line(out, "tarn_index_damaged", "gauge", f.damaged_segments > 0);
    line(out, "tarn_index_damaged_segments", "gauge", f.damaged_segments);
    line(out, "tarn_index_lost_documents", "gauge", f.lost_docs);
    line(out, "tarn_index_repair_documents", "gauge", f.repair_whole);
    line(out, "tarn_index_repair_documents_done", "gauge", f.repair_done);
    line(out, "tarn_index_parameters_not_ready", "gauge", f.fields_not_ready);
    line(out, "tarn_index_parameter_documents", "gauge", f.fields_whole);
    line(out, "tarn_index_parameter_documents_done", "gauge", f.fields_done);
}

static void render_check(struct store *store, struct buf *out)
{
    struct store_check_state s;
    store_check_look(store, &s);
    line(out, "tarn_checks_total", "counter", s.number);
    line(out, "tarn_check_running", "gauge", s.stage == STORE_CHECK_RUNNING);
    line(out, "tarn_check_documents", "gauge", s.documents);
    line(out, "tarn_check_documents_done", "gauge", s.checked);
    line(out, "tarn_check_findings", "gauge", s.findings);
    line(out, "tarn_check_repaired", "gauge", s.repaired);
    line(out, "tarn_check_ended_timestamp_seconds", "gauge", (uint64_t)MAX(s.ended, 0) / 1000000);
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
    render_store(control_default(s->control)->store, &out);
    render_sizes(s, r->arena, &out);
    render_index(control_default(s->control)->store, &out);
    render_check(control_default(s->control)->store, &out);
    render_queues(s, &out);
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
