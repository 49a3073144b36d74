/* store_check(): does everything agree with everything, on different roads.
 *
 *   entities   head, chain of versions, their numbers, deaths between them
 *   documents  place, body, its hash, its terms against the index
 *
 * For the index every posting adds the hash of (field, value, document) to the
 * document's sum, and so does every term extracted again: equal sums mean that
 * exactly these postings are there. Sums are kept for a window of documents at
 * a time, so memory is bounded and the index is read once a window. */
#include <stdlib.h>

#include <xxhash.h>

#include "store/embedded/cursor.h"
#include "store/embedded/engine.h"
#include "store/embedded/rocks.h"

enum { WINDOW_DOCS = 1 << 20, PROGRESS_EVERY = 1 << 14 };
static const size_t DOCUMENT_ARENA_BYTES = (size_t)1 << 30;

struct check {
    struct store *store;
    struct store_reader *reader;
    store_report *report;
    store_progress *progress; /* may be NULL */
    void *context;
    uint64_t checked;
    const struct postings_view *view; /* what is compared, */
    const struct fields *fields;      /* as of this */
    bool has_damage; /* said once */
    uint32_t seen_field;         /* the last one asked about, */
    bool seen_any, seen_compared; /* and the answer */
    uint64_t *sums; /* of documents first .. first + WINDOW_DOCS - 1 */
    uint64_t first;
};

static void disagree(const struct check *c, const char *what, uint16_t type, struct slice id)
{
    c->report(c->context, what, types_name(c->store->types, type), id);
}

static void tell(const struct check *c, const char *what, uint64_t done, uint64_t whole)
{
    if (c->progress && done % PROGRESS_EVERY == 0)
        c->progress(c->context, what, done, whole);
}

/* ---- entities ---- */

/* The killer of a document, 0 without one. */
static enum err killer_of(struct store *store, uint64_t doc, uint64_t *ret_killer)
{
    uint8_t key[8];
    put_be64(key, doc);
    rocksdb_pinnableslice_t *pin = NULL;
    struct slice value;
    TRY(rocks_get(store->db, store->read_options, store->families[FAMILY_DEATH],
                  slice_of((char *)key, sizeof key), &pin, &value));
    *ret_killer = value.length == 8 ? get_be64((const uint8_t *)value.bytes) : 0;
    rocksdb_pinnableslice_destroy(pin);
    return ERR_NONE;
}

static bool has_gaps(const struct check *c)
{
    return atomic_load(&c->store->has_gaps);
}

/* Is it the version before the other, those between erased? */
static bool is_before(const struct check *c, uint64_t version, uint64_t other)
{
    return version + 1 == other || (has_gaps(c) && version < other);
}

/* One version, the one after it being `next` (0: it is the head). */
static enum err check_version(const struct check *c, const struct entity_row *entity,
                              const struct version_row *v, uint64_t next, struct slice id)
{
    struct place_row place;
    bool found = false;
    uint64_t killer = 0;
    TRY(store_place_find(c->store, v->doc, &found, &place));
    if (!found || place.entity != entity->entity || place.version != v->version ||
        place.home != v->home || place.type != v->type || place.is_deleted != v->is_deleted)
        disagree(c, "a document's place differs from its version", v->type, id);
    TRY(killer_of(c->store, v->doc, &killer));
    uint64_t expected = v->is_deleted ? v->doc : next;
    bool is_erased_between = has_gaps(c) && killer > v->doc && killer < next;
    if (killer != expected && !is_erased_between && (killer <= c->reader->time || expected))
        disagree(c, "a document's death differs from the version after it", v->type, id);
    return ERR_NONE;
}

/* May what `doc` superseded be gone, or the document itself? */
static bool is_beyond(const struct check *c, uint64_t doc)
{
    return doc <= atomic_load(&c->store->horizon.doc);
}

static enum err check_entity(struct check *c, struct slice key, const struct entity_row *entity)
{
    uint16_t type = get_be16((const uint8_t *)key.bytes);
    struct slice id = slice_from(key, 2);
    uint64_t doc = MIN(entity->head, c->reader->time), next = 0, version = 0;
    bool is_cut = false; /* the older versions are gone */
    while (doc) {
        struct version_row v;
        bool found = false;
        TRY(store_version_at(c->store, entity->entity, doc, &found, &v));
        if (!found && !next)
            break; /* nothing of it is visible yet */
        is_cut = next && is_beyond(c, next) && (!found || v.doc != doc);
        if (is_cut)
            break;
        if (!found || (next && (v.doc != doc || !is_before(c, v.version, version)))) {
            disagree(c, "the chain of versions is broken", type, id);
            break;
        }
        if (!next && v.doc == entity->head &&
            (v.version != entity->version || v.is_deleted != entity->is_deleted ||
             v.home != entity->home || v.instant != entity->instant))
            disagree(c, "the head differs from its version", type, id);
        TRY(check_version(c, entity, &v, next, id));
        if (v.version == 1 && v.previous)
            disagree(c, "the first version has one before it", type, id);
        version = v.version;
        next = v.doc;
        doc = v.previous;
    }
    if (next && version != 1 && !is_cut && !has_gaps(c))
        disagree(c, "the first version is missing", type, id);
    c->checked++;
    tell(c, "resources", c->checked, 0);
    return ERR_NONE;
}

