#include "profile/archive.h"

#include <zlib.h>

enum { PIECE_BYTES = 256 * 1024, TAR_BLOCK = 512, GZIP_WINDOW = 15 + 16 };

static enum err inflate_all(z_stream *stream, struct buf *out)
{
    for (;;) {
        char *room = buf_reserve(out, PIECE_BYTES);
        if (!room)
            return buf_status(out);
        stream->next_out = (Bytef *)room;
        stream->avail_out = PIECE_BYTES;
        int status = inflate(stream, Z_NO_FLUSH);
        buf_extend(out, PIECE_BYTES - stream->avail_out);
        TRY(buf_status(out));
        if (status == Z_STREAM_END && stream->avail_in > 0 &&
            inflateReset(stream) == Z_OK) /* members may follow one another */
            continue;
        if (status == Z_STREAM_END)
            return ERR_NONE;
        if (status != Z_OK)
            return status == Z_MEM_ERROR ? ERR_NO_MEMORY : ERR_CORRUPT;
    }
}

enum err gzip_unpack(struct slice bytes, struct buf *out)
{
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)bytes.bytes,
                        .avail_in = (uInt)bytes.length };
    if (bytes.length > UINT32_MAX)
        return ERR_LIMIT;
    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
        return ERR_NO_MEMORY;
    enum err err = inflate_all(&stream, out);
    inflateEnd(&stream);
    return err;
}

/* ---- tar ---- */

struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], time[12], sum[8], type, link[100];
    char magic[6], version[2], owner[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a tar header is one block");

static bool parse_octal(const char *text, size_t length, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < length && text[i] && text[i] != ' '; i++) {
        if (text[i] < '0' || text[i] > '7')
            return false;
        value = value * 8 + (uint64_t)(text[i] - '0');
    }
    *ret = value;
    return true;
}

static struct slice field(const char *text, size_t length)
{
    return slice_of(text, strnlen(text, length));
}

/* "27 path=package/x.json\n": the last path of a pax header. */
static struct slice pax_path(struct slice records)
{
    struct slice path = SLICE_NONE;
    while (records.length > 0) {
        struct slice line = slice_cut(&records, '\n');
        ptrdiff_t at = slice_find(line, SLICE(" path="));
        if (at > 0)
            path = slice_from(line, (size_t)at + 6);
    }
    return path;
}

struct tar {
    struct slice long_name; /* for the next entry */
    archive_visit *visit;
    void *context;
};

static enum err visit_entry(struct tar *t, const struct tar_header *h, struct slice content)
{
    char room[sizeof h->prefix + sizeof h->name + 1];
    struct slice name = field(h->name, sizeof h->name), prefix = field(h->prefix, sizeof h->prefix);
    bool is_ustar = memcmp(h->magic, "ustar", 5) == 0;
    if (is_ustar && prefix.length > 0 && t->long_name.length == 0) {
        memcpy(room, prefix.bytes, prefix.length);
        room[prefix.length] = '/';
        memcpy(room + prefix.length + 1, name.bytes, name.length);
        name = slice_of(room, prefix.length + 1 + name.length);
    }
    switch (h->type) {
    case 'x':
        t->long_name = pax_path(content);
        return ERR_NONE;
    case 'L':
        t->long_name = field(content.bytes, content.length);
        return ERR_NONE;
    case '0':
    case '\0':
        name = t->long_name.length > 0 ? t->long_name : name;
        t->long_name = SLICE_NONE;
        return t->visit(t->context, name, content);
    default:
        t->long_name = SLICE_NONE;
        return ERR_NONE;
    }
}

enum err archive_each(struct slice tar, archive_visit *visit, void *context)
{
    struct tar t = { .visit = visit, .context = context };
    while (tar.length >= TAR_BLOCK) {
        const struct tar_header *h = (const struct tar_header *)(const void *)tar.bytes;
        uint64_t size;
        if (h->name[0] == '\0')
            return ERR_NONE; /* the end's empty blocks */
        tar = slice_from(tar, TAR_BLOCK);
        if (!parse_octal(h->size, sizeof h->size, &size) || size > tar.length)
            return ERR_CORRUPT;
        TRY(visit_entry(&t, h, slice_head(tar, (size_t)size)));
        tar = slice_from(tar, ((size_t)size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK);
    }
    return ERR_NONE;
}
