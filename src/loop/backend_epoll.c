#include "loop/epoll.h"

#include "base/memory.h"

#include <unistd.h>

static void *epoll_backend_open(void)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        spout_error_set_errno(errno, "epoll can't be opened");
        return NULL;
    }
    spi_epoll *self = spi_calloc(sizeof *self);
    self->fd = fd;
    return self;
}

static void epoll_backend_close(void *arg)
{
    spi_epoll *self = arg;
    if (!self)
        return;
    close(self->fd);
    spi_free(self);
}

static int control(const spi_epoll *self, int operation, int fd, unsigned events)
{
    struct epoll_event event = { .data.fd = fd };
    if (events & SPOUT_READABLE)
        event.events |= EPOLLIN;
    if (events & SPOUT_WRITABLE)
        event.events |= EPOLLOUT;
    if (epoll_ctl(self->fd, operation, fd, &event) == 0)
        return 0;
    return spout_error_set_errno(errno, "descriptor %d can't be watched", fd);
}

static int epoll_backend_add(void *self, int fd, unsigned events)
{
    return control(self, EPOLL_CTL_ADD, fd, events);
}

static int epoll_backend_modify(void *self, int fd, unsigned events)
{
    return control(self, EPOLL_CTL_MOD, fd, events);
}

/* Fails only if the descriptor was closed before, which has removed it. */
static void epoll_backend_remove(void *arg, int fd)
{
    const spi_epoll *self = arg;
    struct epoll_event unused = { 0 };
    (void)epoll_ctl(self->fd, EPOLL_CTL_DEL, fd, &unused);
}

static int epoll_backend_wait(void *arg, int64_t timeout_ms, spout_backend_event *events, int max)
{
    spi_epoll *self = arg;
    if (timeout_ms < 0)
        timeout_ms = SPI_NEVER;
    int count = spi_epoll_wait(self, timeout_ms, max < SPI_EVENTS_A_TURN ? max : SPI_EVENTS_A_TURN);
    for (int i = 0; i < count; i++) {
        events[i].fd = self->events[i].data.fd;
        events[i].events = spi_epoll_translate(self->events[i].events);
    }
    return count;
}

static int epoll_backend_fd(void *arg)
{
    const spi_epoll *self = arg;
    return self->fd;
}

const spout_backend spi_backend_epoll = {
    .name = "epoll",
    .open = epoll_backend_open,
    .close = epoll_backend_close,
    .add = epoll_backend_add,
    .modify = epoll_backend_modify,
    .remove = epoll_backend_remove,
    .wait = epoll_backend_wait,
    .fd = epoll_backend_fd,
};
