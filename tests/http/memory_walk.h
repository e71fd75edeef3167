/*
 * Lets the n-th block that others' code asks for through us be refused; then the n+1-th; until none
 * is left. The requests come by here because the program is linked with --wrap=spi_try_malloc; what
 * refuses is an allocator as a user might set one, which also counts the blocks.
 */
#ifndef TEST_MEMORY_WALK_H
#define TEST_MEMORY_WALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>

#include "base/memory.h"

#include <stdlib.h>

static int asked, fatal_request; /* the n-th; 0: none */
static bool refusing;
static long live_blocks;

void *__real_spi_try_malloc(size_t size);
void *__wrap_spi_try_malloc(size_t size);
void *__wrap_spi_try_malloc(size_t size)
{
    refusing = ++asked == fatal_request;
    void *block = __real_spi_try_malloc(size);
    refusing = false;
    return block;
}

static void *count_realloc(void *self, void *block, size_t size)
{
    (void)self;
    if (refusing)
        return NULL;
    live_blocks += !block;
    return realloc(block, size);
}

static void count_free(void *self, void *block)
{
    (void)self;
    live_blocks -= block != NULL;
    free(block);
}

/* Before anything else of the library. */
static int count_blocks(void **state)
{
    (void)state;
    return spout_set_allocator(&(spout_allocator){ .realloc = count_realloc, .free = count_free });
}

/* `run` returns whether all went as it does with memory, and leaves nothing behind. Returns how many
   blocks there are to refuse. */
static int walk(bool (*run)(void), int *ret_failed)
{
    int failed = 0;
    fatal_request = 0;
    assert_true(run()); /* makes what lives as long as the process */
    for (fatal_request = 1;; fatal_request++) {
        spout_error_clear();
        long before = live_blocks;
        asked = 0;
        bool good = run();
        spout_error_clear();
        assert_int_equal(live_blocks, before);
        if (asked < fatal_request) {
            assert_true(good);
            break;
        }
        failed += !good;
    }
    fatal_request = 0;
    *ret_failed = failed;
    return asked;
}

#endif
