/* control/bucket.c - s3://bucket/key: a folder, or objects of an endpoint.
 *
 * <s3-root>/<bucket> where that folder is there, else the bucket at the endpoint of
 * --s3-endpoint. What links of the file system say is the operator's. What goes to an
 * endpoint is written to <data>/jobs/<job>/out first and uploaded when it is whole.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/jobs.h"
#include "os/file.h"

enum { KEYS_MAX = 100000, DEPTH_MAX = 32 };

static bool has_dots(struct slice path)
{
    while (path.bytes) {
        struct slice part = slice_cut(&path, '/');
        if (slice_is(part, ".") || slice_is(part, ".."))
            return true;
    }
    return false;
}

/* Is the bucket a folder below --s3-root? */
static enum err find_folder(struct job_run *run, struct slice name, const char **ret_root)
{
    struct stat stat_of;
    const char *root = run->control->settings.s3_root;
    *ret_root = NULL;
    if (!root)
        return ERR_NONE;
    struct slice path = arena_printf(&run->arena, "%s/%.*s", root, SLICE_ARGS(name));
    if (!path.bytes)
        return ERR_NO_MEMORY;
    if (stat(path.bytes, &stat_of) == 0 && S_ISDIR(stat_of.st_mode))
        *ret_root = path.bytes;
    return ERR_NONE;
}

enum err bucket_fail(struct job_run *run, enum err err)
{
    if (!err || !run->s3 || !s3_error(run->s3)[0] || run->has_message || err == ERR_BUSY)
        return err;
    return job_fail(run, err, "%s", s3_error(run->s3));
}

static enum err go_on(void *context)
{
    struct job_run *run = context;
    return job_progress(run);
}

static enum err open_endpoint(struct job_run *run)
{
    if (run->s3)
        return ERR_NONE;
    TRY(run_folder_make(run));
    return bucket_fail(run, s3_open(&run->control->settings.s3, go_on, run, &run->arena, &run->s3));
}

enum err bucket_find(struct job_run *run, struct slice uri, struct bucket *ret)
{
    const struct control_settings *settings = &run->control->settings;
    struct slice rest = slice_from(uri, sizeof "s3://" - 1);
    struct slice name = slice_cut(&rest, '/');
    while (slice_starts_with(rest, SLICE("/")))
        rest = slice_from(rest, 1);
    /* Names of buckets have no dots at their ends: the pattern of S3Uri. */
    if (has_dots(rest) || has_dots(name) || slice_find_byte(rest, 0) >= 0)
        return job_fail(run, ERR_INVALID, "%.*s has a key that cannot be mapped to a path",
                        SLICE_ARGS(slice_head(uri, 300)));
    *ret = (struct bucket){ .name = name, .key = rest.bytes ? rest : SLICE("") };
    TRY(find_folder(run, name, &ret->root));
    if (ret->root)
        return ERR_NONE;
    if (settings->s3.endpoint.length)
        return open_endpoint(run);
    if (!settings->s3_root)
        return job_fail(run, ERR_NOT_FOUND,
                        "%.*s is not mapped: the server has neither --s3-root nor --s3-endpoint",
                        SLICE_ARGS(slice_head(uri, 300)));
    return job_fail(run, ERR_NOT_FOUND, "The bucket %.*s does not exist below --s3-root",
                    SLICE_ARGS(name));
}

enum err bucket_open(struct job_run *run, const struct bucket *bucket, const char *key,
                     FILE **ret_file)
{
    if (bucket->root) {
        struct slice path = arena_printf(&run->arena, "%s/%s", bucket->root, key);
        *ret_file = path.bytes ? fopen(path.bytes, "r") : NULL;
        return *ret_file ? ERR_NONE : path.bytes ? ERR_IO : ERR_NO_MEMORY;
    }
    int fd;
    TRY(os_file_temporary(run->folder, &fd));
    FILE *file = fdopen(fd, "w+");
    if (!file) {
        close(fd);
        return ERR_IO;
    }
    enum err err = s3_get(run->s3, bucket->name, slice_cstr(key), file);
    if (err) {
        fclose(file);
        return bucket_fail(run, err);
    }
    *ret_file = file;
    return ERR_NONE;
}

/* ---- listing ---- */

struct listing {
    struct job_run *run;
    const char *root;
    struct slice prefix;
    const char **keys; /* KEYS_MAX of them */
    size_t count;
};

static enum err list_folder(struct listing *l, const char *relative, int depth);

/* One name in a folder: "a/b", relative to the bucket. */
static enum err list_name(struct listing *l, const char *relative, const char *name, int depth)
{
    struct arena *arena = &l->run->arena;
    struct slice key =
        *relative ? arena_printf(arena, "%s/%s", relative, name) : arena_printf(arena, "%s", name);
    struct slice path = arena_printf(arena, "%s/%s", l->root, key.bytes ? key.bytes : "");
    struct stat stat_of;
    if (!key.bytes || !path.bytes)
        return ERR_NO_MEMORY;
    /* Only folders that can still hold such keys are looked into. */
    size_t shared = MIN(key.length, l->prefix.length);
    if (!slice_equal(slice_head(key, shared), slice_head(l->prefix, shared)) ||
        stat(path.bytes, &stat_of) != 0)
        return ERR_NONE;
    if (S_ISDIR(stat_of.st_mode))
        return list_folder(l, key.bytes, depth + 1);
    if (!S_ISREG(stat_of.st_mode) || !slice_starts_with(key, l->prefix) ||
        !slice_ends_with(key, SLICE(".ndjson")))
        return ERR_NONE;
    if (l->count == KEYS_MAX)
        return job_fail(l->run, ERR_LIMIT, "There are more than %d files", KEYS_MAX);
    l->keys[l->count++] = key.bytes;
    return ERR_NONE;
}

static enum err list_folder(struct listing *l, const char *relative, int depth)
{
    if (depth > DEPTH_MAX)
        return ERR_NONE;
    struct slice path = arena_printf(&l->run->arena, "%s/%s", l->root, relative);
    DIR *dir = path.bytes ? opendir(path.bytes) : NULL;
    if (!dir)
        return path.bytes ? ERR_NONE : ERR_NO_MEMORY;
    enum err err = ERR_NONE;
    struct dirent *entry;
    while (!err && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            err = list_name(l, relative, entry->d_name, depth);
    closedir(dir);
    return err;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum err list_object(void *context, struct slice key)
{
    struct listing *l = context;
    if (!slice_ends_with(key, SLICE(".ndjson")) || has_dots(key) || slice_find_byte(key, 0) >= 0)
        return ERR_NONE;
    if (l->count == KEYS_MAX)
        return job_fail(l->run, ERR_LIMIT, "There are more than %d files", KEYS_MAX);
    char *copy = arena_copy(&l->run->arena, key);
    l->keys[l->count] = copy;
    l->count += copy != NULL;
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

enum err bucket_list(struct job_run *run, const struct bucket *bucket, const char ***ret_keys,
                     size_t *ret_count)
{
    struct listing l = { .run = run, .root = bucket->root, .prefix = bucket->key };
    l.keys = arena_array(&run->arena, KEYS_MAX, sizeof *l.keys);
    if (!l.keys)
        return ERR_NO_MEMORY;
    enum err err = bucket->root ? list_folder(&l, "", 0)
                                : s3_list(run->s3, bucket->name, bucket->key, list_object, &l);
    if (err)
        return bucket_fail(run, err);
    qsort(l.keys, l.count, sizeof *l.keys, compare_keys);
    *ret_keys = l.keys;
    *ret_count = l.count;
    return ERR_NONE;
}
