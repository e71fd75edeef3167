/* Compressed messages on a socket: what comes in, what goes out, and what is shared. */
#include "tunnel.h"

enum { RSV1 = 0x40, PACKED_TEXT = TEXT | RSV1, PACKED_BINARY = BINARY | RSV1 };

static const spout_websocket_compression by_default = { .min_size = SPOUT_NONE };
static const spout_websocket_compression with_takeover = { .min_size = SPOUT_NONE,
    .takeover = true };

static int echo(spout_websocket *ws, spout_message message)
{
    return spout_websocket_write(ws, message);
}

static int count_bytes(spout_websocket *ws, spout_message message)
{
    (void)ws;
    note("%zu", message.len);
    return 0;
}

static const spout_websocket_handler echoing = { .message = echo, .compression = &by_default };
static const spout_websocket_handler remembering = { .message = echo,
    .compression = &with_takeover };

static spout_websocket *connect_offering(
    client *c, const spout_websocket_handler *handler, const char *offer, const char *answer)
{
    client_init(c);
    spi_field fields[2] = { c->exchange.head.fields[0],
        { "Sec-WebSocket-Extensions", offer, 24, (uint32_t)strlen(offer) } };
    c->exchange.head.fields = fields;
    c->exchange.head.field_count = 2;
    spout_websocket *ws = spi_websocket_accept(&c->exchange, handler, NULL, NULL, 0, NULL);
    assert_non_null(ws);
    c->exchange.head.field_count = 0;
    const char *line = strstr(spi_buffer_text(&c->got), "Sec-WebSocket-Extensions: ");
    assert_int_equal(line != NULL, answer != NULL);
    assert_int_equal(spout_websocket_is_compressed(ws), answer != NULL);
    if (answer)
        assert_memory_equal(line + 26, answer, strlen(answer));
    spi_buffer_clear(&c->got);
    spi_websocket_start(ws, 0);
    turn();
    return ws;
}

static spout_websocket *connect_packed(client *c, const spout_websocket_handler *handler)
{
    return connect_offering(
        c, handler, "permessage-deflate; client_max_window_bits", "permessage-deflate");
}

/* The next frame, decompressed by `inflater`, or by one of its own. */
static void expect_packed(client *c, spi_inflater *inflater, const char *text)
{
    spout_bytes payload = next_frame(c, PACKED_TEXT);
    spi_inflater *one = inflater ? inflater : spi_inflater_new();
    spi_buffer out;
    spi_buffer_init(&out, 1 << 20);
    assert_int_equal(spi_inflater_feed(one, payload, &out), 0);
    assert_int_equal(spi_inflater_end(one, &out), 0);
    assert_string_equal(spi_buffer_text(&out), text);
    spi_buffer_release(&out);
    if (!inflater)
        spi_inflater_free(one);
}

static spi_buffer pack(const char *data, size_t len)
{
    spi_buffer out;
    spi_buffer_init(&out, 64 << 20);
    spi_deflater *deflater = spi_deflater_new((spi_deflate_setting){ 6, 8, 15 });
    assert_int_equal(spi_deflater_run(deflater, (spout_bytes){ data, len }, &out), 0);
    spi_deflater_free(deflater);
    return out;
}

static void send_packed(client *c, unsigned first, const char *data, size_t len)
{
    spi_buffer out = pack(data, len);
    send_frame(c, first, spi_buffer_head(&out), spi_buffer_len(&out));
    spi_buffer_release(&out);
}

#define AAAA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BBBB "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static int note_message(spout_websocket *ws, spout_message message)
{
    (void)ws;
    note("%c%zu:%.5s", message.binary ? 'b' : 't', message.len, message.data);
    return 0;
}

static void add_packed(spi_buffer *stream, unsigned first, const char *data, size_t len)
{
    spi_buffer packed = pack(data, len);
    size_t half = spi_buffer_len(&packed) / 2;
    add_frame(stream, first | RSV1, spi_buffer_head(&packed), half);
    add_frame(stream, PING, "p", 1);
    add_frame(stream, FIN, spi_buffer_head(&packed) + half, spi_buffer_len(&packed) - half);
    spi_buffer_release(&packed);
}

