#include "loop/future.h"
#include "loop/internal.h"

#include "base/log.h"
#include "base/memory.h"

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
    spi_list watches;
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
    spi_list_init(&future->watches);
    return future;
}

spout_future *spout_future_ref(spout_future *future)
{
    future->references++;
    return future;
}

static void tell_watches(spout_future *future)
{
    spi_list *node;
    while ((node = spi_list_pop(&future->watches))) {
        spi_future_watch *watch = spi_container(node, spi_future_watch, node);
        watch->fn(watch);
    }
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
    tell_watches(future);
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
    tell_watches(future);
}

void spi_future_watch_start(
    spout_future *future, spi_future_watch *watch, void (*fn)(spi_future_watch *))
{
    watch->fn = fn;
    spi_list_push(&future->watches, &watch->node);
}

void spi_future_watch_stop(spi_future_watch *watch)
{
    spi_list_remove(&watch->node);
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

static void reject_with(spout_future *future, spout_error *error)
{
    static _Thread_local uint64_t rejections;
    future->error = error;
    future->order = ++rejections;
    finish(future);
}

int spout_future_reject(spout_future *future, int code, const char *format, ...)
{
    if (future->done)
        return refuse_twice();
    char message[SPI_ERROR_MESSAGE_MAX + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    reject_with(future, make_error(code, message));
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

static int wait_until_done(spout_future *future, const char *what)
{
    return future->done ? spi_may_wait(what) : spi_wait(&future->waiting, what);
}

int spi_future_raise(spout_future *future)
{
    if (!future->error)
        return 0;
    future->seen = true;
    return spi_error_put(spi_error_copy(future->error));
}

int spout_await(spout_future *future, void **ret_value)
{
    spout_future_ref(future);
    int result = wait_until_done(future, "future");
    if (result == 0)
        result = spi_future_raise(future);
    if (result == 0 && ret_value)
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

static int raise_first(spout_future *const *futures, size_t count)
{
    spout_future *failed = first_rejected(futures, count);
    return failed ? spi_future_raise(failed) : 0;
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
    if (result == 0)
        result = raise_first(futures, count);
    let_go(futures, count);
    return result;
}

static int raise_next(spout_wait_iterator *iterator)
{
    spout_future *future;
    int result = spout_wait_iterator_next(iterator, &future, NULL);
    return result < 0 ? result : spi_future_raise(future);
}

int spout_gather_until_error(spout_future *const *futures, size_t count)
{
    int result = count > 0 ? spi_may_wait("futures") : 0;
    if (result < 0)
        return result;
    result = raise_first(futures, count);
    if (result < 0)
        return result;
    spout_wait_iterator *iterator = spout_wait_iterator_new(futures, count);
    while (result == 0 && !spout_wait_iterator_is_done(iterator))
        result = raise_next(iterator);
    spout_wait_iterator_free(iterator);
    return result;
}

/* Waits for `from`, and keeps `to`. */
typedef struct chain {
    spi_future_watch watch;
    spout_future *from, *to;
} chain;

static void pass_on(const spout_future *from, spout_future *to)
{
    if (to->done || !from->done)
        return;
    if (!from->error)
        spout_future_resolve(to, from->value);
    else
        reject_with(to, spi_error_copy(from->error));
}

static void chain_ended(spi_future_watch *watch)
{
    chain *self = spi_container(watch, chain, watch);
    self->from->seen = true;
    pass_on(self->from, self->to);
    spout_future_unref(self->to);
    spi_free(self);
}

void spout_future_chain(spout_future *from, spout_future *to)
{
    if (from->done) {
        from->seen = true;
        pass_on(from, to);
        return;
    }
    chain *self = spi_calloc(sizeof *self);
    self->from = from;
    self->to = spout_future_ref(to);
    spi_future_watch_start(from, &self->watch, chain_ended);
}
