/* tools/ask/ask.c - a store asked by lines of text, for the search oracle.
 *
 *   ask FOLDER     a store there
 *   ask --memory   a list in memory (memory.h)
 *
 * Reads lines, answers each with one:
 *   put JSON              ok
 *   delete Type/id        ok
 *   reopen                ok
 *   search Type?query     how many, then the ids in the order found
 * or "error: ..." with the issues. Pages of 7 are followed to the end, and the
 * count must be what the pages gave.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/index.h"
#include "json/json.h"
#include "search/search.h"
#include "memory.h"

enum { PAGE = 7 };

static const struct slice base_url = SLICE_INIT("http://us/r4");

struct asker {
    const char *folder; /* NULL: in memory */
    struct memory memory;
    struct store *store;
    struct arena arena; /* of one line */
};

static enum err extract(void *context, struct slice type, struct slice id, struct slice body,
                        struct arena *arena, struct term **ret_terms, size_t *ret_count)
{
    (void)context;
    (void)id;
    struct json_doc *doc = arena_alloc(arena, sizeof *doc);
    struct json_error error;
    struct extraction x;
    if (!doc)
        return ERR_NO_MEMORY;
    TRY(json_parse(body, NULL, arena, doc, &error));
    const struct index_basis basis = { .base_url = base_url };
    TRY(index_extract(json_root(doc), fhir_resource_find(type), basis, NULL, arena, &x));
    *ret_terms = x.terms;
    *ret_count = x.term_count;
    return ERR_NONE;
}

static void fail(const char *what, enum err err)
{
    fprintf(stderr, "ask: %s: %s\n", what, err_text(err));
    exit(1);
}

static void open_store(struct asker *a)
{
    if (!a->folder)
        return;
    struct store_settings settings = { .folder = a->folder, .extract = extract, .rules_hash = 1 };
    struct slice error = SLICE_NONE;
    enum err err = store_open(&settings, &a->arena, &a->store, &error);
    if (err) {
        fprintf(stderr, "%.*s\n", SLICE_ARGS(error));
        fail("open", err);
    }
}

static void close_store(struct asker *a)
{
    enum err err = a->folder ? store_close(a->store) : ERR_NONE;
    if (err)
        fail("close", err);
}

static void apply(struct asker *a, struct store_write *write)
{
    struct store_result result;
    uint64_t time;
    size_t refused;
    enum err err = store_apply(a->store, write, 1, true, &a->arena, &result, &time, &refused);
    if (err)
        fail("apply", err);
}

static void put(struct asker *a, struct slice text)
{
    struct json_doc doc;
    struct json_error error;
    struct extraction x;
    enum err err = json_parse(text, NULL, &a->arena, &doc, &error);
    if (err)
        fail("put", err);
    struct json root = json_root(&doc);
    struct slice name = json_string(json_member(root, "resourceType"), &a->arena);
    struct slice id = json_string(json_member(root, "id"), &a->arena);
    const struct fhir_type *type = fhir_resource_find(name);
    CHECK(type);
    const struct index_basis basis = { .base_url = base_url };
    err = index_extract(root, type, basis, NULL, &a->arena, &x);
    if (err)
        fail("extract", err);
    if (!a->folder) {
        memory_put(&a->memory, name, id, x.terms, x.term_count);
        return;
    }
    struct buf body;
    buf_init(&body, (size_t)1 << 28);
    json_minify(root, &body);
    struct store_write write = {
        .operation = STORE_PUT, .type = name, .id = id, .body = buf_slice(&body),
        .appendix = x.appendix, .home_type = x.home_type, .home_id = x.home_id,
        .terms = x.terms, .term_count = x.term_count,
    };
    apply(a, &write);
    buf_release(&body);
}

static void delete(struct asker *a, struct slice text)
{
    struct slice id = text;
    struct slice type = slice_cut(&id, '/');
    struct store_write write = { .operation = STORE_DELETE, .type = type, .id = id };
    if (a->folder)
        apply(a, &write);
    else
        memory_delete(&a->memory, type, id);
}

