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

#ifdef __cplusplus
}
#endif

#endif
