#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/date.h"
#include "base/map.h"
#include "fhir/fhir.h"
#include "json/json.h"
#include "sandbox/generate.h"

static const struct generate_settings small = { .seed = 7, .years = 3, .size_bytes = 200000 };

/* "Type/id" to the resource's text, of one delivery. */
struct delivery {
    struct arena arena;
    struct map texts; /* to struct slice * */
    uint64_t bytes;
};

static struct slice text_of(const struct delivery *d, struct slice key)
{
    uint64_t *place = map_find(&d->texts, key);
    return place ? *(struct slice *)(uintptr_t)*place : SLICE_NONE;
}

static void gather(struct delivery *d, const struct generate_consent *c, uint32_t number)
{
    arena_init(&d->arena, (size_t)1 << 28);
    map_init(&d->texts, 1 << 20, 0);
    d->bytes = 0;
    struct generate_cursor cursor;
    generate_begin(&cursor, c, number);
    struct buf out;
    buf_init(&out, 1 << 20);
    while (generate_next(&cursor, &out)) {
        assert_int_equal(buf_status(&out), ERR_NONE);
        struct slice *text = arena_alloc(&d->arena, sizeof *text);
        *text = slice_of(arena_copy(&d->arena, buf_slice(&out)), out.length);
        struct slice key = arena_printf(&d->arena, "%s/%s", cursor.type, cursor.id.text);
        uint64_t *place;
        bool is_new;
        assert_int_equal(map_put(&d->texts, key, &place, &is_new), ERR_NONE);
        if (!is_new)
            fail_msg("%.*s comes twice", SLICE_ARGS(key));
        *place = (uint64_t)(uintptr_t)text;
        d->bytes += out.length;
        buf_clear(&out);
    }
    buf_release(&out);
}

static void forget(struct delivery *d)
{
    arena_release(&d->arena);
    map_release(&d->texts);
}

static void check_references(const struct delivery *d, struct json root, struct slice key)
{
    for (uint32_t at = 0; at < json_node(root)->next; at++) {
        struct json name = { root.doc, at };
        if (!json_is(name, JSON_KEY) || !json_string_is(name, SLICE("reference")))
            continue;
        struct slice target = json_string_raw(json_value(name));
        if (target.bytes[0] != '#' && !text_of(d, target).bytes)
            fail_msg("%.*s refers to %.*s", SLICE_ARGS(key), SLICE_ARGS(target));
    }
}

static void every_resource_is_json_with_its_id_and_references_resolve(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < 6; number++) {
        struct generate_consent c = generate_consent(&small, number / 3, number % 3);
        struct delivery d;
        gather(&d, &c, 1 + number % 4);
        size_t cursor = 0;
        struct map_entry *entry;
        while ((entry = map_next(&d.texts, &cursor))) {
            struct arena arena;
            arena_init(&arena, 1 << 24);
            struct slice text = text_of(&d, entry->key);
            struct json_doc doc;
            struct json_error error;
            if (json_parse(text, NULL, &arena, &doc, &error) != ERR_NONE)
                fail_msg("%.*s: %u: %s", SLICE_ARGS(entry->key), error.column, error.text);
            struct json root = json_root(&doc);
            struct slice type = json_string_raw(json_member(root, "resourceType"));
            struct slice id = json_string_raw(json_member(root, "id"));
            struct slice key = arena_printf(&arena, "%.*s/%.*s", SLICE_ARGS(type), SLICE_ARGS(id));
            assert_true(slice_equal(key, entry->key));
            assert_true(json_exists(json_member(json_member(root, "meta"), "project")));
            check_references(&d, root, entry->key);
            struct buf again;
            buf_init(&again, 1 << 20);
            json_minify(root, &again);
            assert_true(slice_equal(buf_slice(&again), text)); /* no blanks */
            buf_release(&again);
            arena_release(&arena);
        }
        forget(&d);
    }
}