/* A compressed stream that is cut anywhere means the same. */
static void doesnt_mind_where_it_is_cut(void **state)
{
    (void)state;
    static const spout_websocket_handler noting = { .message = note_message,
        .compression = &by_default };
    static const char expected[] = "t73:aaaaa b73:bbbbb t5:plain ";
    spi_buffer stream;
    spi_buffer_init(&stream, 4096);
    add_packed(&stream, 1, AAAA, strlen(AAAA));
    add_packed(&stream, 2, BBBB, strlen(BBBB));
    add_frame(&stream, TEXT, "plain", 5);
    size_t len = spi_buffer_len(&stream);
    client c;
    connect_packed(&c, &noting);
    for (size_t cut = 0; cut <= len; cut++) {
        deliver_bytes(&c, spi_buffer_head(&stream), cut);
        deliver_bytes(&c, spi_buffer_head(&stream) + cut, len - cut);
        assert_trace(expected);
    }
    for (size_t i = 0; i < len; i++)
        deliver_bytes(&c, spi_buffer_head(&stream) + i, 1);
    assert_trace(expected);
    spi_buffer_release(&stream);
    client_finish(&c);
}

static void is_agreed_or_not(void **state)
{
    (void)state;
    client c;
    static const spout_websocket_handler plain = { .message = echo };
    connect_offering(&c, &plain, "permessage-deflate", NULL);
    send_packed(&c, PACKED_TEXT, "Hello", 5);
    expect_close(&c, 1002, "RSV1 on a frame that can't be compressed");
    client_finish(&c);
    connect_offering(&c, &echoing, "permessage-deflate; server_max_window_bits=8", NULL);
    client_finish(&c);
    connect_offering(&c, &echoing, "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover\n");
    client_finish(&c);
    connect_offering(&c, &remembering, "permessage-deflate; server_max_window_bits=9",
        "permessage-deflate; server_max_window_bits=9\n");
    client_finish(&c);
}

static void echoes_without_context(void **state)
{
    (void)state;
    client c;
    spout_websocket *ws = connect_packed(&c, &echoing);
    for (int i = 0; i < 3; i++) {
        send_packed(&c, PACKED_TEXT, AAAA, sizeof AAAA - 1);
        expect_packed(&c, NULL, AAAA);
        /* What does not shrink goes as it is; and so may the client's. */
        send_text(&c, "q");
        expect_text(&c, "q");
        send_frame(&c, TEXT, "", 0);
        expect_text(&c, "");
    }
    assert_null(ws->inbox);
    assert_null(ws->extra->deflater);
    assert_null(ws->extra->inflater);
    client_finish(&c);
}

static void echoes_with_context(void **state)
{
    (void)state;
    client c;
    connect_packed(&c, &remembering);
    spi_deflater *deflater = spi_deflater_new((spi_deflate_setting){ 6, 8, 15 });
    spi_inflater *inflater = spi_inflater_new();
    spi_buffer out;
    spi_buffer_init(&out, 1 << 20);
    static const char text[] = "a text without much repetition: 0123456789";
    size_t lengths[3];
    for (int i = 0; i < 3; i++) {
        spi_buffer_clear(&out);
        assert_int_equal(spi_deflater_run(deflater, spout_bytes_of(text), &out), 0);
        send_frame(&c, PACKED_TEXT, spi_buffer_head(&out), spi_buffer_len(&out));
        lengths[i] = spi_buffer_len(&c.got);
        expect_packed(&c, inflater, text);
    }
    assert_true(lengths[1] < lengths[0] / 2);
    assert_true(lengths[2] < lengths[0] / 2);
    spi_buffer_release(&out);
    spi_deflater_free(deflater);
    spi_inflater_free(inflater);
    client_finish(&c);
}

