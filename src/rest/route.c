#include "rest/route.h"

#include "base/codec.h"
#include "rest/operation.h"

enum { SEGMENTS_MAX = 5, METHODS_PER_ROUTE = 5 };

/* Patterns: 'T' a resource type, 'I' an id, 'V' a version, '$' an operation,
 * all else is itself. HEAD follows GET. */
struct route_row {
    const char *pattern;
    const char *allow;
    struct {
        const char *method;
        enum interaction interaction;
        const char *later; /* of INTERACTION_LATER: what is meant */
    } methods[METHODS_PER_ROUTE];
};

static const struct route_row ROUTES[] = {
    { "",
      "GET, HEAD, POST",
      { { "POST", INTERACTION_BUNDLE, NULL },
        { "GET", INTERACTION_SEARCH, NULL } } },
    { "metadata", "GET, HEAD", { { "GET", INTERACTION_CAPABILITIES, NULL } } },
    { ".well-known/smart-configuration", "GET, HEAD", { { "GET", INTERACTION_DISCOVERY, NULL } } },
    { "_history", "GET, HEAD", { { "GET", INTERACTION_HISTORY, NULL } } },
    { "_search", "POST", { { "POST", INTERACTION_SEARCH_FORM, NULL } } },
    { "$",
      "GET, HEAD, POST",
      { { "GET", INTERACTION_OPERATION, NULL }, { "POST", INTERACTION_OPERATION, NULL } } },
    { "Transaction/I", "GET, HEAD", { { "GET", INTERACTION_TRANSACTION, NULL } } },
    { "T",
      "GET, HEAD, POST, PUT, PATCH, DELETE",
      { { "GET", INTERACTION_SEARCH, NULL },
        { "POST", INTERACTION_CREATE, NULL },
        { "PUT", INTERACTION_UPDATE, NULL },
        { "DELETE", INTERACTION_DELETE, NULL },
        { "PATCH", INTERACTION_PATCH, NULL } } },
    { "T/_search", "POST", { { "POST", INTERACTION_SEARCH_FORM, NULL } } },
    { "T/_history", "GET, HEAD", { { "GET", INTERACTION_HISTORY, NULL } } },
    { "T/$",
      "GET, HEAD, POST",
      { { "GET", INTERACTION_OPERATION, NULL }, { "POST", INTERACTION_OPERATION, NULL } } },
    { "T/I",
      "GET, HEAD, PUT, PATCH, DELETE",
      { { "GET", INTERACTION_READ, NULL },
        { "PUT", INTERACTION_UPDATE, NULL },
        { "DELETE", INTERACTION_DELETE, NULL },
        { "PATCH", INTERACTION_PATCH, NULL } } },
    { "T/I/_search", "POST", { { "POST", INTERACTION_SEARCH_FORM, NULL } } },
    { "T/I/*", "GET, HEAD", { { "GET", INTERACTION_SEARCH, NULL } } },
    { "T/I/*/_search", "POST", { { "POST", INTERACTION_SEARCH_FORM, NULL } } },
    { "T/I/T", "GET, HEAD", { { "GET", INTERACTION_SEARCH, NULL } } },
    { "T/I/T/_search", "POST", { { "POST", INTERACTION_SEARCH_FORM, NULL } } },
    { "T/I/_history", "GET, HEAD", { { "GET", INTERACTION_HISTORY, NULL } } },
    { "T/I/_history/V", "GET, HEAD", { { "GET", INTERACTION_VREAD, NULL } } },
    { "T/I/$",
      "",
      { { "GET", INTERACTION_OPERATION, NULL }, { "POST", INTERACTION_OPERATION, NULL } } },
};

