#include "store/segment/keys.h"

#include <xxhash.h>

#include "base/codec.h"

int key_compare_bytes(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    size_t common = MIN(a_size, b_size);
    int order = common ? memcmp(a, b, common) : 0;
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* ---- reading ---- */

static uint16_t restart_at(const struct keys_reader *r, uint32_t i)
{
    uint16_t at;
    memcpy(&at, r->bytes + r->end + 2 * (size_t)i, sizeof at);
    return at;
}

enum err keys_open(struct keys_reader *r, const uint8_t *bytes, size_t size, uint64_t offset)
{
    r->bytes = bytes;
    r->at = 0;
    r->key_size = 0;
    if (size < KEYS_TRAILER_BYTES || size > KEYS_BLOCK_BYTES_MAX)
        return ERR_CORRUPT;
    uint32_t sum;
    uint16_t restarts;
    memcpy(&sum, bytes + size - sizeof sum, sizeof sum);
    if ((uint32_t)XXH3_64bits_withSeed(bytes, size - sizeof sum, offset) != sum)
        return ERR_CORRUPT;
    memcpy(&restarts, bytes + size - KEYS_TRAILER_BYTES, sizeof restarts);
    r->restarts = restarts;
    r->level = bytes[size - KEYS_TRAILER_BYTES + 2];
    if (!restarts || 2 * (size_t)restarts > size - KEYS_TRAILER_BYTES)
        return ERR_CORRUPT;
    r->end = size - KEYS_TRAILER_BYTES - 2 * (size_t)restarts;
    return ERR_NONE;
}

static bool take(const struct keys_reader *r, size_t *at, uint64_t *ret)
{
    if (LIKELY(*at < r->end && r->bytes[*at] < 0x80)) {
        *ret = r->bytes[(*at)++];
        return true;
    }
    size_t n = get_varint(r->bytes + *at, r->end - *at, ret);
    *at += n;
    return n > 0;
}

static bool take_value(struct keys_reader *r, size_t *at)
{
    struct keys_value *v = &r->value;
    uint64_t place = 0;
    if (r->level)
        return take(r, at, &v->offset) && take(r, at, &v->length);
    if (!take(r, at, &v->count) || !take(r, at, &place))
        return false;
    v->shape = place & 3;
    v->length = place >> 2;
    if (v->shape != LIST_NEAR_SPARSE)
        return v->shape <= LIST_FAR_BLOCKS && take(r, at, &v->offset);
    v->near = r->bytes + *at;
    if (v->length > r->end - *at)
        return false;
    *at += (size_t)v->length;
    return true;
}

/* The key is put together in place: its tail is moved before the middle goes
 * in, for both stand in the key before it. */
static bool take_key(struct keys_reader *r, size_t *at)
{
    uint64_t shared = 0, tail = 0, middle = 0;
    if (!take(r, at, &shared) || !take(r, at, &tail) || !take(r, at, &middle))
        return false;
    if (shared > r->key_size || tail > r->key_size - shared || middle > r->end - *at ||
        middle > KEY_BYTES_MAX - shared - tail)
        return false;
    size_t size = (size_t)(shared + middle + tail);
    if (tail)
        memmove(r->key + size - tail, r->key + r->key_size - tail, (size_t)tail);
    if (middle)
        memcpy(r->key + shared, r->bytes + *at, (size_t)middle);
    *at += (size_t)middle;
    r->key_size = size;
    return true;
}

enum err keys_next(struct keys_reader *r, bool *ret_any)
{
    *ret_any = false;
    if (r->at >= r->end)
        return ERR_NONE;
    size_t at = r->at;
    if (!take_key(r, &at) || !take_value(r, &at))
        return ERR_CORRUPT;
    r->at = at;
    *ret_any = true;
    return ERR_NONE;
}

/* To the entry of a restart point. */
static enum err restart(struct keys_reader *r, uint32_t i)
{
    bool any = false;
    r->at = restart_at(r, i);
    r->key_size = 0;
    if (r->at >= r->end)
        return ERR_CORRUPT;
    return keys_next(r, &any);
}

enum err keys_seek(struct keys_reader *r, const uint8_t *key, size_t size, bool *ret_any)
{
    uint32_t low = 0, high = r->restarts; /* the last restart at or below lies in [low, high) */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        TRY(restart(r, middle));
        if (key_compare_bytes(r->key, r->key_size, key, size) <= 0)
            low = middle;
        else
            high = middle;
    }
    TRY(restart(r, low));
    *ret_any = true;
    if (!r->level) {
        while (*ret_any && key_compare_bytes(r->key, r->key_size, key, size) < 0)
            TRY(keys_next(r, ret_any));
        return ERR_NONE;
    }
    /* An inner block: stop before the first key above. */
    for (;;) {
        struct keys_value held = r->value;
        size_t at = r->at;
        bool any = false;
        TRY(keys_next(r, &any));
        if (any && key_compare_bytes(r->key, r->key_size, key, size) <= 0)
            continue;
        /* Going back one entry: the key is not needed, but the next keys_next()
         * builds on it, so the entry is read again from its restart. */
        if (any) {
            TRY(restart(r, low));
            while (r->at < at)
                TRY(keys_next(r, &any));
        }
        r->value = held;
        return r->at == at ? ERR_NONE : ERR_CORRUPT;
    }
}

