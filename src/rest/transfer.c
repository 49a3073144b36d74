/* Whole stores in and out, without HTTP: what import and export jobs do. */
#include "base/map.h"
#include "os/random.h"
#include "rest/codes.h"
#include "rest/customs.h"
#include "rest/draft.h"
#include "rest/outcome.h"
#include "rest/reply.h"

enum { PAGE_DOCS = 500, OUTCOME_BYTES_MAX = 256 * 1024 };

static const size_t SCRATCH_BYTES = (size_t)64 << 20;
static const size_t PAGE_ARENA_BYTES = (size_t)1 << 30;

/* ---- in ---- */

struct import {
    struct rest *rest;
    enum rest_level level;
    struct arena *arena;
    struct arena scratch; /* of one line's parse */
    struct buf work;
    struct rest_line *lines;
    /* the writes gathered so far: at most one for each resource */
    struct store_write *writes;
    size_t *line_of; /* each write's line */
    size_t count;
    struct map taken; /* "Type/id" of the writes */
};

static void line_fail(struct import *m, struct rest_line *line, enum err err,
                      const struct issues *issues)
{
    struct buf text;
    buf_init(&text, OUTCOME_BYTES_MAX);
    outcome_render(&text, SLICE_NONE, err, issues);
    char *copy = buf_status(&text) ? NULL : arena_copy(m->arena, buf_slice(&text));
    line->outcome =
        copy ? slice_of(copy, text.length) : SLICE("{\"resourceType\":\"OperationOutcome\"}");
    line->status = err_http_status(err);
    buf_release(&text);
}

/* The write of one line; route_find() knows which types and ids may be stored. */
static enum err line_draft(struct import *m, const struct rest_line *line, struct issues *issues,
                           struct store_write *ret)
{
    struct json_doc doc;
    struct json_error where;
    enum err err = json_parse(line->text, NULL, &m->scratch, &doc, &where);
    if (err)
        return outcome_json(issues, err, &where);
    struct json root = json_root(&doc);
    struct slice type = json_string(json_member(root, "resourceType"), m->arena);
    struct slice id = json_string(json_member(root, "id"), m->arena);
    if (!type.bytes)
        return issues_fail(issues, ERR_INVALID, "structure",
                           "resourceType must be a string of the form [A-Za-z]{1,256}");
    if (!id.bytes)
        return issues_fail(issues, ERR_INVALID, "required",
                           "Missing required id field in resource json");
    if (!fhir_id_is_valid(id))
        return issues_fail(issues, ERR_INVALID, "value",
                           "The id must be of the form [A-Za-z0-9-.]{1,64}");
    struct slice path =
        arena_printf(m->arena, "%.*s/%.*s", SLICE_ARGS(slice_head(type, 256)), SLICE_ARGS(id));
    struct route route;
    if (!path.bytes)
        return ERR_NO_MEMORY;
    TRY(route_find(&m->rest->settings.behaviour, SLICE("PUT"), path, m->arena, issues, &route));
    if (route.interaction != INTERACTION_UPDATE || !route.type)
        return issues_fail(issues, ERR_INVALID, "value", "resourceType is no resource type of R4");
    struct draft d = {
        .rest = m->rest,
        .arena = m->arena,
        .scratch = &m->scratch,
        .work = &m->work,
        .issues = issues,
        .resource = root,
        .type = route.type,
        .id = id,
        .level = m->level,
    };
    TRY(draft_put(&d, ret));
    ret->skip_if_equal = line->is_again || !m->rest->settings.behaviour.always_new_version;
    return ERR_NONE;
}

/* What was gathered goes into the store, in one commit. */
static enum err import_apply(struct import *m)
{
    if (m->count == 0)
        return ERR_NONE;
    struct store_result *results = arena_array(m->arena, m->count, sizeof *results);
    uint64_t time;
    size_t refused;
    if (!results)
        return ERR_NO_MEMORY;
    TRY(store_apply(m->rest->settings.store, m->writes, m->count, false, m->arena, results, &time,
                    &refused));
    codes_note(m->rest, m->writes, m->count);
    for (size_t i = 0; i < m->count; i++)
        m->lines[m->line_of[i]].status = results[i].outcome == STORE_CREATED ? 201 : 200;
    m->count = 0;
    map_release(&m->taken);
    map_init(&m->taken, SIZE_MAX / 2, os_random_u64());
    return ERR_NONE;
}

