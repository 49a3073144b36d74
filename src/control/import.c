/* control/import.c - one import job.
 *
 *     {JobOutput}/.healthlake_write_access_check_file.temp   empty
 *     {JobOutput}/{datastore}-FHIR_IMPORT-{job}/
 *         Manifest.json
 *         SUCCESS/<input file>   {"lineId":1,"UpdateResourceResponse":{"statusCode":201}}
 *         FAILURE/<input file>   {"lineId":2,"UpdateResourceResponse":{"jsonBlob":
 *                                 <OperationOutcome>,"statusCode":400}}, only if there is one
 *
 * Slashes of an input's key become '_' in the names of these files.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "control/jobs.h"
#include "os/file.h"

enum {
    READ_BYTES = 1 << 20,
    LINE_BYTES_MAX = 64 << 20,
    BATCH_LINES = 500,
    MANIFEST_BYTES = 64 * 1024,
};

static const size_t BATCH_ARENA_BYTES = (size_t)1 << 30;

struct import {
    struct job_run *run;
    struct bucket input;
    struct slice input_uri, output_uri, key_id;
    const char *folder; /* of this job's output */
    /* the file being read */
    FILE *file, *success, *failure;
    const char *name; /* of its output files */
    uint64_t line;
    bool is_skipping; /* inside of a line that is too long */
    struct buf bytes; /* read, not yet split */
    struct rest_line lines[BATCH_LINES];
    uint64_t line_ids[BATCH_LINES];
    size_t count;
};

/* ---- what became of each line ---- */

static enum err open_output(struct import *m, const char *kind, FILE **file)
{
    if (*file)
        return ERR_NONE;
    struct arena *arena = &m->run->arena;
    struct slice folder = arena_printf(arena, "%s/%s", m->folder, kind);
    struct slice path = arena_printf(arena, "%s/%s/%s", m->folder, kind, m->name);
    if (!folder.bytes || !path.bytes)
        return ERR_NO_MEMORY;
    TRY(os_folder_make(folder.bytes, 0700));
    *file = fopen(path.bytes, "w");
    return *file ? ERR_NONE : ERR_IO;
}

static enum err tell_line(struct import *m, uint64_t id, int status, struct slice outcome)
{
    bool is_good = status < 300;
    m->run->report.imported += is_good;
    m->run->report.with_errors += !is_good;
    FILE **file = is_good ? &m->success : &m->failure;
    TRY(open_output(m, is_good ? "SUCCESS" : "FAILURE", file));
    int done = is_good ? fprintf(*file,
                                 "{\"lineId\":%llu,\"UpdateResourceResponse\":"
                                 "{\"statusCode\":%d}}\n",
                                 (unsigned long long)id, status)
                       : fprintf(*file,
                                 "{\"lineId\":%llu,\"UpdateResourceResponse\":{\"jsonBlob\":"
                                 "%.*s,\"statusCode\":%d}}\n",
                                 (unsigned long long)id, SLICE_ARGS(outcome), status);
    return done < 0 ? ERR_IO : ERR_NONE;
}

static enum err apply_batch(struct import *m)
{
    if (m->count == 0)
        return ERR_NONE;
    struct arena arena;
    arena_init(&arena, BATCH_ARENA_BYTES);
    enum err err = rest_import(m->run->store.rest, m->lines, m->count, &arena);
    for (size_t i = 0; i < m->count && !err; i++) {
        err = tell_line(m, m->line_ids[i], m->lines[i].status, m->lines[i].outcome);
        if (m->lines[i].status < 300)
            m->run->report.bytes_imported += m->lines[i].text.length;
    }
    arena_release(&arena);
    m->count = 0;
    return err ? err : job_progress(m->run);
}

/* ---- reading ---- */

static enum err take_line(struct import *m, struct slice text)
{
    m->line++;
    text = slice_trim(text);
    if (text.length == 0)
        return ERR_NONE;
    m->run->report.resources++;
    m->lines[m->count] = (struct rest_line){ .text = text };
    m->line_ids[m->count++] = m->line;
    return m->count == BATCH_LINES ? apply_batch(m) : ERR_NONE;
}

/* The whole lines of what was read; `is_end`: the rest is one, too. The lines
 * point into the bytes, so all are in the store before more is read. */
