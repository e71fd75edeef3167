#include "http/connection.h"

#include <spout/error.h>

#include "base/memory.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

spi_connection *spi_connection_of(spi_exchange *exchange)
{
    if (exchange->ops == &spi_http1_ops)
        return spi_http1_of(exchange)->connection;
    return ((spi_tunnel_end *)(void *)exchange)->connection;
}

static int check_upgrade(const spi_http1_exchange *exchange)
{
    const spi_exchange *base = &exchange->base;
    if (base->gone)
        return spout_error_set(SPOUT_ECLOSED, "the client has gone");
    if (base->head_sent)
        return spout_error_set(SPOUT_ESTATE, "the head was sent already");
    if (base->head.minor_version == 0 || exchange->unread || exchange->failed)
        return spout_error_set(SPOUT_EUNSUPPORTED, "this request can't be upgraded");
    return 0;
}

/* What drop_arena gives is read like the start of an exchange. */
#define SAME_PLACE(member) \
    _Static_assert(offsetof(spi_tunnel_end, member) == offsetof(spi_exchange, member), #member)
SAME_PLACE(ops);
SAME_PLACE(user);
SAME_PLACE(loop);

static void begin_tunnel(spi_http1_exchange *exchange, const spi_tunnel *tunnel, void *self)
{
    spi_exchange *base = &exchange->base;
    spi_connection *connection = exchange->connection;
    spi_http1_stop_timeout(exchange);
    spi_tunnel_end *end = spi_calloc(sizeof *end);
    end->ops = &spi_tunnel_end_ops;
    end->loop = base->loop;
    end->connection = connection;
    end->tunnel = tunnel;
    end->self = self;
    end->eof_owed = connection->transport.eof;
    connection->tunnel = end;
    connection->state = SPI_CONNECTION_TUNNEL;
    base->upgraded = base->head_sent = base->finished = true;
}

int spi_http1_upgrade(
    spi_exchange *base, const spi_reply_head *head, const spi_tunnel *tunnel, void *self)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    spi_connection *connection = exchange->connection;
    int result = check_upgrade(exchange);
    if (result == 0)
        result = spi_connection_write_head(connection, NULL, head, base->arena);
    if (result < 0)
        return result;
    spi_connection_enter(connection);
    begin_tunnel(exchange, tunnel, self);
    if (!connection->transport.reading && !connection->transport.eof)
        spi_transport_resume(&connection->transport);
    spi_connection_leave(connection);
    return 0;
}

spi_exchange *spi_http1_drop_arena(spi_exchange *exchange)
{
    spi_connection *connection = spi_connection_of(exchange);
    if (!connection) { /* gone before its request was */
        spi_arena_pool_give(spi_loop_arenas(exchange->loop), exchange->arena);
        return NULL;
    }
    if (connection->exchange) {
        connection->exchange->base.keep_arena = false;
        connection->tunnel->user = exchange->user;
        spi_connection_drop_exchange(connection);
    }
    return (spi_exchange *)(void *)connection->tunnel;
}

int spi_http1_tunnel_write(spi_exchange *exchange, const spout_bytes *pieces, int count)
{
    return spi_transport_writev(&spi_connection_of(exchange)->transport, pieces, count);
}

int spi_http1_tunnel_write_blob(spi_exchange *exchange, struct spi_blob *blob)
{
    return spi_transport_write_blob(&spi_connection_of(exchange)->transport, blob);
}

static spout_transport *transport_of(const spi_exchange *exchange)
{
    const spi_tunnel_end *end = (const spi_tunnel_end *)(const void *)exchange;
    return &end->connection->transport;
}

static char *tunnel_reserve(spi_exchange *exchange, size_t len, size_t max)
{
    spout_transport *transport = transport_of(exchange);
    if (transport->output || spi_transport_pending(transport) + len > max)
        return NULL;
    return spi_transport_reserve(transport, len);
}

static void tunnel_commit(spi_exchange *exchange, size_t len)
{
    spi_transport_commit(transport_of(exchange), len);
}

static size_t tunnel_pending(const spi_exchange *exchange)
{
    return spi_transport_pending(transport_of(exchange));
}

void spi_http1_tunnel_pause(spi_exchange *exchange)
{
    spi_connection *connection = spi_connection_of(exchange);
    connection->tunnel->paused = true;
    spi_transport_pause(&connection->transport);
}

void spi_http1_tunnel_resume(spi_exchange *exchange)
{
    spi_connection *connection = spi_connection_of(exchange);
    spi_connection_enter(connection);
    connection->tunnel->paused = false;
    spi_transport_resume(&connection->transport);
    spi_connection_leave(connection); /* delivers what is owed, in a later turn */
}

void spi_http1_tunnel_flush(spi_exchange *exchange)
{
    spi_transport_flush(&spi_connection_of(exchange)->transport);
}

size_t spi_http1_tunnel_drop_blobs(spi_exchange *exchange, size_t len)
{
    return spi_transport_drop_blobs(&spi_connection_of(exchange)->transport, len);
}

