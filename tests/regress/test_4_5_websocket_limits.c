/* A message has a limit, 10 MiB unless said otherwise: before, in fragments, and (5.1) after it was
   inflated. Beyond it the socket ends with 1009. */
#include "tunnel.h"

#include <spout/websocket.h>

#include "http/websocket_deflate.h"

enum { MIB = 1 << 20, LIMIT = 10 * MIB, RSV1 = 0x40 };

static int count(spout_websocket *ws, spout_message message)
{
    (void)ws;
    note("%zu", message.len);
    return 0;
}

static const spout_websocket_handler by_default = { .message = count };
static const spout_websocket_handler packing = { .message = count,
    .compression = &(const spout_websocket_compression){ .min_size = SPOUT_NONE } };

/* The last message wasn't delivered, and the socket ends with 1009. */
static void expect_too_big(client *c)
{
    const char *payload = next_frame(c, CLOSE).data;
    assert_memory_equal(payload, "\x03\xF1", 2);
    assert_trace("");
}

static void the_limit_is_ten_mib(void **state)
{
    (void)state;
    client c;
    char *data = spi_calloc(LIMIT + 1);
    connect_client(&c, &by_default);
    send_frame(&c, BINARY, data, LIMIT);
    turn();
    assert_trace("10485760 ");
    send_frame(&c, BINARY, data, LIMIT + 1);
    turn();
    expect_too_big(&c);
    client_finish(&c);
    spi_free(data);
}

static void fragments_count_together(void **state)
{
    (void)state;
    client c;
    char *data = spi_calloc(LIMIT / 2 + 1);
    connect_client(&c, &by_default);
    send_frame(&c, 2, data, LIMIT / 2);
    send_frame(&c, FIN, data, LIMIT / 2 + 1);
    turn();
    expect_too_big(&c);
    client_finish(&c);
    spi_free(data);
}

/* 11 MiB in a few KiB. */
static void a_bomb_is_defused(void **state)
{
    (void)state;
    client c;
    client_init(&c);
    spi_field fields[2] = { c.exchange.head.fields[0],
        { "Sec-WebSocket-Extensions", "permessage-deflate", 24, 18 } };
    c.exchange.head.fields = fields;
    c.exchange.head.field_count = 2;
    spout_websocket *ws = spi_websocket_accept(&c.exchange, &packing, NULL, NULL, 0, NULL);
    assert_non_null(ws);
    assert_true(spout_websocket_is_compressed(ws));
    c.exchange.head.field_count = 0;
    spi_buffer_clear(&c.got);
    spi_websocket_start(ws, 0);
    turn();
    char *data = spi_calloc(LIMIT + MIB);
    spi_buffer packed;
    spi_buffer_init(&packed, MIB);
    spi_deflater *deflater = spi_deflater_new((spi_deflate_setting){ 6, 8, 15 });
    assert_int_equal(spi_deflater_run(deflater, (spout_bytes){ data, LIMIT + MIB }, &packed), 0);
    spi_deflater_free(deflater);
    assert_true(spi_buffer_len(&packed) < 64 * 1024);
    send_frame(&c, BINARY | RSV1, spi_buffer_head(&packed), spi_buffer_len(&packed));
    turn();
    expect_too_big(&c);
    client_finish(&c);
    spi_buffer_release(&packed);
    spi_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_limit_is_ten_mib, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fragments_count_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bomb_is_defused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
