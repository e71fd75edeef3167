/* The routes of an application, and which of them a path belongs to: the first of the table that
   matches. */
#ifndef SPI_ROUTER_H
#define SPI_ROUTER_H

#include "base/arena.h"
#include "web/exact.h"
#include "web/pattern.h"
#include "web/trie.h"

struct spi_handler;

typedef struct spi_route {
    spi_pattern pattern;
    const struct spi_handler *handler; /* NULL: a table of its own */
    struct spi_router *nested;
    spi_trie *gate; /* of a nested table with a plain pattern: that pattern alone */
} spi_route;

/* A route that is not plain, or nested, and what tells most paths from those that it may match:
   (their first eight bytes & mask) == first. */
typedef struct spi_candidate {
    uint64_t first, mask;
    uint32_t route;
} spi_candidate;

typedef struct spi_router {
    spi_route *routes;
    uint32_t count;
    spi_candidate *expressions; /* in order */
    uint32_t expression_count;
    spi_trie *trie;
    spi_exact exact;
} spi_router;

/* `max` routes will be added. What it holds lies in the arena, but for compiled code:
   spi_router_finish. */
void spi_router_init(spi_router *router, spi_arena *arena, uint32_t max);
int spi_router_add(
    spi_router *router, spi_arena *arena, const char *pattern, const struct spi_handler *handler);
/* Paths that match the pattern are looked up in another router too, which is this one's from now
   on. */
int spi_router_add_nested(
    spi_router *router, spi_arena *arena, const char *pattern, spi_router *nested);
/* All routes are there: makes the commonest lookups quick. Without it they are right as well. */
void spi_router_seal(spi_router *router, spi_arena *arena);
void spi_router_finish(spi_router *router);
/* The first route whose handler has that name, nested ones too, or NULL. */
const spi_route *spi_router_find_name(const spi_router *router, const char *name);

/* A capture, percent-decoded and NUL-terminated; text NULL if it took no part in the match. */
typedef struct spi_capture {
    const char *name; /* NULL if it has none */
    const char *text;
    size_t len;
} spi_capture;

typedef struct spi_match {
    const struct spi_handler *handler;
    const spi_capture *captures;
    size_t capture_count;
} spi_match;

/*
 * 1: found; 0: no route matches; < 0: a negated status with the error set: -400 for a capture that
 * is not UTF-8 or holds a NUL (the handler is set all the same), -500 for an expression that needs
 * too much work. Captures lie in the arena.
 */
int spi_router_match(const spi_router *router, spi_matcher *matcher, spi_arena *arena,
    const char *path, size_t len, spi_match *ret_match);

/* Whether the path is one that needs no more than a look into a table; else spi_router_match
   tells. */
static inline const struct spi_handler *spi_router_find_exact(
    const spi_router *router, const char *path, size_t len)
{
    return spi_exact_find(&router->exact, path, len);
}

/* The path of a route with its captures filled in, in the arena. NULL: SPOUT_EINVAL. */
const char *spi_router_reverse(
    const spi_route *route, spi_arena *arena, const char *const *values, size_t count);

#endif
