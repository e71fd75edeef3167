/* A value signed for one cookie is none for another, however name and value are cut: version 2
   binds the name, and version 1, which doesn't, can be refused. */
#include "kit.h"

#include <spout/cookies.h>

#include <string.h>

enum { NOW = 1300000000 };

static const char *read_as(const char *name, const char *text, int min_version)
{
    spout_bytes value;
    const spout_signed_options options = { .secret = "s", .min_version = min_version, .now = NOW };
    assert_int_equal(spout_decode_signed_value(name, text, &options, &value), 0);
    return value.data;
}

static void names_are_bound(void **state)
{
    (void)state;
    const spout_signed_options one = { .secret = "s", .version = 1, .now = NOW };
    const spout_signed_options two = { .secret = "s", .now = NOW };
    /* "userYWRt" + "aW4x" and "user" + "YWRtaW4x" are the same text. */
    const char *text = spout_create_signed_value("userYWRt", spout_bytes_of("in1"), &one);
    const char *moved = spout_scope_format("YWRt%s", text);
    assert_string_equal(read_as("user", moved, 0), "admin1");
    assert_null(read_as("user", moved, 2));
    text = spout_create_signed_value("userYWRt", spout_bytes_of("in1"), &two);
    assert_null(read_as("user", text, 0));
    assert_string_equal(read_as("userYWRt", text, 2), "in1");
    const char *mac = strrchr(text, '|');
    moved = spout_scope_format("2|1:0|10:1300000000|4:user|8:YWRtaW4x%s", mac);
    assert_null(read_as("user", moved, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_are_bound) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
