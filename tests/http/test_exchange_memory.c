#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>

#include <stdio.h>
#include <stdlib.h>

#include "http/exchange_memory.h"
#include "kit.h"
#include "net/transport.h"

static test_kit kit;

static int set_up(void **state)
{
    (void)state;
    kit_start(&kit);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop(&kit);
    return 0;
}

static spi_memory_exchange *start(const spi_memory_request *request)
{
    const spi_service *table = kit.service.own_errors ? &test_service_table_with_errors
                                                      : &test_service_table;
    return spi_memory_exchange_start(table, &kit.service, request);
}

static void answers_a_request(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = start(&(spi_memory_request){ .target = "/hello" });
    assert_int_equal(spi_memory_exchange_run(exchange), 0);
    const spi_memory_reply *reply = spi_memory_exchange_reply(exchange);
    assert_int_equal(reply->status, 200);
    assert_string_equal(reply->reason, "OK");
    assert_string_equal(reply->body.data, "Hello, world");
    assert_string_equal(spi_memory_reply_field(reply, "content-type"), "text/plain");
    assert_string_equal(spi_memory_reply_field(reply, "Content-Length"), "12");
    assert_null(spi_memory_reply_field(reply, "Date"));
    assert_true(reply->finished && reply->released);
    assert_false(reply->close || reply->reset || reply->continued || reply->upgraded);
    spi_memory_exchange_free(exchange);
}

static void gives_the_handler_what_a_connection_gives(void **state)
{
    (void)state;
    const spi_field fields[] = { { "X-Tag", " t ", 5, 3 } };
    spi_memory_exchange *exchange = start(&(spi_memory_request){ .method = "PUT",
        .target = "/about?x",
        .fields = fields,
        .field_count = 1,
        .body = { "abc", 3 } });
    const spi_memory_reply *reply = spi_memory_exchange_reply(exchange);
    assert_string_equal(reply->body.data, "PUT\n/about?x\nlocalhost\nt\nabc\n");
    spi_memory_exchange_free(exchange);
}

/* A reply as it came over a socket, read the way a client would. */
typedef struct wire_reply {
    int status;
    char reason[64], fields[512], body[4096];
    bool close;
} wire_reply;

static void unchunk(const char *text, char *out)
{
    char *end;
    for (size_t len; (len = strtoul(text, &end, 16)) > 0; text = end + 2 + len + 2) {
        memcpy(out, end + 2, len);
        out += len;
    }
    *out = '\0';
}

static void parse_reply(const char *text, wire_reply *ret_reply)
{
    char line[512];
    bool chunked = false;
    *ret_reply = (wire_reply){ 0 };
    assert_int_equal(
        sscanf(text, "HTTP/1.1 %d %63[^\r]", &ret_reply->status, ret_reply->reason), 2);
    for (text = strstr(text, "\r\n") + 2; sscanf(text, "%511[^\r]", line) == 1;
         text = strstr(text, "\r\n") + 2) {
        if (strcmp(line, "Connection: close") == 0)
            ret_reply->close = true;
        else if (strcmp(line, "Transfer-Encoding: chunked") == 0)
            chunked = true;
        else if (strncmp(line, "Connection:", 11) != 0)
            snprintf(ret_reply->fields + strlen(ret_reply->fields),
                sizeof ret_reply->fields - strlen(ret_reply->fields), "%s\n", line);
    }
    if (chunked)
        unchunk(text + 2, ret_reply->body);
    else
        snprintf(ret_reply->body, sizeof ret_reply->body, "%s", text + 2);
}

static void send_over_socket(const spi_memory_request *request, int number, wire_reply *ret_reply)
{
    char text[4096];
    const char *method = request->method ? request->method : "GET";
    int len = snprintf(text, sizeof text, "%s %s HTTP/1.%d\r\n%s", method, request->target,
        request->http10 ? 0 : 1, request->http10 ? "" : "Host: localhost\r\n");
    for (size_t i = 0; i < request->field_count; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%s: %s\r\n",
            request->fields[i].name, request->fields[i].value);
    if (request->body.len > 0)
        len += snprintf(
            text + len, sizeof text - (size_t)len, "Content-Length: %zu\r\n", request->body.len);
    len += snprintf(text + len, sizeof text - (size_t)len, "\r\n%.*s", (int)request->body.len,
        request->body.len ? request->body.data : "");
    kit_peer *peer = kit_connect(&kit, number);
    parse_reply(kit_ask(&kit, peer, text), ret_reply);
    kit_close(peer);
}

