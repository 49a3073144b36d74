/* aws/profile.c - credentials from the environment and the shared files.
 *
 * The files are INI: "[name]" in credentials, "[profile name]" (or "[default]")
 * in config, "key = value", comments from '#' or ';' at a line's start or behind
 * a blank. Indented lines belong to the key above and are passed over.
 */
#include <stdlib.h>

#include "aws/aws.h"
#include "base/buf.h"
#include "json/json.h"
#include "os/file.h"
#include "os/process.h"

enum {
    FILE_BYTES_MAX = 1 << 20,
    PROCESS_BYTES_MAX = 64 * 1024,
    PROCESS_MS = 60000,
    CHAIN_MAX = 5, /* source_profile of a source_profile ... */
};

enum profile_key {
    KEY_ID,
    KEY_SECRET,
    KEY_TOKEN,
    KEY_REGION,
    KEY_PROCESS,
    KEY_ROLE,
    KEY_SOURCE_PROFILE,
    KEY_CREDENTIAL_SOURCE,
    KEY_SESSION_NAME,
    KEY_EXTERNAL_ID,
    KEY_DURATION,
    KEY_UNSUPPORTED, /* from here on: ways we do not go */
    KEY_MFA = KEY_UNSUPPORTED,
    KEY_SSO_SESSION,
    KEY_SSO_URL,
    KEY_WEB_IDENTITY,
    KEY_LOGIN,
    KEY_COUNT
};

static const char *const key_names[KEY_COUNT] = {
    [KEY_ID] = "aws_access_key_id",
    [KEY_SECRET] = "aws_secret_access_key",
    [KEY_TOKEN] = "aws_session_token",
    [KEY_REGION] = "region",
    [KEY_PROCESS] = "credential_process",
    [KEY_ROLE] = "role_arn",
    [KEY_SOURCE_PROFILE] = "source_profile",
    [KEY_CREDENTIAL_SOURCE] = "credential_source",
    [KEY_SESSION_NAME] = "role_session_name",
    [KEY_EXTERNAL_ID] = "external_id",
    [KEY_DURATION] = "duration_seconds",
    [KEY_MFA] = "mfa_serial",
    [KEY_SSO_SESSION] = "sso_session",
    [KEY_SSO_URL] = "sso_start_url",
    [KEY_WEB_IDENTITY] = "web_identity_token_file",
    [KEY_LOGIN] = "login_session",
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
        if (!line.length || line.bytes[0] == '#' || line.bytes[0] == ';' || line.bytes[0] == ' ' ||
            line.bytes[0] == '\t')
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
    *ret_credentials =
        (struct aws_credentials){ p.values[KEY_ID], p.values[KEY_SECRET], p.values[KEY_TOKEN] };
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
    TRY(read_shared_file(a, "AWS_SHARED_CREDENTIALS_FILE", "credentials", &credentials, ret_text));
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
        *ret_text =
            arena_printf(a, "the AWS profile '%.*s' has no %s", SLICE_ARGS(name),
                         p->values[KEY_ID].length ? key_names[KEY_SECRET] : key_names[KEY_ID]);
        return ERR_INVALID;
    }
    *ret_text =
        arena_printf(a,
                     "no AWS credentials: set AWS_ACCESS_KEY_ID and "
                     "AWS_SECRET_ACCESS_KEY, or give the profile '%.*s' a key in "
                     "~/.aws/credentials (%s)",
                     SLICE_ARGS(name), p->is_there ? "it has none" : "there is no such profile");
    return ERR_NOT_FOUND;
}

/* Copies of an environment variable: getenv()'s text may change. */
static struct slice copy_variable(struct arena *a, const char *name)
{
    struct slice text = slice_cstr(getenv(name));
    return text.length ? slice_of(arena_copy(a, text), text.length) : SLICE_NONE;
}

/* ---- ways to credentials ---- */

struct resolving {
    struct arena *arena;
    aws_assume *assume; /* may be NULL */
    void *context;
    struct slice region; /* found so far */
    struct slice *ret_text;
};

static bool has_static(const struct profile *p)
{
    return p->values[KEY_ID].length && p->values[KEY_SECRET].length;
}

