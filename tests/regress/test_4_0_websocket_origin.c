/* Cross-site WebSocket hijacking: a foreign Origin is refused unless the handler says otherwise. */
#include "kit.h"

#include <spout/websocket.h>

#include <stdio.h>
#include <string.h>

static int opened;

static int on_open(spout_websocket *ws)
{
    (void)ws;
    opened++;
    return 0;
}

static const spout_websocket_handler socket = { .open = on_open };
static const spout_route routes[] = {
    { "/ws", &(const spout_handler){ .websocket = &socket } },
    { 0 },
};

static int shake(const char *host, const char *origin)
{
    const spi_field fields[] = {
        kit_field("Host", host),
        kit_field("Upgrade", "websocket"),
        kit_field("Connection", "Upgrade"),
        kit_field("Sec-WebSocket-Version", "13"),
        kit_field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        kit_field("Origin", origin),
    };
    return kit_send(&(spi_memory_request){ .target = "/ws", .fields = fields, .field_count = 6 })
        ->status;
}

static void foreign_origins_are_refused(void **state)
{
    (void)state;
    static const char *const origins[] = { "http://evil.example",
        "https://example.com.evil.example", "null", "http://example.com:8080",
        "http://evilexample.com", "example.com", "http://", "" };
    kit_start(routes, NULL);
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++)
        assert_int_equal(shake("example.com", origins[i]), 403);
    assert_int_equal(opened, 0);
    assert_int_equal(shake("Example.com:8888", "http://example.COM:8888"), 101);
    assert_int_equal(opened, 1);
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_origins_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
