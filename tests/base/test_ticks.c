#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ticks.h"

#include <time.h>

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void test_a_millisecond_is_more_than_20_us(void **state)
{
    (void)state;
    if (spi_ticks_of_20us() == 0)
        skip();
    uint64_t start = spi_ticks();
    for (int64_t end_ns = now_ns() + 1000000; now_ns() < end_ns;)
        ;
    assert_true(spi_ticks() - start > spi_ticks_of_20us());
}

/* On a machine that does other things, only most of the time. */
static void test_nothing_is_less_than_20_us(void **state)
{
    (void)state;
    if (spi_ticks_of_20us() == 0)
        skip();
    bool was_less = false;
    for (int i = 0; i < 1000000 && !was_less; i++) {
        uint64_t start = spi_ticks();
        was_less = spi_ticks() - start < spi_ticks_of_20us();
    }
    assert_true(was_less);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_millisecond_is_more_than_20_us),
        cmocka_unit_test(test_nothing_is_less_than_20_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
