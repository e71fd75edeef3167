#define _GNU_SOURCE
#include "loop/overflow.h"

#include "base/memory.h"
#include "base/text.h"
#include "loop/internal.h"

#include <signal.h>
#include <unistd.h>

enum { SIGNAL_STACK = 64 * 1024, REACH = 64 * 1024 };

static void say(const char *text)
{
    if (write(2, text, strlen(text)) < 0)
        return; /* there is nobody left to tell */
}

/* Whether the address lies where a frame of the running coroutine would, had its stack gone on. */
static const spi_task *task_that_overflowed(uintptr_t address)
{
    const spout_loop *loop = spi_loop_of_thread;
    const spi_task *task = loop ? loop->current : NULL;
    if (!task || !task->stack)
        return NULL;
    uintptr_t low = (uintptr_t)task->stack->low;
    uintptr_t guard = (uintptr_t)sysconf(_SC_PAGESIZE);
    return address < low + guard && address + REACH >= low ? task : NULL;
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    (void)context;
    const spi_task *task = task_that_overflowed((uintptr_t)info->si_addr);
    if (task) {
        char size[20] = { 0 };
        size[spi_format_uint(size, task->stack->size)] = '\0';
        say("waterspout: the stack of task ");
        say(task->name);
        say(" (");
        say(size);
        say(" bytes) has overflowed: put large things elsewhere, or ask for a larger stack_size\n");
    }
    signal(signo, SIG_DFL); /* the fault comes again when this returns */
}

void spi_overflow_handler_install(void)
{
    if (SPI_ASAN)
        return;
    static char memory[SIGNAL_STACK];
    stack_t stack = { .ss_sp = memory, .ss_size = sizeof memory };
    if (sigaltstack(&stack, NULL) < 0)
        return; /* it dies without words, then */
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}
