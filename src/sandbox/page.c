#include "sandbox/page.h"

#include "base/check.h"
#include "json/json.h"
#include "os/clock.h"
#include "os/random.h"
#include "sandbox/answer.h"

enum { PIECE_BYTES = 128 * 1024, SLOW_PIECE_BYTES = 16 * 1024 };
static const size_t SCRATCH_BYTES_MAX = (size_t)256 << 20;

struct stream {
    struct page page;
    struct records records;
    struct arena scratch; /* rewound after each resource */
    struct slice head;    /* the Bundle up to its entries */
    uint64_t passed;      /* resources that the filter let through */
    uint64_t written;     /* of these, on this page */
    uint64_t bytes;       /* of the body so far */
    bool has_entries, is_ended;
};

/* ---- walking ---- */

/* The next resource that the filter lets through. */
static bool next_match(struct stream *s, struct record *ret_record)
{
    while (records_next(&s->records, ret_record)) {
        struct arena_mark mark = arena_mark(&s->scratch);
        bool matches = filter_matches(&s->page.filter, ret_record, &s->scratch);
        arena_rewind(&s->scratch, mark);
        if (matches)
            return true;
    }
    return false;
}

/* How many match, counted no further than `enough`. */
static enum err count_matches(const struct page *page, uint64_t enough, uint64_t *ret_count)
{
    struct stream s = { .page = *page };
    TRY(records_begin(&s.records, page->members, page->consent, page->delivery));
    arena_init(&s.scratch, SCRATCH_BYTES_MAX);
    struct record record;
    uint64_t count = 0;
    while (count < enough && next_match(&s, &record))
        count++;
    records_end(&s.records);
    arena_release(&s.scratch);
    *ret_count = count;
    return ERR_NONE;
}

/* ---- entries ---- */

static void begin_entry(struct stream *s, struct buf *out)
{
    buf_append_cstr(out, s->has_entries ? ",{" : ",\"entry\":[{");
    s->has_entries = true;
}

static void write_entry(struct stream *s, struct buf *out, const struct record *record,
                        struct slice text)
{
    begin_entry(s, out);
    if (s->page.faults.values[FAULT_NO_FULL_URL] == 0) {
        buf_append_cstr(out, "\"fullUrl\":\"");
        buf_append(out, s->page.base);
        buf_printf(out, "/%.*s/%.*s\",", SLICE_ARGS(record->type), SLICE_ARGS(record->id));
    }
    buf_append_cstr(out, "\"resource\":");
    buf_append(out, text);
    buf_printf(out, ",\"search\":{\"mode\":\"%s\"}}", record->is_included ? "include" : "match");
}

/* The resource as an earlier version would have been: an old lastUpdated and a
 * member more. */
static void write_stale(struct stream *s, struct buf *out, const struct record *record)
{
    struct json_doc doc;
    struct arena_mark mark = arena_mark(&s->scratch);
    char *copy = arena_copy(&s->scratch, record->text);
    if (copy && json_parse(record->text, NULL, &s->scratch, &doc, NULL) == ERR_NONE) {
        struct json updated = json_member(json_member(json_root(&doc), "meta"), "lastUpdated");
        if (json_is(updated, JSON_STRING) && json_node(updated)->length > 4)
            memcpy(copy + json_node(updated)->offset, "2001", 4);
        begin_entry(s, out);
        buf_append_cstr(out, "\"resource\":");
        buf_append(out, slice_of(copy, record->text.length - 1));
        buf_append_cstr(out, ",\"implicitRules\":\"urn:stale\"}}");
    }
    arena_rewind(&s->scratch, mark);
}

static bool strikes(const struct stream *s, enum fault_kind kind)
{
    uint64_t each = s->page.faults.values[kind];
    return each > 0 && s->passed % each == each - 1;
}

static void write_record(struct stream *s, struct buf *out, const struct record *record)
{
    if (strikes(s, FAULT_DANGLING))
        return;
    if (strikes(s, FAULT_STALE))
        write_stale(s, out, record);
    write_entry(s, out, record, record->text);
    if (strikes(s, FAULT_DUPLICATES))
        write_entry(s, out, record, record->text);
    if (strikes(s, FAULT_NO_RESOURCE)) {
        begin_entry(s, out);
        buf_append_cstr(out, "\"search\":{\"mode\":\"outcome\"}}");
        begin_entry(s, out);
        buf_append_cstr(out, "\"resource\":{\"resourceType\":\"OperationOutcome\",\"issue\":[{"
                             "\"severity\":\"warning\",\"code\":\"incomplete\"}]},"
                             "\"search\":{\"mode\":\"outcome\"}}");
    }
    if (strikes(s, FAULT_NO_ID)) {
        begin_entry(s, out);
        buf_append_cstr(out, "\"resource\":{\"resourceType\":\"Basic\",\"code\":{\"text\":"
                             "\"a resource without id\"}}}");
    }
}

/* ---- streaming ---- */

