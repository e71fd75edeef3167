#include "kit.h"

#include "base/arena.h"
#include "base/context.h"
#include "loop/annotate.h"
#include "loop/loop.h"
#include "loop/task.h"

#include <spout/memory.h>

static char trace[256];

static void note(const char *text)
{
    strncat(trace, text, sizeof trace - strlen(trace) - 1);
}

static int reset_trace(void **state)
{
    trace[0] = '\0';
    return set_up(state);
}

static int note_around_yield(void *arg)
{
    note(arg);
    spout_yield();
    note(arg);
    return 0;
}

static int start_at_once(const char *name, spout_task_fn *fn, void *arg)
{
    spi_task_start start = { .name = name, .fn = fn, .arg = arg };
    return spi_task_run(loop, &start, NULL);
}

static void run_returns_when_the_task_waits(void **state)
{
    (void)state;
    char a[] = "a";
    note("<");
    assert_int_equal(start_at_once("a", note_around_yield, a), 0);
    note(">");
    settle();
    assert_string_equal(trace, "<a>a");
}

static int starts_another(void *arg)
{
    char inner[] = "i";
    note("<");
    assert_int_equal(start_at_once("inner", note_around_yield, inner), 0);
    note(">");
    spout_yield();
    note(arg);
    spout_yield();
    return 0;
}

static void run_returns_to_the_task_that_called(void **state)
{
    (void)state;
    char outer[] = "o", x[] = "x";
    spout_spawn(note_around_yield, x, NULL);
    spout_spawn(starts_another, outer, NULL);
    spout_spawn(note_around_yield, x, NULL);
    settle();
    assert_string_equal(trace, "x<i>xxiox");
}

typedef struct from_ready {
    spi_ready ready;
    char text[2];
} from_ready;

static void start_from_ready(spi_ready *ready)
{
    from_ready *self = spi_container(ready, from_ready, ready);
    note("<");
    assert_int_equal(start_at_once("ready", note_around_yield, self->text), 0);
    note(">");
}

static void run_returns_to_a_ready_callback(void **state)
{
    (void)state;
    from_ready a = { .text = "a" };
    char x[] = "x";
    spi_ready_init(&a.ready, start_from_ready);
    spi_ready_schedule(loop, &a.ready);
    spout_spawn(note_around_yield, x, NULL);
    settle();
    assert_string_equal(trace, "<a>xax");
}

static int end_at_once(void *arg)
{
    note(arg);
    return 0;
}

static int starts_short_ones(void *arg)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(start_at_once("short", end_at_once, arg), 0);
    note(".");
    return 0;
}

static void a_task_that_ends_at_once_gives_back_control(void **state)
{
    (void)state;
    char s[] = "s";
    assert_int_equal(start_at_once("outer", starts_short_ones, s), 0);
    assert_string_equal(trace, "sss.");
    assert_int_equal(spout_loop_figures().tasks, 0);
}

static int check_name(void *arg)
{
    assert_true(spout_in_task());
    assert_string_equal(spout_task_name(), arg);
    return 0;
}

static void names_are_copied_and_cut(void **state)
{
    (void)state;
    assert_false(spout_in_task());
    assert_string_equal(spout_task_name(), "");
    char expected[] = "0123456789012345678901234567890";
    char name[] = "0123456789012345678901234567890123456789";
    spout_spawn(check_name, expected, &(spout_task_options){ .name = name });
    memset(name, 'x', sizeof name - 1);
    settle();
    char unnamed[] = "task";
    spout_spawn(check_name, unnamed, NULL);
    settle();
}

static int fail_with_cause(void *arg)
{
    (void)arg;
    spout_error_set(SPOUT_ECLOSED, "the disk is gone");
    return spout_error_wrap(SPOUT_EFAILED, "no report");
}

static int fail_silently(void *arg)
{
    (void)arg;
    return SPOUT_ELIMIT;
}

