#include "fhir/moment.h"

#include <stdio.h>

#include "base/check.h"

enum { NANOS = 1000000000, DAY_SECONDS = 86400, MILLI_DIGITS = 3 };

/* ---- calendar ---- */

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of(int64_t year, int month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days since 1970-01-01 (the usual count in eras of 400 years from March). */
static int64_t day_number(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void set_day(struct moment *m, int64_t number)
{
    number += 719468;
    int64_t era = (number >= 0 ? number : number - 146096) / 146097;
    int64_t of_era = number - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t part = (5 * of_year + 2) / 153;
    int64_t month = part < 10 ? part + 3 : part - 9;
    m->day = (uint8_t)(of_year - (153 * part + 2) / 5 + 1);
    m->month = (uint8_t)month;
    m->year = (int16_t)(year + era * 400 + (month <= 2));
}

/* ---- reading ---- */

static bool take_number(struct slice text, size_t *at, size_t digits, int *ret_value)
{
    int value = 0;
    if (text.length - *at < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        char c = text.bytes[*at + i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += digits;
    *ret_value = value;
    return true;
}

static bool at_byte(struct slice text, size_t at, char byte)
{
    return at < text.length && text.bytes[at] == byte;
}

/* The next part behind `before`, two digits; true as well when it is not there. */
static bool take_part(struct slice text, size_t *at, char before, int low, int high, bool *ret_any,
                      uint8_t *ret_value)
{
    int value;
    size_t next = *at + 1;
    *ret_any = false;
    if (!at_byte(text, *at, before) || !take_number(text, &next, 2, &value))
        return true;
    if (value < low || value > high)
        return false;
    *at = next;
    *ret_any = true;
    *ret_value = (uint8_t)value;
    return true;
}

static bool take_day(struct slice text, size_t *at, struct moment *m)
{
    int year;
    bool any;
    if (!take_number(text, at, 4, &year) || year == 0)
        return false;
    *m = (struct moment){ .year = (int16_t)year, .month = 1, .day = 1, .precision = MOMENT_YEAR };
    if (!take_part(text, at, '-', 1, 12, &any, &m->month))
        return false;
    if (!any)
        return true;
    m->precision = MOMENT_MONTH;
    if (!take_part(text, at, '-', 1, days_of(year, m->month), &any, &m->day))
        return false;
    if (any)
        m->precision = MOMENT_DAY;
    return true;
}

static void take_fraction(struct slice text, size_t *at, struct moment *m)
{
    size_t next = *at + 1;
    int32_t unit = NANOS / 10;
    if (!at_byte(text, *at, '.') || next >= text.length || text.bytes[next] < '0' ||
        text.bytes[next] > '9')
        return;
    for (; next < text.length && text.bytes[next] >= '0' && text.bytes[next] <= '9'; next++) {
        m->nanos += unit * (text.bytes[next] - '0');
        unit /= 10;
        m->digits = (uint8_t)MIN(m->digits + 1, 9);
    }
    m->precision = MOMENT_FRACTION;
    *at = next;
}

/* hh[:mm[:ss[.fff]]]; the hour must be there. */
static bool take_clock(struct slice text, size_t *at, struct moment *m)
{
    int hour;
    bool any;
    if (!take_number(text, at, 2, &hour) || hour > 23)
        return false;
    m->hour = (uint8_t)hour;
    m->precision = MOMENT_HOUR;
    if (!take_part(text, at, ':', 0, 59, &any, &m->minute))
        return false;
    if (!any)
        return true;
    m->precision = MOMENT_MINUTE;
    if (!take_part(text, at, ':', 0, 60, &any, &m->second))
        return false;
    if (!any)
        return true;
    m->precision = MOMENT_SECOND;
    take_fraction(text, at, m);
    return true;
}

static bool take_zone(struct slice text, size_t *at, struct moment *m)
{
    if (at_byte(text, *at, 'Z')) {
        *at += 1;
        m->has_zone = true;
        return true;
    }
    bool is_west = at_byte(text, *at, '-');
    size_t next = *at + 1;
    int hours, minutes;
    if ((!is_west && !at_byte(text, *at, '+')) || !take_number(text, &next, 2, &hours))
        return true;
    if (!at_byte(text, next, ':'))
        return true;
    next++;
    if (!take_number(text, &next, 2, &minutes))
        return true;
    if (minutes > 59 || hours * 60 + minutes > 14 * 60)
        return false;
    m->zone = (int16_t)(is_west ? -(hours * 60 + minutes) : hours * 60 + minutes);
    m->has_zone = true;
    *at = next;
    return true;
}

size_t moment_take(struct slice text, bool is_time, struct moment *ret_moment)
{
    struct moment m = { .is_time = true };
    size_t at = 0;
    if (is_time)
        return take_clock(text, &at, &m) ? (*ret_moment = m, at) : 0;
    if (!take_day(text, &at, &m))
        return 0;
    if (at_byte(text, at, 'T')) {
        size_t clock = at + 1;
        bool has_clock =
            clock < text.length && text.bytes[clock] >= '0' && text.bytes[clock] <= '9';
        at = clock;
        if (has_clock && (m.precision != MOMENT_DAY || !take_clock(text, &at, &m)))
            return 0;
        if (has_clock && !take_zone(text, &at, &m))
            return 0;
    }
    *ret_moment = m;
    return at;
}

bool moment_parse_date(struct slice text, struct moment *ret_moment)
{
    size_t at = 0;
    struct moment m;
    if (!take_day(text, &at, &m) || at != text.length)
        return false;
    *ret_moment = m;
    return true;
}

bool moment_parse_date_time(struct slice text, struct moment *ret_moment)
{
    struct moment m;
    if (text.length == 0 || moment_take(text, false, &m) != text.length)
        return false;
    *ret_moment = m;
    return true;
}

bool moment_parse_time(struct slice text, struct moment *ret_moment)
{
    struct moment m;
    if (at_byte(text, 0, 'T'))
        text = slice_from(text, 1);
    if (text.length == 0 || moment_take(text, true, &m) != text.length)
        return false;
    *ret_moment = m;
    return true;
}

/* ---- writing ---- */

static int render_clock(struct moment m, char *out, int room)
{
    int n = snprintf(out, (size_t)room, "%02d", m.hour);
    if (m.precision >= MOMENT_MINUTE)
        n += snprintf(out + n, (size_t)(room - n), ":%02d", m.minute);
    if (m.precision >= MOMENT_SECOND)
        n += snprintf(out + n, (size_t)(room - n), ":%02d", m.second);
    if (m.precision >= MOMENT_FRACTION && m.digits > 0) {
        char digits[16];
        snprintf(digits, sizeof digits, "%09d", m.nanos);
        n += snprintf(out + n, (size_t)(room - n), ".%.*s", m.digits, digits);
    }
    return n;
}

size_t moment_render(struct moment m, char out[MOMENT_TEXT_BYTES])
{
    int room = MOMENT_TEXT_BYTES, n = 0;
    if (m.is_time)
        return (size_t)render_clock(m, out, room);
    n = snprintf(out, (size_t)room, "%04d", m.year);
    if (m.precision >= MOMENT_MONTH)
        n += snprintf(out + n, (size_t)(room - n), "-%02d", m.month);
    if (m.precision >= MOMENT_DAY)
        n += snprintf(out + n, (size_t)(room - n), "-%02d", m.day);
    if (m.precision >= MOMENT_HOUR) {
        out[n++] = 'T';
        n += render_clock(m, out + n, room - n);
        int zone = m.zone < 0 ? -m.zone : m.zone;
        if (m.has_zone && zone == 0)
            n += snprintf(out + n, (size_t)(room - n), "Z");
        else if (m.has_zone)
            n += snprintf(out + n, (size_t)(room - n), "%c%02d:%02d", m.zone < 0 ? '-' : '+',
                          zone / 60, zone % 60);
    }
    return (size_t)n;
}

/* ---- order ---- */

static int64_t local_seconds(struct moment m)
{
    int64_t clock = m.hour * 3600 + m.minute * 60 + m.second;
    return m.is_time ? clock : day_number(m.year, m.month, m.day) * DAY_SECONDS + clock;
}

/* The same moment on UTC's clock. */
static struct moment to_utc(struct moment m)
{
    if (!m.has_zone || m.zone == 0 || m.precision < MOMENT_HOUR)
        return m;
    int64_t seconds = local_seconds(m) - m.zone * 60;
    int64_t day = (seconds >= 0 ? seconds : seconds - DAY_SECONDS + 1) / DAY_SECONDS;
    int64_t clock = seconds - day * DAY_SECONDS;
    set_day(&m, day);
    m.hour = (uint8_t)(clock / 3600);
    m.minute = (uint8_t)(clock / 60 % 60);
    m.second = (uint8_t)(clock % 60);
    m.zone = 0;
    return m;
}

static int64_t part_of(const struct moment *m, int part)
{
    switch (part) {
    case MOMENT_YEAR:
        return m->year;
    case MOMENT_MONTH:
        return m->month;
    case MOMENT_DAY:
        return m->day;
    case MOMENT_HOUR:
        return m->hour;
    case MOMENT_MINUTE:
        return m->minute;
    default:
        return (int64_t)m->second * NANOS + m->nanos;
    }
}

static enum moment_order compare_parts(const struct moment *a, const struct moment *b)
{
    int last_a = MIN(a->precision, MOMENT_SECOND), last_b = MIN(b->precision, MOMENT_SECOND);
    for (int part = a->is_time ? MOMENT_HOUR : MOMENT_YEAR; part <= MIN(last_a, last_b); part++) {
        int64_t left = part_of(a, part), right = part_of(b, part);
        if (left != right)
            return left < right ? MOMENT_LESS : MOMENT_GREATER;
    }
    return last_a == last_b ? MOMENT_EQUAL : MOMENT_UNKNOWN;
}

enum moment_order moment_compare(struct moment a, struct moment b)
{
    if (a.is_time != b.is_time)
        return MOMENT_UNKNOWN;
    bool both_clocks = a.precision >= MOMENT_HOUR && b.precision >= MOMENT_HOUR;
    if (both_clocks && a.has_zone && b.has_zone) {
        a = to_utc(a);
        b = to_utc(b);
    } else if (both_clocks && a.has_zone != b.has_zone) {
        /* No zone is 26 hours away from any other. */
        int64_t apart = local_seconds(to_utc(a)) - local_seconds(to_utc(b));
        if (apart > -15 * 3600 && apart < 15 * 3600)
            return MOMENT_UNKNOWN;
        return apart < 0 ? MOMENT_LESS : MOMENT_GREATER;
    }
    return compare_parts(&a, &b);
}

bool moment_equivalent(struct moment a, struct moment b)
{
    return a.is_time == b.is_time && moment_compare(a, b) == MOMENT_EQUAL;
}

/* ---- arithmetic ---- */

bool moment_add_months(struct moment *m, int64_t months)
{
    if (months > 12 * 20000 || months < -12 * 20000)
        return false;
    int64_t count = m->year * 12 + (m->month - 1) + months;
    if (count < 12 || count >= 120000)
        return false;
    m->year = (int16_t)(count / 12);
    m->month = (uint8_t)(count % 12 + 1);
    m->day = (uint8_t)MIN(m->day, days_of(m->year, m->month));
    return true;
}

bool moment_add_seconds(struct moment *m, int64_t seconds, int64_t nanos)
{
    const int64_t most = INT64_C(400000000000); /* more than 10,000 years */
    if (seconds > most || seconds < -most)
        return false;
    nanos += m->nanos;
    seconds += nanos / NANOS;
    nanos %= NANOS;
    if (nanos < 0) {
        nanos += NANOS;
        seconds--;
    }
    seconds += local_seconds(*m);
    int64_t day = (seconds >= 0 ? seconds : seconds - DAY_SECONDS + 1) / DAY_SECONDS;
    int64_t clock = seconds - day * DAY_SECONDS;
    if (!m->is_time) {
        if (day < day_number(1, 1, 1) || day > day_number(9999, 12, 31))
            return false;
        set_day(m, day);
    }
    m->hour = (uint8_t)(clock / 3600);
    m->minute = (uint8_t)(clock / 60 % 60);
    m->second = (uint8_t)(clock % 60);
    m->nanos = (int32_t)nanos;
    return true;
}

/* ---- boundaries ---- */

int moment_digits(struct moment m)
{
    static const uint8_t digits[] = { 4, 6, 8, 10, 12, 14, 17 };
    return digits[m.precision] - (m.is_time ? 8 : 0);
}

static bool precision_of(int64_t digits, bool is_time, uint8_t *ret_precision)
{
    for (uint8_t p = is_time ? MOMENT_HOUR : MOMENT_YEAR; p <= MOMENT_FRACTION; p++) {
        struct moment m = { .precision = p, .is_time = is_time };
        if (moment_digits(m) == digits) {
            *ret_precision = p;
            return true;
        }
    }
    return false;
}

bool moment_boundary(struct moment *m, int64_t digits, bool is_high)
{
    uint8_t wanted, own = m->precision;
    if (!precision_of(digits, m->is_time, &wanted))
        return false;
    if (own < MOMENT_MONTH && !m->is_time)
        m->month = is_high ? 12 : 1;
    if (own < MOMENT_DAY && !m->is_time)
        m->day = is_high ? (uint8_t)days_of(m->year, m->month) : 1;
    if (own < MOMENT_HOUR)
        m->hour = is_high ? 23 : 0;
    /* The reference engines read an hour without minutes as the full hour. */
    if (own < MOMENT_MINUTE)
        m->minute = is_high && own != MOMENT_HOUR ? 59 : 0;
    if (own < MOMENT_SECOND)
        m->second = is_high ? 59 : 0;
    if (own < MOMENT_FRACTION)
        m->nanos = is_high ? 999000000 : 0;
    m->precision = wanted;
    m->digits = MILLI_DIGITS;
    if (wanted >= MOMENT_HOUR && !m->is_time && !m->has_zone) {
        m->has_zone = true;
        m->zone = is_high ? -12 * 60 : 14 * 60;
    }
    if (wanted < MOMENT_HOUR)
        m->has_zone = false;
    return true;
}

int64_t moment_instant(struct moment m)
{
    return (local_seconds(m) - m.zone * 60) * 1000000 + m.nanos / 1000;
}

struct moment moment_of_instant(int64_t instant_us)
{
    struct moment m = { .precision = MOMENT_FRACTION, .digits = MILLI_DIGITS, .has_zone = true };
    m.year = 1970;
    m.month = m.day = 1;
    int64_t seconds = instant_us / 1000000, rest = instant_us % 1000000;
    if (!moment_add_seconds(&m, seconds, rest / 1000 * 1000000))
        m.year = 1970;
    return m;
}
