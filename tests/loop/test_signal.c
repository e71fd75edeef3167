#include "kit.h"

#include "loop/loop.h"
#include "loop/task.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static int first_calls, second_calls;
static spout_signal *first, *second;

static int set_up_signals(void **state)
{
    first_calls = second_calls = 0;
    return set_up(state);
}

static void on_first(void *arg, int signo)
{
    assert_ptr_equal(arg, &first_calls);
    assert_int_equal(signo, SIGUSR1);
    first_calls++;
}

static void on_second(void *arg, int signo)
{
    (void)arg;
    (void)signo;
    second_calls++;
}

static void deliver(int signo)
{
    raise(signo);
    spout_loop_run_once(loop, 1000);
}

static void several_may_watch_one_signal(void **state)
{
    (void)state;
    first = spout_signal_start(SIGUSR1, on_first, &first_calls);
    second = spout_signal_start(SIGUSR1, on_second, NULL);
    deliver(SIGUSR1);
    assert_int_equal(first_calls, 1);
    assert_int_equal(second_calls, 1);
    spout_signal_stop(first);
    deliver(SIGUSR1);
    assert_int_equal(first_calls, 1);
    assert_int_equal(second_calls, 2);
    spout_signal_stop(second);
    spout_signal_stop(NULL);
}

static void old_handler(int signo)
{
    (void)signo;
}

static void the_last_restores_the_disposition(void **state)
{
    (void)state;
    struct sigaction old = { .sa_handler = old_handler }, now;
    sigaction(SIGUSR2, &old, NULL);
    first = spout_signal_start(SIGUSR2, on_second, NULL);
    second = spout_signal_start(SIGUSR2, on_second, NULL);
    spout_signal_stop(first);
    sigaction(SIGUSR2, NULL, &now);
    assert_ptr_not_equal(now.sa_handler, old_handler);
    spout_signal_stop(second);
    sigaction(SIGUSR2, NULL, &now);
    assert_ptr_equal(now.sa_handler, old_handler);
    signal(SIGUSR2, SIG_DFL);
}

static void stop_both(void *arg, int signo)
{
    on_first(arg, signo);
    spout_signal_stop(first);
    spout_signal_stop(second);
}

static void a_callback_may_stop_watchers(void **state)
{
    (void)state;
    first = spout_signal_start(SIGUSR1, stop_both, &first_calls);
    second = spout_signal_start(SIGUSR1, on_second, NULL);
    deliver(SIGUSR1);
    assert_int_equal(first_calls, 1);
    assert_int_equal(second_calls, 0);
}

static void stop_first(void *arg, int signo)
{
    (void)arg;
    (void)signo;
    spout_signal_stop(first);
}

static void those_that_stay_are_still_told(void **state)
{
    (void)state;
    first = spout_signal_start(SIGUSR1, stop_first, NULL);
    second = spout_signal_start(SIGUSR1, on_second, NULL);
    deliver(SIGUSR1);
    deliver(SIGUSR1);
    assert_int_equal(second_calls, 2);
    spout_signal_stop(second);
}

