#include "sync/result.h"

#include <stdarg.h>
#include <stdio.h>

enum { PROBLEM_BYTES = 600 };

void result_init(struct result *r, struct sync_result *public, struct arena *arena)
{
    *r = (struct result){ .public = public, .arena = arena, .tail = &public->failures };
}

void result_fail(struct result *r, struct slice resource, struct slice reason)
{
    r->public->failed++;
    if (r->failures_kept == SYNC_FAILURES_MAX)
        return;
    struct sync_failure *failure = arena_alloc(r->arena, sizeof *failure);
    if (!failure)
        return;
    failure->resource = slice_of(arena_copy(r->arena, resource), resource.length);
    failure->reason = slice_of(arena_copy(r->arena, reason), reason.length);
    if (!failure->resource.bytes || !failure->reason.bytes)
        return;
    r->failures_kept++;
    *r->tail = failure;
    r->tail = &failure->next;
}

void result_fail_entry(struct result *r, uint64_t entry, const char *reason)
{
    char name[40];
    int length = snprintf(name, sizeof name, "entry %llu", (unsigned long long)entry);
    result_fail(r, slice_of(name, (size_t)length), slice_cstr(reason));
}

void result_fail_row(struct result *r, struct member *m, struct member_row *row,
                     struct slice reason)
{
    char name[MEMBER_NAME_BYTES];
    row->state = MEMBER_FAILED;
    result_fail(r, member_name(m, row, name), reason);
}

enum err result_problem(struct result *r, enum err err, const char *format, ...)
{
    CHECK(err);
    if (r->public->problem.length)
        return err;
    char text[PROBLEM_BYTES];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct slice cut = slice_of(text, MIN((size_t)MAX(length, 0), sizeof text - 1));
    const char *copy = arena_copy(r->arena, cut);
    r->public->problem = copy ? slice_of(copy, cut.length) : SLICE("out of memory");
    return err;
}

void result_fail_rest(struct result *r, struct member *m, struct slice reason)
{
    for (size_t i = 0; i < member_count(m); i++) {
        struct member_row *row = member_row(m, i);
        if (row->state == MEMBER_WAITING)
            result_fail_row(r, m, row, reason);
    }
}

static void count_states(struct sync_result *p, const struct member *m)
{
    for (size_t i = 0; i < member_count(m); i++) {
        switch ((enum member_state)member_row(m, i)->state) {
        case MEMBER_WAITING:
            p->planned++;
            break;
        case MEMBER_CREATED:
            p->created++;
            break;
        case MEMBER_UPDATED:
            p->updated++;
            break;
        case MEMBER_UNCHANGED:
            p->unchanged++;
            break;
        case MEMBER_UPDATED_OR_UNCHANGED:
            p->updated_or_unchanged++;
            break;
        case MEMBER_FAILED:
            break; /* counted by result_fail() */
        }
    }
}

void result_close(struct result *r, struct member *m)
{
    struct sync_result *p = r->public;
    count_states(p, m);
    size_t type_count = m->types.length / sizeof(struct slice);
    p->types = arena_array(r->arena, type_count, sizeof *p->types);
    if (!p->types)
        return;
    p->type_count = type_count;
    const struct slice *names = (const struct slice *)(const void *)m->types.bytes;
    for (size_t i = 0; i < type_count; i++)
        p->types[i].type = slice_of(arena_copy(r->arena, names[i]), names[i].length);
    for (size_t i = 0; i < member_count(m); i++)
        p->types[member_row(m, i)->type].count++;
}
