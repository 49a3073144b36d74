/* The second half of a commit's preparation: rows and run.
 *
 * The batch is written in RocksDB's own format (12 bytes of header: sequence 8,
 * count 4, little-endian; then per row 05 family key value, lengths as
 * varints), since that lets us note where document numbers and instants stand
 * and fill them in later without building anything inside the ordered section.
 * Rows go family by family, each in the order of its keys: a memtable then finds
 * the place of most from the one before. It is in the ordered section that they go
 * there, so what sorting costs here is saved there several times. */
#include "store/embedded/commit.h"

#include <stdlib.h>

enum { BATCH_HEADER_BYTES = 12, BATCH_PUT = 0x05, ROW_DOCS_MAX = 7, ROW_INSTANTS_MAX = 3 };
enum { ROWS_BESIDE_DOCS_MAX = 3 }; /* two of the log's row, one of a mark's */
#define BATCH_BYTES_MAX ((size_t)INT32_MAX)

static void row_begin(struct commit *c, enum family family)
{
    uint8_t head[1 + VARINT_BYTES_MAX] = { BATCH_PUT };
    size_t size = 1 + put_varint(head + 1, c->store->family_ids[family]);
    buf_append(&c->rows, slice_of((char *)head, size));
    c->row_count++;
}

/* One length-prefixed part; returns where its bytes begin. */
static uint32_t row_part(struct commit *c, const void *bytes, size_t size)
{
    uint8_t length[VARINT_BYTES_MAX];
    buf_append(&c->rows, slice_of((char *)length, put_varint(length, size)));
    size_t at = c->rows.length;
    buf_append(&c->rows, slice_of(bytes, size));
    return (uint32_t)at;
}

static void patch_doc(struct commit *c, size_t at, uint32_t place)
{
    CHECK(c->docs_count < c->count * ROW_DOCS_MAX + ROWS_BESIDE_DOCS_MAX);
    c->docs[c->docs_count++] = (struct patch){ (uint32_t)at, place };
}

static void patch_instant(struct commit *c, size_t at)
{
    CHECK(c->instants_count < c->count * ROW_INSTANTS_MAX + 1);
    c->instants[c->instants_count++] = (uint32_t)at;
}

static void render_entity(struct commit *c, const struct pending *p)
{
    struct entity_row row = { .entity = p->entity,
                              .version = p->version,
                              .home = p->home,
                              .is_deleted = p->outcome == STORE_DELETED };
    if (p->outcome == STORE_DELETED)
        row.home = p->head.home;
    else
        memcpy(row.hash, p->hash, HASH_BYTES);
    struct entity_row_bytes bytes;
    entity_row_encode(&row, &bytes);
    row_begin(c, FAMILY_ENTITY);
    row_part(c, p->key.bytes, p->key.length);
    uint32_t at = row_part(c, &bytes, sizeof bytes);
    patch_doc(c, at + offsetof(struct entity_row_bytes, head), p->place);
    patch_instant(c, at + offsetof(struct entity_row_bytes, instant));
}

/* A home that nothing was stored under yet. Before all other entity rows, for
 * it may itself be written by this commit. */
static void render_new_home(struct commit *c, const struct pending *p)
{
    struct entity_row_bytes bytes;
    entity_row_encode(&(struct entity_row){ .entity = p->home }, &bytes);
    row_begin(c, FAMILY_ENTITY);
    row_part(c, p->home_key.bytes, p->home_key.length);
    row_part(c, &bytes, sizeof bytes);
}

/* A deletion lies where what it deletes lay. */
static uint64_t home_of(const struct pending *p)
{
    return p->outcome == STORE_DELETED ? p->head.home : p->home;
}

