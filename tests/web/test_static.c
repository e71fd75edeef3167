/* Static folders: what is served, what is not, and with which fields. */
#include "kit.h"

#include "folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static spout_static_options plain_options, index_options, aged_options;
static spout_handler plain = { .static_files = &plain_options, .name = "plain" };
static spout_handler indexed = { .static_files = &index_options, .name = "indexed" };
static spout_handler aged = { .static_files = &aged_options, .name = "aged" };
static char single_path[512];

static int single(spout_request *r)
{
    return spout_write_file(r, single_path);
}

static int single_typed(spout_request *r)
{
    spout_set_header(r, "Content-Type", "text/x-own");
    spout_set_status(r, 203, NULL);
    return spout_write_file(r, single_path);
}

static int single_late(spout_request *r)
{
    spout_write(r, "x");
    return spout_write_file(r, single_path);
}

static int single_missing(spout_request *r)
{
    return spout_write_file(r, "/nonexistent/file");
}

static const spout_route routes[] = {
    { "/static/{path:path}", &plain },
    { "/index/(.*)", &indexed },
    { "/aged/(.*)", &aged },
    { "/single", &(const spout_handler){ .get = single, .post = single } },
    { "/typed", &(const spout_handler){ .get = single_typed } },
    { "/late", &(const spout_handler){ .get = single_late } },
    { "/missing", &(const spout_handler){ .get = single_missing } },
    { "/(.*)", &indexed },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    folder_make();
    folder_write("public/robots.txt", "User-agent: *\nDisallow: /\n");
    folder_write("public/empty.css", "");
    folder_write("public/dir/index.html", "<p>index</p>");
    folder_write("public/sp ace.JS", "1");
    folder_write("public-secret/key.txt", "secret");
    plain_options = (spout_static_options){ .path = folder_path("public") };
    index_options = (spout_static_options){ .path = folder_path("public"),
        .default_filename = "index.html" };
    aged_options = (spout_static_options){ .path = folder_path("public"), .max_age_s = 60 };
    snprintf(single_path, sizeof single_path, "%s", folder_path("public/robots.txt"));
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

static void a_file_with_its_fields(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/static/robots.txt");
    kit_expect(reply, 200, "User-agent: *\nDisallow: /\n");
    kit_expect_field(reply, "Content-Type", "text/plain; charset=utf-8");
    kit_expect_field(reply, "Content-Length", "26");
    kit_expect_field(reply, "Accept-Ranges", "bytes");
    kit_expect_field(reply, "Cache-Control", NULL);
    assert_int_equal(strlen(spi_memory_reply_field(reply, "Last-Modified")), 29);
    assert_int_equal(strlen(spi_memory_reply_field(reply, "Etag")), 34);
    kit_expect_field(
        kit_get("/static/sp%20ace.JS"), "Content-Type", "text/javascript; charset=utf-8");
}

static void head_and_empty_files(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_call("HEAD", "/static/robots.txt");
    kit_expect(reply, 200, "");
    kit_expect_field(reply, "Content-Length", "26");
    reply = kit_get("/static/empty.css");
    kit_expect(reply, 200, "");
    kit_expect_field(reply, "Content-Length", "0");
}

static void only_get_and_head(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_call("POST", "/static/robots.txt");
    assert_int_equal(reply->status, 405);
    kit_expect_field(reply, "Allow", "GET, HEAD, OPTIONS");
}

static void what_is_not_there_is_404(void **state)
{
    (void)state;
    static const char *const targets[] = { "/static/nothing", "/static/robots.txt/",
        "/static/robots.txt/x", "/static/a%00b", "/static/robots.txt%00" };
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        assert_int_equal(kit_get(targets[i])->status, 404);
    assert_int_equal(kit_get("/static/%FF")->status, 404);
}

static void nothing_outside_the_folder(void **state)
{
    (void)state;
    static const char *const targets[] = { "/static/../public-secret/key.txt",
        "/static/..%2fpublic-secret/key.txt", "/static/%2e%2e/public-secret/key.txt",
        "/static/dir/../../public-secret/key.txt", "/static/..", "/static//etc/passwd",
        "/static/%2Fetc%2Fpasswd", "/static/out/key.txt", "/static/link.txt", "/static/dir/..",
        "/static/absolute" };
    assert_int_equal(symlink("../public-secret", folder_path("public/out")), 0);
    assert_int_equal(symlink("../public-secret/key.txt", folder_path("public/link.txt")), 0);
    char target[512];
    snprintf(target, sizeof target, "%s", folder_path("public-secret/key.txt"));
    assert_int_equal(symlink(target, folder_path("public/absolute")), 0);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        const spi_memory_reply *reply = kit_get(targets[i]);
        if (reply->status != 403)
            fail_msg("%s: %d", targets[i], reply->status);
        assert_null(strstr(reply->body.data, "secret"));
        assert_int_equal(kit_log_lines(), 1);
    }
}

static void links_within_the_folder_are_followed(void **state)
{
    (void)state;
    assert_int_equal(symlink("../robots.txt", folder_path("public/dir/r.txt")), 0);
    char target[512];
    snprintf(target, sizeof target, "%s", folder_path("public/robots.txt"));
    assert_int_equal(symlink(target, folder_path("public/dir/absolute.txt")), 0);
    assert_int_equal(kit_get("/static/dir/r.txt")->status, 200);
    assert_int_equal(kit_get("/static/dir/absolute.txt")->status, 200);
    assert_int_equal(symlink("loop", folder_path("public/loop")), 0);
    assert_int_equal(kit_get("/static/loop")->status, 404);
}

static void special_files_are_403(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(folder_path("public/fifo"), 0600), 0);
    assert_int_equal(kit_get("/static/fifo")->status, 403);
}

