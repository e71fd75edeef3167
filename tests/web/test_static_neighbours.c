/* Files that were compressed beforehand, and who gets them. */
#include "kit.h"

#include "folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static spout_static_options options, unused;
static spout_handler handler = { .static_files = &options };
static spout_handler without = { .static_files = &unused };
static const spout_route routes[] = { { "/without/{path:path}", &without },
    { "/{path:path}", &handler }, { 0 } };

static void set_time(const char *name, int64_t seconds, long nanoseconds)
{
    const struct timespec times[2] = { { .tv_sec = seconds, .tv_nsec = nanoseconds },
        { .tv_sec = seconds, .tv_nsec = nanoseconds } };
    assert_int_equal(utimensat(AT_FDCWD, folder_path(name), times, 0), 0);
}

static void write_at(const char *name, const char *text, long nanoseconds)
{
    folder_write(name, text);
    set_time(name, 1000, nanoseconds);
}

static int set_up(void **state)
{
    (void)state;
    folder_make();
    write_at("both.css", "both { identity }", 5);
    write_at("both.css.br", "both: brotli bytes", 5);
    write_at("both.css.gz", "both: gzip bytes!!", 6);
    write_at("old.css", "old { identity }", 5);
    write_at("old.css.gz", "old: gzip bytes", 4);
    write_at("none.css", "none", 5);
    folder_write("folder.css.gz/x", "");
    write_at("folder.css", "folder", 5);
    write_at("dir/index.html", "<p>index</p>", 5);
    write_at("dir/index.html.br", "index: brotli", 5);
    options = (spout_static_options){
        .path = folder_path(""), .default_filename = "index.html", .precompressed = true
    };
    unused = (spout_static_options){ .path = folder_path("") };
    kit_start(routes, &(spout_application_options){ .compress_response = true });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    folder_remove();
    return 0;
}

static const spi_memory_reply *expect(
    const char *target, const char *accepted, const char *coding, const char *body)
{
    const spi_memory_reply *reply = accepted ? kit_get_with(target, "Accept-Encoding", accepted)
                                             : kit_get(target);
    kit_expect(reply, 200, body);
    kit_expect_field(reply, "Content-Encoding", coding);
    kit_expect_field(reply, "Vary", "Accept-Encoding");
    return reply;
}

static void the_client_chooses(void **state)
{
    (void)state;
    static const struct {
        const char *accepted, *coding, *body;
    } rows[] = {
        { NULL, NULL, "both { identity }" },
        { "", NULL, "both { identity }" },
        { "deflate", NULL, "both { identity }" },
        { "gzip", "gzip", "both: gzip bytes!!" },
        { "gzip, br", "br", "both: brotli bytes" },
        { "gzip;q=0.5, br;q=0.4", "gzip", "both: gzip bytes!!" },
        { "gzip;q=1.0, br;q=0", "gzip", "both: gzip bytes!!" },
        { "*", "br", "both: brotli bytes" },
        { "br;q=0, *", "gzip", "both: gzip bytes!!" },
        { "gzip;q=0, br;q=0", NULL, "both { identity }" },
        { "identity, gzip;q=0.1", NULL, "both { identity }" },
        { "GZIP", "gzip", "both: gzip bytes!!" },
        { "identity;q=0, gzip;q=0.1", "gzip", "both: gzip bytes!!" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const spi_memory_reply *reply = expect(
            "/both.css", rows[i].accepted, rows[i].coding, rows[i].body);
        kit_expect_field(reply, "Content-Type", "text/css; charset=utf-8");
        char length[24];
        snprintf(length, sizeof length, "%zu", strlen(rows[i].body));
        kit_expect_field(reply, "Content-Length", length);
    }
}

static void each_has_a_tag_of_its_own(void **state)
{
    (void)state;
    char tags[3][64];
    static const char *const accepted[] = { "identity", "br", "gzip" };
    for (size_t i = 0; i < 3; i++)
        snprintf(tags[i], sizeof tags[i], "%s",
            spi_memory_reply_field(
                kit_get_with("/both.css", "Accept-Encoding", accepted[i]), "Etag"));
    assert_string_not_equal(tags[0], tags[1]);
    assert_string_not_equal(tags[0], tags[2]);
    assert_string_equal(tags[1] + 33, "-br\"");
    assert_string_equal(tags[2] + 33, "-gzip\"");
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 3; k++) {
            const spi_field fields[] = { kit_field("Accept-Encoding", accepted[i]),
                kit_field("If-None-Match", tags[k]) };
            const spi_memory_reply *reply = kit_send(
                &(spi_memory_request){ .target = "/both.css", .fields = fields, .field_count = 2 });
            assert_int_equal(reply->status, i == k ? 304 : 200);
            kit_expect_field(reply, "Vary", "Accept-Encoding");
        }
    }
}

