/* What the tests of the loop share: a loop for each test on a clock that is moved by hand, and a
   log that is kept. */
#ifndef TEST_LOOP_KIT_H
#define TEST_LOOP_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>
#include <spout/executor.h>
#include <spout/future.h>
#include <spout/log.h>
#include <spout/loop.h>
#include <spout/task.h>

#include <stdio.h>
#include <stdlib.h>

static int64_t fake_now_ms = 1000;

static int64_t fake_monotonic_ms(void *self)
{
    (void)self;
    return fake_now_ms;
}

static int64_t fake_wall_us(void *self)
{
    (void)self;
    return fake_now_ms * 1000;
}

static void fake_skip_ms(void *self, int64_t delay_ms)
{
    (void)self;
    fake_now_ms += delay_ms;
}

static const spout_clock fake_clock = {
    .monotonic_ms = fake_monotonic_ms, .wall_us = fake_wall_us, .skip_ms = fake_skip_ms
};

static spout_loop *loop;
static char kept_log[8192];

static inline void keep_line(void *self, const spout_log_record *record)
{
    (void)self;
    size_t len = strlen(kept_log);
    snprintf(kept_log + len, sizeof kept_log - len, "%s\n", record->message);
}

/* A fresh loop whose timers take no time. */
static inline int set_up(void **state)
{
    (void)state;
    spout_log_set_sink(&(spout_log_sink){ .write = keep_line });
    kept_log[0] = '\0';
    fake_now_ms = 1000;
    loop = spout_loop_new(&(spout_loop_options){ .clock = &fake_clock });
    return loop ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    spout_loop_free(loop);
    loop = NULL;
    return 0;
}

/* Runs fn as a coroutine to its end. */
static inline int run(spout_task_fn *fn, void *arg)
{
    return spout_loop_run_sync(loop, fn, arg, 0);
}

/* Turns until nothing is ready; waits for nothing. */
static inline void settle(void)
{
    do {
        assert_int_equal(spout_loop_run_once(loop, 0), 0);
    } while (spout_loop_timeout_ms(loop) == 0);
}

#define loop_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
