/* Pages that the disk does not give: those past the end of a file that became shorter
 * under its mapping raise the same signal as a read error does. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "os/fault.h"
#include "os/file.h"
#include "os/mapping.h"
#include "os/thread.h"

struct file {
    char path[64];
    size_t pages, page;
};

static void file_make(struct file *f, size_t pages)
{
    snprintf(f->path, sizeof f->path, "/tmp/tarn-fault-XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    f->page = (size_t)sysconf(_SC_PAGESIZE);
    f->pages = pages;
    char *bytes = malloc(f->page);
    memset(bytes, 'x', f->page);
    for (size_t i = 0; i < pages; i++)
        assert_int_equal(write(fd, bytes, f->page), f->page);
    free(bytes);
    close(fd);
}

static void file_cut(const struct file *f, size_t pages)
{
    assert_int_equal(truncate(f->path, (off_t)(pages * f->page)), 0);
}

/* A read that nothing can leave out. */
static char look(const struct os_mapping *m, size_t at)
{
    return *(const volatile char *)(m->bytes.bytes + at);
}

static void a_page_that_cannot_be_read_gives_zeros_and_a_mark(void **state)
{
    (void)state;
    struct file f, other;
    struct os_mapping m, beside;
    file_make(&f, 4);
    file_make(&other, 1);
    assert_int_equal(os_file_map_watched(f.path, SIZE_MAX, &m), ERR_NONE);
    assert_int_equal(os_file_map_watched(other.path, SIZE_MAX, &beside), ERR_NONE);
    uint64_t since = os_faults();
    assert_int_equal(look(&m, 3 * f.page), 'x');
    file_cut(&f, 2);
    assert_int_equal(look(&m, f.page), 'x');
    assert_true(os_faults_are_none(since));
    errno = 7;
    assert_int_equal(look(&m, 3 * f.page + 17), 0);
    assert_int_equal(errno, 7);
    assert_false(os_faults_are_none(since));
    assert_true(os_watch_failed(m.watch, since));
    assert_true(os_watch_failed(m.watch, 0));
    assert_false(os_watch_failed(beside.watch, since));
    uint64_t later = os_faults();
    assert_int_equal(look(&m, 3 * f.page), 0); /* no fault any more */
    assert_int_equal(look(&m, f.page), 'x');
    assert_true(os_faults_are_none(later));
    assert_false(os_watch_failed(m.watch, later));
    assert_int_equal(look(&m, 2 * f.page), 0);
    assert_true(os_watch_failed(m.watch, later));
    os_file_unmap(&m);
    os_file_unmap(&beside);
    unlink(f.path);
    assert_int_equal(os_file_map_watched(other.path, SIZE_MAX, &m), ERR_NONE);
    assert_false(os_watch_failed(m.watch, 0)); /* whose place it takes has no say */
    os_file_unmap(&m);
    unlink(other.path);
}

static size_t maps_of(const struct os_mapping *m)
{
    char line[512];
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    uintptr_t from = (uintptr_t)m->bytes.bytes, end = from + m->bytes.length;
    while (maps && fgets(line, sizeof line, maps)) {
        uintptr_t at = (uintptr_t)strtoull(line, NULL, 16);
        count += at >= from && at < end;
    }
    if (maps)
        fclose(maps);
    return count;
}

/* A process may have 65,530 mappings, and each page apart is one. */
static void a_mapping_of_which_many_pages_fail_is_given_up_whole(void **state)
{
    (void)state;
    struct file f;
    struct os_mapping m;
    file_make(&f, 600);
    assert_int_equal(os_file_map_watched(f.path, SIZE_MAX, &m), ERR_NONE);
    file_cut(&f, 1);
    for (size_t i = 1; i < f.pages; i += 2)
        assert_int_equal(look(&m, i * f.page), 0);
    assert_int_equal(look(&m, 0), 0);
    assert_in_range(maps_of(&m), 1, 2);
    os_file_unmap(&m);
    unlink(f.path);
}

/* ---- what is none of ours ---- */

static void read_plain(const struct file *f)
{
    struct os_mapping plain;
    if (os_file_map(f->path, SIZE_MAX, &plain) != ERR_NONE)
        _exit(3);
    file_cut(f, 0);
    (void)look(&plain, 0);
}

static void send_signal(const struct file *f)
{
    (void)f;
    raise(SIGBUS);
}

static void read_unwatched(const struct file *f)
{
    struct os_mapping m;
    if (os_file_map_watched(f->path, SIZE_MAX, &m) != ERR_NONE)
        _exit(3);
    os_watch_end(m.watch);
    file_cut(f, 0);
    (void)look(&m, 0);
}

static void expect_death(void (*what)(const struct file *))
{
    struct file f, watched;
    struct os_mapping m;
    int status = 0;
    file_make(&f, 1);
    file_make(&watched, 1);
    fflush(NULL);
    pid_t child = fork();
    if (!child) {
        const struct rlimit none = { 0, 0 };
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGBUS, SIG_DFL); /* cmocka has it */
        if (os_file_map_watched(watched.path, SIZE_MAX, &m) != ERR_NONE)
            _exit(3);
        what(&f);
        _exit(4);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
    unlink(f.path);
    unlink(watched.path);
}

