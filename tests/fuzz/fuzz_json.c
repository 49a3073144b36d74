/* Whatever the bytes: no crash, an error points into the text, and what was
 * accepted comes back token for token. */
#include "base/check.h"
#include "base/utf8.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void strings_come_back(struct json root, struct arena *arena)
{
    for (uint32_t at = root.at; at < json_node(root)->next; at++) {
        struct json v = { root.doc, at };
        if (!json_is(v, JSON_STRING) && !json_is(v, JSON_KEY))
            continue;
        struct slice plain = json_string(v, arena);
        if (!plain.bytes)
            return; /* memory */
        CHECK(utf8_is_valid(plain));
        CHECK(json_string_is(v, plain));
        struct buf literal;
        buf_init(&literal, (size_t)1 << 24);
        json_write_string(&literal, plain);
        struct json_doc doc;
        if (json_parse(buf_slice(&literal), NULL, arena, &doc, NULL) == ERR_NONE)
            CHECK(json_string_is(json_root(&doc), plain));
        buf_release(&literal);
    }
}

static void members_are_found(struct json v, struct arena *arena)
{
    for (struct json key = json_first(v); json_exists(key); key = json_next(v, json_value(key))) {
        struct slice name = json_string(key, arena);
        if (name.bytes)
            CHECK(json_get(v, name).at == json_value(key).at); /* so names are unique */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, (size_t)16 << 20);
    struct slice text = slice_of((const char *)data, size);
    struct json_doc doc, again;
    struct json_error error;
    enum err err = json_parse(text, NULL, &arena, &doc, &error);
    if (err) {
        CHECK(error.offset <= size);
        CHECK(error.text && error.line >= 1 && error.column >= 1);
        arena_release(&arena);
        return 0;
    }
    struct buf out;
    buf_init(&out, (size_t)1 << 24);
    json_minify(json_root(&doc), &out);
    CHECK(out.length <= size);
    CHECK(json_parse(buf_slice(&out), NULL, &arena, &again, &error) == ERR_NONE);
    CHECK(json_same(json_root(&doc), json_root(&again), NULL, NULL));
    strings_come_back(json_root(&doc), &arena);
    for (uint32_t at = 0; at < doc.count; at++)
        if (doc.nodes[at].type == JSON_OBJECT)
            members_are_found((struct json){ &doc, at }, &arena);
    buf_release(&out);
    arena_release(&arena);
    return 0;
}