static void expect_equal(const spi_memory_request *request, int number)
{
    wire_reply wire;
    char fields[512] = "";
    send_over_socket(request, number, &wire);
    spi_memory_exchange *exchange = start(request);
    assert_int_equal(spi_memory_exchange_run(exchange), 0);
    const spi_memory_reply *reply = spi_memory_exchange_reply(exchange);
    for (size_t i = 0; i < reply->field_count; i++)
        snprintf(fields + strlen(fields), sizeof fields - strlen(fields), "%s: %s\n",
            reply->fields[i].name, reply->fields[i].value);
    assert_int_equal(reply->status, wire.status);
    assert_string_equal(reply->reason, wire.reason);
    assert_string_equal(fields, wire.fields);
    assert_string_equal(reply->body.data, wire.body);
    assert_int_equal(reply->close, wire.close);
    spi_memory_exchange_free(exchange);
}

static void equals_a_socket(void **state)
{
    (void)state;
    static const spi_field close[] = { { "Connection", "close", 10, 5 } };
    static const spi_field odd[] = { { "Expect", "miracles", 6, 8 } };
    static const spi_memory_request requests[] = {
        { .target = "/hello" },
        { .method = "HEAD", .target = "/hello" },
        { .method = "HEAD", .target = "/stream" },
        { .method = "POST", .target = "/echo", .body = { "body", 4 } },
        { .target = "/stream" },
        { .target = "/stream", .http10 = true },
        { .target = "/later" },
        { .target = "/status?204" },
        { .target = "/status?304" },
        { .target = "/close" },
        { .target = "/hello", .fields = close, .field_count = 1 },
        { .method = "PUT", .target = "/whole-small", .body = { "123456", 6 } },
        { .method = "PUT", .target = "/stream-in", .body = { "123456", 6 } },
        { .method = "PUT", .target = "/stream-in-small", .body = { "123456", 6 } },
        { .target = "/hello", .fields = odd, .field_count = 1 },
        { .target = "/refuse" },
        { .target = "/nowhere" },
        { .target = "/file?25" },
        { .target = "/flood?1500" },
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        expect_equal(&requests[i], 0);
        spi_buffer_release(&kit.peers[0].received);
        spi_buffer_release(&kit.peers[0].unsent);
        kit.peers[0] = (kit_peer){ .fd = -1 };
    }
}

static void a_bad_request_is_refused_as_on_a_connection(void **state)
{
    (void)state;
    const spi_field fields[] = { { "Host", "a", 4, 1 }, { "Host", "b", 4, 1 } };
    spi_memory_exchange *exchange = start(
        &(spi_memory_request){ .target = "/hello", .fields = fields, .field_count = 2 });
    const spi_memory_reply *reply = spi_memory_exchange_reply(exchange);
    assert_int_equal(reply->status, 400);
    assert_string_equal(reply->body.data, "400 Bad Request\n");
    assert_true(reply->close && reply->released);
    assert_int_equal(kit.service.requests, 0);
    spi_memory_exchange_free(exchange);

    exchange = start(&(spi_memory_request){ .target = "/a b" });
    assert_int_equal(spi_memory_exchange_reply(exchange)->status, 400);
    spi_memory_exchange_free(exchange);
}

static void a_service_answers_errors_itself(void **state)
{
    (void)state;
    kit.service.own_errors = true;
    spi_memory_exchange *exchange = start(
        &(spi_memory_request){ .target = "/whole-small", .body = { "123456", 6 } });
    const spi_memory_reply *reply = spi_memory_exchange_reply(exchange);
    assert_int_equal(reply->status, 413);
    assert_string_equal(reply->body.data, "own page for /whole-small: the body is too large\n");
    assert_true(reply->close);
    spi_memory_exchange_free(exchange);
}

