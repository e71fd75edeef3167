#include "kit.h"

#include "loop/loop.h"

static int value = 42;

static int resolve_later(void *arg)
{
    assert_int_equal(spout_future_resolve(arg, &value), 0);
    spout_future_unref(arg);
    return 0;
}

static int reject_later(void *arg)
{
    assert_int_equal(spout_future_reject(arg, SPOUT_EPROTO, "bad %s", "luck"), 0);
    spout_future_unref(arg);
    return 0;
}

static int await_value(void *arg)
{
    (void)arg;
    spout_future *future = spout_future_new();
    spout_call_later(50, resolve_later, spout_future_ref(future));
    void *got = NULL;
    assert_false(spout_future_is_done(future));
    assert_int_equal(spout_await(future, &got), 0);
    assert_ptr_equal(got, &value);
    assert_true(spout_future_is_done(future));
    assert_int_equal(spout_await(future, NULL), 0);
    spout_future_unref(future);
    return 0;
}

static void await_returns_the_value(void **state)
{
    (void)state;
    assert_int_equal(run(await_value, NULL), 0);
    spout_future_unref(NULL);
}

static int await_error(void *arg)
{
    (void)arg;
    spout_future *future = spout_future_new();
    spout_call_later(50, reject_later, spout_future_ref(future));
    void *got = &value;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(spout_await(future, &got), SPOUT_EPROTO);
        assert_string_equal(spout_error_message(), "bad luck");
    }
    assert_ptr_equal(got, &value);
    spout_future_unref(future);
    return 0;
}

static void await_returns_the_error(void **state)
{
    (void)state;
    assert_int_equal(run(await_error, NULL), 0);
    assert_string_equal(kept_log, "");
}

static void a_future_is_done_once(void **state)
{
    (void)state;
    spout_future *future = spout_future_new();
    assert_int_equal(spout_future_resolve(future, NULL), 0);
    assert_int_equal(spout_future_resolve(future, NULL), SPOUT_ESTATE);
    assert_int_equal(spout_future_reject(future, SPOUT_EFAILED, "late"), SPOUT_ESTATE);
    assert_int_equal(spout_await(future, NULL), SPOUT_ESTATE);
    spout_future_unref(future);
}

static void an_unseen_rejection_is_logged(void **state)
{
    (void)state;
    spout_future *future = spout_future_new();
    spout_error_set(SPOUT_EINVAL, "the caller's own");
    assert_int_equal(spout_future_reject(future, SPOUT_EFAILED, "lost"), 0);
    assert_string_equal(spout_error_message(), "the caller's own");
    spout_future_unref(future);
    assert_string_equal(kept_log, "a future was rejected and nobody awaited it: lost\n");
}

static int await_too_long(void *arg)
{
    int64_t outer = spout_deadline_set_ms(100);
    assert_int_equal(spout_await(arg, NULL), SPOUT_ETIMEDOUT);
    spout_deadline_restore(outer);
    assert_false(spout_future_is_done(arg));
    spout_call_later(10, resolve_later, spout_future_ref(arg));
    return spout_await(arg, NULL);
}

static void a_deadline_leaves_the_future_as_it_is(void **state)
{
    (void)state;
    spout_future *future = spout_future_new();
    assert_int_equal(run(await_too_long, future), 0);
    spout_future_unref(future);
}

static int calls;

static void count_call(void *arg)
{
    calls += *(int *)arg;
}

static void callbacks_come_in_the_next_turn(void **state)
{
    (void)state;
    calls = 0;
    spout_future *future = spout_future_new();
    int one = 1, ten = 10;
    spout_future_on_done(future, count_call, &one);
    settle();
    assert_int_equal(calls, 0);
    spout_future_resolve(future, NULL);
    assert_int_equal(calls, 0);
    spout_loop_run_once(loop, 0);
    assert_int_equal(calls, 1);
    spout_future_on_done(future, count_call, &ten);
    assert_int_equal(calls, 1);
    spout_future_unref(future);
    spout_loop_run_once(loop, 0);
    assert_int_equal(calls, 11);
}

static void callbacks_of_a_future_that_is_never_done_are_dropped(void **state)
{
    (void)state;
    calls = 0;
    int one = 1;
    spout_future *future = spout_future_new();
    spout_future_on_done(future, count_call, &one);
    spout_future_unref(future);
    future = spout_future_new();
    spout_future_on_done(future, count_call, &one);
    spout_future_resolve(future, NULL);
    spout_future_unref(future);
    spout_loop_free(loop);
    loop = NULL;
    assert_int_equal(calls, 1);
}

