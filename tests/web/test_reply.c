/* The verbs that build a reply, and how it goes out. */
#include "kit.h"

#include "loop/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int plain(spout_request *r)
{
    return spout_write(r, "Hello, world");
}

/* A body of so many letters, written at once or in pieces. */
static int letters(spout_request *r)
{
    int count = atoi(spout_argument(r, "count", "0")), step = atoi(spout_argument(r, "step", "1"));
    char text[3000];
    memset(text, 'x', sizeof text);
    for (int left = count; left > 0; left -= step)
        spout_write_bytes(r, (spout_bytes){ text, (size_t)(left < step ? left : step) });
    return 0;
}

static int empty(spout_request *r)
{
    (void)r;
    return 0;
}

static int fields(spout_request *r)
{
    assert_int_equal(spout_set_header(r, "X-One", "  1\t"), 0);
    assert_int_equal(spout_set_header(r, "x-one", "2"), 0);
    assert_int_equal(spout_add_header(r, "X-Many", "a"), 0);
    assert_int_equal(spout_add_header(r, "X-Many", "b"), 0);
    assert_int_equal(spout_set_header(r, "X-Gone", "x"), 0);
    assert_int_equal(spout_add_header(r, "X-Gone", "y"), 0);
    assert_int_equal(spout_clear_header(r, "x-gone"), 0);
    assert_int_equal(spout_set_header(r, "Content-Type", "text/plain"), 0);
    assert_string_equal(spout_get_reply_header(r, "X-ONE"), "2");
    assert_non_null(spout_get_reply_header(r, "Date"));
    assert_null(spout_get_reply_header(r, "X-Gone"));
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "X-%d", i);
        assert_int_equal(spout_set_header(r, name, "v"), 0);
    }
    return spout_write(r, "x");
}

/* Leaves X-Kept in the third place of what the next request takes over. */
static int fields_of_its_own(spout_request *r)
{
    assert_int_equal(spout_clear_header(r, "Server"), 0);
    assert_int_equal(spout_clear_header(r, "Date"), 0);
    assert_int_equal(spout_clear_header(r, "Content-Type"), 0);
    assert_int_equal(spout_set_header(r, "X-One", "1"), 0);
    assert_int_equal(spout_set_header(r, "X-Two", "2"), 0);
    assert_int_equal(spout_set_header(r, "X-Kept", "old"), 0);
    return spout_write(r, "x");
}

static int one_usual_field_less(spout_request *r)
{
    assert_int_equal(spout_add_header(r, "X-Kept", "new"), 0);
    assert_int_equal(spout_clear_header(r, "Content-Type"), 0);
    return spout_write(r, "x");
}

static int bad_fields(spout_request *r)
{
    assert_int_equal(spout_set_header(r, "X-A", "a\r\nSet-Cookie: x"), SPOUT_EINVAL);
    assert_int_equal(spout_set_header(r, "X-A", "a\nb"), SPOUT_EINVAL);
    assert_int_equal(spout_set_header(r, "X-A", "a\x01z"), SPOUT_EINVAL);
    assert_int_equal(spout_set_header(r, "X-A", NULL), SPOUT_EINVAL);
    assert_int_equal(spout_set_header(r, "X A", "a"), SPOUT_EINVAL);
    assert_int_equal(spout_set_header(r, "", "a"), SPOUT_EINVAL);
    assert_int_equal(spout_add_header(r, "X:A", "a"), SPOUT_EINVAL);
    assert_int_equal(spout_set_header(r, "Transfer-Encoding", "chunked"), SPOUT_EINVAL);
    assert_int_equal(spout_set_header(r, "Content-Length", "+5"), SPOUT_EINVAL);
    assert_int_equal(spout_set_header(r, "Connection", "upgrade"), SPOUT_EINVAL);
    assert_int_equal(spout_set_status(r, 200, "a\r\nb"), SPOUT_EINVAL);
    assert_int_equal(spout_set_status(r, 99, NULL), SPOUT_EINVAL);
    assert_int_equal(spout_set_status(r, 1000, NULL), SPOUT_EINVAL);
    assert_int_equal(spout_redirect(r, "/x\r\ny", 0), SPOUT_EINVAL);
    assert_int_equal(spout_redirect(r, "/x", 200), SPOUT_EINVAL);
    return spout_write(r, "fine");
}

