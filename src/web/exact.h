/* Paths without captures, found by one look into a hash table, before the trie and the expressions
   are asked. Holds only those that nothing earlier in the routes' table matches too. */
#ifndef SPI_EXACT_H
#define SPI_EXACT_H

#include "base/arena.h"

typedef struct spi_exact_slot {
    const char *path;
    size_t len;
    uint64_t first, last;
    const void *value; /* NULL: free */
} spi_exact_slot;

typedef struct spi_exact {
    spi_exact_slot *slots;
    uint32_t mask, shift;
} spi_exact;

/* At most `max` paths will be added; they lie where they are. */
void spi_exact_init(spi_exact *exact, spi_arena *arena, uint32_t max);
/* A path that is not in it, and begins with a slash; not NULL. */
void spi_exact_add(spi_exact *exact, const char *path, size_t len, const void *value);

/* What was added with it, or NULL. */
const void *spi_exact_find(const spi_exact *exact, const char *path, size_t len);

#endif
