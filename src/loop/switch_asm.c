/* The first frame of a new stack, as switch_<cpu>.S pops it. */
#include "loop/switch.h"

#include <stdint.h>
#include <string.h>

void spi_switch_start(void); /* not called: jumped to */

#if defined(__x86_64__)
enum { WORDS = 8, ARG = 5, FN = 4, START = 7 };
/* The ABI's initial control words: all exceptions masked, round to nearest, x87 in extended
   precision. */
static const uint64_t control_words = UINT64_C(0x037F) << 32 | 0x1F80;
#elif defined(__aarch64__)
enum { WORDS = 20, ARG = 0, FN = 1, START = 11 };
static const uint64_t control_words = 0;
#else
#error "no assembly for this CPU: configure with -Dcoroutine=ucontext"
#endif

void spi_switch_prepare(
    spi_switch_point *point, char *low, char *top, void (*fn)(void *arg), void *arg)
{
    (void)low;
    uint64_t frame[WORDS] = { 0 };
    if (ARG != 0)
        frame[0] = control_words;
    frame[ARG] = (uintptr_t)arg;
    frame[FN] = (uintptr_t)fn;
    frame[START] = (uintptr_t)spi_switch_start;
    char *sp = top - ((uintptr_t)top & 15) - sizeof frame;
    memcpy(sp, frame, sizeof frame);
    point->sp = sp;
}
