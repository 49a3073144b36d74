#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "base/codec.h"
#include "json/json.h"
#include "os/clock.h"
#include "os/file.h"

enum { HEADERS_MAX = 16 };

struct fixture {
    struct arena arena;
    struct auth *auth;
    struct http_request request;
    struct http_header headers[HEADERS_MAX];
    struct http_response response;
};

static const struct aws_credentials root = { SLICE_INIT("TARNROOT"), SLICE_INIT("secret"),
                                             { NULL, 0 } };

static void open_fixture(struct fixture *f, bool no_auth)
{
    *f = (struct fixture){ 0 };
    arena_init(&f->arena, 1 << 20);
    struct auth_settings settings = { .region = SLICE("us-east-1"),
                                      .service = SLICE("healthlake"),
                                      .root = root,
                                      .no_auth = no_auth };
    assert_int_equal(auth_open(&settings, &f->auth), ERR_NONE);
    f->request = (struct http_request){ .method = SLICE("GET"),
                                        .path = SLICE("/datastore/x/r4/Patient"),
                                        .query = SLICE("_count=1"),
                                        .headers = f->headers,
                                        .header_count = 1,
                                        .peer_is_loopback = true,
                                        .arena = &f->arena };
    f->headers[0] = (struct http_header){ SLICE("Host"), SLICE("127.0.0.1:8080") };
    char hex[65];
    aws_sha256_hex(SLICE(""), hex);
    assert_true(hex_decode(slice_cstr(hex), f->request.body_sha256, HTTP_SHA256_BYTES));
}

static void close_fixture(struct fixture *f)
{
    auth_close(f->auth);
    arena_release(&f->arena);
}

static void sign(struct fixture *f, const struct aws_credentials *credentials)
{
    struct aws_header host = { f->headers[0].name, f->headers[0].value };
    struct aws_request r = { .method = f->request.method,
                             .path = f->request.path,
                             .query = f->request.query,
                             .headers = &host,
                             .header_count = 1 };
    aws_sha256_hex(SLICE(""), r.payload_sha256);
    struct aws_scope scope = { SLICE("us-east-1"), SLICE("healthlake"), os_now_us() };
    struct aws_header *added;
    size_t count;
    assert_int_equal(aws_sign(&f->arena, &r, credentials, &scope, NULL, &added, &count), ERR_NONE);
    for (size_t i = 0; i < count; i++)
        f->headers[f->request.header_count++] = (struct http_header){ added[i].name,
                                                                      added[i].value };
}

static bool pass_all(struct fixture *f)
{
    struct auth_pass *pass = NULL;
    return auth_begin(f->auth, &f->request, &pass, &f->response) &&
           auth_finish(f->auth, &f->request, pass, &f->response) &&
           auth_may(&f->request, pass, "healthlake:ReadResource", &f->response);
}

static void assert_refused(struct fixture *f, int status, const char *type)
{
    assert_int_equal(f->response.status, status);
    struct json_doc doc;
    struct json_error error;
    assert_int_equal(json_parse(f->response.body, NULL, &f->arena, &doc, &error), ERR_NONE);
    assert_true(json_string_is(json_member(json_root(&doc), "__type"), slice_cstr(type)));
    assert_true(json_is(json_member(json_root(&doc), "message"), JSON_STRING));
    bool has_header = false;
    for (size_t i = 0; i < f->response.header_count; i++)
        has_header = has_header || (slice_is(f->response.headers[i].name, "x-amzn-ErrorType") &&
                                    slice_is(f->response.headers[i].value, type));
    assert_true(has_header);
}

static void the_root_key_may_do_everything(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, false);
    sign(&f, &root);
    assert_true(pass_all(&f));
    close_fixture(&f);
}

static void refusals_are_shaped_as_awss(void **state)
{
    (void)state;
    struct aws_credentials stranger = root, liar = root;
    stranger.access_key_id = SLICE("TARNOTHER");
    liar.secret_access_key = SLICE("guessed");
    static const struct aws_credentials none = { 0 };
    const struct {
        const struct aws_credentials *credentials;
        int status;
        const char *type;
    } rows[] = {
        { &none, 401, "MissingAuthenticationTokenException" },
        { &stranger, 403, "UnrecognizedClientException" },
        { &liar, 403, "InvalidSignatureException" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct fixture f;
        open_fixture(&f, false);
        if (rows[i].credentials->access_key_id.length)
            sign(&f, rows[i].credentials);
        assert_false(pass_all(&f));
        assert_refused(&f, rows[i].status, rows[i].type);
        close_fixture(&f);
    }
}

static void a_changed_body_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, false);
    sign(&f, &root);
    f.request.body_sha256[0] ^= 1;
    assert_false(pass_all(&f));
    assert_refused(&f, 403, "InvalidSignatureException");
    close_fixture(&f);
}

static void a_forgotten_step_denies(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, false);
    sign(&f, &root);
    struct auth_pass *pass = NULL;
    assert_false(auth_may(&f.request, NULL, "healthlake:ReadResource", &f.response));
    assert_refused(&f, 403, "AccessDeniedException");
    assert_false(auth_finish(f.auth, &f.request, NULL, &f.response));
    assert_true(auth_begin(f.auth, &f.request, &pass, &f.response));
    assert_false(auth_may(&f.request, pass, "healthlake:ReadResource", &f.response));
    close_fixture(&f);
}

