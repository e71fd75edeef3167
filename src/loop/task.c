/* The scheduler: how coroutines begin, hand over to each other, and end. */
#include "loop/internal.h"

#include "base/arena.h"
#include "base/bug.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    /* The upper ends of stacks are moved apart, else all of them would compete for the same lines
       of the CPU's cache. */
    COLOURS = 8,
    COLOUR_BYTES = 128,
    TRIM_AFTER_MS = 1000,
    RESTING_MAX = 32
};

spi_task *spi_task_current(void)
{
    const spout_loop *loop = spi_loop_of_thread;
    return loop && loop->current != &loop->root ? loop->current : NULL;
}

bool spout_in_task(void)
{
    return spi_task_current() != NULL;
}

const char *spout_task_name(void)
{
    const spi_task *task = spi_task_current();
    return task ? task->name : "";
}

static void trim(spi_timer *timer)
{
    spout_loop *loop = spi_container(timer, spout_loop, trim);
    spi_stack_pool_trim(&loop->stacks);
    if (spi_stack_pool_is_fat(&loop->stacks))
        spi_timer_start(loop, timer, spi_time_after(loop->now_ms, TRIM_AFTER_MS), trim);
}

void spi_task_reap(spout_loop *loop)
{
    spi_task *task = loop->dead;
    loop->dead = NULL;
    spi_fiber_finish(&task->fiber);
    spi_stack_give(&loop->stacks, task->stack, task->touched);
    if (spi_stack_pool_is_fat(&loop->stacks) && !spi_heap_contains(&loop->trim.node))
        spi_timer_start(loop, &loop->trim, spi_time_after(loop->now_ms, TRIM_AFTER_MS), trim);
}

__attribute__((noreturn, cold)) static void report_overflow(const spi_task *task)
{
    fprintf(stderr, "waterspout: the stack of task %s (%zu bytes) has overflowed\n", task->name,
        task->stack->size);
    abort();
}

__attribute__((noinline)) static void switch_to(spi_task *from, spi_task *to, bool last)
{
    spout_loop *loop = from->loop;
    if (from->has_canary && !spi_stack_is_intact(from->stack))
        report_overflow(from);
    loop->current = to;
    to->state = SPI_TASK_RUNNING;
    spi_context_running = to->own_context;
    spi_fiber_leave(&from->fiber, &to->fiber, last);
    spi_switch(&from->point, &to->point);
    spi_fiber_arrive(&from->fiber);
}

/* Who goes on when `task` stops: whoever started it and waits for that, else the next of this turn,
   else the loop. */
static spi_task *successor(spi_task *task)
{
    spout_loop *loop = task->loop;
    spi_task *starter = task->starter;
    if (starter) {
        task->starter = NULL;
        return starter;
    }
    spi_list *node = loop->running.next;
    if (node == &loop->running)
        return &loop->root;
    spi_ready *ready = spi_container(node, spi_ready, node);
    if (ready->fn != spi_task_resume)
        return &loop->root;
    spi_list_remove(node);
    return spi_container(ready, spi_task, ready);
}

void spi_task_park(spi_task *task)
{
    switch_to(task, successor(task), false);
}

void spi_task_resume(spi_ready *ready)
{
    spi_task *task = spi_container(ready, spi_task, ready);
    switch_to(&task->loop->root, task, false);
}

static void call_deferred(spi_task *task, spi_frame *frame);

static int run_in_frame(spi_task *task, spi_frame *frame, spout_task_fn *fn, void *arg)
{
    jmp_buf jump;
    jmp_buf *outer_jump = frame->jump;
    unsigned shields = task->shields;
    int64_t deadline_ms = task->deadline_ms;
    int result;
    frame->jump = &jump;
    if (setjmp(jump) == 0)
        result = fn(arg);
    else
        result = frame->result;
    frame->jump = outer_jump;
    task->shields = shields;
    task->deadline_ms = deadline_ms;
    return result;
}

static int call_one_deferred(void *arg)
{
    const spi_deferred *deferred = arg;
    deferred->fn(deferred->arg);
    return 0;
}

