/* The usual backend's inside, for the loop, which takes events from where the system wrote them. */
#ifndef SPI_EPOLL_H
#define SPI_EPOLL_H

#include "loop/internal.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>

typedef struct spi_epoll {
    int fd;
    struct epoll_event events[SPI_EVENTS_A_TURN];
} spi_epoll;

/* How many of `events` are set; < 0 with the error set. For longer than 24 days it does not wait. */
static inline int spi_epoll_wait(spi_epoll *self, int64_t limit_ms, int max)
{
    int timeout = limit_ms < INT_MAX ? (int)limit_ms : INT_MAX;
    int count = epoll_wait(self->fd, self->events, max, timeout);
    return count < 0 ? spi_wait_failed(errno, "epoll_wait") : count;
}

static inline unsigned spi_epoll_translate(uint32_t from)
{
    unsigned events = 0;
    if (from == EPOLLIN) /* as nearly always */
        return SPOUT_READABLE;
    if (from & EPOLLIN)
        events |= SPOUT_READABLE;
    if (from & EPOLLOUT)
        events |= SPOUT_WRITABLE;
    if (from & (EPOLLHUP | EPOLLERR))
        events |= SPOUT_HANGUP;
    return events;
}

#endif