/* ---- against the tables of R4 ---- */

static enum err unknown_member(void *context, const struct fhir_node *node)
{
    (void)context;
    if (!json_string_is(node->key, SLICE("project"))) /* wanted: it is not R4 */
        fail_msg("%.*s has no %.*s", SLICE_ARGS(node->parent->name),
                 SLICE_ARGS(json_raw(node->key)));
    return ERR_NONE;
}

/* Each required element is there, and arrays stand where the definition repeats. */
static enum err check_object(void *context, const struct fhir_node *node, bool *skip)
{
    (void)context;
    *skip = false;
    for (uint16_t i = 0; i < node->type->element_count; i++) {
        const struct fhir_element *e = &node->type->elements[i];
        struct json value = json_get(node->value, e->name);
        bool is_array = json_is(value, JSON_ARRAY);
        if (json_exists(value) && is_array != e->is_array)
            fail_msg("%.*s.%.*s", SLICE_ARGS(node->type->name), SLICE_ARGS(e->name));
        if (json_exists(value) && is_array && json_count(value) == 0)
            fail_msg("%.*s.%.*s is empty", SLICE_ARGS(node->type->name), SLICE_ARGS(e->name));
        if (!json_exists(value) && e->min > 0 && e->choice.length == 0)
            fail_msg("%.*s lacks %.*s", SLICE_ARGS(node->type->name), SLICE_ARGS(e->name));
    }
    return ERR_NONE;
}

static enum err check_leaf(void *context, const struct fhir_node *node)
{
    (void)context;
    struct slice type = node->type ? node->type->name : SLICE("");
    struct date_range range;
    bool is_date =
        slice_is(type, "date") || slice_is(type, "dateTime") || slice_is(type, "instant");
    bool is_number = slice_is(type, "decimal") || slice_is(type, "integer") ||
                     slice_is(type, "positiveInt") || slice_is(type, "unsignedInt");
    bool is_bool = slice_is(type, "boolean");
    if (is_date && !date_parse(json_string_raw(node->value), &range))
        fail_msg("%.*s is no date", SLICE_ARGS(json_raw(node->value)));
    if (is_number != json_is(node->value, JSON_NUMBER))
        fail_msg("%.*s: %.*s", SLICE_ARGS(type), SLICE_ARGS(json_raw(node->value)));
    if (is_bool != (json_is(node->value, JSON_TRUE) || json_is(node->value, JSON_FALSE)))
        fail_msg("%.*s: %.*s", SLICE_ARGS(type), SLICE_ARGS(json_raw(node->value)));
    if (json_is(node->value, JSON_STRING) && json_node(node->value)->length == 0)
        fail_msg("an empty %.*s", SLICE_ARGS(json_raw(node->key)));
    return ERR_NONE;
}

static void every_resource_has_the_shape_that_r4_defines(void **state)
{
    (void)state;
    const struct fhir_walker walker = { .enter = check_object,
                                        .leaf = check_leaf,
                                        .unknown = unknown_member };
    for (uint32_t number = 0; number < 6; number++) {
        struct generate_consent c = generate_consent(&small, number / 3, number % 3);
        struct generate_cursor cursor;
        generate_begin(&cursor, &c, 3);
        struct buf out;
        buf_init(&out, 1 << 20);
        while (generate_next(&cursor, &out)) {
            struct arena arena;
            arena_init(&arena, 1 << 24);
            struct json_doc doc;
            assert_int_equal(json_parse(buf_slice(&out), NULL, &arena, &doc, NULL), ERR_NONE);
            const struct fhir_type *type = fhir_resource_find(slice_cstr(cursor.type));
            assert_non_null(type);
            assert_int_equal(fhir_walk(json_root(&doc), type, &walker), ERR_NONE);
            arena_release(&arena);
            buf_clear(&out);
        }
        buf_release(&out);
    }
}

