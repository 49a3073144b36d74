/* server/access_log.h - a line of JSON for each request; private.
 *
 *     {"time":"2026-11-24T10:51:31.397Z","id":"<request id>","caller":"AKID...",
 *      "action":"read","method":"GET","store":"<id>","type":"Patient","status":200,
 *      "in":412,"out":880,"us":153,"whole":true}
 *
 * No health data: of the path only the data store and a resource type of FHIR, of
 * the query and the bodies nothing. The caller is an access key's id, "root",
 * "local" (--no-auth), or "-" until credentials were found good.
 *
 * Whoever answers a request appends to a buffer and goes on; one thread writes.
 * When it cannot keep up, lines are dropped and a line {"dropped":N} says how many.
 * Rotation: move the file; within a second it is made anew. Thread-safe.
 */
#ifndef SERVER_ACCESS_LOG_H
#define SERVER_ACCESS_LOG_H

#include "http/http.h"

struct access_log;

struct access_line {
    const struct http_request *request;
    const struct http_traffic *traffic;
    struct slice caller, store, type; /* may be empty */
    const char *action;
};

/* `path`: a file, appended to, or "-" for standard output. ERR_IO with *error. */
MUST_USE enum err access_log_open(const char *path, struct arena *arena,
                                  struct access_log **ret_log, struct slice *error);
/* Writes what is left. NULL is harmless. */
void access_log_close(struct access_log *log);

/* Does not block. */
void access_log_add(struct access_log *log, const struct access_line *line);

#endif
