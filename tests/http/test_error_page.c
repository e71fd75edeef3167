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

static void has_the_servers_fields(void **state)
{
    (void)state;
    test_kit kit;
    kit_start(&kit);
    kit_pump(&kit);
    static const char *const lines[] = { "X-One: 1", "X-Two:\t two words", "X-Empty:", NULL };
    spi_error_fields more;
    assert_int_equal(spi_error_fields_parse(&more, lines), 0);
    spi_error_page page;
    spi_error_page_make(&page, kit.loop, 503);
    spi_error_page_add(&page, &more);
    assert_int_equal(page.head.field_count, 4 + 3);
    assert_string_equal(page.fields[5].value, "two words");
    assert_memory_equal(page.fields[5].name, "X-Two", page.fields[5].name_len);
    assert_int_equal(page.fields[6].value_len, 0);
    spi_error_fields_free(&more);
    kit_stop(&kit);
}

static void refuses_what_is_no_field(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "no colon", ": x", "a b: x", "a : x", "a: x\r\nb: y",
        "a: x ", "a:\x7f" };
    spi_error_fields more;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *const lines[] = { "a: fine", wrong[i], NULL };
        assert_true(spi_error_fields_parse(&more, lines) < 0);
        spi_error_fields_free(&more);
    }
    const char *lines[SPI_MAX_ERROR_FIELDS + 2] = { 0 };
    for (size_t i = 0; i < SPI_MAX_ERROR_FIELDS + 1; i++)
        lines[i] = "a: x";
    assert_true(spi_error_fields_parse(&more, lines) < 0);
    spi_error_fields_free(&more);
    lines[SPI_MAX_ERROR_FIELDS] = NULL;
    assert_int_equal(spi_error_fields_parse(&more, lines), 0);
    spi_error_fields_free(&more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_it_is),
        cmocka_unit_test(has_the_servers_fields),
        cmocka_unit_test(refuses_what_is_no_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
