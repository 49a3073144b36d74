/* How well a document fits the texts that were searched for.
 *
 * Each text (a word of _text or _content, a value of a string parameter or of :text) is a
 * term. It weighs what its rarity says, ln(1 + (N - n + 0.5) / (n + 0.5)), n of the N
 * documents of the type having it; and a document has of that weight the shares of the
 * term's parts that it meets: found at all, at the start, as a whole; in the name or
 * title. The sum over all terms, divided by what it would be at best, is the score. How
 * often a word stands in a text the index does not know.
 *
 * All counts are those of the reader's time, so that a document's score is the same on
 * every page, and the order one of keys like any other.
 */
#include "search/score.h"

#include <math.h>
#include <stdlib.h>

#include "base/codec.h"
#include "index/index.h"

const struct fhir_param score_param = { .code = SLICE_INIT("_score"), .type = FHIR_PARAM_SPECIAL };

/* ---- while the query is read ---- */

static void part_add(struct score_term *term, const struct plan *plan, double share)
{
    if (term->part_count < SCORE_PARTS_MAX)
        term->parts[term->part_count++] = (struct score_part){ plan, share };
}

/* The term at hand, still without parts; NULL: it does not count. */
static enum err term_begin(struct compiler *c, struct plan *whole, struct score_term **ret)
{
    struct search_scores *all = c->scores;
    *ret = NULL;
    if (!all || c->depth != 1 || c->op || c->unscored || all->count == SCORE_TERMS_MAX)
        return ERR_NONE;
    if (!all->terms)
        all->terms = arena_array(c->arena, SCORE_TERMS_MAX, sizeof *all->terms);
    if (!all->terms)
        return ERR_NO_MEMORY;
    *ret = &all->terms[all->count++];
    **ret = (struct score_term){ .type = c->type, .whole = whole };
    return ERR_NONE;
}

enum err score_string(struct compiler *c, struct plan *found, struct plan *starting,
                      struct plan *equal)
{
    struct score_term *term;
    TRY(term_begin(c, found, &term));
    if (!term)
        return ERR_NONE;
    c->scores->is_text |= c->modifier == MODIFIER_TEXT;
    if (found != starting)
        part_add(term, found, 0.3);
    if (starting)
        part_add(term, starting, found == starting ? 0.6 : 0.3);
    part_add(term, equal, starting ? 0.4 : 0.7);
    return ERR_NONE;
}

/* The word begins the resource's name or title, where it has such parameters. */
static enum err named(struct compiler *c, struct score_term *term, struct slice word)
{
    static const char *const codes[] = { "name", "title" };
    const uint32_t field = c->field;
    struct plan_list any = { 0 };
    struct plan *plan;
    for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
        const struct fhir_param *param = fhir_param_find(c->type, slice_cstr(codes[i]));
        if (!param || param->type != FHIR_PARAM_STRING || !param->path)
            continue;
        c->field = index_field(c->type, param->id);
        enum err err =
            plan_leaf(c, PLAN_PREFIX, index_encode_folded(c->arena, TERM_STRING, word), &plan);
        c->field = field;
        TRY(err);
        TRY(plan_list_add(c, &any, plan));
    }
    if (!any.count)
        return ERR_NONE;
    TRY(plan_join(c, PLAN_OR, &any, &plan));
    part_add(term, plan, 0.5);
    return ERR_NONE;
}

enum err score_word(struct compiler *c, struct slice word, bool is_open, struct plan *found)
{
    struct score_term *term;
    struct plan *whole;
    TRY(term_begin(c, found, &term));
    if (!term)
        return ERR_NONE;
    c->scores->is_text = true;
    part_add(term, found, is_open ? 0.6 : 1.0);
    if (is_open) {
        TRY(plan_leaf(c, PLAN_TERM, index_encode_folded(c->arena, TERM_WORD, word), &whole));
        part_add(term, whole, 0.4);
    }
    return named(c, term, word);
}

/* ---- while it runs ---- */

struct scoring {
    const struct search_query *query;
    struct store_reader *reader;
    const uint64_t *docs; /* ascending */
    size_t count;
    struct plan *among; /* matches nothing else, but may more of the query's */
    double *sums;
    double weights[SCORE_TERMS_MAX];
};

enum { SPANS_MAX = 1100 };

/* A plan of these documents alone; of many the query's own. */
static enum err among_make(struct scoring *s, struct arena *arena)
{
    s->among = s->query->plan;
    if (s->count > SPANS_MAX)
        return ERR_NONE;
    struct plan *spans = arena_array(arena, s->count + 1, sizeof *spans);
    struct plan **children = arena_array(arena, s->count + 1, sizeof(struct plan *));
    size_t used = 0;
    if (!spans || !children)
        return ERR_LIMIT;
    for (size_t i = 0; i < s->count; i++) {
        if (used && spans[used - 1].doc_high + 1 == s->docs[i]) {
            spans[used - 1].doc_high++;
            continue;
        }
        spans[used] = (struct plan){ .kind = PLAN_SPAN };
        spans[used].doc_low = spans[used].doc_high = s->docs[i];
        children[used] = &spans[used];
        used++;
    }
    spans[s->count] = (struct plan){ .kind = PLAN_OR, .children = children, .child_count = used };
    s->among = used == 1 ? &spans[0] : &spans[s->count];
    return ERR_NONE;
}

