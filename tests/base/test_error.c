#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>

static int clear(void **state)
{
    (void)state;
    spout_error_clear();
    return 0;
}

static void test_no_error(void **state)
{
    (void)state;
    assert_null(spout_error_current());
    assert_int_equal(spout_error_code_current(), SPOUT_OK);
    assert_string_equal(spout_error_message(), "");
    assert_int_equal(spout_error_get_code(NULL), SPOUT_OK);
    assert_string_equal(spout_error_get_message(NULL), "");
    assert_int_equal(spout_error_get_status(NULL), 0);
    assert_int_equal(spout_error_get_errno(NULL), 0);
    assert_null(spout_error_get_cause(NULL));
}

static void test_set_replaces_in_place(void **state)
{
    (void)state;
    assert_int_equal(spout_error_set(SPOUT_EINVAL, "port %d is taken", 80), SPOUT_EINVAL);
    const spout_error *first = spout_error_current();
    assert_string_equal(spout_error_message(), "port 80 is taken");
    assert_int_equal(spout_error_set(SPOUT_ECLOSED, "gone"), SPOUT_ECLOSED);
    assert_ptr_equal(spout_error_current(), first);
    assert_int_equal(spout_error_code_current(), SPOUT_ECLOSED);
    assert_string_equal(spout_error_message(), "gone");
    assert_null(spout_error_get_cause(spout_error_current()));
    spout_error_clear();
    assert_null(spout_error_current());
    spout_error_clear();
}

static void test_set_drops_the_chain_and_old_details(void **state)
{
    (void)state;
    spout_error_set(SPOUT_EINVAL, "root");
    spout_error_wrap(SPOUT_EFAILED, "above");
    assert_non_null(spout_error_get_cause(spout_error_current()));
    spout_error_set_status(404, "no such story");
    assert_int_equal(spout_error_get_status(spout_error_current()), 404);
    assert_null(spout_error_get_cause(spout_error_current()));
    spout_error_set(SPOUT_EINVAL, "plain");
    assert_int_equal(spout_error_get_status(spout_error_current()), 0);
    spout_error_set_errno(ENOENT, "x");
    spout_error_set(SPOUT_EINVAL, "plain");
    assert_int_equal(spout_error_get_errno(spout_error_current()), 0);
}

static void test_old_message_as_argument(void **state)
{
    (void)state;
    spout_error_set(SPOUT_EINVAL, "inner");
    for (int i = 0; i < 8; i++)
        spout_error_set(SPOUT_EINVAL, "<%s %s>", spout_error_message(), spout_error_message());
    assert_int_equal(strlen(spout_error_message()), 1023);
    spout_error_set(SPOUT_EINVAL, "inner");
    spout_error_wrap(SPOUT_EINVAL, "outer of %s", spout_error_message());
    assert_string_equal(spout_error_message(), "outer of inner");
}

static void test_a_code_that_is_no_failure_becomes_one(void **state)
{
    (void)state;
    assert_int_equal(spout_error_set(0, "x"), SPOUT_EFAILED);
    assert_int_equal(spout_error_wrap(5, "x"), SPOUT_EFAILED);
    assert_int_equal(spout_error_code_current(), SPOUT_EFAILED);
}

static void test_message_is_cut_at_1023_bytes(void **state)
{
    (void)state;
    spout_error_set(SPOUT_EINVAL, "%*d", 1023, 1);
    assert_int_equal(strlen(spout_error_message()), 1023);
    spout_error_set(SPOUT_EINVAL, "%*d", 1024, 1);
    assert_int_equal(strlen(spout_error_message()), 1023);
    assert_int_equal(spout_error_message()[1022], ' ');
    spout_error_set(SPOUT_EINVAL, "%*d", 100000, 1);
    assert_int_equal(strlen(spout_error_message()), 1023);
}

static void test_the_cut_tears_no_character_apart(void **state)
{
    (void)state;
    static const char *const characters[] = { "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x8C\x80" };
    for (size_t c = 0; c < 3; c++) {
        for (int before = 1016; before <= 1024; before++) {
            spout_error_set(SPOUT_EINVAL, "%*s%s%s", before, "", characters[c], characters[c]);
            const char *message = spout_error_message();
            assert_true(spi_is_utf8(message, strlen(message)));
            assert_true(strlen(message) >= 1020);
        }
    }
    char noise[2000];
    memset(noise, 0x80, sizeof noise);
    noise[sizeof noise - 1] = '\0';
    spout_error_set(SPOUT_EINVAL, "%s", noise);
    assert_int_equal(strlen(spout_error_message()), 1023);
}

static void test_errno(void **state)
{
    (void)state;
    errno = EPIPE;
    assert_int_equal(spout_error_set_errno(ENOENT, "can't open %s", "/x"), SPOUT_ESYSTEM);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(spout_error_get_errno(spout_error_current()), ENOENT);
    assert_string_equal(spout_error_message(), "can't open /x: no such file or directory");
    spout_error_set_errno(ENOENT, "%*d", 5000, 1);
    const char *message = spout_error_message();
    assert_int_equal(strlen(message), 1023);
    assert_string_equal(message + 1023 - 27, ": no such file or directory");
    spout_error_set_errno(99999, "odd");
    assert_non_null(strstr(spout_error_message(), "99999"));
}

