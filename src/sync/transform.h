/* sync/transform.h - one entry as the source gives it to a resource as sent.
 *
 * Kept: every token, in its order, number text and string escapes as written;
 * white space between tokens goes. Left out: members of `meta` that R4 does not
 * define (Flexpa's `project`), of the resource, of contained resources and of
 * resources inside those. A `meta` that is empty then goes too.
 *
 * On the way the walk learns what the later stages need: type, id, the instant
 * of meta.lastUpdated, the literal references, the consent's tag, and a hash of
 * the text without meta.versionId and meta.lastUpdated (the two that a store
 * sets itself), so that equal hashes mean "says the same".
 */
#ifndef SYNC_TRANSFORM_H
#define SYNC_TRANSFORM_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "json/json.h"

enum transform_verdict {
    TRANSFORM_RESOURCE,
    TRANSFORM_EMPTY,   /* no resource in it */
    TRANSFORM_MESSAGE, /* an OperationOutcome without id: a message, no record */
    TRANSFORM_NO_TYPE, /* a resource without resourceType */
    TRANSFORM_NO_ID,   /* a resource without id */
    TRANSFORM_BAD_ID,  /* its type or id cannot stand in a URL */
};

#define CONSENT_TAG_SYSTEM "https://fhir.flexpa.com/identifiers/ConsentId"

enum { TRANSFORM_REFERENCES_MAX = 4096 };

struct transform {
    uint64_t seed;      /* of name hashes; secret, so that none collide on purpose */
    struct arena arena; /* owned; of the current entry */
    struct buf text;    /* owned; the resource as sent */
    struct buf shadow;  /* owned; meta once more, for the hash */
    struct buf edges;   /* owned; uint32_t name hashes of the targets, each once */

    /* of the current entry, valid until the next call */
    struct json_doc doc;  /* the entry, parsed */
    struct json resource; /* in it; absent if none */
    enum transform_verdict verdict;
    struct slice type, id; /* borrowed from the entry's text or the arena */
    struct slice consent;  /* code of its ConsentId tag; empty if none */
    uint64_t hash;         /* what it says */
    int64_t updated_us;    /* meta.lastUpdated; INT64_MIN when absent or unreadable */
    size_t meta_at, meta_end; /* in the text: top-level meta with the comma before it */
    struct json_error error;
};

/* Takes no memory, cannot fail. */
void transform_init(struct transform *t, uint64_t seed);
void transform_release(struct transform *t);

/* Read one element of Bundle.entry. ERR_SYNTAX (t->error says where), ERR_LIMIT,
 * ERR_NO_MEMORY; a verdict other than TRANSFORM_RESOURCE is no error. */
MUST_USE enum err transform_entry(struct transform *t, struct slice entry);
/* The same for the bare resource (an answer to a read). */
MUST_USE enum err transform_resource(struct transform *t, struct slice resource);

/* What an edge holds: half of a hash of "Type/id". */
uint32_t transform_name_hash(uint64_t seed, struct slice type, struct slice id);

static inline const uint32_t *transform_edges(const struct transform *t, size_t *ret_count)
{
    *ret_count = t->edges.length / sizeof(uint32_t);
    return (const uint32_t *)(const void *)t->edges.bytes;
}

#endif
