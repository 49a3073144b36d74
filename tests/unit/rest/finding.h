/* Resources stored by hand, and what searches find of them. */
#ifndef TESTS_REST_FINDING_H
#define TESTS_REST_FINDING_H

#include "rest/world.h"

#include "base/buf.h"

UNUSED static void store(struct world *w, const char *type, const char *id, const char *members)
{
    struct slice target = arena_printf(&w->arena, "%s/%s", type, id);
    struct slice body = arena_printf(
        &w->arena, "{\"resourceType\":\"%s\",\"id\":\"%s\"%s%s}", type, id,
        members[0] ? "," : "", members);
    struct answer a = put(w, target.bytes, body.bytes);
    if (a.status != 200 && a.status != 201)
        fail_msg("%s: %d %.*s", target.bytes, a.status, SLICE_ARGS(a.body));
}

/* What a search must find: ids in commit order, blanks between. */
UNUSED static void assert_found(struct world *w, const char *target, const char *expected)
{
    struct answer a = get(w, target);
    if (a.status != 200)
        fail_msg("%s: %d %.*s", target, a.status, SLICE_ARGS(slice_head(a.body, 600)));
    struct buf ids;
    buf_init(&ids, 1 << 16);
    struct json entries = answer_find(&a, "entry");
    for (struct json e = json_first(entries); json_exists(e); e = json_next(entries, e)) {
        if (ids.length)
            buf_append_byte(&ids, ' ');
        buf_append(&ids, json_string(json_member(json_member(e, "resource"), "id"), &w->arena));
    }
    buf_append_byte(&ids, '\0');
    if (strcmp(ids.bytes, expected) != 0)
        fail_msg("%s finds '%s', expected '%s'", target, ids.bytes, expected);
    buf_release(&ids);
}

UNUSED static void assert_refused(struct world *w, const char *target, const char *mention)
{
    struct answer a = get(w, target);
    if (a.status != 400)
        fail_msg("%s: %d, expected 400", target, a.status);
    assert_contains(arena_copy(&w->arena, a.body), mention);
}

#endif
