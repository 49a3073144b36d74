/* ceiling_ingest.c - the work that no bundle ingest can leave out.
 *
 *   ceiling_ingest FOLDER SECONDS BUNDLE.json...
 *
 * For each bundle, over and over, on one thread: parse it, slice out the
 * resources, compress each with zstd level 1 and a trained dictionary, hash it,
 * build and sort 30 fixed-width keys a resource, append all to a log, fdatasync.
 * No head check, no FHIR, no index, no HTTP. Prints resources/s and MB/s.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>
#include <zdict.h>
#include <zstd.h>

#include "clock.h"
#include "json/json.h"

enum { KEYS = 30, DICTIONARY_BYTES = 32768, SAMPLES_MAX = 6000, LOG_BYTES = 64 << 20 };

struct key {
    uint64_t high, low;
};

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    return x->low < y->low ? -1 : x->low > y->low;
}

static struct slice read_file(const char *path)
{
    FILE *in = fopen(path, "r");
    if (!in)
        exit(2);
    fseek(in, 0, SEEK_END);
    size_t length = (size_t)ftell(in);
    rewind(in);
    char *bytes = malloc(length + 1);
    if (!bytes || fread(bytes, 1, length, in) != length)
        exit(2);
    fclose(in);
    return slice_of(bytes, length);
}

static ZSTD_CDict *train(const struct slice *bundles, int count)
{
    char *samples = malloc(64 << 20), *dictionary = malloc(DICTIONARY_BYTES);
    size_t sizes[SAMPLES_MAX], used = 0;
    unsigned n = 0;
    for (int b = 0; b < count; b++) {
        struct arena arena;
        struct json_doc doc;
        struct json_error error;
        arena_init(&arena, (size_t)1 << 30);
        if (json_parse(bundles[b], NULL, &arena, &doc, &error))
            exit(2);
        struct json entries = json_member(json_root(&doc), "entry");
        for (struct json e = json_first(entries); json_exists(e); e = json_next(entries, e)) {
            struct slice raw = json_raw(json_member(e, "resource"));
            if (n == SAMPLES_MAX || used + raw.length > 60 << 20)
                break;
            memcpy(samples + used, raw.bytes, raw.length);
            used += raw.length;
            sizes[n++] = raw.length;
        }
        arena_release(&arena);
    }
    size_t length = ZDICT_trainFromBuffer(dictionary, DICTIONARY_BYTES, samples, sizes, n);
    free(samples);
    return ZDICT_isError(length) ? NULL : ZSTD_createCDict(dictionary, length, 1);
}

struct work {
    ZSTD_CCtx *context;
    ZSTD_CDict *dictionary;
    char *out;
    struct key *keys;
    uint64_t hash;
};

static size_t one_bundle(struct work *w, struct slice text, size_t *ret_resources)
{
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    size_t length = 8, resources = 0;
    arena_init(&arena, (size_t)1 << 30);
    if (json_parse(text, NULL, &arena, &doc, &error))
        exit(2);
    struct json entries = json_member(json_root(&doc), "entry");
    for (struct json e = json_first(entries); json_exists(e); e = json_next(entries, e)) {
        struct slice raw = json_raw(json_member(e, "resource"));
        size_t room = ZSTD_compressBound(raw.length);
        length += w->dictionary ? ZSTD_compress_usingCDict(w->context, w->out + length, room,
                                                           raw.bytes, raw.length, w->dictionary)
                                : ZSTD_compressCCtx(w->context, w->out + length, room, raw.bytes,
                                                    raw.length, 1);
        for (unsigned k = 0; k < KEYS; k++) {
            w->hash = w->hash * 6364136223846793005ull + 1442695040888963407ull;
            w->keys[resources * KEYS + k] =
                (struct key){ (uint64_t)k << 48 | w->hash >> 24, w->hash };
        }
        resources++;
    }
    w->hash ^= XXH3_64bits(w->out + 8, length - 8);
    memcpy(w->out, &w->hash, 8);
    qsort(w->keys, resources * KEYS, sizeof *w->keys, compare_keys);
    arena_release(&arena);
    *ret_resources = resources;
    return length;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    char path[4096];
    snprintf(path, sizeof path, "%s/ceiling.log", argv[1]);
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600), count = argc - 3;
    struct slice *bundles = calloc((size_t)count, sizeof *bundles);
    for (int i = 0; i < count; i++)
        bundles[i] = read_file(argv[3 + i]);
    struct work w = { ZSTD_createCCtx(), train(bundles, count), malloc(256 << 20),
                      malloc(sizeof(struct key) * KEYS * 100000), 1 };
    if (fd < 0 || posix_fallocate(fd, 0, LOG_BYTES) || !w.out || !w.keys)
        return 2;

    double begun = wall_seconds(), limit = atof(argv[2]);
    size_t resources = 0, bytes = 0, at = 0;
    for (int i = 0; wall_seconds() - begun < limit; i = (i + 1) % count) {
        size_t n, length = one_bundle(&w, bundles[i], &n);
        if (at + length > LOG_BYTES)
            at = 0;
        if (pwrite(fd, w.out, length, (off_t)at) != (ssize_t)length || fdatasync(fd))
            return 2;
        at += length;
        resources += n;
        bytes += bundles[i].length;
    }
    double took = wall_seconds() - begun;
    printf("%.0f resources/s %.1f MB/s\n", (double)resources / took, (double)bytes / took / 1e6);
    close(fd);
    unlink(path);
    return 0;
}
