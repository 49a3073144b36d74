#define _GNU_SOURCE /* O_TMPFILE, nftw */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { READ_PIECE_BYTES = 64 * 1024, FTW_OPEN_FILES = 16 };

static enum err err_of_errno(void)
{
    if (errno == ENOENT || errno == ENOTDIR)
        return ERR_NOT_FOUND;
    return errno == ENOMEM ? ERR_NO_MEMORY : ERR_IO;
}

static enum err read_all(int fd, struct buf *out)
{
    enum err err = ERR_NONE;
    for (;;) {
        char piece[READ_PIECE_BYTES];
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            err = n < 0 ? ERR_IO : buf_status(out);
            break;
        }
        buf_append(out, slice_of(piece, (size_t)n));
        if ((err = buf_status(out)))
            break;
    }
    return err;
}

enum err os_file_read(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_of_errno();
    enum err err = read_all(fd, out);
    int saved = errno;
    close(fd);
    errno = saved;
    return err;
}

enum err os_standard_read(struct buf *out)
{
    return read_all(STDIN_FILENO, out);
}

static bool write_all(int fd, struct slice content)
{
    while (content.length) {
        ssize_t n = write(fd, content.bytes, content.length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        content = slice_from(content, (size_t)n);
    }
    return true;
}

static enum err sync_parent(const char *path)
{
    char folder[PATH_MAX];
    ptrdiff_t slash = slice_find_last_byte(slice_cstr(path), '/');
    if (slash < 0)
        return os_folder_sync(".");
    if (slash == 0)
        return os_folder_sync("/");
    snprintf(folder, sizeof folder, "%.*s", (int)slash, path);
    return os_folder_sync(folder);
}

enum err os_file_replace(const char *path, struct slice content, unsigned mode)
{
    char beside[PATH_MAX];
    int length = snprintf(beside, sizeof beside, "%s.new", path);
    if (length < 0 || (size_t)length >= sizeof beside) {
        errno = ENAMETOOLONG;
        return ERR_IO;
    }
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return err_of_errno();

    bool whole = fchmod(fd, (mode_t)mode) == 0 && write_all(fd, content) && fsync(fd) == 0;
    int saved = errno;
    whole = close(fd) == 0 && whole;
    if (!whole || rename(beside, path) != 0) {
        saved = whole ? errno : saved;
        unlink(beside);
        errno = saved;
        return saved == ENOSPC || saved == EDQUOT ? ERR_FULL : ERR_IO;
    }
    return sync_parent(path);
}

enum err os_folder_make(const char *path, unsigned mode)
{
    char part[PATH_MAX];
    int length = snprintf(part, sizeof part, "%s", path);
    if (length <= 0 || (size_t)length >= sizeof part) {
        errno = ENAMETOOLONG;
        return ERR_IO;
    }
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char kept = *at;
        *at = '\0';
        if (mkdir(part, (mode_t)mode) != 0 && errno != EEXIST)
            return err_of_errno();
        *at = kept;
        if (kept == '\0')
            return ERR_NONE;
    }
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

enum err os_folder_remove(const char *path)
{
    if (nftw(path, remove_one, FTW_OPEN_FILES, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
        return ERR_NONE;
    return ERR_IO;
}

enum err os_file_remove(const char *path)
{
    return unlink(path) == 0 || errno == ENOENT ? ERR_NONE : ERR_IO;
}

enum err os_folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_of_errno();
    int result = fsync(fd);
    int saved = errno;
    close(fd);
    errno = saved;
    return result == 0 ? ERR_NONE : ERR_IO;
}

bool os_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

enum err os_file_stamp(const char *path, struct os_file_stamp *ret_stamp)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_of_errno();
    *ret_stamp = (struct os_file_stamp){
        .inode = (uint64_t)st.st_ino,
        .size_bytes = (uint64_t)st.st_size,
        .changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
    };
    return ERR_NONE;
}

enum err os_file_mode(const char *path, unsigned *ret_mode)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return err_of_errno();
    *ret_mode = info.st_mode & 07777;
    return ERR_NONE;
}

enum err os_file_lock(const char *path, int *ret_fd)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_of_errno();
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        enum err err = errno == EWOULDBLOCK ? ERR_BUSY : ERR_IO;
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return ERR_NONE;
}

enum err os_file_temporary(const char *folder, int *ret_fd)
{
    if (!folder)
        folder = getenv("TMPDIR");
    if (!folder || !*folder)
        folder = "/tmp";
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/tarn-XXXXXX", folder);
        if (length < 0 || (size_t)length >= sizeof path) {
            errno = ENAMETOOLONG;
            return ERR_IO;
        }
        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0)
            return err_of_errno();
        unlink(path);
    }
    *ret_fd = fd;
    return ERR_NONE;
}

enum err os_disk_free(const char *path, uint64_t *ret_bytes)
{
    struct statvfs info;
    if (statvfs(path, &info) != 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    *ret_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    return ERR_NONE;
}
