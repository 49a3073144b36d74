#include "sync/graph.h"

#include "base/check.h"

enum { UNSEEN = UINT32_MAX };

/* A node being visited: `edge` is the next of its edges to look at. */
struct frame {
    uint32_t node, edge;
};

struct walk {
    struct graph *g;
    uint32_t *index;  /* order of discovery, UNSEEN before */
    uint32_t *low;    /* lowest index on the stack that is reached from it */
    uint32_t *stack;  /* nodes without a component yet */
    struct frame *frames;
    uint32_t stack_count, frame_count, next_index, next_component;
};

static void enter(struct walk *w, uint32_t node)
{
    w->index[node] = w->low[node] = w->next_index++;
    w->stack[w->stack_count++] = node;
    w->frames[w->frame_count++] = (struct frame){ node, 0 };
}

/* All that lies above `root` on the stack, itself included, is one component.
 * What it refers to outside of itself was closed before and has its level. */
static void close_component(struct walk *w, uint32_t root)
{
    struct graph *g = w->g;
    uint32_t first = w->stack_count;
    do
        g->component[w->stack[--first]] = w->next_component;
    while (w->stack[first] != root);

    uint32_t level = 0;
    for (uint32_t i = first; i < w->stack_count; i++) {
        uint32_t count;
        const uint32_t *edges = g->edges(g->context, w->stack[i], &count);
        for (uint32_t e = 0; e < count; e++) {
            if (g->component[edges[e]] != w->next_component)
                level = MAX(level, g->level[edges[e]] + 1);
        }
    }
    for (uint32_t i = first; i < w->stack_count; i++)
        g->level[w->stack[i]] = level;
    w->stack_count = first;
    w->next_component++;
}

/* One step of the visit of the innermost node: go down an edge, or leave it. */
static void step(struct walk *w)
{
    struct graph *g = w->g;
    struct frame *frame = &w->frames[w->frame_count - 1];
    uint32_t node = frame->node;
    uint32_t count;
    const uint32_t *edges = g->edges(g->context, node, &count);
    if (frame->edge < count) {
        uint32_t target = edges[frame->edge++];
        CHECK(target < g->count);
        if (w->index[target] == UNSEEN)
            enter(w, target);
        else if (g->component[target] == UNSEEN)
            w->low[node] = MIN(w->low[node], w->index[target]);
        return;
    }
    if (w->low[node] == w->index[node])
        close_component(w, node);
    w->frame_count--;
    if (w->frame_count) {
        uint32_t parent = w->frames[w->frame_count - 1].node;
        w->low[parent] = MIN(w->low[parent], w->low[node]);
    }
}

enum err graph_solve(struct graph *g, struct arena *arena)
{
    struct walk w = { .g = g };
    g->component = arena_array(arena, g->count, sizeof *g->component);
    g->level = arena_array(arena, g->count, sizeof *g->level);
    struct arena_mark mark = arena_mark(arena);
    w.index = arena_array(arena, g->count, sizeof *w.index);
    w.low = arena_array(arena, g->count, sizeof *w.low);
    w.stack = arena_array(arena, g->count, sizeof *w.stack);
    w.frames = arena_array(arena, g->count, sizeof *w.frames);
    if (!g->component || !g->level || !w.index || !w.low || !w.stack || !w.frames)
        return ERR_NO_MEMORY;

    for (uint32_t i = 0; i < g->count; i++)
        g->component[i] = w.index[i] = UNSEEN;
    for (uint32_t i = 0; i < g->count; i++) {
        if (w.index[i] != UNSEEN)
            continue;
        enter(&w, i);
        while (w.frame_count)
            step(&w);
    }
    arena_rewind(arena, mark);
    return ERR_NONE;
}
