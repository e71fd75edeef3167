#include "http/connection.h"

#include <spout/error.h>

#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"

static spi_connection *of_transport(spout_transport *transport)
{
    return spi_container(transport, spi_connection, transport);
}

static void destroy(spi_connection *connection)
{
    spout_http_server *server = connection->server;
    spi_timeout_stop(&connection->timeout);
    spi_ready_cancel(&connection->ready);
    spi_transport_abort(&connection->transport);
    spi_connection_drop_left_over(connection);
    spi_list_remove(&connection->node);
    spi_loop_count(connection->transport.loop, "http_connections", -1);
    spi_free(connection);
    if (server && --server->connection_count == 0)
        spi_wake_all(&server->drained);
}

void spi_connection_arm(spi_connection *connection, spi_timeout_class *timeouts)
{
    if (timeouts)
        spi_timeout_start(timeouts, &connection->timeout);
    else
        spi_timeout_stop(&connection->timeout);
}

/* Its owner goes on with it, without a connection. */
static void keep_exchange(const spi_connection *connection, spi_http1_exchange *exchange)
{
    exchange->connection = NULL;
    if (exchange->base.peer != &connection->peer)
        return;
    spout_endpoint *peer = spi_arena_alloc(exchange->base.arena, sizeof *peer);
    *peer = connection->peer;
    exchange->base.peer = peer;
}

static void release_extras(spi_http1_extras *extras)
{
    spi_timeout_stop(&extras->timeout);
    if (extras->inflater)
        spi_gunzip_free(extras->inflater);
    spi_buffer_release(&extras->content);
}

__attribute__((noinline)) void spi_connection_take_apart(
    spi_connection *connection, spi_http1_exchange *exchange)
{
    if (exchange->extras)
        release_extras(exchange->extras);
    if (exchange->base.keep_arena)
        keep_exchange(connection, exchange);
    else
        spi_arena_pool_give(spi_loop_arenas(connection->transport.loop), exchange->base.arena);
}

void spi_connection_drop_exchange(spi_connection *connection)
{
    if (connection->exchange)
        spi_connection_end_exchange(connection, connection->exchange);
}

void spi_connection_close(spi_connection *connection)
{
    if (connection->state == SPI_CONNECTION_LOST)
        return;
    if (connection->state == SPI_CONNECTION_SERVING) {
        connection->ending = true;
    } else {
        spi_timeout_stop(&connection->timeout);
        spi_connection_drop_exchange(connection);
        connection->state = SPI_CONNECTION_CLOSING;
    }
    spi_transport_close(&connection->transport);
}

void spi_connection_cut(spi_connection *connection)
{
    spi_transport_abort(&connection->transport);
    if (connection->state == SPI_CONNECTION_SERVING)
        return;
    spi_connection_drop_exchange(connection);
    connection->state = SPI_CONNECTION_LOST;
}

void spi_connection_close_quietly(spi_connection *connection)
{
    spi_transport_flush(&connection->transport);
    if (spi_transport_is_secure(&connection->transport)) /* TLS has a goodbye of its own */
        spi_transport_shutdown(&connection->transport);
    if (spi_transport_pending(&connection->transport) > 0)
        spi_connection_close(connection);
    else
        spi_connection_cut(connection);
}

/* The service is told that the peer of its exchange is lost; it may release the exchange in
   there. */
static void tell_gone(spi_http1_exchange *exchange)
{
    spi_exchange *base = &exchange->base;
    if (base->gone)
        return;
    base->gone = true;
    spi_http1_wake_readers(exchange);
    spi_http1_wake_writers(exchange);
    if (!base->finished)
        base->service->on_gone(base->service_self, base);
}

static void check_hang_up(spi_connection *connection)
{
    if (connection->state != SPI_CONNECTION_SERVING)
        return;
    const spi_exchange *base = &connection->exchange->base;
    if (base->half_closed && base->hang_up_on_eof && !base->gone &&
        spi_connection_left_over_len(connection) == 0)
        tell_gone(connection->exchange);
}

static bool wants_reading(const spi_connection *connection)
{
    switch (spi_connection_get_state(connection)) {
    case SPI_CONNECTION_IDLE:
    case SPI_CONNECTION_HEAD: return !spi_transport_is_pressed(&connection->transport);
    case SPI_CONNECTION_BODY:
    case SPI_CONNECTION_SKIPPING: return true;
    case SPI_CONNECTION_SERVING:
        return spi_connection_left_over_len(connection) < SPI_LEFT_OVER_HIGH;
    case SPI_CONNECTION_TUNNEL:
    case SPI_CONNECTION_CLOSING:
    case SPI_CONNECTION_LOST: break;
    }
    return false;
}

static void settle_reading(spi_connection *connection)
{
    spout_transport *transport = &connection->transport;
    bool wanted = wants_reading(connection);
    if (wanted == transport->reading || spi_transport_is_closed(transport) || connection->ending)
        return;
    if (wanted)
        spi_transport_resume(transport);
    else
        spi_transport_pause(transport);
}