static bool page_is_full(const struct stream *s)
{
    return s->page.count != PAGE_ALL && s->written >= (uint64_t)s->page.count;
}

static enum err produce(void *state, struct buf *out)
{
    struct stream *s = state;
    uint64_t slow_ms = s->page.faults.values[FAULT_SLOW];
    uint64_t cut = s->page.faults.values[FAULT_TRUNCATED];
    if (cut && s->bytes >= cut)
        return ERR_NETWORK;
    if (s->is_ended)
        return ERR_NONE;
    if (slow_ms)
        os_sleep_us((int64_t)MIN(slow_ms, (uint64_t)60000) * 1000);
    size_t start = out->length, piece = slow_ms ? SLOW_PIECE_BYTES : PIECE_BYTES;
    if (s->bytes == 0)
        buf_append(out, s->head);
    while (!s->is_ended && out->length - start < piece) {
        struct record record;
        if (page_is_full(s) || !next_match(s, &record)) {
            buf_append_cstr(out, s->has_entries ? "]}" : "}");
            s->is_ended = true;
            break;
        }
        if (s->passed >= s->page.offset) {
            write_record(s, out, &record);
            s->written++;
        }
        s->passed++;
    }
    s->bytes += out->length - start;
    if (cut && s->bytes > cut) {
        out->length -= (size_t)(s->bytes - cut);
        s->bytes = cut; /* and then nothing but a broken connection */
        s->is_ended = false;
    }
    return buf_status(out);
}

static void produce_end(void *state)
{
    struct stream *s = state;
    records_end(&s->records);
    arena_release(&s->scratch);
}

/* ---- the head ---- */

static void write_link(struct buf *out, const struct page *page, const char *relation,
                       uint64_t offset, bool is_first)
{
    struct buf url;
    buf_init(&url, 1 << 20);
    buf_append(&url, slice_head(page->base, page->base.length - strlen("/fhir")));
    buf_append(&url, page->path);
    char separator = '?';
    if (page->query.length) {
        buf_append_byte(&url, separator);
        buf_append(&url, page->query);
        separator = '&';
    }
    if (page->count != PAGE_ALL)
        buf_printf(&url, "%c_count=%lld&_offset=%llu", separator, (long long)page->count,
                   (unsigned long long)offset);
    buf_printf(out, "%s{\"relation\":\"%s\",\"url\":", is_first ? "" : ",", relation);
    json_write_string(out, buf_slice(&url));
    buf_append_byte(out, '}');
    buf_release(&url);
}

static void write_links(struct buf *out, const struct page *page, bool has_next)
{
    buf_append_cstr(out, "\"link\":[");
    write_link(out, page, "self", page->offset, true);
    if (page->count != PAGE_ALL) {
        uint64_t count = (uint64_t)page->count;
        write_link(out, page, "first", 0, false);
        if (has_next)
            write_link(out, page, "next", page->offset + count, false);
        if (page->offset > 0)
            write_link(out, page, "previous", page->offset - MIN(page->offset, count), false);
    }
    buf_append_byte(out, ']');
}

static enum err write_head(struct buf *out, const struct page *page)
{
    uint64_t matches = 0, end = page->offset + (uint64_t)page->count;
    if (page->count != PAGE_ALL || page->with_total)
        TRY(count_matches(page, page->with_total ? UINT64_MAX : end + 1, &matches));
    uint8_t random[16];
    os_random(random, sizeof random);
    char id[UUID_TEXT_BYTES];
    uuid_render(random, id);
    buf_printf(out, "{\"resourceType\":\"Bundle\",\"id\":\"%s\",\"type\":\"searchset\",", id);
    if (page->with_total)
        buf_printf(out, "\"total\":%llu,", (unsigned long long)matches);
    write_links(out, page, page->count > 0 && matches > end);
    return buf_status(out);
}

void page_answer(struct http_request *r, struct http_response *w, const struct page *page)
{
    struct stream *s = arena_alloc(r->arena, sizeof *s);
    struct buf head;
    buf_init(&head, 1 << 22);
    enum err err = s ? write_head(&head, page) : ERR_NO_MEMORY;
    char *copy = err ? NULL : arena_copy(r->arena, buf_slice(&head));
    size_t length = head.length;
    buf_release(&head);
    if (!err && !copy)
        err = ERR_NO_MEMORY;
    if (!err) {
        s->page = *page;
        s->head = slice_of(copy, length);
        err = records_begin(&s->records, page->members, page->consent, page->delivery);
    }
    if (err) {
        answer_outcome(r, w, err_http_status(err), "exception",
                       "the delivery could not be read: %s", err_text(err));
        return;
    }
    arena_init(&s->scratch, SCRATCH_BYTES_MAX);
    answer_body(r, w, 200, ANSWER_FHIR, SLICE_NONE);
    w->body = SLICE_NONE;
    w->produce = produce;
    w->produce_end = produce_end;
    w->produce_state = s;
}
