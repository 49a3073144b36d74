/* store_writer.c - what the crash tests run and kill.
 *
 *   store_writer write FOLDER FIRST LAST   apply commits FIRST..LAST, two threads
 *   store_writer verify FOLDER FILE        check every promise named in FILE
 *
 * Commit k puts ENTRIES resources "k-0", "k-1", ... all or nothing, and with them
 * a new version of the one resource "counter". After store_apply() returns, the
 * line "ack k" goes to standard output: from then on it may never be lost. A
 * Now and then a commit of before is erased: "will k", then "gone k", from when on
 * nothing of it may be found; and the horizon is raised to the present. A
 * second thread keeps asking for the counter's version by a PUT that must
 * conflict: its answer, "saw v", rests on a commit and is a promise as well.
 *
 * verify opens the store, then for every promise of FILE: an acknowledged commit
 * is whole (bodies, and its search finds exactly its resources); one that was
 * not is whole or absent; the counter has at least the version seen. Ends with
 * store_check(). Exit 0 when all holds; 3 when the store refused to write.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/thread.h"
#include "store/embedded/engine.h"
#include "store/store.h"

enum { ENTRIES = 20, FIELD_COMMIT = 7, FIELD_ALL = 8, ARENA_BYTES = 64 << 20, BODY_PAD = 400,
       CHECKPOINT_EVERY = 7 }; /* so that segments, manifests and merges are among what fails */

/* What was said of a commit. */
enum { ACKED = 1, WILL = 2, GONE = 4 };

static struct store *store;
static _Atomic bool stops;

static void say(const char *what, unsigned long number)
{
    char line[64];
    int length = snprintf(line, sizeof line, "%s %lu\n", what, number);
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        abort();
}

/* A body is "K:padding"; its terms are (FIELD_COMMIT, K) and (FIELD_ALL, ""). */
static enum err extract(void *context, struct slice type, struct slice id, struct slice body,
                        struct arena *arena, struct term **ret_terms, size_t *ret_count)
{
    (void)context;
    (void)type;
    (void)id;
    ptrdiff_t colon = slice_find_byte(body, ':');
    struct term *terms = arena_array(arena, 2, sizeof *terms);
    char *value = arena_copy(arena, slice_head(body, (size_t)colon));
    if (!terms || !value)
        return ERR_NO_MEMORY;
    terms[0] = (struct term){ FIELD_COMMIT, slice_cstr(value) };
    terms[1] = (struct term){ FIELD_ALL, SLICE("x") };
    *ret_terms = terms;
    *ret_count = 2;
    return ERR_NONE;
}

static void fill(struct arena *a, struct store_write *w, struct slice id, unsigned long k)
{
    *w = (struct store_write){ .operation = STORE_PUT, .type = SLICE("Thing"), .id = id };
    char pad[BODY_PAD];
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] = (char)('a' + (k * 31 + i * 7) % 26);
    w->body = arena_printf(a, "%lu:%.*s", k, (int)sizeof pad, pad);
    if (!w->body.bytes || !id.bytes)
        abort(); /* the driver's own memory: as a kill */
    w->home_type = SLICE("Home");
    w->home_id = SLICE("h");
    if (extract(NULL, w->type, id, w->body, a, &w->terms, &w->term_count))
        abort();
}

static enum err apply_commit(unsigned long k)
{
    struct arena a;
    struct store_write writes[ENTRIES + 1];
    struct store_result results[ENTRIES + 1];
    uint64_t time;
    size_t refused;
    arena_init(&a, ARENA_BYTES);
    for (unsigned i = 0; i < ENTRIES; i++)
        fill(&a, &writes[i], arena_printf(&a, "%lu-%u", k, i), k);
    fill(&a, &writes[ENTRIES], SLICE("counter"), k);
    enum err err = store_apply(store, writes, ENTRIES + 1, true, &a, results, &time, &refused);
    arena_release(&a);
    return err;
}

/* Ask what version the counter has, by a write that cannot succeed. */
static void *watch(void *unused)
{
    (void)unused;
    while (!atomic_load(&stops)) {
        struct arena a;
        struct store_write write;
        struct store_result result;
        uint64_t time;
        size_t refused;
        arena_init(&a, ARENA_BYTES);
        fill(&a, &write, SLICE("counter"), 0);
        write.expect = STORE_VERSION;
        write.expect_version = 1000000000;
        if (store_apply(store, &write, 1, false, &a, &result, &time, &refused) == ERR_NONE &&
            result.outcome == STORE_REFUSED && result.version)
            say("saw", (unsigned long)result.version);
        arena_release(&a);
        usleep(300);
    }
    return NULL;
}

static enum err erase_commit(unsigned long k)
{
    struct arena a;
    struct store_target targets[ENTRIES];
    struct store_erasure erasure;
    arena_init(&a, ARENA_BYTES);
    say("will", k);
    for (unsigned i = 0; i < ENTRIES; i++) {
        targets[i] = (struct store_target){ .type = SLICE("Thing") };
        targets[i].id = arena_printf(&a, "%lu-%u", k, i);
        if (!targets[i].id.bytes)
            abort();
    }
    enum err err = store_erase(store, targets, ENTRIES, &a, &erasure);
    if (!err)
        say("gone", k);
    arena_release(&a);
    return err;
}

/* What the counter was before goes. */
static enum err raise_horizon(void)
{
    struct store_reader *reader;
    TRY(store_read_begin(store, 0, &reader));
    uint64_t time = store_reader_time(reader);
    store_read_end(reader);
    TRY(store_horizon_raise(store, time, 1));
    return store_purge(store);
}

