/* auth/iam.h - users, keys, groups, roles, sessions and policies: <data>/iam.json.
 *
 *     {"format":1,
 *      "users":[{"name":"app","created":"2026-01-02T03:04:05Z","groups":["readers"],
 *                "keys":[{"id":"TARN...","secret":"<sealed>","created":"..."}],
 *                "policies":[{"name":"guide","document":{...}}],"boundary":{...}}],
 *      "groups":[{"name":"readers","policies":[...]}],
 *      "roles":[{"name":"etl","created":"...","maxSeconds":3600,"trust":{...},
 *                "policies":[...],"boundary":{...}}],
 *      "resources":[{"arn":"arn:aws:healthlake:...","policies":[...]}],
 *      "sessions":[{"id":"TARNS...","secret":"<sealed>","tokenSha256":"<hex>","user":"app",
 *                   "created":"...","expires":"...","policy":{...}}]}
 *
 * Sealed: base64url of nonce (12), ciphertext and tag (16) of AES-256-GCM, with the
 * key's id as additional data, under the 32 bytes of <data>/iam-key (hex). Of a
 * session's token only the hash is kept; sessions that STS gives out are not kept at
 * all, their token says all of it, sealed (struct iam_token). Both files have mode 0600. Every edit
 * is made under the lock <data>/iam-lock and replaces the file whole.
 *
 * A struct iam lies in one arena and is not changed by who only asks.
 */
#ifndef AUTH_IAM_H
#define AUTH_IAM_H

#include <stdint.h>

#include "aws/aws.h"
#include "base/arena.h"

enum { IAM_ARENA_BYTES = 64 << 20, IAM_FILE_BYTES_MAX = 16 << 20, IAM_SEAL_KEY_BYTES = 32 };

struct iam_policy {
    struct iam_policy *next;
    struct slice name, document;
    const struct policy *compiled;
};

struct iam_name {
    struct iam_name *next;
    struct slice name;
};

struct iam_key {
    struct iam_key *next;
    struct slice id, secret; /* the secret in plain */
    int64_t created_us;
};

struct iam_user {
    struct iam_user *next;
    struct slice name;
    int64_t created_us;
    struct iam_name *groups;
    struct iam_key *keys;
    struct iam_policy *policies;
    struct iam_policy *boundary; /* at most one: what the policies may allow; NULL: all */
};

struct iam_group {
    struct iam_group *next;
    struct slice name;
    struct iam_policy *policies;
};

struct iam_role {
    struct iam_role *next;
    struct slice name;
    int64_t created_us;
    uint64_t max_seconds;     /* of a session */
    struct iam_policy *trust; /* who may assume it; one, a resource's */
    struct iam_policy *policies;
    struct iam_policy *boundary; /* as a user's */
};

/* What a resource's own policies say. */
struct iam_resource {
    struct iam_resource *next;
    struct slice arn;
    struct iam_policy *policies;
};

struct iam_session {
    struct iam_session *next;
    struct slice id, secret, user;
    char token_sha256[65];
    int64_t created_us, expires_us;
    struct iam_policy *policy; /* NULL: all that the user may */
};

struct iam {
    struct arena *arena;
    struct iam_user *users;
    struct iam_group *groups;
    struct iam_role *roles;
    struct iam_resource *resources;
    struct iam_session *sessions;
    uint8_t seal_key[IAM_SEAL_KEY_BYTES];
    bool has_seal_key;
};

/* All of it, secrets opened, policies compiled; empty when there is no file.
 * *error names file and place. ERR_INVALID (also when others may read a file),
 * ERR_CORRUPT (a secret does not open), ERR_UNSUPPORTED (a newer format), ... */
MUST_USE enum err iam_load(const char *folder, struct arena *arena, struct iam *ret,
                           struct slice *error);
/* Under the lock. Makes the sealing key when there is none. */
MUST_USE enum err iam_save(const char *folder, struct iam *iam, struct slice *error);
/* Waits up to ten seconds for it; ERR_BUSY. Closing the descriptor frees it. */
MUST_USE enum err iam_lock(const char *folder, int *ret_fd);

