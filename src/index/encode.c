/* The encoders of the face: the same bytes, cut from an arena. */
#include "index/index.h"

#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "index/values.h"

static struct slice keep(struct arena *a, const uint8_t *bytes, size_t length)
{
    CHECK(length <= TERM_VALUE_BYTES_MAX);
    char *copy = arena_raw(a, length + 1);
    if (!copy)
        return SLICE_NONE;
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    return slice_of(copy, length);
}

struct slice index_encode_token(struct arena *a, struct slice system, struct slice code)
{
    uint8_t value[TERM_VALUE_BYTES_MAX];
    return keep(a, value, value_token(value, system, code));
}

struct slice index_encode_token_code_prefix(struct arena *a, struct slice code)
{
    uint8_t value[TERM_VALUE_BYTES_MAX];
    return keep(a, value, value_token_prefix(value, code));
}

struct slice index_encode_token_lower(struct arena *a, enum term_kind kind, struct slice system,
                                      struct slice code)
{
    uint8_t value[TERM_VALUE_BYTES_MAX];
    CHECK(kind == TERM_TOKEN_LOWER || kind == TERM_TOKEN_CODE);
    size_t length = value_token_lower(value, system, code);
    value[0] = (uint8_t)kind;
    return keep(a, value, length);
}

struct slice index_encode_identifier(struct arena *a, struct slice system, struct slice code,
                                     struct slice value)
{
    uint8_t bytes[TERM_VALUE_BYTES_MAX];
    return keep(a, bytes, value_identifier(bytes, system, code, value));
}

struct slice index_encode_token_system(struct arena *a, struct slice system)
{
    uint8_t value[TERM_VALUE_BYTES_MAX];
    return keep(a, value, value_system(value, system));
}

struct slice index_encode_string(struct arena *a, struct slice text)
{
    uint8_t value[TERM_VALUE_BYTES_MAX];
    struct slice result = SLICE_NONE;
    struct buf folded;
    buf_init(&folded, INDEX_TEXT_BYTES_MAX);
    if (!utf8_fold(&folded, text))
        result = keep(a, value, value_string(value, buf_slice(&folded), text));
    buf_release(&folded);
    return result;
}

struct slice index_encode_folded(struct arena *a, enum term_kind kind, struct slice folded)
{
    uint8_t value[TERM_VALUE_BYTES_MAX];
    CHECK(kind == TERM_STRING || kind == TERM_STRING_WINDOW || kind == TERM_TOKEN_TEXT ||
          kind == TERM_WORD);
    CHECK(folded.length <= INDEX_STARTS_WITH_BYTES_MAX);
    return keep(a, value, value_folded(value, (char)kind, folded));
}

struct slice index_encode_uri(struct arena *a, enum term_kind kind, struct slice uri)
{
    uint8_t value[TERM_VALUE_BYTES_MAX];
    CHECK(kind == TERM_URI || kind == TERM_CANONICAL || kind == TERM_REFERENCE_OUTSIDE);
    return keep(a, value, value_uri(value, (char)kind, uri));
}

struct slice index_encode_reference(struct arena *a, struct slice type, struct slice id)
{
    uint8_t value[TERM_VALUE_BYTES_MAX];
    return keep(a, value, value_reference(value, type, id));
}

struct slice index_encode_reference_id_prefix(struct arena *a, struct slice id)
{
    uint8_t value[TERM_VALUE_BYTES_MAX];
    return keep(a, value, value_reference_prefix(value, id));
}

struct slice index_encode_date(struct arena *a, struct date_range range)
{
    uint8_t value[TERM_VALUE_BYTES_MAX];
    return keep(a, value, value_date(value, range));
}

struct slice index_encode_instant(struct arena *a, char kind, int64_t instant)
{
    uint8_t value[TERM_VALUE_BYTES_MAX];
    (void)value_date(value, (struct date_range){ instant, instant });
    value[0] = (uint8_t)kind;
    return kind ? keep(a, value, 1 + sizeof instant) : keep(a, value + 1, sizeof instant);
}

struct slice index_encode_side(struct arena *a, struct slice text)
{
    uint8_t value[INDEX_SIDE_BYTES_MAX];
    return keep(a, value, value_side(value, text));
}

struct slice index_encode_compartment(struct arena *a, struct slice owner_type,
                                      struct slice owner_id, struct slice type)
{
    uint8_t value[TERM_VALUE_BYTES_MAX];
    return keep(a, value, value_compartment(value, owner_type, owner_id, type));
}