static int run_writer(unsigned long first, unsigned long last)
{
    pthread_t watcher;
    enum err err = ERR_NONE;
    CHECK(thread_start(&watcher, watch, NULL) == ERR_NONE);
    for (unsigned long k = first; k <= last && !err; k++) {
        err = apply_commit(k);
        if (!err)
            say("ack", k);
        if (!err && k % CHECKPOINT_EVERY == 0)
            err = postings_checkpoint(&store->postings);
        if (!err && k % 10 == 9)
            err = erase_commit(k - 5);
        if (!err && k % 25 == 24)
            err = raise_horizon();
        if (!err && k % (CHECKPOINT_EVERY * 3) == 0)
            err = postings_merge_window(&store->postings, k % 2, (uint32_t)k % 3, 2);
    }
    atomic_store(&stops, true);
    thread_join(watcher);
    if (err)
        fprintf(stderr, "writer: %s\n", err_name(err));
    return err ? 3 : 0;
}

static unsigned count_present(struct store_reader *reader, unsigned long k)
{
    unsigned present = 0;
    for (unsigned i = 0; i < ENTRIES; i++) {
        struct arena a;
        bool found;
        struct store_version v;
        arena_init(&a, ARENA_BYTES);
        struct slice id = arena_printf(&a, "%lu-%u", k, i);
        enum err err = store_head(reader, SLICE("Thing"), id, &a, &found, &v);
        struct store_write expected;
        fill(&a, &expected, id, k);
        if (err || (found && !slice_equal(v.body, expected.body))) {
            printf("commit %lu: entry %u reads %s or another body\n", k, i, err_name(err));
            exit(1);
        }
        present += found;
        arena_release(&a);
    }
    return present;
}

static uint64_t count_found(struct store_reader *reader, unsigned long k)
{
    char value[32];
    snprintf(value, sizeof value, "%lu", k);
    struct plan plan = { .kind = PLAN_TERM, .field = FIELD_COMMIT, .from = slice_cstr(value) };
    uint64_t count = 0;
    if (store_count(reader, &plan, &count)) {
        printf("commit %lu: the search failed\n", k);
        exit(1);
    }
    return count;
}

static void report(void *context, const char *what, struct slice type, struct slice id)
{
    ++*(unsigned *)context;
    printf("check: %s: %.*s/%.*s\n", what, SLICE_ARGS(type), SLICE_ARGS(id));
}

/* The counter shares the FIELD_COMMIT term of the last commit. */
static int verify_commits(struct store_reader *reader, const uint8_t *acked, unsigned long last,
                          unsigned long counter_at)
{
    for (unsigned long k = 1; k <= last + 2; k++) {
        unsigned present = count_present(reader, k);
        uint64_t found = count_found(reader, k) - (k == counter_at ? 1 : 0);
        uint8_t said = k <= last ? acked[k] : 0;
        if (present != found || (present && present != ENTRIES) || (present && said & GONE) ||
            (!present && said & ACKED && !(said & WILL))) {
            printf("commit %lu%s: %u of %u present, %lu found\n", k,
                   said & GONE    ? " (erased)"
                   : said & ACKED ? " (acknowledged)"
                                  : "",
                   present, (unsigned)ENTRIES,
                   (unsigned long)found);
            return 1;
        }
    }
    return 0;
}

static int run_verify(const char *promises)
{
    unsigned long last = 0, saw = 0, k;
    char what[16];
    static uint8_t acked[1000000];
    FILE *in = fopen(promises, "r");
    while (in && fscanf(in, "%15s %lu", what, &k) == 2) {
        if (what[0] == 'w' || what[0] == 'g') {
            acked[k] |= what[0] == 'w' ? WILL : GONE;
        } else if (what[0] == 'a') {
            acked[k] |= ACKED;
            last = MAX(last, k);
        } else {
            saw = MAX(saw, k);
        }
    }
    struct store_reader *reader;
    struct arena a;
    bool found;
    struct store_version counter;
    arena_init(&a, ARENA_BYTES);
    if (store_read_begin(store, 0, &reader) ||
        store_head(reader, SLICE("Thing"), SLICE("counter"), &a, &found, &counter))
        return 1;
    unsigned long at = found ? strtoul(counter.body.bytes, NULL, 10) : 0;
    if (saw && (!found || counter.version < saw)) {
        printf("the counter is at version %lu, an answer said %lu\n",
               found ? (unsigned long)counter.version : 0, saw);
        return 1;
    }
    int status = verify_commits(reader, acked, last, at);
    store_read_end(reader);
    arena_release(&a);
    unsigned disagreements = 0;
    uint64_t checked;
    if (store_check(store, report, &disagreements, &checked) || disagreements)
        return 1;
    printf("verified: last %lu, counter %lu at commit %lu, seen %lu\n", last,
           found ? (unsigned long)counter.version : 0, at, saw);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    struct arena a;
    struct slice error = SLICE_NONE;
    arena_init(&a, 1 << 20);
    struct store_settings settings = { .folder = argv[2], .extract = extract, .rules_hash = 1 };
    enum err err = store_open(&settings, &a, &store, &error);
    if (err) {
        printf("open: %s: %.*s\n", err_name(err), SLICE_ARGS(error));
        return argv[1][0] == 'w' ? 3 : 1;
    }
    int status;
    if (argv[1][0] == 'w')
        status = run_writer(strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
    else
        status = run_verify(argv[3]);
    if (status == 1) {
        fflush(stdout);
        _exit(1); /* with readers open: closing would only hide the complaint */
    }
    if (store_close(store) && !status)
        status = 3;
    arena_release(&a);
    return status;
}
