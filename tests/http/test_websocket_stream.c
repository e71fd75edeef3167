/* Messages in pieces, in both directions. */
#include "tunnel.h"

static const spout_websocket_compression by_default;
static spi_list gate; /* where a test's handler waits */
static int (*deed)(spout_websocket *ws);

static int do_deed(spout_websocket *ws, spout_message message)
{
    (void)message;
    return deed(ws);
}

static int note_close(spout_websocket *ws)
{
    note("close:%d", spout_websocket_close_code(ws));
    return 0;
}

static const spout_websocket_handler doing = {
    .message = do_deed, .close = note_close, .max_queue_size = 1000
};

static spout_bytes bytes(const char *text)
{
    return spout_bytes_of(text);
}

/* --- sending --- */

static int send_three(spout_websocket *ws)
{
    assert_int_equal(spout_websocket_begin(ws, false), 0);
    assert_int_equal(spout_websocket_write_piece(ws, bytes("on\xC3")), 0);
    assert_int_equal(spout_websocket_write_piece(ws, bytes("")), 0);
    assert_int_equal(spout_websocket_ping(ws, bytes("p")), 0);
    assert_int_equal(spout_websocket_write_piece(ws, bytes("\xA4 two")), 0);
    assert_int_equal(spout_websocket_end(ws), 0);
    assert_int_equal(spout_websocket_begin(ws, true), 0);
    assert_int_equal(spout_websocket_write_piece(ws, bytes("\xFF")), 0);
    assert_int_equal(spout_websocket_end(ws), 0);
    assert_int_equal(spout_websocket_begin(ws, true), 0);
    assert_int_equal(spout_websocket_end(ws), 0);
    return spout_websocket_write_text(ws, "whole");
}

static void sends_fragments(void **state)
{
    (void)state;
    client c;
    connect_client(&c, &doing);
    deed = send_three;
    send_text(&c, "go");
    assert_string_equal(next_frame(&c, 1).data, "on\xC3");
    assert_string_equal(next_frame(&c, PING).data, "p");
    assert_string_equal(next_frame(&c, 0).data, "\xA4 two");
    assert_int_equal(next_frame(&c, FIN).len, 0);
    assert_string_equal(next_frame(&c, 2).data, "\xFF");
    assert_int_equal(next_frame(&c, FIN).len, 0);
    assert_int_equal(next_frame(&c, BINARY).len, 0);
    expect_text(&c, "whole");
    expect_nothing(&c);
    client_finish(&c);
}

static int send_half_a_character(spout_websocket *ws)
{
    assert_int_equal(spout_websocket_begin(ws, false), 0);
    assert_int_equal(spout_websocket_write_piece(ws, bytes("a\xC3")), 0);
    return spout_websocket_end(ws);
}

static int send_no_text(spout_websocket *ws)
{
    assert_int_equal(spout_websocket_begin(ws, false), 0);
    return spout_websocket_write_piece(ws, bytes("a\xFF"));
}

static int forget_the_end(spout_websocket *ws)
{
    assert_int_equal(spout_websocket_begin(ws, true), 0);
    return spout_websocket_write_piece(ws, bytes("a"));
}

static void what_is_not_completed_closes(void **state)
{
    (void)state;
    static int (*const deeds[])(
        spout_websocket *) = { send_half_a_character, send_no_text, forget_the_end };
    static const char *const logged[] = { "must be UTF-8", "must be UTF-8", "was not ended" };
    for (int i = 0; i < 3; i++) {
        client c;
        connect_client(&c, &doing);
        deed = deeds[i];
        spi_buffer_clear(&log_lines);
        send_text(&c, "go");
        if (deed != send_no_text)
            next_frame(&c, deed == forget_the_end ? 2 : 1);
        expect_close(&c, 1011, "internal error");
        assert_int_equal(count_in_log(logged[i]), 1);
        client_finish(&c);
    }
}

static int misuse(spout_websocket *ws)
{
    assert_int_equal(spout_websocket_end(ws), SPOUT_ESTATE);
    assert_int_equal(spout_websocket_write_piece(ws, bytes("a")), SPOUT_ESTATE);
    assert_int_equal(spout_websocket_begin(ws, true), 0);
    assert_int_equal(spout_websocket_begin(ws, true), SPOUT_ESTATE);
    assert_int_equal(spout_websocket_write_text(ws, "a"), SPOUT_ESTATE);
    assert_int_equal(spout_websocket_end(ws), 0);
    assert_int_equal(spout_websocket_close(ws, 0, NULL), 0);
    assert_int_equal(spout_websocket_begin(ws, true), SPOUT_ECLOSED);
    assert_int_equal(spout_websocket_write_piece(ws, bytes("a")), SPOUT_ECLOSED);
    assert_int_equal(spout_websocket_end(ws), SPOUT_ECLOSED);
    assert_int_equal(spout_websocket_set_nodelay(ws, true), SPOUT_ECLOSED);
    return 0;
}

