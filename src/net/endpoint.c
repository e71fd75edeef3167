#include "net/endpoint.h"

#include "base/text.h"

#include <spout/error.h>
#include <spout/netutil.h>

#include "base/text.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <stddef.h>
#include <stdio.h>
#include <sys/un.h>

void spi_endpoint_from(spout_endpoint *endpoint, const struct sockaddr *address)
{
    *endpoint = (spout_endpoint){ 0 };
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        endpoint->family = 4;
        endpoint->port = ntohs(in.sin_port);
        memcpy(endpoint->address, &in.sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
        endpoint->family = mapped ? 4 : 6;
        endpoint->port = ntohs(in6.sin6_port);
        endpoint->zone = in6.sin6_scope_id;
        memcpy(endpoint->address, in6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    }
}

bool spi_endpoint_parse(spout_endpoint *ret_endpoint, const char *text, uint16_t port)
{
    spout_endpoint endpoint = { .port = port };
    if (inet_pton(AF_INET, text, endpoint.address) == 1)
        endpoint.family = 4;
    else if (inet_pton(AF_INET6, text, endpoint.address) == 1)
        endpoint.family = 6;
    else
        return false;
    *ret_endpoint = endpoint;
    return true;
}

static uint32_t find_zone(const char *name)
{
    uint64_t number;
    uint32_t index = if_nametoindex(name);
    if (index == 0 && spi_parse_uint(name, strlen(name), UINT32_MAX, &number))
        index = (uint32_t)number;
    return index;
}

bool spi_endpoint_parse_zoned(spout_endpoint *ret_endpoint, const char *text, uint16_t port)
{
    char ip[INET6_ADDRSTRLEN];
    const char *percent = strchr(text, '%');
    size_t len = percent ? (size_t)(percent - text) : 0;
    if (!percent)
        return spi_endpoint_parse(ret_endpoint, text, port);
    if (len >= sizeof ip)
        return false;
    memcpy(ip, text, len);
    ip[len] = '\0';
    spout_endpoint endpoint;
    if (!spi_endpoint_parse(&endpoint, ip, port) || endpoint.family != 6 ||
        !(endpoint.zone = find_zone(percent + 1)))
        return false;
    *ret_endpoint = endpoint;
    return true;
}

bool spi_endpoint_is_same_host(const spout_endpoint *a, const spout_endpoint *b)
{
    return a->family == b->family && a->zone == b->zone &&
           memcmp(a->address, b->address, sizeof a->address) == 0;
}

socklen_t spi_endpoint_to(const spout_endpoint *endpoint, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (endpoint->family == 4) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(endpoint->port) };
        memcpy(&in.sin_addr, endpoint->address, 4);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(endpoint->port), .sin6_scope_id = endpoint->zone
    };
    memcpy(&in6.sin6_addr, endpoint->address, 16);
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}

void spi_endpoint_of_peer(spout_endpoint *endpoint, int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    *endpoint = (spout_endpoint){ 0 };
    if (getpeername(fd, (struct sockaddr *)&address, &len) == 0)
        spi_endpoint_from(endpoint, (const struct sockaddr *)&address);
}

static void format_ipv4(const unsigned char address[4], char *out)
{
    for (int i = 0; i < 4; i++) {
        out += spi_format_uint(out, address[i]);
        *out++ = i < 3 ? '.' : '\0';
    }
}

const char *spout_endpoint_text(const spout_endpoint *endpoint, char out[46])
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    out[0] = '\0';
    if (endpoint->family == 4)
        format_ipv4(endpoint->address, out);
    else if (endpoint->family == 6 && memcmp(endpoint->address, mapped, sizeof mapped) == 0)
        format_ipv4(endpoint->address + sizeof mapped, out);
    else if (endpoint->family == 6)
        inet_ntop(AF_INET6, endpoint->address, out, 46);
    return out;
}

const char *spi_endpoint_name(const spout_endpoint *endpoint, char out[SPI_ENDPOINT_NAME])
{
    char text[46], zone[IF_NAMESIZE] = "";
    spout_endpoint_text(endpoint, text);
    if (endpoint->zone != 0 && !if_indextoname(endpoint->zone, zone))
        snprintf(zone, sizeof zone, "%u", (unsigned)endpoint->zone);
    if (endpoint->family == 0)
        snprintf(out, SPI_ENDPOINT_NAME, "unix");
    else if (strchr(text, ':'))
        snprintf(out, SPI_ENDPOINT_NAME, "[%s%s%s]:%u", text, zone[0] ? "%" : "", zone,
            (unsigned)endpoint->port);
    else
        snprintf(out, SPI_ENDPOINT_NAME, "%s:%u", text, (unsigned)endpoint->port);
    return out;
}

int spi_unix_address(const char *path, struct sockaddr_un *out)
{
    size_t len = strlen(path);
    bool abstract = path[0] == '@';
    if (len == 0 || (abstract && len == 1))
        return spout_error_set(SPOUT_EINVAL, "the path of a Unix socket is empty");
    if (len >= sizeof out->sun_path)
        return spout_error_set(SPOUT_EINVAL,
            "the path of a Unix socket is longer than %zu bytes: %s", sizeof out->sun_path - 1,
            path);
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    memcpy(out->sun_path, path, len);
    if (abstract)
        out->sun_path[0] = '\0';
    return (int)(offsetof(struct sockaddr_un, sun_path) + len + (abstract ? 0 : 1));
}

bool spout_is_valid_ip(const char *text)
{
    spout_endpoint endpoint;
    return text && spi_endpoint_parse(&endpoint, text, 0);
}
