#include "http/host.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct host_case {
    const char *text, *expected; /* NULL: refused */
} host_case;

static const host_case cases[] = {
    { "", "" },
    { "localhost", "localhost" },
    { "LocalHost:8080", "localhost:8080" },
    { "localhost:", "localhost:" },
    { "localhost:65535", "localhost:65535" },
    { "localhost:65536", NULL },
    { "localhost:080", "localhost:080" },
    { "a.very.long.name.of.a.host.example.org:8", "a.very.long.name.of.a.host.example.org:8" },
    { "a.very.long.NAME.of.a.host.example.org", "a.very.long.name.of.a.host.example.org" },
    { "a_b", "a_b" },
    { "a%41b", "a%41b" },
    { "a%4", NULL },
    { "a%zz", NULL },
    { "127.0.0.1:80", "127.0.0.1:80" },
    { "[::1]", "[::1]" },
    { "[::1]:80", "[::1]:80" },
    { "[::]", "[::]" },
    { "[1::]", "[1::]" },
    { "[2001:DB8::1:2]", "[2001:db8::1:2]" },
    { "[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]" },
    { "[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]" },
    { "[1:2:3:4:5:6:1.2.3.4]", "[1:2:3:4:5:6:1.2.3.4]" },
    { "[v1.a:b]", "[v1.a:b]" },
    { "[1:2:3:4:5:6:7]", NULL },
    { "[1:2:3:4:5:6:7:8:9]", NULL },
    { "[1:2:3:4:5:6:7:8::]", NULL },
    { "[1::2::3]", NULL },
    { "[:1]", NULL },
    { "[1:]", NULL },
    { "[12345::]", NULL },
    { "[::1.2.3]", NULL },
    { "[::1.2.3.256]", NULL },
    { "[::1.2.3.04]", NULL },
    { "[fe80::1%eth0]", NULL },
    { "[v1.]", NULL },
    { "[v.a]", NULL },
    { "[]", NULL },
    { "[::1", NULL },
    { "[::1]x", NULL },
    { "::1", NULL },
    { "a:b", NULL },
    { "a:1:2", NULL },
    { "a,b", NULL },
    { "user@host", NULL },
    { "a b", NULL },
    { "a/b", NULL },
    { "a\\b", NULL },
    { "a?b", NULL },
    { "a#b", NULL },
    { "a<b", NULL },
    { "a\"b", NULL },
    { "h\xC3\xB6st", NULL },
    { "localhost:8\xC2\xB2", NULL },
    { ":80", ":80" },
};

static void test_hosts(void **state)
{
    (void)state;
    spi_arena *arena = spi_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *host = "untouched";
        bool ok = spi_host_parse(arena, cases[i].text, strlen(cases[i].text), &host);
        if (ok != (cases[i].expected != NULL))
            fail_msg("%s", cases[i].text);
        assert_string_equal(host, ok ? cases[i].expected : "untouched");
    }
    spi_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_hosts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
