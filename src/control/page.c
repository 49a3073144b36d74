/* control/page.c - lists in pages.
 *
 *     <16 hex digits: number of the last one told><32: of a SHA-256>
 *
 * hashed are the folder's secret, the operation, the request without NextToken
 * and MaxResults, and the number: a token made up, changed or used with another
 * filter is not ours.
 */
#include <stdio.h>

#include "aws/aws.h"
#include "base/codec.h"
#include "control/state.h"

enum {
    DEFAULT_ROOM = 100,
    NUMBER_DIGITS = 16,
    PROOF_DIGITS = 32,
    TOKEN_LENGTH = NUMBER_DIGITS + PROOF_DIGITS,
};

/* A page may end before its count: data stores can be told in megabytes. */
static const size_t PAGE_BYTES = (size_t)8 << 20;

static const size_t REQUEST_BYTES_MAX = (size_t)8 << 20;

static bool is_without(const char *const *without, const char *name)
{
    for (; *without; without++) {
        if (strcmp(*without, name) == 0)
            return true;
    }
    return false;
}

enum err call_fingerprint(struct call *call, const struct shape *shape, const char *const *without,
                          const char *prefix, char out[FINGERPRINT_BYTES])
{
    struct buf text;
    buf_init(&text, REQUEST_BYTES_MAX);
    buf_append_cstr(&text, prefix);
    enum err err = ERR_NONE;
    for (const struct shape_member *m = shape->members; m->name && !err; m++) {
        struct json value = shape_get(call->input, m->name);
        if (!json_exists(value) || is_without(without, m->name))
            continue;
        buf_printf(&text, "\n%s:", m->name);
        err = shape_write(m->shape, value, call->arena, &text);
    }
    if (!err)
        err = buf_status(&text);
    if (!err)
        aws_sha256_hex(buf_slice(&text), out);
    buf_release(&text);
    return err;
}

static void token_render(const struct call *call, const struct page *page, uint64_t number,
                         char out[TOKEN_LENGTH + 1])
{
    char text[256], proof[65];
    uint8_t bytes[NUMBER_DIGITS / 2];
    put_be64(bytes, number);
    hex_encode(bytes, sizeof bytes, out);
    int length =
        snprintf(text, sizeof text, "%s\n%s\n%.16s", call->control->secret, page->binding, out);
    CHECK(length > 0 && (size_t)length < sizeof text);
    aws_sha256_hex(slice_of(text, (size_t)length), proof);
    memcpy(out + NUMBER_DIGITS, proof, PROOF_DIGITS);
    out[TOKEN_LENGTH] = 0;
}

enum err page_begin(struct call *call, const struct shape *shape, const char *operation,
                    struct page *ret)
{
    static const char *const without[] = { "NextToken", "MaxResults", NULL };
    int64_t room = DEFAULT_ROOM;
    struct json wanted = shape_get(call->input, "MaxResults");
    if (json_exists(wanted) && !shape_integer(wanted, &room))
        return ERR_INTERNAL; /* the shape was checked */
    *ret = (struct page){ .room = (size_t)room };
    TRY(call_fingerprint(call, shape, without, operation, ret->binding));

    struct json given = shape_get(call->input, "NextToken");
    if (!json_exists(given))
        return ERR_NONE;
    char token[TOKEN_LENGTH + 1], right[TOKEN_LENGTH + 1];
    uint8_t bytes[NUMBER_DIGITS / 2];
    bool is_ours = call_text(call, "NextToken", token, sizeof token) &&
                   strlen(token) == TOKEN_LENGTH &&
                   hex_decode(slice_of(token, NUMBER_DIGITS), bytes, sizeof bytes);
    if (is_ours) {
        ret->after = get_be64(bytes);
        token_render(call, ret, ret->after, right);
        is_ours = memcmp(token, right, TOKEN_LENGTH) == 0;
    }
    return is_ours ? ERR_NONE
                   : call_fail(call, ERR_INVALID,
                               "The NextToken is not one that this operation gave for the same "
                               "request.");
}

bool page_has_room(const struct call *call, const struct page *page)
{
    return page->room > 0 && call->out.length < PAGE_BYTES;
}

void page_add(struct page *page, uint64_t number)
{
    CHECK(page->room > 0);
    page->room--;
    page->after = number;
}

void page_token(struct call *call, const struct page *page)
{
    char token[TOKEN_LENGTH + 1];
    token_render(call, page, page->after, token);
    buf_printf(&call->out, ",\"NextToken\":\"%s\"", token);
}