static void takes_fragments_with_pings_between(void **state)
{
    (void)state;
    client one, two;
    connect_packed(&one, &echoing);
    connect_packed(&two, &echoing);
    spi_buffer out = pack(AAAA BBBB, sizeof AAAA + sizeof BBBB - 2);
    const char *head = spi_buffer_head(&out);
    size_t len = spi_buffer_len(&out);
    send_frame(&one, RSV1 | 1, head, 3);
    send_frame(&two, RSV1 | 1, head, 1);
    send_frame(&one, PING, "x", 1);
    assert_string_equal(next_frame(&one, PONG).data, "x");
    for (size_t i = 3; i < len; i++)
        send_frame(&one, 0, head + i, 1);
    send_frame(&two, FIN, head + 1, len - 1);
    send_frame(&one, FIN, "", 0);
    expect_packed(&one, NULL, AAAA BBBB);
    expect_packed(&two, NULL, AAAA BBBB);
    send_frame(&one, RSV1 | 1, head, 3);
    send_frame(&one, FIN | RSV1, head, 3); /* only the first fragment says it */
    expect_close(&one, 1002, "RSV1 on a frame that can't be compressed");
    send_frame(&two, PING | RSV1, "", 0);
    expect_close(&two, 1002, "RSV1 on a frame that can't be compressed");
    spi_buffer_release(&out);
    client_finish(&one);
    client_finish(&two);
}

static void fails_on_bad_data(void **state)
{
    (void)state;
    client c;
    connect_packed(&c, &echoing);
    send_frame(&c, PACKED_BINARY, "\xff\xff", 2);
    expect_close(&c, 1007, "invalid compressed data");
    client_finish(&c);
    connect_packed(&c, &echoing);
    send_frame(&c, PACKED_BINARY, "\xf2\x48\xcd\xc9", 4);
    expect_close(&c, 1007, "invalid compressed data");
    client_finish(&c);
    connect_packed(&c, &echoing); /* the loop's decompressor is none the worse for it */
    send_packed(&c, PACKED_TEXT, AAAA, sizeof AAAA - 1);
    expect_packed(&c, NULL, AAAA);
    client_finish(&c);
}

static void checks_texts_as_they_come(void **state)
{
    (void)state;
    client c;
    connect_packed(&c, &echoing);
    spi_buffer out = pack("gr\xc3\xbc\xc3\x9f", 6);
    for (size_t i = 0; i < spi_buffer_len(&out); i++)
        send_frame(&c, i == 0 ? RSV1 | 1 : 0, spi_buffer_head(&out) + i, 1);
    send_frame(&c, FIN, "", 0);
    expect_text(&c, "gr\xc3\xbc\xc3\x9f");
    spi_buffer_release(&out);
    send_frame(&c, RSV1 | 1, "\x00\x02\x00\xfd\xff\xc3\x28", 7); /* and no end of it */
    expect_close(&c, 1007, "a text message that isn't UTF-8");
    client_finish(&c);
    connect_packed(&c, &echoing);
    send_packed(&c, PACKED_TEXT, "half \xc3", 6);
    expect_close(&c, 1007, "a text message that isn't UTF-8");
    client_finish(&c);
    connect_packed(&c, &echoing);
    send_packed(&c, PACKED_BINARY, "half \xc3", 6);
    assert_true(spi_buffer_len(&c.got) > 0);
    client_finish(&c);
}

static void stops_bombs(void **state)
{
    (void)state;
    static const spout_websocket_handler small = {
        .message = count_bytes, .compression = &by_default, .max_message_size = 1000
    };
    enum { BOMB = 4 << 20 };
    char *zeros = spi_calloc(BOMB);
    client c;
    connect_packed(&c, &small);
    send_packed(&c, PACKED_BINARY, zeros, 1000);
    assert_trace("1000 ");
    send_packed(&c, PACKED_BINARY, zeros, 1001);
    expect_close(&c, 1009, "message too big after decompression");
    client_finish(&c);
    connect_packed(&c, &small);
    spi_buffer bomb = pack(zeros, BOMB);
    send_frame(&c, RSV1 | 2, spi_buffer_head(&bomb), 1000);
    expect_close(&c, 1009, "message too big after decompression");
    client_finish(&c);
    connect_packed(&c, &small);
    send_frame(&c, RSV1 | 2, spi_buffer_head(&bomb), spi_buffer_len(&bomb));
    expect_close(&c, 1009, "message too big");
    client_finish(&c);
    assert_trace("");
    spi_buffer_release(&bomb);
    spi_free(zeros);
}

