/* Whatever the bytes: elements are found within the text, one behind the other, and
 * decoded text is never longer than what stands there. */
#include "base/check.h"
#include "base/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "Contents", "Key", "a" };
    struct slice text = slice_of((const char *)data, size);
    struct arena arena;
    arena_init(&arena, (size_t)16 << 20);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct slice rest = text, raw, decoded;
        while (rest.length && (raw = xml_raw(&rest, names[i])).bytes) {
            CHECK(raw.length <= size);
            CHECK(rest.bytes >= text.bytes && rest.bytes + rest.length == text.bytes + size);
        }
        rest = text;
        while (rest.length && (decoded = xml_next(&rest, names[i], &arena)).bytes)
            CHECK(decoded.length <= size);
    }
    arena_release(&arena);
    return 0;
}
