/* tools/gen/slots.c - lay out hash tables of names. */
#include "gen.h"

#include <string.h>

#include "fhir/name_hash.h"

enum { SLOTS_MAX = 1 << 18, TRIES = 400 };

void slots_init(struct slots *slots, struct spec *spec, size_t table_room)
{
    *slots = (struct slots){ .table_room = table_room };
    slots->list = gen_alloc(spec, SLOTS_MAX, sizeof *slots->list);
    slots->tables = gen_alloc(spec, table_room, sizeof *slots->tables);
}

static unsigned lay_out(const struct slice *names, size_t count, uint64_t multiplier, unsigned bits,
                        uint16_t *slots)
{
    uint32_t mask = (UINT32_C(1) << bits) - 1;
    unsigned collisions = 0;
    memset(slots, 0, sizeof *slots << bits);
    for (size_t i = 0; i < count; i++) {
        uint32_t at = name_slot(name_hash(names[i]), multiplier, bits);
        for (; slots[at]; at = (at + 1) & mask)
            collisions++;
        slots[at] = (uint16_t)(i + 1);
    }
    return collisions;
}

/* At most a quarter full; of a few hundred multipliers the best. */
void slots_add(struct slots *slots, const struct slice *names, size_t count)
{
    unsigned bits = 2;
    while ((size_t)1 << bits < count * 4)
        bits++;
    if (slots->count + (1U << bits) > SLOTS_MAX || slots->table_count == slots->table_room)
        gen_fail("gen", 0, "too many name slots");
    uint16_t *place = slots->list + slots->count;
    uint64_t multiplier = UINT64_C(0x9e3779b97f4a7c15), best = 0;
    unsigned fewest = ~0U;
    for (int i = 0; i < TRIES && fewest > 0; i++) {
        unsigned collisions = lay_out(names, count, multiplier, bits, place);
        if (collisions < fewest) {
            fewest = collisions;
            best = multiplier;
        }
        multiplier = multiplier * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        multiplier |= 1;
    }
    lay_out(names, count, best, bits, place);
    slots->tables[slots->table_count++] = (struct slots_table){ best, slots->count, bits };
    slots->count += 1U << bits;
}

void slots_put(FILE *out, const struct slots *slots, const char *name, size_t table)
{
    const struct slots_table *t = &slots->tables[table];
    fprintf(out, "{ %s + %u, UINT64_C(%llu), %u }", name, t->first,
            (unsigned long long)t->multiplier, t->bits);
}

void emit_codes(struct spec *spec, FILE *out)
{
    struct slots slots;
    struct slice *codes = gen_alloc(spec, 1000, sizeof *codes);
    size_t first = 0;
    slots_init(&slots, spec, spec->value_set_count);
    fprintf(out, "static const struct code_row codes[] = {\n");
    for (uint16_t s = 0; s < spec->value_set_count; s++) {
        const struct value_set *set = &spec->value_sets[s];
        for (size_t i = 0; i < set->code_count; i++) {
            codes[i] = set->codes[i].code;
            fprintf(out, "{ ");
            put_slice(out, set->codes[i].code);
            fprintf(out, ", ");
            put_slice(out, set->codes[i].system);
            fprintf(out, " },\n");
        }
        slots_add(&slots, codes, set->code_count);
    }
    fprintf(out, "};\n\n");
    put_ids(out, "static const uint16_t code_slots", slots.list, slots.count);
    fprintf(out, "const struct code_list fhir_code_lists[] = {\n");
    for (uint16_t s = 0; s < spec->value_set_count; s++) {
        const struct value_set *set = &spec->value_sets[s];
        fprintf(out, "{ ");
        put_slice(out, set->url);
        fprintf(out, ", ");
        slots_put(out, &slots, "code_slots", s);
        fprintf(out, ", codes + %zu, ", first);
        put_slice(out, set->open_system);
        fprintf(out, ", %d },\n", set->open_system.length > 0 || set->code_count == 0);
        first += set->code_count;
    }
    fprintf(out, "};\n\n");
}
