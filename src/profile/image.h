/* profile/image.h - the compiled form of a package's profiles; private.
 *
 * One file of sections, read by mmap as it lies; README.md draws it. All numbers
 * are little-endian; a text is an offset and a length in the text section. The
 * trees keep only what a profile adds to base R4: the rest was checked already.
 */
#ifndef PROFILE_IMAGE_H
#define PROFILE_IMAGE_H

#include "profile/element.h"
#include "profile/profile.h"

enum { IMAGE_FORMAT = 4, IMAGE_BYTES_MAX = 512 << 20 };

struct image_text {
    uint32_t at, length;
};

struct image_range {
    uint32_t first, count;
};

/* An element, or a slice of one. */
struct image_node {
    struct image_text name;       /* JSON name; of a choice its stem */
    struct image_text slice_name; /* empty: no slice */
    struct image_text id;         /* "Observation.category:VSCat" */
    struct image_text value_set, max_value_set;
    struct image_range children; /* nodes, sorted by name */
    struct image_range slices;   /* nodes, in order */
    struct image_range types, rules, discriminators;
    uint32_t min, max;                             /* ELEMENT_MANY: no limit */
    uint32_t fixed, pattern, min_value, max_value; /* place on the tape + 1; 0: none */
    uint32_t max_length;                           /* 0: none */
    uint32_t content; /* node whose children are its own, + 1; 0: none */
    uint8_t strength; /* enum fhir_binding */
    uint8_t slicing;  /* enum slicing_rules */
    uint8_t is_ordered, is_choice;
};

struct image_type {
    struct image_text code;
    struct image_range profiles, targets; /* refs */
};

struct image_rule {
    struct image_text key, human, expression;
    uint32_t is_error;
};

enum image_step_kind { STEP_CHILD, STEP_EXTENSION, STEP_RESOLVE, STEP_OF_TYPE };

struct image_step {
    struct image_text name;
    uint32_t kind; /* enum image_step_kind */
};

struct image_discriminator {
    struct image_range steps; /* none: $this */
    uint32_t type;            /* enum discriminator_type */
    uint32_t is_unknown;      /* its path is beyond us: it tells nothing */
};

enum image_context_type { CONTEXT_ELEMENT, CONTEXT_EXTENSION, CONTEXT_FHIRPATH };

struct image_context {
    struct image_text expression;
    uint32_t type; /* enum image_context_type */
    uint32_t rule; /* of CONTEXT_FHIRPATH: the expression once more, to be run */
};

enum { DEFINITION_IS_EXTENSION = 1, DEFINITION_IS_MODIFIER = 2, DEFINITION_IS_ABSTRACT = 4 };

struct image_definition {
    struct image_text url, version, type, base;
    struct image_range contexts;
    struct image_range invariants; /* rules: of an extension's contexts */
    uint32_t root;                 /* node */
    uint32_t flags;
};

/* Another package that this one means when it names a canonical. */
struct image_dependency {
    struct image_text name, version;
};

/* A StructureDefinition, ValueSet or CodeSystem of the package, as JSON. */
struct image_resource {
    struct image_text url, version;
    uint32_t kind;       /* enum profile_kind */
    uint32_t at, length; /* in IMAGE_RESOURCE_TEXT */
    uint32_t sum;        /* of the text: the lower half of its XXH3 */
    uint32_t rank;       /* enum resource_rank: of several the highest is meant */
};

/* How much of it is there: a guide may name a code system of which another package, or
 * a store, has the codes. */
enum resource_rank { RANK_EMPTY, RANK_PART, RANK_WHOLE };

