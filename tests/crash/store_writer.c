/* store_writer.c - what the crash tests run and kill.
 *
 *   store_writer write FOLDER FIRST LAST   apply commits FIRST..LAST, two threads
 *   store_writer rewrite FOLDER FIRST LAST the same, while the index is written again
 *   store_writer verify FOLDER FILE        check every promise named in FILE
 *   store_writer recover FOLDER FILE       the same of a store whose calls may fail
 *
 * Commit k puts ENTRIES resources "k-0", "k-1", ... all or nothing, and with them
 * a new version of the one resource "counter". After store_apply() returns, the
 * line "ack k" goes to standard output: from then on it may never be lost. A
 * Now and then a commit of before is erased: "will k", then "gone k", from when on
 * nothing of it may be found; and the horizon is raised to the present. A
 * second thread keeps asking for the counter's version by a PUT that must
 * conflict: its answer, "saw v", rests on a commit and is a promise as well.
 *
 * rewrite changes, now and then, the rule of the field FIELD_RULE, whose values name the
 * rule's number, so that it is derived again from the bodies; derives fields again without
 * that, or the whole index; and spoils segments: a byte of a file is changed, or a file cut
 * off under its mapping. Every commit is searched for, by both fields: what is found is
 * right, or refused with ERR_NOT_READY or ERR_BUSY.
 *
 * verify opens the store, then for every promise of FILE: an acknowledged commit
 * is whole (bodies, and its search finds exactly its resources); one that was
 * not is whole or absent; the counter has at least the version seen. Ends with
 * store_check(). Exit 0 when all holds, 1 when not; 3 when the store refused to write, or,
 * of recover, anything: it says nothing that is wrong.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/codec.h"
#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/engine.h"
#include "store/store.h"

enum { ENTRIES = 20, FIELD_COMMIT = 7, FIELD_ALL = 8, FIELD_RULE = 9, ARENA_BYTES = 64 << 20,
       BODY_PAD = 400, WHOLE_MS = 20000,
       CHECKPOINT_EVERY = 7 }; /* so that segments, manifests and merges are among what fails */

/* What was said of a commit. */
enum { ACKED = 1, WILL = 2, GONE = 4 };

static struct store *store;
static _Atomic bool stops;
static _Atomic uint64_t rule_number; /* of FIELD_RULE; kept in the store itself */
static bool is_tolerant; /* of refusals: calls may fail */

static void say(const char *what, unsigned long number)
{
    char line[64];
    int length = snprintf(line, sizeof line, "%s %lu\n", what, number);
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        abort();
}

/* A body is "K:padding"; its terms are (FIELD_COMMIT, K), (FIELD_ALL, "x") and (FIELD_RULE,
 * "vN-K"), N being the rule's number. */
static enum err extract(void *context, struct slice type, struct slice id, struct slice body,
                        struct arena *arena, struct term **ret_terms, size_t *ret_count)
{
    (void)context;
    (void)type;
    (void)id;
    ptrdiff_t colon = slice_find_byte(body, ':');
    struct term *terms = arena_array(arena, 3, sizeof *terms);
    char *value = arena_copy(arena, slice_head(body, (size_t)colon));
    if (!terms || !value)
        return ERR_NO_MEMORY;
    terms[2].field = FIELD_RULE;
    terms[2].value = arena_printf(arena, "v%lu-%s", (unsigned long)atomic_load(&rule_number),
                                  value);
    if (!terms[2].value.bytes)
        return ERR_NO_MEMORY;
    terms[0] = (struct term){ FIELD_COMMIT, slice_cstr(value) };
    terms[1] = (struct term){ FIELD_ALL, SLICE("x") };
    *ret_terms = terms;
    *ret_count = 3;
    return ERR_NONE;
}

/* ---- the rule ---- */

static const struct slice RULE_KEY = { "rule", 4 };

static void rule_render(uint8_t bytes[8], uint64_t number)
{
    put_be64(bytes, number);
}

static enum err rule_set(uint64_t number, struct store *to, struct store_rules *rules)
{
    static struct store_rule rule = { .field = FIELD_RULE };
    rule.hash = 1000 + number;
    *rules = (struct store_rules){ .list = &rule, .count = 1, .number = number };
    atomic_store(&rule_number, number);
    return to ? store_rules_set(to, rules) : ERR_NONE;
}

