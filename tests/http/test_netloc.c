#include <spout/error.h>
#include <spout/httputil.h>

#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_table(void **state)
{
    (void)state;
    static const struct {
        const char *netloc, *host;
        int port;
    } cases[] = {
        { "foo", "foo", -1 },
        { "foo:1", "foo", 1 },
        { "foo:65535", "foo", 65535 },
        { "1.2.3.4:80", "1.2.3.4", 80 },
        { "[::1]:80", "[::1]", 80 },
        { "[::1]", "[::1]", -1 },
        { "foo:", "foo:", -1 },
        { ":80", ":80", -1 },
        { "foo:x80", "foo:x80", -1 },
        { "80", "80", -1 },
        { "", "", -1 },
        { "a:b:1", "a:b", 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *host;
        int port;
        assert_int_equal(spout_split_host_and_port(cases[i].netloc, &host, &port), 0);
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
    }
}

static void test_too_high(void **state)
{
    (void)state;
    const char *host = NULL;
    int port = 7;
    assert_int_equal(spout_split_host_and_port("foo:65536", &host, &port), SPOUT_EINVAL);
    assert_int_equal(
        spout_split_host_and_port("foo:99999999999999999999", &host, &port), SPOUT_EINVAL);
    assert_null(host);
    assert_int_equal(port, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = { scoped_test(test_table), scoped_test(test_too_high) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
