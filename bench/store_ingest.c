/* store_ingest.c - what the store alone takes, without HTTP, JSON or FHIR.
 *
 *   store_ingest FOLDER SECONDS THREADS [BATCH [MEMBERS]]
 *
 * Threads apply batches of resources (500) of one member each, about 1.4 KB
 * and 30 terms a resource, durable, until the time is over; then reads by id,
 * searches and a whole record are timed. Prints rates and processor time (reads:
 * of their thread). SECONDS 0 only reads what an earlier run stored of MEMBERS.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "clock.h"
#include "store/store.h"

enum { BATCH_MAX = 8192, TERMS = 30 };

static struct store *store;
static double end_time;
static int batch = 500;

static uint64_t roll(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static struct slice make_body(struct arena *a, uint64_t *random, uint64_t member, int at)
{
    return arena_printf(
        a,
        "{\"resourceType\":\"ExplanationOfBenefit\",\"id\":\"eob-%llu-%d\",\"meta\":{\"profile\":["
        "\"http://hl7.org/fhir/us/carin-bb/StructureDefinition/C4BB-ExplanationOfBenefit\"],"
        "\"tag\":[{\"system\":\"https://example.org/consent\",\"code\":\"%llx\"}]},"
        "\"identifier\":[{\"type\":{\"coding\":[{\"system\":\"http://hl7.org/fhir/us/carin-bb/"
        "CodeSystem/C4BBIdentifierType\",\"code\":\"uc\"}]},\"system\":\"https://payer.example/"
        "claims\",\"value\":\"%016llx\"}],\"status\":\"active\",\"type\":{\"coding\":[{\"system\":"
        "\"http://terminology.hl7.org/CodeSystem/claim-type\",\"code\":\"professional\"}]},"
        "\"use\":\"claim\",\"patient\":{\"reference\":\"Patient/p-%llu\"},\"billablePeriod\":{"
        "\"start\":\"20%02llu-%02llu-%02llu\",\"end\":\"20%02llu-%02llu-%02llu\"},\"created\":"
        "\"2024-03-%02lluT10:00:00Z\",\"insurer\":{\"reference\":\"Organization/o-%llu\"},"
        "\"provider\":{\"reference\":\"Practitioner/pr-%llu\"},\"outcome\":\"complete\",\"item\":[{"
        "\"sequence\":1,\"productOrService\":{\"coding\":[{\"system\":\"http://www.ama-assn.org/go/"
        "cpt\",\"code\":\"%05llu\"}]},\"servicedPeriod\":{\"start\":\"2023-01-01\"},\"adjudication"
        "\":[{\"category\":{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/"
        "adjudication\",\"code\":\"submitted\"}]},\"amount\":{\"value\":%llu.%02llu,\"currency\":"
        "\"USD\"}},{\"category\":{\"coding\":[{\"code\":\"benefit\"}]},\"amount\":{\"value\":"
        "%llu.%02llu,\"currency\":\"USD\"}}]}],\"total\":[{\"amount\":{\"value\":%llu.5}}]}",
        (unsigned long long)member, at, (unsigned long long)member * 77,
        (unsigned long long)roll(random), (unsigned long long)member,
        (unsigned long long)(roll(random) % 25), (unsigned long long)(roll(random) % 12 + 1),
        (unsigned long long)(roll(random) % 28 + 1), (unsigned long long)(roll(random) % 25),
        (unsigned long long)(roll(random) % 12 + 1), (unsigned long long)(roll(random) % 28 + 1),
        (unsigned long long)(roll(random) % 28 + 1), (unsigned long long)(roll(random) % 40),
        (unsigned long long)(roll(random) % 3000), (unsigned long long)(roll(random) % 90000),
        (unsigned long long)(roll(random) % 900), (unsigned long long)(roll(random) % 100),
        (unsigned long long)(roll(random) % 900), (unsigned long long)(roll(random) % 100),
        (unsigned long long)(roll(random) % 9000));
}

static void make_terms(struct arena *a, struct store_write *w, uint64_t *random, uint64_t member)
{
    w->terms = arena_array(a, TERMS, sizeof *w->terms);
    w->term_count = TERMS;
    for (uint32_t j = 0; j < TERMS; j++) {
        uint64_t skewed = roll(random) % 2000;
        struct slice value;
        if (j < 8)
            value = arena_printf(a, "ccode%llu%chttp://hl7.org/fhir/some-system",
                                 (unsigned long long)(roll(random) % 4), 0);
        else if (j < 16)
            value = arena_printf(a, "c%05llu%chttp://www.ama-assn.org/go/cpt",
                                 (unsigned long long)(skewed * skewed / 2000), 0);
        else if (j < 22)
            value = arena_printf(a, "rp-%llu%cPatient", (unsigned long long)(member + j), 0);
        else
            value = arena_printf(a, "c%016llx%chttps://payer.example/claims",
                                 (unsigned long long)roll(random), 0);
        w->terms[j] = (struct term){ 1000 + j, value };
    }
}

static enum err no_extract(void *context, struct slice type, struct slice id, struct slice body,
                           struct arena *arena, struct term **ret_terms, size_t *ret_count)
{
    (void)context, (void)type, (void)id, (void)body, (void)arena;
    *ret_terms = NULL;
    *ret_count = 0;
    return ERR_NONE;
}

struct worker {
    pthread_t thread;
    int number;
    uint64_t resources, bytes, batches;
    double slowest, making, applying; /* the last two: processor time of the thread */
};

