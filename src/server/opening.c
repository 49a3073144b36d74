#include "server/opening.h"

#include <stdio.h>

#include "fhir/fhir.h"
#include "index/index.h"

/* Changes when what is found by changes: every parameter's rule, the code that
 * follows them, and the base that tells our absolute references from others. */
static uint64_t rules_hash(struct slice base_url)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ INDEX_RULES;
    for (uint16_t i = 0; i < fhir_param_count(); i++)
        hash = (hash ^ fhir_param_at(i)->rule_hash) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < base_url.length; i++)
        hash = (hash ^ (uint8_t)base_url.bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

enum err opening_store(struct opening *o, struct arena *arena, struct store **ret_store,
                       struct slice *error)
{
    const struct server_settings *s = o->settings;
    struct slice public_url = s->public_url;
    while (slice_ends_with(public_url, SLICE("/")))
        public_url.length--;
    int length = snprintf(o->base_url, sizeof o->base_url, "%.*s/datastore/%.*s/r4",
                          SLICE_ARGS(public_url), SLICE_ARGS(o->datastore_id));
    if (length < 0 || (size_t)length >= sizeof o->base_url) {
        *error = SLICE("--public-url is too long");
        return ERR_INVALID;
    }
    o->extract.base_url = slice_of(o->base_url, (size_t)length);
    struct store_settings settings = {
        .folder = o->folder,
        .extract = rest_extract,
        .extract_context = &o->extract,
        .rules_hash = rules_hash(o->extract.base_url),
        .cache_bytes = s->cache_bytes,
        .index_bytes = s->index_bytes,
        .merge_threads = s->merge_threads,
        .history_us = server_history_of(s, o->datastore_id),
        .keep_index = o->keep_index,
    };
    return store_open(&settings, arena, ret_store, error);
}
