/* profile/set_find.c - which definition, resource or rule is meant. */
#include "profile/core.h"
#include "profile/set_parts.h"

/* ---- finding ---- */

static bool is_dependency(const struct image *from, const struct image *im)
{
    for (uint32_t i = 0; from && i < image_count(from, IMAGE_DEPENDENCIES); i++) {
        const struct image_dependency *d = image_dependency_at(from, i);
        if (slice_equal(image_slice(from, d->name), image_name(im)) &&
            slice_equal(image_slice(from, d->version), image_slice(im, im->header->version)))
            return true;
    }
    return false;
}

static bool is_same_package(const struct image *a, const struct image *b)
{
    return a == b ||
           (a && slice_equal(image_name(a), image_name(b)) &&
            slice_equal(image_slice(a, a->header->version), image_slice(b, b->header->version)));
}

/* 2: its own, 1: of a dependency, 0: another's. */
static int nearness(const struct image *from, const struct image *im)
{
    return is_same_package(from, im) ? 2 : is_dependency(from, im) ? 1 : 0;
}

static const struct link *choose(const struct profile_set *set, uint32_t first,
                                 struct slice version, const struct image *from)
{
    const struct link *best = NULL;
    int best_near = -1;
    for (uint32_t at = first; at; at = set->definitions.links[at - 1].next) {
        const struct link *l = &set->definitions.links[at - 1];
        if (version.length > 0 &&
            !slice_equal(version, set_row_text(set, &set->definitions, l, true)))
            continue;
        int near = from ? nearness(from, &set->images[l->image]) : 0;
        if (near > best_near) {
            best = l;
            best_near = near;
        }
    }
    return best;
}

struct place set_find(const struct profile_set *set, struct slice canonical,
                      const struct image *from)
{
    struct slice version = canonical, url = slice_cut(&version, '|');
    for (; set; set = set->below) {
        const uint64_t *first = map_find(&set->definitions.urls, url);
        const struct link *l = first ? choose(set, (uint32_t)*first, version, from) : NULL;
        if (!l)
            continue;
        const struct image *im = &set->images[l->image];
        const struct image_definition *d = image_definition_at(im, l->row);
        return (struct place){ im, image_node_at(im, d->root), d };
    }
    return (struct place){ NULL, NULL, NULL };
}

static bool is_named(const struct profile_source *source, const struct image *im)
{
    for (size_t i = 0; source && i < source->dependency_count; i++) {
        struct slice version = source->dependencies[i], name = slice_cut(&version, '@');
        if (slice_equal(name, image_name(im)) &&
            slice_equal(version, image_slice(im, im->header->version)))
            return true;
    }
    return false;
}

static const struct image_resource *choose_resource(const struct profile_set *set, uint32_t first,
                                                    enum profile_kind kind, struct slice version,
                                                    const struct profile_source *source,
                                                    const struct image **ret_image)
{
    const struct image_resource *best = NULL;
    for (uint32_t at = first; at; at = set->resources.links[at - 1].next) {
        const struct link *l = &set->resources.links[at - 1];
        const struct image *im = &set->images[l->image];
        const struct image_resource *row = image_resource_at(im, l->row);
        if (row->kind != (uint32_t)kind || row->rank == RANK_EMPTY ||
            (version.length > 0 && !slice_equal(version, image_slice(im, row->version))))
            continue;
        bool is_better = !best || row->rank > best->rank ||
                         (row->rank == best->rank && is_named(source, im));
        if (!is_better)
            continue;
        best = row;
        *ret_image = im;
        if (row->rank == RANK_WHOLE && is_named(source, im))
            break;
    }
    return best;
}

static struct slice find_resource(const struct profile_set *set, enum profile_kind kind,
                                  struct slice url, struct slice version,
                                  const struct profile_source *source)
{
    const struct image_resource *best = NULL;
    const struct image *best_image = NULL;
    for (; set && (!best || best->rank < RANK_WHOLE); set = set->below) {
        const struct image *im = NULL;
        const uint64_t *first = map_find(&set->resources.urls, url);
        const struct image_resource *row =
            first ? choose_resource(set, (uint32_t)*first, kind, version, source, &im) : NULL;
        if (!row || (best && row->rank <= best->rank))
            continue;
        best = row;
        best_image = im;
    }
    return best ? image_resource_text(best_image, best) : SLICE_NONE;
}

struct slice set_resource(const struct profile_set *set, enum profile_kind kind,
                          struct slice canonical, const struct profile_source *source)
{
    struct slice version = canonical, url = slice_cut(&version, '|');
    return find_resource(set, kind, url, version, source);
}

struct slice profile_resource(const struct profile_set *set, enum profile_kind kind,
                              struct slice url, struct slice version)
{
    return find_resource(set, kind, url, version, NULL);
}

