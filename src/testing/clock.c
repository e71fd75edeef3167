#include <spout/testing.h>

#include "base/memory.h"

struct spout_test_clock {
    spout_clock table;
    int64_t now_ms;
};

/* 2026-01-01T00:00:00Z, so that dates in replies are the same in every run. */
static const int64_t start_wall_us = 1767225600000000;

static int64_t monotonic_ms(void *self)
{
    return ((spout_test_clock *)self)->now_ms;
}

static int64_t wall_us(void *self)
{
    return start_wall_us + ((spout_test_clock *)self)->now_ms * 1000;
}

static void skip_ms(void *self, int64_t delay_ms)
{
    spout_test_clock_advance_ms(self, delay_ms);
}

spout_test_clock *spout_test_clock_new(void)
{
    spout_test_clock *clock = spi_calloc(sizeof *clock);
    clock->table = (spout_clock){ .monotonic_ms = monotonic_ms, .wall_us = wall_us, .self = clock };
    return clock;
}

void spout_test_clock_skip(spout_test_clock *clock, bool on)
{
    clock->table.skip_ms = on ? skip_ms : NULL;
}

const spout_clock *spout_test_clock_table(spout_test_clock *clock)
{
    return &clock->table;
}

void spout_test_clock_advance_ms(spout_test_clock *clock, int64_t ms)
{
    clock->now_ms += ms;
}

void spout_test_clock_free(spout_test_clock *clock)
{
    spi_free(clock);
}
