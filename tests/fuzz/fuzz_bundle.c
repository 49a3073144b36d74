/* Whatever the Bundle, up to the store's door: no crash; each write that would go
 * in is a resource of its type and id whose stored bytes parse and give exactly
 * the terms that the write carries, so that recovery derives the same index. */
#include <stdlib.h>

#include "base/check.h"
#include "os/file.h"
#include "os/random.h"
#include "rest/bundle.h"
#include "rest/draft.h"
#include "rest/rest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_is_whole(const struct store_write *w, struct arena *arena)
{
    struct rest_extract none = { .base_url = SLICE_NONE };
    struct json_doc doc;
    struct json_error where;
    struct term *terms;
    size_t count;
    CHECK(json_parse(w->body, NULL, arena, &doc, &where) == ERR_NONE);
    CHECK(json_string_is(json_member(json_root(&doc), "resourceType"), w->type));
    CHECK(json_string_is(json_member(json_root(&doc), "id"), w->id));
    if (rest_extract(&none, w->type, w->id, w->body, arena, &terms, &count))
        return; /* memory */
    CHECK(count == w->term_count);
    for (size_t i = 0; i < count; i++) {
        CHECK(terms[i].field == w->terms[i].field);
        CHECK(slice_equal(terms[i].value, w->terms[i].value));
    }
    struct buf spliced;
    buf_init(&spliced, w->body.length + 256);
    CHECK(fhir_splice_meta(w->body, w->splice, SLICE("1"), SLICE("2020"), &spliced) == ERR_NONE);
    CHECK(json_parse(buf_slice(&spliced), NULL, arena, &doc, &where) == ERR_NONE);
    struct json meta = json_member(json_root(&doc), "meta");
    CHECK(json_string_is(json_member(meta, "versionId"), SLICE("1")));
    buf_release(&spliced);
}

static void bundle_is_whole(struct request *r)
{
    struct bundle b = { .r = r };
    map_init(&b.full_urls, UINT32_MAX, 1);
    map_init(&b.targets, UINT32_MAX, 2);
    map_init(&b.reference_places, UINT32_MAX, 3);
    b.is_final = true;
    bool is_parsed = !request_parse(r, &b.scratch, &b.doc) && !bundle_parse(&b);
    /* Criteria are parsed here; what they find only a store knows. */
    if (is_parsed && !b.condition_count && !bundle_draft(&b)) {
        for (size_t i = 0; i < b.count; i++) {
            struct entry *e = &b.entries[i];
            bool is_later = e->verb == VERB_GET || e->is_inner || e->patch; /* made after this */
            CHECK(e->err ? !e->write : e->write || is_later);
            if (e->write && e->write->operation == STORE_PUT)
                write_is_whole(e->write, r->arena);
        }
        (void)!bundle_failure(&b);
    }
    map_release(&b.reference_places);
    map_release(&b.targets);
    map_release(&b.full_urls);
    arena_release(&b.scratch);
}

/* An empty store, for what a value set or a page's key asks of one; nothing is
 * written to it. */
static struct rest *rest;
static struct store *store;
static char folder[] = "/tmp/tarn-fuzz-XXXXXX";

static void world_end(void)
{
    rest_close(rest);
    CHECK(store_close(store) == ERR_NONE && os_folder_remove(folder) == ERR_NONE);
}

static void world_begin(void)
{
    static struct rest_extract none;
    struct arena arena;
    struct slice error;
    arena_init(&arena, (size_t)64 << 20);
    CHECK(mkdtemp(folder) != NULL);
    struct store_settings place = { .folder = folder,
                                    .extract = rest_extract,
                                    .extract_context = &none };
    CHECK(store_open(&place, &arena, &store, &error) == ERR_NONE);
    struct rest_settings settings = { .store = store,
                                      .behaviour = rest_behaviour_open(),
                                      .datastore_id = SLICE("d") };
    CHECK(rest_open(&settings, &rest) == ERR_NONE);
    arena_release(&arena);
    CHECK(atexit(world_end) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!rest)
        world_begin();
    struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    struct http_request http = { .method = SLICE("POST"),
                                 .body = slice_of((const char *)data, size),
                                 .arena = &arena };
    struct request r = {
        .rest = rest, .http = &http, .arena = &arena, .base_url = SLICE("http://h/datastore/d/r4")
    };
    issues_init(&r.issues, &arena);
    bundle_is_whole(&r);
    arena_release(&arena);
    return 0;
}