static const struct rest_operation OPERATIONS[] = {
    { "everything", "Patient", OPERATION_INSTANCE, "healthlake:SearchEverything", NULL,
      rest_everything, false },
    { "purge", "Patient", OPERATION_INSTANCE, NULL, "tarn:PurgeRecord", rest_purge, true },
    { "expunge", NULL, OPERATION_INSTANCE, NULL, "tarn:ExpungeResource", rest_expunge, true },
    { "erasure", NULL, OPERATION_SYSTEM, "tarn:DescribeErasure", NULL, rest_erasure, true },
    { "check", NULL, OPERATION_SYSTEM, "tarn:DescribeCheck", "tarn:StartCheck", rest_check, true },
    { "validate", NULL, OPERATION_SYSTEM | OPERATION_TYPE | OPERATION_INSTANCE, NULL,
      "healthlake:ValidateResource", rest_validate, false },
    { "validate-code", "ValueSet", OPERATION_TYPE | OPERATION_INSTANCE,
      "healthlake:ValidateResource", "healthlake:ValidateResource", rest_validate_code, false },
    { "validate-code", "CodeSystem", OPERATION_TYPE | OPERATION_INSTANCE,
      "healthlake:ValidateResource", "healthlake:ValidateResource", rest_validate_code, false },
    { "expand", "ValueSet", OPERATION_TYPE | OPERATION_INSTANCE,
      "healthlake:ExpandValueSetWithGet", "healthlake:ExpandValueSetWithPost", rest_expand, false },
    { "lookup", "CodeSystem", OPERATION_TYPE, "healthlake:LookupCodeSystemWithGet",
      "healthlake:LookupCodeSystemWithPost", rest_lookup, false },
    { "reindex", NULL, OPERATION_SYSTEM, "healthlake:DescribeReindex", "healthlake:StartReindex",
      rest_reindex, true },
    { "reindex", "SearchParameter", OPERATION_INSTANCE, "healthlake:DescribeReindex",
      "healthlake:StartReindex", rest_reindex, true },
};

/* Resource types that HealthLake lists as no stored types. */
static const char *const NOT_STORED[] = { "OperationOutcome", "Parameters" };

bool route_has(const char *pattern, enum interaction interaction)
{
    for (size_t i = 0; i < ARRAY_COUNT(ROUTES); i++) {
        for (size_t m = 0; m < METHODS_PER_ROUTE && ROUTES[i].methods[m].method; m++) {
            if (slice_is(slice_cstr(pattern), ROUTES[i].pattern) &&
                ROUTES[i].methods[m].interaction == interaction)
                return true;
        }
    }
    return false;
}

bool route_operation_exists(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(OPERATIONS); i++)
        if (strcmp(OPERATIONS[i].name, name) == 0)
            return true;
    return false;
}

const struct rest_operation *route_operations(size_t *ret_count)
{
    *ret_count = ARRAY_COUNT(OPERATIONS);
    return OPERATIONS;
}

bool route_type_is_stored(const struct rest_behaviour *behaviour, const struct fhir_type *type)
{
    for (size_t i = 0; !behaviour->store_all_types && i < ARRAY_COUNT(NOT_STORED); i++) {
        if (slice_is(type->name, NOT_STORED[i]))
            return false;
    }
    return true;
}

/* A segment decoded; bytes is NULL on a broken escape or when memory is short. */
static struct slice segment_decode(struct slice segment, struct arena *arena)
{
    if (slice_find_byte(segment, '%') < 0)
        return segment;
    struct buf text;
    buf_init(&text, segment.length);
    bool is_exact = percent_decode(&text, segment, false);
    char *copy = is_exact && text.length ? arena_copy(arena, buf_slice(&text)) : NULL;
    struct slice decoded = slice_of(copy, copy ? text.length : 0);
    buf_release(&text);
    return decoded;
}

/* Split at '/'; empty segments drop. False when there are too many, or one
 * cannot be decoded: no route has such a path. */
static bool path_split(struct slice path, struct arena *arena, struct slice *segments,
                       size_t *ret_count)
{
    size_t count = 0;
    while (path.bytes) {
        struct slice segment = slice_cut(&path, '/');
        if (segment.length == 0)
            continue;
        if (count == SEGMENTS_MAX)
            return false;
        segments[count] = segment_decode(segment, arena);
        if (!segments[count++].bytes)
            return false;
    }
    *ret_count = count;
    return true;
}

