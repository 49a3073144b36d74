/* search/search.h - query text to plan, plan to pages.
 *
 * Parses the parameters of a FHIR search on one type, refuses by name what it
 * does not know, compiles the rest to a plan for store_search(), and makes and
 * reads the opaque page tokens. R4 search: http://hl7.org/fhir/R4/search.html.
 */
#ifndef SEARCH_SEARCH_H
#define SEARCH_SEARCH_H

#include "base/issues.h"
#include "base/limits.h"
#include "custom/custom.h"
#include "fhir/fhir.h"
#include "index/index.h"
#include "store/store.h"
#include "terminology/terminology.h"

struct search_pair {
    struct slice name, value; /* percent-decoded */
};

/* Split and decode "a=b&c=d" (URL query or form body). '+' is a blank in both:
 * the one documented meaning. Appends to *pairs. */
MUST_USE enum err search_pairs_parse(struct slice text, struct arena *arena,
                                     struct search_pair **pairs, size_t *count,
                                     struct issues *issues);

enum search_total { SEARCH_TOTAL_NONE, SEARCH_TOTAL_ESTIMATE, SEARCH_TOTAL_ACCURATE };

/* What signs the page tokens of a store. */
struct search_page_key {
    uint8_t bytes[32];
};

/* Where a page lies: at which reader time, and behind (or before) what. */
struct search_page {
    uint64_t time, position;
    uint32_t bound; /* a token is good with this alone; 0: nothing. Not in the token */
    bool is_before;
    bool is_sorted; /* of an answer in the order of values */
};

/* What a search lacks of R4's, or reads otherwise. */
struct search_dialect {
    struct slice name;       /* of the preset, for refusals */
    bool case_counts;        /* in strings */
    bool code_may_be_system; /* a token without '|' is a code or a system */
    bool is_narrow; /* only parameters, modifiers, prefixes and sort keys of the documentation;
                     * page tokens belong to one _count */
};
const struct search_dialect *search_dialect_healthlake(void);

struct search_settings {
    const struct search_page_key *page_key; /* NULL: no tokens are taken */
    struct slice base_url;  /* as index_extract() got it, ... */
    int64_t zone_us;        /* ... and this */
    const struct custom_set *customs; /* the same; valid as long as the query */
    uint32_t default_count; /* 100 */
    uint32_t largest_count; /* 1,000; more is lowered */
    int64_t now_us;          /* what 'ap' measures a date's distance to */
    struct terminology *terminology; /* for :in, :below, case; NULL: those are refused */
    /* A live resource's JSON, for :in=ValueSet/id; bytes NULL when there is none.
     * May be NULL. */
    enum err (*read)(void *context, struct slice type, struct slice id, struct arena *arena,
                     struct slice *ret_text);
    void *read_context;
    /* The compartment searched; empty: none. */
    struct slice owner_type, owner_id;
    const struct search_dialect *dialect; /* NULL: R4's */
    uint32_t sort_keys;      /* of _sort; 0, or more than SEARCH_SORTS_MAX: that many */
    size_t memory_bytes;     /* of one search while it runs; 0: STORE_MEMORY_BYTES */
    bool refuse_large_count; /* HealthLake: _count 0 and over the largest are 400 */
    bool is_lenient;         /* unknown parameters are passed over and noted */
};

enum {
    SEARCH_SORTS_MAX = 16,
    SEARCH_SORTED_MAX = LIMIT_SORT_MATCHES, /* matches that _sort orders */
    SEARCH_INCLUDES_MAX = LIMIT_INCLUDE_PARAMETERS,
};

struct search_sort {
    const struct fhir_param *param; /* of the first type */
    const struct fhir_param **params; /* of each of the query's types */
    bool is_descending;
};

struct search_include {
    bool is_reverse;  /* _revinclude */
    bool is_iterated; /* from what was included, too */
    const struct fhir_type *source;  /* NULL: any */
    const struct fhir_param *param;  /* NULL: every reference */
    const struct fhir_type *target;  /* NULL: any */
};

/* The texts asked for, by which matches are ranked; see score.h. */
struct score_term;
struct search_scores {
    struct score_term *terms;
    size_t count;
    bool is_text; /* words, or :text: entries say their score */
};

struct search_query {
    const struct fhir_type *type; /* of several the first */
    const struct fhir_type **types; /* that are searched */
    size_t type_count;
    struct plan *plan;      /* type included */
    uint32_t count;         /* page size as applied */
    bool count_only;        /* _count=0 or _summary=count */
    enum search_total total;
    /* Of the page token; time 0: now. The page lies behind the document `position` in
     * the answer's order, or before it. */
    struct search_page page;
    bool is_newest_first;   /* _sort=-_lastUpdated */
    struct slice base_url;  /* of the settings, as is zone_us */
    int64_t zone_us;
    const struct custom_set *customs; /* of the settings */
    size_t memory_bytes;    /* of the settings */
    struct search_sort sorts[SEARCH_SORTS_MAX];
    size_t sort_count;      /* 0: by last change, oldest first */
    struct search_scores scores;
    bool has_scores;        /* entries say their score */
    struct search_include *includes;
    size_t include_count;
    struct fhir_subset subset; /* of each match; _summary of what is included, too */
    /* _contained: plans of what is found by what it contains, one for each type searched;
     * none: contained resources are no matches. */
    const struct plan **contained;
    size_t contained_count;
    struct plan *own_plan;  /* what matches itself; NULL: nothing does (_contained=true) */
    bool returns_contained; /* _containedType=contained; sorted by commit, no includes */
    bool is_explained;      /* _explain=true */
    bool has_asof;          /* _asof: at the last commit before asof_us */
    int64_t asof_us;
    struct issues notices;  /* what was passed over; complete, not to be added to */
    struct slice applied;   /* canonical query text for the self link, without page */
};

