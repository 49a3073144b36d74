#include "base/issues.h"

#include <stdarg.h>
#include <stdio.h>

void issues_init(struct issues *list, struct arena *arena)
{
    *list = (struct issues){ .arena = arena };
    list->tail = &list->first;
}

static struct slice format_text(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length < 0 ? NULL : arena_raw(arena, (size_t)length + 1);
    if (!text)
        return SLICE("(no memory left for the text of this finding)");
    vsnprintf(text, (size_t)length + 1, format, args);
    return slice_of(text, (size_t)length);
}

static void add(struct issues *list, enum issue_severity severity, const char *code,
                struct slice expression, const char *format, va_list args)
{
    list->last = NULL;
    if (list->count++ >= ISSUES_MAX)
        return;
    struct issue *issue = arena_alloc(list->arena, sizeof *issue);
    if (!issue)
        return;
    issue->severity = severity;
    issue->code = code;
    issue->text = format_text(list->arena, format, args);
    if (!expression.length && list->parameter.length)
        issue->expression =
            arena_printf(list->arena, "http.%.*s", SLICE_ARGS(slice_head(list->parameter, 100)));
    if (expression.length) {
        char *copy = arena_copy(list->arena, expression);
        issue->expression = copy ? slice_of(copy, expression.length) : SLICE_NONE;
    }
    *list->tail = list->last = issue;
    list->tail = &issue->next;
}

void issues_add(struct issues *list, enum issue_severity severity, const char *code,
                struct slice expression, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(list, severity, code, expression, format, args);
    va_end(args);
}

void issues_locate(struct issues *list, uint32_t line, uint32_t column)
{
    if (!list->last)
        return;
    list->last->line = line;
    list->last->column = column;
}

static struct slice copy_of(struct arena *arena, struct slice text)
{
    const char *copy = text.length ? arena_copy(arena, text) : NULL;
    return slice_of(copy, copy ? text.length : 0);
}

void issues_demand(struct issues *list, struct slice rule, struct slice profile)
{
    if (!list->last)
        return;
    list->last->rule = copy_of(list->arena, rule);
    list->last->profile = copy_of(list->arena, profile);
}

void issues_move(struct issues *to, struct issues *from)
{
    if (from->first && to->count < ISSUES_MAX) {
        *to->tail = from->first;
        to->tail = from->tail;
        to->last = from->last;
    }
    to->count += from->count;
    from->first = from->last = NULL;
    from->tail = &from->first;
    from->count = 0;
}

void issues_rewind(struct issues *list, const struct issues *before)
{
    *list = *before;
    *list->tail = NULL;
}

enum err issues_fail(struct issues *list, enum err err, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(list, ISSUE_ERROR, code, SLICE_NONE, format, args);
    va_end(args);
    return err;
}