static const struct image *image_named(const struct profile_set *set, struct slice package)
{
    struct slice version = package, name = slice_cut(&version, '@');
    for (; set; set = set->below)
        for (uint32_t i = 0; i < set->image_count; i++) {
            const struct image *im = &set->images[i];
            if (slice_equal(image_name(im), name) &&
                slice_equal(image_slice(im, im->header->version), version))
                return im;
        }
    return NULL;
}

static struct slice find_near(const struct profile_set *set, enum profile_kind kind,
                              struct slice url, struct slice version, const struct image *from)
{
    const struct image_resource *best = NULL;
    const struct image *best_image = NULL;
    int best_near = 0;
    for (; set && !best; set = set->below) {
        const uint64_t *first = map_find(&set->resources.urls, url);
        uint32_t at = first ? (uint32_t)*first : 0;
        for (; at; at = set->resources.links[at - 1].next) {
            const struct link *l = &set->resources.links[at - 1];
            const struct image *im = &set->images[l->image];
            const struct image_resource *row = image_resource_at(im, l->row);
            int near = nearness(from, im);
            if (row->kind != (uint32_t)kind || row->rank == RANK_EMPTY || near <= best_near ||
                (version.length > 0 && !slice_equal(version, image_slice(im, row->version))))
                continue;
            best = row;
            best_image = im;
            best_near = near;
        }
    }
    return best ? image_resource_text(best_image, best) : SLICE_NONE;
}

struct slice set_resource_for(const struct profile_set *set, enum profile_kind kind,
                              struct slice url, struct slice version, struct slice package)
{
    const struct image *from = image_named(set, package);
    struct slice text = from ? find_near(set, kind, url, version, from) : SLICE_NONE;
    return text.bytes ? text : profile_resource(set, kind, url, version);
}

struct place set_implied(const struct profile_set *set, struct slice code)
{
    for (; set; set = set->below)
        for (uint32_t i = 0; i < set->implied_count; i++)
            if (slice_equal(set->implied[i].code, code))
                return set->implied[i].root;
    return (struct place){ NULL, NULL, NULL };
}

bool profile_find(const struct profile_set *set, struct slice canonical,
                  struct profile_info *ret_info)
{
    struct place p = set_find(set, canonical, NULL);
    if (!p.node)
        return false;
    *ret_info = (struct profile_info){
        .package = image_name(p.image),
        .package_version = image_slice(p.image, p.image->header->version),
        .url = image_slice(p.image, p.definition->url),
        .version = image_slice(p.image, p.definition->version),
        .type = image_slice(p.image, p.definition->type),
    };
    return true;
}

size_t profile_set_count(const struct profile_set *set)
{
    return set->definitions.count + (set->below ? profile_set_count(set->below) : 0);
}

size_t profile_set_package_count(const struct profile_set *set)
{
    return set->image_count + (set->below ? profile_set_package_count(set->below) : 0);
}

/* ---- rules ---- */

static const struct profile_set *owner_of(const struct profile_set *set, const struct image *image)
{
    while (set && (image < set->images || image >= set->images + set->image_count))
        set = set->below;
    return set;
}

const struct fhirpath *set_rule(const struct profile_set *set, const struct image *image,
                                uint32_t rule)
{
    /* The set is const to all but this cache, which its lock guards. */
    struct profile_set *owner = (struct profile_set *)(uintptr_t)owner_of(set, image);
    const struct fhirpath *path = __atomic_load_n(&image->paths[rule], __ATOMIC_ACQUIRE);
    if (path || !owner)
        return path;
    pthread_mutex_lock(&owner->lock);
    path = image->paths[rule];
    if (!path) {
        struct slice text = image_slice(image, image_rule_at(image, rule)->expression);
        if (fhirpath_compile(text, &owner->compiled, &path, NULL) != ERR_NONE &&
            fhirpath_compile(SLICE("true"), &owner->compiled, &path, NULL) != ERR_NONE)
            path = NULL;
        __atomic_store_n(&image->paths[rule], path, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&owner->lock);
    return path;
}

/* ---- packages ---- */

void profile_packages(const struct profile_set *set, profile_package_visit *visit, void *context)
{
    for (; set; set = set->below) {
        for (uint32_t i = 0; i < set->image_count; i++) {
            const struct image *im = &set->images[i];
            struct profile_package p = {
                .name = image_name(im),
                .version = image_slice(im, im->header->version),
                .definitions = image_count(im, IMAGE_DEFINITIONS),
                .is_default = set_has_default(set, im),
                .is_built_in = im->bytes.bytes == (const char *)profile_core,
            };
            for (uint32_t r = 0; r < image_count(im, IMAGE_RESOURCES); r++) {
                uint32_t kind = image_resource_at(im, r)->kind;
                p.value_sets += kind == PROFILE_VALUE_SET;
                p.code_systems += kind == PROFILE_CODE_SYSTEM;
            }
            visit(context, &p);
        }
    }
}
