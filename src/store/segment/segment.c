#include "store/segment/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/codec.h"
#include "os/file.h"

static const char HEADER[SEGMENT_HEADER_BYTES] = { 'T', 'A', 'R', 'N', 'S', 'E', 'G', 0,
                                                   SEGMENT_FORMAT };
/* Format 1 had no filter, and a footer that ended with the checksum after the height. It is
 * read, so that a store of before answers at once; merges write the newest format. */
static const char HEADER_OF_1[SEGMENT_HEADER_BYTES] = { 'T', 'A', 'R', 'N', 'S', 'E', 'G', 0, 1 };

void segment_path(char out[SEGMENT_PATH_MAX], const char *folder, uint64_t number)
{
    snprintf(out, SEGMENT_PATH_MAX, "%s/" SEGMENT_NAME_FORMAT, folder,
             (unsigned long long)number);
}

size_t key_render(uint8_t *out, uint32_t field, struct slice value)
{
    CHECK(value.length <= TERM_VALUE_BYTES_MAX);
    put_be32(out, field);
    if (value.length)
        memcpy(out + 4, value.bytes, value.length);
    return 4 + value.length;
}

/* Of the header and the first `size` bytes of the footer. */
static uint64_t footer_checksum(const char *header, const struct segment_footer *footer,
                                size_t size)
{
    char bytes[SEGMENT_HEADER_BYTES + sizeof *footer];
    memcpy(bytes, header, SEGMENT_HEADER_BYTES);
    memcpy(bytes + SEGMENT_HEADER_BYTES, footer, size);
    return XXH3_64bits(bytes, SEGMENT_HEADER_BYTES + size);
}

/* ---- opening ---- */

/* Whole as its checksum says. */
static enum err footer_take(struct segment *s)
{
    struct segment_footer *f = &s->footer;
    const char *header = HEADER;
    size_t summed = offsetof(struct segment_footer, checksum);
    if (s->size < SEGMENT_HEADER_BYTES)
        return ERR_CORRUPT;
    if (memcmp(s->bytes, HEADER_OF_1, sizeof HEADER_OF_1) == 0) {
        header = HEADER_OF_1;
        summed = offsetof(struct segment_footer, filter_at);
    }
    size_t size = summed + sizeof f->checksum;
    if (s->size < SEGMENT_HEADER_BYTES + size ||
        memcmp(s->bytes, header, SEGMENT_HEADER_BYTES) != 0)
        return ERR_CORRUPT;
    s->end = s->size - size;
    *f = (struct segment_footer){ 0 };
    memcpy(f, s->bytes + s->end, summed);
    memcpy(&f->checksum, s->bytes + s->end + summed, sizeof f->checksum);
    return f->checksum == footer_checksum(header, f, summed) ? ERR_NONE : ERR_CORRUPT;
}

static enum err footer_read(struct segment *s, uint64_t number)
{
    struct segment_footer *f = &s->footer;
    TRY(footer_take(s));
    size_t end = s->end;
    if (f->number != number || f->first > f->last || f->height > SEGMENT_LEVELS_MAX ||
        (f->height == 0) != (f->key_count == 0))
        return ERR_CORRUPT;
    if (f->height && (f->root_at > end || f->root_size > end - f->root_at))
        return ERR_CORRUPT;
    bool has_filter = f->filter_lines > 0;
    if (has_filter && (f->filter_lines > FILTER_LINES_MAX || f->filter_at > end ||
                       f->filter_at % FILTER_LINE_BYTES ||
                       f->filter_lines * FILTER_LINE_BYTES > end - f->filter_at))
        return ERR_CORRUPT;
    return ERR_NONE;
}

enum err segment_open(const char *folder, uint64_t number, struct segment **ret)
{
    char path[SEGMENT_PATH_MAX];
    segment_path(path, folder, number);
    struct segment *s = calloc(1, sizeof *s); /* outlives whoever opened it, counted */
    if (!s)
        return ERR_NO_MEMORY;
    atomic_init(&s->references, 1);
    s->path = strdup(path);
    enum err err = s->path ? os_file_map_watched(path, SIZE_MAX, &s->mapping) : ERR_NO_MEMORY;
    s->bytes = (const uint8_t *)s->mapping.bytes.bytes;
    s->size = s->mapping.bytes.length;
    if (!err)
        err = footer_read(s, number);
    if (err) {
        segment_unref(s);
        return err;
    }
    *ret = s;
    return ERR_NONE;
}

