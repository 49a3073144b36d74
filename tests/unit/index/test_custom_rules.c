/* R4's own search parameters defined once more, as a data store would: the general
 * engine's terms against those of the compiled expressions, on all official examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "index/index.h"
#include "os/unpack.h"
#include "outside.h"

enum { ARENA_BYTES = 1 << 30 };

static struct arena arena;
static size_t compared;

/* R4's parameter of the number n is the custom one CUSTOM_FIRST + n, under the same code. */
static struct custom_param *define(const struct fhir_param *param)
{
    static const uint8_t none[CUSTOM_COMPONENTS_MAX];
    static const char *const types[] = {
        [FHIR_PARAM_NUMBER] = "number",       [FHIR_PARAM_DATE] = "date",
        [FHIR_PARAM_STRING] = "string",       [FHIR_PARAM_TOKEN] = "token",
        [FHIR_PARAM_REFERENCE] = "reference", [FHIR_PARAM_COMPOSITE] = "composite",
        [FHIR_PARAM_QUANTITY] = "quantity",   [FHIR_PARAM_URI] = "uri",
        [FHIR_PARAM_SPECIAL] = "special",
    };
    struct json_doc doc;
    struct custom_fault fault;
    struct custom_param *p = NULL;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_printf(&text, "{\"code\":\"%.*s\",\"base\":[\"Resource\"],\"type\":\"%s\",\"expression\":",
               SLICE_ARGS(param->code), types[param->type]);
    json_write_string(&text, param->expression);
    for (size_t i = 0; i < param->target_count; i++)
        buf_printf(&text, "%s\"%.*s\"", i ? "," : ",\"target\":[",
                   SLICE_ARGS(fhir_type_at(param->targets[i])->name));
    buf_append_cstr(&text, param->target_count ? "]}" : "}");
    assert_int_equal(json_parse(buf_slice(&text), NULL, &arena, &doc, NULL), ERR_NONE);
    if (custom_param_read(json_root(&doc), &arena, &fault, &p))
        fail_msg("%.*s: %.*s", SLICE_ARGS(param->expression), SLICE_ARGS(fault.text));
    custom_param_settle(p, (uint16_t)(CUSTOM_FIRST + param->id), none);
    buf_release(&text);
    return p;
}

static bool is_compared(const struct fhir_param *param)
{
    return index_param_has_terms(param) && param->type != FHIR_PARAM_COMPOSITE &&
           param->type != FHIR_PARAM_SPECIAL;
}

static struct custom_set *set_make(void)
{
    struct custom_row *rows = arena_array(&arena, fhir_param_count(), sizeof *rows);
    size_t count = 0;
    for (uint16_t i = 0; i < fhir_param_count(); i++) {
        const struct fhir_param *param = fhir_param_at(i);
        uint16_t *types = arena_array(&arena, fhir_resource_count(), sizeof *types);
        size_t type_count = 0;
        for (uint16_t r = 0; r < fhir_resource_count(); r++)
            if (fhir_param_find(fhir_resource_at(r), param->code) == param)
                types[type_count++] = r;
        if (is_compared(param) && type_count)
            rows[count++] = (struct custom_row){ define(param), types, type_count };
    }
    assert_true(count > 1000);
    struct custom_set *set = custom_set_make(rows, count, 1);
    assert_non_null(set);
    for (size_t i = 0; i < count; i++)
        custom_param_unref(rows[i].param);
    return set;
}

static int by_term(const void *a, const void *b)
{
    const struct term *x = a, *y = b;
    if (x->field != y->field)
        return x->field < y->field ? -1 : 1;
    return slice_compare(x->value, y->value);
}

static const struct term *term_find(const struct extraction *x, uint32_t field,
                                    struct slice value)
{
    const struct term key = { field, value };
    return bsearch(&key, x->terms, x->term_count, sizeof key, by_term);
}

