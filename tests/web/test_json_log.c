#include "kit.h"

#include <jansson.h>
#include <string.h>

static int answer(spout_request *r)
{
    if (spout_argument(r, "fail", NULL))
        return spout_fail(r, 409, "it says \"no\"");
    return spout_write(r, "12345");
}

static const spout_handler named = { .name = "one", .get = answer };
static const spout_route routes[] = { { "/{x:path}", &named }, { 0 } };

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static json_t *line(void)
{
    assert_int_equal(kit_log_lines(), 1);
    const char *text = strchr(kit_log(), '{');
    json_error_t error;
    json_t *value = json_loads(text, 0, &error);
    if (!value)
        fail_msg("%s: %s", error.text, text);
    return value;
}

static void expect(const json_t *object, const char *key, const char *text)
{
    const char *found = json_string_value(json_object_get(object, key));
    if (!text)
        assert_null(found);
    else
        assert_string_equal(found ? found : "(none)", text);
}

static void an_object_a_line(void **state)
{
    (void)state;
    kit_start(routes, &(spout_application_options){
                          .access_log = SPOUT_ACCESS_LOG_JSON, .request_id_header = "X-Id" });
    const spout_endpoint peer = { .address = { 127, 0, 0, 1 }, .family = 4 };
    const spi_field fields[] = { kit_field("User-Agent", "a \"b\" \\ \xE9\t\x85"),
        kit_field("Referer", "http://x/"), kit_field("X-Id", "id-1") };
    kit_send(&(spi_memory_request){
        .target = "/a%20b?c=\xFF", .peer = &peer, .fields = fields, .field_count = 3 });
    assert_memory_equal(kit_log(), "access W {\"time\":\"", 18);
    json_t *object = line();
    assert_int_equal(json_integer_value(json_object_get(object, "status")), 400);
    json_decref(object);
    kit_send(&(spi_memory_request){
        .target = "/a%20b?c=1", .peer = &peer, .fields = fields, .field_count = 3 });
    object = line();
    assert_int_equal(json_integer_value(json_object_get(object, "status")), 200);
    assert_int_equal(json_integer_value(json_object_get(object, "bytes")), 5);
    assert_true(json_real_value(json_object_get(object, "duration_ms")) >= 0);
    expect(object, "method", "GET");
    expect(object, "uri", "/a%20b?c=1");
    expect(object, "host", "localhost");
    expect(object, "remote_ip", "127.0.0.1");
    expect(object, "handler", "one");
    expect(object, "request_id", "id-1");
    expect(object, "user_agent", "a \"b\" \\ \xC3\xA9\t\xC2\x85");
    expect(object, "referer", "http://x/");
    expect(object, "remark", NULL);
    assert_int_equal(strlen(json_string_value(json_object_get(object, "time"))), 24);
    json_decref(object);
}

static void errors_tell_why(void **state)
{
    (void)state;
    kit_start(routes, &(spout_application_options){ .access_log = SPOUT_ACCESS_LOG_JSON });
    kit_get("/?fail=1");
    assert_memory_equal(kit_log(), "access W {", 10);
    json_t *object = line();
    expect(object, "remark", "it says \"no\"");
    expect(object, "request_id", NULL);
    expect(object, "user_agent", NULL);
    json_decref(object);
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    enum { SIZE = 20000 };
    char *text = spout_alloc(SIZE + 1);
    for (int i = 0; i < SIZE; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    kit_start(routes, &(spout_application_options){ .access_log = SPOUT_ACCESS_LOG_JSON });
    for (int shift = 0; shift < 2; shift++) {
        kit_get_with("/", "User-Agent", text + shift);
        json_t *object = line();
        assert_true(json_string_length(json_object_get(object, "user_agent")) > 8000);
        assert_true(json_string_length(json_object_get(object, "user_agent")) <= 8192);
        json_decref(object);
    }
    text[0] = 'a';
    text[1] = 'b';
    text[2] = 'c';
    kit_get_with("/", "User-Agent", text);
    json_decref(line());
    spout_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_object_a_line, tear_down),
        cmocka_unit_test_teardown(errors_tell_why, tear_down),
        cmocka_unit_test_teardown(long_texts_are_cut, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
