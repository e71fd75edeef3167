#include "kit.h"

#include "base/digest.h"
#include "base/text.h"
#include "folder.h"

#include <spout/escape.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[512];
static spout_static_options assets_options, hosted_options, own_options;
static spout_handler assets = { .name = "assets", .static_files = &assets_options };
static spout_handler hosted = { .name = "hosted", .static_files = &hosted_options };
static spout_handler own = { .name = "own", .static_files = &own_options };

/* /url?path=…&handler=…&host=…&plain=1 */
static int url(spout_request *r)
{
    const char *handler = spout_argument(r, "handler", NULL);
    const char *made = spout_static_url(r, spout_argument(r, "path", ""),
        &(spout_static_url_options){ .handler = handler,
            .include_host = (int)strtol(spout_argument(r, "host", "0"), NULL, 10),
            .no_version = spout_argument(r, "plain", NULL) });
    return made ? spout_write(r, made) : -1;
}

static int version(spout_request *r)
{
    const char *made = spout_static_version(
        r, spout_argument(r, "handler", NULL), spout_argument(r, "path", ""));
    return made ? spout_write(r, made) : -1;
}

static int impatient(spout_request *r)
{
    (void)spout_deadline_set_ms(0);
    return spout_static_url(r, "large.bin", NULL) ? 0 : -1;
}

/* Versions within the path: "a.42.css" is "a.css". */
static const char *parse(spout_request *r, const char *path)
{
    (void)r;
    const char *mark = strstr(path, ".42.");
    if (strcmp(path, "refused") == 0) {
        spout_fail(r, 410, "%s", "");
        return NULL;
    }
    return mark ? spout_scope_format("%.*s%s", (int)(mark - path), path, mark + 3) : path;
}

static const char *fixed_version(spout_request *r, const char *path)
{
    (void)r;
    return strcmp(path, "a.css") == 0 ? "42" : NULL;
}

static const char *make(spout_request *r, const char *path, const char *of)
{
    (void)r;
    const char *dot = strrchr(path, '.');
    return of ? spout_scope_format("/own/%.*s.%s%s", (int)(dot - path), path, of, dot)
              : spout_scope_format("/own/%s", path);
}

