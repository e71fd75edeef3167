/* Sessions in cookies, in memory, and in a store that fails. */
#include "kit.h"

#include <spout/cookies.h>
#include <spout/session.h>
#include <spout/websocket.h>

#include <stdio.h>
#include <string.h>

static int set(spout_request *r)
{
    int result = spout_session_set(
        r, spout_argument(r, "key", "k"), json_string(spout_argument(r, "value", "v")));
    const char *status = spout_argument(r, "status", NULL);
    if (result == 0 && status)
        return spout_fail(r, status[0] == '5' ? 503 : 409, "%s", "");
    return result;
}

static int get(spout_request *r)
{
    return spout_write(r, spout_session_get(r, spout_argument(r, "key", "k"), "none"));
}

static int renew(spout_request *r)
{
    return spout_session_renew(r);
}

static int touch(spout_request *r)
{
    return spout_session_touch(r);
}

static int clear(spout_request *r)
{
    return spout_session_clear(r);
}

static int drop(spout_request *r)
{
    return spout_session_set(r, "k", NULL);
}

static int large(spout_request *r)
{
    char text[4000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    return spout_session_set(r, "k", json_string(text));
}

static int late(spout_request *r)
{
    spout_session_set(r, "k", json_string("early"));
    if (spout_write(r, "x") < 0 || spout_flush(r) < 0)
        return -1;
    assert_int_equal(spout_session_set(r, "k", json_string("late")), SPOUT_ESTATE);
    assert_int_equal(spout_session_clear(r), SPOUT_ESTATE);
    return 0;
}

static int remember(spout_request *r)
{
    return spout_session_set(r, "k", json_string("before the upgrade"));
}

static const spout_websocket_handler echo = { 0 };
static const spout_route routes[] = {
    { "/socket", &(const spout_handler){ .prepare = remember, .websocket = &echo } },
    { "/set", &(const spout_handler){ .get = set } },
    { "/get", &(const spout_handler){ .get = get } },
    { "/renew", &(const spout_handler){ .get = renew } },
    { "/touch", &(const spout_handler){ .get = touch } },
    { "/clear", &(const spout_handler){ .get = clear } },
    { "/drop", &(const spout_handler){ .get = drop } },
    { "/large", &(const spout_handler){ .get = large } },
    { "/late", &(const spout_handler){ .get = late } },
    { 0 },
};

static char jar[5000];

static const spi_memory_reply *visit(const char *target)
{
    const spi_memory_reply *reply = kit_get_with(target, "Cookie", *jar ? jar : "a=b");
    const char *line = spi_memory_reply_field(reply, "Set-Cookie");
    if (line) {
        snprintf(jar, sizeof jar, "%s", line);
        *strchr(jar, ';') = '\0';
    }
    return reply;
}

static spout_session_store *store;

static void start(bool in_memory)
{
    static spout_session_options options;
    jar[0] = '\0';
    store = in_memory ? spout_memory_session_store_new(3) : NULL;
    options = (spout_session_options){ .store = store };
    kit_start(
        routes, &(spout_application_options){ .cookie_secret = "secret", .session = &options });
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    spout_memory_session_store_free(store);
    store = NULL;
    return 0;
}

static void remember_in(bool in_memory)
{
    start(in_memory);
    const spi_memory_reply *reply = visit("/get");
    kit_expect(reply, 200, "none");
    kit_expect_field(reply, "Set-Cookie", NULL);
    reply = visit("/set?value=%C3%A9");
    const char *line = spi_memory_reply_field(reply, "Set-Cookie");
    assert_memory_equal(line, "session=", 8);
    assert_non_null(strstr(line, "; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax"));
    kit_expect(visit("/get"), 200, "\xC3\xA9");
    kit_expect_field(visit("/get"), "Set-Cookie", NULL);
    kit_expect_field(visit("/set?value=%C3%A9"), "Set-Cookie", NULL);
    assert_non_null(spi_memory_reply_field(visit("/touch"), "Set-Cookie"));
    visit("/set?key=other&value=2");
    kit_expect(visit("/get?key=other"), 200, "2");
    visit("/drop");
    kit_expect(visit("/get"), 200, "none");
    kit_expect(visit("/get?key=other"), 200, "2");
    assert_non_null(strstr(spi_memory_reply_field(visit("/clear"), "Set-Cookie"), "session=\"\""));
    kit_expect(visit("/get?key=other"), 200, "none");
    visit("/late");
    kit_expect(visit("/get"), 200, "early");
    assert_int_equal(visit("/set?value=kept&status=4")->status, 409);
    kit_expect(visit("/get"), 200, "kept");
    assert_int_equal(visit("/set?value=lost&status=5")->status, 503);
    kit_expect(visit("/get"), 200, "kept");
}

static void in_a_cookie(void **state)
{
    (void)state;
    remember_in(false);
}

static void in_memory(void **state)
{
    (void)state;
    remember_in(true);
}

static void forged_cookies_are_no_sessions(void **state)
{
    (void)state;
    start(false);
    visit("/set");
    jar[strlen(jar) - 2] ^= 1;
    kit_expect(visit("/get"), 200, "none");
    snprintf(jar, sizeof jar, "session={\"k\":\"v\"}");
    kit_expect(visit("/get"), 200, "none");
    assert_int_equal(visit("/large")->status, 500);
    assert_non_null(strstr(kit_log(), "too large for a cookie"));
}

static void an_upgrade_saves_too(void **state)
{
    (void)state;
    start(true);
    const spi_field fields[] = { kit_field("Connection", "Upgrade"),
        kit_field("Upgrade", "websocket"), kit_field("Sec-WebSocket-Version", "13"),
        kit_field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==") };
    const spi_memory_reply *reply = kit_send(
        &(spi_memory_request){ .target = "/socket", .fields = fields, .field_count = 4 });
    assert_int_equal(reply->status, 101);
    snprintf(jar, sizeof jar, "%s", spi_memory_reply_field(reply, "Set-Cookie"));
    *strchr(jar, ';') = '\0';
    kit_expect(visit("/get"), 200, "before the upgrade");
}

/* A session under an id that a stranger has chosen, or knows from before, is worth nothing. */
static void ids_are_ours(void **state)
{
    (void)state;
    start(true);
    char first[5000];
    snprintf(jar, sizeof jar, "session=%064d", 7);
    memcpy(first, jar, sizeof first);
    visit("/set?value=mine");
    assert_string_not_equal(jar, first);
    assert_int_equal(strlen(jar), 8 + 64);
    memcpy(first, jar, sizeof first);
    assert_int_equal(visit("/renew")->status, 200);
    assert_string_not_equal(jar, first);
    kit_expect(visit("/get"), 200, "mine");
    kit_expect(kit_get_with("/get", "Cookie", first), 200, "none");
    memcpy(first, jar, sizeof first);
    visit("/clear");
    kit_expect(kit_get_with("/get", "Cookie", first), 200, "none");
    kit_expect(kit_get_with("/get", "Cookie", "session=../../etc"), 200, "none");
    assert_int_equal(visit("/large")->status, 200);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    start(true);
    char jars[4][128];
    for (int i = 0; i < 4; i++) {
        jar[0] = '\0';
        visit("/set?value=x");
        snprintf(jars[i], sizeof jars[i], "%.*s", (int)sizeof jars[i] - 1, jar);
        if (i == 2) /* the first has been used later than the second */
            kit_expect(kit_get_with("/get", "Cookie", jars[0]), 200, "x");
    }
    kit_expect(kit_get_with("/get", "Cookie", jars[0]), 200, "x");
    kit_expect(kit_get_with("/get", "Cookie", jars[1]), 200, "none");
    kit_expect(kit_get_with("/get", "Cookie", jars[2]), 200, "x");
    kit_expect(kit_get_with("/get", "Cookie", jars[3]), 200, "x");
}

static int64_t at_ms;

static int64_t now_ms(void *self)
{
    (void)self;
    return at_ms;
}

static int64_t now_us(void *self)
{
    (void)self;
    return at_ms * 1000;
}

static void memory_forgets(void **state)
{
    (void)state;
    at_ms = 1000;
    const spout_clock clock = { .monotonic_ms = now_ms, .wall_us = now_us };
    spout_loop *loop = spout_loop_new(&(spout_loop_options){ .clock = &clock });
    spout_session_store *memory = spout_memory_session_store_new(0);
    json_t *data = json_pack("{s:s}", "a", "b"), *got = NULL;
    assert_int_equal(memory->save(memory->self, "id", data, 10), 0);
    json_decref(data);
    at_ms += 9999;
    spout_loop_run_once(loop, 0);
    assert_int_equal(memory->load(memory->self, "id", &got), 0);
    assert_string_equal(json_string_value(json_object_get(got, "a")), "b");
    json_decref(got);
    at_ms += 2;
    spout_loop_run_once(loop, 0);
    assert_int_equal(memory->load(memory->self, "id", &got), 0);
    assert_null(got);
    assert_int_equal(memory->remove(memory->self, "id"), 0);
    spout_memory_session_store_free(memory);
    spout_memory_session_store_free(NULL);
    spout_loop_free(loop);
}

static int fail_to_load(void *self, const char *id, json_t **ret_data)
{
    (void)self, (void)id, (void)ret_data;
    return spout_error_set(SPOUT_EFAILED, "the store is away");
}

static int yielding_save(void *self, const char *id, const json_t *data, int64_t max_age_s)
{
    (void)self, (void)id, (void)data, (void)max_age_s;
    if (spout_yield() < 0)
        return -1;
    return spout_error_set(SPOUT_EFAILED, "the store is full");
}

static int remove_nothing(void *self, const char *id)
{
    (void)self, (void)id;
    return 0;
}

static void a_store_that_fails_fails_the_request(void **state)
{
    (void)state;
    static const spout_session_store broken = {
        .load = fail_to_load, .save = yielding_save, .remove = remove_nothing
    };
    static const spout_session_options options = { .store = &broken, .cookie_name = "sid" };
    kit_start(routes, &(spout_application_options){ .session = &options });
    assert_int_equal(kit_get("/set")->status, 500);
    assert_non_null(strstr(kit_log(), "the store is full"));
    char cookie[80];
    snprintf(cookie, sizeof cookie, "sid=%064d", 1);
    assert_int_equal(kit_get_with("/get", "Cookie", cookie)->status, 500);
    assert_non_null(strstr(kit_log(), "the store is away"));
    assert_int_equal(kit_get_with("/set", "Cookie", cookie)->status, 500);
}

static void settings(void **state)
{
    (void)state;
    static const spout_session_options in_cookie = { 0 }, negative = { .max_age_s = -1 };
    kit_start(routes, NULL);
    assert_int_equal(kit_get("/set")->status, 500);
    assert_non_null(strstr(kit_log(), "there is no .session"));
    assert_int_equal(kit_get("/get")->status, 500);
    assert_null(spout_application_new(NULL, &(spout_application_options){ .session = &in_cookie }));
    assert_null(spout_application_new(
        NULL, &(spout_application_options){ .session = &negative, .cookie_secret = "x" }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(in_a_cookie, tear_down),
        cmocka_unit_test_teardown(in_memory, tear_down),
        cmocka_unit_test_teardown(forged_cookies_are_no_sessions, tear_down),
        cmocka_unit_test_teardown(an_upgrade_saves_too, tear_down),
        cmocka_unit_test_teardown(ids_are_ours, tear_down),
        cmocka_unit_test_teardown(memory_is_bounded, tear_down),
        cmocka_unit_test(memory_forgets),
        cmocka_unit_test_teardown(a_store_that_fails_fails_the_request, tear_down),
        cmocka_unit_test_teardown(settings, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
