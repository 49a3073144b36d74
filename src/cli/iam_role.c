/* cli/iam_role.c - roles, boundaries and sessions of `tarn iam`. */
#include <stdio.h>

#include "cli/iam.h"
#include "os/clock.h"

enum {
    LIFE_SECONDS_LEAST = 60,
    LIFE_SECONDS_MOST = 129600,
    ROLE_SECONDS_LEAST = 3600,
    ROLE_SECONDS_MOST = 43200,
};

/* ---- boundaries ---- */

/* Where the boundary of the user, or of --role, is kept. NULL: told. */
static struct iam_policy **boundary_need(struct iam_call *c)
{
    if ((c->name.length > 0) + !!c->role != 1) {
        iam_fail("name one of USER, --role ROLE", SLICE_NONE);
        return NULL;
    }
    if (!c->role) {
        struct iam_user *user = iam_user_need(c, c->name);
        return user ? &user->boundary : NULL;
    }
    struct iam_role *role = iam_role_find(&c->iam, slice_cstr(c->role));
    if (!role)
        iam_fail("there is no role of that name", slice_cstr(c->role));
    return role ? &role->boundary : NULL;
}

int iam_boundary_put(struct iam_call *c)
{
    struct slice document, error = SLICE_NONE;
    struct iam_policy **at = boundary_need(c);
    if (!at)
        return 1;
    if (c->policies.count != 1)
        return iam_fail("boundary put needs one --policy FILE", SLICE_NONE);
    if (!iam_file_read(c->policies.items[0], c->arena, &document))
        return 1;
    c->err = iam_policy_put(&c->iam, at, POLICY_OF_IDENTITY, SLICE("boundary"), document, &error);
    return c->err && error.length ? iam_fail(c->policies.items[0], error) : 0;
}

int iam_boundary_delete(struct iam_call *c)
{
    struct iam_policy **at = boundary_need(c);
    if (!at)
        return 1;
    *at = NULL;
    return 0;
}

/* ---- roles and sessions ---- */

int iam_role_create(struct iam_call *c)
{
    struct slice trust, error = SLICE_NONE;
    if (!c->trust)
        return iam_fail("role create needs --trust FILE: the policy that says who may assume it",
                        SLICE_NONE);
    if (!iam_name_is_valid(c->name))
        return iam_fail("a name has 1 to 64 letters, digits and +=,.@_-", c->name);
    if (iam_role_find(&c->iam, c->name))
        return iam_fail("there is a role of that name", c->name);
    if (c->max_session < ROLE_SECONDS_LEAST || c->max_session > ROLE_SECONDS_MOST)
        return iam_fail("--max-session must be 3600 to 43200 seconds", SLICE_NONE);
    if (!iam_file_read(c->trust, c->arena, &trust))
        return 1;
    c->err = iam_role_add(&c->iam, c->name, os_now_us(), c->max_session, trust, &error);
    return c->err && error.length ? iam_fail(c->trust, error) : 0;
}

int iam_role_list(struct iam_call *c)
{
    for (const struct iam_role *r = c->iam.roles; r; r = r->next) {
        printf("%.*s\tsessions of %llu s at most", SLICE_ARGS(r->name),
               (unsigned long long)r->max_seconds);
        iam_instant_print("\tcreated ", r->created_us);
        for (const struct iam_policy *p = r->policies; p; p = p->next)
            printf("%s%.*s", p == r->policies ? "\tpolicies " : ",", SLICE_ARGS(p->name));
        putchar('\n');
    }
    return 0;
}

int iam_role_delete(struct iam_call *c)
{
    struct iam_role *role = iam_role_find(&c->iam, c->name);
    if (!role)
        return iam_fail("there is no role of that name", c->name);
    struct iam_role **at = &c->iam.roles;
    while (*at != role)
        at = &(*at)->next;
    *at = role->next;
    return 0;
}

int iam_session_create(struct iam_call *c)
{
    struct slice document = SLICE_NONE, error = SLICE_NONE;
    struct iam_user *user = iam_user_need(c, c->name);
    if (!user)
        return 1;
    if (c->duration < LIFE_SECONDS_LEAST || c->duration > LIFE_SECONDS_MOST)
        return iam_fail("--duration must be 60 to 129600 seconds", SLICE_NONE);
    if (c->policies.count && !iam_file_read(c->policies.items[0], c->arena, &document))
        return 1;
    c->err = iam_session_add(&c->iam, user, os_now_us(), (int64_t)c->duration * 1000000, document,
                             &error, &c->made_session, &c->token);
    return c->err && error.length ? iam_fail(c->policies.items[0], error) : 0;
}