static int begun_anew(spout_request *r)
{
    assert_int_equal(spout_set_header(r, "X-One", "1"), 0);
    assert_int_equal(spout_set_header(r, "Content-Type", "text/plain"), 0);
    assert_int_equal(spout_set_header(r, "Content-Length", "7"), 0);
    assert_int_equal(spout_set_status(r, 299, "Odd"), 0);
    assert_int_equal(spout_write(r, "forgotten"), 0);
    assert_int_equal(spout_clear(r), 0);
    assert_int_equal(spout_get_status(r), 200);
    assert_int_equal(spout_write(r, "kept"), 0);
    assert_int_equal(spout_flush(r), 0);
    assert_int_equal(spout_clear(r), SPOUT_ESTATE);
    return 0;
}

static int default_field(spout_request *r)
{
    return spout_set_header(r, "X-Default", "d");
}

static const spout_handler anew = { .get = begun_anew, .set_default_headers = default_field };

static int status(spout_request *r)
{
    const char *reason = spout_argument(r, "reason", NULL);
    return spout_set_status(r, 299, reason);
}

static int no_content(spout_request *r)
{
    if (spout_argument(r, "body", NULL))
        spout_write(r, "x");
    spout_set_header(r, "Content-Language", "en");
    return spout_set_status(r, 204, NULL);
}

static int with_length(spout_request *r)
{
    spout_set_header(r, "Content-Length", spout_argument(r, "n", "3"));
    return spout_write(r, "abc");
}

static int only_length(spout_request *r)
{
    return spout_set_header(r, "Content-Length", "1000");
}

static int closes(spout_request *r)
{
    return spout_set_header(r, "Connection", "close");
}

static int formatted(spout_request *r)
{
    char *long_text = calloc(1, 3001);
    memset(long_text, 'x', 3000);
    int result = spout_write_format(r, "%d-%s|", 7, "seven");
    if (result == 0)
        result = spout_write_format(r, "%s", long_text);
    free(long_text);
    return result;
}

static int large(spout_request *r)
{
    char line[1000];
    memset(line, 'y', sizeof line);
    for (int i = 0; i < 2000; i++)
        spout_write_bytes(r, (spout_bytes){ line, sizeof line });
    return 0;
}

static int writes_null(spout_request *r)
{
    spout_write(r, "before");
    (void)spout_write(r, NULL);
    return spout_write(r, "behind");
}

static int streamed(spout_request *r)
{
    spout_set_header(r, "X-Early", "1");
    for (int i = 0; i < 3; i++) {
        spout_write_format(r, "%d,", i);
        if (spout_flush(r) < 0)
            return -1;
    }
    assert_int_equal(spout_set_header(r, "X-Late", "1"), SPOUT_ESTATE);
    assert_int_equal(spout_set_status(r, 201, NULL), SPOUT_ESTATE);
    assert_int_equal(spout_redirect(r, "/", 0), SPOUT_ESTATE);
    return spout_write(r, "end");
}

static int streamed_with_length(spout_request *r)
{
    spout_set_header(r, "Content-Length", spout_argument(r, "n", "4"));
    spout_write(r, "ab");
    if (spout_flush(r) < 0)
        return -1;
    return spout_write(r, "cd");
}

static int fails_late(spout_request *r)
{
    spout_write(r, "begun");
    if (spout_flush(r) < 0)
        return -1;
    return spout_error_set(SPOUT_EFAILED, "late trouble");
}

static int moved(spout_request *r)
{
    return spout_redirect(r, "/else?\xC3\xA9", 0);
}

static int moved_for_good(spout_request *r)
{
    return spout_redirect(r, "//host/", 308);
}