static struct aws_credentials static_of(const struct profile *p)
{
    return (struct aws_credentials){ p->values[KEY_ID], p->values[KEY_SECRET],
                                     p->values[KEY_TOKEN] };
}

/* True: both are set. */
static bool environment_find(struct arena *a, struct aws_credentials *ret)
{
    *ret = (struct aws_credentials){
        .access_key_id = copy_variable(a, "AWS_ACCESS_KEY_ID"),
        .secret_access_key = copy_variable(a, "AWS_SECRET_ACCESS_KEY"),
        .session_token = copy_variable(a, "AWS_SESSION_TOKEN"),
    };
    return ret->access_key_id.bytes && ret->secret_access_key.bytes;
}

static enum err fail(struct resolving *r, enum err err, struct slice text)
{
    *r->ret_text = text;
    return text.bytes ? err : ERR_NO_MEMORY;
}

/* ---- credential_process ---- */

/* {"Version":1,"AccessKeyId":...,"SecretAccessKey":...,"SessionToken":...} */
static bool process_parse(struct slice text, struct arena *a, struct aws_credentials *ret)
{
    struct json_doc *doc = arena_alloc(a, sizeof *doc);
    uint64_t version = 0;
    if (!doc || json_parse(text, NULL, a, doc, NULL) != ERR_NONE)
        return false;
    struct json v = json_root(doc);
    *ret = (struct aws_credentials){ json_string(json_member(v, "AccessKeyId"), a),
                                     json_string(json_member(v, "SecretAccessKey"), a),
                                     json_string(json_member(v, "SessionToken"), a) };
    return slice_parse_u64(json_raw(json_member(v, "Version")), &version) && version == 1 &&
           ret->access_key_id.length && ret->secret_access_key.length;
}

/* What it prints is not told: it may be a secret. */
static enum err process_run(struct resolving *r, struct slice name, const struct profile *p,
                            struct aws_credentials *ret)
{
    struct buf out;
    int status = 0;
    char *command = arena_copy(r->arena, p->values[KEY_PROCESS]);
    if (!command)
        return ERR_NO_MEMORY;
    buf_init(&out, PROCESS_BYTES_MAX);
    enum err err = os_process_output(command, PROCESS_MS, &out, &status);
    char *copy = err ? NULL : arena_copy(r->arena, buf_slice(&out));
    struct slice text = slice_of(copy, copy ? out.length : 0);
    buf_release(&out);
    if (err || !copy)
        return fail(r, err ? err : ERR_NO_MEMORY,
                    arena_printf(r->arena, "the credential_process of the AWS profile '%.*s': %s",
                                 SLICE_ARGS(name), err_text(err ? err : ERR_NO_MEMORY)));
    if (status == 0 && process_parse(text, r->arena, ret))
        return ERR_NONE;
    if (status)
        return fail(r, ERR_INVALID,
                    arena_printf(r->arena,
                                 "the credential_process of the AWS profile '%.*s' ended with "
                                 "status %d",
                                 SLICE_ARGS(name), status));
    return fail(r, ERR_INVALID,
                arena_printf(r->arena,
                             "the credential_process of the AWS profile '%.*s' printed no "
                             "credentials of Version 1",
                             SLICE_ARGS(name)));
}

/* ---- role_arn ---- */

static enum err profile_resolve(struct resolving *r, struct slice name, int depth,
                                struct aws_credentials *ret);

static enum err source_find(struct resolving *r, struct slice name, const struct profile *p,
                            int depth, struct aws_credentials *ret)
{
    struct slice source = p->values[KEY_SOURCE_PROFILE];
    if (slice_equal(source, name) && has_static(p)) { /* its own key, to ask with */
        *ret = static_of(p);
        return ERR_NONE;
    }
    if (source.length && depth == CHAIN_MAX)
        return fail(r, ERR_INVALID,
                    arena_printf(r->arena,
                                 "the source_profile of the AWS profile '%.*s' leads in "
                                 "a circle, or too far",
                                 SLICE_ARGS(name)));
    if (source.length)
        return profile_resolve(r, source, depth + 1, ret);
    if (slice_is(p->values[KEY_CREDENTIAL_SOURCE], "Environment") &&
        environment_find(r->arena, ret))
        return ERR_NONE;
    return fail(r, ERR_UNSUPPORTED,
                arena_printf(r->arena,
                             "the AWS profile '%.*s' has a role_arn and needs a source_profile, or "
                             "credential_source = Environment and a key there",
                             SLICE_ARGS(name)));
}

