/* auth/iam.c - iam.json to memory and back. */
#include "auth/iam.h"

#include <errno.h>
#include <openssl/crypto.h>

#include "base/codec.h"
#include "base/date.h"
#include "json/json.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/random.h"

enum { FORMAT = 1, LOCK_TRIES = 200, LOCK_PAUSE_US = 50000 };

/* On the way through the file. */
struct loader {
    struct iam *iam;
    struct arena *arena;
    const char *path;
    struct slice *error;
};

static enum err fail(struct loader *l, enum err err, const char *path, const char *what)
{
    *l->error = arena_printf(l->arena, "%s: %s", path, what);
    return err;
}

static enum err fail_in(struct loader *l, struct json at, const char *what, struct slice name)
{
    uint32_t line = 1, column = 1;
    if (json_exists(at))
        json_position(at.doc->text, json_node(at)->offset, &line, &column);
    *l->error = arena_printf(l->arena, "%s: line %u, column %u: %s%s%.*s", l->path, line, column,
                             what, name.length ? ": " : "", SLICE_ARGS(name));
    return ERR_INVALID;
}

/* ---- files ---- */

/* A file that only its owner may read; *ret_text bytes NULL when there is none. */
static enum err private_read(struct loader *l, const char *path, struct slice *ret_text)
{
    unsigned mode;
    *ret_text = SLICE_NONE;
    enum err err = os_file_mode(path, &mode);
    if (err == ERR_NOT_FOUND)
        return ERR_NONE;
    if (err)
        return fail(l, err, path, strerror(errno));
    if (mode & 077)
        return fail(l, ERR_INVALID, path, "others may read it; make it private with chmod 600");
    struct buf bytes;
    buf_init(&bytes, IAM_FILE_BYTES_MAX);
    err = os_file_read(path, &bytes);
    char *copy = err ? NULL : arena_copy(l->arena, buf_slice(&bytes));
    *ret_text = slice_of(copy, bytes.length);
    if (bytes.bytes)
        OPENSSL_cleanse(bytes.bytes, bytes.length);
    buf_release(&bytes);
    err = err ? err : copy ? ERR_NONE : ERR_NO_MEMORY;
    return err ? fail(l, err, path, err == ERR_IO ? strerror(errno) : err_text(err)) : ERR_NONE;
}

static enum err seal_key_read(struct loader *l, const char *folder)
{
    struct slice path = arena_printf(l->arena, "%s/iam-key", folder), text;
    if (!path.bytes)
        return ERR_NO_MEMORY;
    TRY(private_read(l, path.bytes, &text));
    l->iam->has_seal_key = text.bytes != NULL;
    if (text.bytes && !hex_decode(slice_trim(text), l->iam->seal_key, IAM_SEAL_KEY_BYTES))
        return fail(l, ERR_INVALID, path.bytes, "it must hold 64 hex digits");
    return ERR_NONE;
}

/* ---- members ---- */

static struct slice text_member(struct loader *l, struct json v, struct slice name)
{
    struct json member = json_get(v, name);
    return json_is(member, JSON_STRING) ? json_string(member, l->arena) : SLICE_NONE;
}

static enum err instant_member(struct loader *l, struct json v, struct slice name, int64_t *ret)
{
    struct date_range range;
    if (!date_parse(text_member(l, v, name), &range))
        return fail_in(l, v, "an instant is missing", name);
    *ret = range.low;
    return ERR_NONE;
}

static enum err name_member(struct loader *l, struct json v, struct slice *ret)
{
    *ret = text_member(l, v, SLICE("name"));
    return iam_name_is_valid(*ret) ? ERR_NONE
                                   : fail_in(l, v,
                                             "a name of 1 to 64 letters, digits and +=,.@_- "
                                             "is missing",
                                             SLICE_NONE);
}

