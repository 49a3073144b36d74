#include "fhir/ucum.h"

#include "base/check.h"
#include "fhir/fhir.h"

enum { PARENS_MAX = 8, ATOM_DEPTH_MAX = 8, POWER_MAX = 60 };

/* ---- the units ---- */

struct prefix {
    const char *code;
    int tens;
};

static const struct prefix prefixes[] = {
    { "da", 1 }, { "Y", 24 },  { "Z", 21 },  { "E", 18 },  { "P", 15 },  { "T", 12 },  { "G", 9 },
    { "M", 6 },  { "k", 3 },   { "h", 2 },   { "d", -1 },  { "c", -2 },  { "m", -3 },  { "u", -6 },
    { "n", -9 }, { "p", -12 }, { "f", -15 }, { "a", -18 }, { "z", -21 }, { "y", -24 },
};

enum { METRIC = 1, ARBITRARY = 2, SPECIAL = 4 };
enum { SCALE_CEL = 1, SCALE_DEGF, SCALE_DEGRE };

/* `factor` times the unit `of`. */
struct atom {
    struct slice code; /* lengths tell most of them apart without looking */
    const char *factor, *of;
    int flags;
};

static const struct atom atoms[] = {
#define UNIT(code, factor, of) { SLICE_INIT(code), factor, of, 0 },
#define METRIC_UNIT(code, factor, of) { SLICE_INIT(code), factor, of, METRIC },
#define ARBITRARY_UNIT(code, metric) { SLICE_INIT(code), "1", "1", ARBITRARY | (metric) },
#define SPECIAL_UNIT(code, scale, metric) \
    { SLICE_INIT(code), "1", "K", SPECIAL | (metric) | (scale) << 4 },
#include "fhir/ucum_units.inc"
#undef UNIT
#undef METRIC_UNIT
#undef ARBITRARY_UNIT
#undef SPECIAL_UNIT
};

static const char *const bases[UCUM_BASES] = { "m", "s", "g", "rad", "K", "C", "cd" };

/* ---- fractions ---- */

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void reduce(struct ucum *u)
{
    int64_t divisor = common_divisor(u->over, u->under);
    u->over /= divisor;
    u->under /= divisor;
    for (; u->over % 10 == 0; u->tens++)
        u->over /= 10;
    for (; u->under % 10 == 0; u->tens--)
        u->under /= 10;
}

static bool multiply_factor(struct ucum *u, int64_t over, int64_t under, int32_t tens)
{
    int64_t left = common_divisor(u->over, under), right = common_divisor(over, u->under);
    if (__builtin_mul_overflow(u->over / left, over / right, &u->over) ||
        __builtin_mul_overflow(u->under / right, under / left, &u->under))
        return false;
    u->tens += tens;
    reduce(u);
    return u->tens > -200 && u->tens < 200;
}

/* u times b^power. */
static bool multiply_unit(struct ucum *u, const struct ucum *b, int power)
{
    for (int i = 0; i < UCUM_BASES; i++) {
        int sum = u->powers[i] + b->powers[i] * power;
        if (sum > 100 || sum < -100)
            return false;
        u->powers[i] = (int8_t)sum;
    }
    u->arbitrary += b->arbitrary * (uint32_t)power;
    int64_t over = power < 0 ? b->under : b->over, under = power < 0 ? b->over : b->under;
    for (int i = 0; i < (power < 0 ? -power : power); i++)
        if (!multiply_factor(u, over, under, power < 0 ? -b->tens : b->tens))
            return false;
    return true;
}

static const struct ucum unity = { .over = 1, .under = 1 };

/* ---- atoms ---- */

static bool parse_term(struct slice code, int depth, struct ucum *ret_unit);

static uint32_t hash_of(struct slice s)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < s.length; i++)
        hash = (hash ^ (uint8_t)s.bytes[i]) * 16777619U;
    return hash | 1;
}

static bool resolve_atom(const struct atom *atom, int depth, struct ucum *ret_unit)
{
    struct decimal factor;
    if (depth > ATOM_DEPTH_MAX || !parse_term(slice_cstr(atom->of), depth + 1, ret_unit))
        return false;
    if (atom->flags & ARBITRARY)
        ret_unit->arbitrary = hash_of(atom->code);
    if (atom->flags & SPECIAL)
        ret_unit->scale = (uint8_t)(atom->flags >> 4);
    if (!decimal_parse(slice_cstr(atom->factor), &factor))
        return false;
    factor = decimal_strip(factor);
    int32_t tens = -factor.scale;
    for (; factor.units % 10 == 0; tens++)
        factor.units /= 10;
    return factor.units <= INT64_MAX && multiply_factor(ret_unit, (int64_t)factor.units, 1, tens);
}

