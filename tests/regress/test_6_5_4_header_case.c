/* Looking for a header never depends on its case. */
#include "kit.h"

#include <stdio.h>
#include <string.h>

static int get(spout_request *r)
{
    spout_set_header(r, "x-REPLY", "1");
    return spout_write_format(r, "%s %s %s", spout_header(r, "X-One", "-"),
        spout_header(r, "x-one", "-"), spout_get_reply_header(r, "X-Reply"));
}

static const spout_route routes[] = { { "/", &(const spout_handler){ .get = get } }, { 0 } };

static void any_case_will_do(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    kit_expect(kit_get_with("/", "x-ONE", "a"), 200, "a a 1");
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_case_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
