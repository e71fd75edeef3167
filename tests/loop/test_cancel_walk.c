/* Cancels, or puts out of time, whoever is the n-th to wait; then the n+1-th; until nobody is left.
   */
#include "scenario.h"

#include "loop/internal.h"

void __real_spi_task_park(spi_task *task);
void __wrap_spi_task_park(spi_task *task);

static int parks, fatal_park;
static void (*strike)(spi_task *task);

/* Every wait comes through here: the program is linked so. */
void __wrap_spi_task_park(spi_task *task)
{
    if (++parks == fatal_park && strike)
        strike(task);
    __real_spi_task_park(task);
}

static void cancel(spi_task *task)
{
    spi_task_cancel(task);
}

static void cancel_the_first(spi_task *task)
{
    spi_task_cancel(spi_container(task->loop->tasks.next, spi_task, node));
}

static void put_out_of_time(spi_task *task)
{
    task->deadline_ms = task->loop->now_ms;
    spi_task_arm_deadline(task);
}

static void end_run_sync(spi_task *task)
{
    spout_loop_stop(task->loop);
}

static void walk(void (*how)(spi_task *task), int *ret_failed)
{
    int failed = 0;
    strike = how;
    for (fatal_park = 1;; fatal_park++) {
        parks = 0;
        long before = blocks_now();
        int result = run_scenario(0);
        assert_int_equal(blocks_now(), before);
        if (parks < fatal_park) {
            assert_int_equal(result, 0);
            break;
        }
        assert_true(result == 0 || result == SPOUT_ECANCELED || result == SPOUT_ETIMEDOUT);
        failed += result < 0;
    }
    strike = NULL;
    printf("# %d waits, %d ended the scenario\n", fatal_park - 1, failed);
    assert_true(fatal_park > 30);
    *ret_failed = failed;
}

static void whoever_waits_is_cancelled(void **state)
{
    (void)state;
    int failed;
    walk(cancel, &failed);
    assert_true(failed > 15);
}

static void the_first_task_is_cancelled_while_another_waits(void **state)
{
    (void)state;
    int failed;
    walk(cancel_the_first, &failed);
    assert_true(failed > 25);
}

static void whoever_waits_is_out_of_time(void **state)
{
    (void)state;
    int failed;
    walk(put_out_of_time, &failed);
    assert_true(failed > 15);
}

static void the_loop_is_stopped(void **state)
{
    (void)state;
    int failed;
    walk(end_run_sync, &failed);
    assert_true(failed > 25);
}

static int wait_forever(void *arg)
{
    int result = spout_await(arg, NULL);
    spout_future_unref(arg);
    return result;
}

static int start_and_leave(void *arg)
{
    (void)arg;
    spout_future *future = spout_future_new();
    spout_spawn(wait_forever, spout_future_ref(future), NULL);
    spout_spawn(play_scenario, NULL, NULL);
    for (int i = 0; i < fatal_park; i++)
        spout_yield();
    spout_future_unref(future);
    return 0;
}

/* With all its tasks in the middle of something. */
static void the_loop_is_freed_after_any_turn(void **state)
{
    (void)state;
    for (fatal_park = 0; fatal_park < 60; fatal_park++) {
        long before = blocks_now();
        fake_now_ms = 1000;
        loop = spout_loop_new(&(spout_loop_options){ .clock = &fake_clock });
        open_scenario();
        assert_int_equal(spout_loop_run_sync(loop, start_and_leave, NULL, 0), 0);
        spout_loop_free(loop);
        close_scenario();
        assert_int_equal(blocks_now(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_waits_is_cancelled),
        cmocka_unit_test(the_first_task_is_cancelled_while_another_waits),
        cmocka_unit_test(whoever_waits_is_out_of_time),
        cmocka_unit_test(the_loop_is_stopped),
        cmocka_unit_test(the_loop_is_freed_after_any_turn),
    };
    return cmocka_run_group_tests(tests, count_blocks, NULL);
}
