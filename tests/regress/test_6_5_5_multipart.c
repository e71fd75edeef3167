/* Too many parts and a CR inside a part's header are refused; a UTF-8 file name is not (6.5.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include <stdio.h>
#include <string.h>

static int parse(const char *body, size_t len, spout_multipart *ret_form)
{
    return spout_parse_multipart(
        "multipart/form-data; boundary=b", (spout_bytes){ body, len }, NULL, ret_form);
}

static int parse_parts(int count)
{
    static const char part[] = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n";
    static char body[101 * sizeof part + 16];
    size_t at = 0;
    for (int i = 0; i < count; i++, at += sizeof part - 1)
        memcpy(body + at, part, sizeof part - 1);
    snprintf(body + at, sizeof body - at, "--b--\r\n");
    spout_multipart form;
    return parse(body, strlen(body), &form);
}

static void a_hundred_parts_are_enough(void **state)
{
    (void)state;
    assert_int_equal(parse_parts(100), 0);
    assert_true(parse_parts(101) < 0);
}

static void parse_one(const char *parameters, int expected, spout_multipart *ret_form)
{
    const char *body = spout_scope_format(
        "--b\r\nContent-Disposition: form-data; %s\r\n\r\nx\r\n--b--\r\n", parameters);
    assert_int_equal(parse(body, strlen(body), ret_form), expected);
}

static void a_cr_in_a_header_is_refused(void **state)
{
    (void)state;
    spout_multipart form;
    parse_one("name=\"a\rb\"", SPOUT_EPROTO, &form);
    parse_one("name=a; filename=\"a\r\"", SPOUT_EPROTO, &form);
}

static void any_script_may_name_a_file(void **state)
{
    (void)state;
    spout_multipart form;
    parse_one("name=a; filename=\"\xe6\xb5\x8b\xe8\xaf\x95.txt\"", 0, &form);
    assert_int_equal(form.file_count, 1);
    assert_string_equal(form.files[0].filename, "\xe6\xb5\x8b\xe8\xaf\x95.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_parts_are_enough),
        cmocka_unit_test(a_cr_in_a_header_is_refused),
        cmocka_unit_test(any_script_may_name_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
