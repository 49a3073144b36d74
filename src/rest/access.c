#include "rest/access.h"

static const char *interaction_action(const struct route *route)
{
    switch (route->interaction) {
    case INTERACTION_DISCOVERY: /* HealthLake has no action for it */
    case INTERACTION_CAPABILITIES:
        return "healthlake:GetCapabilities";
    case INTERACTION_BUNDLE:
        return "healthlake:ProcessBundle";
    case INTERACTION_CREATE:
        return "healthlake:CreateResource";
    case INTERACTION_READ:
        return "healthlake:ReadResource";
    case INTERACTION_VREAD:
        return "healthlake:VersionReadResource";
    case INTERACTION_UPDATE:
        return "healthlake:UpdateResource";
    case INTERACTION_PATCH:
        return "healthlake:PatchResource";
    case INTERACTION_DELETE:
        return "healthlake:DeleteResource";
    case INTERACTION_HISTORY:
        if (route->id.length)
            return "healthlake:GetHistoryByResourceId";
        return route->type ? "healthlake:GetHistoryByResourceType" : "healthlake:GetFullHistory";
    case INTERACTION_SEARCH:
        return "healthlake:SearchWithGet";
    case INTERACTION_SEARCH_FORM:
        return "healthlake:SearchWithPost";
    case INTERACTION_TRANSACTION:
        return "healthlake:ReadResource";
    case INTERACTION_OPERATION:
        return route->action;
    case INTERACTION_NONE:
    case INTERACTION_LATER:
        break;
    }
    return "healthlake:*";
}

/* An update, patch or delete without an id finds its target by a search, as a
 * create with If-None-Exist does. */
static bool is_conditional(const struct route *route, bool has_criteria)
{
    bool is_write = route->interaction == INTERACTION_UPDATE ||
                    route->interaction == INTERACTION_PATCH ||
                    route->interaction == INTERACTION_DELETE;
    return (is_write && !route->id.length) ||
           (route->interaction == INTERACTION_CREATE && has_criteria);
}

static size_t route_actions(const struct route *route, bool has_criteria,
                            const char *ret[REST_ACTIONS_MAX])
{
    size_t count = 0;
    ret[count++] = interaction_action(route);
    if (is_conditional(route, has_criteria))
        ret[count++] = "healthlake:SearchWithGet";
    return count;
}

size_t rest_actions(struct rest *rest, struct http_request *http, struct slice path,
                    const char *ret[REST_ACTIONS_MAX])
{
    struct issues issues;
    struct route route;
    issues_init(&issues, http->arena);
    if (route_find(&rest->settings.behaviour, http->method, path, http->arena, &issues, &route))
        return 0;
    return route_actions(&route, http_header_find(http, "If-None-Exist") != NULL, ret);
}

/* One answer of the gate for each action, however many entries there are. */
static const struct access_memo *memo_ask(struct request *r, const char *action)
{
    struct access_memo *memo = r->memos;
    size_t i = 0;
    while (i < ACCESS_MEMOS - 1 && memo[i].action && memo[i].action != action)
        i++;
    if (memo[i].action != action) {
        memo[i] = (struct access_memo){ .action = action };
        memo[i].is_allowed = r->gate->permits(r->gate->context, action, &memo[i].text);
    }
    return &memo[i];
}

enum err access_entry(struct request *r, const struct route *route, bool has_criteria,
                      struct issues *issues)
{
    const char *actions[REST_ACTIONS_MAX];
    size_t count = r->gate && r->gate->permits ? route_actions(route, has_criteria, actions) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct access_memo *memo = memo_ask(r, actions[i]);
        if (!memo->is_allowed)
            return issues_fail(issues, ERR_FORBIDDEN, "forbidden", "%.*s", SLICE_ARGS(memo->text));
    }
    return ERR_NONE;
}