static enum err check_entities(struct check *c)
{
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(c->store->db, c->store->read_options,
                                                        c->store->families[FAMILY_ENTITY]);
    enum err err = ERR_NONE;
    for (rocksdb_iter_seek_to_first(it); !err && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        struct slice key = rocks_iter_key(it);
        struct entity_row row;
        if (key.length <= 2 || entity_row_decode(rocks_iter_value(it), &row) != ERR_NONE)
            disagree(c, "an entity's row is damaged", 0, SLICE_NONE);
        else
            err = check_entity(c, key, &row);
    }
    if (!err)
        err = rocks_iter_err(it);
    rocksdb_iter_destroy(it);
    return err;
}

/* ---- documents and index ---- */

static uint64_t posting_hash(uint32_t field, struct slice value, uint64_t doc)
{
    uint64_t seed = doc * 0x9e3779b97f4a7c15u ^ (uint64_t)field << 20;
    return XXH3_64bits_withSeed(value.bytes, value.length, seed) | 1;
}

/* Not what is left of fields that moved, nor what is being derived. */
static bool is_compared(struct check *c, uint32_t field)
{
    if (c->seen_any && c->seen_field == field)
        return c->seen_compared;
    bool is_ready = fields_has_place(c->fields, field);
    for (uint32_t i = 0; is_ready && i < c->fields->count; i++)
        if (c->fields->rows[i].place == field)
            is_ready = c->fields->rows[i].done >= c->fields->rows[i].until;
    c->seen_any = true;
    c->seen_field = field;
    return c->seen_compared = is_ready;
}

static enum err sum_visit(void *context, uint32_t field, struct slice value,
                          const uint64_t *docs, size_t count)
{
    struct check *c = context;
    if (!is_compared(c, field))
        return ERR_NONE;
    for (size_t i = 0; i < count; i++)
        if (docs[i] - c->first < WINDOW_DOCS)
            c->sums[docs[i] - c->first] += posting_hash(field, value, docs[i]);
    return ERR_NONE;
}

/* What is being written again stands in two places meanwhile, or in none. */
static bool is_damaged(const struct check *c, uint64_t doc)
{
    const struct segment_set *set = c->view->segments;
    for (uint32_t i = 0; i < segment_set_seen(set); i++) {
        const struct segment *s = set->list[i];
        if (atomic_load(&s->is_damaged) && s->footer.first <= doc && doc <= s->footer.last)
            return true;
    }
    return false;
}

static void report_damage(struct check *c)
{
    struct repair_figures f;
    store_repair_figures(c->view, &f);
    if (f.damaged && !c->has_damage)
        disagree(c, "a part of the index is damaged, and not written again yet", 0, SLICE_NONE);
    c->has_damage |= f.damaged > 0;
}

static int term_compare(const void *a, const void *b)
{
    const struct term *x = a, *y = b;
    if (x->field != y->field)
        return x->field < y->field ? -1 : 1;
    return slice_compare(x->value, y->value);
}

static enum err check_terms(const struct check *c, uint64_t doc, const struct place_row *place,
                            struct slice id, struct slice body, struct arena *arena)
{
    struct term *terms = NULL;
    size_t count = 0;
    if (c->has_damage && is_damaged(c, doc))
        return ERR_NONE;
    TRY(c->store->extract(c->store->extract_context, types_name(c->store->types, place->type), id,
                          body, arena, &terms, &count));
    for (size_t i = 0; i < count; i++) {
        uint32_t called = FIELD_NOWHERE;
        enum err err = fields_ask(c->fields, terms[i].field, &called);
        terms[i].field = err ? FIELD_NOWHERE : called;
    }
    if (count)
        qsort(terms, count, sizeof *terms, term_compare);
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        if (terms[i].field != FIELD_NOWHERE && (!i || term_compare(&terms[i - 1], &terms[i])))
            sum += posting_hash(terms[i].field, terms[i].value, doc);
    if (sum == c->sums[doc - c->first])
        return ERR_NONE;
    /* Beyond the horizon the index may have lost what still has rows: a power cut takes
     * back deletions that are then done again. */
    uint64_t killer = 0;
    TRY(killer_of(c->store, doc, &killer));
    if (!killer || !is_beyond(c, killer))
        disagree(c, "the index differs from the terms of a body", place->type, id);
    return ERR_NONE;
}