/* A parameter that says how to answer (_count, _asof, _include, ...) or where to
 * look, not which resources match; `name` without modifier. */
bool search_is_result_param(struct slice name);

/* `type` NULL: over all types, or those that _type names. */
MUST_USE enum err search_parse(const struct search_settings *settings,
                               const struct fhir_type *type, const struct search_pair *pairs,
                               size_t count, struct arena *arena, struct issues *issues,
                               struct search_query *ret);

/* _summary and _elements among the pairs. Of a search `ret_is_count` tells whether
 * _summary=count is there; elsewhere it is NULL, and count refused. */
MUST_USE enum err search_subset_parse(const struct search_pair *pairs, size_t count,
                                      const struct fhir_type *type, struct arena *arena,
                                      struct issues *issues, struct fhir_subset *ret,
                                      bool *ret_is_count);
/* _asof=INSTANT: what was committed up to it, its last digit included, is before
 * *ret_us. */
MUST_USE enum err search_asof_parse(struct slice value, int64_t zone_us, struct issues *issues,
                                    int64_t *ret_us);

/* One page of matches. */
struct search_found {
    uint64_t *docs; /* in the answer's order */
    size_t count;   /* at most the query's */
    double *scores; /* of each, 0 to 1; NULL: none is told */
    bool has_next, has_previous;
    uint64_t position; /* of the page: what it lies behind, or before */
    const char *strategy; /* how they were found, for a person */
};

/* The page that the query asks for. ERR_LIMIT with an issue when there are more
 * matches than can be sorted. */
MUST_USE enum err search_run(const struct search_query *q, struct store_reader *reader,
                             struct arena *arena, struct issues *issues,
                             struct search_found *ret);
/* Where the next and the previous page lie, if there are such; their time is the
 * caller's. */
struct search_page search_page_next(const struct search_query *q,
                                    const struct search_found *found);
struct search_page search_page_previous(const struct search_query *q,
                                        const struct search_found *found);

/* Opaque token of unreserved characters, signed (HMAC-SHA-256): bytes == NULL when
 * memory is short. ERR_INVALID for one that is not ours to the byte. */
struct slice search_page_token(struct arena *arena, const struct search_page_key *key,
                               const struct search_page *page);
MUST_USE enum err search_page_parse(struct slice token, const struct search_page_key *key,
                                    uint32_t bound, struct search_page *ret);

/* A step of a plan in words, its children left out; `customs` as the query had. bytes ==
 * NULL when memory is short. */
struct slice search_step_text(const struct plan *plan, const struct custom_set *customs,
                              struct arena *arena);

/* Does the step itself look into its field? */
static inline bool search_reads_field(const struct plan *plan)
{
    return plan->kind == PLAN_TERM || plan->kind == PLAN_PREFIX || plan->kind == PLAN_RANGE ||
           plan->kind == PLAN_CONTAINS || plan->kind == PLAN_REFERS ||
           plan->kind == PLAN_REFERRED;
}
/* Is all that the plan reads indexed by now? */
bool search_is_ready(struct store *store, const struct plan *plan);
/* After a search by the plan was ERR_NOT_READY: an issue that names what is being indexed
 * and how far that is; `customs` as the query had. Returns ERR_NOT_READY. */
MUST_USE enum err search_unready(struct store *store, const struct plan *plan,
                                 const struct custom_set *customs, struct issues *issues);

/* The parameters a type supports now, for the CapabilityStatement. `dialect` may be
 * NULL. */
bool search_param_is_supported(const struct search_dialect *dialect, const struct fhir_type *type,
                               const struct fhir_param *param);

/* Does the dialect (NULL: R4's) have a parameter of every type by that name? */
bool search_code_is_known(const struct search_dialect *dialect, struct slice code);

/* The contained resources of a document that match; the first error ends it. */
typedef enum err search_contained_found(void *context, struct json item,
                                        const struct fhir_type *type);
MUST_USE enum err search_contained_visit(const struct search_query *q,
                                         struct store_reader *reader,
                                         const struct store_version *v, struct arena *arena,
                                         search_contained_found *found, void *context);
/* Is the document a match itself? */
MUST_USE enum err search_own_matches(const struct search_query *q, struct store_reader *reader,
                                     uint64_t doc, bool *ret);

/* May the reference parameter refer to the type? */
bool search_refers_to(const struct fhir_param *param, const struct fhir_type *target);
/* Resources that a canonical in a reference parameter of `source` names; `target` NULL: of
 * any type that the parameter refers to. At most `limit`, in the arena. */
MUST_USE enum err search_canonical_named(struct store_reader *reader,
                                         const struct fhir_param *param,
                                         const struct fhir_type *source,
                                         const struct fhir_type *target, struct slice canonical,
                                         size_t limit, struct arena *arena, uint64_t **ret_docs,
                                         size_t *ret_count);
/* Resources of `source` in which a canonical of the parameter names this one. */
MUST_USE enum err search_canonical_naming(struct store_reader *reader,
                                          const struct fhir_param *param,
                                          const struct fhir_type *source,
                                          const struct store_version *target,
                                          struct index_basis basis,
                                          const struct custom_set *customs, size_t limit,
                                          struct arena *arena, uint64_t **ret_docs,
                                          size_t *ret_count);

/* Would the resource be found if it were committed now, as far as its own terms
 * tell? What a join asks for is never found. */
bool search_meets(const struct plan *plan, const struct store_write *write, int64_t now);

#endif
