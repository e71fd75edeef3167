#include "loop/store.h"

#include "base/memory.h"

enum { FIRST_CAPACITY = 8 };

void spi_store_init(spi_store *store, spout_queue_kind kind, spi_compare *compare)
{
    *store = (spi_store){ .kind = kind, .compare = compare };
}

void spi_store_finish(spi_store *store)
{
    spi_free(store->entries);
    store->entries = NULL;
    store->count = store->capacity = 0;
}

/* The capacity is a power of two. */
static spi_store_entry *ring_at(spi_store *store, size_t position)
{
    return &store->entries[(store->first + position) & (store->capacity - 1)];
}

static void grow(spi_store *store)
{
    size_t capacity = store->capacity ? store->capacity * 2 : FIRST_CAPACITY;
    spi_store_entry *entries = spi_malloc(capacity * sizeof *entries);
    for (size_t i = 0; i < store->count; i++)
        entries[i] = *ring_at(store, i);
    spi_free(store->entries);
    store->entries = entries;
    store->capacity = capacity;
    store->first = 0;
}

static bool is_before(const spi_store *store, const spi_store_entry *a, const spi_store_entry *b)
{
    int difference = store->compare(a->item, b->item);
    return difference != 0 ? difference < 0 : a->order < b->order;
}

/* `position` is a hole: parents move down into it until the entry fits. */
static void sift_up(spi_store *store, size_t position, spi_store_entry entry)
{
    spi_store_entry *entries = store->entries;
    while (position > 0 && is_before(store, &entry, &entries[(position - 1) / 2])) {
        entries[position] = entries[(position - 1) / 2];
        position = (position - 1) / 2;
    }
    entries[position] = entry;
}

/* Fills the hole at the top with children that move up, until the entry fits. */
static void sift_down(spi_store *store, spi_store_entry entry)
{
    spi_store_entry *entries = store->entries;
    size_t position = 0, child;
    while ((child = 2 * position + 1) < store->count) {
        if (child + 1 < store->count && is_before(store, &entries[child + 1], &entries[child]))
            child++;
        if (is_before(store, &entry, &entries[child]))
            break;
        entries[position] = entries[child];
        position = child;
    }
    entries[position] = entry;
}

void spi_store_push(spi_store *store, void *item)
{
    if (store->count == store->capacity)
        grow(store);
    spi_store_entry entry = { item, store->next_order++ };
    size_t position = store->count++;
    if (store->kind == SPOUT_QUEUE_PRIORITY)
        sift_up(store, position, entry);
    else
        *ring_at(store, position) = entry;
}

static void *pop_first(spi_store *store)
{
    void *item = ring_at(store, 0)->item;
    store->first = (store->first + 1) & (store->capacity - 1);
    return item;
}

static void *pop_lowest(spi_store *store)
{
    void *item = store->entries[0].item;
    if (store->count > 0)
        sift_down(store, store->entries[store->count]);
    return item;
}

void *spi_store_pop(spi_store *store)
{
    store->count--;
    switch (store->kind) {
    case SPOUT_QUEUE_FIFO: return pop_first(store);
    case SPOUT_QUEUE_PRIORITY: return pop_lowest(store);
    case SPOUT_QUEUE_LIFO: return ring_at(store, store->count)->item;
    }
    return NULL;
}
