#include <spout/error.h>
#include <spout/escape.h>

#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_xhtml_escape(void **state)
{
    (void)state;
    assert_string_equal(spout_xhtml_escape(""), "");
    assert_string_equal(spout_xhtml_escape("<foo bar=\"baz\">&'x'"),
        "&lt;foo bar=&quot;baz&quot;&gt;&amp;&#x27;x&#x27;");
    assert_string_equal(spout_xhtml_escape("\xC3\xA9<"), "\xC3\xA9&lt;");
    assert_string_equal(spout_xhtml_escape("&amp;"), "&amp;amp;");
    assert_null(spout_xhtml_escape(NULL));
}

static void test_url_escape(void **state)
{
    (void)state;
    assert_string_equal(spout_url_escape("a b/c", true), "a+b%2Fc");
    assert_string_equal(spout_url_escape("a b/c", false), "a%20b/c");
    assert_string_equal(spout_url_escape("AZaz09_.-~", true), "AZaz09_.-~");
    assert_string_equal(spout_url_escape("\xC3\xA9+%&=", true), "%C3%A9%2B%25%26%3D");
    assert_null(spout_url_escape(NULL, true));
}

static void test_url_unescape(void **state)
{
    (void)state;
    assert_string_equal(spout_url_unescape("a+b%2Fc%20", true), "a b/c ");
    assert_string_equal(spout_url_unescape("a+b%2Fc", false), "a+b/c");
    assert_string_equal(spout_url_unescape("%C3%A9", true), "\xC3\xA9");
    assert_string_equal(spout_url_unescape("%", true), "%");
    assert_string_equal(spout_url_unescape("%4", true), "%4");
    assert_null(spout_url_unescape("%FF", true));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_url_unescape("a%00b", true));
    assert_null(spout_url_unescape(NULL, true));
}

static void test_there_and_back(void **state)
{
    (void)state;
    char text[128];
    for (int c = 1; c < 128; c++)
        text[c - 1] = (char)c;
    text[127] = '\0';
    assert_string_equal(spout_url_unescape(spout_url_escape(text, true), true), text);
    assert_string_equal(spout_url_unescape(spout_url_escape(text, false), false), text);
}

static void test_base64_encode(void **state)
{
    (void)state;
    assert_string_equal(spout_base64_encode((spout_bytes){ "", 0 }), "");
    assert_string_equal(spout_base64_encode((spout_bytes){ "\xff", 1 }), "/w==");
    assert_string_equal(spout_base64_encode((spout_bytes){ "a\0b", 3 }), "YQBi");
}

static void test_utf8_or_replacement(void **state)
{
    (void)state;
    assert_string_equal(spout_utf8_or_replacement(spout_bytes_of("a\xc3\xa9\xe2\x82\xac")),
        "a\xc3\xa9\xe2\x82\xac");
    assert_string_equal(spout_utf8_or_replacement((spout_bytes){ "a\0b", 3 }), "a\xef\xbf\xbd\x62");
    assert_string_equal(
        spout_utf8_or_replacement(spout_bytes_of("\xff\x61\xc3")), "\xef\xbf\xbd\x61\xef\xbf\xbd");
    assert_string_equal(
        spout_utf8_or_replacement(spout_bytes_of("\xc0\x80")), "\xef\xbf\xbd\xef\xbf\xbd");
    static const struct {
        const char *text;
        size_t mistakes;
    } broken[] = { { "\xc3", 1 }, { "\xe2\x82", 1 }, { "\xf0\x9f", 1 }, { "\xf0\x9f\x92", 1 },
        { "\xf4\x8f", 1 }, { "\xe0\xa0", 1 }, { "\xed\x9f", 1 }, { "\xe0\x80", 2 },
        { "\xed\xa0\x80", 3 }, { "\xf0\x80\x80", 3 }, { "\xf4\x90\x80\x80", 4 }, { "\xf5\x80", 2 },
        { "\xfe\xff", 2 }, { "\x80", 1 }, { "\xf0\x9f\xf0\x9f", 2 }, { "\xe2\x82\xe2\x82", 2 } };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        char *text = spout_scope_format("%s(", broken[i].text);
        const char *mended = spout_utf8_or_replacement(spout_bytes_of(text));
        assert_int_equal(strlen(mended), 3 * broken[i].mistakes + 1);
    }
    assert_string_equal(
        spout_utf8_or_replacement((spout_bytes){ "\0\xc3", 2 }), "\xef\xbf\xbd\xef\xbf\xbd");
}

static void test_squeeze(void **state)
{
    (void)state;
    assert_string_equal(
        spout_squeeze("sequences     of    whitespace   chars"), "sequences of whitespace chars");
    assert_string_equal(spout_squeeze(" \t a \x01\n b \r\n"), "a b");
    assert_string_equal(spout_squeeze(" \n"), "");
    assert_string_equal(spout_squeeze("\xc3\xa9\x7f x"), "\xc3\xa9\x7f x");
    assert_null(spout_squeeze(NULL));
}

static void test_url_unescape_bytes(void **state)
{
    (void)state;
    spout_bytes bytes = spout_url_unescape_bytes("%FF+%00", true);
    assert_int_equal(bytes.len, 3);
    assert_memory_equal(bytes.data, "\xff \0", 4);
    assert_null(spout_url_unescape_bytes(NULL, true).data);
}

static void test_is_utf8(void **state)
{
    (void)state;
    assert_true(spout_is_utf8(spout_bytes_of("a\xc3\xa9")));
    assert_false(spout_is_utf8(spout_bytes_of("\xc3")));
    assert_true(spout_is_utf8((spout_bytes){ "", 0 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(test_xhtml_escape),
        scoped_test(test_url_escape),
        scoped_test(test_url_unescape),
        scoped_test(test_there_and_back),
        scoped_test(test_base64_encode),
        scoped_test(test_utf8_or_replacement),
        scoped_test(test_squeeze),
        scoped_test(test_url_unescape_bytes),
        scoped_test(test_is_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
