/* A cookie of junk in place of the XSRF token is replaced, and no error of ours. */
#include "kit.h"

#include <spout/auth.h>

#include <stdio.h>

static int get(spout_request *r)
{
    return spout_write(r, spout_xsrf_token(r) ? "token" : "none");
}

static int post(spout_request *r)
{
    return spout_write(r, "posted");
}

static const spout_route routes[] = { { "/", &(const spout_handler){ .get = get, .post = post } },
    { 0 } };

static void junk_is_never_a_500(void **state)
{
    (void)state;
    kit_start(routes, &(spout_application_options){ .xsrf_cookies = true });
    static const char *const junk[] = { "2|", "2||||", "2|x|x|x", "2|01020304|zz|1",
        "2|01020304|00|x", "2|010203|0011|1", "2|01020304||1", "3|a|b|c", "999|", "\"\"", "",
        "2|01020304|0011|99999999999999999999", "\xFF\xFE|\x80", "2|01020304|001|1", "||||" };
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        char cookie[128];
        snprintf(cookie, sizeof cookie, "_xsrf=%s", junk[i]);
        kit_expect(kit_get_with("/", "Cookie", cookie), 200, "token");
        const spi_field fields[] = { kit_field("Cookie", cookie),
            kit_field("X-Xsrftoken", "2|01020304|0011|1") };
        const spi_memory_reply *reply = kit_send(&(spi_memory_request){
            .method = "POST", .target = "/", .fields = fields, .field_count = 2 });
        assert_int_equal(reply->status, 403);
    }
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(junk_is_never_a_500) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
