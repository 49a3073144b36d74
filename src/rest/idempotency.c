/* x-amz-fhir-idempotency-key: a create that happens once.
 *
 * The key makes the new resource's id, so nothing has to be remembered beside it:
 * the store creates an id once, whoever comes at the same time, and it is there
 * after a restart. A key is good again when a day has passed since; it then makes
 * another id. One key is one create of a type: types do not share keys. */
#include <openssl/sha.h>

#include "base/codec.h"
#include "os/clock.h"
#include "rest/reply.h"
#include "rest/write.h"

static const int64_t KEPT_US = INT64_C(24) * 3600 * 1000 * 1000;
enum { KEY_GENERATIONS_MAX = 10000 };

const struct slice *idempotency_key(const struct request *r)
{
    return http_header_find(r->http, "x-amz-fhir-idempotency-key");
}

enum err idempotency_refuse(struct request *r)
{
    struct slice path = reply_version_path(r, r->route.type->name, r->route.id, 1);
    TRY(reply_header(r, "Location", arena_printf(r->arena, "%.*s/%.*s", SLICE_ARGS(r->base_url),
                                                 SLICE_ARGS(path))));
    return issues_fail(&r->issues, ERR_CONFLICT, "duplicate",
                       "This x-amz-fhir-idempotency-key created %.*s/%.*s already; a key is good "
                       "again after 24 hours",
                       SLICE_ARGS(r->route.type->name), SLICE_ARGS(r->route.id));
}

enum err idempotency_check_absent(struct request *r)
{
    if (!idempotency_key(r))
        return ERR_NONE;
    return issues_fail(&r->issues, ERR_INVALID, "invalid",
                       "x-amz-fhir-idempotency-key belongs to a create (POST [base]/Type) alone");
}

/* Keys are compared as UUIDs, that is without regard to case. */
static enum err id_make(struct request *r, struct slice key, int generation)
{
    char text[UUID_TEXT_BYTES], id[UUID_TEXT_BYTES];
    unsigned char hash[SHA256_DIGEST_LENGTH];
    for (size_t i = 0; i < key.length; i++)
        text[i] = (char)(key.bytes[i] >= 'A' && key.bytes[i] <= 'F' ? key.bytes[i] | 0x20
                                                                   : key.bytes[i]);
    struct slice name = arena_printf(r->arena, "%.*s %.*s %d", SLICE_ARGS(r->route.type->name),
                                     (int)key.length, text, generation);
    if (!name.bytes)
        return ERR_NO_MEMORY;
    SHA256((const unsigned char *)name.bytes, name.length, hash);
    uuid_render(hash, id);
    char *kept = arena_copy(r->arena, slice_cstr(id));
    r->route.id = slice_cstr(kept);
    return kept ? ERR_NONE : ERR_NO_MEMORY;
}

/* The first id of the key that is free, or was taken within a day. */
static enum err id_find(struct request *r, struct slice key, struct store_reader *reader,
                        bool *ret_is_used)
{
    struct store_version first;
    *ret_is_used = true;
    for (int i = 0; i < KEY_GENERATIONS_MAX; i++) {
        bool is_found;
        struct arena_mark mark = arena_mark(r->arena);
        TRY(id_make(r, key, i));
        enum err err = store_version(reader, r->route.type->name, r->route.id, 1, r->arena,
                                     &is_found, &first);
        if (err == ERR_GONE) /* nobody knows when: better refused than done twice */
            return ERR_NONE;
        TRY(err);
        *ret_is_used = is_found;
        if (!is_found || os_now_us() - first.instant < KEPT_US)
            return ERR_NONE;
        arena_rewind(r->arena, mark);
    }
    return ERR_NONE;
}

enum err idempotency_id(struct request *r)
{
    const struct slice *key = idempotency_key(r);
    struct store_reader *reader;
    bool is_used;
    if (!key)
        return write_id_new(r->arena, &r->route.id);
    if (!uuid_is_valid(*key))
        return issues_fail(&r->issues, ERR_INVALID, "value",
                           "x-amz-fhir-idempotency-key must be a UUID");
    TRY(store_read_begin(r->rest->settings.store, 0, &reader));
    enum err err = id_find(r, *key, reader, &is_used);
    store_read_end(reader);
    TRY(err);
    return is_used ? idempotency_refuse(r) : ERR_NONE;
}
