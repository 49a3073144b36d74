/* sync/everything.c - a user's whole record back out of the store.
 *
 * The guide's query over several consents, done right: every page of the tag
 * search, every page of $everything of each Patient found, each resource once.
 * All of it is gathered in a spool first, so that what is written is whole.
 */
#include <errno.h>
#include <unistd.h>

#include "base/codec.h"
#include "json/json.h"
#include "os/random.h"
#include "sync/member.h"
#include "sync/scan.h"
#include "sync/source.h"
#include "sync/summary.h"
#include "sync/sync.h"
#include "sync/target.h"

enum { PAGES_MAX = 1000 * 1000, URL_BYTES = 64 * 1024, PATIENTS_MAX = 100 * 1000 };
#define EVERYTHING_ARENA_BYTES ((size_t)64 * 1024 * 1024)

struct gather {
    struct target *target;
    struct arena *arena;   /* of the caller: for the error */
    struct arena scratch;  /* of the request at hand */
    struct transform transform;
    struct member patients; /* whose $everything is wanted */
    struct member found;
    struct slice *error;
};

static enum err fail(struct gather *g, enum err err, const char *what, struct slice why)
{
    if (!g->error->length)
        *g->error = arena_printf(g->arena, "%s%.*s", what, SLICE_ARGS(why));
    return err;
}

/* ---- pages ---- */

static enum err take_entries(struct gather *g, struct scan *scan, struct member *into)
{
    struct slice entry;
    enum err err;
    while (!(err = scan_next(scan, &entry)) && entry.bytes) {
        enum member_added added;
        TRY(transform_entry(&g->transform, entry));
        if (g->transform.verdict == TRANSFORM_RESOURCE)
            TRY(member_add(into, &g->transform, &added));
    }
    return err;
}

/* The page in the answer; `url` then holds the next one's or nothing. */
static enum err take_page(struct gather *g, struct member *into, struct buf *url)
{
    const struct spool *answer = &g->target->session->answer;
    struct scan scan;
    struct slice link = SLICE_NONE;
    scan_init(&scan, answer->fd, answer->bytes);
    enum err err = take_entries(g, &scan, into);
    if (!err && !slice_is(scan_member(&scan, SLICE("resourceType")), "\"Bundle\""))
        err = ERR_INVALID;
    if (!err)
        err = bundle_link(scan_member(&scan, SLICE("link")), "next", &g->scratch, &link);
    scan_release(&scan);
    if (err)
        return fail(g, err, "the target's answer cannot be used: ", slice_cstr(err_text(err)));
    struct slice next = link.length ? url_resolve(buf_slice(url), link, &g->scratch) : SLICE_NONE;
    if (link.length && slice_equal(next, buf_slice(url)))
        return fail(g, ERR_INVALID, "the target's next links do not end", SLICE_NONE);
    buf_clear(url);
    buf_append(url, next);
    return buf_status(url);
}

/* All pages from one URL on. An unknown Patient is told, not passed over. */
static enum err gather_pages(struct gather *g, struct slice first, struct member *into)
{
    struct buf url;
    buf_init(&url, URL_BYTES);
    buf_append(&url, first);
    enum err err = buf_status(&url);
    for (uint32_t page = 0; !err && url.length; page++) {
        struct http_exchange x;
        arena_release(&g->scratch);
        err = page < PAGES_MAX ? target_follow(g->target, buf_slice(&url), &g->scratch, &x)
                               : ERR_LIMIT;
        struct slice why = SLICE_NONE;
        if (err || x.status != 200)
            why = err == ERR_FORBIDDEN ? SLICE("a next link leads to another host")
                                       : session_problem(g->target->session, &x, err,
                                                         &g->scratch);
        if (why.bytes)
            err = fail(g, err ? err : ERR_NETWORK, "target: ", why);
        else
            err = take_page(g, into, &url);
        session_say(g->target->session, "target: %zu resources so far", member_count(into));
    }
    buf_release(&url);
    return err;
}

/* ---- what is wanted ---- */

static enum err find_patients(struct gather *g, struct slice consent)
{
    struct buf url;
    buf_init(&url, URL_BYTES);
    buf_append(&url, g->target->base);
    buf_append_cstr(&url, "/Patient?_tag=");
    percent_encode(&url, SLICE(CONSENT_TAG_SYSTEM "|"), false);
    percent_encode(&url, consent, false);
    enum err err = buf_status(&url);
    if (!err)
        err = gather_pages(g, buf_slice(&url), &g->patients);
    buf_release(&url);
    return err;
}

static enum err gather_patient(struct gather *g, struct slice id, struct slice types)
{
    struct buf url;
    buf_init(&url, URL_BYTES);
    buf_append(&url, g->target->base);
    buf_append_cstr(&url, "/Patient/");
    percent_encode(&url, id, false);
    buf_append_cstr(&url, "/$everything");
    if (types.length) {
        buf_append_cstr(&url, "?_type=");
        percent_encode(&url, types, false);
    }
    enum err err = buf_status(&url);
    if (!err)
        err = gather_pages(g, buf_slice(&url), &g->found);
    buf_release(&url);
    return err;
}

