/* check/bundle.c - what entries and links of a Bundle must be among themselves. */
#include "check/bundle.h"

/* ---- links ---- */

/* Only what is cut into pages has such links. */
static bool is_paging(struct json relation)
{
    static const char *const names[] = { "first", "previous", "next", "last" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (json_string_is(relation, slice_cstr(names[i])))
            return true;
    return false;
}

static void check_links(struct check_run *run, const struct fhir_subject *s, bool has_pages)
{
    static const char *const once[] = { "self", "first", "last", "next", "prev", "previous" };
    bool seen[ARRAY_COUNT(once)] = { false };
    struct json list = json_member(s->item.value, "link");
    uint32_t at = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v), at++) {
        struct json relation = json_member(v, "relation");
        struct fhir_spot spot = spot_at(s->spot, SLICE("link"), at);
        struct fhir_spot inner = spot_of(&spot, SLICE("relation"));
        if (!has_pages && is_paging(relation)) {
            rule_error(
                run, s, &inner, relation,
                "The link relationship type '%.*s' used in search sets is prohibited in this "
                "context",
                SLICE_ARGS(slice_head(json_string_raw(relation), 40)));
            continue;
        }
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

static bool is_type(struct json bundle, const char *const *names)
{
    struct json type = json_member(bundle, "type");
    for (; *names; names++)
        if (json_string_is(type, slice_cstr(*names)))
            return true;
    return false;
}

static void check_full_url(struct check_run *run, const struct fhir_subject *s,
                           const struct fhir_spot *spot, const struct bundle_entry *e)
{
    struct json id = json_member(e->resource, "id");
    struct fhir_reference reference = fhir_reference_parse(e->full_url);
    struct slice url = slice_head(e->full_url, 200);
    if (!url_is_absolute(e->full_url)) {
        rule_error(run, s, spot, e->json, "The fullUrl must be an absolute URL (not '%.*s')",
                   SLICE_ARGS(url));
        return;
    }
    if (!reference.base.length || !reference.type || !e->type)
        return;
    if (!json_is(id, JSON_STRING))
        rule_error(run, s, spot, e->json,
                   "The fullUrl '%.*s' looks like a RESTful server URL, so the resource must have "
                   "an id",
                   SLICE_ARGS(url));
    else if (reference.type != e->type || !json_string_is(id, reference.id))
        rule_error(run, s, spot, e->json,
                   "The fullUrl '%.*s' looks like a RESTful server URL, so it must end with the "
                   "correct type and id (/%.*s/%.*s)",
                   SLICE_ARGS(url), SLICE_ARGS(e->type->name),
                   SLICE_ARGS(slice_head(json_string_raw(id), 64)));
}

/* A canonical is no place where the resource can be read, unless it is. */
static void check_canonical(struct check_run *run, const struct fhir_subject *s,
                            const struct fhir_spot *spot, const struct bundle_entry *e)
{
    struct json id = json_member(e->resource, "id");
    struct fhir_reference reference = fhir_reference_parse(e->full_url);
    if (json_string_is(json_member(e->resource, "url"), e->full_url) &&
        !(reference.type && json_string_is(id, reference.id)))
        rule_error(
            run, s, spot, e->json,
            "The canonical URL (%.*s) cannot match the fullUrl unless the resource id (%.*s) "
            "also matches",
            SLICE_ARGS(slice_head(e->full_url, 200)),
            SLICE_ARGS(slice_head(json_string_raw(id), 64)));
}

static void check_search_entry(struct check_run *run, const struct fhir_subject *s,
                               const struct fhir_spot *outer, const struct bundle_entry *e)
{
    struct json mode = json_member(json_member(e->json, "search"), "mode");
    struct json type = json_member(e->resource, "resourceType");
    bool is_outcome = json_string_is(type, SLICE("OperationOutcome"));
    struct fhir_spot spot = spot_of(outer, SLICE("resource"));
    if (!json_exists(e->resource))
        return;
    if (json_string_is(mode, SLICE("outcome")) && !is_outcome)
        rule_error(run, s, &spot, e->resource, "This is not an OperationOutcome (%.*s)",
                   SLICE_ARGS(slice_head(json_string_raw(type), 60)));
    if (!is_outcome && !json_is(json_member(e->resource, "id"), JSON_STRING))
        rule_error(run, s, &spot, e->resource, "Search results must have ids");
}

static void check_entries(struct check_run *run, const struct fhir_subject *s,
                          const struct bundle_entries *entries)
{
    static const char *const searches[] = { "searchset", NULL };
    static const char *const without_urls[] = { "transaction", "transaction-response", "batch",
                                                "batch-response", NULL };
    bool is_search = is_type(s->item.value, searches);
    bool needs_url = !is_type(s->item.value, without_urls);
    for (size_t i = 0; i < entries->count; i++) {
        const struct bundle_entry *e = &entries->list[i];
        struct fhir_spot spot = spot_at(s->spot, SLICE("entry"), (uint32_t)i);
        if (e->full_url.length > 0) {
            check_full_url(run, s, &spot, e);
            check_canonical(run, s, &spot, e);
        } else if (needs_url && !json_exists(json_member(e->json, "fullUrl"))) {
            rule_error(run, s, &spot, e->json,
                       "Except for transactions and batches, each entry in a Bundle must have a "
                       "fullUrl which is the identity of the resource in the entry");
        }
        if (is_search)
            check_search_entry(run, s, &spot, e);
    }
}

enum err rule_bundle(struct check_run *run, const struct fhir_subject *s)
{
    static const char *const paged[] = { "history", "searchset", NULL };
    static const char *const documents[] = { "document", NULL }, *const messages[] = { "message",
                                                                                       NULL };
    struct bundle_entries entries;
    bool is_message = is_type(s->item.value, messages);
    check_links(run, s, is_type(s->item.value, paged));
    enum err err = bundle_entries_read(s->item.value, run->arena, &entries);
    if (!err)
        check_entries(run, s, &entries);
    if (!err && (is_message || is_type(s->item.value, documents)))
        err = rule_document(run, s, &entries, is_message);
    bundle_entries_release(&entries);
    return err;
}
