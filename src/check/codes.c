/* check/codes.c - rules of CodeSystem and ValueSet beyond their definitions. */
#include "base/numeral.h"
#include "check/rules.h"

/* The resource's own canonical. */
static void check_url(struct check_run *run, const struct fhir_subject *s)
{
    struct json url = json_member(s->item.value, "url");
    struct slice text = json_string(url, run->arena);
    struct fhir_spot spot = spot_of(s->spot, SLICE("url"));
    bool is_contained = slice_is(s->spot->name, "contained");
    if (!text.length || url_is_absolute(text))
        return;
    rule_error(run, s, &spot, url,
               is_contained
                   ? "Canonical URLs in contained resources must be absolute URLs if present (%.*s)"
                   : "Canonical URLs must be absolute URLs if they are not fragment references "
                     "(%.*s)",
               SLICE_ARGS(slice_head(text, 200)));
}

/* ---- ValueSet ---- */

/* A filter's value that must be a code: of the clause's own system, or "system#code"
 * of a property that is a Coding. */
static enum err check_filter(struct check_run *run, const struct fhir_subject *s,
                             const struct fhir_spot *spot, struct slice system, struct json filter)
{
    struct slice property = json_string(json_member(filter, "property"), run->arena);
    struct slice value = json_string(json_member(filter, "value"), run->arena);
    struct json op = json_member(filter, "op");
    bool is_code = slice_is(property, "concept") || slice_is(property, "code");
    bool is_one = json_string_is(op, SLICE("=")) || json_string_is(op, SLICE("is-a")) ||
                  json_string_is(op, SLICE("descendent-of")) ||
                  json_string_is(op, SLICE("is-not-a")) ||
                  json_string_is(op, SLICE("generalizes"));
    ptrdiff_t hash = slice_find_byte(value, '#');
    struct terminology_code code = { .system = system, .code = value };
    struct terminology_answer answer;
    if (!is_one || !run->options->terminology || (!is_code && hash <= 0))
        return ERR_NONE;
    if (!is_code) {
        code.system = slice_head(value, (size_t)hash);
        code.code = slice_from(value, (size_t)hash + 1);
    }
    if (!code.system.length || !code.code.length)
        return ERR_NONE;
    TRY(terminology_in_system(run->options->terminology, &code, run->arena, &answer));
    if (answer.truth == TERMINOLOGY_NO)
        rule_report(run, s, spot, filter,
                    run->options->is_lenient ? ISSUE_WARNING : ISSUE_ERROR, "code-invalid",
                    "The value for a filter based on property '%.*s' is '%.*s' which is not a "
                    "valid code",
                    SLICE_ARGS(slice_head(property, 60)), SLICE_ARGS(slice_head(value, 200)));
    return ERR_NONE;
}

static struct json extension_find(struct json holder, const char *url)
{
    struct json list = json_member(holder, "extension");
    for (struct json e = json_first(list); json_exists(e); e = json_next(list, e))
        if (json_string_is(json_member(e, "url"), slice_cstr(url)))
            return e;
    return JSON_ABSENT;
}

/* Is it a parameter that the ValueSet declares? */
static bool is_parameter(const struct fhir_subject *s, struct slice name)
{
    struct json list = json_member(s->item.value, "extension");
    for (struct json e = json_first(list); json_exists(e); e = json_next(list, e)) {
        struct json own = extension_find(e, "name");
        if (json_string_is(json_member(e, "url"),
                           SLICE("http://hl7.org/fhir/tools/StructureDefinition/"
                                 "valueset-parameter")) &&
            json_string_is(json_member(own, "valueCode"), name))
            return true;
    }
    return false;
}

