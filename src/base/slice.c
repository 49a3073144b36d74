#define _GNU_SOURCE /* memmem, memrchr */
#include "base/slice.h"

#include "base/check.h"

int slice_compare(struct slice a, struct slice b)
{
    size_t shorter = MIN(a.length, b.length);
    int order = shorter ? memcmp(a.bytes, b.bytes, shorter) : 0;
    if (order)
        return order;
    return a.length < b.length ? -1 : a.length > b.length;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++) {
        if (lower(a.bytes[i]) != lower(b.bytes[i]))
            return false;
    }
    return true;
}

bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.length >= prefix.length && slice_equal(slice_head(s, prefix.length), prefix);
}

bool slice_ends_with(struct slice s, struct slice suffix)
{
    return s.length >= suffix.length &&
           slice_equal(slice_from(s, s.length - suffix.length), suffix);
}

ptrdiff_t slice_find_byte(struct slice s, char byte)
{
    const char *at = s.length ? memchr(s.bytes, byte, s.length) : NULL;
    return at ? at - s.bytes : -1;
}

ptrdiff_t slice_find(struct slice s, struct slice needle)
{
    if (needle.length == 0)
        return 0;
    const char *at = s.length ? memmem(s.bytes, s.length, needle.bytes, needle.length) : NULL;
    return at ? at - s.bytes : -1;
}

ptrdiff_t slice_find_last_byte(struct slice s, char byte)
{
    const char *at = s.length ? memrchr(s.bytes, byte, s.length) : NULL;
    return at ? at - s.bytes : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
    while (s.length && is_blank(s.bytes[0]))
        s = slice_from(s, 1);
    while (s.length && is_blank(s.bytes[s.length - 1]))
        s.length--;
    return s;
}

struct slice slice_cut(struct slice *rest, char separator)
{
    struct slice whole = *rest;
    ptrdiff_t at = slice_find_byte(whole, separator);
    if (at < 0) {
        *rest = SLICE_NONE;
        return whole;
    }
    *rest = slice_from(whole, (size_t)at + 1);
    return slice_head(whole, (size_t)at);
}

bool slice_parse_u64(struct slice s, uint64_t *ret_value)
{
    if (s.length == 0 || s.length > 20)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < s.length; i++) {
        if (s.bytes[i] < '0' || s.bytes[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.bytes[i] - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}
