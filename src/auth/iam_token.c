/* auth/iam_token.c - session tokens that say all there is to know, sealed.
 *
 * {"s":secret,"u":user,"r":role,"n":session,"p":policy,"c":owner's creation,"i":issued,
 *  "e":end}, sealed as secrets are, bound to the key's id. So STS writes nothing, and
 * whoever has iam-key can read any of them.
 */
#include <openssl/crypto.h>

#include "auth/iam.h"
#include "json/json.h"

static void text_put(struct buf *out, const char *before, struct slice text)
{
    buf_append_cstr(out, before);
    json_write_string(out, text);
}

enum err iam_token_make(const struct iam *iam, struct iam_token *token, struct arena *arena,
                        struct slice *ret_text)
{
    struct buf text;
    if (!iam->has_seal_key)
        return ERR_NOT_FOUND;
    TRY(iam_random_id(arena, "ASIA", &token->id));
    TRY(iam_random_text(arena, IAM_SECRET_RANDOM_BYTES, &token->secret));
    buf_init(&text, IAM_TOKEN_BYTES_MAX);
    text_put(&text, "{\"s\":", token->secret);
    text_put(&text, ",\"u\":", token->user);
    text_put(&text, ",\"r\":", token->role);
    text_put(&text, ",\"n\":", token->session);
    text_put(&text, ",\"p\":", token->policy);
    buf_printf(&text, ",\"c\":%lld,\"i\":%lld,\"e\":%lld}", (long long)token->owner_created_us,
               (long long)token->issued_us, (long long)token->expires_us);
    enum err err = buf_status(&text);
    if (!err)
        err = iam_seal(iam->seal_key, token->id, buf_slice(&text), arena, ret_text);
    if (text.bytes)
        OPENSSL_cleanse(text.bytes, text.length);
    buf_release(&text);
    return err;
}

static bool take_text(struct json v, struct slice name, struct arena *arena, struct slice *ret)
{
    *ret = json_string(json_get(v, name), arena);
    return ret->bytes != NULL;
}

static bool take_time(struct json v, struct slice name, int64_t *ret)
{
    uint64_t number = 0;
    struct json value = json_get(v, name);
    bool is_time = json_is(value, JSON_NUMBER) && slice_parse_u64(json_raw(value), &number) &&
                   number <= INT64_MAX;
    *ret = (int64_t)number;
    return is_time;
}

bool iam_token_read(const struct iam *iam, struct slice id, struct slice text, struct arena *arena,
                    struct iam_token *ret)
{
    struct slice plain;
    struct json_doc *doc = arena_alloc(arena, sizeof *doc);
    if (!doc || !iam->has_seal_key || text.length > IAM_TOKEN_BYTES_MAX ||
        !iam_unseal(iam->seal_key, id, text, arena, &plain) ||
        json_parse(plain, NULL, arena, doc, NULL) != ERR_NONE)
        return false;
    struct json v = json_root(doc);
    ret->id = id;
    return take_text(v, SLICE("s"), arena, &ret->secret) &&
           take_text(v, SLICE("u"), arena, &ret->user) &&
           take_text(v, SLICE("r"), arena, &ret->role) &&
           take_text(v, SLICE("n"), arena, &ret->session) &&
           take_text(v, SLICE("p"), arena, &ret->policy) &&
           take_time(v, SLICE("c"), &ret->owner_created_us) &&
           take_time(v, SLICE("i"), &ret->issued_us) && take_time(v, SLICE("e"), &ret->expires_us);
}
