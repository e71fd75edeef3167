#include "kit.h"

#include "net/endpoint.h"
#include "net/networks.h"

static bool holds(const char *network, const char *ip)
{
    const char *list[] = { network, NULL };
    spi_networks networks;
    spout_endpoint endpoint = { 0 };
    if (*ip)
        assert_true(spi_endpoint_parse(&endpoint, ip, 80));
    assert_int_equal(spi_networks_parse(list, &networks), 0);
    bool result = spi_networks_contain(&networks, &endpoint);
    spi_networks_free(&networks);
    return result;
}

static void test_contain(void **state)
{
    (void)state;
    assert_true(holds("10.0.0.0/8", "10.255.1.2"));
    assert_false(holds("10.0.0.0/8", "11.0.0.0"));
    assert_true(holds("192.0.2.128/25", "192.0.2.200"));
    assert_false(holds("192.0.2.128/25", "192.0.2.127"));
    assert_true(holds("192.0.2.1", "192.0.2.1"));
    assert_false(holds("192.0.2.1", "192.0.2.3"));
    assert_false(holds("192.0.2.0/31", "192.0.2.2"));
    assert_true(holds("0.0.0.0/0", "203.0.113.9"));
    assert_false(holds("0.0.0.0/0", "::1"));
    assert_true(holds("::/0", "2001:db8::1"));
    assert_true(holds("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(holds("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(holds("::1/128", "::1"));
    assert_true(holds("unix", ""));
    assert_false(holds("unix", "127.0.0.1"));
    assert_false(holds("0.0.0.0/0", ""));
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "10", "10.0.0.0/", "10.0.0.0/33", "::/129", "::1/x",
        "localhost", "10.0.0.0/8/8", "Unix",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc/1" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *list[] = { "10.0.0.0/8", bad[i], NULL };
        spi_networks networks = { 0 };
        assert_int_equal(spi_networks_parse(list, &networks), SPOUT_EINVAL);
        assert_non_null(strstr(spout_error_message(), bad[i]));
        assert_null(networks.items);
    }
}

static void test_none(void **state)
{
    (void)state;
    spi_networks networks;
    assert_int_equal(spi_networks_parse(NULL, &networks), 0);
    assert_int_equal(networks.count, 0);
    assert_false(spi_networks_contain(&networks, &(spout_endpoint){ 0 }));
    spi_networks_free(&networks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contain),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
