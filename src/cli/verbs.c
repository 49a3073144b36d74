#include "cli/cli.h"

#include <stddef.h>

const struct cli_verb cli_verbs[] = {
    { "serve", "serve a record store", cli_serve },
    { "check", "look whether everything in a store agrees, and repair its index", cli_check },
    { "presign", "sign a URL for curl or a browser", cli_presign },
    { "sandbox", "play Flexpa: made-up or recorded members over plain HTTP", cli_sandbox },
    { "sync", "bring records from Flexpa into a store", cli_sync },
    { "everything", "a user's whole record out of the store", cli_everything },
    { "validate", "check FHIR files against the definitions of R4", cli_validate },
    { "package", "FHIR packages that resources are checked against", cli_package },
    { "iam", "users, keys, policies, and what they may do", cli_iam },
    { "limits", "every limit, its presets and settings", cli_limits },
    { "errors", "the table of errors: statuses, codes, types", cli_errors },
    { NULL, NULL, NULL },
};
