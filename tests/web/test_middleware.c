#include "kit.h"

#include <spout/middleware.h>

#include <stdio.h>
#include <string.h>

static char trace[256];

static void note(const char *word)
{
    strncat(trace, word, sizeof trace - strlen(trace) - 1);
}

static int outer(spout_request *r)
{
    note("(");
    if (spout_yield() < 0)
        return -1;
    int result = spout_next(r);
    note(result < 0 ? "!)" : ")");
    return result;
}

static int inner(spout_request *r)
{
    note("[");
    int result = spout_next(r);
    note("]");
    if (result == 0)
        result = spout_set_header(r, "X-Inner", "1");
    return result;
}

static int barrier(spout_request *r)
{
    if (spout_argument(r, "stop", NULL))
        return spout_write(r, "stopped");
    if (spout_argument(r, "odd", NULL))
        return 1;
    return spout_next(r);
}

static int twice(spout_request *r)
{
    int result = spout_next(r);
    return result < 0 ? result : spout_next(r);
}

static int rescue(spout_request *r)
{
    if (spout_next(r) < 0 && spout_error_get_status(spout_error_current()) == 409)
        return spout_write(r, "rescued");
    return 0;
}

static int prepare(spout_request *r)
{
    (void)r;
    note("p");
    return 0;
}

static int get(spout_request *r)
{
    note("g");
    return spout_write(r, "got");
}

static int conflict(spout_request *r)
{
    return spout_fail(r, 409, "%s", "");
}

static int alone(spout_request *r)
{
    return spout_next(r);
}

static int id(spout_request *r)
{
    spout_log_info("in the handler");
    return spout_write(r, spout_request_id(r));
}

static spout_method *const around_all[] = { outer, NULL };
static spout_method *const around_some[] = { inner, barrier, NULL };
static spout_method *const two[] = { twice, NULL };
static spout_method *const rescuing[] = { rescue, NULL };
static spout_method *const nothing[] = { NULL };

static const spout_handler some = { .middleware = around_some, .prepare = prepare, .get = get };
static const spout_route routes[] = {
    { "/plain", &(const spout_handler){ .get = get } },
    { "/some", &some },
    { "/base", &(const spout_handler){ .base = &some } },
    { "/cleared", &(const spout_handler){ .base = &some, .middleware = nothing } },
    { "/twice", &(const spout_handler){ .middleware = two, .get = get } },
    { "/fail", &(const spout_handler){ .get = conflict } },
    { "/rescue", &(const spout_handler){ .middleware = rescuing, .get = conflict } },
    { "/id", &(const spout_handler){ .get = id } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    kit_start(routes, &(spout_application_options){ .middleware = around_all });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static void expect_trace(const spi_memory_reply *reply, int status, const char *text)
{
    assert_int_equal(reply->status, status);
    assert_string_equal(trace, text);
    trace[0] = '\0';
}

static void around_handlers_in_order(void **state)
{
    (void)state;
    trace[0] = '\0';
    expect_trace(kit_get("/plain"), 200, "(g)");
    const spi_memory_reply *reply = kit_get("/some");
    kit_expect_field(reply, "X-Inner", "1");
    expect_trace(reply, 200, "([pg])");
    expect_trace(kit_get("/base"), 200, "([pg])");
    expect_trace(kit_get("/cleared"), 200, "(pg)");
    expect_trace(kit_get("/some?stop=1"), 200, "([])");
    expect_trace(kit_get("/some?odd=1"), 500, "([]!)");
}

static void errors_pass_through(void **state)
{
    (void)state;
    trace[0] = '\0';
    expect_trace(kit_get("/fail"), 409, "(!)");
    expect_trace(kit_get("/nowhere"), 404, "(!)");
    expect_trace(kit_call("PUT", "/plain"), 405, "(!)");
    kit_expect(kit_get("/rescue"), 200, "rescued");
}

static const spout_route bare[] = { { "/", &(const spout_handler){ .get = alone } }, { 0 } };

static void next_is_called_once_and_there_only(void **state)
{
    (void)state;
    assert_int_equal(kit_get("/twice")->status, 500);
    assert_non_null(strstr(kit_log(), "spout_next"));
    kit_stop();
    kit_start(bare, NULL);
    assert_int_equal(kit_get("/")->status, 500);
}

static void requests_have_ids(void **state)
{
    (void)state;
    assert_int_equal(kit_get("/id")->body.len, 36);
    assert_null(strstr(kit_log(), "["));
    kit_stop();
    kit_start(routes, &(spout_application_options){ .request_id_header = "X-Request-Id" });
    const spi_memory_reply *reply = kit_get("/id");
    kit_expect_field(reply, "X-Request-Id", reply->body.data);
    char line[64];
    snprintf(line, sizeof line, " [%s]", reply->body.data);
    assert_non_null(strstr(kit_log(), line));
    reply = kit_get_with("/id", "X-Request-Id", "abc-123");
    kit_expect(reply, 200, "abc-123");
    kit_expect_field(reply, "X-Request-Id", "abc-123");
    reply = kit_get_with("/nowhere", "X-Request-Id", "abc-123");
    kit_expect_field(reply, "X-Request-Id", "abc-123");
    assert_int_equal(kit_get_with("/id", "X-Request-Id", "a b\"c")->body.len, 36);
    char large[200];
    memset(large, 'a', sizeof large - 1);
    large[199] = '\0';
    assert_int_equal(kit_get_with("/id", "X-Request-Id", large)->body.len, 36);
    assert_null(
        spout_application_new(NULL, &(spout_application_options){ .request_id_header = "a b" }));
}

static char logged_ids[256];

static void keep_id(void *self, const spout_log_record *record)
{
    (void)self;
    const char *given = record->request_id ? record->request_id : "-";
    size_t len = strlen(logged_ids);
    snprintf(logged_ids + len, sizeof logged_ids - len, "%s;", given);
}

static void lines_of_a_request_have_its_id(void **state)
{
    (void)state;
    kit_stop();
    kit_start(routes, &(spout_application_options){ .request_id_header = "X-Request-Id" });
    spout_log_set_sink(&(spout_log_sink){ .write = keep_id });
    kit_get_with("/id", "X-Request-Id", "abc-123");
    spout_log_info("outside");
    assert_string_equal(logged_ids, "abc-123;-;-;"); /* that of the access log has it in its text */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(around_handlers_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_pass_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(next_is_called_once_and_there_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_have_ids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_of_a_request_have_its_id, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
