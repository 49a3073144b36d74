/* Equality of values, as RFC 6902 4.6 has it: strings decoded, numbers by value,
 * members in any order. */
#include "json/text.h"
#include "json/tree.h"

/* ---- numbers ---- */

/* A number as sign, digits without zeros at either end, and the power of ten of
 * the last digit. Zero has no digits. */
struct number {
    bool is_negative;
    struct slice text;  /* mantissa, the point included */
    size_t first, last; /* places of the outermost digits that are not 0 */
    size_t count;       /* of digits from first to last; 0: the number is 0 */
    int64_t exponent;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int64_t exponent_parse(struct slice text)
{
    const int64_t LIMIT = INT64_C(1) << 60; /* far beyond any text's length */
    bool is_negative = text.length && text.bytes[0] == '-';
    int64_t value = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (is_digit(text.bytes[i]))
            value = MIN(value * 10 + (text.bytes[i] - '0'), LIMIT / 16);
    }
    return is_negative ? -value : value;
}

static struct number number_parse(struct slice text)
{
    struct number n = { 0 };
    n.is_negative = text.bytes[0] == '-';
    size_t end = 0;
    while (end < text.length && text.bytes[end] != 'e' && text.bytes[end] != 'E')
        end++;
    n.text = slice_head(text, end);
    n.exponent = exponent_parse(slice_from(text, end + 1));
    ptrdiff_t point = slice_find_byte(n.text, '.');
    size_t units = point < 0 ? end : (size_t)point; /* the digit of 10^0 stands before it */
    for (size_t i = 0; i < end; i++) {
        if (!is_digit(text.bytes[i]))
            continue;
        bool is_zero = text.bytes[i] == '0';
        if (n.count == 0 && is_zero)
            continue;
        if (n.count == 0)
            n.first = i;
        n.count = 1;
        if (!is_zero)
            n.last = i;
    }
    if (n.count == 0)
        return (struct number){ .text = n.text };
    n.exponent += n.last < units ? (int64_t)(units - 1 - n.last) : -(int64_t)(n.last - units);
    bool has_point = units > n.first && units < n.last;
    n.count = n.last - n.first + 1 - has_point;
    return n;
}

static bool number_equal(struct slice a, struct slice b)
{
    if (slice_equal(a, b))
        return true;
    struct number x = number_parse(a), y = number_parse(b);
    if (x.count != y.count || x.is_negative != y.is_negative || x.exponent != y.exponent)
        return false;
    size_t i = x.first, j = y.first;
    for (size_t left = x.count; left > 0; left--, i++, j++) {
        i += x.text.bytes[i] == '.';
        j += y.text.bytes[j] == '.';
        if (x.text.bytes[i] != y.text.bytes[j])
            return false;
    }
    return true;
}

/* ---- values ---- */

static bool string_equal(struct json a, struct json b)
{
    if (!((json_node(a)->flags | json_node(b)->flags) & JSON_HAS_ESCAPE))
        return slice_equal(json_string_raw(a), json_string_raw(b));
    return text_both_decoded_equal(json_string_raw(a), json_string_raw(b));
}

/* The value of the member of `object` named like `key`; it is looked for first
 * at `*hint`, the key behind the last one found. */
static enum err like_named(struct tree *t, struct json object, struct json key, struct json *hint,
                           struct json *ret)
{
    *ret = JSON_ABSENT;
    if (json_exists(*hint) && string_equal(*hint, key)) {
        *ret = json_value(*hint);
    } else {
        struct json k = json_first(object);
        while (json_exists(k) && !string_equal(k, key)) {
            TRY(tree_step(t, 1));
            k = json_next(object, json_value(k));
        }
        if (json_exists(k))
            *ret = json_value(k);
    }
    *hint = json_exists(*ret) ? json_next(object, *ret) : JSON_ABSENT;
    return tree_step(t, 1);
}

static enum err objects_equal(struct tree *t, struct json a, struct json b, bool *ret_equal)
{
    struct json hint = json_first(b);
    *ret_equal = json_count(a) == json_count(b);
    for (struct json k = json_first(a); *ret_equal && json_exists(k);
         k = json_next(a, json_value(k))) {
        struct json other;
        TRY(like_named(t, b, k, &hint, &other));
        *ret_equal = json_exists(other);
        if (*ret_equal)
            TRY(value_equal(t, json_value(k), other, ret_equal));
    }
    return ERR_NONE;
}

static enum err arrays_equal(struct tree *t, struct json a, struct json b, bool *ret_equal)
{
    struct json y = json_first(b);
    *ret_equal = json_count(a) == json_count(b);
    for (struct json x = json_first(a); *ret_equal && json_exists(x); x = json_next(a, x)) {
        TRY(value_equal(t, x, y, ret_equal));
        y = json_next(b, y);
    }
    return ERR_NONE;
}

/* Recursion is bounded by the depth that the parser allows. */
enum err value_equal(struct tree *t, struct json a, struct json b, bool *ret_equal)
{
    TRY(tree_step(t, 1 + json_node(a)->length / 64));
    *ret_equal = json_type(a) == json_type(b);
    if (!*ret_equal)
        return ERR_NONE;
    switch (json_type(a)) {
    case JSON_OBJECT:
        return objects_equal(t, a, b, ret_equal);
    case JSON_ARRAY:
        return arrays_equal(t, a, b, ret_equal);
    case JSON_STRING:
    case JSON_KEY:
        *ret_equal = string_equal(a, b);
        return ERR_NONE;
    case JSON_NUMBER:
        *ret_equal = number_equal(json_raw(a), json_raw(b));
        return ERR_NONE;
    case JSON_NONE:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return ERR_NONE;
}

/* ---- a changed document against a value ---- */

static enum err member_equal(struct tree *t, const struct part *child, struct json object,
                             bool *ret_equal)
{
    struct json other = JSON_ABSENT;
    if (json_exists(child->key)) {
        struct json none = JSON_ABSENT;
        TRY(like_named(t, object, child->key, &none, &other));
    } else {
        TRY(tree_step(t, json_count(object)));
        other = json_get(object, child->name);
    }
    *ret_equal = json_exists(other);
    return *ret_equal ? part_equal(t, child, other, ret_equal) : ERR_NONE;
}

enum err part_equal(struct tree *t, const struct part *p, struct json value, bool *ret_equal)
{
    if (!p->type)
        return value_equal(t, p->value, value, ret_equal);
    TRY(tree_step(t, 1));
    *ret_equal = p->type == json_type(value) && p->count == json_count(value);
    struct json element = p->type == JSON_ARRAY ? json_first(value) : JSON_ABSENT;
    for (uint32_t i = 0; *ret_equal && i < p->count; i++) {
        if (p->type == JSON_OBJECT) {
            TRY(member_equal(t, p->parts[i], value, ret_equal));
        } else {
            TRY(part_equal(t, p->parts[i], element, ret_equal));
            element = json_next(value, element);
        }
    }
    return ERR_NONE;
}
