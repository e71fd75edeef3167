#include "kit.h"

#include <spout/auth.h>
#include <spout/cookies.h>

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static int show(spout_request *r)
{
    const char *token = spout_xsrf_token(r);
    if (!token)
        return -1;
    assert_ptr_equal(token, spout_xsrf_token(r));
    return spout_write(r, token);
}

static int form(spout_request *r)
{
    return spout_write(r, spout_xsrf_form_html(r));
}

static int post(spout_request *r)
{
    return spout_write(r, "ok");
}

static int prepared;

static int prepare(spout_request *r)
{
    (void)r;
    prepared++;
    return 0;
}

static int log_in(spout_request *r)
{
    static int ann;
    if (spout_argument(r, "user", NULL))
        spout_set_current_user(r, &ann);
    return 0;
}

static int flushed(spout_request *r)
{
    if (spout_write(r, "x") < 0 || spout_flush(r) < 0)
        return -1;
    assert_null(spout_xsrf_token(r));
    assert_int_equal(spout_error_code_current(), SPOUT_ESTATE);
    return 0;
}

static int own_check(spout_request *r)
{
    if (strcmp(spout_header(r, "Authorization", ""), "Bearer x") == 0)
        return 0;
    return spout_check_xsrf_cookie(r);
}

static int stream(spout_request *r)
{
    spout_bytes piece;
    int result;
    while ((result = spout_read_body(r, &piece)) > 0)
        if (spout_write_bytes(r, piece) < 0)
            return -1;
    return result;
}

static const spout_handler main_handler = {
    .get = show, .post = post, .del = post, .prepare = prepare, .get_current_user = log_in
};
static const spout_route routes[] = {
    { "/", &main_handler },
    { "/form", &(const spout_handler){ .get = form } },
    { "/flushed", &(const spout_handler){ .get = flushed } },
    { "/api", &(const spout_handler){ .post = post, .xsrf_cookies = SPOUT_NONE } },
    { "/own", &(const spout_handler){ .post = post, .check_xsrf_cookie = own_check } },
    { "/stream", &(const spout_handler){ .post = stream, .stream_body = 1 } },
    { "/gone", &(const spout_handler){ .any = spout_error_handler,
                   .config = &(const spout_error_options){ .status = 410 } } },
    { 0 },
};

static char token[128], jar[160];

