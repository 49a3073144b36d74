/* rest/customs_parts.h - what the files customs*.c share; private to them. */
#ifndef REST_CUSTOMS_PARTS_H
#define REST_CUSTOMS_PARTS_H

#include "base/buf.h"
#include "os/thread.h"
#include "rest/customs_entry.h"

/* A set and who may still look at it. They are freed in order, so whoever holds one
 * keeps all that come after it. */
struct customs_generation {
    struct customs_generation *newer;
    struct custom_set *set;
    uint64_t holders;
};

struct customs {
    pthread_mutex_t lock; /* of the generations */
    struct customs_generation *oldest, *newest;
    _Atomic(struct custom_set *) set; /* the newest one's */
    atomic_bool is_stale;             /* a definition was written since they were read */
    pthread_mutex_t settle_lock;      /* of what follows */
    struct store *store;
    struct custom_entries entries;
    uint16_t next_number;
    uint64_t set_number;
    struct store_rule *rules;  /* R4's, then those of the entries */
    size_t builtin_count, rule_count;
    struct buf record; /* as it lies in the store */
    bool is_untold;    /* the store has not heard of the rules */
};

static const size_t CUSTOMS_WORK_BYTES = (size_t)2 << 30;

/* Make the set the one that is used from now on; it is taken over. */
MUST_USE enum err customs_publish(struct customs *c, struct custom_set *set);

/* ---- customs_record.c ---- */

/* The entries that count, as they are found at the next start. */
MUST_USE enum err customs_record_keep(struct customs *c, const struct custom_entries *entries,
                                      uint16_t next_number);
MUST_USE enum err customs_record_load(struct customs *c, struct custom_entries *entries,
                                      struct arena *arena);
/* The definition that is the entry's document, with its id. */
MUST_USE enum err customs_entry_load(struct store_reader *reader, struct custom_entry *e,
                                     struct arena *arena);

#endif