static void *run(void *context)
{
    struct worker *w = context;
    struct arena arena;
    static struct store_write writes_of[8][BATCH_MAX];
    static struct store_result results_of[8][BATCH_MAX];
    struct store_write *writes = writes_of[w->number];
    struct store_result *results = results_of[w->number];
    uint64_t random = 88172645463325252ull + (uint64_t)w->number * 7919, time;
    size_t refused;
    arena_init(&arena, (size_t)1 << 30);
    while (wall_seconds() < end_time) {
        double begun = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        uint64_t member = w->batches * 8 + (uint64_t)w->number;
        struct slice home = arena_printf(&arena, "p-%llu", (unsigned long long)member);
        for (int i = 0; i < batch; i++) {
            writes[i] = (struct store_write){ .operation = STORE_PUT, .skip_if_equal = true };
            writes[i].type = i ? SLICE("ExplanationOfBenefit") : SLICE("Patient");
            writes[i].id =
                i ? arena_printf(&arena, "eob-%llu-%d", (unsigned long long)member, i) : home;
            writes[i].body = make_body(&arena, &random, member, i);
            writes[i].home_type = SLICE("Patient");
            writes[i].home_id = home;
            make_terms(&arena, &writes[i], &random, member * 100);
            w->bytes += writes[i].body.length;
        }
        w->making += seconds_of(CLOCK_THREAD_CPUTIME_ID) - begun;
        double before = wall_seconds(), used = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        enum err err =
            store_apply(store, writes, (size_t)batch, true, &arena, results, &time, &refused);
        if (err || results[0].outcome != STORE_CREATED) {
            fprintf(stderr, "apply: %s\n", err_name(err));
            exit(1);
        }
        double took = wall_seconds() - before;
        w->applying += seconds_of(CLOCK_THREAD_CPUTIME_ID) - used;
        w->slowest = took > w->slowest ? took : w->slowest;
        w->resources += (uint64_t)batch;
        w->batches++;
        arena_release(&arena);
    }
    return NULL;
}

static enum err count_visit(void *context, const struct store_version *v)
{
    *(uint64_t *)context += v->body.length;
    return ERR_NONE;
}

