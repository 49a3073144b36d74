/* check/answers.c - the items of a QuestionnaireResponse against its Questionnaire. */
#include "check/answers.h"

/* ---- the questions ---- */

struct json question_extension(const struct question *q, const char *url)
{
    struct json list = json_member(q->item, "extension");
    struct slice name;
    for (struct json e = json_first(list); json_exists(e); e = json_next(list, e))
        if (json_string_is(json_member(e, "url"), slice_cstr(url)))
            return answer_value(e, "value", &name);
    return JSON_ABSENT;
}

bool question_is(const struct question *q, const char *type)
{
    return slice_is(q->type, type);
}

/* Deep as JSON may be. */
static enum err questions_read(struct form *f, struct json list, struct question *parent,
                               struct question **ret_first)
{
    uint32_t order = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct question *q = arena_alloc(f->run->arena, sizeof *q);
        uint64_t *place;
        if (!q)
            return ERR_NO_MEMORY;
        q->item = v;
        q->parent = parent;
        q->order = order++;
        q->link_id = json_string(json_member(v, "linkId"), f->run->arena);
        q->type = json_string(json_member(v, "type"), f->run->arena);
        *ret_first = q;
        ret_first = &q->next;
        if (q->link_id.length)
            TRY(map_put(&f->by_link_id, q->link_id, &place, NULL));
        if (q->link_id.length)
            *place = (uint64_t)(uintptr_t)q;
        TRY(questions_read(f, json_member(v, "item"), q, &q->first));
    }
    return ERR_NONE;
}

static struct question *question_find(const struct form *f, struct json item)
{
    struct json link_id = json_member(item, "linkId");
    struct slice text = json_string(link_id, f->run->arena);
    const uint64_t *place = text.length ? map_find(&f->by_link_id, text) : NULL;
    return place ? (struct question *)(uintptr_t)*place : NULL;
}

/* Where each question was answered, for the conditions of others. */
static void answers_note(struct form *f, struct json list)
{
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct question *q = question_find(f, v);
        struct json answers = json_member(v, "answer");
        if (q && (!json_exists(q->answered) || !json_exists(json_member(q->answered, "answer"))))
            q->answered = v;
        for (struct json a = json_first(answers); json_exists(a); a = json_next(answers, a))
            answers_note(f, json_member(a, "item"));
        answers_note(f, json_member(v, "item"));
    }
}

/* ---- conditions ---- */

static bool condition_holds(struct form *f, struct json condition)
{
    struct arena *arena = f->run->arena;
    struct slice name, link_id = json_string(json_member(condition, "question"), arena);
    struct json wanted = answer_value(condition, "answer", &name);
    struct json operator= json_member(condition, "operator");
    const uint64_t *place = link_id.length ? map_find(&f->by_link_id, link_id) : NULL;
    const struct question *q = place ? (const struct question *)(uintptr_t)*place : NULL;
    struct json answers = q ? json_member(q->answered, "answer") : JSON_ABSENT;
    if (json_string_is(operator, SLICE("exists")))
        return json_exists(json_first(answers)) == json_is(wanted, JSON_TRUE);
    bool any_equal = false, any_less = false, any_more = false;
    for (struct json a = json_first(answers); json_exists(a); a = json_next(answers, a)) {
        bool is_known = false;
        int order = answer_compare(arena, answer_value(a, "value", &name), wanted, &is_known);
        any_equal |= is_known && order == 0;
        any_less |= is_known && order < 0;
        any_more |= is_known && order > 0;
    }
    if (json_string_is(operator, SLICE("=")))
        return any_equal;
    if (json_string_is(operator, SLICE("!=")))
        return !any_equal;
    if (json_string_is(operator, SLICE("<")))
        return any_less;
    if (json_string_is(operator, SLICE(">")))
        return any_more;
    if (json_string_is(operator, SLICE("<=")))
        return any_less || any_equal;
    return any_more || any_equal;
}

static bool is_enabled(struct form *f, const struct question *q)
{
    struct json list = json_member(q->item, "enableWhen");
    bool is_any = json_string_is(json_member(q->item, "enableBehavior"), SLICE("any"));
    if (!json_exists(json_first(list)))
        return true;
    for (struct json c = json_first(list); json_exists(c); c = json_next(list, c))
        if (condition_holds(f, c) == is_any)
            return is_any;
    return !is_any;
}

/* ---- one item of the response ---- */

static enum err level_check(struct form *f, struct json list, struct question *parent,
                            struct json holder, const struct fhir_spot *spot);

