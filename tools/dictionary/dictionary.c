/* dictionary - train the zstd dictionary that compresses stored bodies.
 *
 *     dictionary OUT.c
 *
 * Runs during the build. The samples are made-up members (sandbox/generate.h),
 * never anybody's records, so the dictionary holds nothing but what every payer
 * sends: systems, profiles, the usual codes and the shapes of resources. The
 * same sources and libzstd give the same bytes. Another build may give others:
 * a store keeps every dictionary that its frames name.
 *
 * 64 KB is where more brings little: measured on 2 MB of members of another
 * seed, per resource at level 1: without a dictionary 2.8 times smaller, 32 KB
 * 6.7, 64 KB 7.0, 110 KB 7.3; on Synthea's records, of which it knows nothing,
 * 2.5 and with each of them about 4.
 */
#include <stdio.h>
#include <zdict.h>

#include "base/arena.h"
#include "base/buf.h"
#include "os/file.h"
#include "sandbox/generate.h"

enum { SAMPLES_MAX = 20000, DICTIONARY_BYTES = 64 * 1024, MEMBERS = 6, CONSENTS = 5 };
static const size_t SAMPLE_BYTES_MAX = (size_t)64 << 20;

struct samples {
    struct buf text; /* one after the other */
    size_t *sizes;   /* bytes of each */
    unsigned count;
};

static void add_consent(struct samples *s, const struct generate_consent *consent)
{
    struct generate_cursor cursor;
    generate_begin(&cursor, consent, 1);
    size_t start = s->text.length;
    while (s->count < SAMPLES_MAX && generate_next(&cursor, &s->text)) {
        s->sizes[s->count++] = s->text.length - start;
        start = s->text.length;
    }
}

static bool train(struct samples *s, struct arena *arena, struct slice *ret_dictionary)
{
    struct generate_settings settings = { .seed = 1000, .years = 5, .size_bytes = 120 * 1024 };
    for (uint32_t i = 0; i < MEMBERS * CONSENTS; i++) {
        struct generate_consent c = generate_consent(&settings, i / CONSENTS, i % CONSENTS);
        add_consent(s, &c);
    }
    char *dictionary = arena_raw(arena, DICTIONARY_BYTES);
    if (!dictionary || buf_status(&s->text))
        return false;
    size_t size = ZDICT_trainFromBuffer(dictionary, DICTIONARY_BYTES, s->text.bytes, s->sizes,
                                        s->count);
    if (ZDICT_isError(size)) {
        fprintf(stderr, "dictionary: %s\n", ZDICT_getErrorName(size));
        return false;
    }
    *ret_dictionary = slice_of(dictionary, size);
    return true;
}

static void write_source(struct buf *out, struct slice dictionary)
{
    buf_append_cstr(out, "/* Made by tools/dictionary. */\n#include \"server/dictionary.h\"\n\n"
                         "const unsigned char server_dictionary_bytes[] = {");
    for (size_t i = 0; i < dictionary.length; i++)
        buf_printf(out, "%s%u,", i % 20 ? "" : "\n", (unsigned)(uint8_t)dictionary.bytes[i]);
    buf_printf(out, "\n};\nconst size_t server_dictionary_length = %zu;\n", dictionary.length);
}

int main(int count, char **words)
{
    if (count != 2) {
        fprintf(stderr, "usage: dictionary OUT.c\n");
        return 2;
    }
    struct arena arena;
    arena_init(&arena, SAMPLE_BYTES_MAX);
    struct samples samples = { .sizes = arena_array(&arena, SAMPLES_MAX, sizeof(size_t)) };
    struct buf out;
    buf_init(&samples.text, SAMPLE_BYTES_MAX);
    buf_init(&out, 1 << 20);
    struct slice dictionary;
    bool done = samples.sizes && train(&samples, &arena, &dictionary);
    if (done) {
        write_source(&out, dictionary);
        done = buf_status(&out) == ERR_NONE &&
               os_file_replace(words[1], buf_slice(&out), 0644) == ERR_NONE;
    }
    if (!done)
        fprintf(stderr, "dictionary: failed\n");
    buf_release(&out);
    buf_release(&samples.text);
    arena_release(&arena);
    return done ? 0 : 1;
}
