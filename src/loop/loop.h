/*
 * The loop's inside, for the floors above: descriptors, timers and callbacks as intrusive members,
 * so that a connection allocates nothing for them, and what else a loop carries for net, http and
 * web.
 */
#ifndef SPI_LOOP_H
#define SPI_LOOP_H

#include <spout/loop.h>

#include "base/arena.h"
#include "base/heap.h"
#include "base/list.h"

/* Something that is called in the loop's next turn. Embedded in its owner; in no queue while node
   points at itself. */
typedef struct spi_ready spi_ready;
struct spi_ready {
    spi_list node;
    void (*fn)(spi_ready *ready);
};
void spi_ready_init(spi_ready *ready, void (*fn)(spi_ready *));
void spi_ready_schedule(
    spout_loop *loop, spi_ready *ready); /* once: scheduling a scheduled one does nothing */
void spi_ready_cancel(spi_ready *ready);

/* A descriptor watch. Level-triggered. fd is -1 while it is not started. */
typedef struct spi_watch spi_watch;
struct spi_watch {
    void (*fn)(spi_watch *watch, unsigned events);
    int fd;
    unsigned events;
};
int spi_watch_start(
    spout_loop *loop, spi_watch *watch, int fd, unsigned events, void (*fn)(spi_watch *, unsigned));
int spi_watch_update(
    spout_loop *loop, spi_watch *watch, unsigned events); /* no system call if nothing changes */
void spi_watch_stop(
    spout_loop *loop, spi_watch *watch); /* pending events of this turn are dropped too */

/* A timer in the heap: for anything that is not armed per request. */
typedef struct spi_timer spi_timer;
struct spi_timer {
    spi_heap_node node;
    void (*fn)(spi_timer *timer);
};
void spi_timer_start(spout_loop *loop, spi_timer *timer, int64_t due_ms, void (*fn)(spi_timer *));
void spi_timer_stop(
    spout_loop *loop, spi_timer *timer); /* safe on one that is zeroed or has fired */

/*
 * Connection timeouts: one list for each (duration, fn), ordered by itself since all entries have
 * the same duration, so that arming and re-arming is O(1). Read with the turn's clock.
 */
typedef struct spi_timeout_class spi_timeout_class;
typedef struct spi_timeout {
    spi_list node; /* initialise with spi_timeout_init */
    int64_t due_ms;
} spi_timeout;
spi_timeout_class *spi_timeout_class_get(
    spout_loop *loop, int64_t duration_ms, void (*fn)(spi_timeout *));
void spi_timeout_init(spi_timeout *timeout);
void spi_timeout_start(
    spi_timeout_class *class_, spi_timeout *timeout); /* moves it if it is armed */
void spi_timeout_stop(spi_timeout *timeout);

/* Called at the end of each turn, before the wait: write out what was gathered. Embedded in its
   owner, who adds it when there is something and removes it when it is called, so that most turns
   have none. */
typedef struct spi_turn_hook spi_turn_hook;
struct spi_turn_hook {
    spi_list node;
    void (*fn)(spi_turn_hook *hook);
};
void spi_turn_hook_add(spout_loop *loop, spi_turn_hook *hook, void (*fn)(spi_turn_hook *));
void spi_turn_hook_remove(spi_turn_hook *hook);

/* `fn` is called once, when this turn's descriptors have all been dispatched and before anything else
   is. There is one such function at a time; outside of the dispatch there is no use for it. */
void spi_loop_after_events(spout_loop *loop, void (*fn)(spout_loop *loop));

/* What an upper floor keeps on the loop; `destroy` is called when the loop is freed, highest slot
   first. */
typedef enum spi_loop_slot {
    SPI_SLOT_INBOX, /* outlives whatever is on the net */
    SPI_SLOT_NET,
    SPI_SLOT_HTTP,
    SPI_SLOT_HTTP_CLIENT,
    SPI_SLOT_WEBSOCKET,
    SPI_SLOT_TOPICS,
    SPI_SLOT_WEB,
    SPI_SLOT_RUN,
    SPI_SLOT_COUNT
} spi_loop_slot;
void *spi_loop_slot_get(spout_loop *loop, spi_loop_slot slot);
void spi_loop_slot_set(
    spout_loop *loop, spi_loop_slot slot, void *value, void (*destroy)(void *value));

spi_arena_pool *spi_loop_arenas(spout_loop *loop);
/* A number that each turn has for itself, between two looks at the descriptors: what a client sent
   after having seen anything of a turn's comes in a later one. 0 outside of turns. */
uint64_t spi_loop_turn(const spout_loop *loop);
int64_t spi_loop_now(const spout_loop *loop); /* monotonic ms, read once a turn */
int64_t spi_loop_now_exact(spout_loop *loop); /* monotonic ms, read now */
/* Of the system's monotonic clock, whatever the loop's is: read once a turn if that is the same. */
int64_t spi_loop_now_ns(const spout_loop *loop);
int64_t spi_monotonic_ns(void);                   /* read now */
int64_t spi_loop_wall_us(const spout_loop *loop); /* wall clock, read once a turn */
uint64_t spi_loop_random(spout_loop *loop);       /* 64 bits of the loop's random source */

/* What a loop begins with: all that upper floors ask for each request, and so in line. */
typedef struct spi_loop_front {
    const spout_metrics *metrics; /* NULL: nobody counts */
    int events_left;
    uint64_t events_since_ticks; /* when the turn's first was dispatched */
} spi_loop_front;

static inline const spi_loop_front *spi_loop_front_of(const spout_loop *of)
{
    return (const spi_loop_front *)(const void *)of;
}

/* How many descriptors may still be dispatched in this turn, after the one that is. */
static inline int spi_loop_events_left(const spout_loop *of)
{
    return spi_loop_front_of(of)->events_left;
}

/* Where upper floors report their own counts, values and tasks, under names that they list in their
   public headers. NULL: nobody counts, which is all that has to be asked; no function of the table
   is NULL. Only on the loop's thread. */
static inline const spout_metrics *spi_loop_metrics(const spout_loop *of)
{
    return spi_loop_front_of(of)->metrics;
}

static inline void spi_loop_count(const spout_loop *of, const char *name, int64_t delta)
{
    const spout_metrics *metrics = spi_loop_metrics(of);
    if (metrics)
        metrics->count(metrics->self, name, delta);
}

/* True once any loop or executor thread exists in the process: forking would copy half of it. */
bool spi_loop_exists_anywhere(void);

#endif
