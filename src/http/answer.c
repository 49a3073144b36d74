#include "http/answer.h"

#include <string.h>

struct reason {
    int status;
    const char *text;
};

static const struct reason REASONS[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 417, "Expectation Failed" },
    { 422, "Unprocessable Content" },
    { 424, "Failed Dependency" },
    { 428, "Precondition Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
    { 507, "Insufficient Storage" },
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < ARRAY_COUNT(REASONS); i++)
        if (REASONS[i].status == status)
            return REASONS[i].text;
    return status < 400 ? "OK" : "Error";
}

static char *put(char *at, const char *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}

static char *put_text(char *at, const char *text)
{
    return put(at, text, strlen(text));
}

static char *put_decimal(char *at, uint64_t value)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count)
        *at++ = digits[--count];
    return at;
}

static char *put_two(char *at, int64_t value)
{
    *at++ = (char)('0' + value / 10);
    *at++ = (char)('0' + value % 10);
    return at;
}

void answer_date(int64_t second, char out[DATE_TEXT_BYTES])
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day = second / 86400, in_day = second % 86400;
    /* Civil date from days, with years that begin in March. */
    int64_t z = day + 719468;
    int64_t era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = yoe + era * 400 + (month <= 2);
    char *at = put(out, days + day % 7 * 3, 3);
    at = put_two(put(at, ", ", 2), doy - (153 * mp + 2) / 5 + 1);
    at = put(put(put(at, " ", 1), months + (month - 1) * 3, 3), " ", 1);
    at = put_two(put_two(at, year / 100), year % 100);
    at = put_two(put(at, " ", 1), in_day / 3600);
    at = put_two(put(at, ":", 1), in_day / 60 % 60);
    at = put_two(put(at, ":", 1), in_day % 60);
    *put(at, " GMT", 4) = '\0';
}

/* Names that only this file writes. */
static bool is_ours(struct slice name)
{
    switch (name.length) {
    case 4:
        return slice_equal_nocase(name, SLICE("date"));
    case 10:
        return slice_equal_nocase(name, SLICE("connection"));
    case 14:
        return slice_equal_nocase(name, SLICE("content-length"));
    case 16:
        return slice_equal_nocase(name, SLICE("x-amzn-requestid"));
    case 17:
        return slice_equal_nocase(name, SLICE("transfer-encoding"));
    default:
        return name.length == 0;
    }
}

static char *put_clean(char *at, struct slice value)
{
    for (size_t i = 0; i < value.length; i++) {
        unsigned char c = (unsigned char)value.bytes[i];
        *at++ = c < 0x20 || c == 0x7f ? ' ' : value.bytes[i];
    }
    return at;
}

static size_t room_of(const struct http_response *response)
{
    size_t bytes = 320;
    for (size_t i = 0; i < response->header_count; i++)
        bytes += response->headers[i].name.length + response->headers[i].value.length + 4;
    return bytes;
}

void answer_render(struct buf *out, const struct http_response *response,
                   const struct answer *answer)
{
    char *start = buf_reserve(out, room_of(response));
    if (!start)
        return;
    char *at = put_decimal(put_text(start, "HTTP/1.1 "), (uint64_t)response->status);
    at = put_text(put(at, " ", 1), reason_of(response->status));
    at = put_text(put_text(at, "\r\nDate: "), answer->date);
    at = put_text(put_text(at, "\r\nx-amzn-RequestId: "), answer->id);
    for (size_t i = 0; i < response->header_count; i++) {
        const struct http_header *h = &response->headers[i];
        if (is_ours(h->name))
            continue;
        at = put_clean(put(at, "\r\n", 2), h->name);
        at = put_clean(put(at, ": ", 2), h->value);
    }
    if (answer->connection)
        at = put_text(put_text(at, "\r\nConnection: "), answer->connection);
    if (answer->framing == ANSWER_LENGTH)
        at = put_decimal(put_text(at, "\r\nContent-Length: "), answer->length_bytes);
    else if (answer->framing == ANSWER_CHUNKED)
        at = put_text(at, "\r\nTransfer-Encoding: chunked");
    at = put(at, "\r\n\r\n", 4);
    CHECK((size_t)(at - start) <= out->room_bytes - out->length);
    out->length += (size_t)(at - start);
}
