#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/date.h"
#include "kit.h"

static void follows_the_clock_by_the_second(void **state)
{
    (void)state;
    test_kit kit;
    kit_start(&kit);
    kit_pump(&kit);
    assert_string_equal(spi_http_date(kit.loop), "Sun, 06 Nov 1994 08:49:37 GMT");
    kit_advance(&kit, 999);
    assert_string_equal(spi_http_date(kit.loop), "Sun, 06 Nov 1994 08:49:37 GMT");
    kit_advance(&kit, 1);
    assert_string_equal(spi_http_date(kit.loop), "Sun, 06 Nov 1994 08:49:38 GMT");
    assert_int_equal(strlen(spi_http_date(kit.loop)), SPI_HTTP_DATE_LEN);
    kit_stop(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(follows_the_clock_by_the_second) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
