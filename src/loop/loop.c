/* The loop: its turn, its beginning and its end. */
#include "loop/internal.h"

#ifdef __linux__
#include "loop/epoll.h"
#endif

#include "base/bug.h"
#include "base/log.h"
#include "base/memory.h"

enum { ARENAS_KEPT = 64, END_LIMIT_MS = 10000, END_WAIT_MS = 50, LAST_TURNS = 100 };

_Thread_local spout_loop *spi_loop_of_thread __attribute__((tls_model("initial-exec")));

static atomic_size_t loop_count;

bool spi_loop_exists_anywhere(void)
{
    return atomic_load(&loop_count) > 0;
}

spout_loop *spout_loop_current(void)
{
    return spi_loop_of_thread;
}

spout_loop *spi_loop_need(void)
{
    spout_loop *loop = spi_loop_of_thread;
    if (!loop)
        spout_error_set(SPOUT_ESTATE, "this thread has no loop");
    return loop;
}

void spi_ready_init(spi_ready *ready, void (*fn)(spi_ready *))
{
    spi_list_init(&ready->node);
    ready->fn = fn;
}

void spi_ready_schedule(spout_loop *loop, spi_ready *ready)
{
    if (spi_list_is_empty(&ready->node))
        spi_list_push(&loop->ready, &ready->node);
}

void spi_ready_cancel(spi_ready *ready)
{
    spi_list_remove(&ready->node);
}

void spi_turn_hook_add(spout_loop *loop, spi_turn_hook *hook, void (*fn)(spi_turn_hook *))
{
    hook->fn = fn;
    spi_list_push(&loop->hooks, &hook->node);
}

void spi_turn_hook_remove(spi_turn_hook *hook)
{
    spi_list_remove(&hook->node);
}

void spi_loop_after_events(spout_loop *loop, void (*fn)(spout_loop *))
{
    loop->after_events = fn;
}

void *spi_loop_slot_get(spout_loop *loop, spi_loop_slot slot)
{
    return loop->slots[slot].value;
}

void spi_loop_slot_set(
    spout_loop *loop, spi_loop_slot slot, void *value, void (*destroy)(void *value))
{
    loop->slots[slot].value = value;
    loop->slots[slot].destroy = destroy;
}

spi_arena_pool *spi_loop_arenas(spout_loop *loop)
{
    return &loop->arenas;
}

spout_figures spout_loop_figures(void)
{
    const spout_loop *loop = spi_loop_of_thread;
    spout_figures figures = { .arena_bytes = spi_arena_total_bytes() };
    if (loop) {
        figures.tasks = loop->task_count;
        figures.stacks = loop->stacks.mapped;
        figures.stack_bytes = loop->stacks.mapped_bytes;
    }
    return figures;
}

static inline void read_wall_clock(spout_loop *loop)
{
    loop->wall_us = loop->clock.wall_us(loop->clock.self);
}

/* The system's wall clock is read again with each millisecond that has passed: often many turns
   begin in one. */
static inline void read_system_clocks(spout_loop *loop)
{
    enum { MS_IN_NS = 1000000 };
    loop->now_ns = spi_monotonic_ns();
    if (loop->now_ns < loop->next_ms_ns)
        return;
    loop->now_ms = loop->now_ns / MS_IN_NS;
    loop->next_ms_ns = (loop->now_ms + 1) * MS_IN_NS;
    read_wall_clock(loop);
}

static void refresh_time(spout_loop *loop)
{
    if (loop->clock_is_real) {
        read_system_clocks(loop);
        return;
    }
    loop->now_ms = loop->clock.monotonic_ms(loop->clock.self);
    read_wall_clock(loop);
}

static void run_ready(spout_loop *loop)
{
    spi_list_splice(&loop->running, &loop->ready);
    spi_list *node;
    while ((node = spi_list_pop(&loop->running))) {
        spi_ready *ready = spi_container(node, spi_ready, node);
        ready->fn(ready);
    }
}

/* Each goes back before it is called, so that any of them may be removed meanwhile. */
static void run_hooks(spout_loop *loop)
{
    spi_list hooks;
    spi_list_init(&hooks);
    spi_list_splice(&hooks, &loop->hooks);
    spi_list *node;
    while ((node = spi_list_pop(&hooks))) {
        spi_list_push(&loop->hooks, node);
        spi_turn_hook *hook = spi_container(node, spi_turn_hook, node);
        hook->fn(hook);
    }
}

static int64_t next_due(const spout_loop *loop)
{
    int64_t timer = spi_timers_next(loop), timeout = spi_timeouts_next(loop);
    return timer < timeout ? timer : timeout;
}

