/* check/answers_value.c - single answers: type, options, value sets, bounds. */
#include "base/decimal.h"
#include "check/answers.h"

#include <stdio.h>

#define CORE "http://hl7.org/fhir/StructureDefinition/"
#define SDC "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"

struct json answer_value(struct json answer, const char *stem, struct slice *ret_name)
{
    struct slice begin = slice_cstr(stem);
    *ret_name = SLICE_NONE;
    for (struct json key = json_first(answer); json_exists(key);
         key = json_next(answer, json_value(key))) {
        struct slice name = json_string_raw(key);
        if (!slice_starts_with(name, begin) || name.length == begin.length)
            continue;
        *ret_name = slice_from(name, begin.length);
        return json_value(key);
    }
    return JSON_ABSENT;
}

/* ---- comparing ---- */

static bool number_of(struct json value, struct decimal *ret)
{
    return json_is(value, JSON_NUMBER) && decimal_parse(json_raw(value), ret);
}

static int coding_compare(struct arena *arena, struct json a, struct json b, bool *ret_known)
{
    struct slice x = json_string(json_member(a, "code"), arena);
    struct slice y = json_string(json_member(b, "code"), arena);
    struct slice s = json_string(json_member(a, "system"), arena);
    struct slice t = json_string(json_member(b, "system"), arena);
    *ret_known = x.length > 0 && y.length > 0;
    bool same_system = !s.length || !t.length || slice_equal(s, t);
    return slice_equal(x, y) && same_system ? 0 : 1;
}

static int quantity_compare(struct arena *arena, struct json a, struct json b, bool *ret_known)
{
    struct slice x = json_string(json_member(a, "code"), arena);
    struct slice y = json_string(json_member(b, "code"), arena);
    int order = 0;
    *ret_known = x.length > 0 && y.length > 0 &&
                 json_is(json_member(a, "value"), JSON_NUMBER) &&
                 json_is(json_member(b, "value"), JSON_NUMBER) &&
                 fhir_quantity_compare(json_raw(json_member(a, "value")), x,
                                       json_raw(json_member(b, "value")), y, &order);
    return order;
}

int answer_compare(struct arena *arena, struct json a, struct json b, bool *ret_known)
{
    struct decimal x, y;
    *ret_known = false;
    if (number_of(a, &x) && number_of(b, &y)) {
        *ret_known = true;
        return decimal_compare(x, y);
    }
    if (json_is(a, JSON_STRING) && json_is(b, JSON_STRING)) {
        /* Dates and times too: they are written so that their text is in order. */
        *ret_known = true;
        return slice_compare(json_string(a, arena), json_string(b, arena));
    }
    if (json_is(a, JSON_OBJECT) && json_is(b, JSON_OBJECT)) {
        if (json_exists(json_member(a, "value")) || json_exists(json_member(b, "value")))
            return quantity_compare(arena, a, b, ret_known);
        if (json_exists(json_member(a, "reference"))) {
            *ret_known = true;
            return slice_compare(json_string(json_member(a, "reference"), arena),
                                 json_string(json_member(b, "reference"), arena));
        }
        return coding_compare(arena, a, b, ret_known);
    }
    *ret_known = json_exists(a) && json_exists(b);
    return json_type(a) == json_type(b) ? 0 : 1;
}

/* ---- types ---- */

/* The value's type that the question asks for; choices also take what their options
 * are of. NULL: any. */
static bool is_type(const struct question *q, struct slice name)
{
    static const char *const types[][3] = {
        { "boolean", "Boolean", NULL },     { "decimal", "Decimal", NULL },
        { "integer", "Integer", NULL },     { "date", "Date", NULL },
        { "dateTime", "DateTime", NULL },   { "time", "Time", NULL },
        { "string", "String", NULL },       { "text", "String", NULL },
        { "url", "Uri", NULL },             { "choice", "Coding", NULL },
        { "open-choice", "Coding", "String" }, { "attachment", "Attachment", NULL },
        { "reference", "Reference", NULL }, { "quantity", "Quantity", NULL },
    };
    struct json options = json_member(q->item, "answerOption");
    struct slice own;
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (!question_is(q, types[i][0]))
            continue;
        if (slice_is(name, types[i][1]) || (types[i][2] && slice_is(name, types[i][2])))
            return true;
        for (struct json o = json_first(options); json_exists(o); o = json_next(options, o))
            if (json_exists(answer_value(o, "value", &own)) && slice_equal(own, name))
                return true;
        return false;
    }
    return true;
}

