/* Requests that an application hands to another one. */
#include "kit.h"

#include <string.h>

static spout_application *old_application;

static int who(spout_request *r)
{
    return spout_write_format(
        r, "%s %s %s", (const char *)spout_data(r), spout_path(r), spout_argument(r, "a", "-"));
}

static int read_stream(spout_request *r)
{
    spout_bytes piece;
    int result;
    while ((result = spout_read_body(r, &piece)) > 0)
        spout_write_bytes(r, piece);
    return result;
}

static int must_not_run(spout_request *r)
{
    (void)r;
    fail_msg("a handler that hands on has run");
    return 0;
}

static spout_application *to_old(spout_request *r)
{
    assert_string_equal(spout_get_method(r), spout_header(r, "X-Method", "GET"));
    return old_application;
}

static spout_application *to_itself(spout_request *r)
{
    return spout_request_application(r);
}

static spout_application *to_nobody(spout_request *r)
{
    (void)r;
    return NULL;
}

static spout_application *not_now(spout_request *r)
{
    spout_fail(r, 503, "moving house");
    return NULL;
}

static int say_who(spout_request *r)
{
    return spout_set_header(r, "X-Application", spout_data(r));
}

static const spout_handler old_default = { .set_default_headers = say_who };
static const spout_route old_routes[] = {
    { "/old/{x:path}", &(const spout_handler){ .get = who, .post = who } },
    { "/old-stream",
        &(const spout_handler){ .post = read_stream, .stream_body = 1, .max_body_size = 4 } },
    { 0 },
};
static const spout_handler base = { .fallback = to_old, .prepare = must_not_run };
static const spout_route routes[] = {
    { "/old.*", &(const spout_handler){ .base = &base, .set_default_headers = must_not_run } },
    { "/new", &(const spout_handler){ .get = who } },
    { "/loop", &(const spout_handler){ .fallback = to_itself } },
    { "/nobody", &(const spout_handler){ .fallback = to_nobody } },
    { "/not-now", &(const spout_handler){ .fallback = not_now } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    static char old_data[] = "old", new_data[] = "new";
    kit_start(routes, &(spout_application_options){ .data = new_data, .default_handler = &base });
    old_application = spout_application_new(old_routes,
        &(spout_application_options){ .data = old_data, .default_handler = &old_default });
    assert_non_null(old_application);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    spout_application_free(old_application);
    return 0;
}

static void the_other_application_answers(void **state)
{
    (void)state;
    kit_expect(kit_get("/old/x?a=1"), 200, "old /old/x 1");
    kit_expect(kit_get("/new?a=1"), 200, "new /new 1");
    const spi_field fields[] = { kit_field("X-Method", "POST"),
        kit_field("Content-Type", "application/x-www-form-urlencoded") };
    spi_memory_request post = { .method = "POST",
        .target = "/old/y",
        .fields = fields,
        .field_count = 2,
        .body = spout_bytes_of("a=b") };
    kit_expect(kit_send(&post), 200, "old /old/y b");
    post.target = "/old-stream";
    kit_expect(kit_send(&post), 200, "a=b");
    post.body = spout_bytes_of("a=bcd");
    assert_int_equal(kit_send(&post)->status, 413);
    assert_int_equal(kit_log_lines(), 1);
}

static void what_nothing_matches_may_be_handed_on_too(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/neither");
    assert_int_equal(reply->status, 404);
    kit_expect_field(reply, "X-Application", "old");
    reply = kit_get("/oldest");
    assert_int_equal(reply->status, 404);
    kit_expect_field(reply, "X-Application", "old");
}

static void nobody_may_have_it(void **state)
{
    (void)state;
    assert_int_equal(kit_get("/nobody")->status, 500);
    assert_non_null(strstr(kit_log(), "a fallback knows no application"));
    assert_int_equal(kit_get("/loop")->status, 500);
    assert_non_null(strstr(kit_log(), "hand a request to one another"));
    const spi_memory_reply *reply = kit_get("/not-now");
    assert_int_equal(reply->status, 503);
    kit_expect_field(reply, "Retry-After", "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_other_application_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_nothing_matches_may_be_handed_on_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_may_have_it, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
