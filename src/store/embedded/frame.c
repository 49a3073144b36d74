#include "store/embedded/frame.h"

#include "os/thread.h"

void frame_pool_init(struct frame_pool *pool)
{
    *pool = (struct frame_pool){ 0 };
    mutex_init(&pool->lock);
}

void frame_pool_release(struct frame_pool *pool)
{
    for (size_t i = 0; i < pool->compressor_count; i++)
        ZSTD_freeCCtx(pool->compressors[i]);
    for (size_t i = 0; i < pool->decompressor_count; i++)
        ZSTD_freeDCtx(pool->decompressors[i]);
    for (size_t i = 0; i < pool->known_count; i++)
        ZSTD_freeDDict(pool->known[i].decompress);
    mutex_destroy(&pool->lock);
}

enum err frame_dictionary_add(struct frame_pool *pool, struct slice bytes)
{
    unsigned id = ZSTD_getDictID_fromDict(bytes.bytes, bytes.length);
    if (!id)
        return ERR_INVALID;
    for (size_t i = 0; i < pool->known_count; i++)
        if (pool->known[i].id == id)
            return ERR_NONE;
    if (pool->known_count == FRAME_DICTIONARIES_MAX)
        return ERR_LIMIT;
    ZSTD_DDict *decompress = ZSTD_createDDict(bytes.bytes, bytes.length);
    if (!decompress)
        return ERR_NO_MEMORY;
    pool->known[pool->known_count++] = (struct frame_dictionary){ id, decompress };
    return ERR_NONE;
}

/* Sizes stand in the row header and the block has a checksum already: neither
 * is repeated in the frame. */
static ZSTD_CCtx *compressor_new(void)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (!context)
        return NULL;
    bool failed = ZSTD_isError(
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, FRAME_LEVEL));
    failed |= ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0)) != 0;
    failed |= ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0)) != 0;
    if (!failed)
        return context;
    ZSTD_freeCCtx(context);
    return NULL;
}

ZSTD_CCtx *frame_compressor_take(struct frame_pool *pool)
{
    mutex_lock(&pool->lock);
    ZSTD_CCtx *context =
        pool->compressor_count ? pool->compressors[--pool->compressor_count] : NULL;
    mutex_unlock(&pool->lock);
    return context ? context : compressor_new();
}

void frame_compressor_give(struct frame_pool *pool, ZSTD_CCtx *context)
{
    if (!context)
        return;
    mutex_lock(&pool->lock);
    bool kept = pool->compressor_count < FRAME_IDLE_MAX;
    if (kept)
        pool->compressors[pool->compressor_count++] = context;
    mutex_unlock(&pool->lock);
    if (!kept)
        ZSTD_freeCCtx(context);
}

/* Two texts in a row, cut from the arena. */
static enum err join(struct slice a, struct slice b, struct arena *arena, struct slice *ret)
{
    char *bytes = arena_raw(arena, a.length + b.length);
    if (!bytes)
        return ERR_NO_MEMORY;
    memcpy(bytes, a.bytes, a.length);
    if (b.length)
        memcpy(bytes + a.length, b.bytes, b.length);
    *ret = slice_of(bytes, a.length + b.length);
    return ERR_NONE;
}

enum err frame_compress(ZSTD_CCtx *context, struct slice body, struct slice appendix,
                        struct buf *scratch, struct arena *arena, struct slice *ret_frame,
                        bool *ret_raw)
{
    size_t size = body.length + appendix.length;
    *ret_frame = SLICE_NONE;
    *ret_raw = true;
    if (!size)
        return ERR_NONE;
    if (size <= FRAME_ALONE_BYTES)
        return join(body, appendix, arena, ret_frame);
    buf_clear(scratch);
    buf_append(scratch, body);
    buf_append(scratch, appendix);
    size_t room = ZSTD_compressBound(size);
    char *out = buf_extend(scratch, room);
    if (!out)
        return buf_status(scratch);
    size_t length = ZSTD_compress2(context, out, room, scratch->bytes, size);
    *ret_raw = ZSTD_isError(length) || length >= size;
    if (*ret_raw)
        return join(body, appendix, arena, ret_frame);
    return join(slice_of(out, length), SLICE_NONE, arena, ret_frame);
}

static const ZSTD_DDict *dictionary_find(const struct frame_pool *pool, unsigned id)
{
    for (size_t i = 0; i < pool->known_count; i++)
        if (pool->known[i].id == id)
            return pool->known[i].decompress;
    return NULL;
}

static ZSTD_DCtx *decompressor_take(struct frame_pool *pool)
{
    mutex_lock(&pool->lock);
    ZSTD_DCtx *context =
        pool->decompressor_count ? pool->decompressors[--pool->decompressor_count] : NULL;
    mutex_unlock(&pool->lock);
    return context ? context : ZSTD_createDCtx();
}

static void decompressor_give(struct frame_pool *pool, ZSTD_DCtx *context)
{
    mutex_lock(&pool->lock);
    bool kept = pool->decompressor_count < FRAME_IDLE_MAX;
    if (kept)
        pool->decompressors[pool->decompressor_count++] = context;
    mutex_unlock(&pool->lock);
    if (!kept)
        ZSTD_freeDCtx(context);
}

enum err frame_decompress(struct frame_pool *pool, struct slice frame, bool is_raw, size_t size,
                          struct arena *arena, struct slice *ret_bytes)
{
    if (!size) {
        *ret_bytes = slice_of("", 0);
        return ERR_NONE;
    }
    char *out = arena_raw(arena, size);
    if (!out)
        return ERR_NO_MEMORY;
    *ret_bytes = slice_of(out, size);
    if (is_raw) {
        if (frame.length != size)
            return ERR_CORRUPT;
        memcpy(out, frame.bytes, size);
        return ERR_NONE;
    }
    unsigned id = ZSTD_getDictID_fromFrame(frame.bytes, frame.length);
    const ZSTD_DDict *dictionary = id ? dictionary_find(pool, id) : NULL;
    if (id && !dictionary)
        return ERR_CORRUPT;
    ZSTD_DCtx *context = decompressor_take(pool);
    if (!context)
        return ERR_NO_MEMORY;
    size_t length =
        dictionary ? ZSTD_decompress_usingDDict(context, out, size, frame.bytes, frame.length,
                                                dictionary)
                   : ZSTD_decompressDCtx(context, out, size, frame.bytes, frame.length);
    decompressor_give(pool, context);
    return length == size ? ERR_NONE : ERR_CORRUPT;
}
