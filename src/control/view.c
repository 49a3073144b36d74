/* control/view.c - data stores as answers show them. */
#include "control/shapes.h"
#include "control/state.h"

void view_time(struct buf *out, const char *name, int64_t us)
{
    int64_t ms = us / 1000;
    buf_printf(out, ",\"%s\":%lld.%03d", name, (long long)(ms / 1000), (int)(ms % 1000));
}

/* Region and account are checked when the server starts: nothing to escape. */
void view_arn(struct call *call, const char *id)
{
    const struct control_settings *s = &call->control->settings;
    buf_printf(&call->out, "\"arn:aws:healthlake:%.*s:%.*s:datastore/fhir/%s\"",
               SLICE_ARGS(s->region), SLICE_ARGS(s->account_id), id);
}

void view_endpoint(struct call *call, const char *id)
{
    struct slice origin = call->control->settings.public_url;
    const struct slice *host = http_header_find(call->http, "Host");
    if (!origin.length)
        origin = arena_printf(call->arena, "http://%.*s",
                              SLICE_ARGS(host && host->length ? *host : SLICE("localhost")));
    struct slice url = arena_printf(call->arena, "%.*s/datastore/%s/r4/", SLICE_ARGS(origin), id);
    json_write_string(&call->out, url.bytes ? url : SLICE(""));
}

static enum datastore_status status_of(struct call *call, const struct datastore *d,
                                       bool *ret_is_stuck)
{
    mutex_lock(&call->control->lock);
    enum datastore_status status = datastore_status_at(d, call->now_us);
    *ret_is_stuck = d->is_stuck;
    mutex_unlock(&call->control->lock);
    return status;
}

static void view_head(struct call *call, const struct datastore *d, enum datastore_status status)
{
    buf_printf(&call->out, "{\"DatastoreId\":\"%s\",\"DatastoreArn\":", d->id);
    view_arn(call, d->id);
    buf_printf(&call->out,
               ",\"DatastoreStatus\":\"%s\",\"DatastoreEndpoint\":", datastore_status_name(status));
    view_endpoint(call, d->id);
}

void view_summary(struct call *call, const struct datastore *d)
{
    /* Create says CREATING even when ACTIVE follows at once, as the service does. */
    view_head(call, d, d->status);
    buf_append_byte(&call->out, '}');
}

/* What Describe repeats of the configuration: all but Tags. */
static void view_config(struct call *call, struct json config)
{
    for (const struct shape_member *m = shape_create_datastore.members; m->name; m++) {
        struct json value = shape_get(config, m->name);
        if (!json_exists(value) || strcmp(m->name, "Tags") == 0)
            continue;
        buf_printf(&call->out, ",\"%s\":", m->name);
        buf_append(&call->out, json_raw(value));
    }
}

enum err view_properties(struct call *call, const struct datastore *d)
{
    struct json config;
    bool is_stuck;
    TRY(call_config(call, d, &config));
    enum datastore_status status = status_of(call, d, &is_stuck);
    view_head(call, d, status);
    view_time(&call->out, "CreatedAt", d->created_us);
    view_config(call, config);
    if (is_stuck)
        buf_append_cstr(&call->out,
                        ",\"ErrorCause\":{\"ErrorMessage\":\"The files of this data store could "
                        "not be removed. Delete it again to try again.\","
                        "\"ErrorCategory\":\"RETRYABLE_ERROR\"}");
    if (status == DATASTORE_CREATE_FAILED)
        buf_append_cstr(&call->out,
                        ",\"ErrorCause\":{\"ErrorMessage\":\"The data store could not be filled "
                        "with the data of PreloadDataConfig. Delete it and create another.\","
                        "\"ErrorCategory\":\"RETRYABLE_ERROR\"}");
    buf_append_byte(&call->out, '}');
    return buf_status(&call->out);
}
