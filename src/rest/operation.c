/* rest/operation.c - the parameters of an operation. */
#include "rest/operation.h"

#include "rest/media.h"

enum { PARAMETERS_MAX = 100 };

static enum err add(struct request *r, const char *const *known, struct operation_input *in,
                    struct operation_parameter parameter)
{
    bool is_known = false;
    for (size_t i = 0; known[i]; i++)
        is_known |= slice_is(parameter.name, known[i]);
    if (!is_known)
        return issues_fail(&r->issues, ERR_INVALID, "invalid", "$%s has no parameter '%.*s'",
                           r->route.operation->name,
                           SLICE_ARGS(slice_head(parameter.name, 100)));
    if (in->count == PARAMETERS_MAX)
        return issues_fail(&r->issues, ERR_INVALID, "too-costly", "At most %d parameters",
                           PARAMETERS_MAX);
    in->list[in->count++] = parameter;
    return ERR_NONE;
}

/* value[x], whatever x is. */
static void value_take(struct json parameter, struct arena *arena, struct operation_parameter *p)
{
    p->resource = json_member(parameter, "resource");
    for (struct json key = json_first(parameter); json_exists(key);
         key = json_next(parameter, json_value(key))) {
        if (!slice_starts_with(json_string_raw(key), SLICE("value")))
            continue;
        struct json value = json_value(key);
        if (json_is(value, JSON_STRING))
            p->text = json_string(value, arena);
        else if (json_is(value, JSON_OBJECT))
            p->value = value;
        else
            p->text = json_raw(value);
    }
}

static enum err body_take(struct request *r, const char *const *known,
                          struct operation_input *in)
{
    TRY(media_body_is_json(r));
    TRY(request_parse(r, &in->scratch, &in->doc));
    struct json root = json_root(&in->doc), list = json_member(root, "parameter");
    if (!json_string_is(json_member(root, "resourceType"), SLICE("Parameters")))
        return issues_fail(&r->issues, ERR_INVALID, "structure",
                           "The body of $%s must be Parameters", r->route.operation->name);
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct operation_parameter p = { .name = json_string(json_member(v, "name"), r->arena) };
        value_take(v, r->arena, &p);
        TRY(add(r, known, in, p));
    }
    return ERR_NONE;
}

enum err operation_begin(struct request *r, const char *const *known, struct operation_input *ret)
{
    *ret = (struct operation_input){ .list = NULL };
    arena_init(&ret->scratch, 1);
    ret->list = arena_array(r->arena, PARAMETERS_MAX, sizeof *ret->list);
    if (!ret->list)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < r->pair_count; i++)
        TRY(add(r, known, ret,
                (struct operation_parameter){ .name = r->pairs[i].name,
                                              .text = r->pairs[i].value }));
    return r->http->body.length ? body_take(r, known, ret) : ERR_NONE;
}

void operation_end(struct operation_input *input)
{
    arena_release(&input->scratch);
}

const struct operation_parameter *operation_value(const struct operation_input *input,
                                                 const char *name)
{
    for (size_t i = 0; i < input->count; i++)
        if (slice_is(input->list[i].name, name))
            return &input->list[i];
    return NULL;
}

struct slice operation_text(const struct operation_input *input, const char *name)
{
    const struct operation_parameter *p = operation_value(input, name);
    return p ? p->text : SLICE_NONE;
}

enum err operation_stored(struct request *r, struct slice *ret_text)
{
    struct store_reader *reader;
    struct store_version head;
    bool is_there = false;
    TRY(request_reader(r, &reader));
    enum err err =
        store_head(reader, r->route.type->name, r->route.id, r->arena, &is_there, &head);
    store_read_end(reader);
    TRY(err);
    if (!is_there || head.is_deleted)
        return issues_fail(&r->issues, is_there ? ERR_GONE : ERR_NOT_FOUND,
                           is_there ? "deleted" : "not-found", "%.*s/%.*s %s",
                           SLICE_ARGS(r->route.type->name), SLICE_ARGS(r->route.id),
                           is_there ? "is deleted" : "does not exist");
    char *copy = arena_copy(r->arena, head.body);
    *ret_text = slice_of(copy, copy ? head.body.length : 0);
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}
