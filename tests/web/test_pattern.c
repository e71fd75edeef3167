#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>

#include "base/arena.h"
#include "web/pattern.h"

#include <stdlib.h>
#include <string.h>

static spi_arena *arena;
static spi_matcher matcher;

static int set_up(void **state)
{
    (void)state;
    arena = spi_arena_new(0);
    spi_matcher_init(&matcher);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spi_matcher_finish(&matcher);
    spi_arena_free(arena);
    return 0;
}

static spi_pattern compile(const char *source)
{
    spi_pattern pattern;
    if (spi_pattern_compile(arena, source, &pattern) < 0)
        fail_msg("%s: %s", source, spout_error_message());
    return pattern;
}

static void expect_bad(const char *source, const char *words)
{
    spi_pattern pattern;
    assert_int_equal(spi_pattern_compile(arena, source, &pattern), SPOUT_EINVAL);
    if (!strstr(spout_error_message(), words))
        fail_msg("%s: %s", source, spout_error_message());
}

static bool matches(const char *source, const char *path, spout_bytes *captures)
{
    spi_pattern pattern = compile(source);
    assert_false(pattern.plain);
    int result = spi_pattern_match(&pattern, &matcher, path, strlen(path), captures);
    assert_true(result >= 0);
    spi_pattern_finish(&pattern);
    return result == 1;
}

static bool is_plain(const char *source)
{
    spi_pattern pattern = compile(source);
    bool plain = pattern.plain;
    spi_pattern_finish(&pattern);
    return plain;
}

static void literals_and_whole_segments_are_plain(void **state)
{
    (void)state;
    assert_true(is_plain("/"));
    assert_true(is_plain("/a/b"));
    assert_true(is_plain("/a/b/"));
    assert_true(is_plain("^/a$"));
    assert_true(is_plain("/robots\\.txt"));
    assert_true(is_plain("/story/{id:int}"));
    assert_true(is_plain("/{a}/x/{b}/{rest:path}"));
    assert_false(is_plain("/robots.txt"));
    assert_false(is_plain("/a-{id}"));
    assert_false(is_plain("/{id}.html"));
    assert_false(is_plain("/{p:path}/edit"));
    assert_false(is_plain("/a(b)?"));
    assert_false(is_plain("/[ab]"));
    assert_false(is_plain("/a{2}"));
    assert_false(is_plain("{p:path}"));
}

static void escapes_are_literals(void **state)
{
    (void)state;
    spi_pattern pattern = compile("/a\\.b\\{c\\}");
    assert_true(pattern.plain);
    assert_int_equal(pattern.part_count, 1);
    assert_string_equal(pattern.parts[0].text, "/a.b{c}");
}

static void sugar_is_no_sugar_in_a_class_or_behind_an_escape(void **state)
{
    (void)state;
    spout_bytes captures[4];
    assert_true(matches("/[{id}]", "/i", captures));
    assert_true(matches("/\\{id}.", "/{id}x", captures));
    assert_true(matches("/x{2}", "/xx", captures));
    assert_true(matches("/x{1,2}y", "/xxy", captures));
    spi_pattern pattern = compile("/a{3x}");
    assert_int_equal(pattern.capture_count, 0);
    spi_pattern_finish(&pattern);
}

static void names_and_numbers_of_captures(void **state)
{
    (void)state;
    spi_pattern pattern = compile("/{a}/{b:int}/{c:path}");
    assert_int_equal(pattern.capture_count, 3);
    assert_string_equal(pattern.names[0], "a");
    assert_string_equal(pattern.names[2], "c");
    pattern = compile("/(\\d+)/(?P<x>.)/(?:n)/{y}-");
    assert_int_equal(pattern.capture_count, 3);
    assert_null(pattern.names[0]);
    assert_string_equal(pattern.names[1], "x");
    assert_string_equal(pattern.names[2], "y");
    spi_pattern_finish(&pattern);
}

static void captures_of_a_plain_path(void **state)
{
    (void)state;
    spout_bytes captures[3];
    spi_pattern pattern = compile("/{a}/x/{b:int}/{c:path}");
    const char *path = "/one/x/22/three/four";
    spi_pattern_captures(&pattern, path, strlen(path), captures);
    assert_memory_equal(captures[0].data, "one", 3);
    assert_int_equal(captures[0].len, 3);
    assert_int_equal(captures[1].len, 2);
    assert_int_equal(captures[2].len, 10);
    assert_memory_equal(captures[2].data, "three/four", 10);
}

static void expressions_are_anchored(void **state)
{
    (void)state;
    spout_bytes captures[4];
    assert_true(matches("/a.c", "/abc", captures));
    assert_false(matches("/a.c", "/abcd", captures));
    assert_false(matches("/a.c", "x/abc", captures));
    assert_false(matches("/a|/b.", "/ax", captures));
    assert_true(matches("/a|/b.", "/a", captures));
    assert_true(matches("/a|/b.", "/bx", captures));
}

