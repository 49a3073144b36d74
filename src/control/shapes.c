/* control/shapes.c - after reference/healthlake.md 2.2 and 2.3: what the
 * service's published model says of its requests. */
#include "control/shapes.h"

#define LENGTH(least, most) .has_min = true, .min = (least), .has_max = true, .max = (most)
#define ENUM(...)                                                                                  \
    .values = (const char *const[])                                                                \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define MEMBERS(...)                                                                               \
    .members = (const struct shape_member[])                                                       \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            .name = NULL                                                                           \
        }                                                                                          \
    }
#define NEED(member, its_shape)                                                                    \
    {                                                                                              \
        .name = (member), .shape = &(its_shape), .is_required = true                               \
    }
#define MAY(member, its_shape)                                                                     \
    {                                                                                              \
        .name = (member), .shape = &(its_shape)                                                    \
    }

/* ---- values ---- */

#define NAME_PATTERN "([\\p{L}\\p{Z}\\p{N}_.:/=+\\-%@]*)"
#define TAG_PATTERN "([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)"
#define PARTITION "arn:aws((-us-gov)|(-iso)|(-iso-b)|(-cn))?"

static const struct shape id = { .kind = SHAPE_STRING, LENGTH(1, 32), .pattern = NAME_PATTERN };
static const struct shape datastore_name = { .kind = SHAPE_STRING,
                                             LENGTH(1, 256),
                                             .pattern = NAME_PATTERN };
static const struct shape job_name = { .kind = SHAPE_STRING,
                                       LENGTH(1, 64),
                                       .pattern = NAME_PATTERN };
static const struct shape client_token = { .kind = SHAPE_STRING,
                                           LENGTH(1, 64),
                                           .pattern = "[a-zA-Z0-9-]+" };
static const struct shape next_token = { .kind = SHAPE_STRING,
                                         LENGTH(0, 8192),
                                         .pattern = "\\p{ASCII}{0,8192}" };
static const struct shape max_results = { .kind = SHAPE_INTEGER, LENGTH(1, 500) };
static const struct shape timestamp = { .kind = SHAPE_TIMESTAMP };
static const struct shape boolean = { .kind = SHAPE_BOOLEAN };
static const struct shape any_text = { .kind = SHAPE_STRING };
static const struct shape text = { .kind = SHAPE_STRING,
                                   LENGTH(0, 10000),
                                   .pattern = "[\\P{M}\\p{M}]{0,10000}" };
static const struct shape bounded_text = { .kind = SHAPE_STRING,
                                           LENGTH(1, 5000),
                                           .pattern = "[\\P{M}\\p{M}]{1,5000}" };
static const struct shape resource_arn = {
    .kind = SHAPE_STRING,
    LENGTH(1, 1011),
    .pattern = PARTITION ":healthlake:[a-z0-9-]+:\\d{12}:(datastore\\/fhir\\/.{32}|"
                         "dataTransformationProfile\\/[a-f0-9]{32})"
};
static const struct shape role_arn = { .kind = SHAPE_STRING,
                                       LENGTH(20, 2048),
                                       .pattern = "arn:aws(-[^:]+)?:iam::[0-9]{12}:role/.+" };
static const struct shape lambda_arn = {
    .kind = SHAPE_STRING,
    LENGTH(49, 256),
    .pattern = "arn:aws:lambda:[a-z]{2}-[a-z]+-\\d{1}:\\d{12}:function:[a-zA-Z0-9\\-_\\.]+"
               "(:(\\$LATEST|[a-zA-Z0-9\\-_]+))?"
};
static const struct shape encryption_key = {
    .kind = SHAPE_STRING,
    LENGTH(1, 400),
    .pattern = "(" PARTITION ":kms:)?([a-z]{2}-[a-z]+(-[a-z]+)?-\\d:)?(\\d{12}:)?"
               "(((key/)?[a-zA-Z0-9-_]+)|(alias/[a-zA-Z0-9:/_-]+))"
};
static const struct shape s3_uri = { .kind = SHAPE_STRING,
                                     LENGTH(0, 1024),
                                     .pattern = "s3://[a-z0-9][\\.\\-a-z0-9]{1,61}[a-z0-9](/.*)?" };