static size_t print_docs(struct asker *a, struct store_reader *reader, const uint64_t *docs,
                         size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        struct store_version version;
        enum err err = store_doc(reader, docs[i], &a->arena, &version);
        if (err)
            fail("doc", err);
        buf_printf(out, " %.*s", SLICE_ARGS(version.id));
    }
    return count;
}

/* Sorted pages continue where the one before ended, too. */
static size_t search_store(struct asker *a, struct search_query *q, struct buf *out)
{
    const struct plan *plan = q->plan;
    struct issues issues;
    issues_init(&issues, &a->arena);
    struct store_reader *reader;
    struct search_found found = { .has_next = true };
    uint64_t counted;
    size_t total = 0;
    q->count = PAGE;
    enum err err = store_read_begin(a->store, 0, &reader);
    if (!err)
        err = store_count(reader, plan, &counted);
    while (!err && found.has_next) {
        err = search_run(q, reader, &a->arena, &issues, &found);
        if (err)
            break;
        total += print_docs(a, reader, found.docs, found.count, out);
        q->page = search_page_next(q, &found);
    }
    if (err)
        fail("search", err);
    store_read_end(reader);
    if (counted != total)
        buf_printf(out, " but store_count() says %llu", (unsigned long long)counted);
    return total;
}

static size_t search_memory(struct asker *a, const struct plan *plan, struct buf *out)
{
    size_t total = 0;
    for (size_t i = 0; i < a->memory.count; i++) {
        const struct memory_doc *doc = &a->memory.docs[i];
        if (!doc->is_live || !memory_matches(&a->memory, doc, plan))
            continue;
        buf_printf(out, " %.*s", SLICE_ARGS(doc->id));
        total++;
    }
    return total;
}

static void search(struct asker *a, struct slice text)
{
    static const struct search_settings settings = {
        .base_url = SLICE_INIT("http://us/r4"), .default_count = 100, .largest_count = 1000,
        .now_us = INT64_C(1767225600) * 1000000, /* 2026-01-01, as the oracle has it */
    };
    struct slice rest = text;
    const struct fhir_type *type = fhir_resource_find(slice_cut(&rest, '?'));
    struct search_pair *pairs = NULL;
    size_t count = 0;
    struct issues issues;
    struct search_query query;
    CHECK(type);
    issues_init(&issues, &a->arena);
    enum err err = search_pairs_parse(rest, &a->arena, &pairs, &count, &issues);
    if (!err)
        err = search_parse(&settings, type, pairs, count, &a->arena, &issues, &query);
    if (err) {
        printf("error: %.*s\n", SLICE_ARGS(issues.first ? issues.first->text : SLICE_NONE));
        return;
    }
    struct buf out;
    buf_init(&out, (size_t)1 << 28);
    size_t total = a->folder ? search_store(a, &query, &out)
                             : search_memory(a, query.plan, &out);
    printf("%zu%.*s\n", total, SLICE_ARGS(buf_slice(&out)));
    buf_release(&out);
}

static void answer(struct asker *a, struct slice line)
{
    struct slice rest = line;
    struct slice verb = slice_cut(&rest, ' ');
    if (slice_is(verb, "search")) {
        search(a, rest);
        return;
    }
    if (slice_is(verb, "put"))
        put(a, rest);
    else if (slice_is(verb, "delete"))
        delete(a, rest);
    else if (slice_is(verb, "reopen"))
        close_store(a), open_store(a);
    else
        fail("verb", ERR_INVALID);
    puts("ok");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: ask FOLDER | ask --memory\n", stderr);
        return 2;
    }
    struct asker a = { .folder = strcmp(argv[1], "--memory") == 0 ? NULL : argv[1] };
    memory_init(&a.memory);
    arena_init(&a.arena, (size_t)1 << 30);
    open_store(&a);
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, stdin)) > 0) {
        size_t end = (size_t)length - (line[length - 1] == '\n');
        struct arena_mark mark = arena_mark(&a.arena);
        answer(&a, slice_of(line, end));
        arena_rewind(&a.arena, mark);
    }
    free(line);
    close_store(&a);
    memory_release(&a.memory);
    arena_release(&a.arena);
    return 0;
}
