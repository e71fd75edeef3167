/*
 * Coroutines (Tornado's gen): calling is awaiting.
 *
 * Every handler method, WebSocket message, spawned task and timer runs on a coroutine. A suspending
 * function returns when it is done; meanwhile other coroutines of the loop run. Outside a coroutine
 * it fails with SPOUT_ESTATE.
 *
 * Deadlines and cancellation end a wait early. A deadline belongs to the coroutine: while it has
 * passed, every suspending call returns SPOUT_ETIMEDOUT. Once a coroutine is cancelled, every
 * suspending call returns SPOUT_ECANCELED, except inside spout_shield and deferred calls.
 *
 * Example:
 *     int64_t outer = spout_deadline_set_ms(2000);
 *     int result = slow_thing();                    // SPOUT_ETIMEDOUT after two seconds
 *     spout_deadline_restore(outer);
 */
#ifndef SPOUT_TASK_H
#define SPOUT_TASK_H

#include <spout/base.h>
#include <spout/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Starts a detached coroutine in the loop's next turn (spawn_callback). It inherits no deadline. A
   failure is logged once, with the task's name. SPOUT_ELIMIT if there are no stacks left. */
SPOUT_API int spout_spawn(spout_task_fn *fn, void *arg, const spout_task_options *options);

SPOUT_API int spout_sleep(int64_t delay_ms) SPOUT_SUSPENDS; /* gen.sleep */
SPOUT_API int spout_yield(void) SPOUT_SUSPENDS; /* gen.moment: lets the loop turn once */

/* Whether the caller runs on a coroutine, and that coroutine's name ("" outside). */
SPOUT_API bool spout_in_task(void);
SPOUT_API const char *spout_task_name(void);

/* Writes a line for each coroutine of the current loop, as they were started: its name, what it
   waits for and since when, its deadline, how much of its stack it has touched (to the page, with
   what ran on that stack before it; exactly in debug builds). Call it from a signal watch to see
   where a program hangs, or from gdb: `call spout_tasks_dump(2)`. Blocks while it writes. */
SPOUT_API void spout_tasks_dump(int fd);

/* Sets the coroutine's deadline to at most this far from now; returns what spout_deadline_restore
   needs. Deadlines nest: an inner one never outlasts an outer one. */
SPOUT_API int64_t spout_deadline_set_ms(int64_t delay_ms);
SPOUT_API void spout_deadline_restore(int64_t previous);
/* Milliseconds left, SPOUT_NONE without a deadline, 0 when it has passed. */
SPOUT_API int64_t spout_deadline_left_ms(void);

/* Runs fn(arg) in the same coroutine, safe from its cancellation and deadline; it has 5 s of its
   own instead. */
SPOUT_API int spout_shield(spout_task_fn *fn, void *arg) SPOUT_SUSPENDS;

/* Registers a call for the end of the coroutine's function, however it ends; run in reverse order,
   shielded. What they do to the error does not count; spout_abort in one ends that one only. Only
   in a coroutine. */
SPOUT_API void spout_defer(spout_callback *fn, void *arg);

/* Ends the coroutine's function at once, as if it had returned the current error's code
   (SPOUT_EFAILED if none is set). Deferred calls run. The only function that unwinds; never call it
   with foreign frames (qsort, C++) in between. */
SPOUT_NORETURN SPOUT_API void spout_abort(void);

/*
 * A group: child coroutines that end before their parent goes on. Children inherit the deadline of
 * the coroutine that starts them.
 *
 * Example:
 *     spout_group *group = spout_group_new();
 *     spout_group_start(group, fetch_prices, &prices, NULL);
 *     spout_group_start(group, fetch_news, &news, NULL);
 *     int result = spout_group_join(group);          // the first failure cancels the others
 *     spout_group_free(group);
 */
typedef struct spout_group spout_group;

SPOUT_API spout_group *spout_group_new(void); /* owned */

/* The child begins in the loop's next turn. SPOUT_ELIMIT without a stack, SPOUT_ECANCELED once the
   group is cancelled. */
SPOUT_API int spout_group_start(
    spout_group *group, spout_task_fn *fn, void *arg, const spout_task_options *options);

/* Waits for all children. Returns the first failure, with its error set and the other children
   cancelled and ended. If the caller is cancelled or out of time, so are the children, and it still
   waits for their end. Other failures than the first are not reported; SPOUT_ECANCELED if
   spout_group_cancel cut children short. */
SPOUT_API int spout_group_join(spout_group *group) SPOUT_SUSPENDS;
SPOUT_API void spout_group_cancel(spout_group *group);

/* Cancels and joins what still runs. Outside a coroutine it does not wait: the last child frees the
   group. NULL is fine. */
SPOUT_API void spout_group_free(spout_group *group) SPOUT_SUSPENDS;

#ifdef __cplusplus
}
#endif

#endif
