/* CVE-2025-47287: a malformed form is worth one line in the log, not one for each of its parts. */
#include "kit.h"

#include <stdio.h>
#include <string.h>

static int post(spout_request *r)
{
    return spout_write(r, spout_body_argument(r, "a", "none"));
}

static const spout_route routes[] = { { "/", &(const spout_handler){ .post = post } }, { 0 } };

static void one_line_for_many_bad_parts(void **state)
{
    (void)state;
    static char body[64 * 1024];
    size_t len = 0;
    for (int i = 0; i < 2000; i++)
        len += (size_t)snprintf(body + len, sizeof body - len, "--x\r\njunk\r\n\r\n\r\n");
    snprintf(body + len, sizeof body - len, "--x--\r\n");
    kit_start(routes, NULL);
    assert_int_equal(kit_post("/", "multipart/form-data; boundary=x", body)->status, 400);
    assert_int_equal(kit_log_lines(), 1);
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_line_for_many_bad_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
