/* tools/terminology - spec/terminology.ndjson to a C table.
 *
 *   terminology SPEC.ndjson OUT.c
 *
 * One string literal a resource, sorted as core_find() looks them up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

enum { ROWS_MAX = 10000, FILE_BYTES_MAX = 64 << 20 };

struct row {
    int kind;
    const char *url, *version;
    struct slice text;
};

static void fail(const char *what)
{
    fprintf(stderr, "terminology: %s\n", what);
    exit(1);
}

static int row_compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->kind != y->kind ? x->kind - y->kind : strcmp(x->url, y->url);
}

static const char *member(struct json root, const char *name, struct arena *arena)
{
    struct json value = json_get(root, slice_cstr(name));
    struct slice text = json_exists(value) ? json_string(value, arena) : SLICE_NONE;
    const char *copy = arena_copy(arena, text.bytes ? text : SLICE(""));
    if (!copy)
        fail("out of memory");
    return copy;
}

static void write_literal(FILE *out, struct slice text)
{
    fputc('"', out);
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        if (c == '"' || c == '\\' || c == '?')
            fprintf(out, "\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            fprintf(out, "\\%03o", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static size_t rows_read(struct slice rest, struct arena *arena, struct row *rows)
{
    size_t count = 0;
    while (rest.length) {
        struct slice line = slice_cut(&rest, '\n');
        struct json_doc doc;
        if (!line.length)
            continue;
        if (count == ROWS_MAX || json_parse(line, NULL, arena, &doc, NULL))
            fail("a line is no JSON");
        struct json root = json_root(&doc);
        rows[count++] = (struct row){
            .kind = json_string_is(json_member(root, "resourceType"), SLICE("ValueSet")),
            .url = member(root, "url", arena),
            .version = member(root, "version", arena),
            .text = line,
        };
    }
    return count;
}

int main(int argc, char **argv)
{
    static struct row rows[ROWS_MAX];
    struct arena arena;
    arena_init(&arena, (size_t)1 << 30);
    FILE *in = argc == 3 ? fopen(argv[1], "rb") : NULL, *out = in ? fopen(argv[2], "wb") : NULL;
    char *text = arena_raw(&arena, FILE_BYTES_MAX);
    if (!out || !text)
        fail("cannot be opened");
    size_t length = fread(text, 1, FILE_BYTES_MAX, in);
    size_t count = rows_read(slice_of(text, length), &arena, rows);
    qsort(rows, count, sizeof rows[0], row_compare);
    fprintf(out, "/* Made by tools/terminology. */\n#include \"terminology/library.h\"\n\n"
                 "const struct core_row terminology_core[] = {\n");
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "{ \"%s\", \"%s\", ", rows[i].url, rows[i].version);
        write_literal(out, rows[i].text);
        fprintf(out, ", %zu, %d },\n", rows[i].text.length, rows[i].kind);
    }
    fprintf(out, "};\nconst uint32_t terminology_core_count = %zu;\n", count);
    arena_release(&arena);
    return fclose(in) || fclose(out) ? 1 : 0;
}