static struct slice type_wanted(const struct question *q)
{
    static const char *const names[][2] = { { "text", "string" },       { "url", "uri" },
                                            { "choice", "Coding" },     { "open-choice", "Coding" },
                                            { "attachment", "Attachment" },
                                            { "reference", "Reference" },
                                            { "quantity", "Quantity" } };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (question_is(q, names[i][0]))
            return slice_cstr(names[i][1]);
    return q->type;
}

/* ---- one value ---- */

struct value {
    struct form *f;
    const struct question *q;
    struct json json;
    struct slice name; /* "Coding" */
    const struct fhir_spot *spot;
    const struct fhir_spot *answer; /* around it */
    uint32_t answers;               /* of the item */
};

#define value_error(v, place, ...)                                                                 \
    rule_error((v)->f->run, (v)->f->s, (place), (v)->json, __VA_ARGS__)

static struct slice shown(const struct value *v)
{
    return json_is(v->json, JSON_STRING)
               ? slice_head(json_string(v->json, v->f->run->arena), 100)
               : slice_head(json_raw(v->json), 100);
}

static void check_options(const struct value *v)
{
    struct json list = json_member(v->q->item, "answerOption");
    struct arena *arena = v->f->run->arena;
    struct slice name;
    bool is_free = question_is(v->q, "open-choice") && slice_is(v->name, "String");
    bool any = false, is_exclusive = false;
    if (!json_exists(json_first(list)) || is_free)
        return;
    for (struct json o = json_first(list); json_exists(o) && !any; o = json_next(list, o)) {
        struct json option = answer_value(o, "value", &name);
        bool is_known = false;
        if (!slice_equal(name, v->name) || !rule_spend(v->f->run, v->f->s, 5))
            continue;
        any = answer_compare(arena, v->json, option, &is_known) == 0 && is_known;
        const struct question own = { .item = o };
        is_exclusive =
            any && json_is(question_extension(&own, CORE "questionnaire-optionExclusive"),
                           JSON_TRUE);
    }
    if (v->f->run->is_tired)
        return;
    if (!any && slice_is(v->name, "Coding"))
        value_error(v, v->answer, "The code provided (%.*s#%.*s) is not in the options list",
                    SLICE_ARGS(json_string(json_member(v->json, "system"), arena)),
                    SLICE_ARGS(json_string(json_member(v->json, "code"), arena)));
    else if (!any)
        value_error(v, v->spot, "The %.*s %.*s is not in the set of permitted values",
                    SLICE_ARGS(v->q->type), SLICE_ARGS(shown(v)));
    else if (is_exclusive && v->answers > 1)
        value_error(v, v->answer,
                    "Selected answer %.*s#%.*s is an exclusive option - can't select anything "
                    "else at the same time",
                    SLICE_ARGS(json_string(json_member(v->json, "system"), arena)),
                    SLICE_ARGS(json_string(json_member(v->json, "code"), arena)));
}

/* Contained in the Questionnaire, or known. */
static enum err in_value_set(const struct value *v, struct slice canonical,
                             const struct terminology_code *code, struct terminology_answer *ret)
{
    struct check_run *run = v->f->run;
    *ret = (struct terminology_answer){ .truth = TERMINOLOGY_UNKNOWN };
    if (canonical.bytes[0] != '#')
        return terminology_in_value_set(run->options->terminology, canonical, code, run->arena,
                                        ret);
    struct json list = json_member(v->f->questionnaire, "contained");
    for (struct json c = json_first(list); json_exists(c); c = json_next(list, c))
        if (json_string_is(json_member(c, "id"), slice_from(canonical, 1)))
            return terminology_in_text(run->options->terminology, json_raw(c), code, run->arena,
                                       ret);
    return ERR_NONE;
}

