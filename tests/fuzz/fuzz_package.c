/* Whatever bytes a package file has: reading it ends, within bounds, and what it gives
 * can be compiled; the image that comes out of it opens. Input: a .tgz, or (not
 * beginning with gzip's magic) the tar archive inside of one. */
#include "base/check.h"
#include "profile/archive.h"
#include "profile/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 128 << 20 };

static enum err visit(void *context, struct slice name, struct slice content)
{
    size_t *total = context;
    *total += name.length + content.length;
    return ERR_NONE;
}

static void compile(const struct profile_source *source, struct arena *arena)
{
    struct issues issues;
    struct buf image;
    struct profile_set *set;
    issues_init(&issues, arena);
    buf_init(&image, BYTES_MAX);
    if (profile_compile(source, NULL, arena, &issues, &image) == ERR_NONE) {
        struct slice bytes = buf_slice(&image);
        CHECK(profile_set_layer(NULL, &bytes, 1, &set) == ERR_NONE);
        profile_set_unref(set);
    }
    buf_release(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of((const char *)data, size);
    struct arena arena;
    struct issues issues;
    struct profile_source source;
    arena_init(&arena, BYTES_MAX);
    issues_init(&issues, &arena);
    if (size >= 2 && data[0] == 0x1f && data[1] == 0x8b) {
        if (profile_package_read(bytes, &arena, &issues, &source) == ERR_NONE)
            compile(&source, &arena);
    } else {
        size_t total = 0;
        enum err err = archive_each(bytes, visit, &total);
        CHECK(err == ERR_NONE || err == ERR_CORRUPT);
        CHECK(total <= size + size / 2);
    }
    arena_release(&arena);
    return 0;
}
