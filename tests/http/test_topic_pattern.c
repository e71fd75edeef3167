#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/topic.h"

static bool matches(const char *pattern, const char *name)
{
    return spi_topic_matches(spout_bytes_of(pattern), spout_bytes_of(name));
}

static void stands_for_itself(void **state)
{
    (void)state;
    assert_true(matches("room", "room"));
    assert_true(matches("a/b/c", "a/b/c"));
    assert_true(matches("/", "/"));
    assert_false(matches("room", "rooms"));
    assert_false(matches("rooms", "room"));
    assert_false(matches("Room", "room"));
    assert_false(matches("a/b", "a"));
    assert_false(matches("a", "a/b"));
    assert_false(matches("a", "a/"));
    assert_true(matches("a*", "a*"));
    assert_false(matches("a*", "ab"));
    assert_false(matches("***", "a"));
}

static void one_star_is_one_segment(void **state)
{
    (void)state;
    assert_true(matches("*", "room"));
    assert_true(matches("*", "*"));
    assert_true(matches("room/*", "room/kitchen"));
    assert_true(matches("room/*", "room/"));
    assert_false(matches("room/*", "room"));
    assert_false(matches("room/*", "room/kitchen/pets"));
    assert_false(matches("room/*", "hall/kitchen"));
    assert_true(matches("*/kitchen/*", "room/kitchen/pets"));
    assert_false(matches("*/kitchen/*", "room/cellar/pets"));
    assert_false(matches("*/*", "room"));
}

static void two_at_the_end_are_all_that_follows(void **state)
{
    (void)state;
    assert_true(matches("**", "room"));
    assert_true(matches("**", "room/kitchen/pets"));
    assert_true(matches("room/**", "room/kitchen"));
    assert_true(matches("room/**", "room/kitchen/pets"));
    assert_true(matches("*/**", "room/kitchen"));
    assert_false(matches("room/**", "room"));
    assert_false(matches("room/**", "rooms/kitchen"));
    assert_true(matches("**/pets", "**/pets"));
    assert_false(matches("**/pets", "room/pets"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stands_for_itself),
        cmocka_unit_test(one_star_is_one_segment),
        cmocka_unit_test(two_at_the_end_are_all_that_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