static void settle_idle(spi_connection *connection)
{
    bool more = spi_connection_left_over_len(connection) > 0;
    if (connection->server->draining || (connection->transport.eof && !more))
        spi_connection_close_quietly(connection);
    else if (more && !spi_transport_is_pressed(&connection->transport))
        spi_ready_schedule(connection->transport.loop, &connection->ready);
    else
        spi_connection_arm(connection, connection->server->idle_timeouts);
}

/* Half of a request, and its peer sends no more. */
static void settle_partial(spi_connection *connection)
{
    bool more = connection->state == SPI_CONNECTION_SKIPPING &&
                spi_connection_left_over_len(connection) > 0;
    if (more)
        spi_ready_schedule(connection->transport.loop, &connection->ready);
    else if (connection->transport.eof)
        spi_connection_close_quietly(connection);
}

static void settle(spi_connection *connection)
{
    check_hang_up(connection);
    switch (spi_connection_get_state(connection)) {
    case SPI_CONNECTION_IDLE: settle_idle(connection); break;
    case SPI_CONNECTION_HEAD:
    case SPI_CONNECTION_BODY:
    case SPI_CONNECTION_SKIPPING: settle_partial(connection); break;
    case SPI_CONNECTION_SERVING:
        if (!connection->exchange->reading)
            spi_timeout_stop(&connection->timeout);
        break;
    case SPI_CONNECTION_TUNNEL:
        spi_timeout_stop(&connection->timeout);
        if (spi_tunnel_owes(connection))
            spi_ready_schedule(connection->transport.loop, &connection->ready);
        break;
    case SPI_CONNECTION_CLOSING:
    case SPI_CONNECTION_LOST: break;
    }
    if (connection->state != SPI_CONNECTION_TUNNEL)
        settle_reading(connection);
    if (connection->left_over && (spi_connection_left_over_len(connection) == 0 ||
                                     connection->state == SPI_CONNECTION_CLOSING))
        spi_connection_drop_left_over(connection);
}

void spi_connection_enter(spi_connection *connection)
{
    connection->depth++;
}

/* Idle, reading, and nothing is left to do: as settle would find it. */
static bool is_settled(const spi_connection *connection)
{
    return connection->state == SPI_CONNECTION_IDLE && !connection->left_over &&
           spi_transport_is_well(&connection->transport) && !connection->server->draining;
}

__attribute__((noinline)) static void leave_unsettled(spi_connection *connection)
{
    settle(connection);
    connection->depth--;
    if (connection->state == SPI_CONNECTION_LOST)
        destroy(connection);
}

void spi_connection_leave(spi_connection *connection)
{
    if (connection->depth > 1) {
        connection->depth--;
    } else if (is_settled(connection)) {
        connection->depth = 0;
        spi_connection_arm(connection, connection->server->idle_timeouts);
    } else {
        leave_unsettled(connection);
    }
}

/* Nothing is left to do: as settle would find it. */
static bool is_settled_tunnel(const spi_connection *connection)
{
    return connection->state == SPI_CONNECTION_TUNNEL && !connection->left_over &&
           !spi_tunnel_owes(connection) && spi_list_is_empty(&connection->timeout.node);
}

/* Not inlined, so that each of the two ways saves no more registers than it needs. */
__attribute__((noinline)) static void take_tunnel_data(
    spi_connection *connection, char *data, size_t len)
{
    spi_connection_enter(connection);
    spi_tunnel_take(connection, data, len);
    if (connection->depth == 1 && is_settled_tunnel(connection))
        connection->depth = 0;
    else
        spi_connection_leave(connection);
}

__attribute__((noinline)) static void take_more(spi_connection *connection, char *data, size_t len)
{
    spi_connection_enter(connection);
    spi_connection_take(connection, data, len);
    spi_connection_leave(connection);
}

__attribute__((noinline)) static void take_left_over_and_leave(spi_connection *connection)
{
    spi_connection_take_left_over(connection);
    spi_connection_leave(connection);
}

static void on_data(spout_transport *transport, char *data, size_t len)
{
    spi_connection *connection = of_transport(transport);
    if (spi_connection_is_fresh(connection)) {
        spi_connection_enter(connection);
        spi_connection_take_requests(connection, data, len);
        if (connection->left_over)
            take_left_over_and_leave(connection);
        else
            spi_connection_leave(connection);
    } else if (connection->state == SPI_CONNECTION_TUNNEL) {
        take_tunnel_data(connection, data, len);
    } else {
        take_more(connection, data, len);
    }
}

static void on_eof(spout_transport *transport)
{
    spi_connection *connection = of_transport(transport);
    spi_connection_enter(connection);
    if (connection->state == SPI_CONNECTION_TUNNEL) {
        spi_tunnel_end_input(connection);
    } else if (connection->state == SPI_CONNECTION_SERVING) {
        connection->exchange->base.half_closed = true;
        spi_http1_wake_readers(connection->exchange);
    }
    spi_connection_leave(connection);
}

