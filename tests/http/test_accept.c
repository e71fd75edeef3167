#include <spout/httputil.h>

#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void preferences_are_sorted(void **state)
{
    (void)state;
    spout_preference *items;
    assert_int_equal(spout_parse_preferences("a;q=0.2, B , c;q=0.25,,d;q=0", &items), 4);
    assert_string_equal(items[0].value, "b");
    assert_int_equal(items[0].quality, 1000);
    assert_string_equal(items[1].value, "c");
    assert_int_equal(items[1].quality, 250);
    assert_string_equal(items[2].value, "a");
    assert_string_equal(items[3].value, "d");
    assert_int_equal(items[3].quality, 0);
    assert_int_equal(spout_parse_preferences("x, y;q=1.000, z;Q=1", &items), 3);
    assert_string_equal(items[0].value, "x");
    assert_string_equal(items[2].value, "z");
    assert_int_equal(spout_parse_preferences(NULL, &items), 0);
    assert_int_equal(spout_parse_preferences("", &items), 0);
    assert_int_equal(spout_parse_preferences(" , ,", &items), 0);
}

static void parameters_are_kept(void **state)
{
    (void)state;
    spout_preference *items;
    assert_int_equal(
        spout_parse_preferences("text/HTML; Level=1 ; q=0.4;ext=1, a/b;c=\"x,\\\"y\"", &items), 2);
    assert_string_equal(items[0].value, "a/b;c=x,\"y");
    assert_string_equal(items[1].value, "text/html;level=1");
    assert_int_equal(items[1].quality, 400);
}

static void malformed_elements_are_left_out(void **state)
{
    (void)state;
    static const char *const bad[] = { "a;q=1.1", "a;q=2", "a;q=", "a;q=0.1234", "a;q=-1", "a;q=.5",
        "a b", "a;q=0,5x\x01", ";q=1", "a;b=\"", "a;q=1e3", "\"a\"" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        spout_preference *items;
        long count = spout_parse_preferences(bad[i], &items);
        assert_in_range(count, 0, 1);
        if (count == 1)
            assert_string_equal(items[0].value, "a"); /* q=0 of the pair that a comma cuts */
    }
}

#define BROWSER "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

static void the_closest_media_range_counts(void **state)
{
    (void)state;
    static const char rfc[] = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, "
                              "text/plain;format=fixed;q=0.4, */*;q=0.5";
    assert_int_equal(spout_accept_quality(rfc, "text/plain;format=flowed"), 1000);
    assert_int_equal(spout_accept_quality(rfc, "text/plain"), 700);
    assert_int_equal(spout_accept_quality(rfc, "text/html"), 300);
    assert_int_equal(spout_accept_quality(rfc, "image/jpeg"), 500);
    assert_int_equal(spout_accept_quality(rfc, "text/plain; format=fixed"), 400);
    assert_int_equal(spout_accept_quality(rfc, "text/html;level=3"), 300);
    assert_int_equal(spout_accept_quality(BROWSER, "application/xml"), 900);
    assert_int_equal(spout_accept_quality(BROWSER, "application/json"), 800);
    assert_int_equal(spout_accept_quality("text/html", "application/json"), 0);
    assert_int_equal(spout_accept_quality("*/*, text/html;q=0", "TEXT/html"), 0);
    assert_int_equal(spout_accept_quality(NULL, "text/html"), 1000);
    assert_int_equal(spout_accept_quality("", "text/html"), 1000);
    assert_int_equal(spout_accept_quality("text/htm", "text/html"), 0);
    assert_int_equal(spout_accept_quality("*/*", "text html"), 0);
    assert_true(spout_accepts(BROWSER, "image/png"));
    assert_false(spout_accepts("image/*", "text/plain"));
}

static void languages_match_by_their_beginning(void **state)
{
    (void)state;
    static const char header[] = "da, en-gb;q=0.8, en;q=0.7, *;q=0.1";
    assert_int_equal(spout_accept_language_quality(header, "da-DK"), 1000);
    assert_int_equal(spout_accept_language_quality(header, "en-GB"), 800);
    assert_int_equal(spout_accept_language_quality(header, "en-US"), 700);
    assert_int_equal(spout_accept_language_quality(header, "eng"), 100);
    assert_int_equal(spout_accept_language_quality("de", "fr"), 0);
    assert_int_equal(spout_accept_language_quality(NULL, "fr"), 1000);
}

static void identity_needs_no_mention(void **state)
{
    (void)state;
    assert_int_equal(spout_accept_encoding_quality("gzip, br;q=0.5", "GZIP"), 1000);
    assert_int_equal(spout_accept_encoding_quality("gzip, br;q=0.5", "br"), 500);
    assert_int_equal(spout_accept_encoding_quality("gzip", "identity"), 1000);
    assert_int_equal(spout_accept_encoding_quality("gzip", "br"), 0);
    assert_int_equal(spout_accept_encoding_quality("*;q=0", "identity"), 0);
    assert_int_equal(spout_accept_encoding_quality("*;q=0, identity", "identity"), 1000);
    assert_int_equal(spout_accept_encoding_quality("gzip;q=0, *", "gzip"), 0);
    assert_int_equal(spout_accept_encoding_quality("", "gzip"), 0);
    assert_int_equal(spout_accept_encoding_quality("", "identity"), 1000);
    assert_int_equal(spout_accept_encoding_quality(NULL, "gzip"), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(preferences_are_sorted),
        scoped_test(parameters_are_kept),
        scoped_test(malformed_elements_are_left_out),
        scoped_test(the_closest_media_range_counts),
        scoped_test(languages_match_by_their_beginning),
        scoped_test(identity_needs_no_mention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
