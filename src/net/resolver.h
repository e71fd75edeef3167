/* Resolvers from inside: who looks names up. */
#ifndef SPI_RESOLVER_H
#define SPI_RESOLVER_H

#include <spout/resolver.h>

#include <netdb.h>

/* The addresses of one name. */
typedef struct spi_addresses {
    spout_endpoint items[SPOUT_RESOLVE_MAX];
    int count;
} spi_addresses;

/* False if there is no room; doubles are left out. */
bool spi_addresses_add(spi_addresses *addresses, const spout_endpoint *endpoint);

/* getaddrinfo, which blocks. Returns 0 or an error. */
int spi_resolve_blocking(const char *host, spout_family family, spi_addresses *out);

/* By c-ares, suspending; in resolver_cares.c. *ret_ttl_s: for how long the answer is good, 0 if
   that is not known. SPOUT_EUNSUPPORTED in a build without it. */
bool spi_resolve_has_cares(void);
int spi_resolve_cares(const char *servers, const char *host, spout_family family,
    spi_addresses *out, int *ret_ttl_s) SPOUT_SUSPENDS;

/* As spout_resolve. Returns 0 or an error; every address has its port. */
int spi_resolve(spout_resolver *resolver, const char *host, int port, spout_family family,
    spi_addresses *out) SPOUT_SUSPENDS;

int spi_family_to_system(spout_family family); /* AF_… */

#endif
