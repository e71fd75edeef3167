/* Signed values, against what Tornado makes of the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/cookies.h>
#include <spout/error.h>
#include <spout/memory.h>

#include "web/signed.h"

#include <stdio.h>
#include <string.h>

enum { PAST = 1300000000, PRESENT = PAST + 86400, FUTURE = PAST + 86400 * 365 };

#define V1 "dmFsdWU=|1300000000|9e7727150808365bebff0a6404df2acfefd24d51"
#define V2                                   \
    "2|1:0|10:1300000000|4:name|8:dmFsdWU=|" \
    "dde970934c3dca1ee18c228683b8f88369d856f5b9b7f0fd5eab44aa165210bd"
#define V2_KEY_1                             \
    "2|1:1|10:1300000000|4:name|8:dmFsdWU=|" \
    "be9b6eeb2061f2744e5918125c35e25fef215f38df4df46f4c02ddb42f8bacb9"

static const char *sign(spout_signed_options options, const char *name, const char *value)
{
    options.now = options.now ? options.now : PAST;
    return spout_create_signed_value(name, spout_bytes_of(value), &options);
}

static const char *read_back(spout_signed_options options, const char *name, const char *text)
{
    spout_bytes value = { "unset", 5 };
    options.now = options.now ? options.now : PAST;
    assert_int_equal(spout_decode_signed_value(name, text, &options, &value), 0);
    return value.data;
}

static const spout_signed_options plain = { .secret = "secret" };

static void known_values(void **state)
{
    (void)state;
    assert_string_equal(
        sign((spout_signed_options){ .secret = "secret", .version = 1 }, "name", "value"), V1);
    assert_string_equal(sign(plain, "name", "value"), V2);
    assert_string_equal(
        sign((spout_signed_options){ .secret = "secret", .key_version = 1 }, "name", "value"),
        V2_KEY_1);
    assert_string_equal(read_back(plain, "name", V1), "value");
    assert_string_equal(read_back(plain, "name", V2), "value");
    assert_string_equal(read_back(plain, "name", V2_KEY_1), "value");
}

static void the_name_counts(void **state)
{
    (void)state;
    assert_null(read_back(plain, "key2", V1));
    assert_null(read_back(plain, "key2", V2));
    assert_null(read_back((spout_signed_options){ .secret = "other" }, "name", V2));
    assert_null(read_back((spout_signed_options){ .secret = "other" }, "name", V1));
}

static void versions(void **state)
{
    (void)state;
    assert_null(
        read_back((spout_signed_options){ .secret = "secret", .min_version = 2 }, "name", V1));
    assert_string_equal(
        read_back((spout_signed_options){ .secret = "secret", .min_version = 2 }, "name", V2),
        "value");
    spout_bytes value = { "unset", 5 };
    assert_int_equal(spout_decode_signed_value("name", V2,
                         &(spout_signed_options){ .secret = "secret", .min_version = 3 }, &value),
        SPOUT_EINVAL);
    assert_string_equal(value.data, "unset");
    assert_null(read_back(plain, "name", "3|1:0|10:1300000000|4:name|8:dmFsdWU=|00"));
    assert_int_equal(spi_signed_version("2|x"), 2);
    assert_int_equal(spi_signed_version("999|x"), 999);
    assert_int_equal(spi_signed_version("1000|x"), 1);
    assert_int_equal(spi_signed_version("02|x"), 1);
    assert_int_equal(spi_signed_version("x|2"), 1);
    assert_int_equal(spi_signed_version(""), 1);
}

static void old_values_expire(void **state)
{
    (void)state;
    static const char *const texts[] = { V1, V2 };
    for (int i = 0; i < 2; i++) {
        spout_signed_options options = { .secret = "secret", .now = PRESENT };
        assert_string_equal(read_back(options, "name", texts[i]), "value");
        options.max_age_days = 1;
        assert_string_equal(read_back(options, "name", texts[i]), "value");
        options.now++;
        assert_null(read_back(options, "name", texts[i]));
        options = (spout_signed_options){ .secret = "secret", .now = FUTURE };
        assert_null(read_back(options, "name", texts[i]));
        options.max_age_days = SPOUT_NONE;
        assert_string_equal(read_back(options, "name", texts[i]), "value");
        options = (spout_signed_options){ .secret = "secret", .max_age_days = SPOUT_ZERO };
        assert_string_equal(read_back(options, "name", texts[i]), "value");
        options.now = PAST + 1;
        assert_null(read_back(options, "name", texts[i]));
    }
}

/* Every single byte of it counts. */
static void tampering(void **state)
{
    (void)state;
    static const char *const texts[] = { V1, V2 };
    for (int i = 0; i < 2; i++) {
        size_t len = strlen(texts[i]);
        for (size_t at = 0; at < len; at++) {
            char *copy = spout_dup(texts[i]);
            copy[at] = copy[at] == '1' ? '2' : '1';
            assert_null(read_back(plain, "name", copy));
            copy[at] = '\0';
            assert_null(read_back(plain, "name", copy));
            spout_free(copy);
        }
        assert_null(read_back(plain, "name", spout_scope_format("%s0", texts[i])));
    }
    static const char *const junk[] = { "", "|", "||", "|||", "2|", "2||||||", "2|1:0|", "2|-1:0|",
        "2|99999999999999999999:0|",
        "2|1:0|10:1300000000|4:name|8:dmFsdWU=", "2|1:0|10:1300000000|4:name|8:dmFsdWU=|",
        "2|+1:0|10:1300000000|4:name|8:dmFsdWU=|x", "a|b|c", "\xFF\xFE", "2|4294967297:0|x" };
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++)
        assert_null(read_back(plain, "name", junk[i]));
    assert_null(read_back(plain, "name", NULL));
}