static const spout_route routes[] = {
    { "/anew", &anew },
    { "/", &(const spout_handler){ .get = plain } },
    { "/letters", &(const spout_handler){ .get = letters } },
    { "/empty", &(const spout_handler){ .get = empty } },
    { "/fields", &(const spout_handler){ .get = fields } },
    { "/fields-of-its-own", &(const spout_handler){ .get = fields_of_its_own } },
    { "/one-usual-field-less", &(const spout_handler){ .get = one_usual_field_less } },
    { "/bad-fields", &(const spout_handler){ .get = bad_fields } },
    { "/status", &(const spout_handler){ .get = status } },
    { "/no-content", &(const spout_handler){ .get = no_content } },
    { "/length", &(const spout_handler){ .get = with_length } },
    { "/only-length", &(const spout_handler){ .get = only_length } },
    { "/closes", &(const spout_handler){ .get = closes } },
    { "/formatted", &(const spout_handler){ .get = formatted } },
    { "/large", &(const spout_handler){ .get = large } },
    { "/null", &(const spout_handler){ .get = writes_null } },
    { "/streamed", &(const spout_handler){ .get = streamed } },
    { "/streamed-length", &(const spout_handler){ .get = streamed_with_length } },
    { "/late", &(const spout_handler){ .get = fails_late } },
    { "/moved", &(const spout_handler){ .get = moved } },
    { "/moved-for-good", &(const spout_handler){ .get = moved_for_good } },
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

static void a_plain_reply(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/");
    kit_expect(reply, 200, "Hello, world");
    static const char *const order[] = { "Server", "Date", "Content-Type", "Etag",
        "Content-Length" };
    assert_int_equal(reply->field_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(reply->fields[i].name, order[i]);
    kit_expect_field(reply, "Content-Type", "text/html; charset=UTF-8");
    kit_expect_field(reply, "Content-Length", "12");
    assert_memory_equal(spi_memory_reply_field(reply, "Server"), "Waterspout/", 11);
    assert_int_equal(strlen(spi_memory_reply_field(reply, "Date")), 29);
}

static void an_empty_reply(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/empty");
    kit_expect(reply, 200, "");
    kit_expect_field(reply, "Content-Length", "0");
}

static void headers_replace_repeat_and_vanish(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/fields");
    kit_expect_field(reply, "X-One", "2");
    kit_expect_field(reply, "X-Gone", NULL);
    kit_expect_field(reply, "Content-Type", "text/plain");
    kit_expect_field(reply, "X-19", "v");
    int many = 0;
    for (size_t i = 0; i < reply->field_count; i++)
        many += strcmp(reply->fields[i].name, "X-Many") == 0;
    assert_int_equal(many, 2);
}

/* The usual fields aren't the reply's own until one is changed: what lay in their places before must
   not be looked at. */
static void usual_fields_can_be_cleared(void **state)
{
    (void)state;
    kit_expect_field(kit_get("/fields-of-its-own"), "X-Kept", "old");
    const spi_memory_reply *reply = kit_get("/one-usual-field-less");
    kit_expect_field(reply, "X-Kept", "new");
    kit_expect_field(reply, "Content-Type", NULL);
    assert_int_equal(reply->status, 200);
}

static void what_no_head_may_hold_is_refused(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/bad-fields");
    kit_expect(reply, 200, "fine");
    kit_expect_field(reply, "X-A", NULL);
    kit_expect_field(reply, "Location", NULL);
    assert_int_equal(reply->field_count, 5);
}

static void a_reply_can_begin_anew(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/anew");
    kit_expect(reply, 200, "kept");
    assert_string_equal(reply->reason, "OK");
    kit_expect_field(reply, "X-One", NULL);
    kit_expect_field(reply, "X-Default", "d");
    kit_expect_field(reply, "Content-Length", NULL);
    kit_expect_field(reply, "Content-Type", "text/html; charset=UTF-8");
}

static void status_and_reason(void **state)
{
    (void)state;
    assert_string_equal(kit_get("/status?reason=Why%20Not")->reason, "Why Not");
    assert_int_equal(kit_get("/status")->status, 299);
}

static void no_content_has_no_content_fields(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/no-content");
    kit_expect(reply, 204, "");
    kit_expect_field(reply, "Content-Type", NULL);
    kit_expect_field(reply, "Content-Language", NULL);
    kit_expect_field(reply, "Content-Length", NULL);
    assert_int_equal(kit_get("/no-content?body=1")->status, 500);
}

static void content_length_must_be_true(void **state)
{
    (void)state;
    kit_expect(kit_get("/length"), 200, "abc");
    assert_int_equal(kit_get("/length?n=2")->status, 500);
    assert_int_equal(kit_get("/length?n=4")->status, 500);
    assert_int_equal(kit_get("/only-length")->status, 500);
    kit_expect_field(kit_call("HEAD", "/only-length"), "Content-Length", "1000");
}

static void connection_close_is_heard(void **state)
{
    (void)state;
    assert_true(kit_get("/closes")->close);
    assert_false(kit_get("/")->close);
}

static void formats_of_any_length(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/formatted");
    assert_int_equal(reply->body.len, 3008);
    assert_memory_equal(reply->body.data, "7-seven|xxx", 11);
}

static void a_large_reply_waits_for_its_reader(void **state)
{
    (void)state;
    spi_memory_exchange *exchange = kit_open(&(spi_memory_request){ .target = "/" });
    kit_finish();
    exchange = kit_open(&(spi_memory_request){ .target = "/large" });
    const spi_memory_reply *reply = kit_finish();
    (void)exchange;
    assert_int_equal(reply->body.len, 2000000);
    kit_expect_field(reply, "Content-Length", "2000000");
    assert_non_null(spi_memory_reply_field(reply, "Etag"));
}

static void a_failed_write_decides_at_the_end(void **state)
{
    (void)state;
    assert_int_equal(kit_get("/null")->status, 500);
    assert_non_null(strstr(kit_log(), "spout_write was given NULL"));
}

static void flushing_sends_parts(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/streamed");
    kit_expect(reply, 200, "0,1,2,end");
    kit_expect_field(reply, "Etag", NULL);
    kit_expect_field(reply, "Content-Length", NULL);
    kit_expect_field(reply, "X-Early", "1");
    kit_expect_field(reply, "X-Late", NULL);
    kit_expect(kit_call("HEAD", "/streamed"), 200, "");
}

static void flushing_with_a_length(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/streamed-length");
    kit_expect(reply, 200, "abcd");
    kit_expect_field(reply, "Content-Length", "4");
    reply = kit_get("/streamed-length?n=3");
    assert_true(reply->reset || !reply->finished);
    reply = kit_get("/streamed-length?n=5");
    assert_true(reply->reset || !reply->finished);
}

static void a_late_error_cuts_the_reply(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/late");
    assert_int_equal(reply->status, 200);
    assert_true(reply->reset);
    assert_false(reply->finished);
    assert_non_null(strstr(kit_log(), "late trouble"));
}

static void redirects(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/moved");
    kit_expect(reply, 302, "");
    kit_expect_field(reply, "Location", "/else?\xC3\xA9");
    kit_expect_field(reply, "Content-Length", "0");
    assert_int_equal(kit_get("/moved-for-good")->status, 308);
}

static void etags_save_the_body(void **state)
{
    (void)state;
    char etag[64], list[200];
    snprintf(etag, sizeof etag, "%s", spi_memory_reply_field(kit_get("/"), "Etag"));
    assert_int_equal(strlen(etag), 18);
    const spi_memory_reply *reply = kit_get_with("/", "If-None-Match", etag);
    kit_expect(reply, 304, "");
    kit_expect_field(reply, "Etag", etag);
    kit_expect_field(reply, "Content-Type", NULL);
    kit_expect_field(reply, "Content-Length", NULL);
    snprintf(list, sizeof list, "\"other\", W/%s", etag);
    assert_int_equal(kit_get_with("/", "If-None-Match", list)->status, 304);
    assert_int_equal(kit_get_with("/", "If-None-Match", "*")->status, 304);
    assert_int_equal(kit_get_with("/", "If-None-Match", "\"other\"")->status, 200);
}

static void an_etag_is_the_whole_body_s(void **state)
{
    (void)state;
    static const int counts[] = { 0, 1, 3, 8, 9, 16, 17, 128, 240, 256, 257, 1000, 3000 };
    char target[64], etag[64], before[64] = "";
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        snprintf(target, sizeof target, "/letters?count=%d&step=3000", counts[i]);
        const spi_memory_reply *reply = kit_get(target);
        assert_int_equal(reply->body.len, counts[i]);
        snprintf(etag, sizeof etag, "%s", spi_memory_reply_field(reply, "Etag"));
        assert_string_not_equal(etag, before);
        snprintf(before, sizeof before, "%s", etag);
        for (int step = 1; step < 2000; step = step * 5 + 2) {
            snprintf(target, sizeof target, "/letters?count=%d&step=%d", counts[i], step);
            kit_expect_field(kit_get(target), "Etag", etag);
        }
    }
}

static void a_client_may_insist_on_a_version(void **state)
{
    (void)state;
    char etag[64];
    snprintf(etag, sizeof etag, "%s", spi_memory_reply_field(kit_get("/"), "Etag"));
    kit_expect(kit_get_with("/", "If-Match", etag), 200, "Hello, world");
    assert_int_equal(kit_get_with("/", "If-Match", "*")->status, 200);
    const spi_memory_reply *reply = kit_get_with("/", "If-Match", "\"other\"");
    assert_int_equal(reply->status, 412);
    kit_expect_field(reply, "Etag", NULL);
    assert_int_equal(kit_get_with("/empty", "If-Match", "W/\"other\"")->status, 412);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_plain_reply, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_reply, set_up, tear_down),
        cmocka_unit_test_setup_teardown(headers_replace_repeat_and_vanish, set_up, tear_down),
        cmocka_unit_test_setup_teardown(usual_fields_can_be_cleared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_no_head_may_hold_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reply_can_begin_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(status_and_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_content_has_no_content_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(content_length_must_be_true, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connection_close_is_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(formats_of_any_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_reply_waits_for_its_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_write_decides_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flushing_sends_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flushing_with_a_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_late_error_cuts_the_reply, set_up, tear_down),
        cmocka_unit_test_setup_teardown(redirects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(etags_save_the_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_etag_is_the_whole_body_s, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_may_insist_on_a_version, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
