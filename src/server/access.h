/* server/access.h - what a request asks to do, put to auth/; private.
 *
 * The only place that joins interactions (rest/), operations (control/) and
 * permission (auth/). Users are asked for the action on the ARN of the data
 * store; for a Bundle also for each entry's action, unless the settings trust
 * whoever may send one.
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "auth/auth.h"
#include "control/control.h"
#include "json/json.h"
#include "rest/rest.h"
#include "server/rates.h"

struct access_settings {
    struct slice region, account_id;
    bool trusts_bundles;     /* ProcessBundle is enough for all entries */
    struct control *control; /* knows the tags of data stores */
    struct rates *rates;     /* NULL: nothing is counted */
};

/* The gate of one request of the data plane; in its arena. */
struct access {
    struct rest_gate gate;
    struct http_request *request;
    const struct auth_pass *pass;
    struct auth_target target;
    /* what the target's condition keys come from */
    struct control *control;
    struct slice datastore_id; /* empty: none */
    struct rates *rates;
    struct json request_tags;  /* [{"Key":..,"Value":..}] or ["key"]; absent: none */
    struct auth_facts facts;   /* once found */
    bool has_facts;
};

/* May the caller do what the request of the data plane asks? False when *response
 * refuses. *ret_gate is for rest_handle_gated(); may be NULL. */
bool access_fhir(const struct access_settings *settings, struct http_request *r,
                 const struct auth_pass *pass, struct rest *rest, struct slice datastore_id,
                 struct slice path, const struct rest_gate **ret_gate,
                 struct http_response *response);

/* The same for the control plane; `action` as control_action() says. */
bool access_control(const struct access_settings *settings, struct http_request *r,
                    const struct auth_pass *pass, const char *action,
                    struct http_response *response);

/* May the operation be asked for now? False when *response says that its rate is
 * passed. Who may not ask at all spends nothing: ask access_control() first. */
bool access_rate(const struct access_settings *settings, struct http_request *r, const char *action,
                 struct http_response *response);

#endif
