/* What has no expression: the words of `_text` (the narrative) and `_content` (every
 * text of the resource), and positions. */
#include "index/extract.h"

#include "base/codec.h"
#include "base/map.h"
#include "base/utf8.h"

enum {
    WORD_BYTES_MAX = 64,       /* of a folded word; longer ones are cut there */
    WORDS_MAX = 20000,         /* different ones of a resource; more are passed over */
    WORD_TEXT_BYTES_MAX = 4 << 20, /* of a resource's texts; more are passed over */
};

static unsigned letter_bytes(struct slice s)
{
    char c = s.bytes[0];
    if ((uint8_t)c >= 0x80)
        return utf8_letter_bytes(s);
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

struct slice index_word_cut(struct slice *rest)
{
    size_t from = 0, to;
    unsigned bytes = 0;
    if (!rest->length)
        return SLICE_NONE;
    while (from < rest->length && !letter_bytes(slice_from(*rest, from)))
        from++;
    /* A word too long is cut, between letters. */
    for (to = from; to < rest->length; to += bytes) {
        bytes = letter_bytes(slice_from(*rest, to));
        if (!bytes || to + bytes - from > WORD_BYTES_MAX)
            break;
    }
    struct slice word = slice_of(rest->bytes + from, to - from);
    while (to < rest->length && (bytes = letter_bytes(slice_from(*rest, to))) != 0)
        to += bytes;
    *rest = slice_from(*rest, to);
    return word.length ? word : SLICE_NONE;
}

enum { SEEN_TEXT = 1, SEEN_CONTENT = 2 };

struct words {
    struct extractor *x;
    struct map seen;     /* word to the fields that have it */
    uint32_t fields[2];  /* of SEEN_TEXT, SEEN_CONTENT; 0: the type has no such parameter */
    size_t byte_count;
};

/* The word's bytes are kept where its first term has them. */
static enum err add_word(struct words *w, struct slice word, unsigned wanted)
{
    uint8_t *at = extractor_room(w->x);
    if (!at)
        return ERR_NO_MEMORY;
    size_t length = value_folded(at, TERM_WORD, word);
    uint64_t *seen = map_find(&w->seen, word);
    if (!seen) {
        enum err err = map_put(&w->seen, slice_of((const char *)at + 1, length - 1), &seen, NULL);
        if (err)
            return err == ERR_LIMIT ? ERR_NONE : err;
    }
    for (unsigned i = 0; i < ARRAY_COUNT(w->fields); i++) {
        unsigned bit = 1U << i;
        if (!(wanted & bit) || (*seen & bit) || !w->fields[i])
            continue;
        *seen |= bit;
        TRY(extractor_add(w->x, w->fields[i], length));
        at = extractor_room(w->x);
        if (!at)
            return ERR_NO_MEMORY;
        (void)value_folded(at, TERM_WORD, word);
    }
    return ERR_NONE;
}

static enum err add_text(struct words *w, struct slice text, unsigned wanted)
{
    if (!text.length || w->byte_count + text.length > WORD_TEXT_BYTES_MAX)
        return ERR_NONE;
    w->byte_count += text.length;
    buf_clear(&w->x->folded);
    enum err err = utf8_fold(&w->x->folded, text);
    if (err)
        return err == ERR_INVALID ? ERR_NONE : err;
    struct slice rest = buf_slice(&w->x->folded);
    struct slice word = index_word_cut(&rest);
    while (word.bytes) {
        TRY(add_word(w, word, wanted));
        word = index_word_cut(&rest);
    }
    return ERR_NONE;
}

/* The code point of "#233;", "#xE9;", or 0; *rest moves behind it. */
static uint32_t reference_cut(struct slice *rest)
{
    struct slice all = *rest;
    size_t at = 1, base = 10;
    uint32_t value = 0;
    if (at < all.length && (all.bytes[at] | 0x20) == 'x') {
        base = 16;
        at++;
    }
    for (; at < all.length && all.bytes[at] != ';' && value <= 0x10ffff; at++) {
        char c = (char)(all.bytes[at] | 0x20);
        bool is_digit = all.bytes[at] >= '0' && all.bytes[at] <= '9';
        if (!is_digit && !(base == 16 && c >= 'a' && c <= 'f'))
            return 0;
        value = value * (uint32_t)base +
                (uint32_t)(is_digit ? all.bytes[at] - '0' : c - 'a' + 10);
    }
    bool is_scalar = value > 0 && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
    if (at == all.length || !is_scalar)
        return 0;
    *rest = slice_from(all, at + 1);
    return value;
}

/* What a reader sees of XHTML: tags part words; of entities only numbers mean
 * letters, the five of XML do not. */
static enum err plain_append(struct buf *out, struct slice xhtml)
{
    struct slice rest = xhtml;
    while (rest.length) {
        char c = rest.bytes[0];
        rest = slice_from(rest, 1);
        if (c == '<') {
            ptrdiff_t end = slice_find_byte(rest, '>');
            rest = end < 0 ? SLICE("") : slice_from(rest, (size_t)end + 1);
            buf_append_byte(out, ' ');
        } else if (c == '&') {
            uint32_t point = rest.length && rest.bytes[0] == '#' ? reference_cut(&rest) : 0;
            ptrdiff_t end = point ? -1 : slice_find_byte(slice_head(rest, 10), ';');
            if (point)
                utf8_append(out, point);
            else
                buf_append_byte(out, ' ');
            if (end >= 0)
                rest = slice_from(rest, (size_t)end + 1);
        } else {
            buf_append_byte(out, c);
        }
    }
    return buf_status(out);
}

static enum err add_xhtml(struct words *w, struct json value, unsigned wanted)
{
    struct slice text = json_is(value, JSON_STRING) ? extract_text(value, w->x->arena) : SLICE_NONE;
    struct buf plain;
    buf_init(&plain, WORD_TEXT_BYTES_MAX);
    enum err err = text.length ? plain_append(&plain, text) : ERR_NONE;
    if (!err)
        err = add_text(w, buf_slice(&plain), wanted);
    buf_release(&plain);
    return err == ERR_LIMIT ? ERR_NONE : err; /* longer than is looked at */
}

static enum err leaf(void *context, const struct fhir_node *node)
{
    struct words *w = context;
    if (!node->type || node->is_sibling || !json_is(node->value, JSON_STRING))
        return ERR_NONE;
    /* A reference would be an id cut in pieces; reference parameters find it whole. */
    if (node->parent && node->parent->id == FHIR_TYPE_REFERENCE &&
        json_string_is(node->key, SLICE("reference")))
        return ERR_NONE;
    switch (node->type->id) {
    case FHIR_TYPE_STRING:
    case FHIR_TYPE_MARKDOWN:
        return add_text(w, extract_text(node->value, w->x->arena), SEEN_CONTENT);
    case FHIR_TYPE_XHTML:
        return add_xhtml(w, node->value, SEEN_CONTENT);
    default: /* codes, uris, ids, dates: they have parameters of their own */
        return ERR_NONE;
    }
}

static uint32_t field_of(const struct extractor *x, struct slice code)
{
    const struct fhir_param *param = fhir_param_find(x->type, code);
    return param ? index_field(x->type, param->id) : 0;
}

enum err extract_words(struct extractor *x)
{
    struct words w = {
        .x = x,
        .fields = { field_of(x, SLICE("_text")), field_of(x, SLICE("_content")) },
    };
    const struct fhir_walker walker = { .leaf = leaf, .context = &w };
    map_init(&w.seen, WORDS_MAX, 0x7a62u);
    struct json narrative = json_member(json_member(x->resource, "text"), "div");
    enum err err = add_xhtml(&w, narrative, SEEN_TEXT);
    if (!err)
        err = fhir_walk(x->resource, x->type, &walker);
    map_release(&w.seen);
    return err == ERR_LIMIT ? ERR_NONE : err;
}

/* ---- positions ---- */

void index_encode_degrees(double degrees, uint8_t out[INDEX_DEGREE_BYTES])
{
    double nano = degrees * 1e9;
    int64_t value = (int64_t)(nano < 0 ? nano - 0.5 : nano + 0.5);
    put_be64(out, (uint64_t)value ^ (uint64_t)1 << 63);
}

static bool degrees_of(struct json value, double limit, uint8_t out[INDEX_DEGREE_BYTES])
{
    struct decimal d;
    if (!json_is(value, JSON_NUMBER) || !decimal_parse(json_raw(value), &d))
        return false;
    double degrees = decimal_to_double(d);
    bool is_on_earth = degrees >= -limit && degrees <= limit;
    if (is_on_earth)
        index_encode_degrees(degrees, out);
    return is_on_earth;
}

enum err extract_position(struct extractor *x, struct fhir_item item)
{
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    at[0] = TERM_POSITION;
    if (!degrees_of(json_member(item.value, "latitude"), 90, at + 1) ||
        !degrees_of(json_member(item.value, "longitude"), 180, at + 1 + INDEX_DEGREE_BYTES))
        return ERR_NONE;
    return extractor_add(x, x->field, 1 + 2 * INDEX_DEGREE_BYTES);
}