static void a_body_streams_in_pieces(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = start(
        &(spi_memory_request){ .target = "/stream-in", .body = { "abcdefg", 7 }, .piece_size = 3 });
    assert_string_equal(spi_memory_exchange_reply(exchange)->body.data, "abcdefg");
    spi_memory_exchange_free(exchange);

    exchange = start(
        &(spi_memory_request){ .target = "/stream-in", .body = { "ab", 2 }, .open_body = true });
    kit_pump(&kit);
    assert_int_equal(spi_memory_exchange_reply(exchange)->status, 0);
    spi_memory_exchange_feed(exchange, (spout_bytes){ "cd", 2 });
    kit_pump(&kit);
    spi_memory_exchange_feed(exchange, (spout_bytes){ "ef", 2 });
    spi_memory_exchange_feed(exchange, (spout_bytes){ "gh", 2 });
    kit_pump(&kit);
    spi_memory_exchange_end_body(exchange);
    assert_int_equal(spi_memory_exchange_run(exchange), 0);
    assert_string_equal(spi_memory_exchange_reply(exchange)->body.data, "abcdefgh");
    spi_memory_exchange_free(exchange);
}

static void a_collected_body_may_come_late(void **state)
{
    (void)state;
    const spi_field fields[] = { { "Expect", "100-continue", 6, 12 } };
    spi_memory_exchange *exchange = start(&(spi_memory_request){
        .target = "/echo", .fields = fields, .field_count = 1, .open_body = true });
    assert_true(spi_memory_exchange_reply(exchange)->continued);
    spi_memory_exchange_feed(exchange, (spout_bytes){ "late", 4 });
    assert_int_equal(kit.service.requests, 0);
    spi_memory_exchange_end_body(exchange);
    assert_string_equal(spi_memory_exchange_reply(exchange)->body.data, "late");
    spi_memory_exchange_free(exchange);
}

static void a_body_that_ends_early_fails_the_read(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = start(
        &(spi_memory_request){ .target = "/stream-in", .open_body = true });
    spi_memory_exchange_half_close(exchange);
    assert_int_equal(spi_memory_exchange_run(exchange), 0);
    assert_int_equal(spi_memory_exchange_reply(exchange)->status, 400);
    assert_true(spi_memory_exchange_reply(exchange)->close);
    spi_memory_exchange_free(exchange);
}

static void a_hang_up_is_told_once(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = start(&(spi_memory_request){ .target = "/wait" });
    spi_memory_exchange_half_close(exchange);
    assert_int_equal(kit.service.gone, 0);
    spi_memory_exchange_hang_up(exchange);
    spi_memory_exchange_hang_up(exchange);
    assert_int_equal(kit.service.gone, 1);
    assert_int_equal(spi_memory_exchange_run(exchange), 0);
    assert_int_equal(spi_memory_exchange_reply(exchange)->status, 0);
    spi_memory_exchange_free(exchange);

    exchange = start(&(spi_memory_request){ .target = "/hang" });
    spi_memory_exchange_half_close(exchange);
    assert_int_equal(kit.service.gone, 2);
    spi_memory_exchange_free(exchange); /* the handler ends after its client */
    kit_pump(&kit);
    assert_int_equal(kit.service.running, 0);
}

static void a_client_may_leave_while_a_handler_runs(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = start(&(spi_memory_request){ .target = "/wait" });
    spi_memory_exchange_free(exchange);
    assert_int_equal(kit.service.gone, 1);
    kit_pump(&kit);
    assert_int_equal(kit.service.running, 0);
}

static void a_blocked_client_makes_the_handler_wait(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = start(&(spi_memory_request){ .target = "/stream" });
    spi_memory_exchange_free(exchange);
    kit_pump(&kit);
    exchange = start(&(spi_memory_request){ .target = "/slow" });
    spi_memory_exchange_block(exchange, true);
    spi_memory_exchange_hang_up(exchange);
    spi_memory_exchange *waker = start(&(spi_memory_request){ .target = "/wake" });
    kit_pump(&kit);
    assert_string_equal(kit.service.last_error, "the client has gone");
    spi_memory_exchange_free(waker);
    spi_memory_exchange_free(exchange);
}

static void mismatched_lengths_reset(void **state)
{
    (void)state;
    const char *const targets[] = { "/short", "/long", "/reset" };
    for (int i = 0; i < 3; i++) {
        spi_memory_exchange *exchange = start(&(spi_memory_request){ .target = targets[i] });
        assert_true(spi_memory_exchange_reply(exchange)->reset);
        assert_false(spi_memory_exchange_reply(exchange)->finished);
        spi_memory_exchange_free(exchange);
    }
}

