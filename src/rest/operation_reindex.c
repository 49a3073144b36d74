/* rest/operation_reindex.c - $reindex: what is being indexed, and indexing it again.
 *
 * A definition that is new or changed is indexed by itself, so a POST without parameters
 * starts nothing: it answers with the address that tells how far things are. What is named
 * (parameter, type) is derived again from the resources. Nothing is kept of a request: the
 * address names the same fields again, and the store knows how far each one is. */
#include "base/codec.h"
#include "index/index.h"
#include "rest/customs.h"
#include "rest/operation.h"
#include "rest/outcome.h"
#include "rest/reply.h"

static const char *const KNOWN[] = { "parameter", "type", NULL };

struct reindex {
    struct request *r;
    struct operation_input in;
    const struct custom_set *set;
    struct customs_state *states; /* of the stored definitions */
    size_t state_count;
    uint32_t *fields; /* that are meant and ready */
    size_t count, room;
    uint64_t done, whole;
    size_t unready;
    bool is_named; /* a parameter or type was */
};

/* ---- which fields ---- */

static enum err field_add(struct reindex *x, uint32_t field)
{
    if (x->count == x->room) {
        size_t room = x->room ? 2 * x->room : 256;
        uint32_t *fields = arena_array(x->r->arena, room, sizeof *fields);
        if (!fields)
            return ERR_NO_MEMORY;
        if (x->count)
            memcpy(fields, x->fields, x->count * sizeof *fields);
        x->fields = fields;
        x->room = room;
    }
    x->fields[x->count++] = field;
    return ERR_NONE;
}

static bool is_of_instance(const struct reindex *x, const struct fhir_param *param)
{
    for (size_t i = 0; i < x->state_count; i++)
        if (slice_equal(x->states[i].id, x->r->route.id))
            return custom_is(param) && x->states[i].field_count > 0 &&
                   (x->states[i].fields[0] & 0xffff) == param->id;
    return false;
}

/* By code or canonical url, or '*'; true when none is named. */
static bool is_named(const struct reindex *x, const struct fhir_param *param)
{
    bool is_any = false;
    if (x->r->route.id.length)
        return is_of_instance(x, param);
    for (size_t i = 0; i < x->in.count; i++) {
        const struct operation_parameter *p = &x->in.list[i];
        if (!slice_is(p->name, "parameter"))
            continue;
        is_any = true;
        if (slice_equal(p->text, param->code) || slice_equal(p->text, param->url) ||
            slice_is(p->text, "*"))
            return true;
    }
    return !is_any;
}

static enum err param_take(struct reindex *x, const struct fhir_type *type,
                           const struct fhir_param *param)
{
    struct store_rule_state state;
    uint32_t field = index_field(type, param->id);
    if (!index_param_has_terms(param) || !is_named(x, param))
        return ERR_NONE;
    store_rule_state(x->r->rest->settings.store, field, &state);
    if (!state.is_known)
        return ERR_NONE;
    if (state.is_ready)
        return x->is_named ? field_add(x, field) : ERR_NONE;
    x->unready++;
    x->done += state.done;
    x->whole += state.whole;
    return ERR_NONE;
}

static enum err type_take(struct reindex *x, const struct fhir_type *type)
{
    size_t count;
    const uint16_t *ids = fhir_params_of(type, &count);
    for (size_t i = 0; i < count; i++)
        TRY(param_take(x, type, fhir_param_at(ids[i])));
    const struct custom_param *const *own = custom_params_of(x->set, type, &count);
    for (size_t i = 0; i < count; i++)
        TRY(param_take(x, type, &own[i]->param));
    return ERR_NONE;
}

static enum err types_take(struct reindex *x)
{
    bool is_any = false;
    for (size_t i = 0; i < x->in.count; i++) {
        const struct operation_parameter *p = &x->in.list[i];
        if (!slice_is(p->name, "type"))
            continue;
        const struct fhir_type *type = fhir_resource_find(p->text);
        if (!type)
            return issues_fail(&x->r->issues, ERR_INVALID, "value",
                               "$reindex: '%.*s' is no resource type of R4",
                               SLICE_ARGS(slice_head(p->text, 100)));
        is_any = true;
        TRY(type_take(x, type));
    }
    for (uint16_t t = 0; !is_any && t < fhir_resource_count(); t++)
        TRY(type_take(x, fhir_resource_at(t)));
    return ERR_NONE;
}

/* A definition that has no fields says why. */
static enum err instance_check(const struct reindex *x)
{
    struct slice id = x->r->route.id;
    for (size_t i = 0; i < x->state_count; i++)
        if (slice_equal(x->states[i].id, id))
            return x->states[i].text
                       ? issues_fail(&x->r->issues, ERR_UNPROCESSABLE, "processing",
                                     "SearchParameter/%.*s is not searched by: %s",
                                     SLICE_ARGS(id), x->states[i].text)
                       : ERR_NONE;
    return issues_fail(&x->r->issues, ERR_NOT_FOUND, "not-found",
                       "SearchParameter/%.*s is not stored here", SLICE_ARGS(id));
}

