/* rest/rest.h - the FHIR interactions: HTTP request in, HTTP response out.
 *
 * The only place where an error becomes an OperationOutcome. Authentication is
 * done before (auth/); what arrives here is allowed.
 */
#ifndef REST_REST_H
#define REST_REST_H

#include "base/limits.h"
#include "http/http.h"
#include "profile/profile.h"
#include "store/store.h"

struct search_dialect; /* search/search.h */

/* How to behave where HealthLake and the open default differ. Presets:
 * rest_behaviour_open(), _guide(), _healthlake(). */
struct rest_behaviour {
    const char *name;
    struct limits limits;
    bool location_on_create;
    bool always_new_version; /* an equal PUT makes a version */
    int instant_digits;      /* 6, HealthLake 3 */
    uint32_t search_lag_ms;  /* searches see what is older than that; 0: all */
    uint32_t history_lag_ms; /* histories */
    bool everything_by_id;   /* type then id, compartment only */
    const struct search_dialect *dialect; /* of searches; NULL: R4's */
    bool refuse_large_count;
    bool refuse_url_and_form; /* POST _search takes parameters from one of the two */
    bool refuse_unknown_profiles; /* at strict, though nobody asks for that by name */
    bool custom_parameters; /* stored SearchParameters are searched by */
    bool store_all_types; /* false: OperationOutcome, Parameters are no stored types */
};
struct rest_behaviour rest_behaviour_open(void);
struct rest_behaviour rest_behaviour_guide(void);
struct rest_behaviour rest_behaviour_healthlake(void);

/* How much of a resource is checked before it is stored; the header
 * x-amzn-healthlake-fhir-validation-level names another for one request. */
enum rest_level {
    REST_STRICT,         /* base R4, and the profiles that meta.profile names */
    REST_STRUCTURE_ONLY, /* base R4 */
    REST_MINIMAL,        /* members, cardinality, JSON types and formats; what is wrong
                          * is stored with the findings */
    REST_UNCHECKED,      /* JSON, resourceType and id; for stores alone, not by header */
    REST_STRICT_ASKED,   /* strict, and somebody has asked for it by name */
};

/* What a profile is that no package has, at strict. */
enum rest_unknown_profiles {
    REST_UNKNOWN_BY_USE, /* an error when strict was asked for by name, once there is any
                          * package, and with refuse_unknown_profiles; else it passes */
    REST_UNKNOWN_PASSES,
    REST_UNKNOWN_IS_ERROR,
};
bool rest_unknown_find(struct slice name, enum rest_unknown_profiles *ret);

/* The search parameters that a data store defines itself: made before the store is
 * opened, because what extracts needs them, and closed after it. */
struct customs;
struct customs *rest_customs_open(void); /* NULL: memory is short */
void rest_customs_close(struct customs *customs); /* may be NULL */

struct rest_settings {
    struct store *store;
    struct customs *customs;   /* those of the store's extraction; NULL: none may be defined */
    struct rest_behaviour behaviour;
    enum rest_level level; /* of requests that name none */
    enum rest_unknown_profiles unknown_profiles;
    struct profile_home *profiles; /* packages; NULL: none, and none of R4 core */
    struct slice public_url; /* "https://host"; empty: scheme and Host of the request */
    struct slice datastore_id;
    const char *async_folder; /* of transactions done later, made if absent; NULL: none */
    struct slice software_version;
    int64_t zone_us; /* of dates without a zone, ahead of UTC */
    bool has_cors; /* the CapabilityStatement says so; others add the headers */
};

struct rest;
MUST_USE enum err rest_open(const struct rest_settings *settings, struct rest **ret_rest);
void rest_close(struct rest *rest);
/* Evaluations of the store's own search parameters that told nothing, since it was opened
 * or the definition changed. Any thread. */
uint64_t rest_search_parameter_failures(const struct rest *rest);
/* Asynchronous transactions that are not done yet. Any thread. */
size_t rest_transactions_waiting(const struct rest *rest);

/* `path`: what follows /datastore/{id}/r4, normalised and still percent-encoded,
 * without leading slash ("Patient/1/_history"). Always fills *response. */
void rest_handle(struct rest *rest, struct http_request *r, struct slice path,
                 struct http_response *response);

/* What a request is counted as; the rates of base/limits.h. */
enum rest_quota {
    REST_QUOTA_READ,
    REST_QUOTA_WRITE, /* in write units */
    REST_QUOTA_SEARCH_GET,
    REST_QUOTA_SEARCH_POST,
    REST_QUOTA_EVERYTHING,
    REST_QUOTA_VALIDATE,
    REST_QUOTA_CAPABILITIES,
    REST_QUOTA_DISCOVERY,
    REST_QUOTA_COUNT
};

