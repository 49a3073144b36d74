/* profile/load.c - packages straight from files, over a set. */
#include "profile/package.h"

enum { COMPILE_BYTES_MAX = 2000 << 20 };

static enum err load_one(struct profile_set *below, const char *path, struct issues *issues,
                         struct buf *image)
{
    struct profile_source source;
    struct arena arena;
    arena_init(&arena, COMPILE_BYTES_MAX);
    enum err err = profile_package_open(path, &arena, issues, &source);
    if (!err)
        err = profile_compile(&source, below, &arena, issues, image);
    arena_release(&arena);
    return err;
}

enum err profile_set_load(struct profile_set *below, const char *const *paths, size_t count,
                          struct issues *issues, struct profile_set **ret_set)
{
    struct slice images[PROFILE_LOAD_MAX] = { { NULL, 0 } };
    struct buf texts[PROFILE_LOAD_MAX];
    enum err err = count > PROFILE_LOAD_MAX ? ERR_LIMIT : ERR_NONE;
    size_t made = 0;
    for (; made < count && !err; made++) {
        buf_init(&texts[made], 1 << 30);
        err = load_one(below, paths[made], issues, &texts[made]);
        images[made] = buf_slice(&texts[made]);
    }
    if (!err)
        err = profile_set_layer(below, images, count, ret_set);
    while (made > 0)
        buf_release(&texts[--made]);
    return err;
}
