#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>

#include "web/handler.h"
#include "web/router.h"

#include <string.h>

static spi_arena *arena;
static spi_matcher matcher;
static spi_router router;
static spi_handler handlers[16];

static int set_up(void **state)
{
    (void)state;
    arena = spi_arena_new(0);
    spi_matcher_init(&matcher);
    spi_router_init(&router, arena, 16);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spi_router_finish(&router);
    spi_matcher_finish(&matcher);
    spi_arena_free(arena);
    return 0;
}

static void add(const char *pattern)
{
    uint32_t at = router.count;
    if (spi_router_add(&router, arena, pattern, &handlers[at]) < 0)
        fail_msg("%s", spout_error_message());
}

static int match(const char *path, spi_match *found)
{
    *found = (spi_match){ 0 };
    return spi_router_match(&router, &matcher, arena, path, strlen(path), found);
}

/* -1: no route. */
static void expect(const char *path, long route)
{
    spi_match found;
    int result = match(path, &found);
    assert_true(result >= 0);
    if (route < 0)
        assert_int_equal(result, 0);
    else if (!result || found.handler != &handlers[route])
        fail_msg("%s", path);
}

/* A sealed table answers at once where nothing earlier may match, and as before in any case. */
static void what_is_sealed_stays_right(void **state)
{
    (void)state;
    add("/a/[0-9]+");
    add("/a/{name}");
    add("/a/7");
    add("/a/x");
    add("/b");
    add("/b");
    add("/.*");
    add("/c");
    spi_router_seal(&router, arena);
    assert_null(spi_router_find_exact(&router, "/a/7", 4));
    assert_null(spi_router_find_exact(&router, "/a/x", 4));
    assert_null(spi_router_find_exact(&router, "/c", 2));
    assert_null(spi_router_find_exact(&router, "/b/", 3));
    assert_null(spi_router_find_exact(&router, "", 0));
    assert_ptr_equal(spi_router_find_exact(&router, "/b", 2), &handlers[4]);
    expect("/a/7", 0);
    expect("/a/x", 1);
    expect("/b", 4);
    expect("/c", 6);
}

static void order_decides_between_plain_routes_and_expressions(void **state)
{
    (void)state;
    add("/a/[0-9]+");
    add("/a/{name}");
    add("/a/x.*");
    add("/.*");
    expect("/a/7", 0);
    expect("/a/xy", 1);
    expect("/a/x/y", 2);
    expect("/b", 3);
    expect("*", -1);
}

static void captures_are_decoded_texts(void **state)
{
    (void)state;
    add("/f/{name}");
    spi_match found;
    assert_int_equal(match("/f/a%20b%2Fc+d%C3%A9", &found), 1);
    assert_int_equal(found.capture_count, 1);
    assert_string_equal(found.captures[0].text, "a b/c+d\xC3\xA9");
    assert_string_equal(found.captures[0].name, "name");
}

static void paths_are_matched_as_received(void **state)
{
    (void)state;
    add("/a/b");
    expect("/a%2Fb", -1);
    expect("/%61/b", -1);
}

static void captures_that_are_no_text_are_bad_requests(void **state)
{
    (void)state;
    add("/f/{name}");
    add("/g/(.*)");
    spi_match found;
    assert_int_equal(match("/f/%FF", &found), -400);
    assert_ptr_equal(found.handler, &handlers[0]);
    assert_int_equal(match("/f/a%00b", &found), -400);
    assert_int_equal(match("/g/\xFF", &found), -400);
    assert_int_equal(match("/f/%zz", &found), 1);
    assert_string_equal(found.captures[0].text, "%zz");
}

static void too_much_work_is_500(void **state)
{
    (void)state;
    add("/(?:a+)+(?:a+)+[bc]");
    add("/{any:path}");
    char path[200];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    spi_match found;
    assert_int_equal(match(path, &found), -500);
}

static const char *reverse(uint32_t route, const char *a, const char *b)
{
    const char *values[] = { a, b };
    return spi_router_reverse(&router.routes[route], arena, values, a ? (b ? 2 : 1) : 0);
}

static void routes_can_be_reversed(void **state)
{
    (void)state;
    add("/");
    add("/story/{id:int}/{slug}");
    add("/files/{path:path}");
    add("/old/([0-9]+)\\.html");
    add("/(?:x)(y)");
    assert_string_equal(reverse(0, NULL, NULL), "/");
    assert_string_equal(reverse(1, "7", "a/b \xC3\xA9?"), "/story/7/a%2Fb%20%C3%A9%3F");
    assert_string_equal(reverse(2, "a/b c", NULL), "/files/a/b%20c");
    assert_string_equal(reverse(3, "12", NULL), "/old/12.html");
    assert_null(reverse(4, "y", NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(reverse(1, "7", NULL));
    assert_non_null(strstr(spout_error_message(), "takes 2 values, not 1"));
    assert_null(spi_router_reverse(&router.routes[2], arena, (const char *const[]){ NULL }, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            order_decides_between_plain_routes_and_expressions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_sealed_stays_right, set_up, tear_down),
        cmocka_unit_test_setup_teardown(captures_are_decoded_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(paths_are_matched_as_received, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            captures_that_are_no_text_are_bad_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_much_work_is_500, set_up, tear_down),
        cmocka_unit_test_setup_teardown(routes_can_be_reversed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
