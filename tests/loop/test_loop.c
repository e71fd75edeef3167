#include "kit.h"

#include "loop/loop.h"
#include "loop/task.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

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

static void a_thread_has_one_loop(void **state)
{
    (void)state;
    assert_ptr_equal(spout_loop_current(), loop);
    assert_true(spi_loop_exists_anywhere());
    assert_null(spout_loop_new(NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EEXIST);
    spout_loop_free(loop);
    assert_null(spout_loop_current());
    assert_false(spi_loop_exists_anywhere());
    spout_loop_free(NULL);
    assert_int_equal(spout_spawn(NULL, NULL, NULL), SPOUT_ESTATE);
    assert_null(spout_call_later(1, NULL, NULL));
    assert_null(spout_every(1, NULL, NULL, NULL));
    assert_null(spout_future_new());
    assert_null(spout_group_new());
    loop = spout_loop_new(NULL);
    assert_non_null(loop);
}

static void an_unknown_backend_is_an_error(void **state)
{
    (void)state;
    spout_loop_free(loop);
    loop = spout_loop_new(&(spout_loop_options){ .backend = "carrier pigeon" });
    assert_null(loop);
    assert_int_equal(spout_error_code_current(), SPOUT_EUNSUPPORTED);
    assert_null(spout_loop_current());
    loop = spout_loop_new(&(spout_loop_options){ .backend = "poll" });
    assert_non_null(loop);
    assert_int_equal(spout_loop_fd(loop), -1);
}

typedef struct step {
    spi_ready ready;
    const char *text;
    struct step *next;
} step;

static void take_step(spi_ready *ready)
{
    step *self = spi_container(ready, step, ready);
    note(self->text);
    if (self->next)
        spi_ready_schedule(loop, &self->next->ready);
}

static void what_is_scheduled_runs_in_the_next_turn(void **state)
{
    (void)state;
    step b = { .text = "b" }, a = { .text = "a", .next = &b };
    spi_ready_init(&a.ready, take_step);
    spi_ready_init(&b.ready, take_step);
    spi_ready_schedule(loop, &a.ready);
    spi_ready_schedule(loop, &a.ready);
    assert_int_equal(spout_loop_timeout_ms(loop), 0);
    spout_loop_run_once(loop, 0);
    assert_string_equal(trace, "a");
    spout_loop_run_once(loop, 0);
    assert_string_equal(trace, "ab");
    assert_int_equal(spout_loop_timeout_ms(loop), -1);
    spi_ready_schedule(loop, &a.ready);
    spi_ready_cancel(&a.ready);
    spi_ready_cancel(&a.ready);
    settle();
    assert_string_equal(trace, "ab");
}

typedef struct hook {
    spi_turn_hook hook;
    spi_turn_hook *victim;
    const char *text;
} hook;

static void on_turn(spi_turn_hook *base)
{
    hook *self = spi_container(base, hook, hook);
    note(self->text);
    if (self->victim)
        spi_turn_hook_remove(self->victim);
    self->victim = NULL;
}

static void hooks_run_each_turn_and_may_be_removed(void **state)
{
    (void)state;
    hook a = { .text = "a" }, b = { .text = "b" }, c = { .text = "c" };
    spi_turn_hook_add(loop, &a.hook, on_turn);
    spi_turn_hook_add(loop, &b.hook, on_turn);
    spi_turn_hook_add(loop, &c.hook, on_turn);
    spout_loop_run_once(loop, 0);
    assert_string_equal(trace, "abc");
    a.victim = &a.hook;
    b.victim = &c.hook;
    spout_loop_run_once(loop, 0);
    assert_string_equal(trace, "abcab");
    spout_loop_run_once(loop, 0);
    assert_string_equal(trace, "abcabb");
    spi_turn_hook_remove(&b.hook);
}

static int stop_the_loop(void *arg)
{
    (void)arg;
    note("s");
    spout_loop_stop(loop);
    assert_int_equal(spout_loop_run(loop), SPOUT_ESTATE);
    assert_int_equal(spout_loop_run_once(loop, 0), SPOUT_ESTATE);
    assert_int_equal(spout_loop_run_sync(loop, stop_the_loop, NULL, 0), SPOUT_ESTATE);
    return 0;
}

static void stop_ends_run(void **state)
{
    (void)state;
    spout_call_later(1000, stop_the_loop, NULL);
    assert_int_equal(spout_loop_run(loop), 0);
    assert_string_equal(trace, "s");
}

static int note_that_it_ran(void *arg)
{
    note(arg);
    return 0;
}

static void stop_before_run_means_one_turn(void **state)
{
    (void)state;
    char r[] = "r";
    spout_loop_stop(loop);
    spout_spawn(note_that_it_ran, r, NULL);
    spout_call_later(1, note_that_it_ran, r);
    assert_int_equal(spout_loop_run(loop), 0);
    assert_string_equal(trace, "r");
    assert_int_equal(fake_now_ms, 1000);
}

static int fail_at_once(void *arg)
{
    (void)arg;
    spout_error_set(SPOUT_ECLOSED, "cause");
    return spout_error_wrap(SPOUT_EPROTO, "failed");
}

static int return_seven(void *arg)
{
    (void)arg;
    return 7;
}

static void run_sync_returns_the_result(void **state)
{
    (void)state;
    assert_int_equal(spout_loop_run_sync(loop, return_seven, NULL, 0), 7);
    assert_int_equal(spout_loop_run_sync(loop, fail_at_once, NULL, 10), SPOUT_EPROTO);
    assert_string_equal(spout_error_message(), "failed");
    const spout_error *cause = spout_error_get_cause(spout_error_current());
    assert_string_equal(spout_error_get_message(cause), "cause");
    assert_string_equal(kept_log, "");
}

static int sleep_long(void *arg)
{
    *(int *)arg = spout_sleep(60000);
    return *(int *)arg;
}

static int stop_soon(void *arg)
{
    (void)arg;
    spout_loop_stop(loop);
    return 0;
}

static int end_beyond_the_limit(void *arg)
{
    (void)arg;
    fake_now_ms += 600;
    spout_yield();
    return 7;
}

static void run_sync_may_end_in_the_turn_of_its_limit(void **state)
{
    (void)state;
    assert_int_equal(spout_loop_run_sync(loop, end_beyond_the_limit, NULL, 500), 7);
}

static void run_sync_has_a_limit(void **state)
{
    (void)state;
    int result = 0;
    assert_int_equal(spout_loop_run_sync(loop, sleep_long, &result, 500), SPOUT_ETIMEDOUT);
    assert_int_equal(result, SPOUT_ECANCELED);
    assert_int_equal(fake_now_ms, 1500);
    assert_int_equal(spout_error_code_current(), SPOUT_ETIMEDOUT);
    spout_call_later(10, stop_soon, NULL);
    assert_int_equal(spout_loop_run_sync(loop, sleep_long, &result, 500), SPOUT_ECANCELED);
    assert_int_equal(fake_now_ms, 1510);
}

static void destroyed(void *value)
{
    note(value);
}

static void slots_are_destroyed_from_the_top(void **state)
{
    (void)state;
    char net[] = "n", web[] = "w", run_[] = "r";
    spi_loop_slot_set(loop, SPI_SLOT_NET, net, destroyed);
    spi_loop_slot_set(loop, SPI_SLOT_RUN, run_, destroyed);
    spi_loop_slot_set(loop, SPI_SLOT_WEB, web, destroyed);
    assert_ptr_equal(spi_loop_slot_get(loop, SPI_SLOT_WEB), web);
    assert_null(spi_loop_slot_get(loop, SPI_SLOT_HTTP));
    spout_loop_free(loop);
    loop = NULL;
    assert_string_equal(trace, "rwn");
}

static int clean_up_slowly(void *arg)
{
    (void)arg;
    return spout_sleep(100);
}

static int owns_something(void *arg)
{
    (void)arg;
    assert_int_equal(spout_sleep(INT64_MAX), SPOUT_ECANCELED);
    assert_int_equal(spout_shield(clean_up_slowly, NULL), 0);
    note("clean");
    return 0;
}

static int never_started(void *arg)
{
    assert_int_equal(spout_sleep(0), SPOUT_ECANCELED);
    note(arg);
    return 0;
}

static void free_runs_tasks_to_their_end(void **state)
{
    (void)state;
    char n[] = "n";
    spout_spawn(owns_something, NULL, NULL);
    settle();
    spout_spawn(never_started, n, NULL);
    spout_call_later(10, never_started, n);
    spout_every(10, never_started, n, NULL);
    spout_loop_free(loop);
    loop = NULL;
    assert_string_equal(trace, "nclean");
}

static void a_foreign_loop_can_embed_it(void **state)
{
    (void)state;
    char r[] = "r";
    assert_int_equal(spout_loop_timeout_ms(loop), -1);
    spout_call_later(500, note_that_it_ran, r);
    assert_int_equal(spout_loop_timeout_ms(loop), 500);
    fake_now_ms += 400;
    assert_int_equal(spout_loop_timeout_ms(loop), 100);
    fake_now_ms += 400;
    assert_int_equal(spout_loop_timeout_ms(loop), 0);
    spout_loop_run_once(loop, 0);
    assert_string_equal(trace, "r");
}

static int check_time(void *arg)
{
    (void)arg;
    assert_int_equal(spout_time_ms(), fake_now_ms);
    assert_int_equal(spout_wall_us(), fake_now_ms * 1000);
    int64_t before = spi_loop_now(loop);
    fake_now_ms += 5;
    assert_int_equal(spi_loop_now(loop), before);
    assert_int_equal(spi_loop_now_exact(loop), before + 5);
    assert_int_equal(spi_loop_wall_us(loop), before * 1000);
    assert_int_equal(spout_yield(), 0);
    assert_int_equal(spout_time_ms(), before + 5);
    return 0;
}

static void time_is_read_once_a_turn(void **state)
{
    (void)state;
    assert_int_equal(run(check_time, NULL), 0);
}

static void the_systems_clock_is_there_without_a_loop(void **state)
{
    (void)state;
    spout_loop_free(loop);
    loop = NULL;
    int64_t before = spout_time_ms();
    assert_true(spout_time_ms() >= before);
    assert_true(spout_wall_us() > INT64_C(1500000000000000));
}

/* What one loop logs, in a place of its own. */
typedef struct own_log {
    char text[256];
    int flushes;
} own_log;

static void write_own(void *self, const spout_log_record *record)
{
    own_log *log = self;
    snprintf(log->text, sizeof log->text, "%s", record->message);
}

static void flush_own(void *self)
{
    own_log *log = self;
    log->flushes++;
}

static int end_in_failure(void *arg)
{
    (void)arg;
    return spout_error_set(SPOUT_EINVAL, "on purpose");
}

static void a_loop_may_have_a_log_of_its_own(void **state)
{
    (void)state;
    own_log log = { .flushes = 0 };
    const spout_log_sink sink = { .write = write_own, .flush = flush_own, .self = &log };
    spout_loop_free(loop);
    loop = spout_loop_new(&(spout_loop_options){ .clock = &fake_clock, .log_sink = &sink });
    spout_spawn(end_in_failure, NULL, &(spout_task_options){ .name = "bad" });
    settle();
    assert_string_equal(log.text, "task bad failed: on purpose");
    assert_string_equal(kept_log, "");
    assert_int_equal(log.flushes, 1);
    spout_log_error("last words");
    spout_loop_free(loop);
    loop = NULL;
    assert_string_equal(log.text, "last words");
    assert_int_equal(log.flushes, 2);
    spout_log_error("afterwards");
    assert_string_equal(kept_log, "afterwards\n");
}

enum { DESCRIPTORS = 256 };

static void nothing_is_left_to_programs_that_are_started(void **state)
{
    (void)state;
    spout_loop_free(loop);
    bool before[DESCRIPTORS];
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        before[fd] = fcntl(fd, F_GETFD) >= 0;
    loop = spout_loop_new(NULL);
    int opened = 0;
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        int flags = before[fd] ? -1 : fcntl(fd, F_GETFD);
        if (flags < 0)
            continue;
        assert_true(flags & FD_CLOEXEC);
        opened++;
    }
    assert_in_range(opened, 2, 3);
}