/* An abort in a deferred call ends that one only. What they do to the error does not count. */
static void call_deferred(spi_task *task, spi_frame *frame)
{
    if (!frame->deferred)
        return;
    spout_error *error = spi_error_take();
    int64_t outer = spi_shield_begin(task);
    while (frame->deferred) {
        spi_deferred deferred = *frame->deferred;
        spi_free(frame->deferred);
        frame->deferred = deferred.older;
        (void)run_in_frame(task, frame, call_one_deferred, &deferred);
    }
    spi_shield_end(task, outer);
    spi_error_put(error);
}

int spi_task_call(spout_task_fn *fn, void *arg)
{
    spi_task *task = spi_task_current();
    if (!task)
        return fn(arg);
    spi_frame frame = { .outer = task->frame };
    task->frame = &frame;
    int result = run_in_frame(task, &frame, fn, arg);
    call_deferred(task, &frame);
    task->frame = frame.outer;
    return result;
}

void spout_defer(spout_callback *fn, void *arg)
{
    spi_task *task = spi_task_current();
    SPI_BUG_IF(
        !task, "spout_defer outside a coroutine: there is no function whose end it could wait for");
    spi_deferred *deferred = spi_malloc(sizeof *deferred);
    *deferred = (spi_deferred){ .older = task->frame->deferred, .fn = fn, .arg = arg };
    task->unsettled = true;
    task->frame->deferred = deferred;
}

static void report_end(const spi_task *task, int result)
{
    const spout_metrics *metrics = task->loop->front.metrics;
    if (!metrics)
        return;
    spout_task_event event = SPOUT_TASK_ENDED;
    if (result < 0)
        event = result == SPOUT_ECANCELED ? SPOUT_TASK_CANCELLED : SPOUT_TASK_FAILED;
    metrics->task(metrics->self, task->name, event, task->loop->now_ms - task->born_ms);
}

/* The function has returned: `then` begins without what it has left. */
__attribute__((noinline)) static void settle_function(spi_task *task)
{
    call_deferred(task, &task->outermost);
    task->shields = 0;
    task->deadline_ms = SPI_NEVER;
}

/* All has ended. What few tasks change becomes what it was at first. */
__attribute__((noinline)) static void settle(spi_task *task, int result)
{
    spout_loop *loop = task->loop;
    call_deferred(task, &task->outermost);
    report_end(task, result);
    if (task->ended)
        task->ended(task, result);
    if (spi_heap_contains(&task->deadline_timer.node))
        spi_timer_stop(loop, &task->deadline_timer);
    task->ended = NULL;
    task->cancelled = loop->closing;
    task->deadline_ms = SPI_NEVER;
    task->unsettled = false;
}

__attribute__((noinline)) static void free_memory(spout_loop *loop, spi_task *task)
{
    if (task->context.scope && task->owns_scope)
        spi_arena_pool_give(&loop->arenas, task->context.scope);
    spi_context_clear(&task->context);
    task->context.holds_memory = false;
}

/* `then` is cleared first: an abort in there is an end as well. */
static int go_on(spi_task *task, int result)
{
    spi_task_then *then = task->then;
    if (task->unsettled)
        settle_function(task);
    task->then = NULL;
    return then(task->arg, result);
}

/* All that the task had is given back, but for its stack. */
static void conclude(spi_task *task, int result)
{
    spout_loop *loop = task->loop;
    if (task->then)
        result = go_on(task, result);
    if (task->unsettled)
        settle(task, result);
    loop->task_count--;
    if (task->context.holds_memory)
        free_memory(loop, task);
}

/* Leaves the stack for good: it is given back by the next that dies or needs one, or when the turn
   ends. */
__attribute__((noreturn)) static void die(spi_task *task)
{
    spi_task_reap_if_any(task->loop);
    task->loop->dead = task;
    switch_to(task, successor(task), true);
    abort();
}

