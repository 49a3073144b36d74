/* server/listen.c - the address to listen on. */
#include <arpa/inet.h>

#include "server/server.h"

bool server_is_loopback(const char *address)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, address, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static bool is_address(const char *text)
{
    uint8_t bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* The port behind the last colon that is not inside brackets; empty if none. */
static struct slice cut_port(struct slice *text)
{
    ptrdiff_t colon = slice_find_last_byte(*text, ':');
    ptrdiff_t bracket = slice_find_last_byte(*text, ']');
    /* "::1" without brackets is an address alone. */
    bool plain_six = bracket < 0 && colon != slice_find_byte(*text, ':');
    if (colon < bracket || colon < 0 || plain_six)
        return SLICE_NONE;
    struct slice port = slice_from(*text, (size_t)colon + 1);
    *text = slice_head(*text, (size_t)colon);
    return port;
}

bool server_listen_parse(struct arena *arena, struct slice text, struct server_settings *settings)
{
    uint64_t port = settings->port;
    if (slice_parse_u64(text, &port) && port <= UINT16_MAX) {
        settings->port = (uint16_t)port;
        return true;
    }
    struct slice port_text = cut_port(&text);
    if (port_text.bytes && (!slice_parse_u64(port_text, &port) || port > UINT16_MAX))
        return false;
    if (text.length >= 2 && text.bytes[0] == '[' && text.bytes[text.length - 1] == ']')
        text = slice_of(text.bytes + 1, text.length - 2);
    if (slice_is(text, "localhost"))
        text = SLICE("127.0.0.1");
    const char *address = arena_copy(arena, text);
    if (!address || !is_address(address))
        return false;
    settings->address = address;
    settings->port = (uint16_t)port;
    return true;
}
