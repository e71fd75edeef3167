/* An intrusive 4-ary min-heap of 64-bit keys: the loop's user timers. Equal keys leave in the
   order they came in. */
#ifndef SPI_HEAP_H
#define SPI_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct spi_heap_node {
    int64_t key;
    uint64_t sequence; /* set on insertion: ties are first come, first served */
    size_t index;      /* 0 while in no heap, else position + 1 */
} spi_heap_node;

typedef struct spi_heap {
    spi_heap_node **nodes;
    size_t count, capacity;
    uint64_t next_sequence;
} spi_heap;

void spi_heap_init(spi_heap *heap);
void spi_heap_finish(spi_heap *heap); /* frees the array, not the nodes */
void spi_heap_insert(spi_heap *heap, spi_heap_node *node, int64_t key);
void spi_heap_remove(spi_heap *heap, spi_heap_node *node); /* safe on a node that is in no heap */
static inline spi_heap_node *spi_heap_first(const spi_heap *heap)
{
    return heap->count ? heap->nodes[0] : NULL;
}
static inline bool spi_heap_contains(const spi_heap_node *node)
{
    return node->index != 0;
}

#endif
