/* rest/customs_entry.h - one stored SearchParameter, and what it comes to; private to
 * customs*.c. */
#ifndef REST_CUSTOMS_ENTRY_H
#define REST_CUSTOMS_ENTRY_H

#include "rest/customs.h"

enum {
    ENTRY_ID_BYTES = 64,
    ENTRY_WHY_BYTES = 300,
    ENTRY_TYPE_WORDS = 4, /* 64 resource types each */
    ENTRIES_MAX = 5000, /* more SearchParameters are not looked at */
};

struct custom_entry {
    uint64_t doc;
    char id[ENTRY_ID_BYTES + 1];
    char why[ENTRY_WHY_BYTES];  /* it does not count; empty: it does */
    struct custom_param *param; /* counted; NULL when it does not count whatever others say */
    bool is_settled;            /* it has its number, and so may be shared */
    bool is_used;
    uint16_t number;            /* 0: none */
    uint8_t part_types[CUSTOM_COMPONENTS_MAX];
    uint64_t types[ENTRY_TYPE_WORDS]; /* it answers for: bits by fhir_type.resource */
};

struct custom_entries {
    struct custom_entry *list; /* by document; owned */
    size_t count;
};
void custom_entries_release(struct custom_entries *entries);

static inline bool custom_entry_has(const struct custom_entry *e, uint16_t resource)
{
    return (e->types[resource / 64] >> resource % 64 & 1) != 0;
}

/* Read a definition's text into an entry whose doc and id are known. What is wrong with
 * it stands in `why`. ERR_NO_MEMORY. */
MUST_USE enum err custom_entry_read(struct custom_entry *e, struct slice text);

/* Let go of what passes the memory that all of them may take. */
void custom_entries_bound(struct custom_entries *entries);

/* The types of a composite's parts by what the entries and R4 define. False: one is not
 * known; *ret_missing is its canonical. */
bool custom_entry_parts(const struct custom_entries *entries, const struct custom_entry *e,
                        uint8_t ret_types[CUSTOM_COMPONENTS_MAX], struct slice *ret_missing);

/* Which of them count, for which types, under which numbers. Earlier ones, by number,
 * then by document, have a name before later ones. *next_number goes on. */
void custom_entries_decide(struct custom_entries *entries, uint16_t *next_number);

/* The concrete types that the definition names. */
void custom_entry_bases(const struct custom_param *p, uint64_t ret_types[ENTRY_TYPE_WORDS]);

#endif
