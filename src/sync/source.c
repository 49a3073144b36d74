#include "sync/source.h"

#include "os/clock.h"
#include "sync/scan.h"
#include "sync/transform.h"
#include "base/url.h"

enum { PAGES_MAX = 100 * 1000, THROTTLED_TRIES = 3, URL_BYTES = 64 * 1024 };
#define PAGE_ARENA_BYTES ((size_t)4 * 1024 * 1024)

/* ---- one request ---- */

enum verdict { VERDICT_DONE, VERDICT_WAIT, VERDICT_RETRY, VERDICT_GIVE_UP };

/* Run over the page without looking into its entries: is it a whole Bundle? */
static enum err page_check(const struct spool *answer, bool *ret_is_cut)
{
    struct scan scan;
    struct slice entry;
    scan_init(&scan, answer->fd, answer->bytes);
    enum err err;
    do
        err = scan_next(&scan, &entry);
    while (!err && entry.bytes);
    *ret_is_cut = err && scan.is_cut;
    if (!err && !slice_is(scan_member(&scan, SLICE("resourceType")), "\"Bundle\""))
        err = ERR_INVALID;
    scan_release(&scan);
    return err;
}

static enum verdict judge_page(const struct session *s, struct arena *arena,
                               struct slice *ret_problem)
{
    bool is_cut;
    enum err err = page_check(&s->answer, &is_cut);
    if (!err)
        return VERDICT_DONE;
    if (is_cut) {
        *ret_problem = SLICE("the answer was cut short");
        return VERDICT_RETRY;
    }
    struct reason reason;
    reason_read(&s->answer, arena, &reason);
    *ret_problem = arena_printf(arena, "the answer is no Bundle: %.*s",
                                SLICE_ARGS(reason.text.length ? reason.text
                                                              : slice_cstr(err_text(err))));
    return VERDICT_GIVE_UP;
}

static enum verdict judge_429(const struct reason *reason, unsigned *throttled,
                              struct arena *arena, struct slice *ret_problem)
{
    if (slice_is(reason->code, "transient")) {
        *ret_problem = SLICE("still gathering this record when the time allowed was over; run "
                             "again later or raise --wait");
        return VERDICT_WAIT;
    }
    *ret_problem = arena_printf(arena, "the quota is used up (429 %.*s); run again later",
                                SLICE_ARGS(reason->code));
    return ++*throttled < THROTTLED_TRIES ? VERDICT_RETRY : VERDICT_GIVE_UP;
}

static enum verdict judge(const struct session *s, const struct http_exchange *x,
                          bool expects_bundle, unsigned *throttled, struct arena *arena,
                          struct slice *ret_problem)
{
    if (x->status == 200)
        return expects_bundle ? judge_page(s, arena, ret_problem) : VERDICT_DONE;
    struct reason reason;
    reason_read(&s->answer, arena, &reason);
    if (x->status == 429)
        return judge_429(&reason, throttled, arena, ret_problem);
    const char *meaning = "";
    if (x->status == 401 || x->status == 403)
        meaning = "the access token is revoked, expired or wrong: the member must connect "
                  "again; ";
    else if (x->status == 422)
        meaning = "the payer's own sync failed; asking again does not help before it is "
                  "repaired; ";
    else if (x->status >= 300 && x->status < 400)
        meaning = "the source sends elsewhere, which is never followed with a token; ";
    *ret_problem = arena_printf(arena, "%sstatus %d%s%.*s", meaning, x->status,
                                reason.text.length ? ": " : "", SLICE_ARGS(reason.text));
    return status_is_passing(x->status) ? VERDICT_RETRY : VERDICT_GIVE_UP;
}

/* Only what may pass by itself. */
static bool is_passing_error(enum err err)
{
    return err == ERR_NETWORK || err == ERR_TIMEOUT;
}

static bool wait_or_retry(const struct session *s, struct patience *p, enum verdict verdict,
                          int64_t named_us)
{
    if (verdict == VERDICT_GIVE_UP)
        return false;
    if (verdict == VERDICT_RETRY) {
        session_say(s, "source: passing trouble, %u tries left", p->tries_left - 1);
        return patience_retry(p, named_us);
    }
    session_say(s, "source: still gathering this record, asking again (%lld s left)",
                (long long)(p->waiting_us / SECOND_US));
    return patience_wait(p, named_us);
}

