/* cli/iam.h - one call of `tarn iam`; shared by iam.c and simulate.c. */
#ifndef CLI_IAM_H
#define CLI_IAM_H

#include "auth/auth.h"
#include "cli/options.h"

struct iam_call {
    /* as written on the command line */
    const char *data, *policy_name, *group, *role, *user, *resource, *resource_policy;
    const char *session_policy, *trust;
    const char *account_id;
    struct option_list policies, actions, context;
    uint64_t duration, max_session;
    struct slice name, second; /* arguments behind the verb */
    /* at work */
    struct arena *arena;
    struct iam iam;
    enum err err;
    /* made, to be told when saved */
    struct iam_key *made_key;
    struct iam_session *made_session;
    struct slice token;
};

/* On stderr; returns 1. */
int iam_fail(const char *format, struct slice text);
/* A whole small file into the arena; false: told. */
bool iam_file_read(const char *path, struct arena *arena, struct slice *ret);

void iam_instant_print(const char *before, int64_t instant_us);
/* NULL: told. */
struct iam_user *iam_user_need(struct iam_call *c, struct slice name);

int iam_simulate(struct iam_call *c);

/* ---- verbs (iam_role.c) ---- */

int iam_boundary_put(struct iam_call *c);
int iam_boundary_delete(struct iam_call *c);
int iam_role_create(struct iam_call *c);
int iam_role_list(struct iam_call *c);
int iam_role_delete(struct iam_call *c);
int iam_session_create(struct iam_call *c);

#endif
