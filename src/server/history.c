/* How long data stores keep what was superseded. */
#include "server/server.h"

static const int64_t SECOND_US = 1000000;

static bool unit_find(char unit, uint64_t *ret_seconds)
{
    static const struct {
        char name;
        uint32_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].name == unit) {
            *ret_seconds = units[i].seconds;
            return true;
        }
    }
    return false;
}

static bool duration_parse(struct slice text, int64_t *ret_us)
{
    uint64_t number, seconds;
    *ret_us = 0;
    if (slice_is(text, "none"))
        return true;
    if (text.length < 2 || !unit_find(text.bytes[text.length - 1], &seconds) ||
        !slice_parse_u64(slice_head(text, text.length - 1), &number) || !number ||
        number > SERVER_HISTORY_SECONDS_MAX / seconds)
        return false;
    *ret_us = (int64_t)(number * seconds) * SECOND_US;
    return true;
}

bool server_history_parse(struct slice text, struct server_history *ret)
{
    ptrdiff_t at = slice_find_byte(text, '=');
    *ret = (struct server_history){ .keep_us = 0 };
    if (at >= 0) {
        ret->datastore_id = slice_head(text, (size_t)at);
        text = slice_from(text, (size_t)at + 1);
        if (ret->datastore_id.length != DATASTORE_ID_LENGTH)
            return false;
    }
    return duration_parse(text, &ret->keep_us);
}

int64_t server_history_of(const struct server_settings *settings, struct slice datastore_id)
{
    int64_t keep_us = 0;
    for (size_t i = 0; i < settings->history_count; i++) {
        const struct server_history *h = &settings->histories[i];
        if (slice_equal(h->datastore_id, datastore_id))
            return h->keep_us;
        if (!h->datastore_id.length)
            keep_us = h->keep_us;
    }
    return keep_us;
}