static void fail_term(const char *name, const struct fhir_param *param, const struct term *term,
                      const char *what)
{
    fail_msg("%s: %.*s (%.*s): %s makes '%.*s'", name, SLICE_ARGS(param->code),
             SLICE_ARGS(param->expression), what, SLICE_ARGS(term->value));
}

/* What the custom one has more is the system that a code implies. */
static void compare(const struct extraction *x, const char *name)
{
    for (size_t i = 0; i < x->term_count; i++) {
        const struct term *term = &x->terms[i];
        uint16_t number = (uint16_t)term->field;
        bool is_custom = number >= CUSTOM_FIRST && number <= CUSTOM_LAST;
        const struct fhir_param *param =
            fhir_param_at((uint16_t)(number - (is_custom ? CUSTOM_FIRST : 0)));
        /* Contained resources have terms of R4's own alone. */
        if (!param || !is_compared(param) || term->field & INDEX_FIELD_CONTAINED)
            continue;
        char kind = term->value.bytes[0];
        uint32_t other = is_custom ? term->field - CUSTOM_FIRST : term->field + CUSTOM_FIRST;
        bool may_lack = is_custom ? kind == TERM_TOKEN_SYSTEM || kind == TERM_TOKEN_CODE ||
                                        kind == TERM_TOKEN_LOWER
                                  : kind == TERM_PRESENT;
        compared++;
        if (!may_lack && !term_find(x, other, term->value))
            fail_term(name, param, term, is_custom ? "only the general engine"
                                                   : "only the compiled expression");
    }
}

static size_t tar_size(const char *header)
{
    size_t size = 0;
    for (const char *at = header + 124; at < header + 136 && *at >= '0' && *at <= '7'; at++)
        size = size * 8 + (size_t)(*at - '0');
    return size;
}

static void check(const struct custom_set *set, struct slice text, const char *name)
{
    struct json_doc doc;
    struct extraction x;
    struct arena_mark mark = arena_mark(&arena);
    assert_int_equal(json_parse(text, NULL, &arena, &doc, NULL), ERR_NONE);
    struct slice type_name = json_string(json_member(json_root(&doc), "resourceType"), &arena);
    const struct fhir_type *type = fhir_resource_find(type_name);
    if (type) {
        const struct index_basis basis = { .base_url = SLICE("http://h/r4") };
        assert_int_equal(index_extract(json_root(&doc), type, basis, set, &arena, &x), ERR_NONE);
        qsort(x.terms, x.term_count, sizeof *x.terms, by_term);
        compare(&x, name);
    }
    arena_rewind(&arena, mark);
}

static void r4_s_parameters_defined_again_make_the_same_terms(void **state)
{
    (void)state;
    char path[1024], name[101];
    struct buf tar;
    outside_path("r4/examples.tar.zst", path);
    buf_init(&tar, ARENA_BYTES);
    arena_init(&arena, ARENA_BYTES);
    assert_int_equal(os_file_unpack(path, &tar), ERR_NONE);
    struct custom_set *set = set_make();
    for (size_t at = 0; at + 512 <= tar.length && tar.bytes[at];) {
        const char *header = tar.bytes + at;
        size_t size = tar_size(header);
        snprintf(name, sizeof name, "%.100s", header);
        if (header[156] == '0' && slice_ends_with(slice_cstr(name), SLICE(".json")))
            check(set, slice_of(header + 512, size), name);
        at += 512 + (size + 511) / 512 * 512;
    }
    print_message("%zu terms compared\n", compared);
    assert_true(compared > 10000);
    const struct custom_param *p;
    for (size_t i = 0; (p = custom_set_at(set, i)) != NULL; i++)
        if (p->failures)
            print_message("%.*s fails %d times\n", SLICE_ARGS(p->param.code), (int)p->failures);
    custom_set_free(set);
    arena_release(&arena);
    buf_release(&tar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r4_s_parameters_defined_again_make_the_same_terms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
