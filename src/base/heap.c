#include "base/heap.h"

#include "base/bug.h"
#include "base/memory.h"

enum { ARITY = 4, FIRST_CAPACITY = 16 };

void spi_heap_init(spi_heap *heap)
{
    *heap = (spi_heap){ .count = 0 };
}

void spi_heap_finish(spi_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++)
        heap->nodes[i]->index = 0;
    spi_free(heap->nodes);
    spi_heap_init(heap);
}

static inline bool is_before(const spi_heap_node *a, const spi_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->sequence < b->sequence;
}

static inline void place(spi_heap *heap, spi_heap_node *node, size_t position)
{
    heap->nodes[position] = node;
    node->index = position + 1;
}

/* `position` is a hole: parents move down into it until `node` fits. */
static void sift_up(spi_heap *heap, spi_heap_node *node, size_t position)
{
    while (position > 0) {
        size_t parent = (position - 1) / ARITY;
        if (!is_before(node, heap->nodes[parent]))
            break;
        place(heap, heap->nodes[parent], position);
        position = parent;
    }
    place(heap, node, position);
}

static size_t first_child(const spi_heap *heap, size_t position)
{
    size_t child = position * ARITY + 1;
    if (child >= heap->count)
        return 0;
    size_t end = heap->count - child < ARITY ? heap->count : child + ARITY;
    size_t best = child;
    while (++child < end) {
        if (is_before(heap->nodes[child], heap->nodes[best]))
            best = child;
    }
    return best;
}

static void sift_down(spi_heap *heap, spi_heap_node *node, size_t position)
{
    for (;;) {
        size_t child = first_child(heap, position);
        if (child == 0 || !is_before(heap->nodes[child], node))
            break;
        place(heap, heap->nodes[child], position);
        position = child;
    }
    place(heap, node, position);
}

void spi_heap_insert(spi_heap *heap, spi_heap_node *node, int64_t key)
{
    SPI_BUG_IF(node->index != 0, "the node is in a heap already");
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity ? heap->capacity * 2 : FIRST_CAPACITY;
        heap->nodes = spi_realloc(heap->nodes, heap->capacity * sizeof *heap->nodes);
    }
    node->key = key;
    node->sequence = heap->next_sequence++;
    sift_up(heap, node, heap->count++);
}

void spi_heap_remove(spi_heap *heap, spi_heap_node *node)
{
    if (node->index == 0)
        return;
    size_t position = node->index - 1;
    SPI_BUG_IF(
        position >= heap->count || heap->nodes[position] != node, "the node is in another heap");
    node->index = 0;
    spi_heap_node *last = heap->nodes[--heap->count];
    if (last == node)
        return;
    if (position > 0 && is_before(last, heap->nodes[(position - 1) / ARITY]))
        sift_up(heap, last, position);
    else
        sift_down(heap, last, position);
}
