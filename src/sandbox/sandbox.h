/* sandbox/sandbox.h - a server that plays Flexpa, for tests and for trying out.
 *
 * Serves consents over plain HTTP on loopback: Flexpa's FHIR API under /fhir and
 * our own switches under /sandbox. Members are made up from a seed, or are
 * recorded deliveries of a folder. One opaque bearer token a consent, always the
 * same for the same seed or folder. README.md has the routes and the faults.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct sandbox_settings {
    const char *address; /* loopback only: "127.0.0.1", "::1" */
    uint16_t port;       /* 0: any free one */
    /* made-up members: */
    uint64_t seed;
    uint32_t members, consents, years; /* consents of each member */
    uint64_t size_bytes;               /* about, of one consent's $everything */
    bool is_plain;                     /* R4 alone: without Flexpa's meta.project */
    /* or recorded ones: */
    const char *replay; /* folder; NULL: made-up members */
    /* at the start, each consent answers so many requests with 429 transient */
    uint32_t syncing;
    uint32_t retry_seconds; /* that its Retry-After says */
};

struct sandbox;

struct sandbox_consent {
    struct slice user, consent, token; /* live as long as the sandbox */
};

/* Build the members and listen; the sandbox lives in the arena. On failure *error
 * says why, from the arena: ERR_IO (address, folder), ERR_INVALID (settings,
 * recorded files). */
MUST_USE enum err sandbox_start(const struct sandbox_settings *settings, struct arena *arena,
                                struct sandbox **ret_sandbox, struct slice *error);
void sandbox_stop(struct sandbox *sandbox);

uint16_t sandbox_port(const struct sandbox *sandbox);
uint32_t sandbox_consent_count(const struct sandbox *sandbox);
struct sandbox_consent sandbox_consent_at(const struct sandbox *sandbox, uint32_t index);

/* "CONSENT:kind" or "CONSENT:kind=value", CONSENT being an id, a token, a number
 * from 1 or "all". ERR_INVALID with *error from the arena. */
MUST_USE enum err sandbox_fault(struct sandbox *sandbox, struct slice text, struct arena *arena,
                                struct slice *error);

/* The made-up members without a server: each resource of each consent's delivery
 * (from 1), in order, as JSON text that lives until `each` returns. Its first
 * error ends the walk. ERR_INVALID for settings that cannot be. */
typedef enum err sandbox_each(void *context, struct slice type, struct slice id,
                              struct slice text);
MUST_USE enum err sandbox_generate(const struct sandbox_settings *settings, uint32_t delivery,
                                   sandbox_each *each, void *context);

#endif
