#include "http/head.h"

#include "http/scan.h"
#include "http/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FIELD(n, v)                                                                \
    {                                                                              \
        .name = n, .value = v, .name_len = sizeof n - 1, .value_len = sizeof v - 1 \
    }

static const spi_field fields[] = {
    FIELD("Accept", "text/html"),
    FIELD("connection", "Keep-Alive , x"),
    FIELD("Connection", ",\tUPGRADE"),
    FIELD("X", ""),
    FIELD("accept", "second"),
};
enum { COUNT = sizeof fields / sizeof fields[0] };

static void test_find(void **state)
{
    (void)state;
    assert_ptr_equal(spi_field_find(fields, COUNT, "ACCEPT", 6), &fields[0]);
    assert_ptr_equal(spi_field_find(fields, COUNT, "x", 1), &fields[3]);
    assert_null(spi_field_find(fields, COUNT, "accep", 5));
    assert_null(spi_field_find(fields, 0, "accept", 6));
}

static void test_lists(void **state)
{
    (void)state;
    assert_true(spi_field_lists(fields, COUNT, "connection", "keep-alive"));
    assert_true(spi_field_lists(fields, COUNT, "CONNECTION", "x"));
    assert_true(spi_field_lists(fields, COUNT, "connection", "upgrade"));
    assert_false(spi_field_lists(fields, COUNT, "connection", "keep"));
    assert_false(spi_field_lists(fields, COUNT, "x", "y"));
    assert_false(spi_field_lists(fields, COUNT, "none", "y"));
}

static void test_list_elements(void **state)
{
    (void)state;
    static const char text[] = "a, ,b \t,";
    static const char *const expected[] = { "a", "", "b", "" };
    const char *at = text;
    spout_bytes element;
    size_t count = 0;
    while (spi_list_next(&at, text + sizeof text - 1, &element)) {
        assert_true(count < 4);
        assert_int_equal(element.len, strlen(expected[count]));
        assert_memory_equal(element.data, expected[count], element.len);
        count++;
    }
    assert_int_equal(count, 4);
}

/* Against the grammar, byte by byte. */
static void test_token(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[] = { 'a', (char)c, 'b' };
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool expected = alnum || (c && strchr("!#$%&'*+-.^_`|~", c));
        assert_int_equal(spi_is_token(text, 3), expected);
    }
    assert_false(spi_is_token("", 0));
}

static void test_field_value(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool expected = c == '\t' || (c >= 0x20 && c != 0x7F);
        for (size_t len = 3; len < 40; len++) {
            char text[40];
            memset(text, 'v', sizeof text);
            for (size_t at = 1; at < len - 1; at++) {
                text[at] = (char)c;
                assert_int_equal(spi_is_field_value(text, len), expected);
                text[at] = 'v';
            }
        }
    }
    assert_true(spi_is_field_value("", 0));
    assert_false(spi_is_field_value(" a", 2));
    assert_false(spi_is_field_value("a\t", 2));
    assert_false(spi_is_field_value(" ", 1));
}

/* Where the first unusual byte of data[at..end) is, walking as the parsers do. */
static size_t first_unusual(const char *data, size_t at, size_t end)
{
    for (size_t next; at < end; at = next) {
        uint64_t odd = spi_unusual(data, at, end, &next);
        assert_true(next > at && next <= end && next - at <= 64);
        if (odd)
            return at + spi_first_bit(odd);
    }
    return end;
}

/* Every length and position, in memory that ends where the text does. */
static void test_unusual(void **state)
{
    (void)state;
    static const char odd[] = { 0, 0x1F, 0x7F, (char)0x80, (char)0xFF };
    for (size_t len = 0; len < 150; len++) {
        char *text = malloc(len ? len : 1);
        memset(text, len % 2 ? ' ' : '~', len);
        for (size_t from = 0; from <= len; from++)
            assert_int_equal(first_unusual(text, from, len), len);
        for (size_t at = 0; at < len; at++) {
            char kept = text[at];
            text[at] = odd[at % 5];
            assert_int_equal(first_unusual(text, 0, len), at);
            assert_int_equal(first_unusual(text, at, len), at);
            assert_int_equal(first_unusual(text, at + 1, len), len);
            text[at] = kept;
        }
        free(text);
    }
}

/* Of a block with one kind of byte at each third place, and another elsewhere. */
static uint32_t expected_mask(bool first, bool second)
{
    uint32_t mask = 0;
    for (int i = 0; i < SPI_BLOCK_LEN; i++)
        mask |= (uint32_t)(i % 3 == 0 ? first : second) << i;
    return mask;
}

static void test_blocks(void **state)
{
    (void)state;
    static const char bounds[][2] = { { ' ', '~' }, { 'a', 'z' }, { '0', '9' }, { 1, 0x7F } };
    for (int c = 0; c < 256; c++) {
        char text[SPI_BLOCK_LEN];
        for (int i = 0; i < SPI_BLOCK_LEN; i++)
            text[i] = i % 3 == 0 ? (char)c : 'm';
        spi_block block = spi_block_load(text);
        for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
            char low = bounds[i][0], high = bounds[i][1];
            spi_block outside = spi_block_outside(block, low, high);
            bool first = c < low || c > high, second = 'm' < low || 'm' > high;
            assert_int_equal(spi_block_mask(outside), expected_mask(first, second));
            assert_int_equal(spi_block_mask(spi_block_without(outside, block == 'm')),
                expected_mask(first && c != 'm', false));
        }
        char copy[SPI_BLOCK_LEN];
        spi_block_store(copy, block);
        assert_memory_equal(copy, text, sizeof text);
    }
}

static void test_first_bit(void **state)
{
    (void)state;
    assert_int_equal(spi_first_bit_32(0), 32);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(spi_first_bit_32(UINT32_C(0xC0000001) << i), i);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(spi_first_bit(UINT64_MAX << i), i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_list_elements),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_field_value),
        cmocka_unit_test(test_unusual),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_first_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
