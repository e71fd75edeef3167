#include "kit.h"

#include <string.h>

static int answer(spout_request *r)
{
    const char *status = spout_argument(r, "status", "200");
    return spout_set_status(r, (status[0] - '0') * 100, NULL);
}

static const spout_route routes[] = { { "/{x:path}", &(const spout_handler){ .get = answer } },
    { 0 } };

static int tear_down(void **state)
{
    (void)state;
    spout_log_set_level(SPOUT_LOG_INFO);
    kit_stop();
    return 0;
}

static void one_line_with_a_level_by_status(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    const spout_endpoint peer = { .address = { 127, 0, 0, 1 }, .family = 4 };
    kit_send(&(spi_memory_request){ .target = "/a%20b?c=1", .peer = &peer });
    assert_int_equal(kit_log_lines(), 1);
    assert_memory_equal(kit_log(), "access I 200 GET /a%20b?c=1 (127.0.0.1) ", 39);
    const char *time = strrchr(kit_log(), ' ');
    assert_non_null(strchr(time, '.'));
    assert_string_equal(strchr(time, '.') + 3, "ms\n");
    kit_get("/?status=300");
    assert_memory_equal(kit_log(), "access I 300", 12);
    kit_get("/?status=400");
    assert_memory_equal(kit_log(), "access W 400", 12);
    kit_get("/?status=500");
    assert_memory_equal(kit_log(), "access E 500", 12);
    spout_log_set_level(SPOUT_LOG_WARNING);
    kit_get("/");
    assert_int_equal(kit_log_lines(), 0);
}

static char seen[128];

static void remember(spout_request *r)
{
    spout_write_format(r, "too late"); /* nothing of it reaches the client */
    strncat(seen, spout_uri(r), sizeof seen - strlen(seen) - 1);
    strncat(seen, spout_get_status(r) == 200 ? " 200;" : " else;", sizeof seen - strlen(seen) - 1);
}

static void a_function_instead(void **state)
{
    (void)state;
    seen[0] = '\0';
    kit_start(routes, &(spout_application_options){ .log_function = remember });
    kit_expect(kit_get("/one"), 200, "");
    kit_get("/two?status=500");
    assert_string_equal(seen, "/one 200;/two?status=500 else;");
    assert_int_equal(kit_log_lines(), 0);
}

static void no_log_at_all(void **state)
{
    (void)state;
    kit_start(routes, &(spout_application_options){ .log_function = spout_no_log });
    kit_get("/");
    assert_int_equal(kit_log_lines(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(one_line_with_a_level_by_status, tear_down),
        cmocka_unit_test_teardown(a_function_instead, tear_down),
        cmocka_unit_test_teardown(no_log_at_all, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
