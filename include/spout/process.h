/* Processes (Tornado's process): how many CPUs, and one worker for each. */
#ifndef SPOUT_PROCESS_H
#define SPOUT_PROCESS_H

#include <spout/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CPUs that this process may use; at least 1 (cpu_count). */
SPOUT_API int spout_cpu_count(void);

/*
 * Forks `workers` children (0: one for each CPU) and waits for them (fork_processes). Returns 0
 * with *ret_task_id from 0 in each child, and once more with -1 in the parent when all children
 * have ended well.
 *
 * A child that dies by a signal or ends with a status other than 0 is started again with the same
 * id, up to `max_restarts` times in all (0: 100), after the third at most one a second; beyond that
 * the others are ended and SPOUT_EFAILED returned. SIGTERM and SIGINT to the parent are passed on
 * to the children, and SIGHUP if the program does not leave it at its default (children ignore it
 * then until they handle it themselves); a child that one of them ends was asked to, and is not
 * started again. SPOUT_ESTATE once a loop or an executor thread exists in the process: it could
 * only be copied half. Children have default signal dispositions, and end if the parent is killed
 * (Linux).
 *
 * Example:
 *     int task_id;
 *     if (spout_process_fork(0, 0, &task_id) < 0)
 *         return 1;
 *     if (task_id < 0)
 *         return 0; // the parent: all workers have ended
 *     serve(task_id);
 */
SPOUT_API int spout_process_fork(int workers, int max_restarts, int *ret_task_id);

/*
 * Makes the topics with names of the current loop the same in all workers (<spout/topic.h>); call
 * it before the first of them is made. spout_main does. The parent hands on what the workers
 * publish: what one of them is too slow for, once 8 MiB wait for it, is dropped and counted
 * (spout_topics_figures). A worker that is started again takes part again, and the members of one
 * that died have left. 0 and nothing to do in a process that spout_process_fork has not forked;
 * SPOUT_ESTATE without a loop, or for a second one.
 */
SPOUT_API int spout_process_share_topics(void);

/* The id of this worker, or -1 if the process was not forked by spout_process_fork (task_id). */
SPOUT_API int spout_task_id(void);

#ifdef __cplusplus
}
#endif

#endif
