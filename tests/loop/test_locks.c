#include "kit.h"

#include "loop/task.h"

#include <spout/locks.h>

enum { MOST = 16 };

/* Tasks that write down, in order, who got through. */
typedef struct scene {
    spout_condition *condition;
    spout_event *event;
    spout_semaphore *semaphore;
    spout_lock *lock;
    spi_task *tasks[MOST];
    int results[MOST];
    int order[MOST];
    int started, finished;
    int64_t deadline_ms;
    int (*wait)(struct scene *scene);
} scene;

typedef struct waiter {
    scene *scene;
    int number;
} waiter;

static int wait_once(void *arg)
{
    waiter self = *(waiter *)arg;
    scene *s = self.scene;
    if (s->deadline_ms)
        spout_deadline_set_ms(s->deadline_ms);
    int result = s->wait(s);
    s->results[self.number] = result;
    s->order[s->finished++] = self.number;
    return 0;
}

static int wait_condition(scene *s)
{
    return spout_condition_wait(s->condition);
}

static int wait_event(scene *s)
{
    return spout_event_wait(s->event);
}

static int acquire_semaphore(scene *s)
{
    return spout_semaphore_acquire(s->semaphore);
}

static int acquire_lock(scene *s)
{
    return spout_lock_acquire(s->lock);
}

/* Runs until it waits. */
static spi_task *start(scene *s, int64_t deadline_ms)
{
    waiter self = { s, s->started };
    s->deadline_ms = deadline_ms;
    s->results[s->started] = 99;
    spi_task **task = &s->tasks[s->started++];
    spi_task_start how = { .name = "waiter", .fn = wait_once, .arg = &self };
    assert_int_equal(spi_task_run(loop, &how, task), 0);
    return *task;
}

