/* Attributes of a cookie inject nothing: neither another attribute nor a line. */
#include "kit.h"

#include <spout/cookies.h>

#include <stdio.h>
#include <string.h>

static int get(spout_request *r)
{
    const char *evil = spout_argument(r, "evil", "");
    const spout_cookie_options options[] = { { .domain = evil }, { .path = evil },
        { .samesite = evil } };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (spout_set_cookie(r, "a", "b", &options[i]) != SPOUT_EINVAL)
            return spout_fail(r, 500, "attribute %zu was taken", i);
    }
    if (spout_set_cookie(r, evil, "b", NULL) != SPOUT_EINVAL)
        return spout_fail(r, 500, "the name was taken");
    return spout_write(r, "refused");
}

static const spout_route routes[] = { { "/", &(const spout_handler){ .get = get } }, { 0 } };

static void nothing_is_injected(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    static const char *const evils[] = { "a;b", "/%3B%20Secure", "x%0D%0ASet-Cookie:%20c=d",
        "a%0Ab", "a%7Fb", "a%09b", "a%20b" };
    for (size_t i = 0; i < sizeof evils / sizeof evils[0]; i++) {
        char target[128];
        snprintf(target, sizeof target, "/?evil=%s", evils[i]);
        const spi_memory_reply *reply = kit_get(target);
        kit_expect(reply, 200, "refused");
        kit_expect_field(reply, "Set-Cookie", NULL);
    }
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_injected) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
