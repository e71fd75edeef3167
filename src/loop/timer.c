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
    spi_loop_due_at(loop, due_ms);
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
    int64_t fired = 0;
    spi_heap_node *node;
    while ((node = spi_heap_first(&loop->timers)) && node->key <= loop->now_ms &&
           node->sequence < newer) {
        spi_heap_remove(&loop->timers, node);
        spi_timer *timer = spi_container(node, spi_timer, node);
        timer->fn(timer);
        fired++;
    }
    spi_count(loop, "timers", fired);
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

void spi_timers_stop(spout_loop *loop)
{
    spi_list *node;
    while ((node = spi_list_first(&loop->call_timers)))
        free_timer(spi_container(node, spout_timer, node));
}