static void ignore_events(void *arg, int fd, unsigned events)
{
    (void)arg, (void)fd, (void)events;
}

static void a_loop_may_take_its_descriptors_with_it(void **state)
{
    (void)state;
    int watched[2], other[2];
    assert_int_equal(pipe(watched), 0);
    assert_int_equal(pipe(other), 0);
    assert_non_null(spout_watch_start(watched[0], SPOUT_READABLE, ignore_events, NULL));
    spout_watch_stop(spout_watch_start(other[0], SPOUT_READABLE, ignore_events, NULL));
    spout_loop_free_with_fds(loop);
    loop = NULL;
    assert_true(fcntl(watched[0], F_GETFD) < 0 && errno == EBADF);
    assert_true(fcntl(watched[1], F_GETFD) >= 0);
    assert_true(fcntl(other[0], F_GETFD) >= 0);
    close(watched[1]);
    close(other[0]);
    close(other[1]);
    spout_loop_free_with_fds(NULL);
    assert_int_equal(set_up(NULL), 0);
    assert_int_equal(pipe(watched), 0);
    assert_non_null(spout_watch_start(watched[0], SPOUT_READABLE, ignore_events, NULL));
    spout_loop_free(loop);
    loop = NULL;
    assert_true(fcntl(watched[0], F_GETFD) >= 0);
    close(watched[0]);
    close(watched[1]);
}

#define traced(name) cmocka_unit_test_setup_teardown(name, reset_trace, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        traced(a_thread_has_one_loop),
        traced(an_unknown_backend_is_an_error),
        traced(what_is_scheduled_runs_in_the_next_turn),
        traced(hooks_run_each_turn_and_may_be_removed),
        traced(stop_ends_run),
        traced(stop_before_run_means_one_turn),
        traced(run_sync_returns_the_result),
        traced(run_sync_has_a_limit),
        traced(run_sync_may_end_in_the_turn_of_its_limit),
        traced(slots_are_destroyed_from_the_top),
        traced(free_runs_tasks_to_their_end),
        traced(a_foreign_loop_can_embed_it),
        traced(time_is_read_once_a_turn),
        traced(the_systems_clock_is_there_without_a_loop),
        traced(a_loop_may_have_a_log_of_its_own),
        traced(nothing_is_left_to_programs_that_are_started),
        traced(a_loop_may_take_its_descriptors_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
