#include "os/mapping.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum err os_file_map(const char *path, size_t limit_bytes, struct os_mapping *ret_mapping)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
    enum err err = fstat(fd, &info) != 0 ? ERR_IO : ERR_NONE;
    if (!err && info.st_size <= 0)
        err = ERR_CORRUPT;
    if (!err && (uint64_t)info.st_size > limit_bytes)
        err = ERR_LIMIT;
    if (!err) {
        void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED)
            err = errno == ENOMEM ? ERR_NO_MEMORY : ERR_IO;
        else
            *ret_mapping = (struct os_mapping){
                .bytes = slice_of(bytes, (size_t)info.st_size)
            };
    }
    close(fd);
    return err;
}

enum err os_file_map_watched(const char *path, size_t limit_bytes, struct os_mapping *ret_mapping)
{
    struct os_mapping made;
    TRY(os_file_map(path, limit_bytes, &made));
    enum err err = os_watch_begin(made.bytes.bytes, made.bytes.length, &made.watch);
    if (err)
        os_file_unmap(&made);
    else
        *ret_mapping = made;
    return err;
}

void os_file_unmap(struct os_mapping *mapping)
{
    os_watch_end(mapping->watch);
    mapping->watch = NULL;
    if (mapping->bytes.bytes)
        munmap((void *)(uintptr_t)mapping->bytes.bytes, mapping->bytes.length);
    mapping->bytes = SLICE_NONE;
}

enum err os_folder_each(const char *path, enum err (*each)(void *context, const char *name),
                        void *context)
{
    DIR *folder = opendir(path);
    if (!folder)
        return errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
    enum err err = ERR_NONE;
    struct dirent *entry;
    while (!err && (entry = readdir(folder))) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            err = each(context, name);
    }
    closedir(folder);
    return err;
}
