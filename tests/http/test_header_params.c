#include "http/header_params.h"

#include "base/text.h"

#include <spout/error.h>

#include "scope.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct params_case {
    const char *field, *value;
    int result; /* of the last call */
    const char *params[8];
} params_case;

static const params_case cases[] = {
    { "", "", 0, { 0 } },
    { " form-data ", "form-data", 0, { 0 } },
    { "a;b=c", "a", 0, { "b", "c" } },
    { "a ; b = c ;d=e", "a", 0, { "b", "c", "d", "e" } },
    { "a;;b=c;", "a", 0, { "b", "c" } },
    { "a;x;b=c", "a", 0, { "b", "c" } },
    { "a;b=", "a", 0, { "b", "" } },
    { "a;b=;c=d", "a", 0, { "b", "", "c", "d" } },
    { "a;b=\"c\"", "a", 0, { "b", "c" } },
    { "a; b=\"c; d=e\" ; f=g", "a", 0, { "b", "c; d=e", "f", "g" } },
    { "a;b=\"\"", "a", 0, { "b", "" } },
    { "a;b=\"c\\\"d\\\\e\\f\"", "a", 0, { "b", "c\"d\\e\\f" } },
    { "a;b=\"C:\\path\\x\"", "a", 0, { "b", "C:\\path\\x" } },
    { "a;b=\"%22\"", "a", 0, { "b", "%22" } },
    { "a;b=x y", "a", 0, { "b", "x y" } },
    { "a;b=x\"y", "a", 0, { "b", "x\"y" } },
    { "a;b=c=d", "a", 0, { "b", "c=d" } },
    { "a;b=\"c", "a", SPOUT_EPROTO, { 0 } },
    { "a;b=\"", "a", SPOUT_EPROTO, { 0 } },
    { "a;b=\"c\\\"", "a", SPOUT_EPROTO, { 0 } },
    { "a;b=\"c\"d", "a", SPOUT_EPROTO, { 0 } },
    { "a;x=y;b=\"c\" \"d\"", "a", SPOUT_EPROTO, { "x", "y" } },
};

static void test_params(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const params_case *c = &cases[i];
        spi_params params;
        spout_bytes name, value;
        int result;
        size_t count = 0;
        assert_true(spi_bytes_equal(spi_params_start(spout_bytes_of(c->field), &params), c->value));
        while ((result = spi_params_next(&params, &name, &value)) > 0) {
            if (!c->params[count] || !spi_bytes_equal(name, c->params[count]) ||
                !spi_bytes_equal(value, c->params[count + 1]))
                fail_msg("%s: %.*s=%.*s", c->field, (int)name.len, name.data, (int)value.len,
                    value.data);
            count += 2;
        }
        if (result != c->result || c->params[count])
            fail_msg("%s: %d after %zu", c->field, result, count / 2);
    }
}

static void test_extended(void **state)
{
    (void)state;
    static const struct {
        const char *value, *expected;
    } extended[] = {
        { "UTF-8''%e2%82%ac%20rates", "\xE2\x82\xAC rates" },
        { "utf-8'en'a", "a" },
        { "iso-8859-1'en'%A3%20rates", "\xC2\xA3 rates" },
        { "UTF-8''", "" },
        { "UTF-8''%", "%" },
        { "UTF-8''a'b", "a'b" },
        { "UTF-8''%FF", NULL },
        { "UTF-8''%00", NULL },
        { "UTF-8''a%0D%0Ab", NULL },
        { "UTF-8'a", NULL },
        { "UTF-8", NULL },
        { "", NULL },
        { "koi8-r''a", NULL },
    };
    for (size_t i = 0; i < sizeof extended / sizeof extended[0]; i++) {
        const char *text = spi_params_decode_extended(spout_bytes_of(extended[i].value));
        if (extended[i].expected)
            assert_string_equal(text, extended[i].expected);
        else
            assert_null(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { scoped_test(test_params), scoped_test(test_extended) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