static void literal_beginning_is_only_what_every_match_has(void **state)
{
    (void)state;
    spi_pattern pattern = compile("/story/([0-9]+)");
    assert_int_equal(pattern.prefix_len, 7);
    spi_pattern_finish(&pattern);
    pattern = compile("/ab?c.");
    assert_int_equal(pattern.prefix_len, 2);
    spi_pattern_finish(&pattern);
    pattern = compile("/ab*");
    assert_int_equal(pattern.prefix_len, 2);
    spi_pattern_finish(&pattern);
    pattern = compile("/ab{0,2}");
    assert_int_equal(pattern.prefix_len, 2);
    spi_pattern_finish(&pattern);
    pattern = compile("/abc|/x");
    assert_int_equal(pattern.prefix_len, 0);
    spi_pattern_finish(&pattern);
    pattern = compile("(?i)/abc");
    assert_int_equal(pattern.prefix_len, 0);
    spi_pattern_finish(&pattern);
    pattern = compile("/a.b");
    assert_int_equal(pattern.prefix_len, 2);
    spi_pattern_finish(&pattern);
    spout_bytes captures[1];
    assert_true(matches("/ab?c.", "/acx", captures));
    assert_true(matches("(?i)/abc", "/ABC", captures));
}

static void unmatched_optional_group_has_no_data(void **state)
{
    (void)state;
    spout_bytes captures[4];
    assert_true(matches("/a(b)?(c)?", "/a", captures));
    assert_null(captures[0].data);
    assert_null(captures[1].data);
    assert_true(matches("/a(b)?(c)?", "/ac", captures));
    assert_null(captures[0].data);
    assert_int_equal(captures[1].len, 1);
    assert_true(matches("/a(b*)c", "/ac", captures));
    assert_non_null(captures[0].data);
    assert_int_equal(captures[0].len, 0);
}

static void integers_have_up_to_18_digits_in_expressions_too(void **state)
{
    (void)state;
    spout_bytes captures[1];
    assert_true(matches("/a-{n:int}", "/a-123456789012345678", captures));
    assert_false(matches("/a-{n:int}", "/a-1234567890123456789", captures));
    assert_false(matches("/a-{n:int}", "/a-", captures));
    assert_false(matches("/a-{n:int}", "/a-+1", captures));
}

static void too_much_work_is_an_error_not_a_miss(void **state)
{
    (void)state;
    spi_pattern pattern = compile("/(?:a+)+(?:a+)+[bc]");
    char path[200];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    spout_bytes captures[4];
    assert_int_equal(
        spi_pattern_match(&pattern, &matcher, path, strlen(path), captures), SPOUT_ELIMIT);
    spi_pattern_finish(&pattern);
}

static void a_long_path_needs_more_than_the_first_stack(void **state)
{
    (void)state;
    spi_pattern pattern = compile("/(?:(a)|b)*c");
    size_t len = 16000;
    char *path = malloc(len + 1);
    memset(path, 'a', len);
    path[0] = '/';
    path[len - 1] = 'c';
    path[len] = '\0';
    spout_bytes captures[1];
    assert_int_equal(spi_pattern_match(&pattern, &matcher, path, len, captures), 1);
    spi_pattern_finish(&pattern);
    free(path);
}

static void what_can_be_reversed(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        bool reversible;
    } rows[] = {
        { "/a/{b}", true },
        { "/a/([0-9]+)/x", true },
        { "/a\\.b/(\\d)", true },
        { "/a-{b}.html", false },
        { "/a-{b}\\.html", true },
        { "/a(b)?", false },
        { "/((a)b)", false },
        { "/(?:a)(b)", false },
        { "/(a|b)", true },
        { "/(a)|/(b)", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        spi_pattern pattern = compile(rows[i].source);
        if (pattern.reversible != rows[i].reversible)
            fail_msg("%s", rows[i].source);
        spi_pattern_finish(&pattern);
    }
}

static void bad_patterns_say_what_is_wrong(void **state)
{
    (void)state;
    expect_bad("a", "begins with '/'");
    expect_bad("", "begins with '/'");
    expect_bad("/{a}/{a}", "twice");
    expect_bad("/(a", "near");
    expect_bad("/a)", "near");
    expect_bad("/[a", "not closed");
    expect_bad("/a\\", "nothing behind it");
    expect_bad("/*+*", "near");
    expect_bad("/{abcdefghijklmnopqrstuvwxyzabcdefg}", "32 characters");
    expect_bad("/{a}-{a}", "near");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_and_whole_segments_are_plain),
        cmocka_unit_test(escapes_are_literals),
        cmocka_unit_test(sugar_is_no_sugar_in_a_class_or_behind_an_escape),
        cmocka_unit_test(names_and_numbers_of_captures),
        cmocka_unit_test(captures_of_a_plain_path),
        cmocka_unit_test(expressions_are_anchored),
        cmocka_unit_test(literal_beginning_is_only_what_every_match_has),
        cmocka_unit_test(unmatched_optional_group_has_no_data),
        cmocka_unit_test(integers_have_up_to_18_digits_in_expressions_too),
        cmocka_unit_test(too_much_work_is_an_error_not_a_miss),
        cmocka_unit_test(a_long_path_needs_more_than_the_first_stack),
        cmocka_unit_test(what_can_be_reversed),
        cmocka_unit_test(bad_patterns_say_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
