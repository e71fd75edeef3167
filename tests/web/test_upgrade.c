/* The WebSocket handshake of a handler. What happens on the socket afterwards is tested with it. */
#include "kit.h"

#include <spout/websocket.h>

#include <string.h>

static char trace[256];

static void note(const char *what)
{
    strncat(trace, what, sizeof trace - strlen(trace) - 1);
}

static int on_open(spout_websocket *ws)
{
    spout_request *r = spout_websocket_request(ws);
    assert_non_null(r);
    note(spout_argument(r, "who", "nobody"));
    note(" ");
    if (spout_sleep(5) < 0)
        return -1;
    note(spout_websocket_subprotocol(ws) ? spout_websocket_subprotocol(ws) : "none");
    return spout_argument(r, "fail", NULL) ? spout_error_set(SPOUT_EFAILED, "no room") : 0;
}

static int on_finish(spout_request *r)
{
    (void)r;
    note(" finish");
    return 0;
}

static const char *choose(spout_request *r, const char *const *offered, size_t count)
{
    (void)r;
    return count > 1 ? offered[1] : "not offered";
}

static bool any_origin(spout_request *r, const char *origin)
{
    (void)r;
    return strcmp(origin, "https://evil.example") != 0;
}

static int plain_get(spout_request *r)
{
    return spout_write(r, "a page");
}

static int no_entry(spout_request *r)
{
    return spout_fail(r, 401, "who are you");
}

static const spout_websocket_handler socket = { .open = on_open, .select_subprotocol = choose };
static const spout_websocket_handler open_socket = { .open = on_open, .check_origin = any_origin };
static const spout_handler chat = { .websocket = &socket, .on_finish = on_finish, .name = "chat" };
static const spout_handler open_chat = { .websocket = &open_socket };
static const spout_handler both = { .websocket = &socket, .get = plain_get };
static const spout_handler guarded = { .websocket = &socket, .prepare = no_entry };

static const spout_route routes[] = {
    { "/chat", &chat },
    { "/open", &open_chat },
    { "/both", &both },
    { "/guarded", &guarded },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    trace[0] = '\0';
    kit_start(routes, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

typedef struct shake {
    const char *target, *version, *key, *origin, *protocols;
} shake;

static const spi_memory_reply *handshake(shake how)
{
    spi_field fields[8];
    size_t count = 0;
    fields[count++] = kit_field("Host", "example.com");
    fields[count++] = kit_field("Upgrade", "websocket");
    fields[count++] = kit_field("Connection", "keep-alive, Upgrade");
    fields[count++] = kit_field("Sec-WebSocket-Version", how.version ? how.version : "13");
    fields[count++] = kit_field(
        "Sec-WebSocket-Key", how.key ? how.key : "dGhlIHNhbXBsZSBub25jZQ==");
    if (how.origin)
        fields[count++] = kit_field("Origin", how.origin);
    if (how.protocols)
        fields[count++] = kit_field("Sec-WebSocket-Protocol", how.protocols);
    return kit_send(
        &(spi_memory_request){ .target = how.target, .fields = fields, .field_count = count });
}

static void turn_until(const char *text)
{
    for (int i = 0; i < 200 && strcmp(trace, text) != 0; i++)
        spout_loop_run_once(kit_loop(), 5);
    assert_string_equal(trace, text);
}

static void a_handshake(void **state)
{
    (void)state;
    const spi_memory_reply *reply = handshake(
        (shake){ .target = "/chat?who=ann", .origin = "http://example.com", .protocols = "a, b" });
    assert_int_equal(reply->status, 101);
    assert_true(reply->upgraded);
    kit_expect_field(reply, "Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    kit_expect_field(reply, "Upgrade", "websocket");
    kit_expect_field(reply, "Sec-WebSocket-Protocol", "b");
    kit_expect_field(reply, "Content-Type", NULL);
    assert_non_null(spi_memory_reply_field(reply, "Date"));
    turn_until("ann b finish");
    assert_non_null(strstr(kit_log(), "access I 101 GET /chat?who=ann"));
}

static void a_protocol_that_was_not_offered_is_none(void **state)
{
    (void)state;
    const spi_memory_reply *reply = handshake((shake){ .target = "/chat", .protocols = "a" });
    assert_int_equal(reply->status, 101);
    kit_expect_field(reply, "Sec-WebSocket-Protocol", NULL);
    turn_until("nobody none finish");
}

static void foreign_origins_are_403(void **state)
{
    (void)state;
    assert_int_equal(
        handshake((shake){ .target = "/chat", .origin = "http://evil.example" })->status, 403);
    assert_int_equal(kit_log_lines(), 1);
    assert_int_equal(handshake((shake){ .target = "/chat", .origin = "null" })->status, 403);
    assert_int_equal(
        handshake((shake){ .target = "/open", .origin = "http://other.example" })->status, 101);
    assert_int_equal(
        handshake((shake){ .target = "/open", .origin = "https://evil.example" })->status, 403);
}

static void bad_handshakes(void **state)
{
    (void)state;
    const spi_memory_reply *reply = handshake((shake){ .target = "/chat", .version = "12" });
    assert_int_equal(reply->status, 426);
    kit_expect_field(reply, "Sec-WebSocket-Version", "13");
    kit_expect_field(reply, "Upgrade", "websocket");
    assert_int_equal(handshake((shake){ .target = "/chat", .key = "short" })->status, 400);
    assert_int_equal(kit_get("/chat")->status, 400);
    assert_int_equal(kit_call("POST", "/chat")->status, 405);
    kit_expect_field(kit_call("POST", "/chat"), "Allow", "GET, OPTIONS");
}

static void a_get_without_upgrade_may_be_a_page(void **state)
{
    (void)state;
    kit_expect(kit_get("/both"), 200, "a page");
    assert_int_equal(handshake((shake){ .target = "/both" })->status, 101);
}

static void prepare_guards_the_socket(void **state)
{
    (void)state;
    assert_int_equal(handshake((shake){ .target = "/guarded" })->status, 401);
}

static void an_open_that_fails_closes(void **state)
{
    (void)state;
    assert_int_equal(handshake((shake){ .target = "/chat?fail=1" })->status, 101);
    turn_until("nobody none finish");
    for (int i = 0; i < 5; i++)
        spout_loop_run_once(kit_loop(), 1);
    assert_non_null(strstr(kit_log(), "no room"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_handshake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_protocol_that_was_not_offered_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_origins_are_403, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_handshakes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_get_without_upgrade_may_be_a_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prepare_guards_the_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_open_that_fails_closes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
