#include <spout/error.h>
#include <spout/httputil.h>

#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_joined(void **state)
{
    (void)state;
    assert_string_equal(spout_encode_username_password("me", "se:cret"), "me:se:cret");
    assert_string_equal(spout_encode_username_password("", ""), ":");
    assert_string_equal(
        spout_encode_username_password("caf\xc3\xa9", "\xe2\x82\xac"), "caf\xc3\xa9:\xe2\x82\xac");
}

static void test_refused(void **state)
{
    (void)state;
    assert_null(spout_encode_username_password("a:b", "c"));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_encode_username_password("a\nb", "c"));
    assert_null(spout_encode_username_password("a", "c\x7f"));
    assert_null(spout_encode_username_password("a", "\xff"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { scoped_test(test_joined), scoped_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