static enum err check_value_set(const struct value *v)
{
    struct check_run *run = v->f->run;
    struct slice canonical = json_string(json_member(v->q->item, "answerValueSet"), run->arena);
    struct terminology_answer answer;
    if (!canonical.length || !run->options->terminology || !slice_is(v->name, "Coding"))
        return ERR_NONE;
    const struct terminology_code code = {
        .system = json_string(json_member(v->json, "system"), run->arena),
        .code = json_string(json_member(v->json, "code"), run->arena),
    };
    TRY(in_value_set(v, canonical, &code, &answer));
    if (answer.truth == TERMINOLOGY_NO)
        rule_report(run, v->f->s, v->answer, v->json, ISSUE_ERROR, "code-invalid",
                    "The code '%.*s' in the system '%.*s' is not in the options value set (%.*s) "
                    "specified by the questionnaire",
                    SLICE_ARGS(slice_head(code.code, 100)),
                    SLICE_ARGS(slice_head(code.system, 300)),
                    SLICE_ARGS(slice_head(canonical, 300)));
    return ERR_NONE;
}

/* ---- bounds ---- */

static void check_bound(const struct value *v, struct json bound, bool is_most)
{
    struct slice unit;
    bool is_quantity = slice_is(v->name, "Quantity"), is_known = false;
    const char *way = is_most ? "maximum" : "minimum";
    struct arena *arena = v->f->run->arena;
    if (!json_exists(bound))
        return;
    int order = answer_compare(arena, v->json, bound, &is_known);
    if (!is_known && is_quantity) {
        unit = json_string(json_member(bound, "unit"), arena);
        value_error(v, v->spot,
                    "The quantity %.*s cannot be compared to the allowed %s of %.*s %.*s",
                    SLICE_ARGS(slice_head(json_raw(json_member(v->json, "value")), 40)), way,
                    SLICE_ARGS(slice_head(json_raw(json_member(bound, "value")), 40)),
                    SLICE_ARGS(slice_head(unit, 40)));
        return;
    }
    if (!is_known || order == 0 || (order > 0) != is_most)
        return;
    struct slice limit = is_quantity ? json_raw(json_member(bound, "value"))
                         : json_is(bound, JSON_STRING) ? json_string(bound, arena)
                                                       : json_raw(bound);
    struct slice found = is_quantity ? json_raw(json_member(v->json, "value")) : shown(v);
    value_error(v, v->spot, "The %s %.*s is %s than the allowed %s of %.*s",
                is_quantity ? "quantity" : "value", SLICE_ARGS(slice_head(found, 60)),
                is_most ? "greater" : "less", way, SLICE_ARGS(slice_head(limit, 60)));
}

static void check_bounds(const struct value *v)
{
    bool is_quantity = slice_is(v->name, "Quantity");
    check_bound(v, question_extension(v->q, is_quantity ? SDC "minQuantity" : CORE "minValue"),
                false);
    check_bound(v, question_extension(v->q, is_quantity ? SDC "maxQuantity" : CORE "maxValue"),
                true);
    struct json places = question_extension(v->q, CORE "maxDecimalPlaces");
    uint64_t most;
    ptrdiff_t point = slice_find_byte(json_raw(v->json), '.');
    if (json_is(v->json, JSON_NUMBER) && point >= 0 && json_is(places, JSON_NUMBER) &&
        slice_parse_u64(json_raw(places), &most) &&
        json_raw(v->json).length - (size_t)point - 1 > most)
        value_error(v, v->spot, "The value %.*s has too many decimal places (limit = %llu)",
                    SLICE_ARGS(shown(v)), (unsigned long long)most);
}

/* ---- texts ---- */

static size_t characters(struct slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++)
        count += ((unsigned char)text.bytes[i] & 0xc0) != 0x80;
    return count;
}

