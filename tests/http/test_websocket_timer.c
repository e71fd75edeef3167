#include "tunnel.h"

static client c;

static int finish(void **state)
{
    client_finish(&c);
    turn();
    return tear_down(state);
}

static int note_close(spout_websocket *ws)
{
    note("close:%d", spout_websocket_close_code(ws));
    return 0;
}

static int wait_long(spout_websocket *ws, spout_message message)
{
    (void)ws;
    (void)message;
    spout_sleep(1000);
    note("woke");
    return 0;
}

static const spout_websocket_handler pinging = {
    .message = wait_long, .close = note_close, .ping_interval_ms = 100, .ping_timeout_ms = 30
};

static void pings_on_a_fixed_grid(void **state)
{
    (void)state;
    connect_client(&c, &pinging);
    pass(99);
    expect_nothing(&c);
    for (int i = 0; i < 3; i++) {
        pass(i == 0 ? 1 : 70);
        assert_int_equal(next_frame(&c, PING).len, 0);
        pass(29);
        send_frame(&c, PONG, NULL, 0);
        pass(1);
        expect_nothing(&c);
    }
    pass(69);
    expect_nothing(&c);
    pass(1);
    next_frame(&c, PING);
}

static void gives_up_on_the_silent(void **state)
{
    (void)state;
    connect_client(&c, &pinging);
    pass(100);
    next_frame(&c, PING);
    pass(29);
    expect_nothing(&c);
    pass(1);
    expect_close(&c, 1011, "ping timed out");
    assert_true(c.closed);
    assert_false(c.aborted);
    assert_trace("close:0 ");
    assert_int_equal(count_in_log("ping timed out"), 1);
}

static void cuts_off_those_that_dont_even_read(void **state)
{
    (void)state;
    connect_client(&c, &pinging);
    pass(100);
    c.stuck = 10;
    pass(30);
    assert_true(c.aborted);
    assert_trace("close:0 ");
}

/* A long message can't be interrupted by a pong. */
static void takes_any_byte_for_a_sign_of_life(void **state)
{
    (void)state;
    connect_client(&c, &pinging);
    pass(100);
    next_frame(&c, PING);
    deliver_bytes(&c, "\x82", 1);
    pass(30);
    expect_nothing(&c);
    assert_trace("");
}

static void doesnt_blame_the_peer_for_a_busy_handler(void **state)
{
    (void)state;
    connect_client(&c, &pinging);
    send_text(&c, "x");
    pass(100);
    next_frame(&c, PING);
    pass(30);
    pass(70);
    next_frame(&c, PING);
    pass(800);
    assert_trace("woke ");
    expect_nothing(&c);
}

static void answer_time_defaults_to_the_interval(void **state)
{
    (void)state;
    static const spout_websocket_handler handlers[] = {
        { .ping_interval_ms = 100, .close = note_close },
        { .ping_interval_ms = 100, .ping_timeout_ms = 5000, .close = note_close },
    };
    for (int i = 0; i < 2; i++) {
        connect_client(&c, &handlers[i]);
        pass(100);
        next_frame(&c, PING);
        send_frame(&c, PONG, NULL, 0);
        pass(100);
        next_frame(&c, PING);
        pass(99);
        expect_nothing(&c);
        pass(1);
        expect_close(&c, 1011, "ping timed out");
        assert_trace("close:0 ");
        client_finish(&c);
    }
    static const spout_websocket_handler patient = { .ping_interval_ms = 100,
        .ping_timeout_ms = SPOUT_NONE };
    connect_client(&c, &patient);
    for (int i = 0; i < 5; i++) {
        pass(100);
        next_frame(&c, PING);
        expect_nothing(&c);
    }
}

static void waits_five_seconds_for_the_answer_to_close(void **state)
{
    (void)state;
    spout_websocket *ws = connect_client(&c, &pinging);
    pass(50);
    assert_int_equal(spout_websocket_close(ws, 1000, ""), 0);
    expect_close(&c, 1000, "");
    pass(4999);
    expect_nothing(&c); /* no pings any more */
    assert_trace("");
    assert_false(c.aborted);
    pass(1);
    assert_true(c.aborted);
    assert_trace("close:0 ");
}

static void answer_in_time_ends_the_wait(void **state)
{
    (void)state;
    spout_websocket *ws = connect_client(&c, &pinging);
    spout_websocket_close(ws, 1000, "");
    pass(4000);
    send_close(&c, 1000, "");
    turn();
    assert_trace("close:1000 ");
    pass(10000);
    assert_false(c.aborted);
    assert_trace("");
}

int main(void)
{
#define on_client(name) cmocka_unit_test_setup_teardown(name, set_up, finish)
    const struct CMUnitTest tests[] = {
        on_client(pings_on_a_fixed_grid),
        on_client(gives_up_on_the_silent),
        on_client(cuts_off_those_that_dont_even_read),
        on_client(takes_any_byte_for_a_sign_of_life),
        on_client(doesnt_blame_the_peer_for_a_busy_handler),
        on_client(answer_time_defaults_to_the_interval),
        on_client(waits_five_seconds_for_the_answer_to_close),
        on_client(answer_in_time_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