static enum err fields_find(struct reindex *x)
{
    struct request *r = x->r;
    if (!customs_are_used(r->rest))
        return issues_fail(&r->issues, ERR_NOT_IMPLEMENTED, "not-supported",
                           "$reindex: this data store has the search parameters of R4 alone");
    TRY(operation_begin(r, KNOWN, &x->in));
    x->is_named = x->in.count > 0 || r->route.id.length;
    x->set = customs_set(r->rest->customs);
    TRY(customs_states(r->rest, r->arena, &x->states, &x->state_count));
    if (r->route.id.length)
        TRY(instance_check(x));
    TRY(types_take(x));
    if (x->is_named && !x->count && !x->unready)
        return issues_fail(&r->issues, ERR_INVALID, "not-found",
                           "$reindex: no search parameter of this name is indexed for these types");
    return ERR_NONE;
}

/* ---- answers ---- */

static struct slice status_url(const struct reindex *x)
{
    struct buf url;
    const struct request *r = x->r;
    buf_init(&url, 1 << 20);
    buf_append(&url, r->base_url);
    if (r->route.id.length)
        buf_printf(&url, "/SearchParameter/%.*s", SLICE_ARGS(r->route.id));
    buf_append_cstr(&url, "/$reindex");
    for (size_t i = 0; i < x->in.count; i++) {
        buf_append_byte(&url, i ? '&' : '?');
        buf_append(&url, x->in.list[i].name);
        buf_append_byte(&url, '=');
        percent_encode(&url, x->in.list[i].text, false);
    }
    char *copy = buf_status(&url) ? NULL : arena_copy(r->arena, buf_slice(&url));
    struct slice text = slice_of(copy, copy ? url.length : 0);
    buf_release(&url);
    return text;
}

static unsigned percent(const struct reindex *x)
{
    uint64_t whole = x->unready ? x->whole : 0;
    return whole ? (unsigned)(100 * MIN(x->done, whole) / whole) : x->unready ? 0 : 100;
}

static enum err accepted_reply(struct reindex *x)
{
    struct request *r = x->r;
    struct buf body;
    struct slice text = arena_printf(r->arena, "fields being indexed: %zu, done: %u %%",
                                     x->unready, percent(x));
    struct slice url = status_url(x);
    if (!text.bytes || !url.bytes)
        return ERR_NO_MEMORY;
    TRY(reply_header(r, "Content-Location", url));
    TRY(reply_header(r, "X-Progress", text));
    TRY(reply_header(r, "Retry-After", SLICE("1")));
    buf_init(&body, 4096);
    outcome_render_ok(&body, slice_cstr(r->http->id), text);
    enum err err = reply_copy(r, 202, &body);
    buf_release(&body);
    return err;
}

static void part_append(struct buf *out, const char *name, const char *kind, struct slice value)
{
    if (!value.bytes)
        return;
    buf_printf(out, "%s{\"name\":\"%s\",\"value%s\":",
               out->bytes[out->length - 1] == '[' ? "" : ",", name, kind);
    json_write_string(out, value);
    buf_append_byte(out, '}');
}

/* A stored definition: what it is, whether it is searched by, and why not. */
static void state_append(struct reindex *x, const struct customs_state *s, struct buf *out)
{
    size_t unready = 0;
    for (size_t i = 0; i < s->field_count; i++) {
        struct store_rule_state state;
        store_rule_state(x->r->rest->settings.store, s->fields[i], &state);
        unready += state.is_known && !state.is_ready;
    }
    buf_append_cstr(out, "{\"name\":\"searchParameter\",\"part\":[");
    part_append(out, "id", "Id", s->id);
    part_append(out, "url", "Uri", s->url.length ? s->url : SLICE_NONE);
    part_append(out, "code", "Code", s->code.length ? s->code : SLICE_NONE);
    part_append(out, "state", "Code",
                s->text     ? SLICE("unused")
                : unready ? SLICE("indexing")
                          : SLICE("ready"));
    part_append(out, "reason", "String", slice_cstr(s->text));
    if (s->failures)
        buf_printf(out, ",{\"name\":\"failures\",\"valueDecimal\":%llu}",
                   (unsigned long long)s->failures);
    buf_append_cstr(out, "]}");
}

static enum err states_reply(struct reindex *x)
{
    struct buf body;
    buf_init(&body, (size_t)64 << 20);
    buf_printf(&body,
               "{\"resourceType\":\"Parameters\",\"parameter\":["
               "{\"name\":\"ready\",\"valueBoolean\":%s}",
               x->unready ? "false" : "true");
    for (size_t i = 0; i < x->state_count; i++) {
        struct slice id = x->r->route.id;
        if (id.length && !slice_equal(id, x->states[i].id))
            continue;
        buf_append_byte(&body, ',');
        state_append(x, &x->states[i], &body);
    }
    buf_append_cstr(&body, "]}");
    enum err err = buf_status(&body);
    if (!err)
        err = reply_copy(x->r, 200, &body);
    buf_release(&body);
    return err;
}

enum err rest_reindex(struct request *r)
{
    struct reindex x = { .r = r };
    bool is_start = slice_is(r->http->method, "POST");
    arena_init(&x.in.scratch, 1); /* operation_begin() may not come to it */
    enum err err = fields_find(&x);
    /* What is being derived anyway needs no second time. */
    if (!err && is_start && x.count)
        err = store_rebuild(r->rest->settings.store, x.fields, x.count);
    x.unready += is_start ? x.count : 0;
    if (!err)
        err = is_start || x.unready ? accepted_reply(&x) : states_reply(&x);
    operation_end(&x.in);
    return err;
}