static void what_can_not_be_watched_is_an_error(void **state)
{
    (void)state;
    assert_null(spout_signal_start(SIGKILL, on_second, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_ESYSTEM);
    assert_null(spout_signal_start(0, on_second, NULL));
    assert_null(spout_signal_start(1000, on_second, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
}

static void count_and_stop(void *arg, int signo)
{
    (void)signo;
    ++*(int *)arg;
    spout_loop_stop(spout_loop_current());
}

/* One end of a handshake by pipe: the other loop is ready before the signal is sent. */
static void *other_loop(void *arg)
{
    int *fds = arg;
    spout_loop *mine = spout_loop_new(NULL);
    int count = 0;
    if (!spout_signal_start(SIGUSR1, count_and_stop, &count) || write(fds[1], "r", 1) != 1)
        abort();
    spout_loop_run(mine);
    spout_loop_free(mine);
    return count == 1 ? arg : NULL;
}

static void every_loop_that_watches_is_told(void **state)
{
    (void)state;
    int fds[2], count = 0;
    assert_int_equal(pipe(fds), 0);
    pthread_t thread;
    spout_signal_start(SIGUSR1, count_and_stop, &count);
    assert_int_equal(pthread_create(&thread, NULL, other_loop, fds), 0);
    char byte;
    assert_int_equal(read(fds[0], &byte, 1), 1);
    kill(getpid(), SIGUSR1);
    assert_int_equal(spout_loop_run(loop), 0);
    assert_int_equal(count, 1);
    void *result = NULL;
    pthread_join(thread, &result);
    assert_ptr_equal(result, fds);
    close(fds[0]);
    close(fds[1]);
}

static int waits_over;

static int wait_once(void *arg)
{
    int result = spout_signal_wait(arg);
    waits_over++;
    return result;
}

static int wait_twice(void *arg)
{
    assert_int_equal(wait_once(arg), 0);
    return wait_once(arg);
}

static int signal_and_wait(void *arg)
{
    raise(SIGUSR1);
    return wait_once(arg);
}

static void a_coroutine_waits_for_a_signal(void **state)
{
    (void)state;
    first = spout_signal_start(SIGUSR1, NULL, NULL);
    waits_over = 0;
    assert_int_equal(spout_spawn(wait_twice, first, NULL), 0);
    settle();
    assert_int_equal(waits_over, 0);
    deliver(SIGUSR1);
    settle();
    assert_int_equal(waits_over, 1);
    deliver(SIGUSR1);
    settle();
    assert_int_equal(waits_over, 2);
    assert_int_equal(run(signal_and_wait, first), 0);
    spout_signal_stop(first);
}

/* Both came while nobody waited: one wait is told of both. */
static void a_signal_between_waits_is_not_lost(void **state)
{
    (void)state;
    first = spout_signal_start(SIGUSR1, on_first, &first_calls);
    deliver(SIGUSR1);
    deliver(SIGUSR1);
    assert_int_equal(first_calls, 2);
    assert_int_equal(run(wait_once, first), 0);
    waits_over = 0;
    spout_spawn(wait_once, first, NULL);
    settle();
    assert_int_equal(waits_over, 0);
    deliver(SIGUSR1);
    settle();
    assert_int_equal(waits_over, 1);
    spout_signal_stop(first);
}

/* Woken, and before they run the next one is there. */
static void a_signal_on_the_heels_of_another_is_not_lost(void **state)
{
    (void)state;
    first = spout_signal_start(SIGUSR1, NULL, NULL);
    waits_over = 0;
    spout_spawn(wait_twice, first, NULL);
    settle();
    deliver(SIGUSR1);
    assert_int_equal(waits_over, 0);
    deliver(SIGUSR1);
    settle();
    assert_int_equal(waits_over, 2);
    spout_signal_stop(first);
}

static void all_who_wait_go_on(void **state)
{
    (void)state;
    first = spout_signal_start(SIGUSR1, NULL, NULL);
    second = spout_signal_start(SIGUSR1, NULL, NULL);
    waits_over = 0;
    for (int i = 0; i < 3; i++)
        spout_spawn(wait_once, i < 2 ? first : second, NULL);
    settle();
    deliver(SIGUSR1);
    settle();
    assert_int_equal(waits_over, 3);
    spout_signal_stop(first);
    spout_signal_stop(second);
}

static int wait_a_second(void *arg)
{
    int64_t outer = spout_deadline_set_ms(1000);
    int result = spout_signal_wait(arg);
    spout_deadline_restore(outer);
    return result;
}

static int wait_cancelled(void *arg)
{
    spi_task_cancel(spi_task_current());
    return spout_signal_wait(arg);
}

static void a_wait_may_end_early_and_the_signal_stays(void **state)
{
    (void)state;
    first = spout_signal_start(SIGUSR1, NULL, NULL);
    assert_int_equal(run(wait_a_second, first), SPOUT_ETIMEDOUT);
    assert_int_equal(run(wait_cancelled, first), SPOUT_ECANCELED);
    deliver(SIGUSR1);
    assert_int_equal(run(wait_cancelled, first), SPOUT_ECANCELED);
    assert_int_equal(run(wait_a_second, first), 0);
    assert_int_equal(run(wait_a_second, first), SPOUT_ETIMEDOUT);
    assert_int_equal(spout_signal_wait(first), SPOUT_ESTATE);
    spout_signal_stop(first);
}

static int expect_closed(void *arg)
{
    assert_int_equal(spout_signal_wait(arg), SPOUT_ECLOSED);
    waits_over++;
    return 0;
}

static void stopping_the_watch_ends_its_waits(void **state)
{
    (void)state;
    first = spout_signal_start(SIGUSR1, NULL, NULL);
    waits_over = 0;
    spout_spawn(expect_closed, first, NULL);
    settle();
    spout_signal_stop(first);
    settle();
    assert_int_equal(waits_over, 1);
}

/* The loop looks at nothing before the pipe that wakes it is full. */
static void more_signals_than_the_pipe_holds_wake_as_well(void **state)
{
    (void)state;
    first = spout_signal_start(SIGUSR1, on_first, &first_calls);
    for (int i = 0; i < 70000; i++)
        raise(SIGUSR1);
    spout_loop_run_once(loop, 1000);
    assert_int_equal(first_calls, 1);
    deliver(SIGUSR1);
    assert_int_equal(first_calls, 2);
    spout_signal_stop(first);
}

#define signalled(name) cmocka_unit_test_setup_teardown(name, set_up_signals, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        signalled(several_may_watch_one_signal),
        signalled(the_last_restores_the_disposition),
        signalled(a_callback_may_stop_watchers),
        signalled(those_that_stay_are_still_told),
        signalled(what_can_not_be_watched_is_an_error),
        signalled(every_loop_that_watches_is_told),
        signalled(a_coroutine_waits_for_a_signal),
        signalled(a_signal_between_waits_is_not_lost),
        signalled(a_signal_on_the_heels_of_another_is_not_lost),
        signalled(all_who_wait_go_on),
        signalled(a_wait_may_end_early_and_the_signal_stays),
        signalled(stopping_the_watch_ends_its_waits),
        signalled(more_signals_than_the_pipe_holds_wake_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
