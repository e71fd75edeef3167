/* The portable way, several times slower: each switch also saves and restores the signal mask with
   a system call. */
#include "loop/switch.h"

#include "base/bug.h"

#include <stdint.h>

/* makecontext passes only ints: the pointer travels in two halves. */
static void start(unsigned low_half, unsigned high_half)
{
    uintptr_t address = (uintptr_t)((uint64_t)high_half << 32 | low_half);
    spi_switch_point *point = (spi_switch_point *)address;
    point->fn(point->arg);
}

void spi_switch_prepare(
    spi_switch_point *point, char *low, char *top, void (*fn)(void *arg), void *arg)
{
    SPI_BUG_IF(getcontext(&point->context) != 0, "getcontext failed");
    point->context.uc_stack.ss_sp = low;
    point->context.uc_stack.ss_size = (size_t)(top - low);
    point->context.uc_link = NULL;
    point->fn = fn;
    point->arg = arg;
    uint64_t address = (uintptr_t)point;
    makecontext(
        &point->context, (void (*)(void))start, 2, (unsigned)address, (unsigned)(address >> 32));
}

void spi_switch(spi_switch_point *from, spi_switch_point *to)
{
    SPI_BUG_IF(swapcontext(&from->context, &to->context) != 0, "swapcontext failed");
}
