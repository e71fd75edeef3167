/*
 * A counter of the processor's that runs evenly, for what may cost neither a system call nor a look at
 * a clock. It tells whether something was quick; durations that anybody is told come from clocks.
 */
#ifndef SPI_TICKS_H
#define SPI_TICKS_H

#include <stdint.h>

#if defined __x86_64__ || defined __i386__

static inline uint64_t spi_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

/* It is not told how fast it runs: between 2 and 5 GHz, so this is 13 to 33 us. */
static inline uint64_t spi_ticks_of_20us(void)
{
    return 1 << 16;
}

#elif defined __aarch64__

static inline uint64_t spi_ticks(void)
{
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}

static inline uint64_t spi_ticks_of_20us(void)
{
    uint64_t a_second;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(a_second));
    return a_second / 50000;
}

#else

/* Where there is none, nothing is quick. */
static inline uint64_t spi_ticks(void)
{
    return 0;
}

static inline uint64_t spi_ticks_of_20us(void)
{
    return 0;
}

#endif

#endif
