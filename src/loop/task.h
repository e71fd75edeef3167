/* Coroutines from inside: starting one at once, parking it, waking it. */
#ifndef SPI_TASK_H
#define SPI_TASK_H

#include <spout/task.h>

#include "base/list.h"

typedef struct spi_task spi_task;

spi_task *spi_task_current(void); /* NULL outside */

/*
 * Starts a coroutine and runs it until it first suspends or ends, then returns (to the caller's own
 * context, be that the loop or another task). Returns SPOUT_ELIMIT if there is no stack. `ret_task`
 * (may be NULL) is set before fn runs and is valid until fn has returned. The arena becomes the
 * task's scope (NULL: one of the pool's on first use); it stays the caller's. fn's result is
 * ignored: whoever starts tasks this way reports failures itself.
 *
 * `then` (may be NULL) goes on where fn has returned, or was ended by spout_abort, with what that
 * gives as its result; deferred calls of fn have run by then, its shields and deadline are over. As
 * spi_task_call around fn, for less.
 */
typedef int spi_task_then(void *arg, int result);
typedef struct spi_task_start {
    const char *name; /* static */
    spout_task_fn *fn;
    void *arg;
    struct spi_arena *scope;
    spi_task_then *then;
} spi_task_start;
int spi_task_run(spout_loop *loop, const spi_task_start *start, spi_task **ret_task);

/* Every suspending call of the task returns SPOUT_ECANCELED from now on; wakes it if it waits. */
void spi_task_cancel(spi_task *task);

/*
 * Wait queues: what every suspending function is made of. spi_wait parks the current task at the
 * end of the queue until it is woken; 0, or SPOUT_ECANCELED, SPOUT_ETIMEDOUT, SPOUT_ESTATE outside
 * a coroutine. A task that was woken returns 0 even if it is cancelled before it runs: no wake-up
 * is lost. `what` is static, for dumps ("sleep", "future", "writable").
 */
int spi_wait(spi_list *queue, const char *what);
bool spi_wake_one(spi_list *queue); /* false if nobody waits */
void spi_wake_all(spi_list *queue);

/* Calls fn(arg) so that a spout_abort inside ends only fn: returns fn's result, or the error's
   code. Deferred calls that fn registered run before it returns. This is the "base" that handlers
   unwind to. */
int spi_task_call(spout_task_fn *fn, void *arg);

#endif
