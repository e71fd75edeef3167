/*
 * How topics with names span processes: a backend carries short records between the loops that
 * share topics. Each of these, a worker, has a number that is its own as long as it lives. One
 * backend is built in, between the workers of spout_process_fork (spout_process_share_topics);
 * others can be made for several machines. Weaker promise than the rest of the API: it may change
 * with any 0.x.
 *
 * What a backend owes:
 *   - One order for all: what is sent to all is delivered to every worker, the sender included, in
 *     the same order; what one worker sends keeps its order, whoever it is sent to.
 *   - Arrivals and departures have their place in this order. `came` precedes the first record of a
 *     worker, `gone` follows its last.
 *   - Queues are bounded. A record that can't be queued is refused. Only those that may be dropped
 *     are dropped on the way, and counted. A worker for which something else had to be dropped is
 *     told `ready` anew.
 */
#ifndef SPOUT_SYS_TOPIC_BACKEND_H
#define SPOUT_SYS_TOPIC_BACKEND_H

#include <spout/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOUT_ALL_WORKERS = -1 };

typedef struct spout_topic_backend {
    /* Queues a record, of these pieces, for all workers or for that one. 0, or SPOUT_ELIMIT or
       SPOUT_ECLOSED and nothing was queued. Neither suspends nor delivers anything itself. Works
       before `ready` was told: what is sent then comes behind it. */
    int (*send)(void *self, int to, bool may_drop, const spout_bytes *pieces, int count);
    /* The loop is being freed, or another backend takes its place. Delivers nothing more. */
    void (*close)(void *self);
    void *reserved[4];
} spout_topic_backend;

/* Makes it the current loop's, before any topic with a name is made there (else SPOUT_ESTATE). On
   failure `self` stays the caller's. */
SPOUT_API int spout_topic_backend_set(const spout_topic_backend *backend, void *self);

/*
 * What the backend tells, on the same loop and never from inside `send`. First `ready`: this
 * worker's number, and those of the others that are there. When it comes again, everything that was
 * heard of others is forgotten, and they tell it again as if this worker had just come.
 */
SPOUT_API void spout_topic_backend_ready(int own, const int *others, size_t count);
SPOUT_API void spout_topic_backend_came(int worker);
SPOUT_API void spout_topic_backend_gone(int worker);
SPOUT_API void spout_topic_backend_deliver(int from, spout_bytes record);
/* So many records on their way to this worker were dropped; see spout_topic_figures. */
SPOUT_API void spout_topic_backend_dropped(uint64_t count);

#ifdef __cplusplus
}
#endif

#endif
