/*
 * The exchange of a client's socket: a stream's transport, without a connection and a request. The
 * server ends TCP first (RFC 6455 §7.1.1), so a clean close waits for that, a little.
 */
#include "base/memory.h"
#include "http/websocket_client.h"
#include "http/websocket_socket.h"
#include "net/stream.h"
#include "net/transport.h"

enum { SERVER_END_MS = 2000 };

typedef struct client_end {
    spi_exchange base;
    spout_stream *stream;
    const spi_tunnel *tunnel;
    spout_websocket *ws;
    spi_ready ready;
    spi_timer timer;
    bool ending;  /* nothing is of interest any more but the server's end */
    bool aborted; /* on_lost comes from the loop */
} client_end;

static client_end *end_of(const spi_exchange *exchange)
{
    return spi_container((spi_exchange *)(uintptr_t)exchange, client_end, base);
}

static spout_transport *transport_of(const spi_exchange *exchange)
{
    return spi_stream_transport(end_of(exchange)->stream);
}

static int tunnel_write(spi_exchange *exchange, const spout_bytes *pieces, int count)
{
    return spi_transport_writev(transport_of(exchange), pieces, count);
}

static int tunnel_write_blob(spi_exchange *exchange, spi_blob *blob)
{
    return spi_transport_write_blob(transport_of(exchange), blob);
}

static size_t pending(const spi_exchange *exchange)
{
    return spi_transport_pending(transport_of(exchange));
}

static void tunnel_pause(spi_exchange *exchange)
{
    spi_transport_pause(transport_of(exchange));
}

static void tunnel_resume(spi_exchange *exchange)
{
    spi_transport_resume(transport_of(exchange));
}

static void tunnel_flush(spi_exchange *exchange)
{
    spi_transport_flush(transport_of(exchange));
}

static int tunnel_set_nodelay(spi_exchange *exchange, bool on)
{
    return spout_stream_set_nodelay(end_of(exchange)->stream, on);
}

static void lose(client_end *end)
{
    spi_ready_cancel(&end->ready);
    spi_timer_stop(end->base.loop, &end->timer);
    end->tunnel->on_lost(end->ws);
    spout_stream_close(end->stream);
    spi_free(end);
}

static void on_ready(spi_ready *ready)
{
    lose(spi_container(ready, client_end, ready));
}

static void tunnel_abort(spi_exchange *exchange)
{
    client_end *end = end_of(exchange);
    if (end->aborted)
        return;
    end->aborted = true;
    (void)spout_stream_set_reset_on_close(end->stream, true);
    spi_ready_schedule(exchange->loop, &end->ready);
}

static void on_server_overdue(spi_timer *timer)
{
    const client_end *end = spi_container(timer, client_end, timer);
    spi_transport_close(spi_stream_transport(end->stream));
}

static void tunnel_close(spi_exchange *exchange)
{
    client_end *end = end_of(exchange);
    spout_transport *transport = transport_of(exchange);
    if (end->ending || end->aborted)
        return;
    end->ending = true;
    if (transport->eof || spout_websocket_close_code(end->ws) == 0) {
        spi_transport_close(transport);
        return;
    }
    spi_transport_flush(transport);
    spi_transport_resume(transport);
    spi_timer_start(exchange->loop, &end->timer, spi_loop_now(exchange->loop) + SERVER_END_MS,
        on_server_overdue);
}

/* There is no request behind it. */
static spi_exchange *drop_arena(spi_exchange *exchange)
{
    return exchange;
}

static const spi_exchange_ops client_end_ops = {
    .pending = pending,
    .tunnel_write = tunnel_write,
    .tunnel_write_blob = tunnel_write_blob,
    .tunnel_pause = tunnel_pause,
    .tunnel_resume = tunnel_resume,
    .tunnel_flush = tunnel_flush,
    .tunnel_set_nodelay = tunnel_set_nodelay,
    .tunnel_close = tunnel_close,
    .tunnel_abort = tunnel_abort,
    .drop_arena = drop_arena,
};

static void on_data(spout_transport *transport, char *data, size_t len)
{
    client_end *end = spi_stream_owner(transport);
    if (!end->ending && !end->aborted)
        end->tunnel->on_data(end->ws, data, len);
}

static void on_eof(spout_transport *transport)
{
    client_end *end = spi_stream_owner(transport);
    if (end->ending)
        spi_transport_close(transport);
    else if (!end->aborted)
        end->tunnel->on_eof(end->ws);
}

static void on_drain(spout_transport *transport)
{
    client_end *end = spi_stream_owner(transport);
    end->tunnel->on_drain(end->ws);
}

static void on_lost(spout_transport *transport)
{
    lose(spi_stream_owner(transport));
}

static const spout_consumer consumer = {
    .on_data = on_data,
    .on_eof = on_eof,
    .on_drain = on_drain,
    .on_lost = on_lost,
};

spi_exchange *spi_client_end_new(spout_stream *stream, const spi_tunnel *tunnel)
{
    client_end *end = spi_calloc(sizeof *end);
    end->base.ops = &client_end_ops;
    end->base.loop = spi_stream_transport(stream)->loop;
    end->base.peer = spi_stream_peer(stream);
    end->stream = stream;
    end->tunnel = tunnel;
    spi_ready_init(&end->ready, on_ready);
    if (spi_stream_divert(stream, &consumer, end) == 0)
        return &end->base;
    spi_free(end);
    return NULL;
}

void spi_client_end_set_owner(spi_exchange *exchange, spout_websocket *ws)
{
    end_of(exchange)->ws = ws;
}
