#include "net/networks.h"

#include <spout/error.h>

#include "base/memory.h"
#include "base/text.h"
#include "net/endpoint.h"

static int parse_one(const char *text, spi_network *out)
{
    char ip[46];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    *out = (spi_network){ .bits = 0 };
    if (strcmp(text, "unix") == 0)
        return 0;
    if (len >= sizeof ip)
        return -1;
    memcpy(ip, text, len);
    ip[len] = '\0';
    if (!spi_endpoint_parse(&out->base, ip, 0))
        return -1;
    uint64_t most = out->base.family == 4 ? 32 : 128, bits = most;
    if (slash && !spi_parse_uint(slash + 1, strlen(slash + 1), most, &bits))
        return -1;
    out->bits = (unsigned)bits;
    return 0;
}

int spi_networks_parse(const char *const *texts, spi_networks *ret_networks)
{
    spi_networks networks = { 0 };
    while (texts && texts[networks.count])
        networks.count++;
    if (networks.count > 0)
        networks.items = spi_calloc(networks.count * sizeof *networks.items);
    for (size_t i = 0; i < networks.count; i++) {
        if (parse_one(texts[i], &networks.items[i]) == 0)
            continue;
        spi_networks_free(&networks);
        return spout_error_set(SPOUT_EINVAL,
            "\"%s\" is no network: an address, an address with /bits, or unix", texts[i]);
    }
    *ret_networks = networks;
    return 0;
}

void spi_networks_free(spi_networks *networks)
{
    spi_free(networks->items);
    *networks = (spi_networks){ 0 };
}

static bool contains(const spi_network *network, const spout_endpoint *endpoint)
{
    if (network->base.family != endpoint->family)
        return false;
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(network->base.address, endpoint->address, whole) != 0)
        return false;
    unsigned difference = rest ? (unsigned)(network->base.address[whole] ^ endpoint->address[whole])
                               : 0;
    return difference >> (8 - rest) == 0;
}

bool spi_networks_contain(const spi_networks *networks, const spout_endpoint *endpoint)
{
    for (size_t i = 0; i < networks->count; i++)
        if (contains(&networks->items[i], endpoint))
            return true;
    return false;
}