static enum err secret_member(struct loader *l, struct json v, struct slice id, struct slice *ret)
{
    if (!id.length)
        return fail_in(l, v, "a key has no id", SLICE_NONE);
    if (!l->iam->has_seal_key)
        return fail_in(l, v, "the file iam-key that opens the secrets is missing", id);
    if (!iam_unseal(l->iam->seal_key, id, text_member(l, v, SLICE("secret")), l->arena, ret)) {
        enum err err = fail_in(l, v, "the secret does not open with iam-key", id);
        return err ? ERR_CORRUPT : err;
    }
    return ERR_NONE;
}

static enum err policy_read(struct loader *l, struct json document, enum policy_kind kind,
                            struct slice name, struct iam_policy **ret)
{
    struct iam_policy *p = arena_alloc(l->arena, sizeof *p);
    struct slice error;
    if (!p)
        return ERR_NO_MEMORY;
    *p = (struct iam_policy){ .name = name, .document = json_raw(document) };
    enum err err = policy_parse(p->document, kind, name, l->arena, &p->compiled, &error);
    if (err == ERR_NO_MEMORY)
        return err;
    if (err) {
        struct slice what =
            arena_printf(l->arena, "policy %.*s: %.*s", SLICE_ARGS(name), SLICE_ARGS(error));
        return fail_in(l, document, "in the document that begins here", what);
    }
    *ret = p;
    return ERR_NONE;
}

static enum err boundary_read(struct loader *l, struct json holder, struct iam_policy **ret)
{
    struct json document = json_member(holder, "boundary");
    return json_exists(document)
               ? policy_read(l, document, POLICY_OF_IDENTITY, SLICE("boundary"), ret)
               : ERR_NONE;
}

static enum err policies_read(struct loader *l, struct json list, enum policy_kind kind,
                              struct iam_policy **ret)
{
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct slice name;
        TRY(name_member(l, v, &name));
        struct json document = json_member(v, "document");
        if (!json_is(document, JSON_OBJECT))
            return fail_in(l, v, "a policy has no document", name);
        TRY(policy_read(l, document, kind, name, ret));
        ret = &(*ret)->next;
    }
    return ERR_NONE;
}

/* ---- rows ---- */

static enum err keys_read(struct loader *l, struct json list, struct iam_key **ret)
{
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct iam_key *key = arena_alloc(l->arena, sizeof *key);
        if (!key)
            return ERR_NO_MEMORY;
        key->id = text_member(l, v, SLICE("id"));
        TRY(secret_member(l, v, key->id, &key->secret));
        TRY(instant_member(l, v, SLICE("created"), &key->created_us));
        *ret = key;
        ret = &key->next;
    }
    return ERR_NONE;
}

static enum err users_read(struct loader *l, struct json list)
{
    struct iam_user **to = &l->iam->users;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct iam_user *user = arena_alloc(l->arena, sizeof *user);
        if (!user)
            return ERR_NO_MEMORY;
        TRY(name_member(l, v, &user->name));
        TRY(instant_member(l, v, SLICE("created"), &user->created_us));
        struct json groups = json_member(v, "groups");
        struct iam_name **group = &user->groups;
        for (struct json g = json_first(groups); json_exists(g); g = json_next(groups, g)) {
            *group = arena_alloc(l->arena, sizeof **group);
            if (!*group)
                return ERR_NO_MEMORY;
            (*group)->name = json_string(g, l->arena);
            group = &(*group)->next;
        }
        TRY(keys_read(l, json_member(v, "keys"), &user->keys));
        TRY(policies_read(l, json_member(v, "policies"), POLICY_OF_IDENTITY, &user->policies));
        TRY(boundary_read(l, v, &user->boundary));
        *to = user;
        to = &user->next;
    }
    return ERR_NONE;
}

static enum err groups_read(struct loader *l, struct json list)
{
    struct iam_group **to = &l->iam->groups;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct iam_group *group = arena_alloc(l->arena, sizeof *group);
        if (!group)
            return ERR_NO_MEMORY;
        TRY(name_member(l, v, &group->name));
        TRY(policies_read(l, json_member(v, "policies"), POLICY_OF_IDENTITY, &group->policies));
        *to = group;
        to = &group->next;
    }
    return ERR_NONE;
}

