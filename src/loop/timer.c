/* Timers: the heap, and what users start on it. */
#include "loop/internal.h"

#include "base/log.h"
#include "base/memory.h"

void spi_timer_start(spout_loop *loop, spi_timer *timer, int64_t due_ms, void (*fn)(spi_timer *))
{
    if (spi_heap_contains(&timer->node))
        spi_heap_remove(&loop->timers, &timer->node);
    timer->fn = fn;
    spi_heap_insert(&loop->timers, &timer->node, due_ms);
}

void spi_timer_stop(spout_loop *loop, spi_timer *timer)
{
    if (spi_heap_contains(&timer->node))
        spi_heap_remove(&loop->timers, &timer->node);
}

/* Those that a timer starts are for the next turn, even if they are due: a turn ends. */
void spi_timers_run(spout_loop *loop)
{
    uint64_t newer = loop->timers.next_sequence;
    spi_heap_node *node;
    while ((node = spi_heap_first(&loop->timers)) && node->key <= loop->now_ms &&
           node->sequence < newer) {
        spi_heap_remove(&loop->timers, node);
        spi_timer *timer = spi_container(node, spi_timer, node);
        timer->fn(timer);
    }
}

int64_t spi_timers_next(const spout_loop *loop)
{
    const spi_heap_node *node = spi_heap_first(&loop->timers);
    return node ? node->key : SPI_NEVER;
}

struct spout_timer {
    spi_timer timer;
    spi_list node;
    spout_loop *loop;
    spout_task_fn *fn;
    void *arg;
};

static void free_timer(spout_timer *timer)
{
    spi_timer_stop(timer->loop, &timer->timer);
    spi_list_remove(&timer->node);
    spi_free(timer);
}

static void start_call(spi_timer *timer)
{
    spout_timer *self = spi_container(timer, spout_timer, timer);
    spi_task_birth birth = {
        .name = "call_later",
        .name_is_static = true,
        .fn = self->fn,
        .arg = self->arg,
        .ended = spi_task_log_failure,
    };
    spout_loop *loop = self->loop;
    free_timer(self);
    spi_task *task = spi_task_create(loop, &birth);
    if (task)
        spi_task_start_now(task);
    else
        spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, "a timer's call is lost");
}

spout_timer *spout_call_at(int64_t when_ms, spout_task_fn *fn, void *arg)
{
    spout_loop *loop = spi_loop_need();
    if (!loop)
        return NULL;
    spout_timer *timer = spi_calloc(sizeof *timer);
    timer->loop = loop;
    timer->fn = fn;
    timer->arg = arg;
    spi_list_push(&loop->call_timers, &timer->node);
    spi_timer_start(loop, &timer->timer, when_ms, start_call);
    return timer;
}

spout_timer *spout_call_later(int64_t delay_ms, spout_task_fn *fn, void *arg)
{
    return spout_call_at(spi_time_after(spout_time_ms(), delay_ms), fn, arg);
}

void spout_timer_cancel(spout_timer *timer)
{
    if (timer)
        free_timer(timer);
}

/* A tick that runs keeps the struct alive: stopping meanwhile only marks it. */
struct spout_periodic {
    spi_timer timer;
    spi_list node;
    spout_loop *loop;
    spout_task_fn *fn;
    void *arg;
    int64_t interval_ms, due_ms;
    size_t stack_size;
    bool running, stopped;
    char name[32];
};

static void tick_ended(spi_task *task, int result)
{
    spout_periodic *self = task->owner;
    spi_task_log_failure(task, result);
    self->running = false;
    if (self->stopped)
        spi_free(self);
}

static void start_tick(spout_periodic *self)
{
    spi_task_birth birth = {
        .name = self->name,
        .stack_size = self->stack_size,
        .fn = self->fn,
        .arg = self->arg,
        .ended = tick_ended,
        .owner = self,
    };
    spi_task *task = spi_task_create(self->loop, &birth);
    if (!task) {
        spi_log_current_error(
            SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, "a periodic call is skipped");
        return;
    }
    self->running = true;
    spi_task_start_now(task);
}

/* The next point of the grid that is still to come. */
static int64_t next_due(const spout_periodic *self, int64_t now_ms)
{
    int64_t late = now_ms - self->due_ms;
    int64_t missed = late > 0 ? late / self->interval_ms : 0;
    return spi_time_after(self->due_ms + missed * self->interval_ms, self->interval_ms);
}

static void tick(spi_timer *timer)
{
    spout_periodic *self = spi_container(timer, spout_periodic, timer);
    self->due_ms = next_due(self, self->loop->now_ms);
    spi_timer_start(self->loop, timer, self->due_ms, tick);
    if (!self->running)
        start_tick(self);
}

spout_periodic *spout_every(
    int64_t interval_ms, spout_task_fn *fn, void *arg, const spout_task_options *options)
{
    spout_loop *loop = spi_loop_need();
    if (!loop)
        return NULL;
    if (interval_ms < 1) {
        spout_error_set(SPOUT_EINVAL, "an interval must be at least 1 ms");
        return NULL;
    }
    spout_periodic *self = spi_calloc(sizeof *self);
    self->loop = loop;
    self->fn = fn;
    self->arg = arg;
    self->interval_ms = interval_ms;
    self->due_ms = spi_time_after(loop->now_ms, interval_ms);
    self->stack_size = options ? options->stack_size : 0;
    const char *name = options && options->name ? options->name : "every";
    memcpy(self->name, name, strnlen(name, sizeof self->name - 1));
    spi_list_push(&loop->periodics, &self->node);
    spi_timer_start(loop, &self->timer, self->due_ms, tick);
    return self;
}

void spout_periodic_stop(spout_periodic *periodic)
{
    if (!periodic)
        return;
    spi_timer_stop(periodic->loop, &periodic->timer);
    spi_list_remove(&periodic->node);
    if (periodic->running)
        periodic->stopped = true;
    else
        spi_free(periodic);
}

void spi_timers_stop(spout_loop *loop)
{
    spi_list *node;
    while ((node = spi_list_first(&loop->call_timers)))
        free_timer(spi_container(node, spout_timer, node));
    while ((node = spi_list_first(&loop->periodics)))
        spout_periodic_stop(spi_container(node, spout_periodic, node));
}
