/* auth/auth.c - the two steps of a request, and what its caller may do. */
#include "auth/auth.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "auth/directory.h"
#include "auth/permit.h"
#include "auth/sts.h"
#include "base/codec.h"
#include "os/clock.h"

enum { SETTINGS_BYTES_MAX = 64 * 1024 };

static const int64_t skew_us = 300 * (int64_t)1000000;

struct auth {
    struct arena arena; /* holds the texts below */
    struct auth_settings settings;
    struct aws_key_cache *keys;
    struct directory *directory;
};

/* Nobody is what a pass starts as and stays unless both steps accept it. */
enum caller { CALLER_NOBODY, CALLER_ROOT, CALLER_LOCAL, CALLER_USER };

struct auth_pass {
    enum caller caller; /* set by auth_finish() */
    struct auth *auth;
    bool is_local;           /* no credentials asked for */
    struct aws_claim *claim; /* else */
    struct aws_request request;
};

/* ---- opening ---- */

static bool copy_text(struct arena *arena, struct slice *text)
{
    const char *copy = arena_copy(arena, *text);
    text->bytes = copy;
    return copy != NULL;
}

static enum err open_parts(struct auth *auth, const struct auth_settings *settings,
                           struct arena *arena, struct slice *error)
{
    auth->settings = *settings;
    struct auth_settings *s = &auth->settings;
    if (!s->account_id.length)
        s->account_id = SLICE("000000000000");
    bool copied = copy_text(&auth->arena, &s->region) && copy_text(&auth->arena, &s->service) &&
                  copy_text(&auth->arena, &s->account_id) &&
                  copy_text(&auth->arena, &s->root.access_key_id) &&
                  copy_text(&auth->arena, &s->root.secret_access_key);
    if (!copied)
        return ERR_NO_MEMORY;
    TRY(directory_open(s->no_auth ? NULL : s->folder, s->report, s->report_context, arena,
                       &auth->directory, error));
    return aws_key_cache_open(&auth->keys);
}

enum err auth_open_with(const struct auth_settings *settings, struct arena *arena,
                        struct auth **ret_auth, struct slice *error)
{
    if (!settings->no_auth &&
        (!settings->root.access_key_id.length || !settings->root.secret_access_key.length))
        return ERR_INVALID;
    /* Lives as long as the server: no arena to put it in. */
    struct auth *auth = calloc(1, sizeof *auth);
    if (!auth)
        return ERR_NO_MEMORY;
    arena_init(&auth->arena, SETTINGS_BYTES_MAX);
    enum err err = open_parts(auth, settings, arena, error);
    if (err) {
        auth_close(auth);
        return err;
    }
    *ret_auth = auth;
    return ERR_NONE;
}

enum err auth_open(const struct auth_settings *settings, struct auth **ret_auth)
{
    struct arena arena;
    struct slice ignored = SLICE_NONE;
    arena_init(&arena, SETTINGS_BYTES_MAX);
    enum err err = auth_open_with(settings, &arena, ret_auth, &ignored);
    arena_release(&arena);
    return err;
}

void auth_close(struct auth *auth)
{
    if (!auth)
        return;
    directory_close(auth->directory);
    aws_key_cache_close(auth->keys);
    arena_release(&auth->arena);
    free(auth);
}

/* ---- refusing ---- */

static const enum err refusals[] = {
    [AWS_ACCEPTED] = ERR_INTERNAL, /* never sent */
    [AWS_MISSING_TOKEN] = ERR_UNAUTHENTICATED,
    [AWS_INCOMPLETE_SIGNATURE] = ERR_SIGNATURE_FORM,
    [AWS_UNRECOGNIZED_CLIENT] = ERR_CLIENT_UNKNOWN,
    [AWS_INVALID_SIGNATURE] = ERR_SIGNATURE,
    [AWS_EXPIRED_TOKEN] = ERR_EXPIRED,
};

static bool answer(const struct auth *auth, struct http_request *r, enum err err, struct slice text,
                   struct http_response *response)
{
    if (auth && auth->settings.refuse && !auth_is_sts(r))
        auth->settings.refuse(r, err, text, response);
    else
        auth_answer(r, err, text, response);
    return false;
}

