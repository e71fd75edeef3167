/* The routes of .static_path, and what they are guarded by. */
#include "kit.h"

#include "folder.h"

#include <stdio.h>
#include <string.h>

static int mine(spout_request *r)
{
    return spout_write(r, "mine");
}

static int catch_all(spout_request *r)
{
    return spout_write_format(r, "other %s", spout_path(r));
}

static int no_entry(spout_request *r)
{
    return spout_fail(r, 403, "%s", "");
}

static const spout_route routes[] = {
    { "/static/mine", &(const spout_handler){ .get = mine } },
    { "/.*", &(const spout_handler){ .get = catch_all } },
    { 0 },
};
static char folder[512];

static int set_up(void **state)
{
    (void)state;
    folder_make();
    folder_write("public/a.css", "a { }");
    folder_write("public/robots.txt", "User-agent: *");
    folder_write("public/sub/index.html", "index");
    snprintf(folder, sizeof folder, "%s", folder_path("public"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    folder_remove();
    return 0;
}

static void three_routes_before_all_others(void **state)
{
    (void)state;
    kit_start(routes, &(spout_application_options){ .static_path = folder });
    kit_expect(kit_get("/static/a.css"), 200, "a { }");
    kit_expect(kit_get("/robots.txt"), 200, "User-agent: *");
    kit_expect_field(kit_get("/robots.txt"), "Content-Type", "text/plain; charset=utf-8");
    assert_int_equal(kit_get("/favicon.ico")->status, 404);
    folder_write("public/favicon.ico", "icon");
    kit_expect(kit_get("/favicon.ico"), 200, "icon");
    assert_int_equal(kit_get("/static/mine")->status, 404);
    assert_int_equal(kit_get("/static/../public/a.css")->status, 403);
    kit_expect(kit_get("/robotsxtxt"), 200, "other /robotsxtxt");
    kit_expect(kit_get("/robots.txt/"), 200, "other /robots.txt/");
    kit_expect(kit_get("/static"), 200, "other /static");
}

static void a_prefix_means_itself(void **state)
{
    (void)state;
    kit_start(routes,
        &(spout_application_options){ .static_path = folder, .static_url_prefix = "/a.(b)+{c}/" });
    kit_expect(kit_get("/a.(b)+{c}/a.css"), 200, "a { }");
    kit_expect(kit_get("/axb{c}/a.css"), 200, "other /axb{c}/a.css");
    kit_expect(kit_get("/static/mine"), 200, "mine");
}

static void nothing_without_it(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    kit_expect(kit_get("/robots.txt"), 200, "other /robots.txt");
    kit_expect(kit_get("/static/mine"), 200, "mine");
}

static void alone(void **state)
{
    (void)state;
    kit_start(NULL, &(spout_application_options){ .static_path = folder });
    kit_expect(kit_get("/robots.txt"), 200, "User-agent: *");
    assert_int_equal(kit_get("/")->status, 404);
}

static void a_handler_of_ones_own(void **state)
{
    (void)state;
    static const spout_static_options options = {
        .path = "/nonexistent", .default_filename = "index.html", .max_age_s = 7
    };
    static const spout_handler base = { .static_files = &options };
    static const spout_handler guarded = { .base = &base, .prepare = no_entry };
    kit_start(
        routes, &(spout_application_options){ .static_path = folder, .static_handler = &base });
    kit_expect(kit_get("/static/sub/"), 200, "index");
    kit_expect_field(kit_get("/static/a.css"), "Cache-Control", "max-age=7");
    kit_stop();
    kit_start(
        routes, &(spout_application_options){ .static_path = folder, .static_handler = &guarded });
    assert_int_equal(kit_get("/static/a.css")->status, 403);
    assert_int_equal(kit_get("/robots.txt")->status, 403);
}

static void bad_settings_are_start_up_errors(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    static const char *const prefixes[] = { "", "static", "/static", "static/", "//cdn/" };
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        assert_null(spout_application_new(NULL, &(spout_application_options){ .static_path = folder,
                                                    .static_url_prefix = prefixes[i] }));
    assert_null(spout_application_new(
        routes, &(spout_application_options){ .static_path = "/nonexistent/folder" }));
    assert_non_null(strstr(spout_error_message(), "/nonexistent/folder"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(three_routes_before_all_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_prefix_means_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_without_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_handler_of_ones_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_settings_are_start_up_errors, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
