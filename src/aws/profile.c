/* aws/profile.c - credentials from the environment and the shared files.
 *
 * The files are INI: "[name]" in credentials, "[profile name]" (or "[default]")
 * in config, "key = value", comments from '#' or ';' at a line's start or behind
 * a blank. Indented lines belong to the key above and are passed over.
 */
#include <stdlib.h>

#include "aws/aws.h"
#include "base/buf.h"
#include "os/file.h"

enum { FILE_BYTES_MAX = 1 << 20 };

enum profile_key {
    KEY_ID,
    KEY_SECRET,
    KEY_TOKEN,
    KEY_REGION,
    KEY_UNSUPPORTED, /* from here on: ways we do not go */
    KEY_ROLE = KEY_UNSUPPORTED,
    KEY_PROCESS,
    KEY_SSO_SESSION,
    KEY_SSO_URL,
    KEY_WEB_IDENTITY,
    KEY_LOGIN,
    KEY_COUNT
};

static const char *const key_names[KEY_COUNT] = {
    "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region",
    "role_arn",          "credential_process",    "sso_session",       "sso_start_url",
    "web_identity_token_file", "login_session",
};

struct profile {
    struct slice values[KEY_COUNT];
    bool is_there;
};

static bool has_text(const char *text)
{
    return text && *text;
}

/* Up to a comment: '#' or ';' behind a blank. */
static struct slice strip_comment(struct slice line)
{
    for (size_t i = 1; i < line.length; i++) {
        bool blank = line.bytes[i - 1] == ' ' || line.bytes[i - 1] == '\t';
        if (blank && (line.bytes[i] == '#' || line.bytes[i] == ';'))
            return slice_trim(slice_head(line, i));
    }
    return slice_trim(line);
}

/* Is "[...]" the section of this profile? */
static bool is_section(struct slice line, struct slice name, bool is_config)
{
    ptrdiff_t end = slice_find_byte(line, ']');
    if (end < 1)
        return false;
    struct slice inside = slice_trim(slice_of(line.bytes + 1, (size_t)end - 1));
    if (!is_config || (slice_is(inside, "default") && slice_is(name, "default")))
        return slice_equal(inside, name);
    struct slice rest = inside;
    struct slice word = slice_cut(&rest, ' ');
    return slice_is(word, "profile") && slice_equal(slice_trim(rest), name);
}

static void read_setting(struct slice line, struct profile *p)
{
    struct slice value = strip_comment(line);
    struct slice key = slice_trim(slice_cut(&value, '='));
    for (size_t i = 0; i < KEY_COUNT && value.bytes; i++) {
        /* What an earlier file said stands. */
        if (slice_equal_nocase(key, slice_cstr(key_names[i])) && !p->values[i].length)
            p->values[i] = slice_trim(value);
    }
}

static void parse_file(struct slice text, struct slice name, bool is_config, struct profile *p)
{
    bool inside = false;
    for (struct slice rest = text; rest.bytes;) {
        struct slice line = slice_cut(&rest, '\n');
        if (!line.length || line.bytes[0] == '#' || line.bytes[0] == ';' ||
            line.bytes[0] == ' ' || line.bytes[0] == '\t')
            continue;
        if (line.bytes[0] == '[') {
            inside = is_section(line, name, is_config);
            p->is_there = p->is_there || inside;
        } else if (inside) {
            read_setting(line, p);
        }
    }
}

bool aws_credentials_parse(struct slice text, const char *profile,
                           struct aws_credentials *ret_credentials)
{
    struct profile p = { 0 };
    parse_file(text, slice_cstr(profile), false, &p);
    *ret_credentials = (struct aws_credentials){ p.values[KEY_ID], p.values[KEY_SECRET],
                                                 p.values[KEY_TOKEN] };
    return p.values[KEY_ID].length && p.values[KEY_SECRET].length;
}

