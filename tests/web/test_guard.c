/* current_user, authenticated, addslash, removeslash. */
#include "kit.h"

#include <spout/auth.h>

#include <string.h>

static int lookups;

static int find_user(spout_request *r)
{
    static const char name[] = "ann";
    lookups++;
    if (spout_yield() < 0)
        return -1;
    const char *who = spout_header(r, "X-User", "");
    if (strcmp(who, "broken") == 0)
        return spout_error_set(SPOUT_EFAILED, "the database is away");
    if (strcmp(who, "ann") == 0)
        spout_set_current_user(r, (void *)(uintptr_t)name);
    return strcmp(who, "odd") == 0;
}

static int greet(spout_request *r)
{
    const char *user = spout_current_user(r);
    return spout_write_format(r, "hello %s", user ? user : "nobody");
}

static int set_in_prepare(spout_request *r)
{
    static int user = 1;
    spout_set_current_user(r, &user);
    return 0;
}

static int done(spout_request *r)
{
    return spout_write(r, "done");
}

static int login_url(spout_request *r)
{
    const char *url = spout_get_login_url(r);
    return spout_write(r, url ? url : "none");
}

static const spout_handler site = { .get_current_user = find_user, .get = greet, .post = greet };
static const spout_handler members = { .base = &site, .authenticated = 1 };
static const spout_handler absolute = { .base = &members,
    .login_url = "https://login.example.com/in" };
static const spout_handler marked = { .base = &members, .login_url = "/in?from=x" };
static const spout_handler by_prepare = {
    .base = &members, .prepare = set_in_prepare, .get = done
};
static const spout_handler open_again = { .base = &members, .authenticated = SPOUT_NONE };
static const spout_handler add = { .addslash = 1, .get = done, .post = done };
static const spout_handler take = { .removeslash = 1, .get = done, .post = done };
static const spout_route routes[] = {
    { "/open", &site },
    { "/members", &members },
    { "/absolute", &absolute },
    { "/marked", &marked },
    { "/by_prepare", &by_prepare },
    { "/open_again", &open_again },
    { "/url", &(const spout_handler){ .get = login_url } },
    { "/add/?", &add },
    { "/take/*", &take },
    { "/", &take },
    { "/any/{rest:path}", &add },
    { "//evil.com/?", &add },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    lookups = 0;
    kit_start(routes, &(spout_application_options){ .login_url = "/login" });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static const spi_memory_reply *get_as(const char *target, const char *user)
{
    return kit_get_with(target, "X-User", user);
}

static void the_user_is_looked_up_once_and_only_if_asked_for(void **state)
{
    (void)state;
    kit_expect(get_as("/members", "ann"), 200, "hello ann");
    assert_int_equal(lookups, 1);
    kit_expect(get_as("/open", "x"), 200, "hello nobody");
    assert_int_equal(lookups, 2);
    kit_expect(kit_get("/by_prepare"), 200, "done");
    assert_int_equal(lookups, 2);
    kit_expect(kit_get("/open_again"), 200, "hello nobody");
}

static void a_hook_that_fails_fails_the_request(void **state)
{
    (void)state;
    assert_int_equal(get_as("/members", "broken")->status, 500);
    assert_non_null(strstr(kit_log(), "the database is away"));
    assert_int_equal(get_as("/open", "broken")->status, 500);
    assert_int_equal(get_as("/members", "odd")->status, 500);
    assert_non_null(strstr(kit_log(), "get_current_user returned 1"));
}

static void strangers_are_sent_to_the_login(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/members?a=b&c=%20");
    assert_int_equal(reply->status, 302);
    kit_expect_field(reply, "Location", "/login?next=%2Fmembers%3Fa%3Db%26c%3D%2520");
    reply = get_as("/absolute?x", "nobody");
    kit_expect_field(reply, "Location",
        "https://login.example.com/in?next=http%3A%2F%2Flocalhost%2Fabsolute%3Fx");
    kit_expect_field(kit_get("/marked"), "Location", "/in?from=x");
    assert_int_equal(kit_call("HEAD", "/members")->status, 302);
    assert_int_equal(kit_call("POST", "/members")->status, 403);
    kit_expect(kit_get("/url"), 200, "/login");
}

static void without_a_login_403(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    assert_int_equal(kit_get("/members")->status, 403);
    kit_expect(kit_get("/url"), 200, "none");
}

static void slashes(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/add?a=1");
    assert_int_equal(reply->status, 301);
    kit_expect_field(reply, "Location", "/add/?a=1");
    kit_expect(kit_get("/add/"), 200, "done");
    kit_expect_field(kit_call("HEAD", "/add"), "Location", "/add/");
    assert_int_equal(kit_call("POST", "/add")->status, 404);
    kit_expect(kit_call("POST", "/add/"), 200, "done");
    reply = kit_get("/take/?a=1");
    assert_int_equal(reply->status, 301);
    kit_expect_field(reply, "Location", "/take?a=1");
    kit_expect_field(kit_get("/take///"), "Location", "/take");
    kit_expect(kit_get("/take"), 200, "done");
    kit_expect(kit_get("/"), 200, "done");
    assert_int_equal(kit_call("POST", "/take/")->status, 404);
}

static void no_redirect_leads_away(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("//evil.com");
    assert_int_equal(reply->status, 403);
    kit_expect_field(reply, "Location", NULL);
    assert_true(spout_is_local_url("/"));
    assert_true(spout_is_local_url("/a//b?c=//d"));
    static const char *const bad[] = { NULL, "", "//evil", "/\\evil", "http://evil", "evil",
        "\\/evil", "/\t/evil", "javascript:1", "/a\nb" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(spout_is_local_url(bad[i]));
}

static void both_slashes_are_a_start_up_error(void **state)
{
    (void)state;
    static const spout_handler both = { .base = &add, .removeslash = 1 };
    const spout_route bad[] = { { "/", &both }, { 0 } };
    assert_null(spout_application_new(bad, NULL));
    assert_non_null(strstr(spout_error_message(), ".addslash and .removeslash"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            the_user_is_looked_up_once_and_only_if_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hook_that_fails_fails_the_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strangers_are_sent_to_the_login, set_up, tear_down),
        cmocka_unit_test_teardown(without_a_login_403, tear_down),
        cmocka_unit_test_setup_teardown(slashes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_redirect_leads_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_slashes_are_a_start_up_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