static bool segment_fits(struct slice pattern, struct slice segment)
{
    if (slice_is(pattern, "T"))
        return segment.bytes[0] != '_' && segment.bytes[0] != '$' && !slice_is(segment, "metadata");
    if (slice_is(pattern, "I"))
        return segment.bytes[0] != '_' && segment.bytes[0] != '$';
    if (slice_is(pattern, "$"))
        return segment.bytes[0] == '$';
    return slice_is(pattern, "V") || slice_equal(pattern, segment);
}

static const struct route_row *row_find(const struct slice *segments, size_t count)
{
    for (size_t i = 0; i < ARRAY_COUNT(ROUTES); i++) {
        struct slice pattern = slice_cstr(ROUTES[i].pattern);
        size_t at = 0;
        bool fits = true;
        while (fits && pattern.length) {
            struct slice part = slice_cut(&pattern, '/');
            fits = at < count && segment_fits(part, segments[at]);
            at++;
        }
        if (fits && at == count)
            return &ROUTES[i];
    }
    return NULL;
}

static enum err type_find(const struct rest_behaviour *behaviour, struct slice name,
                          struct issues *issues, const struct fhir_type **ret_type)
{
    *ret_type = fhir_resource_find(name);
    if (!*ret_type)
        return issues_fail(issues, ERR_NOT_FOUND, "not-found",
                           "'%.*s' is no resource type of FHIR R4 (names are case-sensitive)",
                           SLICE_ARGS(slice_head(name, 100)));
    if (!route_type_is_stored(behaviour, *ret_type))
        return issues_fail(issues, ERR_NOT_FOUND, "not-supported",
                           "%.*s is no stored type under --behave %s",
                           SLICE_ARGS((*ret_type)->name), behaviour->name);
    return ERR_NONE;
}

/* Patient/1/Observation: type and id found so far are the compartment's. */
static enum err owner_fill(const struct rest_behaviour *behaviour, const struct route_row *row,
                           const struct slice *segments, struct issues *issues, struct route *ret)
{
    bool is_owner = false;
    for (int i = 0; i < FHIR_COMPARTMENT_COUNT; i++)
        is_owner |= fhir_compartment_owner((enum fhir_compartment)i) == ret->type;
    if (!is_owner)
        return issues_fail(issues, ERR_NOT_FOUND, "not-found",
                           "%.*s has no compartment to search in", SLICE_ARGS(ret->type->name));
    ret->owner = ret->type;
    ret->owner_id = ret->id;
    ret->id = SLICE_NONE;
    ret->type = NULL;
    return row->pattern[4] == 'T' ? type_find(behaviour, segments[2], issues, &ret->type)
                                  : ERR_NONE;
}

/* Type, id and version out of the segments, checked. */
static enum err route_fill(const struct rest_behaviour *behaviour, const struct route_row *row,
                           const struct slice *segments, struct issues *issues, struct route *ret)
{
    if (slice_starts_with(slice_cstr(row->pattern), SLICE("Transaction/")))
        ret->id = segments[1];
    if (row->pattern[0] != 'T' || (row->pattern[1] != '\0' && row->pattern[1] != '/'))
        return ERR_NONE;
    TRY(type_find(behaviour, segments[0], issues, &ret->type));
    if (row->pattern[1] == '\0' || row->pattern[2] != 'I')
        return ERR_NONE;
    ret->id = segments[1];
    if (!fhir_id_is_valid(ret->id))
        return issues_fail(issues, ERR_INVALID, "value",
                           "'%.*s' is no FHIR id: 1 to 64 of A-Z a-z 0-9 - and .",
                           SLICE_ARGS(slice_head(ret->id, 100)));
    if (slice_ends_with(slice_cstr(row->pattern), SLICE("/V")))
        ret->version = segments[3];
    bool is_compartment = row->methods[0].interaction == INTERACTION_SEARCH ||
                          row->methods[0].interaction == INTERACTION_SEARCH_FORM;
    return is_compartment ? owner_fill(behaviour, row, segments, issues, ret) : ERR_NONE;
}

