/* Output: sent at once, gathered with what else the turn brings, or queued. */
#include "net/output.h"

#include <spout/error.h>

#include "base/bug.h"

#include <errno.h>
#include <sys/socket.h>

enum { MAX_PIECES = 64 };

static int closed_error(void)
{
    return spout_error_set(SPOUT_ECLOSED, "the connection is closed");
}

static int check_writable(const spout_transport *transport)
{
    spi_net_let_out(transport);
    if (!spi_transport_is_writable(transport))
        return closed_error();
    if (transport->output && transport->output->memory_bytes >= transport->net->limits.max_pending)
        return spout_error_set(SPOUT_ELIMIT, "more than %zu bytes of output wait for the peer",
            transport->net->limits.max_pending);
    return 0;
}

/* Of one write that tried to send `iov` and had `sent` bytes taken (-1: errno): queues the rest. */
static void queue_rest(spout_transport *transport, const struct iovec *iov, int count, ssize_t sent)
{
    if (sent < 0 && errno != EAGAIN) {
        spi_transport_lose_errno(transport, errno);
        return;
    }
    size_t skip = sent > 0 ? (size_t)sent : 0;
    for (int i = 0; i < count; i++) {
        size_t gone = skip < iov[i].iov_len ? skip : iov[i].iov_len;
        skip -= gone;
        if (gone < iov[i].iov_len && !transport->closed)
            spi_output_add_bytes(
                transport, (const char *)iov[i].iov_base + gone, iov[i].iov_len - gone);
    }
}

static void send_pieces(spout_transport *transport, const struct iovec *iov, int count, bool more)
{
    queue_rest(transport, iov, count, transport->ops->write(transport, iov, count, more));
}

__attribute__((noinline)) void spi_net_send_otherwise(
    spout_transport *owner, const char *data, size_t len, bool more)
{
    struct iovec piece = { (void *)(uintptr_t)data, len };
    send_pieces(owner, &piece, 1, more);
}

__attribute__((noinline)) void spi_net_queue_rest(
    spout_transport *owner, const char *data, size_t len, ssize_t sent)
{
    struct iovec piece = { (void *)(uintptr_t)data, len };
    queue_rest(owner, &piece, 1, sent < 0 && errno == EINTR ? 0 : sent);
}

void spi_transport_flush(spout_transport *transport)
{
    spi_net_let_out(transport);
    if (!transport->closed && transport->net->gather_owner == transport)
        spi_net_flush(transport->net, false);
}

/* Makes the gather buffer the transport's, with room for `len` bytes. False if its output must be
   queued instead. */
static bool take_gather(spout_transport *transport, size_t len)
{
    spi_net *net = transport->net;
    if (spi_output_waits(transport))
        return false;
    if (net->gather_owner &&
        (net->gather_owner != transport || SPI_GATHER_SIZE - net->gather_len < len)) {
        spi_net_flush(net, false);
        if (transport->closed || spi_output_waits(transport))
            return false;
    }
    net->gather_owner = transport;
    if (net->current != transport)
        spi_net_flush_later(net);
    return true;
}

static void gather(spout_transport *transport, const void *data, size_t len)
{
    spi_net *net = transport->net;
    if (len == 0)
        return;
    if (take_gather(transport, len)) {
        memcpy(net->gather + net->gather_len, data, len);
        net->gather_len += len;
    } else if (!transport->closed) {
        spi_output_add_bytes(transport, data, len);
    }
}

static void gather_all(
    spout_transport *transport, const spout_bytes *pieces, int count, size_t total)
{
    spi_net *net = transport->net;
    bool gathers = total > 0 && take_gather(transport, total);
    for (int i = 0; i < count && !transport->closed; i++) {
        if (pieces[i].len == 0)
            continue;
        if (gathers) {
            memcpy(net->gather + net->gather_len, pieces[i].data, pieces[i].len);
            net->gather_len += pieces[i].len;
        } else {
            spi_output_add_bytes(transport, pieces[i].data, pieces[i].len);
        }
    }
}

/* Starts a vector with what the transport has gathered; it counts as sent from here on. */
static int begin_with_gathered(spout_transport *transport, struct iovec *iov)
{
    spi_net *net = transport->net;
    if (net->gather_owner != transport)
        return 0;
    iov[0] = (struct iovec){ net->gather, net->gather_len };
    net->gather_owner = NULL;
    net->gather_len = 0;
    return 1;
}

static size_t total_len(const spout_bytes *pieces, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += pieces[i].len;
    return total;
}

