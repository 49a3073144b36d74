/* index_ingest.c - what the index costs a write, beside three others in one run.
 *
 *   index_ingest FOLDER RESOURCES [THREADS [NAMES]]
 *
 * Members of the generator, in batches of about 500 resources, are parsed and
 * their terms extracted by the code that the server uses; then, durable, by
 *   tarn     the store: truth and index, heads checked
 *   ceiling  compress, sort the terms, append all to a log a thread, fdatasync
 *   keys     RocksDB, one key a term
 *   merge    RocksDB, one key a distinct term, documents appended by a merge operator
 * NAMES, "tarn,ceiling", are those to run; without it all do.
 * The last three check no heads and keep no versions. Each prints a line
 *   NAME resources/s CPU-us-a-resource bytes-a-resource resident-MB
 * (the processor's time is all of the process but the generator's: merges that run
 * while it makes the next chunk count), after each million a line "at" with the rate
 * of that million, and tarn a line "reopen CLEAN-ms KILLED-ms" (KILLED: closed without the tail
 * written out, as a crash leaves it).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "clock.h"
#include "index/index.h"
#include "os/heap.h"
#include "rest/rest.h"
#include "sandbox/sandbox.h"
#include "store/store.h"

enum { BATCH = 500, CHUNK = 50000, THREADS_MAX = 8, MEMBERS_A_SEED = 40, MILLION = 1000000 };

static void fail(const char *what)
{
    fprintf(stderr, "index_ingest: %s\n", what);
    exit(1);
}

/* ---- the corpus: bundles in memory, a chunk at a time ---- */

struct corpus {
    struct arena arena;
    struct buf text;         /* of the batch being filled */
    struct slice batches[CHUNK / BATCH * 2 + 2];
    size_t batch_count, in_batch, resources;
};

static void batch_end(struct corpus *c)
{
    if (!c->in_batch)
        return;
    buf_append(&c->text, SLICE("]}"));
    char *copy = arena_copy(&c->arena, buf_slice(&c->text));
    if (!copy)
        fail("out of memory");
    c->batches[c->batch_count++] = slice_of(copy, c->text.length);
    c->in_batch = 0;
}

static enum err corpus_take(void *context, struct slice type, struct slice id, struct slice text)
{
    struct corpus *c = context;
    (void)type, (void)id;
    if (!c->in_batch) {
        buf_clear(&c->text);
        buf_append(&c->text, SLICE("{\"entry\":["));
    }
    buf_append(&c->text, c->in_batch ? SLICE(",{\"resource\":") : SLICE("{\"resource\":"));
    buf_append(&c->text, text);
    buf_append(&c->text, SLICE("}"));
    c->resources++;
    if (++c->in_batch == BATCH)
        batch_end(c);
    return ERR_NONE;
}

static void corpus_make(struct corpus *c, size_t wanted, uint64_t *seed)
{
    arena_release(&c->arena);
    c->batch_count = c->in_batch = c->resources = 0;
    while (c->resources < wanted && c->batch_count < CHUNK / BATCH) {
        struct sandbox_settings s = { .seed = (*seed)++, .members = MEMBERS_A_SEED,
                                      .consents = 1, .years = 3 };
        if (sandbox_generate(&s, 1, corpus_take, c))
            fail("the generator failed");
    }
    batch_end(c);
}

/* ---- the work that all share: parse and extract ---- */

struct item {
    const struct fhir_type *type;
    struct slice id, raw;
    struct extraction x;
};

