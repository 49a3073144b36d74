/* tools/gen/gen.h - the definitions as the generator holds them.
 *
 * spec.c reads spec/ into these structs, path.c compiles expressions against
 * them, emit.c writes build/gen/fhir_tables.c. A build tool: one arena, and any
 * mistake in spec/ ends it with file and line.
 */
#ifndef GEN_GEN_H
#define GEN_GEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/slice.h"

enum { NO_ID = 0xffff, MANY = 0xffff, CHOICES_MAX = 64, BRANCHES_MAX = 256 };

/* One JSON member a type may have. */
struct row {
    struct slice name, choice, value_set;
    uint16_t type, min, max, target_first, target_count;
    uint16_t codes; /* place among spec.value_sets; NO_ID: no required binding */
    uint16_t most;  /* the same of the set that no code may lie outside of */
    uint8_t binding;
    bool is_array, is_summary, is_modifier;
};

struct type {
    struct slice name, base_name;
    uint16_t id, base, resource;
    uint8_t kind; /* enum fhir_kind */
    bool is_abstract, is_complete;
    struct row *rows;
    uint16_t row_count, row_room;
    size_t first_line, line_count; /* its element lines */
    uint32_t first_row;            /* in the emitted table */
};

struct step {
    uint8_t op;
    uint16_t index, type, first_row, row_count;
    uint16_t owner; /* type whose rows these are */
    struct slice name, literal;
};

struct branch {
    uint16_t root, step_count, type; /* type: of the result; NO_ID while a choice is open */
    bool from_resource;
    struct step steps[8];
};

struct condition {
    uint8_t test;
    uint16_t first_branch, branch_count;
    struct slice literal;
};

struct path {
    struct branch *branches;
    uint16_t branch_count;
    struct condition conditions[4];
    uint16_t condition_count;
    uint32_t number; /* in the emitted table */
};

struct component {
    struct slice param_name, expression;
    uint16_t param;
    struct path *path;
};

struct param {
    struct slice name, code, expression;
    struct slice bases, targets; /* words */
    uint8_t type;
    uint16_t target_first, target_count;
    struct component *components;
    uint16_t component_count;
    struct path *path;
    uint64_t rule_hash;
};

/* A line "  Type words" of compartments.txt or everything-dates.txt. */
struct member {
    struct slice type, words;
};

struct compartment {
    struct slice owner;
    struct member *members;
    size_t member_count;
};

struct code {
    struct slice code, system;
};

struct value_set {
    struct slice url, open_system;
    struct code *codes;
    size_t code_count;
};

struct lines {
    const char *file;
    struct slice *list;
    size_t count;
};

struct spec {
    struct arena arena;
    struct lines type_lines;
    struct type *types;
    uint16_t type_count, resource_count;
    uint16_t *targets; /* pool of type ids */
    uint32_t target_count;
    struct value_set *value_sets;
    uint16_t value_set_count;
    struct param *params;
    uint16_t param_count;
    struct compartment compartments[8];
    size_t compartment_count;
    struct member *dates;
    struct path **date_paths;
    size_t date_count;
};

/* Print "file:line: text" and exit. */
_Noreturn void gen_fail(const char *file, size_t line, const char *format, ...) PRINTF_LIKE(3, 4);
void *gen_alloc(struct spec *spec, size_t count, size_t size_bytes);

/* The next blank-separated word; empty at the end. */
struct slice gen_word(struct slice *rest);

void spec_read(struct spec *spec, const char *folder);
/* A file of spec/, without comments. */
struct lines spec_lines(struct spec *spec, const char *folder, const char *name);
struct type *spec_type(const struct spec *spec, struct slice name); /* NULL when absent */
bool spec_derives(const struct spec *spec, uint16_t id, uint16_t ancestor);

/* Where an expression stands: for error texts. */
struct path_place {
    const char *file;
    struct slice what;
};

/* Compile; `context` (may be NULL) is the path whose result the expression is
 * relative to, `bases` the words naming the resource types it is for. */
struct path *path_compile(struct spec *spec, struct path_place place, struct slice expression,
                          const struct path *context, struct slice bases);

void emit_tables(struct spec *spec, FILE *out);
/* The merged expressions of each resource type (fhir/tables.h, struct trie_node). */
void emit_trie(struct spec *spec, FILE *out);
/* The rules of invariants.txt, read and written in one. */
void emit_invariants(struct spec *spec, const char *folder, FILE *out);
/* The codes of required value sets. */
void emit_codes(struct spec *spec, FILE *out);
/* Ids of a resource type's parameters by code; returns their number. */
size_t params_of(const struct spec *spec, uint16_t type, uint16_t *ids);

void put_slice(FILE *out, struct slice s);
void put_ids(FILE *out, const char *name, const uint16_t *ids, size_t count);

/* ---- hash tables of names (fhir/name_hash.h), many in one array of slots ---- */

struct slots_table {
    uint64_t multiplier;
    uint32_t first, bits;
};
struct slots {
    uint16_t *list;
    uint32_t count;
    struct slots_table *tables;
    size_t table_count, table_room;
};

void slots_init(struct slots *slots, struct spec *spec, size_t table_room);
/* Lay out one more table; its number is the count of those before. */
void slots_add(struct slots *slots, const struct slice *names, size_t count);
/* As an initialiser of struct name_table, over the array `name`. */
void slots_put(FILE *out, const struct slots *slots, const char *name, size_t table);

#endif
