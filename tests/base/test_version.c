#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/version.h>
#include <stdio.h>

static void test_version_matches_its_parts(void **state)
{
    (void)state;
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", SPOUT_VERSION_MAJOR, SPOUT_VERSION_MINOR,
        SPOUT_VERSION_PATCH);
    assert_string_equal(spout_version(), expected);
    assert_string_equal(SPOUT_VERSION, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_version_matches_its_parts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
