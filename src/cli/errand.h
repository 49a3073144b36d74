/* cli/errand.h - where `tarn sync` and `tarn everything` go, and as whom.
 *
 * Each setting comes from the first that has it: the option, the environment, the
 * `.env` file, the AWS profile, the default. The names are those of Flexpa's guide.
 */
#ifndef CLI_ERRAND_H
#define CLI_ERRAND_H

#include "cli/dotenv.h"
#include "cli/options.h"
#include "sync/sync.h"

/* As written on the command line or found in the environment; NULL: not there. */
struct errand {
    const char *endpoint, *region, *profile, *env_file, *ca_file, *consents;
    bool progress, quiet;
};

/* The option rows that both verbs have, for the front of their tables. */
#define ERRAND_ROWS(p)                                                                          \
    { "endpoint", OPTION_TEXT, "URL", "HEALTHLAKE_ENDPOINT",                                   \
      "the store: https://HOST/datastore/ID/r4\n(.env too)",                                   \
      &(p)->endpoint },                                                                        \
    { "region", OPTION_TEXT, "NAME", NULL,                                                     \
      "of the store (AWS_REGION, the profile's, us-east-1)", &(p)->region },                   \
    { "profile", OPTION_TEXT, "NAME", NULL,                                                    \
      "an AWS profile instead of AWS_ACCESS_KEY_ID and\nAWS_SECRET_ACCESS_KEY; without either "  \
      "nothing is signed",                                                                     \
      &(p)->profile },                                                                         \
    { "consents", OPTION_TEXT, "FILE", NULL, "lines of `user, consent, token`", &(p)->consents }, \
    { "env-file", OPTION_TEXT, "FILE", NULL, "instead of .env", &(p)->env_file },              \
    { "ca-file", OPTION_TEXT, "FILE", NULL, "certificates to trust instead of the system's",   \
      &(p)->ca_file },                                                                         \
    { "progress", OPTION_SWITCH, NULL, NULL,                                                   \
      "say on stderr what goes on, also without a terminal", &(p)->progress },                 \
    { "quiet", OPTION_SWITCH, NULL, NULL, "no progress on a terminal either", &(p)->quiet }

/* Fill endpoint, region, credentials, ca_file and say of *settings; texts in the
 * arena. `d` is filled too, for the verb's own settings. -1 to go on, else the
 * exit status, told on stderr. */
int errand_find(const char *verb, const struct errand *p, struct arena *arena, struct dotenv *d,
               struct sync_settings *settings);

/* The consents file, when one is named. -1 to go on. */
int errand_consents(const char *verb, const struct errand *p, struct arena *arena,
                   struct sync_consent **ret_consents, size_t *ret_count);

/* Option, environment, .env: the first that has it; NULL. */
const char *errand_text(const char *option, const char *name, const struct dotenv *d);

#endif