static void without_credentials_only_this_machine_is_answered(void **state)
{
    (void)state;
    static const struct {
        bool loopback;
        const char *host, *origin;
        bool accepted;
    } rows[] = {
        { true, "127.0.0.1:8080", NULL, true },
        { true, "localhost:8080", NULL, true },
        { true, "[::1]:8080", NULL, true },
        { true, "127.0.0.1", "http://localhost:3000", true },
        { false, "127.0.0.1:8080", NULL, false },
        { true, "evil.example:8080", NULL, false },
        { true, "127.0.0.1.evil.example", NULL, false },
        { true, "[::1].evil.example", NULL, false },
        { true, "127.0.0.1:8080", "https://evil.example", false },
        { true, "127.0.0.1:8080", "null", false },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct fixture f;
        open_fixture(&f, true);
        f.request.peer_is_loopback = rows[i].loopback;
        f.headers[0].value = slice_cstr(rows[i].host);
        if (rows[i].origin)
            f.headers[f.request.header_count++] =
                (struct http_header){ SLICE("Origin"), slice_cstr(rows[i].origin) };
        bool accepted = pass_all(&f);
        if (accepted != rows[i].accepted)
            fail_msg("host %s, origin %s", rows[i].host, rows[i].origin ? rows[i].origin : "-");
        if (!accepted)
            assert_refused(&f, 403, "AccessDeniedException");
        close_fixture(&f);
    }
}

/* ---- the root key ---- */

static enum err find_root(struct arena *arena, const char *folder, bool may_make,
                          struct aws_credentials *ret, enum auth_root_origin *origin,
                          struct slice *path)
{
    struct slice error = SLICE_NONE;
    enum err err = auth_root_find(folder, may_make, arena, ret, origin, path, &error);
    assert_true(!err || error.length > 0);
    return err;
}

static void a_root_key_is_made_once_and_kept_private(void **state)
{
    (void)state;
    char folder[] = "/tmp/tarn-root-XXXXXX";
    assert_non_null(mkdtemp(folder));
    unsetenv("TARN_ROOT_ACCESS_KEY_ID");
    unsetenv("TARN_ROOT_SECRET_ACCESS_KEY");
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct aws_credentials first, second;
    enum auth_root_origin origin;
    struct slice path;
    assert_int_equal(find_root(&arena, folder, false, &first, &origin, &path), ERR_NOT_FOUND);
    assert_int_equal(find_root(&arena, folder, true, &first, &origin, &path), ERR_NONE);
    assert_int_equal(origin, AUTH_ROOT_MADE);
    assert_int_equal(first.access_key_id.length, 20);
    assert_int_equal(first.secret_access_key.length, 40);
    unsigned mode;
    assert_int_equal(os_file_mode(path.bytes, &mode), ERR_NONE);
    assert_int_equal(mode, 0600);
    assert_int_equal(find_root(&arena, folder, true, &second, &origin, &path), ERR_NONE);
    assert_int_equal(origin, AUTH_ROOT_FILE);
    assert_true(slice_equal(first.access_key_id, second.access_key_id));
    assert_true(slice_equal(first.secret_access_key, second.secret_access_key));
    assert_int_equal(os_file_replace(path.bytes, SLICE("[default]\n"), 0644), ERR_NONE);
    assert_int_equal(find_root(&arena, folder, true, &first, &origin, &path), ERR_INVALID);
    assert_int_equal(os_file_replace(path.bytes, SLICE("[default]\n"), 0600), ERR_NONE);
    assert_int_equal(find_root(&arena, folder, true, &first, &origin, &path), ERR_INVALID);
    assert_int_equal(os_folder_remove(folder), ERR_NONE);
    arena_release(&arena);
}

static void the_environment_sets_the_root_key_whole_or_not_at_all(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct aws_credentials found;
    enum auth_root_origin origin;
    struct slice path;
    setenv("TARN_ROOT_ACCESS_KEY_ID", "id", 1);
    unsetenv("TARN_ROOT_SECRET_ACCESS_KEY");
    assert_int_equal(find_root(&arena, "/nowhere", true, &found, &origin, &path), ERR_INVALID);
    setenv("TARN_ROOT_SECRET_ACCESS_KEY", "secret", 1);
    assert_int_equal(find_root(&arena, "/nowhere", true, &found, &origin, &path), ERR_NONE);
    assert_int_equal(origin, AUTH_ROOT_ENVIRONMENT);
    assert_true(slice_is(found.secret_access_key, "secret"));
    unsetenv("TARN_ROOT_ACCESS_KEY_ID");
    unsetenv("TARN_ROOT_SECRET_ACCESS_KEY");
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_key_may_do_everything),
        cmocka_unit_test(refusals_are_shaped_as_awss),
        cmocka_unit_test(a_changed_body_is_refused),
        cmocka_unit_test(a_forgotten_step_denies),
        cmocka_unit_test(without_credentials_only_this_machine_is_answered),
        cmocka_unit_test(a_root_key_is_made_once_and_kept_private),
        cmocka_unit_test(the_environment_sets_the_root_key_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
