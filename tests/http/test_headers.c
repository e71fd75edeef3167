#include <spout/error.h>
#include <spout/httputil.h>

#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static spout_headers *parse(const char *text)
{
    spout_headers *headers = spout_headers_parse(text);
    assert_non_null(headers);
    return headers;
}

static void fields_repeat_in_order(void **state)
{
    (void)state;
    spout_headers *headers = spout_headers_new();
    const char *const *values;
    assert_int_equal(spout_headers_add(headers, "Set-Cookie", "a=1"), 0);
    assert_int_equal(spout_headers_add(headers, "X-One", " \t1 "), 0);
    assert_int_equal(spout_headers_add(headers, "set-cookie", "b=2, c"), 0);
    assert_string_equal(spout_headers_get(headers, "SET-COOKIE", NULL), "a=1, b=2, c");
    assert_string_equal(spout_headers_get(headers, "x-one", NULL), "1");
    assert_null(spout_headers_get(headers, "X-On", NULL));
    assert_string_equal(spout_headers_get(headers, "none", "fallback"), "fallback");
    assert_int_equal(spout_headers_get_list(headers, "Set-cookie", &values), 2);
    assert_string_equal(values[0], "a=1");
    assert_string_equal(values[1], "b=2, c");
    assert_null(values[2]);
    assert_int_equal(spout_headers_get_list(headers, "none", &values), 0);
    assert_null(values[0]);
    assert_string_equal(
        spout_headers_text(headers), "Set-Cookie: a=1\r\nX-One: 1\r\nset-cookie: b=2, c\r\n");
    spout_headers_free(headers);
}

static void setting_replaces_all_and_keeps_the_place(void **state)
{
    (void)state;
    spout_headers *headers = parse("A: 1\r\nB: 2\r\na: 3\r\nC: 4\r\nA: 5\r\n");
    assert_int_equal(spout_headers_set(headers, "a", "new"), 0);
    assert_string_equal(spout_headers_text(headers), "a: new\r\nB: 2\r\nC: 4\r\n");
    assert_int_equal(spout_headers_set(headers, "D", ""), 0);
    assert_int_equal(spout_headers_remove(headers, "b"), 1);
    assert_int_equal(spout_headers_remove(headers, "b"), 0);
    assert_string_equal(spout_headers_text(headers), "a: new\r\nC: 4\r\nD: \r\n");
    const char *name, *value;
    assert_int_equal(spout_headers_count(headers), 3);
    assert_true(spout_headers_at(headers, 2, &name, &value));
    assert_string_equal(name, "D");
    assert_string_equal(value, "");
    assert_false(spout_headers_at(headers, 3, &name, &value));
    spout_headers_free(headers);
}

static void nothing_can_be_injected(void **state)
{
    (void)state;
    static const char *const names[] = { "", "a b", "a:", "a\r\nb", "\xC3\xA9", "a\x01", NULL };
    static const char *const values[] = { "a\r\nb: c", "a\nb", "a\rb", "a\x01z", "a\x7Fz", NULL };
    spout_headers *headers = spout_headers_new();
    for (size_t i = 0; names[i]; i++) {
        assert_int_equal(spout_headers_add(headers, names[i], "x"), SPOUT_EINVAL);
        assert_int_equal(spout_headers_set(headers, names[i], "x"), SPOUT_EINVAL);
    }
    for (size_t i = 0; values[i]; i++) {
        assert_int_equal(spout_headers_add(headers, "A", values[i]), SPOUT_EINVAL);
        assert_int_equal(spout_headers_set(headers, "A", values[i]), SPOUT_EINVAL);
    }
    assert_int_equal(spout_headers_add(headers, NULL, "x"), SPOUT_EINVAL);
    assert_int_equal(spout_headers_set(headers, "A", NULL), SPOUT_EINVAL);
    assert_int_equal(spout_headers_count(headers), 0);
    assert_int_equal(spout_headers_add(headers, "A", "\xE9\tb"), 0);
    spout_headers_free(headers);
}

static void a_copy_is_another(void **state)
{
    (void)state;
    spout_headers *headers = parse("A: 1\r\nA: 2\r\n"), *copy = spout_headers_copy(headers);
    assert_int_equal(spout_headers_add(copy, "B", "3"), 0);
    spout_headers_free(headers);
    assert_string_equal(spout_headers_text(copy), "A: 1\r\nA: 2\r\nB: 3\r\n");
    spout_headers_free(copy);
    spout_headers_free(NULL);
}

static void texts_are_parsed(void **state)
{
    (void)state;
    spout_headers *headers = parse("A:1\nB:  x \t\r\nC:\r\n\r\nD: 4");
    assert_string_equal(spout_headers_text(headers), "A: 1\r\nB: x\r\nC: \r\n");
    assert_int_equal(spout_headers_parse_line(headers, "E: 5\r\n"), 0);
    assert_int_equal(spout_headers_parse_line(headers, "F: \xC2\xA0"), 0); /* no blank of HTTP's */
    assert_string_equal(spout_headers_get(headers, "f", ""), "\xC2\xA0");
    assert_int_equal(spout_headers_parse_line(headers, " folded"), SPOUT_EPROTO);
    assert_int_equal(spout_headers_parse_line(headers, ""), SPOUT_EPROTO);
    assert_int_equal(spout_headers_count(headers), 5);
    spout_headers_free(headers);
    headers = parse("");
    assert_int_equal(spout_headers_count(headers), 0);
    spout_headers_free(headers);
}

static void malformed_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = { "A: 1\r\n folded\r\n", "A\r\n", "A : 1\r\n", ": 1\r\n",
        "A: 1\rB: 2\r\n", "A: 1\r",
        "A: a\x0B"
        "b\r\n",
        " A: 1\r\n", NULL };
    for (size_t i = 0; texts[i]; i++) {
        assert_null(spout_headers_parse(texts[i]));
        assert_int_equal(spout_error_code_current(), SPOUT_EPROTO);
    }
}

static void many_of_one_name_are_joined_in_one_pass(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    spout_headers *headers = spout_headers_new();
    for (int i = 0; i < MANY; i++)
        assert_int_equal(spout_headers_add(headers, "A", "x"), 0);
    assert_int_equal(strlen(spout_headers_get(headers, "A", "")), 3 * MANY - 2);
    assert_int_equal(spout_headers_remove(headers, "a"), MANY);
    spout_headers_free(headers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(fields_repeat_in_order),
        scoped_test(setting_replaces_all_and_keeps_the_place),
        scoped_test(nothing_can_be_injected),
        scoped_test(a_copy_is_another),
        scoped_test(texts_are_parsed),
        scoped_test(malformed_texts_are_refused),
        scoped_test(many_of_one_name_are_joined_in_one_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