int spi_http1_tunnel_set_nodelay(spi_exchange *exchange, bool on)
{
    const spi_connection *connection = spi_connection_of(exchange);
    int value = on;
    if (connection->peer.family == 0)
        return 0;
    if (setsockopt(spi_transport_fd(&connection->transport), IPPROTO_TCP, TCP_NODELAY, &value,
            sizeof value) < 0)
        return spout_error_set_errno(errno, "TCP_NODELAY can't be set");
    return 0;
}

const spout_endpoint *spi_http1_tunnel_peer(const spi_exchange *exchange)
{
    return &spi_connection_of((spi_exchange *)(uintptr_t)exchange)->peer;
}

void spi_http1_tunnel_close(spi_exchange *exchange)
{
    spi_connection *connection = spi_connection_of(exchange);
    if (!connection->tunnel->lost_owed)
        spi_transport_close(&connection->transport);
}

void spi_http1_tunnel_abort(spi_exchange *exchange)
{
    spi_connection *connection = spi_connection_of(exchange);
    connection->tunnel->lost_owed = true;
    spi_transport_abort(&connection->transport);
    spi_ready_schedule(connection->transport.loop, &connection->ready);
}

static bool is_waiting(const spi_connection *connection)
{
    return connection->tunnel->paused || spi_connection_left_over_len(connection) > 0;
}

void spi_tunnel_take(spi_connection *connection, char *data, size_t len)
{
    const spi_tunnel_end *end = connection->tunnel;
    if (is_waiting(connection))
        spi_connection_stash(connection, data, len);
    else
        end->tunnel->on_data(end->self, data, len);
}

void spi_tunnel_end_input(spi_connection *connection)
{
    spi_tunnel_end *end = connection->tunnel;
    if (is_waiting(connection))
        end->eof_owed = true;
    else
        end->tunnel->on_eof(end->self);
}

static void deliver(spi_connection *connection)
{
    const spi_tunnel_end *end = connection->tunnel;
    spi_buffer buffer = connection->left_over->buffer;
    spi_buffer_init(&connection->left_over->buffer, buffer.max);
    end->tunnel->on_data(end->self, spi_buffer_head(&buffer), spi_buffer_len(&buffer));
    spi_buffer_release(&buffer);
}

static bool is_open(const spi_connection *connection)
{
    return connection->state == SPI_CONNECTION_TUNNEL && !connection->tunnel->lost_owed &&
           spi_transport_is_writable(&connection->transport);
}

bool spi_tunnel_owes(const spi_connection *connection)
{
    const spi_tunnel_end *end = connection->tunnel;
    return is_open(connection) && !end->paused &&
           (end->eof_owed || spi_connection_left_over_len(connection) > 0);
}

void spi_tunnel_turn(spi_connection *connection)
{
    if (connection->tunnel->lost_owed) {
        spi_tunnel_lose(connection);
        return;
    }
    if (!is_open(connection) || connection->tunnel->paused)
        return;
    if (spi_connection_left_over_len(connection) > 0)
        deliver(connection);
    if (!is_open(connection) || is_waiting(connection) || !connection->tunnel->eof_owed)
        return;
    spi_tunnel_end *end = connection->tunnel;
    end->eof_owed = false;
    end->tunnel->on_eof(end->self);
}

static void free_end(spi_connection *connection)
{
    spi_free(connection->tunnel);
    connection->tunnel = NULL;
    spi_connection_drop_exchange(connection);
}

void spi_tunnel_lose(spi_connection *connection)
{
    const spi_tunnel_end *end = connection->tunnel;
    spi_transport_abort(&connection->transport);
    connection->state = SPI_CONNECTION_LOST;
    end->tunnel->on_lost(end->self);
    free_end(connection);
}

void spi_tunnel_drop(spi_connection *connection)
{
    spi_transport_abort(&connection->transport);
    connection->state = SPI_CONNECTION_LOST;
    free_end(connection);
}

const spi_exchange_ops spi_tunnel_end_ops = {
    .pending = tunnel_pending,
    .tunnel_write = spi_http1_tunnel_write,
    .tunnel_write_blob = spi_http1_tunnel_write_blob,
    .tunnel_reserve = tunnel_reserve,
    .tunnel_commit = tunnel_commit,
    .tunnel_pause = spi_http1_tunnel_pause,
    .tunnel_resume = spi_http1_tunnel_resume,
    .tunnel_flush = spi_http1_tunnel_flush,
    .tunnel_drop_blobs = spi_http1_tunnel_drop_blobs,
    .tunnel_set_nodelay = spi_http1_tunnel_set_nodelay,
    .tunnel_peer = spi_http1_tunnel_peer,
    .tunnel_close = spi_http1_tunnel_close,
    .tunnel_abort = spi_http1_tunnel_abort,
    .drop_arena = spi_http1_drop_arena,
    .release = spi_http1_release_slowly,
};
