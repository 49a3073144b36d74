/* profile/set.c - images, and which definition a canonical means.
 *
 * Of several versions of one definition the asking package's own comes first, then
 * those of its dependencies, then the default version of the package, then the
 * highest. Definitions of one url are chained in that last order.
 */
#include <stdio.h>
#include <stdlib.h>

#include "os/file.h"
#include "os/mapping.h"
#include "profile/core.h"
#include "profile/set_parts.h"

enum { IMAGES_MAX = 1000, RULE_BYTES_MAX = 64 << 20 };

/* ---- which version ---- */

/* The preset's default guides (HealthLake's), where a set says nothing else. */
static const char preset_defaults[] = "hl7.fhir.us.core 3.1.1\n"
                                      "hl7.fhir.us.carin-bb 1.1.0\n"
                                      "hl7.fhir.us.davinci-pdex 1.0.0\n"
                                      "hl7.fhir.us.davinci-hrex 0.2.0\n"
                                      "hl7.fhir.us.davinci-pdex-plan-net 1.1.0\n"
                                      "hl7.fhir.us.davinci-drug-formulary 1.1.0\n"
                                      "hl7.fhir.us.davinci-cdex 2.1.0\n"
                                      "hl7.fhir.us.davinci-pas 2.1.0\n";

static bool list_has(struct slice list, struct slice name, struct slice version)
{
    while (list.bytes) {
        struct slice line = slice_trim(slice_cut(&list, '\n')), own = slice_cut(&line, ' ');
        if (slice_equal(own, name) && slice_equal(slice_trim(line), version))
            return true;
    }
    return false;
}

bool set_has_default(const struct profile_set *set, const struct image *im)
{
    struct slice version = image_slice(im, im->header->version);
    if (set->defaults.text)
        return list_has(slice_of(set->defaults.text, set->defaults.length), image_name(im),
                        version);
    return list_has(slice_cstr(preset_defaults), image_name(im), version);
}

/* 4.0.1 < 4.0.10 < 5.0.0-ballot < 5.0.0 */
static int compare_versions(struct slice a, struct slice b)
{
    while (a.bytes || b.bytes) {
        struct slice x = slice_cut(&a, '.'), y = slice_cut(&b, '.');
        struct slice x_rest = x, y_rest = y;
        uint64_t left = 0, right = 0;
        bool numbers = slice_parse_u64(slice_cut(&x_rest, '-'), &left) &&
                       slice_parse_u64(slice_cut(&y_rest, '-'), &right);
        if (numbers && left != right)
            return left < right ? -1 : 1;
        if (x_rest.length != y_rest.length && (x_rest.length == 0 || y_rest.length == 0))
            return x_rest.length == 0 ? 1 : -1;
        int order = slice_compare(numbers ? x_rest : x, numbers ? y_rest : y);
        if (order != 0)
            return order;
    }
    return 0;
}

struct slice set_row_text(const struct profile_set *set, const struct directory *d,
                          const struct link *l, bool of_version)
{
    const struct image *im = &set->images[l->image];
    if (d->section == IMAGE_DEFINITIONS) {
        const struct image_definition *row = image_definition_at(im, l->row);
        return image_slice(im, of_version ? row->version : row->url);
    }
    const struct image_resource *row = image_resource_at(im, l->row);
    return image_slice(im, of_version ? row->version : row->url);
}

/* Does `a` come before `b` when nobody says which? */
static bool is_preferred(const struct profile_set *set, const struct directory *d,
                         const struct link *a, const struct link *b)
{
    bool a_default = set_has_default(set, &set->images[a->image]);
    bool b_default = set_has_default(set, &set->images[b->image]);
    if (a_default != b_default)
        return a_default;
    return compare_versions(set_row_text(set, d, a, true), set_row_text(set, d, b, true)) > 0;
}

/* ---- building ---- */

static enum err add_link(const struct profile_set *set, struct directory *d, uint32_t image,
                         uint32_t row)
{
    struct link *l = &d->links[d->count];
    *l = (struct link){ .image = image, .row = row };
    uint64_t *first;
    TRY(map_put(&d->urls, set_row_text(set, d, l, false), &first, NULL));
    uint32_t *at = NULL, next = (uint32_t)*first;
    while (next && !is_preferred(set, d, l, &d->links[next - 1])) {
        at = &d->links[next - 1].next;
        next = *at;
    }
    l->next = next;
    if (at)
        *at = d->count + 1;
    else
        *first = d->count + 1;
    d->count++;
    return ERR_NONE;
}

