#include "http/response_head.h"

#include "cut.h"

#include <spout/error.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const spi_head_limits limits = { .max_line = 64, .max_head = 256, .max_fields = 4 };

#define OK_LINE "HTTP/1.1 200 OK\r\n"
#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

typedef struct scan_case {
    const char *text;
    long expected; /* -100: the whole text */
} scan_case;

enum { WHOLE = -100 };

static const scan_case scan_cases[] = {
    { OK_LINE "\r\n", WHOLE },
    { OK_LINE "A: b\r\n\r\n", WHOLE },
    { OK_LINE "\r\nbody", 19 },
    { "HTTP/1.1 200\r\n\r\n", WHOLE },
    { "HTTP/1.1 200 \tFine\r\n\r\n", WHOLE },
    { "HTTP/1.1 200 \xC3\xA4\r\n\r\n", WHOLE },
    { "", 0 },
    { "H", 0 },
    { "HTTP", 0 },
    { OK_LINE, 0 },
    { OK_LINE "A: b\r\n", 0 },
    { "\r\n" OK_LINE "\r\n", SPOUT_EPROTO },
    { "SSH-2.0-x\r\n", SPOUT_EPROTO },
    { "HTTX", SPOUT_EPROTO },
    { "\x16\x03\x01", SPOUT_EPROTO },
    { "HTTP/1.1 200 OK\n", SPOUT_EPROTO },
    { "HTTP/1.1 200 OK\rX", SPOUT_EPROTO },
    { "HTTP/1.1 200 \x01", SPOUT_EPROTO },
    { OK_LINE "A: b\n", SPOUT_EPROTO },
    { OK_LINE "A: \x7F", SPOUT_EPROTO },
    { "HTTP/1.1 200 " FIFTY "0\r\n\r\n", WHOLE }, /* 64 bytes */
    { "HTTP/1.1 200 " FIFTY "01\r\n\r\n", SPOUT_ELIMIT },
    { "HTTP/1.1 200 " FIFTY "01", SPOUT_ELIMIT },
    { OK_LINE "A: " FIFTY FIFTY FIFTY FIFTY FIFTY, SPOUT_ELIMIT },
};

static void finds_the_end_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scan_cases / sizeof *scan_cases; i++) {
        const char *text = scan_cases[i].text;
        size_t len = strlen(text);
        long expected = scan_cases[i].expected == WHOLE ? (long)len : scan_cases[i].expected;
        for (uint32_t seed = 0; seed < CUTS; seed++) {
            cutter cut = { seed };
            spi_head_scanner scanner = { .scanned = 0 };
            long found = 0;
            for (size_t have = 0; have < len && found == 0;) {
                have += next_cut(&cut, len - have);
                found = spi_response_head_scan(&scanner, text, have, &limits);
            }
            if (found != expected)
                print_message("%s\n", text);
            assert_int_equal(found, expected);
        }
    }
}

static int parse(spi_arena *arena, const char *text, spi_response_head *ret_head)
{
    size_t len = strlen(text);
    return spi_response_head_parse(
        arena, spi_arena_memdup(arena, text, len), len, &limits, ret_head);
}

static void says_what_it_says(void **state)
{
    (void)state;
    spi_arena *arena = spi_arena_new(0);
    spi_response_head head;
    assert_int_equal(parse(arena,
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade:websocket \r\n"
                         "connection: \tUpgrade\r\n\r\n",
                         &head),
        0);
    assert_int_equal(head.status, 101);
    assert_string_equal(head.reason, "Switching Protocols");
    assert_int_equal(head.minor_version, 1);
    assert_int_equal(head.field_count, 2);
    assert_string_equal(head.fields[0].name, "Upgrade");
    assert_string_equal(head.fields[0].value, "websocket");
    assert_string_equal(head.fields[1].value, "Upgrade");
    assert_int_equal(head.body_kind, SPI_RESPONSE_NO_BODY);
    assert_int_equal(parse(arena, "HTTP/1.0 404\r\n\r\n", &head), 0);
    assert_int_equal(head.status, 404);
    assert_string_equal(head.reason, "");
    assert_int_equal(head.minor_version, 0);
    assert_int_equal(head.field_count, 0);
    assert_int_equal(parse(arena, "HTTP/1.1 404 \r\n\r\n", &head), 0);
    assert_string_equal(head.reason, "");
    spi_arena_free(arena);
}

typedef struct body_case {
    const char *text;
    spi_response_body kind;
    uint64_t length;
    bool keep_alive;
} body_case;

