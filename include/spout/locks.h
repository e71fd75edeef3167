/*
 * Locks for coroutines (Tornado's locks): a condition, an event, a semaphore and a mutual
 * exclusion.
 *
 * All are owned by whoever makes them, belong to one thread and need no loop of their own. Who came
 * first is served first. How long to wait is the coroutine's deadline: a wait returns 0,
 * SPOUT_ETIMEDOUT, SPOUT_ECANCELED, SPOUT_ESTATE outside a coroutine, or SPOUT_ECLOSED when the
 * object was freed meanwhile.
 *
 * Nothing gets lost: a wait that was granted returns 0, even if the coroutine is cancelled or its
 * deadline passes before it runs; the next suspending call says so then.
 *
 * Coroutines of one loop never run at the same time, so what happens between two suspending calls
 * needs no lock.
 *
 * Example:
 *     static void unlock(void *lock) { spout_lock_release(lock); }
 *     …
 *     if (spout_lock_acquire(account->lock) < 0)
 *         return -1;
 *     spout_defer(unlock, account->lock);          // async with
 *     return transfer(account);
 */
#ifndef SPOUT_LOCKS_H
#define SPOUT_LOCKS_H

#include <spout/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Waits until somebody notifies. Notifying nobody has no effect. */
typedef struct spout_condition spout_condition;
SPOUT_API spout_condition *spout_condition_new(void);
SPOUT_API void spout_condition_free(spout_condition *condition);
SPOUT_API int spout_condition_wait(spout_condition *condition) SPOUT_SUSPENDS;
SPOUT_API void spout_condition_notify(
    spout_condition *condition, size_t count); /* at most so many, the first to come */
SPOUT_API void spout_condition_notify_all(spout_condition *condition);

/* Unset at first. Setting wakes all that wait, even if it is cleared before they run; while it is
   set nobody has to wait. */
typedef struct spout_event spout_event;
SPOUT_API spout_event *spout_event_new(void);
SPOUT_API void spout_event_free(spout_event *event);
SPOUT_API bool spout_event_is_set(const spout_event *event);
SPOUT_API void spout_event_set(spout_event *event);
SPOUT_API void spout_event_clear(spout_event *event);
SPOUT_API int spout_event_wait(spout_event *event) SPOUT_SUSPENDS;

/* Counts how many may still come in. */
typedef struct spout_semaphore spout_semaphore;
typedef struct spout_semaphore_options {
    bool bounded; /* more releases than acquisitions are an error (BoundedSemaphore) */
    void *reserved[4];
} spout_semaphore_options;

/* NULL with SPOUT_EINVAL for a negative value. */
SPOUT_API spout_semaphore *spout_semaphore_new(int value, const spout_semaphore_options *options);
SPOUT_API void spout_semaphore_free(spout_semaphore *semaphore);
SPOUT_API int spout_semaphore_acquire(spout_semaphore *semaphore) SPOUT_SUSPENDS;
SPOUT_API int spout_semaphore_try_acquire(spout_semaphore *semaphore); /* SPOUT_EAGAIN; anywhere */
/* Hands over to the first that waits. SPOUT_ESTATE if it is bounded and all have been released.
   Anywhere. */
SPOUT_API int spout_semaphore_release(spout_semaphore *semaphore);
SPOUT_API int spout_semaphore_get_value(
    const spout_semaphore *semaphore); /* how many would not have to wait */

/* One at a time. It has no owner: any coroutine may release it. */
typedef struct spout_lock spout_lock;
SPOUT_API spout_lock *spout_lock_new(void);
SPOUT_API void spout_lock_free(spout_lock *lock);
SPOUT_API int spout_lock_acquire(spout_lock *lock) SPOUT_SUSPENDS;
SPOUT_API int spout_lock_try_acquire(spout_lock *lock); /* SPOUT_EAGAIN */
SPOUT_API int spout_lock_release(spout_lock *lock);     /* SPOUT_ESTATE if nobody holds it */
SPOUT_API bool spout_lock_is_held(const spout_lock *lock);

#ifdef __cplusplus
}
#endif

#endif
