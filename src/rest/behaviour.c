/* The three presets. What differs between them is data; the code asks the
 * fields, never the name. docs/compatibility.md explains each row. */
#include "rest/rest.h"

static const size_t MEGABYTE = (size_t)1024 * 1024;

struct rest_behaviour rest_behaviour_open(void)
{
    return (struct rest_behaviour){
        .name = "open",
        .body_bytes = 256 * MEGABYTE,
        .location_on_create = true,
        .instant_digits = 6,
        .store_all_types = true,
    };
}

struct rest_behaviour rest_behaviour_guide(void)
{
    struct rest_behaviour b = rest_behaviour_open();
    b.name = "guide";
    b.body_bytes = 15 * MEGABYTE;
    return b;
}

struct rest_behaviour rest_behaviour_healthlake(void)
{
    return (struct rest_behaviour){
        .name = "healthlake",
        .body_bytes = 15 * MEGABYTE,
        .resource_bytes = 5 * MEGABYTE,
        .bundle_bytes = 15 * MEGABYTE,
        .transaction_entries = 100,
        .batch_entries = 500,
        .async_entries = 500,
        .always_new_version = true,
        .instant_digits = 3,
        .everything_by_id = true,
        .refuse_large_count = true,
        .refuse_unknown_profiles = true,
    };
}
