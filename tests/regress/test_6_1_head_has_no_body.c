/* The answer to HEAD has no body, not even where the handler flushes. */
#include "kit.h"

#include <stdio.h>
#include <string.h>

static int parts(spout_request *r)
{
    for (int i = 0; i < 3; i++) {
        spout_write(r, "part");
        if (spout_flush(r) < 0)
            return -1;
    }
    return 0;
}

static const spout_route routes[] = { { "/", &(const spout_handler){ .get = parts } }, { 0 } };

static void flushed_parts_are_dropped(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    kit_expect(kit_get("/"), 200, "partpartpart");
    kit_expect(kit_call("HEAD", "/"), 200, "");
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flushed_parts_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
