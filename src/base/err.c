#include "base/err.h"

#include <stddef.h>

struct err_row {
    const char *name;
    int status;
    const char *issue;
    int service_status;
    const char *service_type, *text, *details;
};

static const struct err_row rows[ERR_COUNT] = {
#define X(name, ...) [ERR_##name] = { #name, __VA_ARGS__ },
    ERR_LIST(X)
#undef X
};

static const struct err_row *row(enum err e)
{
    CHECK(e < ERR_COUNT);
    return &rows[e];
}

const char *err_name(enum err e)
{
    return row(e)->name;
}

const char *err_text(enum err e)
{
    return row(e)->text;
}

int err_http_status(enum err e)
{
    return row(e)->status;
}

const char *err_issue(enum err e)
{
    return row(e)->issue;
}

const char *err_details(enum err e)
{
    return row(e)->details;
}

int err_service_status(enum err e)
{
    return row(e)->service_status;
}

const char *err_service_type(enum err e)
{
    return row(e)->service_type;
}