static void assert_order(const scene *s, const int *wanted, int count)
{
    assert_int_equal(s->finished, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(s->order[i], wanted[i]);
}

static void a_condition_wakes_the_first_to_come(void **state)
{
    (void)state;
    scene s = { .condition = spout_condition_new(), .wait = wait_condition };
    spout_condition_notify(s.condition, 5);
    for (int i = 0; i < 5; i++)
        start(&s, 0);
    settle();
    assert_int_equal(s.finished, 0);
    spout_condition_notify(s.condition, 1);
    settle();
    assert_order(&s, (int[]){ 0 }, 1);
    spout_condition_notify(s.condition, 2);
    settle();
    assert_order(&s, (int[]){ 0, 1, 2 }, 3);
    spout_condition_notify_all(s.condition);
    settle();
    assert_order(&s, (int[]){ 0, 1, 2, 3, 4 }, 5);
    spout_condition_free(s.condition);
}

static void a_condition_times_out(void **state)
{
    (void)state;
    scene s = { .condition = spout_condition_new(), .wait = wait_condition };
    start(&s, 10);
    start(&s, 0);
    start(&s, 20);
    start(&s, 0);
    fake_now_ms += 20;
    settle();
    assert_order(&s, (int[]){ 0, 2 }, 2);
    assert_int_equal(s.results[0], SPOUT_ETIMEDOUT);
    spout_condition_notify(s.condition, 2);
    settle();
    assert_order(&s, (int[]){ 0, 2, 1, 3 }, 4);
    assert_int_equal(s.results[1], 0);
    assert_int_equal(s.results[3], 0);
    spout_condition_free(s.condition);
}

/* The deadline passes in the turn in which it is notified. */
static void being_notified_wins_over_the_deadline(void **state)
{
    (void)state;
    scene s = { .condition = spout_condition_new(), .wait = wait_condition };
    start(&s, 10);
    spout_condition_notify(s.condition, 1);
    fake_now_ms += 100;
    settle();
    assert_int_equal(s.results[0], 0);
    spout_condition_free(s.condition);
}

static void a_cancelled_waiter_consumes_no_notification(void **state)
{
    (void)state;
    scene s = { .condition = spout_condition_new(), .wait = wait_condition };
    spi_task *first = start(&s, 0);
    spi_task *second = start(&s, 0);
    start(&s, 0);
    spi_task_cancel(first);
    spout_condition_notify(s.condition, 1);
    spi_task_cancel(second);
    settle();
    assert_int_equal(s.results[0], SPOUT_ECANCELED);
    assert_int_equal(s.results[1], 0);
    assert_int_equal(s.results[2], 99);
    spout_condition_notify(s.condition, 1);
    settle();
    assert_int_equal(s.results[2], 0);
    spout_condition_free(s.condition);
}

static int wait_and_notify(scene *s)
{
    int result = spout_condition_wait(s->condition);
    spout_condition_notify(s->condition, 1);
    return result;
}

static void who_is_notified_may_notify(void **state)
{
    (void)state;
    scene s = { .condition = spout_condition_new(), .wait = wait_and_notify };
    for (int i = 0; i < 3; i++)
        start(&s, 0);
    spout_condition_notify(s.condition, 1);
    settle();
    assert_order(&s, (int[]){ 0, 1, 2 }, 3);
    spout_condition_free(s.condition);
}

static void an_event_lets_all_through(void **state)
{
    (void)state;
    scene s = { .event = spout_event_new(), .wait = wait_event };
    assert_false(spout_event_is_set(s.event));
    start(&s, 0);
    start(&s, 0);
    settle();
    assert_int_equal(s.finished, 0);
    spout_event_set(s.event);
    spout_event_set(s.event);
    assert_true(spout_event_is_set(s.event));
    settle();
    assert_int_equal(s.finished, 2);
    start(&s, 0);
    assert_int_equal(s.finished, 3);
    spout_event_clear(s.event);
    spout_event_clear(s.event);
    start(&s, 5);
    fake_now_ms += 5;
    settle();
    assert_int_equal(s.results[3], SPOUT_ETIMEDOUT);
    spout_event_free(s.event);
}

static void clearing_does_not_hold_back_who_was_woken(void **state)
{
    (void)state;
    scene s = { .event = spout_event_new(), .wait = wait_event };
    start(&s, 0);
    spout_event_set(s.event);
    spout_event_clear(s.event);
    start(&s, 0);
    settle();
    assert_order(&s, (int[]){ 0 }, 1);
    spout_event_set(s.event);
    settle();
    assert_int_equal(s.finished, 2);
    spout_event_free(s.event);
}

static void a_semaphore_counts(void **state)
{
    (void)state;
    scene s = { .semaphore = spout_semaphore_new(2, NULL), .wait = acquire_semaphore };
    for (int i = 0; i < 4; i++)
        start(&s, 0);
    assert_int_equal(s.finished, 2);
    assert_int_equal(spout_semaphore_get_value(s.semaphore), 0);
    assert_int_equal(spout_semaphore_release(s.semaphore), 0);
    assert_int_equal(spout_semaphore_try_acquire(s.semaphore), SPOUT_EAGAIN);
    assert_int_equal(spout_semaphore_get_value(s.semaphore), 0);
    settle();
    assert_int_equal(spout_semaphore_release(s.semaphore), 0);
    settle();
    assert_order(&s, (int[]){ 0, 1, 2, 3 }, 4);
    assert_int_equal(spout_semaphore_release(s.semaphore), 0);
    assert_int_equal(spout_semaphore_get_value(s.semaphore), 1);
    assert_int_equal(spout_semaphore_try_acquire(s.semaphore), 0);
    spout_semaphore_free(s.semaphore);
}

static void a_semaphore_keeps_what_the_impatient_leave(void **state)
{
    (void)state;
    scene s = { .semaphore = spout_semaphore_new(0, NULL), .wait = acquire_semaphore };
    start(&s, 10);
    spi_task *cancelled = start(&s, 0);
    start(&s, 0);
    fake_now_ms += 10;
    settle();
    spi_task_cancel(cancelled);
    spout_semaphore_release(s.semaphore);
    settle();
    assert_int_equal(s.results[0], SPOUT_ETIMEDOUT);
    assert_int_equal(s.results[1], SPOUT_ECANCELED);
    assert_int_equal(s.results[2], 0);
    assert_int_equal(spout_semaphore_get_value(s.semaphore), 0);
    spout_semaphore_release(s.semaphore);
    assert_int_equal(spout_semaphore_get_value(s.semaphore), 1);
    spout_semaphore_free(s.semaphore);
}

/* Granted and then cancelled: it has the semaphore, and gives it back on its way out. */
static int acquire_and_release(scene *s)
{
    int result = spout_semaphore_acquire(s->semaphore);
    if (result < 0)
        return result;
    result = spout_yield();
    spout_semaphore_release(s->semaphore);
    return result;
}

static void a_grant_survives_cancellation(void **state)
{
    (void)state;
    scene s = { .semaphore = spout_semaphore_new(0, NULL), .wait = acquire_and_release };
    spi_task *first = start(&s, 0);
    start(&s, 0);
    spout_semaphore_release(s.semaphore);
    spi_task_cancel(first);
    settle();
    assert_int_equal(s.results[0], SPOUT_ECANCELED);
    assert_int_equal(s.results[1], 0);
    assert_int_equal(spout_semaphore_get_value(s.semaphore), 1);
    spout_semaphore_free(s.semaphore);
}

static void a_bounded_semaphore_refuses_more_than_it_gave(void **state)
{
    (void)state;
    spout_semaphore *semaphore = spout_semaphore_new(
        1, &(spout_semaphore_options){ .bounded = true });
    assert_int_equal(spout_semaphore_release(semaphore), SPOUT_ESTATE);
    assert_int_equal(spout_semaphore_try_acquire(semaphore), 0);
    assert_int_equal(spout_semaphore_release(semaphore), 0);
    assert_int_equal(spout_semaphore_release(semaphore), SPOUT_ESTATE);
    assert_int_equal(spout_semaphore_get_value(semaphore), 1);
    spout_semaphore_free(semaphore);
    assert_null(spout_semaphore_new(-1, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    semaphore = spout_semaphore_new(INT32_MAX, NULL);
    assert_int_equal(spout_semaphore_release(semaphore), SPOUT_ESTATE);
    spout_semaphore_free(semaphore);
}

static void a_lock_lets_in_one_after_the_other(void **state)
{
    (void)state;
    scene s = { .lock = spout_lock_new(), .wait = acquire_lock };
    assert_int_equal(spout_lock_release(s.lock), SPOUT_ESTATE);
    assert_false(spout_lock_is_held(s.lock));
    for (int i = 0; i < 4; i++)
        start(&s, i == 2 ? 7 : 0);
    assert_true(spout_lock_is_held(s.lock));
    assert_int_equal(spout_lock_try_acquire(s.lock), SPOUT_EAGAIN);
    fake_now_ms += 7;
    settle();
    assert_int_equal(s.results[2], SPOUT_ETIMEDOUT);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(spout_lock_release(s.lock), 0);
        settle();
    }
    assert_order(&s, (int[]){ 0, 2, 1, 3 }, 4);
    assert_int_equal(spout_lock_release(s.lock), 0);
    assert_int_equal(spout_lock_release(s.lock), SPOUT_ESTATE);
    assert_int_equal(spout_lock_try_acquire(s.lock), 0);
    spout_lock_free(s.lock);
}

static void unlock(void *lock)
{
    spout_lock_release(lock);
}

/* async with */
static int fail_with_the_lock(scene *s)
{
    if (spout_lock_acquire(s->lock) < 0)
        return -1;
    spout_defer(unlock, s->lock);
    spout_yield();
    spout_error_set(SPOUT_EINVAL, "enough");
    spout_abort();
}

static int abort_inside(void *arg)
{
    return fail_with_the_lock(arg);
}

static void an_abort_releases_what_was_deferred(void **state)
{
    (void)state;
    scene s = { .lock = spout_lock_new() };
    assert_int_equal(run(abort_inside, &s), SPOUT_EINVAL);
    assert_false(spout_lock_is_held(s.lock));
    spout_lock_free(s.lock);
}

static void freeing_ends_the_waits(void **state)
{
    (void)state;
    scene s = { .condition = spout_condition_new(),
        .event = spout_event_new(),
        .semaphore = spout_semaphore_new(0, NULL),
        .lock = spout_lock_new() };
    int (*waits[])(scene *) = { wait_condition, wait_event, acquire_semaphore, acquire_lock };
    assert_int_equal(spout_lock_try_acquire(s.lock), 0);
    for (int i = 0; i < 4; i++) {
        s.wait = waits[i];
        start(&s, 0);
    }
    spout_condition_free(s.condition);
    spout_event_free(s.event);
    spout_semaphore_free(s.semaphore);
    spout_lock_free(s.lock);
    settle();
    for (int i = 0; i < 4; i++)
        assert_int_equal(s.results[i], SPOUT_ECLOSED);
    spout_condition_free(NULL);
    spout_event_free(NULL);
    spout_semaphore_free(NULL);
    spout_lock_free(NULL);
}

/* What was granted is the waiter's, even if the object goes before it runs. */
static void freeing_right_after_a_grant(void **state)
{
    (void)state;
    scene s = { .event = spout_event_new(), .wait = wait_event };
    start(&s, 0);
    spout_event_set(s.event);
    spout_event_free(s.event);
    settle();
    assert_int_equal(s.results[0], 0);
}

static int cancelled_take(void *arg)
{
    scene *s = arg;
    spi_task_cancel(spi_task_current());
    assert_int_equal(spout_semaphore_acquire(s->semaphore), SPOUT_ECANCELED);
    assert_int_equal(spout_event_wait(s->event), SPOUT_ECANCELED);
    assert_int_equal(spout_lock_acquire(s->lock), SPOUT_ECANCELED);
    assert_int_equal(spout_semaphore_get_value(s->semaphore), 1);
    assert_false(spout_lock_is_held(s->lock));
    return 0;
}

static void the_cancelled_get_nothing_even_if_it_is_free(void **state)
{
    (void)state;
    scene s = { .event = spout_event_new(),
        .semaphore = spout_semaphore_new(1, NULL),
        .lock = spout_lock_new() };
    spout_event_set(s.event);
    assert_int_equal(run(cancelled_take, &s), 0);
    spout_event_free(s.event);
    spout_semaphore_free(s.semaphore);
    spout_lock_free(s.lock);
}

static void only_coroutines_wait(void **state)
{
    (void)state;
    scene s = { .condition = spout_condition_new(),
        .event = spout_event_new(),
        .semaphore = spout_semaphore_new(1, NULL),
        .lock = spout_lock_new() };
    spout_event_set(s.event);
    assert_int_equal(wait_condition(&s), SPOUT_ESTATE);
    assert_int_equal(wait_event(&s), SPOUT_ESTATE);
    assert_int_equal(acquire_semaphore(&s), SPOUT_ESTATE);
    assert_int_equal(acquire_lock(&s), SPOUT_ESTATE);
    assert_int_equal(spout_lock_try_acquire(s.lock), 0);
    spout_condition_free(s.condition);
    spout_event_free(s.event);
    spout_semaphore_free(s.semaphore);
    spout_lock_free(s.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(a_condition_wakes_the_first_to_come),
        loop_test(a_condition_times_out),
        loop_test(being_notified_wins_over_the_deadline),
        loop_test(a_cancelled_waiter_consumes_no_notification),
        loop_test(who_is_notified_may_notify),
        loop_test(an_event_lets_all_through),
        loop_test(clearing_does_not_hold_back_who_was_woken),
        loop_test(a_semaphore_counts),
        loop_test(a_semaphore_keeps_what_the_impatient_leave),
        loop_test(a_grant_survives_cancellation),
        loop_test(a_bounded_semaphore_refuses_more_than_it_gave),
        loop_test(a_lock_lets_in_one_after_the_other),
        loop_test(an_abort_releases_what_was_deferred),
        loop_test(freeing_ends_the_waits),
        loop_test(freeing_right_after_a_grant),
        loop_test(the_cancelled_get_nothing_even_if_it_is_free),
        loop_test(only_coroutines_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
