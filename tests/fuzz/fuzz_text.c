/* Whatever the bytes: folding a folded text changes nothing, what is no UTF-8 is
 * refused, and a date that is read covers something and comes back. */
#include "base/check.h"
#include "base/date.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fold_twice(struct slice text)
{
    struct buf once, twice;
    buf_init(&once, 100 * text.length + 100);
    buf_init(&twice, 100 * text.length + 100);
    bool is_valid = utf8_is_valid(text);
    enum err err = utf8_fold(&once, text);
    CHECK(is_valid == (err == ERR_NONE));
    if (!err) {
        CHECK(utf8_is_valid(buf_slice(&once)));
        CHECK(utf8_fold(&twice, buf_slice(&once)) == ERR_NONE);
        CHECK(slice_equal(buf_slice(&once), buf_slice(&twice)));
    }
    buf_release(&once);
    buf_release(&twice);
}

static void read_dates(struct slice text)
{
    struct date_range range, again;
    int64_t instant;
    char out[INSTANT_TEXT_BYTES];
    if (date_parse(text, &range)) {
        CHECK(range.low < range.high);
        size_t length = instant_render(range.low, 6, out);
        CHECK(date_parse(slice_of(out, length), &again));
    }
    if (amz_date_parse(text, &instant)) {
        size_t length = amz_date_render(instant, out);
        CHECK(amz_date_parse(slice_of(out, length), &instant));
    }
    if (http_date_parse(text, &instant)) {
        size_t length = http_date_render(instant, out);
        CHECK(http_date_parse(slice_of(out, length), &instant));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    fold_twice(text);
    read_dates(text);
    return 0;
}
