#include "kit.h"

#include "loop/loop.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Sums by name, and what was said of tasks. */
static struct {
    const char *name;
    int64_t sum;
    int calls;
} sums[32];
static char tasks[512];

static size_t place_of(const char *name)
{
    size_t i = 0;
    while (sums[i].name && strcmp(sums[i].name, name) != 0)
        i++;
    assert_true(i + 1 < sizeof sums / sizeof *sums);
    sums[i].name = name;
    return i;
}

static void add(void *self, const char *name, int64_t number)
{
    assert_ptr_equal(self, sums);
    size_t i = place_of(name);
    sums[i].sum += number;
    sums[i].calls++;
}

static void note_task(void *self, const char *name, spout_task_event event, int64_t lived_ms)
{
    assert_ptr_equal(self, sums);
    static const char *const words[] = {
        [SPOUT_TASK_STARTED] = "started",
        [SPOUT_TASK_ENDED] = "ended",
        [SPOUT_TASK_FAILED] = "failed",
        [SPOUT_TASK_CANCELLED] = "cancelled",
    };
    size_t len = strlen(tasks);
    snprintf(tasks + len, sizeof tasks - len, "%s %s %d; ", name, words[event], (int)lived_ms);
}

static int64_t sum_of(const char *name)
{
    return sums[place_of(name)].sum;
}

static int set_up_metrics(void **state)
{
    int result = set_up(state);
    spout_loop_free(loop);
    memset(sums, 0, sizeof sums);
    tasks[0] = '\0';
    spout_metrics table = { .count = add, .observe = add, .task = note_task, .self = sums };
    loop = spout_loop_new(&(spout_loop_options){
        .clock = &fake_clock, .max_tasks = 3, .executor_threads = 1, .metrics = &table });
    memset(&table, 0, sizeof table);
    return loop ? result : -1;
}

static int end_well(void *arg)
{
    (void)arg;
    return spout_sleep(5);
}

static int end_badly(void *arg)
{
    (void)arg;
    return spout_error_set(SPOUT_EINVAL, "no");
}

static int cancel_a_sleeper(void *arg)
{
    (void)arg;
    spout_group *group = spout_group_new();
    spout_group_start(group, end_well, NULL, &(spout_task_options){ .name = "sleeper" });
    spout_group_cancel(group);
    assert_int_equal(spout_group_join(group), SPOUT_ECANCELED);
    spout_group_free(group);
    return 0;
}

static void tasks_are_told_from_their_start_to_their_end(void **state)
{
    (void)state;
    assert_int_equal(run(end_well, NULL), 0);
    assert_string_equal(tasks, "run_sync started 0; run_sync ended 5; ");
    tasks[0] = '\0';
    assert_int_equal(run(end_badly, NULL), SPOUT_EINVAL);
    assert_string_equal(spout_error_message(), "no");
    assert_string_equal(tasks, "run_sync started 0; run_sync failed 0; ");
    tasks[0] = '\0';
    assert_int_equal(run(cancel_a_sleeper, NULL), 0);
    assert_string_equal(
        tasks, "run_sync started 0; sleeper started 0; sleeper cancelled 0; run_sync ended 0; ");
}

static int spawn_too_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++)
        assert_int_equal(spout_spawn(end_well, NULL, NULL), 0);
    assert_int_equal(spout_spawn(end_well, NULL, NULL), SPOUT_ELIMIT);
    assert_int_equal(spout_spawn(end_well, NULL, NULL), SPOUT_ELIMIT);
    return 0;
}

static void those_without_a_stack_are_counted(void **state)
{
    (void)state;
    assert_int_equal(run(spawn_too_many, NULL), 0);
    assert_int_equal(sum_of("tasks_refused"), 2);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

static void turns_timers_and_posts_are_counted(void **state)
{
    (void)state;
    assert_int_equal(run(end_well, NULL), 0);
    assert_int_equal(sum_of("timers"), 1);
    int64_t turns = sum_of("turns");
    assert_true(turns > 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(spout_loop_post(loop, do_nothing, NULL), 0);
    spout_loop_run_once(loop, 0);
    assert_int_equal(sum_of("posts"), 3);
    assert_int_equal(sum_of("turns"), turns + 1);
    assert_int_equal(sums[place_of("turn_ms")].calls, turns + 1);
}

/* As if computing for 40 ms. */
static void work(void *arg)
{
    (void)arg;
    fake_now_ms += 40;
}

static void a_slow_turn_shows(void **state)
{
    (void)state;
    spout_loop_post(loop, work, NULL);
    spout_loop_run_once(loop, 0);
    assert_int_equal(sum_of("turn_ms"), 40);
}

static int compute(void *arg)
{
    *(int64_t *)arg = 1;
    return 0;
}

static int use_executor(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 2; i++) {
        int64_t computed = 0;
        assert_int_equal(spout_run_in_executor(compute, &computed), 0);
        assert_int_equal(computed, 1);
        assert_int_equal(sum_of("executor_jobs"), 0);
        assert_int_equal(sums[place_of("executor_jobs")].calls, 2 * i);
        assert_int_equal(sums[place_of("executor_ms")].calls, i);
    }
    return 0;
}

static void the_executor_is_counted(void **state)
{
    (void)state;
    assert_int_equal(run(use_executor, NULL), 0);
    assert_int_equal(sum_of("executor_threads"), 1);
    assert_true(sum_of("posts") >= 1);
}

static int wait_for_signal(void *arg)
{
    return spout_signal_wait(arg);
}

static void signals_and_events_are_counted(void **state)
{
    (void)state;
    spout_signal *watch = spout_signal_start(SIGUSR1, NULL, NULL);
    raise(SIGUSR1);
    assert_int_equal(run(wait_for_signal, watch), 0);
    assert_int_equal(sum_of("signals"), 1);
    assert_true(sum_of("events") >= 1);
    spout_signal_stop(watch);
}

static void any_function_may_be_missing(void **state)
{
    (void)state;
    static const spout_metrics tables[] = { { .reserved = { NULL } },
        { .count = add, .self = sums }, { .task = note_task, .self = sums } };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        spout_loop_free(loop);
        tasks[0] = '\0';
        loop = spout_loop_new(&(spout_loop_options){ .clock = &fake_clock, .metrics = &tables[i] });
        assert_int_equal(run(end_well, NULL), 0);
        assert_int_equal(tasks[0] != '\0', tables[i].task != NULL);
        assert_non_null(spi_loop_metrics(loop)->observe);
        assert_non_null(spi_loop_metrics(loop)->request);
    }
}

static void nobody_need_count(void **state)
{
    (void)state;
    spout_loop_free(loop);
    loop = spout_loop_new(NULL);
    assert_null(spi_loop_metrics(loop));
}

#define measured(name) cmocka_unit_test_setup_teardown(name, set_up_metrics, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        measured(tasks_are_told_from_their_start_to_their_end),
        measured(those_without_a_stack_are_counted),
        measured(turns_timers_and_posts_are_counted),
        measured(a_slow_turn_shows),
        measured(the_executor_is_counted),
        measured(signals_and_events_are_counted),
        measured(any_function_may_be_missing),
        measured(nobody_need_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
