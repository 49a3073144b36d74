#include "control/datastore.h"

#include <stdlib.h>

#include "control/shapes.h"

static const char *const status_names[] = {
    [DATASTORE_CREATING] = "CREATING",           [DATASTORE_ACTIVE] = "ACTIVE",
    [DATASTORE_DELETING] = "DELETING",           [DATASTORE_DELETED] = "DELETED",
    [DATASTORE_CREATE_FAILED] = "CREATE_FAILED", [DATASTORE_UPDATING] = "UPDATING",
};

static const size_t CONFIG_BYTES_MAX = (size_t)8 << 20;

const char *datastore_status_name(enum datastore_status status)
{
    CHECK((size_t)status < ARRAY_COUNT(status_names));
    return status_names[status];
}

enum datastore_status datastore_status_at(const struct datastore *d, int64_t now_us)
{
    bool is_due = d->status == DATASTORE_CREATING && now_us >= d->active_us && !d->needs_fill;
    if (d->status == DATASTORE_ACTIVE && now_us < d->updated_us)
        return DATASTORE_UPDATING;
    return is_due ? DATASTORE_ACTIVE : d->status;
}

bool datastore_is_forgotten(const struct datastore *d, int64_t now_us)
{
    return d->status == DATASTORE_DELETED && now_us - d->deleted_us > DATASTORE_KEPT_US;
}

struct datastore *datastore_make(void)
{
    /* Lives until it is forgotten or the server stops. */
    struct datastore *d = calloc(1, sizeof *d);
    if (d)
        buf_init(&d->config, CONFIG_BYTES_MAX);
    return d;
}

void datastore_free(struct datastore *d)
{
    if (!d)
        return;
    buf_release(&d->config);
    free(d);
}

/* ---- control.json ---- */

void datastore_render(const struct datastore *d, struct buf *out)
{
    buf_printf(out, "{\"id\":\"%s\",\"number\":%llu,\"status\":\"%s\"", d->id,
               (unsigned long long)d->number, datastore_status_name(d->status));
    buf_printf(out, ",\"created\":%lld,\"active\":%lld,\"deleted\":%lld", (long long)d->created_us,
               (long long)d->active_us, (long long)d->deleted_us);
    buf_printf(out, ",\"fill\":%s", d->needs_fill ? "true" : "false");
    buf_printf(out, ",\"token\":\"%s\",\"fingerprint\":\"%s\",\"config\":", d->token,
               d->fingerprint);
    buf_append(out, buf_slice(&d->config));
    buf_append_byte(out, '}');
}

static bool take_text(struct json value, char *out, size_t room)
{
    struct slice text = json_string_raw(value);
    if (!json_is(value, JSON_STRING) || text.length >= room)
        return false;
    memcpy(out, text.bytes, text.length);
    out[text.length] = 0;
    return true;
}

static bool take_number(struct json value, int64_t *ret)
{
    uint64_t number;
    if (!json_is(value, JSON_NUMBER) || !slice_parse_u64(json_raw(value), &number) ||
        number > INT64_MAX)
        return false;
    *ret = (int64_t)number;
    return true;
}

static bool take_status(struct json value, enum datastore_status *ret)
{
    for (size_t i = 0; i < ARRAY_COUNT(status_names); i++) {
        if (json_string_is(value, slice_cstr(status_names[i]))) {
            *ret = (enum datastore_status)i;
            return true;
        }
    }
    return false;
}

/* The id becomes the name of a folder: nothing but letters and digits. */
static bool id_is_valid(const char *id)
{
    size_t length = strlen(id);
    for (size_t i = 0; i < length; i++) {
        char c = id[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
            return false;
    }
    return length == DATASTORE_ID_BYTES - 1;
}

enum err datastore_parse(struct json value, struct arena *arena, struct datastore *ret)
{
    int64_t number;
    bool is_whole =
        take_text(json_member(value, "id"), ret->id, sizeof ret->id) && id_is_valid(ret->id) &&
        take_number(json_member(value, "number"), &number) &&
        take_status(json_member(value, "status"), &ret->status) &&
        take_number(json_member(value, "created"), &ret->created_us) &&
        take_number(json_member(value, "active"), &ret->active_us) &&
        take_number(json_member(value, "deleted"), &ret->deleted_us) &&
        take_text(json_member(value, "token"), ret->token, sizeof ret->token) &&
        take_text(json_member(value, "fingerprint"), ret->fingerprint, sizeof ret->fingerprint);
    if (!is_whole)
        return ERR_CORRUPT;
    ret->number = (uint64_t)number;
    ret->needs_fill = json_is(json_member(value, "fill"), JSON_TRUE);
    struct json config = json_member(value, "config");
    struct slice text;
    enum err err = json_exists(config) ? shape_check(&shape_create_datastore, config, arena, &text)
                                       : ERR_CORRUPT;
    if (err)
        return err == ERR_NO_MEMORY ? err : ERR_CORRUPT;
    json_minify(config, &ret->config);
    return buf_status(&ret->config);
}

/* ---- configuration ---- */

/* What a member is when nobody said anything; NULL: it stays absent. */
static const char *config_default(const char *name)
{
    if (strcmp(name, "SseConfiguration") == 0)
        return "{\"KmsEncryptionConfig\":{\"CmkType\":\"AWS_OWNED_KMS_KEY\"}}";
    if (strcmp(name, "IdentityProviderConfiguration") == 0)
        return "{\"AuthorizationStrategy\":\"AWS_AUTH\",\"FineGrainedAuthorizationEnabled\":false}";
    return NULL;
}

/* A Boolean that the model does not let be absent. */
static void add_fine_grained(struct json value, struct buf *out)
{
    bool needs = json_exists(shape_get(value, "AuthorizationStrategy")) &&
                 !json_exists(shape_get(value, "FineGrainedAuthorizationEnabled"));
    if (!needs || buf_status(out))
        return;
    out->length--;
    buf_append_cstr(out, ",\"FineGrainedAuthorizationEnabled\":false}");
}

enum err config_render(struct json newer, struct json older, struct arena *arena, struct buf *out)
{
    bool is_first = true;
    buf_append_byte(out, '{');
    for (const struct shape_member *m = shape_create_datastore.members; m->name; m++) {
        struct json value = shape_get(newer, m->name);
        if (!json_exists(value))
            value = shape_get(older, m->name);
        const char *by_default = config_default(m->name);
        if (strcmp(m->name, "ClientToken") == 0 || (!json_exists(value) && !by_default))
            continue;
        buf_printf(out, is_first ? "\"%s\":" : ",\"%s\":", m->name);
        is_first = false;
        if (!json_exists(value)) {
            buf_append_cstr(out, by_default);
            continue;
        }
        TRY(shape_write(m->shape, value, arena, out));
        add_fine_grained(value, out);
    }
    buf_append_byte(out, '}');
    return buf_status(out);
}
