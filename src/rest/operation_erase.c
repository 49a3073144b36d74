/* $purge of a record and $expunge of a resource: hidden before the answer, gone from
 * the files when the erasure that the answer names is done. */
#include <stdlib.h>

#include "base/map.h"
#include "index/index.h"
#include "os/random.h"
#include "rest/codes.h"
#include "rest/operation.h"
#include "rest/reply.h"

enum { MEMBERS_MAX = 1000000, PASSES_MAX = 64, KEPT_TOLD_MAX = 100, VERSIONS_MAX = 1000000 };

/* What the compartment is known to hold of one resource. */
struct member {
    struct slice type, id;
    uint64_t *docs; /* its versions in it */
    size_t count, room;
    bool is_in_home; /* some version lies with the owner */
    struct member *next;
};

struct purge {
    struct request *r;
    const struct fhir_type *owner;
    bool with_shared;
    struct store_reader *reader;
    struct map by_key;
    struct member *first;
    struct store_target *targets;
    size_t target_count, target_room;
    struct store_write *deletions; /* before what they delete can be erased */
    size_t deletion_count, deletion_room;
    struct buf kept; /* references to what stays, as JSON parts */
    size_t kept_count;
    struct store_erasure erasure; /* all passes together, the last number */
    struct arena scratch;
};

/* ---- finding ---- */

static enum err member_find(struct purge *p, struct slice type, struct slice id,
                            struct member **ret)
{
    struct arena *arena = p->r->arena;
    struct slice key = arena_printf(arena, "%.*s/%.*s", SLICE_ARGS(type), SLICE_ARGS(id));
    uint64_t *place = NULL;
    bool is_new = false;
    if (!key.bytes)
        return ERR_NO_MEMORY;
    TRY(map_put(&p->by_key, key, &place, &is_new));
    if (is_new) {
        struct member *m = arena_alloc(arena, sizeof *m);
        if (!m)
            return ERR_NO_MEMORY;
        *m = (struct member){ .next = p->first };
        m->type = slice_head(key, type.length);
        m->id = slice_from(key, type.length + 1);
        *place = (uint64_t)(uintptr_t)m;
        p->first = m;
    }
    *ret = (struct member *)(uintptr_t)*place;
    return ERR_NONE;
}

static enum err member_add(struct purge *p, struct member *m, uint64_t doc)
{
    if (m->count == m->room) {
        size_t room = m->room ? 2 * m->room : 4;
        uint64_t *docs = arena_array(p->r->arena, room, sizeof *docs);
        if (!docs)
            return ERR_NO_MEMORY;
        if (m->count)
            memcpy(docs, m->docs, m->count * sizeof *docs);
        m->docs = docs;
        m->room = room;
    }
    m->docs[m->count++] = doc;
    return ERR_NONE;
}

static enum err posting_found(void *context, struct slice value, const uint64_t *docs, size_t count)
{
    struct purge *p = context;
    (void)value;
    for (size_t i = 0; i < count; i++) {
        struct store_version v;
        struct member *m;
        struct arena_mark mark = arena_mark(&p->scratch);
        enum err err = store_doc(p->reader, docs[i], &p->scratch, &v);
        if (!err)
            err = member_find(p, v.type, v.id, &m);
        if (!err)
            err = member_add(p, m, docs[i]);
        arena_rewind(&p->scratch, mark);
        if (err && err != ERR_NOT_FOUND) /* erased, or beyond the horizon */
            return err;
    }
    return ERR_NONE;
}

