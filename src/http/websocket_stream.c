/* A message that is sent in pieces, and what waits behind it. */
#include <spout/error.h>

#include "base/memory.h"
#include "http/websocket_socket.h"
#include "net/transport.h"

typedef struct held {
    spi_list node;
    spi_blob *blob;
} held;

static held *first_held(const spi_outbox *outbox)
{
    spi_list *node = spi_list_first(&outbox->held);
    return node ? spi_container(node, held, node) : NULL;
}

static void end_held(held *h)
{
    spi_list_remove(&h->node);
    spi_blob_unref(h->blob);
    spi_free(h);
}

void spi_websocket_drop_outbox(spi_outbox *outbox)
{
    if (!outbox)
        return;
    for (held *h; (h = first_held(outbox));)
        end_held(h);
    spi_free(outbox);
}

void spi_websocket_hold_blob(spout_websocket *ws, spi_blob *blob)
{
    held *h = spi_malloc(sizeof *h);
    h->blob = spi_blob_ref(blob);
    spi_list_push(&ws->extra->outbox->held, &h->node);
    ws->extra->outbox->held_bytes += blob->len;
}

int spi_websocket_await_outbox(spout_websocket *ws)
{
    const spi_task *task = spi_task_current();
    while (ws->extra->outbox && ws->phase == SPI_WEBSOCKET_OPEN) {
        if (ws->extra->outbox->task == task)
            return spout_error_set(SPOUT_ESTATE, "a message in pieces has to be ended first");
        if (!task || spi_websocket_is_others_task(ws))
            return spout_error_set(SPOUT_ELIMIT, "the WebSocket is sending a message in pieces");
        int result = spi_wait(&spi_websocket_need_extra(ws)->writers, "WebSocket message end");
        if (result < 0)
            return result;
    }
    return 0;
}

int spi_websocket_check_ended(const spout_websocket *ws)
{
    if (!ws->extra->outbox || ws->extra->outbox->task != spi_task_current() ||
        ws->phase != SPI_WEBSOCKET_OPEN)
        return 0;
    return spout_error_set(SPOUT_ESTATE, "a message in pieces was not ended");
}

int spout_websocket_begin(spout_websocket *ws, bool binary)
{
    spout_websocket_ref(ws);
    int result = spi_websocket_await_outbox(ws);
    if (result == 0 && ws->phase != SPI_WEBSOCKET_OPEN)
        result = spout_error_set(SPOUT_ECLOSED, "the WebSocket is closed");
    if (result == 0) {
        spi_outbox *outbox = spi_calloc(sizeof *outbox);
        outbox->task = spi_task_current();
        outbox->binary = binary;
        outbox->utf8 = SPI_UTF8_ACCEPT;
        spi_list_init(&outbox->held);
        spi_websocket_need_extra(ws)->outbox = outbox;
    }
    spout_websocket_unref(ws);
    return result;
}

static int check_piece(const spout_websocket *ws)
{
    if (ws->phase != SPI_WEBSOCKET_OPEN)
        return spout_error_set(SPOUT_ECLOSED, "the WebSocket is closed");
    if (!ws->extra->outbox || ws->extra->outbox->task != spi_task_current())
        return spout_error_set(SPOUT_ESTATE, "no message in pieces was begun here");
    return 0;
}

static int refuse_text(spout_websocket *ws)
{
    spi_websocket_start_close(ws, SPI_CLOSE_INTERNAL, spout_bytes_of("internal error"));
    return spout_error_set(SPOUT_EINVAL, "a WebSocket text must be UTF-8");
}

static int send_fragment(spout_websocket *ws, bool fin, spout_bytes piece)
{
    spi_outbox *outbox = ws->extra->outbox;
    spi_opcode opcode = outbox->begun    ? SPI_OP_CONTINUATION
                        : outbox->binary ? SPI_OP_BINARY
                                         : SPI_OP_TEXT;
    int result = spi_websocket_send_frame(ws, opcode, fin, false, piece);
    if (result == 0 && ws->extra->outbox)
        outbox->begun = true;
    return result;
}

int spout_websocket_write_piece(spout_websocket *ws, spout_bytes piece)
{
    int result = check_piece(ws);
    if (result < 0 || piece.len == 0)
        return result;
    if (!ws->extra->outbox->binary) {
        spi_utf8_state utf8 = spi_utf8_feed(ws->extra->outbox->utf8, piece.data, piece.len);
        if (utf8 == SPI_UTF8_REJECT)
            return refuse_text(ws);
        ws->extra->outbox->utf8 = utf8;
    }
    spout_websocket_ref(ws);
    result = spi_websocket_wait_for_room(ws, piece.len);
    if (result == 0)
        result = send_fragment(ws, false, piece);
    spout_websocket_unref(ws);
    return result;
}

static void send_held(spout_websocket *ws, spi_outbox *outbox)
{
    for (held *h; (h = first_held(outbox)); end_held(h)) {
        if (ws->phase != SPI_WEBSOCKET_OPEN)
            continue;
        if (ws->exchange->ops->tunnel_write_blob(ws->exchange, h->blob) == SPOUT_ELIMIT)
            spi_websocket_queue_is_full(ws, 1);
    }
}

int spout_websocket_end(spout_websocket *ws)
{
    int result = check_piece(ws);
    if (result < 0)
        return result;
    if (ws->extra->outbox->utf8 != SPI_UTF8_ACCEPT)
        return refuse_text(ws);
    result = send_fragment(ws, true, (spout_bytes){ NULL, 0 });
    if (result == 0)
        spi_loop_count(ws->loop, "websocket_sent", 1);
    if (result < 0 || !ws->extra->outbox)
        return result;
    spi_outbox *outbox = ws->extra->outbox;
    spi_websocket_need_extra(ws)->outbox = NULL;
    send_held(ws, outbox);
    spi_free(outbox);
    spi_websocket_wake_writers(ws);
    return 0;
}
