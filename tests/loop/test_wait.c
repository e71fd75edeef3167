#include "kit.h"

#include "loop/loop.h"
#include "loop/task.h"

static int sleep_100(void *arg)
{
    int64_t before = spout_time_ms();
    int result = spout_sleep(100);
    *(int64_t *)arg = spout_time_ms() - before;
    return result;
}

static void sleep_takes_its_time(void **state)
{
    (void)state;
    int64_t slept = 0;
    assert_int_equal(run(sleep_100, &slept), 0);
    assert_int_equal(slept, 100);
}

static int sleep_oddly(void *arg)
{
    (void)arg;
    int64_t before = spout_time_ms();
    assert_int_equal(spout_sleep(0), 0);
    assert_int_equal(spout_sleep(-5), 0);
    assert_int_equal(spout_time_ms(), before);
    spout_deadline_set_ms(10);
    assert_int_equal(spout_sleep(INT64_MAX), SPOUT_ETIMEDOUT);
    assert_int_equal(spout_time_ms(), before + 10);
    return 0;
}

static void sleep_takes_any_delay(void **state)
{
    (void)state;
    assert_int_equal(run(sleep_oddly, NULL), 0);
}

static void waiting_outside_a_task_fails(void **state)
{
    (void)state;
    spi_list queue;
    spi_list_init(&queue);
    assert_int_equal(spout_sleep(1), SPOUT_ESTATE);
    assert_int_equal(spout_yield(), SPOUT_ESTATE);
    assert_int_equal(spi_wait(&queue, "test"), SPOUT_ESTATE);
    assert_int_equal(spout_shield(sleep_oddly, NULL), SPOUT_ESTATE);
    assert_int_equal(spout_deadline_left_ms(), SPOUT_NONE);
}

static int nest_deadlines(void *arg)
{
    (void)arg;
    assert_int_equal(spout_deadline_left_ms(), SPOUT_NONE);
    int64_t outer = spout_deadline_set_ms(100);
    int64_t longer = spout_deadline_set_ms(5000);
    assert_int_equal(spout_deadline_left_ms(), 100);
    spout_deadline_restore(longer);
    int64_t shorter = spout_deadline_set_ms(30);
    assert_int_equal(spout_deadline_left_ms(), 30);
    assert_int_equal(spout_sleep(50), SPOUT_ETIMEDOUT);
    assert_int_equal(spout_deadline_left_ms(), 0);
    assert_int_equal(spout_sleep(0), SPOUT_ETIMEDOUT);
    assert_int_equal(spout_yield(), SPOUT_ETIMEDOUT);
    spout_deadline_restore(shorter);
    assert_int_equal(spout_deadline_left_ms(), 70);
    assert_int_equal(spout_sleep(50), 0);
    assert_int_equal(spout_sleep(50), SPOUT_ETIMEDOUT);
    spout_deadline_restore(outer);
    assert_int_equal(spout_sleep(1000), 0);
    return 0;
}

static void deadlines_nest(void **state)
{
    (void)state;
    assert_int_equal(run(nest_deadlines, NULL), 0);
}

static int many_deadlines(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        int64_t outer = spout_deadline_set_ms(2000);
        assert_int_equal(spout_sleep(7), 0);
        spout_deadline_restore(outer);
    }
    return 0;
}

static void a_timer_of_an_old_deadline_does_no_harm(void **state)
{
    (void)state;
    assert_int_equal(run(many_deadlines, NULL), 0);
    assert_int_equal(fake_now_ms, 1000 + 7000);
}

typedef struct scene {
    spi_list queue;
    spi_task *task;
    int results[8];
    int count;
} scene;

static void record(scene *s, int result)
{
    s->results[s->count++] = result;
}

static int wait_once(void *arg)
{
    scene *s = arg;
    int result = spi_wait(&s->queue, "test");
    record(s, result);
    return result;
}

static spi_task *start(scene *s, spout_task_fn *fn)
{
    spi_task *task = NULL;
    spi_task_start how = { .name = "scene", .fn = fn, .arg = s };
    assert_int_equal(spi_task_run(loop, &how, &task), 0);
    return task;
}

static void waiting_is_first_come_first_served(void **state)
{
    (void)state;
    scene a = { 0 }, b = { 0 };
    spi_list_init(&a.queue);
    spi_list_init(&b.queue);
    start(&a, wait_once);
    start(&a, wait_once);
    assert_true(spi_wake_one(&a.queue));
    assert_int_equal(a.count, 0);
    settle();
    assert_int_equal(a.count, 1);
    assert_true(spi_wake_one(&a.queue));
    assert_false(spi_wake_one(&a.queue));
    settle();
    assert_int_equal(a.count, 2);
}

