#include "tunnel.h"

#include <spout/future.h>

static client c;
static spout_future *gate; /* what handlers that suspend wait for */

static int with_client(void **state)
{
    gate = NULL;
    return set_up(state);
}

static int without_client(void **state)
{
    client_finish(&c);
    turn();
    spout_future_unref(gate);
    return tear_down(state);
}

static int note_message(spout_websocket *ws, spout_message message)
{
    (void)ws;
    assert_int_equal(message.data[message.len], '\0');
    note("%s%zu:%.20s", message.binary ? "b" : "t", message.len, message.data);
    return 0;
}

static int note_ping(spout_websocket *ws, spout_bytes data)
{
    (void)ws;
    note("ping:%.*s", (int)data.len, data.data);
    return 0;
}

static int note_pong(spout_websocket *ws, spout_bytes data)
{
    (void)ws;
    note("pong:%.*s", (int)data.len, data.data);
    return 0;
}

static int note_close(spout_websocket *ws)
{
    note("close:%d:%s", spout_websocket_close_code(ws), spout_websocket_close_reason(ws));
    return 0;
}

static const spout_websocket_handler noting = {
    .message = note_message, .ping = note_ping, .pong = note_pong, .close = note_close
};

static void delivers_texts_and_binaries(void **state)
{
    (void)state;
    connect_client(&c, &noting);
    send_text(&c, "hello");
    send_frame(&c, BINARY, "\xff\0\xfe", 3);
    send_frame(&c, TEXT, NULL, 0);
    send_frame(&c, BINARY, NULL, 0);
    send_text(&c, "gr\xc3\xbc\xc3\x9f");
    assert_trace("t5:hello b3:\xff t0: b0: t6:gr\xc3\xbc\xc3\x9f ");
}

static void joins_fragments_around_control_frames(void **state)
{
    (void)state;
    connect_client(&c, &noting);
    send_frame(&c, 1, "a", 1);
    send_frame(&c, PING, "1", 1);
    send_frame(&c, 0, NULL, 0);
    send_frame(&c, PONG, "2", 1);
    send_frame(&c, 0, "b\xc3", 2);
    send_frame(&c, PING, "", 0);
    send_frame(&c, FIN, "\xa4", 1);
    assert_trace("ping:1 pong:2 ping: t4:ab\xc3\xa4 ");
    assert_string_equal(next_frame(&c, PONG).data, "1");
    assert_string_equal(next_frame(&c, PONG).data, "");
    expect_nothing(&c);
    send_frame(&c, 2, NULL, 0);
    send_frame(&c, FIN, NULL, 0);
    assert_trace("b0: ");
}

/* A stream that is cut anywhere means the same. */
static void doesnt_mind_where_the_stream_is_cut(void **state)
{
    (void)state;
    spi_buffer stream;
    spi_buffer_init(&stream, 4096);
    add_frame(&stream, TEXT, "first", 5);
    add_frame(&stream, 2, "abc", 3);
    add_frame(&stream, PING, "ping", 4);
    add_frame(&stream, FIN, "def", 3);
    char text[200];
    memset(text, 'x', sizeof text);
    add_frame(&stream, TEXT, text, sizeof text);
    size_t len = spi_buffer_len(&stream);
    connect_client(&c, &noting);
    for (size_t cut = 0; cut <= len; cut++) {
        deliver_bytes(&c, spi_buffer_head(&stream), cut);
        deliver_bytes(&c, spi_buffer_head(&stream) + cut, len - cut);
        assert_trace("t5:first ping:ping b6:abcdef t200:xxxxxxxxxxxxxxxxxxxx ");
    }
    for (size_t i = 0; i < len; i++)
        deliver_bytes(&c, spi_buffer_head(&stream) + i, 1);
    assert_trace("t5:first ping:ping b6:abcdef t200:xxxxxxxxxxxxxxxxxxxx ");
    spi_buffer_release(&stream);
}