static void folders(void **state)
{
    (void)state;
    assert_int_equal(kit_get("/static/dir")->status, 403);
    assert_int_equal(kit_get("/static/")->status, 403);
    const spi_memory_reply *reply = kit_get("/index/dir?x=1");
    assert_int_equal(reply->status, 301);
    kit_expect_field(reply, "Location", "/index/dir/?x=1");
    kit_expect(kit_get("/index/dir/"), 200, "<p>index</p>");
    kit_expect_field(kit_get("/index/dir/"), "Content-Type", "text/html; charset=utf-8");
    assert_int_equal(kit_get("/index/")->status, 404);
}

static void cache_control(void **state)
{
    (void)state;
    kit_expect_field(
        kit_get("/static/robots.txt?v=abc"), "Cache-Control", "max-age=315360000, immutable");
    kit_expect_field(kit_get("/static/robots.txt?v="), "Cache-Control", NULL);
    kit_expect_field(kit_get("/aged/robots.txt"), "Cache-Control", "max-age=60");
}

static void conditions(void **state)
{
    (void)state;
    char etag[64], modified[64], list[128];
    const spi_memory_reply *reply = kit_get("/static/robots.txt");
    snprintf(etag, sizeof etag, "%s", spi_memory_reply_field(reply, "Etag"));
    snprintf(modified, sizeof modified, "%s", spi_memory_reply_field(reply, "Last-Modified"));
    reply = kit_get_with("/static/robots.txt", "If-None-Match", etag);
    kit_expect(reply, 304, "");
    kit_expect_field(reply, "Etag", etag);
    kit_expect_field(reply, "Content-Type", NULL);
    assert_int_equal(kit_get_with("/static/robots.txt", "If-None-Match", "\"x\"")->status, 200);
    assert_int_equal(
        kit_get_with("/static/robots.txt", "If-Modified-Since", modified)->status, 304);
    assert_int_equal(
        kit_get_with("/static/robots.txt", "If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT")
            ->status,
        200);
    assert_int_equal(
        kit_get_with("/static/robots.txt", "If-Modified-Since", "yesterday")->status, 200);
    assert_int_equal(kit_get_with("/static/robots.txt", "If-Match", etag)->status, 200);
    assert_int_equal(kit_get_with("/static/robots.txt", "If-Match", "*")->status, 200);
    assert_int_equal(kit_get_with("/static/robots.txt", "If-Match", "\"x\"")->status, 412);
    snprintf(list, sizeof list, "W/%s", etag);
    assert_int_equal(kit_get_with("/static/robots.txt", "If-Match", list)->status, 412);
    assert_int_equal(
        kit_get_with("/static/robots.txt", "If-Unmodified-Since", modified)->status, 200);
    assert_int_equal(
        kit_get_with("/static/robots.txt", "If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT")
            ->status,
        412);
    const spi_field both[] = { kit_field("If-None-Match", "\"x\""),
        kit_field("If-Modified-Since", modified) };
    assert_int_equal(
        kit_send(&(spi_memory_request){
                     .target = "/static/robots.txt", .fields = both, .field_count = 2 })
            ->status,
        200);
}

static void the_etag_changes_with_the_file(void **state)
{
    (void)state;
    char etag[64];
    snprintf(
        etag, sizeof etag, "%s", spi_memory_reply_field(kit_get("/static/robots.txt"), "Etag"));
    struct timespec times[2] = { { .tv_sec = 1000, .tv_nsec = 1 },
        { .tv_sec = 1000, .tv_nsec = 1 } };
    assert_int_equal(utimensat(AT_FDCWD, folder_path("public/robots.txt"), times, 0), 0);
    const spi_memory_reply *reply = kit_get("/static/robots.txt");
    kit_expect_field(reply, "Last-Modified", "Thu, 01 Jan 1970 00:16:40 GMT");
    assert_string_not_equal(spi_memory_reply_field(reply, "Etag"), etag);
    snprintf(etag, sizeof etag, "%s", spi_memory_reply_field(reply, "Etag"));
    times[1].tv_nsec = 2;
    assert_int_equal(utimensat(AT_FDCWD, folder_path("public/robots.txt"), times, 0), 0);
    assert_string_not_equal(spi_memory_reply_field(kit_get("/static/robots.txt"), "Etag"), etag);
}

static void single_files(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/single");
    kit_expect(reply, 200, "User-agent: *\nDisallow: /\n");
    kit_expect_field(reply, "Content-Type", "text/plain; charset=utf-8");
    assert_int_equal(kit_get_with("/single", "If-None-Match", "*")->status, 304);
    assert_int_equal(kit_call("POST", "/single")->status, 200);
    reply = kit_get("/typed");
    assert_int_equal(reply->status, 203);
    kit_expect_field(reply, "Content-Type", "text/x-own");
    assert_int_equal(kit_get("/late")->status, 500);
    assert_int_equal(kit_get("/missing")->status, 404);
}

static void a_missing_folder_is_a_start_up_error(void **state)
{
    (void)state;
    static const spout_static_options nowhere = { .path = "/nonexistent/folder" };
    static const spout_handler handler = { .static_files = &nowhere };
    static const spout_route bad[] = { { "/(.*)", &handler }, { 0 } };
    assert_null(spout_application_new(bad, NULL));
    assert_non_null(strstr(spout_error_message(), "route \"/(.*)\""));
    const spout_route no_capture[] = { { "/x", &plain }, { 0 } };
    assert_null(spout_application_new(no_capture, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_with_its_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(head_and_empty_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_get_and_head, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_404, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_outside_the_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_within_the_folder_are_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(special_files_are_403, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cache_control, set_up, tear_down),
        cmocka_unit_test_setup_teardown(conditions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_etag_changes_with_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(single_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_folder_is_a_start_up_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
