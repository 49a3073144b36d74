/* Plans too deep to be run as they stand: chains of many references, filters in filters.
 *
 * A search runs a plan by recursion, and a plan is a graph: what a chain goes on with is
 * shared by the way through resources and by that through contained ones, so that as a
 * tree it doubles with each reference. Here each part is found once, the innermost first,
 * in a loop with a stack of its own, and a leaf (PLAN_KNOWN) put in its place: then what
 * is left to run is shallow, and the work is that of the parts. Plans of the usual size
 * stay as they are, since what they ask of few documents costs less than finding all.
 */
#include "store/embedded/tree.h"

enum {
    SHALLOW = 24,      /* levels that are run as they stand */
    JOINS_MAX = 64,    /* of the plan as a tree */
    LEVELS_A_PART = 16,
};

struct known_plan {
    const struct plan *plan;        /* the key; NULL: free */
    const struct plan *replacement; /* NULL: still on the stack */
    int height;                     /* of the replacement */
};

struct frame {
    const struct plan *plan;
    size_t next; /* child */
    bool is_inner; /* within a join */
};

struct settling {
    struct tree *t;
    struct known_plan *known;
    size_t known_count, known_room; /* a power of two */
    struct frame *stack;
    size_t depth, stack_room;
};

static bool is_join(const struct plan *plan)
{
    return plan->kind == PLAN_REFERS || plan->kind == PLAN_REFERRED || plan->kind == PLAN_TEST;
}

static bool is_deep(const struct plan *plan, int depth, int *joins)
{
    *joins += is_join(plan);
    if (*joins > JOINS_MAX || depth > SHALLOW)
        return true;
    for (size_t i = 0; i < plan->child_count; i++)
        if (is_deep(plan->children[i], depth + 1, joins))
            return true;
    return false;
}

/* ---- what is known of each part ---- */

static struct known_plan *slot(const struct settling *s, const struct plan *plan)
{
    size_t at = (size_t)((uint64_t)(uintptr_t)plan * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    for (;; at++) {
        struct known_plan *k = &s->known[at & (s->known_room - 1)];
        if (!k->plan || k->plan == plan)
            return k;
    }
}

static enum err known_add(struct settling *s, const struct plan *plan)
{
    if (2 * s->known_count >= s->known_room) {
        const struct settling before = *s;
        s->known_room = before.known_room ? 2 * before.known_room : 256;
        s->known = arena_array(s->t->arena, s->known_room, sizeof *s->known);
        if (!s->known)
            return ERR_LIMIT;
        for (size_t i = 0; i < before.known_room; i++)
            if (before.known[i].plan)
                *slot(s, before.known[i].plan) = before.known[i];
    }
    *slot(s, plan) = (struct known_plan){ .plan = plan };
    s->known_count++;
    return ERR_NONE;
}

static enum err push(struct settling *s, const struct plan *plan, bool is_inner)
{
    if (s->depth == s->stack_room) {
        size_t room = s->stack_room ? 2 * s->stack_room : 64;
        struct frame *larger = arena_array(s->t->arena, room, sizeof *larger);
        if (!larger)
            return ERR_LIMIT;
        if (s->depth)
            memcpy(larger, s->stack, s->depth * sizeof *larger);
        s->stack = larger;
        s->stack_room = room;
    }
    TRY(known_add(s, plan));
    s->stack[s->depth++] = (struct frame){ .plan = plan, .is_inner = is_inner };
    return ERR_NONE;
}

/* ---- one part, its children known ---- */

static enum err copy(struct settling *s, const struct plan *plan, struct plan **ret)
{
    struct plan *own = arena_alloc(s->t->arena, sizeof *own);
    if (!own)
        return ERR_LIMIT;
    *own = *plan;
    own->origin = plan_origin(plan);
    *ret = own;
    return ERR_NONE;
}

static enum err find_live(struct tree *t, const struct plan *part, struct docset *set)
{
    struct cursor c;
    bool any = true;
    TRY(tree_rooms(t));
    TRY(tree_open(t, part, 0, &c));
    for (uint64_t number = 0; any; number++) {
        struct block block;
        TRY(tree_next(t, &c, number, &any, &block));
        if (!any)
            break;
        number = block.number;
        TRY(docset_add_block(set, &block));
    }
    docset_sort(set);
    return ERR_NONE;
}

/* All that the part matches, alive, as a leaf. The cursors' memory is given back. */
static enum err find(struct settling *s, const struct plan *part, const struct plan **ret)
{
    struct tree inner = *s->t;
    struct docset *set = arena_alloc(s->t->arena, sizeof *set);
    struct plan *leaf;
    struct arena scratch;
    if (!set)
        return ERR_LIMIT;
    docset_init(set, inner.time, inner.arena);
    arena_init(&scratch, inner.arena->limit_bytes);
    inner.arena = &scratch;
    inner.plan = plan_origin(part);
    inner.page = NULL;
    inner.asked = NULL;
    enum err err = find_live(&inner, part, set);
    arena_release(&scratch);
    TRY(err);
    TRY(copy(s, part, &leaf));
    leaf->kind = PLAN_KNOWN;
    leaf->children = NULL;
    leaf->child_count = 0;
    leaf->known = set;
    *ret = leaf;
    return ERR_NONE;
}

static enum err finish(struct settling *s, const struct frame *f)
{
    const struct plan *plan = f->plan;
    bool is_changed = false;
    int height = 0;
    for (size_t i = 0; i < plan->child_count; i++) {
        const struct known_plan *child = slot(s, plan->children[i]);
        is_changed |= child->replacement != child->plan;
        height = MAX(height, child->height + 1);
    }
    if (is_changed) {
        struct plan *own;
        struct plan **children =
            arena_array(s->t->arena, plan->child_count, sizeof(struct plan *));
        TRY(copy(s, plan, &own));
        if (!children)
            return ERR_LIMIT;
        for (size_t i = 0; i < plan->child_count; i++)
            children[i] =
                (struct plan *)(uintptr_t)slot(s, plan->children[i])->replacement;
        own->children = children;
        plan = own;
    }
    bool is_part = (f->is_inner && is_join(plan)) || height >= LEVELS_A_PART;
    if (is_part) {
        TRY(find(s, plan, &plan));
        height = 0;
    }
    struct known_plan *known = slot(s, f->plan);
    known->replacement = plan;
    known->height = height;
    return ERR_NONE;
}

enum err tree_settle(struct tree *t, const struct plan **plan)
{
    struct settling s = { .t = t };
    int joins = 0;
    if (!is_deep(*plan, 0, &joins))
        return ERR_NONE;
    TRY(push(&s, *plan, false));
    while (s.depth) {
        struct frame *f = &s.stack[s.depth - 1];
        if (f->next == f->plan->child_count) {
            TRY(finish(&s, f));
            s.depth--;
            continue;
        }
        const struct plan *child = f->plan->children[f->next++];
        if (!slot(&s, child)->plan)
            TRY(push(&s, child, f->is_inner || is_join(f->plan)));
    }
    *plan = slot(&s, *plan)->replacement;
    return ERR_NONE;
}
