/* A pool of threads for blocking work. Threads start when there is work and none is idle. */
#include "loop/internal.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/memory.h"

#include <spout/executor.h>

#include <signal.h>
#include <unistd.h>

enum { THREADS_PER_CPU = 5 };

typedef enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE } job_state;

/* Lies on the stack of the coroutine that waits for it. */
typedef struct job {
    spi_list node;
    int (*fn)(void *arg);
    void *arg;
    struct spi_executor *executor;
    job_state state; /* guarded by the executor's lock */
    int result;
    spout_error *error;
    spi_list waiting;
    bool delivered; /* on the loop's side: whoever waits from here on waits in vain */
} job;

typedef struct spi_executor {
    pthread_mutex_t lock;
    pthread_cond_t work;
    spi_list queue, done; /* of jobs */
    spout_loop *loop;     /* NULL: freed without us */
    bool closing;
    size_t idle;
    pthread_t *threads; /* these three are the loop's, not guarded */
    size_t count, max;
} spi_executor;

/* On the loop's thread. */
static void deliver(void *arg)
{
    spi_executor *executor = arg;
    spi_list done;
    spi_list_init(&done);
    pthread_mutex_lock(&executor->lock);
    spi_list_splice(&done, &executor->done);
    pthread_mutex_unlock(&executor->lock);
    spi_list *node;
    while ((node = spi_list_pop(&done))) {
        job *self = spi_container(node, job, node);
        self->delivered = true;
        spi_wake_all(&self->waiting);
    }
}

/* With the lock held. */
static void report(spi_executor *executor, job *self)
{
    self->state = JOB_DONE;
    bool first = spi_list_is_empty(&executor->done);
    spi_list_push(&executor->done, &self->node);
    if (first && executor->loop)
        spi_post_always(executor->loop, deliver, executor);
}

/* What the work allocates as scoped is gone with it. */
static void run_job(job *self, spi_context *context)
{
    self->result = self->fn(self->arg);
    self->error = spi_error_take();
    if (context->scope)
        spi_arena_reset(context->scope);
}

static job *next_job(spi_executor *executor)
{
    executor->idle++;
    while (spi_list_is_empty(&executor->queue) && !executor->closing)
        pthread_cond_wait(&executor->work, &executor->lock);
    executor->idle--;
    spi_list *node = spi_list_pop(&executor->queue);
    return node ? spi_container(node, job, node) : NULL;
}

static void *work(void *arg)
{
    spi_executor *executor = arg;
    spi_context context = { 0 };
    spi_context_switch(&context);
    pthread_mutex_lock(&executor->lock);
    job *self;
    while ((self = next_job(executor))) {
        self->state = JOB_RUNNING;
        pthread_mutex_unlock(&executor->lock);
        run_job(self, &context);
        pthread_mutex_lock(&executor->lock);
        report(executor, self);
    }
    pthread_mutex_unlock(&executor->lock);
    spi_context_switch(NULL);
    spi_context_clear(&context);
    spi_arena_free(context.scope);
    return NULL;
}

static size_t default_max(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return (size_t)(cpus > 0 ? cpus : 1) * THREADS_PER_CPU;
}

static spi_executor *executor_of(spout_loop *loop)
{
    if (loop->executor)
        return loop->executor;
    spi_executor *executor = spi_calloc(sizeof *executor);
    pthread_mutex_init(&executor->lock, NULL);
    pthread_cond_init(&executor->work, NULL);
    spi_list_init(&executor->queue);
    spi_list_init(&executor->done);
    executor->loop = loop;
    executor->max = loop->executor_threads > 0 ? (size_t)loop->executor_threads : default_max();
    executor->threads = spi_calloc(executor->max * sizeof *executor->threads);
    loop->executor = executor;
    return executor;
}

/* Signals are for the loop's threads. */
static int start_thread(spi_executor *executor)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&executor->threads[executor->count], NULL, work, executor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed) {
        executor->count++;
        spi_count(executor->loop, "executor_threads", 1);
        return 0;
    }
    if (executor->count > 0)
        return 0;
    return spout_error_set_errno(failed, "the executor can't start a thread");
}

static size_t length_of(const spi_list *list)
{
    size_t length = 0;
    for (const spi_list *node = list->next; node != list; node = node->next)
        length++;
    return length;
}

