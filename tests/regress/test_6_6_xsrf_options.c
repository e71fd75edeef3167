/* The token's cookie is written from a copy of the application's options: what one reply adds stays in
   that reply. */
#include "kit.h"

#include <spout/auth.h>
#include <spout/cookies.h>

#include <stdio.h>
#include <string.h>

static const spout_cookie_options cookie = { .httponly = true };

static int get(spout_request *r)
{
    assert_int_equal(spout_set_cookie(r, "own", "1", &cookie), 0);
    return spout_write(r, spout_xsrf_token(r) ? "token" : "none");
}

static int as_user(spout_request *r)
{
    static int ann;
    spout_set_current_user(r, &ann);
    return 0;
}

static const spout_route routes[] = { { "/", &(const spout_handler){ .get = get } },
    { "/user", &(const spout_handler){ .get = get, .prepare = as_user } }, { 0 } };

static const char *cookie_of(const spi_memory_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->field_count; i++) {
        const spi_field *field = &reply->fields[i];
        if (strcmp(field->name, "Set-Cookie") == 0 &&
            strncmp(field->value, name, strlen(name)) == 0)
            return field->value;
    }
    return "";
}

static void replies_do_not_leak_into_another(void **state)
{
    (void)state;
    kit_start(routes,
        &(spout_application_options){ .xsrf_cookies = true, .xsrf_cookie_options = &cookie });
    static const char *const targets[] = { "/user", "/", "/user", "/" };
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        const spi_memory_reply *reply = kit_get(targets[i]);
        kit_expect(reply, 200, "token");
        const char *token = cookie_of(reply, "_xsrf=");
        assert_non_null(strstr(token, "HttpOnly"));
        assert_int_equal(strstr(token, "expires=") != NULL, strcmp(targets[i], "/user") == 0);
        assert_string_equal(cookie_of(reply, "own="), "own=1; HttpOnly; Path=/");
    }
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(replies_do_not_leak_into_another) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
