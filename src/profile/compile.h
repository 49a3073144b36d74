/* profile/compile.h - between compile.c (what to keep) and builder.c (rows); private. */
#ifndef PROFILE_COMPILE_H
#define PROFILE_COMPILE_H

#include "base/map.h"
#include "profile/image.h"

/* An element that says more than base R4 does. */
struct kept {
    struct image_node row;
    struct kept *next;
    struct kept *first, *last; /* children */
    struct kept *first_slice, *last_slice;
    const struct element *content; /* whose children are its own */
    uint32_t place;                /* in the nodes, once there */
};

struct image_builder {
    struct arena *arena;
    struct buf sections[IMAGE_SECTION_COUNT];
    struct map texts;  /* text to place + 1 in `rows` */
    struct map values; /* raw JSON to ordinal + 1 */
    uint32_t value_count;
    struct image_text name, version;
    enum err failure;
};

struct image_text builder_text(struct image_builder *b, struct slice text);
/* The row's number in its section. */
uint32_t builder_row(struct image_builder *b, enum image_section section, const void *row,
                     size_t row_bytes);
/* The value's ordinal + 1; 0 for none. */
uint32_t builder_value(struct image_builder *b, struct json value);
struct image_range builder_steps(struct image_builder *b, struct slice path, bool *ret_is_known);

/* Append the resource without what only people read (strip.c). */
void strip_definition(struct json root, struct buf *out);
void strip_terminology(struct json root, struct buf *out);

#endif