static const struct shape fhir_version = { .kind = SHAPE_STRING, ENUM("R4") };
static const struct shape preload_type = { .kind = SHAPE_STRING, ENUM("SYNTHEA") };
static const struct shape key_kind = { .kind = SHAPE_STRING,
                                       ENUM("CUSTOMER_MANAGED_KMS_KEY", "AWS_OWNED_KMS_KEY") };
static const struct shape strategy = { .kind = SHAPE_STRING,
                                       ENUM("SMART_ON_FHIR_V1", "SMART_ON_FHIR", "AWS_AUTH") };
static const struct shape datastore_status = { .kind = SHAPE_STRING,
                                               ENUM("CREATING", "ACTIVE", "DELETING", "DELETED",
                                                    "CREATE_FAILED", "UPDATING", "UPDATE_FAILED") };
static const struct shape job_status = {
    .kind = SHAPE_STRING,
    ENUM("SUBMITTED", "QUEUED", "IN_PROGRESS", "COMPLETED_WITH_ERRORS", "COMPLETED", "FAILED",
         "CANCEL_SUBMITTED", "CANCEL_IN_PROGRESS", "CANCEL_COMPLETED", "CANCEL_FAILED")
};
static const struct shape analytics_status = {
    .kind = SHAPE_STRING, ENUM("ENABLED", "ENABLING", "DISABLED", "DISABLING", "PAUSING", "PAUSED")
};
static const struct shape nlp_status = { .kind = SHAPE_STRING,
                                         ENUM("ENABLED", "ENABLING", "DISABLED", "DISABLING") };
static const struct shape validation_level = { .kind = SHAPE_STRING,
                                               ENUM("strict", "structure-only", "minimal") };

/* ---- tags ---- */

static const struct shape tag_key = { .kind = SHAPE_STRING,
                                      LENGTH(1, 128),
                                      .pattern = TAG_PATTERN };
static const struct shape tag_value = { .kind = SHAPE_STRING,
                                        LENGTH(0, 256),
                                        .pattern = TAG_PATTERN };
static const struct shape tag = { .kind = SHAPE_STRUCTURE,
                                  MEMBERS(NEED("Key", tag_key), NEED("Value", tag_value)) };
static const struct shape tags = { .kind = SHAPE_LIST, LENGTH(0, TAGS_MAX), .element = &tag };
static const struct shape tag_keys = { .kind = SHAPE_LIST,
                                       LENGTH(0, TAGS_MAX),
                                       .element = &tag_key };

/* ---- configurations ---- */

static const struct shape kms = {
    .kind = SHAPE_STRUCTURE, MEMBERS(NEED("CmkType", key_kind), MAY("KmsKeyId", encryption_key))
};
static const struct shape sse = { .kind = SHAPE_STRUCTURE,
                                  MEMBERS(NEED("KmsEncryptionConfig", kms)) };
static const struct shape preload = { .kind = SHAPE_STRUCTURE,
                                      MEMBERS(NEED("PreloadDataType", preload_type)) };
static const struct shape identity = { .kind = SHAPE_STRUCTURE,
                                       MEMBERS(NEED("AuthorizationStrategy", strategy),
                                               MAY("FineGrainedAuthorizationEnabled", boolean),
                                               MAY("Metadata", any_text),
                                               MAY("IdpLambdaArn", lambda_arn)) };
static const struct shape analytics = { .kind = SHAPE_STRUCTURE,
                                        MEMBERS(MAY("Status", analytics_status)) };
static const struct shape nlp = { .kind = SHAPE_STRUCTURE, MEMBERS(MAY("Status", nlp_status)) };
static const struct shape profiles = { .kind = SHAPE_LIST, .element = &text };
static const struct shape profile = { .kind = SHAPE_STRUCTURE,
                                      MEMBERS(MAY("DefaultProfiles", profiles)) };
