/* Descriptors: the table behind the backend. */
#include "loop/internal.h"

#include "base/memory.h"

#include <unistd.h>

static spi_watch_entry *entry_of(spout_loop *loop, int fd)
{
    size_t at = (size_t)fd;
    if (at < loop->watch_capacity)
        return &loop->watches[at];
    size_t capacity = loop->watch_capacity ? loop->watch_capacity : 64;
    while (capacity <= at)
        capacity *= 2;
    loop->watches = spi_realloc(loop->watches, capacity * sizeof *loop->watches);
    memset(loop->watches + loop->watch_capacity, 0,
        (capacity - loop->watch_capacity) * sizeof *loop->watches);
    loop->watch_capacity = capacity;
    return &loop->watches[at];
}

int spi_watch_start(
    spout_loop *loop, spi_watch *watch, int fd, unsigned events, void (*fn)(spi_watch *, unsigned))
{
    if (fd < 0)
        return spout_error_set(SPOUT_EINVAL, "%d is not a descriptor", fd);
    spi_watch_entry *entry = entry_of(loop, fd);
    if (entry->watch)
        return spout_error_set(SPOUT_EEXIST, "descriptor %d is watched already", fd);
    int result = loop->backend->add(loop->backend_self, fd, events);
    if (result < 0)
        return result;
    *entry = (spi_watch_entry){ .watch = watch, .started = loop->waits };
    *watch = (spi_watch){ .fn = fn, .fd = fd, .events = events };
    return 0;
}

int spi_watch_update(spout_loop *loop, spi_watch *watch, unsigned events)
{
    if (watch->fd < 0)
        return spout_error_set(SPOUT_ESTATE, "the descriptor is not watched");
    if (events == watch->events)
        return 0;
    int result = loop->backend->modify(loop->backend_self, watch->fd, events);
    if (result < 0)
        return result;
    watch->events = events;
    return 0;
}

void spi_watch_stop(spout_loop *loop, spi_watch *watch)
{
    size_t at = (size_t)watch->fd;
    if (watch->fd >= 0 && at < loop->watch_capacity && loop->watches[at].watch == watch) {
        loop->watches[at].watch = NULL;
        loop->backend->remove(loop->backend_self, watch->fd);
    }
    watch->fd = -1;
}

int spi_watches_wait(spout_loop *loop, int64_t timeout_ms)
{
    loop->waits++;
    return loop->backend->wait(loop->backend_self, timeout_ms, loop->events, SPI_EVENTS_A_TURN);
}

void spi_watches_dispatch(spout_loop *loop, int count)
{
    loop->front.events_since_ticks = spi_ticks();
    for (int i = 0; i < count; i++) {
        loop->front.events_left = count - i - 1;
        spi_watch_dispatch(loop, loop->events[i].fd, loop->events[i].events);
    }
}

struct spout_watch {
    spi_watch watch;
    spi_list node;
    spout_loop *loop;
    spout_watch_fn *fn;
    void *arg;
};

/* The callback may stop, and so free, the watch. */
static void call_user(spi_watch *watch, unsigned events)
{
    spout_watch *self = spi_container(watch, spout_watch, watch);
    self->fn(self->arg, watch->fd, events);
}

spout_watch *spout_watch_start(int fd, unsigned events, spout_watch_fn *fn, void *arg)
{
    spout_loop *loop = spi_loop_need();
    if (!loop)
        return NULL;
    spout_watch *self = spi_calloc(sizeof *self);
    if (spi_watch_start(loop, &self->watch, fd, events, call_user) < 0) {
        spi_free(self);
        return NULL;
    }
    self->loop = loop;
    self->fn = fn;
    self->arg = arg;
    spi_list_push(&loop->user_watches, &self->node);
    return self;
}

int spout_watch_update(spout_watch *watch, unsigned events)
{
    return spi_watch_update(watch->loop, &watch->watch, events);
}

void spout_watch_stop(spout_watch *watch)
{
    if (!watch)
        return;
    spi_watch_stop(watch->loop, &watch->watch);
    spi_list_remove(&watch->node);
    spi_free(watch);
}

void spi_watches_stop(spout_loop *loop)
{
    spi_list *node;
    while ((node = spi_list_first(&loop->user_watches))) {
        spout_watch *watch = spi_container(node, spout_watch, node);
        int fd = watch->watch.fd;
        spout_watch_stop(watch);
        if (loop->owns_fds)
            close(fd);
    }
}
