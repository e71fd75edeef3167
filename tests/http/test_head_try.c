#include "http/head_try.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const spi_head_limits limits = { .max_line = 2000, .max_head = 4000, .max_fields = 30 };

#define GET "GET / HTTP/1.1\r\n"
#define HOST "Host: localhost\r\n"

static const char browser[] =
    "GET /a/b?c=d HTTP/1.1\r\nHost: localhost:8080\r\nConnection: keep-alive\r\n"
    "Cache-Control: max-age=0\r\nsec-ch-ua: \"Chromium\";v=\"124\", \"Not-A.Brand\";v=\"99\"\r\n"
    "sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n"
    "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nSec-Fetch-Site: none\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n";

static void compare(const spi_request_head *quick, const spi_request_head *slow)
{
    assert_string_equal(quick->method_text, slow->method_text);
    assert_int_equal(quick->method, slow->method);
    assert_int_equal(quick->target.len, slow->target.len);
    assert_string_equal(quick->target.data, slow->target.data);
    assert_string_equal(quick->path, slow->path);
    assert_int_equal(quick->path_len, slow->path_len);
    assert_string_equal(quick->query, slow->query);
    assert_string_equal(quick->host, slow->host);
    assert_int_equal(quick->minor_version, slow->minor_version);
    assert_int_equal(quick->body_kind, slow->body_kind);
    assert_int_equal(quick->content_length, slow->content_length);
    assert_int_equal(quick->keep_alive, slow->keep_alive);
    assert_int_equal(quick->expect_continue, slow->expect_continue);
    assert_int_equal(quick->upgrade, slow->upgrade);
    assert_int_equal(quick->has_condition, slow->has_condition);
    assert_int_equal(quick->field_count, slow->field_count);
    for (size_t i = 0; i < slow->field_count; i++) {
        assert_string_equal(quick->fields[i].name, slow->fields[i].name);
        assert_string_equal(quick->fields[i].value, slow->fields[i].value);
        assert_int_equal(quick->fields[i].name_len, slow->fields[i].name_len);
        assert_int_equal(quick->fields[i].value_len, slow->fields[i].value_len);
    }
}

/* Both ways over the same bytes: what the quick one says must be what the long one says. Returns
   the quick one's length. */
static long try_both(
    spi_head_try *try_quickly, const char *data, size_t len, const spi_head_limits *within)
{
    spi_arena *arena = spi_arena_new(0);
    char *exact = malloc(len ? len : 1);
    memcpy(exact, data, len);
    spi_request_head quick, slow;
    long quick_len = try_quickly(arena, exact, len, within, &quick);
    if (quick_len != 0) {
        spi_head_scanner scanner = { .scanned = 0 };
        assert_int_equal(spi_head_scan(&scanner, data, len, within), quick_len);
        char *text = spi_arena_memdup(arena, data, (size_t)quick_len);
        assert_int_equal(spi_request_head_parse(arena, text, (size_t)quick_len, within, &slow), 0);
        compare(&quick, &slow);
    }
    free(exact);
    spi_arena_free(arena);
    return quick_len;
}

/* All variants say the same. */
static long try_within(const char *data, size_t len, const spi_head_limits *within)
{
    long found = try_both(spi_request_head_try, data, len, within);
    assert_int_equal(try_both(spi_head_try_base, data, len, within), found);
    assert_int_equal(try_both(spi_head_try_portable, data, len, within), found);
    if (spi_head_try_for_avx2())
        assert_int_equal(try_both(spi_head_try_for_avx2(), data, len, within), found);
    return found;
}

static long try_all(const char *data, size_t len)
{
    return try_within(data, len, &limits);
}