static const struct shape input_config = { .kind = SHAPE_UNION, MEMBERS(MAY("S3Uri", s3_uri)) };
static const struct shape s3_config = {
    .kind = SHAPE_STRUCTURE, MEMBERS(NEED("S3Uri", s3_uri), NEED("KmsKeyId", encryption_key))
};
static const struct shape output_config = { .kind = SHAPE_UNION,
                                            MEMBERS(MAY("S3Configuration", s3_config)) };
static const struct shape filter = {
    .kind = SHAPE_STRUCTURE,
    MEMBERS(MAY("DatastoreName", datastore_name), MAY("DatastoreStatus", datastore_status),
            MAY("CreatedBefore", timestamp), MAY("CreatedAfter", timestamp))
};

/* ---- requests ---- */

const struct shape shape_create_datastore = {
    .kind = SHAPE_STRUCTURE,
    MEMBERS(MAY("DatastoreName", datastore_name), NEED("DatastoreTypeVersion", fhir_version),
            MAY("SseConfiguration", sse), MAY("PreloadDataConfig", preload),
            MAY("ClientToken", client_token), MAY("Tags", tags),
            MAY("IdentityProviderConfiguration", identity),
            MAY("AnalyticsConfiguration", analytics), MAY("NlpConfiguration", nlp),
            MAY("ProfileConfiguration", profile))
};
const struct shape shape_datastore_id = { .kind = SHAPE_STRUCTURE,
                                          MEMBERS(NEED("DatastoreId", id)) };
const struct shape shape_list_datastores = {
    .kind = SHAPE_STRUCTURE,
    MEMBERS(MAY("Filter", filter), MAY("NextToken", next_token), MAY("MaxResults", max_results))
};
const struct shape shape_update_datastore = {
    .kind = SHAPE_STRUCTURE,
    MEMBERS(NEED("DatastoreId", id), MAY("DatastoreName", datastore_name),
            MAY("AnalyticsConfiguration", analytics), MAY("NlpConfiguration", nlp),
            MAY("ProfileConfiguration", profile), MAY("IdentityProviderConfiguration", identity))
};
const struct shape shape_tag_resource = {
    .kind = SHAPE_STRUCTURE, MEMBERS(NEED("ResourceARN", resource_arn), NEED("Tags", tags))
};
const struct shape shape_untag_resource = {
    .kind = SHAPE_STRUCTURE, MEMBERS(NEED("ResourceARN", resource_arn), NEED("TagKeys", tag_keys))
};
const struct shape shape_list_tags = { .kind = SHAPE_STRUCTURE,
                                       MEMBERS(NEED("ResourceARN", resource_arn)) };
const struct shape shape_start_import = {
    .kind = SHAPE_STRUCTURE,
    MEMBERS(MAY("JobName", job_name), NEED("InputDataConfig", input_config),
            NEED("JobOutputDataConfig", output_config), NEED("DatastoreId", id),
            NEED("DataAccessRoleArn", role_arn), MAY("ClientToken", client_token),
            MAY("ValidationLevel", validation_level), MAY("ProfileId", bounded_text),
            MAY("InputFormat", bounded_text), MAY("DriftDetectionEnabled", boolean),
            MAY("ProvenanceEnabled", boolean))
};
const struct shape shape_start_export = {
    .kind = SHAPE_STRUCTURE,
    MEMBERS(MAY("JobName", job_name), NEED("OutputDataConfig", output_config),
            NEED("DatastoreId", id), NEED("DataAccessRoleArn", role_arn),
            MAY("ClientToken", client_token))
};
const struct shape shape_describe_job = { .kind = SHAPE_STRUCTURE,
                                          MEMBERS(NEED("DatastoreId", id), NEED("JobId", id)) };
const struct shape shape_list_jobs = {
    .kind = SHAPE_STRUCTURE,
    MEMBERS(NEED("DatastoreId", id), MAY("NextToken", next_token), MAY("MaxResults", max_results),
            MAY("JobName", job_name), MAY("JobStatus", job_status),
            MAY("SubmittedBefore", timestamp), MAY("SubmittedAfter", timestamp))
};
