#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/file.h"
#include "os/thread.h"
#include "server/folder.h"
#include "server/server.h"

struct fixture {
    struct arena arena;
    char folder[64];
    struct server_settings settings;
    struct slice error;
};

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){ .folder = "/tmp/tarn-server-XXXXXX" };
    arena_init(&f->arena, 64 << 20);
    assert_non_null(mkdtemp(f->folder));
    f->settings = (struct server_settings){
        .data = f->folder,
        .address = "127.0.0.1",
        .no_auth = true,
        .region = SLICE("us-east-1"),
        .account_id = SLICE("000000000000"),
        .software_version = SLICE("test"),
        .behaviour = rest_behaviour_open(),
    };
}

static void close_fixture(struct fixture *f)
{
    assert_int_equal(os_folder_remove(f->folder), ERR_NONE);
    arena_release(&f->arena);
}

static struct server *start(struct fixture *f)
{
    struct server *server = NULL;
    if (server_start(&f->settings, &f->arena, &server, &f->error))
        fail_msg("%.*s", SLICE_ARGS(f->error));
    return server;
}

/* The status of one request; a body goes with PUT. */
static int call(struct http_client *client, struct arena *arena, const char *method,
                struct slice url, struct slice body)
{
    struct http_header media = { SLICE("Content-Type"), SLICE("application/fhir+json") };
    struct http_exchange x = { .method = slice_cstr(method),
                               .url = url,
                               .headers = &media,
                               .header_count = 1,
                               .body = body };
    return http_client_perform(client, &x, arena) ? 0 : x.status;
}

static void a_second_server_on_the_same_folder_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    struct server *server = start(&f), *rival;
    assert_int_equal(server_start(&f.settings, &f.arena, &rival, &f.error), ERR_BUSY);
    assert_true(slice_find(f.error, SLICE("another tarn server")) >= 0);
    assert_int_equal(server_stop(server, 1), ERR_NONE);
    server = start(&f);
    assert_int_equal(server_stop(server, 1), ERR_NONE);
    close_fixture(&f);
}

static void what_was_written_is_there_after_a_restart(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    struct http_client *client;
    assert_int_equal(http_client_open(&client), ERR_NONE);
    struct slice body = SLICE("{\"resourceType\":\"Patient\",\"id\":\"a\"}");
    for (int round = 0; round < 2; round++) {
        struct server *server = start(&f);
        struct slice url = arena_printf(&f.arena, "%.*s/datastore/%.*s/r4/Patient/a",
                                        SLICE_ARGS(server_url(server)),
                                        SLICE_ARGS(server_datastore_id(server)));
        assert_int_equal(call(client, &f.arena, "GET", url, SLICE_NONE), round ? 200 : 404);
        assert_int_equal(call(client, &f.arena, "PUT", url, body), round ? 200 : 201);
        assert_int_equal(server_stop(server, 1), ERR_NONE);
    }
    http_client_close(client);
    close_fixture(&f);
}

struct work {
    struct slice base;
    int number;
    int failed;
};

static void *write_and_read(void *context)
{
    struct work *w = context;
    struct arena arena;
    arena_init(&arena, 16 << 20);
    struct http_client *client;
    CHECK(http_client_open(&client) == ERR_NONE);
    for (int i = 0; i < 25; i++) {
        struct slice url =
            arena_printf(&arena, "%.*s/Patient/p%d-%d", SLICE_ARGS(w->base), w->number, i % 10);
        struct slice body = arena_printf(
            &arena, "{\"resourceType\":\"Patient\",\"id\":\"p%d-%d\",\"active\":%s}", w->number,
            i % 10, i % 2 ? "true" : "false");
        int put = call(client, &arena, "PUT", url, body);
        int get = call(client, &arena, "GET", url, SLICE_NONE);
        w->failed += (put != 200 && put != 201) || get != 200;
    }
    http_client_close(client);
    arena_release(&arena);
    return NULL;
}

static void many_clients_write_and_read_at_once(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    struct server *server = start(&f);
    struct work work[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        work[i] = (struct work){ .number = i };
        work[i].base = arena_printf(&f.arena, "%.*s/datastore/%.*s/r4",
                                    SLICE_ARGS(server_url(server)),
                                    SLICE_ARGS(server_datastore_id(server)));
        assert_int_equal(thread_start(&threads[i], write_and_read, &work[i]), ERR_NONE);
    }
    for (int i = 0; i < 4; i++) {
        thread_join(threads[i]);
        assert_int_equal(work[i].failed, 0);
    }
    assert_int_equal(server_stop(server, 1), ERR_NONE);
    close_fixture(&f);
}

