/* powercut.c - take a folder back to what a disk may hold after a power cut.
 *
 *   powercut JOURNAL ROOT drop|tear SEED
 *
 * Applies the journals that shim.c kept. "drop": nothing unsynced survives.
 * "tear": of each file a random number of its first unsynced writes survives,
 * and of the next one a random prefix; names: each unsynced creation, rename
 * and removal survives or not, in order. Empties the journals afterwards.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "undo.h"

static uint64_t seed;
static bool tears;
static const char *journal_folder;
static size_t files_changed, bytes_dropped;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static char *read_whole(const char *path, size_t *ret_length)
{
    FILE *in = fopen(path, "r");
    *ret_length = 0;
    if (!in)
        return NULL;
    fseek(in, 0, SEEK_END);
    size_t length = (size_t)ftell(in);
    rewind(in);
    char *bytes = malloc(length + 1);
    if (!bytes || fread(bytes, 1, length, in) != length)
        die(path);
    bytes[length] = '\0';
    fclose(in);
    *ret_length = length;
    return bytes;
}

/* ---- contents ---- */

static void undo_record(int fd, const struct undo *u, const char *old)
{
    if (u->saved_bytes && pwrite(fd, old, u->saved_bytes, (off_t)u->offset) < 0)
        die("pwrite");
    if (ftruncate(fd, (off_t)u->old_size) != 0)
        die("ftruncate");
    bytes_dropped += u->length;
}

/* Keep the first `kept` bytes of the write, restore the rest. */
static void tear_record(int fd, const struct undo *u, const char *old, uint64_t kept)
{
    if (kept < u->saved_bytes &&
        pwrite(fd, old + kept, u->saved_bytes - kept, (off_t)(u->offset + kept)) < 0)
        die("pwrite");
    uint64_t end = u->offset + kept;
    if (ftruncate(fd, (off_t)(end > u->old_size ? end : u->old_size)) != 0)
        die("ftruncate");
}

static void cut_file(const char *path, const char *records, size_t length)
{
    size_t offsets_room = length / sizeof(struct undo) + 1, count = 0;
    size_t *offsets = calloc(offsets_room, sizeof *offsets);
    int fd = open(path, O_RDWR);
    if (fd < 0 || !offsets)
        die(path);
    for (size_t at = 0; at + sizeof(struct undo) <= length;) {
        struct undo u;
        memcpy(&u, records + at, sizeof u);
        if (at + sizeof u + u.saved_bytes > length)
            break; /* the process died while noting: the write did not happen */
        offsets[count++] = at;
        at += sizeof u + u.saved_bytes;
    }
    size_t survive = tears ? (size_t)(next_random() % (count + 1)) : 0;
    for (size_t i = count; i-- > survive;) {
        struct undo u;
        memcpy(&u, records + offsets[i], sizeof u);
        const char *old = records + offsets[i] + sizeof u;
        if (tears && i == survive && u.length)
            tear_record(fd, &u, old, next_random() % u.length);
        else
            undo_record(fd, &u, old);
    }
    files_changed += count > survive;
    close(fd);
    free(offsets);
}

static int visit(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)where;
    if (kind != FTW_F)
        return 0;
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/%lu-%lu", journal_folder, (unsigned long)info->st_dev,
             (unsigned long)info->st_ino);
    size_t length;
    char *records = read_whole(name, &length);
    if (records && length)
        cut_file(path, records, length);
    free(records);
    unlink(name);
    return 0;
}

/* ---- names ---- */

static void undo_name(char *line)
{
    char *verb = strtok_r(line, " \n", &line);
    char *first = strtok_r(NULL, " \n", &line);
    char *second = strtok_r(NULL, " \n", &line);
    char *third = strtok_r(NULL, " \n", &line);
    if (strcmp(verb, "create") == 0) {
        unlink(first);
    } else if (strcmp(verb, "rename") == 0) {
        rename(first, second);
        if (strcmp(third, "-"))
            rename(third, first);
    } else if (strcmp(second, "-")) {
        rename(second, first); /* unlink */
    }
}

static void cut_names(void)
{
    char path[PATH_MAX];
    size_t length, count = 0;
    snprintf(path, sizeof path, "%s/names", journal_folder);
    char *text = read_whole(path, &length);
    if (!text)
        return;
    char **lines = calloc(length + 1, sizeof *lines);
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        if (*line)
            lines[count++] = line;
    }
    size_t survive = tears ? (size_t)(next_random() % (count + 1)) : 0;
    for (size_t i = count; i-- > survive;)
        undo_name(lines[i]);
    free(lines);
    free(text);
    unlink(path);
}

static int forget_saved(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)where;
    if (kind == FTW_F)
        unlink(path);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: powercut JOURNAL ROOT drop|tear SEED\n");
        return 2;
    }
    journal_folder = argv[1];
    tears = strcmp(argv[3], "tear") == 0;
    seed = strtoull(argv[4], NULL, 10) * 2654435761u + 88172645463325252ull;
    /* Contents first: undoing a name may bring back a file of another inode. */
    nftw(argv[2], visit, 16, FTW_PHYS);
    cut_names();
    nftw(journal_folder, forget_saved, 16, FTW_PHYS);
    printf("powercut: %zu files went back, %zu bytes were lost\n", files_changed, bytes_dropped);
    return 0;
}
