#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/text.h"

static void test_hex_value(void **state)
{
    (void)state;
    for (int c = -128; c < 128; c++) {
        const char *digits = "0123456789abcdef", *upper = "0123456789ABCDEF";
        const char *at = c ? strchr(digits, c) : NULL, *up = c ? strchr(upper, c) : NULL;
        int expected = at ? (int)(at - digits) : up ? (int)(up - upper) : -1;
        assert_int_equal(spi_hex_value((char)c), expected);
    }
}

static void test_case(void **state)
{
    (void)state;
    assert_true(spi_equal_nocase("Content-Type", 12, "content-TYPE", 12));
    assert_false(spi_equal_nocase("Content-Type", 12, "content-TYPE", 11));
    assert_false(spi_equal_nocase("[", 1, "{", 1));
    assert_false(spi_equal_nocase("@", 1, "`", 1));
    assert_false(spi_equal_nocase("\xC4", 1, "\xE4", 1));
    assert_true(spi_equal_nocase(NULL, 0, "", 0));
    assert_true(spi_text_equal_nocase("aZ", "Az"));
    assert_true(spi_text_equal_nocase("", ""));
    assert_false(spi_text_equal_nocase("a", "ab"));
    assert_false(spi_text_equal_nocase("ab", "a"));
}

static void test_prefix_and_equality(void **state)
{
    (void)state;
    assert_true(spi_starts_with("http://x", "http://"));
    assert_true(spi_starts_with("a", ""));
    assert_false(spi_starts_with("htt", "http"));
    assert_true(spi_bytes_equal(spout_bytes_of("abc"), "abc"));
    assert_false(spi_bytes_equal((spout_bytes){ "a\0c", 3 }, "a"));
    assert_true(spi_bytes_equal((spout_bytes){ NULL, 0 }, ""));
    assert_true(spi_equal_constant_time("secret", 6, "secret", 6));
    assert_false(spi_equal_constant_time("secret", 6, "sEcret", 6));
    assert_false(spi_equal_constant_time("secret", 6, "secreT", 6));
    assert_false(spi_equal_constant_time("secret", 6, "secre", 5));
    assert_true(spi_equal_constant_time(NULL, 0, NULL, 0));
}

static bool parses(const char *text, uint64_t max, uint64_t expected)
{
    uint64_t value = 77;
    bool done = spi_parse_uint(text, strlen(text), max, &value);
    assert_true(value == (done ? expected : 77));
    return done;
}

static bool parses_hex(const char *text, uint64_t max, uint64_t expected)
{
    uint64_t value = 77;
    bool done = spi_parse_hex(text, strlen(text), max, &value);
    assert_true(value == (done ? expected : 77));
    return done;
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1a", "1.0", "\xD9\xA1" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(parses(bad[i], UINT64_MAX, 0));
    assert_true(parses("0", 0, 0));
    assert_true(parses("00012", 12, 12));
    assert_false(parses("13", 12, 0));
    assert_false(parses("9", 5, 0));
    assert_true(parses("18446744073709551615", UINT64_MAX, UINT64_MAX));
    assert_false(parses("18446744073709551616", UINT64_MAX, 0));
    assert_false(parses("99999999999999999999999", UINT64_MAX, 0));
    assert_true(parses("65535", 65535, 65535));
    assert_false(parses("65536", 65535, 0));
}

static void test_hex_of_a_number(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        const char *text;
    } cases[] = {
        { 0, "0000000000000000" },
        { 0xAB, "00000000000000ab" },
        { UINT64_C(0x0123456789ABCDEF), "0123456789abcdef" },
        { UINT64_C(0xF0E1D2C3B4A59687), "f0e1d2c3b4a59687" },
        { UINT64_MAX, "ffffffffffffffff" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[17] = "................";
        spi_hex_encode_u64(out, cases[i].value);
        assert_string_equal(out, cases[i].text);
    }
}

