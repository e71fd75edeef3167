/* Blocking work off the loop: a bounded pool of threads (Tornado's run_in_executor). */
#ifndef SPOUT_EXECUTOR_H
#define SPOUT_EXECUTOR_H

#include <spout/base.h>
#include <spout/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Runs fn(arg) in a thread of the loop's pool and suspends the caller until it has ended; returns
 * its result, with the error that it set there. fn may not touch the loop (but spout_loop_post) nor
 * scoped memory of the caller's that others write. Cancelled or out of time while queued: the work
 * is dropped. While it runs: the caller returns when fn has ended, since fn may use the caller's
 * memory.
 */
SPOUT_API int spout_run_in_executor(int (*fn)(void *arg), void *arg) SPOUT_SUSPENDS;

/*
 * Threads of somebody else's, instead of the loop's own pool.
 *
 * `submit` has run(job) called once, soon, in a thread that is not the loop's; or it refuses with <
 * 0 and the error set, which becomes the result. It is called on the loop and must not wait. Work
 * that is given to it can't be dropped any more. It must have run everything before the loop is
 * freed.
 */
typedef struct spout_executor {
    int (*submit)(void *self, void (*run)(void *job), void *job);
    void *self;
    void *reserved[4];
} spout_executor;

/* For the current loop's work from now on (set_default_executor); copied. NULL: its own pool again.
   */
SPOUT_API int spout_set_default_executor(const spout_executor *executor);

#ifdef __cplusplus
}
#endif

#endif
