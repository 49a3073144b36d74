/* control/datastores.c - the operations on data stores. */
#include "base/codec.h"
#include "base/log.h"
#include "control/shapes.h"
#include "control/state.h"
#include "os/random.h"

enum { DATASTORES_MAX = 1000 };

/* ---- create ---- */

/* What the tables do not say. */
static enum err create_check(struct call *call)
{
    struct json sse = shape_get(call->input, "SseConfiguration");
    struct json kms = shape_get(sse, "KmsEncryptionConfig");
    if (json_string_is(shape_get(kms, "CmkType"), SLICE("CUSTOMER_MANAGED_KMS_KEY")) &&
        !json_exists(shape_get(kms, "KmsKeyId")))
        return call_fail(call, ERR_INVALID,
                         "KmsKeyId is required when CmkType is CUSTOMER_MANAGED_KMS_KEY.");
    struct json analytics = shape_get(call->input, "AnalyticsConfiguration");
    struct json status = shape_get(analytics, "Status");
    if (json_exists(status) && !json_string_is(status, SLICE("ENABLED")) &&
        !json_string_is(status, SLICE("PAUSED")))
        return call_fail(call, ERR_INVALID,
                         "AnalyticsConfiguration.Status must be ENABLED or PAUSED when a data "
                         "store is created.");
    return tags_check(call, shape_get(call->input, "Tags"));
}

/* The data store that an earlier request with the same token made; NULL if none. */
static struct datastore *find_token(const struct call *call, const char *token)
{
    const struct control *control = call->control;
    for (size_t i = 0; i < control->count; i++) {
        struct datastore *d = control->datastores[i];
        if (strcmp(d->token, token) == 0 && call->now_us - d->created_us < TOKEN_KEPT_US)
            return d;
    }
    return NULL;
}

static enum err create_room(struct call *call)
{
    struct control *control = call->control;
    size_t most =
        control->settings.datastores_max ? control->settings.datastores_max : DATASTORES_MAX;
    size_t live = 0;
    struct datastore *oldest = NULL;
    for (size_t i = 0; i < control->count; i++) {
        bool is_gone = control->datastores[i]->status == DATASTORE_DELETED;
        live += !is_gone;
        if (is_gone && !oldest)
            oldest = control->datastores[i];
    }
    if (live >= most)
        return call_fail(call, ERR_INVALID,
                         "There are %zu data stores already, the most there may be. Delete one.",
                         live);
    /* Whoever creates and deletes all day long may not fill the list. */
    if (control->count >= 2 * most && oldest)
        registry_remove(control, oldest);
    return ERR_NONE;
}

static void fill_id(struct datastore *d)
{
    uint8_t random[(DATASTORE_ID_BYTES - 1) / 2];
    os_random(random, sizeof random);
    hex_encode(random, sizeof random, d->id);
}

static enum err create_add(struct call *call, struct datastore *d)
{
    struct control *control = call->control;
    fill_id(d);
    d->needs_fill = json_exists(shape_get(call->input, "PreloadDataConfig"));
    d->number = control->last_number + 1;
    d->created_us = call->now_us;
    d->active_us =
        call->now_us + (int64_t)control->settings.create_delay_seconds * INT64_C(1000000);
    TRY(config_render(call->input, JSON_ABSENT, call->arena, &d->config));
    TRY(registry_add(control, d));
    control->last_number++;
    return ERR_NONE;
}

enum err create_datastore(struct call *call)
{
    static const char *const without[] = { "ClientToken", NULL };
    char token[TOKEN_BYTES] = "", fingerprint[FINGERPRINT_BYTES] = "";
    TRY(create_check(call));
    if (call_text(call, "ClientToken", token, sizeof token)) {
        TRY(call_fingerprint(call, &shape_create_datastore, without, "", fingerprint));
        struct datastore *earlier = find_token(call, token);
        if (earlier && strcmp(earlier->fingerprint, fingerprint) != 0)
            return call_fail(call, ERR_INVALID,
                             "The ClientToken '%s' was used with other parameters.", token);
        if (earlier) {
            view_summary(call, earlier);
            return buf_status(&call->out);
        }
    }
    TRY(create_room(call));
    struct datastore *d = datastore_make();
    if (!d)
        return ERR_NO_MEMORY;
    memcpy(d->token, token, sizeof token);
    memcpy(d->fingerprint, fingerprint, sizeof fingerprint);
    enum err err = create_add(call, d);
    if (err) {
        datastore_free(d);
        return err;
    }
    err = registry_save(call->control, call->now_us);
    if (err) {
        registry_remove(call->control, d);
        return err;
    }
    view_summary(call, d);
    mutex_lock(&call->control->lock);
    cond_broadcast(&call->control->moved); /* one to be filled */
    mutex_unlock(&call->control->lock);
    return buf_status(&call->out);
}

