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
#include <unistd.h>

#include "control/progress.h"
#include "control/shape.h"
#include "os/clock.h"
#include "os/file.h"

enum {
    READ_BYTES = 1 << 20,
    LINE_BYTES_MAX = 64 << 20,
    BATCH_LINES = 500,
    MANIFEST_BYTES = 64 * 1024,
    NOTE_EVERY_US = 50 * 1000,
};

static const size_t BATCH_ARENA_BYTES = (size_t)1 << 30;

struct import {
    struct job_run *run;
    enum rest_level level;
    struct bucket input;
    struct output output;
    struct slice input_uri, output_uri, key_id;
    bool is_again;    /* lines may have been stored by a run cut off */
    int64_t noted_us; /* when the progress was written last; monotonic */
    /* the file being read */
    FILE *file, *success, *failure;
    const char *name; /* of its output files */
    struct progress progress;
    uint64_t line, read_bytes;
    uint64_t line_end; /* offset behind the last line taken */
    bool is_skipping;  /* inside of a line that is too long */
    struct buf bytes;  /* read, not yet split */
    struct rest_line lines[BATCH_LINES];
    uint64_t line_ids[BATCH_LINES];
    size_t count;
};

/* ---- what became of each line ---- */

/* The folder was emptied when the job began: what is there is this job's. */
static enum err open_output(struct import *m, const char *kind, FILE **file)
{
    if (*file)
        return ERR_NONE;
    struct arena *arena = &m->run->arena;
    struct slice folder = arena_printf(arena, "%s/%s", m->output.folder, kind);
    struct slice path = arena_printf(arena, "%s/%s/%s", m->output.folder, kind, m->name);
    if (!folder.bytes || !path.bytes)
        return ERR_NO_MEMORY;
    TRY(os_folder_make(folder.bytes, 0700));
    *file = fopen(path.bytes, "a");
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

/* Where an output file ends, what was written being in the system's hands. */
static enum err output_end(FILE *file, uint64_t before, uint64_t *ret)
{
    *ret = before;
    if (!file)
        return ERR_NONE;
    off_t at = fflush(file) == 0 ? ftello(file) : -1;
    *ret = (uint64_t)at;
    return at < 0 ? ERR_IO : ERR_NONE;
}

/* Each note is synced: not for every small file. */
static enum err progress_note(struct import *m, bool is_done)
{
    struct progress *p = &m->progress;
    int64_t now_us = os_monotonic_us();
    if (now_us - m->noted_us < NOTE_EVERY_US)
        return ERR_NONE;
    m->noted_us = now_us;
    p->is_done = is_done;
    p->offset = m->line_end;
    p->line = m->line;
    TRY(output_end(m->success, p->success, &p->success));
    TRY(output_end(m->failure, p->failure, &p->failure));
    return progress_save(m->run, p);
}

static enum err apply_batch(struct import *m)
{
    if (m->count == 0)
        return ERR_NONE;
    struct arena arena;
    arena_init(&arena, BATCH_ARENA_BYTES);
    enum err err = rest_import(m->run->store.rest, m->level, m->lines, m->count, &arena);
    for (size_t i = 0; i < m->count && !err; i++) {
        err = tell_line(m, m->line_ids[i], m->lines[i].status, m->lines[i].outcome);
        if (m->lines[i].status < 300)
            m->run->report.bytes_imported += m->lines[i].text.length;
    }
    arena_release(&arena);
    m->count = 0;
    if (!err)
        err = progress_note(m, false);
    return err ? err : job_progress(m->run);
}

/* ---- reading ---- */

static enum err take_line(struct import *m, struct slice text, uint64_t end)
{
    m->line++;
    m->line_end = end;
    text = slice_trim(text);
    if (text.length == 0)
        return ERR_NONE;
    m->run->report.resources++;
    m->lines[m->count] = (struct rest_line){ .text = text, .is_again = m->is_again };
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
            TRY(take_line(m, slice_head(rest, (size_t)at),
                          m->read_bytes - rest.length + (uint64_t)at + 1));
        m->is_skipping = false;
        rest = slice_from(rest, (size_t)at + 1);
    }
    if (is_end && rest.length && !m->is_skipping)
        TRY(take_line(m, rest, m->read_bytes));
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
        m->read_bytes += length;
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

/* '/' becomes '_'. */
static enum err name_outputs(struct import *m, const char *key)
{
    char *name = arena_copy(&m->run->arena, slice_cstr(key));
    if (!name)
        return ERR_NO_MEMORY;
    for (char *c = name; *c; c++)
        *c = *c == '/' ? '_' : *c;
    m->name = name;
    return ERR_NONE;
}

/* An output file as it was when the progress was noted. */
static bool cut_back(struct import *m, const char *kind, uint64_t length)
{
    struct stat stat_of;
    struct slice path = arena_printf(&m->run->arena, "%s/%s/%s", m->output.folder, kind, m->name);
    if (!path.bytes)
        return false;
    if (stat(path.bytes, &stat_of) != 0)
        return length == 0;
    return (uint64_t)stat_of.st_size >= length && truncate(path.bytes, (off_t)length) == 0;
}

/* Go on behind the last line that was noted. */
static enum err file_resume(struct import *m)
{
    const struct progress *p = &m->progress;
    m->line = p->line;
    m->line_end = m->read_bytes = p->offset;
    m->run->report.bytes = p->bytes_before + p->offset;
    return fseeko(m->file, (off_t)p->offset, SEEK_SET) == 0 ? ERR_NONE : ERR_IO;
}

static enum err file_begin(struct import *m, const char *key)
{
    struct job_report *r = &m->run->report;
    m->progress = (struct progress){ .key = slice_cstr(key),
                                     .errors_before = r->with_errors,
                                     .bytes_before = r->bytes };
    m->line = m->line_end = m->read_bytes = 0;
    r->files++;
    /* What a run cut off wrote behind its last note. */
    bool is_cut = !m->is_again || (cut_back(m, "SUCCESS", 0) && cut_back(m, "FAILURE", 0));
    return is_cut ? ERR_NONE : ERR_IO;
}

static enum err import_file(struct import *m, const char *key, bool is_again)
{
    struct job_report *r = &m->run->report;
    m->bytes.length = 0;
    m->is_skipping = false;
    TRY(name_outputs(m, key));
    TRY(bucket_open(m->run, &m->input, key, &m->file));
    enum err err = is_again ? file_resume(m) : file_begin(m, key);
    if (!err)
        err = read_file(m);
    close_file(&m->file);
    if (!err) {
        bool is_clean = r->with_errors == m->progress.errors_before;
        r->files_imported += is_clean;
        r->files_with_errors += !is_clean;
        err = progress_note(m, true);
    }
    bool is_written = close_file(&m->success);
    is_written = close_file(&m->failure) && is_written;
    return !err && !is_written ? ERR_IO : err;
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
    struct slice path = arena_printf(&m->run->arena, "%s/Manifest.json", m->output.folder);
    enum err err = path.bytes ? buf_status(&out) : ERR_NO_MEMORY;
    if (!err)
        err = os_file_replace(path.bytes, buf_slice(&out), 0600);
    buf_release(&out);
    return err;
}

/* ---- going on after a run cut off ---- */

/* Whether the output is there as it was noted; if not, all begins anew, and what is
 * in the store already makes no versions. */
static enum err resume(struct import *m, bool *ret_goes_on)
{
    bool is_again;
    TRY(progress_load(m->run, &m->progress, &is_again));
    *ret_goes_on = false;
    if (!is_again)
        return progress_save(m->run, &m->progress);
    m->is_again = true;
    if (!m->progress.key.length)
        return ERR_NONE;
    TRY(output_open(m->run, m->output_uri, true, &m->output));
    TRY(name_outputs(m, m->progress.key.bytes));
    *ret_goes_on =
        cut_back(m, "SUCCESS", m->progress.success) && cut_back(m, "FAILURE", m->progress.failure);
    if (!*ret_goes_on)
        m->run->report = (struct job_report){ 0 };
    return ERR_NONE;
}

/* ---- the whole ---- */

static enum err make_output(struct import *m)
{
    TRY(bucket_find(m->run, m->output_uri, &m->output.bucket)); /* its own message */
    enum err err = output_open(m->run, m->output_uri, false, &m->output);
    if (!err)
        err = output_probe(m->run, &m->output, ".healthlake_write_access_check_file.temp");
    if (err && !m->run->has_message)
        return job_fail(m->run, err, "The output location cannot be written: %.*s",
                        SLICE_ARGS(slice_head(m->output_uri, 300)));
    return err;
}

static enum err import_files(struct import *m)
{
    const char **keys;
    size_t count;
    bool goes_on;
    TRY(bucket_find(m->run, m->input_uri, &m->input));
    TRY(bucket_list(m->run, &m->input, &keys, &count));
    if (count == 0)
        return job_fail(m->run, ERR_NOT_FOUND, "There is no .ndjson file at %.*s",
                        SLICE_ARGS(slice_head(m->input_uri, 300)));
    TRY(resume(m, &goes_on));
    if (!goes_on)
        TRY(make_output(m));
    struct slice last = goes_on ? m->progress.key : SLICE_NONE;
    bool is_done = m->progress.is_done;
    for (size_t i = 0; i < count; i++) {
        int order = goes_on ? slice_compare(slice_cstr(keys[i]), last) : 1;
        if (order > 0 || (order == 0 && !is_done))
            TRY(import_file(m, keys[i], order == 0));
    }
    TRY(write_manifest(m));
    return output_finish(m->run, &m->output);
}

enum err import_run(struct job_run *run)
{
    struct import *m = arena_alloc(&run->arena, sizeof *m);
    if (!m)
        return ERR_NO_MEMORY;
    m->run = run;
    struct slice level =
        json_string(shape_get(run->request, "ValidationLevel"), &run->arena);
    m->level = rest_default_level(run->store.rest);
    if (level.length && !rest_level_find(level, &m->level))
        return job_fail(run, ERR_INVALID, "ValidationLevel is strict, structure-only or minimal");
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
    close_file(&m->file);
    close_file(&m->success);
    close_file(&m->failure);
    buf_release(&m->bytes);
    if (err == ERR_IO && !run->has_message)
        return job_fail(run, err, "A file cannot be read or written: %s", strerror(errno));
    return err;
}
