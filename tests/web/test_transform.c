/* Functions that bodies go through. */
#include "kit.h"

#include "folder.h"

#include <spout/memory.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int calls, lasts;

static int shout(spout_request *r, spout_bytes *part, bool last)
{
    calls++;
    lasts += last;
    char *text = spout_scope_bytes(*part);
    for (char *c = text; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    *part = (spout_bytes){ text, part->len };
    if (spout_get_reply_header(r, "X-Shout"))
        return 0;
    int result = spout_set_header(r, "X-Shout", "1");
    return result == SPOUT_ESTATE ? 0 : result;
}

static int sign(spout_request *r, spout_bytes *part, bool last)
{
    (void)r;
    if (last)
        *part = spout_bytes_of(spout_scope_format("%.*s!", (int)part->len, part->data));
    return 0;
}

static int refuse(spout_request *r, spout_bytes *part, bool last)
{
    (void)part;
    (void)last;
    return spout_fail(r, 418, "not this one");
}

static int pass(spout_request *r, spout_bytes *part, bool last)
{
    (void)r;
    (void)part;
    (void)last;
    return 0;
}

static int hello(spout_request *r)
{
    spout_set_header(r, "Content-Length", "5");
    return spout_write(r, "hello");
}

static int parts(spout_request *r)
{
    spout_write(r, "one ");
    spout_flush(r);
    spout_write(r, "two");
    return 0;
}

static int large(spout_request *r)
{
    for (int i = 0; i < 1000; i++)
        spout_write(r, "abcdefghij");
    return 0;
}

static int nothing(spout_request *r)
{
    return spout_set_status(r, 204, NULL);
}

static int missing(spout_request *r)
{
    return spout_fail(r, 404, "%s", "");
}

static int head(spout_request *r)
{
    return spout_set_header(r, "Content-Length", "77");
}

static const spout_handler all = { .get = hello };
static const spout_route routes[] = {
    { "/hello", &all },
    { "/parts", &(const spout_handler){ .get = parts } },
    { "/large", &(const spout_handler){ .get = large } },
    { "/nothing", &(const spout_handler){ .get = nothing } },
    { "/fail", &(const spout_handler){ .get = missing } },
    { "/head", &(const spout_handler){ .get = hello, .head = head } },
    { 0 },
};

static void start(spout_transform *const *transforms)
{
    calls = lasts = 0;
    kit_start(routes, &(spout_application_options){ .transforms = transforms });
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static void bodies_and_fields_change_in_order(void **state)
{
    (void)state;
    static spout_transform *const both[] = { shout, sign, NULL };
    start(both);
    const spi_memory_reply *reply = kit_get("/hello");
    kit_expect(reply, 200, "HELLO!");
    kit_expect_field(reply, "X-Shout", "1");
    kit_expect_field(reply, "Content-Length", "6");
    reply = kit_call("HEAD", "/hello");
    kit_expect_field(reply, "Content-Length", "6");
    assert_int_equal(reply->body.len, 0);
    kit_expect_field(kit_call("HEAD", "/head"), "Content-Length", "77");
}

static void parts_are_seen_one_by_one(void **state)
{
    (void)state;
    static spout_transform *const both[] = { shout, sign, NULL };
    start(both);
    kit_expect(kit_get("/parts"), 200, "ONE TWO!");
    assert_int_equal(calls, 2);
    assert_int_equal(lasts, 1);
    const spi_memory_reply *reply = kit_get("/large");
    assert_int_equal(reply->body.len, 10001);
    assert_memory_equal(reply->body.data, "ABCDEFGHIJABC", 13);
    assert_int_equal(calls, 3);
}

static void error_pages_and_empty_replies_too(void **state)
{
    (void)state;
    static spout_transform *const one[] = { shout, NULL };
    start(one);
    kit_expect(kit_get("/fail"), 404,
        "<HTML><TITLE>404: NOT FOUND</TITLE><BODY>404: NOT FOUND</BODY></HTML>");
    kit_expect_field(kit_get("/fail"), "X-Shout", "1");
    kit_expect_field(kit_get("/nowhere"), "X-Shout", "1");
    const spi_memory_reply *reply = kit_get("/nothing");
    kit_expect(reply, 204, "");
    kit_expect_field(reply, "X-Shout", "1");
    kit_expect_field(kit_call("HEAD", "/head"), "Content-Length", "77");
}

static void tags_are_of_what_goes_out(void **state)
{
    (void)state;
    static spout_transform *const none[] = { pass, NULL }, *const one[] = { shout, NULL };
    char etag[64];
    start(none);
    snprintf(etag, sizeof etag, "%s", spi_memory_reply_field(kit_get("/hello"), "Etag"));
    assert_int_equal(kit_get_with("/hello", "If-None-Match", etag)->status, 304);
    kit_stop();
    start(one);
    kit_expect(kit_get_with("/hello", "If-None-Match", etag), 200, "HELLO");
}

static void files_go_as_they_are(void **state)
{
    (void)state;
    static spout_transform *const one[] = { shout, NULL };
    folder_make();
    folder_write("small.txt", "small");
    calls = 0;
    kit_start(
        NULL, &(spout_application_options){
                  .transforms = one, .static_path = folder_path(""), .compress_response = true });
    kit_expect(kit_get("/static/small.txt"), 200, "small");
    assert_int_equal(calls, 0);
    assert_int_equal(kit_get("/static/none.txt")->status, 404);
    assert_int_equal(calls, 1);
    folder_remove();
}

static void a_failure_is_an_error_page_as_it_is(void **state)
{
    (void)state;
    static spout_transform *const failing[] = { shout, refuse, NULL };
    start(failing);
    const spi_memory_reply *reply = kit_get("/hello");
    assert_int_equal(reply->status, 418);
    assert_non_null(strstr(reply->body.data, "<html>"));
    assert_non_null(strstr(kit_log(), "not this one"));
    reply = kit_get("/fail");
    assert_int_equal(reply->status, 404);
    assert_non_null(strstr(kit_log(), "a transform failed in GET /fail"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(bodies_and_fields_change_in_order, tear_down),
        cmocka_unit_test_teardown(parts_are_seen_one_by_one, tear_down),
        cmocka_unit_test_teardown(error_pages_and_empty_replies_too, tear_down),
        cmocka_unit_test_teardown(tags_are_of_what_goes_out, tear_down),
        cmocka_unit_test_teardown(files_go_as_they_are, tear_down),
        cmocka_unit_test_teardown(a_failure_is_an_error_page_as_it_is, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