static void holds_nothing_while_idle(void **state)
{
    (void)state;
    spout_websocket *ws = connect_client(&c, &noting);
    assert_null(ws->inbox);
    assert_true(c.arena_dropped);
    assert_true(sizeof *ws <= 192);
    send_text(&c, "x");
    send_frame(&c, PING, "x", 1);
    assert_null(ws->inbox);
    deliver_bytes(&c, "\x81", 1);
    assert_non_null(ws->inbox);
    deliver_bytes(&c, "\x80\0\0\0\0", 5);
    assert_null(ws->inbox);
    send_frame(&c, 1, NULL, 0);
    assert_non_null(ws->inbox);
    send_frame(&c, FIN, NULL, 0);
    assert_null(ws->inbox);
}

static void handles_thousands_at_once(void **state)
{
    (void)state;
    connect_client(&c, &noting);
    spi_buffer stream;
    spi_buffer_init(&stream, 1 << 20);
    for (int i = 0; i < 10000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        add_frame(&stream, TEXT, text, strlen(text));
    }
    deliver_bytes(&c, spi_buffer_head(&stream), spi_buffer_len(&stream));
    spi_buffer_release(&stream);
    const char *at = spi_buffer_text(&trace);
    for (int i = 0; i < 10000; i++) {
        char text[24];
        snprintf(text, sizeof text, "t%d:%d ", i < 10 ? 1 : i < 100 ? 2 : i < 1000 ? 3 : 4, i);
        assert_memory_equal(at, text, strlen(text));
        at += strlen(text);
    }
    assert_string_equal(at, "");
}

static int wait_for_gate(spout_websocket *ws, spout_message message)
{
    char *own = spout_scope_text(message.data);
    note("<%.10s", message.data);
    assert_int_equal(spout_await(gate, NULL), 0);
    assert_string_equal(own, message.data);
    note("%.10s>", own);
    return spout_websocket_write(ws, message);
}

static const spout_websocket_handler waiting = {
    .message = wait_for_gate, .ping = note_ping, .close = note_close
};

static void open_gate(void)
{
    spout_future_resolve(gate, NULL);
    spout_future_unref(gate);
    gate = spout_future_new();
    turn();
}

static void reads_no_further_while_a_handler_waits(void **state)
{
    (void)state;
    gate = spout_future_new();
    spout_websocket *ws = connect_client(&c, &waiting);
    spi_buffer stream;
    spi_buffer_init(&stream, 4096);
    add_frame(&stream, TEXT, "a", 1);
    add_frame(&stream, PING, "p", 1);
    add_frame(&stream, TEXT, "b", 1);
    add_frame(&stream, 1, "c", 1);
    deliver_bytes(&c, spi_buffer_head(&stream), spi_buffer_len(&stream));
    spi_buffer_release(&stream);
    assert_true(c.paused);
    send_frame(&c, FIN, "d", 1);
    turn();
    assert_trace("<a ");
    expect_nothing(&c);
    open_gate();
    assert_true(c.paused);
    assert_trace("a> ping:p <b ");
    expect_text(&c, "a");
    next_frame(&c, PONG);
    open_gate();
    assert_trace("b> <cd ");
    expect_text(&c, "b");
    open_gate();
    assert_trace("cd> ");
    expect_text(&c, "cd");
    assert_false(c.paused);
    assert_null(ws->inbox);
}

static int yield_first(spout_websocket *ws, spout_message message)
{
    assert_int_equal(spout_yield(), 0);
    return note_message(ws, message);
}

static const spout_websocket_handler yielding = { .message = yield_first, .close = note_close };

