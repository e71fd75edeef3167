/* Static folders: what is served, what is not, and with which fields. */
#include "kit.h"

#include "folder.h"

#include <spout/httputil.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static spout_static_options plain_options, index_options, aged_options, strict_options,
    open_options, hashed_options;
static spout_handler plain = { .static_files = &plain_options, .name = "plain" };
static spout_handler indexed = { .static_files = &index_options, .name = "indexed" };
static spout_handler aged = { .static_files = &aged_options, .name = "aged" };
static spout_handler strict = { .static_files = &strict_options };
static spout_handler open_to_all = { .static_files = &open_options };
static spout_handler hashed = { .static_files = &hashed_options };
static char single_path[512], folder[512];

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

static int own_cache_control(spout_request *r)
{
    return spout_set_header(r, "Cache-Control", "private");
}

static spout_handler own = { .base = &aged, .set_default_headers = own_cache_control };

/* More than is kept in memory. */
enum { LARGE = 100000 };

static const spout_route routes[] = {
    { "/static/{path:path}", &plain },
    { "/index/(.*)", &indexed },
    { "/aged/(.*)", &aged },
    { "/own/(.*)", &own },
    { "/strict/(.*)", &strict },
    { "/open/(.*)", &open_to_all },
    { "/hashed/(.*)", &hashed },
    { "/robots\\.txt", &plain },
    { "/sp%20ace\\.JS", &plain },
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
    snprintf(folder, sizeof folder, "%s", folder_path("public"));
    plain_options = (spout_static_options){ .path = folder };
    index_options = (spout_static_options){ .path = folder, .default_filename = "index.html" };
    aged_options = (spout_static_options){ .path = folder, .max_age_s = 60 };
    strict_options = (spout_static_options){
        .path = folder, .links = SPOUT_STATIC_LINKS_NONE, .hide_dotfiles = true
    };
    open_options = (spout_static_options){ .path = folder, .links = SPOUT_STATIC_LINKS_ANYWHERE };
    hashed_options = (spout_static_options){
        .path = folder, .max_cached_bytes = SPOUT_ZERO, .max_hashed_bytes = SPOUT_ZERO
    };
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
        "/index/robots.txt/", "/static/nothing/", "/static/robots.txt/x", "/static/a%00b",
        "/static/robots.txt%00" };
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

static void paths_are_made_plain_first(void **state)
{
    (void)state;
    static const char *const targets[] = { "/static/dir/../robots.txt", "/static/./robots.txt",
        "/static/nothing/../robots.txt", "/static/dir//../robots.txt",
        "/static/%64ir/%2e%2e/robots.txt" };
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        assert_int_equal(kit_get(targets[i])->status, 200);
}

static void without_captures_the_path_counts(void **state)
{
    (void)state;
    kit_expect(kit_get("/robots.txt"), 200, "User-agent: *\nDisallow: /\n");
    kit_expect(kit_get("/sp%20ace.JS"), 200, "1");
}

/* No link, and all of them. */
static void links_by_choice(void **state)
{
    (void)state;
    assert_int_equal(symlink("robots.txt", folder_path("public/inside")), 0);
    assert_int_equal(symlink("dir", folder_path("public/folder")), 0);
    assert_int_equal(symlink("../public-secret/key.txt", folder_path("public/outside")), 0);
    assert_int_equal(kit_get("/strict/robots.txt")->status, 200);
    assert_int_equal(kit_get("/strict/dir/index.html")->status, 200);
    assert_int_equal(kit_get("/strict/inside")->status, 403);
    assert_int_equal(kit_get("/strict/folder/index.html")->status, 403);
    assert_int_equal(kit_get("/strict/outside")->status, 403);
    assert_int_equal(kit_get("/open/inside")->status, 200);
    assert_int_equal(kit_get("/open/folder/index.html")->status, 200);
    kit_expect(kit_get("/open/outside"), 200, "secret");
    assert_int_equal(kit_get("/open/../public-secret/key.txt")->status, 403);
    assert_int_equal(kit_get("/static/outside")->status, 403);
    /* one that takes the place of a file that is kept */
    assert_int_equal(kit_get("/strict/empty.css")->status, 200);
    assert_int_equal(rename(folder_path("public/empty.css"), folder_path("public/e")), 0);
    assert_int_equal(symlink("e", folder_path("public/empty.css")), 0);
    assert_int_equal(kit_get("/strict/empty.css")->status, 403);
}

