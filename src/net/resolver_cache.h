/* Answers that a resolver keeps. */
#ifndef SPI_RESOLVER_CACHE_H
#define SPI_RESOLVER_CACHE_H

#include "base/list.h"
#include "net/resolver.h"

enum { SPI_RESOLVER_CACHE_MAX = 256 /* names; then the one that was asked for longest ago goes */ };

typedef struct spi_resolver_cache {
    spi_list entries; /* the one asked for last is first */
    int count;
} spi_resolver_cache;

void spi_resolver_cache_init(spi_resolver_cache *cache);
void spi_resolver_cache_clear(spi_resolver_cache *cache);

/* False if nothing is known, or no longer. */
bool spi_resolver_cache_find(
    spi_resolver_cache *cache, const char *host, spout_family family, spi_addresses *out);

/* In place of what was known. Nothing is kept for less than a millisecond. */
void spi_resolver_cache_add(spi_resolver_cache *cache, const char *host, spout_family family,
    const spi_addresses *addresses, int64_t lifetime_ms);

#endif