static void the_same_seed_gives_the_same_bytes_and_another_does_not(void **state)
{
    (void)state;
    struct generate_settings other = small;
    other.seed++;
    struct generate_consent a = generate_consent(&small, 1, 1), b = generate_consent(&other, 1, 1);
    struct delivery one, two, three;
    gather(&one, &a, 2);
    gather(&two, &a, 2);
    gather(&three, &b, 2);
    assert_int_equal(one.texts.count, two.texts.count);
    size_t cursor = 0;
    struct map_entry *entry;
    while ((entry = map_next(&one.texts, &cursor))) {
        assert_true(slice_equal(text_of(&one, entry->key), text_of(&two, entry->key)));
        assert_null(text_of(&three, entry->key).bytes);
    }
    char token[GENERATE_TOKEN_BYTES], again[GENERATE_TOKEN_BYTES];
    generate_token(&a, token);
    generate_token(&a, again);
    assert_string_equal(token, again);
    generate_token(&b, again);
    assert_string_not_equal(token, again);
    assert_string_not_equal(a.consent.text, b.consent.text);
    forget(&one);
    forget(&two);
    forget(&three);
}

static void an_update_adds_changes_and_drops_only_what_it_says(void **state)
{
    (void)state;
    struct generate_consent c = generate_consent(&small, 0, 0);
    for (uint32_t number = 1; number < GENERATE_DELIVERIES_MAX; number++) {
        struct delivery before, after;
        gather(&before, &c, number);
        gather(&after, &c, number + 1);
        int changed = 0, dropped = 0, added = 0;
        size_t cursor = 0;
        struct map_entry *entry;
        while ((entry = map_next(&before.texts, &cursor))) {
            struct slice now = text_of(&after, entry->key);
            dropped += now.bytes == NULL;
            changed += now.bytes && !slice_equal(now, text_of(&before, entry->key));
        }
        for (cursor = 0; (entry = map_next(&after.texts, &cursor));)
            added += text_of(&before, entry->key).bytes == NULL;
        assert_int_equal(changed, 2); /* the ended Coverage, the cancelled claim */
        assert_in_range(dropped, 0, 1);
        assert_true(added > (int)c.new_visits);
        forget(&before);
        forget(&after);
    }
}

static void sizes_are_about_what_was_asked_for(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < 5; number++) {
        struct generate_settings large = small;
        large.size_bytes = 2000000;
        struct generate_consent c = generate_consent(&large, 0, number);
        struct delivery d;
        gather(&d, &c, 1);
        assert_in_range(d.bytes, large.size_bytes / 10 * 8, large.size_bytes / 10 * 12);
        forget(&d);
    }
}

static void a_consent_with_several_patients_links_them_both_ways(void **state)
{
    (void)state;
    struct generate_consent c = generate_consent(&small, 0, 1);
    assert_int_equal(c.patient_count, 3);
    struct delivery d;
    gather(&d, &c, 1);
    for (uint32_t i = 0; i < 3; i++) {
        struct slice key = arena_printf(&d.arena, "Patient/%s", c.patients[i].text);
        struct slice text = text_of(&d, key);
        assert_non_null(text.bytes);
        for (uint32_t j = 0; j < 3; j++) {
            struct slice link = arena_printf(&d.arena, "\"reference\":\"Patient/%s\"",
                                             c.patients[j].text);
            bool linked = slice_find(text, link) >= 0;
            assert_int_equal(linked, i != j && (i == 0 || j == 0));
        }
    }
    forget(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_resource_is_json_with_its_id_and_references_resolve),
        cmocka_unit_test(every_resource_has_the_shape_that_r4_defines),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes_and_another_does_not),
        cmocka_unit_test(an_update_adds_changes_and_drops_only_what_it_says),
        cmocka_unit_test(sizes_are_about_what_was_asked_for),
        cmocka_unit_test(a_consent_with_several_patients_links_them_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
