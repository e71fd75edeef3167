/*
 * A program that waits in every way there is, for walks: it is run again and again, each time
 * something goes wrong at the next place. However it ends, nothing may be left behind. What it
 * holds is counted in `scenario`, which the walk looks at afterwards.
 */
#ifndef TEST_LOOP_SCENARIO_H
#define TEST_LOOP_SCENARIO_H

#include "kit.h"

#include <spout/locks.h>
#include <spout/memory.h>
#include <spout/queues.h>

enum { PERMITS = 2, JOBS = 4 };

static struct {
    spout_queue *queue;
    spout_semaphore *semaphore;
    spout_lock *lock;
    spout_event *event;
    spout_condition *condition;
    int deferred, undone; /* calls registered, calls made */
    int jobs;             /* allocated, not freed */
    int inside;           /* in the semaphore */
    spout_timer *timer;   /* until it fires */
} scenario;

static void free_job(void *job)
{
    free(job);
    scenario.jobs--;
}

static int produce(void *arg)
{
    (void)arg;
    for (int i = 0; i < JOBS; i++) {
        void *job = malloc(8);
        scenario.jobs++;
        int result = spout_queue_put(scenario.queue, job);
        if (result < 0) {
            free_job(job);
            return result;
        }
    }
    return spout_queue_join(scenario.queue);
}

static void unlock(void *lock)
{
    spout_lock_release(lock);
    scenario.undone++;
}

static int work_on(void *job)
{
    (void)job;
    int result = spout_lock_acquire(scenario.lock);
    if (result < 0)
        return result;
    result = spout_sleep(3);
    spout_lock_release(scenario.lock);
    return result;
}

static int consume(void *arg)
{
    (void)arg;
    for (int i = 0; i < JOBS; i++) {
        void *job;
        int result = spout_queue_get(scenario.queue, &job);
        if (result < 0)
            return result;
        result = work_on(job);
        free_job(job);
        spout_queue_task_done(scenario.queue);
        if (result < 0)
            return result;
    }
    return 0;
}

static int take_turns(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        int result = spout_semaphore_acquire(scenario.semaphore);
        if (result < 0)
            return result;
        scenario.inside++;
        result = spout_yield();
        scenario.inside--;
        spout_semaphore_release(scenario.semaphore);
        if (result < 0)
            return result;
    }
    return 0;
}

static int wait_for_signals(void *arg)
{
    (void)arg;
    int result = spout_event_wait(scenario.event);
    return result < 0 ? result : spout_condition_wait(scenario.condition);
}

static int give_signals(void *arg)
{
    (void)arg;
    int result = spout_sleep(2);
    if (result < 0)
        return result;
    spout_event_set(scenario.event);
    result = spout_sleep(2);
    spout_condition_notify_all(scenario.condition);
    return result;
}

static int clean_up(void *arg)
{
    (void)arg;
    return spout_sleep(1);
}

static int defer_and_shield(void *arg)
{
    (void)arg;
    int result = spout_lock_acquire(scenario.lock);
    if (result < 0)
        return result;
    spout_defer(unlock, scenario.lock);
    scenario.deferred++;
    result = spout_sleep(1);
    if (result < 0)
        return spout_shield(clean_up, NULL);
    if (spout_yield() < 0)
        spout_abort();
    return 0;
}

/* Starts `count` children; joins them even if not all could be started. */
static int run_children(spout_task_fn *const *fns, size_t count)
{
    spout_group *group = spout_group_new();
    int started = 0;
    for (size_t i = 0; i < count && started == 0; i++)
        started = spout_group_start(group, fns[i], NULL, &(spout_task_options){ .name = "child" });
    if (started < 0)
        spout_group_cancel(group);
    int result = spout_group_join(group);
    spout_group_free(group);
    return started < 0 ? started : result;
}

static void resolve(void *future)
{
    spout_future_resolve(future, NULL);
    spout_future_unref(future);
}

static int resolve_later(void *arg)
{
    resolve(arg);
    return 0;
}

static int resolve_by_timer(void *arg)
{
    scenario.timer = NULL;
    resolve(arg);
    return 0;
}

/* A timer that does not fire leaves its argument to us. */
static void stop_timer(spout_future *lent)
{
    if (!scenario.timer)
        return;
    spout_timer_cancel(scenario.timer);
    scenario.timer = NULL;
    spout_future_unref(lent);
}