static uint32_t integer_of(struct json value, uint32_t otherwise)
{
    uint64_t number;
    return json_is(value, JSON_NUMBER) && slice_parse_u64(json_raw(value), &number)
               ? (uint32_t)MIN(number, (uint64_t)UINT32_MAX)
               : otherwise;
}

static void check_count(struct form *f, const struct question *q, struct json item,
                        const struct fhir_spot *spot, uint32_t count)
{
    uint32_t most = integer_of(
        question_extension(q, "http://hl7.org/fhir/StructureDefinition/questionnaire-maxOccurs"),
        UINT32_MAX);
    bool repeats = json_is(json_member(q->item, "repeats"), JSON_TRUE);
    if (count > most)
        rule_error(f->run, f->s, spot, item,
                   "The maximum number of answers is %u but this has %u answers", most, count);
    else if (count > 1 && !repeats)
        rule_error(f->run, f->s, spot, item,
                   "Only one response answer item with this linkId allowed");
}

static enum err question_check(struct form *f, struct question *q, struct json item,
                               const struct fhir_spot *spot)
{
    struct json answers = json_member(item, "answer");
    uint32_t count = json_count(answers), at = 0;
    q->answer_count += count;
    check_count(f, q, item, spot, count);
    if (count > 0 && !is_enabled(f, q))
        rule_error(f->run, f->s, spot, item, "Item has answer, even though it is not enabled");
    if (json_exists(json_member(item, "item")))
        rule_error(f->run, f->s, spot, item,
                   "Items not of type group should not have items - item with linkId %.*s of type "
                   "%.*s has items",
                   SLICE_ARGS(slice_head(q->link_id, 100)), SLICE_ARGS(slice_head(q->type, 40)));
    TRY(answers_check_values(f, q, item, spot));
    for (struct json a = json_first(answers); json_exists(a); a = json_next(answers, a)) {
        struct fhir_spot answer = spot_at(spot, SLICE("answer"), at++);
        TRY(level_check(f, json_member(a, "item"), q, a, &answer));
    }
    return ERR_NONE;
}

static enum err item_check(struct form *f, struct question *q, struct json item,
                           const struct fhir_spot *spot)
{
    bool has_answers = json_exists(json_first(json_member(item, "answer")));
    if (question_is(q, "display")) {
        if (has_answers)
            rule_error(f->run, f->s, spot, item, "Items of type 'display' cannot have answers");
        return ERR_NONE;
    }
    if (!question_is(q, "group") && !question_is(q, "question"))
        return question_check(f, q, item, spot);
    if (has_answers)
        rule_error(f->run, f->s, spot, item, "Items of type %.*s should not have answers",
                   SLICE_ARGS(q->type));
    return level_check(f, json_member(item, "item"), q, item, spot);
}

/* ---- a level ---- */

/* At the item that has too few, or at its holder when it is not known. */
static void report_few(struct form *f, const struct question *q, struct json holder,
                       const struct fhir_spot *spot, enum issue_severity severity, uint32_t least)
{
    struct json list = json_member(holder, "item"), where = holder;
    struct fhir_spot item = spot_at(spot, SLICE("item"), 0);
    struct json v = json_first(list);
    while (json_exists(v) && v.at != q->answered.at && rule_spend(f->run, f->s, 1)) {
        v = json_next(list, v);
        item.index++;
    }
    bool is_found = json_exists(v) && v.at == q->answered.at;
    if (is_found)
        where = v;
    rule_report(f->run, f->s, is_found ? &item : spot, where, severity, "required",
                "The minimum number of answers is %u but this has %u answers", least,
                q->answer_count);
}

static void check_missing(struct form *f, const struct question *q, struct json holder,
                          const struct fhir_spot *spot, uint32_t level)
{
    enum issue_severity severity = f->is_in_progress ? ISSUE_WARNING : ISSUE_ERROR;
    bool is_met = q->level == level;
    uint32_t least = integer_of(
        question_extension(q, "http://hl7.org/fhir/StructureDefinition/questionnaire-minOccurs"),
        0);
    uint32_t count = is_met ? q->answer_count : 0;
    bool is_required = json_is(json_member(q->item, "required"), JSON_TRUE);
    bool has_any = question_is(q, "group") ? is_met : count > 0;
    if (question_is(q, "display") || (!is_required && least == 0))
        return;
    if ((has_any && count >= least) || !is_enabled(f, q))
        return;
    if (is_required && !has_any)
        rule_report(f->run, f->s, spot, holder, severity, "required",
                    "No response answer found for required item '%.*s'",
                    SLICE_ARGS(slice_head(q->link_id, 100)));
    else if (is_met && count < least)
        report_few(f, q, holder, spot, severity, least);
}

