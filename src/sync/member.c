#include "sync/member.h"

#include <stdio.h>
#include <xxhash.h>

#define ARENA_BYTES ((size_t)1024 * 1024)
#define SPOOL_BYTES ((uint64_t)16 * 1024 * 1024 * 1024)
#define ARRAY_BYTES ((size_t)UINT32_MAX - 1)

enum { FIRST_SLOTS = 1024 };

void member_init(struct member *m, uint64_t seed)
{
    *m = (struct member){ .seed = seed };
    spool_init(&m->spool, SPOOL_BYTES);
    buf_init(&m->rows, MEMBER_ROWS_MAX * sizeof(struct member_row));
    buf_init(&m->ids, ARRAY_BYTES);
    buf_init(&m->edges, ARRAY_BYTES);
    buf_init(&m->table, ARRAY_BYTES);
    buf_init(&m->types, MEMBER_TYPES_MAX * sizeof(struct slice));
    arena_init(&m->arena, ARENA_BYTES);
}

enum err member_open(struct member *m)
{
    return spool_open(&m->spool);
}

void member_close(struct member *m)
{
    spool_close(&m->spool);
    buf_release(&m->rows);
    buf_release(&m->ids);
    buf_release(&m->edges);
    buf_release(&m->table);
    buf_release(&m->types);
    arena_release(&m->arena);
}

size_t member_count(const struct member *m)
{
    return m->rows.length / sizeof(struct member_row);
}

struct member_row *member_row(const struct member *m, size_t at)
{
    ASSERT(at < member_count(m));
    return (struct member_row *)(void *)m->rows.bytes + at;
}

static struct slice *type_list(const struct member *m, size_t *ret_count)
{
    *ret_count = m->types.length / sizeof(struct slice);
    return (struct slice *)(void *)m->types.bytes;
}

struct slice member_type(const struct member *m, const struct member_row *row)
{
    size_t count;
    const struct slice *types = type_list(m, &count);
    ASSERT(row->type < count);
    return types[row->type];
}

struct slice member_id(const struct member *m, const struct member_row *row)
{
    return slice_of(m->ids.bytes + row->id_at, row->id_length);
}

struct slice member_name(const struct member *m, const struct member_row *row,
                         char out[MEMBER_NAME_BYTES])
{
    int length = snprintf(out, MEMBER_NAME_BYTES, "%.*s/%.*s", SLICE_ARGS(member_type(m, row)),
                          SLICE_ARGS(member_id(m, row)));
    return slice_of(out, (size_t)length);
}

/* NULL while there is no edge at all: nothing may be added to that. */
static uint32_t *edges_of(const struct member *m, const struct member_row *row)
{
    return m->edges.bytes ? (uint32_t *)(void *)m->edges.bytes + row->edges_at : NULL;
}

const uint32_t *member_edges(const struct member *m, const struct member_row *row)
{
    return edges_of(m, row);
}

static uint32_t *slots(const struct member *m)
{
    return (uint32_t *)(void *)m->table.bytes;
}

/* The same 32 bits that an edge holds, so that edges find their row by them. */
static uint32_t row_hash(const struct member *m, const struct member_row *row)
{
    return transform_name_hash(m->seed, member_type(m, row), member_id(m, row));
}

/* The slot of the row of that name, or the free one where it belongs. The table
 * is at most half full, so a free slot ends every run. */
static uint32_t *slot_of(const struct member *m, struct slice type, struct slice id)
{
    uint64_t at = transform_name_hash(m->seed, type, id) & m->table_mask;
    for (;; at = (at + 1) & m->table_mask) {
        uint32_t *slot = &slots(m)[at];
        if (*slot == 0)
            return slot;
        const struct member_row *row = member_row(m, *slot - 1);
        if (slice_equal(member_id(m, row), id) && slice_equal(member_type(m, row), type))
            return slot;
    }
}

struct member_row *member_find(const struct member *m, struct slice type, struct slice id)
{
    if (!m->table.length)
        return NULL;
    uint32_t slot = *slot_of(m, type, id);
    return slot ? member_row(m, slot - 1) : NULL;
}

