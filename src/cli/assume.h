/* cli/assume.h - AssumeRole for AWS profiles that have a role_arn. */
#ifndef CLI_ASSUME_H
#define CLI_ASSUME_H

#include "aws/aws.h"

/* An aws_assume: asks AWS_ENDPOINT_URL_STS, else STS of the region (us-east-1 when it is
 * not said). `context` is not looked at. */
enum err cli_assume(void *context, struct arena *arena, const struct aws_assumption *what,
                    struct aws_credentials *ret_credentials, struct slice *ret_text);

#endif
