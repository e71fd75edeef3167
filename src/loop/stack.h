/*
 * Stacks for coroutines: cut from slabs, never given back one by one.
 *
 * The pages of a stack become resident as they are touched. A stack that was used is reused first;
 * a pool that holds many more used ones than the last seconds needed gives their pages, and slabs
 * that are wholly free, back.
 */
#ifndef SPI_STACK_H
#define SPI_STACK_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether spi_stack_used counts words rather than pages, since the stack was taken rather than
   since the pages were given back. */
#ifdef SPI_DEBUG
#define SPI_STACK_MARKS 1
#else
#define SPI_STACK_MARKS 0
#endif

typedef enum spi_stack_guard {
    SPI_GUARD_MISSING,   /* until the stack is used first */
    SPI_GUARD_INSTALLED, /* touching the lowest page kills the process */
    SPI_GUARD_PROTECTED, /* the same, by mprotect */
    /* no more of either to be had: words at the low end, checked when the task waits */
    SPI_GUARD_CANARY
} spi_stack_guard;

typedef struct spi_slab spi_slab;

typedef struct spi_stack {
    spi_list node; /* in the pool's free list */
    char *low;
    size_t size;
    spi_slab *slab; /* NULL: a mapping of its own */
    spi_stack_guard guard;
    bool warm; /* used since its pages were given back */
    unsigned note;
} spi_stack;

typedef struct spi_stack_pool {
    spi_list free; /* the warm ones first */
    spi_list slabs;
    size_t stack_size;
    size_t used, peak; /* peak: since the last trim */
    size_t warm;       /* free ones that hold pages */
    size_t mapped, mapped_bytes;
} spi_stack_pool;

enum { SPI_STACKS_KEPT = 64 };

void spi_stack_pool_init(spi_stack_pool *pool, size_t stack_size);
void spi_stack_pool_finish(
    spi_stack_pool *pool); /* all stacks of slabs are given up, used or not */

/* NULL with SPOUT_ELIMIT set if no memory can be mapped. size 0: the pool's. */
spi_stack *spi_stack_take(spi_stack_pool *pool, size_t size);

/* Not while the caller runs on it. What lies above `touched` may be marked by ASan (NULL:
   anything). */
void spi_stack_give(spi_stack_pool *pool, spi_stack *stack, const char *touched);

/* Whether spi_stack_pool_trim has something to do, now or in a while. */
static inline bool spi_stack_pool_is_fat(const spi_stack_pool *pool)
{
    return pool->warm > SPI_STACKS_KEPT;
}

/* Gives back what was not needed since the last call. From the loop's own stack. */
void spi_stack_pool_trim(spi_stack_pool *pool);

/* How much of it was used at most, in bytes. */
size_t spi_stack_used(const spi_stack *stack);
void spi_stack_wash(
    spi_stack *stack); /* so that it counts from here; nothing without SPI_STACK_MARKS */

/* False if the stack has overflowed (as far as the canary tells). */
bool spi_stack_is_intact(const spi_stack *stack);

#endif