static enum err table_grow(struct member *m)
{
    uint64_t count = m->table_mask ? (m->table_mask + 1) * 2 : FIRST_SLOTS;
    buf_clear(&m->table);
    char *bytes = buf_extend(&m->table, (size_t)count * sizeof(uint32_t));
    if (!bytes)
        return buf_status(&m->table);
    memset(bytes, 0, (size_t)count * sizeof(uint32_t));
    m->table_mask = count - 1;
    for (size_t i = 0; i < member_count(m); i++) {
        const struct member_row *row = member_row(m, i);
        *slot_of(m, member_type(m, row), member_id(m, row)) = (uint32_t)i + 1;
    }
    return ERR_NONE;
}

static enum err intern_type(struct member *m, struct slice name, uint16_t *ret_type)
{
    size_t count;
    const struct slice *types = type_list(m, &count);
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(types[i], name)) {
            *ret_type = (uint16_t)i;
            return ERR_NONE;
        }
    }
    struct slice kept = slice_of(arena_copy(&m->arena, name), name.length);
    if (!kept.bytes)
        return ERR_NO_MEMORY;
    buf_append(&m->types, slice_of((const char *)&kept, sizeof kept));
    *ret_type = (uint16_t)count;
    return buf_status(&m->types);
}

/* Put the text behind the others and let the row point at it. A row that is
 * replaced leaves its old text and edges behind: they are few. */
static enum err take_text(struct member *m, const struct transform *t, struct member_row *row)
{
    size_t edge_count;
    const uint32_t *edges = transform_edges(t, &edge_count);
    row->offset = m->spool.bytes;
    row->length = (uint32_t)t->text.length;
    row->hash = t->hash;
    row->updated_us = t->updated_us;
    row->edges_at = (uint32_t)(m->edges.length / sizeof(uint32_t));
    row->edge_count = (uint32_t)edge_count;
    buf_append(&m->edges, slice_of((const char *)edges, edge_count * sizeof(uint32_t)));
    TRY(buf_status(&m->edges));
    return spool_append(&m->spool, buf_slice(&t->text));
}

static enum err add_new(struct member *m, const struct transform *t, uint32_t *slot)
{
    struct member_row row = { .id_at = (uint32_t)m->ids.length };
    row.id_length = (uint8_t)t->id.length;
    TRY(intern_type(m, t->type, &row.type));
    TRY(take_text(m, t, &row));
    buf_append(&m->ids, t->id);
    TRY(buf_status(&m->ids));
    buf_append(&m->rows, slice_of((const char *)&row, sizeof row));
    TRY(buf_status(&m->rows));
    *slot = (uint32_t)member_count(m);
    return ERR_NONE;
}

enum err member_add(struct member *m, const struct transform *t, enum member_added *ret_added)
{
    CHECK(t->verdict == TRANSFORM_RESOURCE);
    CHECK(t->id.length > 0 && t->id.length <= 64);
    if (m->table.length == 0 || (member_count(m) + 1) * 2 > m->table_mask + 1)
        TRY(table_grow(m));
    uint32_t *slot = slot_of(m, t->type, t->id);
    if (*slot == 0) {
        *ret_added = MEMBER_NEW;
        return add_new(m, t, slot);
    }
    struct member_row *row = member_row(m, *slot - 1);
    bool is_newer = t->updated_us > row->updated_us;
    if (t->hash == row->hash)
        *ret_added = MEMBER_SAME;
    else
        *ret_added = is_newer ? MEMBER_REPLACED : MEMBER_OLDER;
    return is_newer ? take_text(m, t, row) : ERR_NONE;
}

/* The row whose name has that hash; member_count() when there is none. */
static size_t row_of_edge(const struct member *m, uint32_t edge)
{
    for (uint64_t at = edge & m->table_mask;; at = (at + 1) & m->table_mask) {
        uint32_t slot = slots(m)[at];
        if (slot == 0)
            return member_count(m);
        if (row_hash(m, member_row(m, slot - 1)) == edge)
            return slot - 1;
    }
}

enum err member_resolve(struct member *m)
{
    size_t count = member_count(m);
    for (size_t i = 0; i < count; i++) {
        struct member_row *row = member_row(m, i);
        uint32_t *edges = edges_of(m, row);
        uint32_t kept = 0;
        for (uint32_t e = 0; e < row->edge_count; e++) {
            size_t target = row_of_edge(m, edges[e]);
            if (target < count && target != i)
                edges[kept++] = (uint32_t)target;
        }
        row->edge_count = kept;
    }
    return spool_flush(&m->spool);
}

size_t member_memory_bytes(const struct member *m)
{
    return m->rows.length + m->ids.length + m->edges.length + m->table.length + m->types.length;
}
