/* CVE-2023-28370: the redirect to a folder's path with a slash never leads to another host. */
#include "kit.h"

#include "folder.h"

#include <stdio.h>
#include <string.h>

static spout_static_options options;
static spout_handler files = { .static_files = &options };
static const spout_route routes[] = { { "/(.*)", &files }, { 0 } };

static void no_redirect_leads_to_another_host(void **state)
{
    (void)state;
    static const char *const targets[] = { "//evil.example", "//evil.example/..",
        "//evil.example/%2e%2e", "/%2Fevil.example", "//dir", "/.//dir", "///dir",
        "/\\evil.example" };
    folder_make();
    folder_write("dir/index.html", "index");
    folder_write("\\evil.example/index.html", "index");
    options = (spout_static_options){ .path = folder_path(""), .default_filename = "index.html" };
    kit_start(routes, NULL);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        const spi_memory_reply *reply = kit_get(targets[i]);
        const char *location = spi_memory_reply_field(reply, "Location");
        assert_true(reply->status == 403 || reply->status == 404 || reply->status == 301);
        assert_true(!location || (location[0] == '/' && location[1] != '/' && location[1] != '\\'));
    }
    const spi_memory_reply *reply = kit_get("/dir");
    assert_int_equal(reply->status, 301);
    kit_expect_field(reply, "Location", "/dir/");
    kit_stop();
    folder_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_redirect_leads_to_another_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