static bool refuse(const struct auth *auth, struct http_request *r, enum aws_refusal refusal,
                   struct slice text, struct http_response *response)
{
    CHECK(refusal != AWS_ACCEPTED && (size_t)refusal < ARRAY_COUNT(refusals));
    return answer(auth, r, refusals[refusal], text, response);
}

static bool deny(const struct auth *auth, struct http_request *r, struct slice text,
                 struct http_response *response)
{
    return answer(auth, r, ERR_FORBIDDEN, text, response);
}

/* ---- without credentials ---- */

/* "localhost", "127.x.y.z" or "[::1]", with or without a port. */
static bool is_loopback_host(struct slice host)
{
    host = slice_trim(host);
    if (slice_starts_with(host, SLICE("[::1]")))
        return host.length == 5 || host.bytes[5] == ':';
    struct slice name = slice_cut(&host, ':');
    if (slice_equal_nocase(name, SLICE("localhost")))
        return true;
    size_t parts = 0;
    struct slice rest = name;
    uint64_t first = 0;
    while (rest.bytes) {
        uint64_t part;
        if (!slice_parse_u64(slice_cut(&rest, '.'), &part) || part > 255)
            return false;
        first = parts++ ? first : part;
    }
    return parts == 4 && first == 127;
}

/* A web page may send its visitor's browser to loopback, under a name of its
 * own or from its own origin; neither is the developer at this machine. */
static bool local_begin(const struct auth *auth, struct http_request *r,
                        struct http_response *response)
{
    if (!r->peer_is_loopback)
        return deny(auth, r,
                    SLICE("Without credentials only clients on this machine are answered "
                          "(--no-auth)."),
                    response);
    const struct slice *host = http_header_find(r, "host");
    if (host && !is_loopback_host(*host))
        return deny(auth, r,
                    SLICE("Without credentials only requests to localhost, 127.0.0.1 or [::1] "
                          "are answered (--no-auth); this Host header names another."),
                    response);
    const struct slice *origin = http_header_find(r, "origin");
    if (!origin)
        return true;
    ptrdiff_t at = slice_find(*origin, SLICE("://"));
    bool is_trusted = at >= 0 && is_loopback_host(slice_from(*origin, (size_t)at + 3));
    for (size_t i = 0; !is_trusted && i < auth->settings.origin_count; i++)
        is_trusted = slice_equal(auth->settings.origins[i], *origin);
    if (!is_trusted)
        return deny(auth, r,
                    SLICE("Without credentials web pages of other origins are not answered "
                          "(--no-auth, --cors-origin)."),
                    response);
    return true;
}

/* ---- the two steps ---- */

static struct permit_scope permit_scope_of(const struct auth *auth)
{
    return (struct permit_scope){ auth->settings.region, auth->settings.account_id };
}

/* What the verifier's questions need. */
struct search {
    struct auth *auth;
    struct arena *arena; /* of the request: a secret outlives the snapshot that holds it */
};

static bool keep_secret(struct search *search, struct slice secret, struct slice *ret_secret)
{
    char *copy = arena_copy(search->arena, secret);
    *ret_secret = slice_of(copy, secret.length);
    return copy != NULL;
}

static bool find_secret(void *context, struct slice access_key_id, struct slice *ret_secret)
{
    struct search *search = context;
    const struct aws_credentials *root = &search->auth->settings.root;
    if (slice_equal(access_key_id, root->access_key_id)) {
        *ret_secret = root->secret_access_key;
        return true;
    }
    struct iam_key *key = NULL;
    struct snapshot *snapshot = directory_ref(search->auth->directory);
    bool found = iam_key_find(snapshot_iam(snapshot), access_key_id, &key) &&
                 keep_secret(search, key->secret, ret_secret);
    directory_unref(search->auth->directory, snapshot);
    return found;
}