static int submit(spi_executor *executor, job *self)
{
    pthread_mutex_lock(&executor->lock);
    int result = 0;
    if (executor->count < executor->max && length_of(&executor->queue) >= executor->idle)
        result = start_thread(executor);
    if (result == 0) {
        spi_list_push(&executor->queue, &self->node);
        pthread_cond_signal(&executor->work);
    }
    pthread_mutex_unlock(&executor->lock);
    return result;
}

/* In a thread that isn't ours, with whatever context that has. */
static void run_abroad(void *arg)
{
    job *self = arg;
    spi_executor *executor = self->executor;
    spi_context context = { 0 };
    spi_context *outer = spi_context_switch(&context);
    run_job(self, &context);
    spi_context_switch(outer);
    spi_context_clear(&context);
    spi_arena_free(context.scope);
    pthread_mutex_lock(&executor->lock);
    report(executor, self);
    pthread_mutex_unlock(&executor->lock);
}

static int submit_abroad(const spout_executor *foreign, job *self)
{
    self->state = JOB_RUNNING;
    int result = foreign->submit(foreign->self, run_abroad, self);
    if (result < 0 && !spout_error_current())
        spout_error_set(result, "the executor refuses work");
    return result;
}

int spout_set_default_executor(const spout_executor *executor)
{
    spout_loop *loop = spi_loop_need();
    if (!loop)
        return SPOUT_ESTATE;
    loop->foreign_executor = executor ? *executor : (spout_executor){ 0 };
    return 0;
}

/* True if no thread had taken it yet. */
static bool withdraw(spi_executor *executor, job *self)
{
    pthread_mutex_lock(&executor->lock);
    bool queued = self->state == JOB_QUEUED;
    if (queued)
        spi_list_remove(&self->node);
    pthread_mutex_unlock(&executor->lock);
    return queued;
}

/* Running work uses its caller's memory: it is waited for even if the caller is cancelled. */
static int wait_for_result(spi_executor *executor, job *self)
{
    int result = spi_wait(&self->waiting, "executor");
    if (result < 0) {
        if (withdraw(executor, self))
            return result;
        if (!self->delivered)
            spi_wait_to_the_end(&self->waiting, "executor");
    }
    if (self->result < 0)
        spi_error_put(self->error);
    else
        spi_error_free(self->error);
    return self->result;
}

int spout_run_in_executor(int (*fn)(void *arg), void *arg)
{
    const spi_task *task = spi_task_current();
    if (!task)
        return spout_error_set(SPOUT_ESTATE, "only a coroutine can wait (executor)");
    int result = spi_task_interrupted(task, "executor");
    if (result < 0)
        return result;
    spi_executor *executor = executor_of(task->loop);
    const spout_executor *foreign = &task->loop->foreign_executor;
    job self = { .executor = executor, .fn = fn, .arg = arg };
    spi_list_init(&self.node);
    spi_list_init(&self.waiting);
    result = foreign->submit ? submit_abroad(foreign, &self) : submit(executor, &self);
    if (result < 0)
        return result;
    spi_count(task->loop, "executor_jobs", 1);
    int64_t start_ms = task->loop->now_ms;
    result = wait_for_result(executor, &self);
    spi_count(task->loop, "executor_jobs", -1);
    spi_observe(task->loop, "executor_ms", task->loop->now_ms - start_ms);
    return result;
}

static void join(spi_executor *executor)
{
    for (size_t i = 0; i < executor->count; i++)
        pthread_join(executor->threads[i], NULL);
    pthread_cond_destroy(&executor->work);
    pthread_mutex_destroy(&executor->lock);
    spi_free(executor->threads);
    spi_free(executor);
}

/* A job that never ends must not keep the loop from ending: then the threads, and what they use,
   are left to the process. */
static void leave(spi_executor *executor)
{
    for (size_t i = 0; i < executor->count; i++)
        pthread_detach(executor->threads[i]);
}

void spi_executor_stop(spout_loop *loop, bool wait)
{
    spi_executor *executor = loop->executor;
    if (!executor)
        return;
    loop->executor = NULL;
    pthread_mutex_lock(&executor->lock);
    executor->closing = true;
    if (!wait)
        executor->loop = NULL;
    pthread_cond_broadcast(&executor->work);
    pthread_mutex_unlock(&executor->lock);
    if (wait)
        join(executor);
    else
        leave(executor);
}
