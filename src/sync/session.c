#include "sync/session.h"

#include <stdarg.h>
#include <stdio.h>

#define ANSWER_BYTES ((uint64_t)8 * 1024 * 1024 * 1024)

/* A target may think long about a large transaction before its first byte. */
enum { LINE_BYTES = 512, TRIES = 5, WAIT_SECONDS = 900, STALL_MS = 300 * 1000 };

enum err session_open(struct session *s, const struct sync_settings *settings)
{
    *s = (struct session){ .settings = settings };
    spool_init(&s->answer, ANSWER_BYTES);
    TRY(spool_open(&s->answer));
    enum err err = http_client_open(&s->client);
    if (err)
        spool_close(&s->answer);
    return err;
}

void session_close(struct session *s)
{
    if (s->client)
        http_client_close(s->client);
    s->client = NULL;
    spool_close(&s->answer);
}

void session_say(const struct session *s, const char *format, ...)
{
    if (!s->settings->say)
        return;
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length > 0)
        s->settings->say(s->settings->say_context,
                         slice_of(line, MIN((size_t)length, sizeof line - 1)));
}

struct patience session_patience(const struct session *s)
{
    struct patience p;
    unsigned seconds = s->settings->wait_seconds ? s->settings->wait_seconds : WAIT_SECONDS;
    patience_init(&p, s->settings->tries ? s->settings->tries : TRIES, seconds * SECOND_US);
    p.sleep = s->settings->sleep;
    p.sleep_context = s->settings->sleep_context;
    return p;
}

enum err session_perform(struct session *s, struct http_exchange *x, struct arena *arena)
{
    TRY(spool_clear(&s->answer));
    x->sink = spool_sink;
    x->sink_state = &s->answer;
    x->ca_file = s->settings->ca_file;
    x->stall_timeout_ms = STALL_MS;
    enum err err = http_client_perform(s->client, x, arena);
    enum err flushed = spool_flush(&s->answer);
    return err ? err : flushed;
}

bool status_is_passing(int status)
{
    return status == 408 || status == 409 || status == 429 || status == 500 || status == 502 ||
           status == 503 || status == 504;
}

struct slice session_problem(const struct session *s, const struct http_exchange *x,
                             enum err err, struct arena *arena)
{
    if (err == ERR_IO)
        return SLICE("a temporary file cannot be written (TMPDIR, else /tmp): is the disk full?");
    if (err && x->error.length)
        return arena_printf(arena, "%.*s", SLICE_ARGS(x->error));
    if (err)
        return arena_printf(arena, "%s", err_text(err));
    struct reason reason;
    reason_read(&s->answer, arena, &reason);
    return arena_printf(arena, "status %d%s%.*s", x->status, reason.text.length ? ": " : "",
                        SLICE_ARGS(reason.text));
}
