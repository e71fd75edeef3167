/* Compressed messages where there is no memory for zlib: what can't be compressed goes as it is,
   what can't be inflated ends the connection with 1011. */
#include "memory_walk.h"

#include "tunnel.h"

#include <spout/topic.h>

enum { RSV1 = 0x40, MESSAGES = 3, LEN = 3000 };

static char text[LEN + 1];
static spi_buffer packed;
static bool takeover, published;
static spout_topic *topic;

static int echo(spout_websocket *ws, spout_message message)
{
    return published ? spout_topic_publish(topic, message) : spout_websocket_write(ws, message);
}

static const spout_websocket_compression by_default = { .min_size = SPOUT_NONE };
static const spout_websocket_compression with_takeover = { .min_size = SPOUT_NONE,
    .takeover = true };
static const spout_websocket_handler echoing = { .message = echo, .compression = &by_default };
static const spout_websocket_handler remembering = { .message = echo,
    .compression = &with_takeover };

static void connect_packed(client *c)
{
    static const char offer[] = "permessage-deflate";
    client_init(c);
    spi_field fields[2] = { c->exchange.head.fields[0],
        { "Sec-WebSocket-Extensions", offer, 24, sizeof offer - 1 } };
    c->exchange.head.fields = fields;
    c->exchange.head.field_count = 2;
    spout_websocket *ws = spi_websocket_accept(
        &c->exchange, takeover ? &remembering : &echoing, NULL, NULL, 0, NULL);
    assert_non_null(ws);
    c->exchange.head.field_count = 0;
    spi_buffer_clear(&c->got);
    spi_websocket_start(ws, 0);
    turn();
    if (published)
        assert_int_equal(spout_topic_join(topic, ws), 0);
}

/* The client's side always has memory. */
static struct {
    int asked, fatal_request;
} halted;

static void halt_walk(void)
{
    halted.asked = asked;
    halted.fatal_request = fatal_request;
    fatal_request = 0;
}

static void go_on_walking(void)
{
    asked = halted.asked;
    fatal_request = halted.fatal_request;
}

static void expect_same(spi_inflater *inflater, spout_bytes payload)
{
    spi_buffer out;
    spi_buffer_init(&out, 1 << 20);
    halt_walk();
    assert_int_equal(spi_inflater_feed(inflater, payload, &out), 0);
    assert_int_equal(spi_inflater_end(inflater, &out), 0);
    go_on_walking();
    assert_string_equal(spi_buffer_text(&out), text);
    spi_buffer_release(&out);
}

/* True if it was compressed. */
static bool expect_answer(client *c, spi_inflater *inflater)
{
    bool is_packed = spi_buffer_head(&c->got)[0] & RSV1;
    if (is_packed)
        expect_same(inflater, next_frame(c, TEXT | RSV1));
    else
        expect_text(c, text);
    return is_packed;
}

/* One message after the other, until the connection is given up. */
static bool exchange_messages(client *c, spi_inflater *inflater)
{
    bool good = true;
    for (int i = 0; i < MESSAGES; i++) {
        send_frame(c, TEXT | RSV1, spi_buffer_head(&packed), spi_buffer_len(&packed));
        turn();
        assert_true(spi_buffer_len(&c->got) > 0);
        if ((unsigned char)spi_buffer_head(&c->got)[0] == CLOSE) {
            expect_close(c, 1011, "no memory to decompress a message");
            assert_int_equal(count_in_log("no memory to decompress a message"), 1);
            return false;
        }
        good = expect_answer(c, inflater) && good;
    }
    return good;
}

static bool converse(void)
{
    client c;
    halt_walk();
    spi_inflater *inflater = spi_inflater_new();
    go_on_walking();
    assert_int_equal(set_up(NULL), 0);
    topic = spout_topic_new();
    spout_scope *scope = spout_scope_push();
    connect_packed(&c);
    bool good = exchange_messages(&c, inflater);
    client_finish(&c);
    spout_scope_pop(scope);
    spout_topic_free(topic);
    tear_down(NULL);
    spi_inflater_free(inflater);
    return good;
}

static void walk_with(bool with_memory, bool to_a_topic)
{
    int failed;
    takeover = with_memory;
    published = to_a_topic;
    int count = walk(converse, &failed);
    assert_true(count >= 7); /* two for inflating, five for deflating */
    assert_int_equal(failed, count);
}

static void without_takeover(void **state)
{
    (void)state;
    walk_with(false, false);
}

static void with_takeover_of_contexts(void **state)
{
    (void)state;
    walk_with(true, false);
}

static void published_messages(void **state)
{
    (void)state;
    walk_with(false, true);
    walk_with(true, true);
}

static int pack_text(void **state)
{
    if (count_blocks(state) < 0)
        return -1;
    for (int i = 0; i < LEN; i++)
        text[i] = "Hello, water! "[i % 14];
    spi_buffer_init(&packed, 1 << 20);
    spi_deflater *deflater = spi_deflater_new((spi_deflate_setting){ 6, 8, 15 });
    int result = spi_deflater_run(deflater, (spout_bytes){ text, LEN }, &packed);
    spi_deflater_free(deflater);
    return result;
}

static int drop_text(void **state)
{
    (void)state;
    spi_buffer_release(&packed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_takeover),
        cmocka_unit_test(with_takeover_of_contexts),
        cmocka_unit_test(published_messages),
    };
    return cmocka_run_group_tests(tests, pack_text, drop_text);
}
