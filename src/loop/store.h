/* Pointers kept in one of three orders: what a queue holds. */
#ifndef SPI_STORE_H
#define SPI_STORE_H

#include <spout/queues.h>

typedef int spi_compare(const void *a, const void *b);

typedef struct spi_store_entry {
    void *item;
    uint64_t order; /* of those that compare equal */
} spi_store_entry;

typedef struct spi_store {
    spi_store_entry *entries; /* a ring, a stack or a binary heap */
    size_t first, count, capacity;
    uint64_t next_order;
    spout_queue_kind kind;
    spi_compare *compare;
} spi_store;

void spi_store_init(spi_store *store, spout_queue_kind kind, spi_compare *compare);
void spi_store_finish(spi_store *store); /* frees no item */
void spi_store_push(spi_store *store, void *item);
void *spi_store_pop(spi_store *store); /* not from an empty one */

#endif
