#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/loop.h>
#include <spout/task.h>
#include <spout/testing.h>

static int sleep_an_hour(void *arg)
{
    int64_t before = spout_time_ms();
    int result = spout_sleep(3600 * 1000);
    *(int64_t *)arg = spout_time_ms() - before;
    return result;
}

static void a_skipping_clock_sleeps_in_no_time(void **state)
{
    (void)state;
    spout_test_clock *clock = spout_test_clock_new();
    spout_test_clock_skip(clock, true);
    spout_loop *loop = spout_loop_new(
        &(spout_loop_options){ .clock = spout_test_clock_table(clock) });
    int64_t slept = 0;
    assert_int_equal(spout_loop_run_sync(loop, sleep_an_hour, &slept, 0), 0);
    assert_int_equal(slept, 3600 * 1000);
    spout_loop_free(loop);
    spout_test_clock_free(clock);
}

static int count(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static void a_clock_stands_still_until_it_is_moved(void **state)
{
    (void)state;
    spout_test_clock *clock = spout_test_clock_new();
    spout_loop *loop = spout_loop_new(
        &(spout_loop_options){ .clock = spout_test_clock_table(clock) });
    int calls = 0;
    spout_call_later(1000, count, &calls);
    for (int i = 0; i < 10; i++)
        spout_loop_run_once(loop, 0);
    assert_int_equal(calls, 0);
    int64_t wall = spout_wall_us();
    spout_test_clock_advance_ms(clock, 999);
    spout_loop_run_once(loop, 0);
    spout_loop_run_once(loop, 0);
    assert_int_equal(calls, 0);
    spout_test_clock_advance_ms(clock, 1);
    for (int i = 0; i < 3; i++)
        spout_loop_run_once(loop, 0);
    assert_int_equal(calls, 1);
    assert_int_equal(spout_wall_us() - wall, 1000 * 1000);
    spout_loop_free(loop);
    spout_test_clock_free(clock);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_skipping_clock_sleeps_in_no_time),
        cmocka_unit_test(a_clock_stands_still_until_it_is_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
