/* Sockets as they are: TCP and Unix. */
#define _GNU_SOURCE
#include "net/transport.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/sendfile.h>
#endif

#ifndef MSG_MORE
#define MSG_MORE 0
#endif

static ssize_t plain_read(spout_transport *transport, void *out, size_t len)
{
    ssize_t got;
    do
        got = recv(transport->fd, out, len, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

static ssize_t plain_write(
    spout_transport *transport, const struct iovec *iov, int count, bool more)
{
    int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)iov,
        .msg_iovlen = (size_t)count };
    ssize_t sent;
    do
        sent = count == 1 ? send(transport->fd, iov->iov_base, iov->iov_len, flags)
                          : sendmsg(transport->fd, &message, flags);
    while (sent < 0 && errno == EINTR);
    return sent;
}

/* By way of memory: where there is no sendfile, or it can't be had for this file. */
static ssize_t copy_file(spout_transport *transport, int fd, int64_t *offset, size_t len)
{
    char block[16 * 1024];
    size_t total = 0;
    while (total < len) {
        size_t want = len - total < sizeof block ? len - total : sizeof block;
        ssize_t got;
        do
            got = pread(fd, block, want, (off_t)*offset);
        while (got < 0 && errno == EINTR);
        if (got <= 0)
            return total > 0 ? (ssize_t)total : got;
        ssize_t sent = plain_write(
            transport, &(struct iovec){ block, (size_t)got }, 1, total + (size_t)got < len);
        if (sent < 0)
            return total > 0 ? (ssize_t)total : -1;
        *offset += sent;
        total += (size_t)sent;
        if (sent < got)
            break;
    }
    return (ssize_t)total;
}

#ifdef __linux__

/* sendfile has no MSG_NOSIGNAL: SIGPIPE is held back, and eaten if this call has raised it. Where
   it was held back before, one more that is pending changes nothing. */
static ssize_t quiet_sendfile(int out, int in, off_t *at, size_t len)
{
    sigset_t pipe_only, before;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    ssize_t sent = sendfile(out, in, at, len);
    int errnum = errno;
    if (sent < 0 && errnum == EPIPE && sigismember(&before, SIGPIPE) == 0)
        sigtimedwait(&pipe_only, NULL, &(struct timespec){ 0 });
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = errnum;
    return sent;
}

static ssize_t plain_send_file(spout_transport *transport, int fd, int64_t *offset, size_t len)
{
    off_t at = (off_t)*offset;
    ssize_t sent;
    do
        sent = quiet_sendfile(transport->fd, fd, &at, len);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EINVAL || errno == ENOSYS))
        return copy_file(transport, fd, offset, len);
    *offset = at;
    return sent;
}

#else

static ssize_t plain_send_file(spout_transport *transport, int fd, int64_t *offset, size_t len)
{
    return copy_file(transport, fd, offset, len);
}

#endif

static void plain_shutdown(spout_transport *transport)
{
    shutdown(transport->fd, SHUT_WR);
}

static void plain_close(spout_transport *transport)
{
    close(transport->fd);
}

const spi_transport_ops spi_transport_plain = {
    .read = plain_read,
    .write = plain_write,
    .send_file = plain_send_file,
    .shutdown = plain_shutdown,
    .close = plain_close,
};
