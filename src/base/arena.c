#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ONE_BLOCK_PER_PIECE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_BLOCK_PER_PIECE 1
#endif
#endif
#ifndef ONE_BLOCK_PER_PIECE
#define ONE_BLOCK_PER_PIECE 0
#endif

enum { ALIGN_BYTES = _Alignof(max_align_t), FIRST_BLOCK_BYTES = 16 * 1024 };
static const size_t LARGEST_BLOCK_BYTES = (size_t)4 * 1024 * 1024;

struct arena_block {
    struct arena_block *older;
    size_t size_bytes;
    max_align_t bytes[];
};

static bool arena_is_valid(const struct arena *a)
{
    size_t room_bytes = a->block ? a->block->size_bytes : 0;
    return a->used_bytes <= room_bytes && a->total_bytes <= a->limit_bytes;
}

void arena_init(struct arena *a, size_t limit_bytes)
{
    CHECK(limit_bytes <= SIZE_MAX / 2); /* so no sum below can wrap */
    *a = (struct arena){ .limit_bytes = limit_bytes };
}

void arena_release(struct arena *a)
{
    arena_rewind(a, (struct arena_mark){ NULL, 0 });
}

/* Blocks double from 16 KB to 4 MB, so a small request takes one small block
 * and a large one few. */
static size_t block_bytes(const struct arena *a, size_t need_bytes)
{
    size_t left_bytes = a->limit_bytes - a->total_bytes;
    if (ONE_BLOCK_PER_PIECE)
        return need_bytes;
    size_t wish = a->block ? a->block->size_bytes * 2 : FIRST_BLOCK_BYTES;
    wish = MIN(wish, LARGEST_BLOCK_BYTES);
    return MIN(MAX(need_bytes, wish), left_bytes);
}

static bool arena_grow(struct arena *a, size_t need_bytes)
{
    if (need_bytes > a->limit_bytes - a->total_bytes)
        return false;

    size_t size_bytes = block_bytes(a, need_bytes);
    struct arena_block *block = malloc(sizeof *block + size_bytes);
    if (!block)
        return false;

    *block = (struct arena_block){ .older = a->block, .size_bytes = size_bytes };
    a->block = block;
    a->used_bytes = 0;
    a->total_bytes += size_bytes;
    return true;
}

static size_t rounded(size_t size_bytes)
{
    return (size_bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

void *arena_raw(struct arena *a, size_t size_bytes)
{
    ASSERT(arena_is_valid(a));
    CHECK(size_bytes > 0);
    if (size_bytes > a->limit_bytes)
        return NULL;

    size_t need_bytes = rounded(size_bytes);
    bool fits = a->block && need_bytes <= a->block->size_bytes - a->used_bytes;
    if (!fits && !arena_grow(a, need_bytes))
        return NULL;

    void *piece = (char *)a->block->bytes + a->used_bytes;
    a->used_bytes += need_bytes;
    return piece;
}

void *arena_alloc(struct arena *a, size_t size_bytes)
{
    void *piece = arena_raw(a, size_bytes);
    return piece ? memset(piece, 0, size_bytes) : NULL;
}

void *arena_array(struct arena *a, size_t count, size_t size_bytes)
{
    size_t total_bytes;
    if (__builtin_mul_overflow(count, size_bytes, &total_bytes))
        return NULL;
    return arena_alloc(a, MAX(total_bytes, 1));
}

void arena_trim(struct arena *a, void *piece, size_t size_bytes, size_t keep_bytes)
{
    ASSERT(arena_is_valid(a) && a->block && keep_bytes <= size_bytes);
    char *end = (char *)a->block->bytes + a->used_bytes;
    if (!ONE_BLOCK_PER_PIECE && (char *)piece + rounded(size_bytes) == end)
        a->used_bytes -= rounded(size_bytes) - rounded(MAX(keep_bytes, 1));
}

char *arena_copy(struct arena *a, struct slice s)
{
    if (s.length >= SIZE_MAX / 2)
        return NULL;
    char *copy = arena_raw(a, s.length + 1);
    if (!copy)
        return NULL;
    if (s.length)
        memcpy(copy, s.bytes, s.length);
    copy[s.length] = '\0';
    return copy;
}

struct slice arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return SLICE_NONE;

    char *text = arena_raw(a, (size_t)length + 1);
    if (!text)
        return SLICE_NONE;
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return slice_of(text, (size_t)length);
}

struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){ a->block, a->used_bytes };
}

void arena_rewind(struct arena *a, struct arena_mark mark)
{
    CHECK(arena_is_valid(a));
    while (a->block != mark.block) {
        CHECK(a->block); /* the mark was of this arena and not yet rewound past */
        struct arena_block *older = a->block->older;
        a->total_bytes -= a->block->size_bytes;
        free(a->block);
        a->block = older;
    }
    a->used_bytes = mark.used_bytes;
}