static void a_failure_is_logged_once(void **state)
{
    (void)state;
    spout_spawn(fail_with_cause, NULL, &(spout_task_options){ .name = "report" });
    settle();
    assert_string_equal(kept_log, "task report failed: no report: the disk is gone\n");
    kept_log[0] = '\0';
    spout_spawn(fail_silently, NULL, &(spout_task_options){ .name = "quiet" });
    settle();
    assert_string_equal(kept_log, "task quiet failed: limit reached\n");
}

static int sleep_forever(void *arg)
{
    (void)arg;
    return spout_sleep(INT64_MAX);
}

static void shutdown_is_no_failure(void **state)
{
    (void)state;
    spout_spawn(sleep_forever, NULL, NULL);
    settle();
    spout_loop_free(loop);
    loop = NULL;
    assert_string_equal(kept_log, "");
}

static void errors_are_each_tasks_own(void **state)
{
    (void)state;
    spout_error_set(SPOUT_EINVAL, "outside");
    assert_int_equal(start_at_once("fails", fail_with_cause, NULL), 0);
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_string_equal(spout_error_message(), "outside");
    spout_error_clear();
}

static int use_scope(void *arg)
{
    char *text = spout_scope_format("%s %d", "text", 1);
    spout_yield();
    assert_string_equal(text, "text 1");
    *(struct spi_arena **)arg = spi_context_current()->scope;
    return 0;
}

static void a_scope_given_stays_the_starters(void **state)
{
    (void)state;
    spi_arena *arena = spi_arena_new(0), *used = NULL;
    spi_task_start start = { .name = "scope", .fn = use_scope, .arg = &used, .scope = arena };
    assert_int_equal(spi_task_run(loop, &start, NULL), 0);
    settle();
    assert_ptr_equal(used, arena);
    assert_non_null(spi_arena_alloc(arena, 10));
    spi_arena_free(arena);
    used = NULL;
    spi_task_start own = { .name = "scope", .fn = use_scope, .arg = &used };
    assert_int_equal(spi_task_run(loop, &own, NULL), 0);
    settle();
    assert_non_null(used);
}

static void deferred_note(void *arg)
{
    assert_int_equal(spout_yield(), 0);
    spout_error_set(SPOUT_EINVAL, "of a deferred call");
    note(arg);
}

static int defer_two(void *arg)
{
    static char one[] = "1", two[] = "2";
    spout_defer(deferred_note, one);
    spout_defer(deferred_note, two);
    note("f");
    if (arg)
        spout_sleep(INT64_MAX);
    return spout_error_set(SPOUT_ECLOSED, "of the function");
}

static void deferred_calls_run_in_reverse(void **state)
{
    (void)state;
    assert_int_equal(run(defer_two, NULL), SPOUT_ECLOSED);
    assert_string_equal(trace, "f21");
    assert_string_equal(spout_error_message(), "of the function");
}

static void deferred_calls_run_after_cancellation(void **state)
{
    (void)state;
    spi_task *task = NULL;
    spi_task_start start = { .name = "deferred", .fn = defer_two, .arg = &start };
    assert_int_equal(spi_task_run(loop, &start, &task), 0);
    spi_task_cancel(task);
    settle();
    assert_string_equal(trace, "f21");
}

static void abort_deep(int depth);
static void (*volatile deeper)(int depth) = abort_deep;

static void abort_deep(int depth)
{
    char buffer[100];
    memset(buffer, depth, sizeof buffer);
    if (depth > 0)
        deeper(depth - 1);
    spout_abort();
}

static int defer_and_abort(void *arg)
{
    static char d[] = "d";
    spout_defer(deferred_note, d);
    if (arg)
        spout_error_set(SPOUT_EPROTO, "%s", (char *)arg);
    else
        spout_error_clear();
    abort_deep(10);
    return 0;
}

