/* What every task does just now, for people. */
#include "loop/internal.h"

#include <inttypes.h>
#include <stdio.h>

/* Names are the user's: a line stays a line. */
static void print_name(int fd, const char *name)
{
    char clean[sizeof((spi_task *)NULL)->name_copy];
    size_t len = 0;
    for (; name[len] && len < sizeof clean - 1; len++)
        clean[len] = (unsigned char)name[len] < ' ' || name[len] == 0x7F ? '?' : name[len];
    clean[len] = '\0';
    dprintf(fd, "  %s: ", clean);
}

static void print_state(int fd, const spi_task *task)
{
    switch (task->state) {
    case SPI_TASK_READY: dprintf(fd, "ready"); break;
    case SPI_TASK_RUNNING:
        dprintf(fd, task->loop->current == task ? "runs" : "has started another");
        break;
    case SPI_TASK_WAITING:
        dprintf(fd, "waits (%s) since %" PRId64 " ms", task->what,
            spi_loop_now_exact(task->loop) - task->since_ms);
        break;
    case SPI_TASK_RESTING: break;
    }
}

static void print_limits(int fd, const spi_task *task)
{
    if (task->deadline_ms != SPI_NEVER)
        dprintf(
            fd, ", deadline in %" PRId64 " ms", task->deadline_ms - spi_loop_now_exact(task->loop));
    if (task->cancelled)
        dprintf(fd, ", cancelled");
    if (task->shields > 0)
        dprintf(fd, ", shielded");
}

static void print_task(int fd, const spi_task *task)
{
    print_name(fd, task->name);
    print_state(fd, task);
    print_limits(fd, task);
    dprintf(fd, ", stack %zu of %zu KiB\n", (spi_stack_used(task->stack) + 1023) / 1024,
        task->stack->size / 1024);
}

void spout_tasks_dump(int fd)
{
    const spout_loop *loop = spi_loop_of_thread;
    if (!loop) {
        dprintf(fd, "this thread has no loop\n");
        return;
    }
    dprintf(fd, "%zu tasks, %zu stacks of %zu KiB mapped\n", loop->task_count, loop->stacks.mapped,
        loop->stacks.stack_size / 1024);
    for (spi_list *node = loop->tasks.next; node != &loop->tasks; node = node->next) {
        const spi_task *task = spi_container(node, spi_task, node);
        if (task->state != SPI_TASK_RESTING)
            print_task(fd, task);
    }
}