/* What it is there for. */
static void test_plain(void **state)
{
    (void)state;
    static const char *const heads[] = {
        GET HOST "\r\n",
        browser,
        "GET /plaintext?a?b HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: close, x\r\n\r\n",
        "POST /form HTTP/1.1\r\n" HOST "Content-Length: 12\r\nExpect: 100-continue\r\n\r\n",
        "GET /?a!\"$%&'()*+,-./:;<=>?@[]^_`{|}~ HTTP/1.1\r\n" HOST "\r\n",
        "GET /$%&'()*+,-./:;<=>@[]^_`{|}~ HTTP/1.1\r\n" HOST "\r\n",
        "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
        "PROPFIND /x HTTP/1.1\r\nHost: a.much-longer-name.example.org:8080\r\n\r\n",
        GET "Host: [::1]:80\r\nA-Name-of-No-More-Than-ThirtyTwo: v\r\n\r\n",
        GET "Host: a\r\nConnection: keep-alive\r\n\r\n",
        GET "Connection: keep-alive\r\nHost: a:1\r\nConnection: close\r\n\r\n",
        GET "Host: 127.0.0.1:\r\n\r\n",
        GET HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        GET "HOST: Example.ORG\r\nCoNtEnT-lEnGtH: 0\r\n\r\n",
        GET "hOsT: a.b:80\r\nConnection: keep-alive\r\n\r\n",
        GET "Accept: */*\r\nHost: a.b:80\r\n\r\n",
        GET "Hose: a.b\r\nHost: a.b\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        assert_int_equal(try_all(heads[i], strlen(heads[i])), strlen(heads[i]));
    assert_int_equal(try_all(GET HOST "\r\n" GET, 52), 35);
}

/* What it leaves to the long way: 0, whether that would accept it or not. */
static void test_left_alone(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "",
        "G",
        "GET ",
        GET,
        GET HOST,
        GET HOST "\r",
        GET "\r\n",
        "\r\n" GET HOST "\r\n",
        "GET http://a/ HTTP/1.1\r\n" HOST "\r\n",
        "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
        "CONNECT / HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.0\r\n" HOST "\r\n",
        "GET /# HTTP/1.1\r\n" HOST "\r\n",
        "GET /?# HTTP/1.1\r\n" HOST "\r\n",
        "GET /! HTTP/1.1\r\n" HOST "\r\n",
        "GET /\xC3\xA4 HTTP/1.1\r\n" HOST "\r\n",
        "GET /  HTTP/1.1\r\n" HOST "\r\n",
        "GET  / HTTP/1.1\r\n" HOST "\r\n",
        "/ HTTP/1.1\r\n" HOST "\r\n",
        " / HTTP/1.1\r\n" HOST "\r\n",
        GET HOST HOST "\r\n",
        GET "Host: a,b\r\n\r\n",
        GET "Host: a:123456\r\n\r\n",
        GET "Host: :80\r\n\r\n",
        GET "Host: a:b\r\n\r\n",
        GET HOST "A:\r\n\r\n",
        GET HOST "A: \r\n\r\n",
        GET HOST "A:  b\r\n\r\n",
        GET HOST "A: b \r\n\r\n",
        GET HOST "A:\tb\r\n\r\n",
        GET HOST "A:b\r\n\r\n",
        GET HOST "A-Name-of-One-More-Than-ThirtyTwo: v\r\n\r\n",
        GET HOST "A: b\tc\r\n\r\n",
        GET HOST "A: \xC3\xA4\r\n\r\n",
        GET HOST "A : b\r\n\r\n",
        GET HOST " A: b\r\n\r\n",
        GET HOST ": b\r\n\r\n",
        GET HOST "A\r\n\r\n",
        GET HOST "A: b\n\r\n",
        GET HOST "A: b\r\r\n",
        GET HOST "A\r: b\r\n\r\n",
        GET HOST "A-\r: b\r\n\r\n",
        GET HOST "A: b\x7F\r\n\r\n",
        GET HOST "A: b\r\n c\r\n\r\n",
        GET HOST "Content-Length: x\r\n\r\n",
        GET HOST "Transfer-Encoding: gzip\r\n\r\n",
        GET HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        GET HOST "Expect: x\r\n\r\n",
        GET "Host: h\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        if (try_all(heads[i], strlen(heads[i])) != 0)
            fail_msg("%s", heads[i]);
    }
}

/* Every byte of a head replaced by bytes that mean something somewhere. */
static void test_mutations(void **state)
{
    (void)state;
    static const char bytes[] = { '\r', '\n', '\t', ' ', ':', 0, 0x7F, (char)0x80, (char)0xFF, ',',
        '?', '#', '/', 'A', '1', '@', '[', '-', '_', '"' };
    static const char *const heads[] = {
        browser,
        "POST /a?b HTTP/1.1\r\nHost: a.b:80\r\nContent-Length: 12\r\nConnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\nExpect: "
        "100-continue\r\n\r\n",
    };
    char text[sizeof browser];
    for (size_t h = 0; h < sizeof heads / sizeof heads[0]; h++) {
        size_t len = strlen(heads[h]);
        for (size_t at = 0; at < len; at++) {
            for (size_t b = 0; b < sizeof bytes; b++) {
                memcpy(text, heads[h], len);
                text[at] = bytes[b];
                try_all(text, len);
                if (b == 0)
                    try_all(heads[h], at);
            }
        }
    }
}

