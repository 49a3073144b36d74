/* rest/everything.h - a compartment's whole record, as Patient/{id}/$everything.
 *
 * The members are the compartment's documents by type, then commit (HealthLake's
 * preset: by type, then id). Behind them come the resources that they refer to
 * and that lie in no compartment of this kind (Organization, Practitioner, ...),
 * each once, as "include". Which those are stands beside each stored body (its
 * appendix), so they are known when all members have been read:
 *
 *   without _count   one pass: members are sent while references gather, then
 *                    the includes, then `total`
 *   with _count      the first page reads all members once for the total; later
 *                    pages have it in their token, and read all again only when
 *                    they reach the includes
 *
 * Memory: 9 bytes a member, the includes' names, and one resource.
 */
#ifndef REST_EVERYTHING_H
#define REST_EVERYTHING_H

#include "base/map.h"
#include "rest/page.h"

enum everything_phase { EVERYTHING_MEMBERS, EVERYTHING_INCLUDES, EVERYTHING_DONE };

struct everything {
    struct request *r;
    struct entries entries; /* owns the reader */
    enum fhir_compartment compartment;
    uint64_t owner_doc;
    /* what is asked */
    const struct fhir_type **types; /* _type; NULL: all */
    size_t type_count;
    bool has_since, has_window, is_paged;
    int64_t since, start, end; /* start <= date < end */
    uint64_t since_doc;        /* documents from here on are new enough */
    uint32_t page_count;
    struct slice query; /* for the links, page left out */
    /* the members, in order */
    uint64_t *docs;
    uint8_t *is_wanted; /* passes _type and _since; others are read for their references */
    size_t count;
    /* their references */
    bool has_includes; /* they are asked for */
    bool is_resolved;
    struct map names; /* "Type/id" */
    uint64_t *includes;
    size_t include_count;
    /* where the answer stands */
    enum everything_phase phase;
    bool is_begun, is_sending; /* members go out; else they are only counted */
    size_t position;           /* of the next member, then count + place of the next include */
    size_t start_position;     /* of this page */
    uint32_t room;             /* entries this page may still take, when paged */
    uint64_t sent;             /* entries of this and all pages before */
    uint64_t total;            /* when paged: known before the first entry */
};

/* Members of the compartment into e->docs. */
MUST_USE enum err everything_gather(struct everything *e);
/* Read members from e->position on; stops when the piece or the page is full. */
MUST_USE enum err everything_read(struct everything *e, struct buf *out);
/* The gathered names to documents, e->includes. */
MUST_USE enum err everything_resolve(struct everything *e);
/* True when resources of the type were asked for. */
bool everything_wants(const struct everything *e, const struct fhir_type *type);

#endif
