#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web/static.h"

static void types_by_extension(void **state)
{
    (void)state;
    assert_string_equal(spi_mime_type("a.html"), "text/html; charset=utf-8");
    assert_string_equal(spi_mime_type("dir.d/A.PNG"), "image/png");
    assert_string_equal(spi_mime_type("x.tar.gz"), "application/gzip");
    assert_string_equal(spi_mime_type("first.7z"), "application/x-7z-compressed");
    assert_string_equal(spi_mime_type("last.zst"), "application/zstd");
    assert_string_equal(spi_mime_type("m.woff2"), "font/woff2");
    assert_string_equal(spi_mime_type("m.js"), "text/javascript; charset=utf-8");
}

static void unknown_ones_are_bytes(void **state)
{
    (void)state;
    static const char *const names[] = { "a", "a.", "", ".", "a.b/c", "a.unknown",
        "a.averyveryverylongone", ".html/x" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_string_equal(spi_mime_type(names[i]), "application/octet-stream");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_by_extension),
        cmocka_unit_test(unknown_ones_are_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
