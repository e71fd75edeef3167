/* Sets of addresses: "10.0.0.0/8", "::1", "unix". */
#ifndef SPI_NETWORKS_H
#define SPI_NETWORKS_H

#include <spout/sys/transport.h>

typedef struct spi_network {
    spout_endpoint base; /* family 0: every Unix socket */
    unsigned bits;
} spi_network;

typedef struct spi_networks {
    spi_network *items;
    size_t count;
} spi_networks;

/* From a list that ends with NULL; NULL is an empty one. SPOUT_EINVAL names what is none. */
int spi_networks_parse(const char *const *texts, spi_networks *ret_networks);
void spi_networks_free(spi_networks *networks); /* fine on one that is all zero */
bool spi_networks_contain(const spi_networks *networks, const spout_endpoint *endpoint);

#endif
