#include "control/progress.h"

#include "os/file.h"

enum { FILE_BYTES = 64 * 1024 };

static enum err make_path(struct job_run *run, const char **ret)
{
    TRY(run_folder_make(run));
    *ret = arena_printf(&run->arena, "%s/progress.json", run->folder).bytes;
    return *ret ? ERR_NONE : ERR_NO_MEMORY;
}

static bool take(struct json v, const char *name, uint64_t *ret)
{
    struct json value = json_get(v, slice_cstr(name));
    return json_is(value, JSON_NUMBER) && slice_parse_u64(json_raw(value), ret);
}

static bool parse(struct json v, struct arena *arena, struct progress *p, struct job_report *r)
{
    p->key = json_string(json_member(v, "key"), arena);
    p->is_done = json_is(json_member(v, "done"), JSON_TRUE);
    return p->key.bytes && take(v, "offset", &p->offset) && take(v, "line", &p->line) &&
           take(v, "success", &p->success) && take(v, "failure", &p->failure) &&
           take(v, "errorsBefore", &p->errors_before) && take(v, "bytesBefore", &p->bytes_before) &&
           report_parse(v, r);
}

enum err progress_load(struct job_run *run, struct progress *ret, bool *ret_found)
{
    const char *path;
    struct buf text;
    struct json_doc doc;
    *ret = (struct progress){ .key = SLICE_NONE };
    TRY(make_path(run, &path));
    *ret_found = os_file_exists(path);
    if (!*ret_found)
        return ERR_NONE;
    buf_init(&text, FILE_BYTES);
    enum err err = os_file_read(path, &text);
    char *copy = err ? NULL : arena_copy(&run->arena, buf_slice(&text));
    struct slice whole = slice_of(copy, copy ? text.length : 0);
    buf_release(&text);
    struct job_report report = { 0 };
    if (!copy || json_parse(whole, NULL, &run->arena, &doc, NULL) != ERR_NONE ||
        !parse(json_root(&doc), &run->arena, ret, &report)) {
        *ret = (struct progress){ .key = SLICE_NONE };
        return err == ERR_NO_MEMORY ? err : ERR_NONE;
    }
    run->report = report;
    return ERR_NONE;
}

static void put(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

enum err progress_save(struct job_run *run, const struct progress *p)
{
    const char *path;
    struct buf text;
    TRY(run_folder_make(run)); /* not to be rewound */
    struct arena_mark mark = arena_mark(&run->arena);
    TRY(make_path(run, &path));
    buf_init(&text, FILE_BYTES);
    buf_append_cstr(&text, "{\"key\":");
    json_write_string(&text, p->key);
    buf_printf(&text, ",\"done\":%s", p->is_done ? "true" : "false");
    put(&text, "offset", p->offset);
    put(&text, "line", p->line);
    put(&text, "success", p->success);
    put(&text, "failure", p->failure);
    put(&text, "errorsBefore", p->errors_before);
    put(&text, "bytesBefore", p->bytes_before);
    report_render(&run->report, &text);
    buf_append_cstr(&text, "}\n");
    enum err err = buf_status(&text);
    if (!err)
        err = os_file_replace(path, buf_slice(&text), 0600);
    buf_release(&text);
    arena_rewind(&run->arena, mark);
    return err;
}
