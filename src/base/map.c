#include "base/map.h"

#include "base/bug.h"
#include "base/digest.h"
#include "base/memory.h"

#include <pthread.h>

/* Open addressing with linear probing; a removal moves the followers back, so that there are no
   tombstones. */
typedef struct slot {
    char *key; /* NULL: free */
    size_t key_len;
    uint64_t hash;
    void *value;
} slot;

struct spi_map {
    slot *slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
    uint64_t seed;
};

enum { FIRST_CAPACITY = 8 };

static pthread_once_t seed_once = PTHREAD_ONCE_INIT;
static uint64_t process_seed;

static void make_seed(void)
{
    spi_random_bytes(&process_seed, sizeof process_seed);
}

spi_map *spi_map_new(void)
{
    pthread_once(&seed_once, make_seed);
    spi_map *map = spi_malloc(sizeof *map);
    *map = (spi_map){ .seed = process_seed };
    return map;
}

void spi_map_free(spi_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->capacity; i++)
        spi_free(map->slots[i].key);
    spi_free(map->slots);
    spi_free(map);
}

/* The slot of the key, or the free one where it belongs. The table always has a free slot. */
static size_t find(const spi_map *map, const void *key, size_t key_len, uint64_t hash)
{
    size_t mask = map->capacity - 1;
    size_t at = (size_t)hash & mask;
    for (;; at = (at + 1) & mask) {
        const slot *s = &map->slots[at];
        if (!s->key)
            return at;
        if (s->hash == hash && s->key_len == key_len &&
            (key_len == 0 || memcmp(s->key, key, key_len) == 0))
            return at;
    }
}

void *spi_map_get(const spi_map *map, const void *key, size_t key_len)
{
    if (map->count == 0)
        return NULL;
    return map->slots[find(map, key, key_len, spi_hash64(key, key_len, map->seed))].value;
}

static void grow(spi_map *map)
{
    slot *old = map->slots;
    size_t old_capacity = map->capacity;
    map->capacity = old_capacity ? old_capacity * 2 : FIRST_CAPACITY;
    map->slots = spi_calloc(map->capacity * sizeof *map->slots);
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].key)
            map->slots[find(map, old[i].key, old[i].key_len, old[i].hash)] = old[i];
    }
    spi_free(old);
}

void *spi_map_set(spi_map *map, const void *key, size_t key_len, void *value)
{
    SPI_BUG_IF(!value, "a map holds no NULL");
    if (map->count + 1 > map->capacity / 4 * 3)
        grow(map);
    uint64_t hash = spi_hash64(key, key_len, map->seed);
    slot *s = &map->slots[find(map, key, key_len, hash)];
    if (s->key) {
        void *before = s->value;
        s->value = value;
        return before;
    }
    *s = (slot){ spi_memdup(key, key_len), key_len, hash, value };
    map->count++;
    return NULL;
}

/* Moves back what follows `hole` and would no longer be found behind it. */
static void close_hole(spi_map *map, size_t hole)
{
    size_t mask = map->capacity - 1;
    for (size_t at = (hole + 1) & mask; map->slots[at].key; at = (at + 1) & mask) {
        size_t home = (size_t)map->slots[at].hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        map->slots[hole] = map->slots[at];
        hole = at;
    }
    map->slots[hole] = (slot){ .key = NULL };
}

void *spi_map_remove(spi_map *map, const void *key, size_t key_len)
{
    if (map->count == 0)
        return NULL;
    size_t at = find(map, key, key_len, spi_hash64(key, key_len, map->seed));
    if (!map->slots[at].key)
        return NULL;
    void *value = map->slots[at].value;
    spi_free(map->slots[at].key);
    close_hole(map, at);
    map->count--;
    return value;
}

size_t spi_map_count(const spi_map *map)
{
    return map->count;
}

bool spi_map_next(const spi_map *map, size_t *position, spout_bytes *ret_key, void **ret_value)
{
    while (*position < map->capacity) {
        const slot *s = &map->slots[(*position)++];
        if (!s->key)
            continue;
        if (ret_key)
            *ret_key = (spout_bytes){ s->key, s->key_len };
        if (ret_value)
            *ret_value = s->value;
        return true;
    }
    return false;
}