static void keeps_the_order_of_many_that_wait(void **state)
{
    (void)state;
    connect_client(&c, &yielding);
    spi_buffer stream;
    spi_buffer_init(&stream, 1 << 20);
    for (int i = 0; i < 300; i++)
        add_frame(&stream, TEXT, (const char[]){ (char)('a' + i % 26) }, 1);
    deliver_bytes(&c, spi_buffer_head(&stream), spi_buffer_len(&stream));
    spi_buffer_release(&stream);
    for (int i = 0; i < 300; i++)
        turn();
    const char *at = spi_buffer_text(&trace);
    for (int i = 0; i < 300; i++, at += 5)
        assert_memory_equal(at, ((const char[]){ 't', '1', ':', (char)('a' + i % 26), ' ' }), 5);
    assert_string_equal(at, "");
    assert_false(c.paused);
}

static int fail_at_bad(spout_websocket *ws, spout_message message)
{
    note_message(ws, message);
    if (strcmp(message.data, "bad") == 0) {
        spout_error_set(SPOUT_EFAILED, "the root");
        return spout_error_wrap(SPOUT_EFAILED, "the branch");
    }
    if (strcmp(message.data, "abort") == 0) {
        spout_error_set(SPOUT_EFAILED, "aborted");
        spout_abort();
    }
    return strcmp(message.data, "positive") == 0 ? 7 : 0;
}

static const spout_websocket_handler failing = { .message = fail_at_bad, .close = note_close };

static void closes_when_a_handler_fails(void **state)
{
    (void)state;
    connect_client(&c, &failing);
    send_text(&c, "bad");
    send_text(&c, "ignored");
    expect_close(&c, 1011, "internal error");
    assert_string_equal(spi_buffer_text(&log_lines),
        "WebSocket message handler failed (10.1.2.3): the branch: the root\n");
    assert_trace("t3:bad ");
    send_close(&c, 1011, "");
    turn();
    assert_true(c.closed);
    assert_trace("close:1011: ");
}

static void logs_aborts_and_wrong_results_too(void **state)
{
    (void)state;
    connect_client(&c, &failing);
    send_text(&c, "abort");
    expect_close(&c, 1011, "internal error");
    assert_int_equal(count_in_log("failed (10.1.2.3): aborted\n"), 1);
    client_finish(&c);
    connect_client(&c, &failing);
    send_text(&c, "positive");
    expect_close(&c, 1011, "internal error");
    assert_int_equal(count_in_log("it returned 7"), 1);
}

typedef struct violation {
    unsigned first;
    const char *payload;
    size_t len;
    unsigned code;
} violation;

static void answers_violations_with_their_code(void **state)
{
    (void)state;
    char big[200];
    memset(big, 'x', sizeof big);
    const violation violations[] = {
        { FIN | 0x40 | 1, "x", 1, 1002 }, /* reserved bits */
        { FIN | 0x20 | 2, "x", 1, 1002 },
        { FIN | 3, "x", 1, 1002 }, /* opcodes */
        { FIN | 15, "x", 1, 1002 },
        { FIN, "x", 1, 1002 },              /* a continuation of nothing */
        { 9, "x", 1, 1002 },                /* control frames: fragmented */
        { PING, big, 126, 1002 },           /* too long */
        { CLOSE, "\x03", 1, 1002 },         /* half a code */
        { CLOSE, "\x03\xe7", 2, 1002 },     /* 999 */
        { CLOSE, "\x03\xed", 2, 1002 },     /* 1005 */
        { CLOSE, "\x13\x88", 2, 1002 },     /* 5000 */
        { CLOSE, "\x03\xe8\xff", 3, 1007 }, /* not UTF-8 */
        { TEXT, "a\xff", 2, 1007 },
        { TEXT, "\xed\xa0\x80", 3, 1007 },
        { TEXT, "\xc3", 1, 1007 },
        { TEXT, big, 101, 1009 }, /* the handler's maximum is 100 */
        { BINARY, big, 200, 1009 },
    };
    static const spout_websocket_handler small = {
        .message = note_message, .close = note_close, .max_message_size = 100
    };
    for (size_t i = 0; i < sizeof violations / sizeof *violations; i++) {
        connect_client(&c, &small);
        send_text(&c, "fine");
        send_frame(&c, violations[i].first, violations[i].payload, violations[i].len);
        spout_bytes payload = next_frame(&c, CLOSE);
        assert_int_equal((unsigned char)payload.data[0] << 8 | (unsigned char)payload.data[1],
            violations[i].code);
        assert_true(payload.len > 2); /* says why */
        assert_true(c.closed);
        send_text(&c, "too late");
        turn();
        assert_trace("t4:fine close:0: ");
        assert_int_equal(count_in_log("WebSocket protocol error (10.1.2.3): "), 1);
        spi_buffer_clear(&log_lines);
        expect_nothing(&c);
        client_finish(&c);
    }
    connect_client(&c, &small);
    deliver_bytes(&c, "\x81\x01x", 3);
    expect_close(&c, 1002, "an unmasked frame from a client");
}

