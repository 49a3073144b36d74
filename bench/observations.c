/* observations.c - a store of many small Observations, and what counting in it costs.
 *
 *   observations DATA COUNT [THREADS]
 *
 * DATA is a data folder that `tarn serve` has made. Its default data store gets COUNT
 * Observations, 60 a Patient, through the code that the server uses (parsing, extraction,
 * stored form, commits of 500), without HTTP and validation; what is there already is not
 * loaded again, so that a second run only measures. Of all of them
 *   a code (20 of them) has 5 %, a performer (20) 5 %, independent of each other,
 *   a year of `date` (twenty years, to the second) 5 %,
 *   90 % have a quantity (0.0 to 99.9), the others a date of two years as their value:
 *   a year of `value-date` is 5 %, too.
 * Then each query is parsed as the server parses it and counted, or its first 100 matches
 * are searched, by one thread: the median of several runs and the matches a second.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "index/index.h"
#include "os/heap.h"
#include "search/search.h"
#include "server/opening.h"

enum { BATCH = 500, OF_A_PATIENT = 60, THREADS_MAX = 8, RUNS = 15, TELL_EVERY = 1000000 };
enum { YEAR_SECONDS = 365 * 86400 };
static const char DATASTORE[] = "0123456789abcdef0123456789abcdef";

static struct store *store;
static struct opening opening;
static uint64_t wanted, next_batch;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void fail(const char *what)
{
    fprintf(stderr, "observations: %s\n", what);
    exit(1);
}

/* ---- one observation: what it has follows from its number alone ---- */

static uint64_t mixed(uint64_t n)
{
    n += UINT64_C(0x9e3779b97f4a7c15);
    n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
    return n ^ n >> 31;
}

