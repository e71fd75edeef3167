#include "tunnel.h"

static client c;

static int finish(void **state)
{
    client_finish(&c);
    turn();
    return tear_down(state);
}

typedef struct counter {
    int messages;
    char text[8];
} counter;

static int note_open(spout_websocket *ws)
{
    note("open");
    return spout_websocket_write_text(ws, "welcome");
}

static int note_message(spout_websocket *ws, spout_message message)
{
    counter *own = spout_websocket_state(ws);
    note("%s%d", message.data, ++own->messages);
    return 0;
}

static int note_close(spout_websocket *ws)
{
    const counter *own = spout_websocket_state(ws);
    note("close:%d:%d", spout_websocket_close_code(ws), own->messages);
    return 0;
}

static const spout_websocket_handler noting = {
    .open = note_open, .message = note_message, .close = note_close, .state_size = sizeof(counter)
};

static spout_request *const a_request = (spout_request *)(uintptr_t)64;

static int accept_and_open(void *arg)
{
    client_init(&c);
    spout_websocket *ws = spi_websocket_accept(&c.exchange, arg, NULL, NULL, 0, a_request);
    assert_non_null(ws);
    spi_buffer_clear(&c.got);
    assert_ptr_equal(spout_websocket_request(ws), a_request);
    int result = ws->handler->open(ws);
    assert_ptr_equal(spout_websocket_request(ws), a_request);
    spi_websocket_start(ws, result);
    assert_null(spout_websocket_request(ws));
    return 0;
}

static void begins_with_open_and_ends_with_close(void **state)
{
    (void)state;
    spout_websocket_handler handler = noting;
    assert_int_equal(spout_loop_run_sync(loop, accept_and_open, &handler, 0), 0);
    assert_true(c.paused);
    send_text(&c, "a"); /* came early */
    turn();
    assert_trace("open a1 ");
    expect_text(&c, "welcome");
    send_text(&c, "b");
    send_close(&c, 1001, "");
    turn();
    assert_trace("b2 close:1001:2 ");
    expect_close(&c, 1001, "");
    assert_true(c.closed);
    assert_string_equal(spi_buffer_text(&log_lines), "");
}

static int fail_open(spout_websocket *ws)
{
    (void)ws;
    note("open");
    return spout_error_set(SPOUT_EFAILED, "no seat");
}

static void closes_when_open_fails(void **state)
{
    (void)state;
    spout_websocket_handler handler = noting;
    handler.open = fail_open;
    assert_int_equal(spout_loop_run_sync(loop, accept_and_open, &handler, 0), 0);
    send_text(&c, "a");
    turn();
    expect_close(&c, 1011, "internal error");
    assert_string_equal(
        spi_buffer_text(&log_lines), "WebSocket open handler failed (10.1.2.3): no seat\n");
    send_close(&c, 1011, "");
    turn();
    assert_trace("open close:1011:0 ");
}

static int close_in_open(spout_websocket *ws)
{
    note("open");
    return spout_websocket_close(ws, 4000, "full");
}

static void can_be_closed_in_open(void **state)
{
    (void)state;
    spout_websocket_handler handler = noting;
    handler.open = close_in_open;
    assert_int_equal(spout_loop_run_sync(loop, accept_and_open, &handler, 0), 0);
    send_text(&c, "a");
    turn();
    expect_close(&c, 4000, "full");
    assert_trace("open ");
    send_close(&c, 4000, "");
    turn();
    assert_trace("close:4000:0 ");
}

static void is_told_of_a_loss_before_open_returned(void **state)
{
    (void)state;
    spout_websocket *ws = accept_client(&c, &noting);
    lose(&c);
    assert_true(spout_websocket_is_closed(ws));
    assert_trace(""); /* not before .open has returned */
    spi_websocket_start(ws, 0);
    turn();
    assert_trace("close:0:0 ");
}

static void notices_each_way_to_go_away(void **state)
{
    (void)state;
    connect_client(&c, &noting);
    lose(&c); /* a reset */
    assert_trace("close:0:0 ");
    client_finish(&c);

    connect_client(&c, &noting);
    send_text(&c, "a");
    c.tunnel->on_eof(c.self); /* an end without a close frame, in the middle of a frame */
    turn();
    assert_trace("a1 close:0:1 ");
    assert_true(c.closed);
    expect_nothing(&c);
    client_finish(&c);

    connect_client(&c, &noting);
    send_close(&c, 1000, "");
    c.tunnel->on_eof(c.self);
    turn();
    assert_trace("close:1000:0 ");
    client_finish(&c);

    spout_websocket *ws = connect_client(
        &c, &noting); /* we close, and the connection breaks before the answer */
    assert_int_equal(spout_websocket_close(ws, 1000, ""), 0);
    lose(&c);
    assert_trace("close:0:0 ");
}

static int wait_then_note(spout_websocket *ws, spout_message message)
{
    note("<");
    spout_yield();
    return note_message(ws, message);
}

