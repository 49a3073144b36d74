/* A source's answer, whatever its bytes, through scan, transform, member and
 * split, and the same bytes as a target's answer. No crash; what is sent parses,
 * and transforming it again changes nothing; every resource is sent exactly once,
 * behind what it refers to. */
#include <stdlib.h>
#include <string.h>

#include "sync/answer.h"
#include "sync/scan.h"
#include "sync/source.h"
#include "sync/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEED = 1 };

/* The text that was made is a fixed point. */
static void transform_is_settled(struct transform *t)
{
    struct transform again;
    transform_init(&again, SEED);
    enum err err = transform_resource(&again, buf_slice(&t->text));
    CHECK(err == ERR_NONE || err == ERR_NO_MEMORY);
    if (!err) {
        CHECK(again.verdict == TRANSFORM_RESOURCE);
        CHECK(slice_equal(buf_slice(&again.text), buf_slice(&t->text)));
        CHECK(again.hash == t->hash);
        CHECK(slice_equal(again.id, t->id) && slice_equal(again.type, t->type));
    }
    transform_release(&again);
}

static void read_page(const struct spool *spool, struct member *m)
{
    struct scan scan;
    struct transform t;
    struct slice entry, link;
    struct arena arena;
    scan_init(&scan, spool->fd, spool->bytes);
    transform_init(&t, SEED);
    arena_init(&arena, (size_t)16 << 20);
    enum err err;
    while (!(err = scan_next(&scan, &entry)) && entry.bytes) {
        enum member_added added;
        if (transform_entry(&t, entry) || t.verdict != TRANSFORM_RESOURCE)
            continue;
        transform_is_settled(&t);
        CHECK(member_add(m, &t, &added) == ERR_NONE);
        CHECK(member_find(m, t.type, t.id));
    }
    CHECK(err || scan_offset(&scan) == spool->bytes);
    if (!err && bundle_link(scan_member(&scan, SLICE("link")), "next", &arena, &link) == ERR_NONE)
        CHECK(link.length == 0 || link.bytes);
    arena_release(&arena);
    transform_release(&t);
    scan_release(&scan);
}

static void split_is_right(const struct member *m, uint32_t entries)
{
    struct split s;
    struct split_bundle b;
    struct split_limits limits = { entries, 0 };
    size_t count = member_count(m), sent = 0;
    uint32_t *bundle_of = calloc(count + 1, sizeof *bundle_of);
    split_init(&s);
    CHECK(bundle_of && split_order(&s, m) == ERR_NONE);
    for (uint32_t number = 1; (b = split_next(&s, m, &limits)).count; number++) {
        CHECK(entries == 0 || b.count <= entries);
        for (uint32_t i = 0; i < b.count; i++, sent++) {
            CHECK(bundle_of[split_rows(&s)[b.first + i]] == 0);
            bundle_of[split_rows(&s)[b.first + i]] = number;
        }
    }
    CHECK(sent == count);
    for (size_t i = 0; i < count && s.cut_circles == 0; i++) {
        const struct member_row *row = member_row(m, i);
        for (uint32_t e = 0; e < row->edge_count; e++)
            CHECK(bundle_of[member_edges(m, row)[e]] <= bundle_of[i]);
    }
    split_release(&s);
    free(bundle_of);
}

/* The bytes as what a target says about the rows. */
static void read_answer(struct spool *spool, struct member *m)
{
    struct session session = { .answer = *spool };
    struct sync_result public = { .fetched = 0 };
    struct answer_rules rules = { .is_told = true };
    struct arena arena;
    struct result r;
    uint32_t rows[64];
    uint32_t count = (uint32_t)MIN(member_count(m), ARRAY_COUNT(rows));
    arena_init(&arena, (size_t)16 << 20);
    result_init(&r, &public, &arena);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = i;
    enum err err = answer_account(&session, &rules, m, rows, count, &r);
    (void)err;
    (void)answer_is_limit(&session, 422);
    answer_refused(&session, 400, m, rows, count, &r);
    for (uint32_t i = 0; i < count; i++)
        CHECK(member_row(m, i)->state != MEMBER_WAITING);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spool spool;
    struct member m;
    spool_init(&spool, UINT64_MAX);
    member_init(&m, SEED);
    CHECK(spool_open(&spool) == ERR_NONE && member_open(&m) == ERR_NONE);
    CHECK(spool_append(&spool, slice_of((const char *)data, size)) == ERR_NONE);
    CHECK(spool_flush(&spool) == ERR_NONE);
    read_page(&spool, &m);
    CHECK(member_resolve(&m) == ERR_NONE);
    split_is_right(&m, size % 4);
    read_answer(&spool, &m);
    member_close(&m);
    spool_close(&spool);
    return 0;
}
