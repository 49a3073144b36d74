#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "http/answer.h"
#include "http/chunk.h"
#include "http/head.h"

static const struct slice GOOD =
    SLICE_INIT("\r\nPUT /a/%24b?c=|d HTTP/1.1\r\nHost: example.org:80\r\nX:\r\n"
               "Content-Length: 12\r\nConnection: Foo, Close\r\nExpect: 100-Continue\r\n\r\nrest");

static void a_head_is_found_wherever_it_is_cut(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= GOOD.length; cut++) {
        struct head_scan scan = { 0 };
        struct refusal refusal;
        enum head_state first = head_scan(&scan, slice_head(GOOD, cut), &refusal);
        assert_int_equal(first, cut >= GOOD.length - 4 ? HEAD_COMPLETE : HEAD_INCOMPLETE);
        if (first == HEAD_INCOMPLETE)
            assert_int_equal(head_scan(&scan, GOOD, &refusal), HEAD_COMPLETE);
        assert_int_equal(scan.start, 2);
        assert_int_equal(scan.line, GOOD.length - 4);
        assert_int_equal(scan.lines, 6);
    }
}

static void the_parts_of_a_head_are_slices_of_it(void **state)
{
    (void)state;
    struct http_header headers[6];
    struct head head;
    struct refusal refusal;
    struct slice bytes = slice_from(slice_head(GOOD, GOOD.length - 4), 2);
    assert_true(head_parse(bytes, headers, &head, &refusal));
    assert_true(slice_is(head.method, "PUT"));
    assert_true(slice_is(head.target, "/a/%24b?c=|d"));
    assert_true(slice_is(head.path, "/a/%24b"));
    assert_true(slice_is(head.query, "c=|d"));
    assert_int_equal(head.header_count, 5);
    assert_int_equal(head.content_length, 12);
    assert_false(head.keeps_alive);
    assert_true(head.expects_continue);
    assert_true(slice_is(headers[1].name, "X") && headers[1].value.length == 0);
}

static void a_list_names_tokens_in_any_case(void **state)
{
    (void)state;
    assert_true(head_list_has(SLICE("a, Keep-Alive ;q=1,b"), "keep-alive"));
    assert_false(head_list_has(SLICE("keep-alives, xkeep-alive"), "keep-alive"));
    assert_false(head_list_has(SLICE(""), "close"));
}

/* Feed in two parts; the decoded bytes, what is left over, and the last result. */
static enum chunk_result decode(struct slice text, size_t cut, struct buf *out, size_t *ret_left)
{
    struct chunk chunk = { 0 };
    struct slice parts[2] = { slice_head(text, cut), slice_from(text, cut) };
    enum chunk_result result = CHUNK_WANTS_MORE;
    *ret_left = 0;
    for (int i = 0; i < 2; i++) {
        struct slice data;
        while ((result = chunk_next(&chunk, &parts[i], &data)) == CHUNK_GIVES_DATA)
            buf_append(out, data);
        *ret_left += parts[i].length;
    }
    return result;
}

static void chunks_are_decoded_wherever_they_are_cut(void **state)
{
    (void)state;
    struct slice text = SLICE("5;a=\"b\"\r\nhello\r\n00A\r\n, chunked \r\n6\r\nworld!\r\n"
                              "0\r\nX: y\r\nZ: z\r\n\r\nGET /");
    for (size_t cut = 0; cut <= text.length; cut++) {
        struct buf out;
        size_t left;
        buf_init(&out, 1000);
        assert_int_equal(decode(text, cut, &out, &left), CHUNK_IS_DONE);
        assert_true(slice_is(buf_slice(&out), "hello, chunked world!"));
        assert_int_equal(left, 5);
        buf_release(&out);
    }
}

static void malformed_chunks_are_refused(void **state)
{
    (void)state;
    static const char *bad[] = {
        "\r\n",          ";\r\n",           "g\r\n",          "0x5\r\nhello\r\n", " 5\r\nhello\r\n",
        "5 \r\nhello\r\n", "-5\r\n",        "5\nhello\n",     "5\r\nhello\n",     "5\r\nhelloo\r\n",
        "5\rhello",      "0000000000000005\r\n", "fffffffffffffffff\r\n", "5;a\x01\r\n", "0\r\n\n",
        "0\r\nX\n\r\n",  "5;a\nb\r\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct buf out;
        size_t left;
        buf_init(&out, 1000);
        if (decode(slice_cstr(bad[i]), 0, &out, &left) != CHUNK_IS_BAD)
            fail_msg("case %zu was accepted", i);
        buf_release(&out);
    }
}

static void endless_extensions_and_trailers_are_refused(void **state)
{
    (void)state;
    struct chunk chunk = { 0 };
    enum chunk_result result = CHUNK_WANTS_MORE;
    uint64_t fed = 0;
    while (result != CHUNK_IS_BAD && fed < 10 * CHUNK_EXTRA_BYTES_MAX) {
        struct slice in = SLICE("1;extension\r\nx\r\n"), data;
        fed += in.length;
        while ((result = chunk_next(&chunk, &in, &data)) == CHUNK_GIVES_DATA)
            continue;
    }
    assert_int_equal(result, CHUNK_IS_BAD);
}

static void dates_are_written_as_http_wants_them(void **state)
{
    (void)state;
    char text[DATE_TEXT_BYTES];
    answer_date(0, text);
    assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    answer_date(784111777, text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    answer_date(951827696, text);
    assert_string_equal(text, "Tue, 29 Feb 2000 12:34:56 GMT");
    answer_date(4107542399, text);
    assert_string_equal(text, "Sun, 28 Feb 2100 23:59:59 GMT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_found_wherever_it_is_cut),
        cmocka_unit_test(the_parts_of_a_head_are_slices_of_it),
        cmocka_unit_test(a_list_names_tokens_in_any_case),
        cmocka_unit_test(chunks_are_decoded_wherever_they_are_cut),
        cmocka_unit_test(malformed_chunks_are_refused),
        cmocka_unit_test(endless_extensions_and_trailers_are_refused),
        cmocka_unit_test(dates_are_written_as_http_wants_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
