/* poll(2), for systems without anything better. A wait costs as much as there are descriptors. */
#include "loop/internal.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

typedef struct poll_backend {
    struct pollfd *fds;
    size_t count, capacity;
    size_t *places; /* by descriptor: its index in fds + 1, or 0 */
    size_t place_count;
    size_t next; /* where the next scan starts: a full batch must not starve the rest */
} poll_backend;

static void *poll_backend_open(void)
{
    return spi_calloc(sizeof(poll_backend));
}

static void poll_backend_close(void *arg)
{
    poll_backend *self = arg;
    if (!self)
        return;
    spi_free(self->fds);
    spi_free(self->places);
    spi_free(self);
}

static short to_poll(unsigned events)
{
    int wanted = 0;
    if (events & SPOUT_READABLE)
        wanted |= POLLIN;
    if (events & SPOUT_WRITABLE)
        wanted |= POLLOUT;
    return (short)wanted;
}

static void make_place(poll_backend *self, size_t fd)
{
    if (fd < self->place_count)
        return;
    size_t count = self->place_count ? self->place_count : 64;
    while (count <= fd)
        count *= 2;
    self->places = spi_realloc(self->places, count * sizeof *self->places);
    memset(self->places + self->place_count, 0, (count - self->place_count) * sizeof *self->places);
    self->place_count = count;
}

static int poll_backend_add(void *arg, int fd, unsigned events)
{
    poll_backend *self = arg;
    if (fcntl(fd, F_GETFD) < 0)
        return spout_error_set_errno(errno, "descriptor %d can't be watched", fd);
    make_place(self, (size_t)fd);
    if (self->count == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : 64;
        self->fds = spi_realloc(self->fds, self->capacity * sizeof *self->fds);
    }
    self->fds[self->count++] = (struct pollfd){ .fd = fd, .events = to_poll(events) };
    self->places[fd] = self->count;
    return 0;
}

static int poll_backend_modify(void *arg, int fd, unsigned events)
{
    poll_backend *self = arg;
    self->fds[self->places[fd] - 1].events = to_poll(events);
    return 0;
}

static void poll_backend_remove(void *arg, int fd)
{
    poll_backend *self = arg;
    size_t place = self->places[fd];
    struct pollfd last = self->fds[--self->count];
    self->fds[place - 1] = last;
    self->places[last.fd] = place;
    self->places[fd] = 0;
}

static unsigned translate(int from)
{
    unsigned events = 0;
    if (from & POLLIN)
        events |= SPOUT_READABLE;
    if (from & POLLOUT)
        events |= SPOUT_WRITABLE;
    if (from & (POLLHUP | POLLERR | POLLNVAL))
        events |= SPOUT_HANGUP;
    return events;
}

static int collect(poll_backend *self, int active, spout_backend_event *events, int max)
{
    int count = 0;
    size_t at = self->next < self->count ? self->next : 0;
    for (size_t left = self->count; left > 0 && count < active && count < max; left--) {
        const struct pollfd *polled = &self->fds[at];
        if (polled->revents) {
            events[count].fd = polled->fd;
            events[count++].events = translate(polled->revents);
        }
        at = at + 1 < self->count ? at + 1 : 0;
    }
    self->next = at;
    return count;
}

static int poll_backend_wait(void *arg, int64_t timeout_ms, spout_backend_event *events, int max)
{
    poll_backend *self = arg;
    int timeout = timeout_ms < 0 ? -1 : timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
    int active = poll(self->fds, (nfds_t)self->count, timeout);
    if (active < 0)
        return spi_wait_failed(errno, "poll");
    return collect(self, active, events, max);
}

static int poll_backend_fd(void *arg)
{
    (void)arg;
    return -1;
}

const spout_backend spi_backend_poll = {
    .name = "poll",
    .open = poll_backend_open,
    .close = poll_backend_close,
    .add = poll_backend_add,
    .modify = poll_backend_modify,
    .remove = poll_backend_remove,
    .wait = poll_backend_wait,
    .fd = poll_backend_fd,
};
