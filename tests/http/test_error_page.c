#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/version.h>

#include "http/error_page.h"
#include "kit.h"

static void says_what_it_is(void **state)
{
    (void)state;
    test_kit kit;
    kit_start(&kit);
    kit_pump(&kit);
    spi_error_page page;
    spi_error_page_make(&page, kit.loop, 431);
    assert_string_equal(page.body.data, "431 Request Header Fields Too Large\n");
    assert_int_equal(page.head.content_length, page.body.len);
    assert_true(page.head.close);
    assert_int_equal(page.head.field_count, 3);
    assert_string_equal(page.fields[0].value, "Waterspout/" SPOUT_VERSION);
    assert_string_equal(page.fields[1].value, "Sun, 06 Nov 1994 08:49:37 GMT");
    for (size_t i = 0; i < page.head.field_count; i++) {
        assert_int_equal(page.fields[i].name_len, strlen(page.fields[i].name));
        assert_int_equal(page.fields[i].value_len, strlen(page.fields[i].value));
    }
    kit_stop(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(says_what_it_is) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
