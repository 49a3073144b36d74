/* The three presets. What differs between them is data; the code asks the
 * fields, never the name. docs/compatibility.md explains each row. */
#include "rest/rest.h"
#include "search/search.h"

static struct rest_behaviour with_limits(struct rest_behaviour b)
{
    bool is_known = limits_preset(slice_cstr(b.name), &b.limits);
    CHECK(is_known);
    return b;
}

struct rest_behaviour rest_behaviour_open(void)
{
    return with_limits((struct rest_behaviour){
        .name = "open",
        .location_on_create = true,
        .instant_digits = 6,
        .custom_parameters = true,
        .store_all_types = true,
    });
}

struct rest_behaviour rest_behaviour_guide(void)
{
    struct rest_behaviour b = rest_behaviour_open();
    b.name = "guide";
    return with_limits(b);
}

struct rest_behaviour rest_behaviour_healthlake(void)
{
    return with_limits((struct rest_behaviour){
        .name = "healthlake",
        .always_new_version = true,
        .instant_digits = 3,
        .everything_by_id = true,
        .dialect = search_dialect_healthlake(),
        .refuse_large_count = true,
        .refuse_url_and_form = true,
        .refuse_unknown_profiles = true,
    });
}