static enum err check_text(const struct value *v)
{
    struct arena *arena = v->f->run->arena;
    struct json most = json_member(v->q->item, "maxLength");
    struct json least = question_extension(v->q, CORE "minLength");
    struct slice text = json_string(v->json, arena);
    struct slice pattern = json_string(question_extension(v->q, CORE "regex"), arena);
    const struct regex *regex;
    uint64_t limit;
    bool fits = true;
    if (!json_is(v->json, JSON_STRING))
        return ERR_NONE;
    if (json_is(most, JSON_NUMBER) && slice_parse_u64(json_raw(most), &limit) &&
        characters(text) > limit)
        value_error(v, v->spot, "The answer is too long: %zu characters, at most %llu",
                    characters(text), (unsigned long long)limit);
    if (json_is(least, JSON_NUMBER) && slice_parse_u64(json_raw(least), &limit) &&
        characters(text) < limit)
        value_error(v, v->spot, "The answer is too short: %zu characters, at least %llu",
                    characters(text), (unsigned long long)limit);
    if (!pattern.length)
        return ERR_NONE;
    enum err err = regex_compile(pattern, arena, &regex);
    if (err)
        return err == ERR_NO_MEMORY ? err : ERR_NONE;
    if (!rule_spend(v->f->run, v->f->s, regex_cost(regex, text) / 20))
        return ERR_NONE;
    TRY(regex_find(regex, text, 0, true, arena, &fits, NULL));
    if (!fits)
        value_error(v, v->spot,
                    "The answer '%.*s' does not conform to the expected format (regex '%.*s')",
                    SLICE_ARGS(slice_head(text, 100)), SLICE_ARGS(slice_head(pattern, 200)));
    return ERR_NONE;
}

/* ---- attachments, references, units ---- */

/* Is one of the question's extensions of that url the code? *ret_any: there are some. */
static bool extension_lists(const struct question *q, const char *url, struct slice code,
                            bool *ret_any)
{
    struct json list = json_member(q->item, "extension");
    struct slice name;
    *ret_any = false;
    for (struct json e = json_first(list); json_exists(e); e = json_next(list, e)) {
        if (!json_string_is(json_member(e, "url"), slice_cstr(url)))
            continue;
        *ret_any = true;
        if (json_string_is(answer_value(e, "value", &name), code))
            return true;
    }
    return false;
}

static void check_attachment(const struct value *v)
{
    struct slice type = json_string(json_member(v->json, "contentType"), v->f->run->arena);
    bool any = false;
    if (type.length && !extension_lists(v->q, CORE "mimeType", type, &any) && any)
        value_error(v, v->answer, "The mime type %.*s is not valid for this answer",
                    SLICE_ARGS(slice_head(type, 100)));
    struct json most = question_extension(v->q, CORE "maxSize");
    struct slice data = json_string_raw(json_member(v->json, "data"));
    struct json size = json_member(v->json, "size");
    struct decimal limit, found = decimal_of((int64_t)data.length * 3 / 4);
    if (number_of(most, &limit) && (number_of(size, &found) || data.length) &&
        decimal_compare(found, limit) > 0)
        value_error(v, v->answer, "The attachment is too large (allowed = %.*s)",
                    SLICE_ARGS(json_raw(most)));
}

/* The part that stands where a type does, of ".../Type/id". */
static struct slice type_part(struct slice reference)
{
    ptrdiff_t end = slice_find_last_byte(reference, '/');
    struct slice head = slice_head(reference, end > 0 ? (size_t)end : 0);
    ptrdiff_t start = slice_find_last_byte(head, '/');
    struct slice part = slice_from(head, (size_t)(start + 1));
    bool is_name = part.length > 0 && part.bytes[0] >= 'A' && part.bytes[0] <= 'Z';
    return is_name ? part : SLICE_NONE;
}

