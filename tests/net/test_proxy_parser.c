#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/proxy_parser.h"

#include <arpa/inet.h>
#include <string.h>

/* All cuts give the same: nothing before the end, and the end where it is, whatever follows. */
static spi_proxy_header parses(const char *data, size_t len)
{
    char all[SPI_PROXY_MAX + 64];
    spi_proxy_header header = { .version = 9 };
    const char *why = NULL;
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(spi_proxy_parse(data, cut, &header, &why), 0);
        assert_int_equal(header.version, 9);
    }
    assert_int_equal(spi_proxy_parse(data, len, &header, &why), len);
    memcpy(all, data, len);
    memcpy(all + len, "\r\nGET / HTTP/1.1\r\n", 18);
    assert_int_equal(spi_proxy_parse(all, len + 18, &header, &why), len);
    assert_null(why);
    return header;
}

static spi_proxy_header parses_text(const char *text)
{
    return parses(text, strlen(text));
}

/* It is refused at some point, and from there on. */
static void refuses(const char *data, size_t len)
{
    spi_proxy_header header = { .version = 9 };
    bool refused = false;
    for (size_t cut = 0; cut <= len; cut++) {
        const char *why = NULL;
        int result = spi_proxy_parse(data, cut, &header, &why);
        assert_true(result <= 0);
        assert_true(!refused || result < 0);
        refused = result < 0;
        assert_int_equal(why != NULL, refused);
    }
    if (!refused)
        fail_msg("not refused: %.*s", (int)len, data);
    assert_int_equal(header.version, 9);
}

static void expect_ip(const spi_proxy_address *address, const char *ip, int port)
{
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->ip, text, sizeof text);
    assert_string_equal(text, ip);
    assert_int_equal(address->port, port);
}

static void test_v1(void **state)
{
    (void)state;
    spi_proxy_header header = parses_text("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n");
    assert_int_equal(header.version, 1);
    assert_false(header.local);
    expect_ip(&header.source, "192.0.2.1", 56324);
    expect_ip(&header.destination, "198.51.100.7", 443);
    header = parses_text("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n");
    expect_ip(&header.source, "2001:db8::1", 65535);
    expect_ip(&header.destination, "::1", 0);
    header = parses_text("PROXY UNKNOWN\r\n");
    assert_int_equal(header.source.family, 0);
    header = parses_text("PROXY UNKNOWN ffff:f:: what ever 1 2\r\n");
    assert_int_equal(header.source.family, 0);
    /* the longest there is: 107 bytes */
    parses_text("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n");
}

/* More than the 107 bytes that the specification allows a line. */
static const char too_long[] =
    "PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123456789"
    "01234567890123456789012345\r\n";

static void test_v1_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n",
        "PROXZ TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
        "proxy TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n\r\n\r",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\rX",
        "PROXY TCP4 192.0.2.1  198.51.100.7 56324 443\r\n",
        "PROXY  TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 1\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 65536\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 -1 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 0443 443\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.7 56324 443\r\n",
        "PROXY TCP4 ::1 ::1 56324 443\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.7 56324 443\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.7 56324 443\r\n",
        "PROXY \r\n",
        too_long,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuses(bad[i], strlen(bad[i]));
    refuses("PROXY TCP4 192.0.2.1\0 198.51.100.7 56324 443\r\n", 46);
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void test_v2(void **state)
{
    (void)state;
    spi_proxy_header header = parses(SIGNATURE "\x21\x11\0\x0c"
                                               "\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb",
        28);
    assert_int_equal(header.version, 2);
    expect_ip(&header.source, "192.0.2.1", 56324);
    expect_ip(&header.destination, "198.51.100.7", 443);
    /* IPv6, and something behind the addresses */
    header = parses(SIGNATURE "\x21\x21\0\x28"
                              "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                              "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\2\4\0\1X",
        56);
    expect_ip(&header.source, "2001:db8::1", 1);
    expect_ip(&header.destination, "::1", 2);
    header = parses(SIGNATURE "\x20\0\0\0", 16);
    assert_true(header.local);
    header = parses(SIGNATURE "\x20\x11\0\x0c"
                              "\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb",
        28);
    assert_true(header.local);
    assert_int_equal(header.source.family, 0);
    header = parses(SIGNATURE "\x21\0\0\3abc", 19);
    assert_int_equal(header.source.family, 0);
    header = parses(SIGNATURE "\x21\x12\0\x0c"
                              "\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb",
        28);
    assert_int_equal(header.source.family, 0); /* UDP is not how it came */
}

static void test_v2_refused(void **state)
{
    (void)state;
    refuses("\r\n\r\n\0\r\nQUIT\r\x21\x11\0\0", 16);
    refuses(SIGNATURE "\x11\x11\0\x0c", 16);
    refuses(SIGNATURE "\x22\x11\0\x0c", 16);
    refuses(SIGNATURE "\x21\x41\0\0", 16);
    refuses(SIGNATURE "\x21\x13\0\0", 16);
    refuses(SIGNATURE "\x21\x11\0\x0b"
                      "abcdefghijk",
        27);
    refuses(SIGNATURE "\x21\x21\0\x0c"
                      "abcdefghijkl",
        28);
    refuses(SIGNATURE "\x21\x11\xff\xff", 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v1),
        cmocka_unit_test(test_v1_refused),
        cmocka_unit_test(test_v2),
        cmocka_unit_test(test_v2_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