void spout_abort(void)
{
    int code = spout_error_code_current();
    if (code >= 0)
        code = SPOUT_EFAILED;
    spi_task *task = spi_task_current();
    if (!task) {
        spi_log_current_error(
            SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, "spout_abort outside a coroutine");
        spout_log_flush();
        abort();
    }
    spi_frame *frame = task->frame;
    frame->result = code;
    longjmp(*frame->jump, 1);
}

static bool may_rest(const spi_task *task)
{
    const spout_loop *loop = task->loop;
    return task->stack->slab && loop->resting_count < RESTING_MAX;
}

/* Comes back when there is another function to call, or none any more. */
static void rest(spi_task *task)
{
    spout_loop *loop = task->loop;
    task->state = SPI_TASK_RESTING;
    task->next_resting = loop->resting;
    loop->resting = task;
    loop->resting_count++;
    switch_to(task, successor(task), false);
}

/* Of a function that was aborted. */
static int aborted(spi_task *task)
{
    task->shields = 0;
    return task->outermost.result;
}

/* Runs one function after the other. Apart from the setjmp, next to which nothing stays in a
   register. */
__attribute__((noinline)) static void run_all(spi_task *task, bool was_aborted)
{
    int result = was_aborted ? aborted(task) : task->fn(task->arg);
    for (;;) {
        conclude(task, result);
        if (!may_rest(task))
            return;
        rest(task);
        if (!task->fn)
            return;
        result = task->fn(task->arg);
    }
}

/* An abort in any of the functions comes back to here. */
static void run_caught(spi_task *task)
{
    jmp_buf jump;
    task->outermost.jump = &jump;
    if (setjmp(jump) == 0)
        run_all(task, false);
    else
        run_all(task, true);
}

/* The first frame of every stack. */
static void begin(void *arg)
{
    spi_task *task = arg;
    spi_fiber_arrive(&task->fiber);
    run_caught(task);
    spi_list_remove(&task->node);
    task->touched = __builtin_frame_address(0);
    die(task);
}

static inline spi_task *take_resting(spout_loop *loop)
{
    spi_task *task = loop->resting;
    if (!task)
        return NULL;
    loop->resting = task->next_resting;
    loop->resting_count--;
    return task;
}

void spi_tasks_dismiss(spout_loop *loop)
{
    spi_task *task;
    while ((task = take_resting(loop))) {
        task->fn = NULL;
        spi_task_start_now(task);
    }
    spi_task_reap_if_any(loop);
}

__attribute__((noinline)) static void copy_name(spi_task *task, const char *name)
{
    if (!name)
        name = "task";
    size_t len = strnlen(name, sizeof task->name_copy - 1);
    memcpy(task->name_copy, name, len);
    task->name_copy[len] = '\0';
    task->name = task->name_copy;
}

static spi_task *place(spi_stack *stack)
{
    size_t colour = (size_t)((uintptr_t)stack->low / stack->size) % COLOURS * COLOUR_BYTES;
    uintptr_t top = (uintptr_t)stack->low + stack->size - colour - sizeof(spi_task);
    return (spi_task *)(top & ~(uintptr_t)63);
}

__attribute__((noinline)) static void report_start(spi_task *task)
{
    const spout_metrics *metrics = task->loop->front.metrics;
    task->unsettled = true;
    task->born_ms = task->loop->now_ms;
    metrics->task(metrics->self, task->name, SPOUT_TASK_STARTED, 0);
}

/* What a function finds. A task that has rested keeps everything else, which is as it was at
   first. */
static inline void set_up(spout_loop *loop, spi_task *task, const spi_task_birth *birth)
{
    task->fn = birth->fn;
    task->then = birth->then;
    task->arg = birth->arg;
    task->context.scope = birth->scope;
    task->context.request_id = NULL;
    task->owns_scope = !birth->scope;
    task->name = birth->name;
    if (!birth->name_is_static)
        copy_name(task, birth->name);
    loop->task_count++;
    if (birth->ended) {
        task->unsettled = true;
        task->ended = birth->ended;
        task->owner = birth->owner;
    }
    if (loop->front.metrics)
        report_start(task);
}

