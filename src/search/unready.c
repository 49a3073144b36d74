/* Which conditions of a search cannot be answered yet, in words. */
#include "index/index.h"
#include "search/compile.h"
#include "search/search.h"

enum { NAMED_MAX = 8, STEPS_MAX = 20000 /* a plan is a graph, walked as a tree */ };

struct unready {
    struct store *store;
    const struct custom_set *customs;
    struct buf *out; /* NULL: none is named */
    uint32_t named[NAMED_MAX];
    size_t count, steps;
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
    if (!u->out)
        return;
    buf_append_cstr(u->out, u->count > 1 ? ", " : "");
    field_append(u->out, u->customs, field);
    buf_printf(u->out, " (%llu of %llu documents)", (unsigned long long)state.done,
               (unsigned long long)state.whole);
}

static void walk(struct unready *u, const struct plan *p)
{
    if (u->steps++ > STEPS_MAX)
        return;
    if (search_reads_field(p))
        name_once(u, p->field);
    for (size_t i = 0; i < p->child_count; i++)
        walk(u, p->children[i]);
}

bool search_is_ready(struct store *store, const struct plan *plan)
{
    struct unready u = { .store = store };
    walk(&u, plan);
    return !u.count;
}

enum err search_unready(struct store *store, const struct plan *plan,
                        const struct custom_set *customs, struct issues *issues)
{
    struct buf text;
    struct unready u = { .store = store, .customs = customs, .out = &text };
    buf_init(&text, 4096);
    walk(&u, plan);
    struct slice named = buf_status(&text) ? SLICE_NONE : buf_slice(&text);
    enum err err = ERR_NOT_READY;
    if (!issues->count && named.length)
        err = issues_fail(issues, ERR_NOT_READY, "transient",
                          "What is found by %.*s is being indexed: retry later.",
                          SLICE_ARGS(named));
    buf_release(&text);
    return err;
}