static void counts_fragments_against_the_maximum(void **state)
{
    (void)state;
    static const spout_websocket_handler tiny = { .message = note_message, .max_message_size = 4 };
    connect_client(&c, &tiny);
    send_frame(&c, 1, "ab", 2);
    send_frame(&c, FIN, "cd", 2);
    send_frame(&c, 1, "ab", 2);
    send_frame(&c, FIN, "cde", 3);
    assert_trace("t4:abcd ");
    expect_close(&c, 1009, "message too big");
}

static void refuses_the_second_of_two_open_messages(void **state)
{
    (void)state;
    connect_client(&c, &noting);
    send_frame(&c, 1, "a", 1);
    send_text(&c, "b");
    assert_int_equal((unsigned char)next_frame(&c, CLOSE).data[1], 1002 & 0xFF);
    turn();
    assert_trace("close:0: ");
}

static void reads_limits_as_the_house_does(void **state)
{
    (void)state;
    static const spout_websocket_handler zero = { .message = note_message,
        .max_message_size = SPOUT_ZERO };
    connect_client(&c, &zero);
    send_frame(&c, TEXT, NULL, 0);
    assert_trace("t0: ");
    send_text(&c, "a");
    expect_close(&c, 1009, "message too big");
    client_finish(&c);
    static const spout_websocket_handler none = { .message = note_message,
        .max_message_size = SPOUT_NONE };
    static char big[11 << 20];
    connect_client(&c, &none);
    send_frame(&c, BINARY, big, sizeof big);
    assert_trace("b11534336: ");
    client_finish(&c);
    connect_client(&c, &noting); /* 10 MiB */
    send_frame(&c, BINARY, big, sizeof big);
    expect_close(&c, 1009, "message too big");
}

static void echoes_the_peers_close(void **state)
{
    (void)state;
    connect_client(&c, &noting);
    send_close(&c, 4321, "that's all");
    expect_close(&c, 4321, "");
    assert_true(c.closed);
    send_text(&c, "too late");
    turn();
    assert_trace("close:4321:that's all ");
    client_finish(&c);
    connect_client(&c, &noting);
    send_frame(&c, CLOSE, NULL, 0);
    assert_int_equal(next_frame(&c, CLOSE).len, 0);
    turn();
    assert_trace("close:1005: ");
}

static void answers_no_pings_into_a_full_queue(void **state)
{
    (void)state;
    connect_client(&c, &noting);
    c.stuck = 2 << 20;
    send_frame(&c, PING, "x", 1);
    expect_nothing(&c);
    assert_trace("ping:x ");
}

static int close_and_wait(spout_websocket *ws, spout_message message)
{
    note("<%.10s", message.data);
    spout_websocket_close(ws, 0, NULL);
    assert_int_equal(spout_await(gate, NULL), 0);
    assert_string_equal(message.data, "a long message in two frames");
    note(">");
    return 0;
}

