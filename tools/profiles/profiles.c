/* profiles - compile R4's own profiles and extensions into the library.
 *
 *     profiles IN.ndjson OUT.c
 *
 * Runs during the build, over spec/profiles.ndjson: a StructureDefinition a line.
 * OUT.c holds their image (src/profile/README.md) as an array of 64-bit words.
 */
#include <stdio.h>

#include "os/file.h"
#include "profile/profile.h"

enum { DEFINITIONS_MAX = 5000 };
static const size_t BYTES_MAX = (size_t)512 << 20;

static bool write_words(FILE *out, struct slice bytes)
{
    fprintf(out, "/* Made by tools/profiles from spec/profiles.ndjson. */\n#include "
                 "\"profile/core.h\"\n\nconst uint64_t profile_core[] = {");
    for (size_t i = 0; i < bytes.length; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes.bytes + i, MIN((size_t)8, bytes.length - i));
        fprintf(out, "%s0x%llx,", i % 64 ? "" : "\n", (unsigned long long)word);
    }
    fprintf(out, "\n};\nconst size_t profile_core_bytes = %zu;\n", bytes.length);
    return !ferror(out);
}

static enum err compile(struct arena *arena, struct slice text, struct buf *image)
{
    struct issues issues;
    size_t count = 0;
    struct slice *lines = arena_array(arena, DEFINITIONS_MAX, sizeof *lines);
    if (!lines)
        return ERR_NO_MEMORY;
    while (text.bytes && count < DEFINITIONS_MAX) {
        struct slice line = slice_cut(&text, '\n');
        if (line.length > 0)
            lines[count++] = line;
    }
    const struct profile_source source = { .name = SLICE("hl7.fhir.r4.core"),
                                           .version = SLICE("4.0.1"),
                                           .resources = lines,
                                           .resource_count = count };
    issues_init(&issues, arena);
    enum err err = profile_compile(&source, NULL, arena, &issues, image);
    for (const struct issue *i = issues.first; i; i = i->next)
        fprintf(stderr, "profiles: %.*s\n", SLICE_ARGS(i->text));
    return !err && issues.count > 0 ? ERR_INVALID : err;
}

int main(int argc, char **argv)
{
    struct arena arena;
    struct buf text, image;
    if (argc != 3) {
        fprintf(stderr, "usage: profiles IN.ndjson OUT.c\n");
        return 2;
    }
    arena_init(&arena, BYTES_MAX);
    buf_init(&text, BYTES_MAX);
    buf_init(&image, BYTES_MAX);
    enum err err = os_file_read(argv[1], &text);
    if (!err)
        err = compile(&arena, buf_slice(&text), &image);
    FILE *out = err ? NULL : fopen(argv[2], "w");
    bool written = out && write_words(out, buf_slice(&image));
    written = out && fclose(out) == 0 && written;
    if (!written)
        fprintf(stderr, "profiles: %s\n", err ? err_text(err) : "cannot write the output");
    arena_release(&arena);
    buf_release(&text);
    buf_release(&image);
    return written ? 0 : 1;
}
