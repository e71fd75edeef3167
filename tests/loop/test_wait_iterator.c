#include "kit.h"

static int numbers[4] = { 0, 1, 2, 3 };

typedef struct delivery {
    spout_future *future;
    int number; /* < 0: is rejected */
} delivery;

static int deliver(void *arg)
{
    delivery self = *(delivery *)arg;
    if (self.number < 0)
        spout_future_reject(self.future, SPOUT_EPROTO, "lost");
    else
        spout_future_resolve(self.future, &numbers[self.number]);
    return 0;
}

static void make(spout_future **futures, int count)
{
    for (int i = 0; i < count; i++)
        futures[i] = spout_future_new();
}

static void drop(spout_future **futures, int count)
{
    for (int i = 0; i < count; i++)
        spout_future_unref(futures[i]);
}

static int nothing(void *arg)
{
    (void)arg;
    spout_wait_iterator *iterator = spout_wait_iterator_new(NULL, 0);
    assert_true(spout_wait_iterator_is_done(iterator));
    assert_int_equal(spout_wait_iterator_next(iterator, NULL, NULL), SPOUT_ESTATE);
    spout_wait_iterator_free(iterator);
    spout_wait_iterator_free(NULL);
    return 0;
}

static void an_empty_one_is_done(void **state)
{
    (void)state;
    assert_int_equal(run(nothing, NULL), 0);
}

static void assert_next(spout_wait_iterator *iterator, spout_future **futures, size_t wanted)
{
    spout_future *future = NULL;
    size_t index = 99;
    assert_false(spout_wait_iterator_is_done(iterator));
    assert_int_equal(spout_wait_iterator_next(iterator, &future, &index), 0);
    assert_int_equal(index, wanted);
    assert_ptr_equal(future, futures[wanted]);
}

static int done_before(void *arg)
{
    (void)arg;
    spout_future *futures[3];
    make(futures, 3);
    spout_future_resolve(futures[2], &numbers[2]);
    spout_future_resolve(futures[0], &numbers[0]);
    spout_wait_iterator *iterator = spout_wait_iterator_new(futures, 3);
    assert_next(iterator, futures, 0);
    assert_next(iterator, futures, 2);
    spout_call_later(5, deliver, &(delivery){ futures[1], 1 });
    assert_next(iterator, futures, 1);
    assert_true(spout_wait_iterator_is_done(iterator));
    assert_int_equal(spout_wait_iterator_next(iterator, NULL, NULL), SPOUT_ESTATE);
    spout_wait_iterator_free(iterator);
    drop(futures, 3);
    return 0;
}

static void those_that_are_done_come_first(void **state)
{
    (void)state;
    assert_int_equal(run(done_before, NULL), 0);
}

static int in_time(void *arg)
{
    (void)arg;
    spout_future *futures[4];
    make(futures, 4);
    delivery deliveries[4] = { { futures[0], 0 }, { futures[1], 1 }, { futures[2], -1 },
        { futures[3], 3 } };
    static const int delays[4] = { 30, 10, 20, 5 };
    for (int i = 0; i < 4; i++)
        spout_call_later(delays[i], deliver, &deliveries[i]);
    spout_wait_iterator *iterator = spout_wait_iterator_new(futures, 4);
    drop(futures, 4);
    assert_next(iterator, futures, 3);
    assert_next(iterator, futures, 1);
    assert_next(iterator, futures, 2);
    assert_int_equal(spout_await(futures[2], NULL), SPOUT_EPROTO);
    assert_next(iterator, futures, 0);
    void *got;
    assert_int_equal(spout_await(futures[0], &got), 0);
    assert_ptr_equal(got, &numbers[0]);
    spout_wait_iterator_free(iterator);
    return 0;
}

static void they_come_as_they_get_done(void **state)
{
    (void)state;
    assert_int_equal(run(in_time, NULL), 0);
    assert_string_equal(kept_log, "");
}

static int in_a_hurry(void *arg)
{
    (void)arg;
    spout_future *futures[2];
    make(futures, 2);
    spout_wait_iterator *iterator = spout_wait_iterator_new(futures, 2);
    int64_t outer = spout_deadline_set_ms(10);
    assert_int_equal(spout_wait_iterator_next(iterator, NULL, NULL), SPOUT_ETIMEDOUT);
    spout_deadline_restore(outer);
    spout_future_resolve(futures[1], NULL);
    assert_next(iterator, futures, 1);
    spout_wait_iterator_free(iterator);
    spout_future_resolve(futures[0], NULL); /* nobody is told any more */
    drop(futures, 2);
    return 0;
}

static void a_deadline_takes_nothing_away(void **state)
{
    (void)state;
    assert_int_equal(run(in_a_hurry, NULL), 0);
}

static int twins(void *arg)
{
    (void)arg;
    spout_future *future = spout_future_new();
    spout_future *both[] = { future, future };
    spout_wait_iterator *iterator = spout_wait_iterator_new(both, 2);
    spout_future_resolve(future, NULL);
    assert_next(iterator, both, 0);
    assert_next(iterator, both, 1);
    spout_wait_iterator_free(iterator);
    spout_future_unref(future);
    return 0;
}

static void the_same_one_may_stand_there_twice(void **state)
{
    (void)state;
    assert_int_equal(run(twins, NULL), 0);
}

static void only_coroutines_wait(void **state)
{
    (void)state;
    spout_future *future = spout_future_new();
    spout_future_resolve(future, NULL);
    spout_wait_iterator *iterator = spout_wait_iterator_new(&future, 1);
    assert_int_equal(spout_wait_iterator_next(iterator, NULL, NULL), SPOUT_ESTATE);
    assert_false(spout_wait_iterator_is_done(iterator));
    spout_wait_iterator_free(iterator);
    spout_future_unref(future);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(an_empty_one_is_done),
        loop_test(those_that_are_done_come_first),
        loop_test(they_come_as_they_get_done),
        loop_test(a_deadline_takes_nothing_away),
        loop_test(the_same_one_may_stand_there_twice),
        loop_test(only_coroutines_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
