/* Where time and chance come from. */
#include "loop/internal.h"

#include "base/digest.h"
#include "base/log.h"

#include <time.h>

int64_t spi_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t system_monotonic_ms(void *self)
{
    (void)self;
    return spi_monotonic_ns() / 1000000;
}

static int64_t system_wall_us(void *self)
{
    (void)self;
    return spi_wall_clock_us();
}

const spout_clock spi_system_clock = {
    .monotonic_ms = system_monotonic_ms,
    .wall_us = system_wall_us,
};

static void system_random(void *self, void *out, size_t len)
{
    (void)self;
    spi_random_bytes(out, len);
}

const spout_random spi_system_random = { .fill = system_random };

uint64_t spi_loop_random(spout_loop *loop)
{
    uint64_t number;
    loop->random.fill(loop->random.self, &number, sizeof number);
    return number;
}

int64_t spout_time_ms(void)
{
    const spout_loop *loop = spi_loop_of_thread;
    return loop ? loop->now_ms : system_monotonic_ms(NULL);
}

int64_t spout_wall_us(void)
{
    const spout_loop *loop = spi_loop_of_thread;
    return loop ? loop->wall_us : system_wall_us(NULL);
}

uint64_t spi_loop_turn(const spout_loop *loop)
{
    return loop->turning ? loop->waits + 1 : 0;
}

int64_t spi_loop_now(const spout_loop *loop)
{
    return loop->now_ms;
}

int64_t spi_loop_now_ns(const spout_loop *loop)
{
    return loop->clock_is_real ? loop->now_ns : spi_monotonic_ns();
}

int64_t spi_loop_now_exact(spout_loop *loop)
{
    return loop->clock.monotonic_ms(loop->clock.self);
}

int64_t spi_loop_wall_us(const spout_loop *loop)
{
    return loop->wall_us;
}