/* An end of input is not seen before what came ahead of it is handled. */
static void handles_what_came_before_the_end(void **state)
{
    (void)state;
    static const spout_websocket_handler slow = {
        .message = wait_then_note, .close = note_close, .state_size = sizeof(counter)
    };
    connect_client(&c, &slow);
    spi_buffer stream;
    spi_buffer_init(&stream, 100);
    add_frame(&stream, TEXT, "a", 1);
    add_frame(&stream, TEXT, "b", 1);
    deliver_bytes(&c, spi_buffer_head(&stream), spi_buffer_len(&stream));
    c.tunnel->on_eof(c.self);
    spi_buffer_release(&stream);
    turn();
    turn();
    assert_trace("< a1 < b2 close:0:2 ");
}

static void says_goodbye_when_the_server_drains(void **state)
{
    (void)state;
    connect_client(&c, &noting);
    c.tunnel->on_shutdown(c.self);
    c.tunnel->on_shutdown(c.self);
    expect_close(&c, 1001, "server shutting down");
    expect_nothing(&c);
    assert_false(c.closed);
    send_text(&c, "ignored");
    send_close(&c, 1001, "");
    turn();
    assert_true(c.closed);
    assert_trace("close:1001:0 ");
}

static void handle_outlives_the_socket(void **state)
{
    (void)state;
    spout_websocket *ws = spout_websocket_ref(connect_client(&c, &noting));
    send_text(&c, "a");
    lose(&c);
    client_finish(&c);
    char ip[46];
    assert_string_equal(spout_websocket_remote_ip(ws, ip), "10.1.2.3");
    assert_int_equal(((counter *)spout_websocket_state(ws))->messages, 1);
    assert_true(spout_websocket_is_closed(ws));
    assert_int_equal(spout_websocket_write_text(ws, "x"), SPOUT_ECLOSED);
    assert_int_equal(spout_websocket_ping(ws, (spout_bytes){ "", 0 }), SPOUT_ECLOSED);
    assert_int_equal(spout_websocket_close(ws, 1000, "x"), 0);
    assert_string_equal(spout_websocket_close_reason(ws), "");
    assert_null(spout_websocket_subprotocol(ws));
    assert_null(spout_websocket_request(ws));
    spout_websocket_unref(ws);
    spout_websocket_unref(NULL);
    assert_trace("a1 close:0:1 ");
}

static int drop_own_reference(spout_websocket *ws)
{
    note("close");
    spout_websocket_unref(ws); /* taken by the test */
    spout_yield();
    *(int *)spout_websocket_state(ws) = 1; /* stays until .close has returned */
    note("closed");
    return 0;
}

static void state_stays_until_close_returned(void **state)
{
    (void)state;
    static const spout_websocket_handler handler = { .close = drop_own_reference,
        .state_size = sizeof(int) };
    spout_websocket_ref(connect_client(&c, &handler));
    lose(&c);
    turn();
    assert_trace("close closed ");
}

static int fail_close(spout_websocket *ws)
{
    (void)ws;
    note("close");
    return spout_error_set(SPOUT_EFAILED, "lost the list");
}

static void logs_a_failing_close(void **state)
{
    (void)state;
    static const spout_websocket_handler handler = { .close = fail_close };
    connect_client(&c, &handler);
    send_close(&c, 1000, "");
    turn();
    assert_trace("close ");
    assert_string_equal(
        spi_buffer_text(&log_lines), "WebSocket close handler failed (10.1.2.3): lost the list\n");
}

static void needs_no_handler_functions(void **state)
{
    (void)state;
    static const spout_websocket_handler silent;
    connect_client(&c, &silent);
    send_text(&c, "a");
    send_frame(&c, 1, "a", 1);
    send_frame(&c, PING, "p", 1);
    send_frame(&c, FIN, "b", 1);
    send_frame(&c, PONG, "", 0);
    assert_string_equal(next_frame(&c, PONG).data, "p");
    send_close(&c, 1000, "");
    turn();
    expect_close(&c, 1000, "");
}

static void is_aligned_and_small(void **state)
{
    (void)state;
    spout_websocket *ws = connect_client(&c, &noting);
    assert_int_equal((uintptr_t)spout_websocket_state(ws) % 16, 0);
    assert_true(sizeof *ws <= 128);
    assert_true(sizeof(spi_membership) <= 40);
}

int main(void)
{
#define on_client(name) cmocka_unit_test_setup_teardown(name, set_up, finish)
    const struct CMUnitTest tests[] = {
        on_client(begins_with_open_and_ends_with_close),
        on_client(closes_when_open_fails),
        on_client(can_be_closed_in_open),
        on_client(is_told_of_a_loss_before_open_returned),
        on_client(notices_each_way_to_go_away),
        on_client(handles_what_came_before_the_end),
        on_client(says_goodbye_when_the_server_drains),
        on_client(handle_outlives_the_socket),
        on_client(state_stays_until_close_returned),
        on_client(logs_a_failing_close),
        on_client(needs_no_handler_functions),
        on_client(is_aligned_and_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
