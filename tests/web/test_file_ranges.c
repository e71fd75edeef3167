#include "kit.h"

#include "folder.h"

#include <stdio.h>
#include <string.h>

static spout_static_options options;
static spout_handler handler = { .static_files = &options };
static const spout_route routes[] = { { "/{path:path}", &handler }, { 0 } };

static int set_up(void **state)
{
    (void)state;
    folder_make();
    folder_write("digits.txt", "0123456789");
    folder_write("empty.txt", "");
    options.path = folder_path("");
    kit_start(routes, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    folder_remove();
    return 0;
}

static void expect(const char *range, int status, const char *body, const char *content_range)
{
    const spi_memory_reply *reply = kit_get_with("/digits.txt", "Range", range);
    if (reply->status != status)
        fail_msg("%s: %d", range, reply->status);
    kit_expect(reply, status, body);
    kit_expect_field(reply, "Content-Range", content_range);
}

static void single_ranges(void **state)
{
    (void)state;
    expect("bytes=1-4", 206, "1234", "bytes 1-4/10");
    expect("bytes=9-", 206, "9", "bytes 9-9/10");
    expect("bytes=5-100", 206, "56789", "bytes 5-9/10");
    expect("bytes=-3", 206, "789", "bytes 7-9/10");
    expect("bytes=0-0", 206, "0", "bytes 0-0/10");
}

static void all_of_it_is_200(void **state)
{
    (void)state;
    expect("bytes=0-", 200, "0123456789", NULL);
    expect("bytes=-100", 200, "0123456789", NULL);
    expect("bytes=0-9", 200, "0123456789", NULL);
}

static void what_is_no_range_is_ignored(void **state)
{
    (void)state;
    expect("lines=1-2", 200, "0123456789", NULL);
    expect("bytes=a-b", 200, "0123456789", NULL);
    expect("bytes=+1-2", 200, "0123456789", NULL);
    expect("bytes=4-2", 200, "0123456789", NULL);
    expect("bytes=", 200, "0123456789", NULL);
}

static void what_lies_beyond_is_416(void **state)
{
    (void)state;
    expect("bytes=10-", 416, "", "bytes */10");
    expect("bytes=-0", 416, "", "bytes */10");
    const spi_memory_reply *reply = kit_get_with("/empty.txt", "Range", "bytes=0-");
    assert_int_equal(reply->status, 416);
}

static void several_ranges_are_multipart(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get_with("/digits.txt", "Range", "bytes=0-1,5-6, -1");
    assert_int_equal(reply->status, 206);
    kit_expect_field(reply, "Content-Range", NULL);
    const char *type = spi_memory_reply_field(reply, "Content-Type");
    const char *boundary = strstr(type, "boundary=") + 9;
    assert_memory_equal(type, "multipart/byteranges; boundary=", 31);
    char body[1024];
    snprintf(body, sizeof body,
        "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes "
        "0-1/10\r\n\r\n01\r\n"
        "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes "
        "5-6/10\r\n\r\n56\r\n"
        "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes "
        "9-9/10\r\n\r\n9\r\n--%s--\r\n",
        boundary, boundary, boundary, boundary);
    assert_string_equal(reply->body.data, body);
    char length[16];
    snprintf(length, sizeof length, "%zu", strlen(body));
    kit_expect_field(reply, "Content-Length", length);
}

static void greedy_ranges_get_the_file(void **state)
{
    (void)state;
    expect("bytes=0-8,1-9", 200, "0123456789", NULL);
    expect("bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7", 200,
        "0123456789", NULL);
}

static void if_range_wants_the_same_version(void **state)
{
    (void)state;
    char etag[64], modified[64];
    const spi_memory_reply *reply = kit_get("/digits.txt");
    snprintf(etag, sizeof etag, "%s", spi_memory_reply_field(reply, "Etag"));
    snprintf(modified, sizeof modified, "%s", spi_memory_reply_field(reply, "Last-Modified"));
    const struct {
        const char *value;
        int status;
    } rows[] = {
        { etag, 206 },
        { modified, 206 },
        { "\"x\"", 200 },
        { "W/\"x\"", 200 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", 200 },
        { "junk", 200 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const spi_field fields[] = { kit_field("Range", "bytes=1-2"),
            kit_field("If-Range", rows[i].value) };
        reply = kit_send(
            &(spi_memory_request){ .target = "/digits.txt", .fields = fields, .field_count = 2 });
        assert_int_equal(reply->status, rows[i].status);
    }
}

static void conditions_come_before_ranges(void **state)
{
    (void)state;
    const spi_field fields[] = { kit_field("Range", "bytes=1-2"), kit_field("If-None-Match", "*") };
    assert_int_equal(kit_send(&(spi_memory_request){
                                  .target = "/digits.txt", .fields = fields, .field_count = 2 })
                         ->status,
        304);
}

static void head_has_no_ranges(void **state)
{
    (void)state;
    const spi_field range = kit_field("Range", "bytes=1-2");
    const spi_memory_reply *reply = kit_send(&(spi_memory_request){
        .method = "HEAD", .target = "/digits.txt", .fields = &range, .field_count = 1 });
    kit_expect(reply, 200, "");
    kit_expect_field(reply, "Content-Length", "10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(single_ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_of_it_is_200, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_range_is_ignored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_lies_beyond_is_416, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_ranges_are_multipart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(greedy_ranges_get_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(if_range_wants_the_same_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(conditions_come_before_ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(head_has_no_ranges, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
