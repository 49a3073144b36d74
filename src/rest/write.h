/* rest/write.h - what plain and conditional writes of one resource share. */
#ifndef REST_WRITE_H
#define REST_WRITE_H

#include "rest/draft.h"
#include "rest/patch.h"

/* A fresh id, a UUID, in the arena. */
MUST_USE enum err write_id_new(struct arena *arena, struct slice *ret_id);
/* The resource as a write of r->route.id; what it needs is cut from the request's
 * arena. WRITE_PUT wants the body's id to be that one, the others set it. */
enum write_kind { WRITE_POST, WRITE_PUT, WRITE_PUT_SETS_ID };
MUST_USE enum err write_draft(struct request *r, struct json resource, enum write_kind kind,
                              struct arena *scratch, struct store_write *write);
/* 201 or 200 by the result, as Prefer says. Also the answer about a resource that
 * was there already (outcome STORE_UNCHANGED). */
MUST_USE enum err write_reply(struct request *r, const struct store_write *write,
                              const struct store_result *result);
/* 204, or 200 with an outcome to those who prefer one. */
MUST_USE enum err write_reply_deleted(struct request *r, const struct store_result *result);
/* The patch that the body's media type says, or 415. */
MUST_USE enum err write_patch_kind(struct request *r, enum patch_kind *ret);
/* The ceiling of an arena for one stored resource and its patching. */
size_t write_scratch_bytes(const struct request *r);

/* idempotency.c: the client's key for a create; NULL: none. */
const struct slice *idempotency_key(const struct request *r);
/* The new resource's id into r->route.id, made of the key where there is one. 409
 * with the Location of what it created, when that was less than a day ago. */
MUST_USE enum err idempotency_id(struct request *r);
/* The 409 alone: the store found r->route.id taken. */
MUST_USE enum err idempotency_refuse(struct request *r);
/* 400 for a key on anything but a create: the client relies on it. */
MUST_USE enum err idempotency_check_absent(struct request *r);

/* conditional.c: the same interactions by criteria instead of an id. */
MUST_USE enum err conditional_create(struct request *r, struct slice criteria);
MUST_USE enum err conditional_update(struct request *r);
MUST_USE enum err conditional_delete(struct request *r);
MUST_USE enum err conditional_patch(struct request *r);
/* conditional_delete.c: DELETE with _count. */
MUST_USE enum err conditional_delete_many(struct request *r);

#endif
