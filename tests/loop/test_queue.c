#include "kit.h"

#include "loop/task.h"

#include <spout/queues.h>

enum { MOST = 16 };

typedef struct scene {
    spout_queue *queue;
    int results[MOST], got[MOST], order[MOST];
    int started, finished;
} scene;

typedef struct job {
    scene *scene;
    int number;
    int item; /* < 0: gets one */
    int64_t deadline_ms;
} job;

static int items[100];

static int fill_items(void **state)
{
    for (int i = 0; i < 100; i++)
        items[i] = i;
    return set_up(state);
}

#define queue_test(name) cmocka_unit_test_setup_teardown(name, fill_items, tear_down)

static int work(void *arg)
{
    job self = *(job *)arg;
    scene *s = self.scene;
    if (self.deadline_ms)
        spout_deadline_set_ms(self.deadline_ms);
    void *item = NULL;
    int result = self.item < 0 ? spout_queue_get(s->queue, &item)
                               : spout_queue_put(s->queue, &items[self.item]);
    s->results[self.number] = result;
    s->got[self.number] = item ? *(int *)item : -1;
    s->order[s->finished++] = self.number;
    return 0;
}

static spi_task *start(scene *s, int item, int64_t deadline_ms)
{
    job self = { s, s->started, item, deadline_ms };
    s->results[s->started++] = 99;
    spi_task *task;
    spi_task_start how = { .name = "worker", .fn = work, .arg = &self };
    assert_int_equal(spi_task_run(loop, &how, &task), 0);
    return task;
}

static spi_task *start_get(scene *s)
{
    return start(s, -1, 0);
}

static spi_task *start_put(scene *s, int item)
{
    return start(s, item, 0);
}

static int try_get(spout_queue *queue)
{
    void *item = NULL;
    int result = spout_queue_try_get(queue, &item);
    return result < 0 ? result : *(int *)item;
}

static int try_put(spout_queue *queue, int item)
{
    return spout_queue_try_put(queue, &items[item]);
}

static spout_queue *with_maximum(int maximum)
{
    spout_queue *queue = spout_queue_new(&(spout_queue_options){ .maximum = maximum });
    assert_non_null(queue);
    return queue;
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void put_and_get_without_waiting(void **state)
{
    (void)state;
    spout_queue *queue = with_maximum(2);
    assert_true(spout_queue_is_empty(queue));
    assert_int_equal(try_get(queue), SPOUT_EAGAIN);
    assert_int_equal(try_put(queue, 7), 0);
    assert_int_equal(try_put(queue, 3), 0);
    assert_true(spout_queue_is_full(queue));
    assert_int_equal(spout_queue_size(queue), 2);
    assert_int_equal(try_put(queue, 4), SPOUT_EAGAIN);
    assert_int_equal(try_get(queue), 7);
    assert_int_equal(try_get(queue), 3);
    spout_queue_free(queue);
}

static void odd_options_are_refused(void **state)
{
    (void)state;
    assert_null(spout_queue_new(&(spout_queue_options){ .maximum = -2 }));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_queue_new(&(spout_queue_options){ .kind = SPOUT_QUEUE_PRIORITY }));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    spout_queue *queue = with_maximum(SPOUT_NONE);
    for (int i = 0; i < 100; i++)
        assert_int_equal(try_put(queue, i), 0);
    assert_false(spout_queue_is_full(queue));
    spout_queue_free(queue);
    spout_queue_free(NULL);
}

static void getters_are_served_in_their_order(void **state)
{
    (void)state;
    scene s = { .queue = spout_queue_new(NULL) };
    for (int i = 0; i < 3; i++)
        start_get(&s);
    assert_int_equal(try_put(s.queue, 10), 0);
    assert_int_equal(try_put(s.queue, 11), 0);
    assert_true(spout_queue_is_empty(s.queue));
    start_put(&s, 12);
    settle();
    for (int i = 0; i < 3; i++)
        assert_int_equal(s.got[i], 10 + i);
    spout_queue_free(s.queue);
}

