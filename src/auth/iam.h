/* auth/iam.h - users, keys, groups, sessions and policies: <data>/iam.json.
 *
 *     {"format":1,
 *      "users":[{"name":"app","created":"2026-01-02T03:04:05Z","groups":["readers"],
 *                "keys":[{"id":"TARN...","secret":"<sealed>","created":"..."}],
 *                "policies":[{"name":"guide","document":{...}}]}],
 *      "groups":[{"name":"readers","policies":[...]}],
 *      "sessions":[{"id":"TARNS...","secret":"<sealed>","tokenSha256":"<hex>","user":"app",
 *                   "created":"...","expires":"...","policy":{...}}]}
 *
 * Sealed: base64url of nonce (12), ciphertext and tag (16) of AES-256-GCM, with the
 * key's id as additional data, under the 32 bytes of <data>/iam-key (hex). Of a
 * session's token only the hash is kept. Both files have mode 0600. Every edit is
 * made under the lock <data>/iam-lock and replaces the file whole.
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
};

struct iam_group {
    struct iam_group *next;
    struct slice name;
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

/* What the user's own and its groups' policies are; in the arena. */
MUST_USE enum err iam_policies_of(const struct iam *iam, const struct iam_user *user,
                                  struct arena *arena, struct policy_list *ret);

/* ---- edits; texts are copied ---- */

/* 1 to 64 of letters, digits and + = , . @ _ - */
bool iam_name_is_valid(struct slice name);
MUST_USE enum err iam_user_add(struct iam *iam, struct slice name, int64_t now_us);
MUST_USE enum err iam_group_add(struct iam *iam, struct slice name);
/* A new random key, in front of the user's others. */
MUST_USE enum err iam_key_add(struct iam *iam, struct iam_user *user, int64_t now_us,
                              struct iam_key **ret_key);
/* A new or another policy of that name in *list. *error: what is wrong with it. */
MUST_USE enum err iam_policy_put(struct iam *iam, struct iam_policy **list, struct slice name,
                                 struct slice document, struct slice *error);
/* A session and, told once, its token. Sessions past their end are dropped. */
MUST_USE enum err iam_session_add(struct iam *iam, const struct iam_user *user, int64_t now_us,
                                  int64_t life_us, struct slice policy, struct slice *error,
                                  struct iam_session **ret_session, struct slice *ret_token);
void iam_sessions_of_remove(struct iam *iam, struct slice user);

/* ---- sealing ---- */

MUST_USE enum err iam_seal(const uint8_t key[IAM_SEAL_KEY_BYTES], struct slice id,
                           struct slice secret, struct arena *arena, struct slice *ret_sealed);
/* False when it was not sealed so. */
bool iam_unseal(const uint8_t key[IAM_SEAL_KEY_BYTES], struct slice id, struct slice sealed,
                struct arena *arena, struct slice *ret_secret);

#endif
