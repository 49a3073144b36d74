/* Dates: what is asked is a range, and so is what is stored. */
#include "search/compile.h"

#include <string.h>

#include "index/index.h"

enum prefix { EQ, NE, GT, LT, GE, LE, SA, EB, AP };

static const char prefixes[][3] = { "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap" };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A '+' that was not encoded arrives as a blank; no date has one. */
static struct slice restore_plus(struct slice text, struct arena *arena)
{
    ptrdiff_t at = slice_find_byte(text, ' ');
    if (at <= 0)
        return text;
    char *copy = arena_copy(arena, text);
    if (copy)
        copy[at] = '+';
    return slice_of(copy, copy ? text.length : 0);
}

static enum err parse_date(struct compiler *c, struct slice value, enum prefix *ret_prefix,
                           struct date_range *ret_range)
{
    struct slice text = value;
    *ret_prefix = EQ;
    if (text.length > 2 && !is_digit(text.bytes[0])) {
        size_t i = 0;
        while (i < ARRAY_COUNT(prefixes) && memcmp(prefixes[i], text.bytes, 2) != 0)
            i++;
        if (i == ARRAY_COUNT(prefixes))
            return value_refuse(c, value,
                                "is no date and begins with none of eq ne gt lt ge le sa eb");
        if (i == AP)
            return issues_fail(c->issues, ERR_UNSUPPORTED, "not-supported",
                               "The prefix 'ap' of the parameter '%.*s' is not supported.",
                               SLICE_ARGS(slice_head(c->name, SEARCH_SHOWN_BYTES)));
        *ret_prefix = (enum prefix)i;
        text = slice_from(text, 2);
    }
    text = restore_plus(text, c->arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    if (!date_parse(text, ret_range))
        return value_refuse(c, value,
                            "is no date: expected yyyy-mm-ddThh:mm:ss+zz:zz or a part of it");
    return ERR_NONE;
}

/* low_from <= l < low_to and high_from <= h < high_to of a stored [l, h). */
struct bounds {
    int64_t low_from, low_to, high_from, high_to; /* INT64_MIN, INT64_MAX: none */
};
static const struct bounds everywhere = { INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX };

/* A sum that stays at the ends of time. */
static int64_t shift(int64_t instant, int64_t by)
{
    int64_t sum;
    if (__builtin_add_overflow(instant, by, &sum))
        return by < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

/* What bounds on h and the kind's width say of l, by which the values lie. */
static struct bounds tighten(enum term_kind kind, struct bounds b)
{
    bool is_narrow = kind == TERM_DATE;
    if (is_narrow && b.high_from != INT64_MIN) /* l >= h - width */
        b.low_from = MAX(b.low_from, shift(b.high_from, -INDEX_NARROW_DATE_US));
    if (b.high_to != INT64_MAX) /* l <= h - 1, wide: l < h - width */
        b.low_to = MIN(b.low_to, shift(b.high_to, is_narrow ? -1 : -1 - INDEX_NARROW_DATE_US));
    return b;
}

/* The least value of the kind with l >= low, or what lies past all of them. */
static struct slice low_bound(struct arena *arena, enum term_kind kind, int64_t low)
{
    if (low != INT64_MIN && low != INT64_MAX)
        return index_encode_instant(arena, (char)kind, low);
    char byte = (char)(kind + (low == INT64_MAX));
    const char *copy = arena_copy(arena, slice_of(&byte, 1));
    return slice_of(copy, copy ? 1 : 0);
}

static enum err range_leaf(struct compiler *c, enum term_kind kind, struct bounds b,
                           struct plan_list *list)
{
    b = tighten(kind, b);
    if (b.low_from >= b.low_to)
        return ERR_NONE;
    struct slice from = low_bound(c->arena, kind, b.low_from);
    struct slice to = low_bound(c->arena, kind, b.low_to);
    struct plan *plan;
    TRY(plan_leaf(c, PLAN_RANGE, from, &plan));
    plan->to = to;
    if (b.high_from != INT64_MIN)
        plan->tail_from = index_encode_instant(c->arena, 0, b.high_from);
    if (b.high_to != INT64_MAX)
        plan->tail_to = index_encode_instant(c->arena, 0, b.high_to);
    bool is_whole = to.bytes && (b.high_from == INT64_MIN || plan->tail_from.bytes) &&
                    (b.high_to == INT64_MAX || plan->tail_to.bytes);
    return is_whole ? plan_list_add(c, list, plan) : ERR_NO_MEMORY;
}

static enum err range_add(struct compiler *c, struct bounds b, struct plan_list *list)
{
    TRY(range_leaf(c, TERM_DATE, b, list));
    return range_leaf(c, TERM_DATE_WIDE, b, list);
}

/* R4 search, "prefixes", with [low, high) asked and [l, h) stored, h > l:
 *   eq  asked contains stored                  l >= low and h <= high
 *   ne  it does not                            l < low or h > high
 *   gt  what is above asked meets stored       h > high
 *   lt  what is below asked meets stored       l < low
 *   ge  gt or eq                               h > high or l >= low
 *   le  lt or eq                               l < low or h <= high
 *   sa  what is above asked contains stored    l >= high
 *   eb  what is below asked contains stored    h <= low
 * ge: with l >= low either h <= high, then asked contains stored, or h > high. */
static enum err ranges_add(struct compiler *c, enum prefix prefix, struct date_range asked,
                           struct plan_list *list)
{
    struct bounds one = everywhere, other = everywhere;
    switch (prefix) {
    case EQ:
        one.low_from = asked.low;
        one.high_to = asked.high + 1;
        break;
    case GE:
        other.low_from = asked.low;
        one.high_from = asked.high + 1;
        break;
    case GT:
        one.high_from = asked.high + 1;
        break;
    case LE:
        other.high_to = asked.high + 1;
        one.low_to = asked.low;
        break;
    case LT:
        one.low_to = asked.low;
        break;
    case NE:
        one.low_to = asked.low;
        other.high_from = asked.high + 1;
        break;
    case SA:
        one.low_from = asked.high;
        break;
    case EB:
        one.high_to = asked.low + 1;
        break;
    case AP:
        return ERR_UNSUPPORTED;
    }
    TRY(range_add(c, one, list));
    bool is_either = prefix == GE || prefix == LE || prefix == NE;
    return is_either ? range_add(c, other, list) : ERR_NONE;
}

enum err compile_date(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    enum prefix prefix;
    struct date_range asked;
    struct plan_list any = { 0 };
    TRY(parse_date(c, value, &prefix, &asked));
    TRY(ranges_add(c, prefix, asked, &any));
    return plan_join(c, PLAN_OR, &any, ret_plan);
}

static enum err instant_plan(struct compiler *c, int64_t low, int64_t high,
                             struct plan **ret_plan)
{
    TRY(plan_bare(c, PLAN_INSTANT, ret_plan));
    (*ret_plan)->instant_low = low;
    (*ret_plan)->instant_high = high;
    return ERR_NONE;
}

/* A commit's instant is a point, so gt and sa, lt and eb fall together. */
enum err compile_last_updated(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    enum prefix prefix;
    struct date_range asked;
    TRY(parse_date(c, value, &prefix, &asked));
    struct plan *above;
    switch (prefix) {
    case EQ:
        return instant_plan(c, asked.low, asked.high, ret_plan);
    case NE:
        TRY(instant_plan(c, INT64_MIN, asked.low, ret_plan));
        TRY(instant_plan(c, asked.high, INT64_MAX, &above));
        return plan_either(c, *ret_plan, above, ret_plan);
    case GT:
    case SA:
        return instant_plan(c, asked.high, INT64_MAX, ret_plan);
    case LT:
    case EB:
        return instant_plan(c, INT64_MIN, asked.low, ret_plan);
    case GE:
        return instant_plan(c, asked.low, INT64_MAX, ret_plan);
    case LE:
        return instant_plan(c, INT64_MIN, asked.high, ret_plan);
    case AP:
        break;
    }
    return ERR_UNSUPPORTED;
}
