#include <spout/httputil.h>

#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *concat(const char *url, const char *y, const char *z)
{
    const spout_pair pairs[] = { { { "y", 1 }, spout_bytes_of(y) },
        { { "z", 1 }, spout_bytes_of(z) } };
    return spout_url_concat(url, pairs, 2);
}

static void arguments_are_added(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "https://localhost/path", "https://localhost/path?y=y&z=z" },
        { "https://localhost/path?", "https://localhost/path?y=y&z=z" },
        { "https://localhost/path?x", "https://localhost/path?x=&y=y&z=z" },
        { "https://localhost/path?x&", "https://localhost/path?x=&y=y&z=z" },
        { "https://localhost/path?a=1&b=2", "https://localhost/path?a=1&b=2&y=y&z=z" },
        { "https://localhost/path?r=1&t=2&r=3", "https://localhost/path?r=1&t=2&r=3&y=y&z=z" },
        { "https://localhost/path#tab", "https://localhost/path?y=y&z=z#tab" },
        { "/p?a=%20+%C3%A9#", "/p?a=++%C3%A9&y=y&z=z#" },
        { "#a?b", "?y=y&z=z#a?b" },
        { "", "?y=y&z=z" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(concat(cases[i][0], "y", "z"), cases[i][1]);
}

static void arguments_are_escaped(void **state)
{
    (void)state;
    assert_string_equal(concat("/p", "/y", "a b&=\xc3\xa9"), "/p?y=%2Fy&z=a+b%26%3D%C3%A9");
    const spout_pair same[] = { { { "a", 1 }, { "1", 1 } }, { { "a", 1 }, { "\0", 1 } } };
    assert_string_equal(spout_url_concat("/p", same, 2), "/p?a=1&a=%00");
}

static void nothing_changes_nothing(void **state)
{
    (void)state;
    static const char url[] = "https://localhost/path?r=1&t=2";
    assert_ptr_equal(spout_url_concat(url, NULL, 0), url);
    assert_string_equal(spout_url_concat(url, (spout_pair[1]){ { { 0 }, { 0 } } }, 0), url);
    assert_null(spout_url_concat(NULL, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(arguments_are_added),
        scoped_test(arguments_are_escaped),
        scoped_test(nothing_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
