/* Whatever the path: no crash, the same place again when it is found by its own
 * normalised path, and no dot segment in it that could lead elsewhere. */
#include "base/check.h"
#include "base/codec.h"
#include "server/place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_segment_is_dots(struct slice rest)
{
    while (rest.bytes && rest.length) {
        struct slice segment = slice_cut(&rest, '/');
        struct buf text;
        buf_init(&text, segment.length + 1);
        CHECK(percent_decode(&text, segment, false));
        CHECK(segment.length > 0);
        CHECK(!slice_is(buf_slice(&text), ".") && !slice_is(buf_slice(&text), ".."));
        buf_release(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    arena_init(&a, (size_t)4 << 20);
    struct place place, again;
    struct slice path = slice_of((const char *)data, size);
    if (size < 65536 && place_of_path(&a, path, &place) == ERR_NONE && place.kind == PLACE_FHIR) {
        no_segment_is_dots(place.rest);
        struct slice normal = arena_printf(&a, "/datastore/%.*s/r4/%.*s",
                                           SLICE_ARGS(place.datastore_id), SLICE_ARGS(place.rest));
        /* A NUL in a raw path ends the formatted text; no client can send one. */
        if (slice_find_byte(path, '\0') < 0) {
            CHECK(place_of_path(&a, normal, &again) == ERR_NONE && again.kind == PLACE_FHIR);
            CHECK(slice_equal(place.rest, again.rest));
            CHECK(slice_equal(place.datastore_id, again.datastore_id));
        }
    }
    arena_release(&a);
    return 0;
}
