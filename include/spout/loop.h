/*
 * The event loop (Tornado's ioloop): one per thread, any number per process.
 *
 * A loop turns: it runs what is ready, then the timers that are due, then waits for descriptors.
 * Nothing here may be called from another thread than the loop's own, but spout_loop_post and
 * spout_loop_stop. All times are monotonic milliseconds.
 *
 * Two kinds of functions are called by a loop: a spout_callback runs on the loop itself and must
 * not suspend (a suspending call fails there with SPOUT_ESTATE); a spout_task_fn runs on a
 * coroutine of its own and may.
 *
 * Example:
 *     static int tick(void *arg) { (void)arg; puts("tick"); return 0; }
 *     …
 *     spout_loop *loop = spout_loop_new(NULL);
 *     spout_every(1000, tick, NULL, NULL);
 *     spout_loop_run(loop);
 *     spout_loop_free(loop);
 */
#ifndef SPOUT_LOOP_H
#define SPOUT_LOOP_H

#include <spout/base.h>
#include <spout/log.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_loop spout_loop;
typedef void spout_callback(void *arg);

/* Runs on a coroutine. 0: done; < 0: failed with the error set, which is logged with the task's
   name. */
typedef int spout_task_fn(void *arg);

/* Time, replaceable so that tests of timers take no time. */
typedef struct spout_clock {
    int64_t (*monotonic_ms)(void *self);
    int64_t (*wall_us)(void *self); /* since 1970 */
    void *self;
    /* NULL: the loop really waits for timers. Else it calls this instead, with how long it would
       wait at most, while no descriptor is ready: a test's clock goes on by as much. */
    void (*skip_ms)(void *self, int64_t delay_ms);
    void *reserved[3];
} spout_clock;

/* Where random numbers come from, replaceable so that tests repeat. */
typedef struct spout_random {
    void (*fill)(void *self, void *out, size_t len);
    void *self;
    void *reserved[3];
} spout_random;

/* How a coroutine ended, or that it was started. */
typedef enum spout_task_event {
    SPOUT_TASK_STARTED,
    SPOUT_TASK_ENDED,    /* with 0 or more */
    SPOUT_TASK_FAILED,   /* with any other error than the next */
    SPOUT_TASK_CANCELLED /* with SPOUT_ECANCELED */
} spout_task_event;

/*
 * A request whose reply is complete, or was given up: what its line in the access log says. Scoped
 * to the call that it is told by; further members may follow with any release.
 */
typedef struct spout_request_event {
    const char *method;  /* as the client wrote it, so it may be any token */
    const char *handler; /* .name of the spout_handler; "": it has none */
    int status; /* 101: a WebSocket from now on; 499: the client has gone, or its time was over */
    int64_t duration_us;     /* since its head was complete */
    uint64_t received_bytes; /* of its body, as far as it was read, without its codings */
    uint64_t sent_bytes;     /* of the reply's body, compressed where it is; 0 for HEAD */
} spout_request_event;

/*
 * What a loop tells whoever measures it, as it happens and on its own thread. Functions may be
 * NULL. They are called in the middle of things and on the stacks of coroutines: they must be
 * short, call nothing of the loop and leave the error alone.
 *
 * Counters: "turns", "events" (descriptors that were ready), "timers" (that fired), "posts" (calls
 * that were posted), "signals" (that reached a watcher), "tasks_refused" (no stack was left, or the
 * maximum reached), "executor_threads" (started). Up and down: "executor_jobs" (queued or running).
 * Values: "turn_ms" (how long a turn worked before it waited: the delay that others saw),
 * "executor_ms" (from spout_run_in_executor to its result). What the floors above count is listed in
 * <spout/netutil.h>, <spout/httpserver.h>, <spout/static.h>, <spout/websocket.h> and
 * <spout/topic.h>: names end in what they are measured in, or else count things; plurals without a
 * verb go up and down. More may come with any release.
 *
 * Example:
 *     static void count(void *self, const char *name, int64_t delta)
 *     {
 *         table_add(self, name, delta);
 *     }
 *     …
 *     static void note_request(void *self, const spout_request_event *e)
 *     {
 *         histogram_add(self, e->handler, e->duration_us);
 *     }
 *     …
 *     spout_metrics metrics = { .count = count, .request = note_request, .self = table };
 *     spout_loop_new(&(spout_loop_options){ .metrics = &metrics });
 */