static void order_of_calls_is_checked(void **state)
{
    (void)state;
    client c;
    spout_websocket *ws = connect_client(&c, &doing);
    assert_int_equal(spout_websocket_set_nodelay(ws, true), 0);
    deed = misuse;
    send_text(&c, "go");
    client_finish(&c);
}

static int wait_between(spout_websocket *ws)
{
    assert_int_equal(spout_websocket_begin(ws, true), 0);
    assert_int_equal(spout_websocket_write_piece(ws, bytes("one")), 0);
    spi_wait(&gate, "gate");
    assert_int_equal(spout_websocket_write_piece(ws, bytes("two")), 0);
    return spout_websocket_end(ws);
}

static int wait_in_vain(spout_websocket *ws)
{
    assert_int_equal(spout_websocket_begin(ws, true), 0);
    assert_int_equal(spout_websocket_write_piece(ws, bytes("one")), 0);
    spi_wait(&gate, "gate");
    return spout_websocket_write_piece(ws, bytes("two"));
}

static int write_meanwhile(void *arg)
{
    note("write");
    int result = spout_websocket_write_text(arg, "meanwhile");
    note("%d", result);
    return 0;
}

static void others_wait_for_the_end(void **state)
{
    (void)state;
    client c;
    spout_websocket *ws = connect_client(&c, &doing);
    spout_topic *topic = spout_topic_new();
    spout_topic_join(topic, ws);
    spi_list_init(&gate);
    deed = wait_between;
    send_text(&c, "go");
    assert_int_equal(spout_spawn(write_meanwhile, ws, NULL), 0);
    turn();
    assert_trace("write ");
    assert_int_equal(spout_websocket_write_text(ws, "not here"), SPOUT_ELIMIT);
    size_t count = 0;
    assert_int_equal(
        spout_topic_publish_except(topic, spout_message_of("published"), NULL, &count), 0);
    assert_int_equal(count, 1);
    assert_string_equal(next_frame(&c, 2).data, "one");
    expect_nothing(&c);
    spi_wake_all(&gate);
    turn();
    assert_trace("0 ");
    assert_string_equal(next_frame(&c, 0).data, "two");
    next_frame(&c, FIN);
    expect_text(&c, "published");
    expect_text(&c, "meanwhile");
    client_finish(&c);
    spout_topic_free(topic);
}

static void what_is_held_has_its_bound(void **state)
{
    (void)state;
    client c;
    spout_websocket *ws = connect_client(&c, &doing);
    spout_topic *topic = spout_topic_new();
    spout_topic_join(topic, ws);
    spi_list_init(&gate);
    deed = wait_in_vain;
    send_text(&c, "go");
    char text[401] = "";
    memset(text, 'x', 400);
    for (int i = 0; i < 4; i++)
        assert_int_equal(spout_topic_publish(topic, spout_message_of(text)), 0);
    turn();
    assert_true(spout_websocket_is_closed(ws));
    assert_int_equal(count_in_log("reads too slowly"), 1);
    next_frame(&c, 2);
    expect_close(&c, 1013, "reading too slowly");
    expect_nothing(&c);
    spi_wake_all(&gate);
    turn();
    client_finish(&c);
    spout_topic_free(topic);
}

/* --- receiving --- */

static int note_piece(spout_websocket *ws, spout_message piece, bool is_last)
{
    (void)ws;
    assert_int_equal(piece.data[piece.len], 0);
    note("%s%s%s", piece.binary ? "b:" : "", piece.data, is_last ? "." : "");
    return 0;
}

static int no_message(spout_websocket *ws, spout_message message)
{
    (void)ws, (void)message;
    fail();
    return 0;
}

static int note_ping(spout_websocket *ws, spout_bytes data)
{
    (void)ws;
    note("ping:%s", data.data);
    return 0;
}

static const spout_websocket_handler taking = { .message = no_message,
    .piece = note_piece,
    .ping = note_ping,
    .close = note_close,
    .max_message_size = 100,
    .compression = &by_default };

static void gets_pieces_as_they_come(void **state)
{
    (void)state;
    client c;
    spout_websocket *ws = connect_client(&c, &taking);
    send_text(&c, "whole");
    assert_trace("whole. ");
    send_text(&c, "");
    assert_trace(". ");
    send_frame(&c, 2, "one", 3);
    assert_trace("b:one ");
    send_frame(&c, PING, "p", 1);
    send_frame(&c, 0, "", 0);
    send_frame(&c, 0, "two", 3);
    assert_trace("ping:p b:two ");
    send_frame(&c, FIN, "", 0);
    assert_trace("b:. ");
    spi_buffer all;
    spi_buffer_init(&all, 1000);
    add_frame(&all, 1, "a\xC3", 2);
    add_frame(&all, FIN, "\xA4z", 2);
    add_frame(&all, TEXT, "next", 4);
    for (size_t i = 0; i < spi_buffer_len(&all); i++)
        deliver_bytes(&c, spi_buffer_head(&all) + i, 1);
    spi_buffer_release(&all);
    assert_trace("a \xC3 \xA4 z. n e x t. ");
    turn();
    assert_null(ws->inbox);
    client_finish(&c);
}