static void what_does_not_count(void **state)
{
    (void)state;
    expect("/old.css", "gzip", NULL, "old { identity }");
    expect("/none.css", "gzip, br", NULL, "none");
    expect("/folder.css", "gzip", NULL, "folder");
    set_time("old.css.gz", 1000, 5);
    expect("/old.css", "gzip", "gzip", "old: gzip bytes");
    set_time("old.css", 1001, 0); /* the original was edited */
    expect("/old.css", "gzip", NULL, "old { identity }");
    assert_int_equal(unlink(folder_path("both.css.br")), 0);
    expect("/both.css", "gzip, br", "gzip", "both: gzip bytes!!");
    write_at("none.css.br", "none: brotli", 6);
    expect("/none.css", "gzip, br", "br", "none: brotli");
    assert_int_equal(unlink(folder_path("both.css")), 0); /* nothing without the original */
    assert_int_equal(kit_get_with("/both.css", "Accept-Encoding", "gzip")->status, 404);
}

static void only_where_it_is_asked_for(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get_with("/without/both.css", "Accept-Encoding", "br");
    kit_expect(reply, 200, "both { identity }");
    kit_expect_field(reply, "Content-Encoding", NULL);
    reply = kit_get_with("/both.css.br", "Accept-Encoding", "br");
    kit_expect(reply, 200, "both: brotli bytes");
    kit_expect_field(reply, "Content-Type", "application/x-brotli");
    kit_expect_field(reply, "Content-Encoding", NULL);
}

static void folders_and_heads(void **state)
{
    (void)state;
    const spi_memory_reply *reply = expect("/dir/", "br", "br", "index: brotli");
    kit_expect_field(reply, "Content-Type", "text/html; charset=utf-8");
    const spi_field field = kit_field("Accept-Encoding", "br");
    reply = kit_send(&(spi_memory_request){
        .method = "HEAD", .target = "/both.css", .fields = &field, .field_count = 1 });
    kit_expect(reply, 200, "");
    kit_expect_field(reply, "Content-Length", "18");
    kit_expect_field(reply, "Content-Encoding", "br");
}

static const spi_memory_reply *get_range(const char *range, const char *if_range)
{
    const spi_field fields[] = { kit_field("Accept-Encoding", "br"), kit_field("Range", range),
        kit_field("If-Range", if_range ? if_range : "") };
    return kit_send(&(spi_memory_request){
        .target = "/both.css", .fields = fields, .field_count = if_range ? 3 : 2 });
}

static void ranges_are_of_what_is_sent(void **state)
{
    (void)state;
    const spi_memory_reply *reply = get_range("bytes=6-11", NULL);
    kit_expect(reply, 206, "brotli");
    kit_expect_field(reply, "Content-Range", "bytes 6-11/18");
    kit_expect_field(reply, "Content-Encoding", "br");
    reply = get_range(
        "bytes=0-1,4-5", NULL); /* several: the coding would be of nobody knows what */
    kit_expect(reply, 200, "both: brotli bytes");
    reply = get_range("bytes=18-", NULL);
    kit_expect(reply, 416, "");
    kit_expect_field(reply, "Content-Range", "bytes */18");
    kit_expect_field(reply, "Content-Encoding", NULL);
    char etag[64];
    snprintf(etag, sizeof etag, "%s",
        spi_memory_reply_field(kit_get_with("/both.css", "Accept-Encoding", "br"), "Etag"));
    assert_int_equal(get_range("bytes=0-1", etag)->status, 206);
    snprintf(etag, sizeof etag, "%s", spi_memory_reply_field(kit_get("/both.css"), "Etag"));
    assert_int_equal(get_range("bytes=0-1", etag)->status, 200);
    /* all of them may have that time */
    assert_int_equal(get_range("bytes=0-1", "Thu, 01 Jan 1970 00:16:40 GMT")->status, 200);
}

/* .compress_response does what was not done beforehand, for files in memory; never for parts. */
static void others_are_compressed_on_the_way(void **state)
{
    (void)state;
    static char text[5001], etag[64];
    memset(text, 't', sizeof text - 1);
    folder_write("text.css", text);
    folder_write("image.png", text);
    const spi_memory_reply *reply = kit_get_with("/text.css", "Accept-Encoding", "gzip");
    assert_int_equal(reply->status, 200);
    kit_expect_field(reply, "Content-Encoding", "gzip");
    kit_expect_field(reply, "Vary", "Accept-Encoding");
    assert_true(reply->body.len < 200);
    snprintf(etag, sizeof etag, "%s", spi_memory_reply_field(reply, "Etag"));
    assert_memory_equal(etag, "W/\"", 3);
    assert_int_equal(kit_get_with("/text.css", "If-None-Match", etag)->status, 304);
    expect("/text.css", "identity", NULL, text);
    expect("/image.png", "gzip", NULL, text);
    const spi_field fields[] = { kit_field("Accept-Encoding", "gzip"),
        kit_field("Range", "bytes=0-3") };
    reply = kit_send(
        &(spi_memory_request){ .target = "/text.css", .fields = fields, .field_count = 2 });
    kit_expect(reply, 206, "tttt");
    kit_expect_field(reply, "Content-Encoding", NULL);
    kit_expect_field(reply, "Content-Range", "bytes 0-3/5000");
    reply = kit_send(&(spi_memory_request){
        .method = "HEAD", .target = "/text.css", .fields = fields, .field_count = 1 });
    kit_expect(reply, 200, "");
    kit_expect_field(reply, "Content-Encoding", "gzip");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_client_chooses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_has_a_tag_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_where_it_is_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders_and_heads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ranges_are_of_what_is_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_are_compressed_on_the_way, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
