/* tests/unit/store/fixture.h - a store in a folder of its own, with bodies that
 * carry their own terms: "field=value;field=value;..." so that extraction
 * needs no FHIR. */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "store/store.h"

struct fixture {
    char folder[64];
    struct store *store;
    struct arena arena;
    uint64_t rules_hash;
    store_extract *extract; /* NULL: fixture_extract() */
    void *extract_context;
    struct store_rules rules;
    store_opened *opened;
    size_t index_bytes, memtable_bytes; /* 0: as usual */
};

/* field is the number before '=', value the bytes up to ';'. What follows the
 * last ';' is text without terms. */
static enum err fixture_extract(void *context, struct slice type, struct slice id,
                                struct slice body, struct arena *arena, struct term **ret_terms,
                                size_t *ret_count)
{
    (void)context;
    (void)type;
    (void)id;
    size_t room = 0, count = 0;
    for (size_t i = 0; i < body.length; i++)
        room += body.bytes[i] == ';';
    struct term *terms = arena_array(arena, room, sizeof *terms);
    if (!terms)
        return ERR_NO_MEMORY;
    for (size_t at = 0; count < room;) {
        struct slice rest = slice_from(body, at);
        ptrdiff_t end = slice_find_byte(rest, ';'), equal = slice_find_byte(rest, '=');
        uint64_t field = 0;
        if (end < 0 || equal < 0 || equal > end ||
            !slice_parse_u64(slice_head(rest, (size_t)equal), &field))
            return ERR_CORRUPT;
        terms[count++] = (struct term){
            .field = (uint32_t)field,
            .value = slice_of(rest.bytes + equal + 1, (size_t)(end - equal - 1)),
        };
        at += (size_t)end + 1;
    }
    *ret_terms = terms;
    *ret_count = count;
    return ERR_NONE;
}

static inline enum err fixture_try_open(struct fixture *f)
{
    struct slice error = SLICE_NONE;
    struct store_settings settings = {
        .folder = f->folder,
        .extract = f->extract ? f->extract : fixture_extract,
        .extract_context = f->extract_context,
        .rules_hash = f->rules_hash,
        .rules = f->rules,
        .opened = f->opened,
        .index_bytes = f->index_bytes,
        .memtable_bytes = f->memtable_bytes,
    };
    enum err err = store_open(&settings, &f->arena, &f->store, &error);
    if (err && err != ERR_NO_MEMORY) /* which is tried again */
        print_message("open: %s: %.*s\n", err_name(err), SLICE_ARGS(error));
    return err;
}

static inline void fixture_open(struct fixture *f)
{
    assert_int_equal(fixture_try_open(f), ERR_NONE);
}

static inline void fixture_close(struct fixture *f)
{
    assert_int_equal(store_close(f->store), ERR_NONE);
    f->store = NULL;
}

static inline void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const char *top = getenv("TMPDIR"); /* in memory, for long runs */
    snprintf(f->folder, sizeof f->folder, "%.40s/tarn-store-XXXXXX", top ? top : "/tmp");
    if (!mkdtemp(f->folder))
        return -1;
    arena_init(&f->arena, (size_t)1 << 30);
    f->rules_hash = 1;
    *state = f;
    fixture_open(f);
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    enum err err = f->store ? store_close(f->store) : ERR_NONE;
    enum err removed = os_folder_remove(f->folder);
    arena_release(&f->arena);
    free(f);
    return err || removed ? -1 : 0;
}

static inline struct store_write put_write(struct arena *arena, const char *type, const char *id,
                                           const char *body)
{
    struct store_write w = { .operation = STORE_PUT };
    w.type = slice_cstr(type);
    w.id = slice_cstr(id);
    w.body = slice_cstr(body);
    assert_int_equal(fixture_extract(NULL, w.type, w.id, w.body, arena, &w.terms, &w.term_count),
                     ERR_NONE);
    return w;
}

static inline struct store_result apply_one(struct fixture *f, struct store_write w)
{
    struct store_result result;
    uint64_t time = 0;
    size_t refused = 0;
    assert_int_equal(store_apply(f->store, &w, 1, true, &f->arena, &result, &time, &refused),
                     ERR_NONE);
    assert_true(time > 0);
    return result;
}

static inline struct store_result put(struct fixture *f, const char *type, const char *id,
                                      const char *body)
{
    return apply_one(f, put_write(&f->arena, type, id, body));
}

static inline struct store_result delete_one(struct fixture *f, const char *type, const char *id)
{
    struct store_write w = { .operation = STORE_DELETE };
    w.type = slice_cstr(type);
    w.id = slice_cstr(id);
    return apply_one(f, w);
}

static inline struct store_reader *reader_at(struct fixture *f, uint64_t time)
{
    struct store_reader *reader = NULL;
    assert_int_equal(store_read_begin(f->store, time, &reader), ERR_NONE);
    return reader;
}

/* The live head's body as text; NULL when absent, "(deleted)" when deleted. */
static inline const char *body_of(struct fixture *f, uint64_t time, const char *type,
                                  const char *id)
{
    struct store_reader *reader = reader_at(f, time);
    struct store_version v;
    bool found = false;
    assert_int_equal(
        store_head(reader, slice_cstr(type), slice_cstr(id), &f->arena, &found, &v), ERR_NONE);
    store_read_end(reader);
    if (!found)
        return NULL;
    return v.is_deleted ? "(deleted)" : arena_copy(&f->arena, v.body);
}

static inline size_t search_docs(struct fixture *f, uint64_t time, const struct plan *plan,
                                 uint64_t **docs)
{
    struct store_reader *reader = reader_at(f, time);
    size_t count = 0;
    uint64_t counted = 0;
    assert_int_equal(store_search(reader, plan, 0, SIZE_MAX, &f->arena, docs, &count), ERR_NONE);
    assert_int_equal(store_count(reader, plan, &counted), ERR_NONE);
    assert_int_equal(counted, count);
    store_read_end(reader);
    return count;
}

static inline struct plan term_plan(uint32_t field, const char *value)
{
    return (struct plan){ .kind = PLAN_TERM, .field = field, .from = slice_cstr(value) };
}

#endif
