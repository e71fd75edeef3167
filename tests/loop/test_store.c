#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/store.h"

enum { MANY = 1000 };

static int values[MANY];

static int compare_tens(const void *a, const void *b)
{
    const int *left = a, *right = b;
    return *left / 10 - *right / 10;
}

static int pop(spi_store *store)
{
    const int *item = spi_store_pop(store);
    return *item;
}

static int fill_values(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++)
        values[i] = i;
    return 0;
}

static void a_ring_keeps_the_order_while_it_moves(void **state)
{
    (void)state;
    spi_store store;
    spi_store_init(&store, SPOUT_QUEUE_FIFO, NULL);
    int in = 0, out = 0;
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 7 && in < MANY; i++)
            spi_store_push(&store, &values[in++]);
        for (int i = 0; i < 4; i++)
            assert_int_equal(pop(&store), out++);
    }
    while (store.count > 0)
        assert_int_equal(pop(&store), out++);
    assert_int_equal(out, in);
    spi_store_finish(&store);
}

static void a_stack_turns_the_order_round(void **state)
{
    (void)state;
    spi_store store;
    spi_store_init(&store, SPOUT_QUEUE_LIFO, NULL);
    for (int i = 0; i < 100; i++)
        spi_store_push(&store, &values[i]);
    for (int i = 99; i >= 50; i--)
        assert_int_equal(pop(&store), i);
    spi_store_push(&store, &values[500]);
    assert_int_equal(pop(&store), 500);
    assert_int_equal(pop(&store), 49);
    spi_store_finish(&store);
}

/* Sorted by tens; among equal ones as they came. */
static void the_lowest_leaves_first_and_equals_in_their_order(void **state)
{
    (void)state;
    spi_store store;
    spi_store_init(&store, SPOUT_QUEUE_PRIORITY, compare_tens);
    int arrived[MANY], last_ten = -1, last_arrival = -1;
    for (int i = 0; i < MANY; i++) {
        int number = (i * 617) % MANY;
        arrived[number] = i;
        spi_store_push(&store, &values[number]);
    }
    for (int i = 0; i < MANY; i++) {
        int value = pop(&store);
        assert_true(value / 10 >= last_ten);
        if (value / 10 == last_ten)
            assert_true(arrived[value] > last_arrival);
        last_ten = value / 10;
        last_arrival = arrived[value];
    }
    assert_int_equal(store.count, 0);
    spi_store_finish(&store);
}

static void one_in_one_out(void **state)
{
    (void)state;
    for (int kind = SPOUT_QUEUE_FIFO; kind <= SPOUT_QUEUE_LIFO; kind++) {
        spi_store store;
        spi_store_init(&store, (spout_queue_kind)kind, compare_tens);
        for (int i = 0; i < 100; i++) {
            spi_store_push(&store, &values[i]);
            assert_int_equal(pop(&store), i);
        }
        assert_int_equal(store.capacity, 8);
        spi_store_finish(&store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_keeps_the_order_while_it_moves),
        cmocka_unit_test(a_stack_turns_the_order_round),
        cmocka_unit_test(the_lowest_leaves_first_and_equals_in_their_order),
        cmocka_unit_test(one_in_one_out),
    };
    return cmocka_run_group_tests(tests, fill_values, NULL);
}
