#include "kit.h"

#include "loop/loop.h"

static char trace[64];

static int reset_trace(void **state)
{
    trace[0] = '\0';
    return set_up(state);
}

static void note(const char *text)
{
    strncat(trace, text, sizeof trace - strlen(trace) - 1);
}

static int note_task(void *arg)
{
    note(arg);
    return 0;
}

static void advance(int64_t ms)
{
    int64_t until = fake_now_ms + ms;
    while (fake_now_ms < until)
        spout_loop_run_once(loop, until - fake_now_ms);
    settle();
}

static void timers_fire_in_order(void **state)
{
    (void)state;
    char a[] = "a", b[] = "b", c[] = "c", d[] = "d";
    spout_call_later(30, note_task, c);
    spout_call_later(10, note_task, a);
    spout_call_at(spout_time_ms() + 10, note_task, b);
    spout_call_later(40, note_task, d);
    advance(35);
    assert_string_equal(trace, "abc");
    advance(5);
    assert_string_equal(trace, "abcd");
}

static void cancelled_timers_do_not_fire(void **state)
{
    (void)state;
    char a[] = "a", b[] = "b";
    spout_timer *timer = spout_call_later(10, note_task, a);
    spout_call_later(10, note_task, b);
    spout_timer_cancel(timer);
    spout_timer_cancel(NULL);
    advance(20);
    assert_string_equal(trace, "b");
}

static void extreme_delays_are_fine(void **state)
{
    (void)state;
    char a[] = "a", b[] = "b";
    spout_timer *timer = spout_call_later(INT64_MAX, note_task, b);
    spout_call_later(INT64_MIN, note_task, a);
    spout_call_at(INT64_MIN, note_task, a);
    advance(1);
    assert_string_equal(trace, "aa");
    spout_timer_cancel(timer);
}

static int arm_another(void *arg)
{
    note(arg);
    if (strlen(trace) < 3)
        spout_call_later(0, arm_another, arg);
    return 0;
}

static void a_timer_without_delay_waits_for_the_next_turn(void **state)
{
    (void)state;
    char a[] = "a";
    spout_call_later(0, arm_another, a);
    spout_loop_run_once(loop, 0);
    assert_string_equal(trace, "a");
    spout_loop_run_once(loop, 0);
    assert_string_equal(trace, "aa");
    settle();
    assert_string_equal(trace, "aaa");
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return spout_error_set(SPOUT_EFAILED, "broken");
}

static void a_failing_call_is_logged(void **state)
{
    (void)state;
    spout_call_later(1, fail_at_once, NULL);
    advance(2);
    assert_string_equal(kept_log, "task call_later failed: broken\n");
}

typedef struct own_timer {
    spi_timer timer;
    int count;
} own_timer;

static void restart(spi_timer *timer)
{
    own_timer *self = spi_container(timer, own_timer, timer);
    self->count++;
    spi_timer_start(loop, timer, spi_loop_now(loop), restart);
}

static void an_internal_timer_may_restart_itself(void **state)
{
    (void)state;
    own_timer t = { 0 };
    spi_timer_stop(loop, &t.timer);
    spi_timer_start(loop, &t.timer, 5000, restart);
    spi_timer_start(loop, &t.timer, 1010, restart);
    fake_now_ms = 1020;
    spout_loop_run_once(loop, 0);
    assert_int_equal(t.count, 1);
    spout_loop_run_once(loop, 0);
    assert_int_equal(t.count, 2);
    spi_timer_stop(loop, &t.timer);
    spi_timer_stop(loop, &t.timer);
    spout_loop_run_once(loop, 0);
    assert_int_equal(t.count, 2);
}

#define traced(name) cmocka_unit_test_setup_teardown(name, reset_trace, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        traced(timers_fire_in_order),
        traced(cancelled_timers_do_not_fire),
        traced(extreme_delays_are_fine),
        traced(a_timer_without_delay_waits_for_the_next_turn),
        traced(a_failing_call_is_logged),
        traced(an_internal_timer_may_restart_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
