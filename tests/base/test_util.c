#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/util.h>

#include <ctype.h>

static void a_uuid_is_random_and_marked_version_4(void **state)
{
    (void)state;
    char a[37], b[37];
    assert_ptr_equal(spout_uuid4(a), a);
    spout_uuid4(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 36);
    for (int i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23)
            assert_int_equal(a[i], '-');
        else
            assert_true(isxdigit((unsigned char)a[i]));
    }
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
}

static void times_are_written_in_utc_with_microseconds(void **state)
{
    (void)state;
    char text[32];
    assert_string_equal(spout_format_iso8601(0, text), "1970-01-01T00:00:00.000000Z");
    assert_string_equal(
        spout_format_iso8601(1795339800000001, text), "2026-11-22T09:30:00.000001Z");
    assert_string_equal(spout_format_iso8601(-1, text), "1969-12-31T23:59:59.999999Z");
    assert_string_equal(
        spout_format_iso8601(253402300799999999, text), "9999-12-31T23:59:59.999999Z");
}

static void random_bytes_fill_exactly_what_they_are_given(void **state)
{
    (void)state;
    unsigned char guarded[34] = { 0 };
    int changed = 0;
    for (int round = 0; round < 8; round++) {
        spout_random_bytes(guarded + 1, 32);
        for (int i = 1; i <= 32; i++)
            changed += guarded[i] != 0;
    }
    assert_true(changed > 200);
    assert_int_equal(guarded[0], 0);
    assert_int_equal(guarded[33], 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uuid_is_random_and_marked_version_4),
        cmocka_unit_test(times_are_written_in_utc_with_microseconds),
        cmocka_unit_test(random_bytes_fill_exactly_what_they_are_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
