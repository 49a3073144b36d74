/* sync/target.h - the store that is written to: where, which kind, how to ask.
 *
 * Every request is signed with SigV4 (service healthlake) when credentials are
 * given, for each try anew; those that have expired are renewed, if the settings
 * can. A clock that the target finds wrong is measured from its Date header and
 * corrected once. Answers lie in session.answer.
 */
#ifndef SYNC_TARGET_H
#define SYNC_TARGET_H

#include "sync/bundle.h"
#include "sync/session.h"
#include "sync/split.h"
#include "base/url.h"

struct target {
    struct session *session;
    struct slice base; /* the endpoint without last slash */
    struct url url;    /* of the base */
    enum sync_target kind;
    struct split_limits limits;
    bool is_hopeless; /* it refuses the credentials or does not answer: no use going on */
    int64_t clock_offset_us; /* the target's clock minus ours, once found wrong */
    struct aws_credentials credentials; /* the settings', or those that came after them */
    int64_t renewed_us;                 /* monotonic; 0: never */
};

struct target_request {
    const char *method;
    struct slice path;   /* behind the base, encoded: "/Patient/1"; may be empty */
    struct slice query;  /* encoded, without '?'; may be empty */
    struct slice body;   /* or: */
    const struct bundle_writer *bundle; /* written from its start at every try */
    const char *extra_name;             /* one more header, signed too; or NULL */
    struct slice extra_value;
    bool wants_outcome; /* Prefer: return=OperationOutcome */
};

/* Parse the endpoint and find out its kind and limits (may ask for metadata). On
 * failure *ret_problem is a sentence. */
MUST_USE enum err target_open(struct target *t, struct session *s, struct arena *arena,
                              struct slice *ret_problem);

/* One try. An HTTP status is no error. */
MUST_USE enum err target_perform(struct target *t, const struct target_request *request,
                                 struct arena *arena, struct http_exchange *ret);
/* All tries of what may pass by itself; the last answer, whatever it is. Only for
 * requests that may be repeated. */
MUST_USE enum err target_ask(struct target *t, const struct target_request *request,
                             struct arena *arena, struct http_exchange *ret);
/* The same for a whole URL that the target gave, on its own origin only. */
MUST_USE enum err target_follow(struct target *t, struct slice url, struct arena *arena,
                                struct http_exchange *ret);

/* The credentials themselves are refused, not only an action denied to them. */
bool target_is_refusal(const struct http_exchange *x);
/* The target's clock minus ours by an answer's Date; false without one. */
bool target_clock(const struct http_exchange *x, int64_t *ret_offset_us);

const char *sync_target_name(enum sync_target kind);

#endif