static void a_woken_task_keeps_its_wake_up(void **state)
{
    (void)state;
    scene s = { 0 };
    spi_list_init(&s.queue);
    spi_task *task = start(&s, wait_once);
    assert_true(spi_wake_one(&s.queue));
    spi_task_cancel(task);
    settle();
    assert_int_equal(s.count, 1);
    assert_int_equal(s.results[0], 0);
}

static int wait_thrice(void *arg)
{
    scene *s = arg;
    for (int i = 0; i < 3; i++)
        wait_once(s);
    record(s, spout_sleep(1));
    record(s, spout_yield());
    return 0;
}

static void a_cancelled_task_never_waits_again(void **state)
{
    (void)state;
    for (int point = 0; point < 3; point++) {
        scene s = { 0 };
        spi_list_init(&s.queue);
        spi_task *task = start(&s, wait_thrice);
        for (int i = 0; i < point; i++) {
            spi_wake_one(&s.queue);
            settle();
        }
        spi_task_cancel(task);
        settle();
        assert_int_equal(s.count, 5);
        for (int i = 0; i < 5; i++)
            assert_int_equal(s.results[i], i < point ? 0 : SPOUT_ECANCELED);
        assert_true(spi_list_is_empty(&s.queue));
    }
}

static int deep_in_shield(void *arg)
{
    scene *s = arg;
    assert_in_range(spout_deadline_left_ms(), 0, 5000);
    wait_once(s);
    record(s, spout_sleep(1));
    return 7;
}

static int shielded(void *arg)
{
    scene *s = arg;
    spout_deadline_set_ms(60000);
    record(s, spout_shield(deep_in_shield, s));
    record(s, spout_sleep(1));
    return 0;
}

static void a_shield_keeps_cancellation_out(void **state)
{
    (void)state;
    scene s = { 0 };
    spi_list_init(&s.queue);
    spi_task *task = start(&s, shielded);
    spi_task_cancel(task);
    settle();
    assert_int_equal(s.count, 0);
    spi_wake_one(&s.queue);
    assert_int_equal(spout_loop_run_once(loop, 100), 0);
    while (s.count < 4)
        assert_int_equal(spout_loop_run_once(loop, 100), 0);
    const int expected[] = { 0, 0, 7, SPOUT_ECANCELED };
    assert_memory_equal(s.results, expected, sizeof expected);
}

static int sleep_long_in_shield(void *arg)
{
    (void)arg;
    return spout_sleep(60000);
}

static int shield_after_deadline(void *arg)
{
    (void)arg;
    spout_deadline_set_ms(0);
    assert_int_equal(spout_sleep(0), SPOUT_ETIMEDOUT);
    int64_t before = spout_time_ms();
    assert_int_equal(spout_shield(sleep_long_in_shield, NULL), SPOUT_ETIMEDOUT);
    assert_int_equal(spout_time_ms() - before, 5000);
    assert_int_equal(spout_sleep(0), SPOUT_ETIMEDOUT);
    return 0;
}

static void a_shield_has_a_deadline_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(run(shield_after_deadline, NULL), 0);
}

static int nest_shields(void *arg)
{
    (void)arg;
    int64_t outer = spout_deadline_set_ms(100);
    assert_int_equal(spout_shield(sleep_long_in_shield, NULL), SPOUT_ETIMEDOUT);
    spout_deadline_restore(outer);
    return 0;
}

static void an_inner_shield_does_not_outlast_the_outer(void **state)
{
    (void)state;
    int64_t before = fake_now_ms;
    scene s = { 0 };
    spi_list_init(&s.queue);
    start(&s, nest_shields);
    while (fake_now_ms < before + 5000)
        assert_int_equal(spout_loop_run_once(loop, 1000), 0);
    settle();
    assert_int_equal(spout_loop_figures().tasks, 0);
}

static char trace[64];

static int add_twice(void *arg)
{
    for (int i = 0; i < 2; i++) {
        strncat(trace, arg, sizeof trace - strlen(trace) - 1);
        spout_yield();
    }
    return 0;
}

static void yield_lets_others_run(void **state)
{
    (void)state;
    trace[0] = '\0';
    char a[] = "a", b[] = "b", c[] = "c";
    spout_spawn(add_twice, a, NULL);
    spout_spawn(add_twice, b, NULL);
    spout_spawn(add_twice, c, NULL);
    settle();
    assert_string_equal(trace, "abcabc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(sleep_takes_its_time),
        loop_test(sleep_takes_any_delay),
        loop_test(waiting_outside_a_task_fails),
        loop_test(deadlines_nest),
        loop_test(a_timer_of_an_old_deadline_does_no_harm),
        loop_test(waiting_is_first_come_first_served),
        loop_test(a_woken_task_keeps_its_wake_up),
        loop_test(a_cancelled_task_never_waits_again),
        loop_test(a_shield_keeps_cancellation_out),
        loop_test(a_shield_has_a_deadline_of_its_own),
        loop_test(an_inner_shield_does_not_outlast_the_outer),
        loop_test(yield_lets_others_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
