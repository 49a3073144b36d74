/* sync/session.h - what one run holds open: the client, the answer, the voice.
 *
 * Private to sync/. Not thread-safe.
 */
#ifndef SYNC_SESSION_H
#define SYNC_SESSION_H

#include "http/http.h"
#include "sync/reason.h"
#include "sync/spool.h"
#include "sync/sync.h"
#include "sync/wait.h"

struct session {
    const struct sync_settings *settings; /* borrowed */
    struct http_client *client;           /* owned */
    struct spool answer; /* body of the last answer, flushed */
};

MUST_USE enum err session_open(struct session *s, const struct sync_settings *settings);
void session_close(struct session *s);

/* A line of progress. */
void session_say(const struct session *s, const char *format, ...) PRINTF_LIKE(2, 3);

/* A patience with the run's tries, time and clock. */
struct patience session_patience(const struct session *s);

/* One try: the answer's body goes to s->answer. An HTTP status is no error. */
MUST_USE enum err session_perform(struct session *s, struct http_exchange *x,
                                  struct arena *arena);

/* Whether a status that is no success may pass by itself. 409 is what HealthLake
 * answers to transactions that met on one resource. */
bool status_is_passing(int status);
/* A sentence for a request that failed: the call's error, or status and words. */
struct slice session_problem(const struct session *s, const struct http_exchange *x,
                             enum err err, struct arena *arena);

#endif
