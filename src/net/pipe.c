/* Pipes and FIFOs: one direction, no shutdown, and a write that would raise SIGPIPE. */
#define _GNU_SOURCE
#include "net/net.h"

#include <spout/error.h>

#include "net/sigpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static ssize_t pipe_read(spout_transport *transport, void *out, size_t len)
{
    ssize_t got;
    do
        got = read(transport->fd, out, len);
    while (got < 0 && errno == EINTR);
    /* a terminal whose other side is gone */
    return got < 0 && errno == EIO ? 0 : got;
}

static ssize_t pipe_write(spout_transport *transport, const struct iovec *iov, int count, bool more)
{
    (void)more;
    spi_sigpipe held;
    ssize_t sent;
    spi_sigpipe_begin(&held);
    do
        sent = writev(transport->fd, iov, count);
    while (sent < 0 && errno == EINTR);
    spi_sigpipe_end(&held, sent < 0);
    return sent;
}

/* A writer is told that nobody reads any more, a reader that nobody writes, which it finds out by
   reading. */
static ssize_t pipe_peek(spout_transport *transport)
{
    if (!transport->eof || transport->fin)
        return 1;
    errno = EPIPE;
    return -1;
}

/* The reader learns of the end by the descriptor's end. */
static void pipe_shutdown(spout_transport *transport)
{
    if (transport->eof)
        spi_transport_lose(transport, SPOUT_OK, 0, "");
}

static void pipe_close(spout_transport *transport)
{
    close(transport->fd);
}

const spi_transport_ops spi_transport_pipe = {
    .read = pipe_read,
    .write = pipe_write,
    .send_file = spi_plain_send_file,
    .peek = pipe_peek,
    .shutdown = pipe_shutdown,
    .close = pipe_close,
};

void spi_transport_set_pipe_direction(spout_transport *transport)
{
    int mode = fcntl(transport->fd, F_GETFL) & O_ACCMODE;
    if (mode == O_RDONLY)
        transport->shut = transport->fin = true;
    if (mode == O_WRONLY)
        transport->eof = true;
}
