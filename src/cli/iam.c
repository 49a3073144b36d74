/* cli/iam.c - `tarn iam`: users, keys, groups, policies and sessions of a data
 * folder; a running server takes changes over within a second. */
#include "cli/iam.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/date.h"
#include "cli/cli.h"
#include "os/clock.h"
#include "os/file.h"

static const char line[] = "tarn iam OBJECT VERB [NAME] --data DIR [options]";
static const char about[] =
    "Who may do what in a data folder. A running server takes changes over within a second.\n\n"
    "  user create|delete NAME, user list\n"
    "  key create USER, key list USER, key delete KEY-ID\n"
    "  policy put USER --name NAME --policy FILE\n"
    "  policy list USER, policy delete USER --name NAME\n"
    "      (--group GROUP, --role ROLE or --resource ARN instead of USER)\n"
    "  boundary put USER --policy FILE, boundary delete USER    (or --role ROLE)\n"
    "  role create NAME --trust FILE [--max-session SECONDS], role list, role delete NAME\n"
    "  group add GROUP USER, group remove GROUP USER, group list\n"
    "  session create USER [--duration SECONDS] [--policy FILE]\n"
    "  simulate --policy FILE --action healthlake:ReadResource --resource ARN";

int iam_fail(const char *format, struct slice text)
{
    fprintf(stderr, "tarn iam: ");
    fprintf(stderr, "%s%s%.*s\n", format, text.length ? ": " : "", SLICE_ARGS(text));
    return 1;
}

bool iam_file_read(const char *path, struct arena *arena, struct slice *ret)
{
    struct buf bytes;
    buf_init(&bytes, POLICY_BYTES_MAX);
    enum err err = os_file_read(path, &bytes);
    char *copy = err ? NULL : arena_copy(arena, buf_slice(&bytes));
    *ret = slice_of(copy, bytes.length);
    buf_release(&bytes);
    if (!copy)
        fprintf(stderr, "tarn iam: %s: %s\n", path, err_text(err ? err : ERR_NO_MEMORY));
    return copy != NULL;
}

void iam_instant_print(const char *before, int64_t instant_us)
{
    char text[INSTANT_TEXT_BYTES];
    instant_render(instant_us, 0, text);
    printf("%s%s", before, text);
}

/* ---- users and keys ---- */

static int user_create(struct iam_call *c)
{
    if (!iam_name_is_valid(c->name))
        return iam_fail("a name has 1 to 64 letters, digits and +=,.@_-", c->name);
    if (iam_user_find(&c->iam, c->name))
        return iam_fail("there is a user of that name", c->name);
    c->err = iam_user_add(&c->iam, c->name, os_now_us());
    return 0;
}

struct iam_user *iam_user_need(struct iam_call *c, struct slice name)
{
    struct iam_user *user = iam_user_find(&c->iam, name);
    if (!user)
        iam_fail("there is no user of that name", name);
    return user;
}

static int user_delete(struct iam_call *c)
{
    struct iam_user *user = iam_user_need(c, c->name);
    if (!user)
        return 1;
    iam_sessions_of_remove(&c->iam, user->name);
    struct iam_user **at = &c->iam.users;
    while (*at != user)
        at = &(*at)->next;
    *at = user->next;
    return 0;
}

static int user_list(struct iam_call *c)
{
    for (const struct iam_user *u = c->iam.users; u; u = u->next) {
        size_t keys = 0;
        for (const struct iam_key *k = u->keys; k; k = k->next)
            keys++;
        printf("%.*s\t%zu keys", SLICE_ARGS(u->name), keys);
        iam_instant_print("\tcreated ", u->created_us);
        for (const struct iam_name *g = u->groups; g; g = g->next)
            printf("%s%.*s", g == u->groups ? "\tgroups " : ",", SLICE_ARGS(g->name));
        putchar('\n');
    }
    return 0;
}

static int key_create(struct iam_call *c)
{
    struct iam_user *user = iam_user_need(c, c->name);
    if (!user)
        return 1;
    c->err = iam_key_add(&c->iam, user, os_now_us(), &c->made_key);
    return 0;
}

