/* From one stack to another. Which file implements it is the build's choice (option `coroutine`).
   */
#ifndef SPI_SWITCH_H
#define SPI_SWITCH_H

#include <stddef.h>

#if SPI_SWITCH_UCONTEXT
#include <ucontext.h>

typedef struct spi_switch_point {
    ucontext_t context;
    void (*fn)(void *arg);
    void *arg;
} spi_switch_point;

void spi_switch(spi_switch_point *from, spi_switch_point *to);

#else

/* Everything else that a switch must keep lies on the stack. */
typedef struct spi_switch_point {
    void *sp;
} spi_switch_point;

void spi_switch_stacks(void **from_sp, void *to_sp);

static inline void spi_switch(spi_switch_point *from, spi_switch_point *to)
{
    spi_switch_stacks(&from->sp, to->sp);
}

#endif

/* The first switch to `point` calls fn(arg) at the upper end of the stack low … top. fn never
   returns. */
void spi_switch_prepare(
    spi_switch_point *point, char *low, char *top, void (*fn)(void *arg), void *arg);

#endif
