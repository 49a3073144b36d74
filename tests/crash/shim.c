/* shim.c - a preloaded library that makes the disk lie, for the crash tests.
 *
 * kill -9 proves nothing about fsync: the page cache survives it. So this shim
 * keeps, for every file below TARN_SHIM_ROOT, an undo journal of what was
 * written and not yet synced, in the folder TARN_SHIM_JOURNAL, outside the
 * process: it outlives kill -9 and reopening. `powercut` (powercut.c) applies
 * the journals, which takes the files back to what a disk must hold after a
 * power cut: whatever was synced, and of the rest nothing, all, or a torn part.
 *
 * It also makes calls fail: TARN_SHIM_FAIL="fdatasync:3:EIO" fails the third,
 * "write:10+:ENOSPC" the tenth and all after it, "write:10-30:ENOSPC" those up to the
 * thirtieth, "fdatasync:5:KILL" dies there.
 * A write that fails with ENOSPC first writes half of its bytes, as disks do.
 * "open" and "mmap" are those of files below the root; "malloc" is malloc, calloc and
 * realloc called by the program itself, not by the libraries it uses.
 * TARN_SHIM_ONLY="/index/": only those of files with that in their path, of write, sync and
 * open, are counted and fail.
 * TARN_SHIM_LIE="fdatasync" makes that sync do nothing and say yes: the planted
 * bug that the tests must find.
 * TARN_SHIM_COUNTS=FILE gets "call count" lines when the process exits.
 *
 * Journal of a file, named DEV-INO: records { struct undo, old bytes }. Journal
 * of names, "names": lines "create PATH", "rename FROM TO SAVED", "unlink PATH
 * SAVED"; a sync of the folder drops the lines of that folder.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "undo.h"

enum { FD_MAX = 4096 };

enum call { CALL_WRITE, CALL_FSYNC, CALL_FDATASYNC, CALL_SYNC_RANGE, CALL_RENAME, CALL_TRUNCATE,
            CALL_OPEN, CALL_MMAP, CALL_MALLOC, CALL_COUNT };
static const char *const call_names[CALL_COUNT] = {
    "write", "fsync", "fdatasync", "sync_file_range", "rename", "ftruncate", "open", "mmap",
    "malloc",
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool tracked[FD_MAX];
static unsigned long counts[CALL_COUNT];
static char root[1024], journal[1024];
static unsigned long saved_number;
static uintptr_t program_first, program_last; /* where the program's own code is */

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The first mappings of /proc/self/maps are the program's. */
static void program_find(void)
{
    char exe[PATH_MAX], line[PATH_MAX + 200];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
    FILE *maps = fopen("/proc/self/maps", "r");
    exe[length > 0 ? length : 0] = '\0';
    while (maps && length > 0 && fgets(line, sizeof line, maps)) {
        unsigned long first, last;
        if (!strstr(line, exe) || sscanf(line, "%lx-%lx", &first, &last) != 2)
            continue;
        if (!program_first)
            program_first = first;
        program_last = last;
    }
    if (maps)
        fclose(maps);
}

__attribute__((constructor)) static void shim_begin(void)
{
    const char *r = getenv("TARN_SHIM_ROOT"), *j = getenv("TARN_SHIM_JOURNAL");
    if (r && j) {
        snprintf(root, sizeof root, "%s", r);
        snprintf(journal, sizeof journal, "%s", j);
    }
    saved_number = (unsigned long)getpid() * 1000000ul;
    program_find();
}

__attribute__((destructor)) static void shim_end(void)
{
    const char *path = getenv("TARN_SHIM_COUNTS");
    FILE *out = path ? fopen(path, "w") : NULL;
    if (!out)
        return;
    for (int c = 0; c < CALL_COUNT; c++)
        fprintf(out, "%s %lu\n", call_names[c], counts[c]);
    fclose(out);
}

static bool is_below_root(const char *path)
{
    size_t length = strlen(root);
    return length && strncmp(path, root, length) == 0;
}

static bool is_tracked(int fd)
{
    return fd >= 0 && fd < FD_MAX && tracked[fd];
}

/* The errno to fail this call with; 0: let it through. Counts it. */
static int planned_failure(enum call c)
{
    unsigned long n = __atomic_add_fetch(&counts[c], 1, __ATOMIC_RELAXED);
    const char *plan = getenv("TARN_SHIM_FAIL");
    char name[32], error[16], more = 0;
    unsigned long from, to = 0;
    if (!plan || sscanf(plan, "%31[^:]:%lu", name, &from) != 2 || strcmp(name, call_names[c]))
        return 0;
    const char *colon = strrchr(plan, ':');
    more = colon[-1];
    snprintf(error, sizeof error, "%s", colon + 1);
    bool is_range = sscanf(plan, "%*[^:]:%*u-%lu", &to) == 1;
    if (is_range ? n < from || n > to : more == '+' ? n < from : n != from)
        return 0;
    if (strcmp(error, "KILL") == 0)
        raise(SIGKILL);
    return strcmp(error, "ENOSPC") == 0 ? ENOSPC : EIO;
}

