/* _explain: each step of a search's plan, run by itself and measured. */
#include "rest/explain.h"

#include "os/clock.h"

enum { STEPS_MAX = 64 };

struct step {
    const struct plan *plan;
    int depth;
    struct store_measure measure;
    int64_t microseconds;
    enum err err; /* ERR_LIMIT: past the budget */
    bool is_asked;          /* not run: each of the documents left was asked, */
    uint64_t asked_documents; /* so many */
};

struct explaining {
    struct store_reader *reader;
    struct store_measure whole; /* of the root: what of the plan was asked */
    struct step *steps;
    size_t count, skipped;
};

/* `parent` may be NULL. */
static enum err measure(struct explaining *e, const struct plan *plan, const struct step *parent,
                        size_t *ret_step)
{
    struct step *step = &e->steps[*ret_step = e->count++];
    *step = (struct step){ .plan = plan, .depth = parent ? parent->depth + 1 : 0 };
    if (parent && parent->is_asked) {
        step->is_asked = true;
        step->asked_documents = parent->asked_documents;
    }
    for (size_t i = 0; !step->is_asked && i < e->whole.asked_count; i++) {
        step->is_asked = e->whole.asked[i].plan == plan;
        step->asked_documents = e->whole.asked[i].documents;
    }
    if (step->is_asked)
        return ERR_NONE;
    int64_t begin = os_monotonic_us();
    step->err = store_measure(e->reader, plan, &step->measure);
    step->microseconds = os_monotonic_us() - begin;
    return step->err == ERR_LIMIT ? ERR_NONE : step->err;
}

static enum err walk(struct explaining *e, const struct plan *plan, const struct step *parent)
{
    size_t own;
    if (e->count == STEPS_MAX) {
        e->skipped++;
        return ERR_NONE;
    }
    TRY(measure(e, plan, parent, &own));
    if (!parent)
        e->whole = e->steps[own].measure;
    for (size_t i = 0; i < plan->child_count; i++)
        TRY(walk(e, plan->children[i], &e->steps[own]));
    return ERR_NONE;
}

static void number_append(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",{\"url\":\"%s\",\"valueDecimal\":%llu}", name, (unsigned long long)value);
}

/* The figures as an extension of the issue, for programs. */
static void figures_append(struct buf *out, const struct step *s, struct slice text)
{
    buf_printf(out, "{\"extension\":[{\"url\":\"urn:tarn:explain\",\"extension\":["
                    "{\"url\":\"depth\",\"valueDecimal\":%d}", s->depth);
    buf_append_cstr(out, ",{\"url\":\"step\",\"valueString\":");
    json_write_string(out, text);
    buf_append_byte(out, '}');
    if (s->is_asked) {
        number_append(out, "asked", s->asked_documents);
        buf_append_cstr(out, "]}],");
        return;
    }
    number_append(out, "estimated", s->measure.estimate);
    number_append(out, "documents", s->measure.documents);
    number_append(out, "blocks", s->measure.blocks);
    number_append(out, "work", s->measure.work);
    number_append(out, "microseconds", (uint64_t)s->microseconds);
    buf_append_cstr(out, "]}],");
}

static enum err step_append(const struct step *s, const struct custom_set *customs,
                            struct arena *arena, struct buf *out)
{
    struct slice text = search_step_text(s->plan, customs, arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    figures_append(out, s, text);
    buf_printf(out, "\"severity\":\"information\",\"code\":\"informational\",\"diagnostics\":");
    struct slice line;
    if (s->is_asked)
        line = arena_printf(arena, "%*s%.*s: asked of each of %llu documents", 2 * s->depth, "",
                            SLICE_ARGS(text), (unsigned long long)s->asked_documents);
    else if (s->err)
        line = arena_printf(arena, "%*s%.*s: past the budget", 2 * s->depth, "",
                            SLICE_ARGS(text));
    else
        line = arena_printf(
            arena, "%*s%.*s: %llu documents (%llu estimated) in %llu blocks, %llu units, %lld us",
            2 * s->depth, "", SLICE_ARGS(text), (unsigned long long)s->measure.documents,
            (unsigned long long)s->measure.estimate, (unsigned long long)s->measure.blocks,
            (unsigned long long)s->measure.work, (long long)s->microseconds);
    if (!line.bytes)
        return ERR_NO_MEMORY;
    json_write_string(out, line);
    buf_append_byte(out, '}');
    return buf_status(out);
}

static void page_append(const struct explain_page *page, struct buf *out)
{
    buf_printf(out,
               "{\"severity\":\"information\",\"code\":\"informational\",\"diagnostics\":"
               "\"the page: %zu matches, %llu units, %lld us, %s, %llu documents asked\"}",
               page->count, (unsigned long long)page->work, (long long)page->microseconds,
               page->strategy, (unsigned long long)page->asked);
}

enum err explain_append(struct store_reader *reader, const struct plan *plan,
                        const struct explain_page *page, struct arena *arena, struct buf *out)
{
    struct explaining e = { .reader = reader };
    e.steps = arena_array(arena, STEPS_MAX, sizeof *e.steps);
    if (!e.steps)
        return ERR_NO_MEMORY;
    TRY(walk(&e, plan, NULL));
    buf_append_cstr(out, "{\"resourceType\":\"OperationOutcome\",\"id\":\"explain\",\"issue\":[");
    page_append(page, out);
    for (size_t i = 0; i < e.count; i++) {
        buf_append_byte(out, ',');
        TRY(step_append(&e.steps[i], page->customs, arena, out));
    }
    if (e.skipped)
        buf_printf(out, ",{\"severity\":\"information\",\"code\":\"informational\","
                        "\"diagnostics\":\"%zu more steps are not shown\"}", e.skipped);
    buf_append_cstr(out, "]}");
    return buf_status(out);
}

/* ---- what cannot be run yet ---- */

struct unready {
    struct store *store;
    const struct custom_set *customs;
    struct arena *arena;
    struct issues *issues;
    size_t count;
};

static void unready_walk(struct unready *u, const struct plan *p, int depth)
{
    struct store_rule_state state = { .is_ready = true };
    struct slice text = search_step_text(p, u->customs, u->arena);
    if (u->count++ == STEPS_MAX || !text.bytes)
        return;
    if (search_reads_field(p))
        store_rule_state(u->store, p->field, &state);
    if (state.is_known && !state.is_ready)
        issues_add(u->issues, ISSUE_INFORMATION, "informational", SLICE_NONE,
                   "%*s%.*s: is being indexed, %llu of %llu documents", 2 * depth, "",
                   SLICE_ARGS(text), (unsigned long long)state.done,
                   (unsigned long long)state.whole);
    else
        issues_add(u->issues, ISSUE_INFORMATION, "informational", SLICE_NONE, "%*s%.*s: ready",
                   2 * depth, "", SLICE_ARGS(text));
    for (size_t i = 0; i < p->child_count && u->count <= STEPS_MAX; i++)
        unready_walk(u, p->children[i], depth + 1);
}

void explain_unready(struct store *store, const struct plan *plan,
                     const struct custom_set *customs, struct arena *arena,
                     struct issues *issues)
{
    struct unready u = { store, customs, arena, issues, 0 };
    unready_walk(&u, plan, 0);
}
