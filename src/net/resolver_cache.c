#include "net/resolver_cache.h"

#include <spout/loop.h>

#include "base/memory.h"
#include "base/text.h"

typedef struct entry {
    spi_list node;
    char *host;
    spout_family family;
    int64_t ends_ms;
    int count;
    spout_endpoint items[];
} entry;

void spi_resolver_cache_init(spi_resolver_cache *cache)
{
    spi_list_init(&cache->entries);
    cache->count = 0;
}

static void forget(spi_resolver_cache *cache, entry *self)
{
    spi_list_remove(&self->node);
    cache->count--;
    spi_free(self->host);
    spi_free(self);
}

void spi_resolver_cache_clear(spi_resolver_cache *cache)
{
    for (spi_list *node; (node = spi_list_first(&cache->entries));)
        forget(cache, spi_container(node, entry, node));
}

static entry *find(spi_resolver_cache *cache, const char *host, spout_family family)
{
    for (spi_list *node = cache->entries.next; node != &cache->entries; node = node->next) {
        entry *self = spi_container(node, entry, node);
        if (self->family == family && spi_text_equal_nocase(self->host, host))
            return self;
    }
    return NULL;
}

bool spi_resolver_cache_find(
    spi_resolver_cache *cache, const char *host, spout_family family, spi_addresses *out)
{
    entry *self = find(cache, host, family);
    if (!self)
        return false;
    if (self->ends_ms <= spout_time_ms()) {
        forget(cache, self);
        return false;
    }
    spi_list_remove(&self->node);
    spi_list_push_front(&cache->entries, &self->node);
    out->count = self->count;
    memcpy(out->items, self->items, (size_t)self->count * sizeof self->items[0]);
    return true;
}

void spi_resolver_cache_add(spi_resolver_cache *cache, const char *host, spout_family family,
    const spi_addresses *addresses, int64_t lifetime_ms)
{
    entry *before = find(cache, host, family);
    if (before)
        forget(cache, before);
    if (lifetime_ms <= 0)
        return;
    if (cache->count == SPI_RESOLVER_CACHE_MAX)
        forget(cache, spi_container(cache->entries.prev, entry, node));
    size_t size = (size_t)addresses->count * sizeof addresses->items[0];
    entry *self = spi_malloc(sizeof *self + size);
    *self = (entry){ .host = spi_strdup(host),
        .family = family,
        .ends_ms = spout_time_ms() + lifetime_ms,
        .count = addresses->count };
    memcpy(self->items, addresses->items, size);
    spi_list_push_front(&cache->entries, &self->node);
    cache->count++;
}