static size_t batch_read(struct slice text, struct arena *a, struct item *items)
{
    struct json_doc *doc = arena_array(a, 1, sizeof *doc);
    struct json_error error;
    size_t n = 0;
    if (!doc || json_parse(text, NULL, a, doc, &error))
        fail("a made-up resource does not parse");
    struct json entries = json_member(json_root(doc), "entry");
    for (struct json e = json_first(entries); json_exists(e); e = json_next(entries, e)) {
        struct json resource = json_member(e, "resource");
        struct item *i = &items[n++];
        i->type = fhir_resource_find(json_string_raw(json_member(resource, "resourceType")));
        i->id = json_string_raw(json_member(resource, "id"));
        i->raw = json_raw(resource);
        i->x = (struct extraction){ 0 };
        if (!i->type || index_extract(resource, i->type, (struct index_basis){ 0 }, NULL, a, &i->x))
            fail("a made-up resource has no terms");
    }
    return n;
}

/* ---- the four that take it ---- */

struct sink {
    const char *name, *folder;
    struct store *store;
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *write;
    int log[THREADS_MAX];
    uint64_t logged[THREADS_MAX];
    uint64_t next_doc;
    bool merges;
};

struct worker {
    pthread_t thread;
    int number;
    struct sink *sink;
    const struct corpus *corpus;
    size_t *next;
    pthread_mutex_t *lock;
    ZSTD_CCtx *zstd;
    struct arena arena;
    struct buf out, key;
};

static void tarn_take(struct worker *w, struct item *items, size_t n)
{
    struct store_write *writes = arena_array(&w->arena, n, sizeof *writes);
    struct store_result *results = arena_array(&w->arena, n, sizeof *results);
    uint64_t time;
    size_t refused;
    for (size_t i = 0; i < n; i++) {
        struct extraction *x = &items[i].x;
        writes[i] = (struct store_write){ .operation = STORE_PUT, .skip_if_equal = true,
                                          .type = items[i].type->name, .id = items[i].id,
                                          .body = items[i].raw, .appendix = x->appendix,
                                          .home_type = x->home_type, .home_id = x->home_id,
                                          .terms = x->terms, .term_count = x->term_count };
    }
    enum err err;
    while ((err = store_apply(w->sink->store, writes, n, false, &w->arena, results, &time,
                              &refused)) == ERR_BUSY)
        usleep(1000);
    if (err)
        fail(err_name(err));
}

static int compare_terms(const void *a, const void *b)
{
    const struct term *x = a, *y = b;
    return x->field != y->field ? (x->field < y->field ? -1 : 1)
                                : slice_compare(x->value, y->value);
}

static size_t gather(struct worker *w, struct item *items, size_t n, struct term **ret)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        count += items[i].x.term_count;
    *ret = arena_array(&w->arena, count, sizeof **ret);
    for (size_t i = 0; i < n; i++) {
        memcpy(*ret + at, items[i].x.terms, items[i].x.term_count * sizeof **ret);
        at += items[i].x.term_count;
    }
    qsort(*ret, count, sizeof **ret, compare_terms);
    return count;
}

static struct slice packed(struct worker *w, struct slice raw)
{
    size_t room = ZSTD_compressBound(raw.length);
    char *to = arena_alloc(&w->arena, room);
    if (!to)
        fail("out of memory");
    return slice_of(to, ZSTD_compressCCtx(w->zstd, to, room, raw.bytes, raw.length, 1));
}

static void ceiling_take(struct worker *w, struct item *items, size_t n)
{
    struct term *terms;
    size_t count = gather(w, items, n, &terms);
    buf_clear(&w->out);
    for (size_t i = 0; i < n; i++)
        buf_append(&w->out, packed(w, items[i].raw));
    for (size_t i = 0; i < count; i++)
        if (!i || compare_terms(&terms[i - 1], &terms[i]))
            buf_append(&w->out, terms[i].value);
    uint64_t hash = XXH3_64bits(w->out.bytes, w->out.length);
    buf_append(&w->out, slice_of((const char *)&hash, sizeof hash));
    int fd = w->sink->log[w->number];
    if (write(fd, w->out.bytes, w->out.length) != (ssize_t)w->out.length || fdatasync(fd))
        fail("cannot write the log");
    w->sink->logged[w->number] += w->out.length;
}