static enum err fill(const struct profile_set *set, struct directory *d)
{
    size_t total = 0;
    for (uint32_t i = 0; i < set->image_count; i++)
        total += image_count(&set->images[i], d->section);
    d->links = calloc(total + 1, sizeof *d->links);
    if (!d->links)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < set->image_count; i++)
        for (uint32_t row = 0; row < image_count(&set->images[i], d->section); row++)
            TRY(add_link(set, d, i, row));
    return ERR_NONE;
}

static void note_shadows(struct profile_set *set)
{
    for (uint32_t i = 0; i < set->image_count; i++) {
        struct image *a = &set->images[i];
        for (uint32_t k = 0; k < set->image_count && !a->is_shadowed; k++) {
            struct image *b = &set->images[k];
            bool is_default_a = set_has_default(set, a), is_default_b = set_has_default(set, b);
            if (i == k || !slice_equal(image_name(a), image_name(b)))
                continue;
            int order = compare_versions(image_slice(a, a->header->version),
                                         image_slice(b, b->header->version));
            a->is_shadowed = is_default_a != is_default_b ? is_default_b : order < 0;
        }
    }
}

/* "If an Observation has this code, it SHALL conform": R4's profiles over vitalsigns
 * fix it in a slice of code.coding. */
static void note_implied(struct profile_set *set, const struct image *im)
{
    struct slice base = SLICE("http://hl7.org/fhir/StructureDefinition/vitalsigns");
    for (uint32_t i = 0; i < image_count(im, IMAGE_DEFINITIONS); i++) {
        const struct image_definition *d = image_definition_at(im, i);
        const struct image_node *root = image_node_at(im, d->root);
        const struct image_node *code = image_child(im, root, SLICE("code"));
        const struct image_node *coding = code ? image_child(im, code, SLICE("coding")) : NULL;
        if (!coding || !slice_equal(image_slice(im, d->base), base))
            continue;
        for (uint32_t k = 0; k < coding->slices.count && set->implied_count < IMPLIED_MAX; k++) {
            const struct image_node *slice = image_node_at(im, coding->slices.first + k);
            const struct image_node *own = image_child(im, slice, SLICE("code"));
            struct slice text = json_string_raw(image_value(im, own ? own->fixed : 0));
            if (text.length > 0)
                set->implied[set->implied_count++] = (struct implied){ text, { im, root, d } };
        }
    }
}

static enum err index_images(struct profile_set *set)
{
    if (set->image_count > 0 && set->images[0].bytes.bytes == (const char *)profile_core)
        note_implied(set, &set->images[0]);
    note_shadows(set);
    for (uint32_t i = 0; i < set->image_count; i++) {
        struct image *im = &set->images[i];
        im->paths = calloc((size_t)image_count(im, IMAGE_RULES) + 1, sizeof *im->paths);
        if (!im->paths)
            return ERR_NO_MEMORY;
    }
    TRY(fill(set, &set->definitions));
    return fill(set, &set->resources);
}

static enum err make_room(struct profile_set *set)
{
    if (set->image_count < set->image_room)
        return ERR_NONE;
    uint32_t room = set->image_room ? 2 * set->image_room : 16;
    if (room > IMAGES_MAX)
        return ERR_LIMIT;
    struct image *images = realloc(set->images, room * sizeof *images);
    if (images)
        set->images = images;
    struct owned *owned = realloc(set->owned, room * sizeof *owned);
    if (owned)
        set->owned = owned;
    if (!images || !owned)
        return ERR_NO_MEMORY;
    set->image_room = room;
    return ERR_NONE;
}

/* Takes what is owned only when it is a whole image. */
static enum err add_image(struct profile_set *set, struct slice bytes, struct owned owned)
{
    struct image image;
    TRY(make_room(set));
    TRY(image_open(bytes, &image));
    set->images[set->image_count] = image;
    set->owned[set->image_count++] = owned;
    return ERR_NONE;
}

static enum err new_set(struct profile_set **ret)
{
    struct profile_set *set = calloc(1, sizeof *set);
    if (!set)
        return ERR_NO_MEMORY;
    set->references = 1;
    set->definitions.section = IMAGE_DEFINITIONS;
    set->resources.section = IMAGE_RESOURCES;
    map_init(&set->definitions.urls, UINT32_MAX, (uint64_t)(uintptr_t)set);
    map_init(&set->resources.urls, UINT32_MAX, (uint64_t)(uintptr_t)set);
    arena_init(&set->compiled, RULE_BYTES_MAX);
    pthread_mutex_init(&set->lock, NULL);
    *ret = set;
    return ERR_NONE;
}