/* Deletions have no postings, but lie where what they deleted lay. */
static enum err home_found(void *context, const struct store_version *v)
{
    struct purge *p = context;
    struct member *m;
    TRY(member_find(p, v->type, v->id, &m));
    m->is_in_home = true;
    return ERR_NONE;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static bool member_has(const struct member *m, uint64_t doc)
{
    return m->count && bsearch(&doc, m->docs, m->count, sizeof doc, by_number);
}

/* ---- deciding ---- */

/* Is the version in a compartment of the same kind with another owner? */
static enum err is_shared(struct purge *p, uint64_t doc, bool *ret)
{
    struct store_version v;
    struct term *terms;
    size_t count;
    struct rest_extract extract = { .base_url = p->r->base_url };
    struct slice own = arena_printf(p->r->arena, "%.*s/%.*s", SLICE_ARGS(p->owner->name),
                                    SLICE_ARGS(p->r->route.id));
    struct slice kind = slice_head(own, p->owner->name.length + 1);
    *ret = false;
    if (!own.bytes)
        return ERR_NO_MEMORY;
    TRY(store_doc(p->reader, doc, &p->scratch, &v));
    TRY(rest_extract(&extract, v.type, v.id, v.body, &p->scratch, &terms, &count));
    for (size_t i = 0; i < count; i++) {
        struct slice owner = terms[i].value;
        if (terms[i].field != INDEX_FIELD_COMPARTMENT || !slice_starts_with(owner, kind))
            continue;
        owner = slice_cut(&owner, '\0');
        *ret = *ret || !slice_equal(owner, own);
    }
    return ERR_NONE;
}

/* `newest` 0: all of it; else all, unless it has another newest version by then. */
static enum err target_add(struct purge *p, const struct member *m, bool is_whole, uint64_t newest)
{
    if (p->target_count == p->target_room) {
        size_t room = p->target_room ? 2 * p->target_room : 64;
        struct store_target *more = arena_array(p->r->arena, room, sizeof *more);
        if (!more)
            return ERR_NO_MEMORY;
        if (p->target_count)
            memcpy(more, p->targets, p->target_count * sizeof *more);
        p->targets = more;
        p->target_room = room;
    }
    p->targets[p->target_count++] = (struct store_target){ .type = m->type,
                                                           .id = m->id,
                                                           .docs = is_whole ? NULL : m->docs,
                                                           .doc_count = is_whole ? 0 : m->count,
                                                           .newest = newest };
    return ERR_NONE;
}

static void keep(struct purge *p, const struct member *m, uint64_t version, bool is_newest)
{
    if (p->kept_count++ >= KEPT_TOLD_MAX)
        return;
    buf_append_cstr(&p->kept, ",{\"name\":\"kept\",\"valueReference\":{\"reference\":\"");
    buf_printf(&p->kept, "%.*s/%.*s", SLICE_ARGS(m->type), SLICE_ARGS(m->id));
    if (!is_newest)
        buf_printf(&p->kept, "/_history/%llu", (unsigned long long)version);
    buf_append_cstr(&p->kept, "\"}}");
}

/* The resource is deleted first, if it is still that version: what is its newest version
 * cannot be erased alone. */
static enum err deletion_add(struct purge *p, const struct member *m, uint64_t version)
{
    if (p->deletion_count == p->deletion_room) {
        size_t room = p->deletion_room ? 2 * p->deletion_room : 16;
        struct store_write *more = arena_array(p->r->arena, room, sizeof *more);
        if (!more)
            return ERR_NO_MEMORY;
        if (p->deletion_count)
            memcpy(more, p->deletions, p->deletion_count * sizeof *more);
        p->deletions = more;
        p->deletion_room = room;
    }
    p->deletions[p->deletion_count++] = (struct store_write){ .operation = STORE_DELETE,
                                                              .expect = STORE_VERSION,
                                                              .expect_version = version,
                                                              .type = m->type,
                                                              .id = m->id };
    return ERR_NONE;
}

/* Of the versions that lie in the record those stay in `m` that go; *ret_others: others
 * stay, for they lie in another record, perhaps in this one too. */
static enum err member_sort(struct purge *p, struct member *m, const struct store_version *versions,
                            size_t count, bool *ret_others)
{
    size_t going = 0;
    struct member all = *m;
    *ret_others = false;
    if (all.count)
        qsort(all.docs, all.count, sizeof *all.docs, by_number);
    m->docs = arena_array(p->r->arena, count, sizeof *m->docs);
    if (!m->docs)
        return ERR_NO_MEMORY;
    for (size_t i = count; i-- > 0;) { /* oldest first */
        const struct store_version *v = &versions[i];
        struct arena_mark mark = arena_mark(&p->scratch);
        bool is_in = member_has(&all, v->doc), shared = false;
        enum err err =
            v->is_deleted || (is_in && p->with_shared) ? ERR_NONE : is_shared(p, v->doc, &shared);
        arena_rewind(&p->scratch, mark);
        if (err == ERR_NOT_FOUND)
            continue; /* erased meanwhile, or beyond the horizon */
        TRY(err);
        *ret_others = *ret_others || shared;
        if (is_in && shared)
            keep(p, m, v->version, i == 0);
        else if (is_in)
            m->docs[going++] = v->doc;
    }
    m->count = going;
    return ERR_NONE;
}

/* Each version belongs to the records whose compartments it lies in. Those that lie in
 * this one alone go (with_shared: in this one at all); one that nobody else has goes with
 * its newest version. A resource may move before it is erased: so it is erased only as
 * what it was seen to be, and else decided about again. */
static enum err member_decide(struct purge *p, struct member *m)
{
    struct store_version *versions;
    size_t count = 0;
    bool is_owner = slice_equal(m->type, p->owner->name), has_others;
    if (is_owner && slice_equal(m->id, p->r->route.id))
        return target_add(p, m, true, 0);
    if (is_owner) /* another record that links to this one */
        return ERR_NONE;
    TRY(store_history(p->reader, m->type, m->id, 0, INT64_MIN, VERSIONS_MAX, &p->scratch, &versions,
                      &count));
    if (!count)
        return ERR_NONE; /* erased meanwhile */
    const struct store_version *now = versions;
    if (now->is_deleted && count > 1)
        now++;
    TRY(member_sort(p, m, versions, count, &has_others));
    bool goes_now = now->is_deleted ? m->is_in_home : member_has(m, now->doc);
    if (goes_now && !has_others)
        return target_add(p, m, true, versions->doc);
    if (goes_now && !versions->is_deleted)
        return deletion_add(p, m, versions->version);
    return m->count ? target_add(p, m, false, 0) : ERR_NONE;
}

/* ---- erasing ---- */

/* Code systems, value sets, profiles: what was known of them is read anew. */
static enum err note(struct purge *p)
{
    struct store_write *writes = arena_array(p->r->arena, p->target_count, sizeof *writes);
    if (!writes)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < p->target_count; i++)
        writes[i] = (struct store_write){ .operation = STORE_DELETE,
                                          .type = p->targets[i].type,
                                          .id = p->targets[i].id };
    codes_note(p->r->rest, writes, p->target_count);
    return ERR_NONE;
}

