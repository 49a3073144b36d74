/* sync/sync.h - bring members' records from Flexpa into a FHIR store, and back out.
 *
 * sync_run() does for each consent what the guide's code means to do: ask the
 * source for $everything, wait while it still gathers, take every page, strip
 * what is not R4, put repeated deliveries right, order and cut into bundles, PUT
 * them, and read every entry of every answer. Its report accounts for each entry
 * that the source gave: fetched = created + updated + unchanged +
 * updated_or_unchanged + skipped + failed.
 *
 * Memory stays flat: texts lie in unlinked temporary files (README.md). Nothing
 * here prints; lines for the user go through settings.say, never with a token or
 * with health data in them (ids of resources and a server's own words about why
 * it refused are the exceptions).
 *
 * Blocking, single-threaded; several runs may go on in several threads.
 */
#ifndef SYNC_SYNC_H
#define SYNC_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "aws/aws.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* What kind of store the target is: its limits, and what its answers mean. */
enum sync_target {
    SYNC_TARGET_AUTO,       /* by its host name, else by what its metadata says */
    SYNC_TARGET_HEALTHLAKE, /* 100 entries a transaction, 500 a batch, 15 MB */
    SYNC_TARGET_TARN,       /* 200 MB; tells unchanged from updated */
    SYNC_TARGET_FHIR,       /* any other: 500 entries, 15 MB */
};

/* A line of progress, without line feed. */
typedef void sync_say(void *context, struct slice line);
/* Sleep instead of the system; for tests. */
typedef void sync_sleep(void *context, int64_t duration_us);

/* Credentials that take the place of those that have come to an end. Texts live as long
 * as the settings. */
typedef enum err sync_renew(void *context, struct aws_credentials *ret, struct slice *ret_text);

struct sync_settings {
    struct slice flexpa_base; /* "https://api.flexpa.com" */
    struct slice endpoint;    /* "https://host/datastore/ID/r4", last slash or not */
    struct slice region;
    struct aws_credentials credentials; /* no access key: requests are not signed */
    sync_renew *renew;                  /* NULL: there are no others */
    void *renew_context;
    enum sync_target target;
    uint32_t bundle_entries; /* lower or raise the target's limit; 0: as the target */
    uint64_t bundle_bytes;   /* the same */
    bool batch;              /* batches instead of transactions */
    bool compare;            /* read each resource first; send only what differs */
    bool dry_run;            /* fetch and plan, send nothing */
    struct slice validation_level; /* "strict", "structure-only", "minimal" or empty */
    const char *state_folder;      /* of the ledgers; NULL: none */
    const char *ca_file;           /* NULL: the system's */
    unsigned tries;                /* of a failing request; 0: 5 */
    unsigned wait_seconds;         /* for a source that still gathers; 0: 900 */
    sync_say *say;                 /* may be NULL */
    void *say_context;
    sync_sleep *sleep; /* NULL: really sleep */
    void *sleep_context;
};

struct sync_consent {
    struct slice user;    /* may be empty */
    struct slice consent; /* its id; empty: learnt from the resources' tags */
    struct slice token;   /* secret */
};

/* Lines of `user, consent, token`; empty lines and those that begin with '#' do
 * not count. Texts are copied into the arena. ERR_SYNTAX with *error saying which
 * line and why (never its token). */
MUST_USE enum err sync_consents_parse(struct slice text, struct arena *arena,
                                      struct sync_consent **ret_consents, size_t *ret_count,
                                      struct slice *error);

/* ---- report ---- */

struct sync_failure {
    struct sync_failure *next;
    struct slice resource; /* "Type/id", or what stands for it: "entry 12" */
    struct slice reason;
};

enum { SYNC_FAILURES_MAX = 1000 };

/* How often a type was delivered, each resource once. */
struct sync_type_count {
    struct slice type;
    uint64_t count;
};

struct sync_result {
    struct slice user, consent;
    struct slice other_consent; /* the tag that the resources carry instead, if another */
    uint64_t fetched; /* entries the source gave */
    uint64_t created, updated, unchanged, updated_or_unchanged, failed;
    uint64_t skipped;  /* messages and empty entries, and repeats */
    uint64_t repeats;  /* of them: a resource delivered again */
    uint64_t differing_repeats; /* of them: that said something else */
    uint64_t stored_with_issues; /* of those stored: the target found fault and kept them */
    struct slice issue;          /* its words about the first of them */
    uint64_t planned;  /* dry run: would be sent */
    uint64_t received_bytes, sent_bytes;
    uint32_t pages, bundles;
    uint32_t cut_circles; /* resources in a circle that fit in no bundle */
    bool is_atomic;   /* one transaction took all of it */
    bool is_complete; /* every entry is stored (dry run: could be sent) */
    int64_t took_us;
    struct slice message; /* the first that the source put among the resources */
    struct slice problem; /* why the consent as a whole failed; empty if it did not */
    struct sync_failure *failures; /* the first SYNC_FAILURES_MAX */
    struct sync_type_count *types;
    size_t type_count;
};

struct sync_report {
    struct arena arena; /* owned */
    struct sync_result *results;
    size_t count;
    bool is_dry_run;
    bool is_complete; /* every result is */
    enum sync_target target; /* as found */
    struct slice problem;    /* why the run as a whole failed */
};

void sync_report_release(struct sync_report *report);
void sync_report_human(const struct sync_report *report, struct buf *out);
void sync_report_json(const struct sync_report *report, struct buf *out);

/* ---- running ---- */

/* Always fills *report; ERR_NONE even when consents failed (report->is_complete
 * tells), an error when nothing could be begun (report->problem says why). */
MUST_USE enum err sync_run(const struct sync_settings *settings,
                           const struct sync_consent *consents, size_t count,
                           struct sync_report *report);

/* Before the first run: does the source answer and take each token, does the
 * target answer, is the signature accepted, the clock right, are the actions
 * permitted? A line per question with a remedy when it fails. Writes nothing into
 * the target. *ret_ok: no line failed. */
MUST_USE enum err sync_check(const struct sync_settings *settings,
                             const struct sync_consent *consents, size_t count, struct buf *out,
                             bool *ret_ok);

/* ---- reading back ---- */

enum sync_format { SYNC_BUNDLE, SYNC_NDJSON, SYNC_SUMMARY };

struct sync_question {
    const char *method;
    struct slice path, query, body; /* behind the endpoint; encoded; JSON */
};
struct sync_reply {
    int status;
    struct slice body, problem; /* in the arena; a sentence, if it did not go well */
};
/* One signed request to settings->endpoint, tried once. An HTTP status is no error. */
MUST_USE enum err sync_ask(const struct sync_settings *settings,
                           const struct sync_question *question, struct arena *arena,
                           struct sync_reply *ret);

struct sync_wanted {
    const struct slice *consents; /* ids; every Patient with such a tag */
    size_t consent_count;
    const struct slice *patients; /* ids */
    size_t patient_count;
    struct slice types; /* "Coverage,ExplanationOfBenefit"; empty: all */
    enum sync_format format;
    int fd; /* where it goes */
};

/* $everything of each Patient, to the last page, each resource once. Nothing is
 * written to fd before all was read. *ret_count resources; ERR_NOT_FOUND when no
 * Patient is; *error (in the arena) says what went wrong. */
MUST_USE enum err sync_everything(const struct sync_settings *settings,
                                  const struct sync_wanted *wanted, struct arena *arena,
                                  uint64_t *ret_count, struct slice *error);

#endif
