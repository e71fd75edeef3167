/* What failures answer and log. */
#include "kit.h"

#include "web/application.h"

#include <string.h>

static int fail_as_asked(spout_request *r)
{
    spout_error_set(SPOUT_EFAILED, "the disk is full");
    const char *what = spout_argument(r, "what", "words");
    if (strcmp(what, "silent") == 0)
        return spout_fail(r, 404, "%s", "");
    if (strcmp(what, "odd") == 0)
        return spout_fail(r, 200, "odd");
    if (strcmp(what, "wrapped") == 0)
        return spout_error_wrap(SPOUT_EFAILED, "saving <failed>");
    return spout_fail(r, 404, "no story %d\r\nfor you", 7);
}

static int reason_page(spout_request *r)
{
    int result = spout_set_status(r, spout_get_status(r), "<b>Gone</b>");
    return result < 0
               ? result
               : spout_write_format(r, "page %d %s", spout_get_status(r), spout_error_message());
}

static int broken_page(spout_request *r)
{
    spout_write(r, "half a page");
    return spout_error_set(SPOUT_EFAILED, "no template");
}

static int sticky_page(spout_request *r)
{
    (void)spout_write(r, NULL);
    return 0;
}

static int cors(spout_request *r)
{
    return spout_set_header(r, "Access-Control-Allow-Origin", "*");
}

static int not_found_page(spout_request *r)
{
    return spout_write_format(r, "nothing at %s", spout_uri(r));
}

static int prepared;

static int count_prepare(spout_request *r)
{
    (void)r;
    prepared++;
    return 0;
}

static const spout_handler failing = {
    .name = "failing", .get = fail_as_asked, .post = fail_as_asked, .set_default_headers = cors
};
static const spout_handler own = { .base = &failing, .name = "own", .write_error = reason_page };
static const spout_handler broken = {
    .base = &failing, .name = "broken", .write_error = broken_page
};
static const spout_handler sticky = {
    .base = &failing, .name = "sticky", .write_error = sticky_page
};
static const spout_handler fallback = {
    .set_default_headers = cors, .write_error = not_found_page, .prepare = count_prepare
};

static const spout_route routes[] = {
    { "/fail", &failing },
    { "/own", &own },
    { "/broken", &broken },
    { "/sticky", &sticky },
    { "/file/{name}", &failing },
    { 0 },
};

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static void the_default_page(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    const spi_memory_reply *reply = kit_get("/nowhere");
    kit_expect(reply, 404, "<html><title>404: Not Found</title><body>404: Not Found</body></html>");
    kit_expect_field(reply, "Content-Type", "text/html; charset=UTF-8");
    assert_string_equal(kit_log_lines() == 1 ? "one" : kit_log(), "one");
    assert_non_null(strstr(kit_log(), "access W 404 GET /nowhere ()"));
}

static void words_go_to_the_log_not_to_the_page(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    const spi_memory_reply *reply = kit_get("/fail");
    assert_int_equal(reply->status, 404);
    assert_null(strstr(reply->body.data, "story"));
    assert_non_null(strstr(kit_log(), "ms: no story 7"));
    assert_int_equal(kit_log_lines(), 1);
    kit_get("/fail?what=silent");
    assert_int_equal(kit_log_lines(), 1);
    assert_int_equal(kit_get("/fail?what=odd")->status, 500);
    kit_get("/fail?what=wrapped");
    assert_non_null(strstr(kit_log(), "[failing]: saving <failed>: the disk is full"));
}

static void default_headers_survive(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    kit_expect_field(kit_get("/fail"), "Access-Control-Allow-Origin", "*");
    kit_expect_field(kit_call("PUT", "/fail"), "Access-Control-Allow-Origin", "*");
    kit_expect_field(kit_get("/file/%FF"), "Access-Control-Allow-Origin", "*");
    assert_int_equal(kit_get("/file/%FF")->status, 400);
    kit_expect_field(kit_get("/nowhere"), "Access-Control-Allow-Origin", NULL);
}

static void write_error_writes_the_page(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    const spi_memory_reply *reply = kit_get("/own?what=wrapped");
    kit_expect(reply, 500, "page 500 saving <failed>");
    assert_string_equal(reply->reason, "<b>Gone</b>");
}

