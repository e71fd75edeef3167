/* A part of a file is a part of what is stored, never of what would be compressed. */
#include "kit.h"

#include "folder.h"

#include <stdio.h>
#include <string.h>

static spout_static_options options;
static spout_handler files = { .static_files = &options };
static const spout_route routes[] = { { "/(.*)", &files }, { 0 } };

static void a_range_is_not_compressed(void **state)
{
    (void)state;
    char text[3001];
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    text[sizeof text - 1] = '\0';
    folder_make();
    folder_write("page.html", text);
    options.path = folder_path("");
    kit_start(routes, &(spout_application_options){ .compress_response = true });
    const spi_field fields[] = { kit_field("Accept-Encoding", "gzip"),
        kit_field("Range", "bytes=26-1299") };
    const spi_memory_reply *reply = kit_send(
        &(spi_memory_request){ .target = "/page.html", .fields = fields, .field_count = 2 });
    assert_int_equal(reply->status, 206);
    kit_expect_field(reply, "Content-Encoding", NULL);
    kit_expect_field(reply, "Content-Range", "bytes 26-1299/3000");
    assert_int_equal(reply->body.len, 1274);
    assert_memory_equal(reply->body.data, text + 26, 1274);
    kit_stop();
    folder_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_range_is_not_compressed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
