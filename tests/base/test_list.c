#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

typedef struct item {
    int value;
    spi_list link;
} item;

static int value_of(spi_list *node)
{
    return node ? spi_container(node, item, link)->value : -1;
}

static void test_first_in_first_out(void **state)
{
    (void)state;
    spi_list list;
    item items[3] = { { .value = 1 }, { .value = 2 }, { .value = 3 } };
    spi_list_init(&list);
    assert_true(spi_list_is_empty(&list));
    assert_null(spi_list_pop(&list));
    for (int i = 0; i < 3; i++)
        spi_list_push(&list, &items[i].link);
    assert_int_equal(value_of(spi_list_first(&list)), 1);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(value_of(spi_list_pop(&list)), i);
    assert_true(spi_list_is_empty(&list));
}

static void test_push_front_and_remove(void **state)
{
    (void)state;
    spi_list list;
    item a = { .value = 1 }, b = { .value = 2 };
    spi_list_init(&list);
    spi_list_push(&list, &a.link);
    spi_list_push_front(&list, &b.link);
    assert_int_equal(value_of(spi_list_first(&list)), 2);
    spi_list_remove(&b.link);
    spi_list_remove(&b.link);
    assert_int_equal(value_of(spi_list_first(&list)), 1);
    spi_list_remove(&a.link);
    assert_true(spi_list_is_empty(&list));
}

static void test_splice(void **state)
{
    (void)state;
    spi_list to, from;
    item items[4] = { { .value = 1 }, { .value = 2 }, { .value = 3 }, { .value = 4 } };
    spi_list_init(&to);
    spi_list_init(&from);
    spi_list_splice(&to, &from);
    assert_true(spi_list_is_empty(&to));
    for (int i = 0; i < 4; i++)
        spi_list_push(i < 2 ? &to : &from, &items[i].link);
    spi_list_splice(&to, &from);
    assert_true(spi_list_is_empty(&from));
    for (int i = 1; i <= 4; i++)
        assert_int_equal(value_of(spi_list_pop(&to)), i);
    assert_true(spi_list_is_empty(&to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out),
        cmocka_unit_test(test_push_front_and_remove),
        cmocka_unit_test(test_splice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
