#include "http/client_url.h"

#include <spout/error.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct good_case {
    const char *text;
    bool secure;
    const char *host;
    int port;
    const char *authority, *target;
} good_case;

static const good_case good[] = {
    { "ws://example.org", false, "example.org", 80, "example.org", "/" },
    { "wss://example.org/", true, "example.org", 443, "example.org", "/" },
    { "WSS://Example.ORG:443/Chat?x=1", true, "example.org", 443, "example.org", "/Chat?x=1" },
    { "http://a:8080?q", false, "a", 8080, "a:8080", "/?q" },
    { "https://a:80/", true, "a", 80, "a:80", "/" },
    { "ws://[::1]/x", false, "::1", 80, "[::1]", "/x" },
    { "ws://[::1]:81/x", false, "::1", 81, "[::1]:81", "/x" },
    { "ws://127.0.0.1:/x", false, "127.0.0.1", 80, "127.0.0.1", "/x" },
    { "ws://a/b#c", false, "a", 80, "a", "/b" },
    { "ws://a/\xC3\xA4", false, "a", 80, "a", "/%C3%A4" },
    { "ws://u:p@a/", false, "a", 80, "a", "/" },
};

static void takes_urls_apart(void **state)
{
    (void)state;
    spi_arena *arena = spi_arena_new(0);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        spi_client_url url;
        assert_int_equal(spi_client_url_parse(arena, good[i].text, &url), 0);
        assert_int_equal(url.secure, good[i].secure);
        assert_string_equal(url.host, good[i].host);
        assert_int_equal(url.port, good[i].port);
        assert_string_equal(url.authority, good[i].authority);
        assert_string_equal(url.target, good[i].target);
    }
    spi_arena_free(arena);
}

static void knows_users(void **state)
{
    (void)state;
    spi_arena *arena = spi_arena_new(0);
    spi_client_url url;
    assert_int_equal(spi_client_url_parse(arena, "ws://us%40er:pa%3ass@a:81/", &url), 0);
    assert_string_equal(url.user, "us@er");
    assert_string_equal(url.password, "pa:ss");
    assert_string_equal(spi_client_url_name(arena, &url), "ws://a:81/");
    assert_int_equal(spi_client_url_parse(arena, "ws://user@a/?secret=1", &url), 0);
    assert_string_equal(url.user, "user");
    assert_string_equal(url.password, "");
    assert_string_equal(spi_client_url_name(arena, &url), "ws://a/");
    assert_int_equal(spi_client_url_parse(arena, "ws://a/", &url), 0);
    assert_null(url.user);
    spi_arena_free(arena);
}

static void refuses_others(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "a", "/x", "//a/", "ftp://a/", "ws:/a", "ws:a", "ws://",
        "ws:///x", "ws://:80/", "ws://a:0/", "ws://a:65536/", "ws://a:8x/", "ws://a b/",
        "ws://a/ b", "ws://a/\r\nX: y", "ws://a\\b/", "ws://[::1/", "ws://[::g]/", "ws://a,b/",
        "ws://\xC3\xA4/", "ws://a%41/", "ws://user@/", "ws://a/\x7F" };
    spi_arena *arena = spi_arena_new(0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spi_client_url url = { .port = 7 };
        if (spi_client_url_parse(arena, bad[i], &url) == 0)
            print_message("%s\n", bad[i]);
        assert_int_equal(spi_client_url_parse(arena, bad[i], &url), SPOUT_EINVAL);
        assert_int_equal(url.port, 7);
    }
    spi_client_url url;
    assert_int_equal(spi_client_url_parse(arena, NULL, &url), SPOUT_EINVAL);
    spi_arena_free(arena);
}

typedef struct resolve_case {
    const char *location, *name, *target;
} resolve_case;

static const resolve_case resolved[] = {
    { "/x", "wss://a:444/x", "/x" },
    { "x?y", "wss://a:444/b/x", "/b/x?y" },
    { "./x", "wss://a:444/b/x", "/b/x" },
    { "../x", "wss://a:444/x", "/x" },
    { "../../../x", "wss://a:444/x", "/x" },
    { "/c/./d/../e?/../f", "wss://a:444/c/e", "/c/e?/../f" },
    { "..", "wss://a:444/", "/" },
    { "d/.", "wss://a:444/b/d/", "/b/d/" },
    { "?z", "wss://a:444/b/c", "/b/c?z" },
    { "#f", "wss://a:444/b/c", "/b/c?d/e" },
    { "", "wss://a:444/b/c", "/b/c?d/e" },
    { "//other/x", "wss://other/x", "/x" },
    { "http://other/", "ws://other/", "/" },
    { "wss://other:81/y#f", "wss://other:81/y", "/y" },
};

static void resolves_locations(void **state)
{
    (void)state;
    spi_arena *arena = spi_arena_new(0);
    spi_client_url base;
    assert_int_equal(spi_client_url_parse(arena, "wss://a:444/b/c?d/e", &base), 0);
    for (size_t i = 0; i < sizeof resolved / sizeof *resolved; i++) {
        spi_client_url url;
        assert_int_equal(spi_client_url_resolve(arena, &base, resolved[i].location, &url), 0);
        assert_string_equal(spi_client_url_name(arena, &url), resolved[i].name);
        assert_string_equal(url.target, resolved[i].target);
    }
    spi_client_url url;
    assert_int_equal(spi_client_url_resolve(arena, &base, "mailto:x", &url), SPOUT_EINVAL);
    assert_int_equal(spi_client_url_resolve(arena, &base, "/a b", &url), SPOUT_EINVAL);
    spi_arena_free(arena);
}

static void compares_origins(void **state)
{
    (void)state;
    static const char *const others[] = { "ws://a/", "wss://b/", "wss://a:444/" };
    spi_arena *arena = spi_arena_new(0);
    spi_client_url a, b;
    assert_int_equal(spi_client_url_parse(arena, "wss://a/x", &a), 0);
    assert_int_equal(spi_client_url_parse(arena, "https://A:443/y", &b), 0);
    assert_true(spi_client_url_is_same_origin(&a, &b));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(spi_client_url_parse(arena, others[i], &b), 0);
        assert_false(spi_client_url_is_same_origin(&a, &b));
    }
    spi_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_urls_apart),
        cmocka_unit_test(knows_users),
        cmocka_unit_test(refuses_others),
        cmocka_unit_test(resolves_locations),
        cmocka_unit_test(compares_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
