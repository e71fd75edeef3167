/* A WebSocket's life: from the 101 to the return of .close. */
#include <spout/error.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/websocket_client.h"
#include "http/websocket_socket.h"

const spi_websocket_extra spi_websocket_no_extra;

spi_websocket_extra *spi_websocket_need_extra(spout_websocket *ws)
{
    if (ws->extra != &spi_websocket_no_extra)
        return (spi_websocket_extra *)(uintptr_t)ws->extra;
    spi_websocket_extra *extra = spi_calloc(sizeof *extra);
    spi_list_init(&extra->writers);
    ws->extra = extra;
    return extra;
}

static void free_extra(spout_websocket *ws)
{
    if (ws->extra == &spi_websocket_no_extra)
        return;
    spi_websocket_extra *extra = spi_websocket_need_extra(ws);
    spi_websocket_drop_outbox(extra->outbox);
    spi_free(extra->close_reason);
    spi_free(extra->subprotocol);
    spi_deflater_free(extra->deflater);
    spi_inflater_free(extra->inflater);
    spi_free(extra);
}

void spi_websocket_wake_writers(spout_websocket *ws)
{
    if (ws->extra != &spi_websocket_no_extra)
        spi_wake_all(&spi_websocket_need_extra(ws)->writers);
}

spout_websocket *spout_websocket_ref(spout_websocket *ws)
{
    ws->refs++;
    return ws;
}

void spout_websocket_unref(spout_websocket *ws)
{
    if (!ws)
        return;
    if (--ws->refs > 0) {
        if (ws->client)
            spi_websocket_client_dropped(ws);
        return;
    }
    spi_ready_cancel(&ws->ready);
    spi_timeout_stop(&ws->timeout);
    free_extra(ws);
    spi_websocket_client_free(ws->client);
    spi_free(ws);
}

void spi_websocket_settle_later(spout_websocket *ws)
{
    spi_ready_schedule(ws->loop, &ws->ready);
}

void spi_websocket_ended(spout_websocket *ws)
{
    ws->phase = SPI_WEBSOCKET_CLOSED;
    if (ws->counted)
        spi_loop_count(ws->loop, "websockets", -1);
    ws->counted = false;
    spi_timeout_stop(&ws->timeout);
    spi_websocket_leave_topics(ws);
    spi_websocket_wake_writers(ws);
    spi_websocket_wake_reader(ws);
    spi_websocket_settle_later(ws);
}

void spi_websocket_start_close(spout_websocket *ws, int code, spout_bytes reason)
{
    if (ws->phase != SPI_WEBSOCKET_OPEN)
        return;
    ws->phase = SPI_WEBSOCKET_CLOSING;
    spi_websocket_leave_topics(ws);
    spi_websocket_wake_writers(ws);
    spi_websocket_wake_reader(ws);
    if (spi_websocket_send_close(ws, code, reason) < 0) {
        /* Not even a close frame fits into the queue, or the peer is gone. */
        if (ws->exchange)
            ws->exchange->ops->tunnel_abort(ws->exchange);
        spi_websocket_ended(ws);
        return;
    }
    spi_websocket_await_close(ws);
    spi_websocket_settle_later(ws);
}

void spi_websocket_fail(spout_websocket *ws, int code, const char *reason)
{
    if (ws->phase == SPI_WEBSOCKET_CLOSED)
        return;
    if (ws->phase == SPI_WEBSOCKET_OPEN)
        (void)spi_websocket_send_close(ws, code, spout_bytes_of(reason));
    if (ws->exchange)
        ws->exchange->ops->tunnel_close(ws->exchange);
    spi_websocket_ended(ws);
}

static void close_slow(spout_websocket *ws)
{
    char ip[46];
    ws->slow = false;
    if (ws->phase != SPI_WEBSOCKET_OPEN)
        return;
    spi_log_warning("WebSocket closed (%s): the peer reads too slowly, %zu bytes are queued",
        spout_websocket_remote_ip(ws, ip), ws->exchange->ops->pending(ws->exchange));
    int code = ws->handler->queue_policy == SPOUT_QUEUE_CLOSE_1008 ? SPI_CLOSE_POLICY
                                                                   : SPI_CLOSE_TRY_LATER;
    spi_websocket_start_close(ws, code, spout_bytes_of("reading too slowly"));
}

