#include "kit.h"

#include "loop/task.h"

#include <spout/locks.h>

#include <signal.h>
#include <unistd.h>

static char text[4096];

static void dump(void)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    spout_tasks_dump(fileno(file));
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
}

static void assert_has(const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is missing in:\n%s", part, text);
}

static int take_lock(void *arg)
{
    spout_deadline_set_ms(5000);
    return spout_lock_acquire(arg);
}

static int sleep_shielded(void *arg)
{
    (void)arg;
    return spout_sleep(3000);
}

static int sleep_behind_a_shield(void *arg)
{
    return spout_shield(sleep_shielded, arg);
}

static int dump_from_inside(void *arg)
{
    (void)arg;
    dump();
    return 0;
}

static void it_says_what_each_waits_for(void **state)
{
    (void)state;
    spout_lock *lock = spout_lock_new();
    spout_lock_try_acquire(lock);
    spi_task *sleeper;
    spout_spawn(take_lock, lock, &(spout_task_options){ .name = "locker" });
    spout_spawn(take_lock, lock, &(spout_task_options){ .name = "odd\nname\x7F" });
    settle();
    spi_task_start how = { .name = "sleeper", .fn = sleep_behind_a_shield };
    spi_task_run(loop, &how, &sleeper);
    fake_now_ms += 1234;
    spi_task_cancel(sleeper);
    assert_int_equal(run(dump_from_inside, NULL), 0);
    assert_has("4 tasks, ");
    assert_has("\n  locker: waits (lock) since 1234 ms, deadline in 3766 ms, stack ");
    assert_has("\n  odd?name?: waits (lock) since");
    assert_has("\n  sleeper: waits (sleep) since 1234 ms, deadline in 3766 ms, cancelled, "
               "shielded, stack ");
    assert_has("\n  run_sync: runs, stack ");
    assert_has(" KiB\n");
    spout_lock_free(lock);
}

static int yield_once(void *arg)
{
    (void)arg;
    return spout_yield();
}

static void it_tells_who_is_ready(void **state)
{
    (void)state;
    spout_spawn(yield_once, NULL, &(spout_task_options){ .name = "eager" });
    dump();
    assert_has("1 tasks, ");
    assert_has("  eager: ready, stack ");
}

static void without_a_loop_it_says_so(void **state)
{
    (void)state;
    dump();
    assert_string_equal(text, "this thread has no loop\n");
}

static void on_signal(void *arg, int signo)
{
    (void)arg, (void)signo;
    dump();
    spout_loop_stop(loop);
}

static void a_signal_may_ask_for_it(void **state)
{
    (void)state;
    spout_signal *signal = spout_signal_start(SIGUSR1, on_signal, NULL);
    spout_lock *lock = spout_lock_new();
    spout_lock_try_acquire(lock);
    spout_spawn(take_lock, lock, &(spout_task_options){ .name = "stuck" });
    raise(SIGUSR1);
    assert_int_equal(spout_loop_run(loop), 0);
    assert_has("  stuck: waits (lock)");
    spout_signal_stop(signal);
    spout_lock_free(lock);
    settle();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(it_says_what_each_waits_for),
        loop_test(it_tells_who_is_ready),
        cmocka_unit_test(without_a_loop_it_says_so),
        loop_test(a_signal_may_ask_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