struct iam_user *iam_user_find(const struct iam *iam, struct slice name); /* NULL when absent */
struct iam_group *iam_group_find(const struct iam *iam, struct slice name);
/* The user of an access key, and the key; NULL when absent. */
struct iam_user *iam_key_find(const struct iam *iam, struct slice id, struct iam_key **ret_key);
struct iam_session *iam_session_find(const struct iam *iam, struct slice id);
struct iam_role *iam_role_find(const struct iam *iam, struct slice name);
struct iam_resource *iam_resource_find(const struct iam *iam, struct slice arn);

/* What the user's own and its groups' policies are; in the arena. */
MUST_USE enum err iam_policies_of(const struct iam *iam, const struct iam_user *user,
                                  struct arena *arena, struct policy_list *ret);
/* The compiled policies of one list. */
MUST_USE enum err iam_policies_list(const struct iam_policy *first, struct arena *arena,
                                    struct policy_list *ret);

/* ---- edits; texts are copied ---- */

/* 1 to 64 of letters, digits and + = , . @ _ - */
bool iam_name_is_valid(struct slice name);
MUST_USE enum err iam_user_add(struct iam *iam, struct slice name, int64_t now_us);
MUST_USE enum err iam_group_add(struct iam *iam, struct slice name);
/* A new random key, in front of the user's others. */
MUST_USE enum err iam_key_add(struct iam *iam, struct iam_user *user, int64_t now_us,
                              struct iam_key **ret_key);
/* A new or another policy of that name in *list. *error: what is wrong with it. */
MUST_USE enum err iam_policy_put(struct iam *iam, struct iam_policy **list, enum policy_kind kind,
                                 struct slice name, struct slice document, struct slice *error);
/* `trust` says who may assume it. *error: what is wrong with that. */
MUST_USE enum err iam_role_add(struct iam *iam, struct slice name, int64_t now_us,
                               uint64_t max_seconds, struct slice trust, struct slice *error);
/* The resource's row, made if absent. */
MUST_USE enum err iam_resource_need(struct iam *iam, struct slice arn, struct iam_resource **ret);
/* A session and, told once, its token. Sessions past their end are dropped. */
MUST_USE enum err iam_session_add(struct iam *iam, const struct iam_user *user, int64_t now_us,
                                  int64_t life_us, struct slice policy, struct slice *error,
                                  struct iam_session **ret_session, struct slice *ret_token);
void iam_sessions_of_remove(struct iam *iam, struct slice user);

/* ---- temporary credentials without a row ---- */

enum { IAM_SESSION_POLICY_BYTES = 2048, IAM_TOKEN_BYTES_MAX = 12 * 1024 };

/* What a session token says: who it stands for, and until when. A user or role that
 * is deleted, or made again, ends its tokens. */
struct iam_token {
    struct slice id, secret;
    struct slice user, role; /* one of them */
    struct slice session;    /* name of a role's session */
    struct slice policy;     /* the session's own; may be empty */
    int64_t owner_created_us, issued_us, expires_us;
};

/* id and secret are made, the others given; *ret_text is the token. */
MUST_USE enum err iam_token_make(const struct iam *iam, struct iam_token *token,
                                 struct arena *arena, struct slice *ret_text);
/* False when the text is not a token of that key. Its end is not looked at. */
bool iam_token_read(const struct iam *iam, struct slice id, struct slice text, struct arena *arena,
                    struct iam_token *ret);

/* ---- random texts ---- */

enum { IAM_SECRET_RANDOM_BYTES = 30 };
/* The prefix and 16 letters and digits, as AWS's key ids have them. */
MUST_USE enum err iam_random_id(struct arena *arena, const char *prefix, struct slice *ret);
/* At most 48 random bytes in base64url. */
MUST_USE enum err iam_random_text(struct arena *arena, size_t count, struct slice *ret);

/* ---- sealing ---- */

MUST_USE enum err iam_seal(const uint8_t key[IAM_SEAL_KEY_BYTES], struct slice id,
                           struct slice secret, struct arena *arena, struct slice *ret_sealed);
/* False when it was not sealed so. */
bool iam_unseal(const uint8_t key[IAM_SEAL_KEY_BYTES], struct slice id, struct slice sealed,
                struct arena *arena, struct slice *ret_secret);

#endif
