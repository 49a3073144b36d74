/* rest/async.h - transactions that are taken now and done later.
 *
 * A transaction sent with "Prefer: respond-async" is parsed and its entries'
 * permissions are asked at once; it is then written to a file, durably, and
 * answered with 202 and the address Transaction/{id}. One thread a store does
 * them in the order in which they came. The answer is kept in a file for 90 days.
 *
 *   {folder}/{instant, 16 hex digits}-{id}.request   "prefer level base-url\n", the body
 *   {folder}/{id}.answer                             "status\n", the body
 *
 * Exactly once: the commit leaves a mark in the store (store_apply_marked()) with
 * the targets of all entries. Who finds it after a crash makes the answer from it
 * and from the heads of that time, and does not write again.
 *
 * Thread-safe.
 */
#ifndef REST_ASYNC_H
#define REST_ASYNC_H

#include "rest/bundle.h"

struct async;

enum { ASYNC_PENDING_MAX = LIMIT_PENDING_TRANSACTIONS }; /* as HealthLake: more are ERR_THROTTLED */

/* Makes the folder (which is copied) if needed, takes up what an earlier run left,
 * starts the thread. `rest` must outlive it. ERR_IO, ERR_NO_MEMORY. */
MUST_USE enum err async_open(struct rest *rest, const char *folder, struct async **ret_async);
/* Waits for the transaction that is under way; the others wait for the next run. */
void async_close(struct async *async);

/* Those not done yet. */
size_t async_waiting(struct async *async);

/* Take the parsed transaction: 202 with Content-Location once it cannot be lost. */
MUST_USE enum err async_submit(struct request *r);
/* GET Transaction/{id}: 202 with how far it is, or its answer. */
MUST_USE enum err async_poll(struct request *r);

#endif