enum image_section {
    IMAGE_TEXT,  /* bytes */
    IMAGE_NODES, /* struct image_node */
    IMAGE_TYPES, /* struct image_type */
    IMAGE_REFS,  /* struct image_text */
    IMAGE_RULES, /* struct image_rule */
    IMAGE_DISCRIMINATORS,
    IMAGE_STEPS,
    IMAGE_CONTEXTS,
    IMAGE_DEFINITIONS,
    IMAGE_DEPENDENCIES,
    IMAGE_JSON, /* bytes: an array of all fixed values, patterns, bounds */
    IMAGE_TAPE, /* struct json_node, of that array */
    IMAGE_RESOURCES,
    IMAGE_RESOURCE_TEXT, /* bytes; the last one, and not under the image's sum */
    IMAGE_SECTION_COUNT
};

struct image_header {
    char magic[8];     /* "TARNPROF" */
    uint64_t checksum; /* XXH3 of all behind it, without the resources' text */
    uint32_t format, bytes;
    struct image_text name, version;                  /* of the package */
    struct image_range sections[IMAGE_SECTION_COUNT]; /* offset in the file, entries */
};

_Static_assert(sizeof(struct image_node) == 116, "IMAGE_FORMAT");
_Static_assert(sizeof(struct image_header) == 152, "IMAGE_FORMAT");

/* An image in memory: opened, or just built. */
struct image {
    const struct image_header *header;
    struct slice bytes;
    struct json_doc values;        /* of IMAGE_JSON and IMAGE_TAPE */
    bool is_shadowed;              /* another version of the package comes first (set.c) */
    const struct fhirpath **paths; /* by rule, compiled when first run (rules.c) */
};

/* Look at bytes that stay where they are: ERR_CORRUPT when they are no whole
 * image of this format. */
MUST_USE enum err image_open(struct slice bytes, struct image *ret_image);

static inline const void *image_section(const struct image *im, enum image_section s)
{
    return im->bytes.bytes + im->header->sections[s].first;
}
static inline uint32_t image_count(const struct image *im, enum image_section s)
{
    return im->header->sections[s].count;
}
static inline struct slice image_slice(const struct image *im, struct image_text t)
{
    return slice_of((const char *)image_section(im, IMAGE_TEXT) + t.at, t.length);
}
#define IMAGE_ROW(type, section)                                                                   \
    static inline const struct image_##type *image_##type##_at(const struct image *im, uint32_t i) \
    {                                                                                              \
        return (const struct image_##type *)image_section(im, section) + i;                        \
    }
IMAGE_ROW(node, IMAGE_NODES)
IMAGE_ROW(type, IMAGE_TYPES)
IMAGE_ROW(text, IMAGE_REFS)
IMAGE_ROW(rule, IMAGE_RULES)
IMAGE_ROW(discriminator, IMAGE_DISCRIMINATORS)
IMAGE_ROW(step, IMAGE_STEPS)
IMAGE_ROW(context, IMAGE_CONTEXTS)
IMAGE_ROW(definition, IMAGE_DEFINITIONS)
IMAGE_ROW(dependency, IMAGE_DEPENDENCIES)
IMAGE_ROW(resource, IMAGE_RESOURCES)
#undef IMAGE_ROW

/* The resource's text; bytes NULL when it is damaged. */
struct slice image_resource_text(const struct image *im, const struct image_resource *r);
/* The child of the name; NULL: the profile says nothing about it. */
const struct image_node *image_child(const struct image *im, const struct image_node *parent,
                                     struct slice name);
struct json image_value(const struct image *im, uint32_t place);

/* ---- building (compile.c) ---- */

struct image_builder;

MUST_USE enum err image_builder_new(struct arena *arena, struct slice name, struct slice version,
                                    struct image_builder **ret);
MUST_USE enum err image_add_dependency(struct image_builder *b, struct slice name,
                                       struct slice version);
/* What the definition adds to base R4. */
MUST_USE enum err image_add_definition(struct image_builder *b, const struct definition *d);
/* Keep the resource itself, if it is of one of the kinds. */
MUST_USE enum err image_add_resource(struct image_builder *b, struct json root);
/* Append the image to `out`. */
MUST_USE enum err image_render(struct image_builder *b, struct buf *out);
void image_builder_release(struct image_builder *b);

#endif
