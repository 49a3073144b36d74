/* profile/profile.h - profiles of FHIR packages: compiled, kept, checked against.
 *
 * A package (NAME, VERSION) becomes an image: a compact tree for each of its
 * StructureDefinitions with what it adds to base R4 (README.md draws it). Images
 * lie in a folder shared by all data stores and are mapped at start. A set is
 * what is known together: the images of a folder, and perhaps, over them, the
 * definitions of one store. Sets never change; whoever adds a package opens the
 * set again. All functions may be called from any thread unless they say else.
 */
#ifndef PROFILE_PROFILE_H
#define PROFILE_PROFILE_H

#include "base/issues.h"
#include "fhir/fhir.h"
#include "terminology/terminology.h"

/* ---- sets ---- */

struct profile_set; /* counted */

/* What is built in (R4's own profiles and extensions), then every package of
 * `folder`, which may be NULL or absent. A damaged image is left out and counted
 * in *ret_damaged (may be NULL). */
MUST_USE enum err profile_set_open(const char *folder, struct profile_set **ret_set,
                                   uint32_t *ret_damaged);
struct profile_set *profile_set_ref(struct profile_set *set);
void profile_set_unref(struct profile_set *set);

/* A set over another: `images` (as profile_compile() makes them, copied) come
 * first. `below` is referenced. For packages named on a command line and for
 * definitions that lie in a data store. */
MUST_USE enum err profile_set_layer(struct profile_set *below, const struct slice *images,
                                    size_t count, struct profile_set **ret_set);

/* The same of packages as they lie on disk (.tgz, folders, or a single resource's
 * JSON), compiled in memory. What is wrong with them goes into `issues`. */
enum { PROFILE_LOAD_MAX = 64 };
MUST_USE enum err profile_set_load(struct profile_set *below, const char *const *paths,
                                   size_t count, struct issues *issues,
                                   struct profile_set **ret_set);

struct profile_info {
    struct slice package, package_version; /* "hl7.fhir.us.core", "6.1.0" */
    struct slice url, version, type;       /* of the definition */
};
/* Which definition the canonical (with or without |version) means. */
bool profile_find(const struct profile_set *set, struct slice canonical,
                  struct profile_info *ret_info);
size_t profile_set_count(const struct profile_set *set); /* of definitions */
/* What is built in counts as one. */
size_t profile_set_package_count(const struct profile_set *set);

/* Resources that packages hold, as JSON without what only people read. */
enum profile_kind { PROFILE_STRUCTURE, PROFILE_VALUE_SET, PROFILE_CODE_SYSTEM };
/* Of this version, or with an empty one of the default one; bytes NULL when there
 * is none. Lives as long as the set. */
struct slice profile_resource(const struct profile_set *set, enum profile_kind kind,
                              struct slice url, struct slice version);

/* ---- packages on disk ---- */

/* StructureDefinitions and what else a package has (others are passed over). */
struct profile_source {
    struct slice name, version;    /* of the package */
    const struct slice *resources; /* JSON texts */
    size_t resource_count;
    const struct slice *dependencies; /* "name@version" */
    size_t dependency_count;
};

/* Read a package: a .tgz, .tar.zst or folder, or the bytes of a .tgz. All that
 * *ret_source has lives in the arena. ERR_NOT_FOUND: there is no such file; what is
 * wrong with one goes into `issues`. */
MUST_USE enum err profile_package_open(const char *path, struct arena *arena, struct issues *issues,
                                       struct profile_source *ret_source);
MUST_USE enum err profile_package_read(struct slice bytes, struct arena *arena,
                                       struct issues *issues, struct profile_source *ret_source);
/* Compile it and keep it in `folder`, which is made if absent; another content of the
 * same name and version is replaced. What cannot be used of it is told in `issues`. */
MUST_USE enum err profile_package_keep(const char *folder, const struct profile_source *source,
                                       struct arena *arena, struct issues *issues);
/* "name@version"; ERR_NOT_FOUND when it is not there. */
MUST_USE enum err profile_package_remove(const char *folder, struct slice package);
/* Which version of a package is meant by canonicals without one. */
MUST_USE enum err profile_package_prefer(const char *folder, struct slice package);

struct profile_package {
    struct slice name, version;
    size_t definitions, value_sets, code_systems;
    bool is_default;
    bool is_built_in;
};
/* In no order; those of `set` and of what is below it. */
typedef void profile_package_visit(void *context, const struct profile_package *package);
void profile_packages(const struct profile_set *set, profile_package_visit *visit, void *context);

