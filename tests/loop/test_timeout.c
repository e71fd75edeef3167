#include "kit.h"

#include "loop/loop.h"

typedef struct connection {
    spi_timeout timeout;
    char name;
    spi_timeout *other; /* stopped when this one fires */
    bool again;
} connection;

static char trace[32];
static size_t trace_len;
static spi_timeout_class *short_ones;

static void fired(spi_timeout *timeout)
{
    connection *self = spi_container(timeout, connection, timeout);
    trace[trace_len++] = self->name;
    trace[trace_len] = '\0';
    if (self->other)
        spi_timeout_stop(self->other);
    if (self->again)
        spi_timeout_start(short_ones, timeout);
}

static void other_fired(spi_timeout *timeout)
{
    fired(timeout);
}

static int set_up_connections(void **state)
{
    trace_len = 0;
    trace[0] = '\0';
    int result = set_up(state);
    if (result == 0)
        short_ones = spi_timeout_class_get(loop, 100, fired);
    return result;
}

static connection make(char name)
{
    return (connection){ .name = name };
}

static void advance(int64_t ms)
{
    fake_now_ms += ms;
    settle();
}

static void classes_are_shared_by_duration_and_function(void **state)
{
    (void)state;
    assert_ptr_equal(spi_timeout_class_get(loop, 100, fired), short_ones);
    assert_ptr_not_equal(spi_timeout_class_get(loop, 100, other_fired), short_ones);
    assert_ptr_not_equal(spi_timeout_class_get(loop, 101, fired), short_ones);
    assert_non_null(spi_timeout_class_get(loop, -1, fired));
}

static void entries_fire_in_the_order_they_were_armed(void **state)
{
    (void)state;
    connection a = make('a'), b = make('b'), c = make('c');
    spi_timeout_init(&a.timeout);
    spi_timeout_init(&b.timeout);
    spi_timeout_init(&c.timeout);
    spi_timeout_start(short_ones, &a.timeout);
    spi_timeout_start(short_ones, &b.timeout);
    spi_timeout_start(spi_timeout_class_get(loop, 50, fired), &c.timeout);
    assert_int_equal(spout_loop_timeout_ms(loop), 50);
    advance(60);
    spi_timeout_start(short_ones, &a.timeout);
    assert_string_equal(trace, "c");
    advance(40);
    assert_string_equal(trace, "cb");
    advance(60);
    assert_string_equal(trace, "cba");
    assert_int_equal(spout_loop_timeout_ms(loop), -1);
}

static void one_may_stop_another_that_is_due(void **state)
{
    (void)state;
    connection a = make('a'), b = make('b');
    spi_timeout_init(&a.timeout);
    spi_timeout_init(&b.timeout);
    a.other = &b.timeout;
    spi_timeout_start(short_ones, &a.timeout);
    spi_timeout_start(short_ones, &b.timeout);
    advance(1000);
    assert_string_equal(trace, "a");
    spi_timeout_stop(&b.timeout);
}

static void one_may_arm_itself_again(void **state)
{
    (void)state;
    connection a = make('a');
    a.again = true;
    spi_timeout_init(&a.timeout);
    spi_timeout_start(short_ones, &a.timeout);
    advance(100);
    advance(100);
    assert_string_equal(trace, "aa");
    spi_timeout_stop(&a.timeout);
    advance(1000);
    assert_string_equal(trace, "aa");
}

static void no_duration_means_the_next_turn(void **state)
{
    (void)state;
    short_ones = spi_timeout_class_get(loop, 0, fired);
    connection a = make('a');
    a.again = true;
    spi_timeout_init(&a.timeout);
    spi_timeout_start(short_ones, &a.timeout);
    spout_loop_run_once(loop, 0);
    spout_loop_run_once(loop, 0);
    assert_string_equal(trace, "aa");
    spi_timeout_stop(&a.timeout);
}

static void an_armed_one_outlives_its_loop(void **state)
{
    (void)state;
    connection a = make('a');
    spi_timeout_init(&a.timeout);
    spi_timeout_start(short_ones, &a.timeout);
    spout_loop_free(loop);
    loop = NULL;
    spi_timeout_stop(&a.timeout);
    assert_string_equal(trace, "");
}

#define connected(name) cmocka_unit_test_setup_teardown(name, set_up_connections, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        connected(classes_are_shared_by_duration_and_function),
        connected(entries_fire_in_the_order_they_were_armed),
        connected(one_may_stop_another_that_is_due),
        connected(one_may_arm_itself_again),
        connected(no_duration_means_the_next_turn),
        connected(an_armed_one_outlives_its_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
