/* The registry and the jobs as a whole: kept over a restart, refused when damaged, and
 * asked by many threads at once (for ThreadSanitizer, too). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "control/control.h"
#include "json/json.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/thread.h"
#include "server/opener.h"

#define DEFAULT_ID "00000000000000000000000000000001"

struct world {
    char folder[64];
    bool is_broken; /* no further data store opens */
    struct server_settings server;
    struct opener opener;
    struct control *control;
    struct arena arena;
};

static enum err open_or_not(void *context, struct slice datastore_id, const char *folder,
                            struct arena *arena, struct control_store *ret_store,
                            struct slice *error)
{
    struct world *w = context;
    *error = SLICE("the disk is on fire");
    return w->is_broken ? ERR_IO
                        : opener_open(&w->opener, datastore_id, folder, arena, ret_store, error);
}

static enum err close_one(void *context, struct control_store *store)
{
    struct world *w = context;
    return opener_close(&w->opener, store);
}

static enum err open_control(struct world *w, struct slice *error)
{
    struct slice root = arena_printf(&w->arena, "%s/s3", w->folder);
    struct control_settings settings = {
        .folder = w->folder,
        .region = SLICE("us-east-1"),
        .account_id = SLICE("000000000000"),
        .default_id = SLICE(DEFAULT_ID),
        .opener = { .context = w, .open = open_or_not, .close = close_one },
        .s3_root = root.bytes,
    };
    return control_open(&settings, &w->arena, &w->control, error);
}

static void open_world(struct world *w)
{
    struct slice error = SLICE_NONE;
    *w = (struct world){ .folder = "/tmp/tarn-control-XXXXXX" };
    assert_non_null(mkdtemp(w->folder));
    arena_init(&w->arena, (size_t)64 << 20);
    w->server.behaviour = rest_behaviour_open();
    w->server.region = SLICE("us-east-1");
    w->opener.settings = &w->server;
    if (open_control(w, &error))
        fail_msg("%.*s", SLICE_ARGS(error));
}

static void close_world(struct world *w)
{
    assert_int_equal(control_close(w->control), ERR_NONE);
    assert_int_equal(os_folder_remove(w->folder), ERR_NONE);
    arena_release(&w->arena);
}

static void restart(struct world *w)
{
    struct slice error = SLICE_NONE;
    assert_int_equal(control_close(w->control), ERR_NONE);
    w->control = NULL;
    if (open_control(w, &error))
        fail_msg("%.*s", SLICE_ARGS(error));
}

/* The answer's text, in `arena`. */
static int ask(struct world *w, struct arena *arena, const char *operation, const char *body,
               struct slice *ret_text)
{
    struct slice target = arena_printf(arena, "HealthLake.%s", operation);
    struct http_header headers[] = { { SLICE("Host"), SLICE("h") },
                                     { SLICE("X-Amz-Target"), target } };
    struct http_request r = { .method = SLICE("POST"),
                              .path = SLICE("/"),
                              .body = slice_cstr(body),
                              .headers = headers,
                              .header_count = 2,
                              .arena = arena };
    struct http_response response = { 0 };
    control_handle(w->control, &r, &response);
    char *copy = arena_copy(arena, response.body);
    assert_non_null(copy);
    *ret_text = slice_of(copy, response.body.length);
    return response.status;
}

/* A string member of a 200's answer; `path` is one name or two with a dot. */
static const char *text_of(struct world *w, struct arena *arena, const char *operation,
                           const char *body, const char *path)
{
    struct slice text, rest = slice_cstr(path);
    struct json_doc doc;
    int status = ask(w, arena, operation, body, &text);
    if (status != 200)
        fail_msg("%s %s: %d %.*s", operation, body, status, SLICE_ARGS(text));
    assert_int_equal(json_parse(text, NULL, arena, &doc, NULL), ERR_NONE);
    struct json v = json_root(&doc);
    while (rest.bytes)
        v = json_get(v, slice_cut(&rest, '.'));
    struct slice found = json_string(v, arena);
    return found.bytes ? arena_copy(arena, found) : "";
}