static enum err import_line(struct import *m, size_t at)
{
    struct rest_line *line = &m->lines[at];
    struct issues issues;
    issues_init(&issues, m->arena);
    struct store_write write = { 0 };
    struct arena_mark mark = arena_mark(&m->scratch);
    enum err err = line_draft(m, line, &issues, &write);
    arena_rewind(&m->scratch, mark);
    if (err == ERR_NO_MEMORY)
        return err;
    if (err) {
        line_fail(m, line, err, &issues);
        return ERR_NONE;
    }
    struct slice key =
        arena_printf(m->arena, "%.*s/%.*s", SLICE_ARGS(write.type), SLICE_ARGS(write.id));
    if (!key.bytes)
        return ERR_NO_MEMORY;
    if (map_find(&m->taken, key)) /* the same resource again: a commit of its own */
        TRY(import_apply(m));
    uint64_t *place;
    TRY(map_put(&m->taken, key, &place, NULL));
    m->writes[m->count] = write;
    m->line_of[m->count++] = at;
    return ERR_NONE;
}

enum err rest_import(struct rest *rest, enum rest_level level, struct rest_line *lines,
                     size_t count, struct arena *arena)
{
    struct import m = { .rest = rest, .level = level, .arena = arena, .lines = lines };
    size_t largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = MAX(largest, lines[i].text.length);
    m.writes = arena_array(arena, count, sizeof *m.writes);
    m.line_of = arena_array(arena, count, sizeof *m.line_of);
    if (!m.writes || !m.line_of)
        return ERR_NO_MEMORY;
    arena_init(&m.scratch, SCRATCH_BYTES + 20 * largest);
    buf_init(&m.work, largest + DRAFT_EXTRA_BYTES);
    map_init(&m.taken, SIZE_MAX / 2, os_random_u64());
    struct customs_generation *held = customs_enter(rest->customs);
    enum err err = customs_settle(rest);
    for (size_t i = 0; i < count && !err; i++)
        err = import_line(&m, i);
    if (!err)
        err = import_apply(&m);
    customs_leave(rest->customs, held);
    map_release(&m.taken);
    buf_release(&m.work);
    arena_release(&m.scratch);
    return err;
}

/* ---- out ---- */

struct export
{
    const struct rest *rest;
    rest_resource_visit *visit;
    void *context;
    struct buf body;
};

static enum err export_one(void *context, const struct store_version *version)
{
    struct export *x = context;
    buf_clear(&x->body);
    TRY(reply_resource(x->rest, version->body, version->splice, version->version, version->instant,
                       &x->body));
    return x->visit(x->context, version->type, buf_slice(&x->body));
}

static enum err export_page(struct export *x, struct store_reader *reader, uint64_t *after,
                            struct arena *arena, size_t *ret_count)
{
    static const struct plan everything = { .kind = PLAN_ALL };
    uint64_t *docs;
    TRY(store_search(reader, &everything, *after, PAGE_DOCS, arena, &docs, ret_count));
    if (*ret_count == 0)
        return ERR_NONE;
    TRY(store_docs(reader, docs, *ret_count, arena, export_one, x));
    *after = docs[*ret_count - 1];
    return ERR_NONE;
}

enum err rest_export(struct rest *rest, rest_resource_visit *visit, void *context)
{
    struct store_reader *reader;
    TRY(store_read_begin(rest->settings.store, 0, &reader));
    struct export x = { .rest = rest, .visit = visit, .context = context };
    struct arena arena;
    arena_init(&arena, PAGE_ARENA_BYTES);
    buf_init(&x.body, PAGE_ARENA_BYTES);
    uint64_t after = 0;
    size_t count;
    enum err err;
    do {
        struct arena_mark mark = arena_mark(&arena);
        err = export_page(&x, reader, &after, &arena, &count);
        arena_rewind(&arena, mark);
    } while (!err && count == PAGE_DOCS);
    buf_release(&x.body);
    arena_release(&arena);
    store_read_end(reader);
    return err;
}
