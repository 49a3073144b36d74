/* base/limits.h - every limit that a client can meet, in one table.
 *
 * The server takes its figures from here, `tarn limits`, `metadata` and
 * docs/limits.md show them: a limit that is not a row does not exist. A struct
 * limits holds those that a preset or a setting changes, as in force; the rest
 * are constants. 0 is "no limit".
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/slice.h"

#define LIMIT_MB(n) ((uint64_t)(n) << 20)

/* X(member, "name", unit, open, guide, healthlake, setting, meaning);
 * `setting` is the flag of `tarn serve` besides --limit, NULL: there is none. */
#define LIMIT_LIST(X)                                                                           \
    X(body_bytes, "body-bytes", "bytes", LIMIT_MB(256), LIMIT_MB(15), LIMIT_MB(15),             \
      "--max-body", "body of a request")                                                        \
    X(resource_bytes, "resource-bytes", "bytes", 0, 0, LIMIT_MB(5), NULL,                       \
      "body of a create, update or patch; resource of a Bundle's entry")                        \
    X(bundle_bytes, "bundle-bytes", "bytes", 0, 0, LIMIT_MB(15), NULL,                          \
      "body of a batch or transaction")                                                         \
    X(transaction_entries, "transaction-entries", "entries", 0, 0, 100, "--max-entries",        \
      "entries of a transaction")                                                               \
    X(async_entries, "async-entries", "entries", 0, 0, 500, "--max-entries",                    \
      "entries of a transaction that is done later (`Prefer: respond-async`)")                  \
    X(batch_entries, "batch-entries", "entries", 0, 0, 500, "--max-entries",                    \
      "entries of a batch")                                                                     \
    X(bodies_bytes, "bodies-bytes", "bytes", LIMIT_MB(512), LIMIT_MB(512), LIMIT_MB(512),       \
      "--max-bodies-in-flight", "bodies of all clients together; more are told 503")            \
    X(page_size, "page-size", "entries", 100, 100, 100, NULL,                                   \
      "a page when `_count` does not say")                                                      \
    X(page_size_max, "page-size-max", "entries", 1000, 1000, 100, NULL,                         \
      "`_count`; more is lowered, under `--behave healthlake` refused")                         \
    X(search_budget, "search-budget", "units", 50000000, 50000000, 50000000, NULL,              \
      "work of one search: index values looked at, 20 for each that a join follows")            \
    X(search_memory, "search-memory", "bytes", LIMIT_MB(512), LIMIT_MB(512), LIMIT_MB(512), NULL, \
      "memory of one search, while its page is found")                                          \
    X(join_matches, "join-matches", "matches", 1000000, 1000000, 100, NULL,                     \
      "matches of one level of a chain or `_has`; more are refused, as more than 1,000,000")    \
    X(sort_keys, "sort-keys", "keys", 8, 8, 5, NULL, "keys of `_sort`; 16 at most")             \
    X(head_bytes, "head-bytes", "bytes", 65536, 65536, 65536, NULL,                             \
      "request line and header fields")                                                         \
    X(connections, "connections", "connections", 4096, 4096, 4096, NULL,                        \
      "connections at once; more are told 503")                                                 \
    X(idle_seconds, "idle-seconds", "seconds", 60, 60, 60, NULL,                                \
      "a connection without a request; a head or body that does not come")                      \
    X(datastores, "datastores", "data stores", 1000, 1000, 20, NULL,                            \
      "data stores of the server")                                                              \
    X(rate_read, "rate-read", "per second", 0, 0, 3000, "--rates",                              \
      "reads, vreads and histories, of a data store")                                           \
    X(rate_read_account, "rate-read-account", "per second", 0, 0, 6000, "--rates",              \
      "the same, of all data stores")                                                           \
    X(rate_write, "rate-write", "units per second", 0, 0, 3000, "--rates",                      \
      "write units, of a data store")                                                           \
    X(rate_write_account, "rate-write-account", "units per second", 0, 0, 6000, "--rates",      \
      "the same, of all data stores")                                                           \
    X(rate_search_get, "rate-search-get", "per second", 0, 0, 100, "--rates",                   \
      "searches by GET, of a data store")                                                       \
    X(rate_search_get_account, "rate-search-get-account", "per second", 0, 0, 200, "--rates",   \
      "the same, of all data stores")                                                           \
    X(rate_search_post, "rate-search-post", "per second", 0, 0, 100, "--rates",                 \
      "searches by POST, of a data store")                                                      \
    X(rate_search_post_account, "rate-search-post-account", "per second", 0, 0, 200, "--rates", \
      "the same, of all data stores")                                                           \
    X(rate_everything, "rate-everything", "per second", 0, 0, 10, "--rates",                    \
      "`$everything`, of a data store")                                                         \
    X(rate_everything_account, "rate-everything-account", "per second", 0, 0, 10, "--rates",    \
      "the same, of all data stores")                                                           \
    X(rate_validate, "rate-validate", "per second", 0, 0, 1000, "--rates",                      \
      "`$validate`, of a data store")                                                           \
    X(rate_validate_account, "rate-validate-account", "per second", 0, 0, 2000, "--rates",      \
      "the same, of all data stores")                                                           \
    X(rate_capabilities_account, "rate-capabilities-account", "per second", 0, 0, 10,           \
      "--rates", "`metadata`, of all data stores")                                              \
    X(rate_discovery_account, "rate-discovery-account", "per minute", 0, 0, 10, "--rates",      \
      "`.well-known/smart-configuration`, of all data stores")                                  \
    X(rate_create_datastore, "rate-create-datastore", "per minute", 0, 0, 1, "--rates",         \
      "CreateFHIRDatastore")                                                                    \
    X(rate_delete_datastore, "rate-delete-datastore", "per minute", 0, 0, 1, "--rates",         \
      "DeleteFHIRDatastore")                                                                    \
    X(rate_start_import, "rate-start-import", "per second", 0, 0, 25, "--rates",                \
      "StartFHIRImportJob")                                                                     \
    X(rate_start_export, "rate-start-export", "per second", 0, 0, 1, "--rates",                 \
      "StartFHIRExportJob")                                                                     \
    X(rate_control, "rate-control", "per second", 0, 0, 10, "--rates",                          \
      "each other operation of the control plane")

