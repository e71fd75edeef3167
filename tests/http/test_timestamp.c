#include "http/timestamp.h"

#include <spout/error.h>
#include <spout/httputil.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_format(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        { 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
        { 784111777, "Sun, 06 Nov 1994 08:49:37 GMT" },
        { 1359312200, "Sun, 27 Jan 2013 18:43:20 GMT" },
        { 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
        { 951868799, "Tue, 29 Feb 2000 23:59:59 GMT" },
        { 951868800, "Wed, 01 Mar 2000 00:00:00 GMT" },
        { 4107542399, "Sun, 28 Feb 2100 23:59:59 GMT" },
        { 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT" },
        { -1, "Wed, 31 Dec 1969 23:59:59 GMT" },
        { -62167219200, "Sat, 01 Jan 0000 00:00:00 GMT" },
        { 253402300799, "Fri, 31 Dec 9999 23:59:59 GMT" },
        { INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT" },
        { INT64_MIN, "Sat, 01 Jan 0000 00:00:00 GMT" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[30];
        assert_ptr_equal(spout_format_timestamp(cases[i].seconds, out), out);
        assert_string_equal(out, cases[i].text);
    }
}

static void test_three_formats(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    const int64_t now = 1750000000; /* 2025 */
    for (size_t i = 0; i < 3; i++) {
        int64_t seconds = 0;
        assert_int_equal(spi_parse_timestamp_at(texts[i], now, &seconds), 0);
        assert_int_equal(seconds, 784111777);
        seconds = 0;
        if (i != 1) {
            assert_int_equal(spout_parse_timestamp(texts[i], &seconds), 0);
            assert_int_equal(seconds, 784111777);
        }
    }
    int64_t seconds;
    assert_int_equal(spout_parse_timestamp("Wed Nov 16 08:49:37 1994", &seconds), 0);
}

static int64_t year_of(const char *text, int64_t now)
{
    int64_t seconds;
    char out[30];
    assert_int_equal(spi_parse_timestamp_at(text, now, &seconds), 0);
    spout_format_timestamp(seconds, out);
    return (out[12] - '0') * 1000 + (out[13] - '0') * 100 + (out[14] - '0') * 10 + out[15] - '0';
}

static void test_two_digit_years(void **state)
{
    (void)state;
    const int64_t in_2025 = 1750000000, in_2090 = 3800000000;
    assert_int_equal(year_of("Friday, 01-Jan-75 00:00:00 GMT", in_2025), 2075);
    assert_int_equal(year_of("Friday, 01-Jan-76 00:00:00 GMT", in_2025), 1976);
    assert_int_equal(year_of("Friday, 01-Jan-00 00:00:00 GMT", in_2025), 2000);
    assert_int_equal(year_of("Friday, 01-Jan-99 00:00:00 GMT", in_2090), 2099);
    assert_int_equal(year_of("Friday, 01-Jan-10 00:00:00 GMT", in_2090), 2010);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "x",
        "Sun",
        "Sun,",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 NOV 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 2023 08:49:37 GMT",
        "Sun, 29 Feb 2100 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov +994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 06 08:49:37 94",
        "Sun Nov 6 08:49:37 1994",
        "784111777",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t seconds = 42;
        if (spout_parse_timestamp(texts[i], &seconds) != SPOUT_EINVAL)
            fail_msg("%s", texts[i]);
        assert_int_equal(seconds, 42);
    }
    assert_int_equal(spout_parse_timestamp(NULL, NULL), SPOUT_EINVAL);
}

/* Every day of two centuries and some, there and back. */
static void test_there_and_back(void **state)
{
    (void)state;
    for (int64_t day = -30000; day < 60000; day++) {
        char out[30];
        int64_t seconds = day * 86400 + (day & 0xFFFF), parsed;
        assert_int_equal(spout_parse_timestamp(spout_format_timestamp(seconds, out), &parsed), 0);
        assert_int_equal(parsed, seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_three_formats),
        cmocka_unit_test(test_two_digit_years),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