int spi_transport_writev(spout_transport *transport, const spout_bytes *pieces, int count)
{
    int result = check_writable(transport);
    if (result < 0)
        return result;
    size_t total = total_len(pieces, count);
    if (total < SPI_LARGE_WRITE) {
        gather_all(transport, pieces, count, total);
    } else if (spi_output_waits(transport) || count >= MAX_PIECES) {
        for (int i = 0; i < count && !transport->closed; i++) {
            if (pieces[i].len >= SPI_LARGE_WRITE && !spi_output_waits(transport))
                spi_transport_writev(transport, &pieces[i], 1);
            else
                gather(transport, pieces[i].data, pieces[i].len);
        }
    } else {
        struct iovec iov[MAX_PIECES];
        int used = begin_with_gathered(transport, iov);
        for (int i = 0; i < count; i++)
            if (pieces[i].len > 0)
                iov[used++] = (struct iovec){ (void *)(uintptr_t)pieces[i].data, pieces[i].len };
        send_pieces(transport, iov, used, false);
    }
    return transport->closed ? closed_error() : 0;
}

int spi_transport_write(spout_transport *transport, const void *data, size_t len)
{
    return spi_transport_writev(transport, &(spout_bytes){ data, len }, 1);
}

static void send_blob(spout_transport *transport, spi_blob *blob)
{
    struct iovec iov[2];
    int used = begin_with_gathered(transport, iov);
    size_t before = used ? iov[0].iov_len : 0;
    iov[used++] = (struct iovec){ blob->data, blob->len };
    ssize_t sent = transport->ops->write(transport, iov, used, false);
    if (sent < 0 || (size_t)sent < before)
        queue_rest(transport, iov, used - 1, sent);
    size_t start = sent > 0 && (size_t)sent > before ? (size_t)sent - before : 0;
    if (!transport->closed && start < blob->len)
        spi_output_add_blob(transport, blob, start);
}

int spi_transport_write_blob(spout_transport *transport, spi_blob *blob)
{
    int result = check_writable(transport);
    if (result < 0)
        return result;
    if (blob->len == 0)
        return 0;
    if (spi_output_waits(transport))
        spi_output_add_blob(transport, blob, 0);
    else if (transport->net->gather_owner == transport && blob->len < SPI_LARGE_WRITE)
        gather(transport, blob->data, blob->len);
    else
        send_blob(transport, blob);
    return transport->closed ? closed_error() : 0;
}

int spi_transport_write_shared_file(
    spout_transport *transport, spi_shared_file *file, int64_t offset, int64_t len)
{
    int result = check_writable(transport);
    if (result < 0 || len <= 0)
        return result;
    if (transport->net->gather_owner == transport)
        spi_net_flush(transport->net, true);
    if (!transport->closed)
        spi_output_send_file(transport, file, offset, len);
    return transport->closed ? closed_error() : 0;
}

int spi_transport_write_file(spout_transport *transport, int fd, int64_t offset, int64_t len)
{
    spi_shared_file *file = spi_shared_file_new(fd);
    int result = spi_transport_write_shared_file(transport, file, offset, len);
    spi_shared_file_unref(file);
    return result;
}

__attribute__((noinline)) static char *reserve_slowly(spout_transport *transport, size_t len)
{
    SPI_BUG_IF(len > SPI_LARGE_WRITE, "spi_transport_reserve: more than 16 KiB");
    if (check_writable(transport) < 0)
        return NULL;
    if (take_gather(transport, len))
        return transport->net->gather + transport->net->gather_len;
    if (!transport->closed)
        return spi_output_reserve(transport, len);
    closed_error();
    return NULL;
}

char *spi_transport_reserve(spout_transport *transport, size_t len)
{
    spi_net *net = transport->net;
    if (net->current == transport && spi_transport_is_writable(transport) && !transport->output &&
        (!net->gather_owner || net->gather_owner == transport) &&
        SPI_GATHER_SIZE - net->gather_len >= len) { /* as below: mostly it is the one's turn */
        net->gather_owner = transport;
        return net->gather + net->gather_len;
    }
    return reserve_slowly(transport, len);
}

void spi_transport_commit(spout_transport *transport, size_t len)
{
    if (transport->net->gather_owner == transport)
        transport->net->gather_len += len;
    else
        spi_output_commit(transport, len);
}

size_t spi_transport_pending(const spout_transport *transport)
{
    if (transport->closed)
        return 0;
    size_t gathered = transport->net->gather_owner == transport ? transport->net->gather_len : 0;
    return gathered + (size_t)spi_output_pending(transport);
}
