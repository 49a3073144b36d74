/* control/export.c - one export job.
 *
 *     {S3Uri}/{datastore}-FHIR_EXPORT-{job}/{Type}/{Type}-1-0-0.ndjson
 */
#include <stdio.h>

#include "control/jobs.h"
#include "os/file.h"

enum { TYPES_MAX = 256, PROGRESS_EVERY = 1000 };

struct export_file {
    struct slice type;
    FILE *file;
};

struct export
{
    struct job_run *run;
    struct output output;
    struct export_file files[TYPES_MAX]; /* of the types met so far */
    size_t count;
};

static enum err open_type(struct export *x, struct slice type, FILE **ret)
{
    struct arena *arena = &x->run->arena;
    for (size_t i = 0; i < x->count; i++) {
        if (slice_equal(x->files[i].type, type)) {
            *ret = x->files[i].file;
            return ERR_NONE;
        }
    }
    if (x->count == TYPES_MAX)
        return ERR_LIMIT;
    struct slice folder = arena_printf(arena, "%s/%.*s", x->output.folder, SLICE_ARGS(type));
    struct slice path = arena_printf(arena, "%s/%.*s/%.*s-1-0-0.ndjson", x->output.folder,
                                     SLICE_ARGS(type), SLICE_ARGS(type));
    const char *copy = arena_copy(arena, type);
    if (!folder.bytes || !path.bytes || !copy)
        return ERR_NO_MEMORY;
    TRY(os_folder_make(folder.bytes, 0700));
    FILE *file = fopen(path.bytes, "w");
    if (!file)
        return ERR_IO;
    x->files[x->count++] = (struct export_file){ slice_of(copy, type.length), file };
    *ret = file;
    return ERR_NONE;
}

static enum err export_resource(void *context, struct slice type, struct slice resource)
{
    struct export *x = context;
    FILE *file;
    TRY(open_type(x, type, &file));
    if (fwrite(resource.bytes, 1, resource.length, file) != resource.length ||
        fputc('\n', file) == EOF)
        return ERR_IO;
    x->run->report.resources++;
    return x->run->report.resources % PROGRESS_EVERY ? ERR_NONE : job_progress(x->run);
}

static enum err write_files(struct export *x)
{
    enum err err = rest_export(x->run->store.rest, export_resource, x);
    for (size_t i = 0; i < x->count; i++) {
        if (fclose(x->files[i].file) != 0 && !err)
            err = ERR_IO;
    }
    return err ? err : output_finish(x->run, &x->output);
}

enum err export_run(struct job_run *run)
{
    struct json config =
        json_member(json_member(run->request, "OutputDataConfig"), "S3Configuration");
    struct slice uri = json_string(json_member(config, "S3Uri"), &run->arena);
    struct export *x = arena_alloc(&run->arena, sizeof *x);
    if (!uri.bytes || !x)
        return ERR_NO_MEMORY;
    x->run = run;
    enum err err = output_open(run, uri, false, &x->output);
    if (!err)
        err = write_files(x);
    if (err == ERR_IO && !run->has_message)
        return job_fail(run, err, "The output location cannot be written: %.*s",
                        SLICE_ARGS(slice_head(uri, 300)));
    return err;
}