static void putters_are_served_in_their_order(void **state)
{
    (void)state;
    scene s = { .queue = with_maximum(1) };
    for (int i = 0; i < 4; i++)
        start_put(&s, i);
    assert_int_equal(s.finished, 1);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(try_get(s.queue), i);
        settle();
        assert_int_equal(s.finished, i < 3 ? i + 2 : 4);
        assert_int_equal(s.order[i], i);
    }
    assert_int_equal(try_get(s.queue), SPOUT_EAGAIN);
    spout_queue_free(s.queue);
}

static void a_get_waits_for_its_deadline(void **state)
{
    (void)state;
    scene s = { .queue = spout_queue_new(NULL) };
    start(&s, -1, 10);
    start_get(&s);
    start(&s, -1, 20);
    fake_now_ms += 20;
    settle();
    assert_int_equal(s.results[0], SPOUT_ETIMEDOUT);
    assert_int_equal(s.results[2], SPOUT_ETIMEDOUT);
    try_put(s.queue, 5);
    settle();
    assert_int_equal(s.got[1], 5);
    assert_int_equal(s.got[0], -1);
    spout_queue_free(s.queue);
}

static void a_put_waits_for_its_deadline(void **state)
{
    (void)state;
    scene s = { .queue = with_maximum(1) };
    try_put(s.queue, 0);
    start(&s, 1, 10);
    start_put(&s, 2);
    fake_now_ms += 10;
    settle();
    assert_int_equal(s.results[0], SPOUT_ETIMEDOUT);
    assert_int_equal(try_get(s.queue), 0);
    settle();
    assert_int_equal(try_get(s.queue), 2);
    assert_int_equal(try_get(s.queue), SPOUT_EAGAIN);
    spout_queue_free(s.queue);
}

/* Cancelled, but not run since: it must be given nothing, or it would be lost. */
static void a_cancelled_getter_is_passed_over(void **state)
{
    (void)state;
    scene s = { .queue = spout_queue_new(NULL) };
    spi_task *first = start_get(&s);
    start_get(&s);
    spi_task_cancel(first);
    try_put(s.queue, 1);
    try_put(s.queue, 2);
    settle();
    assert_int_equal(s.results[0], SPOUT_ECANCELED);
    assert_int_equal(s.got[1], 1);
    assert_int_equal(try_get(s.queue), 2);
    spout_queue_free(s.queue);
}

static void a_cancelled_putter_has_put_nothing(void **state)
{
    (void)state;
    scene s = { .queue = with_maximum(1) };
    try_put(s.queue, 0);
    spi_task *first = start_put(&s, 1);
    start_put(&s, 2);
    spi_task_cancel(first);
    assert_int_equal(try_get(s.queue), 0);
    settle();
    assert_int_equal(s.results[0], SPOUT_ECANCELED);
    assert_int_equal(try_get(s.queue), 2);
    assert_int_equal(try_get(s.queue), SPOUT_EAGAIN);
    spout_queue_free(s.queue);
}

static void who_was_given_an_item_has_it_even_if_cancelled(void **state)
{
    (void)state;
    scene s = { .queue = with_maximum(1) };
    spi_task *getter = start_get(&s);
    try_put(s.queue, 1);
    spi_task_cancel(getter);
    settle();
    assert_int_equal(s.results[0], 0);
    assert_int_equal(s.got[0], 1);
    try_put(s.queue, 2);
    spi_task *putter = start_put(&s, 3);
    assert_int_equal(try_get(s.queue), 2);
    spi_task_cancel(putter);
    settle();
    assert_int_equal(s.results[1], 0);
    assert_int_equal(try_get(s.queue), 3);
    spout_queue_free(s.queue);
}