static int key_list(struct iam_call *c)
{
    const struct iam_user *user = iam_user_need(c, c->name);
    for (const struct iam_key *k = user ? user->keys : NULL; k; k = k->next) {
        printf("%.*s", SLICE_ARGS(k->id));
        iam_instant_print("\tcreated ", k->created_us);
        putchar('\n');
    }
    return user ? 0 : 1;
}

static int key_delete(struct iam_call *c)
{
    struct iam_key *key = NULL;
    struct iam_user *user = iam_key_find(&c->iam, c->name, &key);
    if (!user)
        return iam_fail("there is no access key of that id", c->name);
    struct iam_key **at = &user->keys;
    while (*at != key)
        at = &(*at)->next;
    *at = key->next;
    return 0;
}

/* ---- policies and groups ---- */

static struct iam_policy **role_policies(struct iam_call *c)
{
    struct iam_role *role = iam_role_find(&c->iam, slice_cstr(c->role));
    if (!role)
        iam_fail("there is no role of that name", slice_cstr(c->role));
    return role ? &role->policies : NULL;
}

static struct iam_policy **resource_policies(struct iam_call *c, bool may_make)
{
    struct slice arn = slice_cstr(c->resource);
    struct iam_resource *resource = iam_resource_find(&c->iam, arn);
    if (!resource && may_make && slice_starts_with(arn, SLICE("arn:")))
        c->err = iam_resource_need(&c->iam, arn, &resource);
    if (!resource)
        iam_fail(may_make ? "that is no ARN" : "that resource has no policies", arn);
    return resource ? &resource->policies : NULL;
}

/* The list of policies of the user, or of --group, --role, --resource. NULL: told. */
static struct iam_policy **policies_need(struct iam_call *c, bool may_make)
{
    if ((c->name.length > 0) + !!c->group + !!c->role + !!c->resource != 1) {
        iam_fail("name one of USER, --group GROUP, --role ROLE, --resource ARN", SLICE_NONE);
        return NULL;
    }
    if (c->role)
        return role_policies(c);
    if (c->resource)
        return resource_policies(c, may_make);
    if (!c->group) {
        struct iam_user *user = iam_user_need(c, c->name);
        return user ? &user->policies : NULL;
    }
    struct slice name = slice_cstr(c->group);
    struct iam_group *group = iam_group_find(&c->iam, name);
    if (!group && may_make && iam_name_is_valid(name)) {
        c->err = iam_group_add(&c->iam, name);
        group = iam_group_find(&c->iam, name);
    }
    if (!group)
        iam_fail("there is no group of that name", name);
    return group ? &group->policies : NULL;
}

static int policy_put(struct iam_call *c)
{
    struct slice document, error = SLICE_NONE;
    if (c->policies.count != 1 || !c->policy_name)
        return iam_fail("policy put needs --name and one --policy FILE", SLICE_NONE);
    if (!iam_name_is_valid(slice_cstr(c->policy_name)))
        return iam_fail("a name has 1 to 64 letters, digits and +=,.@_-",
                        slice_cstr(c->policy_name));
    if (!iam_file_read(c->policies.items[0], c->arena, &document))
        return 1;
    struct iam_policy **list = policies_need(c, true);
    if (!list)
        return 1;
    enum policy_kind kind = c->resource ? POLICY_OF_RESOURCE : POLICY_OF_IDENTITY;
    c->err = iam_policy_put(&c->iam, list, kind, slice_cstr(c->policy_name), document, &error);
    return c->err && error.length ? iam_fail(c->policies.items[0], error) : 0;
}

static int policy_list(struct iam_call *c)
{
    struct iam_policy **list = policies_need(c, false);
    if (!list)
        return 1;
    for (const struct iam_policy *p = *list; p; p = p->next)
        printf("%.*s\n%.*s\n", SLICE_ARGS(p->name), SLICE_ARGS(p->document));
    return 0;
}

static int policy_delete(struct iam_call *c)
{
    struct slice name = slice_cstr(c->policy_name);
    struct iam_policy **at = policies_need(c, false);
    while (at && *at && !slice_equal_nocase((*at)->name, name))
        at = &(*at)->next;
    if (!at || !*at)
        return iam_fail("there is no policy of that --name", name);
    *at = (*at)->next;
    return 0;
}

