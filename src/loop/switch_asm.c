/* The first frame of a new stack, as switch_<cpu>.S pops it: BELOW words lie in the red zone. */
#include "loop/switch.h"

#include <stdint.h>
#include <string.h>

void spi_switch_start(void); /* not called: jumped to */

#if defined(__x86_64__)
enum { BELOW = 1, WORDS = 7, ARG = 4, FN = 3, START = 6 };
/* The ABI's initial control words: all exceptions masked, round to nearest, x87 in extended
   precision. */
static const uint64_t control_words = UINT64_C(0x037F) << 32 | 0x1F80;
#elif defined(__aarch64__)
enum { BELOW = 0, WORDS = 20, ARG = 0, FN = 1, START = 11 };
static const uint64_t control_words = 0;
#else
#error "no assembly for this CPU: configure with -Dcoroutine=ucontext"
#endif

void spi_switch_prepare(
    spi_switch_point *point, char *low, char *top, void (*fn)(void *arg), void *arg)
{
    (void)low;
    uint64_t frame[BELOW + WORDS] = { 0 };
    if (BELOW > 0)
        frame[0] = control_words;
    frame[BELOW + ARG] = (uintptr_t)arg;
    frame[BELOW + FN] = (uintptr_t)fn;
    frame[BELOW + START] = (uintptr_t)spi_switch_start;
    char *sp = top - ((uintptr_t)top & 15) - sizeof frame;
    memcpy(sp, frame, sizeof frame);
    point->sp = sp + BELOW * sizeof *frame;
}