static int await_two(void *arg)
{
    void *got = NULL;
    int result = spout_await(arg, &got);
    if (result == 0)
        calls += *(int *)got;
    return result;
}

static void many_may_await_one(void **state)
{
    (void)state;
    calls = 0;
    spout_future *future = spout_future_new();
    for (int i = 0; i < 3; i++)
        spout_spawn(await_two, future, NULL);
    settle();
    spout_future_resolve(future, &value);
    spout_future_unref(future);
    settle();
    assert_int_equal(calls, 3 * 42);
}

static int gather_all(void *arg)
{
    (void)arg;
    spout_future *a = spout_future_new(), *b = spout_future_new();
    spout_future *all[] = { a, b, a, a };
    spout_call_later(20, resolve_later, spout_future_ref(a));
    spout_call_later(10, resolve_later, spout_future_ref(b));
    int64_t began = spout_time_ms();
    assert_int_equal(spout_gather(all, 4), 0);
    assert_int_equal(spout_time_ms() - began, 20);
    assert_int_equal(spout_gather(all, 4), 0);
    assert_int_equal(spout_gather(NULL, 0), 0);
    spout_future_unref(a);
    spout_future_unref(b);
    return 0;
}

static void gather_waits_for_all_even_twice(void **state)
{
    (void)state;
    assert_int_equal(run(gather_all, NULL), 0);
}

enum { MANY = 20000 };

/* Would take minutes if each that is done made the others be looked at. */
static int gather_many(void *arg)
{
    (void)arg;
    spout_future **all = calloc(MANY, sizeof *all);
    for (int i = 0; i < MANY; i++) {
        all[i] = spout_future_new();
        spout_call_later(1 + i % 7, resolve_later, spout_future_ref(all[i]));
    }
    assert_int_equal(spout_gather_until_error(all, MANY), 0);
    assert_int_equal(spout_gather(all, MANY), 0);
    for (int i = 0; i < MANY; i++)
        spout_future_unref(all[i]);
    free(all);
    return 0;
}

static void gather_takes_thousands(void **state)
{
    (void)state;
    assert_int_equal(run(gather_many, NULL), 0);
}

static int reject_first(void *arg)
{
    assert_int_equal(spout_future_reject(arg, SPOUT_ECLOSED, "first"), 0);
    spout_future_unref(arg);
    return 0;
}

static int gather_failing(void *arg)
{
    (void)arg;
    spout_future *a = spout_future_new(), *b = spout_future_new(), *c = spout_future_new();
    spout_future *all[] = { a, b, c, b };
    spout_call_later(20, reject_later, spout_future_ref(a));
    spout_call_later(10, reject_first, spout_future_ref(b));
    spout_call_later(30, resolve_later, spout_future_ref(c));
    int64_t began = spout_time_ms();
    assert_int_equal(spout_gather(all, 4), SPOUT_ECLOSED);
    assert_int_equal(spout_time_ms() - began, 30);
    assert_string_equal(spout_error_message(), "first");
    spout_future_unref(a);
    spout_future_unref(b);
    spout_future_unref(c);
    return 0;
}

static void gather_returns_the_first_error_in_time(void **state)
{
    (void)state;
    assert_int_equal(run(gather_failing, NULL), 0);
    assert_string_equal(kept_log, "a future was rejected and nobody awaited it: bad luck\n");
}

static int gather_too_long(void *arg)
{
    spout_future *all[] = { arg, arg };
    spout_deadline_set_ms(10);
    return spout_gather(all, 2);
}

static void gather_obeys_the_deadline(void **state)
{
    (void)state;
    spout_future *future = spout_future_new();
    assert_int_equal(run(gather_too_long, future), SPOUT_ETIMEDOUT);
    spout_future_unref(future);
}

