/*
 * Futures (Tornado's concurrent): the bridge from callbacks to coroutines.
 *
 * A future is shared, belongs to the loop it was made on, and is resolved or rejected once. From another thread, post a
 * callback that does it.
 *
 * Example:
 *     spout_future *answer = spout_future_new();
 *     start_lookup(name, on_lookup_done, spout_future_ref(answer)); // on_lookup_done resolves and unrefs it
 *     void *address;
 *     int result = spout_await(answer, &address);
 *     spout_future_unref(answer);
 */
#ifndef SPOUT_FUTURE_H
#define SPOUT_FUTURE_H

#include <spout/base.h>
#include <spout/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_future spout_future;

SPOUT_API spout_future *spout_future_new(void); /* shared, one reference */
SPOUT_API spout_future *spout_future_ref(spout_future *future);
/* NULL is fine. A rejection that nobody was told by spout_await or spout_gather is logged with the last reference. */
SPOUT_API void spout_future_unref(spout_future *future);

/* SPOUT_ESTATE if it is done already. Who waits is woken in the loop's next turn. */
SPOUT_API int spout_future_resolve(spout_future *future, void *value);
SPOUT_API int spout_future_reject(spout_future *future, int code, const char *format, ...) SPOUT_PRINTF(3, 4);

SPOUT_API bool spout_future_is_done(const spout_future *future);

/* Calls fn(arg) on the loop in the turn after the future is done (add_future). */
SPOUT_API void spout_future_on_done(spout_future *future, spout_callback *fn, void *arg);

/* Waits until it is done. Returns 0 and the value (ret_value may be NULL), or the error it was rejected with.
   Ending the wait early (deadline, cancellation) leaves the future as it is. */
SPOUT_API int spout_await(spout_future *future, void **ret_value) SPOUT_SUSPENDS;

/* Waits until all are done (gen.multi): 0, or the error that came first in time; another one counts as not awaited. The
   same future may stand there twice. */
SPOUT_API int spout_gather(spout_future *const *futures, size_t count) SPOUT_SUSPENDS;

#ifdef __cplusplus
}
#endif

#endif
