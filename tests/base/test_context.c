#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/context.h"

#include <spout/error.h>
#include <spout/memory.h>

#include <pthread.h>

static void test_default_is_the_threads_own(void **state)
{
    (void)state;
    spi_context *own = spi_context_current();
    assert_non_null(own);
    assert_ptr_equal(spi_context_current(), own);
}

static void test_switch_and_back(void **state)
{
    (void)state;
    spi_context *own = spi_context_current();
    spi_context a = { 0 }, b = { 0 };
    assert_ptr_equal(spi_context_switch(&a), own);
    assert_ptr_equal(spi_context_switch(&b), &a);
    assert_ptr_equal(spi_context_current(), &b);
    assert_ptr_equal(spi_context_switch(NULL), &b);
    assert_ptr_equal(spi_context_current(), own);
    spi_context_switch(&a);
    spi_context_switch(own);
    assert_ptr_equal(spi_context_current(), own);
}

static void test_errors_belong_to_a_context(void **state)
{
    (void)state;
    spi_context a = { 0 };
    spout_error_set(SPOUT_EINVAL, "the thread's");
    spi_context_switch(&a);
    assert_null(spout_error_current());
    spout_error_set(SPOUT_ECLOSED, "the coroutine's");
    spout_error_wrap(SPOUT_EFAILED, "around it");
    spi_context_switch(NULL);
    assert_string_equal(spout_error_message(), "the thread's");
    spi_context_clear(&a);
    assert_null(a.error);
    spi_context_clear(&a);
    assert_string_equal(spout_error_message(), "the thread's");
    spout_error_clear();
}

static void test_scope_is_made_on_first_use_and_its_owners(void **state)
{
    (void)state;
    spi_context a = { 0 };
    spi_context_switch(&a);
    assert_null(a.scope);
    spout_scope_text("scoped");
    assert_non_null(a.scope);
    assert_ptr_equal(spi_context_scope(&a), a.scope);
    spi_context_clear(&a);
    assert_non_null(a.scope);
    spi_context_switch(NULL);
    spi_arena_free(a.scope);
}

static int hooks_run;

static void count_hook(void *arg)
{
    (void)arg;
    hooks_run++;
    spout_error_set(SPOUT_EFAILED, "set while the thread ends");
}

static void *use_the_threads_own(void *arg)
{
    spi_context **ret_context = arg;
    *ret_context = spi_context_current();
    spout_error_set(SPOUT_EINVAL, "in another thread");
    spout_error_wrap(SPOUT_EINVAL, "and its chain");
    spout_scope_alloc(100000);
    spi_arena_on_reset(spi_context_scope(spi_context_current()), count_hook, NULL);
    return NULL;
}

static void test_a_threads_own_goes_with_the_thread(void **state)
{
    (void)state;
    spi_context *other = NULL;
    pthread_t thread;
    size_t before = spi_arena_total_bytes();
    hooks_run = 0;
    assert_int_equal(pthread_create(&thread, NULL, use_the_threads_own, &other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ptr_not_equal(other, spi_context_current());
    assert_int_equal(spi_arena_total_bytes(), before);
    assert_int_equal(hooks_run, 1);
    assert_null(spout_error_current());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_is_the_threads_own),
        cmocka_unit_test(test_switch_and_back),
        cmocka_unit_test(test_errors_belong_to_a_context),
        cmocka_unit_test(test_scope_is_made_on_first_use_and_its_owners),
        cmocka_unit_test(test_a_threads_own_goes_with_the_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