/* At opening: the rule is the one that was set last. */
static enum err opened(void *context, struct store *of, struct store_rules *rules)
{
    struct arena a;
    bool found = false;
    struct slice value = SLICE_NONE;
    (void)context;
    arena_init(&a, 1 << 16);
    enum err err = store_meta_get(of, RULE_KEY, &a, &found, &value);
    uint64_t number = !err && found && value.length == 8
                          ? get_be64((const uint8_t *)value.bytes)
                          : 1;
    arena_release(&a);
    return err ? err : rule_set(number, NULL, rules);
}

static enum err rule_change(void)
{
    uint8_t before[8], after[8];
    uint64_t number = atomic_load(&rule_number);
    struct store_rules rules;
    rule_render(before, number);
    rule_render(after, number + 1);
    TRY(store_meta_set(store, RULE_KEY,
                       number == 1 ? SLICE_NONE : slice_of((char *)before, sizeof before),
                       slice_of((char *)after, sizeof after)));
    return rule_set(number + 1, store, &rules);
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
    w->rules = atomic_load(&rule_number);
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

/* ---- the index, written again ---- */

static bool is_refusal(enum err err)
{
    return err == ERR_NOT_READY || err == ERR_BUSY;
}

/* The disk spoils it: behind the back of whoever counts, fails or notes our calls. */
static void spoil(unsigned long k)
{
    struct postings_view *view = postings_view_take(&store->postings);
    const struct segment_set *set = view->segments;
    uint32_t count = segment_set_seen(set);
    const struct segment *s = count ? set->list[k / 3 % count] : NULL;
    if (s && !s->is_ghost) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, s->path, O_RDWR | O_CLOEXEC, 0);
        off_t at = (off_t)(s->size / 7 * (k % 7));
        char byte = 0;
        if (k / 6 % 2 && fd >= 0) {
            (void)!syscall(SYS_ftruncate, fd, at / 4096 * 4096);
        } else if (fd >= 0 && pread(fd, &byte, 1, at) == 1) {
            byte ^= 16;
            (void)!syscall(SYS_pwrite64, fd, &byte, 1L, at);
        }
        if (fd >= 0)
            syscall(SYS_close, fd);
    }
    postings_view_give(view);
}

static enum err count_of(struct store_reader *reader, uint32_t field, const char *value,
                         uint64_t *ret)
{
    struct plan plan = { .kind = PLAN_TERM, .field = field, .from = slice_cstr(value) };
    *ret = 0;
    return store_count(reader, &plan, ret);
}

/* What was just committed is found, by both fields, or refused. */
static enum err look_for(unsigned long k)
{
    struct store_reader *reader;
    char value[32], rule[64];
    uint64_t count = 0, by_rule = 0;
    snprintf(value, sizeof value, "%lu", k);
    snprintf(rule, sizeof rule, "v%lu-%lu", (unsigned long)atomic_load(&rule_number), k);
    TRY(store_read_begin(store, 0, &reader));
    enum err err = count_of(reader, FIELD_COMMIT, value, &count);
    enum err rule_err = count_of(reader, FIELD_RULE, rule, &by_rule);
    store_read_end(reader);
    if ((!err && count != ENTRIES + 1) || (!rule_err && by_rule != ENTRIES + 1)) {
        fprintf(stderr, "writer: commit %lu: found %lu and %lu\n", k, (unsigned long)count,
                (unsigned long)by_rule);
        _exit(1);
    }
    err = is_refusal(err) ? ERR_NONE : err;
    return err ? err : is_refusal(rule_err) ? ERR_NONE : rule_err;
}

static enum err write_again(unsigned long k)
{
    static const uint32_t field = FIELD_RULE;
    enum err err = ERR_NONE;
    if (k % 6 == 1)
        err = rule_change();
    else if (k % 6 == 3)
        err = store_rebuild(store, &field, 1);
    else if (k % 6 == 4)
        spoil(k);
    else if (k % 30 == 5)
        err = store_rebuild(store, NULL, 0);
    if (is_refusal(err))
        err = ERR_NONE;
    return err ? err : look_for(k);
}

/* What failed beside the commits (a checkpoint, a merge, a purge) and has not latched the
 * store is tried again by it. */
static bool goes_on(void)
{
    struct store_figures f;
    store_figures(store, &f);
    return !f.is_read_only;
}

