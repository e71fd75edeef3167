#include "http/framing.h"

#include <spout/error.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

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

static int parse(spi_arena *arena, const char *version, const char *fields, spi_request_head *head)
{
    char *text = spi_arena_format(arena, "POST / HTTP/%s\r\n%s\r\n", version, fields);
    return spi_request_head_parse(arena, text, strlen(text), &limits, head);
}

typedef struct body_case {
    const char *fields;
    int status;
    spi_body_kind kind;
    uint64_t length;
} body_case;

#define CL "Content-Length: "
#define TE "Transfer-Encoding: "

static const body_case bodies[] = {
    { "", 0, SPI_BODY_NONE, 0 },
    { CL "0\r\n", 0, SPI_BODY_LENGTH, 0 },
    { CL "5\r\n", 0, SPI_BODY_LENGTH, 5 },
    { "content-LENGTH:005 \r\n", 0, SPI_BODY_LENGTH, 5 },
    { CL "9223372036854775807\r\n", 0, SPI_BODY_LENGTH, INT64_MAX },
    { CL "5\r\n" CL "5\r\n", 0, SPI_BODY_LENGTH, 5 },
    { CL "5, 5\r\n", 0, SPI_BODY_LENGTH, 5 },
    { CL "9223372036854775808\r\n", -400, 0, 0 },
    { CL "99999999999999999999999\r\n", -400, 0, 0 },
    { CL "\r\n", -400, 0, 0 },
    { CL "+5\r\n", -400, 0, 0 },
    { CL "-1\r\n", -400, 0, 0 },
    { CL "5_0\r\n", -400, 0, 0 },
    { CL "0x5\r\n", -400, 0, 0 },
    { CL "5 0\r\n", -400, 0, 0 },
    { CL "5a\r\n", -400, 0, 0 },
    { CL "5;a=b\r\n", -400, 0, 0 },
    { CL "5,\r\n", -400, 0, 0 },
    { CL ",5\r\n", -400, 0, 0 },
    { CL "5, 6\r\n", -400, 0, 0 },
    { CL "5\r\n" CL "6\r\n", -400, 0, 0 },
    { CL "\xD9\xA5\r\n", -400, 0, 0 }, /* ARABIC-INDIC DIGIT FIVE */
    { CL "5\xA0\r\n", -400, 0, 0 },
    { TE "chunked\r\n", 0, SPI_BODY_CHUNKED, 0 },
    { TE "\t CHUNKED \t\r\n", 0, SPI_BODY_CHUNKED, 0 },
    { "transfer-encoding:chunked\r\n", 0, SPI_BODY_CHUNKED, 0 },
    { TE "gzip, chunked\r\n", -501, 0, 0 },
    { TE "gzip\r\n" TE "chunked\r\n", -501, 0, 0 },
    { TE "chunked, chunked\r\n", -400, 0, 0 },
    { TE "chunked\r\n" TE "chunked\r\n", -400, 0, 0 },
    { TE "chunked, gzip\r\n", -400, 0, 0 },
    { TE "chunked, identity\r\n", -400, 0, 0 },
    { TE "chunked\r\n" TE "identity\r\n", -400, 0, 0 },
    { TE "chunked,\r\n", -400, 0, 0 },
    { TE ",chunked\r\n", -400, 0, 0 },
    { TE "\r\n", -400, 0, 0 },
    { TE "gzip\r\n", -400, 0, 0 },
    { TE "identity\r\n", -400, 0, 0 },
    { TE "xchunked\r\n", -400, 0, 0 },
    { TE "chunkedx\r\n", -400, 0, 0 },
    { TE "chunke\r\n", -400, 0, 0 },
    { TE "chunked;q=1\r\n", -400, 0, 0 },
    { TE "\"chunked\"\r\n", -400, 0, 0 },
    { TE "chunked\xA0\r\n", -400, 0, 0 },
    { TE "\xC2\xA0"
         "chunked\r\n",
        -400, 0, 0 },
    { TE "chunked\x0B\r\n", -400, 0, 0 },
    { TE "chunked\x0C\r\n", -400, 0, 0 },
    { TE "chunked\r\n" CL "5\r\n", -400, 0, 0 },
    { CL "5\r\n" TE "chunked\r\n", -400, 0, 0 },
    { CL "5\r\n" TE "identity\r\n", -400, 0, 0 },
    { "Transfer_Encoding: chunked\r\n", 0, SPI_BODY_NONE, 0 },
    { "Content_Length: x\r\n", 0, SPI_BODY_NONE, 0 },
    { "Content-Lengt\x68s: x\r\n", 0, SPI_BODY_NONE, 0 },
    /* Same length and, with a bit forced, nearly the same bytes. */
    { "Content\rLength: 5\r\n", -400, 0, 0 },
};

static void test_bodies(void **state)
{
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        const body_case *b = &bodies[i];
        spi_request_head head;
        char *fields = spi_arena_format(*state, "Host: h\r\n%s", b->fields);
        int status = parse(*state, "1.1", fields, &head);
        if (status != b->status)
            fail_msg("%s: %d, not %d", b->fields, status, b->status);
        if (status == 0) {
            assert_int_equal(head.body_kind, b->kind);
            assert_int_equal(head.content_length, b->length);
        }
    }
}

static void test_transfer_encoding_is_not_for_http_1_0(void **state)
{
    spi_request_head head;
    assert_int_equal(parse(*state, "1.0", TE "chunked\r\n", &head), -400);
    assert_int_equal(parse(*state, "1.0", CL "5\r\n", &head), 0);
}

