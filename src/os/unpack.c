#include "os/unpack.h"

#include <zstd.h>

#include "os/file.h"

static const size_t PACKED_BYTES_MAX = (size_t)1 << 30;

static enum err unpack(struct slice packed, struct buf *out)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (!context)
        return ERR_NO_MEMORY;
    ZSTD_inBuffer in = { packed.bytes, packed.length, 0 };
    size_t piece_bytes = ZSTD_DStreamOutSize();
    size_t left = 0;
    enum err err = ERR_NONE;
    bool whole = false;
    while (!err && !whole) {
        size_t before = in.pos;
        char *to = buf_reserve(out, piece_bytes);
        if (!to) {
            err = buf_status(out);
            break;
        }
        ZSTD_outBuffer piece = { to, piece_bytes, 0 };
        left = ZSTD_decompressStream(context, &piece, &in);
        if (ZSTD_isError(left))
            err = ERR_CORRUPT;
        else
            out->length += piece.pos;
        /* 0: a frame is whole; others may follow. */
        whole = left == 0 && in.pos == in.size;
        if (!err && !whole && in.pos == before && piece.pos == 0)
            err = ERR_CORRUPT; /* the file ends inside a frame */
    }
    ZSTD_freeDCtx(context);
    return err;
}

static enum err read_unpack(const char *path, struct buf *out)
{
    struct buf content;
    buf_init(&content, PACKED_BYTES_MAX);
    enum err err = path ? os_file_read(path, &content) : os_standard_read(&content);
    if (!err) {
        if (content.length >= 4 && memcmp(content.bytes, "\x28\xB5\x2F\xFD", 4) == 0) {
            err = unpack(buf_slice(&content), out);
        } else {
            buf_append(out, buf_slice(&content));
            err = buf_status(out);
        }
    }
    buf_release(&content);
    return err;
}

enum err os_file_unpack(const char *path, struct buf *out)
{
    return read_unpack(path, out);
}

enum err os_standard_unpack(struct buf *out)
{
    return read_unpack(NULL, out);
}
