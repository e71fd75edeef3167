#include "kit.h"

#include <spout/middleware.h>

#include <string.h>

static int ok(spout_request *r)
{
    return spout_write(r, "ok");
}

static int no(spout_request *r)
{
    return spout_fail(r, 401, "%s", "");
}

static bool from_example(spout_request *r, const char *origin)
{
    (void)r;
    return strcmp(origin, "https://sub.example.com") == 0;
}

static const char *const some[] = { "https://app.example.com", "null-not", NULL };
static const char *const anyone[] = { "*", NULL };
static const spout_cors_options listed = {
    .origins = some,
    .allow_origin = from_example,
    .credentials = true,
    .expose_headers = "X-Total",
    .max_age_s = 600,
};
static const spout_cors_options open_to_all = {
    .origins = anyone, .methods = "GET", .headers = "X-A"
};
static const spout_handler base = { .cors = &listed };
static const spout_route routes[] = {
    { "/listed", &(const spout_handler){ .base = &base, .get = ok, .put = ok, .prepare = no } },
    { "/ok", &(const spout_handler){ .base = &base, .get = ok } },
    { "/open", &(const spout_handler){ .cors = &open_to_all, .get = ok } },
    { "/closed", &(const spout_handler){ .get = ok } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    kit_start(
        routes, &(spout_application_options){ .default_handler = &base, .xsrf_cookies = true });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static const spi_memory_reply *preflight(const char *target, const char *origin)
{
    const spi_field fields[] = { kit_field("Origin", origin),
        kit_field("Access-Control-Request-Method", "PUT"),
        kit_field("Access-Control-Request-Headers", "x-one, x-two") };
    return kit_send(&(spi_memory_request){
        .method = "OPTIONS", .target = target, .fields = fields, .field_count = 3 });
}

static void those_who_are_listed(void **state)
{
    (void)state;
    static const char *const good[] = { "https://app.example.com", "https://sub.example.com" };
    static const char *const bad[] = { "https://evil.example.com", "http://app.example.com",
        "https://app.example.com.evil.com", "null" };
    for (int i = 0; i < 2; i++) {
        const spi_memory_reply *reply = kit_get_with("/ok", "Origin", good[i]);
        kit_expect(reply, 200, "ok");
        kit_expect_field(reply, "Access-Control-Allow-Origin", good[i]);
        kit_expect_field(reply, "Access-Control-Allow-Credentials", "true");
        kit_expect_field(reply, "Access-Control-Expose-Headers", "X-Total");
        kit_expect_field(reply, "Vary", "Origin");
    }
    for (int i = 0; i < 4; i++) {
        const spi_memory_reply *reply = kit_get_with("/ok", "Origin", bad[i]);
        kit_expect(reply, 200, "ok");
        kit_expect_field(reply, "Access-Control-Allow-Origin", NULL);
        kit_expect_field(reply, "Vary", "Origin");
    }
    kit_expect_field(kit_get("/ok"), "Vary", "Origin");
}

static void error_pages_too(void **state)
{
    (void)state;
    static const char origin[] = "https://app.example.com";
    const spi_memory_reply *reply = kit_get_with("/listed", "Origin", origin);
    assert_int_equal(reply->status, 401);
    kit_expect_field(reply, "Access-Control-Allow-Origin", origin);
    reply = kit_get_with("/nowhere", "Origin", origin);
    assert_int_equal(reply->status, 404);
    kit_expect_field(reply, "Access-Control-Allow-Origin", origin);
}

static void preflights_are_answered(void **state)
{
    (void)state;
    const spi_memory_reply *reply = preflight("/listed", "https://app.example.com");
    kit_expect(reply, 204, "");
    kit_expect_field(reply, "Access-Control-Allow-Origin", "https://app.example.com");
    kit_expect_field(reply, "Access-Control-Allow-Methods", "GET, HEAD, PUT, OPTIONS");
    kit_expect_field(reply, "Access-Control-Allow-Headers", "x-one, x-two");
    kit_expect_field(reply, "Access-Control-Max-Age", "600");
    kit_expect_field(reply, "Vary", "Access-Control-Request-Headers, Origin");
    reply = preflight("/listed", "https://evil.com");
    kit_expect(reply, 204, "");
    kit_expect_field(reply, "Access-Control-Allow-Origin", NULL);
    kit_expect_field(reply, "Access-Control-Allow-Methods", NULL);
    assert_int_equal(kit_call("OPTIONS", "/listed")->status, 401);
    kit_expect_field(
        preflight("/closed", "https://app.example.com"), "Access-Control-Allow-Origin", NULL);
}

static void anyone_may(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get_with("/open", "Origin", "https://x");
    kit_expect_field(reply, "Access-Control-Allow-Origin", "*");
    kit_expect_field(reply, "Access-Control-Allow-Credentials", NULL);
    kit_expect_field(reply, "Vary", NULL);
    reply = preflight("/open", "https://x");
    kit_expect_field(reply, "Access-Control-Allow-Methods", "GET");
    kit_expect_field(reply, "Access-Control-Allow-Headers", "X-A");
    kit_expect_field(kit_get("/open"), "Access-Control-Allow-Origin", NULL);
}

static void bad_settings_are_start_up_errors(void **state)
{
    (void)state;
    static int reserved;
    const spout_cors_options bad[] = {
        { .origins = anyone, .credentials = true },
        { .origins = some, .methods = "GET\r\nX: y" },
        { .origins = some, .max_age_s = -1 },
        { .origins = some, .reserved = { &reserved } },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const spout_handler handler = { .get = ok, .cors = &bad[i] };
        const spout_route table[] = { { "/", &handler }, { 0 } };
        assert_null(spout_application_new(table, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(those_who_are_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(error_pages_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(preflights_are_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(anyone_may, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_settings_are_start_up_errors, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