static void render_version(struct commit *c, const struct pending *p)
{
    struct version_key_bytes key;
    put_be64(key.entity, p->entity);
    struct version_row row = { .version = p->version,
                               .previous = p->head.head,
                               .home = home_of(p),
                               .type = p->type,
                               .is_deleted = p->outcome == STORE_DELETED };
    struct version_row_bytes bytes;
    version_row_encode(&row, &bytes);
    row_begin(c, FAMILY_VERSION);
    uint32_t at = row_part(c, &key, sizeof key);
    patch_doc(c, at + offsetof(struct version_key_bytes, doc), p->place);
    at = row_part(c, &bytes, sizeof bytes);
    patch_instant(c, at + offsetof(struct version_row_bytes, instant));
}

static void render_place(struct commit *c, const struct pending *p)
{
    uint8_t key[8] = { 0 };
    struct place_row row = { .home = home_of(p),
                             .type = p->type,
                             .entity = p->entity,
                             .version = p->version,
                             .is_deleted = p->outcome == STORE_DELETED };
    struct place_row_bytes bytes;
    place_row_encode(&row, &bytes);
    row_begin(c, FAMILY_PLACE);
    patch_doc(c, row_part(c, key, sizeof key), p->place);
    row_part(c, &bytes, sizeof bytes);
}

static void render_body(struct commit *c, const struct pending *p)
{
    const struct store_write *w = p->write;
    bool is_deleted = p->outcome == STORE_DELETED;
    struct body_row row = { .entity = p->entity,
                            .version = p->version,
                            .splice = is_deleted ? 0 : w->splice,
                            .body_size = is_deleted ? 0 : (uint32_t)w->body.length,
                            .appendix_size = is_deleted ? 0 : (uint32_t)w->appendix.length,
                            .is_deleted = is_deleted,
                            .is_raw = p->is_raw,
                            .origin = is_deleted ? 0 : w->origin,
                            .id = w->id };
    memcpy(row.hash, p->hash, HASH_BYTES);
    struct body_key_bytes key;
    body_key_encode(home_of(p), p->type, 0, &key);
    struct body_head_bytes head;
    body_head_encode(&row, &head);
    row_begin(c, FAMILY_BODY);
    uint32_t at = row_part(c, &key, sizeof key);
    patch_doc(c, at + offsetof(struct body_key_bytes, doc), p->place);
    struct slice frame = is_deleted ? SLICE_NONE : p->frame;
    uint8_t length[VARINT_BYTES_MAX];
    size_t size = put_varint(length, sizeof head + w->id.length + frame.length);
    buf_append(&c->rows, slice_of((char *)length, size));
    patch_instant(c, c->rows.length + offsetof(struct body_head_bytes, instant));
    buf_append(&c->rows, slice_of((char *)&head, sizeof head));
    buf_append(&c->rows, w->id);
    buf_append(&c->rows, frame);
}

/* The head before dies; a deletion is dead from the start. */
static void render_death(struct commit *c, const struct pending *p)
{
    uint8_t key[8], killer[8] = { 0 };
    if (p->head.head && !p->head.is_deleted) {
        put_be64(key, p->head.head);
        row_begin(c, FAMILY_DEATH);
        row_part(c, key, sizeof key);
        patch_doc(c, row_part(c, killer, sizeof killer), p->place);
    }
    if (p->outcome == STORE_DELETED) {
        row_begin(c, FAMILY_DEATH);
        patch_doc(c, row_part(c, killer, sizeof killer), p->place);
        patch_doc(c, row_part(c, killer, sizeof killer), p->place);
    }
}

static void render_log(struct commit *c)
{
    uint8_t key[8] = { 0 };
    struct log_row_bytes row = { { 0 }, { 0 } };
    row_begin(c, FAMILY_LOG);
    patch_instant(c, row_part(c, key, sizeof key));
    uint32_t at = row_part(c, &row, sizeof row);
    patch_doc(c, at + offsetof(struct log_row_bytes, first), 0);
    patch_doc(c, at + offsetof(struct log_row_bytes, last), c->doc_count - 1);
}

