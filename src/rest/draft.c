#include "rest/draft.h"

#include "index/index.h"
#include "rest/customs.h"
#include "rest/reply.h"
#include "rest/validity.h"

/* ---- what the body must be ---- */

static enum err type_check(const struct draft *d)
{
    if (!json_is(d->resource, JSON_OBJECT))
        return issues_fail(d->issues, ERR_INVALID, "structure",
                           "The body must be a JSON object, a resource");
    struct json type = json_member(d->resource, "resourceType");
    if (!json_is(type, JSON_STRING))
        return issues_fail(d->issues, ERR_INVALID, "structure",
                           "The body has no resourceType; expected \"%.*s\"",
                           SLICE_ARGS(d->type->name));
    if (!json_string_is(type, d->type->name))
        return issues_fail(d->issues, ERR_INVALID, "invalid",
                           "The body's resourceType is %.*s, the URL's type is %.*s",
                           SLICE_ARGS(slice_head(json_raw(type), 100)), SLICE_ARGS(d->type->name));
    return ERR_NONE;
}

static enum err id_check(const struct draft *d)
{
    if (d->is_create || d->sets_id)
        return ERR_NONE;
    struct json id = json_member(d->resource, "id");
    if (!json_is(id, JSON_STRING))
        return issues_fail(d->issues, ERR_INVALID, "invalid",
                           "The body has no id; an update's must be the URL's: \"%.*s\"",
                           SLICE_ARGS(d->id));
    if (!json_string_is(id, d->id))
        return issues_fail(d->issues, ERR_INVALID, "invalid",
                           "The body's id is %.*s, the URL's is \"%.*s\"",
                           SLICE_ARGS(slice_head(json_raw(id), 100)), SLICE_ARGS(d->id));
    return ERR_NONE;
}

/* ---- the write ---- */

static enum err body_make(const struct draft *d, struct store_write *w)
{
    struct fhir_prepare options = {
        .id = d->is_create || d->sets_id ? d->id : SLICE_NONE,
        .rewrite = d->rewrite,
        .context = d->rewrite_context,
        .full_url = d->full_url,
    };
    buf_clear(d->work);
    enum err err = fhir_prepare_body(d->resource, d->type, &options, d->work, &w->splice);
    if (err == ERR_INVALID)
        return issues_fail(d->issues, err, "structure", "meta must be a JSON object");
    TRY(err);
    char *copy = arena_copy(d->arena, buf_slice(d->work));
    if (!copy)
        return ERR_NO_MEMORY;
    w->body = slice_of(copy, d->work->length);
    return ERR_NONE;
}

/* Terms come from what is stored: when that is not what the client sent (its id,
 * its references), it is parsed once more. */
static enum err terms_make(const struct draft *d, struct store_write *w)
{
    struct json_doc doc;
    struct json resource = d->resource;
    if (d->is_create || d->sets_id || (d->is_rewritten && *d->is_rewritten)) {
        struct json_error where;
        enum err err = json_parse(w->body, NULL, d->scratch, &doc, &where);
        if (err) /* it was parsed before: only memory can be short, or depth */
            return err == ERR_NO_MEMORY ? err : ERR_INVALID;
        resource = json_root(&doc);
    }
    struct extraction x = { 0 };
    const struct custom_set *customs = customs_set(d->rest->customs);
    TRY(index_extract(resource, d->type, rest_basis(d->rest), customs, d->arena, &x));
    w->rules = custom_set_number(customs);
    w->terms = x.terms;
    w->term_count = x.term_count;
    w->home_type = x.home_type;
    w->home_id = x.home_id;
    w->appendix = x.appendix;
    return ERR_NONE;
}

static enum err put_make(const struct draft *given, struct store_write *ret)
{
    struct draft d = *given;
    TRY(validity_check(given, &d.resource));
    *ret = (struct store_write){ .operation = STORE_PUT, .type = d.type->name, .id = d.id };
    ret->origin = d.is_create ? ORIGIN_POST : d.is_result ? ORIGIN_PATCH : ORIGIN_PUT;
    TRY(body_make(&d, ret));
    return terms_make(&d, ret);
}

