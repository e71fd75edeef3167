#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/memory.h"

#if SPI_ASAN
#include <sanitizer/asan_interface.h>
#endif

static void test_alignment_and_zeroing(void **state)
{
    (void)state;
    spi_arena *arena = spi_arena_new(0);
    for (size_t size = 0; size < 300; size++) {
        spi_arena_chars(arena, size % 7);
        unsigned char *bytes = spi_arena_calloc(arena, size);
        assert_int_equal((uintptr_t)bytes % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(bytes[i], 0);
        if (size)
            memset(bytes, 0xFF, size);
    }
    spi_arena_free(arena);
    spi_arena_free(NULL);
}

static void test_allocations_do_not_overlap(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static unsigned char *blocks[COUNT];
    static size_t sizes[COUNT];
    spi_arena *arena = spi_arena_new(0);
    unsigned seed = 7;
    for (size_t i = 0; i < COUNT; i++) {
        seed = seed * 1103515245u + 12345u;
        sizes[i] = (seed >> 16) % (i % 50 == 0 ? 40000 : 200);
        blocks[i] = i % 2 ? spi_arena_alloc(arena, sizes[i])
                          : (unsigned char *)spi_arena_chars(arena, sizes[i]);
        memset(blocks[i], (int)(i & 0xFF), sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(blocks[i][at], i & 0xFF);
    }
    spi_arena_free(arena);
}

static void test_size_grows_and_reset_gives_back(void **state)
{
    (void)state;
    size_t before = spi_arena_total_bytes();
    spi_arena *arena = spi_arena_new(0);
    size_t first = spi_arena_size(arena);
    assert_int_equal(first, 8192);
    assert_int_equal(spi_arena_total_bytes(), before + first);
    for (int i = 0; i < 100; i++)
        spi_arena_alloc(arena, 1000);
    spi_arena_alloc(arena, 1000000);
    assert_true(spi_arena_size(arena) > 1100000);
    assert_int_equal(spi_arena_total_bytes(), before + spi_arena_size(arena));
    spi_arena_reset(arena);
    assert_int_equal(spi_arena_size(arena), first);
    spi_arena_free(arena);
    assert_int_equal(spi_arena_total_bytes(), before);
}

static void test_first_block_sizes(void **state)
{
    (void)state;
    spi_arena *tiny = spi_arena_new(1), *odd = spi_arena_new(5001), *huge = spi_arena_new(200000);
    memset(spi_arena_alloc(tiny, 4000), 1, 4000);
    assert_true(spi_arena_size(odd) >= 5001);
    memset(spi_arena_alloc(odd, 4900), 1, 4900);
    size_t before = spi_arena_size(huge);
    memset(spi_arena_alloc(huge, 190000), 1, 190000);
    assert_int_equal(spi_arena_size(huge), before);
    spi_arena_free(tiny);
    spi_arena_free(odd);
    spi_arena_free(huge);
}

static void test_a_reset_arena_allocates_nothing_new(void **state)
{
    (void)state;
    spi_arena *arena = spi_arena_new(0);
    void *first = spi_arena_alloc(arena, 100);
    for (int turn = 0; turn < 10; turn++) {
        spi_arena_reset(arena);
        assert_ptr_equal(spi_arena_alloc(arena, 100), first);
        spi_arena_alloc(arena, 2000);
        assert_int_equal(spi_arena_size(arena), 8192);
    }
    spi_arena_free(arena);
}

static void test_text(void **state)
{
    (void)state;
    spi_arena *arena = spi_arena_new(0);
    assert_string_equal(spi_arena_strdup(arena, ""), "");
    assert_string_equal(spi_arena_strdup(arena, "abc"), "abc");
    assert_memory_equal(spi_arena_memdup(arena, "a\0b", 3), "a\0b", 4);
    assert_string_equal(spi_arena_memdup(arena, NULL, 0), "");
    assert_string_equal(spi_arena_format(arena, "%d-%s", 7, "x"), "7-x");
    for (int width = 250; width < 260; width++) {
        const char *wide = spi_arena_format(arena, "%*d|", width, 5);
        assert_int_equal(strlen(wide), width + 1);
        assert_int_equal(wide[width - 1], '5');
        assert_int_equal(wide[width], '|');
    }
    assert_int_equal(strlen(spi_arena_format(arena, "%100000s", "x")), 100000);
    spi_arena_free(arena);
}

static char order[16];

static void note(void *arg)
{
    size_t len = strlen(order);
    order[len] = *(const char *)arg;
    order[len + 1] = '\0';
}

static spi_arena *hooked;

static void note_and_register(void *arg)
{
    static char late[] = "z";
    note(arg);
    spi_arena_alloc(hooked, 10000);
    spi_arena_on_reset(hooked, note, late);
}

static void test_hooks_run_last_first(void **state)
{
    (void)state;
    static char names[] = "abcd";
    spi_arena *arena = spi_arena_new(0);
    order[0] = '\0';
    spi_arena_on_reset(arena, note, &names[0]);
    spi_arena_on_reset(arena, note, &names[1]);
    spi_arena_mark mark = spi_arena_get_mark(arena);
    spi_arena_on_reset(arena, note, &names[2]);
    spi_arena_alloc(arena, 50000);
    spi_arena_on_reset(arena, note, &names[3]);
    spi_arena_rewind(arena, mark);
    assert_string_equal(order, "dc");
    spi_arena_reset(arena);
    assert_string_equal(order, "dcba");
    spi_arena_reset(arena);
    assert_string_equal(order, "dcba");
    spi_arena_on_reset(arena, note, &names[0]);
    spi_arena_free(arena);
    assert_string_equal(order, "dcbaa");
}

static void test_a_hook_may_allocate_and_register(void **state)
{
    (void)state;
    static char name[] = "a";
    hooked = spi_arena_new(0);
    order[0] = '\0';
    spi_arena_on_reset(hooked, note_and_register, name);
    spi_arena_reset(hooked);
    assert_string_equal(order, "az");
    assert_int_equal(spi_arena_size(hooked), 8192);
    spi_arena_free(hooked);
}

static void test_rewind_keeps_what_is_older(void **state)
{
    (void)state;
    spi_arena *arena = spi_arena_new(0);
    char *kept = spi_arena_strdup(arena, "kept");
    char *large = spi_arena_chars(arena, 300000);
    memset(large, 'L', 300000);
    size_t size = spi_arena_size(arena);
    spi_arena_mark mark = spi_arena_get_mark(arena);
    for (int turn = 0; turn < 5; turn++) {
        for (int i = 0; i < 200; i++)
            memset(spi_arena_alloc(arena, 777), turn, 777);
        memset(spi_arena_alloc(arena, 500000), turn, 500000);
        spi_arena_rewind(arena, mark);
        assert_int_equal(spi_arena_size(arena), size);
    }
    assert_string_equal(kept, "kept");
    assert_int_equal(large[0], 'L');
    assert_int_equal(large[299999], 'L');
    spi_arena_mark inner = spi_arena_get_mark(arena);
    assert_memory_equal(&inner, &mark, sizeof mark);
    spi_arena_free(arena);
}

static void test_given_up_memory_is_poisoned(void **state)
{
    (void)state;
#if SPI_ASAN
    spi_arena *arena = spi_arena_new(0);
    char *text = spi_arena_strdup(arena, "short");
    assert_false(__asan_address_is_poisoned(text));
    assert_false(__asan_address_is_poisoned(text + 5));
    assert_true(__asan_address_is_poisoned(text + 16));
    char *large = spi_arena_chars(arena, 100000);
    assert_true(__asan_address_is_poisoned(large + 100000));
    spi_arena_reset(arena);
    assert_true(__asan_address_is_poisoned(text));
    assert_true(__asan_address_is_poisoned(large));
    spi_arena_free(arena);
#else
    skip();
#endif
}

static void test_pool_is_bounded(void **state)
{
    (void)state;
    size_t before = spi_arena_total_bytes();
    spi_arena_pool pool;
    spi_arena_pool_init(&pool, 2);
    spi_arena *arenas[3];
    for (int i = 0; i < 3; i++) {
        arenas[i] = spi_arena_pool_take(&pool);
        spi_arena_alloc(arenas[i], 20000);
    }
    for (int i = 0; i < 3; i++)
        spi_arena_pool_give(&pool, arenas[i]);
    spi_arena_pool_give(&pool, NULL);
    assert_int_equal(pool.count, 2);
    assert_int_equal(spi_arena_total_bytes(), before + 2 * 8192);
    assert_ptr_equal(spi_arena_pool_take(&pool), arenas[1]);
    assert_int_equal(pool.count, 1);
    spi_arena_pool_give(&pool, arenas[1]);
    spi_arena_pool_finish(&pool);
    assert_int_equal(pool.count, 0);
    assert_int_equal(spi_arena_total_bytes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_and_zeroing),
        cmocka_unit_test(test_allocations_do_not_overlap),
        cmocka_unit_test(test_size_grows_and_reset_gives_back),
        cmocka_unit_test(test_first_block_sizes),
        cmocka_unit_test(test_a_reset_arena_allocates_nothing_new),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_hooks_run_last_first),
        cmocka_unit_test(test_a_hook_may_allocate_and_register),
        cmocka_unit_test(test_rewind_keeps_what_is_older),
        cmocka_unit_test(test_given_up_memory_is_poisoned),
        cmocka_unit_test(test_pool_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
