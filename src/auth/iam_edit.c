/* auth/iam_edit.c - looking things up in struct iam, and changing it. */
#include <openssl/crypto.h>

#include "auth/iam.h"
#include "base/codec.h"
#include "os/random.h"

enum { ID_RANDOM_LENGTH = 16, SECRET_BYTES = IAM_SECRET_RANDOM_BYTES, TOKEN_BYTES = 48 };

/* ---- looking ---- */

bool iam_name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        char c = name.bytes[i];
        bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_word && !(c && strchr("+=,.@_-", c)))
            return false;
    }
    return name.length > 0 && name.length <= 64;
}

/* AWS's names of users and groups are unique in any case. */
struct iam_user *iam_user_find(const struct iam *iam, struct slice name)
{
    struct iam_user *u = iam->users;
    while (u && !slice_equal_nocase(u->name, name))
        u = u->next;
    return u;
}

struct iam_group *iam_group_find(const struct iam *iam, struct slice name)
{
    struct iam_group *g = iam->groups;
    while (g && !slice_equal_nocase(g->name, name))
        g = g->next;
    return g;
}

struct iam_user *iam_key_find(const struct iam *iam, struct slice id, struct iam_key **ret_key)
{
    for (struct iam_user *u = iam->users; u; u = u->next) {
        for (struct iam_key *k = u->keys; k; k = k->next) {
            if (!slice_equal(k->id, id))
                continue;
            *ret_key = k;
            return u;
        }
    }
    return NULL;
}

struct iam_session *iam_session_find(const struct iam *iam, struct slice id)
{
    struct iam_session *s = iam->sessions;
    while (s && !slice_equal(s->id, id))
        s = s->next;
    return s;
}

struct iam_role *iam_role_find(const struct iam *iam, struct slice name)
{
    struct iam_role *r = iam->roles;
    while (r && !slice_equal_nocase(r->name, name))
        r = r->next;
    return r;
}

struct iam_resource *iam_resource_find(const struct iam *iam, struct slice arn)
{
    struct iam_resource *r = iam->resources;
    while (r && !slice_equal(r->arn, arn))
        r = r->next;
    return r;
}

static size_t policies_copy(const struct iam_policy *p, const struct policy **to)
{
    size_t count = 0;
    for (; p; p = p->next, count++) {
        if (to)
            to[count] = p->compiled;
    }
    return count;
}

static size_t policies_gather(const struct iam *iam, const struct iam_user *user,
                              const struct policy **to)
{
    size_t count = policies_copy(user->policies, to);
    for (const struct iam_name *n = user->groups; n; n = n->next) {
        const struct iam_group *group = iam_group_find(iam, n->name);
        if (group)
            count += policies_copy(group->policies, to ? to + count : NULL);
    }
    return count;
}

enum err iam_policies_of(const struct iam *iam, const struct iam_user *user, struct arena *arena,
                         struct policy_list *ret)
{
    size_t count = policies_gather(iam, user, NULL);
    const struct policy **items = arena_array(arena, count, sizeof *items);
    if (!items)
        return ERR_NO_MEMORY;
    policies_gather(iam, user, items);
    *ret = (struct policy_list){ items, count };
    return ERR_NONE;
}

enum err iam_policies_list(const struct iam_policy *first, struct arena *arena,
                           struct policy_list *ret)
{
    size_t count = policies_copy(first, NULL);
    const struct policy **items = arena_array(arena, count, sizeof *items);
    if (!items)
        return ERR_NO_MEMORY;
    policies_copy(first, items);
    *ret = (struct policy_list){ items, count };
    return ERR_NONE;
}

/* ---- changing ---- */

static bool copy_text(struct iam *iam, struct slice text, struct slice *ret)
{
    char *copy = arena_copy(iam->arena, text);
    *ret = slice_of(copy, text.length);
    return copy != NULL;
}

enum err iam_user_add(struct iam *iam, struct slice name, int64_t now_us)
{
    struct iam_user *user = arena_alloc(iam->arena, sizeof *user);
    if (!user || !copy_text(iam, name, &user->name))
        return ERR_NO_MEMORY;
    user->created_us = now_us;
    struct iam_user **at = &iam->users;
    while (*at)
        at = &(*at)->next;
    *at = user;
    return ERR_NONE;
}

enum err iam_group_add(struct iam *iam, struct slice name)
{
    struct iam_group *group = arena_alloc(iam->arena, sizeof *group);
    if (!group || !copy_text(iam, name, &group->name))
        return ERR_NO_MEMORY;
    struct iam_group **at = &iam->groups;
    while (*at)
        at = &(*at)->next;
    *at = group;
    return ERR_NONE;
}

/* As AWS tells them apart: one prefix for lasting keys, one for temporary ones. */
enum err iam_random_id(struct arena *arena, const char *prefix, struct slice *ret)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t random[ID_RANDOM_LENGTH];
    char text[ID_RANDOM_LENGTH];
    os_random(random, sizeof random);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = digits[random[i] & 31];
    *ret = arena_printf(arena, "%s%.*s", prefix, ID_RANDOM_LENGTH, text);
    return ret->bytes ? ERR_NONE : ERR_NO_MEMORY;
}

