/* A folder whose name begins like the static folder's is not part of it. */
#include "kit.h"

#include "folder.h"

#include <unistd.h>

#include <stdio.h>
#include <string.h>

static spout_static_options options;
static spout_handler files = { .static_files = &options };
static const spout_route routes[] = { { "/static/(.*)", &files }, { 0 } };

static void siblings_with_a_common_prefix_stay_out(void **state)
{
    (void)state;
    static const char *const targets[] = { "/static/../static-secret/key",
        "/static/..%2Fstatic-secret%2Fkey", "/static/%2e%2e/static-secret/key",
        "/static/%2E%2E%2Fstatic-secret/key", "/static/link/key",
        "/static/./../static-secret/key" };
    folder_make();
    folder_write("static/page", "page");
    folder_write("static-secret/key", "secret");
    assert_int_equal(symlink("../static-secret", folder_path("static/link")), 0);
    options.path = folder_path("static");
    kit_start(routes, NULL);
    kit_expect(kit_get("/static/page"), 200, "page");
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        assert_int_equal(kit_get(targets[i])->status, 403);
    kit_stop();
    folder_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siblings_with_a_common_prefix_stay_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
