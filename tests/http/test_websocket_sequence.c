/* Sockets with .run, which asks for messages. */
#include "tunnel.h"

static spi_list gate; /* where a test's .run waits */

static int note_close(spout_websocket *ws)
{
    note("close:%d", spout_websocket_close_code(ws));
    return 0;
}

static int echo_all(spout_websocket *ws)
{
    spout_message m = { "untouched", 9, false };
    int result;
    note("run");
    while ((result = spout_websocket_read(ws, &m)) > 0) {
        note("%s", m.data);
        assert_int_equal(spout_websocket_write(ws, m), 0);
    }
    note("end:%d", result);
    return result;
}

static int no_message(spout_websocket *ws, spout_message message)
{
    (void)ws, (void)message;
    fail();
    return 0;
}

static const spout_websocket_handler echoing = {
    .run = echo_all, .message = no_message, .close = note_close
};

static void reads_messages_one_after_another(void **state)
{
    (void)state;
    client c;
    spout_websocket *ws = connect_client(&c, &echoing);
    assert_trace("run ");
    spi_buffer all;
    spi_buffer_init(&all, 1000);
    add_frame(&all, TEXT, "one", 3);
    add_frame(&all, 1, "tw", 2);
    add_frame(&all, PING, "p", 1);
    add_frame(&all, FIN, "o", 1);
    add_frame(&all, TEXT, "", 0);
    deliver_bytes(&c, spi_buffer_head(&all), spi_buffer_len(&all));
    spi_buffer_release(&all);
    turn();
    assert_trace("one two  ");
    expect_text(&c, "one");
    assert_string_equal(next_frame(&c, PONG).data, "p");
    expect_text(&c, "two");
    expect_text(&c, "");
    assert_false(c.paused);
    assert_false(spout_websocket_is_closed(ws));
    send_close(&c, 1001, "");
    turn();
    assert_trace("end:0 close:1001 ");
    client_finish(&c);
}

static void survives_any_cut(void **state)
{
    (void)state;
    client c;
    connect_client(&c, &echoing);
    spi_buffer all;
    spi_buffer_init(&all, 1000);
    add_frame(&all, TEXT, "first", 5);
    add_frame(&all, TEXT, "second", 6);
    for (size_t i = 0; i < spi_buffer_len(&all); i++) {
        deliver_bytes(&c, spi_buffer_head(&all) + i, 1);
        if (i % 3 == 0)
            turn();
    }
    turn();
    assert_trace("run first second ");
    spi_buffer_release(&all);
    lose(&c);
    assert_trace("end:0 close:0 ");
    client_finish(&c);
}

static int read_one(spout_websocket *ws)
{
    spout_message m;
    if (spout_websocket_read(ws, &m) > 0)
        note("%s", m.data);
    return 0;
}

static void closes_when_run_returns(void **state)
{
    (void)state;
    static const spout_websocket_handler once = { .run = read_one, .close = note_close };
    client c;
    connect_client(&c, &once);
    send_text(&c, "enough");
    turn();
    assert_trace("enough ");
    assert_int_equal(next_frame(&c, CLOSE).len, 2);
    send_text(&c, "ignored");
    send_close(&c, 1000, "");
    turn();
    assert_trace("close:1000 ");
    client_finish(&c);
}

static int return_at_once(spout_websocket *ws)
{
    (void)ws;
    return 0;
}

static int fail_at_once(spout_websocket *ws)
{
    (void)ws;
    return spout_error_set(SPOUT_EINVAL, "out of order");
}

static void needs_no_read(void **state)
{
    (void)state;
    static const spout_websocket_handler nothing = { .run = return_at_once, .close = note_close };
    static const spout_websocket_handler failing = { .run = fail_at_once, .close = note_close };
    client c;
    connect_client(&c, &nothing);
    assert_int_equal(next_frame(&c, CLOSE).len, 2);
    client_finish(&c);
    assert_trace("close:0 ");
    connect_client(&c, &failing);
    expect_close(&c, 1011, "internal error");
    assert_int_equal(count_in_log("WebSocket run handler failed (10.1.2.3)"), 1);
    client_finish(&c);
    assert_trace("close:0 ");
}

static int wait_then_read(spout_websocket *ws)
{
    spout_message m;
    note("waits");
    int result = spi_wait(&gate, "gate");
    if (result < 0)
        return result;
    while (spout_websocket_read(ws, &m) > 0)
        note("%s", m.data);
    note("closed:%d", spout_websocket_is_closed(ws));
    return spout_websocket_write_text(ws, "late");
}

static const spout_websocket_handler waiting = { .run = wait_then_read, .close = note_close };

static void connect_waiting(client *c)
{
    spi_list_init(&gate);
    spi_websocket_start(accept_client(c, &waiting), 0);
    turn();
    assert_true(c->paused); /* until it reads */
}

static void holds_back_what_is_not_asked_for(void **state)
{
    (void)state;
    client c;
    connect_waiting(&c);
    send_text(&c, "a");
    send_text(&c, "b");
    turn();
    assert_true(c.paused);
    assert_trace("waits ");
    spi_wake_all(&gate);
    turn();
    assert_trace("a b ");
    assert_false(c.paused);
    client_finish(&c);
    assert_trace("closed:1 close:0 ");
    assert_int_equal(count_in_log("failed"), 0); /* that a write came too late is no fault */
}

static void close_waits_for_run(void **state)
{
    (void)state;
    client c;
    connect_waiting(&c);
    lose(&c);
    assert_trace("waits ");
    spi_wake_all(&gate);
    turn();
    assert_trace("closed:1 close:0 ");
    client_finish(&c);
}

static int read_elsewhere(spout_websocket *ws)
{
    spout_message m;
    assert_int_equal(spout_websocket_read(ws, &m), SPOUT_ESTATE);
    return 0;
}

static int read_in_message(spout_websocket *ws, spout_message message)
{
    (void)message;
    return read_elsewhere(ws);
}

static void is_read_by_run_only(void **state)
{
    (void)state;
    static const spout_websocket_handler plain = { .message = read_in_message,
        .close = read_elsewhere };
    client c;
    spout_websocket *ws = connect_client(&c, &plain);
    read_elsewhere(ws);
    send_text(&c, "x");
    client_finish(&c);
    ws = connect_client(&c, &echoing);
    read_elsewhere(ws);
    client_finish(&c);
    assert_trace("run end:0 close:0 ");
}

static void ends_with_the_server(void **state)
{
    (void)state;
    client c;
    connect_client(&c, &echoing);
    c.tunnel->on_shutdown(c.self);
    turn();
    assert_trace("run end:0 ");
    expect_close(&c, 1001, "server shutting down");
    client_finish(&c);
    assert_trace("close:0 ");
}

int main(void)
{
#define with_loop(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        with_loop(reads_messages_one_after_another),
        with_loop(survives_any_cut),
        with_loop(closes_when_run_returns),
        with_loop(needs_no_read),
        with_loop(holds_back_what_is_not_asked_for),
        with_loop(close_waits_for_run),
        with_loop(is_read_by_run_only),
        with_loop(ends_with_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
