#include "kit.h"

#include "loop/loop.h"
#include "loop/task.h"

typedef struct child {
    int64_t delay_ms;
    int code; /* what it fails with after the delay, or 0 */
    int result;
    bool ended;
} child;

static int live(void *arg)
{
    child *self = arg;
    self->result = spout_sleep(self->delay_ms);
    if (self->result == 0 && self->code)
        self->result = spout_error_set(self->code, "after %d ms", (int)self->delay_ms);
    self->ended = true;
    return self->result;
}

typedef struct family {
    child children[3];
    int64_t deadline_ms;
    int joined;
    int64_t took_ms;
} family;

static int raise_children(void *arg)
{
    family *f = arg;
    int64_t outer = f->deadline_ms ? spout_deadline_set_ms(f->deadline_ms) : 0;
    int64_t began = spout_time_ms();
    spout_group *group = spout_group_new();
    for (int i = 0; i < 3; i++)
        assert_int_equal(spout_group_start(group, live, &f->children[i], NULL), 0);
    f->joined = spout_group_join(group);
    f->took_ms = spout_time_ms() - began;
    if (f->deadline_ms)
        spout_deadline_restore(outer);
    for (int i = 0; i < 3; i++)
        assert_true(f->children[i].ended);
    spout_group_free(group);
    return f->joined;
}

static void join_waits_for_all(void **state)
{
    (void)state;
    family f = { .children = { { .delay_ms = 10 }, { .delay_ms = 30 }, { .delay_ms = 20 } } };
    assert_int_equal(run(raise_children, &f), 0);
    assert_int_equal(f.took_ms, 30);
}

static void the_first_failure_cancels_the_others(void **state)
{
    (void)state;
    family f = { .children = {
                     { .delay_ms = 10 },
                     { .delay_ms = 20, .code = SPOUT_EPROTO },
                     { .delay_ms = 1000 },
                 } };
    assert_int_equal(run(raise_children, &f), SPOUT_EPROTO);
    assert_string_equal(spout_error_message(), "after 20 ms");
    assert_int_equal(f.took_ms, 20);
    assert_int_equal(f.children[0].result, 0);
    assert_int_equal(f.children[2].result, SPOUT_ECANCELED);
    assert_string_equal(kept_log, "");
}

static void children_inherit_the_deadline(void **state)
{
    (void)state;
    family f = { .children = { { .delay_ms = 10 }, { .delay_ms = 2000 }, { .delay_ms = 3000 } },
        .deadline_ms = 500 };
    assert_int_equal(run(raise_children, &f), SPOUT_ETIMEDOUT);
    assert_int_equal(f.took_ms, 500);
    assert_int_equal(f.children[0].result, 0);
    assert_true(f.children[1].result < 0);
}

static void a_cancelled_parent_takes_its_children_along(void **state)
{
    (void)state;
    family f = { .children = { { .delay_ms = 9999 }, { .delay_ms = 9999 }, { .delay_ms = 9999 } } };
    assert_int_equal(spout_loop_run_sync(loop, raise_children, &f, 100), SPOUT_ETIMEDOUT);
    assert_int_equal(f.joined, SPOUT_ECANCELED);
    for (int i = 0; i < 3; i++)
        assert_int_equal(f.children[i].result, SPOUT_ECANCELED);
}

static int cancel_group(void *arg)
{
    child *children = arg;
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_join(group), 0);
    spout_group_start(group, live, &children[0], NULL);
    assert_int_equal(spout_sleep(5), 0);
    spout_group_cancel(group);
    assert_int_equal(spout_group_start(group, live, &children[1], NULL), SPOUT_ECANCELED);
    assert_int_equal(spout_group_join(group), SPOUT_ECANCELED);
    spout_group_free(group);
    return 0;
}

static void a_group_can_be_cancelled(void **state)
{
    (void)state;
    child children[2] = { { .delay_ms = 1000 }, { .delay_ms = 1000 } };
    assert_int_equal(run(cancel_group, children), 0);
    assert_int_equal(children[0].result, SPOUT_ECANCELED);
    assert_false(children[1].ended);
}

static int free_without_join(void *arg)
{
    spout_group *group = spout_group_new();
    spout_group_start(group, live, arg, NULL);
    spout_yield();
    spout_group_free(group);
    assert_true(((child *)arg)->ended);
    spout_group_free(NULL);
    return 0;
}

static void freeing_cancels_and_joins(void **state)
{
    (void)state;
    child c = { .delay_ms = 1000 };
    assert_int_equal(run(free_without_join, &c), 0);
    assert_int_equal(c.result, SPOUT_ECANCELED);
}

static void freeing_outside_a_task_leaves_the_end_to_the_children(void **state)
{
    (void)state;
    child c = { .delay_ms = 1000 };
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_start(group, live, &c, NULL), 0);
    settle();
    assert_int_equal(spout_group_join(group), SPOUT_ESTATE);
    spout_group_free(group);
    settle();
    assert_int_equal(c.result, SPOUT_ECANCELED);
}

static int fail_twice_over(void *arg)
{
    child *children = arg;
    spout_group *group = spout_group_new();
    spout_group_start(group, live, &children[0], NULL);
    spout_group_start(group, live, &children[1], NULL);
    assert_int_equal(spout_group_join(group), SPOUT_EPROTO);
    assert_int_equal(spout_group_join(group), SPOUT_EPROTO);
    spout_group_free(group);
    return 0;
}

static void the_failure_stays_the_groups(void **state)
{
    (void)state;
    child children[2] = { { .delay_ms = 5, .code = SPOUT_EPROTO },
        { .delay_ms = 5, .code = SPOUT_ECLOSED } };
    assert_int_equal(run(fail_twice_over, children), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(join_waits_for_all),
        loop_test(the_first_failure_cancels_the_others),
        loop_test(children_inherit_the_deadline),
        loop_test(a_cancelled_parent_takes_its_children_along),
        loop_test(a_group_can_be_cancelled),
        loop_test(freeing_cancels_and_joins),
        loop_test(freeing_outside_a_task_leaves_the_end_to_the_children),
        loop_test(the_failure_stays_the_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