/* The mark's time is written as the last document and one: a reader time. */
static void render_mark(struct commit *c)
{
    uint8_t time[8] = { 0 };
    buf_clear(&c->scratch);
    buf_append_byte(&c->scratch, (char)META_USER);
    buf_append(&c->scratch, c->mark->key);
    row_begin(c, FAMILY_META);
    row_part(c, c->scratch.bytes, c->scratch.length);
    buf_clear(&c->scratch);
    buf_append(&c->scratch, slice_of((char *)time, sizeof time));
    buf_append(&c->scratch, c->mark->text);
    patch_doc(c, row_part(c, c->scratch.bytes, c->scratch.length), c->doc_count);
}

/* ---- the order of a family's keys ---- */

static int by_number(uint64_t a, uint64_t b)
{
    return a == b ? 0 : a < b ? -1 : 1;
}

static int entity_order(const void *a, const void *b)
{
    const struct pending *x = *(const struct pending *const *)a;
    const struct pending *y = *(const struct pending *const *)b;
    return slice_compare(x->key, y->key);
}

static int version_order(const void *a, const void *b)
{
    const struct pending *x = *(const struct pending *const *)a;
    const struct pending *y = *(const struct pending *const *)b;
    return by_number(x->entity, y->entity);
}

static int place_order(const void *a, const void *b)
{
    const struct pending *x = *(const struct pending *const *)a;
    const struct pending *y = *(const struct pending *const *)b;
    return by_number(x->place, y->place);
}

static int body_order(const void *a, const void *b)
{
    const struct pending *x = *(const struct pending *const *)a;
    const struct pending *y = *(const struct pending *const *)b;
    int order = by_number(home_of(x), home_of(y));
    if (!order)
        order = by_number(x->type, y->type);
    return order ? order : by_number(x->place, y->place);
}

static int death_order(const void *a, const void *b)
{
    const struct pending *x = *(const struct pending *const *)a;
    const struct pending *y = *(const struct pending *const *)b;
    int order = by_number(x->head.head, y->head.head);
    return order ? order : by_number(x->place, y->place);
}

static enum err render_families(struct commit *c)
{
    static const struct {
        void (*render)(struct commit *, const struct pending *);
        int (*order)(const void *, const void *);
    } families[] = {
        { render_entity, entity_order }, { render_version, version_order },
        { render_place, place_order },   { render_body, body_order },
        { render_death, death_order },
    };
    struct arena_mark mark = arena_mark(c->arena);
    const struct pending **list = arena_raw(c->arena, MAX(c->doc_count, 1) * sizeof *list);
    size_t count = 0;
    if (!list)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < c->count; i++)
        if (c->pendings[i].writes)
            list[count++] = &c->pendings[i];
    CHECK(count == c->doc_count);
    for (size_t f = 0; f < ARRAY_COUNT(families); f++) {
        if (count > 1)
            qsort(list, count, sizeof *list, families[f].order);
        for (size_t i = 0; i < count; i++)
            families[f].render(c, list[i]);
    }
    arena_rewind(c->arena, mark);
    return ERR_NONE;
}

static enum err render_rows(struct commit *c)
{
    buf_clear(&c->rows);
    c->row_count = 0;
    c->docs_count = c->instants_count = 0;
    uint8_t header[BATCH_HEADER_BYTES] = { 0 };
    buf_append(&c->rows, slice_of((char *)header, sizeof header));
    for (size_t i = 0; i < c->count; i++)
        if (c->pendings[i].home_is_new)
            render_new_home(c, &c->pendings[i]);
    TRY(render_families(c));
    render_log(c);
    if (c->mark)
        render_mark(c);
    TRY(buf_status(&c->scratch));
    TRY(buf_status(&c->rows));
    for (int i = 0; i < 4; i++)
        c->rows.bytes[8 + i] = (char)(c->row_count >> (8 * i));
    return ERR_NONE;
}

