/* Dates: what is asked is a range, and so is what is stored. */
#include "search/compile.h"

#include "index/index.h"

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

/* A sum that stays at the ends of time. */
static int64_t shift(int64_t instant, int64_t by)
{
    int64_t sum;
    if (__builtin_add_overflow(instant, by, &sum))
        return by < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

/* "About" is a tenth of the way between the date and now, to both sides. */
static void approximate(int64_t now, struct date_range *range)
{
    int64_t away = now < range->low ? shift(range->low, -now)
                 : now > range->high ? shift(now, -range->high) : 0;
    range->low = shift(range->low, -(away / 10));
    range->high = shift(range->high, away / 10);
}

static enum err parse_date(struct compiler *c, struct slice value, enum prefix *ret_prefix,
                           struct date_range *ret_range)
{
    struct slice text = value;
    if (!prefix_cut(c, &text, ret_prefix))
        return value_refuse(c, value,
                            "is no date and begins with none of eq ne gt lt ge le sa eb ap");
    text = restore_plus(text, c->arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    if (!date_parse_in(text, c->settings->zone_us, ret_range))
        return value_refuse(c, value,
                            "is no date: expected yyyy-mm-ddThh:mm:ss+zz:zz or a part of it");
    if (c->modifier == MODIFIER_OVERLAPS)
        *ret_prefix = PREFIX_AP; /* without the widening */
    else if (*ret_prefix == PREFIX_AP)
        approximate(c->settings->now_us, ret_range);
    return ERR_NONE;
}

/* low_from <= l < low_to and high_from <= h < high_to of a stored [l, h). */
struct bounds {
    int64_t low_from, low_to, high_from, high_to; /* INT64_MIN, INT64_MAX: none */
};
static const struct bounds everywhere = { INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX };

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

/* Empty at an open end. */
static struct slice end_of(struct compiler *c, int64_t instant, bool *ok)
{
    if (instant == INT64_MIN || instant == INT64_MAX)
        return SLICE_NONE;
    struct slice end = index_encode_instant(c->arena, 0, instant);
    *ok &= end.bytes != NULL;
    return end;
}

static enum err range_leaf(struct compiler *c, enum term_kind kind, struct bounds b,
                           struct plan_list *list)
{
    b = tighten(kind, b);
    if (b.low_from >= b.low_to)
        return ERR_NONE;
    bool ok = true;
    struct ordered o = {
        .kind = (char)kind,
        .low_from = end_of(c, b.low_from, &ok),
        .low_to = end_of(c, b.low_to, &ok),
        .high_from = end_of(c, b.high_from, &ok),
        .high_to = end_of(c, b.high_to, &ok),
        .tail_skip_bytes = sizeof(int64_t),
        .bytes = 2 * sizeof(int64_t),
    };
    return ok ? ordered_add(c, &o, list) : ERR_NO_MEMORY;
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
 *   ap  asked, widened, meets stored           l < high and h > low
 * ge: with l >= low either h <= high, then asked contains stored, or h > high. */
static enum err ranges_add(struct compiler *c, enum prefix prefix, struct date_range asked,
                           struct plan_list *list)
{
    struct bounds one = everywhere, other = everywhere;
    switch (prefix) {
    case PREFIX_EQ:
        one.low_from = asked.low;
        one.high_to = asked.high + 1;
        break;
    case PREFIX_GE:
        other.low_from = asked.low;
        one.high_from = asked.high + 1;
        break;
    case PREFIX_GT:
        one.high_from = asked.high + 1;
        break;
    case PREFIX_LE:
        other.high_to = asked.high + 1;
        one.low_to = asked.low;
        break;
    case PREFIX_LT:
        one.low_to = asked.low;
        break;
    case PREFIX_NE:
        one.low_to = asked.low;
        other.high_from = asked.high + 1;
        break;
    case PREFIX_SA:
        one.low_from = asked.high;
        break;
    case PREFIX_EB:
        one.high_to = asked.low + 1;
        break;
    case PREFIX_AP: /* what is asked meets stored */
        one.low_to = asked.high;
        one.high_from = asked.low + 1;
        break;
    }
    TRY(range_add(c, one, list));
    bool is_either = prefix == PREFIX_GE || prefix == PREFIX_LE || prefix == PREFIX_NE;
    return is_either ? range_add(c, other, list) : ERR_NONE;
}

enum err compile_date(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    enum prefix prefix;
    struct date_range asked;
    struct plan_list any = { 0 };
    TRY(parse_date(c, value, &prefix, &asked));
    if (c->modifier == MODIFIER_COVERS) {
        struct bounds covering = everywhere;
        covering.low_to = asked.low + 1;
        covering.high_from = asked.high;
        TRY(range_add(c, covering, &any));
    } else {
        TRY(ranges_add(c, prefix, asked, &any));
    }
    return plan_join(c, PLAN_OR, &any, ret_plan);
}

static enum err instant_plan(struct compiler *c, enum plan_kind kind, int64_t low, int64_t high,
                             struct plan **ret_plan)
{
    TRY(plan_bare(c, kind, ret_plan));
    (*ret_plan)->instant_low = low;
    (*ret_plan)->instant_high = high;
    return ERR_NONE;
}

/* A commit's instant is a point, so gt and sa, lt and eb fall together. */
static enum err compile_instant(struct compiler *c, enum plan_kind kind, struct slice value,
                                struct plan **ret_plan)
{
    enum prefix prefix;
    struct date_range asked;
    TRY(parse_date(c, value, &prefix, &asked));
    struct plan *above;
    switch (prefix) {
    case PREFIX_EQ:
    case PREFIX_AP:
        return instant_plan(c, kind, asked.low, asked.high, ret_plan);
    case PREFIX_NE:
        TRY(instant_plan(c, kind, INT64_MIN, asked.low, ret_plan));
        TRY(instant_plan(c, kind, asked.high, INT64_MAX, &above));
        return plan_either(c, *ret_plan, above, ret_plan);
    case PREFIX_GT:
    case PREFIX_SA:
        return instant_plan(c, kind, asked.high, INT64_MAX, ret_plan);
    case PREFIX_LT:
    case PREFIX_EB:
        return instant_plan(c, kind, INT64_MIN, asked.low, ret_plan);
    case PREFIX_GE:
        return instant_plan(c, kind, asked.low, INT64_MAX, ret_plan);
    case PREFIX_LE:
        return instant_plan(c, kind, INT64_MIN, asked.high, ret_plan);
    }
    return ERR_INVALID;
}

enum err compile_last_updated(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    return compile_instant(c, PLAN_INSTANT, value, ret_plan);
}

/* HealthLake's createdAt: the instant of the first version. */
enum err compile_created_at(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    return compile_instant(c, PLAN_CREATED, value, ret_plan);
}