static void test_hex_numbers(void **state)
{
    (void)state;
    assert_true(parses_hex("fF", 255, 255));
    assert_false(parses_hex("100", 255, 0));
    assert_true(parses_hex("ffffffffffffffff", UINT64_MAX, UINT64_MAX));
    assert_false(parses_hex("10000000000000000", UINT64_MAX, 0));
    assert_true(parses_hex("00000000000000000001", 1, 1));
    assert_false(parses_hex("", 1, 0));
    assert_false(parses_hex("0x1", 255, 0));
    assert_false(parses_hex("g", 255, 0));
}

static void test_format_uint(void **state)
{
    (void)state;
    static const uint64_t values[] = { 0, 9, 10, 99, 100, 12345, UINT64_MAX };
    static const char *const texts[] = { "0", "9", "10", "99", "100", "12345",
        "18446744073709551615" };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char out[20];
        size_t len = spi_format_uint(out, values[i]);
        assert_int_equal(len, strlen(texts[i]));
        assert_memory_equal(out, texts[i], len);
    }
}

/* The definition of RFC 3629, written the slow way round: decode, then check. */
static bool model_is_utf8(const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned char c = data[i];
        size_t size = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
        if (size == 0 || size > len - i)
            return false;
        uint32_t point = size == 1 ? c : c & (0xFFu >> (size + 1));
        for (size_t k = 1; k < size; k++) {
            if (data[i + k] >> 6 != 2)
                return false;
            point = point << 6 | (data[i + k] & 0x3F);
        }
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        if (point < least[size] || point > 0x10FFFF || point >> 11 == 27)
            return false;
        i += size;
    }
    return true;
}

static void check_split_everywhere(const unsigned char *data, size_t len)
{
    bool expected = model_is_utf8(data, len);
    assert_int_equal(spi_is_utf8(data, len), expected);
    spi_utf8_state bytewise = SPI_UTF8_ACCEPT;
    for (size_t i = 0; i < len; i++)
        bytewise = spi_utf8_feed(bytewise, data + i, 1);
    assert_int_equal(bytewise == SPI_UTF8_ACCEPT, expected);
    for (size_t at = 0; at <= len; at++) {
        spi_utf8_state split = spi_utf8_feed(SPI_UTF8_ACCEPT, data, at);
        assert_int_equal(spi_utf8_feed(split, data + at, len - at), bytewise);
    }
}

static void test_utf8_every_short_sequence(void **state)
{
    (void)state;
    /* All pairs, and all triples and quadruples of the bytes at which something changes. */
    static const unsigned char edges[] = { 0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
        0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5,
        0xF8, 0xFC, 0xFF };
    enum { EDGES = sizeof edges };
    for (unsigned i = 0; i < 0x10000; i++) {
        unsigned char data[] = { (unsigned char)(i >> 8), (unsigned char)i };
        if (spi_is_utf8(data, 2) != model_is_utf8(data, 2) ||
            spi_is_utf8(data, 1) != model_is_utf8(data, 1))
            fail_msg("%02x %02x", data[0], data[1]);
    }
    for (unsigned i = 0; i < EDGES * EDGES * EDGES * EDGES; i++) {
        unsigned char data[] = { edges[i / (EDGES * EDGES * EDGES)],
            edges[i / (EDGES * EDGES) % EDGES], edges[i / EDGES % EDGES], edges[i % EDGES] };
        if (spi_is_utf8(data, 4) != model_is_utf8(data, 4) ||
            spi_is_utf8(data, 3) != model_is_utf8(data, 3))
            fail_msg("%02x %02x %02x %02x", data[0], data[1], data[2], data[3]);
    }
}

static void test_utf8_every_code_point(void **state)
{
    (void)state;
    char out[4];
    for (uint32_t point = 0; point < 0x110400; point++) {
        size_t len = spi_utf8_encode(out, point);
        bool valid = point < 0x110000 && !(point >= 0xD800 && point <= 0xDFFF);
        if (valid != (len > 0) || (valid && !spi_is_utf8(out, len)))
            fail_msg("U+%04X", point);
        if (valid && len > 1 && spi_is_utf8(out, len - 1))
            fail_msg("U+%04X without its end", point);
    }
    assert_int_equal(spi_utf8_encode(out, UINT32_MAX), 0);
    assert_int_equal(spi_utf8_encode(out, 0x1F300), 4);
    assert_memory_equal(out, "\xF0\x9F\x8C\x80", 4);
}