/* Line ends, colons and odd bytes at each place of a step. */
static void test_places(void **state)
{
    (void)state;
    static const char odd[] = { '\t', '\n', '\r', 0, 0x7F, (char)0x80, (char)0xFF };
    char text[512];
    for (int name_len = 1; name_len < 40; name_len++) {
        for (int value_len = 1; value_len < 100; value_len++) {
            int len = sprintf(text, GET HOST "%.*s: %0*d\r\nLast: 1\r\n\r\n", name_len,
                "Abcdefghij-klmnopqrstuvwxyz-Abcdefghijkl", value_len, 7);
            assert_int_equal(try_all(text, (size_t)len), name_len <= 32 ? len : 0);
        }
    }
    for (size_t at = 0; at < 100; at++) {
        for (size_t i = 0; i < sizeof odd; i++) {
            int len = sprintf(text, GET HOST "A: %0100d\r\n\r\n", 7);
            text[36 + at] = odd[i];
            assert_int_equal(try_all(text, (size_t)len), 0);
        }
    }
}

static void test_hosts(void **state)
{
    (void)state;
    static const char bytes[] = "aZ09-._~:/@[],%$ ";
    char text[128], host[64];
    for (int len = 1; len < 40; len += 1 + len / 8) {
        memset(host, 'h', sizeof host);
        for (int at = 0; at < len; at++) {
            for (size_t b = 0; b < sizeof bytes - 1; b++) {
                for (int digits = 0; digits <= len - at - 1 && digits < 7; digits++) {
                    host[at] = bytes[b];
                    memset(host + len - digits, '7', (size_t)digits);
                    int text_len = sprintf(text, GET "Host: %.*s\r\n\r\n", len, host);
                    try_all(text, (size_t)text_len);
                    memset(host, 'h', sizeof host);
                }
            }
        }
    }
}

/* Names that end about where a step does, and ports. */
static void test_ports(void **state)
{
    (void)state;
    static const char *const good[] = { "", ":", ":1", ":80", ":8080", ":00000", ":59999", ":60000",
        ":65535", ":000080" };
    static const char *const bad[] = { ":65536", ":99999", ":x", ":8x", ":8080x", ":80:", ":8080 ",
        "::" };
    static const char *const firsts[] = { GET, GET "Accept: */*\r\n" };
    char text[256];
    for (int len = 1; len < 40; len++) {
        for (size_t first = 0; first < 2; first++) {
            for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
                int text_len = sprintf(
                    text, "%sHost: %0*d%s\r\nAccept: */*\r\n\r\n", firsts[first], len, 7, good[i]);
                assert_int_equal(try_all(text, (size_t)text_len), text_len);
            }
            for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                int text_len = sprintf(
                    text, "%sHost: %0*d%s\r\nAccept: */*\r\n\r\n", firsts[first], len, 7, bad[i]);
                assert_int_equal(try_all(text, (size_t)text_len), 0);
            }
        }
    }
}

static size_t head_of(char *out, size_t path_len, size_t fields)
{
    char *at = out + sprintf(out, "GET /%*s HTTP/1.1\r\nHost: h\r\n", (int)path_len, "");
    memset(out + 5, 'x', path_len);
    for (size_t i = 1; i < fields; i++)
        at += sprintf(at, "Name: value\r\n");
    strcpy(at, "\r\n");
    return (size_t)(at + 2 - out);
}

/* A head that is no longer than a line may be is taken, one with a line that is longer is not. */
static void test_limits(void **state)
{
    (void)state;
    static const spi_head_limits line = { 100, 4000, 30 }, head = { 4000, 100, 30 };
    static const spi_head_limits two = { 4000, 4000, 2 };
    char text[8192];
    for (size_t path_len = 60; path_len < 120; path_len++) {
        size_t len = head_of(text, path_len, 1);
        assert_int_equal(try_within(text, len, &line) != 0, len <= 100);
        assert_int_equal(try_within(text, len, &head) != 0, len <= 100);
    }
    for (size_t fields = 2; fields < 40; fields++) {
        size_t len = head_of(text, 1, fields);
        assert_int_equal(try_all(text, len) != 0, fields <= 24);
        assert_int_equal(try_within(text, len, &two) != 0, fields <= 2);
    }
    size_t len = (size_t)sprintf(text, GET HOST "A: %02000d\r\n", 1);
    strcpy(text + len, "\r\n");
    for (size_t cut = 0; cut < 80; cut++) {
        memmove(text + 38, text + 39, strlen(text + 39) + 1);
        assert_int_equal(try_all(text, strlen(text)) != 0, strlen(text) <= 2000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