enum err source_get(struct session *s, struct slice url, struct slice token,
                    bool expects_bundle, struct arena *arena, struct slice *ret_problem)
{
    struct patience patience = session_patience(s);
    unsigned throttled = 0;
    struct slice bearer = arena_printf(arena, "Bearer %.*s", SLICE_ARGS(token));
    if (!bearer.bytes)
        return ERR_NO_MEMORY;
    const struct http_header headers[] = {
        { SLICE("Authorization"), bearer },
        { SLICE("Accept"), SLICE("application/fhir+json") },
    };
    for (;;) {
        struct arena_mark mark = arena_mark(arena);
        struct http_exchange x = { .method = SLICE("GET"), .url = url, .headers = headers,
                                   .header_count = ARRAY_COUNT(headers) };
        enum err err = session_perform(s, &x, arena);
        enum verdict verdict;
        if (err) {
            *ret_problem = session_problem(s, &x, err, arena);
            verdict = is_passing_error(err) ? VERDICT_RETRY : VERDICT_GIVE_UP;
        } else {
            verdict = judge(s, &x, expects_bundle, &throttled, arena, ret_problem);
        }
        if (verdict == VERDICT_DONE)
            return ERR_NONE;
        int64_t named_us = err ? -1 : wait_named_us(&x, os_now_us());
        if (!wait_or_retry(s, &patience, verdict, named_us))
            return err ? err : ERR_NETWORK;
        arena_rewind(arena, mark);
    }
}

/* ---- one page ---- */

enum err bundle_link(struct slice links, const char *relation, struct arena *arena,
                     struct slice *ret_url)
{
    *ret_url = SLICE_NONE;
    if (!links.bytes)
        return ERR_NONE;
    struct json_doc *doc = arena_alloc(arena, sizeof *doc);
    struct json_error error;
    if (!doc)
        return ERR_NO_MEMORY;
    TRY(json_parse(links, NULL, arena, doc, &error));
    struct json root = json_root(doc);
    for (struct json at = json_first(root); json_is(root, JSON_ARRAY) && json_exists(at);
         at = json_next(root, at)) {
        struct json url = json_member(at, "url");
        if (!json_string_is(json_member(at, "relation"), slice_cstr(relation)))
            continue;
        *ret_url = json_string(url, arena);
        /* It must outlive the scanner that holds the text. */
        if (ret_url->bytes)
            *ret_url = slice_of(arena_copy(arena, *ret_url), ret_url->length);
        return ret_url->bytes ? ERR_NONE : ERR_INVALID;
    }
    return ERR_NONE;
}

struct fetch {
    struct session *session;
    struct member *member;
    struct result *result;
    struct transform transform;
};

static void note_repeat(struct fetch *f, enum member_added added)
{
    struct sync_result *p = f->result->public;
    if (added == MEMBER_NEW)
        return;
    p->skipped++;
    p->repeats++;
    if (added != MEMBER_SAME)
        p->differing_repeats++;
}

static const char *refusal_of(enum transform_verdict verdict)
{
    switch (verdict) {
    case TRANSFORM_NO_TYPE:
        return "a resource without resourceType";
    case TRANSFORM_NO_ID:
        return "a resource without id: it could not be found again by a next sync";
    case TRANSFORM_BAD_ID:
        return "its resourceType or id cannot stand in a URL";
    case TRANSFORM_RESOURCE:
    case TRANSFORM_EMPTY:
    case TRANSFORM_MESSAGE:
        break;
    }
    return NULL;
}

/* The first message that the source put among the resources, such as that a part
 * could not be had: the user should see it. */
static void note_message(struct fetch *f)
{
    struct sync_result *p = f->result->public;
    struct reason reason;
    if (f->transform.verdict != TRANSFORM_MESSAGE || p->message.length)
        return;
    reason_of(f->transform.resource, f->result->arena, &reason);
    p->message = reason.text;
}

/* The consent whose tag the resources carry: learnt, or compared with the one that
 * was named. A copy is made of the first only. */
static enum err note_consent(struct fetch *f, struct slice tag)
{
    struct sync_result *p = f->result->public;
    struct slice *to = p->consent.length ? &p->other_consent : &p->consent;
    if (!tag.length || slice_equal(tag, p->consent) || to->length)
        return ERR_NONE;
    const char *copy = arena_copy(f->result->arena, tag);
    if (!copy)
        return ERR_NO_MEMORY;
    *to = slice_of(copy, tag.length);
    return ERR_NONE;
}

static enum err take_entry(struct fetch *f, struct slice entry)
{
    struct sync_result *p = f->result->public;
    struct transform *t = &f->transform;
    uint64_t number = p->fetched++;
    enum err err = transform_entry(t, entry);
    if (err == ERR_SYNTAX || err == ERR_LIMIT) {
        result_fail_entry(f->result, number,
                          err == ERR_SYNTAX ? t->error.text : "it is too large or too deep");
        return ERR_NONE;
    }
    TRY(err);
    if (refusal_of(t->verdict)) {
        result_fail_entry(f->result, number, refusal_of(t->verdict));
        return ERR_NONE;
    }
    if (t->verdict != TRANSFORM_RESOURCE) {
        p->skipped++;
        note_message(f);
        return ERR_NONE;
    }
    TRY(note_consent(f, t->consent));
    enum member_added added;
    TRY(member_add(f->member, t, &added));
    note_repeat(f, added);
    return ERR_NONE;
}