static void test_utf8_split_at_every_byte(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "plain ASCII that is longer than a word or two",
        "k\xC3\xB6nnen \xE2\x82\xAC 12345678 \xF0\x9F\x8C\x80 and on it goes",
        "\xEF\xBB\xBF with a mark",
        "overlong \xC0\xAF here",
        "overlong \xE0\x80\xAF here",
        "overlong \xF0\x80\x80\xAF here",
        "surrogate \xED\xA0\x80 here",
        "surrogates \xED\xA0\xBD\xED\xB8\x80 here",
        "too high \xF4\x90\x80\x80 here",
        "five \xF8\x88\x80\x80\x80 here",
        "lonely \x80 follower",
        "1234567\xE2\x82",
        "12345678\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC\xC3",
        "\xF4\x8F\xBF\xBF\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check_split_everywhere((const unsigned char *)texts[i], strlen(texts[i]));
}

static void test_utf8_reject_is_final(void **state)
{
    (void)state;
    spi_utf8_state rejected = spi_utf8_feed(SPI_UTF8_ACCEPT, "\xFF", 1);
    assert_int_equal(rejected, SPI_UTF8_REJECT);
    assert_int_equal(spi_utf8_feed(rejected, "fine", 4), SPI_UTF8_REJECT);
    assert_int_equal(spi_utf8_feed(rejected, NULL, 0), SPI_UTF8_REJECT);
    assert_int_equal(spi_utf8_feed(SPI_UTF8_ACCEPT, NULL, 0), SPI_UTF8_ACCEPT);
    assert_true(spi_is_utf8(NULL, 0));
}

/* An odd byte at each place of a long run: the fast path must not step over it. */
static void test_utf8_fast_path_sees_every_byte(void **state)
{
    (void)state;
    char text[40];
    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'a', sizeof text);
        text[at] = '\xFE';
        assert_false(spi_is_utf8(text, sizeof text));
        assert_true(spi_is_utf8(text, at));
    }
}

static void check_decode(const char *in, const char *out, size_t out_len, bool plus)
{
    char text[64];
    size_t len = strlen(in);
    memcpy(text, in, len);
    assert_int_equal(spi_percent_decode(text, len, plus), out_len);
    assert_memory_equal(text, out, out_len);
}

static void test_percent_decode(void **state)
{
    (void)state;
    check_decode("", "", 0, true);
    check_decode("plain", "plain", 5, true);
    check_decode("a%20b%2Fc%2fd", "a b/c/d", 7, false);
    check_decode("a+b", "a+b", 3, false);
    check_decode("a+b%2B+", "a b+ ", 5, true);
    check_decode("%", "%", 1, true);
    check_decode("%4", "%4", 2, true);
    check_decode("%zz%4g%g4%", "%zz%4g%g4%", 10, true);
    check_decode("%00x", "\0x", 2, true);
    check_decode("%%41", "%A", 2, true);
    check_decode("%2541", "%41", 3, true);
    check_decode("100%", "100%", 4, true);
    check_decode("%C3%A4", "\xC3\xA4", 2, true);
}

static void check_base64(const char *plain, const char *coded)
{
    char out[64];
    size_t len = spi_base64_encode(out, plain, strlen(plain));
    assert_int_equal(len, strlen(coded));
    assert_memory_equal(out, coded, len);
    size_t decoded = 99;
    assert_true(spi_base64_decode(out, &decoded, out, len));
    assert_int_equal(decoded, strlen(plain));
    assert_memory_equal(out, plain, decoded);
}

