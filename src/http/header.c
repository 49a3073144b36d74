#include "http/http.h"

#include <string.h>

static const struct slice *find(const struct http_header *headers, size_t count, const char *name)
{
    struct slice wanted = slice_cstr(name);
    for (size_t i = 0; i < count; i++)
        if (headers[i].name.length == wanted.length && slice_equal_nocase(headers[i].name, wanted))
            return &headers[i].value;
    return NULL;
}

const struct slice *http_header_find(const struct http_request *r, const char *name)
{
    return find(r->headers, r->header_count, name);
}

const struct slice *http_answer_header(const struct http_exchange *x, const char *name)
{
    return find(x->answer_headers, x->answer_header_count, name);
}

enum err http_response_header(struct http_request *r, struct http_response *w, const char *name,
                              struct slice value)
{
    size_t count = w->header_count;
    if (count >= w->header_room) {
        size_t room = count < 8 ? 8 : count * 2;
        struct http_header *headers = arena_raw(r->arena, room * sizeof *headers);
        if (!headers)
            return ERR_NO_MEMORY;
        if (count)
            memcpy(headers, w->headers, count * sizeof *headers);
        w->headers = headers;
        w->header_room = room;
    }
    w->headers[count] = (struct http_header){ slice_cstr(name), value };
    w->header_count = count + 1;
    return ERR_NONE;
}