/* Every entry of the page in s->answer; *ret_next its next link, unresolved. */
static enum err take_page(struct fetch *f, struct arena *arena, struct slice *ret_next)
{
    struct scan scan;
    scan_init(&scan, f->session->answer.fd, f->session->answer.bytes);
    struct slice entry;
    enum err err;
    while (!(err = scan_next(&scan, &entry)) && entry.bytes) {
        if ((err = take_entry(f, entry)))
            break;
    }
    if (!err)
        err = bundle_link(scan_member(&scan, SLICE("link")), "next", arena, ret_next);
    scan_release(&scan);
    f->result->public->received_bytes += f->session->answer.bytes;
    f->result->public->pages++;
    return err;
}

/* ---- all pages ---- */

/* The next page's URL, or why it is not followed. */
static enum err follow(struct fetch *f, struct slice from, struct slice link,
                       struct arena *arena, struct slice *ret_url)
{
    struct url here, there;
    *ret_url = url_resolve(from, link, arena);
    if (!ret_url->bytes)
        return ERR_NO_MEMORY;
    if (!url_parse(from, &here) || !url_parse(*ret_url, &there))
        return result_problem(f->result, ERR_INVALID, "the source's next link is no URL");
    if (!url_same_origin(&here, &there))
        return result_problem(f->result, ERR_FORBIDDEN,
                              "the source's next link leads to another host (%.*s): not followed, "
                              "the token would leave",
                              SLICE_ARGS(there.authority));
    if (slice_equal(from, *ret_url) || f->result->public->pages >= PAGES_MAX)
        return result_problem(f->result, ERR_INVALID, "the source's next links do not end");
    return ERR_NONE;
}

/* One page; `url` then holds the next one's URL or nothing. */
static enum err fetch_page(struct fetch *f, struct slice token, struct arena *arena,
                           struct buf *url)
{
    struct slice problem = SLICE_NONE, link, next = SLICE_NONE;
    enum err err = source_get(f->session, buf_slice(url), token, true, arena, &problem);
    if (err)
        return result_problem(f->result, err, "source: %.*s", SLICE_ARGS(problem));
    err = take_page(f, arena, &link);
    if (err)
        return result_problem(f->result, err, "the source's page %u cannot be used: %s",
                              f->result->public->pages, err_text(err));
    session_say(f->session, "source: page %u, %zu resources so far", f->result->public->pages,
                member_count(f->member));
    if (link.length)
        TRY(follow(f, buf_slice(url), link, arena, &next));
    buf_clear(url);
    buf_append(url, next);
    return buf_status(url);
}

static enum err fetch_pages(struct fetch *f, struct slice token, struct arena *arena)
{
    struct buf url;
    buf_init(&url, URL_BYTES);
    buf_append(&url, url_trim_slash(f->session->settings->flexpa_base));
    buf_append_cstr(&url, "/fhir/Patient/$PATIENT_ID/$everything");
    enum err err = buf_status(&url);
    while (!err && url.length) {
        struct arena_mark mark = arena_mark(arena);
        err = fetch_page(f, token, arena, &url);
        arena_rewind(arena, mark);
    }
    buf_release(&url);
    return err;
}

/* A token that could end its header line would add headers of its own. */
static bool token_is_valid(struct slice token)
{
    for (size_t i = 0; i < token.length; i++) {
        if (token.bytes[i] <= ' ' || token.bytes[i] > '~')
            return false;
    }
    return token.length > 0;
}

/* A token over plain http could be read, and used, by everyone on the way. */
static enum err check_base(struct slice base, struct result *r)
{
    struct url url;
    if (!url_parse(base, &url))
        return result_problem(r, ERR_INVALID, "the source's base is no http or https URL "
                                              "(FLEXPA_API_BASE)");
    if (!slice_equal_nocase(url.scheme, SLICE("https")) && !url_is_loopback(&url))
        return result_problem(r, ERR_FORBIDDEN, "the source's base is plain http to another "
                                                "machine: the token would be readable on the way");
    return ERR_NONE;
}

enum err source_fetch(struct session *s, const struct sync_consent *consent, struct member *m,
                      struct result *r)
{
    if (!token_is_valid(consent->token))
        return result_problem(r, ERR_INVALID, "the token is empty or has blanks in it");
    TRY(check_base(s->settings->flexpa_base, r));
    struct arena arena;
    arena_init(&arena, PAGE_ARENA_BYTES);
    struct fetch f = { .session = s, .member = m, .result = r };
    transform_init(&f.transform, m->seed);
    enum err err = fetch_pages(&f, consent->token, &arena);
    if (!err)
        err = member_resolve(m);
    if (err)
        err = result_problem(r, err, "source: %s", err_text(err));
    transform_release(&f.transform);
    arena_release(&arena);
    return err;
}
