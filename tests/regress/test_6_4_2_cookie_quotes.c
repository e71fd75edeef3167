/* CVE-2024-52804: a cookie of quotes and backslashes takes time linear in its length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/httputil.h>
#include <spout/memory.h>

#include <string.h>
#include <time.h>

static char header[64 * 1024 + 8];

static clock_t cost(size_t len)
{
    clock_t best = 0;
    memcpy(header, "a=\"", 3);
    for (size_t i = 3; i < len; i++)
        header[i] = i & 1 ? '\\' : '"';
    header[len] = '"';
    header[len + 1] = '\0';
    for (int i = 0; i < 7; i++) {
        spout_scope *scope = spout_scope_push();
        spout_pair *pairs;
        clock_t start = clock();
        for (int j = 0; j < 20; j++)
            assert_in_range(spout_parse_cookies(header, &pairs), 0, 1);
        clock_t passed = clock() - start;
        best = i == 0 || passed < best ? passed : best;
        spout_scope_pop(scope);
    }
    return best;
}

static void time_is_linear(void **state)
{
    (void)state;
    clock_t some = cost(4 * 1024), many = cost(64 * 1024);
    assert_true(many < (some + 200) * 64); /* 16 times as long; quadratic would be 256 times */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(time_is_linear) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
