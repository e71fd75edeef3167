/* What the files of src/loop share, and nobody else. */
#ifndef SPI_LOOP_INTERNAL_H
#define SPI_LOOP_INTERNAL_H

#include "base/context.h"
#include "base/error.h"
#include "base/log.h"
#include "base/ticks.h"
#include "loop/annotate.h"
#include "loop/loop.h"
#include "loop/stack.h"
#include "loop/switch.h"
#include "loop/task.h"

#include <spout/executor.h>
#include <spout/sys/backend.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>

#define SPI_NEVER INT64_MAX

typedef struct spi_deferred {
    struct spi_deferred *older;
    spout_callback *fn;
    void *arg;
} spi_deferred;

/* What spout_abort ends and deferred calls belong to: the task's function, or one called by
   spi_task_call. */
typedef struct spi_frame {
    struct spi_frame *outer;
    spi_deferred *deferred; /* the newest first; owned */
    jmp_buf *jump;          /* NULL: nothing to unwind to but the end of the task */
    int result;             /* of the abort */
} spi_frame;

typedef enum spi_task_state {
    SPI_TASK_READY,
    SPI_TASK_RUNNING,
    SPI_TASK_WAITING,
    SPI_TASK_RESTING /* has ended and waits for another function: is none of the loop's tasks */
} spi_task_state;

/* Lies at the upper end of its own stack. When its function has returned it rests, and is given
   another one: its stack and its place on it are made once. */
struct spi_task {
    spi_switch_point point;
    spi_fiber fiber;
    spi_context context;
    spi_context *own_context; /* that one; of the loop: NULL */
    spi_ready ready;          /* its fn tells a task from other entries of the ready queue */
    spi_list wait_node;
    spout_loop *loop;
    spi_task *starter; /* gets control back when this one first waits or ends */
    spi_task_state state;
    int outcome; /* of the wait that ended */
    bool cancelled;
    bool steadfast; /* waits for what can't be given up */
    bool owns_scope;
    bool unsettled;  /* has more than that to give back when its function ends */
    bool has_canary; /* at the end of its stack, instead of a guard page */
    unsigned shields;
    int64_t deadline_ms;
    spi_timer deadline_timer;
    spi_frame *frame;
    spi_frame outermost;
    spi_stack *stack;
    spout_task_fn *fn;
    spi_task_then *then; /* NULL once it has begun */
    void *arg;
    void (*ended)(spi_task *task, int result);
    void *owner;
    spi_list sibling; /* for the owner */
    spi_list node;    /* in the loop's list of all tasks, those that rest too */
    spi_task *next_resting;
    const char *what; /* waits for */
    int64_t since_ms;
    int64_t born_ms;     /* if somebody measures */
    const char *touched; /* how far down frames were left for good */
    const char *name;
    char name_copy[32];
};

/* How a task begins. Unless `name_is_static`, the name is copied. */
typedef struct spi_task_birth {
    const char *name;
    bool name_is_static;
    size_t stack_size;
    spout_task_fn *fn;
    spi_task_then *then;
    void *arg;
    struct spi_arena *scope;
    void (*ended)(
        spi_task *task, int result); /* on the task's stack, its error still current; may be NULL */
    void *owner;
} spi_task_birth;

/* NULL with SPOUT_ELIMIT set. The task must be started, by either of the two. */
spi_task *spi_task_create(spout_loop *loop, const spi_task_birth *birth);
void spi_task_start_now(
    spi_task *task); /* returns when it first waits or ends; it may be gone then */
void spi_task_start_later(spi_task *task);

void spi_task_resume(spi_ready *ready); /* the fn of every task's `ready` */
void spi_task_park(spi_task *task);
void spi_task_wake(spi_task *task, int outcome); /* of a waiting one that stands in no queue */
void spi_task_arm_deadline(spi_task *task);

/* Gives back the stack of a task that has ended, which could not do it while it ran there. */
void spi_task_reap(spout_loop *loop);

/* Ends all that rest. From the loop's own stack. */
void spi_tasks_dismiss(spout_loop *loop);

/* For an `ended`: logs a failure as that of a detached task. */
void spi_task_log_failure(spi_task *task, int result);

/* SPOUT_ECANCELED or SPOUT_ETIMEDOUT, with the error set, if the task must not wait any more. */
int spi_task_interrupted(const spi_task *task, const char *what);

/* What spi_wait returns before it waits: for where nothing is left to wait for, since a cancelled
   coroutine must not go on. */
int spi_may_wait(const char *what);

/* Ends the waits of all in the queue, which is to go, with SPOUT_ECLOSED: they don't look at it
   again. */
void spi_fail_all(spi_list *queue, int code);

/* As spi_wait, for what can't be given up. Only from a task. */
void spi_wait_to_the_end(spi_list *queue, const char *what);

/* Returns the outer deadline, for the end. */
int64_t spi_shield_begin(spi_task *task);
void spi_shield_end(spi_task *task, int64_t outer_deadline_ms);

/* Calls from other threads. */
typedef struct spi_post spi_post;
typedef struct spi_mailbox {
    pthread_mutex_t lock;
    spi_post *first, **last; /* guarded by lock */
    bool closed;             /* guarded by lock */
    int read_fd, write_fd;
    spi_watch watch;
    spi_ready drain;
} spi_mailbox;
int spi_mailbox_open(spout_loop *loop);
void spi_mailbox_stop_taking(spout_loop *loop);
void spi_mailbox_close(spout_loop *loop);
void spi_mailbox_wake(spout_loop *loop); /* from any thread, and from signal handlers */
void spi_post_always(
    spout_loop *loop, spout_callback *fn, void *arg); /* also while the loop is being freed */