static void a_failing_write_error_gets_the_default_page(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    const spi_memory_reply *reply = kit_get("/broken");
    assert_int_equal(reply->status, 404);
    assert_non_null(strstr(reply->body.data, "404: Not Found"));
    assert_null(strstr(reply->body.data, "half"));
    assert_non_null(strstr(kit_log(), "write_error failed in GET /broken"));
    reply = kit_get("/sticky");
    assert_non_null(strstr(reply->body.data, "404: Not Found"));
}

static void serve_traceback_shows_the_causes(void **state)
{
    (void)state;
    kit_start(routes, &(spout_application_options){ .serve_traceback = true });
    const spi_field fields[] = { kit_field("X-One", "1"), kit_field("cookie", "secret=1"),
        kit_field("Authorization", "Basic c2VjcmV0") };
    const spi_memory_reply *reply = kit_send(&(spi_memory_request){
        .target = "/fail?what=wrapped", .fields = fields, .field_count = 3 });
    kit_expect_field(reply, "Content-Type", "text/plain; charset=UTF-8");
    static const char begin[] =
        "500: Internal Server Error\n\nsaving <failed>\n\nthe disk is full\n\n"
        "GET /fail?what=wrapped () [";
    assert_memory_equal(reply->body.data, begin, sizeof begin - 1);
    assert_non_null(strstr(reply->body.data, "\nX-One: 1\n"));
    assert_non_null(strstr(reply->body.data, "\ncookie: (not shown)\n"));
    assert_null(strstr(reply->body.data, "c2VjcmV0"));
}

static void the_default_handler_answers_what_nothing_matches(void **state)
{
    (void)state;
    prepared = 0;
    kit_start(routes, &(spout_application_options){ .default_handler = &fallback });
    const spi_memory_reply *reply = kit_get("/nowhere");
    kit_expect(reply, 404, "nothing at /nowhere");
    kit_expect_field(reply, "Access-Control-Allow-Origin", "*");
    assert_int_equal(prepared, 1);
    kit_expect_field(kit_call("OPTIONS", "*"), "Access-Control-Allow-Origin", "*");
    assert_int_equal(kit_call("CONNECT", "host:443")->status, 405);
}

static int catch_all(spout_request *r)
{
    return spout_write(r, "caught");
}

static void the_default_handler_may_have_methods(void **state)
{
    (void)state;
    static const spout_handler catcher = { .get = catch_all };
    kit_start(routes, &(spout_application_options){ .default_handler = &catcher });
    kit_expect(kit_get("/nowhere"), 200, "caught");
    assert_int_equal(kit_call("POST", "/nowhere")->status, 404);
}

static void a_body_that_is_too_large(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    const spi_memory_reply *reply = kit_send(&(spi_memory_request){
        .method = "POST", .target = "/fail", .body = { "0123456789", 10 }, .max_body = 5 });
    assert_int_equal(reply->status, 413);
    kit_expect_field(reply, "Access-Control-Allow-Origin", "*");
    assert_non_null(strstr(kit_log(), "access W 413 POST /fail"));
    assert_int_equal(kit_log_lines(), 1);
}

static void the_body_is_not_asked_for_when_it_is_not_wanted(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    const spi_field expect = kit_field("Expect", "100-continue");
    const spi_memory_reply *reply = kit_send(&(spi_memory_request){ .method = "POST",
        .target = "/nowhere",
        .fields = &expect,
        .field_count = 1,
        .body = { "x", 1 },
        .open_body = true });
    assert_int_equal(reply->status, 404);
    assert_false(reply->continued);
}

static int sleep_long(spout_request *r)
{
    if (spout_sleep(20) < 0)
        return -1;
    return spout_write(r, "slept");
}

static void running_out_of_stacks_is_503(void **state)
{
    (void)state;
    static const spout_handler sleeper = { .get = sleep_long, .set_default_headers = cors };
    static const spout_route sleepy[] = { { "/", &sleeper }, { 0 } };
    kit_start_limited(sleepy, NULL, 1);
    spi_memory_exchange *first = spi_memory_exchange_start(
        &spi_application_service, kit_application(), &(spi_memory_request){ .target = "/" });
    for (int i = 0; i < 3; i++) {
        const spi_memory_reply *reply = kit_get("/");
        assert_int_equal(reply->status, 503);
        assert_true(reply->released);
        kit_expect_field(reply, "Retry-After", "1");
        kit_expect_field(reply, "Access-Control-Allow-Origin", "*");
        assert_int_equal(kit_log_lines(),
            i == 0 ? 2 : 1); /* the reason once a second, the access line each time */
    }
    while (!spi_memory_exchange_reply(first)->released)
        assert_int_equal(spout_loop_run_once(kit_loop(), 5), 0);
    kit_expect(spi_memory_exchange_reply(first), 200, "slept");
    spi_memory_exchange_free(first);
}

