/* Periodic calls: ticks on a grid that neither lateness nor jitter shifts. */
#include "loop/internal.h"

#include "base/log.h"
#include "base/memory.h"

/* A tick that runs keeps the struct alive: stopping meanwhile only marks it. */
struct spout_periodic {
    spi_timer timer;
    spi_list node;
    spout_loop *loop;
    spout_task_fn *fn;
    void *arg;
    int64_t interval_ms;
    int64_t grid_ms;       /* where the coming tick would be due without jitter */
    int64_t max_jitter_ms; /* to either side */
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

static int64_t jitter_ms(const spout_periodic *self)
{
    if (self->max_jitter_ms == 0)
        return 0;
    uint64_t width = 2 * (uint64_t)self->max_jitter_ms + 1;
    return (int64_t)(spi_loop_random(self->loop) % width) - self->max_jitter_ms;
}

/* The next point of the grid that is still to come. */
static int64_t next_on_grid(const spout_periodic *self, int64_t now_ms)
{
    int64_t late = now_ms - self->grid_ms;
    int64_t missed = late > 0 ? late / self->interval_ms : 0;
    return spi_time_after(self->grid_ms + missed * self->interval_ms, self->interval_ms);
}

static void tick(spi_timer *timer);

static void arm(spout_periodic *self)
{
    int64_t due_ms = self->grid_ms;
    if (due_ms != SPI_NEVER)
        due_ms += jitter_ms(self);
    spi_timer_start(self->loop, &self->timer, due_ms, tick);
}

static void tick(spi_timer *timer)
{
    spout_periodic *self = spi_container(timer, spout_periodic, timer);
    self->grid_ms = next_on_grid(self, self->loop->now_ms);
    arm(self);
    if (!self->running)
        start_tick(self);
}

static int check(int64_t interval_ms, const spout_periodic_options *options)
{
    if (interval_ms < 1)
        return spout_error_set(SPOUT_EINVAL, "an interval must be at least 1 ms");
    if (!(options->jitter >= 0 && options->jitter <= 1))
        return spout_error_set(SPOUT_EINVAL, "a jitter must be between 0 and 1");
    return 0;
}

/* Half the jitter to each side, and always less than half the interval, so that ticks stay in their
   order. */
static int64_t max_jitter_ms(int64_t interval_ms, double jitter)
{
    int64_t most = (interval_ms - 1) / 2;
    double wanted = (double)interval_ms * jitter / 2;
    return wanted < (double)most ? (int64_t)wanted : most;
}

static void copy_name(spout_periodic *self, const char *name)
{
    if (!name)
        name = "every";
    memcpy(self->name, name, strnlen(name, sizeof self->name - 1));
}

spout_periodic *spout_periodic_start(
    int64_t interval_ms, spout_task_fn *fn, void *arg, const spout_periodic_options *options)
{
    static const spout_periodic_options defaults;
    if (!options)
        options = &defaults;
    spout_loop *loop = spi_loop_need();
    if (!loop || check(interval_ms, options) < 0)
        return NULL;
    spout_periodic *self = spi_calloc(sizeof *self);
    self->loop = loop;
    self->fn = fn;
    self->arg = arg;
    self->interval_ms = interval_ms;
    self->grid_ms = spi_time_after(loop->now_ms, interval_ms);
    self->max_jitter_ms = max_jitter_ms(interval_ms, options->jitter);
    self->stack_size = options->stack_size;
    copy_name(self, options->name);
    spi_list_push(&loop->periodics, &self->node);
    arm(self);
    return self;
}

spout_periodic *spout_every(
    int64_t interval_ms, spout_task_fn *fn, void *arg, const spout_task_options *options)
{
    spout_periodic_options all = { .name = options ? options->name : NULL,
        .stack_size = options ? options->stack_size : 0 };
    return spout_periodic_start(interval_ms, fn, arg, &all);
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

void spi_periodics_stop(spout_loop *loop)
{
    spi_list *node;
    while ((node = spi_list_first(&loop->periodics)))
        spout_periodic_stop(spi_container(node, spout_periodic, node));
}