static void hidden_names(void **state)
{
    (void)state;
    folder_write("public/.env", "KEY=1");
    folder_write("public/.git/config", "x");
    folder_write("public/.well-known/security.txt", "Contact:");
    assert_int_equal(kit_get("/strict/.env")->status, 404);
    assert_int_equal(kit_get("/strict/.git/config")->status, 404);
    assert_int_equal(kit_get("/strict/dir/%2e%2e/.env")->status, 404);
    assert_int_equal(kit_get("/strict/.well-known/security.txt")->status, 200);
    assert_int_equal(kit_get("/static/.env")->status, 200);
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
    kit_expect_field(kit_get("/static/robots.txt?v="), "Expires", NULL);
    kit_expect_field(kit_get("/aged/robots.txt"), "Cache-Control", "max-age=60");
    kit_expect_field(kit_get("/own/robots.txt?v=1"), "Cache-Control", "private");
    int64_t expires, date;
    const spi_memory_reply *reply = kit_get("/static/robots.txt?v=1");
    assert_int_equal(spout_parse_timestamp(spi_memory_reply_field(reply, "Expires"), &expires), 0);
    assert_int_equal(spout_parse_timestamp(spi_memory_reply_field(reply, "Date"), &date), 0);
    assert_true(expires - date >= 315360000 - 2 && expires - date <= 315360000 + 2);
}

/* What has the form of our hashes is compared with the file's. */
static void versions_of_other_files(void **state)
{
    (void)state;
    char target[128], etag[64];
    snprintf(
        etag, sizeof etag, "%s", spi_memory_reply_field(kit_get("/static/robots.txt"), "Etag"));
    snprintf(target, sizeof target, "/static/robots.txt?v=%.32s", etag + 1);
    kit_expect_field(kit_get(target), "Cache-Control", "max-age=315360000, immutable");
    target[strlen(target) - 1] ^= 1;
    kit_expect_field(kit_get(target), "Cache-Control", "no-cache");
    target[strlen(target) - 1] = '\0';
    kit_expect_field(kit_get(target), "Cache-Control", "max-age=315360000, immutable");
    snprintf(target, sizeof target, "/static/nothing?v=%.32s", etag + 1);
    kit_expect_field(kit_get(target), "Cache-Control", NULL);
    const spi_memory_reply *reply = kit_get_with("/static/robots.txt?v=1", "Range", "bytes=99-");
    assert_int_equal(reply->status, 416);
    kit_expect_field(reply, "Cache-Control", NULL);
    kit_expect_field(reply, "Expires", NULL);
    reply = kit_get_with("/static/robots.txt?v=1", "If-None-Match", "*");
    assert_int_equal(reply->status, 304);
    kit_expect_field(reply, "Cache-Control", "max-age=315360000, immutable");
}

