#include "http/forwarded.h"

#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include <arpa/inet.h>

#include "base/text.h"
#include "http/header_params.h"
#include "http/token.h"

enum { ADDRESS_MAX = 45, UNIX = 0 };

static bool parse_address(const char *text, size_t len, spout_endpoint *ret_endpoint)
{
    static const unsigned char mapped[12] = { [10] = 0xFF, [11] = 0xFF };
    char copy[ADDRESS_MAX + 1] = "";
    spout_endpoint endpoint = { .family = 4 };
    if (len == 0 || len > ADDRESS_MAX || memchr(text, '\0', len))
        return false;
    memcpy(copy, text, len);
    if (inet_pton(AF_INET, copy, endpoint.address) != 1) {
        endpoint.family = 6;
        if (inet_pton(AF_INET6, copy, endpoint.address) != 1)
            return false;
    }
    if (endpoint.family == 6 && memcmp(endpoint.address, mapped, sizeof mapped) == 0) {
        memmove(endpoint.address, endpoint.address + sizeof mapped, 4);
        memset(endpoint.address + 4, 0, sizeof mapped);
        endpoint.family = 4;
    }
    *ret_endpoint = endpoint;
    return true;
}

/* What stands behind the address: nothing, or ':' and a port. */
static bool parse_port(const char *text, size_t len, uint16_t *ret_port)
{
    uint64_t port = 0;
    if (len > 0 && (*text != ':' || !spi_parse_uint(text + 1, len - 1, 65535, &port)))
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

bool spi_forwarded_parse_node(const char *text, size_t len, spout_endpoint *ret_endpoint)
{
    const char *end = text + len;
    while (text < end && spi_is_blank(*text))
        text++;
    while (end > text && spi_is_blank(end[-1]))
        end--;
    len = (size_t)(end - text);
    const char *close = len > 0 && *text == '[' ? memchr(text, ']', len) : NULL;
    const char *colon = len > 0 ? memchr(text, ':', len) : NULL;
    bool one_colon = colon && !memchr(colon + 1, ':', (size_t)(end - colon) - 1);
    const char *start = close ? text + 1 : text;
    const char *stop = close ? close : one_colon ? colon : end;
    const char *rest = close ? close + 1 : stop;
    spout_endpoint endpoint;
    uint16_t port;
    if (!parse_address(start, (size_t)(stop - start), &endpoint) ||
        !parse_port(rest, (size_t)(end - rest), &port))
        return false;
    endpoint.port = port;
    *ret_endpoint = endpoint;
    return true;
}

/* A peer of IPv4 on a socket of IPv6 is the IPv4 one. */
static spout_endpoint plain(const spout_endpoint *endpoint)
{
    char text[46];
    spout_endpoint result = *endpoint;
    if (endpoint->family != UNIX) {
        spout_endpoint_text(endpoint, text);
        (void)parse_address(text, strlen(text), &result);
    }
    return result;
}

bool spi_forwarded_trusts(const spi_networks *trusted, const spout_endpoint *peer)
{
    spout_endpoint looked_for = plain(peer);
    return spi_networks_contain(trusted, &looked_for);
}

bool spi_forwarded_client(
    const char *list, size_t len, const spi_networks *trusted, spout_endpoint *ret_client)
{
    const char *end = list + len;
    bool found = false;
    for (;;) {
        const char *start = end;
        while (start > list && start[-1] != ',')
            start--;
        if (!spi_forwarded_parse_node(start, (size_t)(end - start), ret_client))
            break;
        found = true;
        if (start == list || !spi_forwarded_trusts(trusted, ret_client))
            break;
        end = start - 1;
    }
    return found;
}

const char *spout_client_ip(
    const char *peer, const char *x_forwarded_for, const char *const *trusted)
{
    spi_networks networks;
    spout_endpoint client;
    if (spi_networks_parse(trusted, &networks) < 0)
        return NULL;
    char text[46];
    bool is_local = *peer == '\0';
    bool believed = spi_forwarded_parse_node(peer, strlen(peer), &client)
                        ? spi_forwarded_trusts(&networks, &client)
                        : is_local;
    if (believed && x_forwarded_for &&
        spi_forwarded_client(x_forwarded_for, strlen(x_forwarded_for), &networks, &client))
        peer = spout_endpoint_text(&client, text);
    spi_networks_free(&networks);
    return spout_scope_text(peer);
}

/* Up to the next comma that isn't in quotes. */
static const char *element_end(const char *at, const char *end)
{
    bool quoted = false;
    for (; at < end && (quoted || *at != ','); at++) {
        if (*at == '"')
            quoted = !quoted;
        else if (quoted && *at == '\\' && end - at > 1)
            at++;
    }
    return at;
}

static const char **slot_of(spout_forwarded *hop, spout_bytes name)
{
    if (spi_equal_nocase(name.data, name.len, "for", 3))
        return &hop->client;
    if (spi_equal_nocase(name.data, name.len, "by", 2))
        return &hop->by;
    if (spi_equal_nocase(name.data, name.len, "host", 4))
        return &hop->host;
    return spi_equal_nocase(name.data, name.len, "proto", 5) ? &hop->protocol : NULL;
}

static int parse_hop(spout_bytes element, spout_forwarded *ret_hop)
{
    /* The parameters begin at once: as if an empty value stood in front of them. */
    spi_params params = { element.data - 1, element.data + element.len };
    spout_bytes name, value;
    int result;
    while ((result = spi_params_next(&params, &name, &value)) > 0) {
        if (!spi_is_token(name.data, name.len))
            return spout_error_set(SPOUT_EPROTO, "a malformed Forwarded header");
        const char **slot = slot_of(ret_hop, name);
        if (slot && *slot)
            return spout_error_set(SPOUT_EPROTO, "a parameter twice in a Forwarded header");
        if (slot)
            *slot = spout_scope_bytes(value);
    }
    return result;
}

long spout_parse_forwarded(const char *header, spout_forwarded **ret_hops)
{
    /* With a character in front that parse_hop may begin at. */
    const char *text = spout_scope_format(",%s", header ? header : "");
    const char *at = text + 1, *end = text + strlen(text);
    size_t room = 1;
    for (const char *c = at; c < end; c++)
        room += *c == ',';
    spout_forwarded *hops = spout_scope_alloc(room * sizeof *hops);
    long count = 0;
    for (; at < end; at++) {
        const char *stop = element_end(at, end);
        spout_forwarded hop = { 0 };
        if (parse_hop((spout_bytes){ at, (size_t)(stop - at) }, &hop) < 0)
            return SPOUT_EPROTO;
        if (hop.client || hop.by || hop.host || hop.protocol)
            hops[count++] = hop;
        at = stop;
    }
    *ret_hops = hops;
    return count;
}
