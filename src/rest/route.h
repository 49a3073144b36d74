/* rest/route.h - path and method to an interaction.
 *
 * The routes are one table in route.c: a pattern of segments and, for each
 * method, the interaction. A path that fits a pattern but not its methods is a
 * 405 that lists the methods; what is known but comes later is a 501 that says
 * so; all else is a 404. Nothing here touches the store.
 */
#ifndef REST_ROUTE_H
#define REST_ROUTE_H

#include "base/issues.h"
#include "fhir/fhir.h"
#include "rest/rest.h"

enum interaction {
    INTERACTION_NONE,
    INTERACTION_CAPABILITIES,
    INTERACTION_BUNDLE,
    INTERACTION_CREATE,
    INTERACTION_READ,
    INTERACTION_VREAD,
    INTERACTION_UPDATE,
    INTERACTION_PATCH,
    INTERACTION_DELETE,
    INTERACTION_HISTORY,
    INTERACTION_SEARCH,      /* GET Type?... */
    INTERACTION_SEARCH_FORM, /* POST Type/_search */
    INTERACTION_OPERATION,
    INTERACTION_DISCOVERY,   /* .well-known/smart-configuration */
    INTERACTION_TRANSACTION, /* GET Transaction/{id}: an asynchronous one's state */
    INTERACTION_LATER,       /* known, answered 501 */
};

/* An operation, as its OperationDefinition has it. */
struct request;
enum { OPERATION_SYSTEM = 1, OPERATION_TYPE = 2, OPERATION_INSTANCE = 4 };
struct rest_operation {
    const char *name;      /* without '$' */
    const char *type;      /* resource type; NULL: every one */
    unsigned levels;       /* where it may be asked for */
    const char *get, *post; /* HealthLake's action of each method; NULL: not by this one */
    enum err (*run)(struct request *r);
    bool is_ours; /* R4 has no OperationDefinition of it */
};

struct route {
    enum interaction interaction;
    const struct fhir_type *type; /* NULL at the system level */
    struct slice id, version;     /* decoded; in the arena or the path */
    /* Of a search in a compartment: whose; `type` is what is searched, NULL: all. */
    const struct fhir_type *owner;
    struct slice owner_id;
    const struct rest_operation *operation;
    const char *action; /* HealthLake's, of the operation by this method */
    const char *allow; /* on ERR_METHOD: value of the Allow header */
};

/* ERR_NOT_FOUND, ERR_METHOD, ERR_INVALID (an id that breaks its syntax),
 * ERR_NOT_IMPLEMENTED, each with its issue. `path` as rest_handle() gets it. */
MUST_USE enum err route_find(const struct rest_behaviour *behaviour, struct slice method,
                             struct slice path, struct arena *arena, struct issues *issues,
                             struct route *ret);

/* True when resources of the type can be stored under this behaviour. */
bool route_type_is_stored(const struct rest_behaviour *behaviour, const struct fhir_type *type);

/* Whether the table has the interaction at a pattern of route.c, such as "T/I". */
bool route_has(const char *pattern, enum interaction interaction);

bool route_operation_exists(const char *name);

/* The operations that exist, for the CapabilityStatement. */
const struct rest_operation *route_operations(size_t *ret_count);

#endif
