#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/heap.h"
#include "child.h"

#include <signal.h>
#include <string.h>

enum { COUNT = 500 };

typedef struct timer {
    spi_heap_node node;
    int number;
} timer;

static unsigned seed;

static unsigned next_random(void)
{
    seed = seed * 1103515245u + 12345u;
    return seed >> 16;
}

static void test_empty(void **state)
{
    (void)state;
    spi_heap heap;
    spi_heap_node node = { 0 };
    spi_heap_init(&heap);
    assert_null(spi_heap_first(&heap));
    spi_heap_remove(&heap, &node);
    assert_false(spi_heap_contains(&node));
    spi_heap_finish(&heap);
}

static void test_ties_are_first_come_first_served(void **state)
{
    (void)state;
    spi_heap heap;
    static timer timers[COUNT];
    memset(timers, 0, sizeof timers);
    spi_heap_init(&heap);
    for (int i = 0; i < COUNT; i++) {
        timers[i].number = i;
        spi_heap_insert(&heap, &timers[i].node, i % 3);
    }
    int expected[3] = { 0, 1, 2 };
    for (int i = 0; i < COUNT; i++) {
        timer *first = (timer *)(void *)spi_heap_first(&heap);
        assert_int_equal(first->number, expected[first->node.key]);
        expected[first->node.key] += 3;
        spi_heap_remove(&heap, &first->node);
    }
    assert_null(spi_heap_first(&heap));
    spi_heap_finish(&heap);
}

/* The least by key, then by order of insertion, among those that are in the heap. */
static spi_heap_node *least(timer *timers)
{
    spi_heap_node *best = NULL;
    for (int i = 0; i < COUNT; i++) {
        spi_heap_node *node = &timers[i].node;
        if (spi_heap_contains(node) &&
            (!best || node->key < best->key ||
                (node->key == best->key && node->sequence < best->sequence)))
            best = node;
    }
    return best;
}

static void test_random_against_a_search(void **state)
{
    (void)state;
    spi_heap heap;
    static timer timers[COUNT];
    memset(timers, 0, sizeof timers);
    spi_heap_init(&heap);
    seed = 11;
    size_t held = 0;
    for (int turn = 0; turn < 20000; turn++) {
        timer *t = &timers[next_random() % COUNT];
        if (spi_heap_contains(&t->node)) {
            spi_heap_remove(&heap, &t->node);
            held--;
        } else {
            spi_heap_insert(&heap, &t->node, (int64_t)(next_random() % 200) - 100);
            held++;
        }
        assert_int_equal(heap.count, held);
        assert_ptr_equal(spi_heap_first(&heap), least(timers));
    }
    int64_t before = INT64_MIN;
    while (spi_heap_first(&heap)) {
        spi_heap_node *first = spi_heap_first(&heap);
        assert_true(first->key >= before);
        before = first->key;
        spi_heap_remove(&heap, first);
    }
    spi_heap_finish(&heap);
}

static void test_extreme_keys(void **state)
{
    (void)state;
    spi_heap heap;
    spi_heap_node low = { 0 }, zero = { 0 }, high = { 0 };
    spi_heap_init(&heap);
    spi_heap_insert(&heap, &high, INT64_MAX);
    spi_heap_insert(&heap, &low, INT64_MIN);
    spi_heap_insert(&heap, &zero, 0);
    assert_ptr_equal(spi_heap_first(&heap), &low);
    spi_heap_remove(&heap, &low);
    assert_ptr_equal(spi_heap_first(&heap), &zero);
    spi_heap_finish(&heap);
    assert_false(spi_heap_contains(&zero));
    assert_false(spi_heap_contains(&high));
}

static void insert_twice(void)
{
    spi_heap heap;
    spi_heap_node node = { 0 };
    spi_heap_init(&heap);
    spi_heap_insert(&heap, &node, 1);
    spi_heap_insert(&heap, &node, 2);
}

static void remove_from_another(void)
{
    spi_heap a, b;
    spi_heap_node node = { 0 };
    spi_heap_init(&a);
    spi_heap_init(&b);
    spi_heap_insert(&a, &node, 1);
    spi_heap_remove(&b, &node);
}

static void test_misuse_is_a_bug(void **state)
{
    (void)state;
    assert_int_equal(child_signal(run_child(insert_twice)), SIGABRT);
    assert_int_equal(child_signal(run_child(remove_from_another)), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_ties_are_first_come_first_served),
        cmocka_unit_test(test_random_against_a_search),
        cmocka_unit_test(test_extreme_keys),
        cmocka_unit_test(test_misuse_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