/* The handler still waits when the closing handshake is over: .close comes after it. */
static void ignores_all_but_the_close_once_closing(void **state)
{
    (void)state;
    static const spout_websocket_handler leaving = {
        .message = close_and_wait, .ping = note_ping, .close = note_close
    };
    gate = spout_future_new();
    connect_client(&c, &leaving);
    spi_buffer stream;
    spi_buffer_init(&stream, 4096);
    add_frame(&stream, 1, "a long message ", 15);
    add_frame(&stream, FIN, "in two frames", 13);
    add_frame(&stream, TEXT, "ignored", 7);
    add_frame(&stream, PING, "ignored", 7);
    add_frame(&stream, 1, "ign", 3);
    add_frame(&stream, 0, "ored", 4);
    deliver_bytes(&c, spi_buffer_head(&stream), spi_buffer_len(&stream));
    spi_buffer_release(&stream);
    turn();
    assert_int_equal(next_frame(&c, CLOSE).len, 0);
    expect_nothing(&c);
    assert_false(c.closed);
    send_close(&c, 1000, "bye");
    turn();
    expect_nothing(&c);
    assert_true(c.closed);
    assert_trace("<a long mes ");
    open_gate();
    assert_trace("> close:1000:bye ");
}

static void is_told_of_a_loss_while_a_handler_waits(void **state)
{
    (void)state;
    gate = spout_future_new();
    spout_websocket *ws = spout_websocket_ref(connect_client(&c, &waiting));
    send_text(&c, "a");
    deliver_bytes(&c, "more", 0);
    lose(&c);
    assert_true(spout_websocket_is_closed(ws));
    assert_trace("<a ");
    open_gate();
    assert_trace("a> close:0: ");
    assert_int_equal(
        count_in_log("failed"), 0); /* its write failed, but that is no fault of the handler */
    assert_int_equal(spout_websocket_write_text(ws, "x"), SPOUT_ECLOSED);
    spout_websocket_unref(ws);
}

static void ends_when_there_are_no_stacks(void **state)
{
    tear_down(state);
    spi_buffer_init(&log_lines, 1 << 20);
    spi_buffer_init(&trace, 1 << 20);
    spout_log_set_sink(&(spout_log_sink){ .write = collect_line });
    assert_int_equal(start_loop(1), 0);
    gate = spout_future_new();
    client other;
    connect_client(&other, &waiting);
    send_text(&other, "a");
    connect_client(&c, &noting);
    send_text(&c, "b");
    expect_close(&c, 1013, "server is overloaded");
    assert_int_equal(count_in_log("no stack is left"), 1);
    lose(&c);
    assert_trace("<a ");
    open_gate();
    client_finish(&other);
    pass(100);
    pass(100);
    const char *events = spi_buffer_text(&trace);
    assert_true(strcmp(events, "a> close:0: close:0: ") == 0);
}

int main(void)
{
#define on_client(name) cmocka_unit_test_setup_teardown(name, with_client, without_client)
    const struct CMUnitTest tests[] = {
        on_client(delivers_texts_and_binaries),
        on_client(joins_fragments_around_control_frames),
        on_client(doesnt_mind_where_the_stream_is_cut),
        on_client(holds_nothing_while_idle),
        on_client(handles_thousands_at_once),
        on_client(reads_no_further_while_a_handler_waits),
        on_client(keeps_the_order_of_many_that_wait),
        on_client(closes_when_a_handler_fails),
        on_client(logs_aborts_and_wrong_results_too),
        on_client(answers_violations_with_their_code),
        on_client(counts_fragments_against_the_maximum),
        on_client(refuses_the_second_of_two_open_messages),
        on_client(reads_limits_as_the_house_does),
        on_client(echoes_the_peers_close),
        on_client(answers_no_pings_into_a_full_queue),
        on_client(ignores_all_but_the_close_once_closing),
        on_client(is_told_of_a_loss_while_a_handler_waits),
        on_client(ends_when_there_are_no_stacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