static enum aws_refusal session_check(struct search *search, const struct iam_session *session,
                                      struct slice token, struct slice *ret_secret)
{
    char hash[65];
    aws_sha256_hex(token, hash);
    if (!session || CRYPTO_memcmp(hash, session->token_sha256, sizeof hash - 1) != 0)
        return AWS_UNRECOGNIZED_CLIENT;
    if (session->expires_us <= os_now_us())
        return AWS_EXPIRED_TOKEN;
    return keep_secret(search, session->secret, ret_secret) ? AWS_ACCEPTED
                                                            : AWS_UNRECOGNIZED_CLIENT;
}

/* A token of STS's: it opens, its owner is there, and its end is not. */
static enum aws_refusal token_check(struct search *search, const struct iam *iam, struct slice id,
                                    struct slice text, struct slice *ret_secret)
{
    struct iam_token token;
    struct permit_caller caller;
    struct permit_scope scope = permit_scope_of(search->auth);
    if (!iam_token_read(iam, id, text, search->arena, &token))
        return AWS_UNRECOGNIZED_CLIENT;
    if (token.expires_us <= os_now_us())
        return AWS_EXPIRED_TOKEN;
    if (permit_caller_find(&scope, iam, id, text, search->arena, &caller))
        return AWS_UNRECOGNIZED_CLIENT;
    *ret_secret = token.secret;
    return AWS_ACCEPTED;
}

static enum aws_refusal find_session(void *context, struct slice access_key_id, struct slice token,
                                     struct slice *ret_secret)
{
    struct search *search = context;
    struct snapshot *snapshot = directory_ref(search->auth->directory);
    const struct iam *iam = snapshot_iam(snapshot);
    const struct iam_session *session = iam_session_find(iam, access_key_id);
    enum aws_refusal refusal = session ? session_check(search, session, token, ret_secret)
                                       : token_check(search, iam, access_key_id, token, ret_secret);
    directory_unref(search->auth->directory, snapshot);
    return refusal;
}

static struct aws_verifier verifier_for(struct search *search, const struct http_request *r)
{
    struct auth *auth = search->auth;
    return (struct aws_verifier){
        .region = auth->settings.region,
        .service = auth_is_sts(r) ? SLICE("sts") : auth->settings.service,
        .skew_us = skew_us,
        .host_without_port = auth->settings.host_without_port || r->peer_is_loopback,
        .find_secret = find_secret,
        .find_session = find_session,
        .context = search,
        .keys = auth->keys,
    };
}

static bool copy_request(const struct http_request *r, struct aws_request *out)
{
    struct aws_header *headers = arena_array(r->arena, r->header_count, sizeof *headers);
    if (!headers)
        return false;
    for (size_t i = 0; i < r->header_count; i++)
        headers[i] = (struct aws_header){ r->headers[i].name, r->headers[i].value };
    *out = (struct aws_request){ .method = r->method,
                                 .path = r->path,
                                 .query = r->query,
                                 .headers = headers,
                                 .header_count = r->header_count };
    return true;
}

bool auth_begin(struct auth *auth, struct http_request *r, struct auth_pass **ret_pass,
                struct http_response *response)
{
    struct auth_pass *pass = arena_alloc(r->arena, sizeof *pass);
    if (!pass || !copy_request(r, &pass->request))
        return answer(auth, r, ERR_NO_MEMORY, SLICE("out of memory"), response);
    pass->auth = auth;
    *ret_pass = pass;
    if (auth->settings.no_auth) {
        pass->is_local = local_begin(auth, r, response);
        return pass->is_local;
    }
    struct search search = { auth, r->arena };
    struct aws_verifier verifier = verifier_for(&search, r);
    struct slice text = SLICE_NONE;
    enum aws_refusal refusal =
        aws_verify_begin(r->arena, &verifier, &pass->request, os_now_us(), &pass->claim, &text);
    return refusal ? refuse(auth, r, refusal, text, response) : true;
}

