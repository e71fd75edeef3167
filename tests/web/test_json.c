#include "kit.h"

#include <stdlib.h>
#include <string.h>

static int echo(spout_request *r)
{
    json_t *value = spout_need_json(r);
    if (!value)
        return -1;
    assert_ptr_equal(spout_need_json(r), value);
    return spout_write_json(r, json_incref(value));
}

static int object(spout_request *r)
{
    return spout_write_json(r, json_pack("{s:s, s:[i,b]}", "message", "h\xC3\xA9/", "list", 1, 1));
}

static int null_value(spout_request *r)
{
    spout_error_set(SPOUT_EFAILED, "no memory for it");
    return spout_write_json(r, NULL);
}

static int deep(spout_request *r)
{
    json_t *value = json_array();
    for (int i = 1; i < atoi(spout_argument(r, "depth", "1")); i++)
        value = json_pack("[o]", value);
    return spout_write_json(r, value);
}

static const spout_route routes[] = {
    { "/echo", &(const spout_handler){ .post = echo } },
    { "/object", &(const spout_handler){ .get = object } },
    { "/null", &(const spout_handler){ .get = null_value } },
    { "/deep", &(const spout_handler){ .get = deep } },
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

static void json_replies(void **state)
{
    (void)state;
    const spi_memory_reply *reply = kit_get("/object");
    kit_expect(reply, 200, "{\"message\":\"h\xC3\xA9/\",\"list\":[1,true]}");
    kit_expect_field(reply, "Content-Type", "application/json; charset=UTF-8");
}

static void any_value_in_and_out(void **state)
{
    (void)state;
    static const char *const texts[] = { "{\"a\":[1,2.5,null,\"x\"]}", "7", "\"text\"", "null",
        "true", "[]", "\"a\\u0000b\"" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        kit_expect(kit_post("/echo", "whatever", texts[i]), 200, texts[i]);
}

static void what_is_no_json_is_400(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "{", "[1,]", "nul", "{\"a\":1} x", "\"\xFF\"", "'a'" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(kit_post("/echo", "application/json", texts[i])->status, 400);
        assert_int_equal(kit_log_lines(), 1);
    }
}

static const spi_memory_reply *post_nested(size_t depth)
{
    char *text = malloc(2 * depth + 1);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
    const spi_memory_reply *reply = kit_post("/echo", "application/json", text);
    free(text);
    return reply;
}

static void depth_is_limited(void **state)
{
    (void)state;
    assert_int_equal(post_nested(128)->status, 200);
    assert_int_equal(post_nested(129)->status, 400);
    assert_int_equal(post_nested(2000)->status, 400);
    assert_int_equal(kit_get("/deep?depth=128")->status, 200);
    assert_int_equal(kit_get("/deep?depth=129")->status, 500);
}

static void null_is_500_with_its_cause(void **state)
{
    (void)state;
    assert_int_equal(kit_get("/null")->status, 500);
    assert_non_null(strstr(kit_log(), "spout_write_json was given NULL"));
    assert_non_null(strstr(kit_log(), "no memory for it"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(json_replies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_value_in_and_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_json_is_400, set_up, tear_down),
        cmocka_unit_test_setup_teardown(depth_is_limited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(null_is_500_with_its_cause, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