/* An instant of so many years up to the end of 2024. */
static void date_text(uint64_t roll, unsigned years, char *out, size_t room)
{
    time_t at = 1735689599 - (time_t)(roll % ((uint64_t)years * YEAR_SECONDS));
    struct tm parts;
    gmtime_r(&at, &parts);
    strftime(out, room, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static struct slice text_of(struct arena *a, uint64_t n)
{
    uint64_t r = mixed(n), r2 = mixed(r);
    char date[32], other[32];
    date_text(r2, 20, date, sizeof date);
    date_text(mixed(r2), 2, other, sizeof other);
    unsigned tenths = (unsigned)(r >> 32) % 1000;
    struct slice value =
        (r >> 24) % 10
            ? arena_printf(a, "\"valueQuantity\":{\"value\":%u.%u,\"unit\":\"mg/dL\",\"system\":"
                              "\"http://unitsofmeasure.org\",\"code\":\"mg/dL\"}",
                           tenths / 10, tenths % 10)
            : arena_printf(a, "\"valueDateTime\":\"%s\"", other);
    return arena_printf(
        a, "{\"resourceType\":\"Observation\",\"id\":\"o%016llx\",\"status\":\"%s\",\"code\":"
           "{\"coding\":[{\"system\":\"http://loinc.org\",\"code\":\"code%u\"}]},\"subject\":"
           "{\"reference\":\"Patient/p%llu\"},\"effectiveDateTime\":\"%s\",\"performer\":"
           "[{\"reference\":\"Practitioner/d%u\"}],%.*s}",
        (unsigned long long)mixed(n ^ 77), (r >> 16) % 50 ? "final" : "amended",
        (unsigned)(r % 20), (unsigned long long)(n / OF_A_PATIENT), date,
        (unsigned)(r >> 8) % 20, SLICE_ARGS(value));
}

/* ---- loading ---- */

static void prepare(struct arena *a, uint64_t n, struct store_write *w)
{
    struct json_doc *doc = arena_array(a, 1, sizeof *doc);
    struct json_error error;
    struct extraction x = { 0 };
    struct buf body;
    buf_init(&body, 1 << 16);
    struct slice text = text_of(a, n);
    if (!doc || !text.bytes || json_parse(text, NULL, a, doc, &error))
        fail("an observation does not parse");
    struct json root = json_root(doc);
    const struct fhir_type *type = fhir_resource_find(SLICE("Observation"));
    const struct index_basis basis = { .base_url = opening.extract.base_url };
    *w = (struct store_write){ .operation = STORE_PUT, .skip_if_equal = true };
    if (fhir_prepare_body(root, type, &(struct fhir_prepare){ 0 }, &body, &w->splice) ||
        index_extract(root, type, basis, NULL, a, &x))
        fail("an observation has no terms");
    w->type = type->name;
    w->id = json_string_raw(json_member(root, "id"));
    w->body = slice_of(arena_copy(a, buf_slice(&body)), body.length);
    w->appendix = x.appendix;
    w->home_type = x.home_type;
    w->home_id = x.home_id;
    w->terms = x.terms;
    w->term_count = x.term_count;
    buf_release(&body);
}

static void *load(void *context)
{
    (void)context;
    struct arena arena;
    arena_init(&arena, (size_t)1 << 30);
    for (;;) {
        static double since;
        pthread_mutex_lock(&lock);
        uint64_t at = next_batch;
        next_batch += BATCH;
        if (at % TELL_EVERY == 0) {
            fprintf(stderr, "at %llu, %.0f s since the one before\n", (unsigned long long)at,
                    since > 0 ? wall_seconds() - since : 0.0);
            since = wall_seconds();
        }
        pthread_mutex_unlock(&lock);
        if (at >= wanted)
            return NULL;
        size_t count = wanted - at < BATCH ? (size_t)(wanted - at) : BATCH, refused;
        struct store_write *writes = arena_array(&arena, count, sizeof *writes);
        struct store_result *results = arena_array(&arena, count, sizeof *results);
        for (size_t i = 0; i < count; i++)
            prepare(&arena, at + i, &writes[i]);
        uint64_t time;
        enum err err;
        while ((err = store_apply(store, writes, count, false, &arena, results, &time,
                                  &refused)) == ERR_BUSY)
            usleep(1000);
        if (err)
            fail(err_name(err));
        arena_release(&arena);
    }
}

static void load_all(uint64_t there, int threads)
{
    pthread_t ids[THREADS_MAX];
    double begun = wall_seconds(), used = cpu_seconds();
    next_batch = there - there % BATCH;
    for (int i = 0; i < threads; i++)
        pthread_create(&ids[i], NULL, load, NULL);
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    printf("loaded %llu: %.0f resources/s, %.1f us of processor time each\n",
           (unsigned long long)(wanted - there),
           (double)(wanted - there) / (wall_seconds() - begun),
           (cpu_seconds() - used) / (double)(wanted - there) * 1e6);
    fflush(stdout);
}

/* ---- asking ---- */

static void parse(struct arena *a, const char *text, struct search_query *ret)
{
    struct search_settings settings = { .base_url = opening.extract.base_url,
                                        .default_count = 100,
                                        .largest_count = 1000 };
    struct search_pair *pairs = NULL;
    struct issues issues;
    size_t count = 0;
    issues_init(&issues, a);
    if (search_pairs_parse(slice_cstr(text), a, &pairs, &count, &issues) ||
        search_parse(&settings, fhir_resource_find(SLICE("Observation")), pairs, count, a,
                     &issues, ret))
        fail("a query does not parse");
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* `limit` 0: count. */
static void ask(struct arena *a, const char *name, const char *text, size_t limit)
{
    double took[RUNS];
    uint64_t found = 0;
    size_t runs = 0;
    for (double all = 0; runs < RUNS && all < 4; all += took[runs++]) {
        struct store_reader *reader;
        struct search_query query;
        struct arena_mark mark = arena_mark(a);
        parse(a, text, &query);
        if (store_read_begin(store, 0, &reader))
            fail("no reader");
        double begun = wall_seconds();
        uint64_t *docs;
        size_t count = 0;
        enum err err = limit ? store_search(reader, query.plan, 0, limit, a, &docs, &count)
                             : store_count(reader, query.plan, &found);
        took[runs] = wall_seconds() - begun;
        if (err)
            fail(err_name(err));
        found = limit ? count : found;
        store_read_end(reader);
        arena_rewind(a, mark);
    }
    qsort(took, runs, sizeof *took, by_value);
    double median = took[runs / 2];
    printf("%-44s %10llu %10.3f ms", name, (unsigned long long)found, median * 1e3);
    if (limit)
        printf("\n");
    else
        printf(" %9.0f M/s\n", (double)found / median / 1e6);
    fflush(stdout);
}

static void ask_all(struct arena *a)
{
    printf("%-44s %10s %13s\n", "", "found", "median");
    ask(a, "count: a code (5 %)", "code=http://loinc.org|code3", 0);
    ask(a, "count: a status (98 %)", "status=final", 0);
    ask(a, "count: two terms of 5 %", "code=http://loinc.org|code3&performer=Practitioner/d5", 0);
    ask(a, "count: either of two codes", "code=http://loinc.org|code3,http://loinc.org|code4", 0);
    ask(a, "count: a code without a status", "code=http://loinc.org|code3&status:not=amended", 0);
    ask(a, "count: a year (5 %)", "date=2018", 0);
    ask(a, "count: a year, from and to", "date=ge2018-01-01&date=lt2019-01-01", 0);
    ask(a, "count: two date ranges of 5 %", "date=2018&value-date=2023", 0);
    ask(a, "count: a code and a date range of 5 %", "code=http://loinc.org|code3&date=2018", 0);
    ask(a, "first 100: two terms of 5 %",
        "code=http://loinc.org|code3&performer=Practitioner/d5", 100);
    ask(a, "first 100: two date ranges of 5 %", "date=2018&value-date=2023", 100);
    ask(a, "first 100: a code and a date range", "code=http://loinc.org|code3&date=2018", 100);
    ask(a, "first 100: a code and a value",
        "code-value-quantity=http://loinc.org|code3$50.5", 100);
}

int main(int argc, char **argv)
{
    int threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 2;
    if (argc < 3 || threads < 1 || threads > THREADS_MAX)
        return 2;
    os_heap_settle();
    wanted = strtoull(argv[2], NULL, 10);
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/datastores/%s", argv[1], DATASTORE);
    struct arena arena;
    arena_init(&arena, (size_t)1 << 31);
    struct server_settings settings = { .data = argv[1] };
    opening = (struct opening){ .settings = &settings, .folder = folder };
    opening.datastore_id = slice_cstr(DATASTORE);
    struct slice error = SLICE_NONE;
    if (opening_store(&opening, &arena, &store, &error)) {
        fprintf(stderr, "%.*s\n", SLICE_ARGS(error));
        return 1;
    }
    struct search_query all;
    struct store_reader *reader;
    uint64_t there = 0;
    parse(&arena, "", &all);
    if (store_read_begin(store, 0, &reader) ||
        store_count(reader, all.plan, &there))
        fail("the store does not answer");
    store_read_end(reader);
    if (there < wanted)
        load_all(there, threads);
    ask_all(&arena);
    enum err err = store_close(store);
    opening_end(&opening);
    arena_release(&arena);
    return err != ERR_NONE;
}