static bool find_atom(struct slice code, bool metric_only, int depth, struct ucum *ret_unit)
{
    for (int i = 0; i < UCUM_BASES; i++)
        if (slice_is(code, bases[i])) {
            *ret_unit = unity;
            ret_unit->powers[i] = 1;
            return true;
        }
    for (size_t i = 0; i < ARRAY_COUNT(atoms); i++)
        if (slice_equal(code, atoms[i].code))
            return (!metric_only || (atoms[i].flags & METRIC)) &&
                   resolve_atom(&atoms[i], depth, ret_unit);
    return false;
}

static bool parse_atom(struct slice code, int depth, struct ucum *ret_unit)
{
    if (code.length == 0)
        return false;
    if (find_atom(code, false, depth, ret_unit))
        return true;
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        struct slice prefix = slice_cstr(prefixes[i].code);
        if (code.length > prefix.length && slice_starts_with(code, prefix) &&
            find_atom(slice_from(code, prefix.length), true, depth, ret_unit)) {
            ret_unit->tens += prefixes[i].tens;
            return ret_unit->scale == 0;
        }
    }
    return false;
}

/* ---- terms ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Where the component that begins at `at` ends. */
static size_t component_end(struct slice code, size_t at)
{
    for (; at < code.length; at++) {
        char c = code.bytes[at];
        if (c == '[') {
            while (at < code.length && code.bytes[at] != ']')
                at++;
        } else if (c == '.' || c == '/' || c == '(' || c == ')' || c == '{') {
            break;
        }
    }
    return MIN(at, code.length);
}

/* Digits with a sign at the end of "m2", "10*-6"; cut off *code. */
static int take_power(struct slice *code)
{
    size_t at = code->length;
    while (at > 0 && is_digit(code->bytes[at - 1]))
        at--;
    if (at == code->length || at == 0)
        return 1;
    int power = 0;
    for (size_t i = at; i < code->length; i++)
        power = MIN(power * 10 + (code->bytes[i] - '0'), POWER_MAX + 1);
    if (at > 1 && (code->bytes[at - 1] == '-' || code->bytes[at - 1] == '+'))
        power = code->bytes[--at] == '-' ? -power : power;
    code->length = at;
    return power;
}

static bool parse_simple(struct slice code, int depth, struct ucum *ret_unit)
{
    uint64_t number;
    *ret_unit = unity;
    if (slice_parse_u64(code, &number))
        return number > 0 && number < INT64_MAX && multiply_factor(ret_unit, (int64_t)number, 1, 0);
    struct slice atom = code;
    int power = take_power(&atom);
    struct ucum unit;
    if (power > POWER_MAX || power < -POWER_MAX || !parse_atom(atom, depth, &unit))
        return false;
    if (power == 1) {
        *ret_unit = unit;
        return true;
    }
    return unit.scale == 0 && multiply_unit(ret_unit, &unit, power);
}

/* The end of "{...}" that begins at `at`; 0 when it is not closed. */
static size_t annotation_end(struct slice code, size_t at)
{
    for (; at < code.length; at++)
        if (code.bytes[at] == '}')
            return at + 1;
    return 0;
}

static size_t closing_paren(struct slice code, size_t at)
{
    int open = 0;
    for (; at < code.length; at++) {
        open += code.bytes[at] == '(';
        open -= code.bytes[at] == ')';
        if (open == 0)
            return at;
    }
    return 0;
}

/* One component at *at; moves behind it. */
static bool parse_component(struct slice code, size_t *at, int depth, struct ucum *ret_unit)
{
    size_t start = *at;
    *ret_unit = unity;
    if (start < code.length && code.bytes[start] == '(') {
        size_t close = closing_paren(code, start);
        if (close == 0 || depth > PARENS_MAX)
            return false;
        *at = close + 1;
        struct slice inside = slice_of(code.bytes + start + 1, close - start - 1);
        return parse_term(inside, depth + 1, ret_unit);
    }
    size_t end = component_end(code, start);
    bool is_annotation = end == start;
    if (!is_annotation && !parse_simple(slice_of(code.bytes + start, end - start), depth, ret_unit))
        return false;
    if (end < code.length && code.bytes[end] == '{') {
        end = annotation_end(code, end);
        if (end == 0)
            return false;
        is_annotation = false; /* alone it is the unit 1 */
    }
    *at = end;
    return !is_annotation;
}

static bool parse_term(struct slice code, int depth, struct ucum *ret_unit)
{
    struct ucum total = unity, part;
    size_t at = 0;
    int sign = 1;
    bool is_first = true;
    if (code.length > 0 && code.bytes[0] == '/') {
        sign = -1;
        at = 1;
    }
    do {
        if (!parse_component(code, &at, depth, &part))
            return false;
        if (part.scale != 0) { /* Cel stands alone */
            *ret_unit = part;
            return is_first && sign > 0 && at == code.length;
        }
        if (!multiply_unit(&total, &part, sign))
            return false;
        is_first = false;
        if (at == code.length)
            break;
        sign = code.bytes[at] == '/' ? -1 : 1;
        if (code.bytes[at] != '/' && code.bytes[at] != '.')
            return false;
        at++;
    } while (true);
    *ret_unit = total;
    return true;
}

