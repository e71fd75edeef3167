#include <spout/httputil.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_table(void **state)
{
    (void)state;
    static const struct {
        const char *header, *etag;
        bool expected;
    } cases[] = {
        { "\"a\"", "\"a\"", true },
        { "W/\"a\"", "\"a\"", true },
        { "\"a\"", "W/\"a\"", true },
        { "\"a\"", "\"b\"", false },
        { "\"a\"", "\"ab\"", false },
        { "\"x\", W/\"y\" ,\"a\"", "\"a\"", true },
        { "\"x,\\\", \"a\"", "\"a\"", true },
        { "\"a,b\"", "\"a,b\"", true },
        { "\"a,b\"", "\"b\"", false },
        { "*", "\"a\"", true },
        { " * ", "\"a\"", true },
        { "\"*\"", "\"a\"", false },
        { "a", "\"a\"", false },
        { "\"a", "\"a\"", false },
        { "w/\"a\"", "\"a\"", false },
        { "", "\"a\"", false },
        { ",, ,\"a\"", "\"a\"", true },
        { NULL, "\"a\"", false },
        { "\"a\"", NULL, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (spout_etag_matches(cases[i].header, cases[i].etag) != cases[i].expected)
            fail_msg("case %zu", i);
    }
}

static void test_strong(void **state)
{
    (void)state;
    assert_true(spout_etag_is_matched("\"a\"", "\"a\""));
    assert_true(spout_etag_is_matched("W/\"a\", \"b\",,\"a\"", "\"a\""));
    assert_true(spout_etag_is_matched(" *", "\"a\""));
    assert_true(spout_etag_is_matched("*", "W/\"a\""));
    assert_false(spout_etag_is_matched("W/\"a\"", "\"a\""));
    assert_false(spout_etag_is_matched("\"a\"", "W/\"a\""));
    assert_false(spout_etag_is_matched("W/\"a\"", "W/\"a\""));
    assert_false(spout_etag_is_matched("\"b\"", "\"a\""));
    assert_false(spout_etag_is_matched("*\"a\"", "\"a\""));
    assert_false(spout_etag_is_matched("", "\"a\""));
    assert_false(spout_etag_is_matched(NULL, "\"a\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_table),
        cmocka_unit_test(test_strong) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
