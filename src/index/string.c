/* Strings: folded for the default match, exact behind it. */
#include "index/extract.h"

#include "base/utf8.h"

/* :contains sees only the head in the string's own term. Pieces that overlap by
 * half hold every needle of up to INDEX_CONTAINS_BYTES_MAX bytes whole. */
static enum err add_windows(struct extractor *x, struct slice folded)
{
    _Static_assert((int)INDEX_CONTAINS_BYTES_MAX <= (int)VALUE_WINDOW_STEP_BYTES,
                   "needles fit a window");
    folded = slice_head(folded, VALUE_WINDOWED_BYTES_MAX);
    size_t from = VALUE_WINDOW_STEP_BYTES;
    while (from + VALUE_WINDOW_STEP_BYTES < folded.length) {
        uint8_t *at = extractor_room(x);
        if (!at)
            return ERR_NO_MEMORY;
        struct slice piece = slice_head(slice_from(folded, from), VALUE_PART_BYTES_MAX);
        TRY(extractor_add(x, x->field, value_window(at, piece)));
        from += VALUE_WINDOW_STEP_BYTES;
    }
    return ERR_NONE;
}

static enum err add_string(struct extractor *x, struct json value)
{
    if (!json_is(value, JSON_STRING))
        return ERR_NONE;
    struct slice text = extract_text(value, x->arena);
    if (!text.length)
        return ERR_NONE;

    buf_clear(&x->folded);
    enum err err = utf8_fold(&x->folded, text);
    if (err == ERR_INVALID)
        return ERR_NONE;
    TRY(err);
    struct slice folded = buf_slice(&x->folded);
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    TRY(extractor_add(x, x->field, value_string(at, folded, text)));
    return folded.length > VALUE_PART_BYTES_MAX ? add_windows(x, folded) : ERR_NONE;
}

static enum err add_strings(struct extractor *x, struct json value)
{
    if (!json_is(value, JSON_ARRAY))
        return add_string(x, value);
    for (struct json v = json_first(value); json_exists(v); v = json_next(value, v))
        TRY(add_string(x, v));
    return ERR_NONE;
}

/* What R4 search calls "any of the string elements" of the two types. */
static const struct slice name_parts[] = {
    SLICE_INIT("family"), SLICE_INIT("given"), SLICE_INIT("prefix"),
    SLICE_INIT("suffix"), SLICE_INIT("text"),
};
static const struct slice address_parts[] = {
    SLICE_INIT("line"),  SLICE_INIT("city"),       SLICE_INIT("district"),
    SLICE_INIT("state"), SLICE_INIT("postalCode"), SLICE_INIT("country"),
    SLICE_INIT("text"),
};

static enum err add_parts(struct extractor *x, struct json element, const struct slice *parts,
                          size_t part_count)
{
    for (size_t i = 0; i < part_count; i++)
        TRY(add_strings(x, json_get(element, parts[i])));
    return ERR_NONE;
}

enum err extract_string(struct extractor *x, struct fhir_item item)
{
    if (item.type->kind == FHIR_PRIMITIVE)
        return add_string(x, item.value);
    if (item.type->id == FHIR_TYPE_HUMAN_NAME)
        return add_parts(x, item.value, name_parts, ARRAY_COUNT(name_parts));
    if (item.type->id == FHIR_TYPE_ADDRESS)
        return add_parts(x, item.value, address_parts, ARRAY_COUNT(address_parts));
    return ERR_NONE;
}
