#include <spout/error.h>
#include <spout/httputil.h>

#include "base/text.h"

#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct query_case {
    const char *text;
    long count;
    const char *pairs[8];
} query_case;

static const query_case cases[] = {
    { "", 0, { 0 } },
    { "&&&", 0, { 0 } },
    { "a=1&b=2", 2, { "a", "1", "b", "2" } },
    { "a=1&a=2&a=1", 3, { "a", "1", "a", "2", "a", "1" } },
    { "a", 1, { "a", "" } },
    { "a=&b", 2, { "a", "", "b", "" } },
    { "=v", 1, { "", "v" } },
    { "=", 1, { "", "" } },
    { "a=b=c", 1, { "a", "b=c" } },
    { "a;b=c;d", 1, { "a;b", "c;d" } },
    { "a+b=c+d", 1, { "a b", "c d" } },
    { "%61%3D=%26%2B", 1, { "a=", "&+" } },
    { "a=%", 1, { "a", "%" } },
    { "a=%4", 1, { "a", "%4" } },
    { "a=%zz%", 1, { "a", "%zz%" } },
    { "&a=1&&b=2&", 2, { "a", "1", "b", "2" } },
    { "a=\xFF%FF", 1, { "a", "\xFF\xFF" } },
    { "a=%C3%A4", 1, { "a", "\xC3\xA4" } },
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const query_case *c = &cases[i];
        spout_pair *pairs;
        long count = spout_parse_query(spout_bytes_of(c->text), 0, &pairs);
        if (count != c->count)
            fail_msg("%s: %ld", c->text, count);
        for (long p = 0; p < count; p++) {
            assert_true(spi_bytes_equal(pairs[p].name, c->pairs[2 * p]));
            assert_true(spi_bytes_equal(pairs[p].value, c->pairs[2 * p + 1]));
        }
    }
}

static void test_raw_bytes(void **state)
{
    (void)state;
    spout_pair *pairs;
    assert_int_equal(spout_parse_query((spout_bytes){ "a\0b=%00\0", 8 }, 0, &pairs), 1);
    assert_int_equal(pairs[0].name.len, 3);
    assert_memory_equal(pairs[0].name.data, "a\0b", 3);
    assert_int_equal(pairs[0].value.len, 2);
    assert_memory_equal(pairs[0].value.data, "\0\0", 2);
    assert_int_equal(spout_parse_query((spout_bytes){ NULL, 0 }, 0, &pairs), 0);
}

static void test_limit(void **state)
{
    (void)state;
    spout_pair *pairs = NULL;
    assert_int_equal(spout_parse_query(spout_bytes_of("a&b&&c"), 3, &pairs), 3);
    pairs = NULL;
    assert_int_equal(spout_parse_query(spout_bytes_of("a&b&&c"), 2, &pairs), SPOUT_ELIMIT);
    assert_null(pairs);
    char *many = malloc(20001);
    memset(many, '&', 20001);
    for (size_t i = 0; i < 20000; i += 2)
        many[i] = 'a';
    assert_int_equal(spout_parse_query((spout_bytes){ many, 20000 }, 0, &pairs), 10000);
    many[20000] = 'a';
    assert_int_equal(spout_parse_query((spout_bytes){ many, 20001 }, 0, &pairs), SPOUT_ELIMIT);
    assert_int_equal(spout_parse_query((spout_bytes){ many, 20001 }, SIZE_MAX, &pairs), 10001);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(test_table),
        scoped_test(test_raw_bytes),
        scoped_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