static const char *body_of(struct arena *arena, const char *id, const char *more)
{
    return arena_printf(arena, "{\"DatastoreId\":\"%s\"%s}", id, more).bytes;
}

static const char *status_of(struct world *w, struct arena *arena, const char *id)
{
    return text_of(w, arena, "DescribeFHIRDatastore", body_of(arena, id, ""),
                   "DatastoreProperties.DatastoreStatus");
}

static void wait_for(struct world *w, struct arena *arena, const char *id, const char *status)
{
    for (int i = 0; i < 1000; i++) {
        if (strcmp(status_of(w, arena, id), status) == 0)
            return;
        os_sleep_us(5000);
    }
    fail_msg("%s is not %s", id, status);
}

/* ---- kept and refused ---- */

static void data_stores_and_jobs_are_there_after_a_restart(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    const char *id =
        text_of(&w, &w.arena, "CreateFHIRDatastore",
                "{\"DatastoreTypeVersion\":\"R4\",\"DatastoreName\":\"a\\u00e9\"}", "DatastoreId");
    const char *start =
        arena_printf(&w.arena,
                     "{\"DatastoreId\":\"%s\",\"OutputDataConfig\":{\"S3Configuration\":{"
                     "\"S3Uri\":\"s3://nowhere/x\",\"KmsKeyId\":\"alias/k\"}},"
                     "\"DataAccessRoleArn\":\"arn:aws:iam::000000000000:role/r\"}",
                     id)
            .bytes;
    const char *job = text_of(&w, &w.arena, "StartFHIRExportJob", start, "JobId");
    const char *describe =
        body_of(&w.arena, id, arena_printf(&w.arena, ",\"JobId\":\"%s\"", job).bytes);
    const char *status = "";
    for (int i = 0; i < 1000 && strcmp(status, "FAILED") != 0; i++) {
        os_sleep_us(2000);
        status = text_of(&w, &w.arena, "DescribeFHIRExportJob", describe,
                         "ExportJobProperties.JobStatus");
    }
    restart(&w);
    assert_string_equal(text_of(&w, &w.arena, "DescribeFHIRDatastore", body_of(&w.arena, id, ""),
                                "DatastoreProperties.DatastoreName"),
                        "a\xc3\xa9");
    assert_string_equal(
        text_of(&w, &w.arena, "DescribeFHIRExportJob", describe, "ExportJobProperties.JobStatus"),
        "FAILED");
    close_world(&w);
}

static void a_data_store_that_was_being_deleted_is_gone_after_a_restart(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    const char *id = text_of(&w, &w.arena, "CreateFHIRDatastore",
                             "{\"DatastoreTypeVersion\":\"R4\"}", "DatastoreId");
    struct control_store store;
    struct control_use *use;
    struct slice error;
    assert_int_equal(control_use_begin(w.control, slice_cstr(id), &w.arena, &store, &use, &error),
                     ERR_NONE);
    assert_string_equal(
        text_of(&w, &w.arena, "DeleteFHIRDatastore", body_of(&w.arena, id, ""), "DatastoreStatus"),
        "DELETING");
    struct slice folder = arena_printf(&w.arena, "%s/datastores/%s", w.folder, id);
    os_sleep_us(20000);
    assert_true(os_file_exists(folder.bytes)); /* in use */
    assert_int_equal(control_look(w.control, slice_cstr(id), &w.arena, &error), ERR_NOT_FOUND);
    control_use_end(w.control, use);
    restart(&w);
    wait_for(&w, &w.arena, id, "DELETED");
    assert_false(os_file_exists(folder.bytes));
    close_world(&w);
}

