/* fhir/fhirpath_quantity.c - quantities, and all arithmetic. */
#include "fhir/fhirpath.h"
#include "fhir/ucum.h"

/* ---- units ---- */

struct calendar {
    const char *word, *ucum;
    int64_t months, millis; /* one of them; months of years and months */
};

static const struct calendar calendar[] = {
    { "year", "a", 12, 0 },      { "month", "mo", 1, 0 },       { "week", "wk", 0, 604800000 },
    { "day", "d", 0, 86400000 }, { "hour", "h", 0, 3600000 },   { "minute", "min", 0, 60000 },
    { "second", "s", 0, 1000 },  { "millisecond", "ms", 0, 1 },
};

static const struct calendar *calendar_of(struct slice word)
{
    if (word.length > 1 && word.bytes[word.length - 1] == 's')
        word.length--;
    for (size_t i = 0; i < ARRAY_COUNT(calendar); i++)
        if (slice_is(word, calendar[i].word))
            return &calendar[i];
    return NULL;
}

const char *fp_calendar_unit(struct slice word)
{
    const struct calendar *c = calendar_of(word);
    return c ? c->word : NULL;
}

static const struct calendar *calendar_of_ucum(struct slice code)
{
    for (size_t i = 0; i < ARRAY_COUNT(calendar); i++)
        if (slice_is(code, calendar[i].ucum))
            return &calendar[i];
    return NULL;
}

static bool unit_of(const struct fp_quantity *q, bool is_loose, struct ucum *ret_unit)
{
    if (!q->is_calendar)
        return ucum_parse(q->unit, ret_unit);
    const struct calendar *c = calendar_of(q->unit);
    return c && (is_loose || c->months == 0) && ucum_parse(slice_cstr(c->ucum), ret_unit);
}

/* In milliseconds, a month taken as 30 days and a year as 365. */
static bool calendar_millis(struct decimal value, const struct calendar *c, struct decimal *ret)
{
    int64_t days = c->months == 12 ? 365 : 30;
    return decimal_multiply(value, decimal_of(c->months ? days * 86400000 : c->millis), ret);
}

static bool calendars_meet(const struct fp_quantity *a, const struct fp_quantity *b,
                           struct decimal *ret_a, struct decimal *ret_b)
{
    const struct calendar *x = calendar_of(a->unit), *y = calendar_of(b->unit);
    if (x && y && x->months && y->months)
        return decimal_multiply(a->value, decimal_of(x->months), ret_a) &&
               decimal_multiply(b->value, decimal_of(y->months), ret_b);
    return x && y && calendar_millis(a->value, x, ret_a) && calendar_millis(b->value, y, ret_b);
}

/* An element's UCUM duration beside a calendar one. */
static struct fp_quantity as_calendar(const struct fp_quantity *q)
{
    struct fp_quantity result = *q;
    const struct calendar *c = q->is_fhir && !q->is_calendar ? calendar_of_ucum(q->unit) : NULL;
    if (c) {
        result.unit = slice_cstr(c->word);
        result.is_calendar = true;
    }
    return result;
}

bool fp_quantities_meet(const struct fp_quantity *a, const struct fp_quantity *b, bool is_loose,
                        struct decimal *ret_a, struct decimal *ret_b)
{
    struct fp_quantity x = *a, y = *b;
    if (x.is_calendar != y.is_calendar) {
        x = y.is_calendar ? as_calendar(&x) : x;
        y = x.is_calendar ? as_calendar(&y) : y;
    }
    if (x.is_calendar && y.is_calendar)
        return calendars_meet(&x, &y, ret_a, ret_b);
    if (!x.is_calendar && !y.is_calendar && slice_equal(x.unit, y.unit)) {
        *ret_a = x.value;
        *ret_b = y.value;
        return true;
    }
    struct ucum u, v;
    *ret_a = x.value;
    return unit_of(&x, is_loose, &u) && unit_of(&y, is_loose, &v) &&
           ucum_convert(y.value, &v, &u, ret_b);
}

