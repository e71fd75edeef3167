/* CVE-2025-67726: a form of nothing but boundaries takes time linear in its length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/httputil.h>
#include <spout/memory.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

static clock_t cost(const char *body, size_t len)
{
    clock_t best = 0;
    for (int i = 0; i < 5; i++) {
        const spout_multipart_options options = { .max_parts = SIZE_MAX / 4 };
        spout_scope *scope = spout_scope_push();
        spout_multipart form;
        clock_t start = clock();
        (void)spout_parse_multipart(
            "multipart/form-data; boundary=b", (spout_bytes){ body, len }, &options, &form);
        clock_t passed = clock() - start;
        best = i == 0 || passed < best ? passed : best;
        spout_scope_pop(scope);
    }
    return best;
}

static void time_is_linear(void **state)
{
    (void)state;
    static const char *const pieces[] = { "--b\r\n", "\r\n--b", "\r\n--", "--b--" };
    enum { SIZE = 1 << 20 };
    char *body = malloc(SIZE + 8);
    assert_non_null(body);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        size_t len = strlen(pieces[i]);
        for (size_t at = 0; at < SIZE; at += len)
            memcpy(body + at, pieces[i], len);
        clock_t some = cost(body, SIZE / 16), many = cost(body, SIZE);
        assert_true(many < (some + 200) * 64); /* quadratic would be 256 times */
    }
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(time_is_linear) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
