/*
 * Queues between coroutines (Tornado's queues): producers wait while one is full, consumers while
 * it is empty.
 *
 * Items are pointers that the queue does not look into. Who came first is served first, on both
 * sides. How long to wait is the coroutine's deadline: a wait returns 0, SPOUT_ETIMEDOUT,
 * SPOUT_ECANCELED, SPOUT_ESTATE outside a coroutine, or SPOUT_ECLOSED when the queue was freed
 * meanwhile. No item gets lost: a put or get that was granted returns 0, even if the coroutine is
 * cancelled before it runs; one that fails has put or taken nothing. A queue belongs to one thread;
 * other threads spout_loop_post to it.
 *
 * Example:
 *     spout_queue *jobs = spout_queue_new(&(spout_queue_options){ .maximum = 100 });
 *     …
 *     void *job;                                     // a consumer
 *     while (spout_queue_get(jobs, &job) == 0) {
 *         work_on(job);
 *         spout_queue_task_done(jobs);
 *     }
 *     …
 *     spout_queue_join(jobs);                        // whoever wants to know that all is done
 */
#ifndef SPOUT_QUEUES_H
#define SPOUT_QUEUES_H

#include <spout/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spout_queue_kind {
    SPOUT_QUEUE_FIFO,     /* Queue */
    SPOUT_QUEUE_PRIORITY, /* PriorityQueue: the lowest first; equal ones as they came */
    SPOUT_QUEUE_LIFO      /* LifoQueue: the newest first */
} spout_queue_kind;

typedef struct spout_queue_options {
    spout_queue_kind kind;
    int (*compare)(const void *a,
        const void *b); /* of two items, as for qsort; needed by SPOUT_QUEUE_PRIORITY */
    int maximum;        /* items in it; 0 and SPOUT_NONE: no limit */
    void (*free_item)(
        void *item); /* for those still in it when it is freed; NULL: they are somebody else's */
    void *reserved[4];
} spout_queue_options;

typedef struct spout_queue spout_queue;

/* Owned. NULL options: first in, first out, no limit. NULL with SPOUT_EINVAL: a bad maximum, or
   nothing to compare with. */
SPOUT_API spout_queue *spout_queue_new(const spout_queue_options *options);
SPOUT_API void spout_queue_free(spout_queue *queue);

SPOUT_API int spout_queue_put(spout_queue *queue, void *item) SPOUT_SUSPENDS;
SPOUT_API int spout_queue_get(spout_queue *queue, void **ret_item) SPOUT_SUSPENDS;

/* put_nowait and get_nowait: SPOUT_EAGAIN if it is full or empty. Anywhere. */
SPOUT_API int spout_queue_try_put(spout_queue *queue, void *item);
SPOUT_API int spout_queue_try_get(spout_queue *queue, void **ret_item);

SPOUT_API size_t spout_queue_size(const spout_queue *queue); /* items in it */
SPOUT_API bool spout_queue_is_empty(const spout_queue *queue);
SPOUT_API bool spout_queue_is_full(const spout_queue *queue);

/* Says that an item that was got is worked off. SPOUT_ESTATE if that was said as often as items
   were put. */
SPOUT_API int spout_queue_task_done(spout_queue *queue);

/* Waits until every item that was put is worked off. */
SPOUT_API int spout_queue_join(spout_queue *queue) SPOUT_SUSPENDS;

#ifdef __cplusplus
}
#endif

#endif
