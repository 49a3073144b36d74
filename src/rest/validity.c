/* rest/validity.c - levels of validation: what is refused, what is stored marked. */
#include "rest/validity.h"

#include "check/check.h"
#include "os/clock.h"
#include "rest/codes.h"
#include "rest/customs.h"
#include "rest/definitions.h"
#include "rest/outcome.h"

#define LEVEL_HEADER "x-amzn-healthlake-fhir-validation-level"
#define MARK_URL "http://healthlake.amazonaws.com/fhir/StructureDefinition/validation-issue"

bool rest_level_find(struct slice name, enum rest_level *ret)
{
    static const struct {
        const char *name;
        enum rest_level level;
    } names[] = { { "strict", REST_STRICT_ASKED },
                  { "structure-only", REST_STRUCTURE_ONLY },
                  { "minimal", REST_MINIMAL } };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (!slice_is(name, names[i].name))
            continue;
        *ret = names[i].level;
        return true;
    }
    return false;
}

bool rest_unknown_find(struct slice name, enum rest_unknown_profiles *ret)
{
    static const char *const names[] = { [REST_UNKNOWN_BY_USE] = "by-use",
                                         [REST_UNKNOWN_PASSES] = "warn",
                                         [REST_UNKNOWN_IS_ERROR] = "error" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (slice_is(name, names[i])) {
            *ret = (enum rest_unknown_profiles)i;
            return true;
        }
    return false;
}

enum rest_level rest_default_level(const struct rest *rest)
{
    return rest->settings.level;
}

enum err validity_level(struct request *r)
{
    const struct slice *header = http_header_find(r->http, LEVEL_HEADER);
    r->level = r->rest->settings.level;
    if (!header || rest_level_find(slice_trim(*header), &r->level))
        return ERR_NONE;
    return issues_fail(&r->issues, ERR_INVALID, "value",
                       "The header " LEVEL_HEADER
                       " is strict, structure-only or minimal, not '%.*s'",
                       SLICE_ARGS(slice_head(*header, 100)));
}

/* ---- findings ---- */

/* Findings on their way into a list; `text` tells lines. */
struct gathering {
    struct issues *issues;
    struct slice text;   /* of the document; empty: no lines */
    const char *heading; /* said before the first error; NULL: nothing */
    size_t errors;
    /* Where the last finding was: the next is mostly behind it. */
    size_t offset;
    uint32_t line, column;
};

/* Counts on from the last place, so that many findings in a large body do not each
 * cost a walk from its start. */
static void place_move(struct gathering *g, size_t offset)
{
    if (offset < g->offset || g->line == 0) {
        g->offset = 0;
        g->line = g->column = 1;
    }
    for (; g->offset < offset && g->offset < g->text.length; g->offset++) {
        unsigned char c = (unsigned char)g->text.bytes[g->offset];
        if (c == '\n') {
            g->line++;
            g->column = 1;
        } else {
            g->column += (c & 0xc0) != 0x80;
        }
    }
}

static void finding_take(void *context, const struct fhir_finding *f)
{
    struct gathering *g = context;
    bool is_error = f->severity <= ISSUE_ERROR;
    if (is_error && g->errors++ == 0 && g->heading)
        issues_add(g->issues, ISSUE_ERROR, "processing", SLICE_NONE, "%s", g->heading);
    issues_add(g->issues, f->severity, f->code, f->expression, "%.*s", SLICE_ARGS(f->text));
    if (!g->issues->last)
        return;
    bool has_place = g->text.length && json_exists(f->where);
    if (has_place)
        place_move(g, json_node(f->where)->offset);
    issues_locate(g->issues, has_place ? g->line : 0, has_place ? g->column : 0);
    issues_demand(g->issues, f->key, f->profile);
}

/* Has a package been added? R4's own profiles do not count. */
static bool has_packages(const struct profile_set *set)
{
    struct profile_info core;
    struct slice any = SLICE("http://hl7.org/fhir/StructureDefinition/vitalsigns|4.0.1");
    return profile_set_package_count(set) > (profile_find(set, any, &core) ? 1u : 0u);
}

static bool is_unknown_error(const struct validity_ask *ask, const struct profile_set *set)
{
    const struct rest_settings *s = &ask->rest->settings;
    switch (s->unknown_profiles) {
    case REST_UNKNOWN_IS_ERROR:
        return true;
    case REST_UNKNOWN_PASSES:
        return false;
    case REST_UNKNOWN_BY_USE:
        break;
    }
    return s->behaviour.refuse_unknown_profiles || ask->level == REST_STRICT_ASKED ||
           has_packages(set);
}

/* A definition of a search parameter must be one that can be searched by. */
static enum err search_parameter_check(const struct validity_ask *ask, struct arena *scratch,
                                       struct gathering *g)
{
    struct custom_fault fault;
    bool is_wrong;
    TRY(customs_check(ask->rest, ask->resource, scratch, &is_wrong, &fault));
    if (!is_wrong)
        return ERR_NONE;
    const struct fhir_finding finding = {
        .severity = ISSUE_ERROR,
        .code = "value",
        .expression = arena_printf(scratch, "SearchParameter.%s", fault.element),
        .text = fault.text,
        .where = fault.where,
    };
    finding_take(g, &finding);
    return ERR_NONE;
}

static enum err gather(const struct validity_ask *ask, bool is_errors_only, struct arena *scratch,
                       struct gathering *g)
{
    struct rest *rest = ask->rest;
    bool is_strict = ask->level == REST_STRICT || ask->level == REST_STRICT_ASKED;
    struct profile_set *set =
        is_strict && rest->settings.profiles ? definitions_now(rest, ask->type) : NULL;
    bool unknown_is_error = set && is_unknown_error(ask, set);
    const struct check_options options = {
        .rules = ask->level == REST_MINIMAL ? NULL : rest->rules,
        .is_shape_only = ask->level == REST_MINIMAL,
        .is_errors_only = is_errors_only,
        .now_us = os_now_us(),
        .found = finding_take,
        .context = g,
        .set = set,
        .profiles = ask->profiles,
        .profile_count = ask->profile_count,
        .unknown_is_error = unknown_is_error,
        .unknown_inner_is_error = unknown_is_error,
        .terminology = rest->terminology,
        .home = rest->settings.profiles,
        .is_lenient = true,
        .questionnaire = codes_questionnaire,
        .questionnaire_context = rest,
        .target = ask->draft ? ask->draft->target : NULL,
        .target_context = ask->draft ? ask->draft->rewrite_context : NULL,
    };
    enum err err = check_run(&options, ask->resource, ask->type, scratch);
    profile_set_unref(set);
    return err ? err : search_parameter_check(ask, scratch, g);
}

enum err validity_findings(const struct validity_ask *ask, struct arena *scratch,
                           struct issues *issues)
{
    struct gathering g = { .issues = issues, .text = ask->resource.doc->text };
    return gather(ask, false, scratch, &g);
}

/* ---- the mark of what was stored all the same ---- */

static bool is_mark(struct json extension)
{
    return json_string_is(json_member(extension, "url"), SLICE(MARK_URL));
}

static void mark_append(struct buf *out, struct slice outcome)
{
    buf_append_cstr(out, "{\"url\":\"" MARK_URL "\",\"valueString\":");
    json_write_string(out, outcome);
    buf_append_byte(out, '}');
}

/* The array of extensions, an older mark left out and the new one at its end. */
static void extensions_append(struct buf *out, struct json list, struct slice outcome)
{
    buf_append_byte(out, '[');
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        if (is_mark(v))
            continue;
        buf_append(out, json_raw(v));
        buf_append_byte(out, ',');
    }
    mark_append(out, outcome);
    buf_append_byte(out, ']');
}