static bool is_meant_path(const char *path)
{
    const char *only = getenv("TARN_SHIM_ONLY");
    return !only || strstr(path, only);
}

static bool is_meant(int fd)
{
    char proc[64], path[PATH_MAX];
    if (!getenv("TARN_SHIM_ONLY"))
        return true;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(proc, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    return is_meant_path(path);
}

static bool is_lie(enum call c)
{
    const char *lie = getenv("TARN_SHIM_LIE");
    return lie && strstr(lie, call_names[c]) != NULL;
}

static void write_raw(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length) {
        ssize_t n = REAL(write)(fd, at, length);
        if (n < 0)
            abort();
        at += n;
        length -= (size_t)n;
    }
}

static void journal_path(char out[PATH_MAX], const struct stat *info)
{
    snprintf(out, PATH_MAX, "%s/%lu-%lu", journal, (unsigned long)info->st_dev,
             (unsigned long)info->st_ino);
}

/* Note what a change of [offset, offset + length) will overwrite. */
static void note_change(int fd, uint64_t offset, uint64_t length, uint64_t new_size)
{
    struct stat info;
    char path[PATH_MAX];
    if (fstat(fd, &info) != 0)
        abort();
    journal_path(path, &info);
    int out = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0)
        abort();
    uint64_t old_size = (uint64_t)info.st_size;
    uint64_t old_end = offset + length < old_size ? offset + length : old_size;
    struct undo u = { offset, length, old_size, new_size, old_end > offset ? old_end - offset : 0 };
    write_raw(out, &u, sizeof u);
    if (u.saved_bytes) {
        char proc[64];
        snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
        int in = REAL(open)(proc, O_RDONLY | O_CLOEXEC); /* the file may be write-only */
        char *old = malloc(u.saved_bytes);
        ssize_t wanted = (ssize_t)u.saved_bytes;
        if (in < 0 || !old || pread(in, old, u.saved_bytes, (off_t)offset) != wanted)
            abort();
        write_raw(out, old, u.saved_bytes);
        free(old);
        close(in);
    }
    close(out);
}

static void forget_changes(int fd)
{
    struct stat info;
    char path[PATH_MAX];
    if (fstat(fd, &info) == 0 && !S_ISDIR(info.st_mode)) {
        journal_path(path, &info);
        truncate(path, 0);
    }
}

/* Drop from "names" the lines of the folder that was synced. */
static void forget_names(const char *folder)
{
    char path[PATH_MAX], beside[PATH_MAX + 8], line[3 * PATH_MAX];
    snprintf(path, sizeof path, "%s/names", journal);
    snprintf(beside, sizeof beside, "%s.new", path);
    FILE *in = fopen(path, "r"), *out = fopen(beside, "w");
    if (!out)
        abort();
    while (in && fgets(line, sizeof line, in)) {
        char verb[16], name[PATH_MAX];
        sscanf(line, "%15s %4095s", verb, name);
        *strrchr(name, '/') = '\0';
        if (strcmp(name, folder))
            fputs(line, out);
    }
    if (in)
        fclose(in);
    fclose(out);
    REAL(rename)(beside, path);
}

static void note_name(const char *format, ...)
{
    char path[PATH_MAX], line[3 * PATH_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    snprintf(path, sizeof path, "%s/names", journal);
    int out = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0)
        abort();
    write_raw(out, line, (size_t)length);
    close(out);
}

/* Keep an overwritten or removed file alive under the journal folder. */
static void save_file(const char *path, char saved[PATH_MAX])
{
    snprintf(saved, PATH_MAX, "%s/saved-%lu", journal, ++saved_number);
    if (link(path, saved) != 0)
        snprintf(saved, PATH_MAX, "-");
}

