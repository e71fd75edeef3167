#include "kit.h"

#include "loop/loop.h"
#include "loop/task.h"

#include <spout/memory.h>

#include <pthread.h>
#include <signal.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int entered;

static void open_gate(bool open)
{
    pthread_mutex_lock(&lock);
    gate_open = open;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* Blocks a thread of the pool until the test lets it go on. */
static int pass_gate(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    entered++;
    pthread_cond_broadcast(&changed);
    while (!gate_open)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return 1;
}

static void wait_entered(int count)
{
    pthread_mutex_lock(&lock);
    while (entered < count)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static int set_up_pool(void **state)
{
    gate_open = false;
    entered = 0;
    int result = set_up(state);
    spout_loop_free(loop);
    loop = spout_loop_new(&(spout_loop_options){ .executor_threads = 2 });
    return loop ? result : -1;
}

typedef struct sum {
    pthread_t caller;
    int numbers[4];
    int total;
} sum;

static int add_up(void *arg)
{
    sum *s = arg;
    if (pthread_equal(pthread_self(), s->caller) || spout_in_task() || spout_loop_current())
        return -1;
    for (int i = 0; i < 4; i++)
        s->total += s->numbers[i];
    spout_scope_format("%d", s->total);
    return s->total;
}

static int add_elsewhere(void *arg)
{
    sum *s = arg;
    s->caller = pthread_self();
    return spout_run_in_executor(add_up, s);
}

static void work_runs_in_another_thread(void **state)
{
    (void)state;
    sum s = { .numbers = { 1, 2, 3, 4 } };
    assert_int_equal(run(add_elsewhere, &s), 10);
    assert_int_equal(s.total, 10);
    assert_int_equal(spout_run_in_executor(add_up, &s), SPOUT_ESTATE);
}

static int fail_with_cause(void *arg)
{
    (void)arg;
    spout_error_set_errno(2, "inner");
    return spout_error_wrap(SPOUT_EPROTO, "outer");
}

static int succeed_with_error(void *arg)
{
    (void)arg;
    spout_error_set(SPOUT_EFAILED, "left over");
    return 0;
}

static int fail_elsewhere(void *arg)
{
    (void)arg;
    assert_int_equal(spout_run_in_executor(succeed_with_error, NULL), 0);
    assert_null(spout_error_current());
    return spout_run_in_executor(fail_with_cause, NULL);
}

static void errors_come_back_with_their_causes(void **state)
{
    (void)state;
    assert_int_equal(run(fail_elsewhere, NULL), SPOUT_EPROTO);
    assert_string_equal(spout_error_message(), "outer");
    assert_int_equal(spout_error_get_errno(spout_error_get_cause(spout_error_current())), 2);
}

static int results[5];

static int pass_gate_task(void *arg)
{
    int *result = arg;
    *result = spout_run_in_executor(pass_gate, NULL);
    return 0;
}

static int cancel_work(void *arg)
{
    (void)arg;
    spi_task *tasks[3];
    for (int i = 0; i < 3; i++) {
        spi_task_start start = { .name = "gate", .fn = pass_gate_task, .arg = &results[i] };
        assert_int_equal(spi_task_run(loop, &start, &tasks[i]), 0);
    }
    wait_entered(2);
    for (int i = 0; i < 3; i++) {
        results[i] = 0;
        spi_task_cancel(tasks[i]);
    }
    spout_yield();
    spout_yield();
    assert_int_equal(results[0], 0);
    assert_int_equal(results[1], 0);
    assert_int_equal(results[2], SPOUT_ECANCELED);
    open_gate(true);
    while (results[0] == 0 || results[1] == 0)
        spout_sleep(1);
    assert_int_equal(results[0], 1);
    assert_int_equal(results[1], 1);
    assert_int_equal(entered, 2);
    return 0;
}

static void queued_work_is_dropped_and_running_work_awaited(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_work, NULL), 0);
}

static int late_work(void *arg)
{
    (void)arg;
    spout_deadline_set_ms(0);
    return spout_run_in_executor(pass_gate, NULL);
}

static void nothing_starts_after_the_deadline(void **state)
{
    (void)state;
    assert_int_equal(run(late_work, NULL), SPOUT_ETIMEDOUT);
    assert_int_equal(entered, 0);
}

static int count_up(void *arg)
{
    pthread_mutex_lock(&lock);
    ++*(int *)arg;
    pthread_mutex_unlock(&lock);
    return 0;
}

static int count_elsewhere(void *arg)
{
    return spout_run_in_executor(count_up, arg);
}

