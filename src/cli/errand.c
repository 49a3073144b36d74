#include "cli/errand.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/assume.h"
#include "os/file.h"

enum { FILE_BYTES = 64 << 20 };

static void print_progress(void *context, struct slice line)
{
    (void)context;
    fprintf(stderr, "  %.*s\n", SLICE_ARGS(line));
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

const char *errand_text(const char *option, const char *name, const struct dotenv *d)
{
    if (option)
        return option;
    return environment(name) ? environment(name) : dotenv_find(d, name);
}

/* A missing .env is none; a missing file that was named is wrong use. */
static int read_dotenv(const char *verb, const struct errand *p, struct arena *arena,
                       struct dotenv *d)
{
    const char *path = p->env_file ? p->env_file : ".env";
    struct buf text;
    buf_init(&text, FILE_BYTES);
    size_t line = 0;
    *d = (struct dotenv){ NULL };
    enum err err = os_file_read(path, &text);
    if (err == ERR_NOT_FOUND && !p->env_file) {
        buf_release(&text);
        return -1;
    }
    if (!err)
        err = dotenv_parse(buf_slice(&text), arena, d, &line);
    buf_release(&text);
    if (err == ERR_SYNTAX)
        return options_refuse(verb, "%s line %zu is not NAME=value", path, line);
    return err ? options_refuse(verb, "%s cannot be read: %s", path, err_text(err)) : -1;
}

static struct slice text_of(const char *text)
{
    return slice_cstr(text ? text : "");
}

/* Where renewed credentials come from, and go. */
struct renewing {
    const char *profile; /* NULL: the usual one */
    struct arena *arena; /* of the whole errand */
};

/* The profile's, once more: a role's or a process's come to an end. */
static enum err renew(void *context, struct aws_credentials *ret, struct slice *ret_text)
{
    const struct renewing *r = context;
    struct slice region;
    return aws_credentials_resolve(r->arena, r->profile, cli_assume, NULL, ret, &region, ret_text);
}

/* Keys of .env stand between the environment's and a profile that nobody named. */
static int find_credentials(const char *verb, const struct errand *p, struct arena *arena,
                            const struct dotenv *d, struct sync_settings *settings)
{
    const char *profile = p->profile;
    struct slice region = SLICE_NONE, why = SLICE_NONE;
    bool named = profile || environment("AWS_PROFILE");
    bool env_keys = environment("AWS_ACCESS_KEY_ID") && !named;
    if (!named && !env_keys && dotenv_find(d, "AWS_ACCESS_KEY_ID")) {
        settings->credentials = (struct aws_credentials){
            .access_key_id = text_of(dotenv_find(d, "AWS_ACCESS_KEY_ID")),
            .secret_access_key = text_of(dotenv_find(d, "AWS_SECRET_ACCESS_KEY")),
            .session_token = text_of(dotenv_find(d, "AWS_SESSION_TOKEN")),
        };
        if (!settings->credentials.secret_access_key.length)
            return options_refuse(verb, "AWS_SECRET_ACCESS_KEY is missing beside the key id");
        return -1;
    }
    if (!named && !env_keys && dotenv_find(d, "AWS_PROFILE")) {
        profile = dotenv_find(d, "AWS_PROFILE");
        named = true;
    }
    enum err err = aws_credentials_resolve(arena, profile, cli_assume, NULL, &settings->credentials,
                                           &region, &why);
    if (!settings->region.length)
        settings->region = region;
    struct renewing *renewing = err ? NULL : arena_alloc(arena, sizeof *renewing);
    if (renewing) {
        *renewing = (struct renewing){ profile, arena };
        settings->renew = renew;
        settings->renew_context = renewing;
    }
    if (!err)
        return -1;
    settings->credentials = (struct aws_credentials){ .session_token = SLICE_NONE };
    bool is_aws = slice_find(settings->endpoint, SLICE(".amazonaws.com")) >= 0;
    if (named || env_keys || is_aws) {
        options_refuse(verb, "no credentials: %.*s", SLICE_ARGS(why));
        return 1;
    }
    return -1;
}

int errand_find(const char *verb, const struct errand *p, struct arena *arena, struct dotenv *d,
                struct sync_settings *settings)
{
    int status = read_dotenv(verb, p, arena, d);
    if (status >= 0)
        return status;
    settings->endpoint = text_of(errand_text(p->endpoint, "HEALTHLAKE_ENDPOINT", d));
    settings->region = text_of(errand_text(p->region, "AWS_REGION", d));
    settings->ca_file = p->ca_file;
    if (p->progress || (!p->quiet && isatty(STDERR_FILENO)))
        settings->say = print_progress;
    if (!settings->endpoint.length)
        return options_refuse(verb, "the store is not named: --endpoint URL, or "
                                    "HEALTHLAKE_ENDPOINT in the environment or in .env");
    status = find_credentials(verb, p, arena, d, settings);
    if (!settings->region.length)
        settings->region = SLICE("us-east-1");
    return status;
}

int errand_consents(const char *verb, const struct errand *p, struct arena *arena,
                    struct sync_consent **ret_consents, size_t *ret_count)
{
    struct buf text;
    struct slice why = SLICE_NONE;
    buf_init(&text, FILE_BYTES);
    enum err err = os_file_read(p->consents, &text);
    if (!err)
        err = sync_consents_parse(buf_slice(&text), arena, ret_consents, ret_count, &why);
    buf_release(&text);
    if (why.length)
        return options_refuse(verb, "%s: %.*s", p->consents, SLICE_ARGS(why));
    return err ? options_refuse(verb, "%s cannot be read: %s", p->consents, err_text(err)) : -1;
}
