#include "base/date.h"

#include <stdio.h>

#include "base/check.h"

static const int64_t SECOND_US = 1000000;
static const int64_t MINUTE_US = 60 * (int64_t)1000000;
static const int64_t HOUR_US = 3600 * (int64_t)1000000;
static const int64_t DAY_US = 86400 * (int64_t)1000000;

static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char day_names[7][10] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday" };

struct civil {
    int year, month, day; /* from 1 */
};

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int year, int month)
{
    static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static bool civil_is_valid(struct civil d)
{
    return d.year >= 1 && d.year <= 9999 && d.month >= 1 && d.month <= 12 && d.day >= 1 &&
           d.day <= month_days(d.year, d.month);
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar. Years are counted
 * from March, so that the leap day is the last, in eras of 400 years. */
static int64_t civil_days(struct civil d)
{
    int64_t year = d.year - (d.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct civil civil_of_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    int month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    return (struct civil){ (int)(year_of_era + era * 400 + (month <= 2)), month,
                           (int)(day_of_year - (153 * shifted + 2) / 5 + 1) };
}

/* ---- reading: a cursor over the text ---- */

struct cursor {
    const char *at, *end;
};

static struct cursor cursor_of(struct slice s)
{
    const char *bytes = s.bytes ? s.bytes : "";
    return (struct cursor){ bytes, bytes + s.length };
}

static bool take_byte(struct cursor *c, char byte)
{
    if (c->at >= c->end || *c->at != byte)
        return false;
    c->at++;
    return true;
}

/* Exactly `count` digits. */
static bool take_digits(struct cursor *c, int count, int *ret_value)
{
    if (c->end - c->at < count)
        return false;
    int value = 0;
    for (int i = 0; i < count; i++) {
        char digit = c->at[i];
        if (digit < '0' || digit > '9')
            return false;
        value = value * 10 + (digit - '0');
    }
    c->at += count;
    *ret_value = value;
    return true;
}

static bool take_text(struct cursor *c, const char *text)
{
    size_t length = strlen(text);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, text, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* ".123": the value in microseconds, cut, and the span its last digit covers,
 * never less than a microsecond. */
static bool take_fraction(struct cursor *c, int64_t *ret_us, int64_t *ret_span_us)
{
    int64_t us = 0, span = SECOND_US;
    const char *first = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (span == 1)
            continue;
        span /= 10;
        us += (*c->at - '0') * span;
    }
    *ret_us = us;
    *ret_span_us = span;
    return c->at > first;
}

/* Z, +hh:mm, -hh:mm up to 14:00, or nothing, which leaves the offset as it is. */
static bool take_zone(struct cursor *c, int64_t *ret_offset_us)
{
    if (c->at == c->end)
        return true;
    *ret_offset_us = 0;
    if (take_byte(c, 'Z'))
        return true;
    int64_t sign = *c->at == '-' ? -1 : 1;
    int hours, minutes;
    if (!take_byte(c, '+') && !take_byte(c, '-'))
        return false;
    if (!take_digits(c, 2, &hours) || !take_byte(c, ':') || !take_digits(c, 2, &minutes))
        return false;
    *ret_offset_us = sign * (hours * HOUR_US + minutes * MINUTE_US);
    return minutes < 60 && (hours < 14 || (hours == 14 && minutes == 0));
}

/* hh:mm[:ss[.fraction]]; *ret_span is what the last part written covers. */
static bool take_time(struct cursor *c, int64_t *ret_us, int64_t *ret_span_us)
{
    int hours, minutes, seconds = 0;
    int64_t fraction_us = 0, span_us = MINUTE_US;
    if (!take_digits(c, 2, &hours) || !take_byte(c, ':') || !take_digits(c, 2, &minutes))
        return false;
    if (take_byte(c, ':')) {
        span_us = SECOND_US;
        if (!take_digits(c, 2, &seconds))
            return false;
        if (take_byte(c, '.') && !take_fraction(c, &fraction_us, &span_us))
            return false;
    }
    if (hours > 23 || minutes > 59 || seconds > 60)
        return false;
    *ret_us = hours * HOUR_US + minutes * MINUTE_US + seconds * SECOND_US + fraction_us;
    *ret_span_us = span_us;
    return true;
}

bool date_zone_parse(struct slice text, int64_t *ret_zone_us)
{
    struct cursor c = cursor_of(text);
    int64_t zone_us = 0;
    if (!text.length || !take_zone(&c, &zone_us) || c.at != c.end)
        return false;
    *ret_zone_us = zone_us;
    return true;
}

bool date_parse(struct slice text, struct date_range *ret_range)
{
    return date_parse_in(text, 0, ret_range);
}

bool date_parse_in(struct slice text, int64_t zone_us, struct date_range *ret_range)
{
    struct cursor c = cursor_of(text);
    struct civil first = { 0, 1, 1 }, behind;
    if (!take_digits(&c, 4, &first.year))
        return false;
    behind = (struct civil){ first.year + 1, 1, 1 };
    bool has_day = false;
    if (take_byte(&c, '-')) {
        if (!take_digits(&c, 2, &first.month))
            return false;
        behind = first.month == 12 ? behind : (struct civil){ first.year, first.month + 1, 1 };
        has_day = take_byte(&c, '-');
        if (has_day && !take_digits(&c, 2, &first.day))
            return false;
    }
    if (!civil_is_valid(first))
        return false;
    int64_t low = civil_days(first) * DAY_US - zone_us;
    int64_t high = has_day ? low + DAY_US : civil_days(behind) * DAY_US - zone_us;
    if (c.at < c.end) {
        int64_t time_us, span_us, offset_us = zone_us;
        if (!has_day || !take_byte(&c, 'T') || !take_time(&c, &time_us, &span_us) ||
            !take_zone(&c, &offset_us) || c.at != c.end)
            return false;
        low += time_us + zone_us - offset_us;
        high = low + span_us;
    }
    *ret_range = (struct date_range){ low, high };
    return true;
}

/* ---- writing ---- */

struct clock_face {
    struct civil date;
    int weekday; /* 0: Sunday */
    int hours, minutes, seconds, us;
};

/* Clamped to the years that have four digits. */
static struct clock_face face_of(int64_t instant_us)
{
    int64_t least = civil_days((struct civil){ 1, 1, 1 }) * DAY_US;
    int64_t most = civil_days((struct civil){ 10000, 1, 1 }) * DAY_US - 1;
    int64_t us = instant_us < least ? least : MIN(instant_us, most);
    int64_t days = us / DAY_US - (us % DAY_US < 0);
    int64_t rest = us - days * DAY_US;
    return (struct clock_face){ .date = civil_of_days(days),
                                .weekday = (int)((days % 7 + 11) % 7),
                                .hours = (int)(rest / HOUR_US),
                                .minutes = (int)(rest / MINUTE_US % 60),
                                .seconds = (int)(rest / SECOND_US % 60),
                                .us = (int)(rest % SECOND_US) };
}

/* The two last digits of a non-negative number. */
static char *put2(char *to, int value)
{
    to[0] = (char)('0' + value / 10 % 10);
    to[1] = (char)('0' + value % 10);
    return to + 2;
}

static char *put4(char *to, int value)
{
    return put2(put2(to, value / 100), value % 100);
}

size_t instant_render(int64_t instant_us, int digits, char out[INSTANT_TEXT_BYTES])
{
    CHECK(digits >= 0 && digits <= 9);
    struct clock_face face = face_of(instant_us);
    char *to = put4(out, face.date.year);
    *to++ = '-';
    to = put2(to, face.date.month);
    *to++ = '-';
    to = put2(to, face.date.day);
    *to++ = 'T';
    to = put2(to, face.hours);
    *to++ = ':';
    to = put2(to, face.minutes);
    *to++ = ':';
    to = put2(to, face.seconds);
    if (digits > 0)
        *to++ = '.';
    int unit = 100000;
    for (int i = 0; i < digits; i++, unit /= 10)
        *to++ = (char)('0' + (unit ? face.us / unit % 10 : 0));
    *to++ = 'Z';
    *to = '\0';
    return (size_t)(to - out);
}

size_t http_date_render(int64_t instant_us, char out[INSTANT_TEXT_BYTES])
{
    struct clock_face face = face_of(instant_us);
    int length = snprintf(out, INSTANT_TEXT_BYTES, "%.3s, %02d %s %04d %02d:%02d:%02d GMT",
                          day_names[face.weekday], face.date.day, month_names[face.date.month - 1],
                          face.date.year, face.hours, face.minutes, face.seconds);
    CHECK(length == 29);
    return (size_t)length;
}

size_t amz_date_render(int64_t instant_us, char out[INSTANT_TEXT_BYTES])
{
    struct clock_face face = face_of(instant_us);
    char *to = put2(put2(put4(out, face.date.year), face.date.month), face.date.day);
    *to++ = 'T';
    to = put2(put2(put2(to, face.hours), face.minutes), face.seconds);
    *to++ = 'Z';
    *to = '\0';
    return (size_t)(to - out);
}

/* ---- the two protocols' forms ---- */

static bool instant_of(struct civil date, int hours, int minutes, int seconds, int64_t *ret_us)
{
    if (!civil_is_valid(date) || hours > 23 || minutes > 59 || seconds > 60)
        return false;
    *ret_us = civil_days(date) * DAY_US + hours * HOUR_US + minutes * MINUTE_US +
              seconds * SECOND_US;
    return true;
}

bool amz_date_parse(struct slice text, int64_t *ret_instant_us)
{
    struct cursor c = cursor_of(text);
    struct civil date;
    int hours, minutes, seconds;
    return take_digits(&c, 4, &date.year) && take_digits(&c, 2, &date.month) &&
           take_digits(&c, 2, &date.day) && take_byte(&c, 'T') && take_digits(&c, 2, &hours) &&
           take_digits(&c, 2, &minutes) && take_digits(&c, 2, &seconds) && take_byte(&c, 'Z') &&
           c.at == c.end && instant_of(date, hours, minutes, seconds, ret_instant_us);
}

static bool take_month(struct cursor *c, int *ret_month)
{
    for (int i = 0; i < 12; i++) {
        if (take_text(c, month_names[i])) {
            *ret_month = i + 1;
            return true;
        }
    }
    return false;
}

static bool take_clock(struct cursor *c, int *ret_hours, int *ret_minutes, int *ret_seconds)
{
    return take_digits(c, 2, ret_hours) && take_byte(c, ':') && take_digits(c, 2, ret_minutes) &&
           take_byte(c, ':') && take_digits(c, 2, ret_seconds);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", and behind a long day name the obsolete
 * "Sunday, 06-Nov-94 08:49:37 GMT". */
static bool parse_comma_form(struct cursor c, bool obsolete, int64_t *ret_us)
{
    struct civil date;
    int hours, minutes, seconds;
    char between = obsolete ? '-' : ' ';
    if (!take_text(&c, ", ") || !take_digits(&c, 2, &date.day) || !take_byte(&c, between) ||
        !take_month(&c, &date.month) || !take_byte(&c, between) ||
        !take_digits(&c, obsolete ? 2 : 4, &date.year))
        return false;
    if (obsolete) /* two digits: 1970 to 2069 */
        date.year += date.year < 70 ? 2000 : 1900;
    return take_byte(&c, ' ') && take_clock(&c, &hours, &minutes, &seconds) &&
           take_text(&c, " GMT") && c.at == c.end &&
           instant_of(date, hours, minutes, seconds, ret_us);
}

/* "Sun Nov  6 08:49:37 1994" */
static bool parse_asctime_form(struct cursor c, int64_t *ret_us)
{
    struct civil date;
    int hours, minutes, seconds;
    if (!take_byte(&c, ' ') || !take_month(&c, &date.month) || !take_byte(&c, ' '))
        return false;
    bool day = take_byte(&c, ' ') ? take_digits(&c, 1, &date.day) : take_digits(&c, 2, &date.day);
    return day && take_byte(&c, ' ') && take_clock(&c, &hours, &minutes, &seconds) &&
           take_byte(&c, ' ') && take_digits(&c, 4, &date.year) && c.at == c.end &&
           instant_of(date, hours, minutes, seconds, ret_us);
}

bool http_date_parse(struct slice text, int64_t *ret_instant_us)
{
    /* That the weekday fits the date is not checked: RFC 7231 asks recipients
     * to be robust, and the date says enough. */
    for (size_t i = 0; i < ARRAY_COUNT(day_names); i++) {
        struct cursor c = cursor_of(text);
        if (take_text(&c, day_names[i]))
            return parse_comma_form(c, true, ret_instant_us);
        char brief[4] = { day_names[i][0], day_names[i][1], day_names[i][2], '\0' };
        c = cursor_of(text);
        if (take_text(&c, brief))
            return parse_comma_form(c, false, ret_instant_us) ||
                   parse_asctime_form(c, ret_instant_us);
    }
    return false;
}