static void put_number(struct buf *b, uint64_t n, int bytes)
{
    char be[8];
    for (int i = 0; i < bytes; i++)
        be[i] = (char)(n >> 8 * (bytes - 1 - i));
    buf_append(b, slice_of(be, (size_t)bytes));
}

static void term_key(struct worker *w, const struct term *t)
{
    buf_clear(&w->key);
    put_number(&w->key, t->field, 4);
    buf_append(&w->key, t->value);
}

static void rocks_take(struct worker *w, struct item *items, size_t n)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    uint64_t doc = __atomic_fetch_add(&w->sink->next_doc, n, __ATOMIC_RELAXED);
    char *error = NULL;
    for (size_t i = 0; i < n; i++, doc++) {
        struct slice frame = packed(w, items[i].raw);
        buf_clear(&w->key);
        buf_append(&w->key, SLICE("\xff\xff\xff\xff" "b"));
        put_number(&w->key, doc, 8);
        rocksdb_writebatch_put(batch, w->key.bytes, w->key.length, frame.bytes, frame.length);
        for (size_t j = 0; j < items[i].x.term_count; j++) {
            term_key(w, &items[i].x.terms[j]);
            char be[8];
            uint64_t swapped = __builtin_bswap64(doc);
            memcpy(be, &swapped, 8);
            if (w->sink->merges) {
                rocksdb_writebatch_merge(batch, w->key.bytes, w->key.length, be, 8);
            } else {
                put_number(&w->key, doc, 8);
                rocksdb_writebatch_put(batch, w->key.bytes, w->key.length, "", 0);
            }
        }
    }
    rocksdb_write(w->sink->db, w->sink->write, batch, &error);
    if (error)
        fail(error);
    rocksdb_writebatch_destroy(batch);
}

static void *work(void *context)
{
    struct worker *w = context;
    static struct item items_of[THREADS_MAX][BATCH];
    struct item *items = items_of[w->number];
    for (;;) {
        pthread_mutex_lock(w->lock);
        size_t at = (*w->next)++;
        pthread_mutex_unlock(w->lock);
        if (at >= w->corpus->batch_count)
            return NULL;
        size_t n = batch_read(w->corpus->batches[at], &w->arena, items);
        if (w->sink->store)
            tarn_take(w, items, n);
        else if (w->sink->db)
            rocks_take(w, items, n);
        else
            ceiling_take(w, items, n);
        arena_release(&w->arena);
    }
}

/* ---- the merge operator: documents one behind the other ---- */

static char *join(void *state, const char *key, size_t key_length, const char *old,
                  size_t old_length, const char *const *operands, const size_t *lengths, int count,
                  unsigned char *success, size_t *ret_length)
{
    (void)state, (void)key, (void)key_length;
    size_t length = old_length;
    for (int i = 0; i < count; i++)
        length += lengths[i];
    char *all = malloc(length + 1), *to = all;
    if (old)
        memcpy(to, old, old_length), to += old_length;
    for (int i = 0; i < count; i++)
        memcpy(to, operands[i], lengths[i]), to += lengths[i];
    *success = 1;
    *ret_length = length;
    return all;
}

static char *join_full(void *state, const char *key, size_t key_length, const char *old,
                       size_t old_length, const char *const *operands, const size_t *lengths,
                       int count, unsigned char *success, size_t *ret_length)
{
    return join(state, key, key_length, old, old ? old_length : 0, operands, lengths, count,
                success, ret_length);
}

static char *join_part(void *state, const char *key, size_t key_length,
                       const char *const *operands, const size_t *lengths, int count,
                       unsigned char *success, size_t *ret_length)
{
    return join(state, key, key_length, NULL, 0, operands, lengths, count, success, ret_length);
}

