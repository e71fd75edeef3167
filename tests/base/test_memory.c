#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/context.h"
#include "base/memory.h"
#include "child.h"

#include <spout/error.h>

#include <signal.h>
#include <stdio.h>

static size_t live, calls;
static void *seen_self;

static void *counting_realloc(void *self, void *block, size_t size)
{
    seen_self = self;
    calls++;
    live += !block;
    return size == 0 || size > SIZE_MAX / 4 ? NULL : realloc(block, size);
}

static void counting_free(void *self, void *block)
{
    (void)self;
    live--;
    free(block);
}

static void tell_out_of_memory(void *self, size_t size)
{
    (void)self;
    fprintf(stderr, "handler: %d\n", size == SIZE_MAX / 2);
}

static void refused_once_used(void)
{
    spi_free(spi_malloc(1));
    if (spout_set_allocator(NULL) == SPOUT_ESTATE)
        abort();
}

static void incomplete(void)
{
    const spout_allocator half = { .free = counting_free };
    if (spout_set_allocator(&half) == SPOUT_EINVAL)
        abort();
}

static void test_allocator_is_checked(void **state)
{
    (void)state;
    assert_int_equal(child_signal(run_child(refused_once_used)), SIGABRT);
    assert_int_equal(child_signal(run_child(incomplete)), SIGABRT);
}

static void exhaust(void)
{
    volatile size_t size = SIZE_MAX / 2;
    spi_free(spi_malloc(size));
}

static void exhaust_zeroed(void)
{
    volatile size_t size = SIZE_MAX / 2;
    spi_free(spi_calloc(size));
}

static void exhaust_arena(void)
{
    volatile size_t size = SIZE_MAX / 2 + 1;
    spi_arena_alloc(spi_arena_new(0), size);
}

static void exhaust_without_a_handler(void)
{
    const spout_allocator plain = { .realloc = counting_realloc, .free = counting_free };
    if (spout_set_allocator(&plain) == 0)
        exhaust();
}

static void test_out_of_memory_is_told_on_stderr(void **state)
{
    (void)state;
    const child_result *child = run_child(exhaust_without_a_handler);
    assert_int_equal(child_signal(child), SIGABRT);
    assert_non_null(strstr(child->err, "out of memory"));
}

static int a_self;

static void test_set_allocator(void **state)
{
    (void)state;
    const spout_allocator counting = { .realloc = counting_realloc,
        .free = counting_free,
        .out_of_memory = tell_out_of_memory,
        .self = &a_self };
    assert_int_equal(spout_set_allocator(NULL), 0);
    assert_int_equal(spout_set_allocator(&counting), 0);
    spi_free(NULL);
    void *block = spi_malloc(0);
    assert_non_null(block);
    assert_int_equal(live, 1);
    assert_ptr_equal(seen_self, &a_self);
    spi_free(block);
    assert_int_equal(live, 0);
    assert_int_equal(spout_set_allocator(NULL), SPOUT_ESTATE);
    spout_error_clear();
    assert_int_equal(live, 0);
}

static void test_out_of_memory_asks_the_handler(void **state)
{
    (void)state;
    const child_result *child = run_child(exhaust);
    assert_int_equal(child_signal(child), SIGABRT);
    /* an emulator may add to it */
    assert_ptr_equal(strstr(child->err, "handler: 1\n"), child->err);
    assert_int_equal(child_signal(run_child(exhaust_zeroed)), SIGABRT);
    assert_int_equal(child_signal(run_child(exhaust_arena)), SIGABRT);
}

static void test_blocks_and_copies(void **state)
{
    (void)state;
    size_t before = live;
    char *zeroed = spi_calloc(100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zeroed[i], 0);
    memset(zeroed, 'z', 100);
    zeroed = spi_realloc(zeroed, 1000);
    assert_int_equal(zeroed[99], 'z');
    spi_free(zeroed);
    char *text = spi_strdup("text"), *bytes = spi_memdup("a\0b", 3), *none = spi_memdup(NULL, 0);
    assert_string_equal(text, "text");
    assert_memory_equal(bytes, "a\0b", 4);
    assert_string_equal(none, "");
    spi_free(text);
    spi_free(bytes);
    spi_free(none);
    void *tried = spi_try_malloc(10);
    assert_non_null(tried);
    spi_free(tried);
    volatile size_t too_much = SIZE_MAX / 2;
    assert_null(spi_try_malloc(too_much));
    assert_int_equal(live, before + 1); /* it counts what it refuses */
    live = before;
}