static spi_memory_exchange *open_tunnel(const char *target)
{
    spi_memory_exchange *exchange = start(&(spi_memory_request){ .target = target });
    assert_int_equal(spi_memory_exchange_run(exchange), 0);
    const spi_memory_reply *reply = spi_memory_exchange_reply(exchange);
    assert_true(reply->upgraded);
    assert_int_equal(reply->status, 101);
    assert_string_equal(spi_memory_reply_field(reply, "Upgrade"), "echo");
    return exchange;
}

static void a_tunnel_goes_both_ways(void **state)
{
    (void)state;
    const char *const targets[] = { "/upgrade", "/upgrade-kept" };
    for (int i = 0; i < 2; i++) {
        spi_memory_exchange *exchange = open_tunnel(targets[i]);
        spi_memory_exchange_send(exchange, (spout_bytes){ "one", 3 });
        kit_pump(&kit);
        spi_memory_exchange_send(exchange, (spout_bytes){ "bye", 3 });
        kit_pump(&kit);
        const spi_memory_reply *reply = spi_memory_exchange_reply(exchange);
        assert_string_equal(reply->body.data, "onebye");
        assert_true(reply->released && reply->close);
        assert_int_equal(kit.service.lost, i + 1);
        spi_memory_exchange_free(exchange);
    }
}

static void a_tunnel_pauses_ends_and_is_lost(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = open_tunnel("/upgrade");
    spi_memory_exchange_send(exchange, (spout_bytes){ "pause", 5 });
    kit_pump(&kit);
    spi_memory_exchange_send(exchange, (spout_bytes){ "more", 4 });
    spi_memory_exchange_half_close(exchange);
    kit_pump(&kit);
    assert_string_equal(spi_memory_exchange_reply(exchange)->body.data, "pause");
    spi_memory_exchange *waker = start(&(spi_memory_request){ .target = "/wake" });
    kit_pump(&kit);
    assert_string_equal(spi_memory_exchange_reply(exchange)->body.data, "pausemore");
    assert_int_equal(kit.service.lost, 1);
    spi_memory_exchange_free(exchange);
    spi_memory_exchange_free(waker);

    exchange = open_tunnel("/upgrade");
    spi_memory_exchange_hang_up(exchange);
    assert_int_equal(kit.service.lost, 1);
    kit_pump(&kit);
    assert_int_equal(kit.service.lost, 2);
    spi_memory_exchange_free(exchange);

    spi_memory_exchange_free(open_tunnel("/upgrade"));
    assert_int_equal(kit.service.lost, 3);
}

static void http10_has_no_tunnel(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = start(
        &(spi_memory_request){ .target = "/upgrade", .http10 = true });
    assert_int_equal(spi_memory_exchange_reply(exchange)->status, 426);
    spi_memory_exchange_free(exchange);
}

static int wait_in_task(void *arg)
{
    spi_memory_exchange *exchange = start(&(spi_memory_request){ .target = "/later" });
    int result = spi_memory_exchange_wait(exchange);
    *(int *)arg = spi_memory_exchange_reply(exchange)->status;
    spi_memory_exchange_free(exchange);
    return result;
}

static void a_coroutine_can_wait_for_it(void **state)
{
    (void)state;
    int status = 0;
    assert_int_equal(spout_loop_run_sync(kit.loop, wait_in_task, &status, 0), 0);
    assert_int_equal(status, 200);
}

#define memory_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_test(answers_a_request),
        memory_test(gives_the_handler_what_a_connection_gives),
        memory_test(equals_a_socket),
        memory_test(a_bad_request_is_refused_as_on_a_connection),
        memory_test(a_service_answers_errors_itself),
        memory_test(a_body_streams_in_pieces),
        memory_test(a_collected_body_may_come_late),
        memory_test(a_body_that_ends_early_fails_the_read),
        memory_test(a_hang_up_is_told_once),
        memory_test(a_client_may_leave_while_a_handler_runs),
        memory_test(a_blocked_client_makes_the_handler_wait),
        memory_test(mismatched_lengths_reset),
        memory_test(a_tunnel_goes_both_ways),
        memory_test(a_tunnel_pauses_ends_and_is_lost),
        memory_test(http10_has_no_tunnel),
        memory_test(a_coroutine_can_wait_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
