#include "kit.h"

#include <spout/sse.h>

#include <string.h>

static int events(spout_request *r)
{
    if (spout_events_start(r, &(spout_events_options){ .retry_ms = 500 }) < 0)
        return -1;
    const char *last = spout_last_event_id(r);
    const spout_event all[] = {
        { .data = last ? last : "first" },
        { .data = "one\ntwo\r\nthree\rfour\n", .event = "lines", .id = "7" },
        { .id = "8" },
        { .data = "", .retry_ms = 9 },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (spout_events_send(r, &all[i]) < 0)
            return -1;
    assert_int_equal(
        spout_events_send(r, &(spout_event){ .data = "x", .id = "a\ndata: y" }), SPOUT_EINVAL);
    assert_int_equal(
        spout_events_send(r, &(spout_event){ .data = "x", .event = "a\rb" }), SPOUT_EINVAL);
    assert_int_equal(spout_events_start(r, NULL), SPOUT_ESTATE);
    return 0;
}

static int quiet(spout_request *r)
{
    if (spout_events_start(r, &(spout_events_options){ .heartbeat_ms = 10 }) < 0 ||
        spout_sleep(35) < 0)
        return -1;
    return spout_events_send(r, &(spout_event){ .data = "end" });
}

static int half_written(spout_request *r)
{
    if (spout_events_start(r, &(spout_events_options){ .heartbeat_ms = 10 }) < 0 ||
        spout_write(r, "data: ") < 0 || spout_sleep(35) < 0)
        return -1;
    return spout_write(r, "whole\n\n");
}

static int silent(spout_request *r)
{
    if (spout_events_start(r, &(spout_events_options){ .heartbeat_ms = SPOUT_NONE }) < 0)
        return -1;
    return spout_sleep(35);
}

static int for_ever(spout_request *r)
{
    if (spout_events_start(r, &(spout_events_options){ .heartbeat_ms = 1 }) < 0)
        return -1;
    for (;;)
        if (spout_sleep(1) < 0 || spout_events_send(r, &(spout_event){ .data = "x" }) < 0)
            return -1;
}

static int many(spout_request *r)
{
    if (spout_events_start(r, NULL) < 0)
        return -1;
    size_t before = 0;
    for (int i = 0; i < 10000; i++) {
        if (spout_events_send(r, &(spout_event){ .id = "1", .data = "a longer text" }) < 0)
            return -1;
        if (i == 100)
            before = spout_loop_figures().arena_bytes;
    }
    assert_int_equal(spout_loop_figures().arena_bytes, before);
    return 0;
}

static int bad(spout_request *r)
{
    assert_int_equal(
        spout_events_start(r, &(spout_events_options){ .heartbeat_ms = -5 }), SPOUT_EINVAL);
    assert_int_equal(
        spout_events_start(r, &(spout_events_options){ .retry_ms = -1 }), SPOUT_EINVAL);
    return 0;
}

static const spout_route routes[] = {
    { "/events", &(const spout_handler){ .get = events } },
    { "/quiet", &(const spout_handler){ .get = quiet } },
    { "/half", &(const spout_handler){ .get = half_written } },
    { "/silent", &(const spout_handler){ .get = silent } },
    { "/for_ever", &(const spout_handler){ .get = for_ever, .cancel_on_close = 1 } },
    { "/many", &(const spout_handler){ .get = many } },
    { "/bad", &(const spout_handler){ .get = bad } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static void events_as_the_standard_says(void **state)
{
    (void)state;
    static const char rest[] = "event: lines\ndata: one\ndata: two\ndata: three\n"
                               "data: four\ndata: \n\nid: 8\n\nretry: 9\ndata: \n\n";
    const spi_memory_reply *reply = kit_get("/events");
    kit_expect_field(reply, "Content-Type", "text/event-stream; charset=UTF-8");
    kit_expect_field(reply, "Cache-Control", "no-cache");
    kit_expect_field(reply, "Content-Length", NULL);
    kit_expect_field(reply, "Etag", NULL);
    assert_memory_equal(reply->body.data, "retry: 500\n\ndata: first\n\nid: 7\n", 31);
    assert_string_equal(reply->body.data + 31, rest);
    reply = kit_get_with("/events", "Last-Event-ID", "42");
    assert_memory_equal(reply->body.data, "retry: 500\n\ndata: 42\n\n", 22);
    kit_expect(kit_get("/bad"), 200, "");
}

static void comments_in_between(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/quiet");
    assert_memory_equal(reply->body.data, ":\n\n", 3);
    assert_string_equal(reply->body.data + reply->body.len - 11, "data: end\n\n");
    kit_expect(kit_get("/half"), 200, "data: whole\n\n");
    kit_expect(kit_get("/silent"), 200, "");
}

static void a_client_that_leaves(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = kit_open(&(spi_memory_request){ .target = "/for_ever" });
    for (int i = 0; i < 20; i++)
        spout_loop_run_once(kit_loop(), 1);
    assert_non_null(strstr(spi_memory_exchange_reply(exchange)->body.data, "data: x\n\n"));
    spi_memory_exchange_hang_up(exchange);
    kit_finish();
    assert_null(strstr(kit_log(), "Uncaught"));
}

static void a_long_stream_needs_no_more_memory(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/many");
    assert_int_equal(reply->status, 200);
    assert_true(reply->finished);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_as_the_standard_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(comments_in_between, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_leaves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_stream_needs_no_more_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
