/* server/refuse.h - an error in the shape of the plane it belongs to; private.
 *
 * Errors of the control plane are AWS's, those of the data plane OperationOutcomes.
 * Credentials are checked by AWS's front in both: refusals of theirs are AWS's
 * everywhere, but a client that asks for application/fhir+json gets FHIR.
 */
#ifndef SERVER_REFUSE_H
#define SERVER_REFUSE_H

#include "http/http.h"

/* `code` as rest_refuse(). The request may be half read. */
void refuse_request(struct http_request *r, enum err err, const char *code, struct slice text,
                    struct http_response *response);

/* auth_settings.refuse */
void refuse_credentials(struct http_request *r, enum err err, struct slice text,
                        struct http_response *response);

#endif
