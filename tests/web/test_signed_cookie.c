#include "kit.h"

#include <spout/cookies.h>

#include <stdio.h>
#include <string.h>

static int set(spout_request *r)
{
    const spout_cookie_options options = { .signed_version = (int)spout_path_int(r, "version"),
        .httponly = true };
    return spout_set_signed_cookie(r, "user", spout_argument(r, "value", ""), &options);
}

static int get(spout_request *r)
{
    const spout_signed_options newest = { .min_version = 2 };
    const char *user = spout_get_signed_cookie(
        r, "user", spout_argument(r, "newest", NULL) ? &newest : NULL);
    return spout_write_format(
        r, "%s %d", user ? user : "nobody", spout_get_signed_cookie_key_version(r, "user"));
}

static int set_bytes(spout_request *r)
{
    return spout_set_signed_cookie_bytes(r, "user", (spout_bytes){ "\xE9\0x", 3 }, NULL);
}

static int get_bytes(spout_request *r)
{
    spout_bytes value = spout_get_signed_cookie_bytes(r, "user", NULL);
    assert_int_equal(value.len, 3);
    assert_memory_equal(value.data, "\xE9\0x", 3);
    assert_null(spout_get_signed_cookie(r, "user", NULL));
    return 0;
}

static const spout_route routes[] = {
    { "/set/{version:int}", &(const spout_handler){ .get = set } },
    { "/get", &(const spout_handler){ .get = get } },
    { "/set_bytes", &(const spout_handler){ .get = set_bytes } },
    { "/get_bytes", &(const spout_handler){ .get = get_bytes } },
    { 0 },
};

static char jar[512];

/* Keeps the cookie of the reply for the next request, as a browser does. */
static void keep(const spi_memory_reply *reply)
{
    assert_int_equal(reply->status, 200);
    snprintf(jar, sizeof jar, "%s", spi_memory_reply_field(reply, "Set-Cookie"));
    *strchr(jar, ';') = '\0';
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static void round_trips(void **state)
{
    (void)state;
    kit_start(routes, &(spout_application_options){ .cookie_secret = "secret" });
    const spi_memory_reply *reply = kit_get("/set/2?value=ann%20b");
    const char *line = spi_memory_reply_field(reply, "Set-Cookie");
    assert_memory_equal(line, "user=\"2|1:0|10:", 15);
    assert_non_null(strstr(line, "; expires="));
    assert_non_null(strstr(line, "; HttpOnly; Path=/"));
    keep(reply);
    kit_expect(kit_get_with("/get", "Cookie", jar), 200, "ann b 0");
    keep(kit_get("/set/1?value=old"));
    kit_expect(kit_get_with("/get", "Cookie", jar), 200, "old -1");
    kit_expect(kit_get_with("/get?newest=1", "Cookie", jar), 200, "nobody -1");
    kit_expect(kit_get("/get"), 200, "nobody -1");
    kit_expect(kit_get_with("/get", "Cookie", "user=ann"), 200, "nobody -1");
    assert_int_equal(kit_get("/set/3?value=x")->status, 500);
    keep(kit_get("/set_bytes"));
    kit_expect(kit_get_with("/get_bytes", "Cookie", jar), 200, "");
}

static void keys_change(void **state)
{
    (void)state;
    static const spout_secret keys[] = { { 1, "one" }, { 2, "two" }, { 0 } };
    kit_start(routes, &(spout_application_options){ .cookie_secrets = keys, .key_version = 1 });
    keep(kit_get("/set/0?value=ann"));
    kit_stop();
    kit_start(routes, &(spout_application_options){ .cookie_secrets = keys, .key_version = 2 });
    kit_expect(kit_get_with("/get", "Cookie", jar), 200, "ann 1");
}

static void without_keys_it_says_so(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    assert_int_equal(kit_get("/set/2?value=x")->status, 500);
    assert_non_null(strstr(kit_log(), "signed cookies need .cookie_secret"));
    kit_expect(kit_get("/get"), 200, "nobody -1");
}

static void bad_keys_are_start_up_errors(void **state)
{
    (void)state;
    static const spout_secret empty[] = { { 1, "" }, { 0 } }, some[] = { { 1, "x" }, { 0 } },
                              negative[] = { { -1, "x" }, { 0 } };
    const spout_application_options bad[] = {
        { .cookie_secret = "" },
        { .cookie_secrets = empty, .key_version = 1 },
        { .cookie_secrets = some },
        { .cookie_secrets = negative, .key_version = -1 },
        { .cookie_secrets = some, .key_version = 1, .cookie_secret = "both" },
    };
    kit_start(routes, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_null(spout_application_new(routes, &bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(round_trips, tear_down),
        cmocka_unit_test_teardown(keys_change, tear_down),
        cmocka_unit_test_teardown(without_keys_it_says_so, tear_down),
        cmocka_unit_test_teardown(bad_keys_are_start_up_errors, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
