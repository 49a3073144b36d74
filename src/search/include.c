/* _include and _revinclude: "Type:parameter", "Type:parameter:Target", '*'. */
#include "search/compile.h"

#include <string.h>

static enum err refuse(struct compiler *c, struct slice value)
{
    return value_refuse(c, value, "is no include: expected Type:parameter or "
                                  "Type:parameter:Target, with a reference parameter of Type");
}

static enum err parse_param(struct compiler *c, struct slice value, struct slice rest,
                            struct search_include *include)
{
    struct slice code = slice_cut(&rest, ':');
    if (!slice_is(code, "*")) {
        include->param = param_find(c, include->source, code);
        if (!include->param || include->param->type != FHIR_PARAM_REFERENCE ||
            !include->param->path)
            return refuse(c, value);
    } else if (include->is_reverse && dialect_is_narrow(c)) {
        return value_refuse(c, value, "names no parameter, which _revinclude needs");
    }
    if (rest.bytes) {
        include->target = fhir_resource_find(rest);
        if (!include->target)
            return value_refuse(c, value, "names a target type that R4 does not have");
    }
    return ERR_NONE;
}

bool search_refers_to(const struct fhir_param *param, const struct fhir_type *target)
{
    return fhir_param_has_target(param, target);
}

static enum err add(struct compiler *c, struct search_query *q, struct search_include include)
{
    if (q->include_count == SEARCH_INCLUDES_MAX)
        return issues_fail(c->issues, ERR_INVALID, "too-costly",
                           "A search may have %d includes; this one has more.",
                           (int)SEARCH_INCLUDES_MAX);
    if (!q->includes)
        q->includes = arena_array(c->arena, SEARCH_INCLUDES_MAX, sizeof *q->includes);
    if (!q->includes)
        return ERR_NO_MEMORY;
    q->includes[q->include_count++] = include;
    return ERR_NONE;
}

enum err include_parse(struct compiler *c, struct slice modifier, struct slice value,
                       struct search_query *q)
{
    struct slice name = c->name;
    struct search_include include = { .is_reverse =
                                          slice_starts_with(name, SLICE("_revinclude")) };
    bool is_iterated = slice_is(modifier, "iterate") || slice_is(modifier, "recurse");
    if (is_iterated && include.is_reverse && dialect_is_narrow(c))
        return dialect_refuse(c, "':iterate'");
    if (is_iterated)
        include.is_iterated = true;
    else if (modifier.bytes)
        return issues_fail(c->issues, ERR_INVALID, "invalid",
                           "Unknown modifier ':%.*s' of an include; known is :iterate.",
                           SLICE_ARGS(slice_head(modifier, SEARCH_SHOWN_BYTES)));
    if (slice_is(value, "*") && !include.is_reverse)
        return add(c, q, include);
    struct slice rest = value;
    include.source = fhir_resource_find(slice_cut(&rest, ':'));
    if (!include.source || !rest.length)
        return refuse(c, value);
    TRY(parse_param(c, value, rest, &include));
    return add(c, q, include);
}