enum err iam_random_text(struct arena *arena, size_t count, struct slice *ret)
{
    uint8_t random[TOKEN_BYTES];
    CHECK(count <= sizeof random);
    os_random(random, count);
    struct buf text;
    buf_init(&text, 256);
    base64url_encode(&text, slice_of((const char *)random, count));
    char *copy = buf_status(&text) ? NULL : arena_copy(arena, buf_slice(&text));
    *ret = slice_of(copy, text.length);
    buf_release(&text);
    OPENSSL_cleanse(random, sizeof random);
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

enum err iam_key_add(struct iam *iam, struct iam_user *user, int64_t now_us,
                     struct iam_key **ret_key)
{
    struct iam_key *key = arena_alloc(iam->arena, sizeof *key);
    if (!key)
        return ERR_NO_MEMORY;
    TRY(iam_random_id(iam->arena, "TARN", &key->id));
    TRY(iam_random_text(iam->arena, SECRET_BYTES, &key->secret));
    key->created_us = now_us;
    key->next = user->keys;
    user->keys = key;
    *ret_key = key;
    return ERR_NONE;
}

static enum err policy_make(struct iam *iam, enum policy_kind kind, struct slice name,
                            struct slice document, struct slice *error, struct iam_policy **ret)
{
    struct iam_policy *p = arena_alloc(iam->arena, sizeof *p);
    if (!p || !copy_text(iam, name, &p->name) ||
        !copy_text(iam, slice_trim(document), &p->document))
        return ERR_NO_MEMORY;
    TRY(policy_parse(p->document, kind, p->name, iam->arena, &p->compiled, error));
    *ret = p;
    return ERR_NONE;
}

enum err iam_policy_put(struct iam *iam, struct iam_policy **list, enum policy_kind kind,
                        struct slice name, struct slice document, struct slice *error)
{
    struct iam_policy *p;
    TRY(policy_make(iam, kind, name, document, error, &p));
    while (*list && !slice_equal_nocase((*list)->name, name))
        list = &(*list)->next;
    p->next = *list ? (*list)->next : NULL;
    *list = p;
    return ERR_NONE;
}

enum err iam_role_add(struct iam *iam, struct slice name, int64_t now_us, uint64_t max_seconds,
                      struct slice trust, struct slice *error)
{
    struct iam_role *role = arena_alloc(iam->arena, sizeof *role);
    if (!role || !copy_text(iam, name, &role->name))
        return ERR_NO_MEMORY;
    role->created_us = now_us;
    role->max_seconds = max_seconds;
    TRY(policy_make(iam, POLICY_OF_RESOURCE, SLICE("trust"), trust, error, &role->trust));
    struct iam_role **at = &iam->roles;
    while (*at)
        at = &(*at)->next;
    *at = role;
    return ERR_NONE;
}

enum err iam_resource_need(struct iam *iam, struct slice arn, struct iam_resource **ret)
{
    *ret = iam_resource_find(iam, arn);
    if (*ret)
        return ERR_NONE;
    struct iam_resource *resource = arena_alloc(iam->arena, sizeof *resource);
    if (!resource || !copy_text(iam, arn, &resource->arn))
        return ERR_NO_MEMORY;
    resource->next = iam->resources;
    iam->resources = *ret = resource;
    return ERR_NONE;
}

static void sessions_prune(struct iam *iam, int64_t now_us)
{
    for (struct iam_session **at = &iam->sessions; *at;) {
        if ((*at)->expires_us <= now_us)
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
}

enum err iam_session_add(struct iam *iam, const struct iam_user *user, int64_t now_us,
                         int64_t life_us, struct slice policy, struct slice *error,
                         struct iam_session **ret_session, struct slice *ret_token)
{
    struct iam_session *s = arena_alloc(iam->arena, sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    TRY(iam_random_id(iam->arena, "TARNS", &s->id));
    TRY(iam_random_text(iam->arena, SECRET_BYTES, &s->secret));
    TRY(iam_random_text(iam->arena, TOKEN_BYTES, ret_token));
    if (policy.length)
        TRY(policy_make(iam, POLICY_OF_IDENTITY, SLICE("session policy"), policy, error,
                        &s->policy));
    aws_sha256_hex(*ret_token, s->token_sha256);
    s->user = user->name;
    s->created_us = now_us;
    s->expires_us = now_us + life_us;
    sessions_prune(iam, now_us);
    s->next = iam->sessions;
    iam->sessions = s;
    *ret_session = s;
    return ERR_NONE;
}

void iam_sessions_of_remove(struct iam *iam, struct slice user)
{
    for (struct iam_session **at = &iam->sessions; *at;) {
        if (slice_equal_nocase((*at)->user, user))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
}