static enum err check_body(const struct check *c, uint64_t doc, const struct place_row *place,
                           const struct body_row *row, struct arena *arena)
{
    struct slice body, appendix;
    if (row->entity != place->entity || row->version != place->version ||
        row->is_deleted != place->is_deleted)
        disagree(c, "a body's header differs from its place", place->type, row->id);
    if (place->is_deleted) {
        if (c->sums[doc - c->first] && !(c->has_damage && is_damaged(c, doc)))
            disagree(c, "the index holds terms of a deletion", place->type, row->id);
        return ERR_NONE;
    }
    enum err err = store_body_open(c->store, row, arena, &body, &appendix);
    if (err == ERR_CORRUPT) {
        disagree(c, "a body does not decompress", place->type, row->id);
        return ERR_NONE;
    }
    TRY(err);
    uint8_t hash[HASH_BYTES];
    store_body_hash(body, appendix, row->splice, hash);
    if (memcmp(hash, row->hash, HASH_BYTES) != 0)
        disagree(c, "a body differs from its hash", place->type, row->id);
    return check_terms(c, doc, place, row->id, body, arena);
}

static enum err check_document(const struct check *c, uint64_t doc, struct arena *arena)
{
    struct place_row place;
    struct body_row row;
    bool found = false;
    TRY(store_place_find(c->store, doc, &found, &place));
    if (!found) {
        uint64_t killer = 0;
        TRY(killer_of(c->store, doc, &killer));
        if (!killer || !(killer == doc || is_beyond(c, killer)))
            disagree(c, "a document has no place", 0, SLICE_NONE);
        return ERR_NONE;
    }
    rocksdb_pinnableslice_t *pin = NULL;
    enum err err = store_body_row(c->store, place.home, place.type, doc, &pin, &row);
    if (!err)
        err = check_body(c, doc, &place, &row, arena);
    else if (err == ERR_CORRUPT)
        disagree(c, "a document's body is missing or damaged", place.type, SLICE_NONE);
    rocksdb_pinnableslice_destroy(pin);
    return err == ERR_CORRUPT ? ERR_NONE : err;
}

static enum err check_window(struct check *c, const struct postings_reader *postings)
{
    memset(c->sums, 0, WINDOW_DOCS * sizeof *c->sums);
    enum err err = postings_scan_all(postings, sum_visit, c);
    report_damage(c);
    struct arena arena;
    arena_init(&arena, DOCUMENT_ARENA_BYTES);
    uint64_t end = MIN(c->first + WINDOW_DOCS, c->reader->time + 1);
    for (uint64_t doc = c->first; !err && doc < end; doc++) {
        struct arena_mark mark = arena_mark(&arena);
        err = check_document(c, doc, &arena);
        arena_rewind(&arena, mark);
        tell(c, "documents", doc, c->reader->time);
    }
    arena_release(&arena);
    return err;
}

static enum err check_documents(struct check *c)
{
    struct store *store = c->store;
    TRY(store_wait_index(store));
    struct postings_reader postings = { .segments = &store->segments,
                                        .view = postings_view_take(&store->postings) };
    c->view = postings.view;
    c->fields = postings.view->fields;
    c->sums = malloc(WINDOW_DOCS * sizeof *c->sums); /* one big piece, freed at once */
    enum err err = c->sums ? ERR_NONE : ERR_NO_MEMORY;
    for (c->first = 1; !err && c->first <= c->reader->time; c->first += WINDOW_DOCS)
        err = check_window(c, &postings);
    free(c->sums);
    postings_view_give((struct postings_view *)(uintptr_t)postings.view);
    return err;
}

enum err store_check_watched(struct store *store, store_report *report, store_progress *progress,
                             void *context, uint64_t *ret_checked)
{
    struct check c = {
        .store = store, .report = report, .progress = progress, .context = context
    };
    TRY(store_read_begin(store, 0, &c.reader));
    enum err err = check_entities(&c);
    if (!err)
        err = check_documents(&c);
    store_read_end(c.reader);
    *ret_checked = c.checked;
    return err;
}

enum err store_check(struct store *store, store_report *report, void *context,
                     uint64_t *ret_checked)
{
    return store_check_watched(store, report, NULL, context, ret_checked);
}