static void on_drain(spout_transport *transport)
{
    spi_connection *connection = of_transport(transport);
    spi_connection_enter(connection);
    if (connection->state == SPI_CONNECTION_TUNNEL)
        connection->tunnel->tunnel->on_drain(connection->tunnel->self);
    else if (connection->state == SPI_CONNECTION_SERVING)
        spi_http1_wake_writers(connection->exchange);
    else
        spi_connection_take_left_over(connection);
    spi_connection_leave(connection);
}

static void end_without_transport(spi_connection *connection)
{
    if (connection->state == SPI_CONNECTION_TUNNEL)
        spi_tunnel_lose(connection);
    else if (connection->state == SPI_CONNECTION_SERVING)
        tell_gone(connection->exchange);
    else
        spi_connection_cut(connection);
}

static void on_lost(spout_transport *transport)
{
    spi_connection *connection = of_transport(transport);
    spi_connection_enter(connection);
    end_without_transport(connection);
    spi_connection_leave(connection);
}

static const spout_consumer consumer = { on_data, on_eof, on_drain, on_lost };

/* What was left for a later turn. */
static void on_turn(spi_ready *ready)
{
    spi_connection *connection = spi_container(ready, spi_connection, ready);
    spi_connection_enter(connection);
    if (connection->state == SPI_CONNECTION_TUNNEL)
        spi_tunnel_turn(connection);
    else
        spi_connection_take_left_over(connection);
    spi_connection_leave(connection);
}

/* Beyond the maximum so many at a time are told so; more are closed without a word. */
enum { CROWD_MAX = 256 };

static bool is_crowded(spout_http_server *server)
{
    bool crowded = server->connection_count >= server->limits.max_connections;
    if (crowded && !server->crowded)
        spi_log_warning("%zu connections are open: more get 503", server->limits.max_connections);
    server->crowded = crowded;
    return crowded;
}

/* For http:// on the port of https://, as others put it. */
static const char plain_reply[] = "HTTP/1.1 400 Bad Request\r\n"
                                  "Content-Type: text/plain; charset=UTF-8\r\n"
                                  "Content-Length: 55\r\n"
                                  "Connection: close\r\n\r\n"
                                  "This port speaks TLS: use https:// instead of http://.\n";

static const spi_tls_wrap_options tls_options = { .alpn = "\x08http/1.1",
    .plain_reply = plain_reply };

static spi_connection *new_connection(
    spout_http_server *server, int fd, const spout_endpoint *peer, spout_tls *tls)
{
    spi_connection *connection = spi_calloc(sizeof *connection);
    if (spi_transport_open(
            &connection->transport, server->loop, fd, &spi_transport_plain, &consumer) < 0) {
        spi_free(connection);
        return NULL;
    }
    if (tls && spi_tls_wrap(&connection->transport, tls, &tls_options) < 0) {
        spi_transport_detach(&connection->transport); /* the descriptor stays the caller's */
        spi_free(connection);
        return NULL;
    }
    connection->server = server;
    connection->peer = *peer;
    spi_timeout_init(&connection->timeout);
    spi_ready_init(&connection->ready, on_turn);
    spi_list_push(&server->connections, &connection->node);
    server->connection_count++;
    spi_loop_count(server->loop, "http_connections", 1);
    return connection;
}

int spi_connection_open(
    spout_http_server *server, int fd, const spout_endpoint *peer, spout_tls *tls)
{
    bool crowded = is_crowded(server);
    spi_connection *connection = NULL;
    spi_loop_count(server->loop, crowded ? "http_shed" : "http_accepted", 1);
    if (crowded && server->connection_count - server->limits.max_connections >= CROWD_MAX)
        spout_error_set(SPOUT_ELIMIT, "too many connections");
    else
        connection = new_connection(server, fd, peer, tls);
    if (!connection) {
        close(fd);
        return spout_error_code_current();
    }
    spi_connection_enter(connection);
    if (crowded)
        spi_connection_refuse_head(connection, (spout_bytes){ "", 0 }, 503, NULL);
    spi_connection_leave(connection);
    return 0;
}

void spi_connection_drain(spi_connection *connection)
{
    spi_connection_enter(connection);
    if (connection->state == SPI_CONNECTION_TUNNEL) {
        const spi_tunnel_end *end = connection->tunnel;
        if (end->tunnel->on_shutdown)
            end->tunnel->on_shutdown(end->self);
        else
            spi_transport_close(&connection->transport);
    } else if (connection->state == SPI_CONNECTION_HEAD && spi_connection_is_blank(connection)) {
        spi_connection_close_quietly(connection);
    }
    spi_connection_leave(connection); /* closes an idle one */
}

void spi_connection_orphan(spi_connection *connection)
{
    spi_connection_enter(connection);
    connection->server = NULL;
    spi_list_remove(&connection->node);
    spi_transport_abort(&connection->transport);
    end_without_transport(connection);
    spi_connection_leave(connection);
}
