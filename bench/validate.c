/* validate - how many resources a second one core checks, strict.
 *
 *     validate PACKAGES SECONDS FILE...
 *
 * PACKAGES: the folder of a data folder, or "-" for R4 alone (and no profiles). Files
 * are read and parsed once; each round checks all of them as a write does: base R4,
 * invariants, profiles of meta.profile, value sets, rules of types. Prints resources and MB
 * per second of CPU time, what opening the packages took, and what they added to the
 * process's memory: when open, and after all was checked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "os/unpack.h"
#include "check/check.h"

enum { FILES_MAX = 20000 };
static const size_t BYTES_MAX = (size_t)4 << 30;

struct bench {
    struct arena arena;
    struct json_doc docs[FILES_MAX];
    size_t count, bytes, errors;
    const struct fhir_rules *rules;
    struct profile_home *home;
    struct terminology *terminology;
};

static void found(void *context, const struct fhir_finding *finding)
{
    struct bench *b = context;
    b->errors += finding->severity <= ISSUE_ERROR;
}

static void read_all(struct bench *b, char **files, int count)
{
    for (int i = 0; i < count && b->count < FILES_MAX; i++) {
        struct buf text;
        buf_init(&text, BYTES_MAX);
        if (os_file_unpack(files[i], &text) == ERR_NONE) {
            char *copy = arena_copy(&b->arena, buf_slice(&text));
            if (json_parse(slice_of(copy, text.length), NULL, &b->arena, &b->docs[b->count],
                           NULL) == ERR_NONE) {
                b->bytes += text.length;
                b->count++;
            }
        }
        buf_release(&text);
    }
}

static void check(struct bench *b, const struct profile_set *set, struct json root)
{
    struct arena arena;
    arena_init(&arena, (size_t)256 << 20);
    const struct check_options options = { .rules = b->rules,
                                           .is_errors_only = true,
                                           .is_lenient = true,
                                           .found = found,
                                           .context = b,
                                           .set = set,
                                           .terminology = b->terminology,
                                           .home = b->home,
                                           .unknown_is_error = true };
    const struct fhir_type *type =
        fhir_resource_find(json_string_raw(json_member(root, "resourceType")));
    if (check_run(&options, root, type, &arena) != ERR_NONE)
        abort();
    arena_release(&arena);
}

/* Kilobytes that the process has in memory now. */
static long resident(void)
{
    char line[200];
    long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes;
}

int main(int argc, char **argv)
{
    static struct bench b;
    if (argc < 4)
        return 2;
    bool has_packages = strcmp(argv[1], "-") != 0;
    arena_init(&b.arena, BYTES_MAX);
    long before = resident();
    double start = wall_seconds();
    if (profile_home_open(has_packages ? argv[1] : NULL, &b.home, NULL) != ERR_NONE)
        return 1;
    double opened = wall_seconds();
    long open_kb = resident() - before;
    const struct terminology_source source = profile_terminology(b.home);
    if (terminology_open(&source, &b.terminology) != ERR_NONE ||
        fhir_rules_compile(&b.arena, &b.rules) != ERR_NONE)
        return 1;
    read_all(&b, argv + 3, argc - 3);
    before = resident();
    struct profile_set *set = has_packages ? profile_home_set(b.home, NULL) : NULL;
    size_t rounds = 0;
    for (size_t i = 0; i < b.count; i++) /* value sets and rules are compiled when first met */
        check(&b, set, json_root(&b.docs[i]));
    long used_kb = resident() - before;
    b.errors = 0;
    double begin = cpu_seconds(), seconds = atof(argv[2]), took = 0;
    do {
        for (size_t i = 0; i < b.count; i++)
            check(&b, set, json_root(&b.docs[i]));
        rounds++;
        took = cpu_seconds() - begin;
    } while (took < seconds);
    double total = (double)rounds;
    printf("%zu resources, %.1f MB: %.0f resources/s, %.1f MB/s, %zu errors a round; packages "
           "opened in %.1f ms, %.1f MB then, %.1f MB more after a round\n",
           b.count, (double)b.bytes / 1e6, total * (double)b.count / took,
           total * (double)b.bytes / 1e6 / took, b.errors / rounds, (opened - start) * 1000,
           (double)open_kb / 1e3, (double)used_kb / 1e3);
    profile_set_unref(set);
    terminology_close(b.terminology);
    profile_home_close(b.home);
    arena_release(&b.arena);
    return 0;
}