typedef struct spout_metrics {
    void (*count)(void *self, const char *name, int64_t delta);   /* the name is static */
    void (*observe)(void *self, const char *name, int64_t value); /* the name is static */
    /* The name is the task's and gone with it; lived_ms is 0 at the start. */
    void (*task)(void *self, const char *name, spout_task_event event, int64_t lived_ms);
    void *self;
    void (*request)(void *self, const spout_request_event *event);
    void *reserved[3];
} spout_metrics;

typedef struct spout_loop_options {
    const char *backend;        /* "epoll", "poll"; NULL: $SPOUT_BACKEND, else the best there is */
    const spout_clock *clock;   /* NULL: the system's; copied */
    size_t stack_size;          /* bytes of a coroutine's stack; 0: 256 KiB (1 MiB under ASan) */
    int max_tasks;              /* 0: as many as memory maps allow, SPOUT_NONE the same */
    int executor_threads;       /* 0: 5 for each CPU; threads start when needed */
    const spout_random *random; /* NULL: the system's; copied */
    const spout_metrics *metrics; /* NULL: nobody counts; copied */
    /* NULL: the process's; copied. Gets what is logged on the loop's thread while the loop lives,
       without a lock. */
    const spout_log_sink *log_sink;
    void *reserved[4];
} spout_loop_options;

/* Owned. The new loop becomes the thread's current one; SPOUT_EEXIST if the thread has one already.
   */
SPOUT_API spout_loop *spout_loop_new(const spout_loop_options *options);

/* Cancels every task and runs them to their end (at most 10 s: then they are logged and abandoned),
   closes what the loop owns: timers, periodic calls, watches and signal watchers, so their handles
   are gone with it. From the loop's thread, not from a callback or coroutine. NULL is fine. */
SPOUT_API void spout_loop_free(spout_loop *loop);

/* The same, and closes the descriptors that spout_watch_start still watches (close(all_fds=True)).
   */
SPOUT_API void spout_loop_free_with_fds(spout_loop *loop);

/* The thread's loop (IOLoop.current), or NULL. */
SPOUT_API spout_loop *spout_loop_current(void);

/* Turns until spout_loop_stop (start). */
SPOUT_API int spout_loop_run(spout_loop *loop);

/* Ends spout_loop_run at the end of the turn; before it, the next run returns after one turn. From
   any thread. */
SPOUT_API void spout_loop_stop(spout_loop *loop);

/* Runs fn on a coroutine, turns until it is done and returns its result (run_sync). timeout_ms 0:
   no limit; when it passes the task is cancelled and, when it has ended, SPOUT_ETIMEDOUT returned.
   spout_loop_stop cancels it too. */
SPOUT_API int spout_loop_run_sync(
    spout_loop *loop, spout_task_fn *fn, void *arg, int64_t timeout_ms);

/* For embedding into a foreign loop: one turn that waits at most timeout_ms (< 0: until something
   happens); the descriptor that becomes readable when a turn is due (-1 if the backend has none);
   how long a wait may be. */
SPOUT_API int spout_loop_run_once(spout_loop *loop, int64_t timeout_ms);
SPOUT_API int spout_loop_fd(spout_loop *loop);
SPOUT_API int64_t spout_loop_timeout_ms(spout_loop *loop);

/* The loop's clock, read once a turn. */
SPOUT_API int64_t spout_time_ms(void);
SPOUT_API int64_t spout_wall_us(void);

/* Calls fn(arg) on `loop` in its next turn, from any thread (add_callback). SPOUT_ECLOSED once the
   loop is being freed. Calls from one thread keep their order. */
SPOUT_API int spout_loop_post(spout_loop *loop, spout_callback *fn, void *arg);

/* What the two below are told of themselves. NULL: all defaults. */
typedef struct spout_task_options {
    const char *name;  /* for logs and dumps; copied up to 31 bytes */
    size_t stack_size; /* 0: the loop's */
    void *reserved[4];
} spout_task_options;