static enum err role_assume(struct resolving *r, struct slice name, const struct profile *p,
                            int depth, struct aws_credentials *ret)
{
    struct aws_assumption what = { .role_arn = p->values[KEY_ROLE],
                                   .session_name = p->values[KEY_SESSION_NAME],
                                   .external_id = p->values[KEY_EXTERNAL_ID],
                                   .region = r->region };
    if (!r->assume)
        return fail(r, ERR_UNSUPPORTED,
                    arena_printf(r->arena,
                                 "the AWS profile '%.*s' uses role_arn, which is not supported "
                                 "here; export temporary credentials instead (aws configure "
                                 "export-credentials --format env)",
                                 SLICE_ARGS(name)));
    if (p->values[KEY_DURATION].length && !slice_parse_u64(p->values[KEY_DURATION], &what.seconds))
        return fail(r, ERR_INVALID,
                    arena_printf(r->arena, "the AWS profile '%.*s': duration_seconds is no number",
                                 SLICE_ARGS(name)));
    TRY(source_find(r, name, p, depth, &what.source));
    return r->assume(r->context, r->arena, &what, ret, r->ret_text);
}

/* ---- one profile ---- */

static enum err profile_resolve(struct resolving *r, struct slice name, int depth,
                                struct aws_credentials *ret)
{
    struct profile p = { 0 };
    TRY(read_profile(r->arena, name, &p, r->ret_text));
    if (!r->region.length)
        r->region = p.values[KEY_REGION];
    bool is_other = p.values[KEY_MFA].length || p.values[KEY_WEB_IDENTITY].length;
    /* A role goes before the key beside it: that key only asks for the role. */
    if (p.values[KEY_ROLE].length && !is_other)
        return role_assume(r, name, &p, depth, ret);
    if (has_static(&p) && !p.values[KEY_ROLE].length) {
        *ret = static_of(&p);
        return ERR_NONE;
    }
    if (p.values[KEY_PROCESS].length && !p.values[KEY_ROLE].length)
        return process_run(r, name, &p, ret);
    return profile_failure(r->arena, name, &p, r->ret_text);
}

enum err aws_credentials_resolve(struct arena *a, const char *profile, aws_assume *assume,
                                 void *context, struct aws_credentials *ret_credentials,
                                 struct slice *ret_region, struct slice *ret_text)
{
    const char *chosen = has_text(profile) ? profile : getenv("AWS_PROFILE");
    struct slice name = has_text(chosen) ? slice_cstr(chosen) : SLICE("default");
    struct resolving r = { .arena = a, .assume = assume, .context = context, .ret_text = ret_text };
    struct aws_credentials found;
    struct profile p = { 0 };
    r.region = copy_variable(a, "AWS_REGION");
    if (!r.region.length)
        r.region = copy_variable(a, "AWS_DEFAULT_REGION");
    *ret_region = r.region;
    TRY(read_profile(a, name, &p, ret_text));
    if (!r.region.length)
        r.region = p.values[KEY_REGION];
    *ret_region = r.region;
    if (!has_text(chosen)) {
        if (environment_find(a, &found)) {
            *ret_credentials = found;
            return ERR_NONE;
        }
        if (found.access_key_id.length || found.secret_access_key.length) {
            *ret_text = SLICE("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set together");
            return ERR_INVALID;
        }
    }
    return profile_resolve(&r, name, 0, ret_credentials);
}

enum err aws_credentials_find(struct arena *a, const char *profile,
                              struct aws_credentials *ret_credentials, struct slice *ret_region,
                              struct slice *ret_text)
{
    return aws_credentials_resolve(a, profile, NULL, NULL, ret_credentials, ret_region, ret_text);
}