/* How much each term weighs, so that those of a type are 1 at best, together. */
static enum err weigh(struct scoring *s)
{
    const struct search_scores *all = &s->query->scores;
    double best[SCORE_TERMS_MAX];
    for (size_t i = 0; i < all->count; i++) {
        const struct score_term *term = &all->terms[i];
        const struct plan type = { .kind = PLAN_TERM,
                                   .from = SLICE(""),
                                   .field = index_field(term->type, INDEX_PARAM_TYPE) };
        uint64_t of_type = 0, found = 0;
        double at_best = 0;
        TRY(store_count(s->reader, &type, &of_type));
        TRY(store_count(s->reader, term->whole, &found));
        double n = (double)MIN(found, of_type), rest = (double)of_type - n;
        s->weights[i] = log(1 + (rest + 0.5) / (n + 0.5));
        for (size_t k = 0; k < term->part_count; k++)
            at_best += term->parts[k].share;
        best[i] = s->weights[i] * at_best;
    }
    double scaled[SCORE_TERMS_MAX];
    for (size_t i = 0; i < all->count; i++) {
        double sum = 0;
        for (size_t k = 0; k < all->count; k++)
            sum += all->terms[k].type == all->terms[i].type ? best[k] : 0;
        scaled[i] = sum > 0 ? s->weights[i] / sum : 0;
    }
    for (size_t i = 0; i < all->count; i++)
        s->weights[i] = scaled[i];
    return ERR_NONE;
}

/* Those of the documents that the part finds have its share. */
static enum err part_apply(struct scoring *s, const struct score_part *part, double weight)
{
    struct plan *both[] = { s->among, (struct plan *)(uintptr_t)part->plan };
    const struct plan plan = { .kind = PLAN_AND, .children = both, .child_count = 2 };
    struct arena work;
    uint64_t *found;
    size_t count = 0, at = 0;
    arena_init(&work, search_memory(s->query));
    enum err err = store_search(s->reader, &plan, 0, SEARCH_SORTED_MAX, &work, &found, &count);
    for (size_t i = 0; !err && i < count; i++) {
        while (at < s->count && s->docs[at] < found[i])
            at++;
        if (at < s->count && s->docs[at] == found[i])
            s->sums[at] += weight * part->share;
    }
    arena_release(&work);
    return err == ERR_NOT_READY ? ERR_NONE : err; /* found by another parameter than asked for */
}

enum err score_docs(const struct search_query *q, struct store_reader *reader,
                    const uint64_t *docs, size_t count, struct arena *arena, double *ret)
{
    const struct search_scores *all = &q->scores;
    struct scoring s = { .query = q, .reader = reader, .docs = docs, .count = count };
    s.sums = ret;
    for (size_t i = 0; i < count; i++)
        ret[i] = 0;
    if (!count)
        return ERR_NONE;
    TRY(among_make(&s, arena));
    TRY(weigh(&s));
    for (size_t i = 0; i < all->count; i++)
        for (size_t k = 0; k < all->terms[i].part_count; k++)
            TRY(part_apply(&s, &all->terms[i].parts[k], s.weights[i]));
    for (size_t i = 0; i < count; i++)
        ret[i] = MIN(ret[i], 1.0);
    return ERR_NONE;
}

enum err score_keys(const struct search_query *q, struct store_reader *reader,
                    const uint64_t *docs, size_t count, struct arena *arena, size_t stride,
                    struct slice *keys)
{
    double *scores = arena_array(arena, count + 1, sizeof *scores);
    uint8_t *bytes = arena_raw(arena, 4 * count + 1);
    if (!scores || !bytes)
        return ERR_LIMIT;
    TRY(score_docs(q, reader, docs, count, arena, scores));
    for (size_t i = 0; i < count; i++) {
        put_be32(bytes + 4 * i, (uint32_t)(scores[i] * 1e9 + 0.5));
        keys[i * stride] = slice_of((char *)bytes + 4 * i, 4);
    }
    return ERR_NONE;
}

/* ---- of a page, in its order ---- */

struct placed {
    uint64_t doc;
    size_t place;
};

static int placed_compare(const void *a, const void *b)
{
    uint64_t x = ((const struct placed *)a)->doc, y = ((const struct placed *)b)->doc;
    return (x > y) - (x < y);
}

enum err score_page(const struct search_query *q, struct store_reader *reader,
                    struct arena *arena, struct search_found *found)
{
    size_t count = found->count;
    struct placed *placed = arena_array(arena, count + 1, sizeof *placed);
    uint64_t *docs = arena_array(arena, count + 1, sizeof *docs);
    double *scores = arena_array(arena, count + 1, sizeof *scores);
    double *kept = arena_array(arena, count + 1, sizeof *kept);
    if (!placed || !docs || !scores || !kept)
        return ERR_LIMIT;
    for (size_t i = 0; i < count; i++)
        placed[i] = (struct placed){ found->docs[i], i };
    qsort(placed, count, sizeof *placed, placed_compare);
    for (size_t i = 0; i < count; i++)
        docs[i] = placed[i].doc;
    TRY(score_docs(q, reader, docs, count, arena, scores));
    for (size_t i = 0; i < count; i++)
        kept[placed[i].place] = scores[i];
    found->scores = kept;
    return ERR_NONE;
}