static void test_public_copies(void **state)
{
    (void)state;
    assert_null(spout_dup(NULL));
    assert_null(spout_dup_bytes((spout_bytes){ NULL, 0 }));
    char *text = spout_dup("text"), *bytes = spout_dup_bytes((spout_bytes){ "a\0b", 3 });
    int *numbers = spout_alloc(3 * sizeof *numbers);
    assert_string_equal(text, "text");
    assert_memory_equal(bytes, "a\0b", 4);
    assert_int_equal(numbers[2], 0);
    spout_free(text);
    spout_free(bytes);
    spout_free(numbers);
    spout_free(NULL);
}

static void test_scoped_memory(void **state)
{
    (void)state;
    unsigned char *block = spout_scope_alloc(50);
    assert_int_equal((uintptr_t)block % 16, 0);
    assert_int_equal(block[49], 0);
    assert_string_equal(spout_scope_text("abc"), "abc");
    assert_null(spout_scope_text(NULL));
    assert_memory_equal(spout_scope_bytes((spout_bytes){ "a\0b", 3 }), "a\0b", 4);
    assert_string_equal(spout_scope_bytes((spout_bytes){ NULL, 0 }), "");
    assert_string_equal(spout_scope_format("%s, %d", "Hello", 5), "Hello, 5");
}

static void test_push_and_pop_allocate_nothing_in_the_end(void **state)
{
    (void)state;
    char *kept = spout_scope_text("kept");
    size_t size = spi_arena_size(spi_context_current()->scope);
    for (int turn = 0; turn < 100; turn++) {
        spout_scope *scope = spout_scope_push();
        for (int i = 0; i < 20; i++)
            memset(spout_scope_alloc(1000), 1, 1000);
        spout_scope_pop(scope);
        assert_int_equal(spi_arena_size(spi_context_current()->scope), size);
    }
    assert_string_equal(kept, "kept");
    spout_scope_pop(NULL);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void test_outer_pop_ends_the_inner_ones(void **state)
{
    (void)state;
    int ended = 0;
    spi_arena *arena = spi_context_scope(spi_context_current());
    spout_scope *outer = spout_scope_push();
    spi_arena_on_reset(arena, count, &ended);
    spout_scope_push();
    spi_arena_on_reset(arena, count, &ended);
    spout_scope *innermost = spout_scope_push();
    spi_arena_on_reset(arena, count, &ended);
    spout_scope_pop(innermost);
    assert_int_equal(ended, 1);
    spout_scope_pop(outer);
    assert_int_equal(ended, 3);
}

/* A scope ends where it was opened, whichever coroutine ends it. */
static void test_scopes_of_contexts_are_apart(void **state)
{
    (void)state;
    spi_context other = { 0 };
    char *mine = spout_scope_text("mine");
    spout_scope *scope = spout_scope_push();
    spi_context_switch(&other);
    char *theirs = spout_scope_text("theirs");
    spout_scope_pop(scope);
    assert_string_equal(theirs, "theirs");
    assert_string_equal(mine, "mine");
    spi_context_switch(NULL);
    spi_arena_free(other.scope);
}

int main(void)
{
    /* The first two run before any use of the library: what they check settles with it. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocator_is_checked),
        cmocka_unit_test(test_out_of_memory_is_told_on_stderr),
        cmocka_unit_test(test_set_allocator),
        cmocka_unit_test(test_out_of_memory_asks_the_handler),
        cmocka_unit_test(test_blocks_and_copies),
        cmocka_unit_test(test_public_copies),
        cmocka_unit_test(test_scoped_memory),
        cmocka_unit_test(test_push_and_pop_allocate_nothing_in_the_end),
        cmocka_unit_test(test_outer_pop_ends_the_inner_ones),
        cmocka_unit_test(test_scopes_of_contexts_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
