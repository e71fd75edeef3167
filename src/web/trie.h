/*
 * The trie of plain routes: one node for each segment behind a slash. A look-up visits no node
 * twice and returns the first route of the table that matches, so that its cost does not grow with
 * the number of routes.
 */
#ifndef SPI_TRIE_H
#define SPI_TRIE_H

#include "base/arena.h"
#include "web/pattern.h"

#define SPI_NO_ROUTE UINT32_MAX

typedef struct spi_trie spi_trie;

spi_trie *spi_trie_new(spi_arena *arena); /* lies in the arena */
void spi_trie_add(spi_trie *trie, const spi_pattern *pattern, uint32_t route);

/* The lowest route that matches the path, or SPI_NO_ROUTE. */
uint32_t spi_trie_find(const spi_trie *trie, const char *path, size_t len);

#endif
