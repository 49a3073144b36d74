/* _asof: a search of what was there at an instant. */
#include "base/date.h"
#include "search/search.h"

#include <string.h>

enum { DATE_BYTES_MAX = 64 };

enum err search_asof_parse(struct slice value, int64_t zone_us, struct issues *issues,
                           int64_t *ret_us)
{
    struct date_range range;
    char text[DATE_BYTES_MAX];
    struct slice date = slice_head(value, sizeof text);
    memcpy(text, date.bytes ? date.bytes : "", date.length);
    /* A '+' that was not encoded arrives as a blank; no date has one. */
    char *blank = memchr(text, ' ', date.length);
    if (blank)
        *blank = '+';
    if (value.length > sizeof text || !date_parse_in(slice_of(text, date.length), zone_us, &range))
        return issues_fail(issues, ERR_INVALID, "value",
                           "_asof=%.*s is no date or instant, as 2026-01-31T12:00:00.123456Z",
                           SLICE_ARGS(slice_head(value, 100)));
    *ret_us = range.high;
    return ERR_NONE;
}
