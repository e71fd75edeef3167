#include "http/head_try.h"

#include <stdatomic.h>

static spi_head_try choose;

/* The first that is called chooses; several threads would choose the same. */
static _Atomic(spi_head_try *) chosen = choose;

static long choose(spi_arena *arena, const char *data, size_t len, const spi_head_limits *limits,
    spi_request_head *ret_head)
{
    spi_head_try *avx2 = spi_head_try_for_avx2(), *best = avx2 ? avx2 : spi_head_try_base;
    atomic_store_explicit(&chosen, best, memory_order_relaxed);
    return best(arena, data, len, limits, ret_head);
}

long spi_request_head_try(spi_arena *arena, const char *data, size_t len,
    const spi_head_limits *limits, spi_request_head *ret_head)
{
    spi_head_try *best = atomic_load_explicit(&chosen, memory_order_relaxed);
    return best(arena, data, len, limits, ret_head);
}
