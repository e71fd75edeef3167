/* How much of a stack has been used: told by which of its pages are there, and in debug builds by
   what is not zero. */
#define _GNU_SOURCE /* mincore */
#include "loop/stack.h"

#include "base/memory.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES_AT_ONCE = 256 };

/* The lowest page that is there, above the guard's or canary's; the upper end if there is none. */
static char *lowest_page(const spi_stack *stack)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *top = stack->low + stack->size;
    unsigned char present[PAGES_AT_ONCE];
    for (char *at = stack->low + page; at < top; at += PAGES_AT_ONCE * page) {
        size_t pages = (size_t)(top - at) / page;
        if (pages > PAGES_AT_ONCE)
            pages = PAGES_AT_ONCE;
        if (mincore(at, pages * page, present) < 0)
            return top;
        for (size_t i = 0; i < pages; i++) {
            if (present[i] & 1)
                return at + i * page;
        }
    }
    return top;
}

#if SPI_STACK_MARKS

/* Reads what may be marked as not to be read. */
__attribute__((no_sanitize("address"))) static const char *lowest_word(
    const char *from, const char *top)
{
    const volatile uintptr_t *word = (const volatile uintptr_t *)(const void *)from;
    const volatile uintptr_t *end = (const volatile uintptr_t *)(const void *)top;
    while (word < end && *word == 0)
        word++;
    return top - (size_t)(end - word) * sizeof *word;
}

void spi_stack_wash(spi_stack *stack)
{
    char *from = lowest_page(stack);
    size_t size = (size_t)(stack->low + stack->size - from);
    spi_unpoison(from, size);
    memset(from, 0, size);
}

#else

static const char *lowest_word(const char *from, const char *top)
{
    (void)top;
    return from;
}

void spi_stack_wash(spi_stack *stack)
{
    (void)stack;
}

#endif

size_t spi_stack_used(const spi_stack *stack)
{
    const char *top = stack->low + stack->size;
    return (size_t)(top - lowest_word(lowest_page(stack), top));
}