static enum err split_lines(struct import *m, bool is_end)
{
    struct slice rest = buf_slice(&m->bytes);
    ptrdiff_t at;
    while ((at = slice_find_byte(rest, '\n')) >= 0) {
        if (!m->is_skipping)
            TRY(take_line(m, slice_head(rest, (size_t)at)));
        m->is_skipping = false;
        rest = slice_from(rest, (size_t)at + 1);
    }
    if (is_end && rest.length && !m->is_skipping)
        TRY(take_line(m, rest));
    TRY(apply_batch(m));
    memmove(m->bytes.bytes, rest.bytes, rest.length);
    m->bytes.length = is_end || m->is_skipping ? 0 : rest.length;
    if (m->bytes.length <= LINE_BYTES_MAX)
        return ERR_NONE;
    m->is_skipping = true;
    m->bytes.length = 0;
    m->run->report.resources++;
    return tell_line(m, ++m->line, 413,
                     SLICE("{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":"
                           "\"error\",\"code\":\"too-long\",\"diagnostics\":\"The line is longer "
                           "than 64 MB\"}]}"));
}

static enum err read_file(struct import *m)
{
    for (;;) {
        char *at = buf_reserve(&m->bytes, READ_BYTES);
        if (!at)
            return ERR_NO_MEMORY;
        size_t length = fread(at, 1, READ_BYTES, m->file);
        m->bytes.length += length;
        m->run->report.bytes += length;
        if (ferror(m->file))
            return ERR_IO;
        TRY(split_lines(m, length == 0));
        if (length == 0)
            return ERR_NONE;
    }
}

static bool close_file(FILE **file)
{
    bool closed = !*file || fclose(*file) == 0;
    *file = NULL;
    return closed;
}

static enum err import_file(struct import *m, const char *key)
{
    struct arena *arena = &m->run->arena;
    struct slice path = arena_printf(arena, "%s/%s", m->input.root, key);
    char *name = arena_copy(arena, slice_cstr(key));
    if (!path.bytes || !name)
        return ERR_NO_MEMORY;
    for (char *c = name; *c; c++)
        *c = *c == '/' ? '_' : *c;
    m->name = name;
    m->line = 0;
    m->bytes.length = 0;
    m->is_skipping = false;
    uint64_t errors_before = m->run->report.with_errors;
    m->run->report.files++;
    m->file = fopen(path.bytes, "r");
    enum err err = m->file ? read_file(m) : ERR_IO;
    close_file(&m->file);
    bool is_written = close_file(&m->success);
    is_written = close_file(&m->failure) && is_written;
    if (!err && !is_written)
        err = ERR_IO;
    bool is_clean = m->run->report.with_errors == errors_before;
    m->run->report.files_imported += is_clean;
    m->run->report.files_with_errors += !is_clean;
    return err;
}

/* ---- the manifest ---- */

static void manifest_uri(struct import *m, struct buf *out, const char *name, const char *tail)
{
    struct slice name_of_job = job_folder_name(m->run);
    bool has_slash = slice_ends_with(m->output_uri, SLICE("/"));
    struct slice uri = arena_printf(&m->run->arena, "%.*s%s%.*s/%s", SLICE_ARGS(m->output_uri),
                                    has_slash ? "" : "/", SLICE_ARGS(name_of_job), tail);
    buf_printf(out, "{\"%s\":", name);
    json_write_string(out, uri.bytes ? uri : SLICE(""));
    buf_append_byte(out, '}');
}