bool fp_quantity_parse(struct slice text, struct fp_quantity *ret_quantity)
{
    size_t at = 0;
    while (at < text.length && text.bytes[at] != ' ' && text.bytes[at] != '\'')
        at++;
    struct fp_quantity q = { .unit = SLICE("1") };
    if (!decimal_parse(slice_head(text, at), &q.value))
        return false;
    while (at < text.length && text.bytes[at] == ' ')
        at++;
    struct slice unit = slice_from(text, at);
    if (unit.length > 2 && unit.bytes[0] == '\'' && unit.bytes[unit.length - 1] == '\'') {
        q.unit = slice_of(unit.bytes + 1, unit.length - 2);
    } else if (unit.length > 0) {
        q.unit = unit;
        q.is_calendar = calendar_of(unit) != NULL;
        if (!q.is_calendar)
            return false;
    }
    *ret_quantity = q;
    return true;
}

bool fp_quantity_convert(const struct fp_quantity *q, struct slice unit,
                         struct fp_quantity *ret_quantity)
{
    struct fp_quantity one = { .value = decimal_of(1), .unit = unit };
    struct decimal value, per;
    one.is_calendar = calendar_of(unit) != NULL;
    struct fp_quantity from = *q;
    struct ucum u, v;
    if (one.is_calendar != from.is_calendar && one.is_calendar)
        from = as_calendar(&from);
    if (!one.is_calendar && !from.is_calendar) {
        if (!ucum_parse(from.unit, &u) || !ucum_parse(unit, &v) ||
            !ucum_convert(from.value, &u, &v, &value))
            return false;
    } else if (!fp_quantities_meet(&from, &one, false, &value, &per) ||
               !decimal_divide(value, per, &value)) {
        return false;
    }
    *ret_quantity = (struct fp_quantity){ .value = value, .unit = unit };
    ret_quantity->is_calendar = one.is_calendar;
    return true;
}

/* ---- dates ---- */

/* What of the date can be seen: adding 36 months to a year adds three. */
static bool add_to_moment(struct moment *m, const struct calendar *c, int64_t count)
{
    int64_t amount;
    if (c->months) {
        if (__builtin_mul_overflow(count, c->months, &amount))
            return false;
        if (m->precision == MOMENT_YEAR)
            amount = amount / 12 * 12;
        return !m->is_time && moment_add_months(m, amount);
    }
    if (__builtin_mul_overflow(count, c->millis, &amount))
        return false;
    const int64_t day = 86400000;
    if (m->precision == MOMENT_YEAR)
        return moment_add_months(m, amount / (365 * day) * 12);
    if (m->precision == MOMENT_MONTH)
        return moment_add_months(m, amount / (30 * day));
    int64_t unit = m->precision == MOMENT_DAY      ? day
                   : m->precision == MOMENT_HOUR   ? 3600000
                   : m->precision == MOMENT_MINUTE ? 60000
                                                   : 1;
    amount = amount / unit * unit;
    if (amount % 1000 != 0 && m->precision == MOMENT_SECOND) {
        m->precision = MOMENT_FRACTION;
        m->digits = 3;
    }
    return moment_add_seconds(m, amount / 1000, amount % 1000 * 1000000);
}

enum err fp_date_add(struct fp_run *run, const struct fp_node *node, const struct fp_item *date,
                     const struct fp_quantity *q, int sign, struct fp_list *out)
{
    struct fp_quantity by = as_calendar(q);
    const struct calendar *c = by.is_calendar ? calendar_of(by.unit) : calendar_of_ucum(by.unit);
    if (!c || (!by.is_calendar && c->months))
        return fp_fail(run, node, "'%.*s' cannot be added to a date or time", SLICE_ARGS(q->unit));
    int64_t count;
    if (!decimal_to_int64(decimal_round(by.value, 0, DECIMAL_CUT), &count))
        return ERR_NONE;
    struct fp_item sum = *date;
    if (!add_to_moment(&sum.moment, c, count * sign))
        return ERR_NONE;
    return fp_push(run, out, &sum);
}

