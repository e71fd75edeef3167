/* The life of a request: order of the hooks, methods, errors, early ends. */
#include "kit.h"

#include "loop/loop.h"

#include <stdio.h>
#include <string.h>

static char trace[512];

static int note(const char *what)
{
    snprintf(trace + strlen(trace), sizeof trace - strlen(trace), "%s ", what);
    return 0;
}

static int t_initialize(spout_request *r)
{
    (void)r;
    return note("initialize");
}

static int t_headers(spout_request *r)
{
    note("headers");
    return spout_set_header(r, "X-Default", "1");
}

static int t_prepare(spout_request *r)
{
    note("prepare");
    const char *early = spout_query_argument(r, "early", NULL);
    if (!early)
        return 0;
    if (strcmp(early, "fail") == 0)
        return spout_fail(r, 403, "not you");
    if (strcmp(early, "positive") == 0)
        return 1;
    spout_write(r, "early");
    return spout_finish(r);
}

static int t_get(spout_request *r)
{
    note("get");
    return spout_write(r, "got");
}

static int t_post(spout_request *r)
{
    note("post");
    return spout_write(r, spout_body_argument(r, "a", "none"));
}

static int t_finish(spout_request *r)
{
    (void)r;
    return note("finish");
}

static const spout_handler base = {
    .initialize = t_initialize,
    .set_default_headers = t_headers,
    .prepare = t_prepare,
    .on_finish = t_finish,
};
static const spout_handler story = { .base = &base, .name = "story", .get = t_get, .post = t_post };
static const spout_handler quiet = { .base = &story, .prepare = spout_no_hook };

static int any_method(spout_request *r)
{
    return spout_write_format(r, "any %s", spout_get_method(r));
}
static const spout_handler any = { .any = any_method };

static int fails_plainly(spout_request *r)
{
    (void)r;
    return spout_error_set(SPOUT_EINVAL, "the pump is broken");
}

static int fails_without_words(spout_request *r)
{
    (void)r;
    spout_error_clear();
    return -1;
}

static int returns_seven(spout_request *r)
{
    spout_write(r, "x");
    return 7;
}

static int cleanups;

static void clean_up(void *arg)
{
    cleanups += *(int *)arg;
}

static int aborts(spout_request *r)
{
    static int ten = 10;
    spout_defer(clean_up, &ten);
    spout_fail(r, 418, "deep inside");
    spout_abort();
}

static int sleeps(spout_request *r)
{
    const char *who = spout_argument(r, "who", "");
    if (spout_sleep(20) < 0)
        return -1;
    return spout_write(r, who);
}

static int works_on(spout_request *r)
{
    spout_write(r, "answer");
    if (spout_finish(r) < 0)
        return -1;
    note(spout_is_finished(r) ? "ended" : "open");
    if (spout_sleep(5) < 0)
        return -1;
    note("worked");
    if (spout_write(r, "more") != SPOUT_ESTATE)
        note("wrote");
    return 0;
}

static int with_state(spout_request *r)
{
    int *state = spout_state(r);
    return spout_write_format(r, "%d %s", (*state)++, (const char *)spout_config(r));
}

static int scoped(spout_request *r)
{
    for (int i = 0; i < 300; i++) {
        spout_scope *scope = spout_scope_push();
        const char *text = spout_scope_format("%d,", i % 10);
        spout_write(r, text);
        spout_argument(r, "a", "");
        spout_scope_pop(scope);
    }
    return spout_write(r, spout_argument(r, "a", ""));
}

static int gone_calls;

static int on_gone(spout_request *r)
{
    gone_calls++;
    note(spout_is_gone(r) ? "gone" : "here");
    return spout_sleep(30);
}

static int long_poll(spout_request *r)
{
    int result = spout_sleep(10);
    note(result == SPOUT_ECANCELED ? "canceled" : "slept");
    if (result < 0)
        return result;
    note(spout_write(r, "late") == SPOUT_ECLOSED ? "closed" : "written");
    return 0;
}

