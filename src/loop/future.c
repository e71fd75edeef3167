#include "loop/internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <spout/future.h>

#include <stdarg.h>
#include <stdio.h>

struct spout_future {
    spout_loop *loop;
    size_t references;
    bool done;
    bool seen;      /* somebody was told the error */
    uint64_t order; /* when it was rejected, among all futures of the thread */
    void *value;
    spout_error *error; /* owned */
    spi_list waiting;
    spi_list callbacks;
};

/* Owned by the future until it is done, then by the ready queue. */
typedef struct callback {
    spi_ready ready;
    spi_list node;
    spout_callback *fn;
    void *arg;
} callback;

spout_future *spout_future_new(void)
{
    spout_loop *loop = spi_loop_need();
    if (!loop)
        return NULL;
    spout_future *future = spi_calloc(sizeof *future);
    future->loop = loop;
    future->references = 1;
    spi_list_init(&future->waiting);
    spi_list_init(&future->callbacks);
    return future;
}

spout_future *spout_future_ref(spout_future *future)
{
    future->references++;
    return future;
}

static void log_unseen(const spout_future *future)
{
    if (future->error && !future->seen)
        spout_log_error("a future was rejected and nobody awaited it: %s",
            spout_error_get_message(future->error));
}

void spout_future_unref(spout_future *future)
{
    if (!future || --future->references > 0)
        return;
    log_unseen(future);
    spi_list *node;
    while ((node = spi_list_pop(&future->callbacks)))
        spi_free(spi_container(node, callback, node));
    spi_error_free(future->error);
    spi_free(future);
}

static void call(spi_ready *ready)
{
    callback *self = spi_container(ready, callback, ready);
    callback copy = *self;
    spi_free(self);
    copy.fn(copy.arg);
}

static void finish(spout_future *future)
{
    future->done = true;
    spi_wake_all(&future->waiting);
    spi_list *node;
    while ((node = spi_list_pop(&future->callbacks)))
        spi_ready_schedule(future->loop, &spi_container(node, callback, node)->ready);
}

static int refuse_twice(void)
{
    return spout_error_set(SPOUT_ESTATE, "the future is done already");
}

int spout_future_resolve(spout_future *future, void *value)
{
    if (future->done)
        return refuse_twice();
    future->value = value;
    finish(future);
    return 0;
}

/* The caller's own error stays as it is. */
static spout_error *make_error(int code, const char *message)
{
    spout_error *current = spi_error_take();
    spout_error_set(code, "%s", message);
    spout_error *made = spi_error_take();
    spi_error_put(current);
    return made;
}

int spout_future_reject(spout_future *future, int code, const char *format, ...)
{
    static _Thread_local uint64_t rejections;
    if (future->done)
        return refuse_twice();
    char message[SPI_ERROR_MESSAGE_MAX + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    future->error = make_error(code, message);
    future->order = ++rejections;
    finish(future);
    return 0;
}

bool spout_future_is_done(const spout_future *future)
{
    return future->done;
}

void spout_future_on_done(spout_future *future, spout_callback *fn, void *arg)
{
    callback *self = spi_calloc(sizeof *self);
    self->fn = fn;
    self->arg = arg;
    spi_ready_init(&self->ready, call);
    spi_list_init(&self->node);
    if (future->done)
        spi_ready_schedule(future->loop, &self->ready);
    else
        spi_list_push(&future->callbacks, &self->node);
}

/* Even if nothing is left to wait for: a cancelled coroutine must not go on. */
static int wait_until_done(spout_future *future, const char *what)
{
    const spi_task *task = spi_task_current();
    if (!task)
        return spout_error_set(SPOUT_ESTATE, "only a coroutine can wait (%s)", what);
    if (future->done)
        return spi_task_interrupted(task, what);
    return spi_wait(&future->waiting, what);
}

static int raise_error(spout_future *future)
{
    future->seen = true;
    return spi_error_put(spi_error_copy(future->error));
}

int spout_await(spout_future *future, void **ret_value)
{
    spout_future_ref(future);
    int result = wait_until_done(future, "future");
    if (result == 0 && future->error)
        result = raise_error(future);
    else if (result == 0 && ret_value)
        *ret_value = future->value;
    spout_future_unref(future);
    return result;
}

static spout_future *first_rejected(spout_future *const *futures, size_t count)
{
    spout_future *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (futures[i]->error && (!first || futures[i]->order < first->order))
            first = futures[i];
    }
    return first;
}

static void hold(spout_future *const *futures, size_t count)
{
    for (size_t i = 0; i < count; i++)
        spout_future_ref(futures[i]);
}

static void let_go(spout_future *const *futures, size_t count)
{
    for (size_t i = 0; i < count; i++)
        spout_future_unref(futures[i]);
}

int spout_gather(spout_future *const *futures, size_t count)
{
    hold(futures, count);
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = wait_until_done(futures[i], "futures");
    if (result == 0) {
        spout_future *failed = first_rejected(futures, count);
        result = failed ? raise_error(failed) : 0;
    }
    let_go(futures, count);
    return result;
}
