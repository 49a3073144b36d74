/* fhir/fhirpath_compare.c - = ~ < and hashes. */
#include "base/utf8.h"
#include "fhir/fhirpath.h"

/* ---- JSON trees ---- */

enum { COMPARE_DEPTH_MAX = JSON_DEPTH_MAX };

static enum err trees_equal(struct fp_run *run, struct json a, struct json b, int depth,
                            bool is_loose, bool *ret_equal);

static enum err arrays_equal(struct fp_run *run, struct json a, struct json b, int depth,
                             bool is_loose, bool *ret_equal)
{
    struct json x = json_first(a), y = json_first(b);
    *ret_equal = true;
    while (json_exists(x) && json_exists(y) && *ret_equal) {
        TRY(trees_equal(run, x, y, depth + 1, is_loose, ret_equal));
        x = json_next(a, x);
        y = json_next(b, y);
    }
    *ret_equal = *ret_equal && !json_exists(x) && !json_exists(y);
    return ERR_NONE;
}

static enum err objects_equal(struct fp_run *run, struct json a, struct json b, int depth,
                              bool is_loose, bool *ret_equal)
{
    uint32_t count = json_count(a);
    *ret_equal = count == json_count(b);
    TRY(fp_spend(run, count));
    for (struct json key = json_first(a); json_exists(key) && *ret_equal;
         key = json_next(a, json_value(key))) {
        struct slice name = json_string(key, run->arena);
        if (!name.bytes)
            return ERR_NO_MEMORY;
        TRY(fp_spend(run, count / 4));
        TRY(trees_equal(run, json_value(key), json_get(b, name), depth + 1, is_loose, ret_equal));
    }
    return ERR_NONE;
}

static bool texts_equivalent(struct slice a, struct slice b);

static enum err trees_equal(struct fp_run *run, struct json a, struct json b, int depth,
                            bool is_loose, bool *ret_equal)
{
    TRY(fp_spend(run, 1));
    enum json_type type = json_type(a);
    *ret_equal = type == json_type(b);
    if (!*ret_equal || depth > COMPARE_DEPTH_MAX)
        return ERR_NONE;
    struct decimal x, y;
    switch (type) {
    case JSON_OBJECT:
        return objects_equal(run, a, b, depth, is_loose, ret_equal);
    case JSON_ARRAY:
        return arrays_equal(run, a, b, depth, is_loose, ret_equal);
    case JSON_STRING: {
        struct slice left = json_string(a, run->arena), right = json_string(b, run->arena);
        *ret_equal = is_loose ? texts_equivalent(left, right) : slice_equal(left, right);
        return ERR_NONE;
    }
    case JSON_NUMBER:
        *ret_equal = slice_equal(json_raw(a), json_raw(b)) ||
                     (decimal_parse(json_raw(a), &x) && decimal_parse(json_raw(b), &y) &&
                      decimal_compare(x, y) == 0);
        return ERR_NONE;
    case JSON_NONE:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
    case JSON_KEY:
        return ERR_NONE;
    }
    return ERR_NONE;
}

/* ---- values ---- */

static bool as_number(const struct fp_item *item, struct decimal *ret_number)
{
    if (item->kind == FP_INTEGER)
        *ret_number = decimal_of(item->integer);
    else if (item->kind == FP_DECIMAL)
        *ret_number = item->decimal;
    else
        return false;
    return true;
}

static bool is_day(uint8_t kind)
{
    return kind == FP_DATE || kind == FP_DATE_TIME;
}

/* A number beside a quantity is one of unit '1'. */
static bool as_quantity(const struct fp_item *item, struct fp_quantity *ret_quantity)
{
    struct decimal number;
    if (item->kind == FP_QUANTITY)
        *ret_quantity = item->quantity;
    else if (as_number(item, &number))
        *ret_quantity = (struct fp_quantity){ .value = number, .unit = SLICE("1") };
    else
        return false;
    return true;
}

