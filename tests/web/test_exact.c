#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web/exact.h"

#include <stdlib.h>
#include <string.h>

enum { PATHS = 300 };

static spi_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = spi_arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spi_arena_free(arena);
    return 0;
}

/* From a block of just its length, so that a look beyond it is found. */
static const void *find(const spi_exact *exact, const char *path)
{
    size_t len = strlen(path);
    char *copy = malloc(len ? len : 1);
    memcpy(copy, path, len);
    const void *found = spi_exact_find(exact, copy, len);
    free(copy);
    return found;
}

static void an_empty_table_has_nothing(void **state)
{
    (void)state;
    spi_exact exact;
    spi_exact_init(&exact, arena, 0);
    assert_null(find(&exact, ""));
    assert_null(find(&exact, "/"));
    assert_null(find(&exact, "/a/long/path/that/is/not/there"));
}

/* Every length takes its own way through the comparison; each byte counts. */
static void every_byte_counts(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 40; len++) {
        char path[41] = "/";
        for (size_t i = 1; i < len; i++)
            path[i] = (char)('a' + i % 26);
        spi_exact exact;
        spi_exact_init(&exact, arena, 1);
        spi_exact_add(&exact, spi_arena_strdup(arena, path), len, path);
        assert_ptr_equal(find(&exact, path), path);
        for (size_t i = 0; i < len; i++) {
            char other[42];
            memcpy(other, path, sizeof path);
            other[i] = '~';
            assert_null(find(&exact, other));
        }
        char longer[42];
        memcpy(longer, path, len);
        memcpy(longer + len, "x", 2);
        assert_null(find(&exact, longer));
        path[len - 1] = '\0';
        assert_null(find(&exact, path));
    }
}

static void a_full_table(void **state)
{
    (void)state;
    spi_exact exact;
    spi_exact_init(&exact, arena, PATHS);
    const char *paths[PATHS];
    for (int i = 0; i < PATHS; i++) {
        paths[i] = spi_arena_format(arena, i % 2 ? "/%d" : "/some/longer/%d/path/of/its/own", i);
        spi_exact_add(&exact, paths[i], strlen(paths[i]), &paths[i]);
    }
    for (int i = 0; i < PATHS; i++)
        assert_ptr_equal(find(&exact, paths[i]), &paths[i]);
    assert_null(find(&exact, "/300"));
    assert_null(find(&exact, "/some/longer/1/path/of/its/own"));
}

/* In tables of four slots some paths are in the one behind their own, and some in the first since
   their own is the last. */
static void small_tables(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        const char *paths[3];
        for (int path = 0; path < 3; path++)
            paths[path] = spi_arena_format(
                arena, i % 2 ? "/%d" : "/some/longer/%d/path/of/its/own", 1000 + i * 3 + path);
        spi_exact exact;
        spi_exact_init(&exact, arena, 2);
        spi_exact_add(&exact, paths[0], strlen(paths[0]), "0");
        spi_exact_add(&exact, paths[1], strlen(paths[1]), "1");
        assert_string_equal(find(&exact, paths[0]), "0");
        assert_string_equal(find(&exact, paths[1]), "1");
        assert_null(find(&exact, paths[2]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_table_has_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_byte_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(small_tables, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