static const spout_route routes[] = {
    { "/", &story },
    { "/quiet", &quiet },
    { "/any", &any },
    { "/fails", &(const spout_handler){ .name = "pump", .get = fails_plainly } },
    { "/wordless", &(const spout_handler){ .get = fails_without_words } },
    { "/seven", &(const spout_handler){ .get = returns_seven } },
    { "/aborts", &(const spout_handler){ .get = aborts } },
    { "/sleeps", &(const spout_handler){ .get = sleeps } },
    { "/works", &(const spout_handler){ .get = works_on, .on_finish = t_finish } },
    { "/state",
        &(const spout_handler){ .get = with_state, .state_size = sizeof(int), .config = "cfg" } },
    { "/scoped", &(const spout_handler){ .get = scoped } },
    { "/poll",
        &(const spout_handler){
            .get = long_poll, .on_connection_close = on_gone, .on_finish = t_finish } },
    { "/cancel", &(const spout_handler){ .get = long_poll, .cancel_on_close = 1 } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    trace[0] = '\0';
    gone_calls = cleanups = 0;
    kit_start(routes, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static void the_order_of_a_request(void **state)
{
    (void)state;
    kit_expect(kit_get("/"), 200, "got");
    assert_string_equal(trace, "initialize headers prepare get finish ");
}

static void a_form_is_decoded_when_it_is_asked_for(void **state)
{
    (void)state;
    kit_expect(kit_post("/", "application/x-www-form-urlencoded", "a=1"), 200, "1");
    assert_string_equal(trace, "initialize headers prepare post finish ");
    trace[0] = '\0';
    assert_int_equal(kit_post("/", "multipart/form-data; boundary=x", "junk")->status, 400);
    assert_string_equal(trace, "initialize headers prepare post headers finish ");
    assert_int_equal(kit_log_lines(), 1);
    assert_non_null(strstr(kit_log(), "ms: Invalid body: "));
}

static void prepare_may_end_it(void **state)
{
    (void)state;
    kit_expect(kit_get("/?early=1"), 200, "early");
    assert_string_equal(trace, "initialize headers prepare finish ");
    trace[0] = '\0';
    assert_int_equal(kit_get("/?early=fail")->status, 403);
    assert_string_equal(trace, "initialize headers prepare headers finish ");
    assert_int_equal(kit_get("/?early=positive")->status, 500);
}

static void no_hook_clears_what_the_base_gives(void **state)
{
    (void)state;
    kit_expect(kit_get("/quiet?early=fail"), 200, "got");
    assert_string_equal(trace, "initialize headers get finish ");
}

static void a_method_that_is_not_there_is_405(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_call("DELETE", "/");
    assert_int_equal(reply->status, 405);
    kit_expect_field(reply, "Allow", "GET, HEAD, POST, OPTIONS");
    kit_expect_field(reply, "X-Default", "1");
    assert_string_equal(trace, "initialize headers headers finish ");
    assert_int_equal(kit_call("BREW", "/")->status, 405);
    assert_int_equal(kit_call("TRACE", "/")->status, 405);
    assert_int_equal(kit_log_lines(), 1);
}

static void head_is_get_without_its_body(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_call("HEAD", "/");
    kit_expect(reply, 200, "");
    kit_expect_field(reply, "Content-Length", "3");
}

static void options_answers_by_itself(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_call("OPTIONS", "/");
    kit_expect(reply, 204, "");
    kit_expect_field(reply, "Allow", "GET, HEAD, POST, OPTIONS");
    kit_expect_field(reply, "X-Default", "1");
    kit_expect_field(reply, "Content-Type", NULL);
    kit_expect(kit_call("OPTIONS", "*"), 204, "");
    assert_int_equal(kit_call("OPTIONS", "/nowhere")->status, 404);
}

static void any_takes_the_rest(void **state)
{
    (void)state;
    kit_expect(kit_get("/any"), 200, "any GET");
    kit_expect(kit_call("BREW", "/any"), 200, "any BREW");
    kit_expect(kit_call("OPTIONS", "/any"), 200, "any OPTIONS");
    kit_expect(kit_call("TRACE", "/any"), 200, "any TRACE");
    assert_int_equal(kit_call("CONNECT", "any:80")->status, 405);
}

static void any_takes_malformed_forms(void **state)
{
    (void)state;
    kit_expect(kit_post("/any", "multipart/form-data; boundary=x", "junk"), 200, "any POST");
}

static void failures_are_500_and_logged_with_their_handler(void **state)
{
    (void)state;
    assert_int_equal(kit_get("/fails")->status, 500);
    assert_non_null(strstr(
        kit_log(), "application E Uncaught error in GET /fails () [pump]: the pump is broken"));
    assert_int_equal(kit_log_lines(), 2);
    assert_int_equal(kit_get("/wordless")->status, 500);
    assert_int_equal(kit_get("/seven")->status, 500);
    assert_non_null(strstr(kit_log(), "returned 7"));
}

static void abort_unwinds_to_the_handler(void **state)
{
    (void)state;
    assert_int_equal(kit_get("/aborts")->status, 418);
    assert_int_equal(cleanups, 10);
    assert_non_null(strstr(kit_log(), "deep inside"));
}

static void a_handler_may_wait(void **state)
{
    (void)state;
    kit_expect(kit_get("/sleeps?who=me"), 200, "me");
}

static void finishing_early_leaves_time_for_work(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/works");
    kit_expect(reply, 200, "answer");
    assert_string_equal(trace, "ended worked finish ");
}

static void state_and_config(void **state)
{
    (void)state;
    kit_expect(kit_get("/state"), 200, "0 cfg");
    kit_expect(kit_get("/state"), 200, "0 cfg");
}

static void inner_scopes_take_nothing_of_the_request(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/scoped?a=end");
    assert_int_equal(reply->status, 200);
    assert_int_equal(reply->body.len, 603);
    assert_memory_equal(reply->body.data + 590, "5,6,7,8,9,end", 13);
}

static void a_client_that_leaves_is_told_to_the_hook(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = kit_open(&(spi_memory_request){ .target = "/poll" });
    spi_memory_exchange_hang_up(exchange);
    kit_finish();
    assert_int_equal(gone_calls, 1);
    assert_string_equal(trace, "gone slept closed finish ");
    assert_null(strstr(kit_log(), "Uncaught"));
    assert_non_null(strstr(kit_log(), "access W 499 GET /poll"));
}

static void cancel_on_close_cancels(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = kit_open(&(spi_memory_request){ .target = "/cancel" });
    spi_memory_exchange_hang_up(exchange);
    kit_finish();
    assert_string_equal(trace, "canceled ");
    assert_int_equal(kit_log_lines(), 1);
}

static void half_close_counts_only_with_cancel_on_close(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = kit_open(&(spi_memory_request){ .target = "/poll" });
    spi_memory_exchange_half_close(exchange);
    kit_expect(kit_finish(), 200, "late");
    assert_int_equal(gone_calls, 0);
    trace[0] = '\0';
    exchange = kit_open(&(spi_memory_request){ .target = "/cancel" });
    spi_memory_exchange_half_close(exchange);
    kit_finish();
    assert_string_equal(trace, "canceled ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_order_of_a_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_form_is_decoded_when_it_is_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prepare_may_end_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_hook_clears_what_the_base_gives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_method_that_is_not_there_is_405, set_up, tear_down),
        cmocka_unit_test_setup_teardown(head_is_get_without_its_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(options_answers_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_takes_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_takes_malformed_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            failures_are_500_and_logged_with_their_handler, set_up, tear_down),
        cmocka_unit_test_setup_teardown(abort_unwinds_to_the_handler, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_handler_may_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finishing_early_leaves_time_for_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(state_and_config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            inner_scopes_take_nothing_of_the_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_client_that_leaves_is_told_to_the_hook, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancel_on_close_cancels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            half_close_counts_only_with_cancel_on_close, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