static enum err roles_read(struct loader *l, struct json list)
{
    struct iam_role **to = &l->iam->roles;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct iam_role *role = arena_alloc(l->arena, sizeof *role);
        if (!role)
            return ERR_NO_MEMORY;
        TRY(name_member(l, v, &role->name));
        TRY(instant_member(l, v, SLICE("created"), &role->created_us));
        if (!slice_parse_u64(json_raw(json_member(v, "maxSeconds")), &role->max_seconds))
            return fail_in(l, v, "maxSeconds is missing", role->name);
        TRY(policy_read(l, json_member(v, "trust"), POLICY_OF_RESOURCE, SLICE("trust"),
                        &role->trust));
        TRY(policies_read(l, json_member(v, "policies"), POLICY_OF_IDENTITY, &role->policies));
        TRY(boundary_read(l, v, &role->boundary));
        *to = role;
        to = &role->next;
    }
    return ERR_NONE;
}

static enum err resources_read(struct loader *l, struct json list)
{
    struct iam_resource **to = &l->iam->resources;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct iam_resource *resource = arena_alloc(l->arena, sizeof *resource);
        if (!resource)
            return ERR_NO_MEMORY;
        resource->arn = text_member(l, v, SLICE("arn"));
        if (!resource->arn.length)
            return fail_in(l, v, "a resource has no arn", SLICE_NONE);
        TRY(policies_read(l, json_member(v, "policies"), POLICY_OF_RESOURCE, &resource->policies));
        *to = resource;
        to = &resource->next;
    }
    return ERR_NONE;
}

static enum err sessions_read(struct loader *l, struct json list)
{
    struct iam_session **to = &l->iam->sessions;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct iam_session *session = arena_alloc(l->arena, sizeof *session);
        if (!session)
            return ERR_NO_MEMORY;
        session->id = text_member(l, v, SLICE("id"));
        session->user = text_member(l, v, SLICE("user"));
        TRY(secret_member(l, v, session->id, &session->secret));
        TRY(instant_member(l, v, SLICE("created"), &session->created_us));
        TRY(instant_member(l, v, SLICE("expires"), &session->expires_us));
        struct slice hash = text_member(l, v, SLICE("tokenSha256"));
        if (hash.length != 64)
            return fail_in(l, v, "tokenSha256 must have 64 digits", session->id);
        memcpy(session->token_sha256, hash.bytes, 64);
        struct json policy = json_member(v, "policy");
        if (json_exists(policy))
            TRY(policy_read(l, policy, POLICY_OF_IDENTITY, SLICE("session policy"),
                            &session->policy));
        *to = session;
        to = &session->next;
    }
    return ERR_NONE;
}

/* ---- the file ---- */

static enum err root_read(struct loader *l, struct json root)
{
    uint64_t format = 0;
    struct json number = json_member(root, "format");
    if (!json_is(number, JSON_NUMBER) || !slice_parse_u64(json_raw(number), &format))
        return fail_in(l, root, "\"format\" is missing", SLICE_NONE);
    if (format != FORMAT)
        return fail(l, ERR_UNSUPPORTED, l->path, "written by a newer tarn; use that one");
    TRY(groups_read(l, json_member(root, "groups")));
    TRY(users_read(l, json_member(root, "users")));
    TRY(roles_read(l, json_member(root, "roles")));
    TRY(resources_read(l, json_member(root, "resources")));
    return sessions_read(l, json_member(root, "sessions"));
}

