/* check/questionnaire.c - conditions of a Questionnaire's items name items of it. */
#include "check/rules.h"

/* linkIds in document order, so that a condition knows what stands before it. */
struct conditions {
    struct map places; /* by linkId: its place in the order, from 1 */
    uint64_t count;
};

/* Depth of recursion is the depth of the JSON. */
static enum err links_gather(struct check_run *run, struct json holder, struct conditions *q)
{
    struct json list = json_member(holder, "item");
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct slice id = json_string(json_member(v, "linkId"), run->arena);
        uint64_t *place;
        bool is_new;
        q->count++;
        if (id.length) {
            TRY(map_put(&q->places, id, &place, &is_new));
            if (is_new)
                *place = q->count;
        }
        TRY(links_gather(run, v, q));
    }
    return ERR_NONE;
}

static void condition_check(struct check_run *run, const struct fhir_subject *s,
                            const struct fhir_spot *spot, struct json condition,
                            const struct conditions *q)
{
    struct slice target = json_string(json_member(condition, "question"), run->arena);
    const uint64_t *place = target.length ? map_find(&q->places, target) : NULL;
    struct slice shown = slice_head(target, 100);
    if (!target.length)
        return; /* told by its cardinality */
    if (!place)
        rule_error(run, s, spot, condition,
                   "Unable to find target '%.*s' for this question enableWhen", SLICE_ARGS(shown));
    else if (*place == q->count)
        rule_error(run, s, spot, condition,
                   "Target for this question enableWhen can't reference itself");
    else if (*place > q->count)
        rule_report(run, s, spot, condition, ISSUE_WARNING, "business-rule",
                    "The target of this enableWhen rule (with linkId '%.*s') comes after the rule "
                    "itself",
                    SLICE_ARGS(shown));
}

/* q->count is the place of the item that was met last. */
static void items_check(struct check_run *run, const struct fhir_subject *s,
                        const struct fhir_spot *parent, struct json holder, struct conditions *q)
{
    struct json list = json_member(holder, "item");
    struct fhir_spot spot = spot_at(parent, SLICE("item"), 0);
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct json conditions = json_member(v, "enableWhen");
        struct fhir_spot inner = spot_at(&spot, SLICE("enableWhen"), 0);
        q->count++;
        for (struct json w = json_first(conditions); json_exists(w); w = json_next(conditions, w)) {
            condition_check(run, s, &inner, w, q);
            inner.index++;
        }
        items_check(run, s, &spot, v, q);
        spot.index++;
    }
}

enum err rule_questionnaire(struct check_run *run, const struct fhir_subject *s)
{
    struct conditions q = { .count = 0 };
    if (!rule_spend(run, s, (json_node(s->item.value)->next - s->item.value.at) / 4))
        return ERR_NONE;
    map_init(&q.places, UINT32_MAX, (uint64_t)(uintptr_t)run);
    enum err err = links_gather(run, s->item.value, &q);
    q.count = 0;
    if (!err)
        items_check(run, s, s->spot, s->item.value, &q);
    map_release(&q.places);
    return err;
}