static int set_up_with(spout_application_options options)
{
    options.xsrf_cookies = true;
    kit_start(routes, &options);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with((spout_application_options){ 0 });
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

/* A token with its cookie, as the first page gives them. */
static void visit(const char *target)
{
    const spi_memory_reply *reply = kit_get(target);
    assert_int_equal(reply->status, 200);
    snprintf(token, sizeof token, "%s", reply->body.data);
    snprintf(jar, sizeof jar, "%s", spi_memory_reply_field(reply, "Set-Cookie"));
    *strchr(jar, ';') = '\0';
}

static const spi_memory_reply *send_post(
    const char *target, const char *cookie, const char *header, const char *value, const char *body)
{
    const spi_field fields[] = { kit_field("Cookie", cookie), kit_field(header, value),
        kit_field("Content-Type", "application/x-www-form-urlencoded") };
    return kit_send(&(spi_memory_request){
        .method = "POST",
        .target = target,
        .fields = fields,
        .field_count = 3,
        .body = spout_bytes_of(body),
    });
}

static void expect_403(const spi_memory_reply *reply, const char *words)
{
    assert_int_equal(reply->status, 403);
    if (!strstr(kit_log(), words))
        fail_msg("%s", kit_log());
}

static void without_it_403(void **state)
{
    (void)state;
    prepared = 0;
    expect_403(kit_call("POST", "/"), "'_xsrf' argument missing from POST");
    expect_403(kit_call("DELETE", "/"), "'_xsrf' argument missing from DELETE");
    visit("/");
    assert_int_equal(prepared, 1);
    expect_403(send_post("/", jar, "X-Other", "x", ""), "missing");
    expect_403(send_post("/", "a=b", "X-Xsrftoken", token, ""), "XSRF cookie does not match");
    expect_403(send_post("/", jar, "X-Xsrftoken", "2|zz||1", ""), "invalid format");
    expect_403(send_post("/", jar, "X-Xsrftoken", "2|00000000||1", ""), "invalid format");
    expect_403(
        send_post("/", "_xsrf=2|00000000||1", "X-Xsrftoken", "2|00000000||1", ""), "invalid");
    assert_int_equal(prepared, 1);
    assert_int_equal(kit_call("OPTIONS", "/")->status, 204);
    assert_int_equal(kit_call("HEAD", "/")->status, 200);
}

static void ways_to_send_it(void **state)
{
    (void)state;
    char text[256];
    visit("/");
    kit_expect(send_post("/", jar, "X-Xsrftoken", token, ""), 200, "ok");
    kit_expect(send_post("/", jar, "X-Csrftoken", token, ""), 200, "ok");
    snprintf(text, sizeof text, "/?_xsrf=%s", token);
    kit_expect(send_post(text, jar, "X-Other", "x", ""), 200, "ok");
    snprintf(text, sizeof text, "a=b&_xsrf=%s", token);
    kit_expect(send_post("/", jar, "X-Other", "x", text), 200, "ok");
    kit_expect(send_post("/stream", jar, "X-Xsrftoken", token, "body"), 200, "body");
    expect_403(send_post("/stream", jar, "X-Other", "x", text), "missing");
}

/* Clients of older versions, and those who make their own. */
static void version_1_is_read(void **state)
{
    (void)state;
    kit_expect(send_post("/", "_xsrf=deadbeef", "X-Xsrftoken", "deadbeef", ""), 200, "ok");
    kit_expect(send_post("/", "_xsrf=xoxo", "X-Xsrftoken", "xoxo", ""), 200, "ok");
    expect_403(send_post("/", "_xsrf=xoxo", "X-Xsrftoken", "xoxO", ""), "does not match");
    /* The same token in both versions. */
    kit_expect(
        send_post("/", "_xsrf=deadbeef", "X-Xsrftoken", "2|01020304|dfafbdeb|1300000000", ""), 200,
        "ok");
}

static void version_1_is_made_if_asked_for(void **state)
{
    (void)state;
    set_up_with((spout_application_options){ .xsrf_cookie_version = 1 });
    visit("/");
    assert_int_equal(strlen(token), 32);
    assert_int_equal(strspn(token, "0123456789abcdef"), 32);
    kit_expect(send_post("/", jar, "X-Xsrftoken", token, ""), 200, "ok");
}

static void each_reply_has_its_mask(void **state)
{
    (void)state;
    visit("/");
    assert_int_equal(strlen(token), 2 + 8 + 1 + 32 + 1 + 10);
    char first[128], target[64] = "/";
    memcpy(first, token, sizeof first);
    for (int i = 0; i < 4; i++) {
        const spi_memory_reply *reply = kit_get_with(target, "Cookie", jar);
        kit_expect_field(reply, "Set-Cookie", NULL);
        assert_string_not_equal(reply->body.data, first);
        char other[128];
        snprintf(other, sizeof other, "%s", reply->body.data);
        kit_expect(send_post("/", jar, "X-Xsrftoken", other, ""), 200, "ok");
    }
    char mine[128];
    memcpy(mine, token, sizeof mine);
    visit("/"); /* somebody else */
    expect_403(send_post("/", jar, "X-Xsrftoken", mine, ""), "does not match");
}

static void the_form_field(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/form");
    assert_memory_equal(reply->body.data, "<input type=\"hidden\" name=\"_xsrf\" value=\"2|", 43);
    assert_string_equal(reply->body.data + reply->body.len - 3, "\"/>");
}

static void handlers_may_differ(void **state)
{
    (void)state;
    kit_expect(kit_call("POST", "/api"), 200, "ok");
    kit_expect(send_post("/own", "a=b", "Authorization", "Bearer x", ""), 200, "ok");
    expect_403(kit_call("POST", "/own"), "missing");
    assert_int_equal(kit_call("POST", "/nowhere")->status, 404);
    assert_int_equal(kit_call("POST", "/gone")->status, 410);
    assert_int_equal(kit_call("PUT", "/")->status, 405);
    kit_expect(kit_get("/flushed"), 200, "x");
}

static void the_cookies_settings(void **state)
{
    (void)state;
    const spout_cookie_options how = { .httponly = true, .secure = true, .samesite = "Strict" };
    set_up_with((spout_application_options){
        .xsrf_cookie_name = "__Host-xsrf", .xsrf_cookie_options = &how });
    visit("/");
    assert_memory_equal(jar, "__Host-xsrf=", 12);
    kit_expect(send_post("/", jar, "X-Xsrftoken", token, ""), 200, "ok");
    const spi_memory_reply *reply = kit_get("/");
    assert_non_null(strstr(spi_memory_reply_field(reply, "Set-Cookie"),
        "; HttpOnly; Path=/; SameSite=Strict; Secure"));
    assert_null(strstr(spi_memory_reply_field(reply, "Set-Cookie"), "expires"));
}

/* For users it is kept; that is no setting which then counts for others. */
static void users_keep_it(void **state)
{
    (void)state;
    assert_non_null(strstr(spi_memory_reply_field(kit_get("/?user=1"), "Set-Cookie"), "expires="));
    assert_null(strstr(spi_memory_reply_field(kit_get("/"), "Set-Cookie"), "expires="));
}

static void bad_settings(void **state)
{
    (void)state;
    const spout_cookie_options bad = { .domain = "a;b" };
    kit_start(NULL, NULL);
    assert_null(
        spout_application_new(NULL, &(spout_application_options){ .xsrf_cookie_name = "a b" }));
    assert_null(
        spout_application_new(NULL, &(spout_application_options){ .xsrf_cookie_version = 3 }));
    assert_null(
        spout_application_new(NULL, &(spout_application_options){ .xsrf_cookie_options = &bad }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_it_403, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ways_to_send_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(version_1_is_read, set_up, tear_down),
        cmocka_unit_test_teardown(version_1_is_made_if_asked_for, tear_down),
        cmocka_unit_test_setup_teardown(each_reply_has_its_mask, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_form_field, set_up, tear_down),
        cmocka_unit_test_setup_teardown(handlers_may_differ, set_up, tear_down),
        cmocka_unit_test_teardown(the_cookies_settings, tear_down),
        cmocka_unit_test_setup_teardown(users_keep_it, set_up, tear_down),
        cmocka_unit_test_teardown(bad_settings, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