static void being_given_wins_over_the_deadline(void **state)
{
    (void)state;
    scene s = { .queue = spout_queue_new(NULL) };
    start(&s, -1, 10);
    try_put(s.queue, 1);
    fake_now_ms += 100;
    settle();
    assert_int_equal(s.results[0], 0);
    assert_int_equal(s.got[0], 1);
    spout_queue_free(s.queue);
}

static void a_putter_that_waits_may_have_what_is_due(void **state)
{
    (void)state;
    scene s = { .queue = spout_queue_new(&(spout_queue_options){
                    .kind = SPOUT_QUEUE_PRIORITY, .compare = compare, .maximum = 2 }) };
    try_put(s.queue, 5);
    try_put(s.queue, 7);
    start_put(&s, 1);
    start_put(&s, 6);
    assert_int_equal(try_get(s.queue), 1);
    assert_int_equal(spout_queue_size(s.queue), 2);
    assert_int_equal(try_get(s.queue), 5);
    settle();
    assert_int_equal(s.finished, 2);
    assert_int_equal(try_get(s.queue), 6);
    assert_int_equal(try_get(s.queue), 7);
    spout_queue_free(s.queue);
}

static void the_newest_first(void **state)
{
    (void)state;
    spout_queue *queue = spout_queue_new(
        &(spout_queue_options){ .kind = SPOUT_QUEUE_LIFO, .maximum = 3 });
    for (int i = 0; i < 3; i++)
        try_put(queue, i);
    for (int i = 2; i >= 0; i--)
        assert_int_equal(try_get(queue), i);
    spout_queue_free(queue);
}

static int join(void *arg)
{
    scene *s = arg;
    int result = spout_queue_join(s->queue);
    s->results[0] = result;
    s->finished++;
    return 0;
}

static void start_join(scene *s)
{
    s->results[0] = 99;
    spi_task_start how = { .name = "joiner", .fn = join, .arg = s };
    assert_int_equal(spi_task_run(loop, &how, NULL), 0);
}

static void join_waits_until_all_is_done(void **state)
{
    (void)state;
    scene s = { .queue = with_maximum(1) };
    start_join(&s);
    assert_int_equal(s.finished, 1);
    try_put(s.queue, 0);
    s.started = 1;
    start_put(&s, 1);
    start_join(&s);
    try_get(s.queue);
    settle();
    assert_int_equal(spout_queue_task_done(s.queue), 0);
    settle();
    assert_int_equal(s.results[0], 99);
    try_get(s.queue);
    assert_int_equal(spout_queue_task_done(s.queue), 0);
    settle();
    assert_int_equal(s.results[0], 0);
    assert_int_equal(spout_queue_task_done(s.queue), SPOUT_ESTATE);
    spout_queue_free(s.queue);
}

static int join_in_time(void *arg)
{
    spout_deadline_set_ms(10);
    return spout_queue_join(arg);
}

static void join_times_out(void **state)
{
    (void)state;
    spout_queue *queue = spout_queue_new(NULL);
    try_put(queue, 1);
    assert_int_equal(run(join_in_time, queue), SPOUT_ETIMEDOUT);
    spout_queue_free(queue);
}

static void freeing_ends_the_waits(void **state)
{
    (void)state;
    scene s = { .queue = with_maximum(1) };
    start_get(&s);
    start_get(&s);
    spout_queue_free(s.queue);
    settle();
    assert_int_equal(s.results[0], SPOUT_ECLOSED);
    assert_int_equal(s.results[1], SPOUT_ECLOSED);
    s = (scene){ .queue = with_maximum(1), .started = 1 };
    try_put(s.queue, 1);
    start_put(&s, 2);
    start_join(&s);
    spout_queue_free(s.queue);
    settle();
    assert_int_equal(s.results[0], SPOUT_ECLOSED);
    assert_int_equal(s.results[1], SPOUT_ECLOSED);
}

