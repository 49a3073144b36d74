/* check/bundle.c - what entries and links of a Bundle must be among themselves. */
#include "check/rules.h"

/* ---- links ---- */

static void check_links(struct check_run *run, const struct fhir_subject *s)
{
    static const char *const once[] = { "self", "first", "last", "next", "prev", "previous" };
    bool seen[ARRAY_COUNT(once)] = { false };
    struct json list = json_member(s->item.value, "link");
    uint32_t at = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v), at++) {
        struct json relation = json_member(v, "relation");
        struct fhir_spot spot = spot_at(s->spot, SLICE("link"), at);
        for (size_t i = 0; i < ARRAY_COUNT(once); i++) {
            if (!json_string_is(relation, slice_cstr(once[i])))
                continue;
            if (seen[i])
                rule_error(run, s, &spot, v, "The link relationship type '%s' can only occur once",
                           once[i]);
            seen[i] = true;
        }
    }
}

/* ---- entries ---- */

struct entry {
    struct json json, resource;
    const struct fhir_spot *spot;
    struct slice full_url;
};

static void check_full_url(struct check_run *run, const struct fhir_subject *s,
                           const struct entry *e)
{
    struct json id = json_member(e->resource, "id");
    struct fhir_reference reference = fhir_reference_parse(e->full_url);
    if (!e->full_url.length)
        return;
    if (!url_is_absolute(e->full_url)) {
        rule_error(run, s, e->spot, e->json, "The fullUrl must be an absolute URL (not '%.*s')",
                   SLICE_ARGS(slice_head(e->full_url, 200)));
        return;
    }
    if (reference.base.length && reference.type && json_is(id, JSON_STRING) &&
        !json_string_is(id, reference.id))
        rule_report(run, s, e->spot, e->json, ISSUE_WARNING, "invalid",
                    "Resource ID does not match the ID in the entry full URL ('%.*s' vs '%.*s')",
                    SLICE_ARGS(slice_head(json_string_raw(id), 100)),
                    SLICE_ARGS(slice_head(e->full_url, 200)));
}

static void check_search_entry(struct check_run *run, const struct fhir_subject *s,
                               const struct entry *e)
{
    struct json mode = json_member(json_member(e->json, "search"), "mode");
    struct json type = json_member(e->resource, "resourceType");
    bool is_outcome = json_string_is(type, SLICE("OperationOutcome"));
    struct fhir_spot spot = spot_of(e->spot, SLICE("resource"));
    if (!json_exists(e->resource))
        return;
    if (json_string_is(mode, SLICE("outcome")) && !is_outcome)
        rule_error(run, s, &spot, e->resource, "This is not an OperationOutcome (%.*s)",
                   SLICE_ARGS(slice_head(json_string_raw(type), 60)));
    if (!is_outcome && !json_is(json_member(e->resource, "id"), JSON_STRING))
        rule_error(run, s, &spot, e->resource, "Search results must have ids");
}

enum err rule_bundle(struct check_run *run, const struct fhir_subject *s)
{
    struct json list = json_member(s->item.value, "entry");
    bool is_search =
        json_string_is(json_member(s->item.value, "type"), SLICE("searchset"));
    uint32_t at = 0;
    check_links(run, s);
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct fhir_spot spot = spot_at(s->spot, SLICE("entry"), at++);
        struct entry e = { .json = v,
                           .resource = json_member(v, "resource"),
                           .spot = &spot,
                           .full_url = json_string(json_member(v, "fullUrl"), run->arena) };
        check_full_url(run, s, &e);
        if (is_search)
            check_search_entry(run, s, &e);
    }
    return ERR_NONE;
}