static void test_host(void **state)
{
    static const struct {
        const char *version, *fields;
        int status;
    } hosts[] = {
        { "1.1", "Host: a\r\n", 0 },
        { "1.1", "Host:\r\n", -400 },
        { "1.1", "Host: :80\r\n", -400 },
        { "1.0", "Host:\r\n", 0 },
        { "1.1", "hOsT: [::1]:80\r\n", 0 },
        { "1.0", "", 0 },
        { "1.1", "", -400 },
        { "1.1", "Hosts: a\r\n", -400 },
        { "1.1", "Host: a\r\nHost: a\r\n", -400 },
        { "1.0", "Host: a\r\nHost: b\r\n", -400 },
        { "1.1", "Host: a, b\r\n", -400 },
        { "1.1", "Host: a@b\r\n", -400 },
        { "1.1", "Host: a b\r\n", -400 },
        { "1.1", "Host: a/b\r\n", -400 },
        { "1.0", "Host: a\\b\r\n", -400 },
    };
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        spi_request_head head;
        int status = parse(*state, hosts[i].version, hosts[i].fields, &head);
        if (status != hosts[i].status)
            fail_msg("%s: %d", hosts[i].fields, status);
    }
}

static void test_keep_alive(void **state)
{
    static const struct {
        const char *version, *fields;
        bool keep_alive;
    } cases[] = {
        { "1.1", "", true },
        { "1.1", "Connection: keep-alive\r\n", true },
        { "1.1", "Connection: close\r\n", false },
        { "1.1", "Connection: CLOSE\r\n", false },
        { "1.1", "Connection: close, foo\r\n", false },
        { "1.1", "Connection: foo ,\tclose\r\n", false },
        { "1.1", "Connection: keep-alive\r\nConnection: close\r\n", false },
        { "1.1", "Connection: closed\r\n", true },
        { "1.1", "Connection: \r\n", true },
        { "1.0", "", false },
        { "1.0", "Connection: Keep-Alive\r\n", true },
        { "1.0", "Connection: x,keep-alive\r\n", true },
        { "1.0", "Connection: keep-alive, close\r\n", false },
        { "1.0", "Connection: close, keep-alive\r\n", false },
        { "1.0", "Keep-Alive: 5\r\n", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        spi_request_head head;
        char *fields = spi_arena_format(*state, "Host: h\r\n%s", cases[i].fields);
        assert_int_equal(parse(*state, cases[i].version, fields, &head), 0);
        if (head.keep_alive != cases[i].keep_alive)
            fail_msg("%s %s", cases[i].version, cases[i].fields);
    }
}

static void test_expect(void **state)
{
    static const struct {
        const char *version, *fields;
        int status;
        bool expect_continue;
    } cases[] = {
        { "1.1", CL "5\r\nExpect: 100-continue\r\n", 0, true },
        { "1.1", TE "chunked\r\nexpect: 100-CONTINUE\r\n", 0, true },
        { "1.1", "Expect: 100-continue\r\n", 0, false },
        { "1.1", CL "0\r\nExpect: 100-continue\r\n", 0, false },
        { "1.1", CL "5\r\n", 0, false },
        { "1.0", CL "5\r\nExpect: 100-continue\r\n", 0, false },
        { "1.0", CL "5\r\nExpect: 200-ok\r\n", 0, false },
        { "1.1", CL "5\r\nExpect: 200-ok\r\n", -417, false },
        { "1.1", CL "5\r\nExpect: 100-continue, x\r\n", -417, false },
        { "1.1", CL "5\r\nExpect:\r\n", -417, false },
        { "1.1", CL "5\r\nExpect: 100-continue\r\nExpect: x\r\n", -417, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        spi_request_head head;
        char *fields = spi_arena_format(*state, "Host: h\r\n%s", cases[i].fields);
        int status = parse(*state, cases[i].version, fields, &head);
        if (status != cases[i].status)
            fail_msg("%s: %d", cases[i].fields, status);
        if (status == 0)
            assert_int_equal(head.expect_continue, cases[i].expect_continue);
    }
}

static void test_upgrade(void **state)
{
    spi_request_head head;
    assert_int_equal(
        parse(*state, "1.1", "Host: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
            &head),
        0);
    assert_true(head.upgrade);
    assert_int_equal(parse(*state, "1.1", "Host: h\r\nUpgrade: websocket\r\n", &head), 0);
    assert_false(head.upgrade);
    assert_int_equal(parse(*state, "1.1", "Host: h\r\nConnection: upgrade\r\n", &head), 0);
    assert_false(head.upgrade);
    assert_int_equal(
        parse(*state, "1.0", "Host: h\r\nConnection: upgrade\r\nUpgrade: x\r\n", &head), 0);
    assert_false(head.upgrade);
}

static void test_conditions(void **state)
{
    spi_request_head head;
    static const char *const conditions[] = { "If-Match: *\r\n", "if-none-match: \"a\"\r\n",
        "IF-NONE-MATCH:\r\n", "Accept: b\r\nIf-None-Match: \"a\"\r\nX-C: d\r\n" };
    static const char *const others[] = { "", "If-Range: \"a\"\r\n", "If-Matsh: *\r\n",
        "Is-None-Match: *\r\n", "If-Modified-Since: x\r\n" };
    char fields[128];
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        snprintf(fields, sizeof fields, "Host: h\r\n%s", conditions[i]);
        assert_int_equal(parse(*state, "1.1", fields, &head), 0);
        assert_true(head.has_condition);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(fields, sizeof fields, "Host: h\r\n%s", others[i]);
        assert_int_equal(parse(*state, "1.1", fields, &head), 0);
        assert_false(head.has_condition);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_transfer_encoding_is_not_for_http_1_0, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keep_alive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_upgrade, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_conditions, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
