#include "kit.h"

#include "loop/loop.h"

static void the_system_clock_goes_on(void **state)
{
    (void)state;
    int64_t before = spout_time_ms(), wall = spout_wall_us();
    assert_true(before > 0);
    assert_true(wall > INT64_C(1600000000) * 1000000);
    assert_true(spout_time_ms() >= before);
}

static void a_loop_reads_its_clock_once_a_turn(void **state)
{
    (void)state;
    fake_now_ms = 5000;
    assert_int_equal(spout_time_ms(), 1000);
    assert_int_equal(spi_loop_now_exact(loop), 5000);
    settle();
    assert_int_equal(spout_time_ms(), 5000);
    assert_int_equal(spout_wall_us(), 5000000);
    assert_int_equal(spi_loop_wall_us(loop), 5000000);
}

static void fill_with_ones(void *self, void *out, size_t len)
{
    ++*(int *)self;
    memset(out, 1, len);
}

static void the_random_source_is_replaceable(void **state)
{
    (void)state;
    int calls = 0;
    spout_random ones = { .fill = fill_with_ones, .self = &calls };
    spout_loop *own = spout_loop_new(&(spout_loop_options){ .random = &ones });
    assert_true(spi_loop_random(own) == UINT64_C(0x0101010101010101));
    assert_int_equal(calls, 1);
    spout_loop_free(own);
}

static void the_system_is_random(void **state)
{
    (void)state;
    assert_true(spi_loop_random(loop) != spi_loop_random(loop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_system_clock_goes_on),
        loop_test(a_loop_reads_its_clock_once_a_turn),
        cmocka_unit_test(the_random_source_is_replaceable),
        loop_test(the_system_is_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
