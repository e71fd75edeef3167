/* Two loops in two threads, with all that may cross between them: posts, stops and executors. */
#include "kit.h"

#include <pthread.h>

enum { ROUNDS = 200 };

typedef struct player {
    pthread_t thread;
    struct player *other;
    spout_loop *loop;
    spout_future *ball; /* of this loop; what the other plays next */
    int received, worked;
    int result;
} player;

static pthread_barrier_t ready, done;

static void catch_ball(void *arg)
{
    player *self = arg;
    self->received++;
    spout_future *ball = self->ball;
    self->ball = NULL;
    spout_future_resolve(ball, self);
    spout_future_unref(ball);
}

static int work(void *arg)
{
    player *self = arg;
    self->worked++;
    return 0;
}

/* The other's ball must lie there before it is posted for: both begin a round together. */
static int play(void *arg)
{
    player *self = arg;
    for (int i = 0; i < ROUNDS; i++) {
        self->ball = spout_future_new();
        spout_future *ball = spout_future_ref(self->ball);
        pthread_barrier_wait(&ready);
        int result = spout_loop_post(self->other->loop, catch_ball, self->other);
        if (result == 0)
            result = spout_await(ball, NULL);
        spout_future_unref(ball);
        if (result == 0)
            result = spout_run_in_executor(work, self);
        if (result == 0)
            result = spout_sleep(i % 2);
        if (result < 0)
            return result;
    }
    return 0;
}

static void *run_player(void *arg)
{
    player *self = arg;
    self->loop = spout_loop_new(NULL);
    pthread_barrier_wait(&ready);
    self->result = spout_loop_run_sync(self->loop, play, self, 0);
    pthread_barrier_wait(&done);
    spout_loop_free(self->loop);
    return NULL;
}

static void two_loops_play(void **state)
{
    (void)state;
    static player a, b;
    a.other = &b;
    b.other = &a;
    pthread_barrier_init(&ready, NULL, 2);
    pthread_barrier_init(&done, NULL, 2);
    assert_int_equal(pthread_create(&a.thread, NULL, run_player, &a), 0);
    assert_int_equal(pthread_create(&b.thread, NULL, run_player, &b), 0);
    pthread_join(a.thread, NULL);
    pthread_join(b.thread, NULL);
    pthread_barrier_destroy(&ready);
    pthread_barrier_destroy(&done);
    assert_int_equal(a.result, 0);
    assert_int_equal(b.result, 0);
    assert_int_equal(a.received, ROUNDS);
    assert_int_equal(b.received, ROUNDS);
    assert_int_equal(a.worked, ROUNDS);
}

static int sleep_a_little(void *arg)
{
    (void)arg;
    return spout_sleep(1);
}

static int spawn_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        spout_group *group = spout_group_new();
        for (int j = 0; j < 20; j++)
            spout_group_start(group, sleep_a_little, NULL, NULL);
        int result = spout_group_join(group);
        spout_group_free(group);
        if (result < 0)
            return result;
    }
    return 0;
}

static void *run_own_loop(void *arg)
{
    spout_loop *mine = spout_loop_new(NULL);
    *(int *)arg = spout_loop_run_sync(mine, spawn_many, NULL, 0);
    spout_loop_free(mine);
    return NULL;
}

static void loops_do_not_share_tasks(void **state)
{
    (void)state;
    enum { LOOPS = 4 };
    pthread_t threads[LOOPS];
    int results[LOOPS];
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_own_loop, &results[i]), 0);
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(results[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_loops_play),
        cmocka_unit_test(loops_do_not_share_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