struct folder_reading {
    struct profile_set *set;
    const char *folder;
    uint32_t damaged;
};

static enum err add_package(void *context, const char *name)
{
    struct folder_reading *r = context;
    char path[1024];
    struct os_mapping mapping;
    if (name[0] == '.' || !strchr(name, '@'))
        return ERR_NONE;
    int n = snprintf(path, sizeof path, "%s/%s/profiles", r->folder, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return ERR_NONE;
    enum err err = os_file_map(path, IMAGE_BYTES_MAX, &mapping);
    if (err == ERR_NONE) {
        err = add_image(r->set, mapping.bytes, (struct owned){ .mapping = mapping });
        if (err)
            os_file_unmap(&mapping);
    }
    if (err == ERR_NO_MEMORY)
        return err;
    r->damaged += err != ERR_NONE && err != ERR_NOT_FOUND;
    return ERR_NONE;
}

static enum err read_defaults(struct profile_set *set, const char *folder)
{
    struct buf text;
    char path[1024];
    int n = snprintf(path, sizeof path, "%s/defaults", folder);
    if (n < 0 || (size_t)n >= sizeof path)
        return ERR_NONE;
    buf_init(&text, 1 << 20);
    enum err err = os_file_read(path, &text);
    if (err == ERR_NONE && text.length > 0)
        set->defaults.text = buf_take(&text, &set->defaults.length);
    buf_release(&text);
    return err == ERR_NO_MEMORY ? err : ERR_NONE;
}

enum err profile_set_open(const char *folder, struct profile_set **ret_set, uint32_t *ret_damaged)
{
    struct profile_set *set;
    TRY(new_set(&set));
    struct folder_reading reading = { .set = set, .folder = folder };
    enum err err = ERR_NONE;
    if (profile_core_bytes > 0)
        err = add_image(set, slice_of((const char *)profile_core, profile_core_bytes),
                        (struct owned){ .bytes = NULL });
    if (!err && folder) {
        err = read_defaults(set, folder);
        if (!err)
            err = os_folder_each(folder, add_package, &reading);
        err = err == ERR_NOT_FOUND ? ERR_NONE : err;
    }
    if (!err)
        err = index_images(set);
    if (err) {
        profile_set_unref(set);
        return err;
    }
    if (ret_damaged)
        *ret_damaged = reading.damaged;
    *ret_set = set;
    return ERR_NONE;
}

enum err profile_set_layer(struct profile_set *below, const struct slice *images, size_t count,
                           struct profile_set **ret_set)
{
    struct profile_set *set;
    TRY(new_set(&set));
    enum err err = ERR_NONE;
    for (size_t i = 0; i < count && !err; i++) {
        char *copy = malloc(MAX(images[i].length, (size_t)1));
        if (!copy) {
            err = ERR_NO_MEMORY;
            break;
        }
        memcpy(copy, images[i].bytes, images[i].length);
        err = add_image(set, slice_of(copy, images[i].length), (struct owned){ .bytes = copy });
        if (err)
            free(copy);
    }
    if (!err)
        err = index_images(set);
    if (err) {
        profile_set_unref(set);
        return err;
    }
    set->below = below ? profile_set_ref(below) : NULL;
    *ret_set = set;
    return ERR_NONE;
}

struct profile_set *profile_set_ref(struct profile_set *set)
{
    __atomic_add_fetch(&set->references, 1, __ATOMIC_RELAXED);
    return set;
}

void profile_set_unref(struct profile_set *set)
{
    if (!set || __atomic_sub_fetch(&set->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    profile_set_unref(set->below);
    for (uint32_t i = 0; i < set->image_count; i++) {
        free(set->images[i].paths);
        free(set->owned[i].bytes);
        os_file_unmap(&set->owned[i].mapping);
    }
    free(set->images);
    free(set->owned);
    free(set->definitions.links);
    free(set->resources.links);
    free(set->defaults.text);
    map_release(&set->definitions.urls);
    map_release(&set->resources.urls);
    arena_release(&set->compiled);
    pthread_mutex_destroy(&set->lock);
    free(set);
}