/* What is armed meanwhile brings it down as well. */
static void run_due(spout_loop *loop)
{
    loop->due_ms = SPI_NEVER;
    spi_timers_run(loop);
    spi_timeouts_run(loop);
    loop->due_ms = next_due(loop);
}

/* When the wait must end at the latest, SPI_NEVER for any time; not before the turn's own time. */
static int64_t wait_until(const spout_loop *loop, int64_t now_ms, int64_t due_ms)
{
    if (!spi_list_is_empty(&loop->ready) || atomic_load(&loop->stop))
        return now_ms;
    return due_ms > now_ms ? due_ms : now_ms;
}

/* Whether a turn has more to do than to wait and to dispatch. */
static inline bool has_work(const spout_loop *loop)
{
    return !spi_list_is_empty(&loop->ready) || loop->due_ms <= loop->now_ms ||
           !spi_list_is_empty(&loop->hooks) || spi_log_is_unflushed(&loop->log) ||
           atomic_load(&loop->stop);
}

/* Returns until when the turn may then wait. Not inlined: most turns come without it. */
__attribute__((noinline)) static int64_t work(spout_loop *loop)
{
    run_ready(loop);
    if (loop->due_ms <= loop->now_ms)
        run_due(loop);
    run_hooks(loop);
    if (spi_log_is_unflushed(&loop->log))
        spout_log_flush();
    return wait_until(loop, loop->now_ms, loop->due_ms);
}

static int64_t time_left(int64_t now_ms, int64_t until_ms)
{
    return until_ms == SPI_NEVER ? SPOUT_NONE : until_ms - now_ms;
}

/* A clock that can skip time is told to, instead of waiting for it. */
static int wait_for_events(spout_loop *loop, int64_t timeout_ms)
{
    if (!loop->clock.skip_ms || timeout_ms <= 0)
        return spi_watches_wait(loop, timeout_ms);
    int count = spi_watches_wait(loop, 0);
    if (count == 0)
        loop->clock.skip_ms(loop->clock.self, timeout_ms);
    return count;
}

/* The clock was read after the wait before: what it shows more now, the turn has worked. */
static void report_turn(spout_loop *loop)
{
    if (!loop->front.metrics)
        return;
    spi_count(loop, "turns", 1);
    spi_observe(loop, "turn_ms", spi_loop_now_exact(loop) - loop->now_ms);
}

static inline void check_wait(int count)
{
    SPI_BUG_IF(count < 0, "the loop can't wait for its descriptors");
}

__attribute__((noinline)) static void wait_and_dispatch(spout_loop *loop, int64_t until_ms)
{
    report_turn(loop);
    int count = wait_for_events(loop, time_left(loop->now_ms, until_ms));
    check_wait(count);
    refresh_time(loop);
    spi_count(loop, "events", count);
    spi_watches_dispatch(loop, count);
}

#ifdef __linux__

/* The same with epoll and the system's clock, if nobody measures. */
static inline void wait_and_dispatch_straight(spout_loop *loop, int64_t until_ms)
{
    spi_epoll *epoll = loop->epoll;
    loop->waits++;
    int count = spi_epoll_wait(epoll, until_ms - loop->now_ms, SPI_EVENTS_A_TURN);
    check_wait(count);
    read_system_clocks(loop);
    loop->front.events_since_ticks = spi_ticks();
    for (int i = 0; i < count; i++) {
        loop->front.events_left = count - i - 1;
        spi_watch_dispatch(
            loop, epoll->events[i].data.fd, spi_epoll_translate(epoll->events[i].events));
    }
}

static spi_epoll *straight_epoll(const spout_loop *loop)
{
    bool is_straight = loop->backend == &spi_backend_epoll && loop->clock_is_real &&
                       !loop->front.metrics;
    return is_straight ? loop->backend_self : NULL;
}

#else

static inline void wait_and_dispatch_straight(spout_loop *loop, int64_t until_ms)
{
    wait_and_dispatch(loop, until_ms);
}

static struct spi_epoll *straight_epoll(const spout_loop *loop)
{
    (void)loop;
    return NULL;
}

#endif

__attribute__((noinline)) static void run_after_events(spout_loop *loop)
{
    void (*fn)(spout_loop *) = loop->after_events;
    loop->after_events = NULL;
    fn(loop);
}

/* Waits until `max_ms` of the loop's clock at most. */
static inline void turn(spout_loop *loop, int64_t max_ms)
{
    loop->turning = true;
    int64_t until_ms = has_work(loop) ? work(loop) : loop->due_ms;
    if (until_ms > max_ms)
        until_ms = max_ms;
    if (loop->epoll)
        wait_and_dispatch_straight(loop, until_ms);
    else
        wait_and_dispatch(loop, until_ms);
    if (loop->after_events)
        run_after_events(loop);
    spi_task_reap_if_any(loop);
    loop->turning = false;
}