static void a_data_store_that_cannot_be_filled_is_create_failed_and_can_be_deleted(void **state)
{
    (void)state;
    struct world w;
    struct slice text;
    open_world(&w);
    w.is_broken = true;
    const char *id = text_of(&w, &w.arena, "CreateFHIRDatastore",
                             "{\"DatastoreTypeVersion\":\"R4\",\"PreloadDataConfig\":"
                             "{\"PreloadDataType\":\"SYNTHEA\"}}",
                             "DatastoreId");
    wait_for(&w, &w.arena, id, "CREATE_FAILED");
    const char *self = body_of(&w.arena, id, "");
    assert_string_equal(text_of(&w, &w.arena, "DescribeFHIRDatastore", self,
                                "DatastoreProperties.ErrorCause.ErrorCategory"),
                        "RETRYABLE_ERROR");
    assert_int_equal(control_look(w.control, slice_cstr(id), &w.arena, &text), ERR_NOT_FOUND);
    w.is_broken = false;
    restart(&w);
    assert_string_equal(status_of(&w, &w.arena, id), "CREATE_FAILED");
    assert_int_equal(ask(&w, &w.arena, "UpdateFHIRDatastore", self, &text), 400);
    assert_true(slice_find(text, SLICE("ConflictException")) > 0);
    assert_int_equal(ask(&w, &w.arena, "DeleteFHIRDatastore", self, &text), 200);
    wait_for(&w, &w.arena, id, "DELETED");
    close_world(&w);
}

static void a_damaged_list_is_named_and_nothing_is_opened(void **state)
{
    (void)state;
    static const char *const FILES[] = { "control.json", "jobs.json" };
    static const char *const TEXTS[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"format\":1}",
        "{\"format\":1,\"secret\":\"x\",\"lastNumber\":1,\"datastores\":[]}",
        "{\"format\":1,\"lastNumber\":1,\"jobs\":[{}]}",
        "{\"format\":1,\"lastNumber\":1,\"jobs\":[{\"id\":\"x\"}]}",
    };
    struct world w;
    open_world(&w);
    assert_int_equal(control_close(w.control), ERR_NONE);
    for (size_t f = 0; f < ARRAY_COUNT(FILES); f++) {
        struct buf good;
        struct slice path = arena_printf(&w.arena, "%s/%s", w.folder, FILES[f]), error;
        bool is_there = os_file_exists(path.bytes);
        buf_init(&good, 1 << 20);
        if (is_there)
            assert_int_equal(os_file_read(path.bytes, &good), ERR_NONE);
        for (size_t i = 0; i < ARRAY_COUNT(TEXTS); i++) {
            struct control *none = NULL;
            assert_int_equal(os_file_replace(path.bytes, slice_cstr(TEXTS[i]), 0600), ERR_NONE);
            error = SLICE_NONE;
            w.control = none;
            enum err err = open_control(&w, &error);
            if (err == ERR_NONE)
                fail_msg("%s: %s was taken", FILES[f], TEXTS[i]);
            assert_true(slice_find(error, slice_cstr(FILES[f])) >= 0);
        }
        if (is_there)
            assert_int_equal(os_file_replace(path.bytes, buf_slice(&good), 0600), ERR_NONE);
        else
            assert_int_equal(remove(path.bytes), 0);
        buf_release(&good);
    }
    struct slice error = SLICE_NONE;
    assert_int_equal(open_control(&w, &error), ERR_NONE);
    close_world(&w);
}

static void a_newer_list_is_left_alone(void **state)
{
    (void)state;
    struct world w;
    struct slice error = SLICE_NONE;
    open_world(&w);
    assert_int_equal(control_close(w.control), ERR_NONE);
    struct slice path = arena_printf(&w.arena, "%s/control.json", w.folder);
    struct buf good;
    buf_init(&good, 1 << 20);
    assert_int_equal(os_file_read(path.bytes, &good), ERR_NONE);
    assert_int_equal(os_file_replace(path.bytes, SLICE("{\"format\":2}"), 0600), ERR_NONE);
    assert_int_equal(open_control(&w, &error), ERR_UNSUPPORTED);
    assert_true(slice_find(error, SLICE("newer tarn")) > 0);
    assert_int_equal(os_file_replace(path.bytes, buf_slice(&good), 0600), ERR_NONE);
    buf_release(&good);
    assert_int_equal(open_control(&w, &error), ERR_NONE);
    close_world(&w);
}

/* ---- many at once ---- */

enum { THREADS = 6, ROUNDS = 6 };

struct caller {
    struct world *w;
    unsigned number;
    bool is_done;
};