/* The user's membership, or the end of the list. */
static struct iam_name **membership(struct iam_user *user, struct slice group)
{
    struct iam_name **at = &user->groups;
    while (*at && !slice_equal_nocase((*at)->name, group))
        at = &(*at)->next;
    return at;
}

static int group_add(struct iam_call *c)
{
    if (!iam_name_is_valid(c->name))
        return iam_fail("a name has 1 to 64 letters, digits and +=,.@_-", c->name);
    struct iam_user *user = iam_user_need(c, c->second);
    if (!user)
        return 1;
    if (!iam_group_find(&c->iam, c->name))
        c->err = iam_group_add(&c->iam, c->name);
    struct iam_name **at = membership(user, c->name);
    if (!c->err && !*at) {
        *at = arena_alloc(c->arena, sizeof **at);
        c->err = *at ? ERR_NONE : ERR_NO_MEMORY;
        if (*at)
            (*at)->name = c->name;
    }
    return 0;
}

static int group_remove(struct iam_call *c)
{
    struct iam_user *user = iam_user_need(c, c->second);
    struct iam_name **at = user ? membership(user, c->name) : NULL;
    if (!user)
        return 1;
    if (!*at)
        return iam_fail("the user is not in that group", c->name);
    *at = (*at)->next;
    return 0;
}

static int group_list(struct iam_call *c)
{
    for (const struct iam_group *g = c->iam.groups; g; g = g->next) {
        printf("%.*s", SLICE_ARGS(g->name));
        for (const struct iam_policy *p = g->policies; p; p = p->next)
            printf("%s%.*s", p == g->policies ? "\tpolicies " : ",", SLICE_ARGS(p->name));
        putchar('\n');
    }
    return 0;
}

/* ---- the verbs ---- */

struct verb {
    const char *object, *name;
    int (*run)(struct iam_call *);
    size_t arguments; /* behind the verb */
    bool is_edit;
};

static const struct verb VERBS[] = {
    { "user", "create", user_create, 1, true },
    { "user", "delete", user_delete, 1, true },
    { "user", "list", user_list, 0, false },
    { "key", "create", key_create, 1, true },
    { "key", "delete", key_delete, 1, true },
    { "key", "list", key_list, 1, false },
    { "policy", "put", policy_put, 1, true },
    { "policy", "delete", policy_delete, 1, true },
    { "policy", "list", policy_list, 1, false },
    { "boundary", "put", iam_boundary_put, 1, true },
    { "boundary", "delete", iam_boundary_delete, 1, true },
    { "group", "add", group_add, 2, true },
    { "group", "remove", group_remove, 2, true },
    { "group", "list", group_list, 0, false },
    { "role", "create", iam_role_create, 1, true },
    { "role", "delete", iam_role_delete, 1, true },
    { "role", "list", iam_role_list, 0, false },
    { "session", "create", iam_session_create, 1, true },
};

/* Told only when they are on disk, and only once. */
static void made_print(const struct iam_call *c)
{
    if (c->made_key)
        printf("[default]\naws_access_key_id = %.*s\naws_secret_access_key = %.*s\n",
               SLICE_ARGS(c->made_key->id), SLICE_ARGS(c->made_key->secret));
    if (!c->made_session)
        return;
    printf("[default]\naws_access_key_id = %.*s\naws_secret_access_key = %.*s\n"
           "aws_session_token = %.*s\n",
           SLICE_ARGS(c->made_session->id), SLICE_ARGS(c->made_session->secret),
           SLICE_ARGS(c->token));
    iam_instant_print("# until ", c->made_session->expires_us);
    putchar('\n');
}

static int edit_run(struct iam_call *c, const struct verb *verb)
{
    struct slice error = SLICE_NONE;
    c->err = iam_load(c->data, c->arena, &c->iam, &error);
    if (c->err)
        return iam_fail(error.length ? "" : err_text(c->err), error);
    int status = verb->run(c);
    if (status || !verb->is_edit)
        return status;
    if (!c->err)
        c->err = iam_save(c->data, &c->iam, &error);
    if (c->err)
        return iam_fail(error.length ? "" : err_text(c->err), error);
    made_print(c);
    return 0;
}