static int flood(void *arg)
{
    spout_group *group = spout_group_new();
    for (int i = 0; i < 500; i++)
        assert_int_equal(spout_group_start(group, count_elsewhere, arg, NULL), 0);
    int result = spout_group_join(group);
    spout_group_free(group);
    return result;
}

static void the_queue_takes_any_number(void **state)
{
    (void)state;
    int count = 0;
    assert_int_equal(run(flood, &count), 0);
    assert_int_equal(count, 500);
}

static int check_signals(void *arg)
{
    (void)arg;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    return sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGUSR1) == 1;
}

static int check_elsewhere(void *arg)
{
    return spout_run_in_executor(check_signals, arg);
}

static void signals_are_not_for_the_pool(void **state)
{
    (void)state;
    assert_int_equal(run(check_elsewhere, NULL), 1);
}

static void freeing_the_loop_waits_for_running_work(void **state)
{
    (void)state;
    results[0] = 0;
    spout_spawn(pass_gate_task, &results[0], NULL);
    assert_int_equal(spout_loop_run_once(loop, 0), 0);
    wait_entered(1);
    open_gate(true);
    spout_loop_free(loop);
    loop = NULL;
    assert_int_equal(results[0], 1);
}

/* The work has ended and its delivery is due, but the cancellation comes before it. */
static void cancelled_between_the_end_and_its_delivery(void **state)
{
    (void)state;
    results[0] = 99;
    spi_task *task;
    spi_task_start start = { .name = "late", .fn = pass_gate_task, .arg = &results[0] };
    assert_int_equal(spi_task_run(loop, &start, &task), 0);
    open_gate(true);
    assert_int_equal(spout_loop_run_once(loop, -1), 0);
    assert_int_equal(results[0], 99);
    spi_task_cancel(task);
    settle();
    assert_int_equal(results[0], 1);
    assert_int_equal(spout_loop_figures().tasks, 0);
}

#define pooled(name) cmocka_unit_test_setup_teardown(name, set_up_pool, tear_down)

/* An executor of the test's own: a thread for each piece of work, counted. */
typedef struct thread_each {
    int started;
    bool full;
} thread_each;

typedef struct errand {
    void (*fn)(void *job);
    void *job;
} errand;

static void *run_errand(void *arg)
{
    errand self = *(errand *)arg;
    free(arg);
    self.fn(self.job);
    return NULL;
}

static int submit_to_thread(void *self, void (*fn)(void *job), void *job)
{
    thread_each *threads = self;
    if (threads->full)
        return spout_error_set(SPOUT_ELIMIT, "no more threads today");
    errand *e = malloc(sizeof *e);
    *e = (errand){ fn, job };
    pthread_t thread;
    threads->started++;
    if (pthread_create(&thread, NULL, run_errand, e) != 0)
        abort();
    pthread_detach(thread);
    return 0;
}

static int fail_abroad(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return spout_error_set(SPOUT_ENOTFOUND, "not there either");
}

static int work_abroad(void *arg)
{
    thread_each *threads = arg;
    const spout_executor executor = { .submit = submit_to_thread, .self = threads };
    pthread_t worker = pthread_self();
    if (spout_set_default_executor(&executor) < 0 ||
        spout_run_in_executor(fail_abroad, &worker) != SPOUT_ENOTFOUND ||
        strcmp(spout_error_message(), "not there either") != 0 ||
        pthread_equal(worker, pthread_self()))
        return -1;
    threads->full = true;
    if (spout_run_in_executor(fail_abroad, &worker) != SPOUT_ELIMIT)
        return -1;
    spout_set_default_executor(NULL);
    return spout_run_in_executor(fail_abroad, &worker) == SPOUT_ENOTFOUND ? 0 : -1;
}

static void another_executor_can_do_the_work(void **state)
{
    (void)state;
    thread_each threads = { 0 };
    assert_int_equal(spout_loop_run_sync(loop, work_abroad, &threads, 0), 0);
    assert_int_equal(threads.started, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pooled(work_runs_in_another_thread),
        pooled(errors_come_back_with_their_causes),
        pooled(queued_work_is_dropped_and_running_work_awaited),
        pooled(cancelled_between_the_end_and_its_delivery),
        pooled(nothing_starts_after_the_deadline),
        pooled(the_queue_takes_any_number),
        pooled(signals_are_not_for_the_pool),
        pooled(freeing_the_loop_waits_for_running_work),
        pooled(another_executor_can_do_the_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
