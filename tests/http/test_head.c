#include "http/head.h"

#include <spout/error.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const spi_head_limits limits = { .max_line = 8192, .max_head = 65536, .max_fields = 200 };

static int set_up(void **state)
{
    *state = spi_arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    spi_arena_free(*state);
    return 0;
}

static int parse(spi_arena *arena, const char *text, spi_request_head *ret_head)
{
    size_t len = strlen(text);
    return spi_request_head_parse(
        arena, spi_arena_memdup(arena, text, len), len, &limits, ret_head);
}

typedef struct target_case {
    const char *line;
    int status;
    const char *path, *query, *host;
} target_case;

#define V " HTTP/1.1"

static const target_case targets[] = {
    { "GET /" V, 0, "/", "", "h" },
    { "GET /a/b?c=d" V, 0, "/a/b", "c=d", "h" },
    { "GET /a?" V, 0, "/a", "", "h" },
    { "GET /?a?b??c" V, 0, "/", "a?b??c", "h" },
    { "GET /a%2Fb%00" V, 0, "/a%2Fb%00", "", "h" },
    { "GET //evil.example/" V, 0, "//evil.example/", "", "h" },
    { "GET /0123456789abcdef0123456789?0123456789abcdef" V, 0, "/0123456789abcdef0123456789",
        "0123456789abcdef", "h" },
    { "GET /\xC3\xA4" V, 0, "/\xC3\xA4", "", "h" },
    { "GET /{}|\"<>\\^`" V, 0, "/{}|\"<>\\^`", "", "h" },
    { "GET http://Example.org/x?y" V, 0, "/x", "y", "example.org" },
    { "GET HTTPS://example.org:444" V, 0, "/", "", "example.org:444" },
    { "GET http://example.org?q" V, 0, "/", "q", "example.org" },
    { "GET http://[::1]:80/" V, 0, "/", "", "[::1]:80" },
    { "OPTIONS *" V, 0, "*", "", "h" },
    { "OPTIONS /x" V, 0, "/x", "", "h" },
    { "CONNECT example.org:443" V, 0, "", "", "example.org:443" },
    { "GET *" V, -400, 0, 0, 0 },
    { "OPTIONS **" V, -400, 0, 0, 0 },
    { "OPTIONS *?a" V, -400, 0, 0, 0 },
    { "CONNECT /" V, -400, 0, 0, 0 },
    { "CONNECT example.org" V, -400, 0, 0, 0 },
    { "CONNECT example.org:" V, -400, 0, 0, 0 },
    { "CONNECT :443" V, -400, 0, 0, 0 },
    { "CONNECT a@example.org:443" V, -400, 0, 0, 0 },
    { "CONNECT http://example.org:443" V, -400, 0, 0, 0 },
    { "GET example.org:443" V, -400, 0, 0, 0 },
    { "GET a" V, -400, 0, 0, 0 },
    { "GET ?a" V, -400, 0, 0, 0 },
    { "GET ftp://example.org/" V, -400, 0, 0, 0 },
    { "GET http:/example.org/" V, -400, 0, 0, 0 },
    { "GET http://" V, -400, 0, 0, 0 },
    { "GET http:///x" V, -400, 0, 0, 0 },
    { "GET http://:80/x" V, -400, 0, 0, 0 },
    { "GET http://user@example.org/" V, -400, 0, 0, 0 },
    { "GET http://a,b/" V, -400, 0, 0, 0 },
    { "GET http://a:b/" V, -400, 0, 0, 0 },
    { "GET /a#b" V, -400, 0, 0, 0 },
    { "GET /a?b#c" V, -400, 0, 0, 0 },
    { "GET /a b" V, -400, 0, 0, 0 },
    { "GET /0123456789abcdef0123456789abcdef b" V, -400, 0, 0, 0 },
    { "GET  /" V, -400, 0, 0, 0 },
    { "GET / " V, -400, 0, 0, 0 },
    { "GET /  HTTP/1.1", -400, 0, 0, 0 },
    { "GET" V, -400, 0, 0, 0 },
    { "GET " V, -400, 0, 0, 0 },
    { "G@T /" V, -400, 0, 0, 0 },
    { "GET/ /" V, -400, 0, 0, 0 },
    { "G\xC3\x84T /" V, -400, 0, 0, 0 },
    { "GET / HTTP/1.1 ", -400, 0, 0, 0 },
    { "GET / http/1.1", -400, 0, 0, 0 },
    { "GET / HTTP/1.10", -400, 0, 0, 0 },
    { "GET / HTTP/11", -400, 0, 0, 0 },
    { "GET / HTTP/1,1", -400, 0, 0, 0 },
    { "GET / HTTP/a.1", -400, 0, 0, 0 },
    { "GET / HTTPS/1.1", -400, 0, 0, 0 },
    { "GET /HTTP/1.1", -400, 0, 0, 0 },
    { "GET /", -400, 0, 0, 0 },
    { "GET / HTTP/0.9", -505, 0, 0, 0 },
    { "GET / HTTP/2.0", -505, 0, 0, 0 },
    { "GET / HTTP/3.1", -505, 0, 0, 0 },
    { "PRI * HTTP/2.0", -505, 0, 0, 0 },
};

