#include "tunnel.h"

static spi_request_head parsed;
static spi_arena *arena;

static int make_arena(void **state)
{
    (void)state;
    arena = spi_arena_new(0);
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    spi_arena_free(arena);
    return 0;
}

static const spi_request_head *head_of(const char *fields, int minor_version)
{
    const spi_head_limits limits = { 8192, 65536, 100 };
    char *text = spi_arena_format(
        arena, "GET /ws HTTP/1.%d\r\nHost: example.com\r\n%s\r\n", minor_version, fields);
    assert_int_equal(spi_request_head_parse(arena, text, strlen(text), &limits, &parsed), 0);
    return &parsed;
}

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static void check(const char *fields, int before, int after)
{
    const char *text = "untouched";
    const spi_request_head *head = head_of(fields, 1);
    assert_int_equal(spi_websocket_check_request(head, false, &text), before);
    assert_int_equal(strcmp(text, "untouched") != 0, before != 0);
    text = "untouched";
    assert_int_equal(spi_websocket_check_request(head, true, &text), after);
    assert_int_equal(strcmp(text, "untouched") != 0, after != 0);
}

static void accepts_what_browsers_send(void **state)
{
    (void)state;
    check(UPGRADE VERSION KEY, 0, 0);
    check("Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n" VERSION KEY, 0, 0);
    check(
        "Upgrade: h2c, websocket\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n" VERSION KEY,
        0, 0);
}

static void refuses_what_is_no_upgrade(void **state)
{
    (void)state;
    check(VERSION KEY, 400, 0);
    check("Upgrade: websockets\r\nConnection: Upgrade\r\n" VERSION KEY, 400, 0);
    check("Upgrade: websocket\r\n" VERSION KEY, 400, 0);
    check("Upgrade: websocket\r\nConnection: close\r\n" VERSION KEY, 400, 0);
    const char *text;
    assert_int_equal(spi_websocket_check_request(head_of(KEY, 1), false, &text), 400);
    assert_string_equal(text, "Can \"Upgrade\" only to \"WebSocket\".");
    assert_int_equal(
        spi_websocket_check_request(head_of("Upgrade: websocket\r\n", 1), false, &text), 400);
    assert_string_equal(text, "\"Connection\" must be \"Upgrade\".");
}

static void refuses_other_versions_before_keys(void **state)
{
    (void)state;
    check(UPGRADE KEY, 0, 426);
    check(UPGRADE "Sec-WebSocket-Version: 8\r\n" KEY, 0, 426);
    check(UPGRADE "Sec-WebSocket-Version: 14\r\n" KEY, 0, 426);
    check(UPGRADE "Sec-WebSocket-Version: 13, 8\r\n" KEY, 0, 426);
    check(UPGRADE VERSION VERSION KEY, 0, 426);
    check(UPGRADE "Sec-WebSocket-Version: 12\r\n", 0, 426);
    assert_string_equal(SPI_WEBSOCKET_VERSION, "13");
}