static enum err compress_all(struct commit *c)
{
    ZSTD_CCtx *context = frame_compressor_take(&c->store->frames);
    enum err err = context ? ERR_NONE : ERR_NO_MEMORY;
    for (size_t i = 0; !err && i < c->count; i++) {
        struct pending *p = &c->pendings[i];
        if (!p->writes || p->is_compressed || p->outcome == STORE_DELETED)
            continue;
        err = frame_compress(context, p->write->body, p->write->appendix, &c->scratch, c->arena,
                             &p->frame, &p->is_raw);
        p->is_compressed = !err;
    }
    frame_compressor_give(&c->store->frames, context);
    return err;
}

/* Terms that were made by rules that hold no more, or not yet, are made again. They
 * stay until the commit ends: conditions look at them. */
static enum err render_terms(struct commit *c, const struct fields *fields)
{
    for (size_t i = 0; i < c->count; i++) {
        struct pending *p = &c->pendings[i];
        const struct store_write *w = p->write;
        if (!p->writes || p->outcome == STORE_DELETED || p->rules == fields->number)
            continue;
        TRY(c->store->extract(c->store->extract_context, w->type, w->id, w->body, c->arena,
                              &p->terms, &p->term_count));
        p->rules = fields->number;
    }
    return ERR_NONE;
}

static enum err build_run(struct commit *c, const struct fields *fields)
{
    struct arena_mark mark = arena_mark(c->arena);
    struct run_source *sources = arena_array(c->arena, c->doc_count, sizeof *sources);
    if (!sources)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < c->count; i++) {
        const struct pending *p = &c->pendings[i];
        if (p->writes && p->outcome != STORE_DELETED)
            sources[p->place] = (struct run_source){ p->terms, p->term_count };
    }
    run_unref(c->run);
    c->run = NULL;
    enum err err = run_build(sources, c->doc_count, c->store->seed,
                             fields->moved_count ? fields_name : NULL, fields, c->arena, &c->run);
    arena_rewind(c->arena, mark);
    return err;
}

static enum err render_run(struct commit *c)
{
    struct fields *fields = postings_fields(&c->store->postings);
    c->mapping = fields->mapping;
    enum err err = render_terms(c, fields);
    if (!err)
        err = build_run(c, fields);
    fields_unref(fields);
    return err;
}

enum err commit_render(struct commit *c)
{
    if (!c->docs) {
        size_t room = c->count * ROW_DOCS_MAX + ROWS_BESIDE_DOCS_MAX;
        c->docs = arena_raw(c->arena, room * sizeof *c->docs);
        c->instants = arena_raw(c->arena, (c->count * ROW_INSTANTS_MAX + 1) * sizeof(uint32_t));
        if (!c->docs || !c->instants)
            return ERR_NO_MEMORY;
    }
    TRY(compress_all(c));
    TRY(render_rows(c));
    TRY(render_run(c));
    for (size_t i = 0; i < c->count; i++)
        if (c->pendings[i].writes && c->pendings[i].head.head)
            TRY(death_ready(&c->store->deaths, c->pendings[i].head.head));
    if (c->batch)
        rocksdb_writebatch_destroy(c->batch);
    c->batch = rocksdb_writebatch_create_from(c->rows.bytes, c->rows.length);
    return c->batch ? ERR_NONE : ERR_NO_MEMORY;
}

/* The batch is a string of ours in RocksDB's hands; only fixed-size fields
 * change, so nothing it derived from the bytes does. */
void commit_patch(struct commit *c)
{
    size_t size = 0;
    uint8_t *bytes = (uint8_t *)(uintptr_t)rocksdb_writebatch_data(c->batch, &size);
    CHECK(size == c->rows.length);
    for (size_t i = 0; i < c->docs_count; i++)
        put_be64(bytes + c->docs[i].at, c->first + c->docs[i].place);
    for (size_t i = 0; i < c->instants_count; i++)
        put_instant(bytes + c->instants[i], c->instant);
    c->run->base = c->first;
}