static int may_turn(const spout_loop *loop)
{
    if (loop != spi_loop_of_thread)
        return spout_error_set(SPOUT_ESTATE, "the loop is not this thread's");
    if (loop->turning)
        return spout_error_set(SPOUT_ESTATE, "the loop runs already");
    return 0;
}

/* Was it stopped? A load costs less than the exchange does. */
static inline bool take_stop(spout_loop *loop)
{
    return atomic_load(&loop->stop) && atomic_exchange(&loop->stop, false);
}

int spout_loop_run(spout_loop *loop)
{
    int result = may_turn(loop);
    if (result < 0)
        return result;
    refresh_time(loop);
    do {
        turn(loop, SPI_NEVER);
    } while (!take_stop(loop));
    return 0;
}

void spout_loop_stop(spout_loop *loop)
{
    atomic_store(&loop->stop, true);
    spi_mailbox_wake(loop);
}

int spout_loop_run_once(spout_loop *loop, int64_t timeout_ms)
{
    int result = may_turn(loop);
    if (result < 0)
        return result;
    refresh_time(loop);
    turn(loop, timeout_ms < 0 ? SPI_NEVER : spi_time_after(loop->now_ms, timeout_ms));
    return 0;
}

int spout_loop_fd(spout_loop *loop)
{
    return loop->backend->fd(loop->backend_self);
}

int64_t spout_loop_timeout_ms(spout_loop *loop)
{
    int64_t now_ms = spi_loop_now_exact(loop);
    return time_left(now_ms, wait_until(loop, now_ms, next_due(loop)));
}

typedef struct sync_run {
    spi_timer timer;
    spi_ready hurry; /* with nothing to call: its turn does not wait */
    spi_task *task;  /* NULL when it has ended */
    spout_error *error;
    int result;
    bool timed_out;
} sync_run;

static void sync_ended(spi_task *task, int result)
{
    sync_run *run = task->owner;
    run->task = NULL;
    spi_timer_stop(task->loop, &run->timer);
    spi_ready_schedule(task->loop, &run->hurry);
    run->result = result;
    if (result < 0)
        run->error = spi_error_take();
}

static void need_not_wait(spi_ready *ready)
{
    (void)ready;
}

static void sync_timed_out(spi_timer *timer)
{
    sync_run *run = spi_container(timer, sync_run, timer);
    run->timed_out = true;
    spi_task_cancel(run->task);
}

static void sync_turns(spout_loop *loop, sync_run *run)
{
    while (run->task) {
        turn(loop, SPI_NEVER);
        if (take_stop(loop) && run->task)
            spi_task_cancel(run->task);
    }
}

int spout_loop_run_sync(spout_loop *loop, spout_task_fn *fn, void *arg, int64_t timeout_ms)
{
    int result = may_turn(loop);
    if (result < 0)
        return result;
    refresh_time(loop);
    sync_run run = { 0 };
    spi_task_birth birth = { .name = "run_sync",
        .name_is_static = true,
        .fn = fn,
        .arg = arg,
        .ended = sync_ended,
        .owner = &run };
    run.task = spi_task_create(loop, &birth);
    if (!run.task)
        return spout_error_code_current();
    spi_ready_init(&run.hurry, need_not_wait);
    if (timeout_ms > 0)
        spi_timer_start(loop, &run.timer, spi_time_after(loop->now_ms, timeout_ms), sync_timed_out);
    spi_task_start_later(run.task);
    sync_turns(loop, &run);
    spi_ready_cancel(&run.hurry);
    if (run.result < 0)
        spi_error_put(run.error);
    if (run.timed_out)
        return spout_error_set(
            SPOUT_ETIMEDOUT, "the operation timed out after %lld ms", (long long)timeout_ms);
    return run.result;
}

static void init_lists(spout_loop *loop)
{
    spi_list *lists[] = { &loop->ready, &loop->running, &loop->tasks, &loop->call_timers,
        &loop->periodics, &loop->hooks, &loop->user_watches, &loop->signals };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        spi_list_init(lists[i]);
}

static void init(spout_loop *loop, const spout_loop_options *options)
{
    init_lists(loop);
    spi_fiber_init_thread(&loop->root.fiber);
    loop->root.loop = loop;
    loop->current = &loop->root;
    loop->clock = options->clock ? *options->clock : spi_system_clock;
    loop->random = options->random ? *options->random : spi_system_random;
    loop->clock_is_real = !options->clock;
    loop->due_ms = SPI_NEVER;
    spi_metrics_start(loop, options->metrics);
    loop->task_max = options->max_tasks > 0 ? (size_t)options->max_tasks : SIZE_MAX;
    loop->executor_threads = options->executor_threads;
    spi_stack_pool_init(&loop->stacks, options->stack_size);
    spi_arena_pool_init(&loop->arenas, ARENAS_KEPT);
    spi_heap_init(&loop->timers);
    atomic_init(&loop->stop, false);
    refresh_time(loop);
}

