/* aws/policy_value.c - condition operators and the values they compare. */
#include <arpa/inet.h>

#include "aws/policy_form.h"
#include "base/codec.h"
#include "base/date.h"

enum { SECOND_US = 1000000 };

/* ---- operators ---- */

#define ORDERED(name, operand)                                                                     \
    { name "Equals", operand, RELATION_EQUAL, false, false },                                      \
        { name "NotEquals", operand, RELATION_EQUAL, true, false },                                \
        { name "LessThan", operand, RELATION_LESS, false, false },                                 \
        { name "LessThanEquals", operand, RELATION_LESS_EQUAL, false, false },                     \
        { name "GreaterThan", operand, RELATION_GREATER, false, false },                           \
    {                                                                                              \
        name "GreaterThanEquals", operand, RELATION_GREATER_EQUAL, false, false                    \
    }

static const struct policy_operator OPERATORS[] = {
    { "StringEquals", OPERAND_STRING, RELATION_EQUAL, false, false },
    { "StringNotEquals", OPERAND_STRING, RELATION_EQUAL, true, false },
    { "StringEqualsIgnoreCase", OPERAND_STRING, RELATION_EQUAL, false, true },
    { "StringNotEqualsIgnoreCase", OPERAND_STRING, RELATION_EQUAL, true, true },
    { "StringLike", OPERAND_STRING, RELATION_LIKE, false, false },
    { "StringNotLike", OPERAND_STRING, RELATION_LIKE, true, false },
    ORDERED("Numeric", OPERAND_NUMBER),
    ORDERED("Date", OPERAND_DATE),
    { "Bool", OPERAND_BOOL, RELATION_EQUAL, false, false },
    { "BinaryEquals", OPERAND_BINARY, RELATION_EQUAL, false, false },
    { "IpAddress", OPERAND_IP, RELATION_EQUAL, false, false },
    { "NotIpAddress", OPERAND_IP, RELATION_EQUAL, true, false },
    { "ArnEquals", OPERAND_ARN, RELATION_LIKE, false, false },
    { "ArnLike", OPERAND_ARN, RELATION_LIKE, false, false },
    { "ArnNotEquals", OPERAND_ARN, RELATION_LIKE, true, false },
    { "ArnNotLike", OPERAND_ARN, RELATION_LIKE, true, false },
    { "Null", OPERAND_NULL, RELATION_EQUAL, false, false },
};

static bool cut_prefix(struct slice *text, struct slice prefix)
{
    if (!slice_starts_with(*text, prefix))
        return false;
    *text = slice_from(*text, prefix.length);
    return true;
}

bool policy_operator_find(struct slice name, struct condition *ret)
{
    *ret = (struct condition){ 0 };
    if (cut_prefix(&name, SLICE("ForAllValues:")))
        ret->quantifier = QUANTIFIER_ALL;
    else if (cut_prefix(&name, SLICE("ForAnyValue:")))
        ret->quantifier = QUANTIFIER_ANY;
    if (slice_ends_with(name, SLICE("IfExists"))) {
        ret->if_exists = true;
        name.length -= SLICE("IfExists").length;
    }
    for (size_t i = 0; i < ARRAY_COUNT(OPERATORS); i++) {
        if (slice_is(name, OPERATORS[i].name))
            ret->operator= & OPERATORS[i];
    }
    /* Null asks for existence itself, of the key as a whole. */
    bool is_null = ret->operator&& ret->operator->operand == OPERAND_NULL;
    return ret->operator&& !(is_null && (ret->if_exists || ret->quantifier != QUANTIFIER_NONE));
}

/* ---- dates ---- */

bool policy_instant_parse(struct slice text, int64_t *ret_us)
{
    uint64_t seconds;
    struct date_range range;
    /* Four digits are a year. */
    if (text.length != 4 && slice_parse_u64(text, &seconds)) {
        if (seconds > INT64_MAX / SECOND_US)
            return false;
        *ret_us = (int64_t)seconds * SECOND_US;
        return true;
    }
    if (!date_parse(text, &range))
        return false;
    *ret_us = range.low;
    return true;
}

/* ---- addresses ---- */

bool policy_ip_parse(struct slice text, struct ip_range *ret)
{
    char address[64];
    struct slice rest = text;
    struct slice host = slice_cut(&rest, '/');
    uint64_t bits = 0;
    if (!host.length || host.length >= sizeof address ||
        (rest.bytes && !slice_parse_u64(rest, &bits)))
        return false;
    memcpy(address, host.bytes, host.length);
    address[host.length] = '\0';
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    if (inet_pton(AF_INET, address, ret->address + 12) == 1) {
        memcpy(ret->address, mapped, sizeof mapped);
        if (bits > 32)
            return false;
        ret->prefix_bits = 96 + (rest.bytes ? (unsigned)bits : 32);
        return true;
    }
    if (inet_pton(AF_INET6, address, ret->address) != 1 || bits > 128)
        return false;
    ret->prefix_bits = rest.bytes ? (unsigned)bits : 128;
    return true;
}

bool policy_ip_contains(const struct ip_range *range, const struct ip_range *address)
{
    unsigned whole = range->prefix_bits / 8, rest = range->prefix_bits % 8;
    if (address->prefix_bits < range->prefix_bits ||
        memcmp(range->address, address->address, whole) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff00 >> rest);
    return rest == 0 || ((range->address[whole] ^ address->address[whole]) & mask) == 0;
}

/* ---- a policy's value ---- */

static bool is_boolean(struct slice text)
{
    return slice_equal_nocase(text, SLICE("true")) || slice_equal_nocase(text, SLICE("false"));
}

static enum err binary_compile(struct slice text, struct arena *arena, struct slice *ret)
{
    struct buf bytes;
    buf_init(&bytes, POLICY_BYTES_MAX);
    bool is_base64 = base64_decode(&bytes, text);
    enum err err = buf_status(&bytes);
    char *copy = err || !is_base64 ? NULL : arena_copy(arena, buf_slice(&bytes));
    *ret = slice_of(copy, bytes.length);
    buf_release(&bytes);
    if (!is_base64)
        return ERR_INVALID;
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

enum err policy_value_compile(const struct policy_operator *operator, struct slice text,
                              bool has_variables, struct arena *arena, struct condition_value *ret,
                              const char **ret_reason)
{
    *ret = (struct condition_value){ .text = text };
    switch (operator->operand) {
    case OPERAND_STRING:
    case OPERAND_ARN:
        return policy_pattern_compile(text, operator->relation == RELATION_LIKE, has_variables,
                                      arena, &ret->pattern, ret_reason);
    case OPERAND_NUMBER:
        *ret_reason = "the value must be a decimal number";
        return decimal_parse(text, &ret->number) ? ERR_NONE : ERR_INVALID;
    case OPERAND_DATE:
        *ret_reason = "the value must be a date such as 2026-01-31T12:00:00Z";
        return policy_instant_parse(text, &ret->instant_us) ? ERR_NONE : ERR_INVALID;
    case OPERAND_IP:
        *ret_reason = "the value must be an IP address or a range such as 203.0.113.0/24";
        return policy_ip_parse(text, &ret->ip) ? ERR_NONE : ERR_INVALID;
    case OPERAND_BINARY:
        *ret_reason = "the value must be base64";
        return binary_compile(text, arena, &ret->text);
    case OPERAND_BOOL:
    case OPERAND_NULL:
        *ret_reason = "the value must be true or false";
        return is_boolean(text) ? ERR_NONE : ERR_INVALID;
    }
    return ERR_INTERNAL;
}
