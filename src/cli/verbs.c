#include "cli/cli.h"

#include <stddef.h>

const struct cli_verb cli_verbs[] = {
    { "presign", "sign a URL for curl or a browser", cli_presign },
    { NULL, NULL, NULL },
};
