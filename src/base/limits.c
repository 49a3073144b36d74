#include "base/limits.h"

#include <stdio.h>

enum { PRESETS = 3 };

struct row {
    const char *name, *unit;
    uint64_t presets[PRESETS]; /* open, guide, healthlake */
    const char *setting, *meaning;
};

static const struct row ROWS[] = {
#define X(member, name, unit, open, guide, healthlake, setting, meaning)                           \
    { name, unit, { open, guide, healthlake }, setting, meaning },
    LIMIT_LIST(X)
#undef X
};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

/* The struct is an array of its rows, in their order. */
_Static_assert(sizeof(struct limits) == ROW_COUNT * sizeof(uint64_t), "a member a row");

static const struct limit_row FIXED[] = {
#define X(constant, name_, value_, unit_, meaning_)                                                \
    { .name = name_,                                                                               \
      .unit = unit_,                                                                               \
      .meaning = meaning_,                                                                         \
      .is_fixed = true,                                                                            \
      .open = value_,                                                                              \
      .guide = value_,                                                                             \
      .healthlake = value_,                                                                        \
      .value = value_ },
    LIMIT_FIXED_LIST(X)
#undef X
};

static uint64_t *cell(struct limits *limits, size_t row)
{
    return (uint64_t *)limits + row;
}

bool limits_preset(struct slice name, struct limits *ret)
{
    static const char *const presets[PRESETS] = { "open", "guide", "healthlake" };
    for (size_t p = 0; p < PRESETS; p++) {
        if (!slice_is(name, presets[p]))
            continue;
        for (size_t i = 0; i < ROW_COUNT; i++)
            *cell(ret, i) = ROWS[i].presets[p];
        return true;
    }
    return false;
}

size_t limits_count(void)
{
    return ROW_COUNT + ARRAY_COUNT(FIXED);
}

void limits_row(const struct limits *limits, size_t number, struct limit_row *ret)
{
    CHECK(number < limits_count());
    if (number >= ROW_COUNT) {
        *ret = FIXED[number - ROW_COUNT];
        return;
    }
    const struct row *row = &ROWS[number];
    *ret = (struct limit_row){ .name = row->name,
                               .unit = row->unit,
                               .meaning = row->meaning,
                               .setting = row->setting,
                               .open = row->presets[0],
                               .guide = row->presets[1],
                               .healthlake = row->presets[2],
                               .value = ((const uint64_t *)limits)[number] };
}

static size_t row_find(struct slice name)
{
    size_t i = 0;
    while (i < ROW_COUNT && !slice_is(name, ROWS[i].name))
        i++;
    return i;
}

static bool is_rate(size_t row)
{
    return slice_starts_with(slice_cstr(ROWS[row].name), SLICE("rate-"));
}

/* A row may be asked for nothing ("none") but that has no sense for these. */
static bool may_be_none(size_t row)
{
    return ROWS[row].presets[0] == 0;
}

/* Large enough for all, small enough that sums and products of it hold. */
static bool number_parse(struct slice text, uint64_t *ret)
{
    static const uint64_t MOST = (uint64_t)1 << 40;
    uint64_t scale = 1;
    if (slice_is(text, "none")) {
        *ret = 0;
        return true;
    }
    if (slice_ends_with(text, SLICE("K")))
        scale = 1 << 10;
    else if (slice_ends_with(text, SLICE("M")))
        scale = 1 << 20;
    else if (slice_ends_with(text, SLICE("G")))
        scale = 1 << 30;
    if (scale > 1)
        text.length--;
    if (!slice_parse_u64(text, ret) || *ret > MOST / scale)
        return false;
    *ret *= scale;
    return true;
}

/* What is counted and not bytes fits 31 bits. */
static bool is_fitting(size_t row, uint64_t value)
{
    bool is_bytes = slice_is(slice_cstr(ROWS[row].unit), "bytes");
    return (is_bytes || value <= INT32_MAX) && (value || may_be_none(row));
}

static bool set(struct limits *limits, size_t row, struct slice number)
{
    uint64_t value;
    if (row == ROW_COUNT || !number_parse(number, &value) || !is_fitting(row, value))
        return false;
    *cell(limits, row) = value;
    return true;
}

bool limits_set(struct limits *limits, struct slice text)
{
    struct slice name = slice_cut(&text, '=');
    return text.bytes && set(limits, row_find(name), text);
}

static void copy_rates(struct limits *limits, const struct limits *from)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (is_rate(i))
            *cell(limits, i) = ((const uint64_t *)from)[i];
}

static bool set_rate(struct limits *limits, struct slice text)
{
    char with_prefix[64];
    struct slice name = slice_cut(&text, '=');
    size_t row = row_find(name);
    if (row == ROW_COUNT && name.length < sizeof with_prefix - 8) {
        int length = snprintf(with_prefix, sizeof with_prefix, "rate-%.*s", SLICE_ARGS(name));
        row = row_find(slice_of(with_prefix, (size_t)length));
    }
    return text.bytes && row < ROW_COUNT && is_rate(row) && set(limits, row, text);
}

bool limits_set_rates(struct limits *limits, struct slice text)
{
    while (text.bytes) {
        struct limits preset;
        struct slice part = slice_trim(slice_cut(&text, ','));
        if (limits_preset(slice_is(part, "none") ? SLICE("open") : part, &preset))
            copy_rates(limits, &preset);
        else if (!set_rate(limits, part))
            return false;
    }
    return true;
}