enum err draft_put(const struct draft *d, struct store_write *ret)
{
    TRY(type_check(d));
    TRY(id_check(d));
    struct arena_mark mark = arena_mark(d->scratch);
    enum err err = put_make(d, ret);
    arena_rewind(d->scratch, mark);
    return err;
}

/* ---- conditions ---- */

/* The versions of If-Match; those of tags that are not ours are none. */
static enum err versions_parse(struct issues *issues, struct slice list, struct store_write *write)
{
    struct slice rest = list;
    enum etag tag;
    uint64_t version, *versions = NULL;
    size_t count = 0, room = list.length / 3 + 1; /* a tag has two quotes and a comma */
    while ((tag = etag_next(&rest, &version)) == ETAG_VERSION || tag == ETAG_FOREIGN) {
        if (!versions && !(versions = arena_array(issues->arena, room, sizeof *versions)))
            return ERR_NO_MEMORY;
        if (tag == ETAG_VERSION)
            versions[count++] = version;
    }
    if (tag == ETAG_BAD || !versions)
        return issues_fail(issues, ERR_INVALID, "value",
                           "If-Match must be ETags of this server, such as W/\"3\", or *");
    if (count == 0)
        return issues_fail(issues, ERR_PRECONDITION, "exception",
                           "If-Match: %.*s is no version of anything here",
                           SLICE_ARGS(slice_head(list, 100)));
    write->expect = STORE_VERSION;
    write->expect_version = versions[0];
    write->expect_others = versions + 1;
    write->expect_other_count = count - 1;
    return ERR_NONE;
}

enum err draft_expect(struct issues *issues, const struct slice *if_match,
                      const struct slice *if_none_match, struct store_write *write)
{
    if (if_match && if_none_match)
        return issues_fail(issues, ERR_INVALID, "invalid",
                           "If-Match and If-None-Match exclude each other in one write");
    write->expect = STORE_ANY;
    if (if_none_match) {
        if (!slice_is(slice_trim(*if_none_match), "*"))
            return issues_fail(issues, ERR_INVALID, "value", "If-None-Match of a write must be *");
        write->expect = STORE_NOT_THERE;
    } else if (if_match) {
        write->expect = STORE_LIVE;
        if (!slice_is(slice_trim(*if_match), "*"))
            return versions_parse(issues, *if_match, write);
    }
    return ERR_NONE;
}

enum err draft_refused(struct issues *issues, const struct store_write *write,
                       const struct store_result *result)
{
    unsigned long long version = result->version;
    if (write->expect == STORE_NOT_THERE)
        return issues_fail(issues, ERR_PRECONDITION, "exception",
                           "If-None-Match: * but %.*s/%.*s exists%s (version %llu)",
                           SLICE_ARGS(write->type), SLICE_ARGS(write->id),
                           result->was_deleted ? ", deleted" : "", version);
    if (version == 0)
        return issues_fail(issues, ERR_PRECONDITION, "exception",
                           "If-Match but %.*s/%.*s does not exist", SLICE_ARGS(write->type),
                           SLICE_ARGS(write->id));
    if (write->expect == STORE_LIVE)
        return issues_fail(issues, ERR_PRECONDITION, "exception",
                           "If-Match: * but %.*s/%.*s is deleted (version %llu)",
                           SLICE_ARGS(write->type), SLICE_ARGS(write->id), version);
    if (write->expect_other_count)
        return issues_fail(issues, ERR_PRECONDITION, "exception",
                           "If-Match asks for one of %zu versions of %.*s/%.*s, the current one "
                           "is %llu%s",
                           write->expect_other_count + 1, SLICE_ARGS(write->type),
                           SLICE_ARGS(write->id), version,
                           result->was_deleted ? ", a deletion" : "");
    return issues_fail(issues, ERR_PRECONDITION, "exception",
                       "If-Match asks for version %llu of %.*s/%.*s, the current one is %llu%s",
                       (unsigned long long)write->expect_version, SLICE_ARGS(write->type),
                       SLICE_ARGS(write->id), version, result->was_deleted ? ", a deletion" : "");
}