static int finish_and_fail(spout_request *r)
{
    spout_write(r, "done");
    if (spout_finish(r) < 0)
        return -1;
    return spout_fail(r, 410, "too late for a page");
}

static void words_behind_a_finished_reply_are_logged(void **state)
{
    (void)state;
    static const spout_handler handler = { .get = finish_and_fail };
    static const spout_route late[] = { { "/", &handler }, { 0 } };
    kit_start(late, NULL);
    kit_expect(kit_get("/"), 200, "done");
    assert_non_null(strstr(kit_log(), "access I 200 GET /"));
    assert_non_null(strstr(kit_log(), "general W 410 GET / (): too late for a page"));
}

static int fail_with_reason(spout_request *r)
{
    assert_int_equal(spout_set_status(r, 404, "Foo <b>"), 0);
    assert_int_equal(spout_set_header(r, "X-Before", "1"), 0);
    return spout_fail(r, *spout_query(r) ? 410 : 404, "nothing here");
}

static void a_reason_for_the_status_stays(void **state)
{
    (void)state;
    static const spout_handler handler = { .get = fail_with_reason };
    static const spout_route table[] = { { "/", &handler }, { 0 } };
    kit_start(table, NULL);
    const spi_memory_reply *reply = kit_get("/");
    kit_expect(reply, 404,
        "<html><title>404: Foo &lt;b&gt;</title><body>404: Foo &lt;b&gt;</body></html>");
    assert_string_equal(reply->reason, "Foo <b>");
    kit_expect_field(reply, "X-Before", NULL);
    kit_expect(
        kit_get("/?other"), 410, "<html><title>410: Gone</title><body>410: Gone</body></html>");
}

static int own_log_result;

static int own_log(spout_request *r)
{
    spout_log(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_WARNING, "seen at %s: %s", spout_path(r),
        spout_error_message());
    return own_log_result;
}

static void a_handler_may_log_for_itself(void **state)
{
    (void)state;
    static const spout_handler site = { .log_exception = own_log };
    static const spout_handler handler = { .base = &site, .get = fail_as_asked };
    static const spout_route table[] = { { "/", &handler }, { 0 } };
    kit_start(table, NULL);
    own_log_result = 0;
    assert_int_equal(kit_get("/?what=wrapped")->status, 500);
    assert_non_null(strstr(kit_log(), "application W seen at /: saving <failed>"));
    assert_null(strstr(kit_log(), "Uncaught"));
    assert_int_equal(kit_log_lines(), 2);
    own_log_result = -1; /* the reply is the same */
    const spi_memory_reply *reply = kit_get("/");
    kit_expect(reply, 404, "<html><title>404: Not Found</title><body>404: Not Found</body></html>");
    assert_non_null(strstr(kit_log(), "log_exception failed in GET /"));
    assert_null(strstr(kit_log(), "ms: no story"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_default_page, tear_down),
        cmocka_unit_test_teardown(words_go_to_the_log_not_to_the_page, tear_down),
        cmocka_unit_test_teardown(default_headers_survive, tear_down),
        cmocka_unit_test_teardown(write_error_writes_the_page, tear_down),
        cmocka_unit_test_teardown(a_failing_write_error_gets_the_default_page, tear_down),
        cmocka_unit_test_teardown(serve_traceback_shows_the_causes, tear_down),
        cmocka_unit_test_teardown(the_default_handler_answers_what_nothing_matches, tear_down),
        cmocka_unit_test_teardown(the_default_handler_may_have_methods, tear_down),
        cmocka_unit_test_teardown(a_body_that_is_too_large, tear_down),
        cmocka_unit_test_teardown(the_body_is_not_asked_for_when_it_is_not_wanted, tear_down),
        cmocka_unit_test_teardown(running_out_of_stacks_is_503, tear_down),
        cmocka_unit_test_teardown(a_reason_for_the_status_stays, tear_down),
        cmocka_unit_test_teardown(a_handler_may_log_for_itself, tear_down),
        cmocka_unit_test_teardown(words_behind_a_finished_reply_are_logged, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
