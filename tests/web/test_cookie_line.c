#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include "web/cookie_line.h"

#include <string.h>

enum { NOW = 1300000000 };

static spi_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = spi_arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spi_arena_free(arena);
    return 0;
}

static const char *line(const char *name, const char *value, const spout_cookie_options *options)
{
    const char *text = spi_cookie_line(arena, name, value, options, NOW);
    if (!text)
        fail_msg("%s", spout_error_message());
    return text;
}

static void refuse(const char *name, const char *value, const spout_cookie_options *options)
{
    spout_error_clear();
    assert_null(spi_cookie_line(arena, name, value, options, NOW));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
}

static void attributes_in_tornados_order(void **state)
{
    (void)state;
    assert_string_equal(line("a", "b", NULL), "a=b; Path=/");
    assert_string_equal(line("a", "b", &(spout_cookie_options){ .path = "" }), "a=b");
    const spout_cookie_options all = {
        .domain = "example.com",
        .path = "/foo",
        .expires = 1300000000,
        .max_age = 10,
        .samesite = "Lax",
        .httponly = true,
        .secure = true,
        .partitioned = true,
    };
    assert_string_equal(line("a", "b", &all),
        "a=b; Domain=example.com; expires=Sun, 13 Mar 2011 07:06:40 GMT; HttpOnly; Max-Age=10; "
        "Partitioned; Path=/foo; SameSite=Lax; Secure");
}

static void times(void **state)
{
    (void)state;
    assert_string_equal(
        line("a", "b", &(spout_cookie_options){ .max_age = SPOUT_ZERO }), "a=b; Max-Age=0; Path=/");
    assert_string_equal(line("a", "b", &(spout_cookie_options){ .expires_days = 10 }),
        "a=b; expires=Wed, 23 Mar 2011 07:06:40 GMT; Path=/");
    assert_string_equal(line("a", "b", &(spout_cookie_options){ .expires_days = SPOUT_ZERO }),
        "a=b; expires=Sun, 13 Mar 2011 07:06:40 GMT; Path=/");
    assert_string_equal(
        line("a", "b", &(spout_cookie_options){ .expires_days = SPOUT_NONE }), "a=b; Path=/");
    assert_string_equal(line("a", "b", &(spout_cookie_options){ .expires = SPOUT_ZERO }),
        "a=b; expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/");
    assert_string_equal(line("a", "b", &(spout_cookie_options){ .expires = 1, .expires_days = 10 }),
        "a=b; expires=Thu, 01 Jan 1970 00:00:01 GMT; Path=/");
    assert_non_null(
        strstr(line("a", "b", &(spout_cookie_options){ .expires_days = 2932896 }), "31 Dec 9999"));
    refuse("a", "b", &(spout_cookie_options){ .expires = -3 });
    refuse("a", "b", &(spout_cookie_options){ .expires = SPOUT_NONE });
    refuse("a", "b", &(spout_cookie_options){ .expires = INT64_MAX });
    refuse("a", "b", &(spout_cookie_options){ .expires_days = INT64_MAX });
    refuse("a", "b", &(spout_cookie_options){ .expires_days = -5 });
    refuse("a", "b", &(spout_cookie_options){ .max_age = -5 });
}

static void expect_round_trip(const char *value)
{
    spout_pair *pairs;
    const char *header = line("a", value, &(spout_cookie_options){ .path = "" });
    assert_int_equal(spout_parse_cookies(header, &pairs), 1);
    assert_int_equal(pairs->value.len, strlen(value));
    assert_memory_equal(pairs->value.data, value, strlen(value));
}

static void values_are_quoted_like_pythons(void **state)
{
    (void)state;
    const spout_cookie_options bare = { .path = "" };
    assert_string_equal(line("a", "", &bare), "a=\"\"");
    assert_string_equal(line("a", "A!#$%&'*+-.^_`|~:9", &bare), "a=A!#$%&'*+-.^_`|~:9");
    assert_string_equal(line("equals", "a=b", &bare), "equals=\"a=b\"");
    assert_string_equal(line("semicolon", "a;b", &bare), "semicolon=\"a\\073b\"");
    assert_string_equal(line("quote", "a\"b", &bare), "quote=\"a\\\"b\"");
    assert_string_equal(line("a", "a\\b,c", &bare), "a=\"a\\\\b\\054c\"");
    assert_string_equal(line("a", "\xC3\xA9", &bare), "a=\"\\303\\251\"");
    static const char *const values[] = { "a;b", "a\"b\\c", "\xC3\xA9\xF0\x9F\x8C\x8A", "\"", "\\",
        "=,()", "\x7F" };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        expect_round_trip(values[i]);
}

static void what_would_inject_is_refused(void **state)
{
    (void)state;
    static const char *const bad_names[] = { "", "a b", "a=b", "a;b", "a\r\n", "\"a\"", "\xC3\xA9",
        "a,b" };
    for (size_t i = 0; i < sizeof bad_names / sizeof bad_names[0]; i++)
        refuse(bad_names[i], "x", NULL);
    static const char *const bad_values[] = { "a b", "a\r\nX: y", "a\tb", "\x01" };
    for (size_t i = 0; i < sizeof bad_values / sizeof bad_values[0]; i++)
        refuse("a", bad_values[i], NULL);
    static const char *const bad[] = { "a;b", "a b", "a\r", "a\nb", "\x7F", "; Secure",
        "\xC3\xA9" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refuse("a", "x", &(spout_cookie_options){ .domain = bad[i] });
        refuse("a", "x", &(spout_cookie_options){ .path = bad[i] });
        refuse("a", "x", &(spout_cookie_options){ .samesite = bad[i] });
    }
    refuse("a", "x", &(spout_cookie_options){ .samesite = "Sometimes" });
    refuse(NULL, "x", NULL);
    refuse("a", NULL, NULL);
    spout_cookie_options reserved = { .reserved = { &reserved } };
    refuse("a", "x", &reserved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(attributes_in_tornados_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_are_quoted_like_pythons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_would_inject_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
