/* Which conditions of a search cannot be answered yet, in words. */
#include "index/index.h"
#include "search/compile.h"
#include "search/search.h"

enum { NAMED_MAX = 8, DEPTH_MAX = 64 };

struct unready {
    struct store *store;
    const struct custom_set *customs;
    struct buf *out;
    uint32_t named[NAMED_MAX];
    size_t count;
};

static void name_once(struct unready *u, uint32_t field)
{
    struct store_rule_state state;
    store_rule_state(u->store, field, &state);
    for (size_t i = 0; i < u->count; i++)
        if (u->named[i] == field)
            return;
    if (state.is_ready || u->count == NAMED_MAX)
        return;
    u->named[u->count++] = field;
    buf_append_cstr(u->out, u->count > 1 ? ", " : "");
    field_append(u->out, u->customs, field);
    buf_printf(u->out, " (%llu of %llu documents)", (unsigned long long)state.done,
               (unsigned long long)state.whole);
}

static void walk(struct unready *u, const struct plan *p, int depth)
{
    switch (p->kind) {
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
    case PLAN_REFERS:
    case PLAN_REFERRED:
        name_once(u, p->field);
        break;
    case PLAN_ALL:
    case PLAN_KNOWN:
    case PLAN_NONE:
    case PLAN_ID:
    case PLAN_SPAN:
    case PLAN_INSTANT:
    case PLAN_CREATED:
    case PLAN_TEST:
    case PLAN_AND:
    case PLAN_OR:
    case PLAN_NOT:
        break;
    }
    for (size_t i = 0; depth < DEPTH_MAX && i < p->child_count; i++)
        walk(u, p->children[i], depth + 1);
}

enum err search_unready(struct store *store, const struct plan *plan,
                        const struct custom_set *customs, struct issues *issues)
{
    struct buf text;
    struct unready u = { .store = store, .customs = customs, .out = &text };
    buf_init(&text, 4096);
    walk(&u, plan, 0);
    struct slice named = buf_status(&text) ? SLICE_NONE : buf_slice(&text);
    enum err err = ERR_NOT_READY;
    if (!issues->count && named.length)
        err = issues_fail(issues, ERR_NOT_READY, "transient",
                          "What is found by %.*s is being indexed: retry later.",
                          SLICE_ARGS(named));
    buf_release(&text);
    return err;
}
