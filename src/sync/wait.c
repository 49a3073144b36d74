#include "sync/wait.h"

#include "base/date.h"
#include "os/clock.h"
#include "os/random.h"

void patience_init(struct patience *p, unsigned tries, int64_t waiting_us)
{
    *p = (struct patience){ .tries_left = tries, .waiting_us = waiting_us,
                            .backoff_us = SECOND_US };
}

/* "3" and "1.5", nothing else: digits, perhaps a point and digits. */
static int64_t parse_seconds(struct slice value)
{
    struct slice rest = value;
    struct slice whole = slice_cut(&rest, '.');
    uint64_t seconds;
    if (!slice_parse_u64(whole, &seconds))
        return -1;
    seconds = MIN(seconds, (uint64_t)1000 * 1000 * 1000);
    int64_t us = (int64_t)seconds * SECOND_US;
    int64_t unit_us = SECOND_US / 10;
    for (size_t i = 0; i < rest.length; i++, unit_us /= 10) {
        if (rest.bytes[i] < '0' || rest.bytes[i] > '9')
            return -1;
        us += (rest.bytes[i] - '0') * unit_us;
    }
    return us;
}

int64_t wait_parse_us(struct slice value, int64_t now_us)
{
    value = slice_trim(value);
    int64_t date_us;
    int64_t us = parse_seconds(value);
    if (us >= 0)
        return us;
    if (!http_date_parse(value, &date_us))
        return -1;
    return MAX(date_us - now_us, 0);
}

int64_t wait_named_us(const struct http_exchange *x, int64_t now_us)
{
    static const char *const names[] = { "retry-after", "x-retry-after" };
    const struct slice *date = http_answer_header(x, "date");
    int64_t server_us;
    if (date && http_date_parse(*date, &server_us))
        now_us = server_us;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        const struct slice *value = http_answer_header(x, names[i]);
        int64_t us = value ? wait_parse_us(*value, now_us) : -1;
        if (us >= 0)
            return us;
    }
    return -1;
}

int64_t patience_delay_us(struct patience *p, int64_t named_us)
{
    if (named_us >= 0)
        return MIN(MAX(named_us, WAIT_LEAST_US), WAIT_MOST_US);
    int64_t base_us = p->backoff_us;
    p->backoff_us = MIN(base_us * 2, WAIT_MOST_US / 2);
    return base_us / 2 + (int64_t)(os_random_u64() % (uint64_t)base_us);
}

static void sleep_for(struct patience *p, int64_t delay_us)
{
    if (p->sleep)
        p->sleep(p->sleep_context, delay_us);
    else
        os_sleep_us(delay_us);
}

bool patience_wait(struct patience *p, int64_t named_us)
{
    if (p->waiting_us <= 0)
        return false;
    int64_t delay_us = patience_delay_us(p, named_us);
    p->waiting_us -= delay_us;
    sleep_for(p, delay_us);
    return true;
}

bool patience_retry(struct patience *p, int64_t named_us)
{
    if (p->tries_left <= 1)
        return false;
    p->tries_left--;
    sleep_for(p, patience_delay_us(p, named_us));
    return true;
}