static void abort_ends_the_task(void **state)
{
    (void)state;
    char reason[] = "reason";
    assert_int_equal(run(defer_and_abort, reason), SPOUT_EPROTO);
    assert_string_equal(spout_error_message(), "reason");
    assert_string_equal(trace, "d");
    assert_int_equal(run(defer_and_abort, NULL), SPOUT_EFAILED);
}

static int call_in_shield(void *arg)
{
    return defer_and_abort(arg);
}

static int then_result;

/* May be ended by an abort itself. */
static int note_then(void *arg, int result)
{
    (void)arg;
    then_result = result;
    note("t");
    assert_int_equal(spout_deadline_left_ms(), SPOUT_NONE);
    static char d[] = "e";
    spout_defer(deferred_note, d);
    spout_yield();
    if (result == SPOUT_EFAILED)
        spout_abort();
    return 0;
}

static int abort_behind_a_shield(void *arg)
{
    spout_deadline_set_ms(10);
    return spout_shield(defer_and_abort, arg);
}

static void run_then(spout_task_fn *fn, void *arg)
{
    const spi_task_start start = { .name = "then", .fn = fn, .then = note_then, .arg = arg };
    trace[0] = '\0';
    assert_int_equal(spi_task_run(loop, &start, NULL), 0);
    settle();
}

static void then_follows_however_the_function_ends(void **state)
{
    (void)state;
    char reason[] = "reason";
    for (int i = 0; i < 3; i++) { /* on the same stack, whatever has happened there */
        run_then(note_around_yield, reason);
        assert_int_equal(then_result, 0);
        assert_string_equal(trace, "reasonreasonte");
        run_then(abort_behind_a_shield, reason);
        assert_int_equal(then_result, SPOUT_EPROTO);
        assert_string_equal(trace, "dte");
        run_then(abort_behind_a_shield, NULL);
        assert_int_equal(then_result, SPOUT_EFAILED);
        assert_string_equal(trace, "dte");
    }
}

static int shield_then_abort(void *arg)
{
    static char s[] = "s";
    spout_defer(deferred_note, s);
    spout_deadline_set_ms(10);
    return spout_shield(call_in_shield, arg);
}

static int handler_base(void *arg)
{
    static char outer[] = "o";
    spout_defer(deferred_note, outer);
    assert_int_equal(spi_task_call(shield_then_abort, arg), SPOUT_EPROTO);
    assert_string_equal(spout_error_message(), "reason");
    note("|");
    assert_int_equal(spout_deadline_left_ms(), SPOUT_NONE);
    assert_int_equal(spi_task_call(note_around_yield, outer), 0);
    return 0;
}

static void abort_unwinds_to_the_innermost_call(void **state)
{
    (void)state;
    char reason[] = "reason";
    assert_int_equal(run(handler_base, reason), 0);
    assert_string_equal(trace, "ds|ooo");
}

static void abort_in_deferred(void *arg)
{
    note(arg);
    spout_abort();
}

static int defer_aborts(void *arg)
{
    static char a[] = "a", b[] = "b", c[] = "c";
    spout_defer(deferred_note, a);
    spout_defer(abort_in_deferred, b);
    spout_defer(abort_in_deferred, c);
    if (arg)
        spout_abort();
    return 3;
}

static int aborts_within_a_call(void *arg)
{
    assert_int_equal(spi_task_call(defer_aborts, NULL), 3);
    assert_int_equal(spi_task_call(defer_aborts, arg), SPOUT_EFAILED);
    return 0;
}

static void abort_in_a_deferred_call_ends_that_only(void **state)
{
    (void)state;
    char yes[] = "yes";
    assert_int_equal(run(defer_aborts, NULL), 3);
    assert_string_equal(trace, "cba");
    assert_int_equal(run(defer_aborts, yes), SPOUT_EFAILED);
    trace[0] = '\0';
    assert_int_equal(run(aborts_within_a_call, yes), 0);
    assert_string_equal(trace, "cbacba");
}

