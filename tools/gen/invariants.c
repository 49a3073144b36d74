/* tools/gen/invariants.c - invariants.txt as a table, those of a type together. */
#include "gen.h"

struct rule {
    struct slice key, severity, type, element, profile, human, expression;
};

static bool is_detail(struct slice line)
{
    return line.length > 2 && line.bytes[0] == ' ' && line.bytes[1] == ' ';
}

static size_t read_rules(const struct lines *lines, struct rule *rules)
{
    size_t count = 0;
    for (size_t i = 0; i < lines->count; i++) {
        struct slice rest = lines->list[i];
        if (rest.length == 0)
            continue;
        bool is_inside = is_detail(rest);
        struct slice word = gen_word(&rest);
        if (is_inside && count > 0) {
            struct slice text = slice_trim(rest);
            if (slice_is(word, "human"))
                rules[count - 1].human = text;
            else
                rules[count - 1].expression = text;
            continue;
        }
        if (!slice_is(word, "invariant"))
            gen_fail(lines->file, i + 1, "\"invariant\" expected");
        struct rule *rule = &rules[count++];
        rule->key = gen_word(&rest);
        rule->severity = gen_word(&rest);
        rule->type = gen_word(&rest);
        rule->element = gen_word(&rest);
        rule->profile = gen_word(&rest);
    }
    return count;
}

static void put_rule(FILE *out, const struct rule *rule)
{
    fprintf(out, "{ ");
    put_slice(out, rule->key);
    fprintf(out, ", ");
    put_slice(out, rule->human);
    fprintf(out, ", ");
    put_slice(out, rule->expression);
    fprintf(out, ", ");
    put_slice(out, rule->element);
    fprintf(out, ", ");
    put_slice(out, rule->profile);
    fprintf(out, ", %d },\n", slice_is(rule->severity, "error"));
}

void emit_invariants(struct spec *spec, const char *folder, FILE *out)
{
    struct lines lines = spec_lines(spec, folder, "invariants.txt");
    struct rule *rules = gen_alloc(spec, lines.count + 1, sizeof *rules);
    size_t count = read_rules(&lines, rules);
    size_t *counts = gen_alloc(spec, spec->type_count, sizeof *counts);
    for (size_t i = 0; i < count; i++)
        if (!spec_type(spec, rules[i].type))
            gen_fail(lines.file, 0, "type %.*s", SLICE_ARGS(rules[i].type));
    fprintf(out, "\nconst struct invariant fhir_invariants[] = {\n");
    for (uint16_t t = 0; t < spec->type_count; t++)
        for (size_t i = 0; i < count; i++)
            if (slice_equal(rules[i].type, spec->types[t].name)) {
                put_rule(out, &rules[i]);
                counts[t]++;
            }
    fprintf(out, "};\nconst uint16_t fhir_invariant_total = %zu;\n\n", count);
    fprintf(out, "const struct invariant_list fhir_type_invariants[] = {\n");
    size_t first = 0;
    for (uint16_t t = 0; t < spec->type_count; t++) {
        fprintf(out, "{ %zu, %zu },\n", first, counts[t]);
        first += counts[t];
    }
    fprintf(out, "};\n");
}