enum err segment_ghost(const char *folder, const struct segment_footer *about, size_t size,
                       struct segment **ret)
{
    char path[SEGMENT_PATH_MAX];
    struct segment *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    segment_path(path, folder, about->number);
    atomic_init(&s->references, 1);
    atomic_init(&s->is_damaged, true);
    s->is_ghost = true;
    s->footer = *about;
    s->size = size;
    s->path = strdup(path); /* what is there of the file goes with it */
    if (!s->path) {
        segment_unref(s);
        return ERR_NO_MEMORY;
    }
    *ret = s;
    return ERR_NONE;
}

struct segment *segment_ref(struct segment *s)
{
    atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
    return s;
}

/* A file that cannot be removed is an orphan, which the next opening removes. */
void segment_unref(struct segment *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) != 1)
        return;
    os_file_unmap(&s->mapping);
    if (atomic_load_explicit(&s->is_doomed, memory_order_relaxed) && s->path)
        (void)!os_file_remove(s->path);
    free(s->path);
    free(s);
}

/* ---- lists ---- */

static enum err list_open(const struct segment *s, const struct keys_value *v,
                          struct posting *ret)
{
    if (v->shape == LIST_NEAR_SPARSE)
        return posting_open_sparse(ret, slice_of((const char *)v->near, (size_t)v->length),
                                   v->count, s->footer.first);
    if (v->offset > s->end || v->length > s->end - v->offset)
        return ERR_CORRUPT;
    const uint8_t *bytes = s->bytes + v->offset;
    struct slice list = slice_of((const char *)bytes, (size_t)v->length);
    if (v->shape == LIST_FAR_BLOCKS)
        return posting_open_blocks(ret, list, v->count);
    uint32_t sum;
    if (list.length < sizeof sum)
        return ERR_CORRUPT;
    list.length -= sizeof sum;
    memcpy(&sum, list.bytes + list.length, sizeof sum);
    if ((uint32_t)XXH3_64bits_withSeed(list.bytes, list.length, v->offset) != sum)
        return ERR_CORRUPT;
    return posting_open_sparse(ret, list, v->count, s->footer.first);
}

/* ---- walking ---- */

static enum err block_open(const struct segment *s, struct keys_reader *r, uint64_t at,
                           uint64_t size, uint32_t level)
{
    if (at > s->end || size > s->end - at)
        return ERR_CORRUPT;
    TRY(keys_open(r, s->bytes + at, (size_t)size, at));
    return r->level == level ? ERR_NONE : ERR_CORRUPT;
}

/* A step to the next leaf: up until a block has another entry, then down its
 * first ones. The way up is found again in the blocks themselves. */
static enum err next_leaf(struct segment_walk *w, bool *ret_any)
{
    struct keys_reader *r = &w->inner;
    uint32_t level = 1;
    *ret_any = false;
    for (; level < w->height; level++) {
        const struct segment_footer *f = &w->segment->footer;
        bool is_root = level + 1 == w->height;
        uint64_t at = is_root ? f->root_at : w->at[level];
        TRY(block_open(w->segment, r, at, is_root ? f->root_size : w->size[level], level));
        /* Only what the entry holds is wanted, not its key: the keys before the
         * place are skipped by reading them. */
        bool any = true;
        while (any && r->at < w->next[level])
            TRY(keys_next(r, &any));
        TRY(keys_next(r, &any));
        if (any)
            break;
    }
    if (level >= w->height)
        return ERR_NONE;
    for (;; level--) {
        w->next[level] = r->at;
        uint64_t at = r->value.offset, size = r->value.length;
        struct keys_reader *below = level == 1 ? &w->leaf : r;
        TRY(block_open(w->segment, below, at, size, level - 1));
        w->at[level - 1] = at;
        w->size[level - 1] = size;
        TRY(keys_next(below, ret_any));
        if (!*ret_any)
            return ERR_CORRUPT; /* an empty block is never written */
        if (level == 1)
            return ERR_NONE;
    }
}

enum err segment_walk_seek(struct segment_walk *w, const struct segment *s, const uint8_t *key,
                           size_t size, bool *ret_any)
{
    w->segment = s;
    w->height = s->footer.height;
    *ret_any = false;
    if (s->is_ghost)
        return ERR_CORRUPT;
    if (!w->height)
        return ERR_NONE;
    uint64_t at = s->footer.root_at, length = s->footer.root_size;
    for (uint32_t level = w->height - 1; level > 0; level--) {
        w->at[level] = at;
        w->size[level] = length;
        TRY(block_open(s, &w->inner, at, length, level));
        TRY(keys_seek(&w->inner, key, size, ret_any));
        w->next[level] = w->inner.at;
        w->restarts[level] = w->inner.restarts;
        at = w->inner.value.offset;
        length = w->inner.value.length;
    }
    TRY(block_open(s, &w->leaf, at, length, 0));
    TRY(keys_seek(&w->leaf, key, size, ret_any));
    return *ret_any ? ERR_NONE : next_leaf(w, ret_any);
}

