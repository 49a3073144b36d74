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

/* Bounds on the two ends of a stored range; NULL: none. */
struct bounds {
    const int64_t *low_from, *low_to;   /* low_from <= low < low_to */
    const int64_t *high_from, *high_to; /* high_from <= high < high_to */
};

static struct slice low_bound(struct compiler *c, int64_t low)
{
    struct slice value = index_encode_date(c->arena, (struct date_range){ low, low });
    return value.bytes ? slice_head(value, 1 + sizeof low) : value;
}

static enum err range_plan(struct compiler *c, struct bounds b, struct plan **ret_plan)
{
    static const char kind = TERM_DATE, next_kind = TERM_DATE + 1;
    struct slice from = b.low_from ? low_bound(c, *b.low_from) : slice_of(&kind, 1);
    struct slice to = b.low_to ? low_bound(c, *b.low_to) : slice_of(&next_kind, 1);
    TRY(plan_leaf(c, PLAN_RANGE, from, ret_plan));
    struct plan *plan = *ret_plan;
    plan->to = to;
    if (b.high_from)
        plan->tail_from = index_encode_instant(c->arena, *b.high_from);
    if (b.high_to)
        plan->tail_to = index_encode_instant(c->arena, *b.high_to);
    bool is_whole = to.bytes && (!b.high_from || plan->tail_from.bytes) &&
                    (!b.high_to || plan->tail_to.bytes);
    return is_whole ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err either_range(struct compiler *c, struct bounds a, struct bounds b,
                             struct plan **ret_plan)
{
    struct plan *first, *second;
    TRY(range_plan(c, a, &first));
    TRY(range_plan(c, b, &second));
    return plan_either(c, first, second, ret_plan);
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
enum err compile_date(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    enum prefix prefix;
    struct date_range asked;
    TRY(parse_date(c, value, &prefix, &asked));
    const int64_t *low = &asked.low, *high = &asked.high;
    const int64_t past_low = asked.low + 1, past_high = asked.high + 1;
    switch (prefix) {
    case EQ: /* l < h <= high: the bound on l saves work */
        return range_plan(c,
                          (struct bounds){ .low_from = low, .low_to = high,
                                           .high_to = &past_high },
                          ret_plan);
    case NE:
        return either_range(c, (struct bounds){ .low_to = low },
                            (struct bounds){ .high_from = &past_high }, ret_plan);
    case GT:
        return range_plan(c, (struct bounds){ .high_from = &past_high }, ret_plan);
    case LT:
        return range_plan(c, (struct bounds){ .low_to = low }, ret_plan);
    case GE:
        return either_range(c, (struct bounds){ .high_from = &past_high },
                            (struct bounds){ .low_from = low }, ret_plan);
    case LE:
        return either_range(c, (struct bounds){ .low_to = low },
                            (struct bounds){ .high_to = &past_high }, ret_plan);
    case SA:
        return range_plan(c, (struct bounds){ .low_from = high }, ret_plan);
    case EB:
        return range_plan(c, (struct bounds){ .low_to = low, .high_to = &past_low }, ret_plan);
    case AP:
        break;
    }
    return ERR_UNSUPPORTED;
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
