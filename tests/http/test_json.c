#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>
#include <spout/escape.h>

#include "base/memory.h"
#include "http/json.h"

static json_t *nested(int depth)
{
    json_t *value = json_array();
    for (int i = 1; i < depth; i++)
        value = i & 1 ? json_pack("{s:o}", "a", value) : json_pack("[o]", value);
    return value;
}

static void any_value_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = { "1", "-0.5", "null", "\"\"", "true", "[]", "{}",
        " [1, 2]\n", "\"a\\u0000b\"", "\"\xc3\xa9\"" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t *value = spout_json_parse(spout_bytes_of(texts[i]));
        assert_non_null(value);
        json_decref(value);
    }
}

static void what_is_not_json_is_told_with_its_place(void **state)
{
    (void)state;
    static const char *const texts[] = { "", " ", "{", "[1,]", "{\"a\" 1}", "nul", "1 2",
        "\"\xff\"", "\"\x01\"", "'a'", "[1]x", "NaN" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_null(spout_json_parse(spout_bytes_of(texts[i])));
        assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
        assert_non_null(strstr(spout_error_message(), "line 1"));
    }
}

/* Names with a NUL take a way of their own. */
static void a_name_may_hold_an_escaped_nul(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        { "{\"a\\u0000b\":1}", NULL },
        { " { \"\\u0000\" : [ 1 , -2.5 , \"a\\\"]}\" , true , null , { } , [ ] ] "
          ",\n\"b\":{\"a\\u0000\":{}}}\t",
            "{\"\\u0000\":[1,-2.5,\"a\\\"]}\",true,null,{},[]],\"b\":{\"a\\u0000\":{}}}" },
        { "[{\"a\\u0000\":1,\"a\":2,\"a\\u0000\":3}]", "[{\"a\\u0000\":3,\"a\":2}]" },
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t *value = spout_json_parse(spout_bytes_of(texts[i][0]));
        assert_non_null(value);
        size_t len;
        char *back = spi_json_dump(value, &len);
        assert_string_equal(back, texts[i][1] ? texts[i][1] : texts[i][0]);
        spi_free(back);
        json_decref(value);
    }
    static const char *const bad[] = { "{\"\\u0000\":1", "{\"\\u0000\":1}x", "{\"\\u0000\" 1}",
        "{\"\\u0000\":}", "{\"\\u0000\":1,}", "{\"\\u0000\":[1,]}", "{\"\\u0000\":[1 2]}",
        "{\"\\u0000\":1,2:3}", "{\"\\u0000\":\"a}", "{\"\\u0000\":01}", "{\"\\u0000\":1 \"a\":2}",
        "{\"\\u0000", "{\"\\u0000\\\":1}", "{\"\\u0000\xff\":1}", "{,\"\\u0000\":1}" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_null(spout_json_parse(spout_bytes_of(bad[i])));
}

static void a_nul_byte_ends_nothing(void **state)
{
    (void)state;
    assert_null(spout_json_parse((spout_bytes){ "1\0", 2 }));
}

static void depth_is_limited_in_texts(void **state)
{
    (void)state;
    char text[2 * SPI_JSON_MAX_DEPTH + 3];
    memset(text, '[', SPI_JSON_MAX_DEPTH);
    memset(text + SPI_JSON_MAX_DEPTH, ']', SPI_JSON_MAX_DEPTH);
    json_t *value = spout_json_parse((spout_bytes){ text, 2 * SPI_JSON_MAX_DEPTH });
    assert_non_null(value);
    json_decref(value);
    memset(text, '[', SPI_JSON_MAX_DEPTH + 1);
    memset(text + SPI_JSON_MAX_DEPTH + 1, ']', SPI_JSON_MAX_DEPTH + 1);
    assert_null(spout_json_parse((spout_bytes){ text, 2 * SPI_JSON_MAX_DEPTH + 2 }));
    assert_non_null(strstr(spout_error_message(), "deeper than 128"));
}

static void brackets_in_strings_do_not_count(void **state)
{
    (void)state;
    char text[1000];
    memset(text, '[', sizeof text);
    text[0] = '"';
    memcpy(text + 500, "\\\"", 2);
    text[999] = '"';
    assert_true(spi_json_text_is_shallow(text, sizeof text));
    json_t *value = spout_json_parse((spout_bytes){ text, sizeof text });
    assert_non_null(value);
    json_decref(value);
}

static void values_are_written_compact_and_as_they_are(void **state)
{
    (void)state;
    json_t *value = json_pack("{s:[i, s], s:n}", "a", 1, "\xc3\xa9", "b");
    size_t len;
    char *text = spi_json_dump(value, &len);
    assert_string_equal(text, "{\"a\":[1,\"\xc3\xa9\"],\"b\":null}");
    assert_int_equal(len, strlen(text));
    spi_free(text);
    json_decref(value);
}

static void values_that_nest_too_deep_are_refused(void **state)
{
    (void)state;
    json_t *deep = nested(SPI_JSON_MAX_DEPTH), *deeper = nested(SPI_JSON_MAX_DEPTH + 1);
    size_t len;
    char *text = spi_json_dump(deep, &len);
    assert_non_null(text);
    spi_free(text);
    assert_null(spi_json_dump(deeper, &len));
    assert_int_equal(spout_error_code_current(), SPOUT_ELIMIT);
    json_decref(deep);
    json_decref(deeper);
    assert_null(spi_json_dump(NULL, &len));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
}

static void texts_for_pages_end_no_script(void **state)
{
    (void)state;
    spout_scope *scope = spout_scope_push();
    json_t *value = json_pack(
        "{s:[s,s,i,n]}", "a</b", "</script><!--<SCRIPT<a<", "\xc3\xa9\xe2\x80\xa8", 1);
    assert_string_equal(spout_json_encode(value),
        "{\"a<\\/b\":[\"<\\/script>\\u003c!--\\u003cSCRIPT<a<\",\"\\u00E9\\u2028\",1,null]}");
    json_t *back = spout_json_parse(spout_bytes_of(spout_json_encode(value)));
    assert_true(json_equal(back, value));
    json_decref(back);
    json_decref(value);
    assert_null(spout_json_encode(NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    value = nested(SPI_JSON_MAX_DEPTH + 1);
    assert_null(spout_json_encode(value));
    json_decref(value);
    spout_scope_pop(scope);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_value_is_read),
        cmocka_unit_test(what_is_not_json_is_told_with_its_place),
        cmocka_unit_test(a_name_may_hold_an_escaped_nul),
        cmocka_unit_test(a_nul_byte_ends_nothing),
        cmocka_unit_test(depth_is_limited_in_texts),
        cmocka_unit_test(brackets_in_strings_do_not_count),
        cmocka_unit_test(values_are_written_compact_and_as_they_are),
        cmocka_unit_test(values_that_nest_too_deep_are_refused),
        cmocka_unit_test(texts_for_pages_end_no_script),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