struct spi_executor;
void spi_executor_stop(spout_loop *loop, bool wait);

void spi_signals_deliver(spout_loop *loop); /* after a wake-up */
void spi_signals_stop(spout_loop *loop);

const spout_backend *spi_backend_choose(const char *name);
extern const spout_backend spi_backend_epoll, spi_backend_poll;

/* For backends: 0 if the wait need only be tried again, else the error, set. */
int spi_wait_failed(int errnum, const char *what);

typedef struct spi_watch_entry {
    spi_watch *watch;
    uint64_t
        started; /* the number of the wait that came before: older events are not this watch's */
} spi_watch_entry;

int spi_watches_wait(spout_loop *loop, int64_t timeout_ms);
void spi_watches_dispatch(spout_loop *loop, int count);
void spi_watches_stop(spout_loop *loop);

void spi_timers_run(spout_loop *loop);
int64_t spi_timers_next(const spout_loop *loop); /* SPI_NEVER: none */
void spi_timers_stop(spout_loop *loop);          /* those that users started */
void spi_periodics_stop(spout_loop *loop);
void spi_timeouts_run(spout_loop *loop);
int64_t spi_timeouts_next(const spout_loop *loop);
void spi_timeouts_free(spout_loop *loop);

extern const spout_clock spi_system_clock;
extern const spout_random spi_system_random;

/* Counts from here on; functions that the user left out do nothing. */
void spi_metrics_start(spout_loop *loop, const spout_metrics *metrics);

enum { SPI_EVENTS_A_TURN = 256 };

struct spout_loop {
    spi_loop_front front;
    spi_list ready;   /* next turn's */
    spi_list running; /* the rest of this turn's */
    spi_task *current;
    spi_task *dead; /* has ended, and left its stack */
    spi_task root;  /* the loop's own context; only what a switch needs is set */
    int64_t now_ms, wall_us;
    int64_t now_ns;     /* of the system's clock, if that is the loop's */
    int64_t next_ms_ns; /* when now_ms is old */
    bool clock_is_real;
    spout_clock clock;
    spout_random random;
    spout_metrics metrics_table;
    spi_log_own_sink log;

    spi_list tasks;
    size_t task_count, task_max;
    spi_task *resting; /* the last that has ended first */
    size_t resting_count;
    spi_stack_pool stacks;
    spi_timer trim;
    spi_arena_pool arenas;

    int64_t due_ms; /* none of these is due before: stopping or moving one does not correct it */
    spi_heap timers;
    spi_timeout_class *timeout_classes;
    spi_list call_timers, periodics;
    spi_list hooks;
    void (*after_events)(spout_loop *loop); /* NULL in most turns */

    const spout_backend *backend;
    void *backend_self;
    struct spi_epoll *epoll;  /* it, if the turn can take the straight way, else NULL */
    spi_watch_entry *watches; /* by descriptor */
    size_t watch_capacity;
    uint64_t waits;
    spi_list user_watches;
    spout_backend_event events[SPI_EVENTS_A_TURN];

    spi_mailbox mailbox;
    spi_list signals;
    size_t signal_count;
    struct spi_executor *executor;
    spout_executor foreign_executor; /* submit NULL: none */
    int executor_threads;

    atomic_bool stop;
    bool turning, closing;
    bool owns_fds; /* closes what is still watched at the end */
    struct {
        void *value;
        void (*destroy)(void *value);
    } slots[SPI_SLOT_COUNT];
};

_Static_assert(offsetof(spout_loop, front) == 0, "spi_loop_front_of looks there");

extern _Thread_local spout_loop *spi_loop_of_thread __attribute__((tls_model("initial-exec")));

static inline void spi_count(const spout_loop *of, const char *name, int64_t delta)
{
    if (of->front.metrics && delta != 0)
        of->front.metrics->count(of->front.metrics->self, name, delta);
}

static inline void spi_observe(const spout_loop *of, const char *name, int64_t value)
{
    if (of->front.metrics)
        of->front.metrics->observe(of->front.metrics->self, name, value);
}

/* Saturating: delays may be anything, negative ones are 0. */
static inline int64_t spi_time_after(int64_t now_ms, int64_t delay_ms)
{
    if (delay_ms <= 0)
        return now_ms;
    return delay_ms > SPI_NEVER - now_ms ? SPI_NEVER : now_ms + delay_ms;
}

/* What a callback did to other descriptors of the batch counts: stopped, restarted, no longer
   interested. */
static inline void spi_watch_dispatch(const spout_loop *of, int fd, unsigned events)
{
    const spi_watch_entry *entry = &of->watches[fd];
    spi_watch *watch = entry->watch;
    if (!watch || entry->started == of->waits)
        return;
    events &= watch->events | SPOUT_HANGUP;
    if (events)
        watch->fn(watch, events);
}

static inline void spi_task_reap_if_any(spout_loop *of)
{
    if (of->dead)
        spi_task_reap(of);
}

/* A timer or timeout is: the next turn that waits does so until then at most. */
static inline void spi_loop_due_at(spout_loop *of, int64_t due_ms)
{
    if (due_ms < of->due_ms)
        of->due_ms = due_ms;
}

/* The thread's loop, or NULL with SPOUT_ESTATE set. */
spout_loop *spi_loop_need(void);

#endif