static enum fp_truth values_equal(const struct fp_item *a, const struct fp_item *b)
{
    struct decimal x, y;
    struct fp_quantity q, r;
    if (as_number(a, &x) && as_number(b, &y))
        return decimal_compare(x, y) == 0 ? FP_TRUE : FP_FALSE;
    bool has_quantity = a->kind == FP_QUANTITY || b->kind == FP_QUANTITY;
    if (has_quantity && as_quantity(a, &q) && as_quantity(b, &r)) {
        if (!fp_quantities_meet(&q, &r, false, &x, &y))
            return FP_NOTHING;
        return decimal_compare(x, y) == 0 ? FP_TRUE : FP_FALSE;
    }
    if ((is_day(a->kind) && is_day(b->kind)) || (a->kind == FP_TIME && b->kind == FP_TIME)) {
        enum moment_order order = moment_compare(a->moment, b->moment);
        return order == MOMENT_UNKNOWN ? FP_NOTHING : order == MOMENT_EQUAL ? FP_TRUE : FP_FALSE;
    }
    if (a->kind != b->kind)
        return FP_FALSE;
    if (a->kind == FP_BOOLEAN)
        return a->boolean == b->boolean ? FP_TRUE : FP_FALSE;
    return a->kind == FP_STRING && slice_equal(a->text, b->text) ? FP_TRUE : FP_FALSE;
}

/* An element's id and extensions belong to it: two primitives without a value
 * are equal when these are. */
static enum err nodes_equal(struct fp_run *run, const struct fp_item *a, const struct fp_item *b,
                            bool is_loose, bool *ret_equal)
{
    TRY(trees_equal(run, a->node.value, b->node.value, 0, is_loose, ret_equal));
    if (*ret_equal && !is_loose && !json_exists(a->node.value))
        TRY(trees_equal(run, a->node.sibling, b->node.sibling, 0, is_loose, ret_equal));
    return ERR_NONE;
}

enum err fp_equal(struct fp_run *run, const struct fp_item *a, const struct fp_item *b,
                  enum fp_truth *ret_truth)
{
    struct fp_item x, y;
    TRY(fp_spend(run, 1));
    bool has_x = fp_system(run, a, &x), has_y = fp_system(run, b, &y);
    *ret_truth = FP_FALSE;
    if (has_x && has_y) {
        *ret_truth = values_equal(&x, &y);
    } else if (a->kind == FP_NODE && b->kind == FP_NODE && !has_x && !has_y) {
        bool equal;
        TRY(nodes_equal(run, a, b, false, &equal));
        *ret_truth = equal ? FP_TRUE : FP_FALSE;
    } else if (a->kind == FP_TYPE && b->kind == FP_TYPE) {
        *ret_truth =
            slice_equal(a->type.space, b->type.space) && slice_equal(a->type.name, b->type.name)
                ? FP_TRUE
                : FP_FALSE;
    }
    return ERR_NONE;
}

enum err fp_lists_equal(struct fp_run *run, const struct fp_list *a, const struct fp_list *b,
                        enum fp_truth *ret_truth)
{
    *ret_truth = FP_NOTHING;
    if (a->count == 0 || b->count == 0)
        return ERR_NONE;
    *ret_truth = a->count == b->count ? FP_TRUE : FP_FALSE;
    for (uint32_t i = 0; i < a->count && *ret_truth == FP_TRUE; i++)
        TRY(fp_equal(run, &a->items[i], &b->items[i], ret_truth));
    return ERR_NONE;
}

/* ---- equivalence ---- */

/* Without case; white space is one kind. Only letters of ASCII are folded here:
 * the rest of Unicode goes through utf8_fold() when bytes differ. */
