/* Sockets as they are: TCP and Unix. */
#define _GNU_SOURCE
#include "net/net.h"
#include "net/sigpipe.h"

#include <errno.h>
#include <sys/socket.h>
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

static ssize_t send_vector(int fd, const struct iovec *iov, int count, int flags)
{
    struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)iov,
        .msg_iovlen = (size_t)count };
    return sendmsg(fd, &message, flags);
}

static ssize_t plain_write(
    spout_transport *transport, const struct iovec *iov, int count, bool more)
{
    int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    ssize_t sent;
    do
        sent = count == 1 ? send(transport->fd, iov->iov_base, iov->iov_len, flags)
                          : send_vector(transport->fd, iov, count, flags);
    while (sent < 0 && errno == EINTR);
    return sent;
}

/* By way of memory: where there is no sendfile, or it can't be had for this file. */
ssize_t spi_copy_file(spout_transport *transport, int fd, int64_t *offset, size_t len)
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
        ssize_t sent = transport->ops->write(
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

/* sendfile has no MSG_NOSIGNAL. */
static ssize_t quiet_sendfile(int out, int in, off_t *at, size_t len)
{
    spi_sigpipe held;
    spi_sigpipe_begin(&held);
    ssize_t sent = sendfile(out, in, at, len);
    spi_sigpipe_end(&held, sent < 0);
    return sent;
}

ssize_t spi_plain_send_file(spout_transport *transport, int fd, int64_t *offset, size_t len)
{
    off_t at = (off_t)*offset;
    ssize_t sent;
    do
        sent = quiet_sendfile(transport->fd, fd, &at, len);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EINVAL || errno == ENOSYS))
        return spi_copy_file(transport, fd, offset, len);
    *offset = at;
    if (sent > 0)
        spi_loop_count(transport->loop, "net_sent_bytes", sent);
    return sent;
}

#else

ssize_t spi_plain_send_file(spout_transport *transport, int fd, int64_t *offset, size_t len)
{
    return spi_copy_file(transport, fd, offset, len);
}

#endif

static int socket_error(const spout_transport *transport)
{
    int errnum = 0;
    socklen_t len = sizeof errnum;
    return getsockopt(transport->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) == 0 ? errnum : 0;
}

static ssize_t plain_peek(spout_transport *transport)
{
    int errnum = socket_error(transport);
    if (errnum) {
        errno = errnum;
        return -1;
    }
    char byte;
    return recv(transport->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
}

/* A peer that can't be told of the end would wait for it for ever. */
static void plain_shutdown(spout_transport *transport)
{
    if (shutdown(transport->fd, SHUT_WR) < 0)
        spi_transport_lose_errno(transport, errno);
}

static void plain_close(spout_transport *transport)
{
    close(transport->fd);
}

static ssize_t counted_read(spout_transport *transport, void *out, size_t len)
{
    ssize_t got = plain_read(transport, out, len);
    if (got > 0)
        spi_loop_count(transport->loop, "net_received_bytes", got);
    return got;
}

static ssize_t counted_write(
    spout_transport *transport, const struct iovec *iov, int count, bool more)
{
    ssize_t sent = plain_write(transport, iov, count, more);
    if (sent > 0)
        spi_loop_count(transport->loop, "net_sent_bytes", sent);
    return sent;
}

const spi_transport_ops spi_transport_counted = {
    .read = counted_read,
    .write = counted_write,
    .send_file = spi_plain_send_file,
    .peek = plain_peek,
    .shutdown = plain_shutdown,
    .close = plain_close,
};

const spi_transport_ops spi_transport_plain = {
    .read = plain_read,
    .write = plain_write,
    .send_file = spi_plain_send_file,
    .peek = plain_peek,
    .shutdown = plain_shutdown,
    .close = plain_close,
};