static void test_request_lines(void **state)
{
    spi_arena *arena = *state;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        const target_case *t = &targets[i];
        spi_request_head head;
        char *text = spi_arena_format(arena, "%s\r\nHost: h\r\n\r\n", t->line);
        int status = parse(arena, text, &head);
        if (status != t->status)
            fail_msg("%s: %d, not %d", t->line, status, t->status);
        if (status < 0) {
            assert_int_equal(spout_error_code_current(), SPOUT_EPROTO);
            continue;
        }
        assert_string_equal(head.path, t->path);
        assert_string_equal(head.query, t->query);
        assert_string_equal(head.host, t->host);
        assert_int_equal(strlen(head.target.data), head.target.len);
        assert_memory_equal(head.target.data, strchr(t->line, ' ') + 1, head.target.len);
    }
}

static void test_versions(void **state)
{
    spi_request_head head;
    assert_int_equal(parse(*state, "GET / HTTP/1.0\r\n\r\n", &head), 0);
    assert_int_equal(head.minor_version, 0);
    assert_string_equal(head.host, "");
    assert_int_equal(parse(*state, "GET / HTTP/1.2\r\nHost: a\r\n\r\n", &head), 0);
    assert_int_equal(head.minor_version, 1);
    assert_int_equal(parse(*state, "GET / HTTP/1.9\r\n\r\n", &head), -400);
}

static void test_methods(void **state)
{
    static const struct {
        const char *name;
        spi_method method;
    } methods[] = {
        { "GET", SPI_METHOD_GET },
        { "HEAD", SPI_METHOD_HEAD },
        { "POST", SPI_METHOD_POST },
        { "PUT", SPI_METHOD_PUT },
        { "DELETE", SPI_METHOD_DELETE },
        { "PATCH", SPI_METHOD_PATCH },
        { "OPTIONS", SPI_METHOD_OPTIONS },
        { "TRACE", SPI_METHOD_TRACE },
        { "get", SPI_METHOD_OTHER },
        { "GETX", SPI_METHOD_OTHER },
        { "GE", SPI_METHOD_OTHER },
        { "PROPFIND", SPI_METHOD_OTHER },
        { "x-!#$%&'*+.^_`|~", SPI_METHOD_OTHER },
    };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        spi_request_head head;
        char *text = spi_arena_format(*state, "%s / HTTP/1.0\r\n\r\n", methods[i].name);
        assert_int_equal(parse(*state, text, &head), 0);
        assert_int_equal(head.method, methods[i].method);
        assert_string_equal(head.method_text, methods[i].name);
    }
    assert_int_equal(spi_method_parse("CONNECT", 7), SPI_METHOD_CONNECT);
    assert_int_equal(spi_method_parse("", 0), SPI_METHOD_OTHER);
}