static void drop(void *state, const char *value, size_t length)
{
    (void)state, (void)length;
    free((char *)(uintptr_t)value);
}
static void nothing(void *state)
{
    (void)state;
}
static const char *join_name(void *state)
{
    (void)state;
    return "append";
}

/* ---- opening, measuring ---- */

static struct rest_extract extract_settings;

static void tarn_open(struct sink *s, struct arena *a)
{
    struct slice error = SLICE_NONE;
    struct store_settings settings = {
        .folder = s->folder, .extract = rest_extract, .extract_context = &extract_settings,
    };
    if (store_open(&settings, a, &s->store, &error)) {
        fprintf(stderr, "%.*s\n", SLICE_ARGS(error));
        exit(1);
    }
}

static void sink_open(struct sink *s, struct arena *a)
{
    char *error = NULL;
    mkdir(s->folder, 0700);
    if (!strcmp(s->name, "tarn")) {
        tarn_open(s, a);
    } else if (!strcmp(s->name, "ceiling")) {
        for (int i = 0; i < THREADS_MAX; i++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/log-%d", s->folder, i);
            s->log[i] = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
            if (s->log[i] < 0)
                fail("cannot make a log");
        }
    } else {
        s->merges = !strcmp(s->name, "merge");
        s->options = rocksdb_options_create();
        rocksdb_options_set_create_if_missing(s->options, 1);
        rocksdb_options_set_write_buffer_size(s->options, 64 << 20);
        rocksdb_options_set_compression(s->options, rocksdb_lz4_compression);
        rocksdb_options_increase_parallelism(s->options, 2);
        if (s->merges)
            rocksdb_options_set_merge_operator(
                s->options, rocksdb_mergeoperator_create(NULL, nothing, join_full, join_part, drop,
                                                         join_name));
        s->db = rocksdb_open(s->options, s->folder, &error);
        if (error)
            fail(error);
        s->write = rocksdb_writeoptions_create();
        rocksdb_writeoptions_set_sync(s->write, 1);
    }
}

static uint64_t folder_bytes_seen;
static int add_bytes(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)path, (void)at;
    folder_bytes_seen += kind == FTW_F ? (uint64_t)st->st_blocks * 512 : 0;
    return 0;
}

static double resident_mb(void)
{
    char line[256];
    double mb = 0;
    FILE *in = fopen("/proc/self/status", "r");
    while (in && fgets(line, sizeof line, in))
        if (!strncmp(line, "RssAnon:", 8))
            mb = (double)strtoul(line + 8, NULL, 10) / 1024;
    if (in)
        fclose(in);
    return mb;
}

static void reopen(struct sink *s, struct arena *a, double *ret_ms)
{
    double begun = wall_seconds();
    tarn_open(s, a);
    *ret_ms = (wall_seconds() - begun) * 1e3;
}

/* Where the last million ended. */
struct progress {
    size_t taken;
    double wall, cpu;
};

static void million_ends(const char *name, struct progress now, struct progress *since)
{
    double taken = (double)(now.taken - since->taken);
    printf("at %9zu %-8s %9.0f %8.2f\n", now.taken, name, taken / (now.wall - since->wall),
           (now.cpu - since->cpu) / taken * 1e6);
    fflush(stdout);
    *since = now;
}

/* Everything of one sink, in a process of its own: so that none inherits another's
 * heap, threads or caches, and a crash can be had by _exit(). */
