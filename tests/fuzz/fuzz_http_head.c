/* Whatever the bytes: the head ends at the same place however they are cut, and
 * what is accepted has one meaning only. */
#include "base/check.h"
#include "http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(struct slice part, struct slice all)
{
    return part.length == 0 || slice_is(part, "/") ||
           (part.bytes >= all.bytes && part.bytes + part.length <= all.bytes + all.length);
}

static void check_fields(const struct head *head, const struct http_header *headers,
                         struct slice all)
{
    unsigned lengths = 0, codings = 0, hosts = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        struct slice name = headers[i].name, value = headers[i].value;
        CHECK(is_within(name, all) && is_within(value, all) && name.length > 0);
        CHECK(slice_find_byte(value, '\n') < 0 && slice_find_byte(value, '\r') < 0);
        CHECK(slice_find_byte(value, '\0') < 0 && slice_find_byte(name, ' ') < 0);
        lengths += slice_equal_nocase(name, SLICE("content-length"));
        codings += slice_equal_nocase(name, SLICE("transfer-encoding"));
        hosts += slice_equal_nocase(name, SLICE("host"));
    }
    CHECK(lengths + codings <= 1 && hosts <= 1 && (hosts == 1 || head->minor == 0));
    CHECK(head->is_chunked == (codings == 1));
    CHECK((head->content_length >= 0) == (lengths == 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of((const char *)data, size);
    struct head_scan whole = { 0 }, pieces = { 0 };
    struct refusal refusal;
    enum head_state state = head_scan(&whole, bytes, &refusal), by_byte = HEAD_INCOMPLETE;
    for (size_t i = 1; i <= size && by_byte == HEAD_INCOMPLETE; i++)
        by_byte = head_scan(&pieces, slice_head(bytes, i), &refusal);
    CHECK(state == by_byte);
    if (state != HEAD_COMPLETE)
        return 0;
    CHECK(whole.line == pieces.line && whole.lines == pieces.lines);

    struct http_header headers[HEAD_LINES_MAX];
    struct head head;
    struct slice all = slice_of(bytes.bytes + whole.start, whole.line - whole.start);
    CHECK(whole.lines <= HEAD_LINES_MAX);
    bool is_good = head_parse(all, headers, &head, &refusal);
    CHECK(is_within(head.method, all) && is_within(head.target, all));
    CHECK(is_within(head.path, all) && is_within(head.query, all));
    CHECK(head.header_count < whole.lines);
    if (is_good)
        check_fields(&head, headers, all);
    else
        CHECK(err_http_status(refusal.err) >= 400 && refusal.text.length > 0);
    return 0;
}
