/* Building an application: bases, routes, names, start-up errors, servers, reversed URLs. */
#include "kit.h"

#include "web/application.h"

#include <string.h>

static int ok(spout_request *r)
{
    return spout_write(r, spout_handler_name(r));
}

static int other(spout_request *r)
{
    return spout_write(r, "other");
}

static void expect_bad(const spout_handler *handler, const char *words)
{
    const spout_route routes[] = { { "/x", handler }, { 0 } };
    assert_null(spout_application_new(routes, NULL));
    if (!strstr(spout_error_message(), words))
        fail_msg("%s", spout_error_message());
}

static void bases_are_flattened(void **state)
{
    (void)state;
    static const spout_handler root = {
        .name = "root", .get = ok, .post = ok, .etag = SPOUT_NONE, .state_size = 8
    };
    static const spout_handler middle = { .base = &root, .post = spout_no_hook, .etag = 1 };
    static const spout_handler leaf = {
        .base = &middle, .name = "leaf", .put = other, .max_body_size = 5
    };
    spi_arena *arena = spi_arena_new(0);
    spi_handler *handler = spi_handler_new(arena, &leaf);
    assert_non_null(handler);
    assert_ptr_equal(handler->spec.get, ok);
    assert_null(handler->spec.post);
    assert_ptr_equal(handler->spec.put, other);
    assert_int_equal(handler->spec.state_size, 8);
    assert_true(handler->etag);
    assert_string_equal(handler->name, "leaf");
    assert_string_equal(handler->allow, "GET, HEAD, PUT, OPTIONS");
    assert_string_equal(spi_handler_new(arena, &middle)->name, "");
    spi_arena_free(arena);
}

static void cycles_and_odd_values_are_start_up_errors(void **state)
{
    (void)state;
    static spout_handler one, two;
    one = (spout_handler){ .base = &two, .name = "one" };
    two = (spout_handler){ .base = &one, .get = ok };
    expect_bad(&one, "form a cycle");
    static spout_handler odd;
    odd = (spout_handler){ .get = ok, .etag = 2 };
    expect_bad(&odd, "a flag is 0, 1 or SPOUT_NONE");
    odd = (spout_handler){ .get = ok, .max_body_size = -3 };
    expect_bad(&odd, "a limit is negative");
    odd = (spout_handler){ .get = ok, .reserved = { &odd } };
    expect_bad(&odd, "must be zero");
    static const spout_static_options files = { .path = "/" };
    odd = (spout_handler){ .get = ok, .static_files = &files };
    expect_bad(&odd, "static_files");
    expect_bad(NULL, "has no handler");
}

static void names_belong_to_one_handler(void **state)
{
    (void)state;
    static const spout_handler a = { .name = "same", .get = ok },
                               b = { .name = "same", .get = other };
    const spout_route twice[] = { { "/a", &a }, { "/b", &b }, { 0 } };
    assert_null(spout_application_new(twice, NULL));
    assert_non_null(strstr(spout_error_message(), "two handlers are called \"same\""));
    const spout_route shared[] = { { "/a", &a }, { "/b", &a }, { 0 } };
    spout_application *application = spout_application_new(shared, NULL);
    assert_non_null(application);
    spout_application_free(application);
}

static void bad_patterns_and_options(void **state)
{
    (void)state;
    static const spout_handler a = { .get = ok };
    const spout_route bad[] = { { "/(", &a }, { 0 } };
    assert_null(spout_application_new(bad, NULL));
    assert_null(
        spout_application_new(NULL, &(spout_application_options){ .server_header = "a\r\nb" }));
    spout_application_options reserved = { .reserved = { &reserved } };
    assert_null(spout_application_new(NULL, &reserved));
    spout_application_free(NULL);
}

static void an_application_without_routes_is_404(void **state)
{
    (void)state;
    kit_start(NULL, &(spout_application_options){ .server_header = "" });
    const spi_memory_reply *reply = kit_get("/");
    assert_int_equal(reply->status, 404);
    kit_expect_field(reply, "Server", NULL);
    kit_stop();
}

static void it_owns_its_servers(void **state)
{
    (void)state;
    static const spout_handler a = { .name = "a", .get = ok };
    static const spout_route routes[] = { { "/", &a }, { 0 } };
    kit_start(routes, &(spout_application_options){ .server_header = "mine" });
    kit_expect_field(kit_get("/"), "Server", "mine");
    spout_http_server *server = spout_application_listen(
        kit_application(), &(spout_listen_options){ .address = "127.0.0.1" });
    assert_non_null(server);
    int port = spout_http_server_port(server);
    assert_true(port > 0);
    assert_null(spout_application_listen(
        kit_application(), &(spout_listen_options){ .address = "127.0.0.1", .port = port }));
    assert_non_null(spout_application_server(kit_application()));
    kit_stop();
}

static int sleep_on(spout_request *r)
{
    if (spout_sleep(10) < 0)
        return -1;
    return spout_write(r, "done");
}

static int finishes;

static int count_finish(spout_request *r)
{
    (void)r;
    finishes++;
    return 0;
}

static void it_outlives_its_requests(void **state)
{
    (void)state;
    static const spout_handler a = { .name = "a", .get = sleep_on, .on_finish = count_finish };
    static const spout_route routes[] = { { "/", &a }, { 0 } };
    spout_loop *loop = spout_loop_new(NULL);
    spout_application *application = spout_application_new(
        routes, &(spout_application_options){ .log_function = spout_no_log });
    spi_memory_exchange *exchange = spi_memory_exchange_start(
        &spi_application_service, application, &(spi_memory_request){ 0 });
    spout_application_free(application);
    assert_int_equal(spi_memory_exchange_run(exchange), 0);
    assert_int_equal(spi_memory_exchange_reply(exchange)->status, 200);
    assert_int_equal(finishes, 1);
    spi_memory_exchange_free(exchange);
    spout_loop_free(loop);
}

static int reversed(spout_request *r)
{
    const char *values[] = { "7", "a b" };
    const char *url = spout_reverse_url(r, "story", values, 2);
    assert_null(spout_reverse_url(r, "nobody", values, 2));
    assert_int_equal(spout_error_code_current(), SPOUT_ENOTFOUND);
    return spout_write(r, url);
}

static void named_routes_are_reversed(void **state)
{
    (void)state;
    static const spout_handler story = { .name = "story", .get = ok }, here = { .get = reversed };
    static const spout_route routes[] = { { "/", &here }, { "/story/{id:int}/{slug}", &story },
        { 0 } };
    kit_start(routes, NULL);
    kit_expect(kit_get("/"), 200, "/story/7/a%20b");
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bases_are_flattened),
        cmocka_unit_test(cycles_and_odd_values_are_start_up_errors),
        cmocka_unit_test(names_belong_to_one_handler),
        cmocka_unit_test(bad_patterns_and_options),
        cmocka_unit_test(an_application_without_routes_is_404),
        cmocka_unit_test(it_owns_its_servers),
        cmocka_unit_test(it_outlives_its_requests),
        cmocka_unit_test(named_routes_are_reversed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
