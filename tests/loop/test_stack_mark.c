#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/stack.h"

#include <string.h>

enum { KIB = 1024, SIZE = 2 * KIB * KIB };

static void nothing_is_used_at_first(void **state)
{
    (void)state;
    spi_stack_pool pool;
    spi_stack_pool_init(&pool, 64 * KIB);
    spi_stack *stack = spi_stack_take(&pool, 0);
    assert_int_equal(spi_stack_used(stack), 0);
    spi_stack_give(&pool, stack, NULL);
    spi_stack_pool_finish(&pool);
}

static void touch(const spi_stack *stack, size_t depth)
{
    memset(stack->low + stack->size - depth, 1, 8);
}

static void the_deepest_touch_counts(void **state)
{
    (void)state;
    spi_stack_pool pool;
    spi_stack_pool_init(&pool, 64 * KIB);
    spi_stack *stack = spi_stack_take(&pool, SIZE);
    size_t guard = stack->size - SIZE;
    static const size_t depths[] = { 64, 5000, 3000, 900 * KIB, 1500 * KIB, 100, SIZE };
    size_t deepest = 0;
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        touch(stack, depths[i]);
        deepest = depths[i] > deepest ? depths[i] : deepest;
        size_t used = spi_stack_used(stack);
        assert_in_range(used, deepest, SPI_STACK_MARKS ? deepest : deepest + guard);
    }
    spi_stack_give(&pool, stack, NULL);
    spi_stack_pool_finish(&pool);
}

static void the_next_task_begins_anew_in_debug_builds(void **state)
{
    (void)state;
    spi_stack_pool pool;
    spi_stack_pool_init(&pool, 64 * KIB);
    spi_stack *stack = spi_stack_take(&pool, 0);
    touch(stack, 20 * KIB);
    spi_stack_give(&pool, stack, NULL);
    spi_stack *again = spi_stack_take(&pool, 0);
    assert_ptr_equal(again, stack);
    touch(again, 64);
    size_t used = spi_stack_used(again);
    if (SPI_STACK_MARKS)
        assert_int_equal(used, 64);
    else
        assert_true(used >= 20 * KIB);
    spi_stack_give(&pool, again, NULL);
    spi_stack_pool_finish(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_used_at_first),
        cmocka_unit_test(the_deepest_touch_counts),
        cmocka_unit_test(the_next_task_begins_anew_in_debug_builds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
