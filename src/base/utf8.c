#include "base/utf8.h"

#include <utf8proc.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* First byte at or behind `at` that is not ASCII. */
static inline const uint8_t *skip_ascii(const uint8_t *at, const uint8_t *end)
{
#if defined(__SSE2__)
    while (end - at >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
        unsigned mask = (unsigned)_mm_movemask_epi8(v);
        if (mask)
            return at + __builtin_ctz(mask);
        at += 16;
    }
#endif
    while (at < end && *at < 0x80)
        at++;
    return at;
}

static inline bool is_tail(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* The character at `at` and its length; 0 when it is not well formed. */
static unsigned decode(const uint8_t *at, const uint8_t *end, uint32_t *ret_code_point)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint8_t lead = at[0];
    unsigned bytes = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (bytes == 0 || lead > 0xF4 || (size_t)(end - at) < bytes)
        return 0;
    uint32_t c = bytes == 1 ? lead : lead & (0x7Fu >> bytes);
    for (unsigned i = 1; i < bytes; i++) {
        if (!is_tail(at[i]))
            return 0;
        c = c << 6 | (at[i] & 0x3Fu);
    }
    if (c < least[bytes] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    *ret_code_point = c;
    return bytes;
}

bool utf8_is_valid(struct slice s)
{
    if (s.length == 0)
        return true; /* `bytes` may be NULL then */
    const uint8_t *at = (const uint8_t *)s.bytes, *end = at + s.length;
    while ((at = skip_ascii(at, end)) < end) {
        uint32_t c;
        unsigned bytes = decode(at, end, &c);
        if (bytes == 0)
            return false;
        at += bytes;
    }
    return true;
}

void utf8_append(struct buf *out, uint32_t c)
{
    CHECK(c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF));
    char bytes[4];
    size_t length = 0;
    if (c < 0x80) {
        bytes[length++] = (char)c;
    } else if (c < 0x800) {
        bytes[length++] = (char)(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        bytes[length++] = (char)(0xE0 | c >> 12);
        bytes[length++] = (char)(0x80 | (c >> 6 & 0x3F));
    } else {
        bytes[length++] = (char)(0xF0 | c >> 18);
        bytes[length++] = (char)(0x80 | (c >> 12 & 0x3F));
        bytes[length++] = (char)(0x80 | (c >> 6 & 0x3F));
    }
    if (c >= 0x80)
        bytes[length++] = (char)(0x80 | (c & 0x3F));
    buf_append(out, slice_of(bytes, length));
}

/* ---- folding ---- */

/* What Unicode does not decompose but people type without its stroke, hook or ligature,
 * and the apostrophes and dashes of typesetters. Looked up after case folding, so lower
 * case only, in order. (The German sharp s becomes "ss" by case folding itself.) */
static const struct letter {
    uint32_t code_point;
    const char *plain;
} letters[] = {
    { 0x00AB, "\"" }, { 0x00BB, "\"" }, { 0x00E6, "ae" }, { 0x00F0, "d" },  { 0x00F8, "o" },
    { 0x00FE, "th" }, { 0x0111, "d" },  { 0x0127, "h" },  { 0x0131, "i" },  { 0x0138, "k" },
    { 0x0142, "l" },  { 0x014B, "n" },  { 0x0153, "oe" }, { 0x0167, "t" },  { 0x0180, "b" },
    { 0x0188, "c" },  { 0x0192, "f" },  { 0x0199, "k" },  { 0x019A, "l" },  { 0x019E, "n" },
    { 0x01A5, "p" },  { 0x01AD, "t" },  { 0x01B4, "y" },  { 0x01B6, "z" },  { 0x01DD, "e" },
    { 0x01E5, "g" },  { 0x0237, "j" },  { 0x023C, "c" },  { 0x0247, "e" },  { 0x0249, "j" },
    { 0x024D, "r" },  { 0x024F, "y" },  { 0x0253, "b" },  { 0x0254, "o" },  { 0x0256, "d" },
    { 0x0257, "d" },  { 0x025B, "e" },  { 0x0260, "g" },  { 0x0263, "g" },  { 0x0268, "i" },
    { 0x0269, "i" },  { 0x026B, "l" },  { 0x0272, "n" },  { 0x0289, "u" },  { 0x028A, "u" },
    { 0x028B, "v" },  { 0x02BB, "'" },  { 0x02BC, "'" },  { 0x2010, "-" },  { 0x2012, "-" },
    { 0x2013, "-" },  { 0x2014, "-" },  { 0x2015, "-" },  { 0x2018, "'" },  { 0x2019, "'" },
    { 0x201B, "'" },  { 0x201C, "\"" }, { 0x201D, "\"" }, { 0x201E, "\"" }, { 0x201F, "\"" },
    { 0x2212, "-" },
};

static const char *plain_letter(uint32_t c)
{
    if (c < letters[0].code_point || c > letters[ARRAY_COUNT(letters) - 1].code_point)
        return NULL;
    for (size_t i = 0; i < ARRAY_COUNT(letters); i++)
        if (letters[i].code_point == c)
            return letters[i].plain;
    return NULL;
}

static bool is_blank(uint32_t c)
{
    return c == ' ' || (c >= 0x09 && c <= 0x0D) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

/* Where the folded text goes. A blank is written only when something follows
 * it, so runs shrink and the end is trimmed. */
struct folding {
    struct buf *out;
    bool begun, blank;
};

static inline void fold_put(struct folding *f, struct slice text)
{
    if (f->blank && f->begun)
        buf_append_byte(f->out, ' ');
    f->blank = false;
    f->begun = true;
    buf_append(f->out, text);
}

/* Accents, tones, points and other signs beside a letter go, as in the first level of
 * Unicode's collation; vowel signs and viramas, which other scripts write as marks, are
 * letters and stay: combining classes 0, 9 and those of vowels. */
static bool is_accent(uint32_t c)
{
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
    if (p->category == UTF8PROC_CATEGORY_ME)
        return true;
    if (p->category != UTF8PROC_CATEGORY_MN && p->category != UTF8PROC_CATEGORY_MC)
        return false;
    static const uint8_t vowels[] = { 0, 9, 84, 91, 103, 118, 129, 130, 132 };
    for (size_t i = 0; i < ARRAY_COUNT(vowels); i++)
        if (p->combining_class == vowels[i])
            return false;
    return true;
}

static void fold_code_point(struct folding *f, uint32_t c)
{
    if (is_blank(c)) {
        f->blank = true;
        return;
    }
    const char *plain = plain_letter(c);
    if (plain) {
        fold_put(f, slice_cstr(plain));
        return;
    }
    fold_put(f, SLICE_NONE); /* a pending blank */
    utf8_append(f->out, c);
}

static enum err fold_character(struct folding *f, uint32_t c)
{
    /* The longest decomposition in Unicode has 18 code points. */
    utf8proc_int32_t parts[32];
    int last_boundary = 0;
    utf8proc_option_t options = UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD |
                                UTF8PROC_IGNORE;
    utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)c, parts,
                                                     ARRAY_COUNT(parts), options, &last_boundary);
    if (count < 0 || count > (utf8proc_ssize_t)ARRAY_COUNT(parts))
        return ERR_INVALID;
    for (utf8proc_ssize_t i = 0; i < count; i++)
        if (!is_accent((uint32_t)parts[i]))
            fold_code_point(f, (uint32_t)parts[i]);
    return ERR_NONE;
}

