#include <spout/escape.h>

#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void names_and_numbers(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "" },
        { "&lt;foo&gt; &amp;amp; &quot;&#x27;", "<foo> &amp; \"'" },
        { "foo&#32;bar", "foo bar" },
        { "foo&#x20;bar", "foo bar" },
        { "foo&#X20;bar", "foo bar" },
        { "&#8217;&#x1F600;&eacute;", "\xe2\x80\x99\xf0\x9f\x98\x80\xc3\xa9" },
        { "&nGt;&nLt;", "\xe2\x89\xab\xe2\x83\x92\xe2\x89\xaa\xe2\x83\x92" },
        { "&#128;&#x99;", "\xe2\x82\xac\xe2\x84\xa2" },
        { "&#0;&#xD800;&#1114112;&#99999999999999999999;",
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(spout_xhtml_unescape(cases[i][0]), cases[i][1]);
    assert_null(spout_xhtml_unescape(NULL));
}

static void the_rest_stays(void **state)
{
    (void)state;
    static const char *const cases[] = { "&", "&&", "&;", "&amp", "&nope;", "foo&#xyz;bar",
        "foo&#;bar", "foo&#x;bar", "&#12", "& amp;", "&#-1;",
        "&ThisIsMuchLongerThanTheLongestNameThatThereIs;" };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(spout_xhtml_unescape(cases[i]), cases[i]);
}

static void there_and_back(void **state)
{
    (void)state;
    static const char text[] = "<a href=\"x?a&b\">'\xc3\xa9'</a>";
    assert_string_equal(spout_xhtml_unescape(spout_xhtml_escape(text)), text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(names_and_numbers),
        scoped_test(the_rest_stays),
        scoped_test(there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