static const char *const bad_lines[] = {
    "", /* placeholder for no line: fine, checked below */
    "NoColon",
    ": empty name",
    "A : b",
    "A\t: b",
    " A: b",
    "\tA: b",
    "A b: c",
    "A(: b",
    "\xC3\xA4: b",
    "\"A\": b",
    "A/B: c",
    "A: b\r\n folded",
    "A: b\r\n\tfolded",
    "A: b\r\n \r\nC: d",
    "A-name-that-is-longer-than-a-block-with@in: it",
    "A[: b",
    "A]: b",
    "A@: b",
    "A{: b",
    "A;: b",
};

static void test_bad_lines(void **state)
{
    for (size_t i = 0; i < sizeof bad_lines / sizeof bad_lines[0]; i++) {
        spi_request_head head = { .field_count = 77 };
        bool is_good = i == 0;
        char *text = spi_arena_format(
            *state, "GET / HTTP/1.1\r\nHost: h\r\n%s%s\r\n", bad_lines[i], is_good ? "" : "\r\n");
        int status = parse(*state, text, &head);
        if (status != (is_good ? 0 : -400))
            fail_msg("\"%s\": %d", bad_lines[i], status);
        assert_int_equal(head.field_count, is_good ? 1 : 77);
    }
}

static void test_first_line_folded(void **state)
{
    spi_request_head head;
    assert_int_equal(parse(*state, "GET / HTTP/1.1\r\n Host: a\r\n\r\n", &head), -400);
}

static void test_fields(void **state)
{
    spi_request_head head;
    int status = parse(*state,
        "\r\nGET / HTTP/1.1\r\nHOST:\t Ex.org \t\r\nEmpty:\r\nBlank: \t \r\n"
        "A-Name-Longer-Than-Sixteen-Bytes_1:v:1\r\nx: a  b\tc\r\nX: \xE4\xA0\r\n\r\n",
        &head);
    static const char *const expected[][2] = {
        { "HOST", "Ex.org" },
        { "Empty", "" },
        { "Blank", "" },
        { "A-Name-Longer-Than-Sixteen-Bytes_1", "v:1" },
        { "x", "a  b\tc" },
        { "X", "\xE4\xA0" },
    };
    assert_int_equal(status, 0);
    assert_int_equal(head.field_count, 6);
    assert_string_equal(head.host, "ex.org");
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(head.fields[i].name, expected[i][0]);
        assert_string_equal(head.fields[i].value, expected[i][1]);
        assert_int_equal(head.fields[i].name_len, strlen(expected[i][0]));
        assert_int_equal(head.fields[i].value_len, strlen(expected[i][1]));
    }
}

static void test_many_fields(void **state)
{
    spi_request_head head;
    char *text = spi_arena_chars(*state, 16384);
    for (int count = 1; count < 202; count++) {
        int len = sprintf(text, "GET / HTTP/1.1\r\nHost: h\r\n");
        for (int i = 1; i < count; i++)
            len += sprintf(text + len, "Name-%d: value %d \r\n", i, i);
        sprintf(text + len, "\r\n");
        assert_int_equal(parse(*state, text, &head), count <= 200 ? 0 : -431);
        if (count > 200)
            break;
        assert_int_equal(head.field_count, count);
        for (int i = 1; i < count; i++) {
            char value[32];
            sprintf(value, "value %d", i);
            assert_string_equal(head.fields[i].value, value);
        }
    }
}

static void test_not_one_head(void **state)
{
    spi_request_head head;
    assert_int_equal(parse(*state, "GET / HTTP/1.0\r\n", &head), -400);
    assert_int_equal(parse(*state, "GET / HTTP/1.0\r\n\r\nx", &head), -400);
    assert_int_equal(parse(*state, "", &head), -400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_request_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_methods, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_line_folded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_one_head, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