static int open_tracked(const char *path, int flags, mode_t mode)
{
    bool below = is_below_root(path) && !strstr(path, "/LOCK") && !strstr(path, "/LOG");
    int failure = below && is_meant_path(path) ? planned_failure(CALL_OPEN) : 0;
    if (failure) {
        errno = failure;
        return -1;
    }
    pthread_mutex_lock(&lock);
    bool is_new = below && (flags & O_CREAT) && access(path, F_OK) != 0;
    int fd = REAL(open)(path, flags, mode);
    if (fd >= 0 && fd < FD_MAX) {
        tracked[fd] = below;
        if (is_new)
            note_name("create %s\n", path);
        if (below && (flags & O_TRUNC) && !is_new)
            forget_changes(fd); /* nothing we run truncates a file it needs */
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_tracked(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_tracked(path, flags, mode);
}

int close(int fd)
{
    if (fd >= 0 && fd < FD_MAX)
        tracked[fd] = false;
    return REAL(close)(fd);
}

static uint64_t end_of(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 ? (uint64_t)info.st_size : 0;
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t offset, bool positioned)
{
    int failure = is_meant(fd) ? planned_failure(CALL_WRITE) : 0;
    if (failure == ENOSPC && length > 1)
        length /= 2; /* a full disk takes what still fits */
    else if (failure) {
        errno = failure;
        return -1;
    }
    pthread_mutex_lock(&lock);
    bool appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    off_t place = positioned ? offset : appends ? (off_t)end_of(fd) : lseek(fd, 0, SEEK_CUR);
    uint64_t size = end_of(fd), end = (uint64_t)place + length;
    note_change(fd, (uint64_t)place, length, end > size ? end : size);
    ssize_t n = positioned ? REAL(pwrite)(fd, bytes, length, offset)
                           : REAL(write)(fd, bytes, length);
    pthread_mutex_unlock(&lock);
    if (failure == ENOSPC) {
        errno = ENOSPC;
        return -1;
    }
    return n;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    return is_tracked(fd) ? write_at(fd, bytes, length, 0, false)
                          : REAL(write)(fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return is_tracked(fd) ? write_at(fd, bytes, length, offset, true)
                          : REAL(pwrite)(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    return pwrite(fd, bytes, length, offset);
}

static int sync_with(int fd, enum call c, int (*real)(int))
{
    if (!is_tracked(fd))
        return real(fd);
    int failure = is_meant(fd) ? planned_failure(c) : 0;
    if (failure) {
        errno = failure;
        return -1;
    }
    if (is_lie(c))
        return 0;
    int result = real(fd);
    if (result != 0)
        return result;
    pthread_mutex_lock(&lock);
    char proc[64], path[PATH_MAX];
    struct stat info;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(proc, path, sizeof path - 1);
    if (length > 0 && fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        path[length] = '\0';
        forget_names(path);
    }
    forget_changes(fd);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int fd)
{
    return sync_with(fd, CALL_FSYNC, REAL(fsync));
}

int fdatasync(int fd)
{
    return sync_with(fd, CALL_FDATASYNC, REAL(fdatasync));
}

/* Starts write-back and promises nothing: the journal stays. */
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags)
{
    int failure = is_tracked(fd) ? planned_failure(CALL_SYNC_RANGE) : 0;
    if (failure) {
        errno = failure;
        return -1;
    }
    return REAL(sync_file_range)(fd, offset, length, flags);
}

int ftruncate(int fd, off_t size)
{
    if (!is_tracked(fd))
        return REAL(ftruncate)(fd, size);
    int failure = planned_failure(CALL_TRUNCATE);
    if (failure) {
        errno = failure;
        return -1;
    }
    pthread_mutex_lock(&lock);
    uint64_t old = end_of(fd), from = (uint64_t)size < old ? (uint64_t)size : old;
    note_change(fd, from, old - from, (uint64_t)size);
    int result = REAL(ftruncate)(fd, size);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

int rename(const char *from, const char *to)
{
    if (!is_below_root(to))
        return REAL(rename)(from, to);
    int failure = planned_failure(CALL_RENAME);
    if (failure) {
        errno = failure;
        return -1;
    }
    pthread_mutex_lock(&lock);
    char saved[PATH_MAX];
    save_file(to, saved);
    int result = REAL(rename)(from, to);
    if (result == 0)
        note_name("rename %s %s %s\n", to, from, saved);
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path)
{
    if (!is_below_root(path))
        return REAL(unlink)(path);
    pthread_mutex_lock(&lock);
    char saved[PATH_MAX];
    save_file(path, saved);
    int result = REAL(unlink)(path);
    if (result == 0)
        note_name("unlink %s %s\n", path, saved);
    pthread_mutex_unlock(&lock);
    return result;
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    int failure = is_tracked(fd) ? planned_failure(CALL_MMAP) : 0;
    if (failure) {
        errno = failure;
        return MAP_FAILED;
    }
    return REAL(mmap)(at, length, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset)
{
    return mmap(at, length, protection, flags, fd, offset);
}

/* ---- memory ---- */

/* dlsym() itself allocates, so the C library's own names are used. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static bool is_refused(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    bool refused = program_first && at >= program_first && at < program_last &&
                   planned_failure(CALL_MALLOC);
    if (refused)
        errno = ENOMEM;
    return refused;
}

void *malloc(size_t size)
{
    return is_refused(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return is_refused(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return is_refused(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}