static enum err write_manifest(struct import *m)
{
    const struct job_report *r = &m->run->report;
    struct buf out;
    buf_init(&out, MANIFEST_BYTES);
    buf_append_cstr(&out, "{\"inputDataConfig\":{\"s3Uri\":");
    json_write_string(&out, m->input_uri);
    buf_append_cstr(&out, "},\"outputDataConfig\":{\"s3Uri\":");
    json_write_string(&out, m->output_uri);
    buf_append_cstr(&out, ",\"encryptionKeyID\":");
    json_write_string(&out, m->key_id);
    buf_append_cstr(&out, "},\"successOutput\":");
    manifest_uri(m, &out, "successOutputS3Uri", "SUCCESS/");
    buf_append_cstr(&out, ",\"failureOutput\":");
    manifest_uri(m, &out, "failureOutputS3Uri", "FAILURE/");
    buf_printf(&out,
               ",\"numberOfScannedFiles\":%llu,\"numberOfFilesImported\":%llu"
               ",\"sizeOfScannedFilesInMB\":%.6f,\"sizeOfDataImportedSuccessfullyInMB\":%.6f"
               ",\"numberOfResourcesScanned\":%llu,\"numberOfResourcesImportedSuccessfully\":%llu"
               ",\"numberOfResourcesWithCustomerError\":%llu"
               ",\"numberOfResourcesWithServerError\":0}\n",
               (unsigned long long)r->files, (unsigned long long)r->files_imported,
               (double)r->bytes / 1e6, (double)r->bytes_imported / 1e6,
               (unsigned long long)r->resources, (unsigned long long)r->imported,
               (unsigned long long)r->with_errors);
    struct slice path = arena_printf(&m->run->arena, "%s/Manifest.json", m->folder);
    enum err err = path.bytes ? buf_status(&out) : ERR_NO_MEMORY;
    if (!err)
        err = os_file_replace(path.bytes, buf_slice(&out), 0600);
    buf_release(&out);
    return err;
}

/* ---- the whole ---- */

static enum err make_output(struct import *m)
{
    struct job_run *run = m->run;
    struct bucket output;
    TRY(bucket_find(run, m->output_uri, &output));
    struct slice name = job_folder_name(run);
    struct slice parent = arena_printf(&run->arena, "%s/%.*s", output.root, SLICE_ARGS(output.key));
    struct slice probe = arena_printf(&run->arena, "%s/.healthlake_write_access_check_file.temp",
                                      parent.bytes ? parent.bytes : "");
    struct slice folder =
        arena_printf(&run->arena, "%s/%.*s", parent.bytes ? parent.bytes : "", SLICE_ARGS(name));
    if (!name.bytes || !parent.bytes || !probe.bytes || !folder.bytes)
        return ERR_NO_MEMORY;
    m->folder = folder.bytes;
    enum err err = os_folder_make(parent.bytes, 0700);
    if (!err)
        err = os_file_replace(probe.bytes, SLICE(""), 0600);
    if (!err)
        err = os_folder_remove(folder.bytes); /* of a run cut off */
    if (!err)
        err = os_folder_make(folder.bytes, 0700);
    if (err)
        return job_fail(run, err, "The output location cannot be written: %.*s",
                        SLICE_ARGS(slice_head(m->output_uri, 300)));
    return ERR_NONE;
}

static enum err import_files(struct import *m)
{
    const char **keys;
    size_t count;
    TRY(bucket_find(m->run, m->input_uri, &m->input));
    TRY(bucket_list(m->run, &m->input, &keys, &count));
    if (count == 0)
        return job_fail(m->run, ERR_NOT_FOUND, "There is no .ndjson file at %.*s",
                        SLICE_ARGS(slice_head(m->input_uri, 300)));
    TRY(make_output(m));
    for (size_t i = 0; i < count; i++)
        TRY(import_file(m, keys[i]));
    return write_manifest(m);
}

enum err import_run(struct job_run *run)
{
    struct import *m = arena_alloc(&run->arena, sizeof *m);
    if (!m)
        return ERR_NO_MEMORY;
    m->run = run;
    struct json output =
        json_member(json_member(run->request, "JobOutputDataConfig"), "S3Configuration");
    m->input_uri = json_string(json_member(json_member(run->request, "InputDataConfig"), "S3Uri"),
                               &run->arena);
    m->output_uri = json_string(json_member(output, "S3Uri"), &run->arena);
    m->key_id = json_string(json_member(output, "KmsKeyId"), &run->arena);
    if (!m->input_uri.bytes || !m->output_uri.bytes || !m->key_id.bytes)
        return ERR_NO_MEMORY;
    buf_init(&m->bytes, LINE_BYTES_MAX + 4 * READ_BYTES);
    enum err err = import_files(m);
    buf_release(&m->bytes);
    if (err == ERR_IO && !run->has_message)
        return job_fail(run, err, "A file cannot be read or written: %s", strerror(errno));
    return err;
}