static enum err deletions_apply(struct purge *p)
{
    uint64_t time;
    size_t refused, count = p->deletion_count;
    struct store_result *results = arena_array(p->r->arena, count, sizeof *results);
    if (!results)
        return ERR_NO_MEMORY;
    if (!count)
        return ERR_NONE;
    TRY(store_apply(p->r->rest->settings.store, p->deletions, count, false, p->r->arena, results,
                    &time, &refused));
    codes_note(p->r->rest, p->deletions, count);
    return ERR_NONE;
}

static enum err targets_erase(struct purge *p)
{
    struct store_erasure e = { 0 };
    if (!p->target_count)
        return ERR_NONE;
    enum err err =
        store_erase(p->r->rest->settings.store, p->targets, p->target_count, p->r->arena, &e);
    if (e.versions || e.resources) {
        p->erasure.number = e.number;
        p->erasure.versions += e.versions;
        p->erasure.resources += e.resources;
    }
    p->erasure.moved = e.moved;
    TRY(err);
    return note(p);
}

static enum err pass_run(struct purge *p)
{
    struct request *r = p->r;
    struct slice prefix =
        index_encode_compartment(r->arena, p->owner->name, r->route.id, SLICE_NONE);
    if (!prefix.bytes)
        return ERR_NO_MEMORY;
    TRY(store_scan_home(p->reader, p->owner->name, r->route.id, home_found, p));
    TRY(store_scan_past(p->reader, INDEX_FIELD_COMPARTMENT, prefix, posting_found, p));
    struct member *owner;
    TRY(member_find(p, p->owner->name, r->route.id, &owner));
    for (struct member *m = p->first; m; m = m->next) {
        struct arena_mark mark = arena_mark(&p->scratch);
        enum err err = member_decide(p, m);
        arena_rewind(&p->scratch, mark);
        TRY(err);
    }
    return ERR_NONE;
}

/* Once more, until a pass finds nothing: for what was written meanwhile. */
static enum err purge_run(struct purge *p)
{
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        uint64_t before = p->erasure.versions + p->erasure.resources;
        p->first = NULL;
        p->target_count = p->kept_count = p->deletion_count = 0;
        p->erasure.moved = 0;
        buf_clear(&p->kept);
        map_init(&p->by_key, MEMBERS_MAX, os_random_u64());
        enum err err = store_read_begin(p->r->rest->settings.store, 0, &p->reader);
        if (!err) {
            err = pass_run(p);
            store_read_end(p->reader); /* the erasure waits for readers */
        }
        map_release(&p->by_key);
        if (!err)
            err = deletions_apply(p);
        if (!err)
            err = targets_erase(p);
        bool is_still = !p->erasure.moved && !p->deletion_count &&
                        p->erasure.versions + p->erasure.resources == before;
        if (err || is_still)
            return err;
    }
    return issues_fail(&p->r->issues, ERR_BUSY, "conflict",
                       "The record is being written: what was found is erased, purge it again");
}

/* ---- answers ---- */

static void whole_append(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",{\"name\":\"%s\",\"valueDecimal\":%llu}", name, (unsigned long long)value);
}

static enum err accepted(struct request *r, const struct store_erasure *e, struct slice kept,
                         size_t kept_count)
{
    struct buf body;
    buf_init(&body, (size_t)1 << 20);
    buf_printf(&body,
               "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"erasure\","
               "\"valueString\":\"%llu\"}",
               (unsigned long long)e->number);
    whole_append(&body, "resources", e->resources);
    whole_append(&body, "versions", e->versions);
    whole_append(&body, "keptCount", kept_count);
    buf_append(&body, kept);
    buf_append_cstr(&body, "]}");
    enum err err =
        reply_header(r, "Content-Location",
                     arena_printf(r->arena, "%.*s/$erasure?number=%llu", SLICE_ARGS(r->base_url),
                                  (unsigned long long)e->number));
    if (!err)
        err = reply_copy(r, 202, &body);
    buf_release(&body);
    return err;
}