enum err iam_load(const char *folder, struct arena *arena, struct iam *ret, struct slice *error)
{
    *error = SLICE_NONE;
    *ret = (struct iam){ .arena = arena };
    struct slice path = arena_printf(arena, "%s/iam.json", folder), text;
    if (!path.bytes)
        return ERR_NO_MEMORY;
    struct loader l = { ret, arena, path.bytes, error };
    TRY(seal_key_read(&l, folder));
    TRY(private_read(&l, path.bytes, &text));
    if (!text.bytes)
        return ERR_NONE;
    struct json_doc *doc = arena_alloc(arena, sizeof *doc);
    struct json_error where;
    if (!doc)
        return ERR_NO_MEMORY;
    enum err err = json_parse(text, NULL, arena, doc, &where);
    if (err == ERR_SYNTAX || err == ERR_LIMIT)
        *error = arena_printf(arena, "%s: line %u, column %u: no valid JSON: %s", path.bytes,
                              where.line, where.column, where.text);
    TRY(err);
    return root_read(&l, json_root(doc));
}

/* ---- writing ---- */

static void text_write(struct buf *out, const char *before, struct slice text)
{
    buf_append_cstr(out, before);
    json_write_string(out, text);
}

static void instant_write(struct buf *out, const char *before, int64_t instant_us)
{
    char text[INSTANT_TEXT_BYTES];
    instant_render(instant_us, 6, text);
    text_write(out, before, slice_cstr(text));
}

static void boundary_write(struct buf *out, const struct iam_policy *boundary)
{
    if (!boundary)
        return;
    buf_append_cstr(out, ",\"boundary\":");
    buf_append(out, boundary->document);
}

static void policies_write(struct buf *out, const struct iam_policy *p)
{
    buf_append_cstr(out, ",\"policies\":[");
    for (; p; p = p->next) {
        text_write(out, "\n   {\"name\":", p->name);
        buf_append_cstr(out, ",\"document\":");
        buf_append(out, p->document);
        buf_append_cstr(out, p->next ? "}," : "}");
    }
    buf_append_byte(out, ']');
}

static enum err user_write(const struct iam *iam, const struct iam_user *user, struct buf *out)
{
    text_write(out, "\n  {\"name\":", user->name);
    instant_write(out, ",\"created\":", user->created_us);
    buf_append_cstr(out, ",\"groups\":[");
    for (const struct iam_name *g = user->groups; g; g = g->next)
        text_write(out, g == user->groups ? "" : ",", g->name);
    buf_append_cstr(out, "],\"keys\":[");
    for (const struct iam_key *k = user->keys; k; k = k->next) {
        struct slice sealed;
        TRY(iam_seal(iam->seal_key, k->id, k->secret, iam->arena, &sealed));
        text_write(out, "\n   {\"id\":", k->id);
        text_write(out, ",\"secret\":", sealed);
        instant_write(out, ",\"created\":", k->created_us);
        buf_append_cstr(out, k->next ? "}," : "}");
    }
    buf_append_byte(out, ']');
    policies_write(out, user->policies);
    boundary_write(out, user->boundary);
    buf_append_cstr(out, user->next ? "}," : "}");
    return ERR_NONE;
}

static enum err session_write(const struct iam *iam, const struct iam_session *s, struct buf *out)
{
    struct slice sealed;
    TRY(iam_seal(iam->seal_key, s->id, s->secret, iam->arena, &sealed));
    text_write(out, "\n  {\"id\":", s->id);
    text_write(out, ",\"secret\":", sealed);
    text_write(out, ",\"tokenSha256\":", slice_cstr(s->token_sha256));
    text_write(out, ",\"user\":", s->user);
    instant_write(out, ",\"created\":", s->created_us);
    instant_write(out, ",\"expires\":", s->expires_us);
    if (s->policy) {
        buf_append_cstr(out, ",\"policy\":");
        buf_append(out, s->policy->document);
    }
    buf_append_cstr(out, s->next ? "}," : "}");
    return ERR_NONE;
}