static int gather_until_error(void *arg)
{
    (void)arg;
    spout_future *never = spout_future_new(), *fails = spout_future_new();
    spout_future *all[] = { never, fails, never };
    spout_call_later(20, reject_later, spout_future_ref(fails));
    int64_t before = spout_time_ms();
    assert_int_equal(spout_gather_until_error(all, 3), SPOUT_EPROTO);
    assert_string_equal(spout_error_message(), "bad luck");
    assert_int_equal(spout_time_ms() - before, 20);
    assert_int_equal(spout_gather_until_error(all, 3), SPOUT_EPROTO);
    assert_int_equal(spout_time_ms() - before, 20);
    spout_call_later(20, resolve_later, spout_future_ref(never));
    assert_int_equal(spout_gather_until_error(&all[2], 1), 0);
    assert_int_equal(spout_time_ms() - before, 40);
    assert_int_equal(spout_gather_until_error(NULL, 0), 0);
    spout_future_unref(never);
    spout_future_unref(fails);
    return 0;
}

static void gather_may_end_with_the_first_error(void **state)
{
    (void)state;
    assert_int_equal(run(gather_until_error, NULL), 0);
    assert_string_equal(kept_log, "");
}

static int gather_twins(void *arg)
{
    spout_future *twins[] = { arg, arg };
    spout_deadline_set_ms(10);
    assert_int_equal(spout_gather_until_error(twins, 2), SPOUT_ETIMEDOUT);
    return 0;
}

static void gathering_until_an_error_obeys_the_deadline(void **state)
{
    (void)state;
    spout_future *future = spout_future_new();
    spout_future *all[] = { future };
    assert_int_equal(run(gather_twins, future), 0);
    assert_int_equal(spout_gather_until_error(all, 1), SPOUT_ESTATE);
    spout_future_unref(future);
}

static int await_chained(void *arg)
{
    void *got = NULL;
    int result = spout_await(arg, &got);
    return result < 0 ? result : *(int *)got;
}

static void a_chain_passes_the_value_on(void **state)
{
    (void)state;
    spout_future *from = spout_future_new(), *to = spout_future_new();
    spout_future_chain(from, to);
    assert_false(spout_future_is_done(to));
    spout_future_resolve(from, &value);
    assert_true(spout_future_is_done(to));
    assert_int_equal(run(await_chained, to), 42);
    spout_future *late = spout_future_new();
    spout_future_chain(from, late);
    assert_int_equal(run(await_chained, late), 42);
    spout_future_unref(late);
    spout_future_unref(from);
    spout_future_unref(to);
}

static void a_chain_passes_the_error_on(void **state)
{
    (void)state;
    spout_future *from = spout_future_new(), *to = spout_future_new();
    spout_future_chain(from, to);
    spout_future_reject(from, SPOUT_EPROTO, "bad luck");
    spout_future_unref(from);
    assert_string_equal(kept_log, "");
    assert_int_equal(run(await_chained, to), SPOUT_EPROTO);
    assert_string_equal(spout_error_message(), "bad luck");
    spout_future_unref(to);
    assert_string_equal(kept_log, "");
}

static void a_chain_leaves_alone_what_is_done(void **state)
{
    (void)state;
    spout_future *from = spout_future_new(), *to = spout_future_new();
    spout_future_chain(from, to);
    spout_future_resolve(to, &value);
    spout_future_reject(from, SPOUT_EPROTO, "too late");
    assert_int_equal(run(await_chained, to), 42);
    spout_future_unref(from);
    spout_future_unref(to);
}

static void a_chain_ends_with_a_future_that_is_never_done(void **state)
{
    (void)state;
    spout_future *from = spout_future_new(), *to = spout_future_new();
    spout_future_chain(from, to);
    spout_future_unref(from);
    assert_false(spout_future_is_done(to));
    spout_future_unref(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(await_returns_the_value),
        loop_test(await_returns_the_error),
        loop_test(a_future_is_done_once),
        loop_test(an_unseen_rejection_is_logged),
        loop_test(a_deadline_leaves_the_future_as_it_is),
        loop_test(callbacks_come_in_the_next_turn),
        loop_test(callbacks_of_a_future_that_is_never_done_are_dropped),
        loop_test(many_may_await_one),
        loop_test(gather_waits_for_all_even_twice),
        loop_test(gather_takes_thousands),
        loop_test(gather_returns_the_first_error_in_time),
        loop_test(gather_obeys_the_deadline),
        loop_test(gather_may_end_with_the_first_error),
        loop_test(gathering_until_an_error_obeys_the_deadline),
        loop_test(a_chain_passes_the_value_on),
        loop_test(a_chain_passes_the_error_on),
        loop_test(a_chain_leaves_alone_what_is_done),
        loop_test(a_chain_ends_with_a_future_that_is_never_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