static int run_writer(unsigned long first, unsigned long last, bool rewrites)
{
    pthread_t watcher;
    enum err err = ERR_NONE;
    CHECK(thread_start(&watcher, watch, NULL) == ERR_NONE);
    for (unsigned long k = first; k <= last && !err; k++) {
        if ((err = apply_commit(k)))
            break;
        say("ack", k);
        if (rewrites)
            err = write_again(k);
        if (!err && k % CHECKPOINT_EVERY == 0)
            err = postings_checkpoint(&store->postings);
        if (!err && k % 10 == 9)
            err = erase_commit(k - 5);
        if (!err && k % 25 == 24)
            err = raise_horizon();
        if (!err && k % (CHECKPOINT_EVERY * 3) == 0)
            err = postings_merge_window(&store->postings, k % 2, (uint32_t)k % 3, 2);
        if (err && (goes_on() || is_refusal(err)))
            err = ERR_NONE;
    }
    atomic_store(&stops, true);
    thread_join(watcher);
    if (err)
        fprintf(stderr, "writer: %s\n", err_name(err));
    return err ? 3 : 0;
}

/* Something was refused: wrong of a store whose calls do not fail. */
_Noreturn static void refused(const char *what, enum err err)
{
    printf("%s: %s\n", what, err_name(err));
    fflush(stdout);
    _exit(is_tolerant ? 3 : 1);
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
        if (err)
            refused("a read by id", err);
        if (found && !slice_equal(v.body, expected.body)) {
            printf("commit %lu: entry %u reads another body\n", k, i);
            exit(1);
        }
        present += found;
        arena_release(&a);
    }
    return present;
}

static uint64_t count_found(struct store_reader *reader, unsigned long k)
{
    char value[32], rule[64];
    uint64_t count = 0, by_rule = 0;
    snprintf(value, sizeof value, "%lu", k);
    snprintf(rule, sizeof rule, "v%lu-%lu", (unsigned long)atomic_load(&rule_number), k);
    enum err err = count_of(reader, FIELD_COMMIT, value, &count);
    if (!err)
        err = count_of(reader, FIELD_RULE, rule, &by_rule);
    if (err)
        refused("a search", err);
    if (by_rule != count) {
        printf("commit %lu: %lu found, %lu by the rule's field\n", k, (unsigned long)count,
               (unsigned long)by_rule);
        exit(1);
    }
    return count;
}

static void say_nothing(void *context, const char *what, struct slice type, struct slice id)
{
    (void)context;
    (void)what;
    (void)type;
    (void)id;
}

/* Reading everything finds what is spoilt; then wait until all is written again. */
static void await_whole(void)
{
    uint64_t checked;
    enum err err = store_check(store, say_nothing, NULL, &checked);
    for (int ms = 0; !err && ms < WHOLE_MS; ms += 2) {
        struct store_index_figures f;
        struct store_figures s;
        store_index_figures(store, &f);
        store_figures(store, &s);
        if (s.index_is_ready && !f.damaged_segments && !f.fields_not_ready)
            return;
        if (s.is_read_only)
            break;
        os_sleep_us(2000);
    }
    refused("the index does not become whole", err);
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
    await_whole();
    enum err err = store_read_begin(store, 0, &reader);
    if (!err)
        err = store_head(reader, SLICE("Thing"), SLICE("counter"), &a, &found, &counter);
    if (err)
        refused("the counter", err);
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
    err = store_check(store, report, &disagreements, &checked);
    if (err)
        refused("the check", err);
    if (disagreements)
        return 1;
    printf("verified: last %lu, counter %lu at commit %lu, seen %lu\n", last,
           found ? (unsigned long)counter.version : 0, at, saw);
    return status;
}

static void hear(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "%s\n", text);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    struct arena a;
    struct slice error = SLICE_NONE;
    arena_init(&a, 1 << 20);
    struct store_settings settings = {
        .folder = argv[2], .extract = extract, .opened = opened, .rules_hash = 1, .notice = hear
    };
    bool writes = strchr(argv[1], 'w') != NULL;
    is_tolerant = strcmp(argv[1], "recover") == 0;
    enum err err = store_open(&settings, &a, &store, &error);
    if (err) {
        printf("open: %s: %.*s\n", err_name(err), SLICE_ARGS(error));
        return writes || is_tolerant ? 3 : 1;
    }
    int status;
    if (writes && argc > 4)
        status = run_writer(strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
                            argv[1][0] == 'r');
    else
        status = run_verify(argv[3]);
    if (status == 1) {
        fflush(stdout);
        _exit(1); /* with readers open: closing would only hide the complaint */
    }
    if (store_close(store) && !status) {
        fprintf(stderr, "writer: not closed clean\n");
        status = 3;
    }
    arena_release(&a);
    return status;
}