static int verb_run(struct iam_call *c, const struct verb *verb, size_t given)
{
    bool has_other = (c->group || c->role || c->resource) && verb->arguments == 1 &&
                     (strcmp(verb->object, "policy") == 0 || strcmp(verb->object, "boundary") == 0);
    if (given != verb->arguments && !(has_other && given == 0))
        return options_refuse("iam", "%s %s takes %zu names", verb->object, verb->name,
                              verb->arguments);
    if (!c->data)
        return options_refuse("iam", "--data is missing: the folder of the store");
    int lock = -1;
    if (verb->is_edit) {
        enum err err = os_folder_make(c->data, 0700);
        err = err ? err : iam_lock(c->data, &lock);
        if (err)
            return iam_fail("the lock of the data folder cannot be had", slice_cstr(err_text(err)));
    }
    int status = edit_run(c, verb);
    if (lock >= 0)
        close(lock);
    return status;
}

static int parse(struct iam_call *c, int argc, char **argv, size_t *ret_count)
{
    const struct option_row rows[] = {
        { "data", OPTION_TEXT, "DIR", NULL, "folder of the store", &c->data },
        { "policy", OPTION_LIST, "FILE", NULL, "a policy document (JSON)", &c->policies },
        { "name", OPTION_TEXT, "NAME", NULL, "of the policy", &c->policy_name },
        { "group", OPTION_TEXT, "GROUP", NULL, "whose policy, instead of a user's", &c->group },
        { "role", OPTION_TEXT, "ROLE", NULL,
          "whose policy, instead of a user's; simulate: with its\npolicies", &c->role },
        { "trust", OPTION_TEXT, "FILE", NULL, "the policy that says who may assume a role",
          &c->trust },
        { "max-session", OPTION_NUMBER, "SECONDS", NULL, "longest session of a role (default 3600)",
          &c->max_session },
        { "duration", OPTION_NUMBER, "SECONDS", NULL, "of a session (default 3600)", &c->duration },
        { "user", OPTION_TEXT, "NAME", NULL, "simulate: with this user's policies", &c->user },
        { "action", OPTION_LIST, "ACTION", NULL, "simulate: healthlake:ReadResource, ...",
          &c->actions },
        { "resource", OPTION_TEXT, "ARN", NULL,
          "whose policy, instead of a user's; simulate: on what\n(default *)", &c->resource },
        { "resource-policy", OPTION_TEXT, "FILE", NULL, "simulate: the resource's own policy",
          &c->resource_policy },
        { "session-policy", OPTION_TEXT, "FILE", NULL, "simulate: a session's policy",
          &c->session_policy },
        { "context", OPTION_LIST, "KEY=VALUE", NULL,
          "simulate: a condition key; several values by\nrepeating it", &c->context },
        { "account-id", OPTION_TEXT, "DIGITS", NULL, "of the user's ARN (default 000000000000)",
          &c->account_id },
        { 0 },
    };
    const struct option_usage usage = {
        .line = line, .about = about, .rows = rows, .least = 1, .most = 4
    };
    return options_parse(&usage, argc, argv, ret_count);
}

static int run(struct iam_call *c, char **argv, size_t count)
{
    if (strcmp(argv[1], "simulate") == 0)
        return iam_simulate(c);
    c->name = slice_cstr(count > 2 ? argv[3] : NULL);
    c->second = slice_cstr(count > 3 ? argv[4] : NULL);
    for (size_t i = 0; count > 1 && i < ARRAY_COUNT(VERBS); i++) {
        if (strcmp(VERBS[i].object, argv[1]) == 0 && strcmp(VERBS[i].name, argv[2]) == 0)
            return verb_run(c, &VERBS[i], count - 2);
    }
    return options_refuse("iam", "there is no '%s %s'", argv[1], count > 1 ? argv[2] : "");
}

int cli_iam(int argc, char **argv)
{
    struct iam_call c = { .duration = 3600, .max_session = 3600 };
    size_t count = 0;
    int status = parse(&c, argc, argv, &count);
    if (status >= 0)
        return status;
    struct arena arena;
    arena_init(&arena, 2 * (size_t)IAM_ARENA_BYTES);
    c.arena = &arena;
    status = run(&c, argv, count);
    arena_release(&arena);
    return status;
}
