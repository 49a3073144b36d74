#include "sync/split.h"

#include <stdlib.h>

#include "base/arena.h"
#include "sync/bundle.h"
#include "sync/graph.h"

#define ARENA_BYTES ((size_t)4 * 1024 * 1024 * 1024)

void split_init(struct split *s)
{
    *s = (struct split){ .at = 0 };
    buf_init(&s->order, MEMBER_ROWS_MAX * sizeof(uint32_t));
    buf_init(&s->groups, MEMBER_ROWS_MAX * sizeof(uint32_t));
}

void split_release(struct split *s)
{
    buf_release(&s->order);
    buf_release(&s->groups);
}

/* ---- the graph of types ---- */

/* Which type refers to which, as a matrix of bits turned into lists. */
struct type_graph {
    uint32_t count;
    uint32_t *begin;   /* count + 1 */
    uint32_t *targets;
};

static const uint32_t *type_edges(const void *context, uint32_t at, uint32_t *ret_count)
{
    const struct type_graph *t = context;
    *ret_count = t->begin[at + 1] - t->begin[at];
    return t->targets + t->begin[at];
}

static void mark_type_edges(const struct member *m, uint32_t count, uint8_t *matrix)
{
    for (size_t i = 0; i < member_count(m); i++) {
        const struct member_row *row = member_row(m, i);
        const uint32_t *edges = member_edges(m, row);
        for (uint32_t e = 0; e < row->edge_count; e++)
            matrix[row->type * count + member_row(m, edges[e])->type] = 1;
    }
}

static enum err type_graph_make(struct type_graph *t, const struct member *m, struct arena *arena)
{
    t->count = (uint32_t)(m->types.length / sizeof(struct slice));
    size_t cells = (size_t)t->count * t->count;
    uint8_t *matrix = arena_array(arena, cells, 1);
    t->begin = arena_array(arena, (size_t)t->count + 1, sizeof *t->begin);
    t->targets = arena_array(arena, cells, sizeof *t->targets);
    if (!matrix || !t->begin || !t->targets)
        return ERR_NO_MEMORY;
    mark_type_edges(m, t->count, matrix);
    uint32_t used = 0;
    for (uint32_t from = 0; from < t->count; from++) {
        t->begin[from] = used;
        for (uint32_t to = 0; to < t->count; to++) {
            if (matrix[from * t->count + to] && from != to)
                t->targets[used++] = to;
        }
    }
    t->begin[t->count] = used;
    return ERR_NONE;
}

/* ---- the graph of resources ---- */

static const uint32_t *row_edges(const void *context, uint32_t at, uint32_t *ret_count)
{
    const struct member *m = context;
    const struct member_row *row = member_row(m, at);
    *ret_count = row->edge_count;
    return member_edges(m, row);
}

/* ---- the order ---- */

/* What a place in the order is sorted by, most significant first. */
struct place {
    uint32_t type_level, level;
    uint32_t type_rank; /* of the first of its circle: rank of the type's name */
    uint32_t first;     /* first to arrive of its circle */
    uint32_t row;
};

static int compare_places(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct place));
}

/* Big-endian, so that places compare as bytes. */
static uint32_t sortable(uint32_t v)
{
    uint8_t bytes[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
    uint32_t out;
    memcpy(&out, bytes, sizeof out);
    return out;
}

static uint32_t name_rank(const struct member *m, uint32_t type)
{
    const struct slice *names = (const struct slice *)(const void *)m->types.bytes;
    size_t count = m->types.length / sizeof(struct slice);
    uint32_t rank = 0;
    for (size_t i = 0; i < count; i++)
        rank += slice_compare(names[i], names[type]) < 0;
    return rank;
}

/* Two circles of the same levels are kept apart by the first of each to arrive. */
static enum err make_places(const struct member *m, const struct graph *rows,
                            const struct graph *types, struct arena *arena,
                            struct place **ret_places)
{
    struct place *places = arena_array(arena, rows->count, sizeof *places);
    uint32_t *first = arena_array(arena, rows->count, sizeof *first);
    uint32_t *ranks = arena_array(arena, types->count, sizeof *ranks);
    if (!places || !first || !ranks)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < types->count; i++)
        ranks[i] = name_rank(m, i);
    for (uint32_t i = rows->count; i-- > 0;)
        first[rows->component[i]] = i;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t head = first[rows->component[i]];
        places[i] = (struct place){
            .type_level = sortable(types->level[member_row(m, i)->type]),
            .level = sortable(rows->level[i]),
            .type_rank = sortable(ranks[member_row(m, head)->type]),
            .first = sortable(head),
            .row = sortable(i),
        };
    }
    *ret_places = places;
    return ERR_NONE;
}