static enum err nothing_there(struct request *r)
{
    return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found", "%.*s/%.*s does not exist",
                       SLICE_ARGS(r->route.type->name), SLICE_ARGS(r->route.id));
}

static enum err shared_parse(struct request *r, bool *ret_with_shared)
{
    static const char *const KNOWN[] = { "shared", NULL };
    struct operation_input in;
    enum err err = operation_begin(r, KNOWN, &in);
    struct slice shared = err ? SLICE_NONE : operation_text(&in, "shared");
    *ret_with_shared = slice_is(shared, "erase");
    if (!err && shared.length && !*ret_with_shared && !slice_is(shared, "keep"))
        err = issues_fail(&r->issues, ERR_INVALID, "value", "shared is keep (default) or erase");
    operation_end(&in);
    return err;
}

enum err rest_purge(struct request *r)
{
    struct purge p = { .r = r, .owner = r->route.type };
    TRY(shared_parse(r, &p.with_shared));
    arena_init(&p.scratch, (size_t)1 << 30);
    buf_init(&p.kept, (size_t)1 << 20);
    enum err err = purge_run(&p);
    if (!err && !p.erasure.versions && !p.erasure.resources)
        err = nothing_there(r);
    if (!err)
        err = accepted(r, &p.erasure, buf_slice(&p.kept), p.kept_count);
    buf_release(&p.kept);
    arena_release(&p.scratch);
    return err;
}

enum err rest_expunge(struct request *r)
{
    static const char *const KNOWN[] = { NULL };
    struct operation_input in;
    struct purge p = { .r = r };
    struct store_target target = { .type = r->route.type->name, .id = r->route.id };
    enum err err = operation_begin(r, KNOWN, &in);
    operation_end(&in);
    p.targets = &target;
    p.target_count = 1;
    TRY(err);
    TRY(targets_erase(&p));
    if (!p.erasure.versions && !p.erasure.resources)
        return nothing_there(r);
    return accepted(r, &p.erasure, SLICE_NONE, 0);
}

/* ---- how far it is ---- */

static void note_append(struct buf *out, const struct store_erasure *e)
{
    buf_append_cstr(out, ",{\"name\":\"note\",\"valueString\":\"");
    if (e->found)
        buf_printf(out,
                   "%llu of the store's files still hold an id of what was erased: resources that "
                   "were kept refer to it. ",
                   (unsigned long long)e->found);
    buf_append_cstr(out, "Not reached: backups, exports, answers of asynchronous transactions, "
                         "logs, and copies at other places.\"}");
}

static enum err erasure_reply(struct request *r, const struct store_erasure *e)
{
    struct buf body;
    bool is_done = e->stage == STORE_ERASED;
    buf_init(&body, (size_t)1 << 20);
    buf_printf(&body,
               "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"erasure\","
               "\"valueString\":\"%llu\"},{\"name\":\"status\",\"valueCode\":\"%s\"}",
               (unsigned long long)e->number, is_done ? "completed" : "in-progress");
    whole_append(&body, "resources", e->resources);
    whole_append(&body, "versions", e->versions);
    buf_printf(&body, ",{\"name\":\"begun\",\"valueInstant\":\"%.*s\"}",
               SLICE_ARGS(reply_instant(r, e->begun)));
    if (is_done) {
        buf_printf(&body, ",{\"name\":\"ended\",\"valueInstant\":\"%.*s\"}",
                   SLICE_ARGS(reply_instant(r, e->ended)));
        whole_append(&body, "filesSearched", e->files);
        whole_append(&body, "filesWithAnId", e->found);
        note_append(&body, e);
    }
    buf_append_cstr(&body, "]}");
    enum err err = is_done ? ERR_NONE : reply_header(r, "X-Progress", SLICE("erasing"));
    if (!err)
        err = reply_copy(r, is_done ? 200 : 202, &body);
    buf_release(&body);
    return err;
}

enum err rest_erasure(struct request *r)
{
    static const char *const KNOWN[] = { "number", NULL };
    struct operation_input in;
    struct store_erasure e;
    uint64_t number = 0;
    enum err err = operation_begin(r, KNOWN, &in);
    bool is_number = !err && slice_parse_u64(operation_text(&in, "number"), &number);
    operation_end(&in);
    TRY(err);
    if (!is_number)
        return issues_fail(&r->issues, ERR_INVALID, "required", "number names the erasure");
    if (!store_erasure_find(r->rest->settings.store, number, &e))
        return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found", "There is no erasure %llu",
                           (unsigned long long)number);
    return erasure_reply(r, &e);
}