static const struct rest_operation *operation_named(struct slice name, const struct route *route)
{
    unsigned level = !route->type        ? OPERATION_SYSTEM
                     : route->id.length ? OPERATION_INSTANCE
                                        : OPERATION_TYPE;
    for (size_t i = 0; i < ARRAY_COUNT(OPERATIONS); i++) {
        const struct rest_operation *o = &OPERATIONS[i];
        bool is_of_type = !o->type || (route->type && slice_is(route->type->name, o->type));
        if (slice_is(name, o->name) && (o->levels & level) && is_of_type)
            return o;
    }
    return NULL;
}

static enum err operation_find(struct slice name, struct slice method, struct issues *issues,
                               struct route *ret)
{
    const struct rest_operation *o = operation_named(name, ret);
    bool is_post = slice_is(method, "POST");
    if (!o)
        return issues_fail(issues, ERR_NOT_IMPLEMENTED, "not-supported",
                           "Operation $%.*s is not supported here",
                           SLICE_ARGS(slice_head(name, 100)));
    ret->operation = o;
    ret->action = is_post ? o->post : o->get;
    if (ret->action)
        return ERR_NONE;
    ret->allow = o->post ? "POST" : "GET, HEAD";
    return issues_fail(issues, ERR_METHOD, "not-supported", "$%s is asked for by %s", o->name,
                       ret->allow);
}

static enum err method_find(const struct route_row *row, struct slice method, struct issues *issues,
                            struct route *ret)
{
    struct slice wanted = slice_is(method, "HEAD") ? SLICE("GET") : method;
    for (size_t i = 0; i < METHODS_PER_ROUTE && row->methods[i].method; i++) {
        if (!slice_is(wanted, row->methods[i].method))
            continue;
        ret->interaction = row->methods[i].interaction;
        if (ret->interaction == INTERACTION_LATER)
            return issues_fail(issues, ERR_NOT_IMPLEMENTED, "not-supported",
                               "%s is not supported yet", row->methods[i].later);
        return ERR_NONE;
    }
    ret->allow = row->allow;
    return issues_fail(issues, ERR_METHOD, "not-supported", "%.*s is not allowed here; allowed: %s",
                       SLICE_ARGS(slice_head(method, 40)), row->allow[0] ? row->allow : "nothing");
}

enum err route_find(const struct rest_behaviour *behaviour, struct slice method, struct slice path,
                    struct arena *arena, struct issues *issues, struct route *ret)
{
    struct slice segments[SEGMENTS_MAX];
    size_t count = 0;
    *ret = (struct route){ 0 };
    const struct route_row *row = NULL;
    if (path_split(path, arena, segments, &count))
        row = row_find(segments, count);
    if (!row)
        return issues_fail(issues, ERR_NOT_FOUND, "not-found",
                           "Nothing is served at this path: expected [Type], [Type]/[id], "
                           "[Type]/[id]/_history, metadata, ...");
    TRY(route_fill(behaviour, row, segments, issues, ret));
    TRY(method_find(row, method, issues, ret));
    if (ret->interaction == INTERACTION_OPERATION)
        return operation_find(slice_from(segments[count - 1], 1), method, issues, ret);
    return ERR_NONE;
}

const char *rest_kind_name(unsigned kind)
{
    static const char *const names[] = {
        [INTERACTION_NONE] = "other",
        [INTERACTION_CAPABILITIES] = "capabilities",
        [INTERACTION_BUNDLE] = "bundle",
        [INTERACTION_CREATE] = "create",
        [INTERACTION_READ] = "read",
        [INTERACTION_VREAD] = "vread",
        [INTERACTION_UPDATE] = "update",
        [INTERACTION_PATCH] = "patch",
        [INTERACTION_DELETE] = "delete",
        [INTERACTION_HISTORY] = "history",
        [INTERACTION_SEARCH] = "search",
        [INTERACTION_SEARCH_FORM] = "search-form",
        [INTERACTION_OPERATION] = "operation",
        [INTERACTION_DISCOVERY] = "discovery",
        [INTERACTION_TRANSACTION] = "transaction-state",
        [INTERACTION_LATER] = "later",
    };
    _Static_assert(ARRAY_COUNT(names) < REST_KINDS_MAX, "REST_KINDS_MAX is too small");
    return kind < ARRAY_COUNT(names) ? names[kind] : NULL;
}
