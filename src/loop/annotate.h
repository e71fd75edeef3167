/* What sanitizers and valgrind must be told about stacks of our own. Empty functions in other
   builds. */
#ifndef SPI_ANNOTATE_H
#define SPI_ANNOTATE_H

#include "base/memory.h"

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_THREAD__)
#define SPI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SPI_TSAN 1
#endif
#endif
#ifndef SPI_TSAN
#define SPI_TSAN 0
#endif

#if SPI_ASAN
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if SPI_TSAN
#include <sanitizer/tsan_interface.h>
#include <signal.h>
#include <time.h>
#endif
#if SPI_HAVE_VALGRIND
#include <valgrind/valgrind.h>
#endif

/* One for each stack that is switched to or from. The bounds are those of the stack; a thread's own
   are learned. */
typedef struct spi_fiber {
    const void *low;
    size_t size;
#if SPI_ASAN
    void *fake_stack;
    struct spi_fiber *came_from;
#endif
#if SPI_TSAN
    void *tsan;
#endif
} spi_fiber;

#if SPI_TSAN
/* The sanitizer keeps signals in a block for each fiber, which it allocates in the fiber's first
   call that may block: one that comes meanwhile is lost (gcc 12, clang 14). Here none can come. */
static inline void spi_fiber_prepare_signals(void *fiber)
{
    const struct timespec no_time = { 0 };
    sigset_t all, before;
    void *self = __tsan_get_current_fiber();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    __tsan_switch_to_fiber(fiber, 0);
    nanosleep(&no_time, NULL);
    __tsan_switch_to_fiber(self, 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
#endif

static inline void spi_fiber_init_thread(spi_fiber *fiber)
{
    *fiber = (spi_fiber){ 0 };
#if SPI_TSAN
    fiber->tsan = __tsan_get_current_fiber();
    spi_fiber_prepare_signals(fiber->tsan);
#endif
}

static inline void spi_fiber_init(spi_fiber *fiber, const void *low, size_t size)
{
    *fiber = (spi_fiber){ .low = low, .size = size };
#if SPI_TSAN
    fiber->tsan = __tsan_create_fiber(0);
    spi_fiber_prepare_signals(fiber->tsan);
#endif
}

/* From another fiber, when this one will not run again. */
static inline void spi_fiber_finish(spi_fiber *fiber)
{
    (void)fiber;
#if SPI_TSAN
    __tsan_destroy_fiber(fiber->tsan);
#endif
}

/* Right before a switch. `last`: `from` will not run again. */
static inline void spi_fiber_leave(spi_fiber *from, spi_fiber *to, bool last)
{
    (void)from, (void)to, (void)last;
#if SPI_ASAN
    to->came_from = from;
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->low, to->size);
#endif
#if SPI_TSAN
    /* What came to this fiber and waits there is delivered by an intercepted call, such as this. */
    pthread_sigmask(SIG_BLOCK, NULL, NULL);
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/* Right after it, on the new stack. */
static inline void spi_fiber_arrive(spi_fiber *self)
{
    (void)self;
#if SPI_ASAN
    spi_fiber *from = self->came_from;
    __sanitizer_finish_switch_fiber(self->fake_stack, &from->low, &from->size);
#endif
}

/* Memory that stacks are cut from: what only a suspended task points to is not a leak. */
static inline void spi_note_stack_memory(const void *start, size_t size)
{
    (void)start, (void)size;
#if SPI_ASAN
    __lsan_register_root_region(start, size);
#endif
}

static inline void spi_forget_stack_memory(const void *start, size_t size)
{
    (void)start, (void)size;
#if SPI_ASAN
    __lsan_unregister_root_region(start, size);
    spi_unpoison(start, size);
#endif
}

static inline unsigned spi_note_stack(const char *low, size_t size)
{
    (void)low, (void)size;
#if SPI_HAVE_VALGRIND
    return (unsigned)VALGRIND_STACK_REGISTER(low, low + size - 1);
#else
    return 0;
#endif
}

static inline void spi_forget_stack(unsigned id)
{
    (void)id;
#if SPI_HAVE_VALGRIND
    VALGRIND_STACK_DEREGISTER(id);
#endif
}

#endif
