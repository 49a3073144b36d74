/* tools/gen/main.c - gen SPEC OUT.c: the definitions in SPEC as C tables. */
#include "gen.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: gen SPEC OUT.c\n");
        return 2;
    }
    struct spec spec;
    spec_read(&spec, argv[1]);
    FILE *out = fopen(argv[2], "w");
    if (!out)
        gen_fail(argv[2], 0, "cannot be written");
    emit_tables(&spec, out);
    emit_invariants(&spec, argv[1], out);
    if (fclose(out) != 0)
        gen_fail(argv[2], 0, "writing failed");
    arena_release(&spec.arena);
    return 0;
}
