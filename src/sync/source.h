/* sync/source.h - the member's record as Flexpa gives it.
 *
 *   GET {base}/fhir/Patient/$PATIENT_ID/$everything   Authorization: Bearer TOKEN
 *
 * `$PATIENT_ID` is sent as it stands; the server puts the token's member there.
 *
 *   answer                what it means            what is done
 *   200                   a page                   spooled, read, next link followed
 *   429 transient         Flexpa still gathers     wait, as long as settings allow
 *   429 other             a quota is used up       a few tries, then given up
 *   401, 403              revoked or expired       given up: the member must connect again
 *   422                   the payer's sync failed  given up: asking again does not help
 *   408, 5xx, network,    passing trouble          a few tries with growing delays
 *   or a body cut short
 *   anything else                                  given up
 *
 * A next link is followed on the source's own origin only: anywhere else the
 * token would leave. A record is taken whole or not at all: nothing is sent
 * before its last page is here.
 */
#ifndef SYNC_SOURCE_H
#define SYNC_SOURCE_H

#include "sync/member.h"
#include "sync/result.h"
#include "sync/session.h"

/* Fill the (open, empty) member and resolve it. An error means the consent
 * failed and r->result->problem says why; entries that cannot be taken are
 * counted and noted in the result. */
MUST_USE enum err source_fetch(struct session *s, const struct sync_consent *consent,
                               struct member *m, struct result *r);

/* One request with the token, all tries; the answer lies in s->answer. On
 * failure *ret_problem is a sentence with a remedy. */
MUST_USE enum err source_get(struct session *s, struct slice url, struct slice token,
                             bool expects_bundle, struct arena *arena,
                             struct slice *ret_problem);

/* The target of the bundle's link with that relation, decoded into the arena;
 * empty when there is none. `links`: raw JSON of Bundle.link. */
MUST_USE enum err bundle_link(struct slice links, const char *relation, struct arena *arena,
                              struct slice *ret_url);

#endif
