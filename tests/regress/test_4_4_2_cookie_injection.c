/* Cookies are split at each ';', quoted or not, and a bad one doesn't hide the others: no value can
   bring a cookie of its own, such as an XSRF token. */
#include "kit.h"

static int get(spout_request *r)
{
    return spout_write_format(
        r, "%s %s", spout_cookie(r, "_xsrf", "none"), spout_cookie(r, "last", "none"));
}

static const spout_route routes[] = { { "/", &(const spout_handler){ .get = get } }, { 0 } };

static void values_bring_no_cookies(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    kit_expect(kit_get_with("/", "Cookie", "a=b, _xsrf=evil; last=1"), 200, "none 1");
    kit_expect(kit_get_with("/", "Cookie", "a=\"x]_xsrf=evil\"; last=1"), 200, "none 1");
    kit_expect(kit_get_with("/", "Cookie", "a=x _xsrf=evil; last=1"), 200, "none 1");
    kit_expect(kit_get_with("/", "Cookie", "bad name=1; _xsrf=good; last=1"), 200, "good 1");
    kit_expect(kit_get_with("/", "Cookie", "{\"a\":1}; =; _xsrf=good; last=1"), 200, "good 1");
    kit_expect(kit_get_with("/", "Cookie", "a=\"unclosed; _xsrf=good; last=1"), 200, "good 1");
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(values_bring_no_cookies) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
