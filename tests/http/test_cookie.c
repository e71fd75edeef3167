#include <spout/httputil.h>

#include "base/text.h"

#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct cookie_case {
    const char *header;
    long count;
    const char *pairs[8];
} cookie_case;

static const cookie_case cases[] = {
    { "", 0, { 0 } },
    { ";;;", 0, { 0 } },
    { "a=b", 1, { "a", "b" } },
    { "a=b; c=d", 2, { "a", "b", "c", "d" } },
    { "a=b;c=d;", 2, { "a", "b", "c", "d" } },
    { "a=b; a=c", 2, { "a", "b", "a", "c" } },
    { " a = b c \t;d= e ", 2, { "a", "b c", "d", "e" } },
    { "a=b=c; d==", 2, { "a", "b=c", "d", "=" } },
    { "a=; b", 2, { "a", "", "", "b" } },
    { "=x", 1, { "", "x" } },
    { "  =  b  ;  ;  =  ;   c  =  ;  ", 2, { "", "b", "c", "" } },
    { "a=b; \"; c=d", 3, { "a", "b", "", "\"", "c", "d" } },
    { "a=\"b\"", 1, { "a", "b" } },
    { "a=\"\"", 1, { "a", "" } },
    { "a=\"", 1, { "a", "\"" } },
    { "a=\"b\\\"c\\\\d\"", 1, { "a", "b\"c\\d" } },
    { "a=\"\\303\\244\\073\"", 1, { "a", "\xC3\xA4;" } },
    { "a=\"\\400\\08\\1\"", 1,
        { "a", "40008"
               "1" } },
    { "a=\"\\x\"", 1, { "a", "x" } },
    { "a=\"b\\\"", 1, { "a", "b\\" } },
    { "a=b\\073c", 1, { "a", "b\\073c" } },
    { "a=x\"y\"", 1, { "a", "x\"y\"" } },
    /* A quoted value doesn't hide a semicolon: what is behind it is a cookie of its own. */
    { "a=\"b; _xsrf=evil; c\"", 3, { "a", "\"b", "_xsrf", "evil", "", "c\"" } },
    { "a=\"b\\073 _xsrf=evil\"", 1, { "a", "b; _xsrf=evil" } },
    /* A bad name spoils its own cookie only. */
    { "a=1; b[x]=2; c=3", 2, { "a", "1", "c", "3" } },
    { "a b=1; c,d=2; e\xC3\xA4=3; ok=4", 1, { "ok", "4" } },
    { "a:b=1; __Host-x=2", 2, { "a:b", "1", "__Host-x", "2" } },
    { "a=\xC3\xA4\xFF", 1, { "a", "\xC3\xA4\xFF" } },
    { "a=b, c=d", 1, { "a", "b, c=d" } },
    { "$Version=1; a=b", 2, { "$Version", "1", "a", "b" } },
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const cookie_case *c = &cases[i];
        spout_pair *pairs;
        long count = spout_parse_cookies(c->header, &pairs);
        if (count != c->count)
            fail_msg("%s: %ld", c->header, count);
        for (long p = 0; p < count; p++) {
            if (!spi_bytes_equal(pairs[p].name, c->pairs[2 * p]) ||
                !spi_bytes_equal(pairs[p].value, c->pairs[2 * p + 1]))
                fail_msg("%s: %.*s=%.*s", c->header, (int)pairs[p].name.len, pairs[p].name.data,
                    (int)pairs[p].value.len, pairs[p].value.data);
        }
    }
}

static void test_none(void **state)
{
    (void)state;
    spout_pair *pairs;
    assert_int_equal(spout_parse_cookies(NULL, &pairs), 0);
}

static void test_nul_by_escape(void **state)
{
    (void)state;
    spout_pair *pairs;
    assert_int_equal(spout_parse_cookies("a=\"x\\000y\"", &pairs), 1);
    assert_int_equal(pairs[0].value.len, 3);
    assert_memory_equal(pairs[0].value.data, "x\0y", 3);
}

/* What made another parser quadratic. */
static void test_quotes_and_backslashes(void **state)
{
    (void)state;
    enum { SIZE = 64 * 1024 };
    char *header = malloc(SIZE + 1);
    spout_pair *pairs;
    for (int kind = 0; kind < 3; kind++) {
        memcpy(header, "a=\"", 3);
        for (size_t i = 3; i < SIZE - 1; i++)
            header[i] = kind == 0 ? '\\' : kind == 1 ? "\\\""[i & 1] : "\\1"[i & 1];
        strcpy(header + SIZE - 1, "\"");
        assert_int_equal(spout_parse_cookies(header, &pairs), 1);
        assert_true(pairs[0].value.len >= SIZE / 2 - 3 && pairs[0].value.len < SIZE);
    }
    free(header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(test_table),
        scoped_test(test_none),
        scoped_test(test_nul_by_escape),
        scoped_test(test_quotes_and_backslashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
