/* sync/ask.c - one signed request to the target, outside of any run. */
#include "sync/sync.h"
#include "sync/target.h"

enum { ANSWER_BYTES_MAX = 16 << 20 };

static enum err ask(struct session *session, const struct sync_question *q, struct arena *arena,
                    struct sync_reply *ret)
{
    struct target t;
    struct http_exchange x;
    TRY(target_open(&t, session, arena, &ret->problem));
    const struct target_request request = {
        .method = q->method, .path = q->path, .query = q->query, .body = q->body
    };
    enum err err = target_perform(&t, &request, arena, &x);
    if (err) {
        ret->problem = session_problem(session, &x, err, arena);
        return err;
    }
    ret->status = x.status;
    if (x.status >= 300)
        ret->problem = session_problem(session, &x, err, arena);
    size_t length = (size_t)MIN(session->answer.bytes, (uint64_t)ANSWER_BYTES_MAX);
    char *body = arena_raw(arena, length + 1);
    if (!body)
        return ERR_NO_MEMORY;
    ret->body = slice_of(body, length);
    return length ? spool_read(&session->answer, 0, body, length) : ERR_NONE;
}

enum err sync_ask(const struct sync_settings *settings, const struct sync_question *question,
                  struct arena *arena, struct sync_reply *ret)
{
    struct session session;
    struct sync_settings once = *settings;
    once.tries = 1;
    once.target = SYNC_TARGET_FHIR; /* so that opening asks nothing */
    *ret = (struct sync_reply){ .status = 0 };
    TRY(session_open(&session, &once));
    enum err err = ask(&session, question, arena, ret);
    session_close(&session);
    return err;
}
