#include "cli/cli.h"

#include <stddef.h>

const struct cli_verb cli_verbs[] = {
    { NULL, NULL, NULL },
};