/* A filter's value that an expression gives: FHIRPath, over declared parameters. */
static void check_expression(struct check_run *run, const struct fhir_subject *s,
                             const struct fhir_spot *spot, struct json filter)
{
    struct json holder =
        extension_find(json_member(filter, "_value"),
                       "http://hl7.org/fhir/StructureDefinition/cqf-expression");
    struct json expression = json_member(holder, "valueExpression");
    struct slice language = json_string(json_member(expression, "language"), run->arena);
    struct slice text = json_string(json_member(expression, "expression"), run->arena);
    if (!language.length)
        return;
    if (!slice_is(language, "text/fhirpath"))
        rule_error(run, s, spot, expression,
                   "A ValueSet expression language must be 'text/fhirpath' not '%.*s'",
                   SLICE_ARGS(slice_head(language, 60)));
    else if (slice_starts_with(text, SLICE("%")) && !is_parameter(s, slice_from(text, 1)))
        rule_error(run, s, spot, expression,
                   "The filter parameter expression '%.*s' refers to the unknown parameter '%.*s'",
                   SLICE_ARGS(slice_head(text, 100)),
                   SLICE_ARGS(slice_head(slice_from(text, 1), 100)));
}

static enum err check_filters(struct check_run *run, const struct fhir_subject *s,
                              const struct fhir_spot *clause, struct slice system,
                              struct json list)
{
    uint32_t at = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct fhir_spot spot = spot_at(clause, SLICE("filter"), at++);
        check_expression(run, s, &spot, v);
        TRY(check_filter(run, s, &spot, system, v));
    }
    return ERR_NONE;
}

static enum err check_clauses(struct check_run *run, const struct fhir_subject *s,
                              const char *name)
{
    struct json compose = json_member(s->item.value, "compose");
    struct json list = json_get(compose, slice_cstr(name));
    struct fhir_spot outer = spot_of(s->spot, SLICE("compose"));
    uint32_t at = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct fhir_spot spot = spot_at(&outer, slice_cstr(name), at++);
        struct slice system = json_string(json_member(v, "system"), run->arena);
        if (system.length && !url_is_absolute(system))
            rule_error(run, s, &spot, v,
                       "URI values in ValueSet.compose.include.system must be absolute. To "
                       "reference a contained code system, use the full CodeSystem URL and "
                       "reference it using the "
                       "http://hl7.org/fhir/StructureDefinition/valueset-system extension");
        TRY(check_filters(run, s, &spot, system, json_member(v, "filter")));
    }
    return ERR_NONE;
}

enum err rule_value_set(struct check_run *run, const struct fhir_subject *s)
{
    check_url(run, s);
    TRY(check_clauses(run, s, "include"));
    return check_clauses(run, s, "exclude");
}

/* ---- CodeSystem ---- */

/* What the uris of FHIR's own concept properties are of. */
static const char *type_of_property(struct slice uri)
{
    static const char *const types[][2] = {
        { "notSelectable", "boolean" }, { "inactive", "boolean" },
        { "status", "code" },           { "parent", "code" },
        { "child", "code" },            { "effectiveDate", "dateTime" },
        { "deprecationDate", "dateTime" }, { "retirementDate", "dateTime" },
    };
    struct slice base = SLICE("http://hl7.org/fhir/concept-properties#");
    for (size_t i = 0; slice_starts_with(uri, base) && i < ARRAY_COUNT(types); i++)
        if (slice_is(slice_from(uri, base.length), types[i][0]))
            return types[i][1];
    return NULL;
}

/* Once in the map; else the finding. */
static enum err check_once(struct check_run *run, const struct fhir_subject *s,
                           const struct fhir_spot *spot, struct json where, struct map *seen,
                           struct slice text, const char *what)
{
    uint64_t *place;
    bool is_new = true;
    if (text.length)
        TRY(map_put(seen, text, &place, &is_new));
    if (!is_new)
        rule_error(run, s, spot, where, "A property is already defined with the %s '%.*s'", what,
                   SLICE_ARGS(slice_head(text, 200)));
    return ERR_NONE;
}

static enum err check_properties(struct check_run *run, const struct fhir_subject *s,
                                 struct map *codes, struct map *uris)
{
    struct json list = json_member(s->item.value, "property");
    uint32_t at = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct fhir_spot spot = spot_at(s->spot, SLICE("property"), at++);
        struct slice uri = json_string(json_member(v, "uri"), run->arena);
        struct json type = json_member(v, "type");
        const char *wanted = type_of_property(uri);
        if (wanted && json_is(type, JSON_STRING) && !json_string_is(type, slice_cstr(wanted)))
            rule_error(run, s, &spot, v,
                       "Wrong type '%.*s': The URI '%.*s' identifies a property that has the type "
                       "'%s'",
                       SLICE_ARGS(slice_head(json_string_raw(type), 40)), SLICE_ARGS(uri), wanted);
        struct slice code = json_string(json_member(v, "code"), run->arena);
        TRY(check_once(run, s, &spot, v, codes, code, "code"));
        uint64_t *first = code.length ? map_find(codes, code) : NULL;
        if (first && *first == 0) /* for check_concepts() */
            *first = (uint64_t)v.at + 1;
        TRY(check_once(run, s, &spot, v, uris, uri, "URI"));
    }
    return ERR_NONE;
}

