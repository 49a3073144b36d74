#include "sync/ledger.h"

#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/codec.h"
#include "os/file.h"

enum { MAGIC_BYTES = 8, HEAD_BYTES = 24, PAIR_BYTES = 16, TAIL_BYTES = 8 };
static const char MAGIC[] = "TARNLED1";
#define LEDGER_BYTES ((size_t)MEMBER_ROWS_MAX * PAIR_BYTES)

void ledger_init(struct ledger *l)
{
    *l = (struct ledger){ .count = 0 };
    buf_init(&l->pairs, LEDGER_BYTES);
}

void ledger_release(struct ledger *l)
{
    buf_release(&l->pairs);
    l->count = 0;
}

enum err ledger_check(const char *folder)
{
    int fd;
    TRY(os_folder_make(folder, 0700));
    TRY(os_file_temporary(folder, &fd));
    return close(fd) ? ERR_IO : ERR_NONE;
}

static const uint8_t *pair_at(const struct ledger *l, size_t at)
{
    return (const uint8_t *)l->pairs.bytes + HEAD_BYTES + at * PAIR_BYTES;
}

static uint64_t hash_of(struct slice text)
{
    return XXH3_64bits(text.bytes, text.length);
}

static uint64_t row_name(const struct member *m, const struct member_row *row)
{
    char name[MEMBER_NAME_BYTES];
    return hash_of(member_name(m, row, name));
}

/* Hashes again, since a consent's id is not ours to trust as a file's name. */
static void path_of(struct buf *out, const char *folder, struct slice endpoint,
                    struct slice consent)
{
    uint64_t hash = XXH3_64bits_withSeed(consent.bytes, consent.length, hash_of(endpoint));
    buf_printf(out, "%s/%016llx.ledger", folder, (unsigned long long)hash);
    buf_append_byte(out, '\0');
}

static bool is_whole(const struct ledger *l, struct slice endpoint)
{
    const uint8_t *bytes = (const uint8_t *)l->pairs.bytes;
    size_t length = l->pairs.length;
    if (length < HEAD_BYTES + TAIL_BYTES || memcmp(bytes, MAGIC, MAGIC_BYTES) != 0)
        return false;
    return get_be64(bytes + 8) == hash_of(endpoint) &&
           get_be64(bytes + 16) == (length - HEAD_BYTES - TAIL_BYTES) / PAIR_BYTES &&
           (length - HEAD_BYTES - TAIL_BYTES) % PAIR_BYTES == 0 &&
           get_be64(bytes + length - TAIL_BYTES) == XXH3_64bits(bytes, length - TAIL_BYTES);
}

enum err ledger_load(struct ledger *l, const char *folder, struct slice endpoint,
                     struct slice consent)
{
    struct buf path;
    buf_init(&path, 8192);
    path_of(&path, folder, endpoint, consent);
    enum err err = buf_status(&path);
    if (!err)
        err = os_file_read(path.bytes, &l->pairs);
    buf_release(&path);
    l->count = 0;
    if (err == ERR_NOT_FOUND)
        err = ERR_NONE;
    if (!err && is_whole(l, endpoint))
        l->count = (l->pairs.length - HEAD_BYTES - TAIL_BYTES) / PAIR_BYTES;
    return err;
}

enum ledger_verdict ledger_ask(const struct ledger *l, const struct member *m,
                               const struct member_row *row)
{
    uint64_t name = row_name(m, row);
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t found = get_be64(pair_at(l, middle));
        if (found == name)
            return get_be64(pair_at(l, middle) + 8) == row->hash ? LEDGER_SAME : LEDGER_OTHER;
        if (found < name)
            low = middle + 1;
        else
            high = middle;
    }
    return LEDGER_UNKNOWN;
}

static int compare_names(const void *a, const void *b)
{
    return memcmp(a, b, 8); /* big-endian: byte order is number order */
}

static bool is_stored(const struct member_row *row)
{
    return row->state != MEMBER_WAITING && row->state != MEMBER_FAILED;
}

/* The pairs of the rows that are stored now, rising by name. */
static enum err fresh_pairs(const struct member *m, struct buf *out)
{
    for (size_t i = 0; i < member_count(m); i++) {
        const struct member_row *row = member_row(m, i);
        uint8_t pair[PAIR_BYTES];
        if (!is_stored(row))
            continue;
        put_be64(pair, row_name(m, row));
        put_be64(pair + 8, row->hash);
        buf_append(out, slice_of((const char *)pair, sizeof pair));
    }
    if (out->length)
        qsort(out->bytes, out->length / PAIR_BYTES, PAIR_BYTES, compare_names);
    return buf_status(out);
}

/* Both lists rise by name; of equal names the fresh one counts. */
static void merge(const struct ledger *old, const struct buf *fresh, struct buf *out)
{
    const uint8_t *at = (const uint8_t *)(fresh->bytes ? fresh->bytes : "");
    const uint8_t *end = at + fresh->length;
    size_t o = 0;
    while (o < old->count || at < end) {
        int order = o == old->count ? 1 : at == end ? -1 : compare_names(pair_at(old, o), at);
        const uint8_t *chosen = order < 0 ? pair_at(old, o) : at;
        buf_append(out, slice_of((const char *)chosen, PAIR_BYTES));
        o += order <= 0;
        at += order >= 0 ? PAIR_BYTES : 0;
    }
}

static enum err render(const struct ledger *old, const struct member *m, struct slice endpoint,
                       struct buf *out)
{
    struct buf fresh;
    buf_init(&fresh, LEDGER_BYTES);
    enum err err = fresh_pairs(m, &fresh);
    uint8_t number[8];
    buf_append(out, slice_of(MAGIC, MAGIC_BYTES));
    put_be64(number, hash_of(endpoint));
    buf_append(out, slice_of((const char *)number, sizeof number));
    buf_append(out, slice_of((const char *)number, sizeof number)); /* the count's place */
    if (!err)
        merge(old, &fresh, out);
    buf_release(&fresh);
    if (err || (err = buf_status(out)))
        return err;
    put_be64((uint8_t *)out->bytes + 16, (out->length - HEAD_BYTES) / PAIR_BYTES);
    put_be64(number, hash_of(buf_slice(out)));
    buf_append(out, slice_of((const char *)number, sizeof number));
    return buf_status(out);
}

enum err ledger_store(const struct ledger *l, const struct member *m, const char *folder,
                      struct slice endpoint, struct slice consent)
{
    struct buf content, path;
    buf_init(&content, LEDGER_BYTES);
    buf_init(&path, 8192);
    path_of(&path, folder, endpoint, consent);
    enum err err = buf_status(&path);
    if (!err)
        err = render(l, m, endpoint, &content);
    if (!err)
        err = os_folder_make(folder, 0700);
    if (!err)
        err = os_file_replace(path.bytes, buf_slice(&content), 0600);
    buf_release(&content);
    buf_release(&path);
    return err;
}
