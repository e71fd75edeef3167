#include "http/head.h"

#include "cut.h"

#include <spout/error.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const spi_head_limits limits = { .max_line = 64, .max_head = 256, .max_fields = 8 };

#define GET "GET / HTTP/1.1\r\n"
#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

typedef struct scan_case {
    const char *text;
    long expected; /* -1: the whole text */
} scan_case;

static const scan_case cases[] = {
    { GET "\r\n", -1 },
    { GET "Host: a\r\n\r\n", -1 },
    { GET "Host: a\r\n\r\nbody", 27 },
    { GET "Host: a\r\n\r\n" GET "\r\n", 27 },
    { "\r\n" GET "\r\n", -1 },
    { GET "A:\tb\r\n\r\n", -1 },
    { GET "A: \xC3\xA4\r\n\r\n", -1 },
    { "", 0 },
    { "\r", 0 },
    { "\r\n", 0 },
    { "\r\nGET", 0 },
    { "GET / HTTP/1.1", 0 },
    { "GET / HTTP/1.1\r", 0 },
    { GET, 0 },
    { GET "\r", 0 },
    { GET "A: b\r\n", 0 },
    /* garbage, at once */
    { "\x16\x03\x01", -400 },
    { "\x16", -400 },
    { "\x80\x2E\x01", -400 },
    { " GET / HTTP/1.1", -400 },
    { "\tGET", -400 },
    { "\"GET\"", -400 },
    { "\n", -400 },
    { "\r\r", -400 },
    { "\rG", -400 },
    { "\r\n\r\n" GET, -400 },
    { "\r\n\r", -400 },
    { "\r\n ", -400 },
    { "GET /\n", -400 },
    { "GET / HTTP/1.1\n\n", -400 },
    { "GET / HTTP/1.1\rX", -400 },
    { "GET /\tHTTP/1.1", -400 },
    { "GET /\x7F", -400 },
    { "GET /\x01", -400 },
    { "GET /\r\n", -400 },
    { "GET / FTP/1.1\r\n", -400 },
    { " HTTP/1.1\r\n", -400 },
    { "PRI * HTTP/2.0\r\n\r\n", -1 },
    { GET "A: b\n", -400 },
    { GET "A: b\rc", -400 },
    { GET "A: b\r\r\n", -400 },
    { GET "A: b\x0B", -400 },
    { GET "A\x7F", -400 },
    { GET "\n", -400 },
    /* limits */
    { "GET /" FIFTY " HTTP/1.1\r\n\r\n", -1 }, /* 64 bytes */
    { "GET /" FIFTY "x HTTP/1.1\r\n\r\n", -414 },
    { "GET /" FIFTY "0123456789", -414 },
    { "GET /" FIFTY "012345678", 0 },
    { "GET /" FIFTY "012345678\x01", -400 },
    { "GET /" FIFTY "0123456789\x01", -414 },
    { GET "A: " FIFTY FIFTY FIFTY FIFTY FIFTY, -431 },
    { GET "A: " FIFTY FIFTY FIFTY FIFTY TEN TEN TEN "123\r\n\r\n", -1 }, /* 256 bytes */
    { GET "A: " FIFTY FIFTY FIFTY FIFTY TEN TEN TEN "1234\r\n\r\n", -431 },
    { GET "A: " FIFTY FIFTY FIFTY FIFTY TEN TEN TEN "1234\r\n", 0 },
    { GET "A: " FIFTY FIFTY FIFTY FIFTY TEN TEN TEN "12345\r\n", -431 },
};

/* Gives the scanner a growing prefix, each in memory of its own so that a read beyond it shows. */
static long scan_cut(const char *text, size_t len, uint32_t seed)
{
    spi_head_scanner scanner = { .scanned = 0 };
    cutter c = { seed };
    size_t have = 0;
    long result = 0;
    do {
        have += next_cut(&c, len - have);
        char *copy = malloc(have ? have : 1);
        memcpy(copy, text, have);
        result = spi_head_scan(&scanner, copy, have, &limits);
        free(copy);
    } while (result == 0 && have < len);
    return result;
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].text);
        long expected = cases[i].expected == -1 ? (long)len : cases[i].expected;
        for (uint32_t seed = 0; seed < CUTS; seed++) {
            long result = scan_cut(cases[i].text, len, seed);
            if (result != expected)
                fail_msg("case %zu \"%s\" cut %u: %ld, not %ld", i, cases[i].text, (unsigned)seed,
                    result, expected);
        }
    }
}

static void test_nul_is_refused(void **state)
{
    (void)state;
    static const char text[] = "GET /\0 HTTP/1.1\r\n\r\n";
    for (uint32_t seed = 0; seed < CUTS; seed++)
        assert_int_equal(scan_cut(text, sizeof text - 1, seed), -400);
    assert_int_equal(spout_error_code_current(), SPOUT_EPROTO);
}

/* Every byte at every place of a head: however it is cut, the answer is the same. */
static void test_mutations(void **state)
{
    (void)state;
    static const char head[] = "\r\nGET /abc HTTP/1.1\r\nHost: localhost\r\nA:\tb\r\n\r\nrest";
    static const char bytes[] = { '\r', '\n', '\t', ' ', ':', 0, 0x7F, (char)0x80, 'x' };
    char text[sizeof head];
    for (size_t at = 0; at < sizeof head - 1; at++) {
        for (size_t b = 0; b < sizeof bytes; b++) {
            memcpy(text, head, sizeof head);
            text[at] = bytes[b];
            long whole = scan_cut(text, sizeof head - 1, 0);
            for (uint32_t seed = 1; seed < CUTS; seed++)
                assert_int_equal(scan_cut(text, sizeof head - 1, seed), whole);
        }
    }
}

/* A head that grows byte by byte is looked at once, not again and again. */
static void test_goes_on_where_it_stopped(void **state)
{
    (void)state;
    spi_head_scanner scanner = { .scanned = 0 };
    static const char text[] = GET "Name: value";
    assert_int_equal(spi_head_scan(&scanner, text, sizeof text - 1, &limits), 0);
    assert_int_equal(scanner.scanned, sizeof text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_nul_is_refused),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_goes_on_where_it_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