static void reads(struct arena *a, uint64_t members)
{
    struct store_reader *reader;
    struct store_version v;
    bool found;
    uint64_t random = 7, *docs, bytes = 0;
    size_t count;
    if (store_read_begin(store, 0, &reader))
        exit(1);
    int n = 20000;
    double begun = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < n; i++) {
        uint64_t member = roll(&random) % members * 8;
        struct arena_mark mark = arena_mark(a);
        struct slice id = arena_printf(a, "eob-%llu-%d", (unsigned long long)member,
                                       (int)(1 + roll(&random) % (unsigned)(batch - 1)));
        if (store_head(reader, SLICE("ExplanationOfBenefit"), id, a, &found, &v) || !found)
            exit(3);
        arena_rewind(a, mark);
    }
    printf("read by id       %8.2f us\n", (seconds_of(CLOCK_THREAD_CPUTIME_ID) - begun) / n * 1e6);
    n = 300;
    begun = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < n; i++) {
        struct arena_mark mark = arena_mark(a);
        struct plan plan = { .kind = PLAN_TERM, .field = 1016 };
        uint64_t member = roll(&random) % members * 8;
        plan.from = arena_printf(a, "rp-%llu%cPatient", (unsigned long long)(member * 100 + 16), 0);
        if (store_search(reader, &plan, 0, SIZE_MAX, a, &docs, &count) || count < (size_t)batch)
            exit(4);
        if (store_docs(reader, docs, count, a, count_visit, &bytes))
            exit(5);
        arena_rewind(a, mark);
    }
    printf("record of %5d  %8.2f us\n", batch,
           (seconds_of(CLOCK_THREAD_CPUTIME_ID) - begun) / n * 1e6);
    n = 200;
    begun = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < n; i++) {
        struct arena_mark mark = arena_mark(a);
        struct plan x = { .kind = PLAN_TERM, .field = 1000 + (uint32_t)(i % 8) };
        struct plan y = { .kind = PLAN_TERM, .field = 1008 + (uint32_t)(i % 8) };
        x.from = arena_printf(a, "ccode%d%chttp://hl7.org/fhir/some-system", i % 4, 0);
        y.from = arena_printf(a, "c%05d%chttp://www.ama-assn.org/go/cpt", i % 9, 0);
        struct plan *both[2] = { &x, &y };
        struct plan plan = { .kind = PLAN_AND, .children = both, .child_count = 2 };
        if (store_search(reader, &plan, 0, 100, a, &docs, &count))
            exit(6);
        arena_rewind(a, mark);
    }
    printf("two terms, 100   %8.2f us\n", (seconds_of(CLOCK_THREAD_CPUTIME_ID) - begun) / n * 1e6);
    struct plan code = { .kind = PLAN_TERM, .field = 1000 };
    code.from = arena_printf(a, "ccode1%chttp://hl7.org/fhir/some-system", 0);
    uint64_t counted;
    begun = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    if (store_count(reader, &code, &counted))
        exit(7);
    printf("count %9llu  %8.2f us (%.0f M/s)\n", (unsigned long long)counted,
           (seconds_of(CLOCK_THREAD_CPUTIME_ID) - begun) * 1e6,
           (double)counted / (seconds_of(CLOCK_THREAD_CPUTIME_ID) - begun) / 1e6);
    store_read_end(reader);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    int threads = (int)strtol(argv[3], NULL, 10);
    batch = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 500;
    if (threads < 1 || threads > 8 || batch < 2 || batch > BATCH_MAX)
        return 2;
    struct arena arena;
    arena_init(&arena, (size_t)1 << 31);
    struct slice error = SLICE_NONE;
    struct store_settings settings = { .folder = argv[1], .extract = no_extract };
    if (store_open(&settings, &arena, &store, &error)) {
        fprintf(stderr, "%.*s\n", SLICE_ARGS(error));
        return 1;
    }
    struct worker workers[8] = { 0 };
    double begun = wall_seconds(), cpu = cpu_seconds();
    end_time = begun + atof(argv[2]);
    for (int i = 0; i < threads; i++) {
        workers[i].number = i;
        pthread_create(&workers[i].thread, NULL, run, &workers[i]);
    }
    uint64_t resources = 0, bytes = 0;
    double slowest = 0, making = 0, applying = 0;
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        resources += workers[i].resources;
        bytes += workers[i].bytes;
        making += workers[i].making;
        applying += workers[i].applying;
        slowest = workers[i].slowest > slowest ? workers[i].slowest : slowest;
    }
    double wall = wall_seconds() - begun;
    cpu = cpu_seconds() - cpu - making;
    struct store_figures f;
    struct rusage usage;
    store_figures(store, &f);
    getrusage(RUSAGE_SELF, &usage);
    double n = (double)resources;
    printf("ingest           %8.0f resources/s, %.1f MB/s (of it making input %.0f %%)\n", n / wall,
           (double)bytes / wall / 1e6, making / (wall * threads) * 100);
    printf("without making   %8.0f resources/s\n", n / (wall - making / threads));
    printf("processor        %8.2f us a resource, %.2f of it in the applying threads\n",
           cpu / n * 1e6, applying / n * 1e6);
    printf("ordered section  %8.2f us a document; slowest batch %.1f ms\n",
           (double)f.ordered_ns / 1e3 / (double)f.ordered_docs, slowest * 1e3);
    printf("syncs/commits    %llu/%llu, memory %ld MB\n", (unsigned long long)f.syncs,
           (unsigned long long)f.commits, usage.ru_maxrss / 1024);
    reads(&arena, argc > 5 ? strtoull(argv[5], NULL, 10) : workers[0].batches);
    begun = wall_seconds();
    if (store_close(store))
        return 1;
    printf("close            %8.2f ms\n", (wall_seconds() - begun) * 1e3);
    begun = wall_seconds();
    if (store_open(&settings, &arena, &store, &error))
        return 1;
    printf("open             %8.2f ms\n", (wall_seconds() - begun) * 1e3);
    if (store_close(store))
        return 1;
    arena_release(&arena);
    return 0;
}
