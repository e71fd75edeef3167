/* What handlers may be made of. */
#include "kit.h"

#include <stdio.h>
#include <string.h>

static int say_method(spout_request *r)
{
    spout_set_header(r, "X-Method", spout_get_method(r));
    return spout_write(r, spout_get_method(r));
}

static int remember_captures(spout_request *r)
{
    char *kept = spout_state(r);
    const char *named = spout_path_argument(r, "name");
    snprintf(kept, 32, "%s", named ? named : spout_path_argument_at(r, 1));
    return 0;
}

static int tell_captures(spout_request *r)
{
    return spout_write_format(r, "%s in prepare", (const char *)spout_state(r));
}

/* A page for those who may not see it, with what was set so far, and nothing in the log of errors. */
static int end_quietly(spout_request *r)
{
    spout_set_status(r, 401, NULL);
    spout_set_header(r, "WWW-Authenticate", "Basic realm=\"something\"");
    if (spout_argument(r, "body", NULL))
        spout_write(r, "authentication required");
    return spout_finish(r);
}

static int empty_flush(spout_request *r)
{
    if (spout_flush(r) < 0)
        return -1;
    return spout_flush(r);
}

static int failed_page(spout_request *r)
{
    return spout_write_format(r, "Status: %d", spout_get_status(r));
}

static int forbidden(spout_request *r)
{
    return spout_fail(r, 403, "not here");
}

static const spout_handler remembering = {
    .prepare = remember_captures, .get = tell_captures, .state_size = 32
};
static const spout_route routes[] = {
    { "/all", &(const spout_handler){ .get = say_method,
                  .head = say_method,
                  .post = say_method,
                  .put = say_method,
                  .del = say_method,
                  .patch = say_method,
                  .options = say_method } },
    { "/any", &(const spout_handler){ .any = say_method } },
    { "/patch", &(const spout_handler){ .patch = say_method } },
    { "/by-name/{name}", &remembering },
    { "/by-number/(.*)", &remembering },
    { "/quietly", &(const spout_handler){ .get = end_quietly } },
    { "/empty-flush", &(const spout_handler){ .get = empty_flush } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    static const spout_handler elsewhere = { .any = forbidden, .write_error = failed_page };
    kit_start(routes, &(spout_application_options){ .default_handler = &elsewhere });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static void each_method_has_its_member(void **state)
{
    (void)state;
    static const char *const methods[] = { "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS" };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        kit_expect(kit_call(methods[i], "/all"), 200, methods[i]);
        kit_expect(kit_call(methods[i], "/any"), 200, methods[i]);
    }
    const spi_memory_reply *reply = kit_call("HEAD", "/all");
    kit_expect(reply, 200, "");
    kit_expect_field(reply, "X-Method", "HEAD");
    kit_expect(kit_call("PROPFIND", "/any"), 200, "PROPFIND");
    kit_expect(kit_call("PATCH", "/patch"), 200, "PATCH");
}

static void others_are_405(void **state)
{
    (void)state;
    static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE",
        "PROPFIND" };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        const spi_memory_reply *reply = kit_call(methods[i], "/patch");
        assert_int_equal(reply->status, 405);
        kit_expect_field(reply, "Allow", "PATCH, OPTIONS");
    }
    assert_int_equal(kit_call("PROPFIND", "/all")->status, 405);
}

static void captures_can_be_read_in_prepare(void **state)
{
    (void)state;
    kit_expect(kit_get("/by-name/x%20y"), 200, "x y in prepare");
    kit_expect(kit_get("/by-number/3"), 200, "3 in prepare");
}

static void a_reply_may_end_quietly_with_any_status(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/quietly?body=1");
    kit_expect(reply, 401, "authentication required");
    kit_expect_field(reply, "WWW-Authenticate", "Basic realm=\"something\"");
    kit_expect(kit_get("/quietly"), 401, "");
    assert_int_equal(kit_log_lines(), 1);
    assert_null(strstr(kit_log(), "Uncaught"));
}

static void a_flush_of_nothing_sends_the_head(void **state)
{
    (void)state;
    kit_expect(kit_get("/empty-flush"), 200, "");
}

static void the_default_handler_may_say_something_else(void **state)
{
    (void)state;
    kit_expect(kit_get("/nowhere"), 403, "Status: 403");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_method_has_its_member, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_are_405, set_up, tear_down),
        cmocka_unit_test_setup_teardown(captures_can_be_read_in_prepare, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reply_may_end_quietly_with_any_status, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flush_of_nothing_sends_the_head, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            the_default_handler_may_say_something_else, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
