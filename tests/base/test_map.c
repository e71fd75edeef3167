#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/map.h"
#include "child.h"

#include <signal.h>
#include <stdio.h>

static void test_empty(void **state)
{
    (void)state;
    spi_map *map = spi_map_new();
    size_t position = 0;
    assert_null(spi_map_get(map, "a", 1));
    assert_null(spi_map_remove(map, "a", 1));
    assert_int_equal(spi_map_count(map), 0);
    assert_false(spi_map_next(map, &position, NULL, NULL));
    spi_map_free(map);
    spi_map_free(NULL);
}

static void test_set_get_replace_remove(void **state)
{
    (void)state;
    int one = 1, two = 2;
    spi_map *map = spi_map_new();
    char key[] = "key";
    assert_null(spi_map_set(map, key, 3, &one));
    key[0] = 'x';
    assert_ptr_equal(spi_map_get(map, "key", 3), &one);
    assert_null(spi_map_get(map, "xey", 3));
    assert_null(spi_map_get(map, "ke", 2));
    assert_ptr_equal(spi_map_set(map, "key", 3, &two), &one);
    assert_int_equal(spi_map_count(map), 1);
    assert_ptr_equal(spi_map_remove(map, "key", 3), &two);
    assert_null(spi_map_remove(map, "key", 3));
    assert_int_equal(spi_map_count(map), 0);
    spi_map_free(map);
}

static void test_any_bytes_are_keys(void **state)
{
    (void)state;
    int a, b, c;
    spi_map *map = spi_map_new();
    spi_map_set(map, NULL, 0, &a);
    spi_map_set(map, "\0", 1, &b);
    spi_map_set(map, "\0\0", 2, &c);
    assert_ptr_equal(spi_map_get(map, "", 0), &a);
    assert_ptr_equal(spi_map_get(map, "\0", 1), &b);
    assert_ptr_equal(spi_map_get(map, "\0\0", 2), &c);
    assert_ptr_equal(spi_map_remove(map, "", 0), &a);
    assert_int_equal(spi_map_count(map), 2);
    spi_map_free(map);
}

enum { COUNT = 3000 };

static void check_all(const spi_map *map, const bool *present, int *values)
{
    char key[16];
    for (int i = 0; i < COUNT; i++) {
        int len = snprintf(key, sizeof key, "key-%d", i);
        assert_ptr_equal(spi_map_get(map, key, (size_t)len), present[i] ? &values[i] : NULL);
    }
}

static void check_iteration(const spi_map *map, const bool *present, int *values)
{
    static bool seen[COUNT];
    memset(seen, 0, sizeof seen);
    size_t position = 0, count = 0;
    spout_bytes key;
    void *value;
    while (spi_map_next(map, &position, &key, &value)) {
        int i = (int)((int *)value - values);
        char expected[16];
        snprintf(expected, sizeof expected, "key-%d", i);
        assert_true(present[i] && !seen[i]);
        assert_int_equal(key.len, strlen(expected));
        assert_memory_equal(key.data, expected, key.len);
        seen[i] = true;
        count++;
    }
    assert_int_equal(count, spi_map_count(map));
}

static void test_random_against_an_array(void **state)
{
    (void)state;
    static bool present[COUNT];
    static int values[COUNT];
    spi_map *map = spi_map_new();
    unsigned seed = 5;
    size_t count = 0;
    for (int turn = 0; turn < 60000; turn++) {
        seed = seed * 1103515245u + 12345u;
        int i = (int)((seed >> 16) % COUNT);
        char key[16];
        size_t len = (size_t)snprintf(key, sizeof key, "key-%d", i);
        if (seed & 0x8000) {
            assert_ptr_equal(
                spi_map_set(map, key, len, &values[i]), present[i] ? &values[i] : NULL);
            count += !present[i];
            present[i] = true;
        } else {
            assert_ptr_equal(spi_map_remove(map, key, len), present[i] ? &values[i] : NULL);
            count -= present[i];
            present[i] = false;
        }
        assert_int_equal(spi_map_count(map), count);
        if (turn % 6000 == 0) {
            check_all(map, present, values);
            check_iteration(map, present, values);
        }
    }
    check_all(map, present, values);
    check_iteration(map, present, values);
    spi_map_free(map);
}

static void set_null(void)
{
    spi_map_set(spi_map_new(), "a", 1, NULL);
}

static void test_a_null_value_is_a_bug(void **state)
{
    (void)state;
    assert_int_equal(child_signal(run_child(set_null)), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_set_get_replace_remove),
        cmocka_unit_test(test_any_bytes_are_keys),
        cmocka_unit_test(test_random_against_an_array),
        cmocka_unit_test(test_a_null_value_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
