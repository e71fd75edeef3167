#include <spout/httputil.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_phrases(void **state)
{
    (void)state;
    assert_string_equal(spout_status_phrase(100), "Continue");
    assert_string_equal(spout_status_phrase(200), "OK");
    assert_string_equal(spout_status_phrase(304), "Not Modified");
    assert_string_equal(spout_status_phrase(404), "Not Found");
    assert_string_equal(spout_status_phrase(431), "Request Header Fields Too Large");
    assert_string_equal(spout_status_phrase(511), "Network Authentication Required");
}

static void test_others(void **state)
{
    (void)state;
    static const int others[] = { -1, 0, 99, 104, 299, 306, 499, 599, 600, 1000000 };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_string_equal(spout_status_phrase(others[i]), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phrases),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
