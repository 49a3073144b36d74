/* base/regex_private.h - the program between regex_compile.c and regex.c. */
#ifndef BASE_REGEX_PRIVATE_H
#define BASE_REGEX_PRIVATE_H

#include <stdint.h>

#include "base/regex.h"

enum regex_op {
    REGEX_CHAR, /* the code point x */
    REGEX_ANY,
    REGEX_CLASS, /* classes[x] */
    REGEX_SPLIT, /* go on at x, and at y with lower priority */
    REGEX_JUMP,  /* to x */
    REGEX_SAVE,  /* the place in slot x */
    REGEX_BEGIN,
    REGEX_END,
    REGEX_WORD_EDGE,
    REGEX_NO_WORD_EDGE,
    REGEX_MATCH,
};

struct regex_step {
    uint8_t op; /* enum regex_op */
    uint32_t x, y;
};

struct regex_range {
    uint32_t low, high;
};

struct regex_class {
    struct regex_range *ranges;
    uint32_t count, room;
    bool is_negated;
};

enum { REGEX_STEPS_MAX = 4096, REGEX_SLOTS_MAX = 2 * REGEX_GROUPS_MAX };

struct regex {
    const struct regex_step *steps;
    const struct regex_class *classes;
    uint32_t step_count;
    uint32_t slot_count;
};

/* The code point at text[*at]; moves behind it. Bytes that are no UTF-8 count
 * as characters of their own. */
static inline uint32_t regex_next_char(struct slice text, size_t *at)
{
    uint8_t first = (uint8_t)text.bytes[*at];
    size_t extra = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
    uint32_t c = extra == 0 ? first : first & (0x3fU >> extra);
    *at += 1;
    for (; extra > 0 && *at < text.length; extra--, *at += 1)
        c = c << 6 | ((uint8_t)text.bytes[*at] & 0x3f);
    return c;
}

#endif
