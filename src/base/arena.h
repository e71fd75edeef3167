/*
 * Arenas: many small allocations that end together.
 *
 * An arena is a chain of blocks. A reset keeps the first block and gives the others back; what was
 * handed out is poisoned under ASan and overwritten in debug builds. A pool (one a loop) keeps a
 * few reset arenas, so that a request allocates nothing.
 */
#ifndef SPI_ARENA_H
#define SPI_ARENA_H

#include <spout/base.h>

#include <stdarg.h>

#include "base/memory.h"

typedef struct spi_arena_block {
    struct spi_arena_block *older;
    char *end;
    size_t size; /* with this head */
    void *reserved;
} spi_arena_block;

/* Is the head of its first block, so that a pointer to it is all that leak checkers need to see.
   Only arena.c looks inside, but for the shortest way through an allocation. */
typedef struct spi_arena {
    spi_arena_block first;
    char *at, *end;               /* the free part of `newest` */
    spi_arena_block *newest;      /* the one that is filled; older ones are full */
    spi_arena_block *large;       /* blocks of a single allocation, the newest first */
    struct spi_arena_hook *hooks; /* the newest first; they lie in the arena */
    size_t size;
    size_t next_block;
    struct spi_arena *next_in_pool;
} spi_arena;

enum {
    SPI_ARENA_ALIGNMENT = 16,
    /* Under ASan a gap that stays poisoned follows each allocation. */
    SPI_ARENA_RED_ZONE = SPI_ASAN ? 16 : 0
};

spi_arena *spi_arena_new(size_t first_block); /* 0: 8 KiB */
void spi_arena_free(spi_arena *arena);
void spi_arena_reset(spi_arena *arena);

static inline void *spi_arena_alloc(spi_arena *arena, size_t size); /* not zeroed, aligned to 16 */
static inline char *spi_arena_chars(spi_arena *arena, size_t size); /* the same as text */
void *spi_arena_calloc(spi_arena *arena, size_t size);              /* zeroed */
/* With a NUL behind it. */
char *spi_arena_memdup(spi_arena *arena, const void *data, size_t len);
char *spi_arena_strdup(spi_arena *arena, const char *text);
char *spi_arena_format(spi_arena *arena, const char *format, ...) SPOUT_PRINTF(2, 3);
char *spi_arena_vformat(spi_arena *arena, const char *format, va_list args) SPOUT_PRINTF(2, 0);

/* Runs when the arena is reset or freed, last registered first: for what a request holds outside
   its arena. */
void spi_arena_on_reset(spi_arena *arena, void (*fn)(void *arg), void *arg);

/* Bytes that the arena holds of the allocator. */
size_t spi_arena_size(const spi_arena *arena);

/* A mark to go back to: everything allocated since is given up (and poisoned). on_reset hooks
   registered since run. Marks nest: going back to an outer one makes the inner ones worthless. */
typedef struct spi_arena_mark {
    void *block, *large;
    size_t used;
    void *hooks;
} spi_arena_mark;
spi_arena_mark spi_arena_get_mark(const spi_arena *arena);
void spi_arena_rewind(spi_arena *arena, spi_arena_mark mark);

/* A bounded store of reset arenas. Not thread-safe: one a loop. */
typedef struct spi_arena_pool {
    spi_arena *free;
    size_t count, max;
} spi_arena_pool;
void spi_arena_pool_init(spi_arena_pool *pool, size_t max);
void spi_arena_pool_finish(spi_arena_pool *pool);
spi_arena *spi_arena_pool_take(spi_arena_pool *pool);
void spi_arena_pool_give(spi_arena_pool *pool, spi_arena *arena); /* resets; NULL is fine */

static inline size_t spi_arena_round_up(size_t size)
{
    return (size + SPI_ARENA_ALIGNMENT - 1) & ~(size_t)(SPI_ARENA_ALIGNMENT - 1);
}

void *spi_arena_alloc_slowly(spi_arena *arena, size_t size); /* for the next one */

/* What is free begins and ends at multiples of the alignment, so that rounding up never goes beyond
   it. */
static inline void *spi_arena_alloc(spi_arena *arena, size_t size)
{
    char *start = arena->at;
    size_t left = (size_t)(arena->end - start), red_zone = SPI_ARENA_RED_ZONE;
    if (left < red_zone || size > left - red_zone)
        return spi_arena_alloc_slowly(arena, size);
    arena->at = start + spi_arena_round_up(size) + SPI_ARENA_RED_ZONE;
    spi_unpoison(start, size);
    return start;
}

static inline char *spi_arena_chars(spi_arena *arena, size_t size)
{
    return spi_arena_alloc(arena, size);
}

/* All arenas of the process, for /stats. */
size_t spi_arena_total_bytes(void);

#endif
