/* Definitions written for a test, compiled, and resources checked against them. */
#ifndef PROFILE_WORLD_H
#define PROFILE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "profile/profile.h"

enum { ROOM = 64 << 20, FOUND_MAX = 40, TEXTS_MAX = 64 };

struct world {
    struct arena arena;
    struct profile_set *set;
    char found[FOUND_MAX][600]; /* "expression: text" of each error */
    char last_where[40];        /* how the JSON of the last one begins */
    size_t count;
    bool adds_vital_signs;
};

/* A profile of Observation with the elements given, JSON without the brackets. */
#define PROFILE(name, type, elements)                                                              \
    "{\"resourceType\":\"StructureDefinition\",\"url\":\"http://t/" name "\",\"version\":\"1\","   \
    "\"type\":\"" type "\",\"baseDefinition\":\"http://hl7.org/fhir/StructureDefinition/" type     \
    "\",\"derivation\":\"constraint\",\"differential\":{\"element\":[" elements "]}}"

static inline void found(void *context, const struct fhir_finding *finding)
{
    struct world *w = context;
    if (finding->severity > ISSUE_ERROR)
        return;
    assert_true(w->count < FOUND_MAX);
    snprintf(w->last_where, sizeof w->last_where, "%.*s",
             SLICE_ARGS(slice_head(json_raw(finding->where), sizeof w->last_where - 1)));
    snprintf(w->found[w->count++], sizeof w->found[0], "%.*s: %.*s",
             SLICE_ARGS(finding->expression), SLICE_ARGS(finding->text));
}

static inline int world_set_up(void **state, const char *const *definitions, size_t count)
{
    struct world *w = calloc(1, sizeof *w);
    struct issues issues;
    struct buf image;
    struct slice texts[TEXTS_MAX];
    assert_true(count <= TEXTS_MAX);
    assert_non_null(w);
    arena_init(&w->arena, ROOM);
    issues_init(&issues, &w->arena);
    buf_init(&image, ROOM);
    for (size_t i = 0; i < count; i++)
        texts[i] = slice_cstr(definitions[i]);
    const struct profile_source source = {
        .name = SLICE("test"), .version = SLICE("1"), .resources = texts, .resource_count = count
    };
    assert_int_equal(profile_compile(&source, NULL, &w->arena, &issues, &image), ERR_NONE);
    assert_int_equal(issues.count, 0);
    struct slice bytes = buf_slice(&image);
    assert_int_equal(profile_set_layer(NULL, &bytes, 1, &w->set), ERR_NONE);
    assert_int_equal(profile_set_count(w->set), count);
    buf_release(&image);
    *state = w;
    return 0;
}

static inline int tear_down(void **state)
{
    struct world *w = *state;
    profile_set_unref(w->set);
    arena_release(&w->arena);
    free(w);
    return 0;
}

/* Errors of the resource against the profile; those of base R4 do not run. */
static inline void check(struct world *w, const char *profile, const char *text)
{
    struct arena arena;
    struct json_doc doc;
    struct issues issues;
    struct slice url = slice_cstr(profile);
    struct profile_check *run;
    arena_init(&arena, ROOM);
    issues_init(&issues, &arena);
    w->count = 0;
    assert_int_equal(json_parse(slice_cstr(text), NULL, &arena, &doc, NULL), ERR_NONE);
    const struct profile_options asked = { .set = w->set,
                                           .profiles = &url,
                                           .profile_count = url.length > 0,
                                           .unknown_is_error = true,
                                           .unknown_inner_is_error = true,
                                           .adds_vital_signs = w->adds_vital_signs };
    assert_int_equal(profile_check_begin(&asked, &arena, &run), ERR_NONE);
    const struct fhir_validate_options options = { .found = found,
                                                   .context = w,
                                                   .hooks = profile_check_hooks(run) };
    struct json root = json_root(&doc);
    const struct fhir_type *type =
        fhir_resource_find(json_string_raw(json_member(root, "resourceType")));
    assert_int_equal(fhir_validate(root, type, &options, &issues), ERR_NONE);
    profile_check_end(run);
    arena_release(&arena);
}

#define OBSERVATION(more)                                                                          \
    "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"pulse\"}" more "}"

static inline void expect(struct world *w, size_t at, const char *start, const char *part)
{
    assert_true(at < w->count);
    if (strncmp(w->found[at], start, strlen(start)) != 0 || !strstr(w->found[at], part))
        fail_msg("'%s' has not '%s' and '%s'", w->found[at], start, part);
}

#endif