static void check_reference_type(const struct value *v)
{
    struct slice text = json_string(json_member(v->json, "reference"), v->f->run->arena);
    struct slice type = type_part(text);
    bool any = false;
    if (!type.length)
        return;
    if (!fhir_resource_find(type))
        value_error(v, v->spot, "The resource type %.*s in the reference %.*s is not valid",
                    SLICE_ARGS(slice_head(type, 60)), SLICE_ARGS(slice_head(text, 200)));
    else if (!extension_lists(v->q, CORE "questionnaire-referenceResource", type, &any) && any)
        value_error(v, v->spot, "The resource type '%.*s' in the reference %.*s is not allowed",
                    SLICE_ARGS(slice_head(type, 60)), SLICE_ARGS(slice_head(text, 200)));
}

static enum err check_unit(const struct value *v)
{
    struct check_run *run = v->f->run;
    struct slice set =
        json_string(question_extension(v->q, CORE "questionnaire-unitValueSet"), run->arena);
    const struct terminology_code code = {
        .system = json_string(json_member(v->json, "system"), run->arena),
        .code = json_string(json_member(v->json, "code"), run->arena),
    };
    struct terminology_answer answer = { .truth = TERMINOLOGY_NO };
    if (!set.length || !run->options->terminology)
        return ERR_NONE;
    if (code.code.length && code.system.length)
        TRY(in_value_set(v, set, &code, &answer));
    if (answer.truth == TERMINOLOGY_NO)
        value_error(v, v->spot,
                    "The value %.*s %.*s has a unit that is not in the unit value set '%.*s'",
                    SLICE_ARGS(slice_head(json_raw(json_member(v->json, "value")), 40)),
                    SLICE_ARGS(slice_head(code.code, 40)), SLICE_ARGS(slice_head(set, 300)));
    return ERR_NONE;
}

/* ---- an item's answers ---- */

/* A type that R4's answers may have at all; of others base R4 has told. */
static bool is_answer_type(struct slice name)
{
    char room[60];
    const struct fhir_type *answer = fhir_type_find(SLICE("QuestionnaireResponse.item.answer"));
    int n = snprintf(room, sizeof room, "value%.*s", SLICE_ARGS(slice_head(name, 50)));
    return !answer || fhir_element_find(answer, slice_of(room, (size_t)n)) != NULL;
}

static enum err value_check(const struct value *v)
{
    if (!is_answer_type(v->name))
        return ERR_NONE;
    if (!is_type(v->q, v->name)) {
        char first = v->name.bytes[0];
        struct fhir_type const *complex = fhir_type_find(v->name);
        value_error(v, v->spot, "Answer value must be of the type %.*s not %c%.*s",
                    SLICE_ARGS(type_wanted(v->q)), complex ? first : first | 0x20,
                    SLICE_ARGS(slice_from(v->name, 1)));
        return ERR_NONE;
    }
    check_options(v);
    TRY(check_value_set(v));
    check_bounds(v);
    if (slice_is(v->name, "Attachment"))
        check_attachment(v);
    if (slice_is(v->name, "Reference"))
        check_reference_type(v);
    if (slice_is(v->name, "Quantity"))
        TRY(check_unit(v));
    return check_text(v);
}

enum err answers_check_values(struct form *f, const struct question *q, struct json item,
                              const struct fhir_spot *spot)
{
    struct json answers = json_member(item, "answer");
    uint32_t at = 0, count = json_count(answers);
    for (struct json a = json_first(answers); json_exists(a); a = json_next(answers, a)) {
        struct fhir_spot answer = spot_at(spot, SLICE("answer"), at++);
        struct fhir_spot place = spot_of(&answer, SLICE("value"));
        struct value v = { .f = f, .q = q, .spot = &place, .answer = &answer, .answers = count };
        v.json = answer_value(a, "value", &v.name);
        if (!rule_spend(f->run, f->s, 20))
            return ERR_NONE;
        struct arena_mark mark = arena_mark(f->run->arena);
        enum err err = json_exists(v.json) ? value_check(&v) : ERR_NONE;
        arena_rewind(f->run->arena, mark);
        TRY(err);
    }
    return ERR_NONE;
}