/* "integer" of valueInteger, against what the system says of the property. */
static void check_value(struct check_run *run, const struct fhir_subject *s,
                        const struct fhir_spot *spot, struct json property, struct json defined)
{
    struct slice type = json_string_raw(json_member(defined, "type"));
    for (struct json key = json_first(property); json_exists(key);
         key = json_next(property, json_value(key))) {
        struct slice name = json_string_raw(key);
        if (!slice_starts_with(name, SLICE("value")) || type.length == 0)
            continue;
        struct slice found = slice_from(name, 5);
        if (!slice_equal_nocase(found, type))
            rule_error(run, s, spot, property,
                       "The property '%.*s' has the invalid type '%.*s', when it is defined to "
                       "have the type '%.*s'",
                       SLICE_ARGS(slice_head(json_string_raw(json_member(property, "code")), 100)),
                       SLICE_ARGS(slice_head(found, 40)), SLICE_ARGS(slice_head(type, 40)));
    }
}

/* Depth of recursion is the depth of the JSON. */
static void check_concepts(struct check_run *run, const struct fhir_subject *s,
                           const struct fhir_spot *parent, struct json holder,
                           const struct map *codes, uint64_t *count)
{
    struct json list = json_member(holder, "concept");
    struct fhir_spot spot = spot_at(parent, SLICE("concept"), 0);
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v), spot.index++) {
        struct json properties = json_member(v, "property");
        struct fhir_spot inner = spot_at(&spot, SLICE("property"), 0);
        ++*count;
        for (struct json p = json_first(properties); json_exists(p);
             p = json_next(properties, p), inner.index++) {
            const uint64_t *place = map_find(codes, json_string_raw(json_member(p, "code")));
            if (place && *place)
                check_value(run, s, &inner, p,
                            (struct json){ s->item.value.doc, (uint32_t)(*place - 1) });
        }
        check_concepts(run, s, &spot, v, codes, count);
    }
}

static void check_count(struct check_run *run, const struct fhir_subject *s, uint64_t count)
{
    struct json stated = json_member(s->item.value, "count");
    struct fhir_spot spot = spot_of(s->spot, SLICE("count"));
    uint64_t number;
    bool is_whole = json_string_is(json_member(s->item.value, "content"), SLICE("complete"));
    if (!is_whole || !json_is(stated, JSON_NUMBER) || !slice_parse_u64(json_raw(stated), &number))
        return;
    if (number != count)
        rule_error(run, s, &spot, stated,
                   "The code system is complete, but the number of concepts (%llu) does not match "
                   "the stated total number (%llu)",
                   (unsigned long long)count, (unsigned long long)number);
}

enum err rule_code_system(struct check_run *run, const struct fhir_subject *s)
{
    uint64_t count = 0;
    struct json content = json_member(s->item.value, "content");
    struct fhir_spot spot = spot_of(s->spot, SLICE("content"));
    struct map codes, uris;
    check_url(run, s);
    if (json_exists(json_member(s->item.value, "supplements")) &&
        !json_string_is(content, SLICE("supplement")))
        rule_error(run, s, &spot, content,
                   "CodeSystem Supplements SHALL have a content value of 'supplement'");
    map_init(&codes, UINT32_MAX, (uint64_t)(uintptr_t)run);
    map_init(&uris, UINT32_MAX, (uint64_t)(uintptr_t)s);
    enum err err = check_properties(run, s, &codes, &uris);
    if (!err)
        check_concepts(run, s, s->spot, s->item.value, &codes, &count);
    if (!err)
        check_count(run, s, count);
    map_release(&uris);
    map_release(&codes);
    return err;
}
