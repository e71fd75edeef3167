/*
 * Futures (Tornado's concurrent): the bridge from callbacks to coroutines.
 *
 * A future is shared, belongs to the loop it was made on, and is resolved or rejected once. From
 * another thread, post a callback that does it.
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
/* NULL is fine. A rejection that nobody was told by spout_await or spout_gather is logged with the
   last reference. */
SPOUT_API void spout_future_unref(spout_future *future);

/* SPOUT_ESTATE if it is done already. Who waits is woken in the loop's next turn. */
SPOUT_API int spout_future_resolve(spout_future *future, void *value);
SPOUT_API int spout_future_reject(spout_future *future, int code, const char *format, ...)
    SPOUT_PRINTF(3, 4);

SPOUT_API bool spout_future_is_done(const spout_future *future);

/* What `from` ends with, `to` ends with, unless it is done by then (chain_future). Whether it
   succeeds or fails is then `to`'s matter. Refers to `to` until that is so. */
SPOUT_API void spout_future_chain(spout_future *from, spout_future *to);

/* Calls fn(arg) on the loop in the turn after the future is done (add_future). */
SPOUT_API void spout_future_on_done(spout_future *future, spout_callback *fn, void *arg);

/* Waits until it is done. Returns 0 and the value (ret_value may be NULL), or the error it was
   rejected with. Ending the wait early (deadline, cancellation) leaves the future as it is. */
SPOUT_API int spout_await(spout_future *future, void **ret_value) SPOUT_SUSPENDS;

/* Waits until all are done (gen.multi): 0, or the error that came first in time; another one counts
   as not awaited. The same future may stand there twice. */
SPOUT_API int spout_gather(spout_future *const *futures, size_t count) SPOUT_SUSPENDS;

/* The same, but returns the first error as soon as there is one. The others go on. */
SPOUT_API int spout_gather_until_error(spout_future *const *futures, size_t count) SPOUT_SUSPENDS;

/*
 * Futures in the order in which they get done (WaitIterator); those that are done at the start come
 * first, in their own order. Refers to all of them while it lives.
 *
 * Example:
 *     spout_wait_iterator *iterator = spout_wait_iterator_new(answers, 3);
 *     size_t index;
 *     while (!spout_wait_iterator_is_done(iterator)) {
 *         spout_future *answer;
 *         if (spout_wait_iterator_next(iterator, &answer, &index) < 0)
 *             break;                                            // the deadline, or cancelled
 *         if (spout_await(answer, &text) == 0)                  // does not wait
 *             printf("%zu: %s\n", index, text);
 *     }
 *     spout_wait_iterator_free(iterator);
 */
typedef struct spout_wait_iterator spout_wait_iterator;
SPOUT_API spout_wait_iterator *spout_wait_iterator_new(
    spout_future *const *futures, size_t count); /* owned */
SPOUT_API void spout_wait_iterator_free(spout_wait_iterator *iterator);
SPOUT_API bool spout_wait_iterator_is_done(
    const spout_wait_iterator *iterator); /* all have been returned by next */

/* Waits for the next one to be done: 0 with the future (current_future) and its place in the array
   (current_index); either may be NULL. Its error is spout_await's to tell. SPOUT_ESTATE if all have
   been returned. */
SPOUT_API int spout_wait_iterator_next(
    spout_wait_iterator *iterator, spout_future **ret_future, size_t *ret_index) SPOUT_SUSPENDS;

#ifdef __cplusplus
}
#endif

#endif