/* The file named by the variable, else "~/.aws/<name>"; an absent one is empty. */
static enum err read_shared_file(struct arena *a, const char *variable, const char *name,
                                 struct slice *ret_text, struct slice *ret_why)
{
    const char *path = getenv(variable);
    const char *home = getenv("HOME");
    if (!has_text(path)) {
        if (!has_text(home))
            return ERR_NONE;
        path = arena_printf(a, "%s/.aws/%s", home, name).bytes;
        if (!path)
            return ERR_NO_MEMORY;
    }
    struct buf bytes;
    buf_init(&bytes, FILE_BYTES_MAX);
    enum err err = os_file_read(path, &bytes);
    if (!err) {
        char *copy = arena_copy(a, buf_slice(&bytes));
        *ret_text = slice_of(copy, bytes.length);
        err = copy ? ERR_NONE : ERR_NO_MEMORY;
    }
    buf_release(&bytes);
    if (err && err != ERR_NOT_FOUND)
        *ret_why = arena_printf(a, "%s cannot be read: %s", path, err_text(err));
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

static enum err read_profile(struct arena *a, struct slice name, struct profile *p,
                             struct slice *ret_text)
{
    struct slice credentials = SLICE_NONE, config = SLICE_NONE;
    TRY(read_shared_file(a, "AWS_SHARED_CREDENTIALS_FILE", "credentials", &credentials,
                         ret_text));
    TRY(read_shared_file(a, "AWS_CONFIG_FILE", "config", &config, ret_text));
    parse_file(credentials, name, false, p);
    parse_file(config, name, true, p);
    return ERR_NONE;
}

/* Why this profile gives no static key. */
static enum err profile_failure(struct arena *a, struct slice name, const struct profile *p,
                                struct slice *ret_text)
{
    for (size_t i = KEY_UNSUPPORTED; i < KEY_COUNT; i++) {
        if (!p->values[i].length)
            continue;
        *ret_text = arena_printf(a,
                                 "the AWS profile '%.*s' uses %s, which is not supported yet; "
                                 "export temporary credentials instead (aws configure "
                                 "export-credentials --format env)",
                                 SLICE_ARGS(name), key_names[i]);
        return ERR_UNSUPPORTED;
    }
    if (p->values[KEY_ID].length || p->values[KEY_SECRET].length) {
        *ret_text = arena_printf(a, "the AWS profile '%.*s' has no %s", SLICE_ARGS(name),
                                 p->values[KEY_ID].length ? key_names[KEY_SECRET]
                                                          : key_names[KEY_ID]);
        return ERR_INVALID;
    }
    *ret_text = arena_printf(a,
                             "no AWS credentials: set AWS_ACCESS_KEY_ID and "
                             "AWS_SECRET_ACCESS_KEY, or give the profile '%.*s' a key in "
                             "~/.aws/credentials (%s)",
                             SLICE_ARGS(name),
                             p->is_there ? "it has none" : "there is no such profile");
    return ERR_NOT_FOUND;
}

/* Copies of an environment variable: getenv()'s text may change. */
static struct slice copy_variable(struct arena *a, const char *name)
{
    struct slice text = slice_cstr(getenv(name));
    return text.length ? slice_of(arena_copy(a, text), text.length) : SLICE_NONE;
}

enum err aws_credentials_find(struct arena *a, const char *profile,
                              struct aws_credentials *ret_credentials, struct slice *ret_region,
                              struct slice *ret_text)
{
    const char *chosen = has_text(profile) ? profile : getenv("AWS_PROFILE");
    struct slice name = has_text(chosen) ? slice_cstr(chosen) : SLICE("default");
    *ret_region = copy_variable(a, "AWS_REGION");
    if (!ret_region->length)
        *ret_region = copy_variable(a, "AWS_DEFAULT_REGION");

    struct profile p = { 0 };
    TRY(read_profile(a, name, &p, ret_text));
    if (!ret_region->length)
        *ret_region = p.values[KEY_REGION];

    if (!has_text(chosen)) {
        struct aws_credentials found = {
            .access_key_id = copy_variable(a, "AWS_ACCESS_KEY_ID"),
            .secret_access_key = copy_variable(a, "AWS_SECRET_ACCESS_KEY"),
            .session_token = copy_variable(a, "AWS_SESSION_TOKEN"),
        };
        if (found.access_key_id.bytes && found.secret_access_key.bytes) {
            *ret_credentials = found;
            return ERR_NONE;
        }
        if (found.access_key_id.length || found.secret_access_key.length) {
            *ret_text = SLICE("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set together");
            return ERR_INVALID;
        }
    }
    /* A role goes before the key beside it: that key only asks for the role. */
    if (!p.values[KEY_ID].length || !p.values[KEY_SECRET].length || p.values[KEY_ROLE].length)
        return profile_failure(a, name, &p, ret_text);
    *ret_credentials = (struct aws_credentials){ p.values[KEY_ID], p.values[KEY_SECRET],
                                                 p.values[KEY_TOKEN] };
    return ERR_NONE;
}
