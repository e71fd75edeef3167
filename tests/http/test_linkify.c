#include <spout/escape.h>
#include <spout/memory.h>

#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define A(url) "<a href=\"" url "\">" url "</a>"

static void urls_become_links(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "" },
        { "hello http://world.com/!", "hello " A("http://world.com/") "!" },
        { "hello http://world.com/with?param=true&stuff=yes",
            "hello " A("http://world.com/with?param=true&amp;stuff=yes") },
        { "http://url.com/w(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            A("http://url.com/w") "(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
        { "http://url.com/withmany.......................................",
            A("http://url.com/withmany") "......................................." },
        { "http://url.com/withmany((((((((((((((((((((((((((((((((((a)",
            A("http://url.com/withmany") "((((((((((((((((((((((((((((((((((a)" },
        { "http://foo.com/blah_blah", A("http://foo.com/blah_blah") },
        { "http://foo.com/blah_blah/", A("http://foo.com/blah_blah/") },
        { "(Something like http://foo.com/blah_blah)",
            "(Something like " A("http://foo.com/blah_blah") ")" },
        { "http://foo.com/blah_blah_(wikipedia)", A("http://foo.com/blah_blah_(wikipedia)") },
        { "http://foo.com/blah_(blah)_(wikipedia)_blah",
            A("http://foo.com/blah_(blah)_(wikipedia)_blah") },
        { "(http://foo.com/blah_(blah))", "(" A("http://foo.com/blah_(blah)") ")" },
        { "http://foo.com/blah_blah.", A("http://foo.com/blah_blah") "." },
        { "<http://foo.com/blah_blah>", "&lt;" A("http://foo.com/blah_blah") "&gt;" },
        { "http://foo.com/blah_blah, and", A("http://foo.com/blah_blah") ", and" },
        { "http://www.example.com/wpstyle/?p=364.",
            A("http://www.example.com/wpstyle/?p=364") "." },
        { "rdar://1234", "rdar://1234" },
        { "http://\xe2\x9c\xaa\x64\x66.ws/1234", A("http://\xe2\x9c\xaa\x64\x66.ws/1234") },
        { "www.external-link.com",
            "<a href=\"http://www.external-link.com\">www.external-link.com</a>" },
        { "http:/foo", A("http:/foo") },
        { "http:///foo", A("http:///foo") },
        { "http://", A("http://") },
        { "http:/", "http:/" },
        { "http:// x", A("http://") " x" },
        { "awww.x", "awww.x" },
        { "a-www.x", "a-<a href=\"http://www.x\">www.x</a>" },
        { "--http://x.y--", "--" A("http://x.y--") },
        { "\xc3\xa9http://x", "\xc3\xa9http://x" },
        { "\"http://a/b\"", "&quot;" A("http://a/b") "&quot;" },
        { "www.&\"<", "www.&amp;&quot;&lt;" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(spout_linkify(cases[i][0], NULL), cases[i][1]);
    assert_null(spout_linkify(NULL, NULL));
}

static void protocols_are_chosen(void **state)
{
    (void)state;
    static const char *const few[] = { "ftp", "mailto", NULL };
    spout_linkify_options options = { .permitted_protocols = few };
    assert_string_equal(spout_linkify("ftp://a http://b mailto:c mailto:/d", &options),
        A("ftp://a") " http://b mailto:c " A("mailto:/d"));
    static const char *const none[] = { NULL };
    options.permitted_protocols = none;
    assert_string_equal(
        spout_linkify("http://b javascript:/x", &options), "http://b javascript:/x");
    options.require_protocol = true;
    assert_string_equal(spout_linkify("www.a.b", &options), "www.a.b");
}

static const char *target_of(void *self, const char *href)
{
    return strncmp(href, "http://in", 9) == 0 ? NULL : self;
}

static void attributes_are_added(void **state)
{
    (void)state;
    assert_string_equal(
        spout_linkify("http://a", &(spout_linkify_options){ .extra_params = " rel=\"nofollow\" " }),
        "<a href=\"http://a\" rel=\"nofollow\">http://a</a>");
    char external[] = "class=\"external\"";
    spout_linkify_options options = { .extra_params_of = target_of, .self = external };
    assert_string_equal(spout_linkify("http://in.x http://out.x", &options),
        A("http://in.x") " <a href=\"http://out.x\" class=\"external\">http://out.x</a>");
}

/* What is shown of a link, and that its title is the whole. */
static void check_short(const char *url, const char *shown)
{
    char expected[512];
    const char *whole = spout_xhtml_escape(url);
    const char *scheme = strncmp(url, "www.", 4) == 0 ? "http://" : "";
    if (strcmp(whole, shown) == 0)
        snprintf(expected, sizeof expected, "<a href=\"%s%s\">%s</a>", scheme, whole, shown);
    else
        snprintf(expected, sizeof expected, "<a href=\"%s%s\" title=\"%s%s\">%s</a>", scheme, whole,
            scheme, whole, shown);
    assert_string_equal(spout_linkify(url, &(spout_linkify_options){ .shorten = true }), expected);
}

static void long_ones_are_shortened(void **state)
{
    (void)state;
    check_short("http://www.short.com/a", "http://www.short.com/a");
    check_short("http://reallylong.com/thiswillbeshortenedbecauseitislong",
        "http://reallylong.com/thiswill...");
    check_short(
        "www.reallylong.com/thiswillbeshortenedbecauseitislong", "www.reallylong.com/thiswill...");
    check_short(
        "http://reallylongdomain.com/index.php?a=1&b=2", "http://reallylongdomain.com/index...");
    check_short("http://averyveryverylonghostnamethatgoesonandonandonandon.example/x",
        "http://averyveryverylonghostna...");
    check_short("http://reallylong.com/short/rest/of/it", "http://reallylong.com/short...");
    check_short("http://reallylong.example/1234567x", "http://reallylong.example/1234567x");
    check_short("http://abcdefghijklmnopqr&tttttttttttttttttttttttttttttttt",
        "http://abcdefghijklmnopqr&amp;...");
    check_short("http://abcdefghijklmnopqrs&tttttttttttttttttttttttttttttttt",
        "http://abcdefghijklmnopqrs...");
    check_short("http://\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9.example/"
                "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
        "http://\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9.example/"
        "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(urls_become_links),
        scoped_test(protocols_are_chosen),
        scoped_test(attributes_are_added),
        scoped_test(long_ones_are_shortened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