/* Digits of the value given to the time leave what version 1 signs as it was. */
static void version_1_with_a_moved_border(void **state)
{
    (void)state;
    spout_signed_options first = { .secret = "secret", .version = 1 };
    const char *text = sign(first, "foo", "123456"); /* MTIzNDU2|1300000000|mac */
    const char *mac = strrchr(text, '|') + 1;
    const char *moved = spout_scope_format("MTIzNDU|21300000000|%s", mac);
    assert_null(read_back(plain, "foo", moved));
    moved = spout_scope_format("MTIz|NDU21300000000|%s", mac);
    assert_null(read_back(plain, "foo", moved));
    text = sign((spout_signed_options){ .secret = "secret", .version = 1, .now = 1 }, "foo", "x");
    assert_null(read_back((spout_signed_options){ .secret = "secret", .now = PAST }, "foo", text));
}

static void any_bytes(void **state)
{
    (void)state;
    static const char bytes[] = "\xE9\0\xFF|2";
    const spout_signed_options options = { .secret = "k\xE9y", .now = PAST };
    const char *text = spout_create_signed_value(
        "\xC3\xA9", (spout_bytes){ bytes, sizeof bytes - 1 }, &options);
    spout_bytes value;
    assert_int_equal(spout_decode_signed_value("\xC3\xA9", text, &options, &value), 0);
    assert_int_equal(value.len, sizeof bytes - 1);
    assert_memory_equal(value.data, bytes, value.len);
    assert_non_null(strstr(text, "|2:\xC3\xA9|")); /* lengths are of bytes */
    assert_string_equal(read_back(plain, "n", sign(plain, "n", "")), "");
}

static void keys_change(void **state)
{
    (void)state;
    static const spout_secret keys[] = { { 0, "ajklasdf0ojaisdf" }, { 1, "aslkjasaolwkjsdf" },
        { 0 } };
    static const spout_secret newer[] = { { 1, "aslkjasaolwkjsdf" }, { 2, "third" }, { 0 } };
    const spout_signed_options zero = { .secrets = keys },
                               one = { .secrets = keys, .key_version = 1 },
                               later = { .secrets = newer, .key_version = 2 };
    const char *by_zero = sign(zero, "name", "\xC3\xA9"), *by_one = sign(one, "name", "v");
    assert_string_equal(read_back(one, "name", by_zero), "\xC3\xA9");
    assert_string_equal(read_back(zero, "name", by_one), "v");
    assert_string_equal(read_back(later, "name", by_one), "v");
    assert_null(read_back(later, "name", by_zero));
    assert_int_equal(spout_get_signature_key_version(by_zero), 0);
    assert_int_equal(spout_get_signature_key_version(by_one), 1);
    assert_int_equal(spout_get_signature_key_version(V1), -1);
    assert_int_equal(spout_get_signature_key_version("2|x"), -1);
    assert_int_equal(spout_get_signature_key_version(NULL), -1);
    assert_null(read_back(zero, "name", V1)); /* it says nothing of its key */
    assert_null(sign((spout_signed_options){ .secrets = keys, .key_version = 7 }, "n", "v"));
    assert_null(sign((spout_signed_options){ .secrets = keys, .version = 1 }, "n", "v"));
    assert_null(sign((spout_signed_options){ 0 }, "n", "v"));
    assert_null(sign((spout_signed_options){ .secret = "s", .version = 3 }, "n", "v"));
    assert_null(sign((spout_signed_options){ .secret = "s", .key_version = -1 }, "n", "v"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(the_name_counts),
        cmocka_unit_test(versions),
        cmocka_unit_test(old_values_expire),
        cmocka_unit_test(tampering),
        cmocka_unit_test(version_1_with_a_moved_border),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(keys_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