static const body_case body_cases[] = {
    { OK_LINE "\r\n", SPI_RESPONSE_UNTIL_CLOSE, 0, false },
    { OK_LINE "Content-Length: 5\r\n\r\n", SPI_RESPONSE_LENGTH, 5, true },
    { OK_LINE "Content-Length: 5, 5\r\n\r\n", SPI_RESPONSE_LENGTH, 5, true },
    { OK_LINE "Content-Length: 5\r\nConnection: close\r\n\r\n", SPI_RESPONSE_LENGTH, 5, false },
    { OK_LINE "Transfer-Encoding: Chunked\r\n\r\n", SPI_RESPONSE_CHUNKED, 0, true },
    { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", SPI_RESPONSE_LENGTH, 5, false },
    { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", SPI_RESPONSE_LENGTH,
        5, true },
    { "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", SPI_RESPONSE_NO_BODY, 5, true },
    { "HTTP/1.1 304 Not Modified\r\n\r\n", SPI_RESPONSE_NO_BODY, 0, true },
    { OK_LINE "Host: a\r\nHost: b\r\n\r\n", SPI_RESPONSE_UNTIL_CLOSE, 0, false },
};

static void says_what_follows(void **state)
{
    (void)state;
    spi_arena *arena = spi_arena_new(0);
    for (size_t i = 0; i < sizeof body_cases / sizeof *body_cases; i++) {
        const body_case *c = &body_cases[i];
        spi_response_head head;
        assert_int_equal(parse(arena, c->text, &head), 0);
        assert_int_equal(head.body_kind, c->kind);
        assert_int_equal(head.content_length, c->length);
        assert_int_equal(head.keep_alive, c->keep_alive);
    }
    spi_arena_free(arena);
}

static const scan_case bad[] = {
    { "HTTP/1.1\r\n\r\n", SPOUT_EPROTO },
    { "HTTP/1.1 20\r\n\r\n", SPOUT_EPROTO },
    { "HTTP/1.1 2x0 OK\r\n\r\n", SPOUT_EPROTO },
    { "HTTP/1.1 099 OK\r\n\r\n", SPOUT_EPROTO },
    { "HTTP/1.1 600 OK\r\n\r\n", SPOUT_EPROTO },
    { "HTTP/1.1 2000 OK\r\n\r\n", SPOUT_EPROTO },
    { "HTTP/1.1  200 OK\r\n\r\n", SPOUT_EPROTO },
    { "HTTP/1.1\t200 OK\r\n\r\n", SPOUT_EPROTO },
    { "HTTP/2.0 200 OK\r\n\r\n", SPOUT_EPROTO },
    { "HTTP/11 200 OK\r\n\r\n", SPOUT_EPROTO },
    { "HTTP/1.x 200 OK\r\n\r\n", SPOUT_EPROTO },
    { OK_LINE "A : b\r\n\r\n", SPOUT_EPROTO },
    { OK_LINE "A: b\r\n c\r\n\r\n", SPOUT_EPROTO },
    { OK_LINE ": b\r\n\r\n", SPOUT_EPROTO },
    { OK_LINE "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", SPOUT_EPROTO },
    { OK_LINE "Content-Length: +5\r\n\r\n", SPOUT_EPROTO },
    { OK_LINE "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", SPOUT_EPROTO },
    { OK_LINE "Transfer-Encoding: gzip, chunked\r\n\r\n", SPOUT_EPROTO },
    { OK_LINE "Transfer-Encoding: gzip\r\n\r\n", SPOUT_EPROTO },
    { "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", SPOUT_EPROTO },
    { OK_LINE "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n\r\n", SPOUT_ELIMIT },
    { OK_LINE "\r\nmore", SPOUT_EPROTO },
    { OK_LINE, SPOUT_EPROTO },
};

static void refuses_what_is_wrong(void **state)
{
    (void)state;
    spi_arena *arena = spi_arena_new(0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spi_response_head head = { .status = 7 };
        int result = parse(arena, bad[i].text, &head);
        if (result != bad[i].expected)
            print_message("%s\n", bad[i].text);
        assert_int_equal(result, bad[i].expected);
        assert_int_equal(head.status, 7);
        assert_int_equal(spout_error_code_current(), bad[i].expected);
    }
    spi_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_end_however_it_is_cut),
        cmocka_unit_test(says_what_it_says),
        cmocka_unit_test(says_what_follows),
        cmocka_unit_test(refuses_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
