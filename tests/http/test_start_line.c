#include <spout/error.h>
#include <spout/httputil.h>

#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void requests(void **state)
{
    (void)state;
    spout_request_start_line line;
    assert_int_equal(spout_parse_request_start_line("GET /foo?a=b HTTP/1.1", &line), 0);
    assert_string_equal(line.method, "GET");
    assert_string_equal(line.path, "/foo?a=b");
    assert_string_equal(line.version, "HTTP/1.1");
    assert_int_equal(spout_parse_request_start_line("OPTIONS * HTTP/1.0", &line), 0);
    assert_string_equal(line.path, "*");
    static const char *const bad[] = { "", "GET", "GET /", "GET / HTTP/2.0", "GET / HTTP/1.",
        "GET  HTTP/1.1", "GET  / HTTP/1.1", "GET / / HTTP/1.1", "G:T / HTTP/1.1", " / HTTP/1.1",
        "GET /\x01 HTTP/1.1", "GET / HTTP/1.1\r", "GET / HTTP/1.1 ", "GET / http/1.1", NULL };
    for (size_t i = 0; bad[i]; i++) {
        assert_int_equal(spout_parse_request_start_line(bad[i], &line), SPOUT_EPROTO);
        assert_string_equal(line.path, "*");
    }
}

static void responses(void **state)
{
    (void)state;
    spout_response_start_line line;
    assert_int_equal(spout_parse_response_start_line("HTTP/1.1 200 OK", &line), 0);
    assert_string_equal(line.version, "HTTP/1.1");
    assert_int_equal(line.code, 200);
    assert_string_equal(line.reason, "OK");
    assert_int_equal(spout_parse_response_start_line("HTTP/1.0 404 Not Found", &line), 0);
    assert_string_equal(line.reason, "Not Found");
    assert_int_equal(spout_parse_response_start_line("HTTP/1.1 200 ", &line), 0);
    assert_string_equal(line.reason, "");
    assert_int_equal(spout_parse_response_start_line("HTTP/1.1 599", &line), 0);
    assert_string_equal(line.reason, "");
    static const char *const bad[] = { "", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20",
        "HTTP/2.0 200 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 +20 OK", "HTTP/1.1  200 OK",
        "HTTP/1.1 099 No", "HTTP/1.1 200 O\rK", "HTTPS1.1 200 OK", NULL };
    for (size_t i = 0; bad[i]; i++) {
        assert_int_equal(spout_parse_response_start_line(bad[i], &line), SPOUT_EPROTO);
        assert_int_equal(line.code, 599);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(requests),
        scoped_test(responses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