enum { MANY = SPI_TSAN ? 1000 : 10000 }; /* ThreadSanitizer has room for 8,128 threads */

static int sleep_and_count(void *arg)
{
    int result = spout_sleep(1000);
    ++*(int *)arg;
    return result;
}

static void many_thousands_sleep(void **state)
{
    (void)state;
    int count = 0;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(spout_spawn(sleep_and_count, &count, NULL), 0);
    while (count < MANY)
        assert_int_equal(spout_loop_run_once(loop, 1000), 0);
    assert_int_equal(spout_loop_figures().tasks, 0);
    assert_true(spout_loop_figures().stacks >= MANY);
    for (int i = 0; i < 4; i++)
        assert_int_equal(spout_loop_run_once(loop, 2000), 0);
    assert_true(spout_loop_figures().stacks < 1000);
}

static void a_maximum_of_tasks_is_an_error(void **state)
{
    (void)state;
    static int count; /* tasks still count when the loop is freed */
    spout_loop_free(loop);
    loop = spout_loop_new(&(spout_loop_options){ .clock = &fake_clock, .max_tasks = 3 });
    for (int i = 0; i < 3; i++)
        assert_int_equal(spout_spawn(sleep_and_count, &count, NULL), 0);
    assert_int_equal(spout_spawn(sleep_and_count, &count, NULL), SPOUT_ELIMIT);
    assert_int_equal(spout_error_code_current(), SPOUT_ELIMIT);
    assert_int_equal(start_at_once("one more", sleep_and_count, &count), SPOUT_ELIMIT);
    while (count < 3)
        assert_int_equal(spout_loop_run_once(loop, 1000), 0);
    assert_int_equal(spout_spawn(sleep_and_count, &count, NULL), 0);
}

static int use_much_stack(void *arg)
{
    (void)arg;
    volatile char large[3 * 1024 * 1024];
    large[0] = 1;
    large[sizeof large - 1] = 1;
    spout_yield();
    return large[0] + large[sizeof large - 1];
}

static int join_large(void *arg)
{
    (void)arg;
    spout_group *group = spout_group_new();
    spout_group_start(group, use_much_stack, NULL, &(spout_task_options){ .stack_size = 4 << 20 });
    int result = spout_group_join(group);
    spout_group_free(group);
    return result;
}

static void a_task_may_have_a_larger_stack(void **state)
{
    (void)state;
    assert_int_equal(run(join_large, NULL), 0);
    assert_int_equal(
        spout_spawn(use_much_stack, NULL, &(spout_task_options){ .stack_size = SIZE_MAX - 1 }),
        SPOUT_ELIMIT);
    assert_int_equal(
        spout_spawn(use_much_stack, NULL, &(spout_task_options){ .stack_size = SIZE_MAX / 4 }),
        SPOUT_ELIMIT);
}

static int add_doubles(void *arg)
{
    double sum = 0.1;
    for (int i = 0; i < 10; i++) {
        sum += 1.0 / (i + 1);
        spout_yield();
    }
    *(double *)arg = sum;
    return 0;
}

static void floating_point_survives(void **state)
{
    (void)state;
    double a = 0, b = 0;
    spout_spawn(add_doubles, &a, NULL);
    spout_spawn(add_doubles, &b, NULL);
    settle();
    assert_true(a > 3.0 && a < 3.1);
    assert_true(a == b);
}

static int spawn_while_closing(void *arg)
{
    spout_sleep(INT64_MAX);
    *(int *)arg = spout_spawn(end_at_once, NULL, NULL);
    return 0;
}

static void a_loop_that_is_freed_starts_nothing(void **state)
{
    (void)state;
    int result = 0;
    spout_spawn(spawn_while_closing, &result, NULL);
    settle();
    spout_loop_free(loop);
    loop = NULL;
    assert_int_equal(result, SPOUT_ECLOSED);
}