static void test_status_range(void **state)
{
    (void)state;
    static const int in[] = { 400, 404, 599, 399, 600, 0, -1, 200 };
    static const int out[] = { 400, 404, 599, 500, 500, 500, 500, 500 };
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
        assert_int_equal(spout_error_set_status(in[i], "x"), SPOUT_EHTTP);
        assert_int_equal(spout_error_get_status(spout_error_current()), out[i]);
    }
}

static void test_wrap_chains(void **state)
{
    (void)state;
    spout_error_set_errno(EACCES, "open");
    assert_int_equal(spout_error_wrap(SPOUT_ENOTFOUND, "template"), SPOUT_ENOTFOUND);
    spout_error_wrap(SPOUT_EFAILED, "page");
    const spout_error *error = spout_error_current();
    assert_string_equal(spout_error_get_message(error), "page");
    error = spout_error_get_cause(error);
    assert_int_equal(spout_error_get_code(error), SPOUT_ENOTFOUND);
    error = spout_error_get_cause(error);
    assert_int_equal(spout_error_get_errno(error), EACCES);
    assert_null(spout_error_get_cause(error));
}

static void test_wrap_without_a_cause(void **state)
{
    (void)state;
    spout_error_wrap(SPOUT_EFAILED, "alone");
    assert_null(spout_error_get_cause(spout_error_current()));
}

static void test_depth_is_limited_and_the_root_stays(void **state)
{
    (void)state;
    spout_error_set(SPOUT_ESYSTEM, "link 1");
    for (int i = 2; i <= 40; i++) {
        spout_error_wrap(SPOUT_EFAILED, "link %d", i);
        int depth = 0;
        for (const spout_error *e = spout_error_current(); e; e = spout_error_get_cause(e))
            depth++;
        assert_int_equal(depth, i < SPI_ERROR_DEPTH_MAX ? i : SPI_ERROR_DEPTH_MAX);
    }
    const spout_error *error = spout_error_current();
    for (int i = 40; i > 40 - (SPI_ERROR_DEPTH_MAX - 1); i--) {
        char expected[16];
        snprintf(expected, sizeof expected, "link %d", i);
        assert_string_equal(spout_error_get_message(error), expected);
        error = spout_error_get_cause(error);
    }
    assert_string_equal(spout_error_get_message(error), "link 1");
    assert_null(spout_error_get_cause(error));
}

static void test_take_and_put(void **state)
{
    (void)state;
    assert_null(spi_error_take());
    spout_error_set(SPOUT_EINVAL, "root");
    spout_error_wrap(SPOUT_ECLOSED, "above");
    spout_error *taken = spi_error_take();
    assert_null(spout_error_current());
    spout_error_set(SPOUT_EFAILED, "in the way");
    assert_int_equal(spi_error_put(taken), SPOUT_ECLOSED);
    assert_ptr_equal(spout_error_current(), taken);
    assert_int_equal(spi_error_put(taken), SPOUT_ECLOSED);
    assert_int_equal(spi_error_put(NULL), 0);
    assert_null(spout_error_current());
    spi_error_free(NULL);
}

static void test_copy_is_deep(void **state)
{
    (void)state;
    assert_null(spi_error_copy(NULL));
    spout_error_set_status(418, "root");
    spout_error_wrap(SPOUT_ECLOSED, "above");
    spout_error *copy = spi_error_copy(spout_error_current());
    spout_error_clear();
    assert_string_equal(spout_error_get_message(copy), "above");
    assert_int_equal(spout_error_get_code(copy), SPOUT_ECLOSED);
    assert_int_equal(spout_error_get_status(spout_error_get_cause(copy)), 418);
    assert_null(spout_error_get_cause(spout_error_get_cause(copy)));
    assert_int_equal(spi_error_put(copy), SPOUT_ECLOSED);
    spout_error_set(SPOUT_EINVAL, "%*d", 700, 1);
    assert_int_equal(strlen(spout_error_message()), 700);
}

static void test_each_code_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(spout_error_code_name(SPOUT_ETIMEDOUT), "timed out");
    for (int code = SPOUT_EUNSUPPORTED; code <= 0; code++) {
        const char *name = spout_error_code_name(code);
        assert_string_not_equal(name, "unknown error");
        for (int other = code + 1; other <= 0; other++)
            assert_string_not_equal(name, spout_error_code_name(other));
    }
    assert_string_equal(spout_error_code_name(-1000), "unknown error");
    assert_string_equal(spout_error_code_name(1), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_error),
        cmocka_unit_test_teardown(test_set_replaces_in_place, clear),
        cmocka_unit_test_teardown(test_set_drops_the_chain_and_old_details, clear),
        cmocka_unit_test_teardown(test_old_message_as_argument, clear),
        cmocka_unit_test_teardown(test_a_code_that_is_no_failure_becomes_one, clear),
        cmocka_unit_test_teardown(test_message_is_cut_at_1023_bytes, clear),
        cmocka_unit_test_teardown(test_the_cut_tears_no_character_apart, clear),
        cmocka_unit_test_teardown(test_errno, clear),
        cmocka_unit_test_teardown(test_status_range, clear),
        cmocka_unit_test_teardown(test_wrap_chains, clear),
        cmocka_unit_test_teardown(test_wrap_without_a_cause, clear),
        cmocka_unit_test_teardown(test_depth_is_limited_and_the_root_stays, clear),
        cmocka_unit_test_teardown(test_take_and_put, clear),
        cmocka_unit_test_teardown(test_copy_is_deep, clear),
        cmocka_unit_test(test_each_code_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