/* Who is asked while a request is served. Either function may be NULL: all is
 * permitted, nothing is counted. */
struct rest_gate {
    /* May an entry of a Bundle be: one of HealthLake's actions, a static text.
     * False: *ret_text says why, for as long as the request. */
    bool (*permits)(void *context, const char *action, struct slice *ret_text);
    /* Count so many units. False: the rate is passed; *ret_text says which, and
     * after *ret_seconds it may be again. */
    bool (*spends)(void *context, enum rest_quota quota, uint64_t units, struct slice *ret_text,
                   uint32_t *ret_seconds);
    void *context;
};

/* rest_handle() with a gate, which may be NULL. The request's own actions were
 * asked before. */
void rest_handle_gated(struct rest *rest, struct http_request *r, struct slice path,
                       const struct rest_gate *gate, struct http_response *response);

/* What the request asks to do, from its head: "healthlake:CreateResource", static
 * texts, all of which it takes. 0 when there is no such route: rest_handle()
 * refuses it then. */
enum { REST_ACTIONS_MAX = 2 };
size_t rest_actions(struct rest *rest, struct http_request *r, struct slice path,
                    const char *ret[REST_ACTIONS_MAX]);

/* Is it a search of a type that may be over in some hundred microseconds, from what its
 * query looks like? On the loop thread rest_handle() then asks to be called again on
 * another (http_request.wants_pool) when it is not. */
bool rest_search_may_be_brief(struct slice path, struct slice query);

/* To be asked when the head of a request is there and its length is known: true
 * when *response refuses it already (no such route, body over its limit), so that
 * the body need not come. Does not block. */
bool rest_begin(struct rest *rest, struct http_request *r, struct slice path,
                struct http_response *response);

/* What http_request.kind says once rest_handle() or rest_begin() has seen the path:
 * "read", "search", ...; 0 is "other". NULL from the last one on, which comes before
 * REST_KINDS_MAX. Static. */
enum { REST_KINDS_MAX = 24 };
const char *rest_kind_name(unsigned kind);

/* An OperationOutcome for an error made outside (HTTP layer, routing); `code` is
 * the issue's, static; NULL: that of the error. */
void rest_refuse(struct http_request *r, enum err err, const char *code, struct slice text,
                 struct http_response *response);

/* store_open()'s extraction callback; context: a struct rest_extract. */
struct rest_extract {
    struct slice base_url;
    struct customs *customs; /* NULL: none */
    int64_t zone_us; /* as rest_settings.zone_us */
};
/* store_settings.opened of those with customs. */
enum err rest_customs_opened(void *extract_context, struct store *store,
                             struct store_rules *rules);
enum err rest_extract(void *context, struct slice type, struct slice id, struct slice body,
                      struct arena *arena, struct term **ret_terms, size_t *ret_count);
/* The same of some fields, see store_settings. */
enum err rest_extract_some(void *context, struct slice type, struct slice body,
                           const uint32_t *fields, size_t field_count, struct arena *arena,
                           struct term **ret_terms, size_t *ret_count);

/* The number of the rules that extraction follows now; store_settings.rules_number. */
uint64_t rest_rules_number(void *context);
/* What a person calls a field of the index: "Patient.name", "Patient (type)",
 * "(compartment)"; contained ones have " (contained)" behind it. In the arena. */
struct slice rest_field_name(const struct rest_extract *extract, uint32_t field,
                             struct arena *arena);

/* ---- many resources, without HTTP ---- */

/* A line of NDJSON on its way into the store. */
struct rest_line {
    struct slice text;    /* one resource with its id */
    bool is_again;        /* a run cut off may have stored it: equal, it makes no version */
    int status;           /* result: 200, 201 or an error's */
    struct slice outcome; /* an error's OperationOutcome, in the arena */
};

/* Each line as PUT would store it, in as few commits as can be; references are
 * not looked at. Lines fail alone. An error of the whole (memory, a store that
 * takes no more) leaves some lines stored and others, with status 0, not. */
MUST_USE enum err rest_import(struct rest *rest, enum rest_level level, struct rest_line *lines,
                              size_t count, struct arena *arena);
enum rest_level rest_default_level(const struct rest *rest);
/* "strict", "structure-only", "minimal"; false for all else. */
bool rest_level_find(struct slice name, enum rest_level *ret);

/* Every live resource as a read gives it, in the order of commits, at one time.
 * The first error of `visit` ends it. Memory is that of a page. */
typedef enum err rest_resource_visit(void *context, struct slice type, struct slice resource);
MUST_USE enum err rest_export(struct rest *rest, rest_resource_visit *visit, void *context);

#endif