static char fold_ascii(char c)
{
    if (c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f')
        return ' ';
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if ((uint8_t)s.bytes[i] >= 0x80)
            return false;
    return true;
}

static bool folded_equal(struct slice a, struct slice b)
{
    struct buf x, y;
    buf_init(&x, a.length * 4 + 64);
    buf_init(&y, b.length * 4 + 64);
    bool equal = utf8_fold(&x, a) == ERR_NONE && utf8_fold(&y, b) == ERR_NONE &&
                 slice_equal(buf_slice(&x), buf_slice(&y));
    buf_release(&x);
    buf_release(&y);
    return equal;
}

static bool texts_equivalent(struct slice a, struct slice b)
{
    if (!is_ascii(a) || !is_ascii(b))
        return slice_equal(a, b) || folded_equal(a, b);
    bool equal = a.length == b.length;
    for (size_t i = 0; i < a.length && equal; i++)
        equal = fold_ascii(a.bytes[i]) == fold_ascii(b.bytes[i]);
    return equal;
}

/* To the precision of the less precise one, zeros at the end not counted. */
static bool numbers_equivalent(struct decimal a, struct decimal b)
{
    a = decimal_strip(a);
    b = decimal_strip(b);
    int32_t scale = MIN(a.scale, b.scale);
    a = decimal_round(a, scale, DECIMAL_HALF_UP);
    b = decimal_round(b, scale, DECIMAL_HALF_UP);
    return decimal_compare(a, b) == 0;
}

static bool values_equivalent(const struct fp_item *a, const struct fp_item *b)
{
    struct decimal x, y;
    struct fp_quantity q, r;
    if (as_number(a, &x) && as_number(b, &y))
        return numbers_equivalent(x, y);
    bool has_quantity = a->kind == FP_QUANTITY || b->kind == FP_QUANTITY;
    if (has_quantity && as_quantity(a, &q) && as_quantity(b, &r))
        return fp_quantities_meet(&q, &r, true, &x, &y) && numbers_equivalent(x, y);
    if ((is_day(a->kind) && is_day(b->kind)) || (a->kind == FP_TIME && b->kind == FP_TIME))
        return moment_equivalent(a->moment, b->moment);
    if (a->kind == FP_STRING && b->kind == FP_STRING)
        return texts_equivalent(a->text, b->text);
    return values_equal(a, b) == FP_TRUE;
}

enum err fp_equivalent(struct fp_run *run, const struct fp_item *a, const struct fp_item *b,
                       bool *ret_same)
{
    struct fp_item x, y;
    TRY(fp_spend(run, 1));
    bool has_x = fp_system(run, a, &x), has_y = fp_system(run, b, &y);
    *ret_same = false;
    if (has_x && has_y)
        *ret_same = values_equivalent(&x, &y);
    else if (a->kind == FP_NODE && b->kind == FP_NODE && !has_x && !has_y)
        return nodes_equal(run, a, b, true, ret_same);
    return ERR_NONE;
}

enum err fp_lists_equivalent(struct fp_run *run, const struct fp_list *a, const struct fp_list *b,
                             bool *ret_same)
{
    *ret_same = a->count == b->count;
    if (!*ret_same || a->count == 0)
        return ERR_NONE;
    bool *taken = arena_alloc(run->arena, b->count);
    if (!taken)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < a->count && *ret_same; i++) {
        bool found = false;
        for (uint32_t k = 0; k < b->count && !found; k++) {
            /* Mostly the order is the same: begin where the other stands. */
            uint32_t at = (i + k) % b->count;
            if (taken[at])
                continue;
            TRY(fp_equivalent(run, &a->items[i], &b->items[at], &found));
            taken[at] = found;
        }
        *ret_same = found;
    }
    return ERR_NONE;
}

/* ---- order ---- */

/* An untyped text beside a date is read as one. */
static void adapt(struct fp_item *text, const struct fp_item *other)
{
    struct moment m;
    if (text->kind != FP_STRING)
        return;
    bool fits = (is_day(other->kind) && moment_parse_date_time(text->text, &m)) ||
                (other->kind == FP_TIME && moment_parse_time(text->text, &m));
    if (!fits)
        return;
    text->kind = other->kind;
    text->moment = m;
}

static int text_order(struct slice a, struct slice b)
{
    int order = slice_compare(a, b); /* UTF-8 sorts as code points do */
    return order < 0 ? -1 : order > 0;
}

