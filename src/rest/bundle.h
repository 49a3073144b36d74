/* rest/bundle.h - batch and transaction.
 *
 *   parse     Bundle JSON to entries: verb, route, target (bundle_parse.c)
 *   draft     entries to writes, references rewritten (bundle_draft.c)
 *   apply     writes to one commit (bundle.c)
 *   answer    results, and GET entries at the commit's time, to a Bundle
 *             (bundle_answer.c)
 *
 * The whole body is parsed once; resources are slices of it. Processing order is
 * FHIR's: DELETE, POST, PUT, then GET; answers stand in request order. In a
 * batch each entry passes or fails alone, within one commit; a target that is
 * written twice there needs another commit for each repetition (a round). A
 * patch is drafted just before its commit, from what is there then, and again
 * when another commit came in between.
 *
 * Criteria in a transaction (ifNoneExist, a search URL instead of an id, a
 * reference "Type?criteria") are searched and the whole is drafted under one
 * condition of the store, again whenever another commit overtook it
 * (bundle_condition.c). A batch runs its conditional writes one by one.
 */
#ifndef REST_BUNDLE_H
#define REST_BUNDLE_H

#include "base/map.h"
#include "rest/criteria.h"
#include "rest/patch.h"
#include "rest/request.h"

/* In processing order; VERB_PUT is PATCH too. */
enum verb { VERB_DELETE, VERB_POST, VERB_PUT, VERB_GET, VERB_NONE };

/* More repetitions of one target than this are refused: each costs a commit. */
enum { BUNDLE_ROUNDS_MAX = LIMIT_BATCH_ROUNDS };

struct entry {
    enum verb verb;
    bool is_head;            /* of VERB_GET: answered without the resource */
    bool is_open;            /* a write that no commit has decided */
    bool is_inner;           /* a conditional write of a batch: a request of its own */
    enum patch_kind patch;   /* of PATCH */
    struct slice patch_text; /* its document, in the arena */
    enum err err;            /* why it failed; ERR_NONE so far */
    uint32_t round;          /* the commit that takes its write, from 0 */
    struct json resource;
    struct slice full_url;
    struct slice path, query; /* of request.url, relative to the base */
    /* in the arena */
    const struct slice *if_match, *if_none_match, *if_modified_since, *if_none_exist;
    struct route route;
    struct slice target;   /* "Type/id" of a write; in the arena */
    struct issues *issues; /* NULL until one is found */
    struct store_write *write;
    struct store_result result;
    struct slice faults;   /* stored all the same: an OperationOutcome */
    struct slice inner_answer; /* of is_inner: its response entry, whole */
    /* A conditional write of a transaction; NULL: none. */
    struct criteria *criteria;
    struct slice new_id;     /* what a create or update that matches nothing gets */
    struct slice body_id;    /* the resource's own; empty: none */
    bool is_settled;         /* nothing to write: the answer is about what was there */
    struct entry *same_as;   /* the POST before it that makes what it would have made */
};

/* A reference by criteria, as often as it may stand in the bundle. */
struct bundle_reference {
    struct slice text; /* "Type?criteria" */
    struct criteria *criteria;
    size_t matches; /* in the store and in the bundle; 2: more than one */
    struct slice target;
    bool is_decided; /* as the store said: the first draft has it already */
};

struct bundle {
    struct request *r;
    bool is_transaction;
    struct json_doc doc;
    struct arena scratch; /* tape of the bundle below, of rewritten resources above */
    struct entry *entries;
    size_t count;
    struct map full_urls; /* fullUrl to place of its entry */
    struct map targets;   /* "Type/id" to number of writes so far; transaction: place + 1 */
    uint32_t round_count;
    bool has_faults; /* an entry was stored with findings */
    uint64_t time; /* reader time of the answer */
    /* of a transaction with criteria: */
    size_t condition_count; /* conditional entries and references */
    struct bundle_reference *references;
    size_t reference_count;
    struct map reference_places; /* text to place + 1 */
    struct store_condition *condition; /* NULL: none holds */
    bool is_final;                     /* every reference must resolve in this draft */
};

/* The list of an entry, made when first needed; NULL when memory is short. */
struct issues *entry_issues(struct bundle *b, struct entry *e);
/* Let the entry fail with this finding. */
void entry_fail(struct bundle *b, struct entry *e, enum err err, const char *code,
                const char *format, ...) PRINTF_LIKE(5, 6);

/* Errors of the bundle as a whole are returned; those of entries stay in them. */
MUST_USE enum err bundle_parse(struct bundle *b);
/* Fill e->write of each entry that writes, but for patches. ERR_NO_MEMORY only. */
MUST_USE enum err bundle_draft(struct bundle *b);
/* The patches of a round, from what is there now. ERR_NO_MEMORY only. */
MUST_USE enum err bundle_draft_patches(struct bundle *b, uint32_t round);
/* The size of an entry's resource against its limit. */
MUST_USE enum err bundle_resource_check(struct bundle *b, const struct entry *e);
/* The conditional writes of a batch, each a commit of its own behind the others. */
MUST_USE enum err bundle_run_inner(struct bundle *b);
MUST_USE enum err bundle_answer(struct bundle *b);

/* Name the targets of the writes; two of one target are an entry's failure in a
 * transaction, a further round in a batch. */
MUST_USE enum err bundle_targets(struct bundle *b);
/* Of a transaction: parse all criteria. Failures stay in the entries. */
MUST_USE enum err bundle_conditions_parse(struct bundle *b);
/* Search, draft and commit the transaction under its conditions. */
MUST_USE enum err bundle_run_conditions(struct bundle *b);
/* The one round of a transaction; *ret_again: nothing was written, try again. */
MUST_USE enum err bundle_round_try(struct bundle *b, uint32_t round, bool *ret_again);

/* bundle_mark.c: the text of an asynchronous transaction's mark; and the results of
 * one that was committed before, from r->resume_text. */
MUST_USE enum err bundle_mark_make(struct bundle *b, struct slice *ret_text);
MUST_USE enum err bundle_resume(struct bundle *b);

/* The error of a transaction's first failed entry, all findings gathered in the
 * request's list; ERR_NONE when none failed. */
MUST_USE enum err bundle_failure(struct bundle *b);

#endif