static int leave_deadline(void *arg)
{
    *(spi_task **)arg = spi_task_current();
    spout_deadline_set_ms(1000);
    return 0;
}

static int leave_longer_deadline(void *arg)
{
    *(spi_task **)arg = spi_task_current();
    spout_deadline_restore(5000);
    return 0;
}

static int leave_cancelled(void *arg)
{
    *(spi_task **)arg = spi_task_current();
    spi_task_cancel(spi_task_current());
    return 0;
}

static int leave_in_a_shield(void *arg)
{
    *(spi_task **)arg = spi_task_current();
    spout_error_set(SPOUT_EFAILED, "left behind");
    spout_abort();
}

static int leave_shield(void *arg)
{
    return spout_shield(leave_in_a_shield, arg);
}

static int leave_memory(void *arg)
{
    *(spi_task **)arg = spi_task_current();
    assert_string_equal(spout_scope_text("scoped"), "scoped");
    return spout_error_set(SPOUT_EFAILED, "left behind");
}

static int expect_nothing(void *arg)
{
    assert_ptr_equal(spi_task_current(), *(spi_task **)arg);
    assert_int_equal(spout_deadline_left_ms(), SPOUT_NONE);
    assert_int_equal(spout_error_code_current(), SPOUT_OK);
    assert_int_equal(spout_yield(), 0);
    note("n");
    return 0;
}

static void nothing_is_left_for_the_next(void **state)
{
    (void)state;
    spi_task *task = NULL;
    spout_task_fn *first[] = { leave_deadline, leave_longer_deadline, leave_cancelled, leave_shield,
        leave_memory };
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        assert_int_equal(start_at_once("first", first[i], &task), 0);
        spi_task_cancel(task); /* too late */
        assert_int_equal(start_at_once("next", expect_nothing, &task), 0);
        settle();
    }
    assert_string_equal(trace, "nnnnn");
}

static int note_whether_cancelled(void *arg)
{
    (void)arg;
    note(spout_yield() == SPOUT_ECANCELED ? "c" : "-");
    return 0;
}

static int start_while_closing(void *arg)
{
    spout_sleep(INT64_MAX);
    for (int i = 0; i < 3; i++)
        assert_int_equal(start_at_once("late", note_whether_cancelled, arg), 0);
    return 0;
}

static void what_starts_while_the_loop_ends_is_cancelled(void **state)
{
    (void)state;
    spout_spawn(sleep_forever, NULL, NULL); /* ends first: what starts then gets its stack */
    spout_spawn(start_while_closing, NULL, NULL);
    settle();
    assert_int_equal(start_at_once("early", note_whether_cancelled, NULL), 0);
    settle();
    spout_loop_free(loop);
    loop = NULL;
    assert_string_equal(trace, "-ccc");
}

#define traced(name) cmocka_unit_test_setup_teardown(name, reset_trace, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        traced(run_returns_when_the_task_waits),
        traced(run_returns_to_the_task_that_called),
        traced(run_returns_to_a_ready_callback),
        traced(a_task_that_ends_at_once_gives_back_control),
        traced(names_are_copied_and_cut),
        traced(a_failure_is_logged_once),
        traced(shutdown_is_no_failure),
        traced(errors_are_each_tasks_own),
        traced(a_scope_given_stays_the_starters),
        traced(deferred_calls_run_in_reverse),
        traced(deferred_calls_run_after_cancellation),
        traced(abort_ends_the_task),
        traced(abort_unwinds_to_the_innermost_call),
        traced(then_follows_however_the_function_ends),
        traced(abort_in_a_deferred_call_ends_that_only),
        traced(many_thousands_sleep),
        traced(a_maximum_of_tasks_is_an_error),
        traced(a_task_may_have_a_larger_stack),
        traced(floating_point_survives),
        traced(a_loop_that_is_freed_starts_nothing),
        traced(nothing_is_left_for_the_next),
        traced(what_starts_while_the_loop_ends_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