static int open_backend(spout_loop *loop, const char *name)
{
    loop->backend = spi_backend_choose(name);
    if (!loop->backend)
        return spout_error_code_current();
    loop->backend_self = loop->backend->open();
    if (!loop->backend_self)
        return spout_error_code_current();
    loop->epoll = straight_epoll(loop);
    int result = spi_mailbox_open(loop);
    if (result < 0)
        loop->backend->close(loop->backend_self);
    return result;
}

spout_loop *spout_loop_new(const spout_loop_options *options)
{
    static const spout_loop_options defaults;
    if (!options)
        options = &defaults;
    if (spi_loop_of_thread) {
        spout_error_set(SPOUT_EEXIST, "this thread has a loop already");
        return NULL;
    }
    spout_loop *loop = spi_calloc(sizeof *loop);
    init(loop, options);
    if (open_backend(loop, options->backend) < 0) {
        spi_free(loop->watches);
        spi_free(loop);
        return NULL;
    }
    atomic_fetch_add(&loop_count, 1);
    spi_loop_of_thread = loop;
    if (options->log_sink) {
        loop->log.sink = *options->log_sink;
        spi_log_use_own(&loop->log);
    }
    return loop;
}

/* By the system's clock: the loop's own may stand still. */
static void end_tasks(spout_loop *loop)
{
    int64_t limit = spi_system_clock.monotonic_ms(NULL) + END_LIMIT_MS;
    for (spi_list *node = loop->tasks.next; node != &loop->tasks; node = node->next) {
        spi_task *task = spi_container(node, spi_task, node);
        if (task->state == SPI_TASK_RESTING)
            task->cancelled = true; /* with whatever it is given from now on */
        else
            spi_task_cancel(task);
    }
    while (loop->task_count > 0 && spi_system_clock.monotonic_ms(NULL) < limit)
        turn(loop, spi_time_after(loop->now_ms, END_WAIT_MS));
}

static void destroy_slots(spout_loop *loop)
{
    for (int slot = SPI_SLOT_COUNT - 1; slot >= 0; slot--) {
        if (loop->slots[slot].destroy)
            loop->slots[slot].destroy(loop->slots[slot].value);
        loop->slots[slot].value = NULL;
        loop->slots[slot].destroy = NULL;
    }
}

/* Scheduled calls may own memory: they get their turn. */
static void run_last_calls(spout_loop *loop)
{
    for (int i = 0; i < LAST_TURNS && !spi_list_is_empty(&loop->ready); i++)
        turn(loop, loop->now_ms);
}

static void log_abandoned(const spout_loop *loop)
{
    for (spi_list *node = loop->tasks.next; node != &loop->tasks; node = node->next) {
        const spi_task *task = spi_container(node, spi_task, node);
        if (task->state == SPI_TASK_RESTING)
            continue;
        spi_log_error("task %s did not end with its loop (%s): abandoned", task->name,
            task->what ? task->what : "running");
    }
}

static void release(spout_loop *loop)
{
    spi_signals_stop(loop);
    spi_watches_stop(loop);
    spi_mailbox_close(loop);
    loop->backend->close(loop->backend_self);
    spi_timeouts_free(loop);
    spi_heap_finish(&loop->timers);
    spi_arena_pool_finish(&loop->arenas);
    spi_free(loop->watches);
}

void spout_loop_free(spout_loop *loop)
{
    if (!loop)
        return;
    SPI_BUG_IF(loop != spi_loop_of_thread, "a loop is freed by another thread than its own");
    SPI_BUG_IF(loop->turning, "a loop is freed while it runs");
    loop->closing = true;
    refresh_time(loop);
    spi_mailbox_stop_taking(loop);
    spi_timers_stop(loop);
    spi_periodics_stop(loop);
    end_tasks(loop);
    destroy_slots(loop);
    end_tasks(loop);
    bool all_ended = loop->task_count == 0;
    spi_executor_stop(loop, all_ended);
    run_last_calls(loop);
    destroy_slots(loop); /* what those have put there */
    log_abandoned(loop);
    spi_tasks_dismiss(loop);
    release(loop);
    spout_log_flush();
    if (all_ended)
        spi_stack_pool_finish(&loop->stacks); /* else threads may still use what lies there */
    spi_log_use_own(NULL);
    spi_loop_of_thread = NULL;
    atomic_fetch_sub(&loop_count, 1);
    spi_free(loop);
}

void spout_loop_free_with_fds(spout_loop *loop)
{
    if (loop)
        loop->owns_fds = true;
    spout_loop_free(loop);
}