static void receive_more(spout_websocket *ws)
{
    spi_websocket_receive_rest(ws);
    if (ws->phase == SPI_WEBSOCKET_CLOSED || spi_websocket_must_wait(ws))
        return;
    if (ws->eof) {
        /* No close frame came, so there is nobody to say goodbye to. */
        ws->exchange->ops->tunnel_close(ws->exchange);
        spi_websocket_ended(ws);
    } else if (ws->paused) {
        ws->paused = false;
        ws->exchange->ops->tunnel_resume(ws->exchange);
    }
}

static void call_close(spout_websocket *ws)
{
    ws->close_due = false;
    if (spi_websocket_run_close(ws) == 0)
        return;
    spi_log_warning("no stack is left for a WebSocket's close handler: tried again");
    ws->close_due = true;
    spi_websocket_retry_later(ws);
}

/* Does whatever is to be done. Scheduled by all that changes the socket's state, so that users'
   functions and the exchange's calls never nest. */
static void settle(spi_ready *ready)
{
    spout_websocket *ws = spout_websocket_ref(spi_container(ready, spout_websocket, ready));
    if (ws->slow)
        close_slow(ws);
    if (ws->client)
        spi_websocket_client_settle(ws);
    if (ws->run_due)
        spi_websocket_start_run(ws);
    if (ws->phase != SPI_WEBSOCKET_CLOSED && !spi_websocket_must_wait(ws))
        receive_more(ws);
    if (ws->phase == SPI_WEBSOCKET_CLOSED && ws->started && !ws->running && !ws->sequential &&
        ws->close_due)
        call_close(ws);
    spi_websocket_tidy_inbox(ws);
    if (ws->close_done && !ws->exchange && !ws->running) {
        ws->close_done = false;
        spout_websocket_unref(ws);
    }
    spout_websocket_unref(ws);
}

static void on_data(void *self, char *data, size_t len)
{
    spout_websocket *ws = self;
    ws->heard = true;
    if (ws->phase != SPI_WEBSOCKET_CLOSED)
        spi_websocket_receive(ws, data, len);
}

static void on_eof(void *self)
{
    spout_websocket *ws = self;
    ws->eof = true;
    spi_websocket_settle_later(ws);
}

static void on_drain(void *self)
{
    spout_websocket *ws = self;
    spi_websocket_wake_writers(ws);
}

static void on_lost(void *self)
{
    spout_websocket *ws = self;
    const spi_exchange *exchange = ws->exchange;
    if (exchange->ops->tunnel_peer)
        spi_websocket_need_extra(ws)->peer = *exchange->ops->tunnel_peer(exchange);
    ws->exchange = NULL;
    spi_websocket_ended(ws);
}

static void on_shutdown(void *self)
{
    spi_websocket_start_close(self, SPI_CLOSE_GOING_AWAY, spout_bytes_of("server shutting down"));
}

const spi_tunnel spi_websocket_tunnel = { on_data, on_eof, on_drain, on_lost, on_shutdown };

spout_websocket *spi_websocket_new(spi_exchange *exchange, const spout_websocket_handler *handler)
{
    spout_websocket *ws = spi_calloc(sizeof *ws + handler->state_size);
    ws->refs = 1;
    ws->exchange = exchange;
    ws->loop = exchange->loop;
    ws->handler = handler;
    ws->close_due = true;
    ws->extra = &spi_websocket_no_extra;
    if (exchange->peer && !exchange->ops->tunnel_peer)
        spi_websocket_need_extra(ws)->peer = *exchange->peer;
    spi_timeout_init(&ws->timeout);
    spi_ready_init(&ws->ready, settle);
    return ws;
}