static void takes_what_grew_by_being_compressed(void **state)
{
    (void)state;
    static const spout_websocket_handler small = {
        .message = count_bytes, .compression = &by_default, .max_message_size = 5
    };
    client c;
    connect_packed(&c, &small);
    send_frame(&c, PACKED_TEXT, "\x00\x05\x00\xfa\xffHello\x00", 11);
    assert_trace("5 ");
    send_text(&c, "Hello!");
    expect_close(&c, 1009, "message too big");
    client_finish(&c);
}

static void leaves_small_messages_alone(void **state)
{
    (void)state;
    static const spout_websocket_compression usual = { .level = 1 };
    static const spout_websocket_handler handler = { .compression = &usual };
    client c;
    char text[65] = { 0 };
    memset(text, 'x', 64);
    spout_websocket *ws = connect_packed(&c, &handler);
    assert_int_equal(spout_websocket_write_text(ws, text + 1), 0);
    expect_text(&c, text + 1);
    assert_int_equal(spout_websocket_write_text(ws, text), 0);
    expect_packed(&c, NULL, text);
    client_finish(&c);
}

static void publishes_one_frame_for_each_setting(void **state)
{
    (void)state;
    static const spout_websocket_handler plain = { .message = NULL };
    client none, packed, narrow, keeping;
    spout_topic *topic = spout_topic_new();
    spout_topic_join(topic, connect_client(&none, &plain));
    spout_topic_join(topic, connect_packed(&packed, &echoing));
    spout_topic_join(
        topic, connect_offering(&narrow, &echoing, "permessage-deflate; server_max_window_bits=10",
                   "permessage-deflate"));
    spout_websocket *ws = connect_packed(&keeping, &remembering);
    spout_topic_join(topic, ws);
    spi_inflater *inflater = spi_inflater_new();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(spout_topic_publish(topic, spout_message_of(AAAA)), 0);
        expect_text(&none, AAAA);
        expect_packed(&packed, NULL, AAAA);
        expect_packed(&narrow, NULL, AAAA);
        expect_packed(&keeping, inflater, AAAA);
        /* Its own context stays right. */
        assert_int_equal(spout_websocket_write_text(ws, AAAA BBBB), 0);
        expect_packed(&keeping, inflater, AAAA BBBB);
        assert_int_equal(spout_topic_publish(topic, spout_message_of("~")), 0);
        expect_text(&packed, "~");
        expect_text(&none, "~");
        expect_text(&narrow, "~");
        expect_text(&keeping, "~");
        assert_int_equal(spout_websocket_write_text(ws, BBBB), 0);
        expect_packed(&keeping, inflater, BBBB);
    }
    assert_int_equal(packed.blobs, 6);
    spi_inflater_free(inflater);
    client_finish(&none);
    client_finish(&packed);
    client_finish(&narrow);
    client_finish(&keeping);
    spout_topic_free(topic);
}

static void forgets_what_was_not_sent(void **state)
{
    (void)state;
    client c;
    spout_websocket *ws = connect_packed(&c, &remembering);
    spi_inflater *inflater = spi_inflater_new();
    assert_int_equal(spout_websocket_write_text(ws, AAAA), 0);
    expect_packed(&c, inflater, AAAA);
    c.full = true;
    assert_int_equal(spout_websocket_write_text(ws, BBBB), SPOUT_ELIMIT);
    c.full = false;
    assert_int_equal(spout_websocket_write_text(ws, BBBB), 0);
    expect_packed(&c, inflater, BBBB);
    spi_inflater_free(inflater);
    client_finish(&c);
}

int main(void)
{
#define with_loop(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        with_loop(is_agreed_or_not),
        with_loop(doesnt_mind_where_it_is_cut),
        with_loop(echoes_without_context),
        with_loop(echoes_with_context),
        with_loop(takes_fragments_with_pings_between),
        with_loop(fails_on_bad_data),
        with_loop(checks_texts_as_they_come),
        with_loop(stops_bombs),
        with_loop(takes_what_grew_by_being_compressed),
        with_loop(leaves_small_messages_alone),
        with_loop(publishes_one_frame_for_each_setting),
        with_loop(forgets_what_was_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
