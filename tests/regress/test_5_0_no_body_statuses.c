/* No body and none of its fields with 204 and 304. */
#include "kit.h"

#include <stdio.h>
#include <string.h>

static int no_content(spout_request *r)
{
    return spout_set_status(r, 204, NULL);
}

static int flushed(spout_request *r)
{
    spout_set_status(r, 204, NULL);
    return spout_flush(r);
}

static int contradictory(spout_request *r)
{
    spout_write(r, "body");
    return spout_set_status(r, 304, NULL);
}

static const spout_route routes[] = {
    { "/none", &(const spout_handler){ .get = no_content } },
    { "/flushed", &(const spout_handler){ .get = flushed } },
    { "/contradictory", &(const spout_handler){ .get = contradictory } },
    { 0 },
};

static void nothing_announces_a_body(void **state)
{
    (void)state;
    static const char *const targets[] = { "/none", "/flushed" };
    kit_start(routes, NULL);
    for (size_t i = 0; i < 2; i++) {
        const spi_memory_reply *reply = kit_get(targets[i]);
        kit_expect(reply, 204, "");
        kit_expect_field(reply, "Content-Length", NULL);
        kit_expect_field(reply, "Content-Type", NULL);
    }
    assert_int_equal(kit_get("/contradictory")->status, 500);
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_announces_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