static void refuses_keys_that_are_not_16_bytes(void **state)
{
    (void)state;
    check(UPGRADE VERSION, 0, 400);
    check(UPGRADE VERSION "Sec-WebSocket-Key:\r\n", 0, 400);
    check(UPGRADE VERSION "Sec-WebSocket-Key: x\r\n", 0, 400);
    check(UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n", 0, 400);
    check(UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n", 0, 400);
    check(UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWVl\r\n", 0, 400);
    check(UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWU=\r\n", 0, 400);
    check(UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\n", 0, 400);
    check(UPGRADE VERSION KEY KEY, 0, 400);
    const char *text;
    assert_int_equal(spi_websocket_check_request(head_of(UPGRADE VERSION, 1), true, &text), 400);
    assert_string_equal(text, "Missing/Invalid WebSocket headers");
}

static void refuses_http_1_0(void **state)
{
    (void)state;
    const char *text;
    assert_int_equal(
        spi_websocket_check_request(head_of(UPGRADE VERSION KEY, 0), true, &text), 400);
}

static void merges_protocol_fields(void **state)
{
    (void)state;
    const char *const *offered;
    size_t count = spi_websocket_offered_protocols(arena,
        head_of("Sec-WebSocket-Protocol: chat.v2 ,, chat\r\nX: y\r\nsec-websocket-protocol: b@d, "
                "json\r\n",
            1),
        &offered);
    assert_int_equal(count, 3);
    assert_string_equal(offered[0], "chat.v2");
    assert_string_equal(offered[1], "chat");
    assert_string_equal(offered[2], "json");
    assert_null(offered[3]);
    assert_int_equal(spi_websocket_offered_protocols(arena, head_of("", 1), &offered), 0);
    assert_null(offered[0]);
    assert_int_equal(
        spi_websocket_offered_protocols(arena, head_of("Sec-WebSocket-Protocol:\r\n", 1), &offered),
        0);
}

static void compares_origins(void **state)
{
    (void)state;
    assert_true(spi_websocket_is_same_origin("http://example.com", "example.com", "http"));
    assert_true(spi_websocket_is_same_origin("http://EXAMPLE.com", "example.COM", "http"));
    assert_true(
        spi_websocket_is_same_origin("http://example.com:8888", "example.com:8888", "http"));
    assert_true(spi_websocket_is_same_origin("http://example.com:80", "example.com", "http"));
    assert_true(spi_websocket_is_same_origin("https://example.com", "example.com:443", "https"));
    assert_true(spi_websocket_is_same_origin("http://[::1]:80", "[::1]", "http"));
    /* Behind a proxy that ends TLS. */
    assert_true(spi_websocket_is_same_origin("https://example.com", "example.com", "http"));

    assert_false(spi_websocket_is_same_origin("http://example.com:443", "example.com", "http"));
    assert_false(spi_websocket_is_same_origin("https://example.com:80", "example.com", "https"));
    assert_false(spi_websocket_is_same_origin("http://example.com:8080", "example.com", "http"));
    assert_false(spi_websocket_is_same_origin("http://example.com", "example.com:8080", "http"));
    assert_false(spi_websocket_is_same_origin("http://evil-example.com", "example.com", "http"));
    assert_false(
        spi_websocket_is_same_origin("http://example.com.evil.com", "example.com", "http"));
    assert_false(spi_websocket_is_same_origin("http://example.com/", "example.com", "http"));
    assert_false(
        spi_websocket_is_same_origin("http://example.com@evil.com", "example.com", "http"));
    assert_false(spi_websocket_is_same_origin("null", "example.com", "http"));
    assert_false(spi_websocket_is_same_origin("", "", "http"));
    assert_false(spi_websocket_is_same_origin("http://", "", "http"));
    assert_false(spi_websocket_is_same_origin("http://:80", ":80", "http"));
    assert_false(spi_websocket_is_same_origin("://example.com", "example.com", "http"));
}

static const spout_websocket_handler plain;

static void answers_with_the_accept_value(void **state)
{
    (void)state;
    client c;
    client_init(&c);
    const spi_field fields[] = { { "Server", "Waterspout", 6, 10 },
        { "Set-Cookie", "a=b", 10, 3 } };
    spout_websocket *ws = spi_websocket_accept(&c.exchange, &plain, "chat", fields, 2, NULL);
    assert_non_null(ws);
    assert_string_equal(spi_buffer_text(&c.got),
        "Server: Waterspout\nSet-Cookie: a=b\n"
        "Sec-WebSocket-Protocol: chat\nUpgrade: websocket\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n");
    assert_string_equal(spout_websocket_subprotocol(ws), "chat");
    assert_true(c.paused);
    spi_websocket_start(ws, 0);
    client_finish(&c);
}

static void needs_an_exchange_that_upgrades(void **state)
{
    (void)state;
    client c;
    client_init(&c);
    c.no_upgrade = true;
    assert_null(spi_websocket_accept(&c.exchange, &plain, NULL, NULL, 0, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EUNSUPPORTED);
    client_finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(accepts_what_browsers_send, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_upgrade, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(refuses_other_versions_before_keys, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(refuses_keys_that_are_not_16_bytes, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(refuses_http_1_0, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(merges_protocol_fields, make_arena, free_arena),
        cmocka_unit_test(compares_origins),
        cmocka_unit_test_setup_teardown(answers_with_the_accept_value, set_up, tear_down),
        cmocka_unit_test_setup_teardown(needs_an_exchange_that_upgrades, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