static void a_fault_anywhere_else_ends_the_process_by_its_signal(void **state)
{
    (void)state;
    expect_death(read_plain);
    expect_death(send_signal);
    expect_death(read_unwatched);
}

static _Atomic int *handled;

static void other_handler(int number)
{
    CHECK(number == SIGBUS);
    atomic_fetch_add(handled, 1);
}

static void what_had_the_signal_before_hears_of_what_is_not_ours(void **state)
{
    (void)state;
    struct file f;
    struct os_mapping m;
    _Atomic int count = 0;
    handled = &count;
    file_make(&f, 1);
    struct sigaction other = { .sa_handler = other_handler }, before;
    sigaction(SIGBUS, &other, &before);
    assert_int_equal(os_file_map_watched(f.path, SIZE_MAX, &m), ERR_NONE);
    raise(SIGBUS);
    assert_int_equal(atomic_load(&count), 1);
    file_cut(&f, 0);
    assert_int_equal(look(&m, 0), 0);
    assert_int_equal(atomic_load(&count), 1);
    os_file_unmap(&m);
    unlink(f.path);
    sigaction(SIGBUS, &before, NULL);
}

/* ---- many threads ---- */

enum { THREADS = 6, ROUNDS = 60, MANY_PAGES = 40 };

static void *cut_and_read(void *context)
{
    (void)context;
    for (int round = 0; round < ROUNDS; round++) {
        struct file f;
        struct os_mapping m, second;
        file_make(&f, MANY_PAGES);
        CHECK(os_file_map_watched(f.path, SIZE_MAX, &m) == ERR_NONE);
        CHECK(os_file_map_watched(f.path, SIZE_MAX, &second) == ERR_NONE);
        size_t left = (size_t)round % MANY_PAGES;
        uint64_t since = os_faults();
        file_cut(&f, left);
        for (size_t i = 0; i < MANY_PAGES; i++)
            CHECK(look(&m, i * f.page) == (i < left ? 'x' : 0));
        CHECK(os_watch_failed(m.watch, since));
        CHECK(!os_watch_failed(second.watch, 0));
        os_file_unmap(&second);
        os_file_unmap(&m);
        unlink(f.path);
    }
    return NULL;
}

static void faults_of_many_threads_are_told_apart_while_mappings_come_and_go(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    os_faults_catch();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(thread_start(&threads[i], cut_and_read, NULL), ERR_NONE);
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
}

struct shared {
    const struct os_mapping *m;
    const struct file *f;
};

static void *read_all(void *context)
{
    const struct shared *s = context;
    for (size_t i = 1; i < s->f->pages; i++)
        CHECK(look(s->m, i * s->f->page) == 0 && os_watch_failed(s->m->watch, 0));
    return NULL;
}

/* Who sees zeros sees the mark, whoever met the fault. */
static void threads_that_meet_the_same_faults_all_see_the_mark(void **state)
{
    (void)state;
    struct file f;
    struct os_mapping m;
    pthread_t threads[THREADS];
    for (int round = 0; round < 20; round++) {
        file_make(&f, 200);
        assert_int_equal(os_file_map_watched(f.path, SIZE_MAX, &m), ERR_NONE);
        file_cut(&f, 1);
        struct shared s = { &m, &f };
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(thread_start(&threads[i], read_all, &s), ERR_NONE);
        for (int i = 0; i < THREADS; i++)
            thread_join(threads[i]);
        os_file_unmap(&m);
        unlink(f.path);
    }
}

static void more_mappings_than_a_chunk_holds_are_watched(void **state)
{
    (void)state;
    struct file f;
    struct os_mapping m[300];
    file_make(&f, 2);
    for (size_t i = 0; i < ARRAY_COUNT(m); i++)
        assert_int_equal(os_file_map_watched(f.path, SIZE_MAX, &m[i]), ERR_NONE);
    file_cut(&f, 1);
    for (size_t i = 0; i < ARRAY_COUNT(m); i += 7)
        assert_int_equal(look(&m[i], f.page), 0);
    for (size_t i = 0; i < ARRAY_COUNT(m); i++) {
        assert_int_equal(os_watch_failed(m[i].watch, 0), i % 7 == 0);
        os_file_unmap(&m[i]);
    }
    unlink(f.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_that_cannot_be_read_gives_zeros_and_a_mark),
        cmocka_unit_test(a_mapping_of_which_many_pages_fail_is_given_up_whole),
        cmocka_unit_test(a_fault_anywhere_else_ends_the_process_by_its_signal),
        cmocka_unit_test(what_had_the_signal_before_hears_of_what_is_not_ours),
        cmocka_unit_test(faults_of_many_threads_are_told_apart_while_mappings_come_and_go),
        cmocka_unit_test(threads_that_meet_the_same_faults_all_see_the_mark),
        cmocka_unit_test(more_mappings_than_a_chunk_holds_are_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