static void its_limits_are_those_of_messages(void **state)
{
    (void)state;
    client c;
    connect_client(&c, &taking);
    char text[61] = "";
    memset(text, 'x', 60);
    send_frame(&c, 1, text, 60);
    spi_buffer_clear(&trace);
    send_frame(&c, 0, text, 41);
    expect_close(&c, 1009, "message too big");
    client_finish(&c);
    connect_client(&c, &taking);
    send_frame(&c, 1, "good", 4);
    send_frame(&c, 0, "bad\xFF", 4);
    expect_close(&c, 1007, "a text message that isn't UTF-8");
    client_finish(&c);
    assert_trace("close:0 good close:0 ");
}

static int echo_piece(spout_websocket *ws, spout_message piece, bool is_last)
{
    (void)is_last;
    note("%s", piece.data);
    if (strcmp(piece.data, "wait") == 0)
        spi_wait(&gate, "gate");
    note("done");
    return strcmp(piece.data, "fail") == 0 ? spout_error_set(SPOUT_EFAILED, "played") : 0;
    (void)ws;
}

static void one_piece_after_another(void **state)
{
    (void)state;
    static const spout_websocket_handler slow = { .piece = echo_piece };
    client c;
    connect_client(&c, &slow);
    spi_list_init(&gate);
    send_frame(&c, 1, "wait", 4);
    send_frame(&c, 0, "two", 3);
    send_frame(&c, FIN, "fail", 4);
    turn();
    assert_true(c.paused);
    assert_trace("wait ");
    spi_wake_all(&gate);
    turn();
    assert_trace("done two done fail done ");
    expect_close(&c, 1011, "internal error");
    client_finish(&c);
}

static spout_websocket *connect_packed(client *c, const spout_websocket_handler *handler)
{
    client_init(c);
    spi_field fields[2] = { c->exchange.head.fields[0],
        { "Sec-WebSocket-Extensions", "permessage-deflate", 24, 18 } };
    c->exchange.head.fields = fields;
    c->exchange.head.field_count = 2;
    spout_websocket *ws = spi_websocket_accept(&c->exchange, handler, NULL, NULL, 0, NULL);
    assert_true(spout_websocket_is_compressed(ws));
    c->exchange.head.field_count = 0;
    spi_buffer_clear(&c->got);
    spi_websocket_start(ws, 0);
    turn();
    return ws;
}

static spi_buffer pack(const char *text, size_t len)
{
    spi_buffer out;
    spi_buffer_init(&out, 1 << 20);
    spi_deflater *deflater = spi_deflater_new((spi_deflate_setting){ 6, 8, 15 });
    assert_int_equal(spi_deflater_run(deflater, (spout_bytes){ text, len }, &out), 0);
    spi_deflater_free(deflater);
    return out;
}

static size_t taken_len;

static int count_piece(spout_websocket *ws, spout_message piece, bool is_last)
{
    (void)ws;
    taken_len += piece.len;
    if (is_last)
        note("%zu", taken_len);
    return 0;
}

static void compressed_ones_too(void **state)
{
    (void)state;
    static const spout_websocket_handler counting = {
        .piece = count_piece, .max_message_size = 100 * 1000, .compression = &by_default
    };
    static char text[100 * 1000 + 1];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 26);
    client c;
    for (size_t step = 1; step < 300; step += 59) {
        connect_packed(&c, &counting);
        for (int turn_ = 0; turn_ < 2; turn_++) {
            taken_len = 0;
            spi_buffer packed = pack(text, sizeof text - 1);
            size_t len = spi_buffer_len(&packed);
            for (size_t at = 0; at < len; at += step) {
                size_t part = len - at < step ? len - at : step;
                send_frame(&c, (at ? 0 : 0x41) | (at + part == len ? FIN : 0u),
                    spi_buffer_head(&packed) + at, part);
            }
            spi_buffer_release(&packed);
            assert_trace("100000 ");
        }
        taken_len = 0;
        spi_buffer packed = pack(text, sizeof text);
        send_frame(&c, 0x41 | FIN, spi_buffer_head(&packed), spi_buffer_len(&packed));
        spi_buffer_release(&packed);
        expect_close(&c, 1009, "message too big after decompression");
        assert_trace("");
        client_finish(&c);
    }
}

#define on_loop(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_loop(sends_fragments),
        on_loop(what_is_not_completed_closes),
        on_loop(order_of_calls_is_checked),
        on_loop(others_wait_for_the_end),
        on_loop(what_is_held_has_its_bound),
        on_loop(gets_pieces_as_they_come),
        on_loop(its_limits_are_those_of_messages),
        on_loop(one_piece_after_another),
        on_loop(compressed_ones_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