struct limits {
#define X(member, ...) uint64_t member;
    LIMIT_LIST(X)
#undef X
};

/* X(CONSTANT, "name", value, unit, meaning): the same under all presets. */
#define LIMIT_FIXED_LIST(X)                                                                        \
    X(HEADER_FIELDS, "header-fields", 200, "fields", "header fields of a request")                 \
    X(CONTROL_BODY_BYTES, "control-body-bytes", 1048576, "bytes",                                  \
      "body of a request to the control plane")                                                    \
    X(JSON_DEPTH, "json-depth", 128, "levels", "nesting of a body's JSON")                         \
    X(QUERY_PARAMETERS, "query-parameters", 1000, "parameters", "parameters of a query")           \
    X(QUERY_VALUES, "query-values", 4096, "values",                                                \
      "values between commas, of all parameters of a query")                                       \
    X(SORT_MATCHES, "sort-matches", 4000000, "matches", "matches that `_sort` orders")             \
    X(INCLUDE_PARAMETERS, "include-parameters", 64, "parameters",                                  \
      "`_include` and `_revinclude` of a query")                                                   \
    X(INCLUDED, "included", 10000, "resources", "included resources of a page")                    \
    X(CHAIN_DEPTH, "chain-depth", 1000, "levels",                                                  \
      "chains and `_has`, each in the other; nesting of a `_filter`")                             \
    X(CONDITIONAL_DELETES, "conditional-deletes", 100, "resources",                                \
      "`_count` of a conditional delete")                                                          \
    X(BATCH_ROUNDS, "batch-rounds", 100, "writes", "writes of one batch to one target")            \
    X(SEARCH_PARAMETERS, "search-parameters", 1000, "definitions",                                 \
      "SearchParameters of a data store that are searched by; more have no effect")                \
    X(PENDING_TRANSACTIONS, "pending-transactions", 500, "transactions",                        \
      "transactions that are done later and wait; more are a 429")                              \
    X(QUEUED_JOBS, "queued-jobs", 25, "jobs",                                                      \
      "jobs of a kind that wait, of a data store; more are a ThrottlingException")

enum {
#define X(constant, name, value, ...) LIMIT_##constant = (value),
    LIMIT_FIXED_LIST(X)
#undef X
};

/* "open", "guide", "healthlake"; false for any other name. */
bool limits_preset(struct slice name, struct limits *ret);

/* A row as it is shown. */
struct limit_row {
    const char *name; /* "transaction-entries" */
    const char *unit, *meaning;
    const char *setting; /* NULL for those that --limit alone sets and for constants */
    bool is_fixed;
    uint64_t open, guide, healthlake;
    uint64_t value; /* as in force */
};

size_t limits_count(void);
/* The row of that number (below limits_count()), with its value of *limits. */
void limits_row(const struct limits *limits, size_t number, struct limit_row *ret);

/* "NAME=NUMBER" (K, M, G are taken, "none" is 0). False when there is no such limit,
 * it cannot be set, or the number is none. */
bool limits_set(struct limits *limits, struct slice text);

/* The rates alone: "none", a preset's name, or "NAME=NUMBER" with or without "rate-",
 * several of these between commas. False on anything else. */
bool limits_set_rates(struct limits *limits, struct slice text);

#endif