/* ---- arithmetic ---- */

struct operands {
    struct fp_run *run;
    const struct fp_node *node;
    struct fp_item a, b;
    struct fp_list *out;
};

static bool is_number(const struct fp_item *item)
{
    return item->kind == FP_INTEGER || item->kind == FP_DECIMAL;
}

static struct decimal number_of(const struct fp_item *item)
{
    return item->kind == FP_INTEGER ? decimal_of(item->integer) : item->decimal;
}

static enum err push_number(struct operands *o, struct decimal value, bool as_integer)
{
    int64_t integer;
    if (as_integer)
        return decimal_to_int64(value, &integer) ? fp_push_integer(o->run, o->out, integer)
                                                 : ERR_NONE;
    return fp_push_decimal(o->run, o->out, value);
}

static enum err numbers(struct operands *o)
{
    struct decimal a = number_of(&o->a), b = number_of(&o->b), value, rest;
    bool both = o->a.kind == FP_INTEGER && o->b.kind == FP_INTEGER;
    switch (o->node->op) {
    case FP_OP_ADD:
        return decimal_add(a, b, &value) ? push_number(o, value, both) : ERR_NONE;
    case FP_OP_SUBTRACT:
        return decimal_add(a, decimal_negate(b), &value) ? push_number(o, value, both) : ERR_NONE;
    case FP_OP_MULTIPLY:
        return decimal_multiply(a, b, &value) ? push_number(o, value, both) : ERR_NONE;
    case FP_OP_DIVIDE:
        return decimal_divide(a, b, &value) ? push_number(o, value, false) : ERR_NONE;
    case FP_OP_DIV:
        return decimal_divide_whole(a, b, &value, &rest) ? push_number(o, value, true) : ERR_NONE;
    default:
        return decimal_divide_whole(a, b, &value, &rest) ? push_number(o, rest, both) : ERR_NONE;
    }
}

static enum err push_quantity(struct operands *o, struct decimal value, const struct fp_quantity *q)
{
    struct fp_item item = { .kind = FP_QUANTITY };
    item.quantity = *q;
    item.quantity.value = value;
    return fp_push(o->run, o->out, &item);
}

static bool is_one(const struct fp_quantity *q)
{
    struct ucum unit;
    static const int8_t none[UCUM_BASES] = { 0 };
    return !q->is_calendar && ucum_parse(q->unit, &unit) && unit.arbitrary == 0 &&
           memcmp(unit.powers, none, sizeof none) == 0;
}

/* "cm" and "m2" to "(cm).(m2)" or "(cm)/(m2)". */
static enum err push_product(struct operands *o, const struct fp_quantity *a,
                             const struct fp_quantity *b, struct decimal value, bool is_quotient)
{
    struct slice x = a->unit, y = b->unit;
    const struct calendar *c = a->is_calendar ? calendar_of(x) : NULL;
    const struct calendar *d = b->is_calendar ? calendar_of(y) : NULL;
    x = c ? slice_cstr(c->ucum) : x;
    y = d ? slice_cstr(d->ucum) : y;
    struct fp_quantity q = { .unit = SLICE("1") };
    if (!is_quotient || !slice_equal(x, y))
        q.unit = arena_printf(o->run->arena, "(%.*s)%c(%.*s)", SLICE_ARGS(x),
                              is_quotient ? '/' : '.', SLICE_ARGS(y));
    return q.unit.bytes ? push_quantity(o, value, &q) : ERR_NO_MEMORY;
}

static bool as_quantity(const struct fp_item *item, struct fp_quantity *ret_quantity)
{
    *ret_quantity = (struct fp_quantity){ .unit = SLICE("1") };
    if (is_number(item))
        ret_quantity->value = number_of(item);
    else if (item->kind == FP_QUANTITY)
        *ret_quantity = item->quantity;
    else
        return false;
    return true;
}