enum err segment_walk_next(struct segment_walk *w, bool *ret_any)
{
    TRY(keys_next(&w->leaf, ret_any));
    return *ret_any ? ERR_NONE : next_leaf(w, ret_any);
}

/* What leads down is the last block whose first key is below; so only the root can
 * have none. */
enum err segment_walk_seek_below(struct segment_walk *w, const struct segment *s,
                                 const uint8_t *key, size_t size, bool *ret_any)
{
    w->segment = s;
    w->height = s->footer.height;
    *ret_any = false;
    if (!w->height)
        return ERR_NONE;
    uint64_t at = s->footer.root_at, length = s->footer.root_size;
    for (uint32_t level = w->height - 1; level > 0; level--) {
        TRY(block_open(s, &w->inner, at, length, level));
        TRY(keys_seek_below(&w->inner, key, size, ret_any));
        if (!*ret_any)
            return ERR_NONE;
        at = w->inner.value.offset;
        length = w->inner.value.length;
    }
    TRY(block_open(s, &w->leaf, at, length, 0));
    return keys_seek_below(&w->leaf, key, size, ret_any);
}

enum err segment_walk_previous(struct segment_walk *w, bool *ret_any)
{
    uint8_t key[KEY_BYTES_MAX];
    size_t size = w->leaf.key_size;
    memcpy(key, w->leaf.key, size);
    TRY(keys_seek_below(&w->leaf, key, size, ret_any));
    return *ret_any ? ERR_NONE : segment_walk_seek_below(w, w->segment, key, size, ret_any);
}

enum err segment_walk_list(const struct segment_walk *w, struct posting *ret)
{
    return list_open(w->segment, &w->leaf.value, ret);
}

void segment_key_make(struct segment_key *key, uint32_t field, struct slice value)
{
    key->size = key_render(key->bytes, field, value);
    key->hash = filter_hash(key->bytes, key->size);
}

static enum err filter_has(const struct segment *s, uint32_t hash, bool *ret)
{
    const struct segment_footer *f = &s->footer;
    *ret = true;
    return f->filter_lines ? filter_ask(s->bytes + f->filter_at, f->filter_lines, f->filter_at,
                                        hash, ret)
                           : ERR_NONE;
}

enum err segment_find(const struct segment *s, const struct segment_key *key, bool *ret_found,
                      struct posting *ret)
{
    struct keys_reader r;
    bool maybe = false;
    *ret_found = false;
    if (s->is_ghost)
        return ERR_CORRUPT;
    if (!s->footer.height)
        return ERR_NONE;
    TRY(filter_has(s, key->hash, &maybe));
    if (!maybe)
        return ERR_NONE;
    uint64_t at = s->footer.root_at, length = s->footer.root_size;
    for (uint32_t level = s->footer.height; level-- > 0;) {
        bool any = false;
        TRY(block_open(s, &r, at, length, level));
        TRY(keys_seek(&r, key->bytes, key->size, &any));
        if (!level && (!any || key_compare_bytes(r.key, r.key_size, key->bytes, key->size) != 0))
            return ERR_NONE;
        at = r.value.offset;
        length = r.value.length;
    }
    *ret_found = true;
    return list_open(s, &r.value, ret);
}

/* ---- writing ---- */

enum err segment_writer_open(struct segment_writer *w, const char *folder,
                             const struct segment_footer *about)
{
    *w = (struct segment_writer){ .footer = *about };
    w->file.fd = -1;
    segment_path(w->path, folder, about->number);
    TRY(os_output_open(&w->file, w->path));
    os_output_append(&w->file, HEADER, sizeof HEADER);
    return ERR_NONE;
}

static void add_entry(struct segment_writer *w, uint32_t level, const uint8_t *key, size_t size,
                      const struct keys_value *value);

/* A full block goes to the file, and its first key to the block above. */
static void close_block(struct segment_writer *w, uint32_t level, struct keys_value *ret_place)
{
    struct keys_writer *keys = w->levels[level];
    struct slice bytes = SLICE_NONE;
    *ret_place = (struct keys_value){ .offset = w->file.size };
    enum err err = keys_writer_finish(keys, w->file.size, &bytes);
    w->failure = w->failure ? w->failure : err;
    ret_place->length = bytes.length;
    os_output_append(&w->file, bytes.bytes, bytes.length);
}

