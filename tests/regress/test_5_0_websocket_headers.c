/* A WebSocket's handshake that is malformed gets a status, never a connection that just ends, and no
   error of ours. */
#include "kit.h"

#include <spout/websocket.h>

static const spout_websocket_handler socket = { .max_message_size = 100 };
static const spout_route routes[] = { { "/", &(const spout_handler){ .websocket = &socket } },
    { 0 } };

typedef struct shake {
    const char *upgrade, *connection, *version, *key, *extensions;
    int status;
} shake;

static int status_of(const shake *how)
{
    spi_field fields[6] = { kit_field("Host", "a.example") };
    const char *const values[][2] = { { "Upgrade", how->upgrade },
        { "Connection", how->connection }, { "Sec-WebSocket-Version", how->version },
        { "Sec-WebSocket-Key", how->key }, { "Sec-WebSocket-Extensions", how->extensions } };
    size_t count = 1;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (values[i][1])
            fields[count++] = kit_field(values[i][0], values[i][1]);
    }
    return kit_send(&(spi_memory_request){ .fields = fields, .field_count = count })->status;
}

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static void each_mistake_has_its_status(void **state)
{
    (void)state;
    static const shake shakes[] = {
        { "websocket", "upgrade", "13", KEY, NULL, 101 },
        { NULL, "upgrade", "13", KEY, NULL, 400 },
        { "h2c", "upgrade", "13", KEY, NULL, 400 },
        { "websocket", NULL, "13", KEY, NULL, 400 },
        { "websocket", "close", "13", KEY, NULL, 400 },
        { "websocket", "upgrade", NULL, KEY, NULL, 426 },
        { "websocket", "upgrade", "thirteen", KEY, NULL, 426 },
        { "websocket", "upgrade", "13", NULL, NULL, 400 },
        { "websocket", "upgrade", "13", "", NULL, 400 },
        { "websocket", "upgrade", "13", "short", NULL, 400 },
        { "websocket", "upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ!!", NULL, 400 },
        { "websocket", "upgrade", "13", KEY, "permessage-deflate; x=\"", 101 },
        { "websocket", "upgrade", "13", KEY, ";;,=,permessage-deflate;client_max_window_bits=99",
            101 },
    };
    for (size_t i = 0; i < sizeof shakes / sizeof shakes[0]; i++) {
        kit_start(routes, NULL);
        if (status_of(&shakes[i]) != shakes[i].status)
            fail_msg("shake %zu: not %d", i, shakes[i].status);
        kit_stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_mistake_has_its_status) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
