/* The variants of spi_request_head_try: head_try.c, compiled for different machines. */
#ifndef SPI_HEAD_TRY_H
#define SPI_HEAD_TRY_H

#include "http/head.h"

typedef long spi_head_try(spi_arena *arena, const char *data, size_t len,
    const spi_head_limits *limits, spi_request_head *ret_head);

spi_head_try spi_head_try_base;     /* with what every machine of this kind has */
spi_head_try spi_head_try_avx2;     /* of x86-64 */
spi_head_try spi_head_try_portable; /* for tests */

/* NULL where that can't run. */
static inline spi_head_try *spi_head_try_for_avx2(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
        return spi_head_try_avx2;
#endif
    return NULL;
}

#endif