static void roles_write(const struct iam *iam, struct buf *out)
{
    buf_append_cstr(out, "],\n \"roles\":[");
    for (const struct iam_role *r = iam->roles; r; r = r->next) {
        text_write(out, "\n  {\"name\":", r->name);
        instant_write(out, ",\"created\":", r->created_us);
        buf_printf(out, ",\"maxSeconds\":%llu,\"trust\":", (unsigned long long)r->max_seconds);
        buf_append(out, r->trust->document);
        policies_write(out, r->policies);
        boundary_write(out, r->boundary);
        buf_append_cstr(out, r->next ? "}," : "}");
    }
    buf_append_cstr(out, "],\n \"resources\":[");
    for (const struct iam_resource *r = iam->resources; r; r = r->next) {
        text_write(out, "\n  {\"arn\":", r->arn);
        policies_write(out, r->policies);
        buf_append_cstr(out, r->next ? "}," : "}");
    }
}

static enum err iam_write(const struct iam *iam, struct buf *out)
{
    buf_printf(out, "{\"format\":%d,\n \"users\":[", FORMAT);
    for (const struct iam_user *u = iam->users; u; u = u->next)
        TRY(user_write(iam, u, out));
    buf_append_cstr(out, "],\n \"groups\":[");
    for (const struct iam_group *g = iam->groups; g; g = g->next) {
        text_write(out, "\n  {\"name\":", g->name);
        policies_write(out, g->policies);
        buf_append_cstr(out, g->next ? "}," : "}");
    }
    roles_write(iam, out);
    buf_append_cstr(out, "],\n \"sessions\":[");
    for (const struct iam_session *s = iam->sessions; s; s = s->next)
        TRY(session_write(iam, s, out));
    buf_append_cstr(out, "]}\n");
    return buf_status(out);
}

static enum err seal_key_make(const char *folder, struct iam *iam, struct slice *error)
{
    char hex[2 * IAM_SEAL_KEY_BYTES + 1];
    struct slice path = arena_printf(iam->arena, "%s/iam-key", folder);
    if (!path.bytes)
        return ERR_NO_MEMORY;
    os_random(iam->seal_key, sizeof iam->seal_key);
    hex_encode(iam->seal_key, sizeof iam->seal_key, hex);
    hex[sizeof hex - 1] = '\n';
    enum err err = os_file_replace(path.bytes, slice_of(hex, sizeof hex), 0600);
    OPENSSL_cleanse(hex, sizeof hex);
    if (err)
        *error = arena_printf(iam->arena, "%s: %s", path.bytes, strerror(errno));
    iam->has_seal_key = !err;
    return err;
}

enum err iam_save(const char *folder, struct iam *iam, struct slice *error)
{
    *error = SLICE_NONE;
    if (!iam->has_seal_key)
        TRY(seal_key_make(folder, iam, error));
    struct slice path = arena_printf(iam->arena, "%s/iam.json", folder);
    if (!path.bytes)
        return ERR_NO_MEMORY;
    struct buf out;
    buf_init(&out, IAM_FILE_BYTES_MAX);
    enum err err = iam_write(iam, &out);
    if (!err)
        err = os_file_replace(path.bytes, buf_slice(&out), 0600);
    if (err)
        *error = arena_printf(iam->arena, "%s: %s", path.bytes,
                              err == ERR_IO ? strerror(errno) : err_text(err));
    buf_release(&out);
    return err;
}

enum err iam_lock(const char *folder, int *ret_fd)
{
    char path[4096];
    struct buf text;
    buf_init(&text, sizeof path - 1);
    buf_printf(&text, "%s/iam-lock", folder);
    enum err err = buf_status(&text);
    if (!err) {
        memcpy(path, text.bytes, text.length);
        path[text.length] = '\0';
    }
    buf_release(&text);
    for (int i = 0; !err; i++) {
        enum err lock = os_file_lock(path, ret_fd);
        if (lock != ERR_BUSY || i == LOCK_TRIES)
            return lock;
        os_sleep_us(LOCK_PAUSE_US);
    }
    return err;
}