static void conditions(void **state)
{
    (void)state;
    char etag[64], modified[64], list[256];
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
    assert_int_equal(kit_get_with("/static/robots.txt", "If-None-Match", list)->status, 304);
    assert_int_equal(kit_get_with("/static/robots.txt", "If-Match", list)->status, 412);
    snprintf(list, sizeof list, "W/%s, \"x,y\" , %s", etag, etag);
    assert_int_equal(kit_get_with("/static/robots.txt", "If-Match", list)->status, 200);
    snprintf(list, sizeof list, "\"x\", \"y%s", etag);
    assert_int_equal(kit_get_with("/static/robots.txt", "If-Match", list)->status, 412);
    snprintf(list, sizeof list, "\"x\",, %s,", etag);
    assert_int_equal(kit_get_with("/static/robots.txt", "If-None-Match", list)->status, 304);
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

static void validators_follow_the_file(void **state)
{
    (void)state;
    char etag[64], changed[64];
    snprintf(
        etag, sizeof etag, "%s", spi_memory_reply_field(kit_get("/static/robots.txt"), "Etag"));
    struct timespec times[2] = { { .tv_sec = 1000, .tv_nsec = 1 },
        { .tv_sec = 1000, .tv_nsec = 1 } };
    assert_int_equal(utimensat(AT_FDCWD, folder_path("public/robots.txt"), times, 0), 0);
    const spi_memory_reply *reply = kit_get("/static/robots.txt");
    kit_expect_field(reply, "Last-Modified", "Thu, 01 Jan 1970 00:16:40 GMT");
    kit_expect_field(reply, "Etag", etag); /* the bytes are the same */
    folder_write("public/robots.txt", "User-agent: *\nDisallow: .\n");
    assert_int_equal(utimensat(AT_FDCWD, folder_path("public/robots.txt"), times, 0), 0);
    reply = kit_get("/static/robots.txt"); /* same size, same time */
    snprintf(changed, sizeof changed, "%s", spi_memory_reply_field(reply, "Etag"));
    assert_string_not_equal(changed, etag);
    folder_write("public/copy.txt", "User-agent: *\nDisallow: .\n");
    kit_expect_field(kit_get("/static/copy.txt"), "Etag", changed);
    assert_int_equal(rename(folder_path("public/copy.txt"), folder_path("public/empty.css")), 0);
    kit_expect_field(kit_get("/static/empty.css"), "Etag", changed);
}

static void a_time_to_come_is_now(void **state)
{
    (void)state;
    const struct timespec times[2] = { { .tv_sec = 7258118400 }, { .tv_sec = 7258118400 } };
    assert_int_equal(utimensat(AT_FDCWD, folder_path("public/robots.txt"), times, 0), 0);
    const spi_memory_reply *reply = kit_get("/static/robots.txt");
    assert_string_equal(
        spi_memory_reply_field(reply, "Last-Modified"), spi_memory_reply_field(reply, "Date"));
}

static void large_files(void **state)
{
    (void)state;
    static char text[LARGE + 1];
    memset(text, 'x', LARGE);
    folder_write("public/large.bin", text);
    const spi_memory_reply *reply = kit_get("/static/large.bin");
    kit_expect(reply, 200, text);
    char etag[64];
    snprintf(etag, sizeof etag, "%s", spi_memory_reply_field(reply, "Etag"));
    assert_int_equal(strlen(etag), 34);
    kit_expect(kit_get_with("/static/large.bin", "If-None-Match", etag), 304, "");
    kit_expect(kit_get_with("/static/large.bin", "Range", "bytes=1-3"), 206, "xxx");
    text[0] = 'y';
    folder_write("public/large.bin", text);
    reply = kit_get_with("/static/large.bin", "If-None-Match", etag);
    kit_expect(reply, 200, text);
    assert_string_not_equal(spi_memory_reply_field(reply, "Etag"), etag);
}

/* Without a hash the tag is of the file's state, and weak while that is of this very moment. */
static void files_that_are_not_hashed(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/hashed/robots.txt");
    kit_expect(reply, 200, "User-agent: *\nDisallow: /\n");
    char etag[64];
    snprintf(etag, sizeof etag, "%s", spi_memory_reply_field(reply, "Etag"));
    assert_true(strlen(etag) == 34 || memcmp(etag, "W/\"", 3) == 0);
    assert_int_equal(kit_get_with("/hashed/robots.txt", "If-None-Match", etag)->status, 304);
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
    const spout_route no_capture[] = { { "/x.*", &plain }, { 0 } };
    assert_null(spout_application_new(no_capture, NULL));
    spout_static_options bad_options = plain_options;
    const spout_handler bad_handler = { .static_files = &bad_options };
    const spout_route bad_limit[] = { { "/(.*)", &bad_handler }, { 0 } };
    bad_options.max_open_files = -3;
    assert_null(spout_application_new(bad_limit, NULL));
    bad_options = plain_options;
    bad_options.reserved[0] = &bad_options;
    assert_null(spout_application_new(bad_limit, NULL));
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
        cmocka_unit_test_setup_teardown(paths_are_made_plain_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_captures_the_path_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_by_choice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hidden_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(special_files_are_403, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cache_control, set_up, tear_down),
        cmocka_unit_test_setup_teardown(conditions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(versions_of_other_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(validators_follow_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_time_to_come_is_now, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_that_are_not_hashed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(single_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_folder_is_a_start_up_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