static enum err order(struct split *s, const struct member *m, struct arena *arena)
{
    struct type_graph type_graph;
    TRY(type_graph_make(&type_graph, m, arena));
    struct graph types = { .count = type_graph.count, .edges = type_edges,
                           .context = &type_graph };
    TRY(graph_solve(&types, arena));
    struct graph rows = { .count = (uint32_t)member_count(m), .edges = row_edges, .context = m };
    TRY(graph_solve(&rows, arena));
    struct place *places;
    TRY(make_places(m, &rows, &types, arena, &places));
    qsort(places, rows.count, sizeof *places, compare_places);
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = sortable(places[i].row);
        uint32_t group = rows.component[row];
        buf_append(&s->order, slice_of((const char *)&row, sizeof row));
        buf_append(&s->groups, slice_of((const char *)&group, sizeof group));
    }
    TRY(buf_status(&s->order));
    return buf_status(&s->groups);
}

enum err split_order(struct split *s, const struct member *m)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    buf_clear(&s->order);
    buf_clear(&s->groups);
    s->at = s->cut_circles = 0;
    enum err err = order(s, m, &arena);
    arena_release(&arena);
    return err;
}

/* ---- cutting ---- */

/* Places [first, first + count) are one circle. */
static uint32_t circle_length(const struct split *s, uint32_t first)
{
    const uint32_t *groups = (const uint32_t *)(const void *)s->groups.bytes;
    uint32_t end = (uint32_t)(s->groups.length / sizeof *groups);
    uint32_t at = first;
    while (at < end && groups[at] == groups[first])
        at++;
    return at - first;
}

static uint64_t places_bytes(const struct split *s, const struct member *m, uint32_t first,
                             uint32_t count)
{
    uint64_t bytes = 0;
    for (uint32_t i = first; i < first + count; i++)
        bytes += bundle_entry_bytes(m, member_row(m, split_rows(s)[i]));
    return bytes;
}

static bool fits(const struct split_limits *limits, uint32_t entries, uint64_t bytes)
{
    return (limits->entries == 0 || entries <= limits->entries) &&
           (limits->bytes == 0 || bytes <= limits->bytes);
}

/* As many places of the circle as fit in an empty bundle, at least one: what
 * is too large alone is the sink's to refuse. */
static uint32_t cut_circle(const struct split *s, const struct member *m, uint32_t length,
                           const struct split_limits *limits)
{
    uint32_t count = 1;
    uint64_t bytes = bundle_frame_bytes() + places_bytes(s, m, s->at, 1);
    while (count < length) {
        bytes += places_bytes(s, m, s->at + count, 1);
        if (!fits(limits, count + 1, bytes))
            break;
        count++;
    }
    return count;
}

struct split_bundle split_next(struct split *s, const struct member *m,
                               const struct split_limits *limits)
{
    struct split_bundle bundle = { .first = s->at };
    uint32_t end = (uint32_t)(s->order.length / sizeof(uint32_t));
    uint64_t bytes = bundle_frame_bytes();
    while (s->at < end) {
        uint32_t length = circle_length(s, s->at);
        uint64_t more = places_bytes(s, m, s->at, length);
        if (fits(limits, bundle.count + length, bytes + more)) {
            bundle.count += length;
            bytes += more;
            s->at += length;
            continue;
        }
        if (bundle.count == 0) {
            s->cut_circles += length > 1;
            bundle.count = cut_circle(s, m, length, limits);
            s->at += bundle.count;
        }
        break;
    }
    return bundle;
}