/* Through a timer, through another thread's way, and through a task of its own. */
static int start_answers(spout_future **answers)
{
    spout_future *lent = spout_future_ref(answers[0]);
    scenario.timer = spout_call_later(2, resolve_by_timer, lent);
    lent = spout_future_ref(answers[1]);
    if (spout_loop_post(loop, resolve, lent) < 0)
        spout_future_unref(lent);
    lent = spout_future_ref(answers[2]);
    int result = spout_spawn(resolve_later, lent, NULL);
    if (result < 0)
        spout_future_unref(lent);
    return result;
}

static int iterate(spout_future **answers)
{
    spout_wait_iterator *iterator = spout_wait_iterator_new(answers, 3);
    int result = 0;
    while (result == 0 && !spout_wait_iterator_is_done(iterator))
        result = spout_wait_iterator_next(iterator, NULL, NULL);
    spout_wait_iterator_free(iterator);
    return result;
}

static int await_answers(void)
{
    spout_future *answers[3];
    for (int i = 0; i < 3; i++)
        answers[i] = spout_future_new();
    int64_t outer = spout_deadline_set_ms(60000);
    int result = start_answers(answers);
    if (result == 0)
        result = iterate(answers);
    if (result == 0)
        result = spout_gather(answers, 3);
    if (result == 0)
        result = spout_await(answers[0], NULL);
    spout_deadline_restore(outer);
    stop_timer(answers[0]);
    for (int i = 0; i < 3; i++)
        spout_future_unref(answers[i]);
    return result;
}

static int compute(void *arg)
{
    *(int *)arg = 1;
    return 0;
}

static int play_scenario(void *arg)
{
    (void)arg;
    static spout_task_fn *const children[] = { produce, consume, take_turns, take_turns, take_turns,
        wait_for_signals, give_signals, defer_and_shield };
    int result = run_children(children, sizeof children / sizeof *children);
    if (result < 0)
        return result;
    result = await_answers();
    if (result < 0)
        return result;
    int computed = 0;
    return spout_run_in_executor(compute, &computed);
}

static void open_scenario(void)
{
    memset(&scenario, 0, sizeof scenario);
    scenario.queue = spout_queue_new(&(spout_queue_options){ .maximum = 1, .free_item = free_job });
    scenario.semaphore = spout_semaphore_new(
        PERMITS, &(spout_semaphore_options){ .bounded = true });
    scenario.lock = spout_lock_new();
    scenario.event = spout_event_new();
    scenario.condition = spout_condition_new();
}

static void close_scenario(void)
{
    assert_int_equal(spout_semaphore_get_value(scenario.semaphore), PERMITS);
    assert_int_equal(scenario.inside, 0);
    assert_false(spout_lock_is_held(scenario.lock));
    assert_int_equal(scenario.undone, scenario.deferred);
    spout_queue_free(scenario.queue);
    assert_int_equal(scenario.jobs, 0);
    spout_semaphore_free(scenario.semaphore);
    spout_lock_free(scenario.lock);
    spout_event_free(scenario.event);
    spout_condition_free(scenario.condition);
}

/* On a loop of its own. The result of the scenario, or of the loop that could not be made. */
static int run_scenario(int max_tasks)
{
    fake_now_ms = 1000;
    loop = spout_loop_new(&(spout_loop_options){
        .clock = &fake_clock, .max_tasks = max_tasks, .executor_threads = 1 });
    if (!loop)
        return spout_error_code_current();
    open_scenario();
    int result = spout_loop_run_sync(loop, play_scenario, NULL, 0);
    spout_loop_free(loop);
    loop = NULL;
    close_scenario();
    return result;
}

/* Blocks of memory that the library holds: a walk compares before and after. */
static long live_blocks;

static void *count_realloc(void *self, void *block, size_t size)
{
    (void)self;
    if (!block)
        __atomic_add_fetch(&live_blocks, 1, __ATOMIC_RELAXED);
    return realloc(block, size);
}

static void count_free(void *self, void *block)
{
    (void)self;
    if (block)
        __atomic_sub_fetch(&live_blocks, 1, __ATOMIC_RELAXED);
    free(block);
}

/* Before anything else of the library. A first run makes what lives as long as the process. */
static int count_blocks(void **state)
{
    (void)state;
    int result = spout_set_allocator(
        &(spout_allocator){ .realloc = count_realloc, .free = count_free });
    spout_log_set_sink(&(spout_log_sink){ .write = NULL });
    if (result == 0)
        result = run_scenario(0);
    spout_error_clear();
    return result;
}

static long blocks_now(void)
{
    spout_error_clear();
    return live_blocks;
}

#endif
