#include "kit.h"

#include "web/request.h"

#include <string.h>

static int describe(spout_request *r)
{
    return spout_write_format(r, "%s %s %s %s %s %s %s [%s]", spout_get_method(r), spout_uri(r),
        spout_path(r), spout_query(r), spout_http_version(r), spout_protocol(r), spout_host(r),
        spout_remote_ip(r));
}

static int full_url(spout_request *r)
{
    return spout_write(r, spout_full_url(r));
}

static int headers(spout_request *r)
{
    spout_bytes raw = spout_header_bytes(r, "x-one");
    spout_write_format(
        r, "%s|%s|", spout_header(r, "X-ONE", "-"), spout_header(r, "X-None", "fallback"));
    spout_write_bytes(r, raw);
    spout_bytes name, value;
    assert_null(spout_header_bytes(r, "X-None").data);
    assert_true(spout_header_at(r, 0, &name, &value));
    assert_false(spout_header_at(r, spout_header_count(r), &name, &value));
    return 0;
}

static int cookies(spout_request *r)
{
    const spout_pair *pairs;
    size_t count = spout_cookies(r, &pairs);
    return spout_write_format(
        r, "%zu %s %s", count, spout_cookie(r, "a", "-"), spout_cookie(r, "b", "-"));
}

static int path(spout_request *r)
{
    const char *second = spout_path_argument_at(r, 2);
    assert_null(spout_path_argument_at(r, 0));
    assert_null(spout_path_argument_at(r, 9));
    assert_null(spout_path_argument(r, "nobody"));
    return spout_write_format(r, "%lld %s %s %lld", (long long)spout_path_int(r, "id"),
        spout_path_argument(r, "name"), second ? second : "NULL",
        (long long)spout_path_int(r, "name"));
}

static int body(spout_request *r)
{
    spout_bytes piece;
    assert_int_equal(spout_read_body(r, &piece), SPOUT_ESTATE);
    return spout_write_bytes(r, spout_body(r));
}

static int stream(spout_request *r)
{
    spout_bytes piece;
    int result, count = 0;
    assert_int_equal(spout_body(r).len, 0);
    while ((result = spout_read_body(r, &piece)) > 0) {
        count++;
        spout_write_bytes(r, piece);
        spout_write(r, ".");
    }
    return result < 0 ? result : spout_write_format(r, "%d", count);
}

static int limits(spout_request *r)
{
    const spi_exchange *exchange = r->exchange;
    return spout_write_format(r, "%lld %lld %lld %lld", (long long)exchange->max_body,
        (long long)exchange->body_timeout_ms, (long long)exchange->min_body_rate,
        (long long)exchange->request_timeout_ms);
}

/* As the path says, before anything is read. */
static int set_limits(spout_request *r)
{
    assert_int_equal(spout_set_max_body_size(r, -3), SPOUT_EINVAL);
    assert_int_equal(spout_set_body_timeout(r, -3), SPOUT_EINVAL);
    int64_t max = spout_path_int(r, "max");
    if (spout_set_max_body_size(r, max ? max : SPOUT_NONE) < 0)
        return -1;
    return spout_set_body_timeout(r, SPOUT_NONE);
}

static int set_too_late(spout_request *r)
{
    assert_int_equal(spout_set_max_body_size(r, 1), SPOUT_ESTATE);
    assert_int_equal(spout_set_body_timeout(r, 1), SPOUT_ESTATE);
    return spout_write_bytes(r, spout_body(r));
}

static int time_passes(spout_request *r)
{
    assert_true(spout_request_time_us(r) >= 0);
    assert_ptr_equal(spout_request_application(r), kit_application());
    return spout_write_format(r, "%s %s", spout_handler_name(r), (const char *)spout_data(r));
}

static int uri_bytes(spout_request *r)
{
    return spout_write_format(r, "%zu %s", spout_uri_bytes(r).len, spout_uri(r));
}

static const spout_route routes[] = {
    { "/describe", &(const spout_handler){ .get = describe } },
    { "/full.*", &(const spout_handler){ .get = full_url } },
    { "/headers", &(const spout_handler){ .get = headers } },
    { "/cookies", &(const spout_handler){ .get = cookies } },
    { "/path/{id:int}/{name}", &(const spout_handler){ .get = path } },
    { "/opt/(?P<id>[0-9]+)(x)?(?P<name>.*)", &(const spout_handler){ .get = path } },
    { "/body", &(const spout_handler){ .post = body } },
    { "/stream", &(const spout_handler){ .post = stream, .stream_body = 1, .max_body_size = 20 } },
    { "/small", &(const spout_handler){ .post = body, .max_body_size = 3 } },
    { "/limits", &(const spout_handler){ .base = &(const spout_handler){ .body_timeout_ms = 7,
                                             .request_timeout_ms = 9 },
                     .get = limits,
                     .max_body_size = 5,
                     .min_body_rate = 8 } },
    { "/limits-none", &(const spout_handler){ .get = limits,
                          .max_body_size = SPOUT_ZERO,
                          .body_timeout_ms = SPOUT_NONE,
                          .min_body_rate = SPOUT_NONE,
                          .request_timeout_ms = SPOUT_NONE } },
    { "/set/{max:int}",
        &(const spout_handler){
            .prepare = set_limits, .post = stream, .stream_body = 1, .max_body_size = 4 } },
    { "/set-late", &(const spout_handler){ .post = set_too_late } },
    { "/none", &(const spout_handler){ .post = body, .max_body_size = SPOUT_ZERO } },
    { "/time", &(const spout_handler){ .get = time_passes, .name = "timely" } },
    { "/bytes.*", &(const spout_handler){ .get = uri_bytes } },
    { 0 },
};