static void fold_ascii(struct folding *f, const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        if (is_blank(*at)) {
            f->blank = true;
            at++;
            continue;
        }
        const uint8_t *word = at;
        while (at < end && !is_blank(*at))
            at++;
        fold_put(f, SLICE_NONE);
        size_t length = (size_t)(at - word);
        char *to = buf_extend(f->out, length);
        for (size_t i = 0; to && i < length; i++)
            to[i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] | 0x20 : word[i]);
    }
}

enum err utf8_fold(struct buf *out, struct slice s)
{
    struct folding f = { .out = out };
    const uint8_t *at = (const uint8_t *)(s.length ? s.bytes : ""), *end = at + s.length;
    while (at < end) {
        const uint8_t *plain_end = skip_ascii(at, end);
        fold_ascii(&f, at, plain_end);
        at = plain_end;
        if (at == end)
            break;
        uint32_t c;
        unsigned bytes = decode(at, end, &c);
        if (bytes == 0)
            return ERR_INVALID;
        TRY(fold_character(&f, c));
        at += bytes;
    }
    return buf_status(out);
}

unsigned utf8_letter_bytes(struct slice s)
{
    uint32_t c;
    const uint8_t *at = (const uint8_t *)(s.length ? s.bytes : "");
    unsigned bytes = s.length ? decode(at, at + s.length, &c) : 0;
    if (!bytes)
        return 0;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO ? bytes : 0;
}
