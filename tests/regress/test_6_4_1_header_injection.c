/* No line end gets into a reply's head, from wherever it came. */
#include "kit.h"

#include <spout/cookies.h>

#include <stdio.h>

static const char *const evil[] = { "a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\x0B" };

static int get(spout_request *r)
{
    for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++) {
        assert_int_equal(spout_set_header(r, "X", evil[i]), SPOUT_EINVAL);
        assert_int_equal(spout_add_header(r, "X", evil[i]), SPOUT_EINVAL);
        assert_int_equal(spout_set_header(r, evil[i], "x"), SPOUT_EINVAL);
        assert_int_equal(spout_set_cookie(r, "c", evil[i], NULL), SPOUT_EINVAL);
    }
    return spout_write(r, "clean");
}

static int redirect(spout_request *r)
{
    return spout_redirect(r, spout_argument(r, "to", ""), 0);
}

static const spout_route routes[] = { { "/", &(const spout_handler){ .get = get } },
    { "/redirect", &(const spout_handler){ .get = redirect } }, { 0 } };

static void nothing_is_injected(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    const spi_memory_reply *reply = kit_get("/");
    kit_expect(reply, 200, "clean");
    kit_expect_field(reply, "X", NULL);
    reply = kit_get("/redirect?to=/x%0D%0AX-Evil:%201");
    kit_expect_field(reply, "X-Evil", NULL);
    for (size_t i = 0; i < reply->field_count; i++)
        assert_null(strpbrk(reply->fields[i].value, "\r\n"));
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_injected) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
