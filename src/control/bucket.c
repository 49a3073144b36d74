/* control/bucket.c - a folder of the file system in the place of S3.
 *
 * s3://bucket/key is <s3-root>/<bucket>/<key>. A bucket is a folder that is there;
 * keys are made as needed. What links of the file system say is the operator's.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

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

enum err bucket_find(struct job_run *run, struct slice uri, struct bucket *ret)
{
    const char *root = run->control->settings.s3_root;
    if (!root)
        return job_fail(run, ERR_NOT_FOUND, "%.*s is not mapped: the server has no --s3-root",
                        SLICE_ARGS(slice_head(uri, 300)));
    struct slice rest = slice_from(uri, sizeof "s3://" - 1);
    struct slice name = slice_cut(&rest, '/');
    while (slice_starts_with(rest, SLICE("/")))
        rest = slice_from(rest, 1);
    struct slice path = arena_printf(&run->arena, "%s/%.*s", root, SLICE_ARGS(name));
    if (!path.bytes)
        return ERR_NO_MEMORY;
    /* Names of buckets have no dots at their ends: the pattern of S3Uri. */
    if (has_dots(rest) || has_dots(name) || slice_find_byte(rest, 0) >= 0)
        return job_fail(run, ERR_INVALID, "%.*s has a key that cannot be mapped to a path",
                        SLICE_ARGS(slice_head(uri, 300)));
    struct stat stat_of;
    if (stat(path.bytes, &stat_of) != 0 || !S_ISDIR(stat_of.st_mode))
        return job_fail(run, ERR_NOT_FOUND, "The bucket %.*s does not exist below --s3-root",
                        SLICE_ARGS(name));
    ret->root = path.bytes;
    ret->key = rest.bytes ? rest : SLICE("");
    return ERR_NONE;
}

struct slice job_folder_name(struct job_run *run)
{
    return arena_printf(&run->arena, "%s-FHIR_%s-%s", run->job->datastore_id,
                        run->job->is_import ? "IMPORT" : "EXPORT", run->job->id);
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

enum err bucket_list(struct job_run *run, const struct bucket *bucket, const char ***ret_keys,
                     size_t *ret_count)
{
    struct listing l = { .run = run, .root = bucket->root, .prefix = bucket->key };
    l.keys = arena_array(&run->arena, KEYS_MAX, sizeof *l.keys);
    if (!l.keys)
        return ERR_NO_MEMORY;
    TRY(list_folder(&l, "", 0));
    qsort(l.keys, l.count, sizeof *l.keys, compare_keys);
    *ret_keys = l.keys;
    *ret_count = l.count;
    return ERR_NONE;
}