/* ---- describe ---- */

enum err describe_datastore(struct call *call)
{
    struct datastore *d;
    TRY(call_datastore(call, &d));
    buf_append_cstr(&call->out, "{\"DatastoreProperties\":");
    TRY(view_properties(call, d));
    buf_append_byte(&call->out, '}');
    return buf_status(&call->out);
}

/* ---- list ---- */

/* Every member of the filter must hold. */
static enum err filter_holds(struct call *call, struct json filter, const struct datastore *d,
                             bool *ret)
{
    int64_t us;
    enum datastore_status status = datastore_status_at(d, call->now_us);
    struct json wanted_status = shape_get(filter, "DatastoreStatus");
    struct json wanted_name = shape_get(filter, "DatastoreName");
    *ret = !datastore_is_forgotten(d, call->now_us);
    if (json_exists(wanted_status) &&
        !json_string_is(wanted_status, slice_cstr(datastore_status_name(status))))
        *ret = false;
    if (shape_timestamp(shape_get(filter, "CreatedBefore"), &us) && d->created_us >= us)
        *ret = false;
    if (shape_timestamp(shape_get(filter, "CreatedAfter"), &us) && d->created_us <= us)
        *ret = false;
    if (!*ret || !json_exists(wanted_name))
        return ERR_NONE;
    struct json config;
    TRY(call_config(call, d, &config));
    struct slice name = json_string(wanted_name, call->arena);
    if (!name.bytes)
        return ERR_NO_MEMORY;
    *ret = json_string_is(shape_get(config, "DatastoreName"), name);
    return ERR_NONE;
}

/* One data store of the list; *ret_is_full when it is the first that has no room. */
static enum err list_one(struct call *call, const struct datastore *d, struct page *page,
                         bool *ret_is_full)
{
    bool holds = false;
    TRY(filter_holds(call, shape_get(call->input, "Filter"), d, &holds));
    if (!holds)
        return ERR_NONE;
    *ret_is_full = !page_has_room(call, page);
    if (*ret_is_full)
        return ERR_NONE;
    if (call->out.bytes[call->out.length - 1] == '}')
        buf_append_byte(&call->out, ',');
    TRY(view_properties(call, d));
    page_add(page, d->number);
    return ERR_NONE;
}

enum err list_datastores(struct call *call)
{
    struct page page;
    TRY(page_begin(call, &shape_list_datastores, "ListFHIRDatastores", &page));
    const struct control *control = call->control;
    bool is_full = false;
    buf_append_cstr(&call->out, "{\"DatastorePropertiesList\":[");
    TRY(buf_status(&call->out));
    for (size_t i = 0; i < control->count && !is_full; i++) {
        struct arena_mark mark = arena_mark(call->arena);
        if (control->datastores[i]->number > page.after)
            TRY(list_one(call, control->datastores[i], &page, &is_full));
        arena_rewind(call->arena, mark);
    }
    buf_append_byte(&call->out, ']');
    if (is_full)
        page_token(call, &page);
    buf_append_byte(&call->out, '}');
    return buf_status(&call->out);
}

/* ---- update ---- */

static enum err refuse_unless_active(struct call *call, const struct datastore *d)
{
    enum datastore_status status = datastore_status_at(d, call->now_us);
    if (status == DATASTORE_ACTIVE)
        return ERR_NONE;
    if (status == DATASTORE_DELETED)
        return call_fail(call, ERR_NOT_FOUND, "The data store '%s' is deleted.", d->id);
    return call_fail(call, ERR_CONFLICT, "The data store '%s' is %s; it must be ACTIVE.", d->id,
                     datastore_status_name(status));
}

