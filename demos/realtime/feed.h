/* Between the two files of the feed. */
#ifndef FEED_H
#define FEED_H

#include "realtime.h"

typedef struct feed_entry {
    int64_t id, time_us;
    json_t *message;
} feed_entry;

/* feed.c: the history of this worker. Takes a reference to the message. */
void feed_append(json_t *message, int64_t time_us);
size_t feed_history(const feed_entry **ret_entries, int64_t *ret_last_id);
void feed_clear(void);
void feed_set_last_id(int64_t id);
int feed_wake_all(void); /* how many polls waited */

/* feed_share.c: pushes to all workers. How many polls that woke, on all of them, or < 0: SPOUT_EINVAL
   for a message that is too large for other workers. Borrows the message. */
int feed_push(json_t *message) SPOUT_SUSPENDS;
void feed_share_stop(void);

#endif
