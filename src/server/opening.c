#include "server/opening.h"

#include <stdio.h>

#include "base/log.h"
#include "fhir/fhir.h"
#include "index/index.h"

/* What all terms depend on: the code that makes them, the base that tells our absolute
 * references from others, and the zone of dates that have none. */
static uint64_t rules_hash(struct slice base_url, int64_t zone_us)
{
    uint64_t hash = (UINT64_C(0xcbf29ce484222325) ^ INDEX_RULES) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < base_url.length; i++)
        hash = (hash ^ (uint8_t)base_url.bytes[i]) * UINT64_C(0x100000001b3);
    return hash ^ (uint64_t)zone_us * UINT64_C(0x9e3779b97f4a7c15);
}

/* Of each type's each parameter: only what has changed is derived again. */
static enum err rules_list(struct arena *arena, struct store_rules *ret)
{
    size_t count = 0, room = 0;
    for (uint16_t t = 0; t < fhir_resource_count(); t++) {
        (void)fhir_params_of(fhir_resource_at(t), &count);
        room += 2 * count; /* of resources, and of contained ones */
    }
    struct store_rule *list = arena_array(arena, room, sizeof *list);
    if (!list)
        return ERR_NO_MEMORY;
    *ret = (struct store_rules){ .list = list };
    for (uint16_t t = 0; t < fhir_resource_count(); t++) {
        const struct fhir_type *type = fhir_resource_at(t);
        const uint16_t *params = fhir_params_of(type, &count);
        for (size_t i = 0; i < count; i++) {
            const struct fhir_param *param = fhir_param_at(params[i]);
            uint32_t field = index_field(type, param->id);
            if (!index_param_has_terms(param))
                continue;
            list[ret->count++] = (struct store_rule){ field, param->rule_hash };
            list[ret->count++] =
                (struct store_rule){ field | INDEX_FIELD_CONTAINED, param->rule_hash };
        }
    }
    return ERR_NONE;
}

static void tell(void *context, const char *text)
{
    (void)context;
    log_line(LOG_WARNING, "store", "%s", text);
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
    o->extract.zone_us = s->zone_us;
    o->extract.base_url = slice_of(o->base_url, (size_t)length);
    o->extract.customs = rest_customs_open();
    if (!o->extract.customs)
        return ERR_NO_MEMORY;
    struct store_rules rules;
    TRY(rules_list(arena, &rules));
    struct store_settings settings = {
        .folder = o->folder,
        .extract = rest_extract,
        .extract_some = rest_extract_some,
        .extract_context = &o->extract,
        .rules_number = rest_rules_number,
        .opened = rest_customs_opened,
        .rules_hash = rules_hash(o->extract.base_url, s->zone_us),
        .rules = rules,
        .notice = tell,
        .cache_bytes = s->cache_bytes,
        .index_bytes = s->index_bytes,
        .merge_threads = s->merge_threads,
        .disk_reserve_bytes = s->disk_reserve_bytes,
        .history_us = server_history_of(s, o->datastore_id),
        .keep_index = o->keep_index,
    };
    return store_open(&settings, arena, ret_store, error);
}

void opening_end(struct opening *o)
{
    rest_customs_close(o->extract.customs);
    o->extract.customs = NULL;
}