static void count_item(struct form *f, struct question *q, struct json item,
                       const struct fhir_spot *spot, uint32_t level)
{
    if (q->level != level) {
        q->level = level;
        q->item_count = q->answer_count = 0;
    }
    bool repeats = question_is(q, "group") && json_is(json_member(q->item, "repeats"), JSON_TRUE);
    if (++q->item_count == 2 && !repeats)
        rule_error(f->run, f->s, spot, item,
                   "Only one response item with this linkId allowed - %.*s",
                   SLICE_ARGS(slice_head(q->link_id, 100)));
}

/* The items of one group, answer or of the response itself. A question that is asked
 * elsewhere in the Questionnaire is in the wrong place. */
static enum err level_check(struct form *f, struct json list, struct question *parent,
                            struct json holder, const struct fhir_spot *spot)
{
    uint32_t level = ++f->levels, at = 0, last = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct fhir_spot here = spot_at(spot, SLICE("item"), at++);
        struct question *q = question_find(f, v);
        if (!rule_spend(f->run, f->s, 20))
            return ERR_NONE;
        if (!q) {
            struct slice link_id = json_string(json_member(v, "linkId"), f->run->arena);
            if (link_id.length)
                rule_error(f->run, f->s, f->s->spot, v, "LinkId '%.*s' not found in questionnaire",
                           SLICE_ARGS(slice_head(link_id, 100)));
            continue;
        }
        if (q->parent != parent) {
            rule_error(f->run, f->s, &here, v, "Structural Error: item is in the wrong place");
            continue;
        }
        if (q->order < last)
            rule_error(f->run, f->s, &here, v, "Structural Error: items are out of order");
        last = MAX(last, q->order);
        count_item(f, q, v, &here, level);
        uint32_t counted = q->answer_count;
        TRY(item_check(f, q, v, &here));
        /* The walk below may have counted the same question anew. */
        q->level = level;
        q->answer_count = MAX(counted, q->answer_count);
    }
    for (const struct question *q = parent ? parent->first : f->first; q; q = q->next) {
        if (!rule_spend(f->run, f->s, 5))
            return ERR_NONE;
        check_missing(f, q, holder, spot, level);
    }
    return ERR_NONE;
}

/* ---- the response ---- */

static struct json contained_find(struct json resource, struct slice id)
{
    struct json list = json_member(resource, "contained");
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v))
        if (json_string_is(json_member(v, "id"), id))
            return v;
    return JSON_ABSENT;
}

/* Contained, or from outside; absent when there is none. */
static enum err questionnaire_find(struct form *f, struct slice canonical, struct json_doc *doc)
{
    const struct check_options *o = f->run->options;
    struct slice text = SLICE_NONE;
    if (canonical.bytes[0] == '#') {
        f->questionnaire = contained_find(f->s->item.value, slice_from(canonical, 1));
        return ERR_NONE;
    }
    if (o->questionnaire)
        TRY(o->questionnaire(o->questionnaire_context, canonical, f->run->arena, &text));
    if (!text.bytes)
        return ERR_NONE;
    enum err err = json_parse(text, NULL, f->run->arena, doc, NULL);
    if (!err)
        f->questionnaire = json_root(doc);
    return err == ERR_NO_MEMORY ? err : ERR_NONE;
}

static enum err form_check(struct form *f)
{
    struct json response = f->s->item.value, items = json_member(response, "item");
    TRY(questions_read(f, json_member(f->questionnaire, "item"), NULL, &f->first));
    f->is_in_progress = json_string_is(json_member(response, "status"), SLICE("in-progress"));
    answers_note(f, items);
    return level_check(f, items, NULL, response, f->s->spot);
}

enum err rule_answers(struct check_run *run, const struct fhir_subject *s)
{
    struct form f = { .run = run, .s = s };
    struct json_doc doc;
    struct json named = json_member(s->item.value, "questionnaire");
    struct slice canonical = json_string(named, run->arena);
    struct fhir_spot spot = spot_of(s->spot, SLICE("questionnaire"));
    if (!canonical.length)
        return ERR_NONE;
    TRY(questionnaire_find(&f, canonical, &doc));
    if (!json_exists(f.questionnaire)) {
        rule_report(run, s, &spot, named, ISSUE_WARNING, "not-found",
                    "The questionnaire '%.*s' could not be resolved, so no validation can be "
                    "performed against the base questionnaire",
                    SLICE_ARGS(slice_head(canonical, 400)));
        return ERR_NONE;
    }
    map_init(&f.by_link_id, UINT32_MAX, (uint64_t)(uintptr_t)&f);
    enum err err = form_check(&f);
    map_release(&f.by_link_id);
    return err;
}