static const spout_route routes[] = {
    { "/url", &(const spout_handler){ .get = url } },
    { "/version", &(const spout_handler){ .get = version } },
    { "/impatient", &(const spout_handler){ .get = impatient } },
    { "/assets/(.*)", &assets },
    { "/hosted/{path:path}", &hosted },
    { "/own/(.*)", &own },
    { "/dynamic", &(const spout_handler){ .name = "dynamic", .get = url } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    static char large[100000];
    memset(large, 'l', sizeof large - 1);
    folder_make();
    folder_write("a.css", "a { }");
    folder_write("dir/sp ace?.css", "b { }");
    folder_write("large.bin", large);
    snprintf(folder, sizeof folder, "%s", folder_path(""));
    assets_options = (spout_static_options){ .path = folder, .sha256 = true };
    hosted_options = (spout_static_options){ .path = folder, .include_host = 1 };
    own_options = (spout_static_options){ .path = folder,
        .parse_url_path = parse,
        .get_version = fixed_version,
        .make_static_url = make };
    kit_start(routes, &(spout_application_options){ .static_path = folder });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    folder_remove();
    return 0;
}

static const char *hash_of(const char *text, size_t len)
{
    static char out[33];
    unsigned char hash[16];
    spi_content_hash(hash, text, len);
    spi_hex_encode(out, hash, sizeof hash);
    return out;
}

static void expect_url(const char *query, const char *before, const char *version_text)
{
    char target[256], wanted[256];
    snprintf(target, sizeof target, "/url?%s", query);
    snprintf(wanted, sizeof wanted, "%s%s", before, version_text);
    const spi_field host = kit_field("Host", "files.example:81");
    kit_expect(
        kit_send(&(spi_memory_request){ .target = target, .fields = &host, .field_count = 1 }), 200,
        wanted);
}

static void urls_have_the_hash_of_their_file(void **state)
{
    (void)state;
    expect_url("path=a.css", "/static/a.css?v=", hash_of("a { }", 5));
    expect_url("path=dir/sp%20ace%3f.css", "/static/dir/sp%20ace%3F.css?v=", hash_of("b { }", 5));
    expect_url("path=a.css&plain=1", "/static/a.css", "");
    folder_write("a.css", "a { color: red }");
    expect_url("path=a.css", "/static/a.css?v=", hash_of("a { color: red }", 16));
    expect_url("path=./a.css", "/static/./a.css?v=", hash_of("a { color: red }", 16));
}

static void large_files_too(void **state)
{
    (void)state;
    static char large[99999];
    memset(large, 'l', sizeof large);
    expect_url("path=large.bin", "/static/large.bin?v=", hash_of(large, sizeof large));
}

static void what_is_made_is_served(void **state)
{
    (void)state;
    char target[256];
    snprintf(target, sizeof target, "%s", kit_get("/url?path=a.css")->body.data);
    const spi_memory_reply *reply = kit_get(target);
    kit_expect(reply, 200, "a { }");
    kit_expect_field(reply, "Cache-Control", "max-age=315360000, immutable");
    folder_write("a.css", "changed");
    reply = kit_get(target);
    kit_expect(reply, 200, "changed");
    kit_expect_field(reply, "Cache-Control", "no-cache"); /* it is not what the URL names */
    kit_expect_field(reply, "Expires", NULL);
}

static void with_host(void **state)
{
    (void)state;
    expect_url("path=a.css&host=1", "http://files.example:81/static/a.css?v=", hash_of("a { }", 5));
    expect_url("path=a.css&handler=hosted",
        "http://files.example:81/hosted/a.css?v=", hash_of("a { }", 5));
    expect_url("path=a.css&handler=hosted&host=-1", "/hosted/a.css?v=", hash_of("a { }", 5));
}

static void of_other_folders(void **state)
{
    (void)state;
    char hex[65] = { 0 };
    unsigned char hash[32];
    spi_sha256(hash, "a { }", 5);
    spi_hex_encode(hex, hash, sizeof hash);
    expect_url("path=a.css&handler=assets", "/assets/a.css?v=", hex);
    assert_int_equal(kit_get("/url?path=a.css&handler=dynamic")->status, 500);
    assert_int_equal(kit_get("/url?path=a.css&handler=nobody")->status, 500);
    assert_non_null(strstr(kit_log(), "nobody"));
}

static void files_that_are_not_there_have_no_version(void **state)
{
    (void)state;
    static const char *const paths[] = { "nothing.css", "dir", "../a.css", "/a.css" };
    static const char *const urls[] = { "/static/nothing.css", "/static/dir", "/static/../a.css",
        "/static//a.css" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char target[64];
        snprintf(target, sizeof target, "/url?path=%s", paths[i]);
        kit_expect(kit_get(target), 200, urls[i]);
        assert_non_null(strstr(kit_log(), "no version of static file"));
    }
    assert_int_equal(kit_get("/version?path=nothing.css")->status, 404);
}

static void versions_alone(void **state)
{
    (void)state;
    kit_expect(kit_get("/version?path=a.css"), 200, hash_of("a { }", 5));
    kit_expect(kit_get("/version?path=a.css&handler=own"), 200, "42");
}

static void ways_of_ones_own(void **state)
{
    (void)state;
    expect_url("path=a.css&handler=own", "/own/a.42.css", "");
    expect_url("path=a.css&handler=own&plain=1", "/own/a.css", "");
    expect_url("path=b.css&handler=own", "/own/b.css", "");
    assert_null(strstr(kit_log(), "no version"));
    kit_expect(kit_get("/own/a.42.css"), 200, "a { }");
    kit_expect(kit_get("/own/a.css"), 200, "a { }");
    assert_int_equal(kit_get("/own/refused")->status, 410);
    kit_expect_field(kit_get("/own/a.css?v=0123456789abcdef0123456789abcdef"), "Cache-Control",
        "max-age=315360000, immutable");
}

static void the_wait_may_end(void **state)
{
    (void)state;
    assert_true(kit_get("/impatient")->status >= 500);
}

static void none_without_static_path(void **state)
{
    (void)state;
    kit_stop();
    kit_start(routes, NULL);
    assert_int_equal(kit_get("/url?path=a.css")->status, 500);
    assert_non_null(strstr(kit_log(), "static_path"));
    assert_int_equal(kit_get("/url?path=a.css&handler=own")->status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(urls_have_the_hash_of_their_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_files_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_made_is_served, set_up, tear_down),
        cmocka_unit_test_setup_teardown(with_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_other_folders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            files_that_are_not_there_have_no_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(versions_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ways_of_ones_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_wait_may_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(none_without_static_path, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
