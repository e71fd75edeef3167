/*
 * A socket's one timer: for pings, then for the closing handshake. Durations are fixed, so that
 * arming is O(1): a ping cycle is the time to answer followed by what is left of the interval.
 */
#include "base/log.h"
#include "http/websocket_socket.h"

static spout_websocket *owner(spi_timeout *timeout)
{
    return spi_container(timeout, spout_websocket, timeout);
}

static void arm(spout_websocket *ws, int64_t duration_ms, void (*fn)(spi_timeout *))
{
    spi_timeout_start(spi_timeout_class_get(ws->loop, duration_ms, fn), &ws->timeout);
}

static void on_ping_due(spi_timeout *timeout);
static void on_answer_due(spi_timeout *timeout);

static int64_t answer_time(const spout_websocket *ws)
{
    int64_t time = ws->handler->ping_timeout_ms, interval = ws->handler->ping_interval_ms;
    return time <= 0 || time > interval ? interval : time;
}

static void on_ping_due(spi_timeout *timeout)
{
    spout_websocket *ws = owner(timeout);
    ws->heard = false;
    (void)spi_websocket_send(ws, SPI_OP_PING, (spout_bytes){ NULL, 0 });
    if (ws->handler->ping_timeout_ms == SPOUT_NONE)
        arm(ws, ws->handler->ping_interval_ms, on_ping_due);
    else
        arm(ws, answer_time(ws), on_answer_due);
}

static void give_up(spout_websocket *ws)
{
    char ip[46];
    spi_log_info("WebSocket closed (%s): ping timed out", spout_websocket_remote_ip(ws, ip));
    bool is_stuck = ws->exchange->ops->pending(ws->exchange) > 0;
    spi_websocket_fail(ws, SPI_CLOSE_INTERNAL, "ping timed out");
    if (is_stuck && ws->exchange)
        ws->exchange->ops->tunnel_abort(ws->exchange);
}

static void on_answer_due(spi_timeout *timeout)
{
    spout_websocket *ws = owner(timeout);
    /* While a handler runs nothing is read: silence means nothing then. */
    if (!ws->heard && !ws->paused) {
        give_up(ws);
        return;
    }
    int64_t rest = ws->handler->ping_interval_ms - answer_time(ws);
    if (rest > 0)
        arm(ws, rest, on_ping_due);
    else
        on_ping_due(timeout);
}

void spi_websocket_start_pings(spout_websocket *ws)
{
    if (ws->handler->ping_interval_ms > 0)
        arm(ws, ws->handler->ping_interval_ms, on_ping_due);
}

static void on_close_overdue(spi_timeout *timeout)
{
    spout_websocket *ws = owner(timeout);
    if (ws->exchange)
        ws->exchange->ops->tunnel_abort(ws->exchange);
    spi_websocket_ended(ws);
}

void spi_websocket_await_close(spout_websocket *ws)
{
    arm(ws, SPI_WEBSOCKET_CLOSE_WAIT_MS, on_close_overdue);
}

static void on_retry(spi_timeout *timeout)
{
    spi_websocket_settle_later(owner(timeout));
}

void spi_websocket_retry_later(spout_websocket *ws)
{
    arm(ws, SPI_WEBSOCKET_RETRY_MS, on_retry);
}