bool ucum_parse(struct slice code, struct ucum *ret_unit)
{
    enum { CODE_LENGTH_MAX = 200 };
    return code.length > 0 && code.length <= CODE_LENGTH_MAX && parse_term(code, 0, ret_unit);
}

bool fhir_unit_is_valid(struct slice code)
{
    struct ucum unit;
    return ucum_parse(code, &unit);
}

/* ---- conversion ---- */

bool ucum_comparable(const struct ucum *a, const struct ucum *b)
{
    return a->arbitrary == b->arbitrary && memcmp(a->powers, b->powers, sizeof a->powers) == 0;
}

static bool shift_tens(struct decimal value, int32_t tens, struct decimal *ret_value)
{
    while (tens < 0 && value.scale < DECIMAL_SCALE_MAX) {
        value.scale++;
        tens++;
    }
    while (tens > 0 && value.scale > 0) {
        value.scale--;
        tens--;
    }
    struct decimal power = { decimal_power(MIN(MAX(tens, 0), DECIMAL_DIGITS - 1)), 0 };
    return tens >= 0 && tens < DECIMAL_DIGITS && decimal_multiply(value, power, ret_value);
}

/* Kelvin = (value + zero) * over / under. */
struct scale {
    struct decimal zero;
    int64_t over, under;
};
static const struct scale scales[] = {
    { { 0, 0 }, 1, 1 },
    [SCALE_CEL] = { { 27315, 2 }, 1, 1 },
    [SCALE_DEGF] = { { 45967, 2 }, 5, 9 },
    [SCALE_DEGRE] = { { 21852, 2 }, 5, 4 },
};

bool ucum_convert(struct decimal value, const struct ucum *from, const struct ucum *to,
                  struct decimal *ret_value)
{
    if (!ucum_comparable(from, to))
        return false;
    if (from->scale == to->scale && memcmp(from, to, sizeof *from) == 0) {
        *ret_value = value;
        return true;
    }
    const struct scale *source = &scales[from->scale], *target = &scales[to->scale];
    struct ucum factor = unity;
    if (!decimal_add(value, source->zero, &value) ||
        !multiply_factor(&factor, from->over, from->under, from->tens) ||
        !multiply_factor(&factor, to->under, to->over, -to->tens) ||
        !multiply_factor(&factor, source->over, source->under, 0) ||
        !multiply_factor(&factor, target->under, target->over, 0))
        return false;
    struct decimal over = decimal_of(factor.over), under = decimal_of(factor.under);
    if (!decimal_multiply(value, over, &value) || !shift_tens(value, factor.tens, &value))
        return false;
    if (factor.under != 1 && !decimal_divide(value, under, &value))
        return false;
    return decimal_add(value, decimal_negate(target->zero), ret_value);
}

bool fhir_quantity_compare(struct slice value, struct slice unit, struct slice other_value,
                           struct slice other_unit, int *ret_order)
{
    struct ucum a, b;
    struct decimal x, y, converted;
    if (!decimal_parse(value, &x) || !decimal_parse(other_value, &y))
        return false;
    if (slice_equal(unit, other_unit)) {
        *ret_order = decimal_compare(x, y);
        return true;
    }
    if (!ucum_parse(unit, &a) || !ucum_parse(other_unit, &b) || !ucum_comparable(&a, &b) ||
        !ucum_convert(x, &a, &b, &converted))
        return false;
    *ret_order = decimal_compare(converted, y);
    return true;
}

/* The unit without its factor: what it measures. */
bool fhir_unit_normalise(struct slice unit, struct decimal value, struct decimal *ret_value,
                         char ret_dimension[FHIR_DIMENSION_BYTES], size_t *ret_length)
{
    struct ucum from;
    if (!ucum_parse(unit, &from))
        return false;
    struct ucum base = { .over = 1, .under = 1, .arbitrary = from.arbitrary };
    memcpy(base.powers, from.powers, sizeof base.powers);
    if (!ucum_convert(value, &from, &base, ret_value))
        return false;
    size_t length = 0;
    for (int i = 0; i < UCUM_BASES; i++)
        ret_dimension[length++] = (char)(0x80 + from.powers[i]); /* never NUL: |power| <= 60 */
    for (uint32_t rest = from.arbitrary; rest; rest >>= 4)
        ret_dimension[length++] = (char)('a' + (rest & 15));
    _Static_assert(UCUM_BASES + 8 <= FHIR_DIMENSION_BYTES, "32 bits are 8 letters");
    *ret_length = length;
    return true;
}
