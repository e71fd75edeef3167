/* Waiting: queues, sleep, deadlines, cancellation, shields. */
#include "loop/internal.h"

#include "base/bug.h"

enum { SHIELD_MS = 5000 };

void spi_task_wake(spi_task *task, int outcome)
{
    task->state = SPI_TASK_READY;
    task->outcome = outcome;
    spi_list_push(&task->loop->ready, &task->ready.node);
}

static void end_wait(spi_task *task, int outcome)
{
    spi_list_remove(&task->wait_node);
    spi_task_wake(task, outcome);
}

static int refuse(int code, const char *what)
{
    if (code == SPOUT_ECANCELED)
        return spout_error_set(code, "the coroutine was cancelled (%s)", what);
    if (code == SPOUT_ECLOSED)
        return spout_error_set(code, "what the coroutine waited for is gone (%s)", what);
    return spout_error_set(code, "the deadline has passed (%s)", what);
}

int spi_task_interrupted(const spi_task *task, const char *what)
{
    if (task->cancelled && task->shields == 0)
        return refuse(SPOUT_ECANCELED, what);
    if (task->deadline_ms <= task->loop->now_ms)
        return refuse(SPOUT_ETIMEDOUT, what);
    return 0;
}

static void deadline_passed(spi_timer *timer)
{
    spi_task *task = spi_container(timer, spi_task, deadline_timer);
    if (task->state != SPI_TASK_WAITING || task->steadfast)
        return;
    if (task->deadline_ms > task->loop->now_ms)
        spi_task_arm_deadline(task);
    else
        end_wait(task, SPOUT_ETIMEDOUT);
}

/* A timer that is armed for an earlier deadline stays: when it fires it finds that there is time
   left. */
void spi_task_arm_deadline(spi_task *task)
{
    if (task->deadline_ms == SPI_NEVER)
        return;
    const spi_heap_node *node = &task->deadline_timer.node;
    if (!spi_heap_contains(node) || node->key > task->deadline_ms)
        spi_timer_start(task->loop, &task->deadline_timer, task->deadline_ms, deadline_passed);
}

static void stand_in(spi_task *task, spi_list *queue, const char *what)
{
    spi_list_push(queue, &task->wait_node);
    task->state = SPI_TASK_WAITING;
    task->what = what;
    task->since_ms = task->loop->now_ms;
    spi_task_park(task);
    task->what = NULL;
}

static spi_task *need_task(const char *what)
{
    spi_task *task = spi_task_current();
    if (!task)
        spout_error_set(SPOUT_ESTATE, "only a coroutine can wait (%s)", what);
    return task;
}

int spi_may_wait(const char *what)
{
    const spi_task *task = need_task(what);
    return task ? spi_task_interrupted(task, what) : SPOUT_ESTATE;
}

int spi_wait(spi_list *queue, const char *what)
{
    spi_task *task = need_task(what);
    if (!task)
        return SPOUT_ESTATE;
    int result = spi_task_interrupted(task, what);
    if (result < 0)
        return result;
    spi_task_arm_deadline(task);
    stand_in(task, queue, what);
    return task->outcome < 0 ? refuse(task->outcome, what) : 0;
}

void spi_wait_to_the_end(spi_list *queue, const char *what)
{
    spi_task *task = spi_task_current();
    SPI_BUG_IF(!task, "only a coroutine can wait");
    bool outer = task->steadfast;
    task->steadfast = true;
    stand_in(task, queue, what);
    task->steadfast = outer;
}

static bool wake_one_with(spi_list *queue, int outcome)
{
    spi_list *node = spi_list_pop(queue);
    if (!node)
        return false;
    spi_task_wake(spi_container(node, spi_task, wait_node), outcome);
    return true;
}

bool spi_wake_one(spi_list *queue)
{
    return wake_one_with(queue, 0);
}

void spi_wake_all(spi_list *queue)
{
    while (spi_wake_one(queue))
        ;
}

void spi_fail_all(spi_list *queue, int code)
{
    while (wake_one_with(queue, code))
        ;
}

void spi_task_cancel(spi_task *task)
{
    if (task->state == SPI_TASK_RESTING)
        return; /* its next function is another matter */
    task->cancelled = true;
    task->unsettled = true;
    if (task->state == SPI_TASK_WAITING && task->shields == 0 && !task->steadfast)
        end_wait(task, SPOUT_ECANCELED);
}

typedef struct sleeper {
    spi_timer timer;
    spi_list queue;
} sleeper;

static void wake_sleeper(spi_timer *timer)
{
    spi_wake_all(&spi_container(timer, sleeper, timer)->queue);
}

int spout_sleep(int64_t delay_ms)
{
    spi_task *task = need_task("sleep");
    if (!task)
        return SPOUT_ESTATE;
    int result = spi_task_interrupted(task, "sleep");
    if (result < 0)
        return result;
    sleeper self = { 0 };
    spi_list_init(&self.queue);
    spi_timer_start(
        task->loop, &self.timer, spi_time_after(task->loop->now_ms, delay_ms), wake_sleeper);
    result = spi_wait(&self.queue, "sleep");
    spi_timer_stop(task->loop, &self.timer);
    return result;
}

int spout_yield(void)
{
    spi_task *task = need_task("yield");
    if (!task)
        return SPOUT_ESTATE;
    int result = spi_task_interrupted(task, "yield");
    if (result < 0)
        return result;
    spi_task_wake(task, 0);
    spi_task_park(task);
    return 0;
}

int64_t spout_deadline_set_ms(int64_t delay_ms)
{
    spi_task *task = spi_task_current();
    if (!task)
        return SPI_NEVER;
    int64_t previous = task->deadline_ms;
    int64_t wanted = spi_time_after(task->loop->now_ms, delay_ms);
    task->unsettled = true;
    if (wanted < previous)
        task->deadline_ms = wanted;
    return previous;
}

void spout_deadline_restore(int64_t previous)
{
    spi_task *task = spi_task_current();
    if (!task)
        return;
    task->unsettled = true;
    task->deadline_ms = previous;
}

int64_t spout_deadline_left_ms(void)
{
    const spi_task *task = spi_task_current();
    if (!task || task->deadline_ms == SPI_NEVER)
        return SPOUT_NONE;
    int64_t left = task->deadline_ms - task->loop->now_ms;
    return left > 0 ? left : 0;
}

int64_t spi_shield_begin(spi_task *task)
{
    int64_t outer = task->deadline_ms;
    int64_t own = spi_time_after(task->loop->now_ms, SHIELD_MS);
    task->unsettled = true;
    if (task->shields++ == 0 || own < outer)
        task->deadline_ms = own;
    return outer;
}

void spi_shield_end(spi_task *task, int64_t outer_deadline_ms)
{
    task->shields--;
    task->deadline_ms = outer_deadline_ms;
}

int spout_shield(spout_task_fn *fn, void *arg)
{
    spi_task *task = need_task("shield");
    if (!task)
        return SPOUT_ESTATE;
    int64_t outer = spi_shield_begin(task);
    int result = fn(arg);
    spi_shield_end(task, outer);
    return result;
}
