#include "base/err.h"

struct err_row {
    const char *name;
    int status;
    const char *text;
};

static const struct err_row rows[ERR_COUNT] = {
#define X(name, status, text) [ERR_##name] = { #name, status, text },
    ERR_LIST(X)
#undef X
};

const char *err_name(enum err e)
{
    CHECK(e < ERR_COUNT);
    return rows[e].name;
}

const char *err_text(enum err e)
{
    CHECK(e < ERR_COUNT);
    return rows[e].text;
}

int err_http_status(enum err e)
{
    CHECK(e < ERR_COUNT);
    return rows[e].status;
}
