/* A hash table from byte strings to pointers, seeded per process so that keys can't be made to
   collide. */
#ifndef SPI_MAP_H
#define SPI_MAP_H

#include <spout/base.h>

typedef struct spi_map spi_map;

spi_map *spi_map_new(void);
void spi_map_free(spi_map *map); /* the values are the caller's; NULL is fine */

/* Keys are copied. set returns the value that was replaced, or NULL; values are never NULL. */
void *spi_map_get(const spi_map *map, const void *key, size_t key_len);
void *spi_map_set(spi_map *map, const void *key, size_t key_len, void *value);
void *spi_map_remove(spi_map *map, const void *key, size_t key_len); /* the value, or NULL */
size_t spi_map_count(const spi_map *map);

/* Iteration in no particular order; the map must not change meanwhile. Start with *position = 0.
   Either result may be NULL. */
bool spi_map_next(const spi_map *map, size_t *position, spout_bytes *ret_key, void **ret_value);

#endif