/* Statuses on the way to another are the service's to set. */
static enum err update_check(struct call *call)
{
    static const char *const names[] = { "AnalyticsConfiguration", "NlpConfiguration" };
    static const char *const passing[] = { "ENABLING", "DISABLING", "PAUSING" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct json status = shape_get(shape_get(call->input, names[i]), "Status");
        for (size_t k = 0; k < ARRAY_COUNT(passing); k++) {
            if (json_string_is(status, slice_cstr(passing[k])))
                return call_fail(call, ERR_INVALID, "%s.Status cannot be set to %s.", names[i],
                                 passing[k]);
        }
    }
    return ERR_NONE;
}

/* Readers of tags have only `lock`. */
static void config_swap(struct control *control, struct datastore *d, struct buf *other)
{
    mutex_lock(&control->lock);
    struct buf old = d->config;
    d->config = *other;
    *other = old;
    mutex_unlock(&control->lock);
}

enum err config_replace(struct call *call, struct datastore *d, struct json newer)
{
    struct json older;
    struct buf other;
    TRY(call_config(call, d, &older));
    buf_init(&other, d->config.limit_bytes);
    enum err err = config_render(newer, older, call->arena, &other);
    if (!err) {
        config_swap(call->control, d, &other);
        err = registry_save(call->control, call->now_us);
        if (err)
            config_swap(call->control, d, &other);
    }
    buf_release(&other);
    return err;
}

/* NLP and analytics take their time on the service, everything else is at once. */
static bool is_slow(struct json older, struct json newer)
{
    static const char *const names[] = { "AnalyticsConfiguration", "NlpConfiguration" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct json was = shape_get(shape_get(older, names[i]), "Status");
        struct json is = shape_get(shape_get(newer, names[i]), "Status");
        if (json_exists(is) && (!json_exists(was) || !json_same(was, is, NULL, NULL)))
            return true;
    }
    return false;
}

enum err update_datastore(struct call *call)
{
    struct datastore *d;
    struct json older;
    TRY(call_datastore(call, &d));
    TRY(refuse_unless_active(call, d));
    TRY(update_check(call));
    TRY(call_config(call, d, &older));
    TRY(config_replace(call, d, call->input));
    if (is_slow(older, call->input)) {
        struct control *control = call->control;
        mutex_lock(&control->lock);
        d->updated_us =
            call->now_us + (int64_t)control->settings.create_delay_seconds * 1000000;
        mutex_unlock(&control->lock);
    }
    return describe_datastore(call);
}

/* ---- delete ---- */

enum err delete_datastore(struct call *call)
{
    struct control *control = call->control;
    struct datastore *d;
    TRY(call_datastore(call, &d));
    if (d->is_default)
        return call_fail(call, ERR_CONFLICT,
                         "The data store '%s' is the one this server was started with and cannot "
                         "be deleted while it runs. Remove its data folder instead.",
                         d->id);
    if (!d->is_stuck && d->status != DATASTORE_CREATE_FAILED)
        TRY(refuse_unless_active(call, d));
    mutex_lock(&control->lock);
    enum datastore_status before = d->status;
    d->status = DATASTORE_DELETING;
    mutex_unlock(&control->lock);
    enum err err = registry_save(control, call->now_us);
    mutex_lock(&control->lock);
    if (err)
        d->status = before;
    d->is_stuck = err && d->is_stuck;
    cond_broadcast(&control->moved);
    mutex_unlock(&control->lock);
    if (err)
        return err;
    buf_printf(&call->out, "{\"DatastoreId\":\"%s\",\"DatastoreArn\":", d->id);
    view_arn(call, d->id);
    buf_append_cstr(&call->out, ",\"DatastoreStatus\":\"DELETING\",\"DatastoreEndpoint\":");
    view_endpoint(call, d->id);
    buf_append_byte(&call->out, '}');
    return buf_status(&call->out);
}