/* RFC 4648 §10 */
static void test_base64_vectors(void **state)
{
    (void)state;
    check_base64("", "");
    check_base64("f", "Zg==");
    check_base64("fo", "Zm8=");
    check_base64("foo", "Zm9v");
    check_base64("foob", "Zm9vYg==");
    check_base64("fooba", "Zm9vYmE=");
    check_base64("foobar", "Zm9vYmFy");
    check_base64("\xFB\xFF\xBF", "+/+/");
}

static void test_base64_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = { "Z", "Zg", "Zg=", "Zm9", "====", "Z===", "=Zm9", "Zm=v",
        "Zh==", "Zm9=", "Zm9 ", "Zm9v\n", "Zg==Zg==", "-_-_", "Zm8=Zm8=", "Zm\x80v" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char out[16];
        size_t len = 99;
        assert_false(spi_base64_decode(out, &len, bad[i], strlen(bad[i])));
        assert_int_equal(len, 99);
    }
}

static void test_base64_all_bytes(void **state)
{
    (void)state;
    unsigned char data[256];
    char coded[344], back[258];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)i;
    for (size_t len = 0; len <= sizeof data; len++) {
        size_t out = spi_base64_encode(coded, data, len), decoded = 0;
        assert_int_equal(out, 4 * ((len + 2) / 3));
        assert_true(spi_base64_decode(back, &decoded, coded, out));
        assert_int_equal(decoded, len);
        assert_memory_equal(back, data, len);
    }
}

static void test_hex_encode(void **state)
{
    (void)state;
    char out[8];
    spi_hex_encode(out, "\x00\x7f\xab\xff", 4);
    assert_memory_equal(out, "007fabff", 8);
    spi_hex_encode(out, NULL, 0);
    unsigned char bytes[257];
    char all[2 * sizeof bytes + 1], expected[3];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        memset(all, 'x', sizeof all);
        spi_hex_encode(all, bytes, len);
        assert_int_equal(all[2 * len], 'x');
        for (size_t i = 0; i < len; i++) {
            snprintf(expected, sizeof expected, "%02x", bytes[i]);
            assert_memory_equal(all + 2 * i, expected, 2);
        }
    }
}

static void test_plain_text(void **state)
{
    (void)state;
    enum { LONGEST = 40 };
    char text[LONGEST];
    for (size_t len = 0; len <= LONGEST; len++) {
        memset(text, 'x', sizeof text);
        assert_true(spi_is_plain(text, len));
        for (size_t at = 0; at < len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                text[at] = (char)byte;
                assert_int_equal(spi_is_plain(text, len), byte >= 0x20 && byte < 0x7F);
            }
            text[at] = '~';
        }
    }
}

static void test_short_copies(void **state)
{
    (void)state;
    enum { LONGEST = 100 };
    char text[LONGEST], out[LONGEST + 1];
    for (size_t i = 0; i < LONGEST; i++)
        text[i] = (char)('!' + i % 90);
    for (size_t len = 0; len <= LONGEST; len++) {
        memset(out, 0, sizeof out);
        assert_ptr_equal(spi_put(out, text, len), out + len);
        assert_memory_equal(out, text, len);
        assert_int_equal(out[len], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_text),
        cmocka_unit_test(test_short_copies),
        cmocka_unit_test(test_hex_value),
        cmocka_unit_test(test_case),
        cmocka_unit_test(test_prefix_and_equality),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_hex_numbers),
        cmocka_unit_test(test_hex_of_a_number),
        cmocka_unit_test(test_format_uint),
        cmocka_unit_test(test_utf8_every_short_sequence),
        cmocka_unit_test(test_utf8_every_code_point),
        cmocka_unit_test(test_utf8_split_at_every_byte),
        cmocka_unit_test(test_utf8_reject_is_final),
        cmocka_unit_test(test_utf8_fast_path_sees_every_byte),
        cmocka_unit_test(test_percent_decode),
        cmocka_unit_test(test_base64_vectors),
        cmocka_unit_test(test_base64_is_strict),
        cmocka_unit_test(test_base64_all_bytes),
        cmocka_unit_test(test_hex_encode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