bool auth_finish(struct auth *auth, struct http_request *r, struct auth_pass *pass,
                 struct http_response *response)
{
    if (pass && pass->is_local) {
        pass->caller = CALLER_LOCAL;
        return true;
    }
    if (!pass || !pass->claim)
        return refuse(auth, r, AWS_MISSING_TOKEN, SLICE("Missing Authentication Token"), response);
    hex_encode(r->body_sha256, sizeof r->body_sha256, pass->request.payload_sha256);
    struct search search = { auth, r->arena };
    struct aws_verifier verifier = verifier_for(&search, r);
    struct slice text = SLICE_NONE;
    enum aws_refusal refusal =
        aws_verify_finish(r->arena, &verifier, &pass->request, pass->claim, &text);
    if (refusal)
        return refuse(auth, r, refusal, text, response);
    struct slice id = aws_claim_access_key(pass->claim);
    bool is_root = slice_equal(id, auth->settings.root.access_key_id);
    pass->caller = is_root ? CALLER_ROOT : CALLER_USER;
    return true;
}

struct slice auth_caller(const struct auth_pass *pass)
{
    switch (pass ? pass->caller : CALLER_NOBODY) {
    case CALLER_ROOT:
        return SLICE("root");
    case CALLER_LOCAL:
        return SLICE("local");
    case CALLER_USER:
        return aws_claim_access_key(pass->claim);
    case CALLER_NOBODY:
        break;
    }
    return SLICE_NONE;
}

/* ---- permission ---- */

bool auth_permits(struct http_request *r, const struct auth_pass *pass, const char *action,
                  const struct auth_target *target, struct slice *ret_text)
{
    if (pass && (pass->caller == CALLER_ROOT || pass->caller == CALLER_LOCAL))
        return true;
    struct slice text =
        arena_printf(r->arena, "The caller is not authorized to perform: %s", action);
    *ret_text = text.bytes ? text : SLICE("not authorized");
    if (!pass || pass->caller != CALLER_USER)
        return false;
    struct auth *auth = pass->auth;
    struct permit_scope scope = permit_scope_of(auth);
    struct permit_caller caller;
    struct snapshot *snapshot = directory_ref(auth->directory);
    const struct iam *iam = snapshot_iam(snapshot);
    enum err err = permit_caller_find(&scope, iam, aws_claim_access_key(pass->claim),
                                      aws_claim_session_token(pass->claim), r->arena, &caller);
    if (err) /* taken away since the request began */
        *ret_text = SLICE("The security token included in the request is invalid.");
    bool may = !err && permit_ask(&scope, iam, r, &caller, slice_cstr(action), target, ret_text);
    directory_unref(auth->directory, snapshot);
    return may;
}

bool auth_may_on(struct http_request *r, const struct auth_pass *pass, const char *action,
                 const struct auth_target *target, struct http_response *response)
{
    struct slice text;
    return auth_permits(r, pass, action, target, &text) ||
           deny(pass ? pass->auth : NULL, r, text, response);
}

bool auth_may(struct http_request *r, const struct auth_pass *pass, const char *action,
              struct http_response *response)
{
    static const struct auth_target all = { .arn = SLICE_INIT("*") };
    return auth_may_on(r, pass, action, &all, response);
}

/* ---- STS ---- */

void auth_sts_handle(struct auth *auth, struct http_request *r, const struct auth_pass *pass,
                     struct http_response *response)
{
    struct permit_scope scope = permit_scope_of(auth);
    struct permit_caller caller = { .user = NULL };
    bool is_root = pass && (pass->caller == CALLER_ROOT || pass->caller == CALLER_LOCAL);
    struct snapshot *snapshot = directory_ref(auth->directory);
    const struct iam *iam = snapshot_iam(snapshot);
    if (is_root || (pass && pass->caller == CALLER_USER &&
                    !permit_caller_find(&scope, iam, aws_claim_access_key(pass->claim),
                                        aws_claim_session_token(pass->claim), r->arena, &caller)))
        sts_answer(&scope, iam, r, is_root ? NULL : &caller, response);
    else
        refuse(auth, r, AWS_UNRECOGNIZED_CLIENT,
               SLICE("The security token included in the request is invalid."), response);
    directory_unref(auth->directory, snapshot);
}