static void wrong_settings_are_refused_with_a_remedy(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    const struct server_settings right = f.settings;
    struct server *server;
    f.settings.address = "0.0.0.0";
    assert_int_equal(server_start(&f.settings, &f.arena, &server, &f.error), ERR_INVALID);
    assert_true(slice_find(f.error, SLICE("--listen 127.0.0.1")) >= 0);
    f.settings = right;
    f.settings.account_id = SLICE("12");
    assert_int_equal(server_start(&f.settings, &f.arena, &server, &f.error), ERR_INVALID);
    f.settings = right;
    f.settings.public_url = SLICE("example.org");
    assert_int_equal(server_start(&f.settings, &f.arena, &server, &f.error), ERR_INVALID);
    f.settings = right;
    f.settings.datastore_id = SLICE("short");
    assert_int_equal(server_start(&f.settings, &f.arena, &server, &f.error), ERR_INVALID);
    close_fixture(&f);
}

/* ---- folder ---- */

static void a_folder_keeps_its_data_store(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    struct folder folder;
    struct slice id = SLICE("0123456789ABCDEFabcdef0123456789");
    assert_int_equal(folder_open(&folder, f.folder, id, &f.arena, &f.error), ERR_NONE);
    folder_close(&folder);
    assert_int_equal(folder_open(&folder, f.folder, SLICE_NONE, &f.arena, &f.error), ERR_NONE);
    assert_true(slice_equal(folder.datastore_id, id));
    folder_close(&folder);
    assert_int_equal(folder_open(&folder, f.folder, SLICE("99999999999999999999999999999999"),
                                 &f.arena, &f.error),
                     ERR_CONFLICT);
    assert_true(slice_find(f.error, id) >= 0);
    close_fixture(&f);
}

static void damaged_and_newer_settings_are_not_guessed_at(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err err;
    } rows[] = {
        { "", ERR_CORRUPT },
        { "{\"format\":1}", ERR_CORRUPT },
        { "{\"format\":1,\"defaultDatastore\":\"../../../../../etc/passwd\"}", ERR_CORRUPT },
        { "{\"format\":2,\"defaultDatastore\":\"x\"}", ERR_UNSUPPORTED },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct fixture f;
        open_fixture(&f);
        struct slice path = arena_printf(&f.arena, "%s/tarn.json", f.folder);
        assert_int_equal(os_file_replace(path.bytes, slice_cstr(rows[i].text), 0600), ERR_NONE);
        struct folder folder;
        assert_int_equal(folder_open(&folder, f.folder, SLICE_NONE, &f.arena, &f.error),
                         rows[i].err);
        assert_true(slice_find(f.error, SLICE("tarn.json")) >= 0);
        close_fixture(&f);
    }
}

/* ---- address ---- */

static void addresses_to_listen_on_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text, *address;
        int port; /* -1: refused */
    } rows[] = {
        { "127.0.0.1:8080", "127.0.0.1", 8080 },
        { "127.0.0.1:0", "127.0.0.1", 0 },
        { "localhost:9", "127.0.0.1", 9 },
        { "[::1]:8080", "::1", 8080 },
        { "::1", "::1", 7 },
        { "0.0.0.0", "0.0.0.0", 7 },
        { "8081", "start", 8081 },
        { "example.org:80", NULL, -1 },
        { "127.0.0.1:65536", NULL, -1 },
        { "127.0.0.1:", NULL, -1 },
        { "127.0.0.1:x", NULL, -1 },
        { "", NULL, -1 },
        { ":80", NULL, -1 },
        { "[::1", NULL, -1 },
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct server_settings s = { .address = "start", .port = 7 };
        bool fits = server_listen_parse(&arena, slice_cstr(rows[i].text), &s);
        if (fits != (rows[i].port >= 0))
            fail_msg("'%s'", rows[i].text);
        if (fits) {
            assert_string_equal(s.address, rows[i].address);
            assert_int_equal(s.port, rows[i].port);
        }
    }
    arena_release(&arena);
}

static void only_loopback_is_loopback(void **state)
{
    (void)state;
    assert_true(server_is_loopback("127.0.0.1"));
    assert_true(server_is_loopback("127.8.9.10"));
    assert_true(server_is_loopback("::1"));
    assert_false(server_is_loopback("0.0.0.0"));
    assert_false(server_is_loopback("::"));
    assert_false(server_is_loopback("128.0.0.1"));
    assert_false(server_is_loopback("localhost.example"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_server_on_the_same_folder_is_refused),
        cmocka_unit_test(what_was_written_is_there_after_a_restart),
        cmocka_unit_test(many_clients_write_and_read_at_once),
        cmocka_unit_test(wrong_settings_are_refused_with_a_remedy),
        cmocka_unit_test(a_folder_keeps_its_data_store),
        cmocka_unit_test(damaged_and_newer_settings_are_not_guessed_at),
        cmocka_unit_test(addresses_to_listen_on_are_understood),
        cmocka_unit_test(only_loopback_is_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