/* One data store's life, with all that may be asked of it meanwhile. */
static void live(struct caller *c, struct arena *arena)
{
    struct world *w = c->w;
    struct slice text, error;
    struct control_store store;
    struct control_use *use;
    struct control_tag *tags;
    size_t tag_count;
    const char *create = arena_printf(arena,
                                      "{\"DatastoreTypeVersion\":\"R4\",\"DatastoreName\":\"n%u\","
                                      "\"Tags\":[{\"Key\":\"k\",\"Value\":\"v\"}]}",
                                      c->number)
                             .bytes;
    const char *id = text_of(w, arena, "CreateFHIRDatastore", create, "DatastoreId");
    const char *self = body_of(arena, id, "");
    assert_int_equal(control_use_begin(w->control, slice_cstr(id), arena, &store, &use, &error),
                     ERR_NONE);
    assert_int_equal(control_tags(w->control, slice_cstr(id), arena, &tags, &tag_count), ERR_NONE);
    assert_int_equal(tag_count, 1);
    assert_int_equal(ask(w, arena, "UpdateFHIRDatastore",
                         body_of(arena, id, ",\"DatastoreName\":\"other\""), &text),
                     200);
    assert_int_equal(ask(w, arena, "ListFHIRDatastores", "{\"MaxResults\":3}", &text), 200);
    const char *job = body_of(
        arena, id,
        ",\"OutputDataConfig\":{\"S3Configuration\":{\"S3Uri\":\"s3://bucket/out\",\"KmsKeyId\":"
        "\"alias/k\"}},\"DataAccessRoleArn\":\"arn:aws:iam::000000000000:role/r\"");
    assert_int_equal(ask(w, arena, "StartFHIRExportJob", job, &text), 200);
    assert_int_equal(ask(w, arena, "ListFHIRExportJobs", self, &text), 200);
    control_use_end(w->control, use);
    assert_int_equal(ask(w, arena, "DeleteFHIRDatastore", self, &text), 200);
    assert_int_equal(control_look(w->control, slice_cstr(id), arena, &error), ERR_NOT_FOUND);
    wait_for(w, arena, id, "DELETED");
}

static void *call_all(void *context)
{
    struct caller *c = context;
    for (int i = 0; i < ROUNDS; i++) {
        struct arena arena;
        arena_init(&arena, (size_t)64 << 20);
        live(c, &arena);
        arena_release(&arena);
    }
    c->is_done = true;
    return NULL;
}

static void data_stores_come_and_go_under_many_threads(void **state)
{
    (void)state;
    struct world w;
    struct caller callers[THREADS];
    pthread_t threads[THREADS];
    open_world(&w);
    struct slice bucket = arena_printf(&w.arena, "%s/s3/bucket", w.folder);
    assert_int_equal(os_folder_make(bucket.bytes, 0700), ERR_NONE);
    for (unsigned i = 0; i < THREADS; i++) {
        callers[i] = (struct caller){ .w = &w, .number = i };
        assert_int_equal(thread_start(&threads[i], call_all, &callers[i]), ERR_NONE);
    }
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    for (unsigned i = 0; i < THREADS; i++)
        assert_true(callers[i].is_done);
    restart(&w);
    struct slice text;
    assert_int_equal(ask(&w, &w.arena, "ListFHIRDatastores",
                         "{\"Filter\":{\"DatastoreStatus\":\"DELETED\"},\"MaxResults\":500}",
                         &text),
                     200);
    struct json_doc doc;
    assert_int_equal(json_parse(text, NULL, &w.arena, &doc, NULL), ERR_NONE);
    assert_int_equal(json_count(json_member(json_root(&doc), "DatastorePropertiesList")),
                     THREADS * ROUNDS);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_stores_and_jobs_are_there_after_a_restart),
        cmocka_unit_test(a_data_store_that_was_being_deleted_is_gone_after_a_restart),
        cmocka_unit_test(a_data_store_that_cannot_be_filled_is_create_failed_and_can_be_deleted),
        cmocka_unit_test(a_damaged_list_is_named_and_nothing_is_opened),
        cmocka_unit_test(a_newer_list_is_left_alone),
        cmocka_unit_test(data_stores_come_and_go_under_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