static char data[] = "the data";

static int set_up(void **state)
{
    (void)state;
    kit_start(routes, &(spout_application_options){ .data = data });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static void the_request_line(void **state)
{
    (void)state;
    const spout_endpoint peer = { .address = { 192, 0, 2, 7 }, .port = 1234, .family = 4 };
    const spi_field host = kit_field("Host", "Example.COM:81");
    kit_expect(
        kit_send(&(spi_memory_request){
            .target = "/describe?a=%20b", .fields = &host, .field_count = 1, .peer = &peer }),
        200, "GET /describe?a=%20b /describe a=%20b HTTP/1.1 http example.com:81 [192.0.2.7]");
}

static void whole_urls(void **state)
{
    (void)state;
    kit_expect(kit_get("/full?a=%20"), 200, "http://localhost/full?a=%20");
    kit_expect(kit_get_with("/full", "Host", "Example.org:81"), 200, "http://example.org:81/full");
    kit_expect(kit_get("http://a.b/full?c"), 200, "http://a.b/full?c");
}

static void header_fields(void **state)
{
    (void)state;
    const spi_field repeated[] = { kit_field("X-One", "a"), kit_field("X-Two", "-"),
        kit_field("x-one", "b") };
    kit_expect(kit_send(&(spi_memory_request){
                   .target = "/headers", .fields = repeated, .field_count = 3 }),
        200, "a, b|fallback|b");
    kit_expect(
        kit_get_with("/headers", "X-One", "caf\xC3\xA9"), 200, "caf\xC3\xA9|fallback|caf\xC3\xA9");
    kit_expect(kit_get_with("/headers", "X-One", "caf\xE9"), 200, "caf\xC3\xA9|fallback|caf\xE9");
}

static void cookie_pairs(void **state)
{
    (void)state;
    kit_expect(kit_get("/cookies"), 200, "0 - -");
    kit_expect(kit_get_with("/cookies", "Cookie", "a=1; b=\"q x\"; a=2"), 200, "3 2 q x");
    const spi_field two[] = { kit_field("Cookie", "a=1"), kit_field("Cookie", "b=2") };
    kit_expect(
        kit_send(&(spi_memory_request){ .target = "/cookies", .fields = two, .field_count = 2 }),
        200, "2 1 2");
    kit_expect(kit_get_with("/cookies", "Cookie", "a=\xFF"), 200, "1 \xC3\xBF -");
}

static void path_captures(void **state)
{
    (void)state;
    kit_expect(kit_get("/path/7/a%2Fb"), 200, "7 a/b a/b 0");
    kit_expect(kit_get("/path/123456789012345678/42"), 200, "123456789012345678 42 42 42");
    kit_expect(kit_get("/opt/12"), 200, "12  NULL 0");
    kit_expect(kit_get("/opt/12xy"), 200, "12 y x 0");
}

static spi_memory_request upload(const char *target, const char *text)
{
    return (spi_memory_request){
        .method = "POST", .target = target, .body = spout_bytes_of(text), .piece_size = 4
    };
}

static void whole_bodies(void **state)
{
    (void)state;
    const spi_memory_request request = upload("/body", "abc");
    kit_expect(kit_send(&request), 200, "abc");
}

static void streamed_bodies(void **state)
{
    (void)state;
    spi_memory_request request = upload("/stream", "abcdefghi");
    kit_expect(kit_send(&request), 200, "abcd.efgh.i.3");
    request = upload("/stream", "");
    kit_expect(kit_send(&request), 200, "0");
    request = upload("/stream", "abcdefghijklmnopqrstuvwxyz");
    assert_int_equal(kit_send(&request)->status, 413);
}

static void limits_of_the_handler(void **state)
{
    (void)state;
    spi_memory_request request = upload("/small", "abc");
    assert_int_equal(kit_send(&request)->status, 200);
    request = upload("/small", "abcd");
    assert_int_equal(kit_send(&request)->status, 413);
    request = upload("/none", "a");
    assert_int_equal(kit_send(&request)->status, 413);
    request = upload("/none", "");
    assert_int_equal(kit_send(&request)->status, 200);
}

static void around_the_request(void **state)
{
    (void)state;
    kit_expect(kit_get("/time"), 200, "timely the data");
}

static void targets_that_are_not_ascii(void **state)
{
    (void)state;
    kit_expect(kit_get("/bytes\xC3\xA9"), 200, "8 /bytes\xC3\xA9");
    kit_expect(kit_get("/bytes\xE9"), 200, "7 /bytes\xC3\xA9");
}

static void handlers_have_limits_of_their_own(void **state)
{
    (void)state;
    kit_expect(kit_get("/limits"), 200, "5 7 8 9");
    kit_expect(kit_get("/limits-none"), 200, "0 -1 -1 -1");
}

static void a_request_may_change_its_limits(void **state)
{
    (void)state;
    kit_expect(kit_post("/set/6", "text/plain", "123456"), 200, "123456.1");
    assert_int_equal(kit_post("/set/6", "text/plain", "1234567")->status, 413);
    kit_expect(kit_post("/set/0", "text/plain", "1234567"), 200, "1234567.1");
    assert_int_equal(kit_post("/set/2", "text/plain", "123")->status, 413);
    kit_expect(kit_post("/set-late", "text/plain", "123"), 200, "123");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_request_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(header_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whole_urls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cookie_pairs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(path_captures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whole_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(streamed_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits_of_the_handler, set_up, tear_down),
        cmocka_unit_test_setup_teardown(around_the_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(targets_that_are_not_ascii, set_up, tear_down),
        cmocka_unit_test_setup_teardown(handlers_have_limits_of_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_may_change_its_limits, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