__attribute__((noinline)) static spi_task *make(spout_loop *loop, size_t stack_size)
{
    spi_task_reap_if_any(loop);
    spi_stack *stack = spi_stack_take(&loop->stacks, stack_size);
    if (!stack)
        return NULL;
    spi_task *task = place(stack);
    *task = (spi_task){
        .loop = loop,
        .stack = stack,
        .frame = &task->outermost,
        .cancelled = loop->closing,
        .deadline_ms = SPI_NEVER,
    };
    task->own_context = &task->context;
    task->has_canary = stack->guard == SPI_GUARD_CANARY;
    spi_ready_init(&task->ready, spi_task_resume);
    spi_list_init(&task->wait_node);
    spi_list_init(&task->sibling);
    spi_fiber_init(&task->fiber, stack->low, stack->size);
    task->context.arenas = &loop->arenas;
    spi_list_push(&loop->tasks, &task->node);
    spi_switch_prepare(&task->point, stack->low, (char *)task, begin, task);
    return task;
}

__attribute__((noinline, cold)) static spi_task *refuse(spout_loop *loop)
{
    spout_error_set(
        SPOUT_ELIMIT, "there are %zu coroutines already, the maximum", loop->task_count);
    return NULL;
}

static inline spi_task *take(spout_loop *loop, size_t stack_size)
{
    if (loop->task_count >= loop->task_max)
        return refuse(loop);
    spi_task *task = stack_size == 0 ? take_resting(loop) : NULL;
    return task ? task : make(loop, stack_size);
}

/* Inlined, so that what the caller leaves out costs nothing. */
__attribute__((always_inline)) static inline spi_task *create(
    spout_loop *loop, const spi_task_birth *birth)
{
    spi_task *task = take(loop, birth->stack_size);
    if (task)
        set_up(loop, task, birth);
    else
        spi_count(loop, "tasks_refused", 1);
    return task;
}

spi_task *spi_task_create(spout_loop *loop, const spi_task_birth *birth)
{
    return create(loop, birth);
}

static inline void start_now(spout_loop *loop, spi_task *task)
{
    spi_task *starter = loop->current;
    task->starter = starter;
    switch_to(starter, task, false);
}

void spi_task_start_now(spi_task *task)
{
    start_now(task->loop, task);
}

void spi_task_start_later(spi_task *task)
{
    task->state = SPI_TASK_READY;
    spi_ready_schedule(task->loop, &task->ready);
}

int spi_task_run(spout_loop *loop, const spi_task_start *start, spi_task **ret_task)
{
    spi_task_birth birth = {
        .name = start->name,
        .name_is_static = true,
        .fn = start->fn,
        .then = start->then,
        .arg = start->arg,
        .scope = start->scope,
    };
    spi_task *task = create(loop, &birth);
    if (!task)
        return SPOUT_ELIMIT;
    if (ret_task)
        *ret_task = task;
    start_now(loop, task);
    return 0;
}

/* A loop that is freed cancels its tasks, which is no failure of theirs. */
void spi_task_log_failure(spi_task *task, int result)
{
    if (result >= 0 || (result == SPOUT_ECANCELED && task->loop->closing))
        return;
    char what[64];
    snprintf(what, sizeof what, "task %s failed", task->name);
    if (!spout_error_current())
        spout_error_set(result, "%s", spout_error_code_name(result));
    spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, what);
}

int spout_spawn(spout_task_fn *fn, void *arg, const spout_task_options *options)
{
    spout_loop *loop = spi_loop_need();
    if (!loop)
        return SPOUT_ESTATE;
    if (loop->closing)
        return spout_error_set(SPOUT_ECLOSED, "the loop is being freed");
    spi_task_birth birth = {
        .name = options ? options->name : NULL,
        .stack_size = options ? options->stack_size : 0,
        .fn = fn,
        .arg = arg,
        .ended = spi_task_log_failure,
    };
    spi_task *task = spi_task_create(loop, &birth);
    if (!task)
        return SPOUT_ELIMIT;
    spi_task_start_later(task);
    return 0;
}