/* ---- a folder that may change ---- */

/* The set of a folder, opened anew when packages were added or removed, by whatever
 * process: looked for at most once a second. */
struct profile_home;
MUST_USE enum err profile_home_open(const char *folder, struct profile_home **ret_home,
                                    uint32_t *ret_damaged);
/* One whose set never changes; it is referenced. */
MUST_USE enum err profile_home_of(struct profile_set *set, struct profile_home **ret_home);
void profile_home_close(struct profile_home *home);
/* The caller unrefs. *ret_changed (may be NULL): it is not the one of the last call. */
struct profile_set *profile_home_set(struct profile_home *home, bool *ret_changed);

/* ---- checking ---- */

struct profile_options {
    const struct profile_set *set;
    const struct slice *profiles; /* canonicals for the outermost resource, besides ... */
    size_t profile_count;
    bool ignores_meta;     /* ... those of its meta.profile, unless this is set */
    bool adds_vital_signs; /* also R4's profiles of vital signs, by their LOINC code */
    bool unknown_is_error; /* a meta.profile that no package has; else a warning */
    bool unknown_inner_is_error; /* the same of one that a profile names for elements, or for
                                  * the targets of references that are here */
    bool unknown_extension_is_error; /* an extension that none defines; else nothing */
    int64_t now_us;
    /* Does the code, Coding, CodeableConcept, Quantity or string belong to the value
     * set? -1: unknown. NULL: nothing is known. `package`, "name@version", is whose word
     * the value set is: of several versions it means its own. */
    int (*member_of)(void *context, struct fhir_item item, struct slice value_set,
                     struct slice package);
    void *context;
};

/* One validation's profiles: give its hooks to fhir_validate(), once. */
struct profile_check;
MUST_USE enum err profile_check_begin(const struct profile_options *options, struct arena *arena,
                                      struct profile_check **ret_check);
const struct fhir_validate_hooks *profile_check_hooks(struct profile_check *check);
void profile_check_end(struct profile_check *check);
/* Whose word the codes and extensions there are: "name@version" of the package that the
 * resource's profiles are of; empty: the default ones'. Lives as long as the check. */
struct slice profile_check_package(struct profile_check *check, const struct fhir_subject *s);

/* ---- codes ---- */

/* For terminology_open(): the value sets and code systems of the home's packages, of
 * several versions the default one's. The home must outlive the terminology. Whoever
 * sees the home's set change calls terminology_forget(). */
struct terminology_source profile_terminology(struct profile_home *home);

/* The context of profile_member_of(), which profile_options takes as .member_of. */
struct profile_codes {
    struct terminology *terminology; /* for packages that are the only or default version */
    struct profile_home *home;       /* has those of the others */
    struct arena *arena;             /* scratch, rewound */
};
/* The terminology as the package ("name@version"; empty: none) means it. */
struct terminology *profile_codes_of(const struct profile_codes *codes, struct slice package);
int profile_member_of(void *context, struct fhir_item item, struct slice value_set,
                      struct slice package);

/* ---- compiling ---- */

/* Append the source's image to `out`. Bases and profiles of types that are not in
 * the source are sought in `set` (may be NULL). A definition that cannot be used
 * is left out and reported in `issues`. */
MUST_USE enum err profile_compile(const struct profile_source *source,
                                  const struct profile_set *set, struct arena *arena,
                                  struct issues *issues, struct buf *out);

/* ---- definitions themselves ---- */

/* A thing that is wrong with a StructureDefinition. */
struct profile_fault {
    int64_t element;       /* in its differential; -1: the whole */
    int64_t discriminator; /* of that element's slicing; -1: none */
    struct json where;
    bool is_warning;
    struct slice text;
};
typedef void profile_fault_visit(void *context, const struct profile_fault *fault);

/* What the official validator tells while it makes a snapshot of the definition: that
 * the differential does not fit its base, slicings that cannot work, fixed values that
 * contradict the base's, bindings of what has no codes. Nothing for what constrains no type of
 * R4. ERR_NO_MEMORY. */
MUST_USE enum err profile_examine(const struct profile_set *set, struct json definition,
                                  struct arena *arena, profile_fault_visit *visit, void *context);

#endif