static void measure(struct sink *s, size_t wanted, int threads, bool is_killed)
{
    static struct corpus corpus;
    struct worker workers[THREADS_MAX] = { 0 };
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct arena arena;
    uint64_t seed = 1;
    size_t taken = 0;
    double wall = 0, generator = 0, resident = 0;
    struct progress since = { 0 };
    arena_init(&arena, (size_t)1 << 30);
    arena_init(&corpus.arena, (size_t)1 << 32);
    buf_init(&corpus.text, 1 << 28);
    for (int i = 0; i < threads; i++) {
        struct worker *w = &workers[i];
        *w = (struct worker){ .number = i, .sink = s, .corpus = &corpus, .lock = &lock };
        w->zstd = ZSTD_createCCtx();
        arena_init(&w->arena, (size_t)1 << 30);
        buf_init(&w->out, 1 << 28);
        buf_init(&w->key, 1 << 20);
    }
    sink_open(s, &arena);
    double used = cpu_seconds();
    while (taken < wanted) {
        size_t next = 0;
        size_t part = wanted - taken < CHUNK ? wanted - taken : CHUNK;
        double made = thread_cpu_seconds();
        corpus_make(&corpus, part, &seed);
        generator += thread_cpu_seconds() - made;
        double base = resident_mb();
        double begun = wall_seconds();
        for (int i = 0; i < threads; i++) {
            workers[i].next = &next;
            pthread_create(&workers[i].thread, NULL, work, &workers[i]);
        }
        for (int i = 0; i < threads; i++)
            pthread_join(workers[i].thread, NULL);
        wall += wall_seconds() - begun;
        taken += corpus.resources;
        if (taken / MILLION != (taken - corpus.resources) / MILLION)
            million_ends(s->name,
                         (struct progress){ taken, wall, cpu_seconds() - used - generator },
                         &since);
        if (resident_mb() - base > resident)
            resident = resident_mb() - base;
    }
    if (is_killed) /* the tail stays unwritten, as kill -9 leaves it */
        _exit(0);
    if (s->store && store_close(s->store))
        fail("closing failed");
    if (s->db)
        rocksdb_close(s->db);
    double cpu = cpu_seconds() - used - generator;
    nftw(s->folder, add_bytes, 16, FTW_PHYS);
    printf("%-8s %9.0f %8.2f %8.0f %8.0f\n", s->name, (double)taken / wall,
           cpu / (double)taken * 1e6, (double)folder_bytes_seen / (double)taken, resident);
    fflush(stdout);
    if (s->store) {
        double clean;
        reopen(s, &arena, &clean);
        printf("reopen   %9.1f", clean);
        fflush(stdout);
    }
    _exit(0);
}

/* A killed store opened again, in a third process: RocksDB's threads do not survive a
 * fork, so the parent never opens one. */
static void reopen_killed(struct sink *s)
{
    struct arena arena;
    double ms;
    arena_init(&arena, (size_t)1 << 30);
    reopen(s, &arena, &ms);
    printf(" %8.1f\n", ms);
    fflush(stdout);
    _exit(store_close(s->store) != ERR_NONE);
}

static void await(pid_t child)
{
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || status)
        fail("a part failed");
}

static void apart(const char *name, const char *root, size_t wanted, int threads, bool is_killed)
{
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/%s%s", root, name, is_killed ? "-killed" : "");
    struct sink s = { .name = name, .folder = folder };
    pid_t child = fork();
    if (child == 0)
        measure(&s, wanted, threads, is_killed);
    await(child);
    if (!is_killed)
        return;
    child = fork();
    if (child == 0)
        reopen_killed(&s);
    await(child);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    os_heap_settle();
    size_t wanted = strtoull(argv[2], NULL, 10);
    int threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 2;
    if (!wanted || threads < 1 || threads > THREADS_MAX)
        return 2;
    const char *names = argc > 4 ? argv[4] : "tarn,killed,ceiling,merge,keys";
    if (strstr(names, "tarn"))
        apart("tarn", argv[1], wanted, threads, false);
    if (strstr(names, "killed"))
        apart("tarn", argv[1], wanted < 100000 ? wanted : 100000, threads, true);
    if (strstr(names, "ceiling"))
        apart("ceiling", argv[1], wanted, threads, false);
    if (strstr(names, "merge"))
        apart("merge", argv[1], wanted, threads, false);
    if (strstr(names, "keys"))
        apart("keys", argv[1], wanted, threads, false);
    return 0;
}
