/* Tables for hosts, nested tables, tables added later, ready-made methods. */
#include "kit.h"

#include <string.h>

static int say(spout_request *r)
{
    const char *rest = spout_path_argument(r, "rest");
    return spout_write_format(r, "%s %s", (const char *)spout_config(r), rest ? rest : "-");
}

#define SAY(word)                    \
    &(const spout_handler)           \
    {                                \
        .get = say, .config = (word) \
    }

static const spout_handler named = { .name = "named", .get = say, .config = "named" };
static const spout_route deepest[] = { { "/api/v1/deep/{rest}", SAY("deepest") },
    { "/api/v1/deep/named/{rest}", &named }, { 0 } };
static const spout_route api[] = {
    { "/api/users/{rest:int}", SAY("user") },
    { "/api/v1/deep/{any:path}", &(const spout_handler){ .routes = deepest } },
    { "/elsewhere", SAY("never") },
    { 0 },
};
static const spout_route more_api[] = { { "/api/(?P<rest>.*)x", SAY("more") }, { 0 } };
static const spout_route routes[] = {
    { "/api/first", SAY("first") },
    { "/api/{any:path}", &(const spout_handler){ .routes = api } },
    { "/api/.*", &(const spout_handler){ .routes = more_api } },
    { "/api/{rest:path}", SAY("rest") },
    { "/old/(.*)", &(const spout_handler){ .get = spout_redirect_handler,
                       .config = &(const spout_redirect_options){ .url = "/new/{0}" } } },
    { "/named/{a}/{b}",
        &(const spout_handler){ .get = spout_redirect_handler,
            .config = &(const spout_redirect_options){ .url = "http://other/{b}?x=1#{a}",
                .temporary = true } } },
    { "/bare/(.*)", &(const spout_handler){ .get = spout_redirect_handler,
                        .config = &(const spout_redirect_options){ .url = "/{0}" } } },
    { "/unset", &(const spout_handler){ .get = spout_redirect_handler } },
    { "/gone", &(const spout_handler){ .any = spout_error_handler,
                   .config = &(const spout_error_options){ .status = 410, .message = "moved" } } },
    { "/unset_error", &(const spout_handler){ .any = spout_error_handler } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static const spi_memory_reply *get_of(const char *host, const char *target)
{
    return kit_get_with(target, "Host", host);
}

static void nested_tables_fall_through(void **state)
{
    (void)state;
    kit_expect(kit_get("/api/first"), 200, "first -");
    kit_expect(kit_get("/api/users/7"), 200, "user 7");
    kit_expect(kit_get("/api/v1/deep/a%20b"), 200, "deepest a b");
    kit_expect(kit_get("/api/v1/deep/a/b/x"), 200, "more v1/deep/a/b/");
    kit_expect(kit_get("/api/users/x"), 200, "more users/");
    kit_expect(kit_get("/api/other"), 200, "rest other");
    assert_int_equal(kit_get("/elsewhere")->status, 404);
    assert_int_equal(kit_get("/api/users/%ff%fe")->status, 400);
}

static const spout_route bad_inside[] = { { "/[", SAY("x") }, { 0 } };

static void circles_are_start_up_errors(void **state)
{
    (void)state;
    static spout_route one[2], two[2];
    static spout_handler to_one, to_two;
    to_one = (spout_handler){ .routes = one };
    to_two = (spout_handler){ .routes = two };
    one[0] = (spout_route){ "/{a:path}", &to_two };
    two[0] = (spout_route){ "/{b:path}", &to_one };
    assert_null(spout_application_new(one, NULL));
    assert_non_null(strstr(spout_error_message(), "in a circle"));
    static const spout_handler holder = { .routes = bad_inside };
    assert_null(spout_application_new((const spout_route[]){ { "/x", &holder }, { 0 } }, NULL));
    static const spout_handler fine = { .routes = api };
    assert_null(spout_application_new((const spout_route[]){ { "/[", &fine }, { 0 } }, NULL));
}

static int reverse(spout_request *r)
{
    const char *values[] = { "a b" };
    const char *url = spout_reverse_url(r, spout_argument(r, "name", ""), values, 1);
    return spout_write(r, url ? url : spout_error_message());
}

static const spout_route www[] = { { "/{rest}", SAY("www") }, { 0 } };
static const spout_route com[] = { { "/{rest}", SAY("com") }, { "/a/{rest}", SAY("com a") },
    { 0 } };
static const spout_handler reversed = { .name = "on_host", .get = reverse };
static const spout_route all[] = { { "/reverse/{rest}", &reversed }, { "/gone", SAY("all") },
    { 0 } };

static void hosts_go_first(void **state)
{
    (void)state;
    spout_application *application = kit_application();
    assert_int_equal(spout_application_add_handlers(application, "www\\.example\\.com", www), 0);
    assert_int_equal(spout_application_add_handlers(application, ".*\\.com", com), 0);
    kit_expect(get_of("www.example.com", "/x"), 200, "www x");
    kit_expect(get_of("WWW.Example.com:8888", "/x"), 200, "www x");
    kit_expect(get_of("www.example.com", "/a/x"), 200, "com a x");
    kit_expect(get_of("example.com", "/x"), 200, "com x");
    assert_int_equal(get_of("wwwXexample.net", "/x")->status, 404);
    assert_int_equal(get_of("www.example.com.evil.net", "/x")->status, 404);
    assert_int_equal(get_of("[::1]:80", "/x")->status, 404);
    kit_expect(get_of("www.example.com", "/api/first"), 200, "first -");
    assert_int_equal(get_of("host", "/gone")->status, 410);
    assert_int_equal(spout_application_add_handlers(application, ".*", all), 0);
    kit_expect(get_of("host", "/gone"), 200, "all -");
    kit_expect(get_of("host", "/reverse/x?name=on_host"), 200, "/reverse/a%20b");
    kit_expect(get_of("host", "/reverse/x?name=named"), 200, "/api/v1/deep/named/a%20b");
    kit_expect(get_of("host", "/reverse/x?name=no"), 200, "reverse_url: no route is called \"no\"");
}

static const spout_route good[] = { { "/{rest}", SAY("x") }, { 0 } },
                         bad[] = { { "/x", SAY("x") }, { "/[", SAY("x") }, { 0 } };

static void bad_hosts_change_nothing(void **state)
{
    (void)state;
    assert_true(spout_application_add_handlers(kit_application(), "(", good) < 0);
    assert_true(spout_application_add_handlers(kit_application(), NULL, good) < 0);
    assert_true(spout_application_add_handlers(kit_application(), ".*", bad) < 0);
    assert_int_equal(get_of("a", "/x")->status, 404);
}

static void a_default_host(void **state)
{
    (void)state;
    kit_start(routes, &(spout_application_options){ .default_host = "www.example.com" });
    assert_int_equal(
        spout_application_add_handlers(kit_application(), "www\\.example\\.com", www), 0);
    kit_expect(get_of("other", "/x"), 200, "www x");
    assert_int_equal(get_of("other", "/gone")->status, 410);
    const spi_field proxied[] = { kit_field("Host", "other"), kit_field("X-Real-Ip", "192.0.2.1") };
    assert_int_equal(
        kit_send(&(spi_memory_request){
                     .method = "GET", .target = "/x", .fields = proxied, .field_count = 2 })
            ->status,
        404);
}

static void redirects(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/old/a%20b/c?q=1");
    assert_int_equal(reply->status, 301);
    kit_expect_field(reply, "Location", "/new/a%20b/c?q=1");
    assert_int_equal(kit_call("HEAD", "/old/x")->status, 301);
    assert_int_equal(kit_call("POST", "/old/x")->status, 405);
    reply = kit_get("/named/one/two?y=2");
    assert_int_equal(reply->status, 302);
    kit_expect_field(reply, "Location", "http://other/two?x=1&y=2#one");
    kit_expect_field(kit_get("/bare/x%0d%0aY:z"), "Location", "/x%0D%0AY%3Az");
    reply = kit_get("/bare//evil.com");
    assert_int_equal(reply->status, 403);
    kit_expect_field(reply, "Location", NULL);
    assert_int_equal(kit_get("/unset")->status, 500);
    assert_int_equal(kit_get("/unset_error")->status, 500);
    assert_int_equal(kit_call("BREW", "/gone")->status, 410);
    assert_non_null(strstr(kit_log(), "moved"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nested_tables_fall_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(circles_are_start_up_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hosts_go_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_hosts_change_nothing, set_up, tear_down),
        cmocka_unit_test_teardown(a_default_host, tear_down),
        cmocka_unit_test_setup_teardown(redirects, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
