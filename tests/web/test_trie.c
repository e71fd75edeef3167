#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "web/trie.h"

#include <stdio.h>
#include <string.h>

static spi_arena *arena;
static spi_trie *trie;
static uint32_t added;

static int set_up(void **state)
{
    (void)state;
    arena = spi_arena_new(0);
    trie = spi_trie_new(arena);
    added = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spi_arena_free(arena);
    return 0;
}

static void add(const char *source)
{
    spi_pattern *pattern = spi_arena_alloc(arena, sizeof *pattern);
    assert_int_equal(spi_pattern_compile(arena, source, pattern), 0);
    assert_true(pattern->plain);
    spi_trie_add(trie, pattern, added++);
}

static void expect(const char *path, uint32_t route)
{
    uint32_t found = spi_trie_find(trie, path, strlen(path));
    if (found != route)
        fail_msg("%s led to %u, not %u", path, found, route);
}

static void literals_match_exactly(void **state)
{
    (void)state;
    add("/");
    add("/a");
    add("/a/");
    add("/a/b");
    add("/a//b");
    expect("/", 0);
    expect("/a", 1);
    expect("/a/", 2);
    expect("/a/b", 3);
    expect("/a//b", 4);
    expect("/a/b/", SPI_NO_ROUTE);
    expect("/ab", SPI_NO_ROUTE);
    expect("//", SPI_NO_ROUTE);
    expect("", SPI_NO_ROUTE);
    expect("*", SPI_NO_ROUTE);
    expect("a", SPI_NO_ROUTE);
}

static void the_first_of_the_table_wins(void **state)
{
    (void)state;
    add("/story/{name}");
    add("/story/new");
    add("/story/{id:int}");
    expect("/story/new", 0);
    expect("/story/7", 0);
}

static void literals_and_numbers_before_segments(void **state)
{
    (void)state;
    add("/story/new");
    add("/story/{id:int}");
    add("/story/{name}");
    expect("/story/new", 0);
    expect("/story/7", 1);
    expect("/story/new7", 2);
    expect("/story/", SPI_NO_ROUTE);
    expect("/story", SPI_NO_ROUTE);
}

static void a_dead_end_is_left_again(void **state)
{
    (void)state;
    add("/{a}/x");
    add("/b/{c}/y");
    add("/b/c/z");
    expect("/b/x", 0);
    expect("/b/c/y", 1);
    expect("/b/c/z", 2);
    expect("/q/x", 0);
    expect("/q/c/y", SPI_NO_ROUTE);
}

static void the_rest_may_be_empty_and_have_slashes(void **state)
{
    (void)state;
    add("/static/{path:path}");
    add("/static/x");
    expect("/static/", 0);
    expect("/static/a/b/c", 0);
    expect("/static/x", 0);
    expect("/static", SPI_NO_ROUTE);
}

static void numbers_have_1_to_18_digits(void **state)
{
    (void)state;
    add("/{n:int}");
    expect("/0", 0);
    expect("/123456789012345678", 0);
    expect("/1234567890123456789", SPI_NO_ROUTE);
    expect("/", SPI_NO_ROUTE);
    expect("/-1", SPI_NO_ROUTE);
    expect("/1x", SPI_NO_ROUTE);
}

static void the_same_pattern_twice_is_the_first(void **state)
{
    (void)state;
    add("/a/{b}");
    add("/a/{c}");
    expect("/a/x", 0);
}

static void many_children_of_one_node(void **state)
{
    (void)state;
    char source[32];
    for (int i = 0; i < 500; i++) {
        snprintf(source, sizeof source, "/r%d/{id:int}", i);
        add(spi_arena_strdup(arena, source));
    }
    for (uint32_t i = 0; i < 500; i++) {
        snprintf(source, sizeof source, "/r%u/9", i);
        expect(source, i);
    }
    expect("/r500/9", SPI_NO_ROUTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(literals_match_exactly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_of_the_table_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(literals_and_numbers_before_segments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_end_is_left_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_rest_may_be_empty_and_have_slashes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_have_1_to_18_digits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_pattern_twice_is_the_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_children_of_one_node, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
