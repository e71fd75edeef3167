/* Masking touches not a byte outside its buffer: each length, from each place in memory and in the
   mask, in buffers that end exactly there (a sanitizer sees more). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "http/frame.h"

enum { MAX_LEN = 64, MAX_START = 9 };

static void check(size_t start, size_t len, unsigned at)
{
    static const uint8_t mask[4] = { 0x37, 0xFA, 0x21, 0x3D };
    unsigned char *data = malloc(start + len + (start + len == 0));
    assert_non_null(data);
    memset(data, 0x5A, start + len);
    spi_frame_mask((char *)data + start, len, mask, at);
    for (size_t i = 0; i < start; i++)
        assert_int_equal(data[i], 0x5A);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(data[start + i], 0x5A ^ mask[(at + i) % 4]);
    free(data);
}

static void it_stays_inside(void **state)
{
    (void)state;
    for (size_t start = 0; start < MAX_START; start++)
        for (size_t len = 0; len <= MAX_LEN; len++)
            for (unsigned at = 0; at < 4; at++)
                check(start, len, at);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(it_stays_inside) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
