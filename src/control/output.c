/* control/output.c - the folder of files that a job leaves in its bucket.
 *
 *     {key}/{datastore}-FHIR_{IMPORT|EXPORT}-{job}/...
 *
 * A bucket that is a folder is written to at once. For an endpoint the files gather
 * in <data>/jobs/<job>/out, and output_finish() uploads them.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "control/jobs.h"
#include "os/file.h"

enum { DEPTH_MAX = 4 };

struct slice job_folder_name(struct job_run *run)
{
    return arena_printf(&run->arena, "%s-FHIR_%s-%s", run->job->datastore_id,
                        run->job->is_import ? "IMPORT" : "EXPORT", run->job->id);
}

enum err run_folder_make(struct job_run *run)
{
    if (run->folder)
        return ERR_NONE;
    struct slice path =
        arena_printf(&run->arena, "%s/jobs/%s", run->control->settings.folder, run->job->id);
    if (!path.bytes)
        return ERR_NO_MEMORY;
    TRY(os_folder_make(path.bytes, 0700));
    run->folder = path.bytes;
    return ERR_NONE;
}

/* "key" without slashes at its end, and one behind it if it is not empty. */
static struct slice key_prefix(struct job_run *run, struct slice key)
{
    while (slice_ends_with(key, SLICE("/")))
        key.length--;
    return arena_printf(&run->arena, "%.*s%s", SLICE_ARGS(key), key.length ? "/" : "");
}

enum err output_open(struct job_run *run, struct slice uri, bool is_again, struct output *ret)
{
    struct arena *arena = &run->arena;
    struct slice name = job_folder_name(run);
    TRY(bucket_find(run, uri, &ret->bucket));
    struct slice prefix = key_prefix(run, ret->bucket.key);
    struct slice folder = ret->bucket.root ? arena_printf(arena, "%s/%s%s", ret->bucket.root,
                                                          prefix.bytes ? prefix.bytes : "",
                                                          name.bytes ? name.bytes : "")
                                           : arena_printf(arena, "%s/out", run->folder);
    ret->key =
        arena_printf(arena, "%s%s", prefix.bytes ? prefix.bytes : "", name.bytes ? name.bytes : "");
    if (!name.bytes || !prefix.bytes || !folder.bytes || !ret->key.bytes)
        return ERR_NO_MEMORY;
    ret->folder = folder.bytes;
    ret->prefix = prefix;
    enum err err = is_again ? ERR_NONE : os_folder_remove(folder.bytes); /* of a run cut off */
    return err ? err : os_folder_make(folder.bytes, 0700);
}

enum err output_probe(struct job_run *run, const struct output *output, const char *name)
{
    struct slice key = arena_printf(&run->arena, "%s%s", output->prefix.bytes, name);
    if (!key.bytes)
        return ERR_NO_MEMORY;
    if (!output->bucket.root)
        return bucket_fail(run, s3_put(run->s3, output->bucket.name, key, SLICE_NONE));
    struct slice path = arena_printf(&run->arena, "%s/%s", output->bucket.root, key.bytes);
    return path.bytes ? os_file_replace(path.bytes, SLICE(""), 0600) : ERR_NO_MEMORY;
}

/* ---- uploading ---- */

struct uploading {
    struct job_run *run;
    const struct output *output;
};

static enum err upload_file(struct uploading *u, const char *path, struct slice key)
{
    struct job_run *run = u->run;
    FILE *file = fopen(path, "r");
    if (!file)
        return ERR_IO;
    enum err err = s3_put_file(run->s3, u->output->bucket.name, key, file);
    fclose(file);
    return bucket_fail(run, err);
}

static enum err upload_folder(struct uploading *u, const char *folder, struct slice key, int depth)
{
    struct arena *arena = &u->run->arena;
    struct dirent *entry;
    struct stat stat_of;
    DIR *dir = depth > DEPTH_MAX ? NULL : opendir(folder);
    if (!dir)
        return ERR_IO;
    enum err err = ERR_NONE;
    while (!err && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        struct slice path = arena_printf(arena, "%s/%s", folder, entry->d_name);
        struct slice below = arena_printf(arena, "%.*s/%s", SLICE_ARGS(key), entry->d_name);
        if (!path.bytes || !below.bytes)
            err = ERR_NO_MEMORY;
        else if (stat(path.bytes, &stat_of) != 0)
            err = ERR_IO;
        else
            err = S_ISDIR(stat_of.st_mode) ? upload_folder(u, path.bytes, below, depth + 1)
                                           : upload_file(u, path.bytes, below);
    }
    closedir(dir);
    return err;
}

enum err output_finish(struct job_run *run, const struct output *output)
{
    struct uploading u = { run, output };
    return output->bucket.root ? ERR_NONE : upload_folder(&u, output->folder, output->key, 0);
}
