#include "tunnel.h"

static client c;

static int finish(void **state)
{
    client_finish(&c);
    turn();
    return tear_down(state);
}

static const spout_websocket_handler plain;

static void chooses_the_length_form(void **state)
{
    (void)state;
    spout_websocket *ws = connect_client(&c, &plain);
    static const size_t lens[] = { 0, 1, 125, 126, 65535, 65536, 100000 };
    static char data[100000];
    memset(data, 'x', sizeof data);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        assert_int_equal(spout_websocket_write(ws, (spout_message){ data, lens[i], i & 1 }), 0);
        assert_int_equal(c.writes, i + 1);
        spout_bytes payload = next_frame(&c, i & 1 ? BINARY : TEXT);
        assert_int_equal(payload.len, lens[i]);
        assert_memory_equal(payload.data, data, lens[i]);
        expect_nothing(&c);
    }
}

static void refuses_texts_that_are_not_utf8(void **state)
{
    (void)state;
    spout_websocket *ws = connect_client(&c, &plain);
    assert_int_equal(spout_websocket_write_text(ws, "\xff"), SPOUT_EINVAL);
    assert_int_equal(spout_websocket_write(ws, (spout_message){ "\xff", 1, true }), 0);
    assert_int_equal(spout_websocket_write_text(ws, "\xc3\xa4"), 0);
    assert_int_equal(next_frame(&c, BINARY).len, 1);
    expect_text(&c, "\xc3\xa4");
}

static json_t *nested(int depth)
{
    json_t *value = json_array();
    while (--depth > 0)
        value = json_pack("[o]", value);
    return value;
}

static void writes_json(void **state)
{
    (void)state;
    spout_websocket *ws = connect_client(&c, &plain);
    assert_int_equal(spout_websocket_write_json(
                         ws, json_pack("{s:s, s:[i,b]}", "t", "gr\xc3\xbc\xc3\x9f", "n", 1, 1)),
        0);
    expect_text(&c, "{\"t\":\"gr\xc3\xbc\xc3\x9f\",\"n\":[1,true]}");
    json_t *kept = json_string("kept");
    assert_int_equal(spout_websocket_write_json(ws, json_incref(kept)), 0);
    expect_text(&c, "\"kept\"");
    assert_int_equal(kept->refcount, 1);
    json_decref(kept);
    assert_true(spout_websocket_write_json(ws, NULL) < 0);
    assert_int_equal(spout_websocket_write_json(ws, nested(100)), 0);
    assert_int_equal(next_frame(&c, TEXT).len, 200);
    assert_true(spout_websocket_write_json(ws, nested(200)) < 0);
    expect_nothing(&c);
}

static void sends_pings(void **state)
{
    (void)state;
    char data[126] = { 'x' };
    spout_websocket *ws = connect_client(&c, &plain);
    assert_int_equal(spout_websocket_ping(ws, (spout_bytes){ data, 125 }), 0);
    assert_int_equal(next_frame(&c, PING).len, 125);
    assert_int_equal(spout_websocket_ping(ws, (spout_bytes){ data, 126 }), SPOUT_EINVAL);
    c.stuck = (1 << 20) + 1;
    assert_int_equal(spout_websocket_ping(ws, (spout_bytes){ NULL, 0 }), SPOUT_ELIMIT);
    expect_nothing(&c);
}

