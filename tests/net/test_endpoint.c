#include "kit.h"

#include "net/endpoint.h"

#include <sys/un.h>

static void test_is_valid_ip(void **state)
{
    (void)state;
    static const char *const good[] = { "127.0.0.1", "0.0.0.0", "255.255.255.255", "::", "::1",
        "fe80::1", "::ffff:1.2.3.4", "2001:db8:0:0:0:0:0:1" };
    static const char *const bad[] = { "", " ", "localhost", "127.0.0.1:80", "[::1]", "256.0.0.1",
        "1.2.3", "4294967295", "0x7f000001", "127.0.0.1 ", "::1%lo", ":::", "1.2.3.4\n",
        "01.2.3.4" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(spout_is_valid_ip(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(spout_is_valid_ip(bad[i]));
    assert_false(spout_is_valid_ip(NULL));
}

static void check_round_trip(const char *text, const char *shown, const char *name)
{
    spout_endpoint endpoint, back;
    struct sockaddr_storage address;
    char out[46], named[SPI_ENDPOINT_NAME];
    assert_true(spi_endpoint_parse(&endpoint, text, 8080));
    assert_true(spi_endpoint_to(&endpoint, &address) > 0);
    spi_endpoint_from(&back, (const struct sockaddr *)&address);
    assert_int_equal(back.port, 8080);
    assert_string_equal(spout_endpoint_text(&endpoint, out), shown);
    assert_string_equal(spout_endpoint_text(&back, out), shown);
    assert_string_equal(spi_endpoint_name(&back, named), name);
}

static void test_round_trip(void **state)
{
    (void)state;
    check_round_trip("192.168.1.20", "192.168.1.20", "192.168.1.20:8080");
    check_round_trip("::1", "::1", "[::1]:8080");
    check_round_trip("2001:DB8::0:5", "2001:db8::5", "[2001:db8::5]:8080");
    check_round_trip("::ffff:10.1.2.3", "10.1.2.3", "10.1.2.3:8080");
    check_round_trip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:8080");
}

static void test_zones(void **state)
{
    (void)state;
    spout_endpoint endpoint = { .port = 7 }, back;
    struct sockaddr_storage address;
    char text[46], name[SPI_ENDPOINT_NAME];
    static const char *const bad[] = { "fe80::1%", "fe80::1%no-such-interface", "127.0.0.1%lo",
        "%lo", "fe80::1%0", "fe80::1%4294967296", "fe80::1%1%1", "localhost%lo",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%lo" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(spi_endpoint_parse_zoned(&endpoint, bad[i], 80));
    assert_int_equal(endpoint.port, 7);
    assert_true(spi_endpoint_parse_zoned(&endpoint, "fe80::1", 80));
    assert_int_equal(endpoint.zone, 0);
    assert_true(spi_endpoint_parse_zoned(&endpoint, "fe80::1%4000000000", 80));
    assert_string_equal(spi_endpoint_name(&endpoint, name), "[fe80::1%4000000000]:80");
    assert_true(spi_endpoint_parse_zoned(&endpoint, "fe80::1%lo", 80));
    spi_endpoint_to(&endpoint, &address);
    spi_endpoint_from(&back, (const struct sockaddr *)&address);
    assert_int_equal(back.zone, endpoint.zone);
    assert_string_equal(spi_endpoint_name(&back, name), "[fe80::1%lo]:80");
    assert_string_equal(spout_endpoint_text(&back, text), "fe80::1");
    assert_true(spi_endpoint_is_same_host(&endpoint, &back));
    back.zone++;
    assert_false(spi_endpoint_is_same_host(&endpoint, &back));
}

static void test_parse_leaves_its_output_on_failure(void **state)
{
    (void)state;
    spout_endpoint endpoint = { .port = 7 };
    assert_false(spi_endpoint_parse(&endpoint, "nonsense", 8080));
    assert_int_equal(endpoint.port, 7);
}

static void test_unix_has_no_text(void **state)
{
    (void)state;
    int fds[2];
    spout_endpoint endpoint;
    char out[46], name[SPI_ENDPOINT_NAME];
    kit_unix_pair(fds);
    spi_endpoint_of_peer(&endpoint, fds[0]);
    assert_int_equal(endpoint.family, 0);
    assert_string_equal(spout_endpoint_text(&endpoint, out), "");
    assert_string_equal(spi_endpoint_name(&endpoint, name), "unix");
    close(fds[0]);
    close(fds[1]);
    kit_tcp_pair(fds);
    spi_endpoint_of_peer(&endpoint, fds[0]);
    assert_string_equal(spout_endpoint_text(&endpoint, out), "127.0.0.1");
    assert_true(endpoint.port > 0);
    close(fds[0]);
    close(fds[1]);
}

static void test_unix_address(void **state)
{
    (void)state;
    struct sockaddr_un address;
    char path[200];
    assert_true(spi_unix_address("/tmp/x", &address) > 0);
    assert_string_equal(address.sun_path, "/tmp/x");
    assert_int_equal(
        spi_unix_address("@name", &address), offsetof(struct sockaddr_un, sun_path) + 5);
    assert_memory_equal(address.sun_path, "\0name", 5);
    assert_int_equal(spi_unix_address("", &address), SPOUT_EINVAL);
    assert_int_equal(spi_unix_address("@", &address), SPOUT_EINVAL);
    memset(path, 'p', sizeof path);
    path[sizeof address.sun_path] = '\0';
    assert_int_equal(spi_unix_address(path, &address), SPOUT_EINVAL);
    path[sizeof address.sun_path - 1] = '\0';
    assert_int_equal(spi_unix_address(path, &address), sizeof address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_valid_ip),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_parse_leaves_its_output_on_failure),
        cmocka_unit_test(test_unix_has_no_text),
        cmocka_unit_test(test_unix_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