/* The value of the answer, in `out`, or NULL. */
static const char *agree_extensions(spout_websocket *ws, char out[SPI_DEFLATE_ANSWER_SIZE])
{
    spi_deflate_terms terms;
    if (!spi_websocket_agree_deflate(&ws->exchange->head, ws->handler->compression, &terms))
        return NULL;
    ws->compressed = true;
    ws->send_takeover = terms.server_takeover;
    ws->receive_takeover = terms.client_takeover;
    ws->send_bits = terms.server_bits;
    spi_deflate_answer(&terms, out);
    return out;
}

void spi_websocket_begin(spout_websocket *ws, const char *subprotocol, spout_request *request)
{
    spi_exchange *exchange = ws->exchange;
    exchange->keep_arena = true;
    exchange->ops->tunnel_pause(exchange);
    ws->paused = true;
    if (subprotocol)
        spi_websocket_need_extra(ws)->subprotocol = spi_strdup(subprotocol);
    spi_websocket_adopt_task(ws, request);
    ws->inbox->request_exchange = exchange;
    ws->counted = true;
    spi_loop_count(ws->loop, "websockets", 1);
}

spout_websocket *spi_websocket_accept(spi_exchange *exchange,
    const spout_websocket_handler *handler, const char *subprotocol, const spi_field *fields,
    size_t field_count, spout_request *request)
{
    spout_websocket *ws = spi_websocket_new(exchange, handler);
    char answer[SPI_DEFLATE_ANSWER_SIZE];
    const char *extensions = agree_extensions(ws, answer);
    int result = spi_websocket_upgrade(
        exchange, subprotocol, extensions, fields, field_count, &spi_websocket_tunnel, ws);
    if (result < 0) {
        spout_websocket_unref(ws);
        return NULL;
    }
    spi_websocket_begin(ws, subprotocol, request);
    return ws;
}

void spi_websocket_start(spout_websocket *ws, int result)
{
    if (result == 0)
        result = spi_websocket_check_ended(ws);
    spi_websocket_disown_task(ws);
    ws->started = true;
    if (result != 0) {
        spi_websocket_log_failure(ws, "open", result);
        spi_websocket_start_close(ws, SPI_CLOSE_INTERNAL, spout_bytes_of("internal error"));
    }
    spi_exchange *origin = ws->inbox->request_exchange;
    spi_exchange *tunnel_end = origin->ops->drop_arena(origin);
    if (ws->exchange)
        ws->exchange = tunnel_end;
    if (ws->phase == SPI_WEBSOCKET_OPEN)
        spi_websocket_start_pings(ws);
    ws->run_due = ws->handler->run != NULL;
    spi_websocket_settle_later(ws);
}

bool spout_websocket_is_closed(const spout_websocket *ws)
{
    return ws->phase != SPI_WEBSOCKET_OPEN;
}

int spout_websocket_close_code(const spout_websocket *ws)
{
    return ws->close_code;
}

const char *spout_websocket_close_reason(const spout_websocket *ws)
{
    return ws->extra->close_reason ? ws->extra->close_reason : "";
}

spout_request *spout_websocket_request(spout_websocket *ws)
{
    return ws->inbox ? ws->inbox->request : NULL;
}

void *spout_websocket_state(spout_websocket *ws)
{
    return ws->state;
}

const char *spout_websocket_subprotocol(const spout_websocket *ws)
{
    return ws->extra->subprotocol;
}

uint32_t spout_websocket_dropped(const spout_websocket *ws)
{
    return ws->dropped;
}

bool spout_websocket_is_compressed(const spout_websocket *ws)
{
    return ws->compressed;
}

const char *spout_websocket_remote_ip(const spout_websocket *ws, char out[46])
{
    const spi_exchange *exchange = ws->exchange;
    if (exchange && exchange->ops->tunnel_peer)
        return spout_endpoint_text(exchange->ops->tunnel_peer(exchange), out);
    return spout_endpoint_text(&ws->extra->peer, out);
}