/* The resource's text with the mark, where its type has extensions and what stands
 * there is a list: else the text as it is. */
static void marked_append(struct buf *out, struct json resource, const struct fhir_type *type,
                          struct slice outcome)
{
    struct slice text = json_raw(resource);
    struct json list = json_member(resource, "extension");
    size_t start = json_node(resource)->offset;
    bool has_place = fhir_element_find(type, SLICE("extension")) != NULL &&
                     (!json_exists(list) || json_is(list, JSON_ARRAY));
    if (!has_place) {
        buf_append(out, text);
    } else if (json_exists(list)) {
        struct slice old = json_raw(list);
        size_t at = json_node(list)->offset - start;
        buf_append(out, slice_head(text, at));
        extensions_append(out, list, outcome);
        buf_append(out, slice_from(text, at + old.length));
    } else {
        buf_append(out, slice_head(text, text.length - 1));
        buf_append_cstr(out, ",\"extension\":[");
        mark_append(out, outcome);
        buf_append_cstr(out, "]}");
    }
}

enum { OUTCOME_BYTES_MAX = 1 << 20 };

static enum err mark(const struct draft *d, const struct issues *issues, struct json *ret)
{
    struct buf outcome, text;
    struct json_doc *doc = arena_alloc(d->scratch, sizeof *doc);
    buf_init(&outcome, OUTCOME_BYTES_MAX);
    buf_init(&text, json_raw(d->resource).length + 2 * (size_t)OUTCOME_BYTES_MAX);
    outcome_render(&outcome, SLICE_NONE, ERR_INVALID, issues);
    enum err err = buf_status(&outcome);
    marked_append(&text, d->resource, d->type, buf_slice(&outcome));
    err = err ? err : buf_status(&text);
    char *copy = err ? NULL : arena_copy(d->scratch, buf_slice(&text));
    char *kept = err ? NULL : arena_copy(d->arena, buf_slice(&outcome));
    if (!err && (!doc || !copy || !kept))
        err = ERR_NO_MEMORY;
    if (!err && d->ret_outcome)
        *d->ret_outcome = slice_of(kept, outcome.length);
    if (!err)
        err = json_parse(slice_of(copy, text.length), NULL, d->scratch, doc, NULL);
    if (!err)
        *ret = json_root(doc);
    buf_release(&text);
    buf_release(&outcome);
    return err;
}

enum err validity_check(const struct draft *d, struct json *ret_resource)
{
    bool is_minimal = d->level == REST_MINIMAL;
    struct issues marks;
    struct gathering g = { .issues = is_minimal ? &marks : d->issues,
                           .text = d->is_result || is_minimal ? SLICE_NONE : d->resource.doc->text,
                           .heading = is_minimal ? NULL : OUTCOME_INVALID_RESOURCE };
    *ret_resource = d->resource;
    if (d->level == REST_UNCHECKED)
        return ERR_NONE;
    issues_init(&marks, d->scratch);
    const struct validity_ask ask = {
        .rest = d->rest, .level = d->level, .resource = d->resource, .type = d->type, .draft = d
    };
    TRY(gather(&ask, true, d->scratch, &g));
    if (g.errors == 0)
        return ERR_NONE;
    if (is_minimal)
        return mark(d, &marks, ret_resource);
    return d->is_result ? ERR_UNPROCESSABLE : ERR_INVALID;
}
