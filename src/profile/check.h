/* profile/check.h - inside of checking against profiles; private.
 *
 * check.c      the hooks: which profiles for a resource
 * check_extension.c extensions by their url
 * check_tree.c an element against a place in a definition's tree, and what is below
 * check_slice.c which slice an element belongs to, criterion.c by what
 * check_value.c fixed values, patterns, bounds, bindings
 * tree_reference.c what a reference points at
 *
 * A check is loud, or quiet: quiet ones only ask whether something conforms (for
 * slices by profile, for one of several profiles) and stop at the first fault.
 * What was asked of an element and a definition is remembered, so a resource that
 * many references name is checked once, and circles end.
 */
#ifndef PROFILE_CHECK_H
#define PROFILE_CHECK_H

#include "profile/set.h"

/* An element of the resource. */
struct item {
    struct json value;            /* absent: a primitive that has only a sibling */
    struct json sibling;          /* of a primitive: id and extensions */
    const struct fhir_type *type; /* its own, of a resource, too; NULL: unknown */
    const struct fhir_element *row;
    uint32_t index; /* in its list */
};

struct profile_check {
    struct profile_options options;
    struct fhir_validate_hooks hooks;
    struct arena scratch;   /* rewound */
    struct arena kept;      /* until the end: keys of ... */
    struct map answers;     /* (element, definition) to enum answer */
    struct map targets;     /* of references: key to place on the tape + 1; see tree_reference.c */
    struct json package_of; /* the resource whose profiles' ... */
    const struct image *package; /* ... package this is; NULL: none */
    struct json targets_of;      /* the resource whose targets these are; absent: none yet */
    struct fhir_check *sink;
    const struct image *image;             /* whose rule is running */
    struct json resource, root, outermost; /* as in struct fhir_subject */
    uint32_t quiet;                        /* > 0: nothing is reported */
    bool has_failed;                       /* while quiet: there is a fault */
    bool is_guess;                         /* a value set was asked that nothing is known of */
    uint64_t steps_left, rule_steps_left;
    bool is_tired;
    int depth;
    enum err failure;
};

enum { CHECK_DEPTH_MAX = 200 };

void tree_report(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                 struct json where, enum issue_severity severity, const char *code,
                 struct slice key, const char *format, ...) PRINTF_LIKE(8, 9);
#define tree_error(c, spot, place, where, code, ...)                                               \
    tree_report((c), (spot), (place), (where), ISSUE_ERROR, (code), SLICE_NONE, __VA_ARGS__)

/* "url|version" of the place's definition, for "%.*s". */
struct slice place_profile(struct profile_check *c, struct place place);
struct slice place_id(struct place place);
/* What to point at: the value, its sibling, or else `holder`. */
struct json item_where(const struct item *item);

/* Take steps; false: they are used up, which is reported once. */
bool tree_spend(struct profile_check *c, const struct fhir_spot *spot, uint64_t steps);
/* Is there no use in going on? */
static inline bool tree_is_over(const struct profile_check *c)
{
    return c->failure || (c->quiet && c->has_failed) || c->is_tired;
}

/* A hook begins, and ends: then it tells once that not all was looked at. */
void check_enter(struct profile_check *c, const struct fhir_subject *s);
MUST_USE enum err check_leave(struct profile_check *c, const struct fhir_subject *s,
                              bool was_tired);
struct item check_item(const struct fhir_subject *s);
/* The package that the resource at hand asks for by its profiles; NULL: none. */
const struct image *check_package(struct profile_check *c, const struct fhir_subject *s);
/* "name@version" where that is not what is meant anyway; else empty. */
struct slice check_package_name(struct profile_check *c, const struct image *image);
enum err check_extension(void *context, const struct fhir_subject *s);

/* ---- trees ---- */

static inline bool place_is_root(struct place p)
{
    return p.node == image_node_at(p.image, p.definition->root);
}

void tree_place(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                const struct item *item);
/* Children only. */
void tree_below(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                const struct item *item);
/* The whole definition, once per element. */
void tree_definition(struct profile_check *c, const struct fhir_spot *spot, struct place root,
                     const struct item *item);
bool tree_conforms(struct profile_check *c, const struct fhir_spot *spot, struct place root,
                   const struct item *item);
/* Without remembering: any place of a tree. */
bool tree_fits(struct profile_check *c, const struct fhir_spot *spot, struct place place,
               const struct item *item);
/* Is the element of the type that the definition constrains? */
bool place_allows(struct place root, const struct item *item);
struct place place_child(struct profile_check *c, struct place place, struct slice name);
/* The slices of the place and what is under them, `items` being all its elements.
 * `holder` is the object they are members of: where a missing one is reported.
 * `again`: the place is itself a slice, and they were checked against it. */
void tree_slices(struct profile_check *c, struct fhir_spot *spot, struct place sliced,
                 struct json holder, const struct item *items, uint32_t count, bool again);
/* A profile that the place names and nobody has. */
void tree_unknown(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                  struct json where, struct slice canonical);
/* The type's row in the place's list; NULL when it has none of it (or no list). */
const struct image_type *place_type(struct place place, const struct fhir_type *type);
/* The one type that the place has; NULL: several, or nothing said. */
static inline const struct image_type *place_only_type(struct place p)
{
    return p.node->types.count == 1 ? image_type_at(p.image, p.node->types.first) : NULL;
}
struct slice place_type_names(struct profile_check *c, struct place place);

/* ---- values ---- */

void tree_values(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                 const struct item *item);
void tree_binding(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                  const struct item *item);
bool value_is_fixed(struct profile_check *c, struct json value, struct json fixed);
bool value_has_pattern(struct profile_check *c, struct json value, struct json pattern);
int value_in_set(struct profile_check *c, const struct item *item, const struct image *image,
                 struct slice value_set);

/* ---- references ---- */

/* The resource that the text means, contained or in the bundle; false: not here. */
bool reference_find(struct profile_check *c, struct slice text, struct item *ret_item);
void tree_reference(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                    const struct image_type *type, const struct item *item);

#endif
