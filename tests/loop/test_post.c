#include "kit.h"

#include "loop/loop.h"

#include <pthread.h>

enum { THREADS = 4, POSTS = 5000 };

static int last_of[THREADS], received;

typedef struct message {
    int thread, number;
} message;

static void receive(void *arg)
{
    message *m = arg;
    assert_int_equal(last_of[m->thread], m->number);
    last_of[m->thread]++;
    free(m);
    if (++received == THREADS * POSTS)
        spout_loop_stop(loop);
}

static void *post_many(void *arg)
{
    int thread = *(int *)arg;
    for (int i = 0; i < POSTS; i++) {
        message *m = malloc(sizeof *m);
        *m = (message){ .thread = thread, .number = i };
        if (spout_loop_post(loop, receive, m) != 0)
            abort();
    }
    return NULL;
}

static void each_thread_keeps_its_order(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int numbers[THREADS];
    memset(last_of, 0, sizeof last_of);
    received = 0;
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &numbers[i]), 0);
    }
    assert_int_equal(spout_loop_run(loop), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(received, THREADS * POSTS);
}

static char trace[16];

static void note(void *arg)
{
    strncat(trace, arg, sizeof trace - strlen(trace) - 1);
}

static void note_and_post(void *arg)
{
    static char again[] = "b";
    note(arg);
    assert_int_equal(spout_loop_post(loop, note, again), 0);
}

static void what_a_call_posts_is_for_the_next_turn(void **state)
{
    (void)state;
    trace[0] = '\0';
    char a[] = "a";
    assert_int_equal(spout_loop_post(loop, note_and_post, a), 0);
    assert_int_equal(spout_loop_timeout_ms(loop), 0);
    spout_loop_run_once(loop, 0);
    assert_string_equal(trace, "a");
    spout_loop_run_once(loop, 0);
    assert_string_equal(trace, "ab");
}

static void *stop_from_outside(void *arg)
{
    spout_loop_stop(arg);
    return NULL;
}

static void another_thread_can_stop_it(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_from_outside, loop), 0);
    assert_int_equal(spout_loop_run(loop), 0);
    pthread_join(thread, NULL);
}

static int post_when_cancelled(void *arg)
{
    char c[] = "c";
    spout_sleep(INT64_MAX);
    *(int *)arg = spout_loop_post(loop, note, c);
    return 0;
}

static void a_loop_that_is_freed_takes_nothing_more(void **state)
{
    (void)state;
    trace[0] = '\0';
    int result = 0;
    char taken[] = "t";
    spout_spawn(post_when_cancelled, &result, NULL);
    settle();
    assert_int_equal(spout_loop_post(loop, note, taken), 0);
    spout_loop_free(loop);
    loop = NULL;
    assert_int_equal(result, SPOUT_ECLOSED);
    assert_string_equal(trace, "t");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(each_thread_keeps_its_order),
        loop_test(what_a_call_posts_is_for_the_next_turn),
        loop_test(another_thread_can_stop_it),
        loop_test(a_loop_that_is_freed_takes_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