/* Given, and the queue freed before the getter runs. */
static void freeing_right_after_a_hand_over(void **state)
{
    (void)state;
    scene s = { .queue = spout_queue_new(NULL) };
    start_get(&s);
    try_put(s.queue, 9);
    spout_queue_free(s.queue);
    settle();
    assert_int_equal(s.got[0], 9);
}

static void what_is_left_is_freed(void **state)
{
    (void)state;
    spout_queue *queue = spout_queue_new(&(spout_queue_options){ .free_item = free });
    for (int i = 0; i < 20; i++)
        spout_queue_try_put(queue, malloc(10));
    spout_queue_free(queue);
}

static int cancelled_use(void *arg)
{
    spout_queue *queue = arg;
    spi_task_cancel(spi_task_current());
    void *item = NULL;
    assert_int_equal(spout_queue_get(queue, &item), SPOUT_ECANCELED);
    assert_int_equal(spout_queue_put(queue, &items[0]), SPOUT_ECANCELED);
    assert_int_equal(spout_queue_size(queue), 1);
    assert_null(item);
    return 0;
}

static void the_cancelled_move_nothing(void **state)
{
    (void)state;
    spout_queue *queue = spout_queue_new(NULL);
    try_put(queue, 1);
    assert_int_equal(run(cancelled_use, queue), 0);
    spout_queue_free(queue);
}

static void only_coroutines_wait(void **state)
{
    (void)state;
    spout_queue *queue = spout_queue_new(NULL);
    void *item = NULL;
    try_put(queue, 1);
    assert_int_equal(spout_queue_get(queue, &item), SPOUT_ESTATE);
    assert_int_equal(spout_queue_put(queue, &items[2]), SPOUT_ESTATE);
    assert_int_equal(spout_queue_join(queue), SPOUT_ESTATE);
    assert_int_equal(spout_queue_size(queue), 1);
    spout_queue_free(queue);
}

typedef struct factory {
    spout_queue *queue;
    int history[100];
    int count;
} factory;

static int consume(void *arg)
{
    factory *f = arg;
    void *item;
    while (spout_queue_get(f->queue, &item) == 0) {
        f->history[f->count++] = *(int *)item;
        int result = spout_sleep(1);
        if (result < 0)
            return result;
        spout_queue_task_done(f->queue);
    }
    return SPOUT_ECANCELED;
}

static int produce_all(void *arg)
{
    factory *f = arg;
    spout_group *group = spout_group_new();
    for (int i = 0; i < 3; i++)
        spout_group_start(group, consume, f, NULL);
    for (int i = 0; i < 100; i++)
        assert_int_equal(spout_queue_put(f->queue, &items[i]), 0);
    int result = spout_queue_join(f->queue);
    spout_group_free(group);
    return result;
}

static void producer_and_consumers(void **state)
{
    (void)state;
    factory f = { .queue = with_maximum(3) };
    assert_int_equal(run(produce_all, &f), 0);
    assert_int_equal(f.count, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(f.history[i], i);
    spout_queue_free(f.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        queue_test(put_and_get_without_waiting),
        queue_test(odd_options_are_refused),
        queue_test(getters_are_served_in_their_order),
        queue_test(putters_are_served_in_their_order),
        queue_test(a_get_waits_for_its_deadline),
        queue_test(a_put_waits_for_its_deadline),
        queue_test(a_cancelled_getter_is_passed_over),
        queue_test(a_cancelled_putter_has_put_nothing),
        queue_test(who_was_given_an_item_has_it_even_if_cancelled),
        queue_test(being_given_wins_over_the_deadline),
        queue_test(a_putter_that_waits_may_have_what_is_due),
        queue_test(the_newest_first),
        queue_test(join_waits_until_all_is_done),
        queue_test(join_times_out),
        queue_test(freeing_ends_the_waits),
        queue_test(freeing_right_after_a_hand_over),
        queue_test(what_is_left_is_freed),
        queue_test(the_cancelled_move_nothing),
        queue_test(only_coroutines_wait),
        queue_test(producer_and_consumers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