/* Runs fn once, on a coroutine, in `delay_ms` (call_later) or at a time of spout_time_ms (call_at).
   Returns a handle that is valid until fn starts, or NULL. A failure of fn is logged. */
typedef struct spout_timer spout_timer;
SPOUT_API spout_timer *spout_call_later(int64_t delay_ms, spout_task_fn *fn, void *arg);
SPOUT_API spout_timer *spout_call_at(int64_t when_ms, spout_task_fn *fn, void *arg);
SPOUT_API void spout_timer_cancel(spout_timer *timer); /* remove_timeout; NULL is fine */

/* Runs fn every `interval_ms` on a fixed grid, on a coroutine (PeriodicCallback). A tick that comes
   while the one before still runs is skipped, as are ticks that were missed. SPOUT_EINVAL for an
   interval below 1. Owned. */
typedef struct spout_periodic spout_periodic;
SPOUT_API spout_periodic *spout_every(
    int64_t interval_ms, spout_task_fn *fn, void *arg, const spout_task_options *options);

/* The same with jitter: each tick comes at random up to half of `jitter` intervals before or after
   its point of the grid, so that many processes don't tick together. The grid stays where it is.
   SPOUT_EINVAL for a jitter that isn't between 0 and 1. */
typedef struct spout_periodic_options {
    const char *name; /* copied up to 31 bytes */
    size_t stack_size;
    double jitter;
    void *reserved[4];
} spout_periodic_options;
SPOUT_API spout_periodic *spout_periodic_start(
    int64_t interval_ms, spout_task_fn *fn, void *arg, const spout_periodic_options *options);
SPOUT_API void spout_periodic_stop(
    spout_periodic *periodic); /* no further tick; frees the handle; NULL is fine */

/* What the current loop and the process hold just now, for statistics. */
typedef struct spout_figures {
    size_t tasks;       /* coroutines that have not ended */
    size_t stacks;      /* stacks that are mapped, in use or kept */
    size_t stack_bytes; /* of address space; resident is what was touched */
    size_t arena_bytes; /* of scopes, in the whole process */
} spout_figures;
SPOUT_API spout_figures spout_loop_figures(void);

/* Watches a descriptor, level-triggered (add_handler). Owned; SPOUT_EEXIST if it is watched
   already. */
enum { SPOUT_READABLE = 1, SPOUT_WRITABLE = 2, SPOUT_HANGUP = 4 /* reported always */ };
typedef struct spout_watch spout_watch;
typedef void spout_watch_fn(void *arg, int fd, unsigned events);
SPOUT_API spout_watch *spout_watch_start(int fd, unsigned events, spout_watch_fn *fn, void *arg);
SPOUT_API int spout_watch_update(spout_watch *watch, unsigned events);
SPOUT_API void spout_watch_stop(spout_watch *watch); /* before closing the fd; NULL is fine */

/* Calls fn on the current loop when the process gets the signal; several watchers may share one. fn
   may be NULL for one that is only waited for. Owned. */
typedef struct spout_signal spout_signal;
typedef void spout_signal_fn(void *arg, int signo);
SPOUT_API spout_signal *spout_signal_start(int signo, spout_signal_fn *fn, void *arg);
SPOUT_API void spout_signal_stop(
    spout_signal *watch); /* the last one restores the disposition; NULL is fine */

/*
 * Waits until the process gets the signal, or has got it since the watch was started or waited for
 * last: none is lost while the coroutine does something else, but those that come meanwhile count
 * as one. All who wait for one watch go on together. SPOUT_ECLOSED if the watch is stopped
 * meanwhile. When the wait ends early, a later one is told of the signal.
 *
 * Example:
 *     static int reload_on_hangup(void *arg)
 *     {
 *         spout_signal *hangup = spout_signal_start(SIGHUP, NULL, NULL);
 *         while (hangup && spout_signal_wait(hangup) == 0)
 *             reload(arg);
 *         spout_signal_stop(hangup);
 *         return 0;
 *     }
 */
SPOUT_API int spout_signal_wait(spout_signal *watch) SPOUT_SUSPENDS;

#ifdef __cplusplus
}
#endif

#endif
