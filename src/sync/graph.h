/* sync/graph.h - circles and levels of a directed graph.
 *
 * Tarjan's strongly connected components with an explicit stack, since a chain
 * of references may be as long as the member has resources. Components are
 * found in an order in which whatever one refers to has been found before; that
 * makes the levels one pass. Private to split.
 */
#ifndef SYNC_GRAPH_H
#define SYNC_GRAPH_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/* The nodes that node `at` refers to. */
typedef const uint32_t *graph_edges(const void *context, uint32_t at, uint32_t *ret_count);

struct graph {
    uint32_t count;
    graph_edges *edges;
    const void *context;
    uint32_t *component; /* per node; numbers grow in order of discovery */
    uint32_t *level;     /* per node: 0 when its component refers to no other */
};

/* Fill component and level, cut from the arena. */
MUST_USE enum err graph_solve(struct graph *g, struct arena *arena);

#endif