static enum err multiply_quantities(struct operands *o, const struct fp_quantity *a,
                                    const struct fp_quantity *b)
{
    struct decimal value;
    bool is_quotient = o->node->op == FP_OP_DIVIDE;
    if (!(is_quotient ? decimal_divide(a->value, b->value, &value)
                      : decimal_multiply(a->value, b->value, &value)))
        return ERR_NONE;
    /* What has no dimension counts as a number: 2 'kg/kg' is 2. */
    const struct fp_quantity *plain = is_one(b) ? b : is_one(a) && !is_quotient ? a : NULL;
    if (!plain)
        return push_product(o, a, b, value, is_quotient);
    struct fp_quantity factor = { .unit = plain->unit, .value = decimal_of(1) }, one;
    if (!fp_quantity_convert(&factor, SLICE("1"), &one))
        one.value = decimal_of(1);
    if (!(is_quotient ? decimal_divide(value, one.value, &value)
                      : decimal_multiply(value, one.value, &value)))
        return ERR_NONE;
    return push_quantity(o, value, plain == b ? a : b);
}

static enum err quantities(struct operands *o)
{
    struct fp_quantity a, b;
    struct decimal x, y;
    uint8_t op = o->node->op;
    if (!as_quantity(&o->a, &a) || !as_quantity(&o->b, &b))
        return fp_fail(o->run, o->node, "a quantity and something else");
    if (op == FP_OP_MULTIPLY || op == FP_OP_DIVIDE)
        return multiply_quantities(o, &a, &b);
    if (op != FP_OP_ADD && op != FP_OP_SUBTRACT)
        return fp_fail(o->run, o->node, "quantities have no such operation");
    if (!fp_quantities_meet(&a, &b, false, &x, &y))
        return ERR_NONE;
    struct fp_quantity result = b;
    /* Whose unit is the finer one? The sum is in it, so nothing is lost. */
    struct fp_quantity in_b, in_a;
    if (decimal_compare(x, a.value) == 0 && decimal_compare(y, b.value) == 0)
        result = b.is_calendar ? b : a;
    else if (fp_quantity_convert(&a, b.unit, &in_b) && fp_quantity_convert(&b, b.unit, &in_a)) {
        x = in_b.value;
        y = in_a.value;
    } else {
        return ERR_NONE;
    }
    result.is_fhir = false;
    if (!decimal_add(x, op == FP_OP_ADD ? y : decimal_negate(y), &x))
        return ERR_NONE;
    return push_quantity(o, x, &result);
}

static enum err texts(struct operands *o)
{
    struct slice text =
        arena_printf(o->run->arena, "%.*s%.*s", SLICE_ARGS(o->a.text), SLICE_ARGS(o->b.text));
    TRY(fp_spend(o->run, text.length / 16));
    return fp_push_text(o->run, o->out, text);
}

enum err fp_arithmetic(struct fp_run *run, const struct fp_node *node, const struct fp_list *a,
                       const struct fp_list *b, struct fp_list *out)
{
    struct operands o = { .run = run, .node = node, .out = out };
    bool has_a, has_b;
    TRY(fp_one(run, node, a, &o.a, &has_a));
    TRY(fp_one(run, node, b, &o.b, &has_b));
    if (!has_a || !has_b)
        return ERR_NONE;
    bool is_sum = node->op == FP_OP_ADD || node->op == FP_OP_SUBTRACT;
    bool is_date = o.a.kind == FP_DATE || o.a.kind == FP_DATE_TIME || o.a.kind == FP_TIME;
    if (is_number(&o.a) && is_number(&o.b))
        return numbers(&o);
    if (is_date && is_sum && o.b.kind == FP_QUANTITY)
        return fp_date_add(run, node, &o.a, &o.b.quantity, node->op == FP_OP_ADD ? 1 : -1, out);
    if (o.a.kind == FP_QUANTITY || o.b.kind == FP_QUANTITY)
        return quantities(&o);
    if (node->op == FP_OP_ADD && o.a.kind == FP_STRING && o.b.kind == FP_STRING)
        return texts(&o);
    return fp_fail(run, node, "values of these types have no such operation");
}
