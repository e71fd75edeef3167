#include "kit.h"

#include <spout/cookies.h>

#include <stdio.h>
#include <string.h>

static char lines[16 * 1024];

/* All Set-Cookie lines of a reply, one a line. */
static const char *cookies_of(const spi_memory_reply *reply)
{
    lines[0] = '\0';
    for (size_t i = 0; i < reply->field_count; i++) {
        size_t len = strlen(lines);
        if (strcmp(reply->fields[i].name, "Set-Cookie") == 0)
            snprintf(lines + len, sizeof lines - len, "%s\n", reply->fields[i].value);
    }
    return lines;
}

static int one(spout_request *r)
{
    int result = spout_set_cookie(r, "str", "asdf", NULL);
    if (result == 0)
        result = spout_set_cookie(r, "other", "x", NULL);
    return result;
}

static int overwrite(spout_request *r)
{
    const spout_cookie_options domain = { .domain = "example.com" }, path = { .path = "/foo" };
    spout_set_cookie(r, "a", "b", &domain);
    spout_set_cookie(r, "a", "in foo", &path); /* refused: the white space */
    spout_set_cookie(r, "c", "d", &domain);
    spout_set_cookie(r, "a", "e", NULL);
    spout_set_cookie(r, "a", "f", &(spout_cookie_options){ .path = "/" });
    return spout_set_cookie(r, "a", "g", &path);
}

static int fail_with_cookie(spout_request *r)
{
    spout_set_cookie(r, "kept", "1", NULL);
    return spout_fail(r, 403, "no");
}

static int clear_one(spout_request *r)
{
    assert_int_equal(
        spout_clear_cookie(r, "x", &(spout_cookie_options){ .max_age = 5 }), SPOUT_EINVAL);
    assert_int_equal(
        spout_clear_cookie(r, "x", &(spout_cookie_options){ .expires = 5 }), SPOUT_EINVAL);
    assert_int_equal(
        spout_clear_cookie(r, "x", &(spout_cookie_options){ .expires_days = 5 }), SPOUT_EINVAL);
    return spout_clear_cookie(r, "x", &(spout_cookie_options){ .path = "/foo" });
}

static int clear_all(spout_request *r)
{
    return spout_clear_all_cookies(r, NULL);
}

static int late(spout_request *r)
{
    spout_write(r, "x");
    if (spout_flush(r) < 0)
        return -1;
    assert_int_equal(spout_set_cookie(r, "a", "b", NULL), SPOUT_ESTATE);
    return 0;
}

static int many(spout_request *r)
{
    int result = 0, count = 0;
    for (char name[16]; result == 0; count++) {
        snprintf(name, sizeof name, "c%d", count);
        result = spout_set_cookie(r, name, "v", NULL);
    }
    assert_int_equal(result, SPOUT_ELIMIT);
    assert_int_equal(count, 257);
    return 0;
}

static const spout_route routes[] = {
    { "/one", &(const spout_handler){ .get = one } },
    { "/overwrite", &(const spout_handler){ .get = overwrite } },
    { "/fail", &(const spout_handler){ .get = fail_with_cookie } },
    { "/clear", &(const spout_handler){ .get = clear_one } },
    { "/clear_all", &(const spout_handler){ .get = clear_all } },
    { "/late", &(const spout_handler){ .get = late } },
    { "/many", &(const spout_handler){ .get = many } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static void one_line_each(void **state)
{
    (void)state;
    assert_string_equal(cookies_of(kit_get("/one")), "str=asdf; Path=/\nother=x; Path=/\n");
}

static void same_name_path_and_domain_is_the_same_cookie(void **state)
{
    (void)state;
    assert_string_equal(cookies_of(kit_get("/overwrite")),
        "a=b; Domain=example.com; Path=/\nc=d; Domain=example.com; Path=/\na=f; Path=/\n"
        "a=g; Path=/foo\n");
}

static void error_pages_and_304_set_them_too(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/fail");
    assert_int_equal(reply->status, 403);
    assert_string_equal(cookies_of(reply), "kept=1; Path=/\n");
    const char *etag = spi_memory_reply_field(kit_get("/one"), "Etag");
    char copy[64];
    snprintf(copy, sizeof copy, "%s", etag);
    reply = kit_get_with("/one", "If-None-Match", copy);
    assert_int_equal(reply->status, 304);
    assert_non_null(strstr(cookies_of(reply), "str=asdf"));
}

static void clearing(void **state)
{
    (void)state;
    const char *all = cookies_of(kit_get("/clear"));
    assert_memory_equal(all, "x=\"\"; expires=", 14);
    assert_non_null(strstr(all, " GMT; Path=/foo\n"));
    all = cookies_of(kit_get_with("/clear_all", "Cookie", "foo=bar; baz=xyzzy; nameless; foo=2"));
    assert_memory_equal(all, "baz=\"\"; expires=", 16);
    assert_non_null(strstr(all, "\nfoo=\"\"; expires="));
    assert_string_equal(cookies_of(kit_get("/clear_all")), "");
}

static void only_before_the_head(void **state)
{
    (void)state;
    kit_expect(kit_get("/late"), 200, "x");
}

static void there_is_a_limit(void **state)
{
    (void)state;
    assert_int_equal(kit_get("/many")->status, 200);
    enum { COUNT = 4000, SIZE = COUNT * 8 };
    char *header = spout_alloc(SIZE);
    for (int i = 0; i < COUNT; i++)
        snprintf(header + i * 7, 8, "a%04u;=", (unsigned)i % 10000);
    for (int i = 0; i < COUNT; i++)
        memcpy(header + i * 7 + 5, "=;", 2);
    header[COUNT * 7] = '\0';
    const spi_memory_reply *reply = kit_get_with("/clear_all", "Cookie", header);
    assert_int_equal(reply->status, 200);
    size_t count = 0;
    for (size_t i = 0; i < reply->field_count; i++)
        count += strcmp(reply->fields[i].name, "Set-Cookie") == 0;
    assert_int_equal(count, 256);
    spout_free(header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_line_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            same_name_path_and_domain_is_the_same_cookie, set_up, tear_down),
        cmocka_unit_test_setup_teardown(error_pages_and_304_set_them_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clearing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_before_the_head, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_is_a_limit, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
