/* rest/request.h - one FHIR request on its way: what every stage reads and adds.
 *
 * Made by rest_handle() for a request from outside and by the bundle for each of
 * its GET entries, which then run through the same functions at the bundle's
 * reader time. Lives in the arena of the HTTP request. One thread.
 */
#ifndef REST_REQUEST_H
#define REST_REQUEST_H

#include "base/issues.h"
#include "index/index.h"
#include "os/thread.h"
#include "rest/rest.h"
#include "rest/route.h"
#include "search/search.h"

struct rest {
    struct rest_settings settings;
    struct async *async;          /* NULL: no folder for it */
    struct search_page_key page_key; /* of the store, made once */
    struct slice index_base_url;  /* what extraction takes for "ours"; see rest_basis() */
    const struct fhir_rules *rules;   /* the invariants of R4; in the arena */
    struct customs *customs;          /* search parameters of the store's own; may be NULL */
    struct definitions *definitions;  /* profiles: the packages' and the store's */
    struct terminology *terminology;  /* the store's, the packages' and R4's codes */
    struct slice capability;      /* the CapabilityStatement up to its base URL ... */
    struct slice capability_tail; /* ... and behind it; owned, made once */
    struct arena arena;           /* of the two above and of this struct */
};

enum prefer_return { PREFER_DEFAULT, PREFER_MINIMAL, PREFER_REPRESENTATION, PREFER_OUTCOME };

/* What the gate said of an action. */
enum { ACCESS_MEMOS = 16 };
struct access_memo {
    const char *action;
    bool is_allowed;
    struct slice text;
};

struct request {
    struct rest *rest;
    struct http_request *http;
    struct http_response *response;
    struct arena *arena; /* http->arena */
    struct issues issues;
    struct route route;
    struct slice base_url; /* "http://host/datastore/ID/r4", in the arena */
    struct slice path;     /* behind it, without slashes at its ends, still encoded */
    const struct rest_gate *gate; /* of a bundle's entries; NULL: all may be */
    struct access_memo memos[ACCESS_MEMOS];
    const char *media;     /* Content-Type of the answer */
    enum prefer_return prefer;
    bool is_lenient; /* Prefer: handling=lenient */
    enum rest_level level;
    struct slice faults; /* what was stored all the same (REST_MINIMAL): an OperationOutcome */
    struct search_pair *pairs; /* the query, without _format, _pretty and X-Amz-... */
    size_t pair_count;
    uint64_t time; /* reader time; 0: now */
    bool is_async; /* Prefer: respond-async */
    /* Of an asynchronous transaction that is being done: its mark (text empty), and,
     * when an earlier run committed it, that commit's time (else 0) and text. */
    struct store_mark mark;
    uint64_t resume_time;
    struct slice resume_text;
    bool is_entry; /* of a bundle */
    /* what the answer is about, for bundle entries; version 0: nothing */
    uint64_t version;
    int64_t instant;
};

/* What extraction takes from the settings. */
static inline struct index_basis rest_basis(const struct rest *rest)
{
    return (struct index_basis){ rest->index_base_url, rest->settings.zone_us };
}

/* What every search of the store knows; the request's own parts are to be added. */
struct search_settings request_search_settings(const struct rest *rest);

/* Each handles one interaction: fills r->response or returns an error with
 * issues, which rest_handle() renders. */
MUST_USE enum err rest_capabilities(struct request *r);
MUST_USE enum err rest_read(struct request *r); /* read and vread */
MUST_USE enum err rest_history(struct request *r);
MUST_USE enum err rest_create(struct request *r);
MUST_USE enum err rest_update(struct request *r);
MUST_USE enum err rest_patch(struct request *r);
MUST_USE enum err rest_delete(struct request *r);
MUST_USE enum err rest_bundle(struct request *r);
MUST_USE enum err rest_search(struct request *r);
MUST_USE enum err rest_everything(struct request *r);
MUST_USE enum err rest_validate(struct request *r); /* $validate */

/* The one that the route names. */
MUST_USE enum err request_run(struct request *r);

/* The body's JSON. `scratch` is initialised here, whatever comes back, with room
 * for the tape and as much again for small parses; the caller releases it. A body
 * with a value for less than every 6 bytes is refused: FHIR has one every 10 to
 * 14, and the tape would be many times the body. */
MUST_USE enum err request_parse(struct request *r, struct arena *scratch, struct json_doc *ret_doc);

/* r->pairs from the query, _format and _pretty and the members of a presigned
 * URL taken out; `ret_format` (may be NULL) gets _format. */
MUST_USE enum err request_query(struct request *r, struct slice *ret_format);

/* ERR_INVALID naming the first query parameter that is not in `known`
 * (NULL-terminated). */
MUST_USE enum err request_only(struct request *r, const char *const *known);
/* The value of the only parameter of that name; NULL when absent. */
const struct slice *request_parameter(const struct request *r, const char *name);

/* The same of a date: a '+' that was not encoded arrives as a blank and is its
 * zone's again. *ret_text is NULL when the parameter is absent. */
MUST_USE enum err request_date_text(struct request *r, const char *name,
                                    const struct slice **ret_text);

/* ERR_GONE with the issue that names the history horizon; `what` is wanted of a time
 * before it, as "This page". */
MUST_USE enum err request_beyond(struct request *r, struct slice what);
/* A reader at r->time; ERR_GONE gets its issue. */
MUST_USE enum err request_reader(struct request *r, struct store_reader **ret_reader);

/* The token of a page, in the request's arena; and one of a client. */
struct slice request_page_token(struct request *r, uint64_t time, uint64_t position);
MUST_USE enum err request_page_parse(struct request *r, struct slice token,
                                     uint64_t *ret_time, uint64_t *ret_position);

/* The time of the last commit before the instant, into r->time; the store's beginning
 * when there was none. */
MUST_USE enum err request_asof(struct request *r, int64_t before_us);

/* r->time so many milliseconds ago, if it is not before that already; 0: as it is. */
MUST_USE enum err request_lag(struct request *r, uint32_t lag_ms);

/* _count into [0, largest]: absent gives the default, a larger one the largest
 * (or a 400 under refuse_large_count). */
MUST_USE enum err request_count(struct request *r, uint32_t *ret_count);

#endif