static void add_entry(struct segment_writer *w, uint32_t level, const uint8_t *key, size_t size,
                      const struct keys_value *value)
{
    if (level == w->height) {
        if (level == SEGMENT_LEVELS_MAX || !(w->levels[level] = malloc(sizeof **w->levels))) {
            w->failure = ERR_NO_MEMORY;
            return;
        }
        keys_writer_init(w->levels[level], (uint8_t)level);
        w->height++;
    }
    struct keys_writer *keys = w->levels[level];
    if (keys->count && keys_writer_is_full(keys)) {
        struct keys_value place;
        close_block(w, level, &place);
        add_entry(w, level + 1, keys->first, keys->first_size, &place);
        if (w->failure)
            return;
    }
    keys_writer_add(keys, key, size, value);
}

static void pad(struct segment_writer *w, size_t to)
{
    static const char zeros[FILTER_LINE_BYTES] = { 0 };
    os_output_append(&w->file, zeros, (to - w->file.size % to) % to);
}

void segment_writer_add(struct segment_writer *w, const uint8_t *key, size_t size,
                        struct posting_build *list)
{
    enum posting_shape shape = POSTING_SPARSE;
    struct slice bytes = SLICE_NONE;
    if (w->failure)
        return;
    if ((w->failure = posting_build_finish(list, &shape, &bytes)))
        return;
    struct keys_value v = { .count = list->count, .length = bytes.length };
    if (shape == POSTING_SPARSE && bytes.length <= KEYS_INLINE_MAX) {
        v.shape = LIST_NEAR_SPARSE;
        v.near = (const uint8_t *)bytes.bytes;
    } else {
        if (shape == POSTING_BLOCKS)
            pad(w, 8);
        v.shape = shape == POSTING_BLOCKS ? LIST_FAR_BLOCKS : LIST_FAR_SPARSE;
        v.offset = w->file.size;
        os_output_append(&w->file, bytes.bytes, bytes.length);
        if (shape == POSTING_SPARSE) {
            uint32_t sum = (uint32_t)XXH3_64bits_withSeed(bytes.bytes, bytes.length, v.offset);
            os_output_append(&w->file, &sum, sizeof sum);
            v.length += sizeof sum;
        }
    }
    filter_writer_add(&w->filter, key, size);
    w->footer.key_count++;
    w->footer.posting_count += list->count;
    add_entry(w, 0, key, size, &v);
}

/* What is open on every level, from the leaves up; the last one is the root. */
static void close_levels(struct segment_writer *w)
{
    for (uint32_t level = 0; level < w->height && !w->failure; level++) {
        struct keys_writer *keys = w->levels[level];
        struct keys_value place;
        CHECK(keys->count);
        close_block(w, level, &place);
        if (level + 1 < w->height) {
            add_entry(w, level + 1, keys->first, keys->first_size, &place);
        } else {
            w->footer.root_at = place.offset;
            w->footer.root_size = (uint32_t)place.length;
        }
    }
    w->footer.height = w->height;
}

static void write_filter(struct segment_writer *w)
{
    struct segment_footer *f = &w->footer;
    uint8_t *lines;
    pad(w, FILTER_LINE_BYTES);
    f->filter_at = w->file.size;
    filter_writer_finish(&w->filter, f->filter_at, &lines, &f->filter_lines);
    if (lines)
        os_output_append(&w->file, lines, (size_t)f->filter_lines * FILTER_LINE_BYTES);
    free(lines);
}

static void release(struct segment_writer *w)
{
    filter_writer_release(&w->filter);
    for (uint32_t level = 0; level < w->height; level++) {
        keys_writer_release(w->levels[level]);
        free(w->levels[level]);
    }
    w->height = 0;
}

enum err segment_writer_finish(struct segment_writer *w)
{
    close_levels(w);
    write_filter(w);
    w->footer.checksum =
        footer_checksum(HEADER, &w->footer, offsetof(struct segment_footer, checksum));
    os_output_append(&w->file, &w->footer, sizeof w->footer);
    enum err err = w->failure;
    if (!err)
        err = os_output_finish(&w->file);
    if (err)
        segment_writer_abandon(w);
    release(w);
    return err;
}

void segment_writer_abandon(struct segment_writer *w)
{
    bool is_ours = w->path[0] != '\0';
    os_output_abandon(&w->file);
    if (is_ours)
        (void)!os_file_remove(w->path);
    w->path[0] = '\0';
    release(w);
}