static enum err gather_all(struct gather *g, const struct sync_wanted *wanted)
{
    for (size_t i = 0; i < wanted->consent_count; i++)
        TRY(find_patients(g, wanted->consents[i]));
    if (member_count(&g->patients) + wanted->patient_count == 0)
        return fail(g, ERR_NOT_FOUND, "no Patient carries that consent's tag in the store",
                    SLICE_NONE);
    if (member_count(&g->patients) > PATIENTS_MAX)
        return fail(g, ERR_LIMIT, "too many Patients", SLICE_NONE);
    for (size_t i = 0; i < wanted->patient_count; i++)
        TRY(gather_patient(g, wanted->patients[i], wanted->types));
    for (size_t i = 0; i < member_count(&g->patients); i++)
        TRY(gather_patient(g, member_id(&g->patients, member_row(&g->patients, i)),
                           wanted->types));
    return spool_flush(&g->found.spool);
}

/* ---- out ---- */

struct out {
    int fd;
    struct buf pending;
    enum err err;
};

enum { OUT_BYTES = 256 * 1024 };

static void out_flush(struct out *o)
{
    struct slice rest = buf_slice(&o->pending);
    if (!o->err)
        o->err = buf_status(&o->pending);
    while (!o->err && rest.length) {
        ssize_t n = write(o->fd, rest.bytes, rest.length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            o->err = ERR_IO;
        else
            rest = slice_from(rest, (size_t)n);
    }
    buf_clear(&o->pending);
}

static void out_row(struct out *o, const struct member *m, const struct member_row *row)
{
    if (o->pending.length > OUT_BYTES)
        out_flush(o);
    char *text = buf_extend(&o->pending, row->length);
    if (text && !o->err)
        o->err = spool_read(&m->spool, row->offset, text, row->length);
}

static void write_bundle(struct out *o, const struct member *m, struct slice base)
{
    buf_append_cstr(&o->pending, "{\"resourceType\":\"Bundle\",\"type\":\"collection\"");
    buf_append_cstr(&o->pending, member_count(m) ? ",\"entry\":[" : "");
    for (size_t i = 0; i < member_count(m); i++) {
        const struct member_row *row = member_row(m, i);
        char name[MEMBER_NAME_BYTES];
        buf_append_cstr(&o->pending, i ? ",{\"fullUrl\":" : "{\"fullUrl\":");
        struct slice path = member_name(m, row, name);
        buf_append_byte(&o->pending, '"');
        buf_append(&o->pending, base); /* printable ASCII, as url_parse() saw to */
        buf_printf(&o->pending, "/%.*s\",\"resource\":", SLICE_ARGS(path));
        out_row(o, m, row);
        buf_append_byte(&o->pending, '}');
    }
    buf_append_cstr(&o->pending, member_count(m) ? "]}\n" : "}\n");
}

static void write_ndjson(struct out *o, const struct member *m)
{
    for (size_t i = 0; i < member_count(m); i++) {
        out_row(o, m, member_row(m, i));
        buf_append_byte(&o->pending, '\n');
    }
}

static enum err write_all(const struct gather *g, const struct sync_wanted *wanted)
{
    struct out o = { .fd = wanted->fd };
    buf_init(&o.pending, SCAN_ENTRY_BYTES + 2 * OUT_BYTES);
    if (wanted->format == SYNC_SUMMARY)
        o.err = summary_write(&g->found, &o.pending);
    else if (wanted->format == SYNC_NDJSON)
        write_ndjson(&o, &g->found);
    else
        write_bundle(&o, &g->found, g->target->base);
    out_flush(&o);
    buf_release(&o.pending);
    return o.err;
}

static enum err gather_and_write(struct gather *g, const struct sync_wanted *wanted,
                                 uint64_t *ret_count)
{
    uint64_t seed = os_random_u64();
    transform_init(&g->transform, seed);
    member_init(&g->patients, seed);
    member_init(&g->found, seed);
    arena_init(&g->scratch, EVERYTHING_ARENA_BYTES);
    enum err err = member_open(&g->patients);
    if (!err)
        err = member_open(&g->found);
    if (!err)
        err = gather_all(g, wanted);
    if (!err) {
        *ret_count = member_count(&g->found);
        err = write_all(g, wanted);
    }
    arena_release(&g->scratch);
    transform_release(&g->transform);
    member_close(&g->patients);
    member_close(&g->found);
    return err;
}

enum err sync_everything(const struct sync_settings *settings, const struct sync_wanted *wanted,
                         struct arena *arena, uint64_t *ret_count, struct slice *error)
{
    struct session session;
    struct target target;
    /* Which kind of target it is does not matter for reading. */
    struct sync_settings reading = *settings;
    reading.target = SYNC_TARGET_FHIR;
    *error = SLICE_NONE;
    TRY(session_open(&session, &reading));
    enum err err = target_open(&target, &session, arena, error);
    if (!err) {
        struct gather g = { .target = &target, .arena = arena, .error = error };
        err = gather_and_write(&g, wanted, ret_count);
    }
    if (err && !error->length)
        *error = slice_cstr(err_text(err));
    session_close(&session);
    return err;
}