static void checks_close_codes_and_reasons(void **state)
{
    (void)state;
    spout_websocket *ws = connect_client(&c, &plain);
    static const int bad[] = { -1, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536 + 1000 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(spout_websocket_close(ws, bad[i], "x"), SPOUT_EINVAL);
    assert_int_equal(spout_websocket_close(ws, 1000, "\xff"), SPOUT_EINVAL);
    expect_nothing(&c);
    assert_false(spout_websocket_is_closed(ws));
    assert_int_equal(spout_websocket_close(ws, 0, "because"), 0);
    assert_true(spout_websocket_is_closed(ws));
    expect_close(&c, 1000, "because");
    assert_int_equal(spout_websocket_close(ws, 4000, "again"), 0);
    expect_nothing(&c);
    assert_int_equal(spout_websocket_write_text(ws, "x"), SPOUT_ECLOSED);
    assert_false(c.closed);
}

static void cuts_long_reasons_at_a_character(void **state)
{
    (void)state;
    char reason[200] = "";
    for (size_t i = 0; i < 60; i++)
        memcpy(reason + 1 + 3 * i, "\xe2\x82\xac",
            3); /* 1 + 40 * 3 = 121 bytes, one more would be 124 */
    reason[0] = 'x';
    spout_websocket *ws = connect_client(&c, &plain);
    assert_int_equal(spout_websocket_close(ws, 3000, reason), 0);
    reason[121] = '\0';
    expect_close(&c, 3000, reason);
}

static void aborts_where_no_close_frame_fits(void **state)
{
    (void)state;
    spout_websocket *ws = connect_client(&c, &plain);
    c.full = true;
    assert_int_equal(spout_websocket_write_text(ws, "x"), SPOUT_ELIMIT);
    assert_int_equal(spout_websocket_close(ws, 1000, "x"), 0);
    assert_true(c.aborted);
}

static int write_abc(void *arg)
{
    static const char *const texts[] = { "a", "b", "c" };
    for (int i = 0; i < 3; i++) {
        int result = spout_websocket_write_text(arg, texts[i]);
        note("%s:%d", texts[i], result);
    }
    return 0;
}

static void spawn(spout_task_fn *fn, void *arg)
{
    assert_int_equal(spout_spawn(fn, arg, NULL), 0);
    turn();
}

static void drain(size_t stuck)
{
    c.stuck = stuck;
    c.tunnel->on_drain(c.self);
    turn();
}

static void waits_while_the_queue_is_over_its_mark(void **state)
{
    (void)state;
    spout_websocket *ws = connect_client(&c, &plain);
    c.stuck = 64 * 1024;
    c.takes_nothing = true;
    spawn(write_abc, ws);
    assert_trace("a:0 ");
    drain(64 * 1024 + 1); /* not yet */
    assert_trace("");
    drain(64 * 1024);
    assert_trace("b:0 ");
    c.takes_nothing = false;
    drain(0);
    assert_trace("c:0 ");
    expect_text(&c, "a");
    expect_text(&c, "b");
    expect_text(&c, "c");
}

static void stops_waiting_when_the_socket_closes(void **state)
{
    (void)state;
    spout_websocket *ws = connect_client(&c, &plain);
    c.stuck = 100 * 1024;
    spawn(write_abc, ws);
    spawn(write_abc, ws);
    assert_trace("");
    lose(&c);
    assert_trace("a:-6 b:-6 c:-6 a:-6 b:-6 c:-6 ");
    client_finish(&c);
    ws = connect_client(&c, &plain);
    c.stuck = 100 * 1024;
    spawn(write_abc, ws);
    assert_int_equal(spout_websocket_close(ws, 0, NULL), 0);
    turn();
    assert_trace("a:-6 b:-6 c:-6 ");
}

static int write_in_time(void *arg)
{
    int64_t outer = spout_deadline_set_ms(50);
    note("%d", spout_websocket_write_text(arg, "x"));
    spout_deadline_restore(outer);
    return 0;
}

static void minds_deadlines(void **state)
{
    (void)state;
    spout_websocket *ws = connect_client(&c, &plain);
    c.stuck = 100 * 1024;
    spawn(write_in_time, ws);
    pass(49);
    assert_trace("");
    pass(1);
    assert_trace("-5 ");
    expect_nothing(&c);
}

static void takes_any_message_into_a_short_queue(void **state)
{
    (void)state;
    static const spout_websocket_handler small = { .max_queue_size = 10 };
    spout_websocket *ws = connect_client(&c, &small);
    spawn(write_abc, ws);
    assert_trace("a:0 b:0 c:0 ");
    c.stuck = 11;
    spawn(write_abc, ws);
    assert_trace("");
    drain(10);
    assert_trace("a:0 b:0 c:0 ");
}

/* Outside a coroutine there is no waiting. */
static void fails_at_the_maximum_where_it_must_not_wait(void **state)
{
    (void)state;
    static const spout_websocket_handler small = { .max_queue_size = 1000 };
    spout_websocket *ws = connect_client(&c, &small);
    c.stuck = 999;
    assert_int_equal(spout_websocket_write_text(ws, "x"), 0);
    assert_int_equal(spout_websocket_write_text(ws, "xy"), SPOUT_ELIMIT);
    c.stuck = 2000;
    assert_int_equal(spout_websocket_write_text(ws, "x"), SPOUT_ELIMIT);
    assert_false(spout_websocket_is_closed(ws));
}

static spout_websocket *target;

static int pass_on(spout_websocket *ws, spout_message message)
{
    (void)ws;
    if (*message.data == '-')
        spout_yield();
    note("%s:%d", message.data, spout_websocket_write(target, message));
    return 0;
}

static void doesnt_wait_for_another_sockets_peer(void **state)
{
    (void)state;
    static const spout_websocket_handler passing = { .message = pass_on };
    client other;
    target = connect_client(&c, &passing);
    c.stuck = 100 * 1024; /* over the mark, under the maximum */
    connect_client(&other, &passing);
    send_text(&other, "a");
    assert_trace("a:0 ");
    c.stuck = 2 << 20;
    send_text(&other, "b");
    assert_trace("b:-7 ");
    send_text(&other, "-c"); /* nor once it has suspended */
    turn();
    assert_trace("-c:-7 ");
    send_text(&c, "own"); /* its own handler waits */
    assert_trace("");
    drain(0);
    assert_trace("own:0 ");
    client_finish(&other);
}

int main(void)
{
#define on_client(name) cmocka_unit_test_setup_teardown(name, set_up, finish)
    const struct CMUnitTest tests[] = {
        on_client(chooses_the_length_form),
        on_client(refuses_texts_that_are_not_utf8),
        on_client(writes_json),
        on_client(sends_pings),
        on_client(checks_close_codes_and_reasons),
        on_client(cuts_long_reasons_at_a_character),
        on_client(aborts_where_no_close_frame_fits),
        on_client(waits_while_the_queue_is_over_its_mark),
        on_client(stops_waiting_when_the_socket_closes),
        on_client(minds_deadlines),
        on_client(takes_any_message_into_a_short_queue),
        on_client(fails_at_the_maximum_where_it_must_not_wait),
        on_client(doesnt_wait_for_another_sockets_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