/* Entries are known to be below only once the one behind is read; so the last of them
 * is read again from its restart. */
enum err keys_seek_below(struct keys_reader *r, const uint8_t *key, size_t size, bool *ret_any)
{
    uint32_t low = 0, high = r->restarts;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        TRY(restart(r, middle));
        if (key_compare_bytes(r->key, r->key_size, key, size) < 0)
            low = middle;
        else
            high = middle;
    }
    TRY(restart(r, low));
    uint32_t steps = 0;
    bool any = true;
    while (any && key_compare_bytes(r->key, r->key_size, key, size) < 0) {
        steps++;
        TRY(keys_next(r, &any));
    }
    *ret_any = steps > 0;
    TRY(restart(r, low));
    for (; steps > 1; steps--)
        TRY(keys_next(r, &any));
    return ERR_NONE;
}

/* ---- writing ---- */

static const size_t BLOCK_BYTES_LIMIT = 4 * KEYS_BLOCK_BYTES;

void keys_writer_init(struct keys_writer *w, uint8_t level)
{
    w->level = level;
    buf_init(&w->bytes, BLOCK_BYTES_LIMIT);
    w->restart_count = w->count = 0;
    w->key_size = 0;
}

void keys_writer_release(struct keys_writer *w)
{
    buf_release(&w->bytes);
}

static uint8_t *put(uint8_t *at, uint64_t value)
{
    return at + put_varint(at, value);
}

void keys_writer_add(struct keys_writer *w, const uint8_t *key, size_t size,
                     const struct keys_value *value)
{
    CHECK(size <= KEY_BYTES_MAX);
    if (!w->count)
        buf_clear(&w->bytes);
    size_t shared = 0, tail = 0;
    if (w->count % KEYS_RESTART_EVERY == 0) {
        CHECK(w->restart_count < ARRAY_COUNT(w->restarts));
        w->restarts[w->restart_count++] = (uint16_t)w->bytes.length;
    } else {
        size_t most = MIN(size, w->key_size);
        while (shared < most && key[shared] == w->key[shared])
            shared++;
        while (tail < most - shared && key[size - 1 - tail] == w->key[w->key_size - 1 - tail])
            tail++;
    }
    uint8_t head[8 * VARINT_BYTES_MAX], *at = head;
    at = put(at, shared);
    at = put(at, tail);
    at = put(at, size - shared - tail);
    buf_append(&w->bytes, slice_of((char *)head, (size_t)(at - head)));
    buf_append(&w->bytes, slice_of((const char *)key + shared, size - shared - tail));
    at = head;
    if (w->level) {
        at = put(put(at, value->offset), value->length);
    } else {
        at = put(put(at, value->count), value->length << 2 | value->shape);
        if (value->shape != LIST_NEAR_SPARSE)
            at = put(at, value->offset);
    }
    buf_append(&w->bytes, slice_of((char *)head, (size_t)(at - head)));
    if (!w->level && value->shape == LIST_NEAR_SPARSE)
        buf_append(&w->bytes, slice_of((const char *)value->near, (size_t)value->length));
    memcpy(w->key, key, size);
    w->key_size = size;
    if (!w->count++) {
        memcpy(w->first, key, size);
        w->first_size = size;
    }
}

enum err keys_writer_finish(struct keys_writer *w, uint64_t offset, struct slice *ret_bytes)
{
    uint8_t trailer[4] = { (uint8_t)w->restart_count, (uint8_t)(w->restart_count >> 8), w->level };
    buf_append(&w->bytes,
               slice_of((char *)w->restarts, w->restart_count * sizeof *w->restarts));
    buf_append(&w->bytes, slice_of((char *)trailer, sizeof trailer));
    TRY(buf_status(&w->bytes));
    uint32_t sum = (uint32_t)XXH3_64bits_withSeed(w->bytes.bytes, w->bytes.length, offset);
    buf_append(&w->bytes, slice_of((char *)&sum, sizeof sum));
    TRY(buf_status(&w->bytes));
    CHECK(w->bytes.length <= KEYS_BLOCK_BYTES_MAX);
    *ret_bytes = buf_slice(&w->bytes);
    w->restart_count = w->count = 0;
    w->key_size = 0;
    return ERR_NONE;
}
