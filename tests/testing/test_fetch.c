#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout.h>
#include <spout/testing.h>

static int echo(spout_request *r)
{
    spout_set_status(r, 201, NULL);
    spout_set_header(r, "X-Agent", spout_header(r, "User-Agent", "none"));
    return spout_write_bytes(r, spout_body(r));
}

static int slow(spout_request *r)
{
    if (spout_sleep(60000) < 0)
        return -1;
    return spout_write(r, "at last");
}

static int broken(spout_request *r)
{
    if (spout_write(r, "half") < 0 || spout_flush(r) < 0)
        return -1;
    return spout_fail(r, 500, "no more");
}

static const spout_handler echo_handler = { .post = echo };
static const spout_handler slow_handler = { .get = slow };
static const spout_handler broken_handler = { .get = broken };
static const spout_route routes[] = {
    { "/echo", &echo_handler },
    { "/slow", &slow_handler },
    { "/broken", &broken_handler },
    { 0 },
};

typedef struct fixture {
    spout_test_clock *clock;
    spout_loop *loop;
    spout_application *application;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    spout_log_set_level(SPOUT_LOG_OFF);
    f.clock = spout_test_clock_new();
    spout_test_clock_skip(f.clock, true);
    f.loop = spout_loop_new(&(spout_loop_options){ .clock = spout_test_clock_table(f.clock) });
    f.application = spout_application_new(routes, NULL);
    *state = &f;
    return f.application ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    spout_application_free(f->application);
    spout_loop_free(f->loop);
    spout_test_clock_free(f->clock);
    return 0;
}

static void a_reply_comes_whole(void **state)
{
    fixture *f = *state;
    static const spout_test_header headers[] = { { "user-agent", "test" }, { 0 } };
    spout_test_response *response = spout_test_fetch(f->application,
        &(spout_test_request){
            .method = "POST", .url = "/echo", .headers = headers, .body = { "a\0b", 3 } });
    assert_non_null(response);
    assert_int_equal(response->status, 201);
    assert_string_equal(response->reason, "Created");
    assert_string_equal(spout_test_response_header(response, "x-agent"), "test");
    assert_null(spout_test_response_header(response, "X-Other"));
    assert_int_equal(response->body.len, 3);
    assert_memory_equal(response->body.data, "a\0b", 4);
    assert_true(response->complete);
    spout_test_response_free(response);
}

static void handlers_may_wait(void **state)
{
    fixture *f = *state;
    int64_t before = spout_time_ms();
    spout_test_response *response = spout_test_fetch(
        f->application, &(spout_test_request){ .url = "/slow" });
    assert_string_equal(response->body.data, "at last");
    assert_true(spout_time_ms() - before >= 60000);
    spout_test_response_free(response);
}

static void a_cut_reply_is_not_complete(void **state)
{
    fixture *f = *state;
    spout_test_response *response = spout_test_fetch(
        f->application, &(spout_test_request){ .url = "/broken" });
    assert_int_equal(response->status, 200);
    assert_string_equal(response->body.data, "half");
    assert_false(response->complete);
    spout_test_response_free(response);
}

static void bad_requests_get_their_status(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *method, *url;
        int status;
    } cases[] = { { "GET", "/none", 404 }, { "GET", "/echo", 405 }, { "G T", "/", 400 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        spout_test_response *response = spout_test_fetch(f->application,
            &(spout_test_request){ .method = cases[i].method, .url = cases[i].url });
        assert_non_null(response);
        assert_int_equal(response->status, cases[i].status);
        spout_test_response_free(response);
    }
}

static int fetch_on_coroutine(void *arg)
{
    spout_test_response *response = spout_test_fetch(
        arg, &(spout_test_request){ .method = "POST", .url = "/echo" });
    int status = response ? response->status : -1;
    spout_test_response_free(response);
    return status == 201 ? 0 : -1;
}

static void a_coroutine_may_fetch(void **state)
{
    fixture *f = *state;
    assert_int_equal(spout_loop_run_sync(f->loop, fetch_on_coroutine, f->application, 0), 0);
}

static int fetch_slow_on_coroutine(void *arg)
{
    spout_test_response *response = spout_test_fetch(arg, &(spout_test_request){ .url = "/slow" });
    int result = response ? 0 : spout_error_code_current();
    spout_test_response_free(response);
    return result;
}

static void no_reply_in_time_is_an_error(void **state)
{
    fixture *f = *state;
    assert_int_equal(
        spout_loop_run_sync(f->loop, fetch_slow_on_coroutine, f->application, 0), SPOUT_ETIMEDOUT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_reply_comes_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(handlers_may_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cut_reply_is_not_complete, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_requests_get_their_status, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_coroutine_may_fetch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_reply_in_time_is_an_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
