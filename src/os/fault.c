#define _DEFAULT_SOURCE /* syscall, MAP_ANONYMOUS */
#include "os/fault.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"

enum {
    WATCHES = 64,         /* of a chunk of the table */
    PAGES_APART_MAX = 64, /* that failed one by one; then the whole mapping is given up */
};

/* One mapping. The handler reads these without a lock, so `version` is odd while the
 * owner changes them: a mapping in which a thread has just faulted is not being changed,
 * so one that is can be passed over. */
struct os_watch {
    _Atomic uint32_t version;
    _Atomic uint32_t pages;   /* that failed */
    _Atomic uint32_t pending; /* handlers that are at work on it */
    _Atomic uintptr_t from;   /* 0: free */
    _Atomic size_t size;      /* in whole pages */
    _Atomic uint64_t failed;  /* number of the last fault in it; 0: none */
};

struct chunk {
    struct os_watch list[WATCHES];
    struct chunk *_Atomic next; /* never freed */
};

/* A signal handler has no context of its own: what it needs to know of the process
 * stands here. */
static struct watching {
    pthread_mutex_t lock; /* of who takes and frees watches */
    struct chunk first;
    _Atomic uint64_t faults; /* number of the last one << 16 | handlers at work */
    struct sigaction before; /* what SIGBUS did; written while we do not have it */
    size_t page_size;
} watching = { .lock = PTHREAD_MUTEX_INITIALIZER };

enum { FAULT_SHIFT = 16 };
static const uint64_t FAULT_ONE = (uint64_t)1 << FAULT_SHIFT;
static const uint64_t FAULT_AT_WORK = FAULT_ONE - 1;

/* ---- in the handler ----
 *
 * Only atomic variables and the mmap system call, which takes no lock of the process's
 * and keeps no state in the library: it is called as such, so that nothing that stands
 * before mmap() (a sanitizer, a preloaded shim) is entered in the middle of itself. */

static bool watch_has(const struct os_watch *w, uintptr_t at)
{
    uint32_t version = atomic_load(&w->version);
    uintptr_t from = atomic_load(&w->from);
    size_t size = atomic_load(&w->size);
    bool is_whole = version % 2 == 0 && atomic_load(&w->version) == version;
    return is_whole && from && at >= from && at - from < size;
}

static struct os_watch *watch_of(uintptr_t at)
{
    for (struct chunk *c = &watching.first; c; c = atomic_load(&c->next))
        for (int i = 0; i < WATCHES; i++)
            if (watch_has(&c->list[i], at))
                return &c->list[i];
    return NULL;
}

static void mark(struct os_watch *w, uint64_t faults)
{
    uint64_t number = faults >> FAULT_SHIFT, seen = atomic_load(&w->failed);
    while (seen < number && !atomic_compare_exchange_weak(&w->failed, &seen, number))
        ;
}

/* Marked before the zeros are there, so that nobody can have read them and find no mark;
 * and once more behind it, for those who began in between and may have read the page
 * from the disk after all. */
static bool page_replace(struct os_watch *w, uintptr_t at)
{
    uintptr_t from = at - at % watching.page_size;
    size_t size = watching.page_size;
    if (atomic_fetch_add(&w->pages, 1) >= PAGES_APART_MAX) {
        from = atomic_load(&w->from); /* each page apart is a mapping more, of 65,530 */
        size = atomic_load(&w->size);
    }
    atomic_fetch_add(&w->pending, 1);
    mark(w, FAULT_ONE + 1 + atomic_fetch_add(&watching.faults, FAULT_ONE + 1));
    long made = syscall(SYS_mmap, from, size, PROT_READ,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0L);
    mark(w, FAULT_ONE - 1 + atomic_fetch_add(&watching.faults, FAULT_ONE - 1));
    atomic_fetch_sub(&w->pending, 1);
    return made != -1;
}

