#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <spout/error.h>

#include "http/reply_head.h"

static const spi_field fields[] = { { "A", "b", 1, 1 }, { "connection", "x, Close", 10, 8 },
    { "CONTENT-LENGTH", "7", 14, 1 }, { "Transfer-Encoding", "gzip", 17, 4 }, { "C", "", 1, 0 } };

static void expect(
    int minor, spi_method method, const spi_reply_head *head, bool close, const char *text)
{
    char out[1024];
    spi_reply reply;
    spi_reply_begin(
        &reply, &(spi_request_head){ .minor_version = minor, .method = method }, head, close);
    size_t len = spi_reply_head_format(&reply, head, out);
    assert_in_range(len, 1, spi_reply_head_bound(head));
    out[len] = '\0';
    assert_string_equal(out, text);
}

static void frames_by_version_and_length(void **state)
{
    (void)state;
    expect(1, SPI_METHOD_GET, &(spi_reply_head){ .status = 200, .content_length = 5 }, false,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    expect(1, SPI_METHOD_GET, &(spi_reply_head){ .status = 200, .content_length = -1 }, false,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    expect(0, SPI_METHOD_GET, &(spi_reply_head){ .status = 200, .content_length = -1 }, false,
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    expect(0, SPI_METHOD_GET, &(spi_reply_head){ .status = 200, .content_length = 0 }, false,
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n");
    expect(1, SPI_METHOD_GET, &(spi_reply_head){ .status = 404, .content_length = 0 }, true,
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

static void leaves_the_body_out_where_there_is_none(void **state)
{
    (void)state;
    expect(1, SPI_METHOD_HEAD, &(spi_reply_head){ .status = 200, .content_length = 5 }, false,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    expect(1, SPI_METHOD_HEAD, &(spi_reply_head){ .status = 200, .content_length = -1 }, false,
        "HTTP/1.1 200 OK\r\n\r\n");
    expect(1, SPI_METHOD_GET, &(spi_reply_head){ .status = 204, .content_length = 5 }, false,
        "HTTP/1.1 204 No Content\r\n\r\n");
    expect(1, SPI_METHOD_GET, &(spi_reply_head){ .status = 304, .content_length = -1 }, false,
        "HTTP/1.1 304 Not Modified\r\n\r\n");
    expect(1, SPI_METHOD_GET, &(spi_reply_head){ .status = 304, .content_length = 9 }, false,
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
}

static void framing_fields_are_its_own(void **state)
{
    (void)state;
    expect(1, SPI_METHOD_GET,
        &(spi_reply_head){ .status = 299,
            .reason = "Fine",
            .fields = fields,
            .field_count = 5,
            .content_length = 1 },
        false,
        "HTTP/1.1 299 Fine\r\nA: b\r\nC: \r\nContent-Length: 1\r\nConnection: close\r\n\r\n");
}

/* Lines that are written out already stand for the first fields, whatever the status. */
static void ready_lines_take_the_place_of_fields(void **state)
{
    (void)state;
    static const char ready[] = "HTTP/1.1 200 OK\r\nA: b\r\n";
    static const spi_field two[] = { { "A", "b", 1, 1 }, { "C", "d", 1, 1 } };
    spi_reply_head head = { .status = 200,
        .fields = two,
        .field_count = 2,
        .ready = ready,
        .ready_len = sizeof ready - 1,
        .ready_count = 1 };
    expect(1, SPI_METHOD_GET, &head, false,
        "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nContent-Length: 0\r\n\r\n");
    head.status = 404;
    expect(1, SPI_METHOD_GET, &head, true,
        "HTTP/1.1 404 Not Found\r\nA: b\r\nC: d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    head.status = 200;
    head.reason = "Fine";
    head.field_count = 1;
    expect(
        1, SPI_METHOD_GET, &head, false, "HTTP/1.1 200 Fine\r\nA: b\r\nContent-Length: 0\r\n\r\n");
}

static void an_upgrade_says_so(void **state)
{
    (void)state;
    char out[256];
    size_t len = spi_upgrade_head_format(
        &(spi_reply_head){ .status = 101, .fields = fields, .field_count = 2 }, out);
    out[len] = '\0';
    assert_string_equal(
        out, "HTTP/1.1 101 Switching Protocols\r\nA: b\r\nConnection: Upgrade\r\n\r\n");
    expect(1, SPI_METHOD_GET, &(spi_reply_head){ .status = 426, .content_length = 0 }, true,
        "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: Upgrade\r\nConnection: "
        "close\r\n\r\n");
}

static void counts_the_body(void **state)
{
    (void)state;
    const spi_request_head request = { .minor_version = 1 };
    const spi_reply_head head = { .status = 200, .content_length = 5 };
    spi_reply reply;
    spi_reply_begin(&reply, &request, &head, false);
    assert_int_equal(spi_reply_take(&reply, 3), 0);
    assert_int_equal(spi_reply_end(&reply), SPOUT_EPROTO);
    assert_int_equal(spi_reply_take(&reply, 2), 0);
    assert_int_equal(spi_reply_end(&reply), 0);
    assert_int_equal(spi_reply_take(&reply, 1), SPOUT_EPROTO);
    assert_int_equal(spi_reply_end(&reply), SPOUT_EPROTO);

    const spi_request_head head_request = { .minor_version = 1, .method = SPI_METHOD_HEAD };
    spi_reply_begin(&reply, &head_request, &head, false);
    assert_int_equal(spi_reply_take(&reply, 100), 0);
    assert_int_equal(spi_reply_end(&reply), 0);
}

#define READY SPI_STATUS_LINE_200 "A: b\r\n"

static const spi_request_head usual_request = { .minor_version = 1, .method = SPI_METHOD_GET };

static spi_reply_head usual_head(void)
{
    static const spi_field lines[] = { { "A", "b", 1, 1 },
        { "Etag", "\"0123456789abcdef0\"", 4, 19 } };
    return (spi_reply_head){ .status = 200,
        .fields = lines,
        .field_count = 2,
        .ready = READY,
        .ready_len = sizeof READY - 1,
        .ready_count = 1,
        .content_length = 12 };
}

static bool is_usual(const spi_request_head *request, const spi_reply_head *head)
{
    char out[SPI_REPLY_USUAL_MAX];
    return spi_reply_put_usual(out, request, head) != NULL;
}

static void the_straight_way_says_the_same(void **state)
{
    (void)state;
    spi_reply_head head = usual_head();
    for (int64_t len = 0; len < INT64_MAX / 11; len = len * 10 + 9) {
        char out[SPI_REPLY_USUAL_MAX];
        head.content_length = len;
        char *end = spi_reply_put_usual(out, &usual_request, &head);
        assert_non_null(end);
        *end = '\0';
        expect(1, SPI_METHOD_GET, &head, false, out);
    }
}

static void the_straight_way_knows_what_is_usual_only(void **state)
{
    (void)state;
    const spi_request_head old = { .minor_version = 0 },
                           head_request = { .minor_version = 1, .method = SPI_METHOD_HEAD };
    spi_reply_head head = usual_head();
    assert_true(is_usual(&usual_request, &head));
    assert_false(is_usual(&old, &head));
    assert_false(is_usual(&head_request, &head));
    head = usual_head();
    head.status = 404;
    assert_false(is_usual(&usual_request, &head));
    head = usual_head();
    head.reason = "Fine";
    assert_false(is_usual(&usual_request, &head));
    head = usual_head();
    head.ready = NULL;
    assert_false(is_usual(&usual_request, &head));
    head = usual_head();
    head.close = true;
    assert_false(is_usual(&usual_request, &head));
    head = usual_head();
    head.content_length = -1;
    assert_false(is_usual(&usual_request, &head));
    head = usual_head();
    head.field_count = sizeof fields / sizeof *fields;
    head.fields = fields;
    assert_false(is_usual(&usual_request, &head));
}

static void the_straight_way_ends_where_its_room_does(void **state)
{
    (void)state;
    static char value[SPI_REPLY_USUAL_MAX];
    spi_field lines[] = { { "A", "b", 1, 1 }, { "B", value, 1, 0 } };
    spi_reply_head head = usual_head();
    head.fields = lines;
    memset(value, 'v', sizeof value);
    size_t longest = 0;
    for (uint32_t len = 3000; len < sizeof value; len++) {
        char *out = malloc(SPI_REPLY_USUAL_MAX); /* a sanitizer sees what goes beyond it */
        assert_non_null(out);
        lines[1].value_len = len;
        if (spi_reply_put_usual(out, &usual_request, &head))
            longest = len;
        free(out);
    }
    assert_in_range(longest, 3800, SPI_REPLY_USUAL_MAX - 100);
    head.ready_len = SPI_REPLY_USUAL_MAX;
    assert_false(is_usual(&usual_request, &head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_by_version_and_length),
        cmocka_unit_test(leaves_the_body_out_where_there_is_none),
        cmocka_unit_test(framing_fields_are_its_own),
        cmocka_unit_test(ready_lines_take_the_place_of_fields),
        cmocka_unit_test(an_upgrade_says_so),
        cmocka_unit_test(counts_the_body),
        cmocka_unit_test(the_straight_way_says_the_same),
        cmocka_unit_test(the_straight_way_knows_what_is_usual_only),
        cmocka_unit_test(the_straight_way_ends_where_its_room_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