/* A quantity that cannot be converted (no UCUM): nothing is known of its order. */
static bool is_odd_quantity(const struct fp_item *item)
{
    return item->kind == FP_NODE && item->node.type &&
           type_derives(item->node.type->id, FHIR_TYPE_QUANTITY);
}

enum err fp_order(struct fp_run *run, const struct fp_node *node, const struct fp_item *a,
                  const struct fp_item *b, int *ret_order, bool *ret_known)
{
    struct fp_item x, y;
    struct decimal left, right;
    struct fp_quantity q, r;
    TRY(fp_spend(run, 1));
    *ret_known = false;
    if (!fp_system(run, a, &x) || !fp_system(run, b, &y)) {
        bool is_object = (a->kind == FP_NODE && json_is(a->node.value, JSON_OBJECT)) ||
                         (b->kind == FP_NODE && json_is(b->node.value, JSON_OBJECT));
        is_object = is_object && !is_odd_quantity(a) && !is_odd_quantity(b);
        return is_object ? fp_fail(run, node, "values of these types have no order") : ERR_NONE;
    }
    bool is_untyped =
        (a->kind == FP_NODE && !a->node.type) || (b->kind == FP_NODE && !b->node.type);
    if (is_untyped) {
        adapt(&x, &y);
        adapt(&y, &x);
    }
    *ret_known = true;
    bool has_quantity = x.kind == FP_QUANTITY || y.kind == FP_QUANTITY;
    if (as_number(&x, &left) && as_number(&y, &right)) {
        *ret_order = decimal_compare(left, right);
    } else if (has_quantity && as_quantity(&x, &q) && as_quantity(&y, &r)) {
        *ret_known = fp_quantities_meet(&q, &r, false, &left, &right);
        *ret_order = *ret_known ? decimal_compare(left, right) : 0;
    } else if (x.kind == FP_STRING && y.kind == FP_STRING) {
        *ret_order = text_order(x.text, y.text);
    } else if ((is_day(x.kind) && is_day(y.kind)) || (x.kind == FP_TIME && y.kind == FP_TIME)) {
        enum moment_order order = moment_compare(x.moment, y.moment);
        *ret_known = order != MOMENT_UNKNOWN;
        *ret_order = order == MOMENT_LESS ? -1 : order == MOMENT_GREATER;
    } else {
        return fp_fail(run, node, "values of these types have no order");
    }
    return ERR_NONE;
}

/* ---- hashes ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

/* Equal trees in any order of members have one hash: members are summed. */
static uint64_t hash_tree(struct json v)
{
    const struct json_node *nodes = v.doc->nodes;
    uint64_t sum = 7;
    for (uint32_t at = v.at; at < nodes[v.at].next; at++)
        if (nodes[at].type == JSON_STRING && !(nodes[at].flags & JSON_HAS_ESCAPE)) {
            struct slice text = json_string_raw((struct json){ v.doc, at });
            uint64_t hash = text.length;
            for (size_t i = 0; i < text.length; i++)
                hash = mix(hash, (uint8_t)text.bytes[i]);
            sum += hash;
        }
    return sum;
}

uint64_t fp_hash(struct fp_run *run, const struct fp_item *item)
{
    struct fp_item value;
    if (!fp_system(run, item, &value))
        return item->kind == FP_NODE && json_exists(item->node.value) ? hash_tree(item->node.value)
                                                                      : 3;
    struct decimal number;
    uint64_t hash = 11;
    if (as_number(&value, &number)) {
        number = decimal_strip(number);
        return mix(mix(hash, (uint64_t)number.units), (uint64_t)number.scale);
    }
    if (value.kind == FP_STRING) {
        for (size_t i = 0; i < value.text.length; i++)
            hash = mix(hash, (uint8_t)value.text.bytes[i]);
        return mix(hash, value.text.length);
    }
    /* Quantities and dates may be equal in many forms, so these share a hash. */
    return value.kind == FP_BOOLEAN ? 2U + value.boolean : 5;
}