/* To whoever had the signal before us. By default the process ends: of what the
 * processor raised, when the same instruction is tried again. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    const struct sigaction *before = &watching.before;
    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(number, info, context);
    } else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
        before->sa_handler(number);
    } else {
        struct sigaction by_default = { .sa_handler = SIG_DFL };
        sigaction(number, &by_default, NULL);
        if (info->si_code <= 0) /* kill, and the like */
            raise(number);
    }
}

/* A page that a thread needs and does not get; not, for one, memory that was found to
 * be broken by the way. */
static bool is_of_page(const siginfo_t *info)
{
    bool is_broken = false;
#ifdef BUS_MCEERR_AR
    is_broken = info->si_code == BUS_MCEERR_AR;
#endif
    return is_broken || info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR;
}

static void on_bus(int number, siginfo_t *info, void *context)
{
    int held = errno;
    uintptr_t at = (uintptr_t)info->si_addr;
    struct os_watch *w = is_of_page(info) ? watch_of(at) : NULL;
    if (!w || !page_replace(w, at))
        pass_on(number, info, context);
    errno = held;
}

/* ---- taking the signal ---- */

/* Under the lock. On the thread's own stack, unless it has another for signals: a page
 * that cannot be read is no sign of a stack that is full. */
static void take_signal(void)
{
    struct sigaction now, ours = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&ours.sa_mask);
    CHECK(sigaction(SIGBUS, NULL, &now) == 0);
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_bus)
        return;
    watching.page_size = (size_t)sysconf(_SC_PAGESIZE);
    watching.before = now;
    CHECK(sigaction(SIGBUS, &ours, NULL) == 0);
}

void os_faults_catch(void)
{
    CHECK(pthread_mutex_lock(&watching.lock) == 0);
    take_signal();
    CHECK(pthread_mutex_unlock(&watching.lock) == 0);
}

/* ---- the table ---- */

/* Under the lock. */
static struct os_watch *watch_free(void)
{
    struct chunk *c = &watching.first;
    for (;;) {
        for (int i = 0; i < WATCHES; i++)
            if (!atomic_load(&c->list[i].from))
                return &c->list[i];
        struct chunk *next = atomic_load(&c->next);
        if (!next) {
            if (!(next = calloc(1, sizeof *next)))
                return NULL;
            atomic_store(&c->next, next);
        }
        c = next;
    }
}

static void watch_set(struct os_watch *w, uintptr_t from, size_t size)
{
    atomic_fetch_add(&w->version, 1);
    atomic_store(&w->from, from);
    atomic_store(&w->size, size);
    atomic_store(&w->failed, 0);
    atomic_store(&w->pages, 0);
    atomic_fetch_add(&w->version, 1);
}

enum err os_watch_begin(const void *bytes, size_t size, struct os_watch **ret)
{
    CHECK(bytes && size);
    CHECK(pthread_mutex_lock(&watching.lock) == 0);
    take_signal();
    struct os_watch *w = watch_free();
    size_t pages = (size + watching.page_size - 1) / watching.page_size;
    if (w)
        watch_set(w, (uintptr_t)bytes, pages * watching.page_size);
    CHECK(pthread_mutex_unlock(&watching.lock) == 0);
    if (!w)
        return ERR_NO_MEMORY;
    *ret = w;
    return ERR_NONE;
}

void os_watch_end(struct os_watch *watch)
{
    if (!watch)
        return;
    CHECK(pthread_mutex_lock(&watching.lock) == 0);
    CHECK(!atomic_load(&watch->pending));
    watch_set(watch, 0, 0);
    CHECK(pthread_mutex_unlock(&watching.lock) == 0);
}

uint64_t os_faults(void)
{
    return atomic_load(&watching.faults);
}

bool os_faults_are_none(uint64_t since)
{
    uint64_t now = atomic_load(&watching.faults);
    return LIKELY(now == since && !(now & FAULT_AT_WORK));
}

bool os_watch_failed(const struct os_watch *watch, uint64_t since)
{
    return watch && (atomic_load(&watch->failed) > since >> FAULT_SHIFT ||
                     atomic_load(&watch->pending));
}
