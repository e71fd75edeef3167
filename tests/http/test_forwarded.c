#include <spout/error.h>
#include <spout/httputil.h>

#include "http/forwarded.h"
#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const proxies[] = { "10.0.0.0/8", "192.0.2.7", "2001:db8::/33", NULL };

static void only_trusted_peers_are_believed(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        { "10.1.2.3", "198.51.100.1", "198.51.100.1" },
        { "198.51.100.9", "198.51.100.1", "198.51.100.9" },
        { "10.1.2.3", "6.6.6.6, 198.51.100.1", "198.51.100.1" },
        { "10.1.2.3", "198.51.100.1, 192.0.2.7,\t10.9.9.9", "198.51.100.1" },
        { "10.1.2.3", "6.6.6.6, 198.51.100.1, 192.0.2.7", "198.51.100.1" },
        { "10.1.2.3", "10.0.0.1, 10.0.0.2", "10.0.0.1" },
        { "10.1.2.3", "6.6.6.6, nonsense, 10.0.0.2", "10.0.0.2" },
        { "10.1.2.3", "nonsense", "10.1.2.3" },
        { "10.1.2.3", "", "10.1.2.3" },
        { "10.1.2.3", "1.2.3.4,", "10.1.2.3" },
        { "10.1.2.3", NULL, "10.1.2.3" },
        { "", "198.51.100.1", "198.51.100.1" },
        { "2001:db8:7fff::1", "198.51.100.1:4711", "198.51.100.1" },
        { "2001:db8:8000::1", "198.51.100.1", "2001:db8:8000::1" },
        { "::ffff:10.0.0.1", "[2a00::1]:80", "2a00::1" },
        { "10.1.2.3", "2a00::1", "2a00::1" },
        { "10.1.2.3", "::ffff:1.2.3.4", "1.2.3.4" },
        { "10.1.2.3", "1.2.3.4.5", "10.1.2.3" },
        { "10.1.2.3", "1.2.3.4:99999", "10.1.2.3" },
        { "10.1.2.3", "[::1", "10.1.2.3" },
        { "10.1.2.3", "4.4.4.4\r\n", "10.1.2.3" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(spout_client_ip(cases[i][0], cases[i][1], proxies), cases[i][2]);
}

static void networks_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = { "10.0.0.0/33", "::/129", "10.0.0", "a", "", "1.2.3.4/",
        "1.2.3.4/x", "1.2.3.4/-1" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *const list[] = { "10.0.0.0/8", bad[i], NULL };
        assert_null(spout_client_ip("10.0.0.1", NULL, list));
        assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    }
    const char *const all[] = { "0.0.0.0/0", NULL };
    assert_string_equal(spout_client_ip("9.9.9.9", "8.8.8.8", all), "8.8.8.8");
    assert_string_equal(spout_client_ip("::1", "8.8.8.8", all), "::1");
    assert_string_equal(spout_client_ip("9.9.9.9", "8.8.8.8", NULL), "9.9.9.9");
}

static void a_part_of_a_byte_counts(void **state)
{
    (void)state;
    spi_networks networks;
    spout_endpoint address;
    assert_int_equal(
        spi_networks_parse((const char *const[]){ "172.16.0.0/12", NULL }, &networks), 0);
    assert_true(spi_forwarded_parse_node("172.31.255.255", 14, &address));
    assert_true(spi_networks_contain(&networks, &address));
    assert_true(spi_forwarded_parse_node("172.32.0.0", 10, &address));
    assert_false(spi_networks_contain(&networks, &address));
    spi_networks_free(&networks);
    assert_false(spi_networks_contain(&networks, &address));
}

static void forwarded_is_read(void **state)
{
    (void)state;
    spout_forwarded *hops;
    assert_int_equal(spout_parse_forwarded("for=192.0.2.60;proto=http;by=203.0.113.43, "
                                           "For=\"[2001:db8:cafe::17]:4711\";Host=\"a,b\"",
                         &hops),
        2);
    assert_string_equal(hops[0].client, "192.0.2.60");
    assert_string_equal(hops[0].protocol, "http");
    assert_string_equal(hops[0].by, "203.0.113.43");
    assert_null(hops[0].host);
    assert_string_equal(hops[1].client, "[2001:db8:cafe::17]:4711");
    assert_string_equal(hops[1].host, "a,b");
    assert_int_equal(spout_parse_forwarded("for=unknown,, ext=1", &hops), 1);
    assert_string_equal(hops[0].client, "unknown");
    assert_int_equal(spout_parse_forwarded(NULL, &hops), 0);
    assert_int_equal(spout_parse_forwarded("", &hops), 0);
}

static void malformed_forwarded_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "for=\"a", "for=a;for=b", "for=\"a\"b", "f or=a",
        "for=a, for=\"b" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        spout_forwarded *hops;
        assert_int_equal(spout_parse_forwarded(bad[i], &hops), SPOUT_EPROTO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(only_trusted_peers_are_believed),
        scoped_test(networks_are_checked),
        scoped_test(a_part_of_a_byte_counts),
        scoped_test(forwarded_is_read),
        scoped_test(malformed_forwarded_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
