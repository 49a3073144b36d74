/* sandbox/routes.h - from a request to its answer. Private. */
#ifndef SANDBOX_ROUTES_H
#define SANDBOX_ROUTES_H

#include "http/http.h"
#include "sandbox/members.h"

/* The path's segments and the query's parameters, decoded, in the arena. */
enum { PATH_SEGMENTS_MAX = 8, QUERY_PARAMETERS_MAX = 64 };

struct parameter {
    struct slice name, value;
    struct slice raw; /* "name=value" as on the wire */
};

struct call {
    struct members *members;
    struct http_request *request;
    struct http_response *response;
    uint32_t retry_seconds;
    struct slice segments[PATH_SEGMENTS_MAX];
    uint32_t segment_count;
    struct parameter parameters[QUERY_PARAMETERS_MAX];
    uint32_t parameter_count;
    struct slice base; /* "http://host:port/fhir" */
    /* of an authenticated one */
    struct consent *consent;
    uint32_t delivery;
    struct faults faults;
};

/* The value of the first parameter of that name; bytes NULL when absent. */
struct slice call_parameter(const struct call *call, const char *name);

/* Answer whatever it is. */
void route(struct members *members, uint32_t retry_seconds, struct http_request *request,
           struct http_response *response);

/* Below /fhir, authenticated (fhir.c), and below /sandbox (admin.c). */
void route_fhir(struct call *call);
void route_metadata(struct call *call);
void route_admin(struct call *call);

#endif
