#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web/static.h"

#include <string.h>

static void paths_are_made_plain(void **state)
{
    (void)state;
    static const struct {
        const char *path, *normal; /* NULL: it leads out */
    } rows[] = {
        { "", "" },
        { "a", "a" },
        { "a/b.css", "a/b.css" },
        { "a/", "a/" },
        { "...", "..." },
        { "..a/.b", "..a/.b" },
        { ".", "" },
        { "./", "" },
        { "./a", "a" },
        { "a/.", "a/" },
        { "a//b", "a/b" },
        { "a///", "a/" },
        { "a/..", "" },
        { "a/../b", "b" },
        { "a/b/../../c/", "c/" },
        { "a/b/..", "a/" },
        { "a/b/./../c", "a/c" },
        { "..", NULL },
        { "../a", NULL },
        { "a/../..", NULL },
        { "a/../../a", NULL },
        { "./..", NULL },
        { "a//../..", NULL },
        { "/", NULL },
        { "/etc/passwd", NULL },
        { "//a", NULL },
    };
    spi_arena *arena = spi_arena_new(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *normal = spi_static_normalise(arena, rows[i].path);
        if (!normal != !rows[i].normal || (normal && strcmp(normal, rows[i].normal) != 0))
            fail_msg("\"%s\" became \"%s\"", rows[i].path, normal ? normal : "(none)");
    }
    spi_arena_free(arena);
}

static void names_with_a_dot_are_hidden(void **state)
{
    (void)state;
    static const char *const hidden[] = { ".git", ".git/config", "a/.env", "a/.b/c", ".",
        ".well-knownx", ".well-know" };
    static const char *const shown[] = { "", "a", "a/", "a.b/c.d", ".well-known/acme",
        "a/.well-known" };
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        assert_true(spi_static_is_hidden(hidden[i]));
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        assert_false(spi_static_is_hidden(shown[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_made_plain),
        cmocka_unit_test(names_with_a_dot_are_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
