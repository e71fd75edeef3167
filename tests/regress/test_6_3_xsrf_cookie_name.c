/* A subdomain can set cookies for the whole domain, but none with the prefix __Host-: the XSRF
   cookie can have it, and one under the common name then counts for nothing. */
#include "kit.h"

#include <spout/auth.h>
#include <spout/cookies.h>

#include <string.h>

static int get(spout_request *r)
{
    return spout_write(r, spout_xsrf_token(r));
}

static int post(spout_request *r)
{
    return spout_write(r, "posted");
}

static const spout_route routes[] = { { "/", &(const spout_handler){ .get = get, .post = post } },
    { 0 } };

static const spi_memory_reply *post_with(const char *cookie)
{
    const spi_field fields[] = { kit_field("Cookie", cookie),
        kit_field("X-Xsrftoken", "deadbeef") };
    return kit_send(&(spi_memory_request){
        .method = "POST", .target = "/", .fields = fields, .field_count = 2 });
}

static void tossed_cookies_do_not_count(void **state)
{
    (void)state;
    const spout_cookie_options secure = { .secure = true };
    kit_start(routes, &(spout_application_options){ .xsrf_cookies = true,
                          .xsrf_cookie_name = "__Host-xsrf",
                          .xsrf_cookie_options = &secure });
    const char *line = spi_memory_reply_field(kit_get("/"), "Set-Cookie");
    assert_memory_equal(line, "__Host-xsrf=", 12);
    assert_non_null(strstr(line, "; Path=/; Secure"));
    assert_null(strstr(line, "Domain"));
    assert_int_equal(post_with("_xsrf=deadbeef")->status, 403);
    kit_expect(post_with("_xsrf=deadbeef; __Host-xsrf=deadbeef"), 200, "posted");
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(tossed_cookies_do_not_count) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
