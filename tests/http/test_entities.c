#include "http/entities.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *find(const char *name)
{
    return spi_entity_find(name, strlen(name));
}

static void names_are_found(void **state)
{
    (void)state;
    assert_string_equal(find("AElig"), "\xc3\x86");
    assert_string_equal(find("zwnj"), "\xe2\x80\x8c");
    assert_string_equal(find("amp"), "&");
    assert_string_equal(find("Tab"), "\t");
    assert_string_equal(find("bsol"), "\\");
    assert_string_equal(find("fjlig"), "fj");
    assert_string_equal(find("acE"), "\xe2\x88\xbe\xcc\xb3");
    assert_string_equal(find("ac"), "\xe2\x88\xbe");
    assert_string_equal(find("CounterClockwiseContourIntegral"), "\xe2\x88\xb3");
    assert_int_equal(strlen("CounterClockwiseContourIntegral"), SPI_ENTITY_NAME_MAX);
}

static void others_are_not(void **state)
{
    (void)state;
    assert_null(find("a"));
    assert_null(find("AMp"));
    assert_null(find("ampx"));
    assert_null(find("zzz"));
    assert_null(find("0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(others_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
